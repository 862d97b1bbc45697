//! The Keys screen: a tree of the keys at one revision, the value of one of them, and their past.
//!
//! ```text
//! keys typed ─▶ screen · change · travel · search ─▶ Effect::Engine(Order::Ask) ─▶ requests, run by the engine
//!                        Keys ◀─ update ◀─ Msg ◀──┘
//! ```
//!
//! * I1: the tree, and the value beside it, are of one revision, which is shown; nothing newer mixes in.
//! * I2: a tree that is read anew (refresh, time travel) replaces the old one when it is complete; until then the old
//!   one stays on screen.
//! * I3: a change is carried out only if the key is still as it was shown; otherwise both are shown. What was typed stays
//!   until it is known to be written, or thrown away by hand.
//! * I4: in the past nothing is edited. What is put back from there is a change of the present, by I3.
//! * I5: keys are bytes: they are shown escaped and never changed.
//! * I6: `u` takes back exactly what this console changed last, or changes nothing and says why: what cannot be taken
//!   back takes the place of what could (`undo`).
//! * I7: what is asked about is what is done: a delete is guarded by the revision that was counted, and asked about
//!   again when somebody was faster (`bulk`).
//! * I8: all of it is of one cluster and of one history: when another cluster answers, or the history has gone back,
//!   what was seen and what `u` takes back goes (`leave`).
//!
//! It refuses to load everything: pages of 500 children, bounded rows, bounded windows of history. Tested by tables in
//! `tests/console/keyspace.rs`, against a real member in `tests/console/past.rs`,
//! and in the real program in `tests/pty/keys.rs`.

pub(crate) mod actions;
mod bulk;
mod change;
mod edit;
mod find;
mod folding;
pub mod folds;
mod leave;
pub mod lines;
mod load;
pub mod mode;
pub mod model;
mod mouse;
pub mod requests;
mod screen;
mod search;
mod sideways;
mod travel;
pub mod tree;
mod undo;
mod update;
pub(crate) mod view;
pub mod viewers;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use mini_etcd_shared::clock::Moment;
use ratatui_textarea::TextArea;

pub use find::Find;
use lines::{Lines, Place};
pub use mode::{Left, Right};
use model::{
    Bulk, Changed, Changes, Entry, Found, Grave, Graves, Histogram, Page, Preview, Reached, Slice,
    Target, Version, Versions, Write, Written,
};
use requests::{ChangeMany, CountBulk, ReadHistory, ReadLive, ReadPage, ReadValue, WriteKey};
use tree::Tree;
use viewers::Viewer;

use super::ScreenId;
use crate::engine::request::Trouble;
use crate::screens::requests::{Freshness, Requests};
use crate::widget::line::LineInput;

pub(crate) use bulk::{delete, delete_now, restore};
pub(crate) use change::copy_value;
pub(crate) use edit::{edit_here, edit_outside, new_key};
pub(crate) use find::next_hit;
pub(crate) use folding::toggle_all;
pub(crate) use load::{close, mark, mark_all, next_viewer, open, reload, reload_at};
pub(crate) use search::{next_match, prompt, show_key};
pub(crate) use sideways::{right, wrap};
pub(crate) use travel::{go_live, graveyard, history, step};
pub(crate) use undo::undo;
pub use undo::{Reversal, Undo, Way};

use travel::graveyard_closed;

/// The part of the screen that has the keyboard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pane {
    /// The tree.
    #[default]
    Tree,
    /// The value, or the versions of a key.
    Value,
}

/// The key's value goes to an editor of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EditValue(Entry);

/// What has come of a request.
#[derive(Clone, Debug)]
pub(crate) enum Msg {
    Page(ReadPage, Result<Page, Trouble>),
    Value(ReadValue, Result<Option<Entry>, Trouble>),
    Live(ReadLive, Result<Option<Entry>, Trouble>),
    Edited(EditValue, Result<Vec<u8>, Trouble>),
    Written(WriteKey, Result<Written, Trouble>),
    Counted(CountBulk, Result<Preview, Trouble>),
    Changed(ChangeMany, Result<Changed, Trouble>),
    Versions(ReadHistory, Result<Versions, Trouble>),
    Changes(Result<(Vec<Changes>, Reached), Trouble>),
    Histogram(Result<Option<Histogram>, Trouble>),
    Graves(Result<Graves, Trouble>),
    Found(Result<Found, Trouble>),
}

/// What a change is, in words, and whether it takes something back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doing {
    /// What is done, or what was done that is taken back.
    pub what: String,
    /// Which of both.
    pub way: Way,
}

impl Doing {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), way: Way::Do }
    }

    /// The words for it.
    pub(crate) fn words(&self) -> String {
        match self.way {
            Way::Do => self.what.clone(),
            Way::Undo => format!("undo: {}", self.what),
            Way::Redo => format!("redo: {}", self.what),
        }
    }
}

/// What is done on yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// A change of one key.
    One(Write, Doing),
    /// A change of many; how often it was asked about.
    Many(Bulk, Doing, u32),
}

