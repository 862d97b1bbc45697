//! What is being typed: the lines of a statement, with history, search and completion.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use mini_etcd_shared::complete::Completion;
use mini_etcd_shared::language::Span;

use super::history::History;
use crate::widget::line::LineInput;

/// Lines of one statement.
const LINES_MAX: usize = 1_000;
/// Bytes of one statement.
const BYTES_MAX: usize = 1 << 20;

/// Candidates to choose from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Popup {
    /// What it could be, and what of the text it takes the place of.
    pub completion: Completion,
    /// The one that Enter takes.
    pub chosen: usize,
}

/// A search in the history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// What is searched.
    pub part: LineInput,
    /// Where it was found.
    pub at: Option<usize>,
    /// Whether there is no (older) one.
    pub failed: bool,
}

/// What is being typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Lines that are finished.
    pub above: Vec<String>,
    /// The line with the cursor.
    pub line: LineInput,
    /// What may come next, when the lines above are not all.
    pub expected: String,
    /// Why it cannot be run.
    pub error: Vec<String>,
    /// Candidates to choose from.
    pub popup: Option<Popup>,
    /// A search in the history.
    pub search: Option<Search>,
    recalled: Option<usize>,
    draft: String,
}

impl Entry {
    /// All of it.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.above {
            text.push_str(line);
            text.push('\n');
        }
        text.push_str(self.line.text());
        text
    }

    /// Whether nothing is typed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.above.is_empty() && self.line.text().is_empty()
    }

    /// Puts something else in its place.
    pub fn set(&mut self, text: &str) {
        *self = Self {
            recalled: self.recalled,
            draft: std::mem::take(&mut self.draft),
            ..Self::default()
        };
        self.insert(text);
    }

    /// Takes everything away.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Types or pastes text, of several lines too; answers whether all of it had room.
    pub fn insert(&mut self, text: &str) -> bool {
        self.touched();
        let text = text.strip_suffix('\n').unwrap_or(text);
        for (at, part) in text.split('\n').enumerate() {
            let bytes: usize = self.above.iter().map(String::len).sum();
            if bytes + part.len() > BYTES_MAX || (at > 0 && !self.next_line()) {
                return false;
            }
            self.line.insert(part.trim_end_matches('\r'));
        }
        true
    }

    /// Begins another line; answers whether there is room for one.
    pub fn next_line(&mut self) -> bool {
        if self.above.len() >= LINES_MAX {
            return false;
        }
        let (left, right) = self.line.split();
        let (left, right) = (left.to_owned(), right.to_owned());
        self.above.push(left);
        self.line.set(&right);
        self.line.home();
        true
    }

    fn touched(&mut self) {
        self.error.clear();
        self.popup = None;
    }

    /// Takes a key; answers whether it had a meaning here.
    pub fn key(&mut self, key: KeyEvent, history: &History) -> bool {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        if self.search.is_some() {
            return self.key_in_search(key, history);
        }
        if self.popup.is_some() && self.key_in_popup(key) {
            return true;
        }
        match key.code {
            KeyCode::Char('r') if ctrl => {
                self.touched();
                self.search = Some(Search::default());
            }
            KeyCode::Up => self.older(history),
            KeyCode::Down => self.newer(history),
            KeyCode::Backspace if self.line.split().0.is_empty() && !self.above.is_empty() => {
                let right = self.line.text().to_owned();
                let left = self.above.pop().unwrap_or_default();
                self.line.set(&format!("{left}{right}"));
                self.line.home();
                for _ in left.chars() {
                    self.line.right();
                }
                self.touched();
            }
            _ => {
                let taken = self.line.key(key);
                if taken {
                    self.touched();
                }
                return taken;
            }
        }
        true
    }

    fn key_in_search(&mut self, key: KeyEvent, history: &History) -> bool {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let Some(search) = &mut self.search else { return false };
        let before = match (key.code, search.at) {
            (KeyCode::Char('r'), at) if ctrl => at.unwrap_or(history.len()),
            _ if search.part.key(key) => history.len(),
            // Any other key ends it with what was found.
            _ => {
                self.search = None;
                return true;
            }
        };
        let found = history.find(search.part.text(), before);
        search.failed = found.is_none();
        if let Some((at, text)) = found.filter(|_| !search.part.text().is_empty()) {
            search.at = Some(at);
            let (search, text) = (self.search.take(), text.to_owned());
            self.set(&text);
            self.search = search;
        }
        true
    }

    fn key_in_popup(&mut self, key: KeyEvent) -> bool {
        let Some(popup) = &mut self.popup else { return false };
        let count = popup.completion.candidates.len().max(1);
        match key.code {
            KeyCode::Tab | KeyCode::Down => popup.chosen = (popup.chosen + 1) % count,
            KeyCode::BackTab | KeyCode::Up => popup.chosen = (popup.chosen + count - 1) % count,
            KeyCode::Right | KeyCode::Enter => self.accept(),
            KeyCode::Esc => self.popup = None,
            _ => return false,
        }
        true
    }

    /// The text, and the byte that the cursor is at.
    #[must_use]
    pub fn cursor(&self) -> (String, usize) {
        let text = self.text();
        let at = text.len() - self.line.split().1.len();
        (text, at)
    }

    /// Takes the chosen candidate.
    pub fn accept(&mut self) {
        let Some(popup) = self.popup.take() else { return };
        let Completion { span, candidates, .. } = popup.completion;
        if let Some(candidate) = candidates.into_iter().nth(popup.chosen) {
            let blank = if candidate.ends { " " } else { "" };
            self.replace(span, &format!("{}{blank}", candidate.text));
        }
    }

    /// Puts `word` in the place of a part of the text that ends at the cursor.
    fn replace(&mut self, span: Span, word: &str) {
        let text = self.text();
        let (Some(head), Some(tail)) = (text.get(..span.start), text.get(span.end..)) else {
            return;
        };
        self.set(&format!("{head}{word}{tail}"));
        for _ in tail.chars() {
            self.line.left();
        }
    }

    /// Completes as far as it is clear; shows what it could be otherwise.
    pub fn offer(&mut self, completion: Completion) {
        self.error.clear();
        let Some(first) = completion.candidates.first() else { return };
        let mut common = first.text.clone();
        for candidate in &completion.candidates {
            let same = common.chars().zip(candidate.text.chars()).take_while(|(a, b)| a == b);
            common = same.map(|(a, _)| a).collect();
        }
        let only = completion.candidates.len() == 1 && !completion.more;
        if only {
            self.popup = Some(Popup { completion, chosen: 0 });
            self.accept();
        } else if common.len() > completion.span.end.saturating_sub(completion.span.start) {
            self.replace(completion.span, &common);
        } else {
            self.popup = Some(Popup { completion, chosen: 0 });
        }
    }

    fn older(&mut self, history: &History) {
        let place = self.recalled.unwrap_or(history.len()).checked_sub(1);
        let Some((place, text)) = place.and_then(|at| history.get(at).map(|text| (at, text)))
        else {
            return;
        };
        if self.recalled.is_none() {
            self.draft = self.text();
        }
        self.set(text);
        self.recalled = Some(place);
    }

    fn newer(&mut self, history: &History) {
        let Some(place) = self.recalled.map(|place| place + 1) else { return };
        if let Some(text) = history.get(place) {
            self.set(text);
            self.recalled = Some(place);
        } else {
            let draft = std::mem::take(&mut self.draft);
            self.recalled = None;
            self.set(&draft);
        }
    }
}

