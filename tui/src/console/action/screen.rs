use super::{Action, Scope};
use crate::console::{Effect, State};
use crate::screens::{ScreenId, go_to};

/// Goes to a screen.
pub(crate) struct Screen {
    name: &'static str,
    help: &'static str,
    id: ScreenId,
}

pub(crate) static CLUSTER: Screen =
    Screen { name: "screen-1", help: "the Cluster screen", id: ScreenId::Cluster };
pub(crate) static WATCH: Screen =
    Screen { name: "screen-3", help: "the Watch screen", id: ScreenId::Watch };

pub(crate) static KEYS: Screen =
    Screen { name: "screen-2", help: "the Keys screen", id: ScreenId::Keys };

pub(crate) static REPL: Screen = Screen {
    name: "screen-5",
    help: "the REPL: a prompt with all that was answered",
    id: ScreenId::Repl,
};

impl Action for Screen {
    fn name(&self) -> &'static str {
        self.name
    }

    fn scope(&self) -> Scope {
        Scope::Global
    }

    fn help(&self) -> &'static str {
        self.help
    }

    fn run(&self, state: &mut State) -> Vec<Effect> {
        go_to(state, self.id)
    }
}