/// Which tree a page belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one on screen.
    Shown,
    /// The one that will replace it.
    Coming,
}

/// A tree that will replace the one on screen.
#[derive(Clone, Debug)]
pub(crate) struct Coming {
    tree: Tree,
    /// Directories that are opened as they come.
    open: BTreeSet<Bytes>,
    /// The key to choose; none for the one that is chosen by hand when it has come.
    key: Option<Bytes>,
    /// The key is shown even when its page is not loaded: somebody asked for it.
    jump: bool,
    /// The revision that was asked for; 0 for the newest.
    at: i64,
    /// Requests it took.
    requests: u32,
}

/// The value on screen.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Whose value.
    pub key: Option<Bytes>,
    /// What it is; `None` while it is read, or when the key is not there.
    pub entry: Option<Entry>,
    /// It has come.
    pub here: bool,
    /// As lines, by the viewer.
    pub lines: Lines,
    /// The viewer.
    pub viewer: Viewer,
    /// First row shown.
    pub top: Place,
    /// The chosen row, of lines that can be folded.
    pub chosen: Place,
}

/// The versions of a key.
#[derive(Clone, Debug)]
pub struct History {
    /// The key.
    pub key: Bytes,
    /// Versions, newest first.
    pub versions: Vec<Version>,
    /// How far they reach; `None` while they are read.
    pub reached: Option<Reached>,
    /// The chosen one.
    pub chosen: usize,
    /// What it changed.
    pub diff: Lines,
    /// First row of it shown.
    pub top: Place,
}

/// A line of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffLine {
    /// `+`, `-` or a space.
    pub sign: char,
    /// The text.
    pub text: String,
}

/// Changes per revision, as far as they were read.
#[derive(Clone, Debug, Default)]
pub struct Strip {
    /// Keys written and deleted, by revision.
    pub changes: BTreeMap<i64, (u32, u32)>,
    /// Everything from here on was read; 0 while nothing was.
    pub from: i64,
    /// The last revision that was read.
    pub to: i64,
    /// The first revision that can be known, when it was met.
    pub wall: Option<i64>,
    /// All revisions in slices, where the server tells; as of the last of them.
    pub slices: Vec<Slice>,
    /// The server was asked for the slices.
    pub asked: bool,
    /// A window is being read.
    pub loading: bool,
    /// Its user may not read all keys, so that there is no strip: it is said, and not asked again.
    pub denied: bool,
}

/// Keys that were deleted and are not there.
#[derive(Clone, Debug, Default)]
pub struct Graveyard {
    /// The keys, the latest delete first.
    pub graves: Vec<Grave>,
    /// Keys that are there again, or were seen already.
    seen: BTreeSet<Bytes>,
    /// Those that are marked, and the revision that deleted each.
    pub marks: BTreeMap<Bytes, i64>,
    /// How far back it reaches.
    pub reached: Option<Reached>,
    /// A window is being read.
    pub loading: bool,
    /// The chosen one.
    pub chosen: usize,
}

/// What is typed into the line at the bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A part of a name.
    Filter,
    /// A text in the lines of a value.
    Find,
    /// What the server shall filter by.
    Prefix,
    /// A pattern to jump to.
    Fuzzy,
    /// A revision to go to.
    Revision,
    /// What stands between names.
    Separator,
    /// A new key.
    NewKey,
}

/// The line at the bottom.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// What for.
    pub ask: Ask,
    /// What is typed.
    pub line: LineInput,
    /// What to say about it.
    pub error: Option<String>,
}

/// Matches of a jump.
#[derive(Clone, Debug, Default)]
pub struct Matches {
    /// The keys, the best first.
    pub keys: Vec<Bytes>,
    /// Keys that were looked at.
    pub looked: u64,
    /// All of them were.
    pub complete: bool,
    /// They are those of the pattern that is typed, and not of the one before.
    pub here: bool,
    /// Enter was pressed before they were.
    pub go: bool,
    /// The chosen one.
    pub chosen: usize,
}

/// A value being edited here.
#[derive(Clone, Debug)]
pub struct Editor {
    /// The key.
    pub key: Bytes,
    /// The revision of the last change that was seen; 0 for a new key.
    pub expected: i64,
    /// The text.
    pub area: TextArea<'static>,
    /// The text as it was.
    pub original: Bytes,
    /// What its lines end with: they go on doing so.
    pub line_end: &'static str,
    /// Esc was pressed once over unsaved text.
    pub leaving: bool,
    /// It is being saved: it stays as it is until that is known to be done.
    pub saving: bool,
}

/// A change that was not carried out, or of which nobody knows whether it was.
#[derive(Clone, Debug)]
pub struct Conflict {
    /// The change.
    pub write: Write,
    /// The key is not as it was seen; otherwise something else stood in the way.
    pub met: bool,
    /// The key as it is, or as it was seen.
    pub theirs: Option<Entry>,
    /// From theirs to what was wanted.
    pub diff: Lines,
    /// First row shown.
    pub top: Place,
}

