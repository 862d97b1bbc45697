//! [`look`]: asks for what is in sight and not known, or known for too long; [`update`]: takes in what has come.

use std::time::Duration;

use mini_etcd_shared::command::lease_hex;

use super::model::{Answered, STORM_KEYS, Told};
use super::requests::{
    BATCH_MAX, ListLeases, ReadLease, ReadLeases, RenewLease, Renewal, RevokeLease, Revoked,
};
use super::{Detail, Leases, Msg, Pane, actions, view};
use crate::console::replay::Replay;
use crate::console::{Context, Effect, replay};
use crate::engine::report::Pace;
use crate::engine::request::Trouble;
use crate::screens::ScreenId;
use crate::widget::counted;

/// Time from one list to the next; for each further [`LISTED_EASILY`] leases as long again.
const LIST_EVERY: Duration = Duration::from_secs(5);
/// Leases that are listed that often.
const LISTED_EASILY: usize = 10_000;
/// Time from one look at the rows in sight to the next.
const ROWS_EVERY: Duration = Duration::from_secs(1);
/// The same after one that failed.
const ROWS_AGAIN: Duration = Duration::from_secs(5);
/// Time after which the chosen lease is read anew, and the same when it has very many keys.
const CHOSEN_EVERY: Duration = Duration::from_secs(5);
const CHOSEN_MANY_EVERY: Duration = Duration::from_secs(30);
/// So much less is asked while the window does not have the keyboard.
const BLURRED: u32 = 5;

/// Sees to it that what is in sight is known.
pub(super) fn look(leases: &mut Leases, ctx: &Context) -> Vec<Effect> {
    let slower = if ctx.pace == Pace::Focused { 1 } else { BLURRED };
    let mut effects = list(leases, ctx, slower);
    effects.extend(chosen(leases, ctx, slower));
    effects.extend(rows(leases, ctx, slower));
    effects
}

/// The list.
fn list(leases: &mut Leases, ctx: &Context, slower: u32) -> Vec<Effect> {
    let many = u32::try_from(leases.list.len() / LISTED_EASILY).unwrap_or(u32::MAX);
    let every = LIST_EVERY.saturating_mul(slower.saturating_mul(many.saturating_add(1)));
    let due = leases.asked.0.is_none_or(|at| ctx.now.since(at) >= every);
    if !due || leases.requests.running::<ListLeases>().next().is_some() {
        return Vec::new();
    }
    leases.asked.0 = Some(ctx.now);
    let of = |id: u64| Some((id, ctx.cluster.member(id)?.listed.endpoint.clone()));
    let leader = ctx.cluster.leader().and_then(of).filter(|(_, endpoint)| !endpoint.is_empty());
    leases.requests.ask(ListLeases { leader }, |_, listed| Msg::Listed(listed))
}

/// The chosen lease: at once when another one is chosen.
fn chosen(leases: &mut Leases, ctx: &Context, slower: u32) -> Vec<Effect> {
    let Some(id) = leases.chosen_id() else {
        (leases.detail, leases.pane) = (None, Pane::List);
        return Vec::new();
    };
    let shown = leases.detail.as_ref().filter(|detail| detail.id == id);
    let mut effects = Vec::new();
    if let Some(detail) = shown {
        let many = detail.keys.as_ref().is_some_and(|(_, count)| *count > STORM_KEYS);
        let every = if many { CHOSEN_MANY_EVERY } else { CHOSEN_EVERY } * slower;
        let running = leases.requests.running::<ReadLease>().any(|read| !read.revoke);
        if running || ctx.now.since(detail.asked) < every {
            return Vec::new();
        }
    } else {
        effects = leases.requests.cancel::<ReadLease>(|read| !read.revoke);
        (leases.pane, leases.key) = (Pane::List, 0);
        leases.detail = Some(Detail { id, keys: None, asked: ctx.now, denied: None });
    }
    if let Some(detail) = &mut leases.detail {
        detail.asked = ctx.now;
    }
    effects.extend(leases.requests.ask(ReadLease { id, revoke: false }, Msg::Read));
    effects
}

