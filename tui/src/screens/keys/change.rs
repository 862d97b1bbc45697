//! Changes of one key: edit, new, put back; and what is copied.

use bytes::Bytes;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui_textarea::TextArea;

use super::lines::Place;
use super::model::{Change, Entry, Target, Write, Written};
use super::requests::{ReadLive, WriteKey};
use super::travel::{difference, version_entry};
use super::update::{failed, shown};
use super::{Ask, Conflict, Doing, EditValue, Editor, Msg, Pane, Prompt, Way, bulk, model};
use crate::console::replay::Replay;
use crate::console::{CommandLine, Context, Effect, replay};
use crate::engine::request::Trouble;
use crate::screens::keys::Keys;
use crate::widget::escape_name;
use crate::widget::line::LineInput;

/// Bytes of a value that is edited here; a longer one is for the editor.
const HERE_BYTES_MAX: usize = 256 << 10;

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

pub(super) fn ask_write(
    keys: &mut Keys,
    ctx: &mut Context,
    write: Write,
    doing: Doing,
) -> Vec<Effect> {
    let seen = keys.newest;
    let effects = keys.requests.ask(WriteKey { write, doing, seen }, Msg::Written);
    if effects.is_empty() {
        ctx.toasts.hint(ctx.now, TOO_MUCH);
    }
    effects
}

/// Edits the chosen value in `$EDITOR`.
pub(crate) fn edit_outside(keys: &mut Keys, ctx: &mut Context) -> Vec<Effect> {
    if locked(keys, ctx) {
        return Vec::new();
    }
    let Some(mut entry) = chosen(keys) else { return Vec::new() };
    let mut text = entry.value.to_vec();
    if let Some(conflict) = keys.right.take_conflict() {
        // What was wanted, to be looked at again over what is there.
        if let Change::Value(wanted) | Change::Put(wanted, _) = &conflict.write.change {
            text = wanted.to_vec();
        }
        entry = conflict.theirs.unwrap_or(Entry {
            key: conflict.write.key,
            meta: model::Meta::default(),
            value: Bytes::new(),
        });
    }
    let name = if serde_json::from_slice::<serde::de::IgnoredAny>(&text).is_ok() {
        "value.json"
    } else {
        "value.txt"
    };
    let ticket = keys.requests.open(EditValue(entry), Msg::Edited);
    ticket.map(|ticket| Effect::Edit { ticket, name, text }).into_iter().collect()
}

/// The editor has ended.
pub(super) fn edited(
    keys: &mut Keys,
    ctx: &mut Context,
    EditValue(entry): EditValue,
    text: Result<Vec<u8>, Trouble>,
) -> Vec<Effect> {
    let mut text = match text {
        Ok(text) => text,
        Err(trouble) => {
            return failed(ctx, format!("could not edit {}", shown(&entry.key)), trouble);
        }
    };
    // An editor ends the last line; the value had none, so it gets none.
    if text.ends_with(b"\n") && !entry.value.ends_with(b"\n") {
        text.pop();
        if text.ends_with(b"\r") && !entry.value.ends_with(b"\r") {
            text.pop();
        }
    }
    if text == entry.value {
        ctx.toasts.hint(ctx.now, "nothing was changed");
        return Vec::new();
    }
    let doing = Doing::new(format!("save {}", escape_name(&entry.key)));
    let change = Change::Value(text.into());
    ask_write(keys, ctx, Write { key: entry.key, expected: entry.meta.modified, change }, doing)
}

/// Edits the chosen value here.
pub(crate) fn edit_here(keys: &mut Keys, ctx: &mut Context) -> Vec<Effect> {
    if locked(keys, ctx) {
        return Vec::new();
    }
    let Some(entry) = chosen(keys) else { return Vec::new() };
    if entry.value.len() > HERE_BYTES_MAX || !is_editable(&entry.value) {
        let hint = "this value is too long or no plain text: e edits it in $EDITOR";
        ctx.toasts.hint(ctx.now, hint);
        return Vec::new();
    }
    keys.right.set_editor(editor(entry.key, entry.meta.modified, entry.value));
    keys.pane = Pane::Value;
    Vec::new()
}

