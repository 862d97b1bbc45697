use super::{Action, Scope};
use crate::console::{Effect, Overlay, State};
use crate::screens::screen;

/// One level back; never leaves the console.
pub(crate) struct Back;

impl Action for Back {
    fn name(&self) -> &'static str {
        "back"
    }

    fn scope(&self) -> Scope {
        Scope::Global
    }

    fn help(&self) -> &'static str {
        "one step back: close what lies on top, put messages away; never leaves the console"
    }

    fn label(&self, state: &State) -> Option<String> {
        let back = !state.overlays.is_empty() || screen(state.screen).has_back(state);
        back.then(|| "back".to_owned())
    }

    fn run(&self, state: &mut State) -> Vec<Effect> {
        state.leaving = None;
        if state.overlays.last() == Some(&Overlay::Palette) && state.palette.output.take().is_some()
        {
            return Vec::new();
        }
        if state.overlays.pop().is_some() {
            return Vec::new();
        }
        screen(state.screen).back(state).unwrap_or_else(|| {
            state.toasts.clear();
            Vec::new()
        })
    }
}