/// The Keys screen.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The tree on screen.
    pub tree: Tree,
    /// The tree that will replace it.
    pub(crate) coming: Option<Coming>,
    /// Pages to ask for as soon as there is room.
    pub(crate) queue: VecDeque<(u32, Which)>,
    /// The chosen row.
    pub chosen: usize,
    /// The tree as it was drawn last.
    pub(crate) drawn: view::DrawnTree,
    /// The key that was chosen last by hand: it is chosen again wherever it is there.
    pub(crate) wanted: Bytes,
    /// Directories that were opened by hand: they are open at every revision at which they are there.
    pub(crate) opened: BTreeSet<Bytes>,
    /// What stands at the left.
    pub left: Left,
    /// What stands at the right.
    pub right: Right,
    /// Which pane has the keyboard.
    pub pane: Pane,
    /// The panes as they were drawn last.
    pub(crate) panes: mouse::DrawnPanes,
    /// The pane has the whole screen.
    pub zoom: bool,
    /// Columns that what stands beside the tree is moved to the left by.
    pub shift: usize,
    /// Lines there that are longer than the pane go on in the next row.
    pub wrap: bool,
    /// What is looked for there.
    pub find: Option<Find>,
    /// The revision that is looked at; `None` for the newest.
    pub at: Option<i64>,
    /// The newest revision that was seen: of a cluster that is not there, its history has gone back.
    pub(crate) newest: i64,
    /// The value.
    pub value: Shown,
    /// Keys and directories that are marked.
    pub marks: BTreeSet<Target>,
    /// The line at the bottom.
    pub prompt: Option<Prompt>,
    /// The filter in force.
    pub filter: String,
    /// Matches of the jump that is typed.
    pub matches: Matches,
    /// How to take back the last change; `None` while none was made.
    pub undo: Option<Undo>,
    /// Changes per revision.
    pub strip: Strip,
    /// A key whose lease is gone: it, and what is put back with it, comes back without one the next time.
    pub(crate) leaseless: Option<Bytes>,
    /// When the tree was read last, and what that took.
    pub(crate) refreshed: (Moment, u32),
    /// What is under way.
    pub(crate) requests: Requests<Msg>,
    /// How old the tree is.
    pub fresh: Freshness,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            tree: Tree::new(Bytes::new(), Bytes::from_static(b"/")),
            coming: None,
            queue: VecDeque::new(),
            chosen: 0,
            drawn: view::DrawnTree::default(),
            wanted: Bytes::new(),
            opened: BTreeSet::new(),
            left: Left::Tree,
            right: Right::Value,
            pane: Pane::Tree,
            panes: mouse::DrawnPanes::default(),
            zoom: false,
            shift: 0,
            wrap: false,
            find: None,
            at: None,
            newest: 0,
            value: Shown {
                key: None,
                entry: None,
                here: false,
                lines: Lines::default(),
                viewer: Viewer::Auto,
                top: Place::default(),
                chosen: Place::default(),
            },
            marks: BTreeSet::new(),
            prompt: None,
            filter: String::new(),
            matches: Matches::default(),
            undo: None,
            strip: Strip::default(),
            leaseless: None,
            refreshed: (Moment::default(), 0),
            requests: Requests::new(ScreenId::Keys.number()),
            fresh: Freshness::default(),
        }
    }
}

impl Keys {
    /// Whether a tree is being read.
    #[must_use]
    pub fn is_reading(&self) -> bool {
        !self.requests.is_empty() || !self.queue.is_empty()
    }

    /// Whether all that was asked for has come, and the tree that was asked for last is on screen.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !self.is_reading() && self.coming.is_none()
    }

    /// The key of the chosen row, if it is one; of the chosen grave, with the revision before its delete.
    #[must_use]
    pub fn chosen_key(&self) -> Option<(Bytes, i64)> {
        if let Some(graveyard) = self.left.graveyard() {
            let grave = graveyard.graves.get(graveyard.chosen)?;
            return Some((grave.key.clone(), grave.deleted.saturating_sub(1)));
        }
        let row = self.tree.rows().get(self.chosen)?;
        let node = self.tree.node(row.node).filter(|_| row.kind == tree::RowKind::Node)?;
        node.key.map(|_| (self.tree.key(row.node), self.tree.revision))
    }

    /// What the chosen row stands for: a key, or all keys below a directory.
    #[must_use]
    pub fn chosen_target(&self) -> Option<Target> {
        let row = self.tree.rows().get(self.chosen)?;
        let node = self.tree.node(row.node).filter(|_| row.kind == tree::RowKind::Node)?;
        Some(match (node.key, &node.dir) {
            (Some(_), _) | (None, None) => Target::Key(self.tree.key(row.node)),
            (None, Some(_)) => Target::Prefix(self.tree.dir_prefix(row.node)),
        })
    }
}