#[cfg(test)]
mod tests {
    use mini_etcd_shared::complete::Candidate;

    use super::*;

    fn press(entry: &mut Entry, code: KeyCode, history: &History) {
        entry.key(KeyEvent::new(code, KeyModifiers::NONE), history);
    }

    #[test]
    fn history_goes_back_and_forth_and_keeps_what_was_begun() {
        let mut history = History::default();
        for text in ["get a", "txn if\nmod(\"a\") = \"1\"", "get b"] {
            history.add(text);
        }
        let mut entry = Entry::default();
        entry.insert("put x");
        press(&mut entry, KeyCode::Up, &history);
        assert_eq!(entry.text(), "get b");
        press(&mut entry, KeyCode::Up, &history);
        assert_eq!(entry.above, ["txn if"]);
        press(&mut entry, KeyCode::Up, &history);
        press(&mut entry, KeyCode::Up, &history);
        assert_eq!(entry.text(), "get a");
        for _ in 0..4 {
            press(&mut entry, KeyCode::Down, &history);
        }
        assert_eq!(entry.text(), "put x");
    }

    #[test]
    fn a_paste_of_several_lines_waits_to_be_run_and_lines_can_be_joined_again() {
        let mut entry = Entry::default();
        assert!(entry.insert("put a 'b\r\nc'\n"));
        assert_eq!((entry.above.len(), entry.text().as_str()), (1, "put a 'b\nc'"));
        entry.line.home();
        press(&mut entry, KeyCode::Backspace, &History::default());
        assert_eq!(entry.text(), "put a 'bc'");
        assert_eq!(entry.line.split(), ("put a 'b", "c'"));
        assert!(!entry.insert(&"x\n".repeat(LINES_MAX + 2)));
    }

    #[test]
    fn a_search_finds_older_and_older_ones() {
        let mut history = History::default();
        for text in ["get abc", "put abc 1", "get x"] {
            history.add(text);
        }
        let mut entry = Entry::default();
        let ctrl_r = KeyEvent::new(KeyCode::Char('r'), KeyModifiers::CONTROL);
        entry.key(ctrl_r, &history);
        for character in "abc".chars() {
            press(&mut entry, KeyCode::Char(character), &history);
        }
        assert_eq!(entry.text(), "put abc 1");
        entry.key(ctrl_r, &history);
        assert_eq!(entry.text(), "get abc");
        entry.key(ctrl_r, &history);
        assert!(entry.search.as_ref().unwrap().failed);
        press(&mut entry, KeyCode::Enter, &history);
        assert_eq!((entry.search.is_none(), entry.text().as_str()), (true, "get abc"));
    }

    #[test]
    fn what_is_clear_is_taken_and_the_rest_is_chosen_from() {
        let history = History::default();
        let mut entry = Entry::default();
        let offer = |entry: &mut Entry, words: &[&str]| {
            let end = entry.cursor().1;
            let start = entry.text().rfind([' ', '\n']).map_or(0, |at| at + 1);
            let candidates = words.iter().map(|word| Candidate::word(word, "")).collect();
            let span = Span { start, end };
            entry.offer(Completion { span, candidates, more: false });
        };
        entry.insert("put a\n");
        entry.set("get a\nmem");
        offer(&mut entry, &["member"]);
        assert_eq!(entry.text(), "get a\nmember ");
        entry.set("endpoint h");
        offer(&mut entry, &["health", "healthy"]);
        assert_eq!((entry.text().as_str(), &entry.popup), ("endpoint health", &None));
        offer(&mut entry, &["health", "healthy"]);
        press(&mut entry, KeyCode::Tab, &history);
        press(&mut entry, KeyCode::Enter, &history);
        assert_eq!((entry.text().as_str(), &entry.popup), ("endpoint healthy ", &None));
        entry.set("x");
        offer(&mut entry, &[]);
        assert_eq!(entry.text(), "x");
    }
}
