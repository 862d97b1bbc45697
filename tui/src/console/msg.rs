//! What comes in and what goes out of [`super::update()`].

use crossterm::event::{KeyEvent, MouseEvent};
use mini_etcd_shared::clock::Moment;

use crate::engine::order::Order;
use crate::engine::report::Report;
use crate::engine::request::Ticket;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Msg {
    /// Time went on: now, and the seconds of the wall clock.
    Tick(Moment, u64),
    /// The process goes on after it was stopped.
    Woke(Moment),
    /// A key was pressed.
    Key(KeyEvent),
    /// A button was pressed, or the wheel turned.
    Mouse(MouseEvent),
    /// Text was pasted.
    Paste(String),
    /// The terminal has a new size.
    Resize(u16, u16),
    /// The terminal window got (or lost) the keyboard.
    Focus(bool),
    /// The engine reports; a report of an older generation is dropped.
    Report(u64, Report),
}

/// What is to be done outside of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// By the engine.
    Engine(Order),
    /// Give this text to an editor; what it leaves is the answer.
    Edit {
        /// Whose answer it is.
        ticket: Ticket,
        /// Name of the file, for the editor to know what it is.
        name: &'static str,
        /// The text.
        text: Vec<u8>,
    },
    /// Put this into the clipboard of the terminal, or into a file when it is too long.
    Copy(Vec<u8>),
    /// Look at other servers.
    Attach(Attach),
    /// Paint everything anew.
    Repaint,
    /// Stop the process until it is continued.
    Suspend,
    /// Leave.
    Quit,
}

/// Which other servers to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attach {
    /// A bundled one, in the place of those that do not answer.
    Bundled,
    /// The ones that a bundled one stands in for.
    Named,
    /// Those of the profile of this name.
    Profile(String),
}
