use super::{Action, Scope};
use crate::console::{Effect, State};
use crate::screens::{repl, screen};

/// Gives up what runs; with nothing running, it is a way out.
pub(crate) struct Interrupt;

impl Action for Interrupt {
    fn name(&self) -> &'static str {
        "interrupt"
    }

    fn scope(&self) -> Scope {
        Scope::Global
    }

    fn help(&self) -> &'static str {
        "give up what runs or is typed: a command, a scan, a line; with nothing left, twice leaves"
    }

    fn run(&self, state: &mut State) -> Vec<Effect> {
        if let Some(cancelled) = repl::give_up(state) {
            return cancelled;
        }
        if repl::drop_line(state) {
            return Vec::new();
        }
        if let Some(dropped) = screen(state.screen).cancel(state) {
            state.toasts.hint(state.now, "gave up what was under way");
            return dropped;
        }
        super::quit::ask(state, "^c")
    }
}
