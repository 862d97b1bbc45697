//! What the keys of the Cluster screen do.

use super::ClusterScreen;
use super::operate::{self, Ask};
use super::questions;
use super::upkeep::Upkeep;
use super::verdict::Stop;
use crate::console::action::Action;
use crate::console::{Attach, Bundled, Context, Effect, Origin, Overlay, Tier, Yes};
use crate::engine::order::Order;

/// Width from which the footer has room for what is not needed at once.
const ROOMY: u16 = 100;

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
        name: "rescue",
        help: "a member has used up its space: compact, defrag, see that there is room, clear the alarm",
        label: |_, ctx| {
            let full = ctx.cluster.stop().is_some_and(|(stop, _)| stop == Stop::NoSpace);
            (full && !ctx.read_only).then(|| "rescue".to_owned())
        },
        run: |screen, ctx| {
            let made = Upkeep::rescue(&ctx.cluster);
            questions::upkeep(screen, ctx, made)
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
    Action {
        name: "add",
        help: "add a member as a learner: its name and peer URLs; says what to start it with",
        label: |screen, ctx| roomy(screen, ctx).then(|| "add".to_owned()),
        run: |screen, ctx| {
            operate::prompt(screen, ctx, Ask::Add { learner: true });
            Vec::new()
        },
    },
    Action {
        name: "add-voter",
        help: "add a member with a vote at once, which counts as failed until it is started",
        label: |_, _| None,
        run: |screen, ctx| {
            operate::prompt(screen, ctx, Ask::Add { learner: false });
            Vec::new()
        },
    },
    Action {
        name: "promote",
        help: "give the chosen learner its vote; asks, with what becomes of the quorum",
        label: |screen, ctx| {
            let member = screen.member(ctx).filter(|member| member.listed.learner)?;
            changeable(screen, ctx).then(|| format!("promote {}", member.name()))
        },
        run: questions::promote,
    },
    Action {
        name: "remove",
        help: "remove the chosen member; asks for its name, refuses what would lose the quorum",
        label: |screen, ctx| roomy(screen, ctx).then(|| "remove".to_owned()),
        run: questions::remove,
    },
    Action {
        name: "peer-urls",
        help: "change where peers reach the chosen member",
        label: |_, _| None,
        run: |screen, ctx| {
            if let Some(id) = screen.member(ctx).map(|member| member.listed.id) {
                operate::prompt(screen, ctx, Ask::PeerUrls(id));
            }
            Vec::new()
        },
    },
    Action {
        name: "move-leader",
        help: "hand leadership to the chosen member",
        label: |screen, ctx| {
            let member = screen.member(ctx)?;
            let can = !member.listed.learner && ctx.cluster.leader() != Some(member.listed.id);
            (can && roomy(screen, ctx)).then(|| "move leader".to_owned())
        },
        run: questions::move_leader,
    },
    Action {
        name: "disarm",
        help: "clear the alarms; asks for the kind of the first",
        label: |_, ctx| {
            let raised = ctx.cluster.alarms().next().is_some();
            (raised && !ctx.read_only).then(|| "disarm".to_owned())
        },
        run: questions::disarm,
    },
    Action {
        name: "defrag",
        help: "let the chosen member give unused space back to its file system",
        label: |_, _| None,
        run: |screen, ctx| match screen.member(ctx).map(|member| member.listed.id) {
            Some(id) => {
                let made = Upkeep::of_one(&ctx.cluster, id);
                questions::upkeep(screen, ctx, made)
            }
            None => Vec::new(),
        },
    },
    Action {
        name: "defrag-all",
        help: "the same for all, followers first, each when the one before is healthy; ^c stops",
        label: |_, _| None,
        run: |screen, ctx| {
            let made = Upkeep::of_all(&ctx.cluster);
            questions::upkeep(screen, ctx, made)
        },
    },
    Action {
        name: "snapshot",
        help: "save a backup of the chosen member into a file, and check it; ^c stops, and leaves nothing",
        label: |screen, ctx| roomy(screen, ctx).then(|| "backup".to_owned()),
        run: operate::save,
    },
    Action {
        name: "copy",
        help: "copy what to start the new member with",
        label: |screen, _| {
            let notes = screen.job.as_ref().is_some_and(|job| !job.notes.is_empty());
            notes.then(|| "copy".to_owned())
        },
        run: |screen, _| {
            let notes = screen.job.as_ref().map(|job| job.notes.join("\n")).unwrap_or_default();
            if notes.is_empty() { Vec::new() } else { vec![Effect::Copy(notes.into_bytes())] }
        },
    },
];

/// The same, where the footer has room for what is not needed at once.
fn roomy(screen: &ClusterScreen, ctx: &Context) -> bool {
    changeable(screen, ctx) && ctx.size.0 >= ROOMY
}

/// Whether there is a member that something may be done to.
fn changeable(screen: &ClusterScreen, ctx: &Context) -> bool {
    !ctx.read_only && screen.member(ctx).is_some()
}

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
