use super::{Deed, plain};
use crate::screens::watch::Link;

/// Begins an ended tail again.
pub(super) static AGAIN: Deed = Deed {
    name: "again",
    help: "begin a tail that ended again, at the revision where it ended",
    label: |state| {
        let ended = matches!(state.watch.active()?.link, Link::Ended(_));
        ended.then(|| "again".to_owned())
    },
    run: |state| if plain(state).is_some() { state.watch.again() } else { Vec::new() },
};

/// Ends the tail on top.
pub(super) static CLOSE: Deed = Deed {
    name: "close",
    help: "end this tail and forget what it holds",
    label: |_| None,
    run: |state| {
        if plain(state).is_none() {
            return Vec::new();
        }
        let Some((name, dropped)) = state.watch.end() else { return Vec::new() };
        state.toasts.hint(state.now, format!("{name} is closed; w begins another"));
        dropped
    },
};
