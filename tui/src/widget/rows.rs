//! [`DrawnRows`]: which row of a list was drawn where.

use ratatui::layout::{Position, Rect};

/// The rows of a list as they were drawn last, one line each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrawnRows {
    /// Where they stand.
    pub area: Rect,
    /// Number of the row in the first line.
    pub first: u64,
    /// How many there are.
    pub count: usize,
}

impl DrawnRows {
    /// The row at a place of the frame.
    #[must_use]
    pub fn at(&self, place: Position) -> Option<u64> {
        let line = self.area.contains(place).then(|| place.y - self.area.y)?;
        (usize::from(line) < self.count).then(|| self.first + u64::from(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_with_a_row_have_one() {
        let rows = DrawnRows { area: Rect::new(2, 5, 10, 4), first: 7, count: 2 };
        let at = |x, y| rows.at(Position { x, y });
        assert_eq!([at(2, 5), at(11, 6)], [Some(7), Some(8)]);
        assert_eq!([at(2, 7), at(2, 4), at(1, 5), at(12, 5)], [None; 4]);
    }
}
