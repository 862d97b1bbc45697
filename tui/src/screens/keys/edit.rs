//! Typing a value, on the screen or in `$EDITOR`; the name of a new key.
//!
//! ```text
//! E ─▶ Editor ─ ^s ─▶ saving ─▶ WriteKey ─┬─ done: gone
//! e ─▶ $EDITOR ──────────────▶ WriteKey ─┤
//!                                         ├─ changed meanwhile: Conflict, beside theirs
//!                                         └─ anything else: the editor as it was, or Conflict beside what was seen
//! ```
//!
//! * I1: what was typed is in the editor, in a conflict or in a request under way until it is known to be written, or
//!   thrown away by hand.

use bytes::Bytes;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui_textarea::TextArea;

use super::change::{TOO_MUCH, ask_write, ask_write_over, chosen, locked};
use super::lines::{Lines, Place};
use super::model::{Change, Entry, Meta, Write};
use super::requests::WriteKey;
use super::travel::difference;
use super::update::{failed, shown};
use super::{Ask, Conflict, Doing, EditValue, Editor, Keys, Msg, Pane, Prompt, Right};
use crate::console::{Context, Effect};
use crate::engine::request::Trouble;
use crate::widget::escape_name;
use crate::widget::line::LineInput;

/// Bytes of a value that is edited here; a longer one is for the editor.
const HERE_BYTES_MAX: usize = 256 << 10;

/// Why nothing is typed into the editor.
const SAVING: &str = "it is being saved: ^c gives that up, and leaves the text";
/// Edits the chosen value in `$EDITOR`.
pub(crate) fn edit_outside(keys: &mut Keys, ctx: &mut Context) -> Vec<Effect> {
    if locked(keys, ctx) {
        return Vec::new();
    }
    let (entry, text) = if let Some(conflict) = keys.right.conflict() {
        // What was wanted, to be looked at again over what is there. It stays until the editor has come back with it.
        let entry = conflict.theirs.clone().unwrap_or_else(|| Entry {
            key: conflict.write.key.clone(),
            meta: Meta::default(),
            value: Bytes::new(),
        });
        let text = conflict.wanted().unwrap_or(&entry.value).to_vec();
        (entry, text)
    } else {
        let Some(entry) = chosen(keys) else { return Vec::new() };
        let text = entry.value.to_vec();
        (entry, text)
    };
    let name = if serde_json::from_slice::<serde::de::IgnoredAny>(&text).is_ok() {
        "value.json"
    } else {
        "value.txt"
    };
    let Some(ticket) = keys.requests.open(EditValue(entry), Msg::Edited) else {
        ctx.toasts.hint(ctx.now, TOO_MUCH);
        return Vec::new();
    };
    vec![Effect::Edit { ticket, name, text }]
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
    // From here on the request has it.
    if keys.right.conflict().is_some_and(|conflict| conflict.write.key == entry.key) {
        let _before = keys.right.take_conflict();
    }
    if text == entry.value {
        ctx.toasts.hint(ctx.now, "nothing was changed");
        return Vec::new();
    }
    let doing = Doing::new(format!("save {}", escape_name(&entry.key)));
    let change = Change::Value(text.into());
    let write = Write { key: entry.key.clone(), expected: entry.meta.modified, change };
    // What the editor waited with is answered: there is room.
    ask_write_over(keys, ctx, write, doing, Some(entry))
}

/// Nobody knows that a value was written: what was typed stays, in its editor or beside what it was typed over.
pub(super) fn not_saved(keys: &mut Keys, asked: &WriteKey) {
    let WriteKey { write, over, .. } = asked;
    if let Some(editor) = keys.right.saving_mut(write) {
        editor.saving = false;
    } else if over.is_some() {
        show_conflict(keys, write.clone(), over.clone(), false);
    }
}

/// Shows what was wanted beside what is there, or was.
pub(super) fn show_conflict(keys: &mut Keys, write: Write, theirs: Option<Entry>, met: bool) {
    let (diff, top) = (Lines::default(), Place::default());
    let mut conflict = Conflict { write, met, theirs, diff, top };
    let there = conflict.theirs.as_ref().map(|entry| &entry.value);
    conflict.diff = difference(there, conflict.wanted()).into();
    keys.right.set_conflict(conflict);
    (keys.pane, keys.shift) = (Pane::Value, 0);
}

impl Conflict {
    /// The value that was to be written.
    fn wanted(&self) -> Option<&Bytes> {
        match &self.write.change {
            Change::Value(value) | Change::Put(value, _) => Some(value),
            Change::Delete => None,
        }
    }
}

impl Right {
    /// The editor whose text is saved by this.
    pub(super) fn saving_mut(&mut self, write: &Write) -> Option<&mut Editor> {
        self.editor_mut().filter(|editor| editor.saving && editor.write() == *write)
    }
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
    let (leaving, saving) = (false, false);
    Editor { key, expected, area, original: value, line_end, leaving, saving }
}

impl Editor {
    /// The text as it would be saved.
    fn text(&self) -> String {
        self.area.lines().join(self.line_end)
    }

    /// What saves it.
    fn write(&self) -> Write {
        let change = Change::Value(self.text().into());
        Write { key: self.key.clone(), expected: self.expected, change }
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
    if editor.saving {
        ctx.toasts.hint(ctx.now, SAVING);
        return Vec::new();
    }
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

/// Text pasted into the editor.
pub(super) fn pasted(keys: &mut Keys, ctx: &mut Context, text: &str) {
    match keys.right.editor_mut() {
        Some(editor) if editor.saving => ctx.toasts.hint(ctx.now, SAVING),
        Some(editor) => {
            editor.leaving = false;
            editor.area.insert_str(text);
        }
        None => {}
    }
}

/// Saves the text; the editor stays until that is known to be done.
fn save(keys: &mut Keys, ctx: &mut Context) -> Vec<Effect> {
    let Some(editor) = keys.right.editor() else { return Vec::new() };
    if editor.text().as_bytes() == &editor.original[..] && editor.expected != 0 {
        ctx.toasts.hint(ctx.now, "nothing was changed");
        let _editor = keys.right.take_editor();
        return Vec::new();
    }
    let (write, key) = (editor.write(), escape_name(&editor.key));
    let effects = ask_write(keys, ctx, write, Doing::new(format!("save {key}")));
    if let Some(editor) = keys.right.editor_mut() {
        editor.saving = !effects.is_empty();
    }
    effects
}
