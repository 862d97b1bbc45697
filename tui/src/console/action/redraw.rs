use super::{Action, Scope};
use crate::console::{Effect, State};

/// Paints everything anew.
pub(crate) struct Redraw;

impl Action for Redraw {
    fn name(&self) -> &'static str {
        "redraw"
    }

    fn scope(&self) -> Scope {
        Scope::Global
    }

    fn help(&self) -> &'static str {
        "paint the screen anew"
    }

    fn run(&self, _state: &mut State) -> Vec<Effect> {
        vec![Effect::Repaint]
    }
}