/// The rows in sight.
fn rows(leases: &mut Leases, ctx: &Context, slower: u32) -> Vec<Effect> {
    let due = leases.asked.1.is_none_or(|at| ctx.now.since(at) >= ROWS_EVERY * slower);
    if !due || leases.requests.running::<ReadLeases>().any(|read| !read.survey) {
        return Vec::new();
    }
    let in_sight = leases.top..leases.top + view::rows(leases, ctx);
    let ids = leases.list.due(in_sight, ctx.now, BATCH_MAX);
    if ids.is_empty() {
        return Vec::new();
    }
    leases.asked.1 = Some(ctx.now);
    leases.requests.ask(ReadLeases { ids: ids.into(), survey: false }, Msg::Told)
}

/// Takes in what has come of a request.
pub(super) fn update(leases: &mut Leases, ctx: &mut Context, msg: Msg) -> Vec<Effect> {
    let mut effects = match msg {
        Msg::Listed(Ok(listing)) => {
            leases.fresh.came(ctx.now);
            let now = ctx.now;
            leases.lay_out(ctx, |list| list.take(&listing, now));
            Vec::new()
        }
        Msg::Listed(Err(trouble)) => {
            leases.fresh.failed(trouble);
            Vec::new()
        }
        Msg::Read(asked, told) => read(leases, ctx, &asked, told),
        Msg::Told(asked, told) => {
            rows_read(leases, ctx, &asked, told);
            Vec::new()
        }
        Msg::Granted(asked, granted) => match granted {
            Ok((id, ttl)) => {
                let words = format!("{} was granted for {ttl}s", lease_hex(id));
                ctx.toasts.info(ctx.now, words, "");
                leases.wanted = Some(id);
                // Its place is known to the leader.
                leases.asked.0 = None;
                let (now, ttl) = (ctx.now, u64::try_from(ttl).unwrap_or(0));
                leases.lay_out(ctx, |list| list.add(id, ttl, now));
                replay::done(ctx, Replay::grant(asked.ttl, asked.id))
            }
            Err(trouble) => failed(ctx, "no lease was granted".to_owned(), trouble),
        },
        Msg::Revoked(asked, revoked) => self::revoked(leases, ctx, &asked, revoked),
        Msg::Renewed(asked, renewed) => self::renewed(leases, ctx, &asked, renewed),
    };
    if ctx.screen == ScreenId::Leases {
        effects.extend(look(leases, ctx));
    }
    effects
}

/// Takes in what was told of a lease.
fn tell(leases: &mut Leases, ctx: &Context, id: i64, told: Told) {
    let gone = told == Told::Gone;
    leases.list.tell(&Answered { id, told }, ctx.now);
    if gone {
        let row = leases.chosen;
        leases.choose(row, view::rows(leases, ctx));
    }
    leases.count(ctx, true);
}

/// The chosen lease has come.
fn read(
    leases: &mut Leases,
    ctx: &mut Context,
    asked: &ReadLease,
    told: Result<Told, Trouble>,
) -> Vec<Effect> {
    let told = match told {
        Ok(told) => told,
        Err(trouble) if asked.revoke => {
            return failed(ctx, format!("{} is not revoked", lease_hex(asked.id)), trouble);
        }
        Err(trouble) => {
            leases.untold = Some(trouble);
            return Vec::new();
        }
    };
    leases.untold = None;
    if let Some(detail) = leases.detail.as_mut().filter(|detail| detail.id == asked.id) {
        match &told {
            Told::Lease { count, keys, .. } => {
                leases.key = leases.key.min(keys.len().saturating_sub(1));
                (detail.keys, detail.denied) = (Some((keys.clone(), *count)), None);
            }
            Told::Denied(why) => (detail.keys, detail.denied) = (None, Some(why.clone())),
            Told::Gone => {}
        }
    }
    tell(leases, ctx, asked.id, told.clone());
    if asked.revoke {
        actions::ask_to_revoke(ctx, asked.id, told, "");
    }
    Vec::new()
}

