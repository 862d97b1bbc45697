use super::{Action, Scope};
use crate::console::{Effect, State};

/// Back to the shell for a while.
pub(crate) struct Suspend;

impl Action for Suspend {
    fn name(&self) -> &'static str {
        "suspend"
    }

    fn scope(&self) -> Scope {
        Scope::Global
    }

    fn help(&self) -> &'static str {
        "back to the shell; its fg brings the console back"
    }

    fn run(&self, _state: &mut State) -> Vec<Effect> {
        vec![Effect::Suspend]
    }
}
