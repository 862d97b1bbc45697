//! Deletes and undeletes: what is marked, a directory, one key; asked about first.
//!
//! ```text
//! d, R ─▶ Preview ─▶ question with the exact count ─ y ─▶ Bulk ─▶ done
//!            ▲                                              └─ somebody was faster: asked about again
//!            └──────────────────────────────────────────────────┘
//! ```
//!
//! * I1: a key is named once: what a marked directory holds is not counted again for a mark of its own.

use std::collections::BTreeMap;

use super::change::{TOO_MUCH, ask_write, chosen, in_sight, locked, put_back};
use super::model::{Batch, Bulk, Change, Changed, Entry, Preview, Stop, Target, Write};
use super::requests::{ChangeMany, CountBulk, ReadLive};
use super::undo::about;
use super::update::failed;
use super::{Doing, Msg, Plan, Right, Way};
use crate::console::replay::Replay;
use crate::console::{self, Context, Effect, Tier, Yes, replay};
use crate::engine::request::Trouble;
use crate::screens::ScreenId;
use crate::screens::keys::Keys;
use crate::widget;
use crate::widget::{bytes, escape_name, grouped};

/// Why nothing is put back.
const NOTHING_SHOWN: &str = "nothing is put back: no value is shown, or it is still being read";

/// Asks the engine for a change of many.
pub(super) fn ask(
    keys: &mut Keys,
    ctx: &mut Context,
    bulk: Bulk,
    doing: Doing,
    asked: u32,
) -> Vec<Effect> {
    let seen = keys.newest;
    let change = ChangeMany { bulk, doing, asked, seen };
    let effects = keys.requests.ask(change, Msg::Changed);
    if effects.is_empty() {
        ctx.toasts.hint(ctx.now, TOO_MUCH);
    }
    effects
}

/// Asks what it would do.
fn ask_preview(keys: &mut Keys, ctx: &mut Context, bulk: Bulk, asked: u32) -> Vec<Effect> {
    let effects = keys.requests.ask(CountBulk { bulk, asked }, Msg::Counted);
    if effects.is_empty() {
        ctx.toasts.hint(ctx.now, TOO_MUCH);
    }
    effects
}

/// One question at a time: what was to be asked about before is not any more.
fn count_no_more(keys: &mut Keys) -> Vec<Effect> {
    keys.requests.cancel::<CountBulk>(|_| true)
}

/// What is marked, or else what is chosen. I1
fn targets(keys: &Keys) -> Vec<Target> {
    if keys.marks.is_empty() {
        return keys.chosen_target().into_iter().collect();
    }
    let inside = |target: &Target| {
        let (Target::Key(name) | Target::Prefix(name)) = target;
        // Every prefix of the name that is marked itself.
        (0..=name.len()).any(|end| {
            let prefix = Target::Prefix(name.slice(..end));
            prefix != *target && keys.marks.contains(&prefix)
        })
    };
    keys.marks.iter().filter(|target| !inside(target)).cloned().collect()
}

/// Deletes what is chosen or marked, after a question.
pub(crate) fn delete(keys: &mut Keys, ctx: &mut Context) -> Vec<Effect> {
    remove(keys, ctx, true)
}

/// Deletes the chosen key at once; asks all the same before more than one goes.
pub(crate) fn delete_now(keys: &mut Keys, ctx: &mut Context) -> Vec<Effect> {
    remove(keys, ctx, false)
}

fn remove(keys: &mut Keys, ctx: &mut Context, question: bool) -> Vec<Effect> {
    if locked(keys, ctx) {
        return Vec::new();
    }
    let mut effects = count_no_more(keys);
    let targets = targets(keys);
    if let [Target::Key(key)] = targets.as_slice() {
        let Some(entry) = chosen(keys).filter(|entry| entry.key == *key) else {
            if keys.marks.is_empty() {
                ctx.toasts.hint(ctx.now, "its value is still being read: once more in a moment");
            } else {
                let bulk = Bulk::Delete { targets, seen: 0 };
                effects.extend(ask_preview(keys, ctx, bulk, 0));
            }
            return effects;
        };
        if question {
            ask_one(ctx, &entry, "");
        } else {
            let (write, doing) = deletion(&entry);
            effects.extend(ask_write(keys, ctx, write, doing));
        }
    } else if !targets.is_empty() {
        effects.extend(ask_preview(keys, ctx, Bulk::Delete { targets, seen: 0 }, 0));
    }
    effects
}

