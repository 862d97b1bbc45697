//! `table`: a frame around rows.

use super::Table;

/// Cells wider than this are broken at blanks.
const CELL_WIDTH_MAX: usize = 30;
/// What a line that does not fit costs when lines are balanced: more than any raggedness.
const OVERFLOW_COST: usize = 100_000;

/// The rows in a frame.
pub(super) fn render(table: &Table) -> Vec<u8> {
    frame(table.head, &table.rows).into_bytes()
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn frame(head: &[&str], rows: &[Vec<String>]) -> String {
    let cells: Vec<Vec<Vec<String>>> =
        rows.iter().map(|row| row.iter().map(|cell| lines_of(cell)).collect()).collect();
    let widths: Vec<usize> = head
        .iter()
        .enumerate()
        .map(|(column, title)| {
            let cells = cells.iter().filter_map(|row| row.get(column));
            let raw = rows.iter().filter_map(|row| row.get(column));
            let wrapped = cells.flatten().map(|line| width(line)).max().unwrap_or(0);
            // A cell that was broken keeps the width at which it was broken.
            let room = raw.map(|cell| width(cell).min(CELL_WIDTH_MAX)).max().unwrap_or(0);
            wrapped.max(room).max(width(title))
        })
        .collect();
    let rule = rule(&widths);
    let mut out = rule.clone();
    let titles = head.iter().zip(&widths).map(|(title, wide)| {
        let room = wide - width(title);
        format!("{}{title}{}", " ".repeat(room / 2), " ".repeat(room - room / 2))
    });
    push_row(&mut out, titles);
    out.push_str(&rule);
    for row in &cells {
        let height = row.iter().map(Vec::len).max().unwrap_or(1);
        for at in 0..height {
            let line = row.iter().zip(&widths).map(|(cell, wide)| {
                let text = cell.get(at).map_or("", String::as_str);
                format!("{}{text}", " ".repeat(wide.saturating_sub(width(text))))
            });
            push_row(&mut out, line);
        }
    }
    out.push_str(&rule);
    out
}

fn rule(widths: &[usize]) -> String {
    let mut out = String::from("+");
    for wide in widths {
        out.push_str(&"-".repeat(wide + 2));
        out.push('+');
    }
    out.push('\n');
    out
}

fn push_row(out: &mut String, cells: impl Iterator<Item = String>) {
    out.push('|');
    for cell in cells {
        out.push(' ');
        out.push_str(&cell);
        out.push_str(" |");
    }
    out.push('\n');
}

/// The lines of a cell; one that is too wide is broken at blanks into lines of even length.
fn lines_of(cell: &str) -> Vec<String> {
    if width(cell) <= CELL_WIDTH_MAX {
        return vec![cell.to_owned()];
    }
    let words: Vec<&str> = cell.split(' ').collect();
    let limit = words.iter().map(|word| width(word)).max().unwrap_or(0).max(CELL_WIDTH_MAX);
    // best[i]: the least cost of the words from i on, and where the line that begins there ends.
    let mut best: Vec<(usize, usize)> = vec![(0, words.len()); words.len() + 1];
    for start in (0..words.len()).rev() {
        let mut found = (usize::MAX, words.len());
        for end in start + 1..=words.len() {
            let line = words.get(start..end).unwrap_or_default();
            let wide = line.iter().map(|word| width(word) + 1).sum::<usize>() - 1;
            let over = if wide > limit { OVERFLOW_COST } else { 0 };
            let ragged =
                if end == words.len() && over == 0 { 0 } else { limit.abs_diff(wide).pow(2) };
            let rest = best.get(end).map_or(0, |(cost, _)| *cost);
            let cost = ragged + over + rest;
            if cost < found.0 {
                found = (cost, end);
            }
        }
        if let Some(slot) = best.get_mut(start) {
            *slot = found;
        }
    }
    let mut lines = Vec::new();
    let mut start = 0;
    while start < words.len() {
        let end = best.get(start).map_or(words.len(), |(_, end)| *end);
        lines.push(words.get(start..end).unwrap_or_default().join(" "));
        start = end;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_right_aligned_under_centred_titles() {
        let rows = vec![vec!["127.0.0.1:2379".to_owned(), "x".to_owned()]];
        assert_eq!(
            frame(&["ENDPOINT", "HASH"], &rows),
            "+----------------+------+\n\
             |    ENDPOINT    | HASH |\n\
             +----------------+------+\n\
             | 127.0.0.1:2379 |    x |\n\
             +----------------+------+\n"
        );
    }

    #[test]
    fn a_wide_cell_is_broken_at_blanks() {
        let rows = vec![vec!["memberID:10276657743932975437 alarm:NOSPACE ".to_owned()]];
        assert_eq!(
            frame(&["ERRORS"], &rows),
            "+--------------------------------+\n\
             |             ERRORS             |\n\
             +--------------------------------+\n\
             |  memberID:10276657743932975437 |\n\
             |                 alarm:NOSPACE  |\n\
             +--------------------------------+\n"
        );
    }
}