/// Rows have come, or a part of a survey.
fn rows_read(
    leases: &mut Leases,
    ctx: &mut Context,
    asked: &ReadLeases,
    told: Result<Vec<Answered>, Trouble>,
) {
    match told {
        Ok(told) => {
            leases.untold = None;
            let count = told.len();
            for answered in told {
                leases.list.tell(&answered, ctx.now);
            }
            let row = leases.chosen;
            leases.choose(row, view::rows(leases, ctx));
            leases.count(ctx, true);
            if let Some((left, _)) = leases.survey.as_mut().filter(|_| asked.survey) {
                *left = left.saturating_sub(count);
                if *left == 0 {
                    leases.survey = None;
                    let now = ctx.now;
                    leases.lay_out(ctx, |list| list.lay_out(now));
                }
            }
        }
        Err(trouble) if asked.survey => {
            leases.survey = None;
            failed(ctx, "not all leases were asked about".to_owned(), trouble);
        }
        Err(trouble) => {
            leases.untold = Some(trouble);
            leases.asked.1 = Some(ctx.now.after(ROWS_AGAIN));
        }
    }
}

fn revoked(
    leases: &mut Leases,
    ctx: &mut Context,
    asked: &RevokeLease,
    revoked: Result<Revoked, Trouble>,
) -> Vec<Effect> {
    let id = lease_hex(asked.id);
    match revoked {
        Ok(Revoked::Met(told)) => {
            tell(leases, ctx, asked.id, told.clone());
            actions::ask_to_revoke(ctx, asked.id, told, "Its keys changed meanwhile. ");
            Vec::new()
        }
        Ok(Revoked::Gone) => {
            ctx.toasts.hint(ctx.now, format!("{id} had ended already"));
            ended(leases, ctx, asked.id)
        }
        Ok(Revoked::Done) => {
            let keys = match asked.count {
                0 => String::new(),
                count => format!(", and {} with it", counted(count, "key")),
            };
            ctx.toasts.info(ctx.now, format!("{id} has ended{keys}"), "");
            let mut effects = ended(leases, ctx, asked.id);
            effects.extend(replay::done(ctx, Replay::lease("revoke", asked.id)));
            effects
        }
        Err(trouble) => failed(ctx, format!("{id} was not revoked"), trouble),
    }
}

/// A lease is not there any more.
fn ended(leases: &mut Leases, ctx: &Context, id: i64) -> Vec<Effect> {
    tell(leases, ctx, id, Told::Gone);
    leases.kept.remove(&id);
    leases.requests.cancel::<RenewLease>(|renew| renew.id == id)
}

fn renewed(
    leases: &mut Leases,
    ctx: &mut Context,
    asked: &RenewLease,
    renewed: Result<Renewal, Trouble>,
) -> Vec<Effect> {
    let id = lease_hex(asked.id);
    match renewed {
        Ok(Renewal::For(ttl)) => {
            leases.list.renewed(asked.id, ttl, ctx.now);
            leases.count(ctx, true);
            if let Some(kept) = leases.kept.get_mut(&asked.id).filter(|_| !asked.once) {
                (kept.renewed, kept.failed) = (Some(ctx.now), None);
                return Vec::new();
            }
            ctx.toasts.info(ctx.now, format!("{id} has {ttl}s again"), "");
            replay::done(ctx, Replay::lease("keep-alive --once", asked.id))
        }
        Ok(Renewal::Failed(trouble)) => {
            if let Some(kept) = leases.kept.get_mut(&asked.id) {
                kept.failed = Some(trouble);
            }
            Vec::new()
        }
        Ok(Renewal::Gone) if asked.once => {
            ctx.toasts.hint(ctx.now, format!("{id} has ended already"));
            ended(leases, ctx, asked.id)
        }
        Ok(Renewal::Gone) => {
            let what = format!("{id} is not kept alive any more");
            let why = "it has ended: it was revoked, or no renewal came in time".to_owned();
            ctx.toasts.error(ctx.now, what, why, String::new());
            ended(leases, ctx, asked.id)
        }
        Err(trouble) => {
            if !asked.once {
                leases.kept.remove(&asked.id);
            }
            failed(ctx, format!("{id} was not renewed"), trouble)
        }
    }
}

/// What could not be done is told; what is on screen stays.
fn failed(ctx: &mut Context, what: String, trouble: Trouble) -> Vec<Effect> {
    ctx.failed(what, trouble);
    Vec::new()
}
