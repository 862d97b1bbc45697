//! What can be done on the Watch screen.

use super::{Detail, Link, Prompt, TAILS_MAX, Tail, Watch, find, page};
use crate::console::Context;
use crate::console::action::Action;
use crate::widget::grouped;
use crate::widget::line::LineInput;

/// Its actions, in the order of footer and help.
pub(crate) static TABLE: &[Action<Watch>] = &[
    Action {
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
    },
    Action {
        name: "unfold",
        help: "open a revision of several keys, or a change in full",
        label: |watch, _| {
            let tail = watch.active()?;
            let word = if tail.chosen_is_open() { "fold" } else { "unfold" };
            tail.chosen_is_txn().then(|| word.to_owned())
        },
        run: |watch, ctx| {
            unfold(watch, page(ctx));
            Vec::new()
        },
    },
    Action {
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
    },
    Action {
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
    },
    Action {
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
    },
    Action {
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
    },
    Action {
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
    },
    Action {
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
    },
    Action {
        name: "again",
        help: "begin a tail that ended again, at the revision where it ended",
        label: |watch, _| {
            let ended = matches!(watch.active()?.link, Link::Ended(_));
            ended.then(|| "again".to_owned())
        },
        run: |watch, _| if plain(watch).is_some() { watch.again() } else { Vec::new() },
    },
    Action {
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
    },
    Action {
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
    },
    Action {
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
    },
    Action {
        name: "clear",
        help: "forget what is shown; what comes is shown from here on",
        label: |_, _| None,
        run: |watch, _| {
            if let Some(tail) = plain(watch) {
                tail.clear();
            }
            Vec::new()
        },
    },
    Action {
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
    },
];

/// Width from which the footer has room for what is not needed at once.
const ROOMY: u16 = 100;

fn roomy(ctx: &Context) -> bool {
    ctx.size.0 >= ROOMY
}

/// The tail on top, when it has the keyboard.
fn plain(watch: &mut Watch) -> Option<&mut Tail> {
    if watch.is_plain() { watch.active_mut() } else { None }
}

/// Opens a revision of several keys, or shows a change in full.
pub(super) fn unfold(watch: &mut Watch, page: usize) {
    let txn = plain(watch).is_some_and(|tail| tail.chosen_is_txn() && tail.unfold(page));
    if !txn {
        detail(watch);
    }
}

fn detail(watch: &mut Watch) {
    let chosen = plain(watch).and_then(|tail| tail.chosen_event());
    let detail = chosen.map(|(revision, event)| Detail::of(revision, event));
    if detail.is_some() {
        watch.detail = detail;
    }
}

fn filled(text: &str) -> LineInput {
    let mut line = LineInput::default();
    line.set(text);
    line
}
