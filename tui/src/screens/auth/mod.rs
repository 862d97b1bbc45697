//! The Auth screen: users, their roles, what these may do; and why somebody may do something, or may not.
//!
//! ```text
//! tick ─▶ look ─▶ ReadUsers ─▶ Told ─▶ Tree ─▶ view
//! keys ─▶ actions ─▶ Change                ├─▶ union (what a user may do)
//! question ─▶ typed ─▶ Question ───────────┴─▶ explain
//! ```
//!
//! * I1: what a user may do, and why, is worked out here from what was told, as servers do it; no server has a call that
//!   tells.
//! * I2: a password is typed twice and hidden, and given to the server alone.
//! * I3: who takes something away answers a question before; who lets everybody do everything types that it is meant.
//! * I4: who may not list users sees what it may do itself, and the words of the server.
//!
//! It refuses changes in a read-only console. Tested here by tables, in `tests/console/auth.rs` by snapshots and on a real
//! member, and in the real program in `tests/pty/auth.rs`.

pub(crate) mod actions;
pub mod explain;
pub mod model;
mod mouse;
pub mod requests;
mod screen;
pub mod tree;
mod typed;
mod update;
pub(crate) mod view;

use mini_etcd_shared::clock::Moment;

use super::ScreenId;
use crate::console::Context;
use crate::engine::request::Trouble;
use crate::password::Secret;
use crate::screens::requests::{Freshness, Requests};
use crate::widget::line::{HiddenInput, LineInput};
use model::{Access, Keys, Told};
use mouse::DrawnAuth;
use requests::Change;
use tree::{Node, Tree};

/// The part of the screen that has the keyboard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pane {
    /// The tree.
    #[default]
    Tree,
    /// What is said of the chosen row, or the answer to a question.
    Facts,
}

/// What is being typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A part of a name.
    Filter,
    /// Who may do what.
    Explain,
    /// The name of a new user.
    AddUser,
    /// The name of a new role.
    AddRole,
    /// A role for this user.
    GrantRole(String),
    /// A permission for this role.
    GrantPermission(String),
    /// A password, hidden.
    Password {
        /// Whose.
        user: String,
        /// The user is to be added.
        is_new: bool,
        /// What was typed the first time.
        first: Option<Secret>,
    },
}

/// The line at the bottom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// What for.
    pub ask: Ask,
    /// What is typed.
    pub line: LineInput,
    /// What is typed of a password.
    hidden: HiddenInput,
    /// What to say about it.
    pub error: Option<String>,
}

/// Whether a user may do something with keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Who.
    pub user: String,
    /// What.
    pub access: Access,
    /// With which keys.
    pub keys: Keys,
}

/// What has come of a request.
#[derive(Clone, Debug)]
pub(crate) enum Msg {
    Told(Result<Option<Told>, Trouble>),
    Changed(Change, Result<(), Trouble>),
}

/// The Auth screen.
#[derive(Clone, Debug)]
pub struct Auth {
    /// What was told last.
    pub told: Option<Told>,
    /// Users and roles as rows.
    pub tree: Tree,
    /// The chosen row.
    pub chosen: usize,
    /// The first row in sight.
    top: usize,
    /// Which pane has the keyboard.
    pub pane: Pane,
    /// The first line in sight of what is said.
    scroll: usize,
    /// The question that is answered beside the tree.
    pub question: Option<Question>,
    /// The line at the bottom.
    pub prompt: Option<Prompt>,
    /// How old what was told is.
    pub fresh: Freshness,
    /// When it was asked for last.
    asked: Option<Moment>,
    /// The row to choose once it is there: it was made from here.
    wanted: Option<Node>,
    drawn: DrawnAuth,
    requests: Requests<Msg>,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            told: None,
            tree: Tree::default(),
            chosen: 0,
            top: 0,
            pane: Pane::default(),
            scroll: 0,
            question: None,
            prompt: None,
            fresh: Freshness::default(),
            asked: None,
            wanted: None,
            drawn: DrawnAuth::default(),
            requests: Requests::new(ScreenId::Auth.number()),
        }
    }
}

impl Auth {
    /// What the chosen row stands for.
    #[must_use]
    pub fn chosen_node(&self) -> Option<&Node> {
        self.tree.rows().get(self.chosen).map(|row| &row.node)
    }

    /// Whether all that was asked for has come.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.requests.is_empty()
    }

    /// Chooses a row, and brings it in sight of so many rows.
    fn choose(&mut self, row: usize, page: usize) {
        let row = row.min(self.tree.rows().len().saturating_sub(1));
        if row != self.chosen {
            self.scroll = 0;
        }
        self.chosen = row;
        self.top = self.top.min(self.chosen).max((self.chosen + 1).saturating_sub(page.max(1)));
    }

    /// Lays the rows out anew; what is chosen stays chosen while it is there.
    fn lay_out(&mut self, ctx: &Context, change: impl FnOnce(&mut Tree, &Told)) {
        let Some(told) = &self.told else { return };
        let chosen = self.chosen_node().cloned();
        change(&mut self.tree, told);
        self.tree.lay_out(told);
        let place = |node: &Node| self.tree.rows().iter().position(|row| row.node == *node);
        let wanted = self.wanted.as_ref().and_then(place);
        if wanted.is_some() {
            self.wanted = None;
        }
        let row = wanted.or_else(|| chosen.as_ref().and_then(place)).unwrap_or(self.chosen);
        self.choose(row, view::rows(self, ctx));
    }
}
