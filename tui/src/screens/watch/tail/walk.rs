//! Where one stands in a tail: moves, searches, and the rows that are in sight.

use super::{Entry, Event, Row, Tail, What};
use crate::screens::Motion;
use crate::widget::needle::Needle;

impl Tail {
    /// Moves the cursor.
    pub fn motion(&mut self, motion: Motion, page: usize) {
        let place = usize::try_from(self.cursor - self.first).unwrap_or(0);
        let to = motion.apply(place, self.rows.len(), page);
        self.go(self.first + u64::try_from(to).unwrap_or(0), page);
        self.follows = self.rows.is_empty() || to + 1 == self.rows.len();
    }

    /// Moves what is in sight by so many rows, and the cursor only as far as it must to stay in it; at the end it
    /// follows what comes.
    pub fn scroll(&mut self, by: isize, page: usize) {
        let page = u64::try_from(page.max(1)).unwrap_or(1);
        let last_top = self.end().saturating_sub(page).max(self.first);
        if last_top == self.first {
            return;
        }
        let by = i64::try_from(by).unwrap_or_default();
        let page_rows = usize::try_from(page).unwrap_or(usize::MAX);
        self.top = self.top(page_rows).saturating_add_signed(by).clamp(self.first, last_top);
        self.follows = by > 0 && self.top == last_top;
        self.cursor = if self.follows {
            self.end() - 1
        } else {
            self.cursor.clamp(self.top, self.top + page - 1)
        };
    }

    /// Chooses a row by its number; answers whether it was the chosen one.
    pub fn choose(&mut self, row: u64, page: usize) -> bool {
        if row < self.first || row >= self.end() {
            return false;
        }
        let same = row == self.cursor;
        if !same {
            self.go(row, page);
            self.follows = row + 1 == self.end();
        }
        same
    }

    pub(super) fn go(&mut self, row: u64, page: usize) {
        let page = u64::try_from(page.max(1)).unwrap_or(1);
        if self.follows {
            self.top = self.end().saturating_sub(page).max(self.first);
        }
        self.cursor = row;
        self.top = self.top.clamp((row + 1).saturating_sub(page), row).max(self.first);
        self.follows = false;
    }

    /// Looks for the next (or the last) row in which the text is found; answers whether it went round the end, or
    /// `None` when there is none.
    pub fn find(&mut self, forward: bool, page: usize) -> Option<bool> {
        let (_, needle) = self.search.as_ref()?;
        let found = |row: &Row| self.events_of(*row).any(|event| found_in(needle, event));
        self.seek(forward, found).map(|(row, round)| {
            self.go(row, page);
            round
        })
    }

    /// Goes to the next mark that tells of trouble.
    pub fn next_trouble(&mut self, page: usize) -> Option<bool> {
        let found = |row: &Row| {
            matches!(
                self.ring.get(row.entry).map(|entry| &entry.what),
                Some(What::Mark(mark)) if mark.is_trouble()
            )
        };
        self.seek(true, found).map(|(row, round)| {
            self.go(row, page);
            round
        })
    }

    /// The nearest row that fits, the chosen one last; and whether the search went round.
    fn seek(&self, forward: bool, fits: impl Fn(&Row) -> bool) -> Option<(u64, bool)> {
        let length = self.rows.len();
        let here = usize::try_from(self.cursor - self.first).unwrap_or(0);
        (1..=length).find_map(|step| {
            let place =
                if forward { (here + step) % length } else { (here + length - step) % length };
            let row = self.rows.get(place).filter(|row| fits(row))?;
            let round = if forward { place <= here } else { place >= here };
            let _ = row;
            Some((self.first + u64::try_from(place).unwrap_or(0), round))
        })
    }

    /// Whether a row has what is looked for.
    #[must_use]
    pub fn is_found(&self, row: Row) -> bool {
        let Some((_, needle)) = &self.search else { return false };
        self.events_of(row).any(|event| found_in(needle, event))
    }

    /// Number of the first row to draw in a room of `height`.
    #[must_use]
    pub fn top(&self, height: usize) -> u64 {
        let room = u64::try_from(height).unwrap_or(u64::MAX);
        let last_top = self.end().saturating_sub(room).max(self.first);
        let mut top = if self.follows { last_top } else { self.top.min(last_top) };
        // The room may be smaller than when the cursor was moved.
        if self.cursor >= top + room {
            top = self.cursor + 1 - room;
        }
        top
    }

    /// The rows to draw in a room of `height`, each with its entry and whether it is the chosen one.
    pub fn window(&self, height: usize) -> impl Iterator<Item = (Row, &Entry, bool)> {
        let top = self.top(height);
        let start = usize::try_from(top - self.first).unwrap_or(0);
        (top..).zip(self.rows.iter().skip(start)).take(height).filter_map(|(number, row)| {
            self.ring.get(row.entry).map(|entry| (*row, entry, number == self.cursor))
        })
    }
}

fn found_in(needle: &Needle, event: &Event) -> bool {
    needle.is_in(&event.key) || needle.is_in(&event.now.value)
}
