use super::{plain, roomy};
use crate::console::action::Action;
use crate::screens::watch::Watch;
use crate::screens::watch::{Detail, page};
use crate::widget::grouped;

/// Holds back what comes, or shows what was held.
pub(super) const PAUSE: Action<Watch> = Action {
    name: "pause",
    help: "hold back what comes, counted; again shows it",
    label: |watch, _| {
        let tail = watch.active()?;
        let held = grouped(u64::try_from(tail.held().0).unwrap_or(u64::MAX));
        Some(if tail.paused { format!("go on ({held} held)") } else { "pause".to_owned() })
    },
    run: |watch, ctx| {
        let wall = ctx.wall;
        if let Some(tail) = plain(watch) {
            tail.pause(wall);
        }
        Vec::new()
    },
    over: false,
};

/// Shows only the chosen key.
pub(super) const PIN: Action<Watch> = Action {
    name: "pin",
    help: "follow the chosen row's key alone; again shows all keys",
    label: |watch, ctx| {
        let tail = watch.active()?;
        if tail.pinned.is_some() {
            return Some("all keys".to_owned());
        }
        tail.chosen_event().filter(|_| roomy(ctx)).map(|_| "pin".to_owned())
    },
    run: |watch, _| {
        if let Some(tail) = plain(watch) {
            tail.pin();
        }
        Vec::new()
    },
    over: false,
};

/// Opens a revision of several events, or an event in full.
pub(super) const UNFOLD: Action<Watch> = Action {
    name: "unfold",
    help: "open a revision of several keys, or a change in full",
    label: |watch, _| {
        let tail = watch.active()?;
        let word = if tail.chosen_is_open() { "fold" } else { "unfold" };
        tail.chosen_is_txn().then(|| word.to_owned())
    },
    run: |watch, ctx| {
        let page = page(ctx);
        let txn = plain(watch).is_some_and(|tail| tail.chosen_is_txn() && tail.unfold(page));
        if !txn {
            detail(watch);
        }
        Vec::new()
    },
    over: false,
};

/// Shows an event beside what was there before.
pub(super) const DIFF: Action<Watch> = Action {
    name: "diff",
    help: "the change in full, beside the previous value; again closes",
    label: |watch, _| {
        let tail = watch.active().filter(|tail| !tail.chosen_is_txn())?;
        tail.chosen_event().map(|_| "diff".to_owned())
    },
    run: |watch, _| {
        if watch.detail.take().is_none() {
            detail(watch);
        }
        Vec::new()
    },
    over: false,
};

fn detail(watch: &mut Watch) {
    let chosen = plain(watch).and_then(|tail| tail.chosen_event());
    let detail = chosen.map(|(revision, event)| Detail::of(revision, event));
    if detail.is_some() {
        watch.detail = detail;
    }
}

/// Forgets what is shown.
pub(super) const CLEAR: Action<Watch> = Action {
    name: "clear",
    help: "forget what is shown; what comes is shown from here on",
    label: |_, _| None,
    run: |watch, _| {
        if let Some(tail) = plain(watch) {
            tail.clear();
        }
        Vec::new()
    },
    over: false,
};
