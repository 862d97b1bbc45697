//! The REPL pane, and what it shares with the palette: one session in the engine, one history, one scrollback.
//!
//! ```text
//! keys ─▶ Entry ─▶ parse_input ─▶ risk ─▶ Effect::Engine(Order::Run) ─▶ engine's Session ─▶ Report::Said, Report::Ran ─▶ Scrollback
//! ```
//!
//! * I1: one run at a time; what it prints goes to the scrollback, and to the palette when it was begun there.
//! * I2: what a run prints after it was given up changes nothing.
//! * I3: scrollback, history and what is typed are bounded; the oldest go, and how many is said.
//! * I4: what may lose something is asked first, by what the parsed line does and not by how it looks.
//! * I5: a password that a run asks for is typed hidden, goes to that run alone, and is in no history.
//! * I6: every line here can be sent to a terminal: the engine escapes what it says.
//!
//! It refuses to run a line while another one runs. Tested in each file, in `tests/console/repl.rs` by tables, snapshots
//! and a real member, and in `tests/pty/lines.rs`.

pub(crate) mod actions;
mod complete;
pub mod entry;
mod history;
pub mod palette;
pub mod requests;
pub mod risk;
mod run;
mod screen;
pub mod scrollback;
pub(crate) mod view;

use mini_etcd_shared::clock::Moment;
use mini_etcd_shared::complete::Completion;

pub use complete::hint;
pub use history::History;
pub use run::{Place, continuation, drop_line, give_up, prompt};
pub(crate) use run::{accept, asked, begin, ended, enter, hide, paste, refuse, said, typed};
pub(crate) use view::draw_asked;

use entry::Entry;
use palette::Palette;
use requests::Complete;
use scrollback::Scrollback;

use super::ScreenId;
use crate::engine::request::Trouble;
use crate::screens::requests::Requests;
use crate::widget::line::HiddenInput;

/// The line goes to an editor of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EditLine;

/// What has come of a request.
#[derive(Clone, Debug)]
pub(crate) enum Msg {
    Edited(EditLine, Result<Vec<u8>, Trouble>),
    Completed(Complete, Result<Completion, Trouble>),
}

/// A run under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its number.
    pub run: u64,
    /// What runs.
    pub text: String,
    /// Since when.
    pub since: Moment,
    /// Where it was begun.
    pub place: Place,
    /// Its line in the scrollback.
    pub line: u64,
    /// The password that it waits for.
    pub asks: Option<Asks>,
}

/// A password that is typed for a run, hidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asks {
    /// The words that ask for it.
    pub prompt: String,
    /// What is typed.
    typed: HiddenInput,
}

/// The pane.
#[derive(Clone, Debug)]
pub struct Repl {
    /// What is being typed.
    pub entry: Entry,
    /// What was typed, here and in the palette.
    pub history: History,
    /// What was typed and what was answered.
    pub scrollback: Scrollback,
    /// What runs, wherever it was begun.
    pub running: Option<Running>,
    /// The palette, also while it is closed.
    pub palette: Palette,
    /// Number of the last run.
    pub runs: u64,
    /// Whether keys are typed into the line; otherwise they move in the scrollback.
    pub typing: bool,
    /// What is asked for the line.
    pub(crate) requests: Requests<Msg>,
}

impl Default for Repl {
    fn default() -> Self {
        Self {
            entry: Entry::default(),
            history: History::default(),
            scrollback: Scrollback::default(),
            running: None,
            palette: Palette::default(),
            runs: 0,
            typing: true,
            requests: Requests::new(ScreenId::Repl.number()),
        }
    }
}
