use crate::console::action::{Action, Scope};
use crate::console::{Bundled, Confirm, Effect, Overlay, State, Tier};

/// Kills the chosen bundled member as a crash would.
pub(crate) struct Kill;

impl Action for Kill {
    fn name(&self) -> &'static str {
        "kill"
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn help(&self) -> &'static str {
        "kill the chosen bundled member with SIGKILL, as a crash would; asks when the quorum would go"
    }

    fn label(&self, state: &State) -> Option<String> {
        let (name, bundled) = state.chosen_bundled().filter(|_| state.overlays.is_empty())?;
        (bundled == Bundled::Running).then(|| format!("kill {name}"))
    }

    fn run(&self, state: &mut State) -> Vec<Effect> {
        let Some((name, Bundled::Running)) = state.chosen_bundled() else {
            return Vec::new();
        };
        kill(state, name)
    }
}

/// Kills a bundled member that runs; asks when the quorum would go.
pub(crate) fn kill(state: &mut State, name: String) -> Vec<Effect> {
    let verdict = state.cluster.verdict(state.now, state.stale_after());
    let left = verdict.alive.saturating_sub(1);
    let quorum = verdict.quorum();
    // Tier (a): with a quorum left it is undone by one key.
    if left >= quorum {
        return vec![Effect::Kill(name)];
    }
    let text = format!(
        "It leaves {left} of {} voters; {quorum} are needed. No write and no linearizable read is \
             answered until it is started again. What was acknowledged stays.",
        verdict.voters
    );
    let title = format!("kill {name}: the cluster loses its quorum");
    let effect = Effect::Kill(name);
    let confirm = Confirm { tier: Tier::Loss, title, text, effect, typed: String::new() };
    state.overlays.push(Overlay::Confirm(Box::new(confirm)));
    Vec::new()
}
