use super::{Deed, plain, roomy};
use crate::screens::watch::{Prompt, TAILS_MAX};
use crate::widget::line::LineInput;

/// Asks what a new tail is to follow.
pub(super) static NEW: Deed = Deed {
    name: "new",
    help: "begin another tail: a key, a prefix, a range; from now or an old revision",
    label: |state| state.watch.has_room().then(|| "new tail".to_owned()),
    run: |state| {
        if !state.watch.has_room() {
            let words = format!("{TAILS_MAX} tails is all; x closes one");
            state.toasts.hint(state.now, words);
        } else if state.watch.is_plain() {
            state.watch.prompt = Some(Prompt::Form(Box::default()));
        }
        Vec::new()
    },
};

/// Asks what to look for.
pub(super) static SEARCH: Deed = Deed {
    name: "search",
    help: "look for text in keys and values; n and N go on",
    label: |state| state.watch.active().filter(|_| roomy(state)).map(|_| "search".to_owned()),
    run: |state| {
        if let Some(tail) = plain(state) {
            let line = filled(tail.search.as_ref().map_or("", |(text, _)| text));
            state.watch.prompt = Some(Prompt::Search(line));
        }
        Vec::new()
    },
};

/// Asks which events to show.
pub(super) static FILTER: Deed = Deed {
    name: "filter",
    help: "show only some events: put & ~timeout, key^/a, size>100, re:x.*y",
    label: |state| state.watch.active().map(|_| "filter".to_owned()),
    run: |state| {
        if let Some(tail) = plain(state) {
            let line = filled(tail.filter.as_ref().map_or("", |filter| filter.text()));
            state.watch.prompt = Some(Prompt::Filter(line, None));
        }
        Vec::new()
    },
};

/// Asks where to write the tail.
pub(super) static SAVE: Deed = Deed {
    name: "save",
    help: "write what is shown to a file, as lines of JSON",
    label: |state| {
        let tail = state.watch.active()?;
        (tail.rows() > 0 && roomy(state)).then(|| "save".to_owned())
    },
    run: |state| {
        if let Some(tail) = plain(state).filter(|tail| tail.rows() > 0) {
            let line = filled(&format!("{}-at-{}.jsonl", tail.name(), tail.newest));
            state.watch.prompt = Some(Prompt::Save(line));
        }
        Vec::new()
    },
};

fn filled(text: &str) -> LineInput {
    let mut line = LineInput::default();
    line.set(text);
    line
}
