use std::time::Duration;

use super::{Action, Scope};
use crate::console::{Effect, State};

/// Within this time the second press leaves.
const TWICE_WITHIN: Duration = Duration::from_secs(3);

/// Closes what lies on top; on the screen itself, twice leaves.
pub(crate) struct Quit;

impl Action for Quit {
    fn name(&self) -> &'static str {
        "quit"
    }

    fn scope(&self) -> Scope {
        Scope::Global
    }

    fn help(&self) -> &'static str {
        "close what lies on top; twice on a screen leaves the console"
    }

    fn label(&self, _state: &State) -> Option<String> {
        Some("quit".to_owned())
    }

    fn run(&self, state: &mut State) -> Vec<Effect> {
        if state.overlays.pop().is_some() {
            return Vec::new();
        }
        let keys = state.keymap.keys(self);
        let key = keys.first().map_or_else(|| ":quit".to_owned(), ToString::to_string);
        ask(state, &key)
    }
}

pub(crate) fn ask(state: &mut State, key: &str) -> Vec<Effect> {
    let again = state.leaving.is_some_and(|then| state.now.since(then) < TWICE_WITHIN);
    if again {
        return vec![Effect::Quit];
    }
    state.leaving = Some(state.now);
    let ends = if state.bundled.is_empty() { "" } else { "; the bundled members stop with it" };
    state.toasts.hint(state.now, format!("{key} again leaves the console{ends}"));
    Vec::new()
}
