//! The Cluster screen as the frame sees it: one list, the members.

use super::CommandLine;
use super::msg::Effect;
use super::screens::{Motion, Screen, ScreenId};
use super::state::State;
use crate::action::Scope;

/// The Cluster screen.
pub(super) struct ClusterScreen;

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
