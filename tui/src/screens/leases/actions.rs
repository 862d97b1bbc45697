//! What can be done on the Leases screen.

use mini_etcd_shared::command::lease_hex;

use super::model::Told;
use super::requests::{GrantLease, ReadLease, ReadLeases, RenewLease, RevokeLease};
use super::{Ask, KEPT_MAX, Kept, Leases, Msg, Pane, Prompt, view};
use crate::console::action::Action;
use crate::console::{Context, Effect, Plan, Tier, Wish, Yes};
use crate::screens::ScreenId;
use crate::widget::line::LineInput;
use crate::widget::{counted, escape_name, grouped};

/// Keys that a question names.
const NAMED_MAX: usize = 3;
/// Width from which the footer has room for what is not needed at once.
const ROOMY: u16 = 100;

/// Its actions, in the order of footer and help.
pub(crate) static TABLE: &[Action<Leases>] = &[
    Action {
        name: "open",
        help: "go to the keys of the lease; on a key, show that on the Keys screen",
        label: |leases, _| match leases.pane {
            Pane::List => leases.chosen_id().map(|_| "keys".to_owned()),
            Pane::Keys => leases.chosen_key().map(|_| "show the key".to_owned()),
        },
        run: open,
    },
    Action {
        name: "grant",
        help: "grant a lease: seconds, and an id in hex when it should have a certain one",
        label: |_, ctx| (!ctx.read_only).then(|| "grant".to_owned()),
        run: |leases, ctx| {
            if !ctx.refuses_changes() {
                prompt(leases, Ask::Grant, "");
            }
            Vec::new()
        },
    },
    Action {
        name: "keep-alive-once",
        help: "renew the lease once: it has its whole time again",
        label: |leases, ctx| changeable(leases, ctx).then(|| "renew".to_owned()),
        run: |leases, ctx| match leases.chosen_id().filter(|_| !ctx.refuses_changes()) {
            Some(id) => leases.requests.ask(RenewLease { id, once: true }, Msg::Renewed),
            None => Vec::new(),
        },
    },
    Action {
        name: "keep-alive",
        help: "keep the lease alive for as long as the console runs, also from other screens; again stops",
        label: |leases, ctx| {
            let id = leases.chosen_id().filter(|_| !ctx.read_only)?;
            let word = if leases.kept.contains_key(&id) { "stop renewing" } else { "keep alive" };
            Some(word.to_owned())
        },
        run: keep_alive,
    },
    Action {
        name: "revoke",
        help: "end the lease, and delete its keys; asks, with their number",
        label: |leases, ctx| changeable(leases, ctx).then(|| "revoke".to_owned()),
        run: |leases, ctx| match leases.chosen_id().filter(|_| !ctx.refuses_changes()) {
            Some(id) => {
                // One question at a time: about what was chosen last.
                let mut effects = leases.requests.cancel::<ReadLease>(|read| read.revoke);
                effects.extend(leases.requests.ask(ReadLease { id, revoke: true }, Msg::Read));
                effects
            }
            None => Vec::new(),
        },
    },
    Action {
        name: "orphans",
        help: "show only leases without keys, among those that are known; again shows all",
        label: |leases, _| {
            let word = if leases.list.orphans { "all" } else { "orphans" };
            (!leases.list.is_empty()).then(|| word.to_owned())
        },
        run: |leases, ctx| {
            let (now, orphans) = (ctx.now, !leases.list.orphans);
            leases.lay_out(ctx, |list| {
                list.orphans = orphans;
                list.lay_out(now);
            });
            super::update::look(leases, ctx)
        },
    },
    Action {
        name: "filter",
        help: "show only leases whose id has this in it",
        label: |leases, _| (!leases.list.is_empty()).then(|| "filter".to_owned()),
        run: |leases, _| {
            let filter = leases.list.filter.clone();
            prompt(leases, Ask::Filter, &filter);
            Vec::new()
        },
    },
    Action {
        name: "sort",
        help: "another order: who ends first, most keys, shortest ttl, id",
        label: |leases, _| (!leases.list.is_empty()).then(|| "sort".to_owned()),
        run: |leases, ctx| {
            let (now, sort) = (ctx.now, leases.list.sort.next());
            leases.lay_out(ctx, |list| {
                list.sort = sort;
                list.lay_out(now);
            });
            super::update::look(leases, ctx)
        },
    },
    Action {
        name: "survey",
        help: "ask about every lease that is not known yet, at most 256 a second; ^c gives it up",
        label: |leases, ctx| {
            let unknown = leases.list.len() > leases.histogram.known && leases.survey.is_none();
            (unknown && ctx.size.0 >= ROOMY).then(|| "ask about all".to_owned())
        },
        run: survey,
    },
    Action {
        name: "copy",
        help: "copy the id of the lease, or the key that is chosen",
        label: |_, _| None,
        run: |leases, _| {
            let key = leases.chosen_key().map(|key| key.to_vec());
            let id = || leases.chosen_id().map(|id| lease_hex(id).into_bytes());
            key.or_else(id).map(Effect::Copy).into_iter().collect()
        },
    },
    Action {
        name: "refresh",
        help: "read the list anew",
        label: |_, _| None,
        run: |leases, ctx| {
            leases.asked = (None, None);
            super::update::look(leases, ctx)
        },
    },
];

/// Whether there is a lease that may be changed.
fn changeable(leases: &Leases, ctx: &Context) -> bool {
    leases.chosen_id().is_some() && !ctx.read_only
}

fn prompt(leases: &mut Leases, ask: Ask, text: &str) {
    let mut line = LineInput::default();
    line.set(text);
    leases.prompt = Some(Prompt { ask, line, error: None });
}

