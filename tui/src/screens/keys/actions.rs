//! What a person can do on the Keys screen: a table, for each of them is one call into its room.

use super::{Ask, Keys, Pane, Undo};
use crate::console::Context;
use crate::console::action::Action;
use crate::screens::keys;

/// The actions, in the order of the footer.
pub(crate) static TABLE: &[Action<Keys>] = &[
    OPEN, RIGHT, CLOSE, EDIT, EDIT_HERE, RESTORE, UNDO, HISTORY, NEW, PREVIOUS, DELETE, DELETE_NOW,
    FUZZY, FILTER, PREFIX, VIEWER, BACK_ONE, ON_ONE, BACK_MANY, ON_MANY, GO, LIVE, GRAVEYARD, MARK,
    MARK_ALL, COPY, REFRESH, ZOOM, SEPARATOR,
];

/// Whether what is shown is what is.
fn live(keys: &Keys) -> bool {
    keys.at.is_none() && keys.graveyard.is_none()
}

/// Whether something can be edited.
fn editable(keys: &Keys, ctx: &Context) -> bool {
    live(keys) && !ctx.read_only
}

fn has_value(keys: &Keys) -> bool {
    keys.value.entry.is_some()
}

const OPEN: Action<Keys> = Action {
    name: "open",
    help: "open or close a directory, read its next page, or go to the value",
    label: |keys, _| (keys.pane == Pane::Tree).then(|| "open".to_owned()),
    run: keys::open,
    over: false,
};
const RIGHT: Action<Keys> = Action {
    name: "right",
    help: "open, as Enter does; in a value, more of what is to the right",
    label: |_, _| None,
    run: keys::right,
    over: false,
};
const CLOSE: Action<Keys> = Action {
    name: "close",
    help: "close the directory, or go to the one above; in a value, back to the left",
    label: |_, _| None,
    run: keys::close,
    over: false,
};
const EDIT: Action<Keys> = Action {
    name: "edit",
    help: "edit the value in $VISUAL or $EDITOR; saved only if nobody changed it meanwhile, and its lease stays",
    label: |keys, ctx| (editable(keys, ctx) && has_value(keys)).then(|| "edit".to_owned()),
    run: keys::edit_outside,
    over: false,
};
const EDIT_HERE: Action<Keys> = Action {
    name: "edit-here",
    help: "edit the value on this screen; ^s saves as e does",
    label: |_, _| None,
    run: keys::edit_here,
    over: false,
};
const RESTORE: Action<Keys> = Action {
    name: "restore",
    help: "put back what is shown or marked: deleted keys, a version, a value or a directory of the past",
    label: |keys, ctx| {
        let shown = !live(keys) || keys.history.is_some();
        let directory = keys.at.is_some();
        (!ctx.read_only && shown && (has_value(keys) || directory)).then(|| "put back".to_owned())
    },
    run: keys::restore,
    over: false,
};
const UNDO: Action<Keys> = Action {
    name: "undo",
    help: "take back the last change made here, of one key or many, if all is still as it left it",
    label: |keys, ctx| {
        let by_key = matches!(keys.undo, Some(Undo::By { .. }));
        (by_key && !ctx.read_only).then(|| "undo".to_owned())
    },
    run: keys::undo,
    over: false,
};
const HISTORY: Action<Keys> = Action {
    name: "history",
    help: "the versions of the key, across deletes, and what each changed (pages move in that)",
    label: |keys, _| has_value(keys).then(|| "history".to_owned()),
    run: keys::history,
    over: false,
};
const NEW: Action<Keys> = Action {
    name: "new",
    help: "a new key; while a filter is set, the next match",
    label: |keys, ctx| {
        if keys.filter.is_empty() {
            editable(keys, ctx).then(|| "new".to_owned())
        } else {
            Some("next".to_owned())
        }
    },
    run: |keys, ctx| {
        if keys.filter.is_empty() { keys::new_key(keys, ctx) } else { keys::next_match(keys, true) }
    },
    over: false,
};
const PREVIOUS: Action<Keys> = Action {
    name: "match-before",
    help: "the match before",
    label: |_, _| None,
    run: |keys, _| keys::next_match(keys, false),
    over: false,
};
const DELETE: Action<Keys> = Action {
    name: "delete",
    help: "delete the key, or what is marked or below a directory; asks, with the exact count",
    label: |keys, ctx| editable(keys, ctx).then(|| "delete".to_owned()),
    run: keys::delete,
    over: false,
};
const DELETE_NOW: Action<Keys> = Action {
    name: "delete-now",
    help: "delete the key at once, without a question; u takes it back",
    label: |_, _| None,
    run: keys::delete_now,
    over: false,
};
const FUZZY: Action<Keys> = Action {
    name: "jump",
    help: "jump to a key by a few of its letters",
    label: |_, _| Some("jump".to_owned()),
    run: |keys, _| keys::prompt(keys, Ask::Fuzzy),
    over: false,
};
const FILTER: Action<Keys> = Action {
    name: "filter",
    help: "show only what was loaded and has this in its name; n and N go through the matches",
    label: |_, _| Some("filter".to_owned()),
    run: |keys, _| keys::prompt(keys, Ask::Filter),
    over: false,
};
const PREFIX: Action<Keys> = Action {
    name: "prefix",
    help: "show only keys that begin so; the server filters",
    label: |_, _| None,
    run: |keys, _| keys::prompt(keys, Ask::Prefix),
    over: false,
};
const VIEWER: Action<Keys> = Action {
    name: "viewer",
    help: "show the value as text, JSON, YAML, a Kubernetes object, hex, raw",
    label: |keys, _| has_value(keys).then(|| "viewer".to_owned()),
    run: keys::next_viewer,
    over: false,
};
const BACK_ONE: Action<Keys> = Action {
    name: "step-back",
    help: "the revision before that changed something",
    label: |_, _| Some("back in time".to_owned()),
    run: |keys, ctx| keys::step(keys, ctx, -1),
    over: false,
};
const ON_ONE: Action<Keys> = Action {
    name: "step-on",
    help: "the next revision that changed something",
    label: |_, _| None,
    run: |keys, ctx| keys::step(keys, ctx, 1),
    over: false,
};
const BACK_MANY: Action<Keys> = Action {
    name: "step-back-100",
    help: "a hundred changes back",
    label: |_, _| None,
    run: |keys, ctx| keys::step(keys, ctx, -100),
    over: false,
};
const ON_MANY: Action<Keys> = Action {
    name: "step-on-100",
    help: "a hundred changes on",
    label: |_, _| None,
    run: |keys, ctx| keys::step(keys, ctx, 100),
    over: false,
};
const GO: Action<Keys> = Action {
    name: "go-to-revision",
    help: "all keys and values as they were at a revision",
    label: |_, _| None,
    run: |keys, _| keys::prompt(keys, Ask::Revision),
    over: false,
};
const LIVE: Action<Keys> = Action {
    name: "live",
    help: "back to what is",
    label: |keys, _| (!live(keys)).then(|| "live".to_owned()),
    run: keys::go_live,
    over: false,
};
const GRAVEYARD: Action<Keys> = Action {
    name: "graveyard",
    help: "keys that were deleted since the last compaction; R puts back the chosen one, or all that are marked",
    label: |_, _| Some("graveyard".to_owned()),
    run: keys::graveyard,
    over: false,
};
const MARK: Action<Keys> = Action {
    name: "mark",
    help: "mark the key or directory, for a delete of many, or to put many back",
    label: |_, _| None,
    run: keys::mark,
    over: false,
};
const MARK_ALL: Action<Keys> = Action {
    name: "mark-all",
    help: "mark all keys of the graveyard, or none",
    label: |keys, _| keys.graveyard.as_ref().map(|_| "mark all".to_owned()),
    run: keys::mark_all,
    over: false,
};
const COPY: Action<Keys> = Action {
    name: "copy",
    help: "copy the value to the clipboard of the terminal, or to a file when it is long",
    label: |_, _| None,
    run: keys::copy_value,
    over: false,
};
const REFRESH: Action<Keys> = Action {
    name: "refresh",
    help: "read the tree anew",
    label: |_, _| None,
    run: keys::reload,
    over: false,
};
const ZOOM: Action<Keys> = Action {
    name: "zoom",
    help: "the pane takes the whole screen, or gives it back",
    label: |_, _| None,
    run: |keys, _| {
        keys.zoom = !keys.zoom;
        Vec::new()
    },
    over: false,
};
const SEPARATOR: Action<Keys> = Action {
    name: "separator",
    help: r"what stands between names: any bytes (\xNN), or nothing for no tree",
    label: |_, _| None,
    run: |keys, _| keys::prompt(keys, Ask::Separator),
    over: false,
};
