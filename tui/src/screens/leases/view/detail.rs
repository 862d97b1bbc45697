//! The chosen lease: its time, its keys, and when the known leases end.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::{left, seconds};
use crate::console::Context;
use crate::screens::leases::model::{Histogram, STORM_KEYS, middle};
use crate::screens::leases::{Detail, Leases, Pane};
use crate::widget::theme::Meaning;
use crate::widget::{
    DrawnRows, Look, age, counted, escape_name, fit, grouped, panel, say, spark, style,
};
use mini_etcd_shared::command::lease_hex;

/// Lines from which the histogram has several, and how many it has then; the rows of its chart.
const TALL: u16 = 14;
const HISTOGRAM_LINES: u16 = 6;
const CHART_ROWS: usize = 3;

/// Draws the lease; answers where its keys stand.
pub(super) fn detail(
    leases: &Leases,
    ctx: &Context,
    frame: &mut Frame<'_>,
    area: Rect,
) -> DrawnRows {
    let look = &ctx.look;
    let detail = leases.detail.as_ref().filter(|detail| Some(detail.id) == leases.chosen_id());
    let title = detail.map_or_else(|| "Lease".to_owned(), |detail| lease_hex(detail.id));
    let inside = panel(frame, look, area, &title, Line::default());
    let tall = inside.height >= TALL;
    let low = match (leases.histogram.known, tall) {
        (0, _) => 0,
        (_, true) => HISTOGRAM_LINES,
        (_, false) => u16::from(inside.height > 3),
    };
    let [top, bottom] = [0, inside.height - low].map(|from| Rect { y: inside.y + from, ..inside });
    let top = Rect { height: inside.height - low, ..top };
    let bottom = Rect { height: low, ..bottom };
    let lines = histogram(&leases.histogram, look, (usize::from(inside.width), tall));
    for (line, y) in lines.into_iter().zip(bottom.y..bottom.bottom()) {
        frame.render_widget(line, Rect { y, height: 1, ..bottom });
    }
    detail.map_or_else(DrawnRows::default, |detail| keys(leases, ctx, frame, top, detail))
}

/// What is said of the lease before its keys.
fn facts(leases: &Leases, ctx: &Context, detail: &Detail) -> Vec<(Meaning, String)> {
    let lease = leases.list.get(detail.id);
    let mut lines = Vec::new();
    if let Some(why) = &detail.denied {
        lines.push((Meaning::Bad, format!("this user may not read it: {why}")));
    }
    if let Some((lease, time)) = lease.and_then(|lease| Some((lease, lease.left(ctx.now)?))) {
        let granted = seconds(lease.granted().unwrap_or(0));
        let asked = age(lease.asked(ctx.now).unwrap_or_default());
        let words = format!("granted {granted}, left {} (asked {asked} ago)", left(time));
        lines.push((Meaning::Text, words));
    }
    if let Some(kept) = leases.kept.get(&detail.id) {
        lines.push(match (&kept.failed, kept.renewed) {
            (Some(trouble), _) => (Meaning::Bad, format!("not renewed: {}", trouble.why)),
            (None, Some(at)) => {
                let ago = age(ctx.now.since(at));
                (Meaning::Ok, format!("kept alive from here, renewed {ago} ago; A stops"))
            }
            (None, None) => (Meaning::Dim, "kept alive from here; A stops".to_owned()),
        });
    }
    lines.push(match &detail.keys {
        None if detail.denied.is_some() => return lines,
        None => (Meaning::Dim, format!("keys {}", ctx.look.glyphs.wait)),
        Some((_, 0)) => (Meaning::Warn, "no keys: an orphan".to_owned()),
        Some((_, count)) if *count >= STORM_KEYS => {
            let words = format!("{} go in one revision when it ends", counted(*count, "key"));
            (Meaning::Warn, words)
        }
        Some((_, 1)) => (Meaning::Dim, "1 key ends with it".to_owned()),
        Some((_, count)) => (Meaning::Dim, format!("{} keys end with it", grouped(*count))),
    });
    lines
}

