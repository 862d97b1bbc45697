//! The Watch screen: tails of what changes, several at a time.
//!
//! ```text
//! engine ─▶ News ─▶ Tail { ring · held · rows } ─▶ view          keys ─▶ Tail, Prompt, Form ─▶ Follow, Save ─▶ engine
//! ```
//!
//! * I1: everything is bounded: [`TAILS_MAX`] tails, each with [`KEPT`] and [`HELD`]; what goes is counted and said.
//! * I2: a gap is never silent. "Nothing lost" is said only after the server delivered, or vouched for, what follows.
//! * I3: a filter, a pin and a search change what is shown, never what is kept.
//! * I4: what costs time is done for what is on the screen: changes are compared when a row is first drawn.
//!
//! It refuses a ninth tail, and a filter that it does not understand, with the column. Tested here by tables, with the
//! views in `tests/console/tails.rs`, with servers that fail in `tests/console/tailing.rs`.

pub(crate) mod actions;
mod change;
mod diff;
mod event;
mod export;
mod filter;
mod form;
mod mouse;
pub mod requests;
mod ring;
mod screen;
mod tail;
pub(crate) mod view;

pub use crate::console::spec::{Reach, Spec};
pub use change::Change;
pub use diff::{Detail, Sign};
pub use event::{Before, Entry, Event, Kind, Mark, Revision, Version, What};
pub use export::lines;
pub use filter::{Filter, FilterError};
pub use form::{FIELDS, Field, Form};
pub use ring::{Bound, Ring};
pub(crate) use screen::begin;
pub(crate) use screen::find;
pub use tail::{HELD, KEPT, Link, News, Row, Tail};

use super::ScreenId;
use crate::console::{Context, Effect};
use crate::engine::request::Trouble;
use crate::screens::requests::Requests;
use crate::widget::line::LineInput;
use mouse::DrawnWatch;
use requests::{Follow, Save};

/// Watch at a time.
pub const TAILS_MAX: usize = 8;
/// Rows of the list that are not rows of the screen: header, tabs, borders, head of the columns, status, footer.
pub const CHROME: u16 = 7;

/// What has come of a request.
#[derive(Clone, Debug)]
pub(crate) enum Msg {
    /// Of a watch: news of the tail.
    News(Follow, Result<News, Trouble>),
    /// Of a file: the lines that were written.
    Saved(Save, Result<usize, Trouble>),
}

/// What is being typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// What to look for.
    Search(LineInput),
    /// Which events to show, and what is wrong with it.
    Filter(LineInput, Option<FilterError>),
    /// The file to write.
    Save(LineInput),
    /// A new tail.
    Form(Box<Form>),
}

/// The screen's part of the state.
#[derive(Clone, Debug)]
pub struct Watch {
    list: Vec<Tail>,
    active: usize,
    last: u64,
    /// What is being typed.
    pub prompt: Option<Prompt>,
    /// An event in full, over the list.
    pub detail: Option<Detail>,
    drawn: DrawnWatch,
    requests: Requests<Msg>,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            active: 0,
            last: 0,
            prompt: None,
            detail: None,
            drawn: DrawnWatch::default(),
            requests: Requests::new(ScreenId::Watch.number()),
        }
    }
}

/// Ends all of them: what they follow is gone. Answers how many there were, and what to give up.
fn leave(tails: &mut Watch) -> (usize, Vec<Effect>) {
    let effects = tails.requests.forget();
    let before = std::mem::take(tails);
    tails.requests = before.requests;
    tails.last = before.last;
    (before.list.len(), effects)
}

impl Watch {
    /// All tails, in the order in which they were begun.
    #[must_use]
    pub fn list(&self) -> &[Tail] {
        &self.list
    }

    /// The one on top.
    #[must_use]
    pub fn active(&self) -> Option<&Tail> {
        self.list.get(self.active)
    }

    /// The one on top.
    pub fn active_mut(&mut self) -> Option<&mut Tail> {
        self.list.get_mut(self.active)
    }

    /// Whether there is room for another one.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.list.len() < TAILS_MAX
    }

    /// Whether the list has the keyboard: nothing is typed, nothing lies over it.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.prompt.is_none() && self.detail.is_none()
    }

    /// Begins a tail and goes to it.
    pub fn begin(&mut self, spec: Spec, filter: Option<Filter>) -> Vec<Effect> {
        if !self.has_room() {
            return Vec::new();
        }
        self.last += 1;
        let follow = Follow { tail: self.last, spec: spec.clone() };
        self.list.push(Tail::new(self.last, spec, filter));
        self.active = self.list.len() - 1;
        self.requests.ask(follow, Msg::News)
    }

    /// Ends the tail on top. Answers its name and what to give up.
    pub fn end(&mut self) -> Option<(String, Vec<Effect>)> {
        if self.active >= self.list.len() {
            return None;
        }
        let tail = self.list.remove(self.active);
        self.active = self.active.min(self.list.len().saturating_sub(1));
        let dropped = self.requests.cancel::<Follow>(|follow| follow.tail == tail.number);
        Some((tail.name(), dropped))
    }

    /// Begins an ended tail again where it ended.
    pub fn again(&mut self) -> Vec<Effect> {
        let Some(tail) = self.list.get_mut(self.active) else { return Vec::new() };
        if !matches!(tail.link, Link::Ended(_)) {
            return Vec::new();
        }
        let from = if tail.told > 0 { Some(tail.told + 1) } else { tail.spec.from };
        tail.link = Link::Connecting;
        let spec = Spec { from, ..tail.spec.clone() };
        self.requests.ask(Follow { tail: tail.number, spec }, Msg::News)
    }

    /// Another tail gets on top.
    pub fn turn(&mut self, forward: bool) {
        let count = self.list.len();
        if count > 0 {
            self.active = (self.active + if forward { 1 } else { count - 1 }) % count;
        }
        self.detail = None;
    }

    /// Has what the tail on top shows written to a file.
    fn save(&mut self, file: String) -> Vec<Effect> {
        let Some(tail) = self.list.get(self.active) else { return Vec::new() };
        let entries = tail.export();
        self.requests.ask(Save { file, entries }, Msg::Saved)
    }
}

/// Rows of the list at a time.
#[must_use]
pub fn page(ctx: &Context) -> usize {
    usize::from(ctx.size.1.saturating_sub(CHROME).max(1))
}
