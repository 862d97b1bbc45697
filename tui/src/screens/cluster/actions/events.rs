use crate::console::action::{Action, Scope};
use crate::console::{Effect, Overlay, State};

/// Shows what happened, as far back as it is kept.
pub(crate) struct Events;

impl Action for Events {
    fn name(&self) -> &'static str {
        "events"
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn help(&self) -> &'static str {
        "all that happened, and advice, to scroll through"
    }

    fn label(&self, state: &State) -> Option<String> {
        state.overlays.is_empty().then(|| "events".to_owned())
    }

    fn run(&self, state: &mut State) -> Vec<Effect> {
        if matches!(state.overlays.last(), Some(Overlay::Events(_))) {
            state.overlays.pop();
        } else {
            state.overlays.push(Overlay::Events(0));
        }
        Vec::new()
    }
}
