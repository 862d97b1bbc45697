//! What was typed before.

/// Entries remembered.
const HISTORY_MAX: usize = 1_000;
/// Bytes of an entry that is remembered; a longer one was pasted.
const ENTRY_BYTES_MAX: usize = 64 << 10;

/// What was typed, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History(Vec<String>);

impl History {
    /// Remembers an entry, unless it holds a password; the same one twice in a row is one.
    pub fn add(&mut self, text: &str) {
        if crate::record::has_secret(text) {
            return;
        }
        if text.len() > ENTRY_BYTES_MAX || self.0.last().is_some_and(|last| last == text) {
            return;
        }
        self.0.push(text.to_owned());
        if self.0.len() > HISTORY_MAX {
            self.0.remove(0);
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<&str> {
        self.0.get(at).map(String::as_str)
    }

    /// The newest.
    #[must_use]
    pub fn last(&self) -> Option<&str> {
        self.0.last().map(String::as_str)
    }

    /// The newest one before `before` with `part` in it.
    #[must_use]
    pub fn find(&self, part: &str, before: usize) -> Option<(usize, &str)> {
        let older = self.0.iter().enumerate().take(before).rev();
        older.map(|(at, text)| (at, text.as_str())).find(|(_, text)| text.contains(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_goes_from_the_newest_to_older_ones() {
        let mut history = History::default();
        for text in ["put a 1", "get a", "get b", "get b"] {
            history.add(text);
        }
        assert_eq!(history.len(), 3);
        assert_eq!(history.find("get", history.len()), Some((2, "get b")));
        assert_eq!(history.find("get", 2), Some((1, "get a")));
        assert_eq!(history.find("del", 3), None);
    }

    #[test]
    fn it_is_bounded() {
        let mut history = History::default();
        for n in 0..HISTORY_MAX + 5 {
            history.add(&n.to_string());
        }
        history.add(&"x".repeat(ENTRY_BYTES_MAX + 1));
        assert_eq!((history.len(), history.get(0)), (HISTORY_MAX, Some("5")));
    }
}
