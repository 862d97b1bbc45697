//! What happened to the cluster, by two looks at it: members, alarms, versions.

use super::state::Cluster;
use crate::console::Context;
use crate::console::toast::Toast;
use crate::engine::sample::{AlarmKind, Listed, Sample};

/// Members that came, went, or became voters since the list before; nothing of the first list.
pub(crate) fn to_members(ctx: &mut Context, id: u64, listed: &[Listed]) {
    let cluster = &ctx.cluster;
    if cluster.id != id || cluster.members.is_empty() {
        return;
    }
    let mut said = Vec::new();
    for new in listed {
        let name = if new.name.is_empty() { format!("{:x}", new.id) } else { new.name.clone() };
        let kind = if new.learner { "a learner" } else { "a voter" };
        match cluster.member(new.id).map(|member| &member.listed) {
            None => said.push(format!("{name} was added as {kind}")),
            Some(old) if old.learner && !new.learner => said.push(format!("{name} became a voter")),
            Some(old) if old.name.is_empty() && !new.name.is_empty() => {
                said.push(format!("{:x} has started as {name}", new.id));
            }
            Some(_) => {}
        }
    }
    let gone =
        cluster.members.iter().filter(|old| !listed.iter().any(|new| new.id == old.listed.id));
    said.extend(gone.map(|member| format!("{} was removed", member.name())));
    tell(ctx, said);
}

/// What a member says differently from before: its version.
pub(crate) fn to_version(ctx: &mut Context, id: u64, sample: &Sample) {
    let Some(member) = ctx.cluster.member(id) else { return };
    let old = member.sample.as_ref().map(|sample| sample.version.clone()).unwrap_or_default();
    if !old.is_empty() && !sample.version.is_empty() && old != sample.version {
        let said = format!("{} runs {} now, {old} before", member.name(), sample.version);
        tell(ctx, vec![said]);
    }
}

/// Alarms that were raised or cleared since they were told last; nothing of those that stand at the beginning.
pub(crate) fn to_alarms(ctx: &mut Context) {
    let now: Vec<(AlarmKind, u64)> =
        ctx.cluster.alarms().map(|(kind, member)| (kind.clone(), member)).collect();
    let Some(before) = ctx.cluster.alarms_told.replace(now.clone()) else { return };
    let words = |cluster: &Cluster, (kind, member): &(AlarmKind, u64), what: &str| {
        format!("alarm {} of {} was {what}", kind.name(), cluster.name(*member))
    };
    let raised = now.iter().filter(|alarm| !before.contains(alarm));
    let mut said: Vec<_> = raised.map(|alarm| words(&ctx.cluster, alarm, "raised")).collect();
    let cleared = before.iter().filter(|alarm| !now.contains(alarm));
    said.extend(cleared.map(|alarm| words(&ctx.cluster, alarm, "cleared")));
    tell(ctx, said);
}

fn tell(ctx: &mut Context, said: Vec<String>) {
    for what in said {
        ctx.toasts.happened(Toast::info(ctx.now, what, ""));
    }
}
