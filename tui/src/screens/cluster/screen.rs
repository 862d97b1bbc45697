//! The Cluster screen as the frame sees it: one list, the members.

use crate::console::CommandLine;
use crate::console::action::Scope;
use crate::console::msg::Effect;
use crate::console::state::State;
use crate::screens::{Motion, Screen, ScreenId};

/// The Cluster screen.
pub(crate) struct ClusterScreen;

impl Screen for ClusterScreen {
    fn id(&self) -> ScreenId {
        ScreenId::Cluster
    }

    fn title(&self) -> &'static str {
        "Cluster"
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn command(&self, state: &State) -> Option<CommandLine> {
        let member = state.chosen_member().filter(|member| !member.listed.endpoint.is_empty())?;
        let of = format!("--endpoints={}", member.listed.endpoint);
        Some(CommandLine::new("endpoint status").flag(of).flag("--write-out=table"))
    }

    fn motion(&self, state: &mut State, motion: Motion) -> Vec<Effect> {
        state.chosen = motion.apply(state.chosen, state.cluster.members.len(), state.page());
        Vec::new()
    }
}
