//! The list of leases.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{left, notice, seconds};
use crate::console::Context;
use crate::screens::leases::model::{Known, Lease, STORM_KEYS};
use crate::screens::leases::{Leases, Pane};
use crate::widget::theme::Meaning;
use crate::widget::{DrawnRows, Look, bar, fit, grouped, panel, say, style, wrap};
use mini_etcd_shared::command::lease_hex;

/// Width of the columns, the gap before each included.
const ID: usize = 16;
const TIME: usize = 8;
const KEYS: usize = 9;
const FLAGS: usize = 13;
/// The longest bar, and the shortest.
const BAR: (usize, usize) = (12, 4);

/// Draws the list; answers where its rows stand.
pub(super) fn list(leases: &Leases, ctx: &Context, frame: &mut Frame<'_>, area: Rect) -> DrawnRows {
    let look = &ctx.look;
    let right = format!(" sort: {} ", leases.list.sort.name());
    let room = usize::from(area.width).saturating_sub(right.len() + 6);
    let title = fit(&title(leases), room, &look.glyphs);
    let inside = panel(frame, look, area, &title, say(look, Meaning::Dim, right).into());
    let width = usize::from(inside.width);
    let words = |meaning, words: &str| {
        Line::from(say(look, meaning, fit(&format!(" {words}"), width, &look.glyphs)))
    };
    let mut lines: Vec<Line<'static>> =
        notice(leases, ctx).iter().map(|(meaning, text)| words(*meaning, text)).collect();
    let rows = leases.list.rows();
    if rows.is_empty() {
        let text = nothing(leases, ctx);
        let text = wrap(&text, width.saturating_sub(2));
        lines.extend(text.iter().map(|text| words(Meaning::Dim, text)));
        draw(frame, inside, lines);
        return DrawnRows::default();
    }
    let bar = width.saturating_sub(1 + ID + 2 * TIME + KEYS + FLAGS + 2);
    let bar = if bar < BAR.1 { 0 } else { bar.min(BAR.0) };
    lines.push(heads(look, bar));
    let above = u16::try_from(lines.len()).unwrap_or(u16::MAX).min(inside.height);
    let area = Rect { y: inside.y + above, height: inside.height - above, ..inside };
    let height = usize::from(area.height);
    let first = leases.top.min(leases.chosen).max((leases.chosen + 1).saturating_sub(height));
    let shown = rows.iter().enumerate().skip(first).take(height);
    let known = shown.filter_map(|(at, id)| Some((at, *id, leases.list.get(*id)?)));
    let drawn = known.map(|(at, id, lease)| {
        let chosen = at == leases.chosen;
        let line = row(leases, ctx, (id, lease), chosen, bar);
        let focused = chosen && leases.pane == Pane::List;
        if focused { line.patch_style(style(look, Meaning::Selected)) } else { line }
    });
    lines.extend(drawn);
    let count = lines.len() - usize::from(above);
    draw(frame, inside, lines);
    DrawnRows { area, first: u64::try_from(first).unwrap_or(0), count }
}

fn draw(frame: &mut Frame<'_>, inside: Rect, lines: Vec<Line<'static>>) {
    for (line, y) in lines.into_iter().zip(inside.y..inside.bottom()) {
        frame.render_widget(line, Rect { y, height: 1, ..inside });
    }
}

fn title(leases: &Leases) -> String {
    let number = |count: usize| grouped(u64::try_from(count).unwrap_or(u64::MAX));
    let list = &leases.list;
    if leases.fresh.at.is_none() {
        return "Leases".to_owned();
    }
    if !list.is_narrowed() {
        return format!("Leases {}", number(list.len()));
    }
    let mut by = Vec::new();
    if list.orphans {
        by.push("orphans".to_owned());
    }
    if !list.filter.is_empty() {
        by.push(format!("id has {}", crate::widget::escape(list.filter.as_bytes())));
    }
    format!("Leases {} of {}  {}", number(list.rows().len()), number(list.len()), by.join(", "))
}

/// What an empty list says.
fn nothing(leases: &Leases, ctx: &Context) -> String {
    let words = if leases.fresh.failed.is_some() {
        ""
    } else if leases.fresh.at.is_none() {
        return format!("{} asking for the leases", ctx.look.glyphs.wait);
    } else if leases.list.is_narrowed() {
        "no lease is like that; Esc shows all"
    } else if ctx.read_only {
        "No lease. One ends by itself when it is not renewed, and its keys with it: locks, sessions and service registries \
         are made of them."
    } else {
        "No lease. One ends by itself when it is not renewed, and its keys with it: locks, sessions and service registries \
         are made of them. n grants one; put KEY VALUE --lease=ID hangs a key on it."
    };
    words.to_owned()
}

fn heads(look: &Look, bar: usize) -> Line<'static> {
    let remaining = if bar > 0 {
        format!("  {:<bar$}", "REMAINING".get(..bar.min(9)).unwrap_or(""))
    } else {
        String::new()
    };
    let line =
        format!(" {:<ID$}{:>TIME$}{:>TIME$}{remaining}{:>KEYS$}  ", "ID", "TTL", "LEFT", "KEYS");
    say(look, Meaning::Column, line).into()
}

fn row(
    leases: &Leases,
    ctx: &Context,
    (id, lease): (i64, &Lease),
    chosen: bool,
    width: usize,
) -> Line<'static> {
    let look = &ctx.look;
    let none = || look.glyphs.none.to_owned();
    let time = lease.left(ctx.now);
    let ttl = lease.granted().map_or_else(none, seconds);
    let left = time.map_or_else(none, left);
    let keys = lease.keys().map_or_else(none, grouped);
    let mark = if chosen { look.glyphs.mark } else { " " };
    let mut spans = vec![
        say(look, Meaning::Accent, mark),
        say(look, Meaning::Strong, format!("{:<ID$}", lease_hex(id))),
        say(look, Meaning::Text, format!("{ttl:>TIME$}")),
        say(look, Meaning::Text, format!("{left:>TIME$}")),
    ];
    if width > 0 {
        let millis =
            |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let whole = lease.granted().unwrap_or(0).saturating_mul(1000);
        spans.push(Span::raw("  "));
        match time {
            Some(time) => spans.extend(bar(look, width, millis(time), 0, whole.max(1))),
            None => spans.push(Span::raw(" ".repeat(width))),
        }
    }
    spans.push(say(look, Meaning::Text, format!("{keys:>KEYS$}")));
    let mut room = FLAGS;
    for (meaning, word) in flags(leases, ctx, id, lease) {
        let word = format!("  {word}");
        if word.len() > room {
            break;
        }
        room -= word.len();
        spans.push(say(look, meaning, word));
    }
    Line::from(spans)
}

/// What is to be said of a lease, the worst first.
fn flags(leases: &Leases, ctx: &Context, id: i64, lease: &Lease) -> Vec<(Meaning, &'static str)> {
    let mut flags = Vec::new();
    if lease.known() == Some(&Known::Denied) {
        flags.push((Meaning::Bad, "denied"));
    }
    match leases.kept.get(&id) {
        Some(kept) if kept.failed.is_some() => flags.push((Meaning::Bad, "not kept")),
        Some(_) => flags.push((Meaning::Ok, "kept")),
        None => {}
    }
    if lease.left(ctx.now).is_some_and(|left| left.is_zero()) {
        flags.push((Meaning::Warn, "ending"));
    }
    match lease.keys() {
        Some(0) => flags.push((Meaning::Warn, "orphan")),
        Some(keys) if keys >= STORM_KEYS => flags.push((Meaning::Warn, "storm")),
        _ => {}
    }
    flags
}
