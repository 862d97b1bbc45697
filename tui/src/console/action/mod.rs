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

use super::update::go_to;
use super::{Context, Effect, State};
use crate::screens::{SCREENS, Screen, ScreenId, screens};

pub(crate) use frame::{back, go};

/// Where an action's keys count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// On every screen.
    Global,
    /// In every list.
    Move,
    /// On one screen; on the REPL screen while nothing is typed.
    Screen(ScreenId),
}

impl Scope {
    /// As the keymap names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Move => "move",
            Self::Screen(id) => id.scope_name(),
        }
    }

    /// As the help overlay heads it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Global => "Everywhere",
            Self::Move => "Moving",
            Self::Screen(id) => id.scope_title(),
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

/// A screen as one field of the state.
pub(crate) trait Acting: Screen + Sized + 'static {
    /// Which it is.
    const ID: ScreenId;
    /// Its part of the state.
    fn part(state: &State) -> &Self;
    /// Its part of the state, and the context.
    fn parts(state: &mut State) -> (&mut Self, &mut Context);
}

macro_rules! acting {
    ($($(#[$doc:meta])* $module:ident::$screen:ident, $id:ident, $number:literal, $title:literal, $help:literal;)*) => {
        $(impl Acting for crate::screens::$module::$screen {
            const ID: ScreenId = ScreenId::$id;

            fn part(state: &State) -> &Self {
                &state.$module
            }

            fn parts(state: &mut State) -> (&mut Self, &mut Context) {
                (&mut state.$module, &mut state.ctx)
            }
        })*

        /// The tables of the screens, in the order of the tabs.
        fn of_screens() -> impl Iterator<Item = &'static dyn Act> + Clone {
            std::iter::empty()$(.chain(of(crate::screens::$module::actions::TABLE)))*
        }
    };
}
screens!(acting);

fn of<A: Act>(table: &'static [A]) -> impl Iterator<Item = &'static dyn Act> + Clone {
    table.iter().map(|action| action as &dyn Act)
}

impl<S: Acting> Act for Action<S> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn scope(&self) -> Scope {
        Scope::Screen(S::ID)
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
        let (screen, ctx) = S::parts(state);
        // What lies over the screen has the keyboard.
        if ctx.is_covered() && !screen.acts_covered() {
            return Vec::new();
        }
        (self.run)(screen, ctx)
    }
}

/// To go to a screen is an action.
impl Act for ScreenId {
    fn name(&self) -> &'static str {
        self.action_name()
    }

    fn scope(&self) -> Scope {
        Scope::Global
    }

    fn help(&self) -> &'static str {
        (*self).help()
    }

    fn label(&self, _: &State) -> Option<String> {
        None
    }

    fn run(&self, state: &mut State) -> Vec<Effect> {
        go_to(state, *self)
    }
}

/// All actions, in the order of footer and help: a table per screen, the ways to the screens, then what else counts on
/// every screen.
pub fn all() -> impl Iterator<Item = &'static dyn Act> + Clone {
    of_screens().chain(of(SCREENS)).chain(of(frame::TABLE))
}
