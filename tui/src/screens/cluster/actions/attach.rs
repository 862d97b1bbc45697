use crate::console::action::{Action, Scope};
use crate::console::{Attach, Confirm, Effect, Origin, Overlay, State, Tier};

/// Starts a bundled server where nobody answers.
pub(crate) struct StandIn;

impl Action for StandIn {
    fn name(&self) -> &'static str {
        "bundled"
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn help(&self) -> &'static str {
        "nobody answers: start a bundled server, temporary data"
    }

    fn label(&self, state: &State) -> Option<String> {
        (state.overlays.is_empty() && state.may_stand_in())
            .then(|| "start a bundled server".to_owned())
    }

    fn run(&self, state: &mut State) -> Vec<Effect> {
        if state.may_stand_in() { vec![Effect::Attach(Attach::Bundled)] } else { Vec::new() }
    }
}

/// Looks at the servers for which a bundled one stands in.
pub(crate) struct Original;

impl Action for Original {
    fn name(&self) -> &'static str {
        "original"
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn help(&self) -> &'static str {
        "leave the stand-in for the original, once that answers"
    }

    fn label(&self, state: &State) -> Option<String> {
        let of = original(state).filter(|_| state.overlays.is_empty())?;
        Some(format!("look at {of}"))
    }

    fn run(&self, state: &mut State) -> Vec<Effect> {
        let Some(of) = original(state) else { return Vec::new() };
        let title = format!("look at {of} instead");
        let text = "The bundled server ends, and what was written to it is gone.".to_owned();
        let effect = Effect::Attach(Attach::Named);
        let confirm = Confirm { tier: Tier::Loss, title, text, effect, typed: String::new() };
        state.overlays.push(Overlay::Confirm(Box::new(confirm)));
        Vec::new()
    }
}

/// Who a bundled server stands in for, once it answers.
fn original(state: &State) -> Option<String> {
    match &state.origin {
        Origin::StandIn(of) if state.elsewhere => Some(of.join(", ")),
        _ => None,
    }
}
