//! What a person can do on the Keys screen: a table, for each of them is one call into its room.

use super::{Ask, Pane, Undo};
use crate::console::action::{Action, Scope};
use crate::console::{Effect, State};
use crate::screens::keys;

/// One thing to do.
struct Do {
    name: &'static str,
    help: &'static str,
    /// What it would do now, when that is worth the room.
    label: fn(&State) -> Option<&'static str>,
    run: fn(&mut State) -> Vec<Effect>,
}

impl Action for Do {
    fn name(&self) -> &'static str {
        self.name
    }

    fn scope(&self) -> Scope {
        Scope::Keys
    }

    fn help(&self) -> &'static str {
        self.help
    }

    fn label(&self, state: &State) -> Option<String> {
        (self.label)(state).filter(|_| state.overlays.is_empty()).map(str::to_owned)
    }

    fn run(&self, state: &mut State) -> Vec<Effect> {
        // What lies over the screen has the keyboard.
        if state.overlays.is_empty() { (self.run)(state) } else { Vec::new() }
    }
}

/// The actions, in the order of the footer.
pub(crate) static TABLE: &[&dyn Action] = &[
    &OPEN,
    &RIGHT,
    &CLOSE,
    &EDIT,
    &EDIT_HERE,
    &RESTORE,
    &UNDO,
    &HISTORY,
    &NEW,
    &PREVIOUS,
    &DELETE,
    &DELETE_NOW,
    &FUZZY,
    &FILTER,
    &PREFIX,
    &VIEWER,
    &BACK_ONE,
    &ON_ONE,
    &BACK_MANY,
    &ON_MANY,
    &GO,
    &LIVE,
    &GRAVEYARD,
    &MARK,
    &MARK_ALL,
    &COPY,
    &REFRESH,
    &ZOOM,
    &SEPARATOR,
];

/// Whether what is shown is what is.
fn live(state: &State) -> bool {
    state.keyspace.at.is_none() && state.keyspace.graveyard.is_none()
}

/// Whether something can be edited.
fn editable(state: &State) -> bool {
    live(state) && !state.read_only
}

fn has_value(state: &State) -> bool {
    state.keyspace.value.entry.is_some()
}