fn deletion(entry: &Entry) -> (Write, Doing) {
    let (key, expected) = (entry.key.clone(), entry.meta.modified);
    let doing = Doing::new(format!("delete {}", escape_name(&key)));
    (Write { key, expected, change: Change::Delete }, doing)
}

/// Asks before a key goes.
fn ask_one(ctx: &mut Context, entry: &Entry, meanwhile: &str) {
    let (write, doing) = deletion(entry);
    let lease = match entry.meta.lease {
        0 => String::new(),
        lease => format!(", with lease {lease:x}"),
    };
    let text = format!(
        "{meanwhile}It has {}, version {}, of revision {}{lease}. u takes it back.",
        bytes(u64::try_from(entry.value.len()).unwrap_or(u64::MAX)),
        grouped(entry.meta.version.unsigned_abs()),
        grouped(entry.meta.modified.unsigned_abs()),
    );
    let title = doing.words();
    propose(ctx, Tier::Loss, title, text, Plan::One(write, doing));
}

/// Asks before a plan is carried out.
fn propose(ctx: &mut Context, tier: Tier, title: String, text: String, plan: Plan) {
    let plan = console::Plan::new(plan);
    ctx.confirm(tier, title, text, Yes::Planned(ScreenId::Keys, plan));
}

/// A key that was to be deleted is not as it was seen: it is asked about again, or it is gone.
pub(super) fn delete_met(
    keys: &mut Keys,
    ctx: &mut Context,
    write: &Write,
    theirs: Option<&Entry>,
) -> Vec<Effect> {
    let noted = replay::note(ctx, Replay::not_made(write, "not done, for the key had changed"));
    if let Some(theirs) = theirs {
        ask_one(ctx, theirs, "It was changed meanwhile. ");
    } else {
        let hint = format!("{} is gone already", escape_name(&write.key));
        ctx.toasts.hint(ctx.now, hint);
    }
    let mut effects = noted;
    effects.extend(super::reload(keys, ctx));
    effects
}

/// What was asked about is wanted.
pub(super) fn planned(keys: &mut Keys, ctx: &mut Context, plan: Plan) -> Vec<Effect> {
    match plan {
        Plan::One(write, doing) => ask_write(keys, ctx, write, doing),
        Plan::Many(bulk, doing, asked) => ask(keys, ctx, bulk, doing, asked),
    }
}

/// What a change of many would do is known: it is asked about, with the exact count and the first keys.
pub(super) fn counted(
    ctx: &mut Context,
    asked: CountBulk,
    found: Result<Preview, Trouble>,
) -> Vec<Effect> {
    let found = match found {
        Ok(found) => found,
        Err(trouble) => {
            return failed(ctx, "cannot count what would be changed".to_owned(), trouble);
        }
    };
    match asked.bulk {
        Bulk::Delete { targets, .. } => preview_delete(ctx, targets, &found, asked.asked),
        Bulk::PutBack { batches, leaseless, .. } => {
            preview_back(ctx, batches, leaseless, &found);
        }
        // It is never asked about.
        Bulk::TakeAway(_) => {}
    }
    Vec::new()
}

fn first_of(found: &Preview) -> String {
    let shown: Vec<String> = found.first.iter().map(|key| escape_name(key)).collect();
    let rest = found.count.saturating_sub(u64::try_from(shown.len()).unwrap_or(0));
    let more = if rest > 0 { format!(" and {} more", grouped(rest)) } else { String::new() };
    format!("{}{more}", shown.join("  "))
}

fn preview_delete(ctx: &mut Context, targets: Vec<Target>, found: &Preview, asked: u32) {
    if found.count == 0 {
        ctx.toasts.hint(ctx.now, "nothing there to delete");
        return;
    }
    let everything = targets.iter().any(|t| matches!(t, Target::Prefix(p) if p.is_empty()));
    let what = match targets.as_slice() {
        [Target::Prefix(prefix)] => format!("below {}", escape_name(prefix)),
        [Target::Key(key)] => escape_name(key),
        many => format!("of {} marks", many.len()),
    };
    let meanwhile = if asked > 0 { "Somebody changed them meanwhile. " } else { "" };
    let text = format!(
        "{meanwhile}{}. u takes it back, and the graveyard has them until a compaction.",
        first_of(found)
    );
    let noun = if found.count == 1 { "key" } else { "keys" };
    let title = format!("delete {} {noun} {what}", grouped(found.count));
    let tier = if everything { Tier::Shape("everything".to_owned()) } else { Tier::Loss };
    let bulk = Bulk::Delete { targets, seen: found.revision };
    let plan = Plan::Many(bulk, Doing::new(title.clone()), asked + 1);
    propose(ctx, tier, title, text, plan);
}

