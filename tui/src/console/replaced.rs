//! Another cluster answers where the one on screen was.
//!
//! * I1: everything that was of the cluster before goes: members, tree, values, marks, past, tails, what was asked, what
//!   is typed into a value, and what `u` takes back. Nothing of it reaches the cluster that answers now.

use mini_etcd_shared::clock::Moment;

use super::context::Overlay;
use super::msg::Effect;
use super::state::State;
use super::toast::Toast;
use crate::engine::order::Order;
use crate::screens::SCREENS;
use crate::screens::cluster::Cluster;

/// Drops what was of the cluster before, and says so. I1
pub(crate) fn replaced(state: &mut State, id: u64) -> Vec<Effect> {
    let (now, before) = (state.ctx.now, state.ctx.cluster.id);
    let (mut effects, mut ended) = (Vec::new(), Vec::new());
    for id in SCREENS {
        let (screen, ctx) = state.screen_mut(*id);
        effects.extend(screen.leave(ctx, &mut ended));
    }
    // What is asked from here on is asked of the new one.
    effects.push(Effect::Engine(Order::Cluster(id)));
    state.ctx.cluster = Cluster { id, woke: state.ctx.cluster.woke, ..Cluster::default() };
    state.ctx.done = None;
    let stays = |overlay: &Overlay| {
        matches!(
            overlay,
            Overlay::Actions(_)
                | Overlay::Help(_)
                | Overlay::Events(_)
                | Overlay::Doctor(_)
                | Overlay::Palette
        )
    };
    state.ctx.overlays.retain(stays);
    state.replaced = Some(now);
    let what = format!("another cluster answers there: {id:x}, and before {before:x}");
    let why = "its data was replaced, or other servers listen there".to_owned();
    ended.insert(0, "all is read anew; u takes nothing back".to_owned());
    let next = ended.join(", and ");
    state.ctx.toasts.happened(Toast::error(now, what, why, next));
    let (screen, ctx) = state.top_mut();
    effects.extend(screen.begin_anew(ctx));
    effects
}

impl State {
    /// Since when another cluster is looked at than before, while that is news.
    #[must_use]
    pub fn is_replaced(&self) -> bool {
        self.replaced
            .is_some_and(|at: Moment| self.ctx.now.since(at) < super::state::REPLACED_SHOWN)
    }
}
