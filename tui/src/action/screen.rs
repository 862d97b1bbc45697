use super::{Action, Scope};
use crate::app::{Effect, State};

/// Goes to a screen.
pub(super) struct Screen {
    name: &'static str,
    help: &'static str,
}

pub(super) static CLUSTER: Screen = Screen { name: "screen-1", help: "the Cluster screen" };

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
        state.overlays.clear();
        Vec::new()
    }
}
