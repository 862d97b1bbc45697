use super::plain;
use crate::console::action::Action;
use crate::screens::watch::Watch;
use crate::screens::watch::{find, page};

/// Goes to the next row in which what is looked for is found.
pub(super) const NEXT: Action<Watch> = Action {
    name: "find-next",
    help: "next row in which the text is found",
    label: |watch, _| {
        watch.active().and_then(|tail| tail.search.as_ref()).map(|_| "next".to_owned())
    },
    run: |watch, ctx| {
        if plain(watch).is_some() {
            let page = page(ctx);
            find(watch, ctx, true, page);
        }
        Vec::new()
    },
    over: false,
};

/// Goes to the last one.
pub(super) const BEFORE: Action<Watch> = Action {
    name: "find-before",
    help: "row before in which the text is found",
    label: |_, _| None,
    run: |watch, ctx| {
        if plain(watch).is_some() {
            let page = page(ctx);
            find(watch, ctx, false, page);
        }
        Vec::new()
    },
    over: false,
};

/// Goes to the next mark that tells of trouble.
pub(super) const TROUBLE: Action<Watch> = Action {
    name: "trouble",
    help: "next mark of trouble: a gap, a compaction, an end",
    label: |_, _| None,
    run: |watch, ctx| {
        let page = page(ctx);
        let found = plain(watch).map(|tail| tail.next_trouble(page));
        match found {
            Some(None) => ctx.toasts.hint(ctx.now, "nothing went wrong with this tail"),
            Some(Some(true)) => ctx.toasts.hint(ctx.now, "the search went round the end"),
            Some(Some(false)) | None => {}
        }
        Vec::new()
    },
    over: false,
};