/// From the list to the keys of the lease; from a key to the screen that shows it.
pub(super) fn open(leases: &mut Leases, ctx: &mut Context) -> Vec<Effect> {
    if let Some(key) = leases.chosen_key() {
        ctx.wish(Wish::ShowKey(key.clone()));
    } else if leases.chosen_id().is_some() {
        leases.pane = Pane::Keys;
    }
    Vec::new()
}

/// Chooses a row of the list, or a key.
pub(super) fn go(leases: &mut Leases, ctx: &mut Context, row: usize) -> Vec<Effect> {
    match leases.pane {
        Pane::List => leases.choose(row, view::rows(leases, ctx)),
        Pane::Keys => {
            let keys = leases.detail.as_ref().and_then(|detail| detail.keys.as_ref());
            let count = keys.map_or(0, |(keys, _)| keys.len());
            leases.key = row.min(count.saturating_sub(1));
        }
    }
    super::update::look(leases, ctx)
}

/// Keeps the chosen lease alive, or does so no longer.
fn keep_alive(leases: &mut Leases, ctx: &mut Context) -> Vec<Effect> {
    let Some(id) = leases.chosen_id().filter(|_| !ctx.refuses_changes()) else { return Vec::new() };
    if leases.kept.remove(&id).is_some() {
        ctx.toasts.hint(ctx.now, format!("{} is not kept alive any more", lease_hex(id)));
        return leases.requests.cancel::<RenewLease>(|renew| renew.id == id && !renew.once);
    }
    if leases.kept.len() >= KEPT_MAX {
        ctx.toasts.hint(ctx.now, format!("{KEPT_MAX} leases are kept alive: A on one stops that"));
        return Vec::new();
    }
    let effects = leases.requests.ask(RenewLease { id, once: false }, Msg::Renewed);
    if !effects.is_empty() {
        leases.kept.insert(id, Kept { renewed: None, failed: None });
    }
    effects
}

fn survey(leases: &mut Leases, ctx: &mut Context) -> Vec<Effect> {
    if leases.survey.is_some() {
        return Vec::new();
    }
    let ids = leases.list.unknown();
    if ids.is_empty() {
        ctx.toasts.hint(ctx.now, "all leases of the list are known");
        return Vec::new();
    }
    leases.survey = Some((ids.len(), ids.len()));
    leases.requests.ask(ReadLeases { ids: ids.into(), survey: true }, Msg::Told)
}

/// Asks before a lease ends: how it is was told just now.
pub(super) fn ask_to_revoke(ctx: &mut Context, id: i64, told: Told, meanwhile: &str) {
    let (left, count, keys) = match told {
        Told::Lease { left, count, keys, .. } => (left, count, keys),
        Told::Gone => {
            ctx.toasts.hint(ctx.now, format!("{} has ended already", lease_hex(id)));
            return;
        }
        Told::Denied(why) => {
            let what = format!("{} is not revoked", lease_hex(id));
            let next = "its keys have to be readable, to be named first".to_owned();
            ctx.toasts.error(ctx.now, what, why, next);
            return;
        }
    };
    let title = match count {
        0 => format!("revoke {}, which has no keys", lease_hex(id)),
        count => format!("revoke {} and delete {}", lease_hex(id), counted(count, "key")),
    };
    let mut first: Vec<String> = keys.iter().take(NAMED_MAX).map(|key| escape_name(key)).collect();
    let rest = count.saturating_sub(u64::try_from(first.len()).unwrap_or(0));
    if rest > 0 {
        first.push(format!("and {} more", grouped(rest)));
    }
    let names = if first.is_empty() { String::new() } else { format!("{}. ", first.join("  ")) };
    let back = if count > 0 {
        " The graveyard of the Keys screen has the keys until a compaction."
    } else {
        ""
    };
    let text = format!("{meanwhile}{names}It has {left}s left.{back}");
    let plan = Plan::new(RevokeLease { id, count, keys });
    ctx.confirm(Tier::Loss, title, text, Yes::Planned(ScreenId::Leases, plan));
}

/// What is typed for a new lease: seconds, and an id if there is one.
pub(super) fn grant(text: &str) -> Result<GrantLease, String> {
    let mut words = text.split_whitespace();
    let (ttl, id) = (words.next().unwrap_or_default(), words.next());
    if words.next().is_some() {
        return Err("only seconds, and an id in hex".to_owned());
    }
    let ttl = ttl.strip_suffix('s').unwrap_or(ttl);
    let ttl = ttl.parse().map_err(|_| format!("{ttl:?} is not a number of seconds, as 60"))?;
    let id = id.unwrap_or("0");
    let wrong = || format!("{id:?} is not an id: 1 to 16 digits of hex, up to 7fffffffffffffff");
    let id = i64::from_str_radix(id, 16).map_err(|_| wrong())?;
    if id < 0 {
        return Err(wrong());
    }
    Ok(GrantLease { id, ttl })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_lease_is_seconds_and_perhaps_an_id() {
        assert_eq!(grant(" 60 "), Ok(GrantLease { id: 0, ttl: 60 }));
        assert_eq!(grant("5s 7f3a"), Ok(GrantLease { id: 0x7f3a, ttl: 5 }));
        for (text, words) in [
            ("", "not a number of seconds"),
            ("1m", "\"1m\" is not a number of seconds"),
            ("60 xyz", "\"xyz\" is not an id"),
            ("60 ffffffffffffffff", "up to 7fff"),
            ("60 -1", "not an id"),
            ("60 1 2", "only seconds"),
        ] {
            let error = grant(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
