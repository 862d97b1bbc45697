use crate::console::action::{Action, Scope};
use crate::console::{Bundled, Effect, State};

/// Starts the chosen bundled member again.
pub(crate) struct Restart;

impl Action for Restart {
    fn name(&self) -> &'static str {
        "restart"
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn help(&self) -> &'static str {
        "start the chosen bundled member again, on the data it has"
    }

    fn label(&self, state: &State) -> Option<String> {
        let (name, bundled) = state.chosen_bundled().filter(|_| state.overlays.is_empty())?;
        (bundled != Bundled::Running).then(|| format!("restart {name}"))
    }

    fn run(&self, state: &mut State) -> Vec<Effect> {
        match state.chosen_bundled() {
            Some((name, Bundled::Killed | Bundled::Ended)) => vec![Effect::Restart(name)],
            _ => Vec::new(),
        }
    }
}
