//! The strip of revisions: how much changed when, where one is, and the wall that compaction left.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::super::say;
use crate::app::State;
use crate::theme::Meaning;
use crate::widget::{fit, grouped, panel};

/// Draws the strip.
pub(super) fn strip(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let (look, keyspace) = (&state.look, &state.keyspace);
    let strip = &keyspace.strip;
    let (from, to) = (strip.from.max(1), strip.to.max(1));
    let span = (to - from + 1).max(1);
    let number = |revision: i64| grouped(revision.unsigned_abs());
    let begin = if strip.wall.is_some() { "compacted wall" } else { "read so far" };
    let title = if strip.to == 0 {
        "Revisions".to_owned()
    } else {
        format!("Revisions  {} ({begin}) ... {}", number(from), number(to))
    };
    let title = fit(&title, usize::from(area.width).saturating_sub(30), &look.glyphs);
    let cells = usize::from(area.width).saturating_sub(14).max(1);
    let slice = span.unsigned_abs().div_ceil(u64::try_from(cells).unwrap_or(1));
    let right = if strip.loading {
        look.glyphs.wait.to_owned()
    } else {
        format!("a cell = {slice} revisions")
    };
    let right = Line::from(say(look, Meaning::Dim, format!(" {right} ")));
    let inside = panel(frame, look, area, &title, right);
    let cell = |revision: i64| {
        let offset = i128::from(revision - from) * i128::try_from(cells).unwrap_or(1);
        usize::try_from(offset / i128::from(span)).unwrap_or(0).min(cells - 1)
    };
    let mut counts = vec![(0_u64, 0_u64); cells];
    for (revision, (puts, deletes)) in &strip.changes {
        if let Some(slot) = counts.get_mut(cell(*revision)) {
            slot.0 += u64::from(*puts);
            slot.1 += u64::from(*deletes);
        }
    }
    let most = counts.iter().map(|(puts, _)| *puts).max().unwrap_or(0).max(1);
    let spark = |puts: u64| {
        let step = usize::try_from((puts * 7).div_ceil(most)).unwrap_or(7).min(7);
        if puts == 0 {
            look.glyphs.gap
        } else {
            look.glyphs.spark.get(step).copied().unwrap_or(" ")
        }
    };
    let here = keyspace.at.unwrap_or(keyspace.tree.revision);
    let here = (here >= from && here <= to).then(|| cell(here));
    let puts: String = counts.iter().map(|(puts, _)| spark(*puts)).collect();
    let deletes: String = counts
        .iter()
        .map(|(_, deletes)| if *deletes > 0 { look.glyphs.grave } else { " " })
        .collect();
    let place: String =
        (0..cells).map(|at| if Some(at) == here { look.glyphs.here } else { " " }).collect();
    let wall =
        if strip.wall.is_some() { look.glyphs.bar.first().copied().unwrap_or("#") } else { " " };
    let row = |meaning, text: String, name: &str| {
        Line::from(vec![
            say(look, Meaning::Dim, wall),
            say(look, meaning, text),
            Span::raw(" "),
            say(look, Meaning::Dim, name.to_owned()),
        ])
    };
    let lines = [
        row(Meaning::Chart, puts, "puts"),
        row(Meaning::Bad, deletes, "deletes"),
        row(Meaning::Accent, place, if keyspace.at.is_some() { "you" } else { "live" }),
    ];
    for (line, y) in lines.into_iter().zip(inside.y..inside.bottom()) {
        frame.render_widget(line, Rect { y, height: 1, ..inside });
    }
}
