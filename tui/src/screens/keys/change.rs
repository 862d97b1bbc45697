//! Changes of one key: how they are asked for and what became of them; what is put back, and what is copied.

use super::edit::{not_saved, show_conflict};
use super::model::{Change, Entry, Target, Write, Written};
use super::requests::{ReadLive, WriteKey};
use super::travel::version_entry;
use super::update::{failed, shown};
use super::{Doing, Msg, Right, Way, bulk};
use crate::console::replay::Replay;
use crate::console::{CommandLine, Context, Effect, replay};
use crate::engine::request::Trouble;
use crate::screens::keys::Keys;
use crate::widget::escape_name;

/// Why nothing more is asked for.
pub(super) const TOO_MUCH: &str = "too much is under way: ^c gives it up";

/// I4: nothing is edited in the past, nor by who only looks. Answers whether that stands in the way.
pub(super) fn locked(keys: &mut Keys, ctx: &mut Context) -> bool {
    if ctx.refuses_changes() {
        return true;
    }
    let past = keys.at.is_some() || keys.left.graveyard().is_some();
    if past {
        ctx.toasts.hint(ctx.now, "nothing is edited in the past: T goes back to live");
    }
    past
}

/// The chosen key as it is shown.
pub(super) fn chosen(keys: &Keys) -> Option<Entry> {
    keys.value.entry.clone().filter(|_| keys.value.here)
}

/// The value that is shown: the chosen version, when versions are, which has none where it is a delete.
pub(super) fn in_sight(keys: &Keys) -> Option<Entry> {
    match &keys.right {
        Right::History(_) => version_entry(keys),
        _ => chosen(keys),
    }
}

pub(super) fn ask_write(
    keys: &mut Keys,
    ctx: &mut Context,
    write: Write,
    doing: Doing,
) -> Vec<Effect> {
    ask_write_over(keys, ctx, write, doing, None)
}

/// The same of a value that was typed over this outside.
pub(super) fn ask_write_over(
    keys: &mut Keys,
    ctx: &mut Context,
    write: Write,
    doing: Doing,
    over: Option<Entry>,
) -> Vec<Effect> {
    let seen = keys.newest;
    let effects = keys.requests.ask(WriteKey { write, doing, seen, over }, Msg::Written);
    if effects.is_empty() {
        ctx.toasts.hint(ctx.now, TOO_MUCH);
    }
    effects
}

/// What became of a change.
pub(super) fn written(
    keys: &mut Keys,
    ctx: &mut Context,
    asked: WriteKey,
    written: Result<Written, Trouble>,
) -> Vec<Effect> {
    let now = ctx.now;
    if matches!(written, Ok(Written::Done(..) | Written::Conflict(_))) {
        // A conflict has the text.
        if keys.right.saving_mut(&asked.write).is_some() {
            let _editor = keys.right.take_editor();
        }
    } else {
        not_saved(keys, &asked);
    }
    let WriteKey { write, doing, .. } = asked;
    let written = match written {
        Ok(written) => written,
        Err(trouble) => return failed(ctx, format!("could not {}", doing.words()), trouble),
    };
    match written {
        Written::Done(revision, before) => {
            let noted = replay::done(ctx, Replay::write(&write, before.as_ref()));
            keys.leaseless = None;
            keys.newest = keys.newest.max(revision);
            keys.changed_one(&write, &doing, revision, before);
            if write.change == Change::Delete {
                keys.marks.remove(&Target::Key(write.key.clone()));
            }
            let words = format!("done: {}, at revision {revision}", doing.words());
            ctx.toasts.info(now, words, "u takes it back");
            let mut effects = noted;
            effects.extend(super::graveyard_closed(keys));
            effects.extend(super::reload_at(keys, None));
            // A new key is shown where it stands.
            super::search::lead_to(keys, &write.key);
            effects
        }
        Written::Conflict(theirs) if write.change == Change::Delete && doing.way == Way::Do => {
            bulk::delete_met(keys, ctx, &write, theirs.as_ref())
        }
        Written::LeaseGone => {
            let what = format!("could not {}", doing.words());
            let why = "its lease is gone".to_owned();
            let next = "the same key again puts it back without one".to_owned();
            ctx.toasts.error(now, what, why, next);
            keys.leaseless = Some(write.key);
            Vec::new()
        }
        Written::Unknown(trouble) => {
            let noted = replay::note(ctx, Replay::not_made(&write, "it may have been done"));
            let why = format!("nobody knows whether this was done: {}", doing.words());
            keys.no_undo(why);
            let at = if trouble.place.is_empty() { "" } else { " at " };
            let what = format!("could not {}{at}{}", doing.words(), trouble.place);
            ctx.toasts.error(now, what, trouble.why, trouble.next);
            noted
        }
        Written::Conflict(theirs) => {
            let noted =
                replay::note(ctx, Replay::not_made(&write, "not done, for the key had changed"));
            let key = escape_name(&write.key);
            show_conflict(keys, write, theirs, true);
            let what = format!("{key} was changed meanwhile: nothing was written");
            let next = "e edits yours over theirs, Esc gives yours up".to_owned();
            ctx.toasts.error(now, what, "it is not as it was shown".to_owned(), next);
            noted
        }
    }
}

