//! The strip of revisions: how much changed when, where one is, and the wall that compaction left.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::console::Context;
use crate::screens::keys::Keys;
use crate::screens::keys::Strip;
use crate::widget::theme::Meaning;
use crate::widget::{Look, counted, fit, grouped, panel, say};

/// Draws the strip.
pub(super) fn strip(keys: &Keys, ctx: &Context, frame: &mut Frame<'_>, area: Rect) {
    let look = &ctx.look;
    let strip = &keys.strip;
    let scale = Scale::of(strip, usize::from(area.width).saturating_sub(14).max(1));
    let title = fit(&title(strip, &scale), usize::from(area.width) * 3 / 4, &look.glyphs);
    let right = if strip.loading {
        look.glyphs.wait.to_owned()
    } else {
        format!("a cell = {}", counted(scale.revisions_per_cell(), "revision"))
    };
    let right = Line::from(say(look, Meaning::Dim, format!(" {right} ")));
    let inside = panel(frame, look, area, &title, right);
    let counts = counts(strip, &scale);
    let most = counts.iter().map(|(puts, _)| *puts).max().unwrap_or(0).max(1);
    let puts: String = counts.iter().map(|(puts, _)| height(look, *puts, most)).collect();
    let cross = |deletes: u64| if deletes > 0 { look.glyphs.grave } else { " " };
    let deletes: String = counts.iter().map(|(_, deletes)| cross(*deletes)).collect();
    let here = keys.at.unwrap_or(keys.tree.revision);
    let here = (scale.from..=scale.to).contains(&here).then(|| scale.cell(here));
    let mark = |at| if Some(at) == here { look.glyphs.here } else { " " };
    let place: String = (0..scale.cells).map(mark).collect();
    let wall = strip.wall.and(look.glyphs.bar.first().copied()).unwrap_or(" ");
    let row = |meaning, text: String, name: &'static str| {
        Line::from(vec![
            say(look, Meaning::Dim, wall),
            say(look, meaning, text),
            Span::raw(" "),
            say(look, Meaning::Dim, name),
        ])
    };
    let lines = [
        row(Meaning::Chart, puts, "puts"),
        row(Meaning::Bad, deletes, "deletes"),
        row(Meaning::Accent, place, if keys.at.is_some() { "you" } else { "live" }),
    ];
    for (line, y) in lines.into_iter().zip(inside.y..inside.bottom()) {
        frame.render_widget(line, Rect { y, height: 1, ..inside });
    }
}

fn title(strip: &Strip, scale: &Scale) -> String {
    if strip.denied {
        return "Revisions: for users who may read all keys".to_owned();
    }
    if strip.to == 0 {
        return "Revisions".to_owned();
    }
    let number = |revision: i64| grouped(revision.unsigned_abs());
    let begin = match (strip.wall, strip.slices.is_empty()) {
        (Some(_), _) => "compacted wall",
        (None, false) => "all there is",
        (None, true) => "read so far",
    };
    format!("Revisions  {} ({begin}) ... {}", number(scale.from), number(scale.to))
}

/// Which revisions stand in which cell.
struct Scale {
    from: i64,
    to: i64,
    cells: usize,
}

impl Scale {
    fn of(strip: &Strip, cells: usize) -> Self {
        let told = strip.slices.first().map(|slice| slice.first);
        // What was read before a compaction took it is not shown any more.
        let from = told.unwrap_or(strip.from).max(strip.wall.unwrap_or(1)).max(1);
        Self { from, to: strip.to.max(from), cells }
    }

    fn span(&self) -> i64 {
        self.to.saturating_sub(self.from).saturating_add(1).max(1)
    }

    fn revisions_per_cell(&self) -> u64 {
        self.span().unsigned_abs().div_ceil(u64::try_from(self.cells).unwrap_or(1))
    }

    fn cell(&self, revision: i64) -> usize {
        let cells = i128::try_from(self.cells).unwrap_or(1);
        let offset = (i128::from(revision) - i128::from(self.from)).max(0) * cells;
        usize::try_from(offset / i128::from(self.span())).unwrap_or(0).min(self.cells - 1)
    }
}

/// Keys written and deleted, cell by cell: what the server told, and after that what was read of events.
fn counts(strip: &Strip, scale: &Scale) -> Vec<(u64, u64)> {
    let mut counts = vec![(0_u64, 0_u64); scale.cells];
    let told = strip.slices.iter().map(|slice| (slice.first, slice.puts, slice.deletes));
    let newer = strip.slices.last().map_or(i64::MIN, |slice| slice.last.saturating_add(1));
    let read = strip.changes.range(newer.max(scale.from)..);
    let read =
        read.map(|(revision, (puts, deletes))| (*revision, (*puts).into(), (*deletes).into()));
    for (revision, puts, deletes) in told.chain(read) {
        if let Some(slot) = counts.get_mut(scale.cell(revision)) {
            slot.0 = slot.0.saturating_add(puts);
            slot.1 = slot.1.saturating_add(deletes);
        }
    }
    counts
}

fn height(look: &Look, puts: u64, most: u64) -> &'static str {
    if puts == 0 {
        return look.glyphs.gap;
    }
    let step = u128::from(puts) * 7 / u128::from(most);
    look.glyphs.spark.get(usize::try_from(step).unwrap_or(7).min(7)).copied().unwrap_or(" ")
}
