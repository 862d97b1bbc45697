use crate::console::action::{Action, Scope};
use crate::console::{Effect, Overlay, State};

/// Shows all about the chosen member.
pub(crate) struct Open;

impl Action for Open {
    fn name(&self) -> &'static str {
        "open"
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn help(&self) -> &'static str {
        "everything known about the chosen member"
    }

    fn label(&self, state: &State) -> Option<String> {
        (state.overlays.is_empty() && state.chosen_member().is_some()).then(|| "details".to_owned())
    }

    fn run(&self, state: &mut State) -> Vec<Effect> {
        if matches!(state.overlays.last(), Some(Overlay::Member(_))) {
            state.overlays.pop();
        } else if let Some(id) = state.chosen_member().map(|member| member.listed.id) {
            state.overlays.push(Overlay::Member(id));
        }
        Vec::new()
    }
}
