//! [`outline`]: rows that are nested, drawn by `tui-tree-widget`.
//!
//! With every frame the widget lays out all that it is given. So it is given the rows in sight and what they are nested
//! in, under numbers, however many rows there are; what is in sight is for the caller to say.

use std::iter::{Enumerate, Peekable};
use std::vec;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Text};
use ratatui::widgets::StatefulWidget;
use tui_tree_widget::{Tree, TreeItem, TreeState};

use super::theme::Meaning;
use super::{Look, style};

/// Columns by which a level stands to the right of the one that it is in.
pub(crate) const LEVEL_COLUMNS: usize = 2;
/// What is no row: it makes a row without rows in it look as one that can be opened.
const NO_ROW: usize = usize::MAX;

/// A row.
#[derive(Clone, Debug)]
pub(crate) struct OutlineRow {
    /// Rows that it is in, all of them open: at most one more than those of the row before it, if there is one.
    pub depth: usize,
    /// Columns that it stands to the right, its sign first; below zero it is cut off at the left.
    pub indent: isize,
    /// What it says.
    pub text: Line<'static>,
    /// Whether it is open; `None` when nothing can be in it.
    pub open: Option<bool>,
}

/// Draws rows below each other, with a column for the mark of the chosen one.
pub(crate) fn outline(
    look: &Look,
    rows: Vec<OutlineRow>,
    chosen: Option<usize>,
    focused: bool,
    (frame, area): (&mut Frame<'_>, Rect),
) {
    // What the first row is in stands above what is drawn.
    let above = rows.first().map_or(0, |row| row.depth);
    let empty = |depth| OutlineRow { depth, indent: 0, text: Line::default(), open: Some(true) };
    let rows: Vec<OutlineRow> = (0..above).map(empty).chain(rows).collect();
    let chosen = chosen.map(|chosen| chosen + above);
    // The widget moves each row by its depth; from there it is moved to where it stands.
    let moved = |row: &OutlineRow| {
        row.indent.saturating_sub_unsigned(row.depth.saturating_mul(LEVEL_COLUMNS))
    };
    let shifts: Vec<isize> = rows.iter().map(moved).collect();
    let cut = shifts.iter().min().map_or(0, |least| least.min(&0).unsigned_abs());
    let width = area.width.saturating_add(u16::try_from(cut).unwrap_or(u16::MAX));
    // What is no row has no height, and yet a place below the last row.
    let height = u16::try_from(rows.len() + 1).unwrap_or(u16::MAX);
    let mut buffer = Buffer::empty(Rect { x: 0, y: 0, width, height });
    let mut state = TreeState::default();
    // Where something is chosen the widget leaves a column for its mark.
    state.select(vec![NO_ROW]);
    let items =
        level(&mut rows.into_iter().enumerate().peekable(), chosen, &mut Vec::new(), &mut state);
    let (open, closed) = (format!("{} ", look.glyphs.open), format!("{} ", look.glyphs.closed));
    if let Ok(widget) = Tree::new(&items) {
        let shown = if focused { Meaning::Selected } else { Meaning::Strong };
        let widget = widget
            .highlight_style(style(look, shown))
            .highlight_symbol(if focused { look.glyphs.mark } else { " " })
            .node_open_symbol(&open)
            .node_closed_symbol(&closed);
        widget.render(buffer.area, &mut buffer, &mut state);
    }
    for ((row, by), y) in shifts.into_iter().enumerate().skip(above).zip(area.y..area.bottom()) {
        let line = Rect { y, height: 1, ..area };
        let from = u16::try_from(row).unwrap_or(u16::MAX);
        copy_row(&buffer, (from, by), frame.buffer_mut(), line);
        if chosen == Some(row)
            && let Some(cell) = frame.buffer_mut().cell_mut((line.x, y))
        {
            cell.set_style(style(look, Meaning::Accent));
        }
    }
}

/// The items of a level, and of what is open in it.
fn level(
    rows: &mut Peekable<Enumerate<vec::IntoIter<OutlineRow>>>,
    chosen: Option<usize>,
    path: &mut Vec<usize>,
    state: &mut TreeState<usize>,
) -> Vec<TreeItem<'static, usize>> {
    let mut items = Vec::new();
    while let Some((at, row)) = rows.next_if(|(_, row)| row.depth >= path.len()) {
        path.push(at);
        if chosen == Some(at) {
            state.select(path.clone());
        }
        let mut inside = level(rows, chosen, path, state);
        if let Some(is_open) = row.open {
            if is_open {
                state.open(path.clone());
            }
            inside.push(TreeItem::new_leaf(NO_ROW, Text::default()));
        }
        path.pop();
        // No two rows have the same number.
        items.extend(TreeItem::new(at, row.text, inside));
    }
    items
}

/// Copies a row that is moved by so many columns; the column of the mark stays.
fn copy_row(from: &Buffer, (row, by): (u16, isize), to: &mut Buffer, line: Rect) {
    for x in line.x..line.right() {
        let column = isize::try_from(x - line.x).unwrap_or(isize::MAX);
        let column = if column == 0 { 0 } else { column.saturating_sub(by) };
        let cell = u16::try_from(column)
            .ok()
            .filter(|column| *column > 0 || x == line.x)
            .and_then(|column| from.cell((column, row)));
        match (cell, to.cell_mut((x, line.y))) {
            (Some(cell), Some(to)) => to.clone_from(cell),
            // Left of where it begins it looks as its mark does.
            (None, Some(to)) => {
                to.set_symbol(" ");
                if let Some(mark) = from.cell((0, row)) {
                    to.set_style(mark.style());
                }
            }
            (_, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::widget::Glyphs;
    use crate::widget::theme::{Depth, Theme};

    fn row(depth: usize, indent: isize, text: &str, open: Option<bool>) -> OutlineRow {
        OutlineRow { depth, indent, text: text.to_owned().into(), open }
    }

    fn drawn(rows: Vec<OutlineRow>, chosen: Option<usize>) -> Vec<String> {
        let theme = Theme::load("dark", Depth::None, None).unwrap();
        let look = Look { theme, glyphs: Glyphs::unicode() };
        let mut terminal = Terminal::new(TestBackend::new(10, 4)).unwrap();
        let draw = |frame: &mut Frame<'_>| {
            let area = frame.area();
            outline(&look, rows, chosen, true, (frame, area));
        };
        terminal.draw(draw).unwrap();
        let cells = terminal.backend().buffer().content.chunks(10);
        let lines = cells.map(|line| line.iter().map(ratatui::buffer::Cell::symbol).collect());
        lines.map(|line: String| line.trim_end().to_owned()).collect()
    }

    #[test]
    fn rows_stand_in_those_above_that_are_not_drawn() {
        let rows = vec![
            row(1, 2, "open", Some(true)),
            row(1, 2, "closed", Some(false)),
            row(1, 2, "leaf", None),
            row(0, 0, "last", Some(true)),
        ];
        let shown = ["   ▾ open", "▸  ▸ closed", "     leaf", " ▾ last"];
        assert_eq!(
            drawn(rows, Some(1)),
            shown.map(|line| line.chars().take(10).collect::<String>())
        );
    }

    #[test]
    fn a_row_stands_where_it_is_moved_to_and_is_cut_off_at_the_left() {
        let rows = vec![
            row(0, 3, "right", None),
            row(0, -3, "abcdef", Some(true)),
            row(1, 0, "日本", None),
            row(1, -3, "日本", Some(false)),
        ];
        assert_eq!(drawn(rows, Some(1)), ["      righ", "▸bcdef", "   日 本", "  本"]);
    }
}
