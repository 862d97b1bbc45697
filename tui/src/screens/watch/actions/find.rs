use super::{Deed, plain};
use crate::screens::watch::{find, page};

/// Goes to the next row in which what is looked for is found.
pub(super) static NEXT: Deed = Deed {
    name: "find-next",
    help: "next row in which the text is found",
    label: |state| {
        state.watch.active().and_then(|tail| tail.search.as_ref()).map(|_| "next".to_owned())
    },
    run: |state| {
        if plain(state).is_some() {
            let page = page(state);
            find(state, true, page);
        }
        Vec::new()
    },
};

/// Goes to the last one.
pub(super) static BEFORE: Deed = Deed {
    name: "find-before",
    help: "row before in which the text is found",
    label: |_| None,
    run: |state| {
        if plain(state).is_some() {
            let page = page(state);
            find(state, false, page);
        }
        Vec::new()
    },
};

/// Goes to the next mark that tells of trouble.
pub(super) static TROUBLE: Deed = Deed {
    name: "trouble",
    help: "next mark of trouble: a gap, a compaction, an end",
    label: |_| None,
    run: |state| {
        let page = page(state);
        let found = plain(state).map(|tail| tail.next_trouble(page));
        match found {
            Some(None) => state.toasts.hint(state.now, "nothing went wrong with this tail"),
            Some(Some(true)) => state.toasts.hint(state.now, "the search went round the end"),
            Some(Some(false)) | None => {}
        }
        Vec::new()
    },
};
