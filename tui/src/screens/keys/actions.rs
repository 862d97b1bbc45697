//! What a person can do on the Keys screen: a table, for each of them is one call into its room.

use super::{Ask, Keys, Pane, Undo};
use crate::console::Context;
use crate::console::action::Action;
use crate::screens::keys;

/// The actions, in the order of the footer.
pub(crate) static TABLE: &[Action<Keys>] = &[
    Action {
        name: "open",
        help: "open or close a directory, read its next page, or go to the value; in that, fold or unfold",
        label: |keys, _| {
            let open = (keys.pane == Pane::Tree).then_some("open");
            open.or_else(|| keys.fold_words()).map(str::to_owned)
        },
        run: keys::open,
    },
    Action {
        name: "right",
        help: "open, as Enter does; in a value, more of what is to the right",
        label: |_, _| None,
        run: keys::right,
    },
    Action {
        name: "close",
        help: "close the directory, or go to the one above; in a value, back to the left",
        label: |_, _| None,
        run: keys::close,
    },
    Action {
        name: "edit",
        help: "edit the value in $VISUAL or $EDITOR; saved only if nobody changed it meanwhile, and its lease stays",
        label: |keys, ctx| (editable(keys, ctx) && has_value(keys)).then(|| "edit".to_owned()),
        run: keys::edit_outside,
    },
    Action {
        name: "edit-here",
        help: "edit the value on this screen; ^s saves as e does",
        label: |_, _| None,
        run: keys::edit_here,
    },
    Action {
        name: "restore",
        help: "put back what is shown or marked: deleted keys, a version, a value or a directory of the past",
        label: |keys, ctx| {
            let shown = !live(keys) || keys.right.history().is_some();
            let directory = keys.at.is_some();
            (!ctx.read_only && shown && (has_value(keys) || directory))
                .then(|| "put back".to_owned())
        },
        run: keys::restore,
    },
    Action {
        name: "undo",
        help: "take back the last change made here, of one key or many, if all is still as it left it",
        label: |keys, ctx| {
            let by_key = matches!(keys.undo, Some(Undo::By { .. }));
            (by_key && !ctx.read_only).then(|| "undo".to_owned())
        },
        run: keys::undo,
    },
    Action {
        name: "history",
        help: "the versions of the key, across deletes, and what each changed (pages move in that)",
        label: |keys, _| has_value(keys).then(|| "history".to_owned()),
        run: keys::history,
    },
    Action {
        name: "new",
        help: "a new key; while a filter is set or a text is looked for, the next match",
        label: |keys, ctx| {
            if !keys.is_finding() && keys.filter.is_empty() {
                editable(keys, ctx).then(|| "new".to_owned())
            } else {
                Some("next".to_owned())
            }
        },
        run: |keys, ctx| {
            if keys.is_finding() {
                keys::next_hit(keys, ctx, true)
            } else if keys.filter.is_empty() {
                keys::new_key(keys, ctx)
            } else {
                keys::next_match(keys, true)
            }
        },
    },
    Action {
        name: "match-before",
        help: "the match before",
        label: |_, _| None,
        run: |keys, ctx| {
            if keys.is_finding() {
                keys::next_hit(keys, ctx, false)
            } else {
                keys::next_match(keys, false)
            }
        },
    },
    Action {
        name: "delete",
        help: "delete the key, or what is marked or below a directory; asks, with the exact count",
        label: |keys, ctx| editable(keys, ctx).then(|| "delete".to_owned()),
        run: keys::delete,
    },
    Action {
        name: "delete-now",
        help: "delete the key at once, without a question; u takes it back",
        label: |_, _| None,
        run: keys::delete_now,
    },
    Action {
        name: "jump",
        help: "jump to a key by a few of its letters",
        label: |_, _| Some("jump".to_owned()),
        run: |keys, _| keys::prompt(keys, Ask::Fuzzy),
    },
    Action {
        name: "filter",
        help: "show only what was loaded and has this in its name; in a value, find a text; n and N go on",
        label: |keys, _| {
            let filter = keys.left.graveyard().is_none().then_some("filter");
            if keys.pane == Pane::Tree { filter } else { Some("find") }.map(str::to_owned)
        },
        run: |keys, ctx| {
            if keys.pane == Pane::Value {
                return keys::prompt(keys, Ask::Find);
            }
            if keys.left.graveyard().is_some() {
                let hint = "the tree can be filtered, and not the graveyard: B goes back to it";
                ctx.toasts.hint(ctx.now, hint);
                return Vec::new();
            }
            keys::prompt(keys, Ask::Filter)
        },
    },
    Action {
        name: "prefix",
        help: "show only keys that begin so; the server filters",
        label: |_, _| None,
        run: |keys, _| keys::prompt(keys, Ask::Prefix),
    },
    Action {
        name: "viewer",
        help: "show the value as text, JSON, YAML, a Kubernetes object, hex, raw",
        label: |keys, _| has_value(keys).then(|| "viewer".to_owned()),
        run: keys::next_viewer,
    },
    Action {
        name: "wrap",
        help: "long lines of a value go on in the next row, or do not",
        label: |_, _| None,
        run: keys::wrap,
    },
    Action {
        name: "fold-all",
        help: "fold all parts of a JSON, YAML or Kubernetes value, or unfold all; Enter and a click fold one",
        label: |_, _| None,
        run: keys::toggle_all,
    },
    Action {
        name: "step-back",
        help: "the revision before that changed something",
        label: |_, _| Some("back in time".to_owned()),
        run: |keys, ctx| keys::step(keys, ctx, -1),
    },
    Action {
        name: "step-on",
        help: "the next revision that changed something",
        label: |_, _| None,
        run: |keys, ctx| keys::step(keys, ctx, 1),
    },
    Action {
        name: "step-back-100",
        help: "a hundred changes back",
        label: |_, _| None,
        run: |keys, ctx| keys::step(keys, ctx, -100),
    },
    Action {
        name: "step-on-100",
        help: "a hundred changes on",
        label: |_, _| None,
        run: |keys, ctx| keys::step(keys, ctx, 100),
    },
    Action {
        name: "go-to-revision",
        help: "all keys and values as they were at a revision",
        label: |_, _| None,
        run: |keys, _| keys::prompt(keys, Ask::Revision),
    },
    Action {
        name: "live",
        help: "back to what is",
        label: |keys, _| (!live(keys)).then(|| "live".to_owned()),
        run: keys::go_live,
    },
    Action {
        name: "graveyard",
        help: "keys that were deleted since the last compaction; R puts back the chosen one, or all that are marked",
        label: |_, _| Some("graveyard".to_owned()),
        run: keys::graveyard,
    },
    Action {
        name: "mark",
        help: "mark the key or directory, for a delete of many, or to put many back",
        label: |_, _| None,
        run: keys::mark,
    },
    Action {
        name: "mark-all",
        help: "mark all keys of the graveyard, or none",
        label: |keys, _| keys.left.graveyard().map(|_| "mark all".to_owned()),
        run: keys::mark_all,
    },
    Action {
        name: "copy",
        help: "copy the value to the clipboard of the terminal, or to a file when it is long",
        label: |_, _| None,
        run: keys::copy_value,
    },
    Action { name: "refresh", help: "read the tree anew", label: |_, _| None, run: keys::reload },
    Action {
        name: "zoom",
        help: "the pane takes the whole screen, or gives it back",
        label: |_, _| None,
        run: |keys, _| {
            keys.zoom = !keys.zoom;
            Vec::new()
        },
    },
    Action {
        name: "separator",
        help: r"what stands between names: any bytes (\xNN), or nothing for no tree",
        label: |_, _| None,
        run: |keys, _| keys::prompt(keys, Ask::Separator),
    },
];

/// Whether what is shown is what is.
fn live(keys: &Keys) -> bool {
    keys.at.is_none() && keys.left.graveyard().is_none()
}

/// Whether something can be edited.
fn editable(keys: &Keys, ctx: &Context) -> bool {
    live(keys) && !ctx.read_only
}

fn has_value(keys: &Keys) -> bool {
    keys.value.entry.is_some()
}
