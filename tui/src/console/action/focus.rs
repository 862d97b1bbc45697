use super::{Action, Scope};
use crate::console::{Effect, State};
use crate::screens::screen;

/// Another pane of the screen gets the keyboard.
pub(crate) struct Focus {
    name: &'static str,
    help: &'static str,
    forward: bool,
}

pub(crate) static NEXT: Focus = Focus { name: "next-pane", help: "next pane", forward: true };
pub(crate) static BEFORE: Focus =
    Focus { name: "pane-before", help: "pane before", forward: false };

impl Action for Focus {
    fn name(&self) -> &'static str {
        self.name
    }

    fn scope(&self) -> Scope {
        Scope::Move
    }

    fn help(&self) -> &'static str {
        self.help
    }

    fn label(&self, state: &State) -> Option<String> {
        let worth = self.forward && state.overlays.is_empty() && screen(state.screen).has_panes();
        worth.then(|| "pane".to_owned())
    }

    fn run(&self, state: &mut State) -> Vec<Effect> {
        if state.overlays.is_empty() {
            screen(state.screen).focus(state, self.forward);
        }
        Vec::new()
    }
}