static OPEN: Do = Do {
    name: "open",
    help: "open or close a directory, read its next page, or go to the value",
    label: |state| (state.keyspace.pane == Pane::Tree).then_some("open"),
    run: keys::open,
};
static RIGHT: Do = Do {
    name: "right",
    help: "open, as Enter does; in a value, more of what is to the right",
    label: |_| None,
    run: keys::right,
};
static CLOSE: Do = Do {
    name: "close",
    help: "close the directory, or go to the one above; in a value, back to the left",
    label: |_| None,
    run: keys::close,
};
static EDIT: Do = Do {
    name: "edit",
    help: "edit the value in $VISUAL or $EDITOR; saved only if nobody changed it meanwhile, and its lease stays",
    label: |state| (editable(state) && has_value(state)).then_some("edit"),
    run: keys::edit_outside,
};
static EDIT_HERE: Do = Do {
    name: "edit-here",
    help: "edit the value on this screen; ^s saves as e does",
    label: |_| None,
    run: keys::edit_here,
};
static RESTORE: Do = Do {
    name: "restore",
    help: "put back what is shown or marked: deleted keys, a version, a value or a directory of the past",
    label: |state| {
        let shown = !live(state) || state.keyspace.history.is_some();
        let directory = state.keyspace.at.is_some();
        (!state.read_only && shown && (has_value(state) || directory)).then_some("put back")
    },
    run: keys::restore,
};
static UNDO: Do = Do {
    name: "undo",
    help: "take back the last change made here, of one key or many, if all is still as it left it",
    label: |state| {
        let by_key = matches!(state.keyspace.undo, Some(Undo::By { .. }));
        (by_key && !state.read_only).then_some("undo")
    },
    run: keys::undo,
};
static HISTORY: Do = Do {
    name: "history",
    help: "the versions of the key, across deletes, and what each changed (pages move in that)",
    label: |state| has_value(state).then_some("history"),
    run: keys::history,
};
static NEW: Do = Do {
    name: "new",
    help: "a new key; while a filter is set, the next match",
    label: |state| {
        if state.keyspace.filter.is_empty() {
            editable(state).then_some("new")
        } else {
            Some("next")
        }
    },
    run: |state| {
        if state.keyspace.filter.is_empty() {
            keys::new_key(state)
        } else {
            keys::next_match(state, true)
        }
    },
};
static PREVIOUS: Do = Do {
    name: "match-before",
    help: "the match before",
    label: |_| None,
    run: |state| keys::next_match(state, false),
};
static DELETE: Do = Do {
    name: "delete",
    help: "delete the key, or what is marked or below a directory; asks, with the exact count",
    label: |state| editable(state).then_some("delete"),
    run: keys::delete,
};
static DELETE_NOW: Do = Do {
    name: "delete-now",
    help: "delete the key at once, without a question; u takes it back",
    label: |_| None,
    run: keys::delete_now,
};
static FUZZY: Do = Do {
    name: "jump",
    help: "jump to a key by a few of its letters",
    label: |_| Some("jump"),
    run: |state| keys::prompt(state, Ask::Fuzzy),
};
static FILTER: Do = Do {
    name: "filter",
    help: "show only what was loaded and has this in its name; n and N go through the matches",
    label: |_| Some("filter"),
    run: |state| keys::prompt(state, Ask::Filter),
};
static PREFIX: Do = Do {
    name: "prefix",
    help: "show only keys that begin so; the server filters",
    label: |_| None,
    run: |state| keys::prompt(state, Ask::Prefix),
};
static VIEWER: Do = Do {
    name: "viewer",
    help: "show the value as text, JSON, YAML, a Kubernetes object, hex, raw",
    label: |state| has_value(state).then_some("viewer"),
    run: keys::next_viewer,
};
static BACK_ONE: Do = Do {
    name: "step-back",
    help: "the revision before that changed something",
    label: |_| Some("back in time"),
    run: |state| keys::step(state, -1),
};
static ON_ONE: Do = Do {
    name: "step-on",
    help: "the next revision that changed something",
    label: |_| None,
    run: |state| keys::step(state, 1),
};
static BACK_MANY: Do = Do {
    name: "step-back-100",
    help: "a hundred changes back",
    label: |_| None,
    run: |state| keys::step(state, -100),
};
static ON_MANY: Do = Do {
    name: "step-on-100",
    help: "a hundred changes on",
    label: |_| None,
    run: |state| keys::step(state, 100),
};
static GO: Do = Do {
    name: "go-to-revision",
    help: "all keys and values as they were at a revision",
    label: |_| None,
    run: |state| keys::prompt(state, Ask::Revision),
};
static LIVE: Do = Do {
    name: "live",
    help: "back to what is",
    label: |state| (!live(state)).then_some("live"),
    run: keys::go_live,
};
static GRAVEYARD: Do = Do {
    name: "graveyard",
    help: "keys that were deleted since the last compaction; R puts back the chosen one, or all that are marked",
    label: |_| Some("graveyard"),
    run: keys::graveyard,
};
static MARK: Do = Do {
    name: "mark",
    help: "mark the key or directory, for a delete of many, or to put many back",
    label: |_| None,
    run: keys::mark,
};
static MARK_ALL: Do = Do {
    name: "mark-all",
    help: "mark all keys of the graveyard, or none",
    label: |state| state.keyspace.graveyard.as_ref().map(|_| "mark all"),
    run: keys::mark_all,
};
static COPY: Do = Do {
    name: "copy",
    help: "copy the value to the clipboard of the terminal, or to a file when it is long",
    label: |_| None,
    run: keys::copy_value,
};
static REFRESH: Do =
    Do { name: "refresh", help: "read the tree anew", label: |_| None, run: keys::reload };
static ZOOM: Do = Do {
    name: "zoom",
    help: "the pane takes the whole screen, or gives it back",
    label: |_| None,
    run: |state| {
        state.keyspace.zoom = !state.keyspace.zoom;
        Vec::new()
    },
};
static SEPARATOR: Do = Do {
    name: "separator",
    help: r"what stands between names: any bytes (\xNN), or nothing for no tree",
    label: |_| None,
    run: |state| keys::prompt(state, Ask::Separator),
};
