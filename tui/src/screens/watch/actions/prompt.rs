use super::{plain, roomy};
use crate::console::action::Action;
use crate::screens::watch::Watch;
use crate::screens::watch::{Prompt, TAILS_MAX};
use crate::widget::line::LineInput;

/// Asks what a new tail is to follow.
pub(super) const NEW: Action<Watch> = Action {
    name: "new",
    help: "begin another tail: a key, a prefix, a range; from now or an old revision",
    label: |watch, _| watch.has_room().then(|| "new tail".to_owned()),
    run: |watch, ctx| {
        if !watch.has_room() {
            let words = format!("{TAILS_MAX} tails is all; x closes one");
            ctx.toasts.hint(ctx.now, words);
        } else if watch.is_plain() {
            watch.prompt = Some(Prompt::Form(Box::default()));
        }
        Vec::new()
    },
    over: false,
};

/// Asks what to look for.
pub(super) const SEARCH: Action<Watch> = Action {
    name: "search",
    help: "look for text in keys and values; n and N go on",
    label: |watch, ctx| watch.active().filter(|_| roomy(ctx)).map(|_| "search".to_owned()),
    run: |watch, _| {
        if let Some(tail) = plain(watch) {
            let line = filled(tail.search.as_ref().map_or("", |(text, _)| text));
            watch.prompt = Some(Prompt::Search(line));
        }
        Vec::new()
    },
    over: false,
};

/// Asks which events to show.
pub(super) const FILTER: Action<Watch> = Action {
    name: "filter",
    help: "show only some events: put & ~timeout, key^/a, size>100, re:x.*y",
    label: |watch, _| watch.active().map(|_| "filter".to_owned()),
    run: |watch, _| {
        if let Some(tail) = plain(watch) {
            let line = filled(tail.filter.as_ref().map_or("", |filter| filter.text()));
            watch.prompt = Some(Prompt::Filter(line, None));
        }
        Vec::new()
    },
    over: false,
};

/// Asks where to write the tail.
pub(super) const SAVE: Action<Watch> = Action {
    name: "save",
    help: "write what is shown to a file, as lines of JSON",
    label: |watch, ctx| {
        let tail = watch.active()?;
        (tail.rows() > 0 && roomy(ctx)).then(|| "save".to_owned())
    },
    run: |watch, _| {
        if let Some(tail) = plain(watch).filter(|tail| tail.rows() > 0) {
            let line = filled(&format!("{}-at-{}.jsonl", tail.name(), tail.newest));
            watch.prompt = Some(Prompt::Save(line));
        }
        Vec::new()
    },
    over: false,
};

fn filled(text: &str) -> LineInput {
    let mut line = LineInput::default();
    line.set(text);
    line
}