fn preview_back(ctx: &mut Context, batches: Vec<Batch>, leaseless: bool, found: &Preview) {
    if found.count == 0 {
        let hint = match found.kept {
            0 => "there was nothing to put back".to_owned(),
            kept => format!("{} there now, and stay as they are", all_are(kept)),
        };
        ctx.toasts.hint(ctx.now, hint);
        return;
    }
    let what = match batches.as_slice() {
        [Batch { targets, revision }] => match targets.as_slice() {
            [Target::Prefix(prefix)] => {
                format!("below {} as of {}", escape_name(prefix), grouped(revision.unsigned_abs()))
            }
            _ => format!("as of {}", grouped(revision.unsigned_abs())),
        },
        _ => "as they were before their deletes".to_owned(),
    };
    let kept = match found.kept {
        0 => String::new(),
        1 => " 1 key is there now and stays as it is.".to_owned(),
        kept => format!(" {} keys are there now and stay as they are.", grouped(kept)),
    };
    let text = format!("{}.{kept} u takes it back.", first_of(found));
    let title = format!("put back {} {what}", widget::counted(found.count, "key"));
    let bulk = Bulk::PutBack { batches, exact: false, leaseless };
    let plan = Plan::Many(bulk, Doing::new(title.clone()), 1);
    propose(ctx, Tier::Loss, title, text, plan);
}

fn all_are(count: u64) -> String {
    if count == 1 { "the key is".to_owned() } else { format!("all {} keys are", grouped(count)) }
}

/// Puts back what is shown: a key from its grave, a value from the past, a version from the history; what is marked, or
/// a directory, after a question.
pub(crate) fn restore(keys: &mut Keys, ctx: &mut Context) -> Vec<Effect> {
    if ctx.refuses_changes() {
        return Vec::new();
    }
    let versions = matches!(keys.right, Right::History(_));
    if let Some(graveyard) = keys.left.graveyard().filter(|_| !versions) {
        if !graveyard.marks.is_empty() {
            let mut by_revision: BTreeMap<i64, Vec<Target>> = BTreeMap::new();
            for (key, deleted) in &graveyard.marks {
                by_revision
                    .entry(deleted.saturating_sub(1))
                    .or_default()
                    .push(Target::Key(key.clone()));
            }
            let batch = |(revision, targets)| Batch { targets, revision };
            return ask_back(keys, ctx, by_revision.into_iter().map(batch).collect());
        }
        let Some(entry) = chosen(keys) else {
            ctx.toasts.hint(ctx.now, NOTHING_SHOWN);
            return Vec::new();
        };
        return put_back(keys, ctx, entry, None);
    }
    if !versions {
        let Some(revision) = keys.at else { return Vec::new() };
        let targets = targets(keys);
        if !keys.marks.is_empty() || matches!(targets.as_slice(), [Target::Prefix(_)]) {
            return ask_back(keys, ctx, vec![Batch { targets, revision }]);
        }
    }
    let Some(old) = in_sight(keys) else {
        ctx.toasts.hint(ctx.now, NOTHING_SHOWN);
        return Vec::new();
    };
    let effects = keys.requests.ask(ReadLive { old }, Msg::Live);
    if effects.is_empty() {
        ctx.toasts.hint(ctx.now, TOO_MUCH);
    }
    effects
}

fn ask_back(keys: &mut Keys, ctx: &mut Context, batches: Vec<Batch>) -> Vec<Effect> {
    let mut bulk = Bulk::PutBack { batches, exact: false, leaseless: false };
    without_lost_lease(keys, &mut bulk);
    let mut effects = count_no_more(keys);
    effects.extend(ask_preview(keys, ctx, bulk, 0));
    effects
}

/// A lease that was found to be gone is not asked for again.
pub(super) fn without_lost_lease(keys: &Keys, bulk: &mut Bulk) {
    if let Bulk::PutBack { leaseless, .. } = bulk {
        *leaseless = keys.leaseless.is_some();
    }
}

