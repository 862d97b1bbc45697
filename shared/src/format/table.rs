//! `table`: a frame around rows.

use super::Table;

/// The rows in a frame.
pub(super) fn render(table: &Table) -> Vec<u8> {
    frame(table.head, &table.rows).into_bytes()
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn frame(head: &[&str], rows: &[Vec<String>]) -> String {
    let cells: Vec<Vec<&str>> =
        rows.iter().map(|row| row.iter().map(|cell| cell.trim()).collect()).collect();
    let widths: Vec<usize> = head
        .iter()
        .enumerate()
        .map(|(column, title)| {
            let cells = cells.iter().filter_map(|row| row.get(column));
            cells.map(|cell| width(cell)).max().unwrap_or(0).max(width(title))
        })
        .collect();
    let mut out = rule(&widths, ['┌', '┬', '┐']);
    let titles = head.iter().zip(&widths).map(|(title, wide)| {
        let room = wide - width(title);
        format!("{}{title}{}", " ".repeat(room / 2), " ".repeat(room - room / 2))
    });
    push_row(&mut out, titles);
    // Without rows there is nothing to be parted from the titles.
    if !cells.is_empty() {
        out.push_str(&rule(&widths, ['├', '┼', '┤']));
    }
    for row in &cells {
        let line = row
            .iter()
            .zip(&widths)
            .map(|(cell, wide)| format!("{}{cell}", " ".repeat(wide.saturating_sub(width(cell)))));
        push_row(&mut out, line);
    }
    out.push_str(&rule(&widths, ['└', '┴', '┘']));
    out
}

/// A line across, with these characters at its beginning, between columns and at its end.
fn rule(widths: &[usize], [first, between, last]: [char; 3]) -> String {
    let lines: Vec<_> = widths.iter().map(|wide| "─".repeat(wide + 2)).collect();
    format!("{first}{}{last}\n", lines.join(&between.to_string()))
}

fn push_row(out: &mut String, cells: impl Iterator<Item = String>) {
    out.push('│');
    for cell in cells {
        out.push(' ');
        out.push_str(&cell);
        out.push_str(" │");
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_right_aligned_under_centred_titles() {
        let rows = vec![vec!["127.0.0.1:2379".to_owned(), " x ".to_owned()]];
        assert_eq!(
            frame(&["ENDPOINT", "HASH"], &rows),
            "┌────────────────┬──────┐\n\
             │    ENDPOINT    │ HASH │\n\
             ├────────────────┼──────┤\n\
             │ 127.0.0.1:2379 │    x │\n\
             └────────────────┴──────┘\n"
        );
    }

    #[test]
    fn a_table_without_rows_has_titles_alone() {
        assert_eq!(frame(&["HASH"], &[]), "┌──────┐\n│ HASH │\n└──────┘\n");
    }
}
