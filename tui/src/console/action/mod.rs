//! What a person can do, one action per file; those of a screen in a room of their own.
//!
//! ```text
//! key ─▶ keymap ─▶ Action::run(&mut State) ─▶ Vec<Effect>        TABLES ─▶ footer, help overlay, docs
//! ```
//!
//! * I1: an action that cannot be done now has no label, is not in the footer, and does nothing.
//! * I2: what cannot be undone is asked first (`Confirm`), by tier: (a) reversible, done at once with a toast that says
//!   how to undo it; (b) something is lost, wants `y`; (c) the cluster's shape changes, wants its name typed.

mod back;
mod choose;
mod copy;
mod focus;
mod help;
mod interrupt;
mod palette;
mod quit;
mod redraw;
mod screen;
mod suspend;

use super::{Effect, State};
use crate::screens::{cluster, keys, repl, watch};

/// Where an action's keys count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// On every screen.
    Global,
    /// In every list.
    Move,
    /// On the Cluster screen.
    Cluster,
    /// On the Keys screen.
    Keys,
    /// On the Watch screen.
    Watch,
    /// On the REPL screen, while nothing is typed.
    Repl,
}

impl Scope {
    /// As the keymap names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Move => "move",
            Self::Cluster => "cluster",
            Self::Keys => "keys",
            Self::Watch => "watch",
            Self::Repl => "repl",
        }
    }

    /// As the help overlay heads it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Global => "Everywhere",
            Self::Move => "Moving",
            Self::Cluster => "Cluster screen",
            Self::Keys => "Keys screen",
            Self::Watch => "Watch screen",
            Self::Repl => "REPL screen",
        }
    }

    /// Whether its keys count on every screen.
    #[must_use]
    pub fn is_everywhere(self) -> bool {
        matches!(self, Self::Global | Self::Move)
    }
}

/// Something a person can do.
pub trait Action: Sync {
    /// As the keymap names it.
    fn name(&self) -> &'static str;
    /// Where its keys count.
    fn scope(&self) -> Scope;
    /// What it does, for the help overlay.
    fn help(&self) -> &'static str;
    /// What it would do now, for the footer; `None` when it can do nothing or is not worth the room.
    fn label(&self, _state: &State) -> Option<String> {
        None
    }
    /// Does it.
    fn run(&self, state: &mut State) -> Vec<Effect>;
}

/// All actions, in the order of footer and help: a table per screen, then those that count on every screen.
static TABLES: &[&[&dyn Action]] = &[
    cluster::actions::TABLE,
    keys::actions::TABLE,
    watch::actions::TABLE,
    repl::actions::TABLE,
    COMMON,
];

static COMMON: &[&dyn Action] = &[
    &choose::DOWN,
    &choose::UP,
    &choose::TOP,
    &choose::BOTTOM,
    &choose::HALF_DOWN,
    &choose::HALF_UP,
    &choose::PAGE_DOWN,
    &choose::PAGE_UP,
    &focus::NEXT,
    &focus::BEFORE,
    &screen::CLUSTER,
    &screen::KEYS,
    &screen::WATCH,
    &screen::REPL,
    &palette::Palette,
    &copy::LINE,
    &copy::SHELL,
    &copy::DONE,
    &help::Help,
    &back::Back,
    &quit::Quit,
    &interrupt::Interrupt,
    &suspend::Suspend,
    &redraw::Redraw,
];

/// All actions, in the order of footer and help.
pub fn all() -> impl Iterator<Item = &'static dyn Action> + Clone {
    TABLES.iter().flat_map(|table| table.iter().copied())
}

/// One step back, for keys that are typed rather than bound.
pub(crate) fn back(state: &mut State) -> Vec<Effect> {
    back::Back.run(state)
}