pub(super) fn without_lost_lease(keys: &Keys, write: &mut Write) {
    if keys.leaseless.as_ref() == Some(&write.key)
        && let Change::Put(_, lease) = &mut write.change
    {
        *lease = 0;
    }
}

/// The key that an old value is put back over was read.
pub(super) fn live_read(
    keys: &mut Keys,
    ctx: &mut Context,
    ReadLive { old }: ReadLive,
    live: Result<Option<Entry>, Trouble>,
) -> Vec<Effect> {
    match live {
        Ok(live) => put_back(keys, ctx, old, live.as_ref()),
        Err(trouble) => failed(ctx, format!("could not put {} back", shown(&old.key)), trouble),
    }
}

/// Puts a value back over what is there now: only if that is still so.
pub(super) fn put_back(
    keys: &mut Keys,
    ctx: &mut Context,
    old: Entry,
    live: Option<&Entry>,
) -> Vec<Effect> {
    let (expected, change) = match live {
        Some(live) if live.value == old.value => {
            ctx.toasts.hint(ctx.now, "the key has this value already");
            return Vec::new();
        }
        Some(live) => (live.meta.modified, Change::Value(old.value)),
        None => (0, Change::Put(old.value, old.meta.lease)),
    };
    let words = format!("put {} back as of {}", escape_name(&old.key), old.meta.modified);
    let doing = Doing::new(words);
    let mut write = Write { key: old.key, expected, change };
    without_lost_lease(keys, &mut write);
    ask_write(keys, ctx, write, doing)
}

/// Copies the value.
pub(crate) fn copy_value(keys: &mut Keys, ctx: &mut Context) -> Vec<Effect> {
    let Some(entry) = in_sight(keys) else {
        ctx.toasts.hint(ctx.now, "nothing is copied: no value is shown, or it is still being read");
        return Vec::new();
    };
    vec![Effect::Copy(entry.value.to_vec())]
}

/// The command that reads what is shown.
pub(super) fn command(keys: &Keys) -> Option<CommandLine> {
    let history = keys.right.history();
    if let Some((history, version)) = history.and_then(|h| Some((h, h.versions.get(h.chosen)?))) {
        let get = CommandLine::new("get").arg(&history.key);
        return Some(get.flag(format!("--rev={}", version.revision)));
    }
    let (target, at) = match (keys.left.graveyard(), keys.chosen_key()) {
        (Some(_), grave) => (grave.clone().map(|(key, _)| Target::Key(key)), grave.map(|g| g.1)),
        (None, _) => (keys.chosen_target(), keys.at),
    };
    let get = match target? {
        Target::Key(key) => CommandLine::new("get").arg(&key),
        Target::Prefix(prefix) => CommandLine::new("get").arg(&prefix).flag("--prefix"),
    };
    Some(match at {
        Some(at) => get.flag(format!("--rev={at}")),
        None => get,
    })
}