/// Draws the facts, and the keys below them; answers where those stand.
fn keys(
    leases: &Leases,
    ctx: &Context,
    frame: &mut Frame<'_>,
    area: Rect,
    detail: &Detail,
) -> DrawnRows {
    let look = &ctx.look;
    let width = usize::from(area.width).saturating_sub(1);
    let facts = facts(leases, ctx, detail);
    let count = u16::try_from(facts.len()).unwrap_or(u16::MAX);
    for ((meaning, words), y) in facts.into_iter().zip(area.y..area.bottom()) {
        let words = fit(&format!(" {words}"), width, &look.glyphs);
        frame.render_widget(say(look, meaning, words), Rect { y, height: 1, ..area });
    }
    let area = Rect {
        y: area.y.saturating_add(count).min(area.bottom()),
        height: area.height.saturating_sub(count),
        ..area
    };
    let Some((keys, all)) = &detail.keys else { return DrawnRows::default() };
    let focused = leases.pane == Pane::Keys;
    let height = usize::from(area.height);
    let kept = u64::try_from(keys.len()).unwrap_or(u64::MAX);
    // The last line says how many have no room.
    let over = keys.len() > height || kept < *all;
    let room = height.saturating_sub(usize::from(over));
    let first = if focused { (leases.key + 1).saturating_sub(room) } else { 0 };
    let mut shown = 0;
    for ((at, key), y) in keys.iter().enumerate().skip(first).take(room).zip(area.y..) {
        let chosen = focused && at == leases.key;
        let mark = if chosen { look.glyphs.mark } else { " " };
        let name = fit(&escape_name(key), width.saturating_sub(2), &look.glyphs);
        let line = Line::from(vec![
            say(look, Meaning::Accent, format!(" {mark}")),
            say(look, Meaning::Text, name),
        ]);
        let place = Rect { y, height: 1, ..area };
        frame.render_widget(line, place);
        if chosen {
            frame.buffer_mut().set_style(place, style(look, Meaning::Selected));
        }
        shown += 1;
    }
    let rest = all.saturating_sub(u64::try_from(first + shown).unwrap_or(0));
    if rest > 0 && height > shown {
        let count = u16::try_from(shown).unwrap_or(0);
        let words = say(look, Meaning::Dim, format!("  + {} more", grouped(rest)));
        frame.render_widget(words, Rect { y: area.y + count, height: 1, ..area });
    }
    DrawnRows { area, first: u64::try_from(first).unwrap_or(0), count: shown }
}

/// When the known leases end: in one line, or as a chart.
fn histogram(
    histogram: &Histogram,
    look: &Look,
    (width, tall): (usize, bool),
) -> Vec<Line<'static>> {
    let bins: Vec<Option<f64>> =
        histogram.bins.iter().map(|count| Some(f64::from(*count))).collect();
    let last = left(histogram.last);
    let (leases, keys, second) = histogram.peak;
    let known = counted(u64::try_from(histogram.known).unwrap_or(u64::MAX), "lease");
    let most = format!(
        "most at once: {}, {}, in {}",
        counted(leases, "lease"),
        counted(keys, "key"),
        seconds(second)
    );
    let cut = |words: &str| fit(words, width.saturating_sub(1), &look.glyphs);
    if !tall {
        let words = format!("  to {last}; {most}");
        let room = width.saturating_sub(words.width() + 9).min(bins.len());
        let mut line = vec![say(look, Meaning::Dim, " ends ")];
        if room >= 8 {
            line.extend(spark(look, &bins, (room, 1), None).into_iter().flatten());
        }
        line.push(say(look, Meaning::Dim, words));
        return vec![Line::from(line)];
    }
    let s = if histogram.known == 1 { "s" } else { "" };
    let orphans = match histogram.orphans {
        0 => String::new(),
        1 => ", 1 orphan".to_owned(),
        n => format!(", {n} orphans"),
    };
    let mut lines =
        vec![say(look, Meaning::Dim, cut(&format!(" when {known} end{s}{orphans}"))).into()];
    let room = width.saturating_sub(2);
    for spans in spark(look, &bins, (room.min(bins.len()), CHART_ROWS), None) {
        let mut line = vec![Span::raw(" ")];
        line.extend(spans);
        lines.push(Line::from(line));
    }
    let middle = seconds(middle(histogram.last).as_secs());
    let room = room.min(bins.len()).saturating_sub(3 + middle.width() + last.width());
    let (before, after) = (" ".repeat(room / 2), " ".repeat(room - room / 2));
    let axis = format!(" now{before}{middle}{after}{last}");
    lines.push(say(look, Meaning::Dim, axis).into());
    lines.push(say(look, Meaning::Dim, cut(&format!(" {most}"))).into());
    lines
}
