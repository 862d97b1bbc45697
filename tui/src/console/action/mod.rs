//! [`Action`]: what a person can do on a screen, a table for each in its `actions`; the frame's own are in `frame`.
//!
//! ```text
//! key ─▶ keymap ─▶ Act::run(&mut State) ─▶ Vec<Effect>        all() ─▶ footer, help overlay, docs
//! ```
//!
//! * I1: an action that cannot be done now has no label, is not in the footer, and does nothing.
//! * I2: what cannot be undone is asked first (`Confirm`), by tier: (a) reversible, done at once with a toast that says
//!   how to undo it; (b) something is lost, wants `y`; (c) the cluster's shape changes, wants its name typed.

mod frame;

use super::{Context, Effect, State};
use crate::screens::cluster::ClusterScreen;
use crate::screens::keys::Keys;
use crate::screens::repl::Repl;
use crate::screens::watch::Watch;
use crate::screens::{Screen, cluster, keys, repl, watch};

pub(crate) use frame::{back, go};

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

/// Something a person can do, whatever it acts on.
pub trait Act: Sync {
    /// As the keymap names it.
    fn name(&self) -> &'static str;
    /// Where its keys count.
    fn scope(&self) -> Scope;
    /// What it does, for the help overlay.
    fn help(&self) -> &'static str;
    /// What it would do now, for the footer; `None` when it can do nothing or is not worth the room.
    fn label(&self, state: &State) -> Option<String>;
    /// Does it.
    fn run(&self, state: &mut State) -> Vec<Effect>;
}

/// Something a person can do on the screen `S`.
pub(crate) struct Action<S> {
    pub name: &'static str,
    pub help: &'static str,
    /// What it would do now, for the footer.
    pub label: fn(&S, &Context) -> Option<String>,
    pub run: fn(&mut S, &mut Context) -> Vec<Effect>,
}

/// A screen that has a table of actions.
pub(crate) trait Acting: Screen + Sized + 'static {
    /// Where its keys count.
    const SCOPE: Scope;
    /// They count also while something lies over the screen that does not take keys itself.
    const OVER: bool;
    /// Its part of the state.
    fn part(state: &State) -> &Self;
    /// Its part of the state, and the context.
    fn parts(state: &mut State) -> (&mut Self, &mut Context);
}

macro_rules! acting {
    ($($screen:ty, $field:ident, $scope:ident, $over:expr;)*) => {$(
        impl Acting for $screen {
            const SCOPE: Scope = Scope::$scope;
            const OVER: bool = $over;

            fn part(state: &State) -> &Self {
                &state.$field
            }

            fn parts(state: &mut State) -> (&mut Self, &mut Context) {
                (&mut state.$field, &mut state.ctx)
            }
        }
    )*};
}

acting! {
    ClusterScreen, cluster, Cluster, true;
    Keys, keys, Keys, false;
    Watch, watch, Watch, false;
    Repl, repl, Repl, false;
}

impl<S: Acting> Act for Action<S> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn scope(&self) -> Scope {
        S::SCOPE
    }

    fn help(&self) -> &'static str {
        self.help
    }

    fn label(&self, state: &State) -> Option<String> {
        let screen = S::part(state);
        let offered = !state.ctx.is_covered() && screen.offers_actions();
        if offered { (self.label)(screen, &state.ctx) } else { None }
    }

    fn run(&self, state: &mut State) -> Vec<Effect> {
        // What lies over the screen has the keyboard.
        if state.ctx.is_covered() && !S::OVER {
            return Vec::new();
        }
        let (screen, ctx) = S::parts(state);
        (self.run)(screen, ctx)
    }
}

/// All actions, in the order of footer and help: a table per screen, then those that count on every screen.
pub fn all() -> impl Iterator<Item = &'static dyn Act> + Clone {
    fn of<S: Acting>(
        table: &'static [Action<S>],
    ) -> impl Iterator<Item = &'static dyn Act> + Clone {
        table.iter().map(|action| action as &dyn Act)
    }
    let screens = of(cluster::actions::TABLE)
        .chain(of(keys::actions::TABLE))
        .chain(of(watch::actions::TABLE))
        .chain(of(repl::actions::TABLE));
    screens.chain(frame::TABLE.iter().map(|action| action as &dyn Act))
}
