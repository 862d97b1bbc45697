//! What the keys of the Cluster screen do.

use super::ClusterScreen;
use crate::console::action::Action;
use crate::console::{Attach, Bundled, Context, Effect, Origin, Overlay, Tier, Yes};
use crate::engine::order::Order;

/// In the order of footer and help.
pub(crate) static TABLE: &[Action<ClusterScreen>] = &[
    Action {
        name: "original",
        help: "leave the stand-in for the original, once that answers",
        label: |screen, ctx| original(screen, ctx).map(|of| format!("look at {of}")),
        run: |screen, ctx| {
            if let Some(of) = original(screen, ctx) {
                let title = format!("look at {of} instead");
                let text = "The bundled server ends, and what was written to it is gone.";
                let yes = Yes::Do(Effect::Attach(Attach::Named));
                ctx.confirm(Tier::Loss, title, text.to_owned(), yes);
            }
            Vec::new()
        },
    },
    Action {
        name: "bundled",
        help: "nobody answers: start a bundled server, temporary data",
        label: |_, ctx| ctx.may_stand_in().then(|| "start a bundled server".to_owned()),
        run: |_, ctx| {
            if ctx.may_stand_in() { vec![Effect::Attach(Attach::Bundled)] } else { Vec::new() }
        },
    },
    Action {
        name: "open",
        help: "everything known about the chosen member",
        label: |screen, ctx| screen.member(ctx).map(|_| "details".to_owned()),
        run: open,
    },
    Action {
        name: "events",
        help: "all that happened, and advice, to scroll through",
        label: |_, _| Some("events".to_owned()),
        run: |_, ctx| {
            if matches!(ctx.overlays.last(), Some(Overlay::Events(_))) {
                ctx.overlays.pop();
            } else {
                ctx.overlays.push(Overlay::Events(0));
            }
            Vec::new()
        },
    },
    Action {
        name: "kill",
        help: "kill the chosen bundled member with SIGKILL, as a crash would; asks when the quorum would go",
        label: |screen, ctx| {
            let (name, process) = screen.bundled(ctx)?;
            (process == Bundled::Running).then(|| format!("kill {name}"))
        },
        run: |screen, ctx| match screen.bundled(ctx) {
            Some((name, Bundled::Running)) => kill(ctx, name),
            _ => Vec::new(),
        },
    },
    Action {
        name: "restart",
        help: "start the chosen bundled member again, on the data it has",
        label: |screen, ctx| {
            let (name, process) = screen.bundled(ctx)?;
            (process != Bundled::Running).then(|| format!("restart {name}"))
        },
        run: |screen, ctx| match screen.bundled(ctx) {
            Some((name, Bundled::Killed | Bundled::Ended)) => {
                vec![Effect::Engine(Order::Restart(name))]
            }
            _ => Vec::new(),
        },
    },
];

/// Shows everything about the chosen member, or nothing of it any more.
pub(super) fn open(screen: &mut ClusterScreen, ctx: &mut Context) -> Vec<Effect> {
    if matches!(ctx.overlays.last(), Some(Overlay::Member(_))) {
        ctx.overlays.pop();
    } else if let Some(id) = screen.member(ctx).map(|member| member.listed.id) {
        ctx.overlays.push(Overlay::Member(id));
    }
    Vec::new()
}

/// Who a bundled server stands in for, once it answers.
fn original(screen: &ClusterScreen, ctx: &Context) -> Option<String> {
    match &ctx.origin {
        Origin::StandIn(of) if screen.elsewhere => Some(of.join(", ")),
        _ => None,
    }
}

/// Kills a bundled member that runs; asks when the quorum would go.
pub(crate) fn kill(ctx: &mut Context, name: String) -> Vec<Effect> {
    let verdict = ctx.cluster.verdict(ctx.now, ctx.stale_after());
    let left = verdict.alive.saturating_sub(1);
    let quorum = verdict.quorum();
    // Tier (a): with a quorum left it is undone by one key.
    if left >= quorum {
        return vec![Effect::Engine(Order::Kill(name))];
    }
    let text = format!(
        "It leaves {left} of {} voters; {quorum} are needed. No write and no linearizable read is \
             answered until it is started again. What was acknowledged stays.",
        verdict.voters
    );
    let title = format!("kill {name}: the cluster loses its quorum");
    ctx.confirm(Tier::Loss, title, text, Yes::Do(Effect::Engine(Order::Kill(name))));
    Vec::new()
}
