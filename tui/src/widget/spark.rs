use ratatui::text::Span;

use super::Look;
use super::theme::Meaning;

/// Steps of one row of cells.
const STEPS: usize = 8;

/// A chart of `rows` rows, topmost first. Empty seconds stay blank; what goes above `hot` is shown as such.
///
/// With more values than cells each cell shows the highest of its values, so that a peak is never lost.
#[must_use]
pub fn spark(
    look: &Look,
    values: &[Option<f64>],
    (width, rows): (usize, usize),
    hot: Option<f64>,
) -> Vec<Vec<Span<'static>>> {
    let highest = values.iter().flatten().copied().fold(0.0_f64, f64::max);
    let cells = values.len().min(width);
    let peak = |cell: usize| {
        let range = cell * values.len() / cells..(cell + 1) * values.len() / cells;
        values.get(range).unwrap_or(&[]).iter().flatten().copied().reduce(f64::max)
    };
    let peaks: Vec<Option<f64>> = (0..cells).map(peak).collect();
    let row = |below: usize| {
        let mut spans = vec![Span::raw(look.glyphs.gap.repeat(width - cells))];
        for value in &peaks {
            let meaning = match (value, hot) {
                (Some(value), Some(hot)) if *value > hot => Meaning::ChartHot,
                _ => Meaning::Chart,
            };
            let glyph =
                value.map_or(look.glyphs.gap, |value| glyph(look, value, highest, (rows, below)));
            let style = look.theme.style(meaning);
            match spans.last_mut() {
                Some(last) if last.style == style => last.content.to_mut().push_str(glyph),
                _ => spans.push(Span::styled(glyph, style)),
            }
        }
        spans
    };
    (0..rows).rev().map(row).collect()
}

/// What a value shows in the row that has `below` rows under it.
fn glyph(look: &Look, value: f64, highest: f64, (rows, below): (usize, usize)) -> &'static str {
    let steps = rows * STEPS;
    #[expect(clippy::cast_precision_loss, reason = "a few steps")]
    let top = (steps - 1) as f64;
    let part = if highest > 0.0 { value / highest * top } else { 0.0 };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let step = part.round().clamp(0.0, top) as usize;
    match step.checked_sub(below * STEPS) {
        Some(step) => {
            look.glyphs.spark.get(step.min(STEPS - 1)).copied().unwrap_or(look.glyphs.gap)
        }
        None => look.glyphs.gap,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::widget::Glyphs;
    use crate::widget::theme::{Depth, Theme};

    fn drawn(values: &[Option<f64>], width: usize, rows: usize) -> Vec<String> {
        let theme = Theme::load("dark", Depth::True, None).unwrap();
        let look = Look { theme, glyphs: Glyphs::unicode() };
        let rows = spark(&look, values, (width, rows), Some(5.0));
        rows.iter().map(|row| row.iter().map(|span| span.content.as_ref()).collect()).collect()
    }

    #[test]
    fn a_peak_survives_and_silence_stays_blank() {
        let mut values = vec![Some(0.0); 100];
        values[37] = Some(9.0);
        values[99] = None;
        let line = drawn(&values, 10, 1).concat();
        assert_eq!(line.matches('█').count(), 1);
        assert_eq!(drawn(&[None, Some(1.0)], 4, 1), ["   █"]);
        assert_eq!(drawn(&[], 3, 1), ["   "]);
        assert_eq!(drawn(&[Some(1.0)], 0, 1), [""]);
    }

    #[test]
    fn rows_stack_up_to_one_height() {
        assert_eq!(drawn(&[Some(1.0), Some(0.45), Some(0.0)], 3, 2), ["█  ", "██▁"]);
    }
}
