use super::{Action, Scope};
use crate::console::{Effect, Overlay, State};

/// Shows the keys.
pub(crate) struct Help;

impl Action for Help {
    fn name(&self) -> &'static str {
        "help"
    }

    fn scope(&self) -> Scope {
        Scope::Global
    }

    fn help(&self) -> &'static str {
        "this list of keys"
    }

    fn label(&self, state: &State) -> Option<String> {
        state.overlays.is_empty().then(|| "help".to_owned())
    }

    fn run(&self, state: &mut State) -> Vec<Effect> {
        if matches!(state.overlays.last(), Some(Overlay::Help(_))) {
            state.overlays.pop();
        } else {
            state.overlays.push(Overlay::Help(0));
        }
        Vec::new()
    }
}
