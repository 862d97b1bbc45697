use super::plain;
use crate::console::action::Action;
use crate::screens::watch::Link;
use crate::screens::watch::Watch;

/// Begins an ended tail again.
pub(super) const AGAIN: Action<Watch> = Action {
    name: "again",
    help: "begin a tail that ended again, at the revision where it ended",
    label: |watch, _| {
        let ended = matches!(watch.active()?.link, Link::Ended(_));
        ended.then(|| "again".to_owned())
    },
    run: |watch, _| if plain(watch).is_some() { watch.again() } else { Vec::new() },
    over: false,
};

/// Ends the tail on top.
pub(super) const CLOSE: Action<Watch> = Action {
    name: "close",
    help: "end this tail and forget what it holds",
    label: |_, _| None,
    run: |watch, ctx| {
        if plain(watch).is_none() {
            return Vec::new();
        }
        let Some((name, dropped)) = watch.end() else { return Vec::new() };
        ctx.toasts.hint(ctx.now, format!("{name} is closed; w begins another"));
        dropped
    },
    over: false,
};
