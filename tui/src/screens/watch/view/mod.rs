//! The Watch screen.

mod form;
mod prompt;
mod rows;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::mouse::DrawnWatch;
use super::{Detail, Link, Prompt, Sign, Tail};
use crate::console::Context;
use crate::screens::watch::Watch;
use crate::widget::theme::Meaning;
use crate::widget::{
    DrawnRows, age, around, escape, escape_name, fit, grouped, panel, popup, rate, say,
};

/// A stream that stands and says nothing for longer than this is called silent.
const SILENT_AFTER_SECONDS: u64 = 5;

/// Draws the tail on top, and what lies over it; what is typed stands over the footer.
pub(super) fn draw(
    watch: &mut Watch,
    ctx: &Context,
    frame: &mut Frame<'_>,
    area: Rect,
    bottom: Rect,
) {
    let mut drawn = DrawnWatch::default();
    match watch.active() {
        Some(tail) => (drawn.rows, drawn.tabs) = list(watch, ctx, frame, area, tail),
        None => nothing(ctx, frame, area),
    }
    drawn.over = over(watch, ctx, frame, bottom);
    watch.drawn = drawn;
}

/// Draws a tail; answers where its rows stand, and the names of all tails.
fn list(
    watch: &Watch,
    ctx: &Context,
    frame: &mut Frame<'_>,
    area: Rect,
    tail: &Tail,
) -> ((DrawnRows, u64), Vec<(Rect, usize)>) {
    let look = &ctx.look;
    let right = right(watch, ctx, tail);
    let room = usize::from(area.width).saturating_sub(right.width() + 6);
    let title = fit(&title(tail), room.max(12), &look.glyphs);
    let inside = panel(frame, look, area, &title, right);
    let tabs = tabs(watch, ctx, frame, area);
    let list = Rect { height: inside.height.saturating_sub(1), ..inside };
    let rows = rows::rows(ctx, tail, frame, list);
    if inside.height > 0 {
        let line = Rect { y: inside.bottom() - 1, height: 1, ..inside };
        frame.render_widget(status(ctx, tail, usize::from(inside.width)), line);
    }
    ((rows, tail.number), tabs)
}

/// What is typed, and what lies over the list; answers where that lies.
fn over(watch: &Watch, ctx: &Context, frame: &mut Frame<'_>, bottom: Rect) -> Option<Rect> {
    let detail = watch.detail.as_ref().map(|detail| self::detail(ctx, frame, detail));
    match &watch.prompt {
        None => detail,
        Some(Prompt::Form(form)) => Some(form::form(ctx, frame, form)),
        Some(prompt) => {
            prompt::prompt(watch, ctx, frame, bottom, prompt);
            detail
        }
    }
}

fn nothing(ctx: &Context, frame: &mut Frame<'_>, area: Rect) {
    let look = &ctx.look;
    let inside = panel(frame, look, area, "Watch", Line::default());
    let lines = [
        "",
        "No tail yet. Press w to follow a key, a prefix or a range: every change, as it happens or",
        "from an old revision on, with what changed, and with a mark wherever something is missing.",
    ];
    let width = usize::from(inside.width).saturating_sub(2);
    let lines = lines.iter().flat_map(|line| crate::widget::wrap(line, width));
    for (line, y) in lines.zip(inside.y..inside.bottom()) {
        let line = say(look, Meaning::Text, format!("  {line}"));
        frame.render_widget(line, Rect { y, height: 1, ..inside });
    }
}

fn title(tail: &Tail) -> String {
    let mut parts = vec![format!("{} {}", tail.name(), tail.spec.range())];
    if let Some(from) = tail.spec.from {
        parts.push(format!("from {}", grouped(from.unsigned_abs())));
    }
    if let Some(key) = &tail.pinned {
        parts.push(format!("pinned: {}", escape_name(key)));
    }
    if let Some(filter) = &tail.filter {
        parts.push(format!("filter: {}", escape(filter.text().as_bytes())));
    }
    parts.join("  ")
}

fn right(_: &Watch, ctx: &Context, tail: &Tail) -> Line<'static> {
    let look = &ctx.look;
    let (meaning, word) = match &tail.link {
        Link::Connecting => (Meaning::Dim, "connecting".to_owned()),
        Link::Live | Link::Resuming { .. } if tail.paused => (Meaning::Warn, "paused".to_owned()),
        Link::Live => match silent(ctx, tail) {
            Some(silence) => (Meaning::Warn, format!("stale {silence}")),
            None => (Meaning::Ok, "live".to_owned()),
        },
        Link::Resuming { .. } => (Meaning::Warn, "resuming".to_owned()),
        Link::Away { since, .. } => (Meaning::Bad, format!("away {}", age(ctx.now.since(*since)))),
        Link::Ended(_) => (Meaning::Bad, "ended".to_owned()),
    };
    let (kept, dropped) = tail.kept();
    let number = |count: usize| grouped(u64::try_from(count).unwrap_or(u64::MAX));
    Line::from(vec![
        Span::raw(" "),
        say(look, meaning, word),
        say(look, Meaning::Text, format!("  {} ev/s", rate(tail.rate(ctx.now)))),
        say(look, Meaning::Dim, format!("  kept {}  dropped {} ", number(kept), grouped(dropped))),
    ])
}

