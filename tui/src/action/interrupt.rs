use super::{Action, Scope};
use crate::app::screens::screen;
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
        "give up what runs: a command, a scan; with nothing running, twice leaves"
    }

    fn run(&self, state: &mut State) -> Vec<Effect> {
        if let Some((run, line)) = state.palette.pending.take() {
            state.toasts.hint(state.now, format!("gave up: {line}"));
            return vec![Effect::Cancel(run)];
        }
        if let Some(dropped) = screen(state.screen).cancel(state) {
            state.toasts.hint(state.now, "gave up what was under way");
            return dropped;
        }
        super::quit::ask(state, "^c")
    }
}