/// How far a change of many came.
pub(super) fn changed(
    keys: &mut Keys,
    ctx: &mut Context,
    asked: &ChangeMany,
    changed: Result<Changed, Trouble>,
) -> Vec<Effect> {
    let ChangeMany { bulk, doing, asked, .. } = asked;
    let mut changed = match changed {
        Ok(changed) => changed,
        Err(trouble) => return failed(ctx, format!("could not {}", doing.words()), trouble),
    };
    let mut effects = Vec::new();
    if !changed.batches.is_empty() {
        effects.extend(replay::done(ctx, Replay::bulk(bulk, &changed)));
    }
    let stopped = changed.stopped.take();
    // What was interrupted while it was taken back goes on by the same key.
    if doing.way == Way::Do || stopped.is_none() {
        keys.changed_many(bulk, doing, &changed);
    }
    match stopped {
        None => {
            keys.marks.clear();
            if matches!(bulk, Bulk::PutBack { .. }) {
                keys.leaseless = None;
            }
            tell(ctx, bulk, doing, &changed);
        }
        Some(Stop::Changed(left)) => {
            if let (Bulk::Delete { .. }, Way::Do) = (bulk, doing.way) {
                effects.extend(asked_again(keys, ctx, left, &changed, *asked));
                return effects;
            }
            let what = format!("{} was changed meanwhile: nothing was done", about(&left));
            let why = format!("it is not as the last change left it; not done: {}", doing.words());
            ctx.toasts.error(ctx.now, what, why, "H shows who was faster".to_owned());
        }
        Some(Stop::LeaseGone(key)) => {
            let what = format!("the lease of {} is gone", escape_name(&key));
            let done = match changed.count {
                0 => "nothing was done".to_owned(),
                count => format!("{} were put back before", widget::counted(count, "key")),
            };
            keys.leaseless = Some(key);
            let next = "the same key again puts back without leases what has none left";
            ctx.toasts.error(ctx.now, what, done, next.to_owned());
        }
        Some(Stop::Failed { trouble, unknown }) => {
            if unknown && doing.way == Way::Do {
                let why = format!("nobody knows how much was done of {}", doing.words());
                keys.no_undo(why);
            }
            let done = match changed.count {
                0 => String::new(),
                count => format!(" after {}", widget::counted(count, "key")),
            };
            let at = if trouble.place.is_empty() { "" } else { " at " };
            let what = format!("could not {}{done}{at}{}", doing.words(), trouble.place);
            let next = match trouble.next.as_str() {
                "" if doing.way != Way::Do => "u goes on with it".to_owned(),
                "" => "r reads the keys anew".to_owned(),
                next => next.to_owned(),
            };
            ctx.toasts.error(ctx.now, what, trouble.why, next);
        }
    }
    effects.extend(super::graveyard_closed(keys));
    effects.extend(super::reload_at(keys, None));
    effects
}

/// Tells what was done.
fn tell(ctx: &mut Context, bulk: &Bulk, doing: &Doing, changed: &Changed) {
    let count = widget::counted(changed.count, "key");
    let what = match (bulk, doing.way) {
        (Bulk::Delete { .. }, Way::Do) => format!("deleted {count}"),
        (Bulk::PutBack { .. }, Way::Do) => format!("put back {count}"),
        _ => format!("done: {}: {count}", doing.words()),
    };
    let kept = match changed.kept {
        0 => String::new(),
        1 => "; 1 was there and stays".to_owned(),
        kept => format!("; {} were there and stay", grouped(kept)),
    };
    let next = if changed.count > 0 { "u takes it back" } else { "" };
    ctx.toasts.info(ctx.now, format!("{what}{kept}"), next);
}

/// Somebody was faster than a delete: what is left of it is counted and asked about again.
fn asked_again(
    keys: &mut Keys,
    ctx: &mut Context,
    left: Vec<Target>,
    changed: &Changed,
    asked: u32,
) -> Vec<Effect> {
    let done = match changed.count {
        0 => "nothing was deleted".to_owned(),
        count => format!("only {} were deleted", widget::counted(count, "key")),
    };
    let what = format!("somebody was faster: {done}");
    ctx.toasts.hint(ctx.now, what);
    let mut effects = super::reload(keys, ctx);
    let bulk = Bulk::Delete { targets: left, seen: 0 };
    effects.extend(ask_preview(keys, ctx, bulk, asked.max(1)));
    effects
}