fn silent(ctx: &Context, tail: &Tail) -> Option<String> {
    let silence = tail.silent(ctx.now)?;
    (silence.as_secs() >= SILENT_AFTER_SECONDS).then(|| age(silence))
}

/// How far the tail is, or what is the matter with it.
fn status(ctx: &Context, tail: &Tail, width: usize) -> Line<'static> {
    let look = &ctx.look;
    let silence = silent(ctx, tail);
    // While the server speaks, its own word counts: the others' newest revision would always be a little ahead of it.
    let cluster = if silence.is_some() { ctx.cluster.newest().2 } else { 0 };
    let number = |revision: i64| grouped(revision.unsigned_abs());
    let (meaning, mut words) = match &tail.link {
        Link::Connecting => (Meaning::Dim, "no member has taken it yet".to_owned()),
        Link::Live => {
            let server = number(tail.server.max(cluster));
            let behind = number(tail.behind(cluster));
            let words = format!("server at {server}, this tail is {behind} behind");
            match silence {
                Some(silence) => (Meaning::Warn, format!("{words}; nothing heard for {silence}")),
                None => (Meaning::Dim, words),
            }
        }
        Link::Resuming { why, .. } => {
            (Meaning::Warn, format!("stands again after: {why}; nothing delivered yet"))
        }
        Link::Away { why, last, .. } => {
            let next = tail.told.max(tail.newest) + 1;
            let from = if tail.told > 0 {
                format!("; goes on at {}", number(next))
            } else {
                String::new()
            };
            let last = if last == why { String::new() } else { format!("; now {last}") };
            (Meaning::Bad, format!("not connected: {why}{last}{from}"))
        }
        Link::Ended(why) => (Meaning::Bad, format!("ended: {why}")),
    };
    let (held, lost) = tail.held();
    if tail.paused {
        let lost =
            if lost > 0 { format!(", {} too many to hold", grouped(lost)) } else { String::new() };
        let held = grouped(u64::try_from(held).unwrap_or(u64::MAX));
        words = format!("paused, {held} held{lost}   {words}");
    }
    say(look, meaning, fit(&format!("  {words}"), width, &look.glyphs)).into()
}

/// The other tails, in the lower border; answers where each name stands.
fn tabs(watch: &Watch, ctx: &Context, frame: &mut Frame<'_>, area: Rect) -> Vec<(Rect, usize)> {
    let look = &ctx.look;
    let list = watch.list();
    if list.len() < 2 || area.height < 2 {
        return Vec::new();
    }
    let mut names = Vec::new();
    let mut spans = vec![say(look, Meaning::Key, " Tab")];
    for (at, tail) in list.iter().enumerate() {
        let on_top = watch.active().is_some_and(|active| active.number == tail.number);
        let trouble = matches!(tail.link, Link::Away { .. } | Link::Ended(_));
        let words = format!("{}{}", tail.name(), if trouble { "!" } else { "" });
        spans.push(Span::raw(" "));
        let before: usize = spans.iter().map(Span::width).sum();
        let name = if on_top {
            say(look, Meaning::TabActive, format!("[{words}]"))
        } else {
            say(look, Meaning::Tab, words)
        };
        names.push((before, name.width(), at));
        spans.push(name);
    }
    spans.push(Span::raw(" "));
    let line = Line::from(spans);
    let width = u16::try_from(line.width()).unwrap_or(u16::MAX).min(area.width.saturating_sub(4));
    let place = Rect { x: area.x + 2, y: area.bottom() - 1, width, height: 1 };
    frame.render_widget(line, place);
    let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let name = |(before, width, at): (usize, usize, usize)| {
        let x = place.x.saturating_add(count(before));
        (Rect { x, width: count(width), ..place }.intersection(place), at)
    };
    names.into_iter().map(name).collect()
}

/// An event in full; answers where.
fn detail(ctx: &Context, frame: &mut Frame<'_>, detail: &Detail) -> Rect {
    let look = &ctx.look;
    let (width, height) = (ctx.size.0.saturating_sub(6), ctx.size.1.saturating_sub(6));
    let lines = u16::try_from(detail.lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let right = say(look, Meaning::Dim, " Esc closes, j k scroll ");
    let title = fit(&detail.title, usize::from(width).saturating_sub(32), &look.glyphs);
    let inside = popup(frame, look, (width, lines.min(height)), &title, right.into());
    let last = detail.lines.len().saturating_sub(usize::from(inside.height));
    let shown = detail.lines.iter().skip(detail.first.min(last));
    for ((sign, text), y) in shown.zip(inside.y..inside.bottom()) {
        let (meaning, sign) = match sign {
            Sign::Same => (Meaning::Text, ' '),
            Sign::Less => (Meaning::Bad, '-'),
            Sign::More => (Meaning::Ok, '+'),
            Sign::Note => (Meaning::Dim, ' '),
        };
        let text = fit(text, usize::from(inside.width).saturating_sub(4), &look.glyphs);
        let line = say(look, meaning, format!(" {sign} {text}"));
        frame.render_widget(line, Rect { y, height: 1, ..inside });
    }
    around(inside)
}
