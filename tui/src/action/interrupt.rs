use super::{Action, Scope};
use crate::app::{Effect, State};

/// Gives up what runs; with nothing running, it is a way out.
pub(super) struct Interrupt;

impl Action for Interrupt {
    fn name(&self) -> &'static str {
        "interrupt"
    }

    fn scope(&self) -> Scope {
        Scope::Global
    }

    fn help(&self) -> &'static str {
        "give up the command that runs; with none running, twice leaves"
    }

    fn run(&self, state: &mut State) -> Vec<Effect> {
        if let Some((run, line)) = state.palette.pending.take() {
            state.toasts.hint(state.now, format!("gave up: {line}"));
            return vec![Effect::Cancel(run)];
        }
        super::quit::ask(state, "^c")
    }
}