/// Text that comes out of the editor as it went in: all its lines end alike.
fn is_editable(value: &[u8]) -> bool {
    std::str::from_utf8(value).is_ok_and(|text| {
        text.split(line_end(value)).all(|line| line.chars().all(|c| c == '\t' || !c.is_control()))
    })
}

/// What the lines of a value end with.
fn line_end(value: &[u8]) -> &'static str {
    if value.windows(2).any(|pair| pair == b"\r\n") { "\r\n" } else { "\n" }
}

fn editor(key: Bytes, expected: i64, value: Bytes) -> Editor {
    let text = String::from_utf8_lossy(&value).into_owned();
    let line_end = line_end(&value);
    let mut area = TextArea::new(text.split(line_end).map(str::to_owned).collect());
    area.set_hard_tab_indent(true);
    Editor { key, expected, area, original: value, line_end, leaving: false }
}

impl Editor {
    /// The text as it would be saved.
    fn text(&self) -> String {
        self.area.lines().join(self.line_end)
    }
}

/// Asks for the name of a new key.
pub(crate) fn new_key(keys: &mut Keys, ctx: &mut Context) -> Vec<Effect> {
    if locked(keys, ctx) {
        return Vec::new();
    }
    let mut line = LineInput::default();
    let row = keys.tree.rows().get(keys.chosen).copied();
    let tree = &keys.tree;
    let prefix = match row {
        Some(row) if tree.node(row.node).and_then(|n| n.dir.as_ref()).is_some_and(|d| d.open) => {
            tree.dir_prefix(row.node)
        }
        Some(row) => tree.dir_prefix(tree.parent(row.node)),
        None => tree.prefix.clone(),
    };
    line.set(&super::viewers::raw(&prefix));
    keys.prompt = Some(Prompt { ask: Ask::NewKey, line, error: None });
    Vec::new()
}

/// Opens the editor for a new key.
pub(super) fn begin_new(keys: &mut Keys, key: Bytes) {
    keys.right.set_editor(editor(key, 0, Bytes::new()));
    keys.pane = Pane::Value;
}

/// A key typed into the editor.
pub(super) fn typed(keys: &mut Keys, ctx: &mut Context, key: KeyEvent) -> Vec<Effect> {
    let Some(editor) = keys.right.editor_mut() else { return Vec::new() };
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('s') if ctrl => return save(keys, ctx),
        KeyCode::Esc => {
            let text = editor.text();
            let changed = text.as_bytes() != &editor.original[..] || editor.expected == 0;
            if changed && !std::mem::replace(&mut editor.leaving, true) {
                ctx.toasts.hint(ctx.now, "not saved: ^s saves, Esc again throws it away");
            } else {
                keys.right.take_editor();
            }
        }
        _ => {
            editor.leaving = false;
            editor.area.input(key);
        }
    }
    Vec::new()
}

fn save(keys: &mut Keys, ctx: &mut Context) -> Vec<Effect> {
    let Some(editor) = keys.right.take_editor() else { return Vec::new() };
    let text = editor.text();
    if text.as_bytes() == &editor.original[..] && editor.expected != 0 {
        ctx.toasts.hint(ctx.now, "nothing was changed");
        return Vec::new();
    }
    let doing = Doing::new(format!("save {}", escape_name(&editor.key)));
    let change = Change::Value(text.into());
    ask_write(keys, ctx, Write { key: editor.key, expected: editor.expected, change }, doing)
}

/// What became of a change.
pub(super) fn written(
    keys: &mut Keys,
    ctx: &mut Context,
    asked: WriteKey,
    written: Result<Written, Trouble>,
) -> Vec<Effect> {
    let now = ctx.now;
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
            let wanted = match &write.change {
                Change::Value(value) | Change::Put(value, _) => Some(value.clone()),
                Change::Delete => None,
            };
            let there = theirs.as_ref().map(|entry| &entry.value);
            let diff = difference(there, wanted.as_ref());
            let key = escape_name(&write.key);
            let (diff, top) = (diff.into(), Place::default());
            keys.right.set_conflict(Conflict { write, theirs, diff, top });
            (keys.pane, keys.shift) = (Pane::Value, 0);
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
    let Some(entry) = version_entry(keys).or_else(|| chosen(keys)) else {
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
