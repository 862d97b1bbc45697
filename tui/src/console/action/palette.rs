use super::{Action, Scope};
use crate::console::{Effect, Overlay, State};

/// Opens the line for commands.
pub(crate) struct Palette;

impl Action for Palette {
    fn name(&self) -> &'static str {
        "palette"
    }

    fn scope(&self) -> Scope {
        Scope::Global
    }

    fn help(&self) -> &'static str {
        "type a command: put, get, del, member list, ... (help lists them)"
    }

    fn label(&self, state: &State) -> Option<String> {
        state.overlays.is_empty().then(|| "command".to_owned())
    }

    fn run(&self, state: &mut State) -> Vec<Effect> {
        state.overlays.retain(|overlay| *overlay != Overlay::Palette);
        state.overlays.push(Overlay::Palette);
        Vec::new()
    }
}
