use super::{Deed, plain, roomy};
use crate::console::State;
use crate::screens::watch::{Detail, page};
use crate::widget::grouped;

/// Holds back what comes, or shows what was held.
pub(super) static PAUSE: Deed = Deed {
    name: "pause",
    help: "hold back what comes, counted; again shows it",
    label: |state| {
        let tail = state.watch.active()?;
        let held = grouped(u64::try_from(tail.held().0).unwrap_or(u64::MAX));
        Some(if tail.paused { format!("go on ({held} held)") } else { "pause".to_owned() })
    },
    run: |state| {
        let wall = state.wall;
        if let Some(tail) = plain(state) {
            tail.pause(wall);
        }
        Vec::new()
    },
};

/// Shows only the chosen key.
pub(super) static PIN: Deed = Deed {
    name: "pin",
    help: "follow the chosen row's key alone; again shows all keys",
    label: |state| {
        let tail = state.watch.active()?;
        if tail.pinned.is_some() {
            return Some("all keys".to_owned());
        }
        tail.chosen_event().filter(|_| roomy(state)).map(|_| "pin".to_owned())
    },
    run: |state| {
        if let Some(tail) = plain(state) {
            tail.pin();
        }
        Vec::new()
    },
};

/// Opens a revision of several events, or an event in full.
pub(super) static UNFOLD: Deed = Deed {
    name: "unfold",
    help: "open a revision of several keys, or a change in full",
    label: |state| {
        let tail = state.watch.active()?;
        let word = if tail.chosen_is_open() { "fold" } else { "unfold" };
        tail.chosen_is_txn().then(|| word.to_owned())
    },
    run: |state| {
        let page = page(state);
        let txn = plain(state).is_some_and(|tail| tail.chosen_is_txn() && tail.unfold(page));
        if !txn {
            detail(state);
        }
        Vec::new()
    },
};

/// Shows an event beside what was there before.
pub(super) static DIFF: Deed = Deed {
    name: "diff",
    help: "the change in full, beside the previous value; again closes",
    label: |state| {
        let tail = state.watch.active().filter(|tail| !tail.chosen_is_txn())?;
        tail.chosen_event().map(|_| "diff".to_owned())
    },
    run: |state| {
        if state.watch.detail.take().is_none() {
            detail(state);
        }
        Vec::new()
    },
};

fn detail(state: &mut State) {
    let chosen = plain(state).and_then(|tail| tail.chosen_event());
    let detail = chosen.map(|(revision, event)| Detail::of(revision, event));
    if detail.is_some() {
        state.watch.detail = detail;
    }
}

/// Forgets what is shown.
pub(super) static CLEAR: Deed = Deed {
    name: "clear",
    help: "forget what is shown; what comes is shown from here on",
    label: |_| None,
    run: |state| {
        if let Some(tail) = plain(state) {
            tail.clear();
        }
        Vec::new()
    },
};
