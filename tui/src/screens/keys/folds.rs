//! [`Folds`]: which lines of a value stand below others, and which of these are folded.
//!
//! The viewers of JSON, YAML and Kubernetes objects, and who writes such text, put each field on a line of its own and
//! indent what belongs to it. So indentation tells all of their structure, whatever the format.
//!
//! * I1: a fold is a line and all that follows it up to its last line; two of them lie apart, or one in the other.
//! * I2: at most [`DEEP_MAX`] folds lie in each other.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Folds in each other at most: what is deeper is not told apart.
const DEEP_MAX: usize = 100;

/// The folds of some lines. There are none when no line is indented.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folds {
    lines: Vec<Nested>,
    closed: BTreeSet<usize>,
    /// The lines that are not folded away; empty while nothing is folded.
    shown: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Nested {
    /// The line that it stands below.
    parent: Option<usize>,
    /// Folds that it is in.
    depth: usize,
    /// The last line of the fold that begins here; itself when none does.
    last: usize,
}

/// A line below which others may stand.
struct Head {
    line: usize,
    /// How far it is indented; half a step further for an item of a list, which YAML does not indent.
    level: usize,
}

impl Folds {
    /// The folds of these lines, all open.
    pub(super) fn of(lines: &[String]) -> Self {
        let mut made: Vec<Nested> = Vec::with_capacity(lines.len());
        let mut heads: Vec<Head> = Vec::new();
        // The last line that is not empty; those after it stand where the next one does.
        let mut before = 0;
        for (at, line) in lines.iter().enumerate() {
            let text = line.trim_start_matches(' ');
            let blank = text.is_empty();
            let is_item = text == "-" || text.starts_with("- ");
            let level = (line.len() - text.len()) * 2 + usize::from(is_item);
            let text_of = |head: &Head| lines.get(head.line).map_or("", String::as_str);
            let mut ends = false;
            while let Some(head) = heads.last().filter(|_| !blank) {
                let head_text = text_of(head);
                ends =
                    head.level == level && is_close(text) && head_text.ends_with(['{', '[', '(']);
                let is_list = head.level + 1 == level && is_item && !head_text.ends_with(':');
                if ends || (head.level < level && !is_list) {
                    break;
                }
                end(&mut made, heads.pop(), before);
            }
            let nested = |at| Nested {
                parent: heads.last().map(|head| head.line),
                depth: heads.len(),
                last: at,
            };
            made.push(nested(at));
            if blank {
                continue;
            }
            for empty in before + 1..at {
                if let Some(line) = made.get_mut(empty) {
                    *line = nested(empty);
                }
            }
            before = at;
            if ends {
                end(&mut made, heads.pop(), at);
            } else if heads.len() < DEEP_MAX {
                heads.push(Head { line: at, level });
            }
        }
        while let Some(head) = heads.pop() {
            end(&mut made, Some(head), before);
        }
        for empty in made.iter_mut().skip(before + 1) {
            (empty.parent, empty.depth) = (None, 0);
        }
        if made.iter().all(|line| line.depth == 0) {
            made.clear();
        }
        Self { lines: made, ..Self::default() }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Folds that a line is in.
    pub(super) fn depth(&self, line: usize) -> usize {
        self.lines.get(line).map_or(0, |line| line.depth)
    }

    /// Lines that the fold that begins at a line has beside it; 0 where none begins.
    pub(super) fn hides(&self, line: usize) -> usize {
        self.lines.get(line).map_or(0, |nested| nested.last - line)
    }

    /// Whether the fold that begins at a line is open; `None` where none begins.
    pub(super) fn open(&self, line: usize) -> Option<bool> {
        (self.hides(line) > 0).then(|| !self.closed.contains(&line))
    }

    /// The lines that are folded.
    pub(super) fn closed(&self) -> &BTreeSet<usize> {
        &self.closed
    }

    /// Folds just these lines, where a fold begins.
    pub(super) fn set_closed(&mut self, closed: BTreeSet<usize>) {
        self.closed = closed;
        let lines = &self.lines;
        self.closed.retain(|at| lines.get(*at).is_some_and(|line| line.last > *at));
        self.lay_out();
    }

    /// The line at which the fold begins that a line begins, or that it is in.
    pub(super) fn head(&self, line: usize) -> Option<usize> {
        if self.hides(line) > 0 { Some(line) } else { self.lines.get(line)?.parent }
    }

    /// Folds what begins at a line, or unfolds it.
    pub(super) fn toggle(&mut self, line: usize) {
        if !self.closed.remove(&line) && self.hides(line) > 0 {
            self.closed.insert(line);
        }
        self.lay_out();
    }

    /// Unfolds everything; where nothing is folded, folds all, but not the one fold that all the others are in.
    pub(super) fn toggle_all(&mut self) {
        if !self.closed.is_empty() {
            return self.set_closed(BTreeSet::new());
        }
        let all: Vec<usize> = (0..self.lines.len()).filter(|at| self.hides(*at) > 0).collect();
        let outer = all.iter().filter(|at| self.depth(**at) == 0).count();
        let from = usize::from(outer == 1 && all.len() > 1);
        self.set_closed(all.into_iter().filter(|at| self.depth(*at) >= from).collect());
    }

    /// Unfolds what hides a line.
    pub(super) fn reveal(&mut self, line: usize) {
        let mut at = self.lines.get(line).and_then(|line| line.parent);
        let mut any = false;
        while let Some(head) = at {
            any |= self.closed.remove(&head);
            at = self.lines.get(head).and_then(|line| line.parent);
        }
        if any {
            self.lay_out();
        }
    }

    fn lay_out(&mut self) {
        self.shown.clear();
        if self.closed.is_empty() {
            return;
        }
        let mut at = 0;
        while let Some(line) = self.lines.get(at) {
            self.shown.push(at);
            at = if self.closed.contains(&at) { line.last } else { at } + 1;
        }
    }

    /// How many of so many lines are not folded away.
    pub(super) fn count(&self, lines: usize) -> usize {
        if self.shown.is_empty() { lines } else { self.shown.len() }
    }

    /// The line that has so many before it, those that are folded away not counted.
    pub(super) fn line(&self, row: usize) -> usize {
        if self.shown.is_empty() { row } else { self.shown.get(row).copied().unwrap_or(0) }
    }

    /// How many lines are before a line, or before the one that hides it, those that are folded away not counted.
    pub(super) fn row(&self, line: usize) -> usize {
        if self.shown.is_empty() {
            return line;
        }
        self.shown.partition_point(|shown| *shown <= line).saturating_sub(1)
    }

    /// Folds what was folded in other lines, by the text of the lines that lead there.
    pub(super) fn keep(&mut self, lines: &[String], before: &Self, lines_before: &[String]) {
        if before.closed.is_empty() {
            return;
        }
        let names = before.names(lines_before);
        let closed: BTreeSet<u64> =
            before.closed.iter().filter_map(|line| names.get(line).copied()).collect();
        let names = self.names(lines).into_iter();
        self.set_closed(
            names.filter(|(_, name)| closed.contains(name)).map(|(at, _)| at).collect(),
        );
    }

    /// Of each line where a fold begins, what tells it from the others: its text, which of those with this text it is,
    /// and what it is in.
    fn names(&self, lines: &[String]) -> HashMap<usize, u64> {
        let mut names: HashMap<usize, u64> = HashMap::new();
        let mut alike: HashMap<(Option<usize>, &str), usize> = HashMap::new();
        for (at, (nested, text)) in self.lines.iter().zip(lines).enumerate() {
            if nested.last == at {
                continue;
            }
            let text = text.trim_start();
            let number = alike.entry((nested.parent, text)).or_default();
            let mut hasher = DefaultHasher::new();
            let above = nested.parent.and_then(|parent| names.get(&parent));
            (above, text, *number).hash(&mut hasher);
            *number += 1;
            names.insert(at, hasher.finish());
        }
        names
    }
}

/// Notes the last line of a fold.
fn end(made: &mut [Nested], head: Option<Head>, last: usize) {
    if let Some(line) = head.and_then(|head| made.get_mut(head.line)) {
        line.last = last;
    }
}

/// Whether a line only closes what a line before it has opened.
fn is_close(text: &str) -> bool {
    text.chars().all(|character| "}]),;".contains(character))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screens::keys::viewers::{Viewer, lines};

    fn of(text: &str) -> (Vec<String>, Folds) {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let folds = Folds::of(&lines);
        (lines, folds)
    }

    /// The lines that are not folded away, each with its depth.
    fn shown((lines, folds): &(Vec<String>, Folds)) -> Vec<String> {
        let line = |row| {
            let line = folds.line(row);
            format!("{} {}", folds.depth(line), lines[line].trim_start())
        };
        (0..folds.count(lines.len())).map(line).collect()
    }

    const YAML: &str = "\
kind: Pod
metadata:
  labels:
    app: web

    tier: front
  owners:
  - name: one
    uid: 1
  - name: two
spec:
- - a
  - b
note: |-
  - no
    list

end: 1
";

    #[test]
    fn lines_stand_below_what_they_are_fields_or_items_of() {
        let made = of(YAML);
        assert_eq!(
            shown(&made),
            [
                "0 kind: Pod",
                "0 metadata:",
                "1 labels:",
                "2 app: web",
                "2 ",
                "2 tier: front",
                "1 owners:",
                "2 - name: one",
                "3 uid: 1",
                "2 - name: two",
                "0 spec:",
                "1 - - a",
                "2 - b",
                "0 note: |-",
                "1 - no",
                "2 list",
                "0 ",
                "0 end: 1",
            ]
        );
        assert_eq!([1, 2, 6, 7, 10].map(|line| made.1.hides(line)), [8, 3, 3, 1, 2]);
    }

    #[test]
    fn what_closes_a_bracket_is_folded_with_it() {
        let json = lines(br#"{"a":{"b":[1,{"c":2}],"d":[]},"e":3}"#, Viewer::Json);
        let mut folds = Folds::of(&json);
        assert_eq!(json[1..3], ["  \"a\": {", "    \"b\": ["]);
        folds.toggle(2);
        let made = (json, folds);
        assert_eq!(
            shown(&made),
            ["0 {", "1 \"a\": {", "2 \"b\": [", "2 \"d\": []", "2 },", "1 \"e\": 3", "1 }"]
        );
        let mut made = made;
        made.1.toggle(2);
        made.1.toggle_all();
        assert_eq!(shown(&made), ["0 {", "1 \"a\": {", "1 \"e\": 3", "1 }"]);
        made.1.toggle_all();
        assert_eq!(made.1.count(made.0.len()), made.0.len());
    }

    #[test]
    fn text_that_is_not_indented_has_no_folds() {
        for text in ["", "a\nb\n\nc", "- a\n- b", "word\n- a\n- b", "}\n{\n}"] {
            let folds = of(text).1;
            assert_eq!(folds.is_empty(), !text.contains('{'), "{text:?}: {folds:?}");
        }
    }

    #[test]
    fn a_line_that_is_folded_away_has_the_row_of_what_hides_it_and_is_revealed() {
        let (lines, mut folds) = of(YAML);
        folds.toggle(2);
        folds.toggle(1);
        assert_eq!([0, 1, 4, 9, 10].map(|line| folds.row(line)), [0, 1, 1, 1, 2]);
        folds.reveal(8);
        assert_eq!([1, 2, 4, 6].map(|line| folds.row(line)), [1, 2, 2, 3]);
        folds.reveal(3);
        assert_eq!(folds.count(lines.len()), lines.len());
        assert!(folds.closed().is_empty());
    }

    #[test]
    fn a_value_that_has_changed_is_folded_as_it_was() {
        let before = of("a:\n  x: 1\nb:\n- c:\n    d: 1\n- c:\n    d: 2\n");
        let mut folds = before.1.clone();
        folds.set_closed(BTreeSet::from([0, 5]));
        let mut after =
            of("new:\n  y: 1\na:\n  x: 2\n  z: 3\nb:\n- c:\n    d: 1\n- c:\n    d: 3\n");
        after.1.keep(&after.0, &folds, &before.0);
        assert_eq!(after.1.closed(), &BTreeSet::from([2, 8]));
    }

    /// Goal: whatever the lines, folds lie apart or in each other. Method: lines indented at random.
    #[test]
    fn folds_of_any_text_are_nested() {
        for seed in 1..300_u64 {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut next = |of: u64| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                usize::try_from(state % of).unwrap()
            };
            let words = ["a:", "- x", "}", "b: {", "", "[", "],", "-", "c"];
            let line = |_| format!("{}{}", " ".repeat(next(6)), words[next(9)]);
            let lines: Vec<String> = (0..40).map(line).collect();
            let mut folds = Folds::of(&lines);
            for at in 0..lines.len() {
                if let Some(parent) = folds.lines.get(at).and_then(|line| line.parent) {
                    assert!(parent < at && at <= folds.lines[parent].last, "{lines:#?} {folds:?}");
                    assert!(folds.lines[at].last <= folds.lines[parent].last, "{lines:#?}");
                    assert_eq!(folds.depth(at), folds.depth(parent) + 1, "{lines:#?}");
                }
                assert!(at == 0 || folds.depth(at) <= folds.depth(at - 1) + 1, "{lines:#?}");
            }
            folds.toggle_all();
            for row in 0..folds.count(lines.len()) {
                assert_eq!(folds.row(folds.line(row)), row);
            }
        }
    }

    #[test]
    fn folds_lie_only_so_deep_in_each_other() {
        let lines: Vec<String> = (0..1_000).map(|n| format!("{}x:", " ".repeat(n))).collect();
        let folds = Folds::of(&lines);
        assert_eq!((0..1_000).map(|line| folds.depth(line)).max(), Some(DEEP_MAX));
    }
}
