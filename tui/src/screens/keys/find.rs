//! [`Find`]: a text that is looked for in what stands beside the tree: a value, a difference, a conflict.

use std::collections::BTreeSet;

use super::lines::{HITS_MAX, Hit, Lines, Place};
use super::sideways::sight;
use super::{Keys, Pane};
use crate::console::{Context, Effect};
use crate::widget::grouped;
use crate::widget::needle::Needle;
use mini_etcd_shared::text::unescape;

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Find {
    /// The text.
    pub text: String,
    /// `None` while nothing is typed.
    needle: Option<Needle>,
    /// Where one stands among what is found.
    chosen: Option<Hit>,
    /// What was in sight when the line was opened.
    from: Sight,
}

/// What is in sight.
#[derive(Clone, Debug)]
struct Sight {
    top: Place,
    /// Columns that it is moved to the left by.
    shift: usize,
    /// The chosen line of a value, and what of it is folded.
    chosen: Place,
    closed: BTreeSet<usize>,
}

impl Keys {
    /// Whether something is looked for beside the tree, and the keyboard is there.
    pub(super) fn is_finding(&self) -> bool {
        self.pane == Pane::Value && self.find.as_ref().is_some_and(|find| find.needle.is_some())
    }

    /// Where what is looked for is found, and the place among it.
    pub(super) fn found(&self) -> (&[Hit], Option<Hit>) {
        let find = self.find.as_ref().filter(|_| self.pane == Pane::Value);
        let found =
            find.and_then(|find| Some((self.beside().0.hits(find.needle.as_ref()?), find.chosen)));
        found.unwrap_or_default()
    }

    /// What is in sight beside the tree.
    fn sight(&self) -> Sight {
        let closed = self.value.lines.folds().closed().clone();
        Sight { top: self.beside().1, shift: self.shift, chosen: self.value.chosen, closed }
    }

    /// Shows what was in sight.
    fn go_back_to(&mut self, sight: Sight) {
        (*self.top(), self.shift, self.value.chosen) = (sight.top, sight.shift, sight.chosen);
        self.value.lines.folds_mut().set_closed(sight.closed);
    }

    /// How many there are: `3 of 17`. `None` while nothing is looked for.
    pub(super) fn found_words(&self) -> Option<String> {
        if !self.is_finding() {
            return None;
        }
        let (hits, chosen) = self.found();
        let more = if hits.len() == HITS_MAX { "+" } else { "" };
        let all = grouped(u64::try_from(hits.len()).unwrap_or(u64::MAX));
        Some(match chosen.and_then(|hit| hits.binary_search(&hit).ok()) {
            Some(at) => format!("{} of {all}{more}", at + 1),
            None if hits.is_empty() => "nothing found".to_owned(),
            None => format!("{all}{more} found"),
        })
    }
}

/// The line is opened: what is typed is looked for from here.
pub(super) fn begin(keys: &mut Keys) {
    let from = keys.sight();
    keys.find = Some(Find { text: String::new(), needle: None, chosen: None, from });
}

/// Looks for what is typed so far, and goes to the first place behind where the line was opened.
pub(super) fn typed(keys: &mut Keys, ctx: &Context, text: &str) {
    let bytes = keys.beside().0.as_bytes().is_some();
    keys.forget_hits();
    let Some(find) = &mut keys.find else { return };
    text.clone_into(&mut find.text);
    // In hex a byte is typed as wherever else bytes are typed.
    let wanted = if bytes { unescape(text).ok() } else { None };
    let wanted = wanted.unwrap_or_else(|| text.as_bytes().to_vec());
    find.needle = if text.is_empty() { None } else { Needle::text(&wanted) };
    find.chosen = None;
    let from = find.from.clone();
    let top = from.top;
    keys.go_back_to(from);
    let (hits, _) = keys.found();
    let behind = hits.partition_point(|hit| (hit.line, hit.from) < (top.line, top.at));
    if let Some(hit) = hits.get(behind).or(hits.first()).copied() {
        go(keys, ctx, hit);
    }
}

/// The line is closed and what was typed stays looked for.
pub(super) fn keep(keys: &mut Keys) -> Vec<Effect> {
    keys.prompt = None;
    keys.find = keys.find.take().filter(|find| find.needle.is_some());
    Vec::new()
}

/// The line is left: everything is as it was.
pub(super) fn give_up(keys: &mut Keys) {
    if let Some(find) = keys.find.take() {
        keys.go_back_to(find.from);
    }
}

/// Goes to the next place where the text is found, or to the one before; from the last to the first.
pub(crate) fn next_hit(keys: &mut Keys, ctx: &Context, forward: bool) -> Vec<Effect> {
    let (hits, chosen) = keys.found();
    let top = keys.beside().1;
    let place = chosen.unwrap_or(Hit { line: top.line, from: top.at, to: 0 });
    let (before, behind) = match hits.binary_search(&place) {
        Ok(at) => (at.checked_sub(1), at + 1),
        Err(at) => (at.checked_sub(1), at),
    };
    let (next, end) = if forward {
        (hits.get(behind), hits.first())
    } else {
        (before.and_then(|at| hits.get(at)), hits.last())
    };
    if let Some(hit) = next.or(end).copied() {
        go(keys, ctx, hit);
    }
    Vec::new()
}

/// Lines are laid out anew: the chosen place stays in sight.
pub(super) fn stay(keys: &mut Keys, ctx: &Context) {
    if let (_, Some(hit)) = keys.found() {
        go(keys, ctx, hit);
    }
}

/// Chooses a place, unfolds what hides it, and moves so that it is in sight.
fn go(keys: &mut Keys, ctx: &Context, hit: Hit) {
    if keys.chosen_line().is_some() {
        keys.value.lines.folds_mut().reveal(hit.line);
    }
    let (room, page) = sight(keys, ctx);
    let (lines, top) = keys.beside();
    let row = lines.step(lines.row_of(hit.line, hit.from, room), 0, room);
    let page = isize::try_from(page).unwrap_or(isize::MAX);
    let last = lines.step(top, page - 1, room);
    let in_sight = (top..=last).contains(&row);
    let to = if in_sight { top } else { lines.step(row, -page / 3, room) };
    let shift = if room.wrap { 0 } else { shifted(lines, hit, keys.shift, room.width) };
    (*keys.top(), keys.shift) = (to, shift);
    if keys.chosen_line().is_some() {
        keys.value.chosen = row;
    }
    if let Some(find) = &mut keys.find {
        find.chosen = Some(hit);
    }
}

/// The columns to the left of what is in sight, so that a place in a line is.
fn shifted(lines: &Lines, hit: Hit, shift: usize, width: usize) -> usize {
    let column = |byte| lines.text(hit.line).get(..byte).map_or(0, |text| text.chars().count());
    let (from, to) = (column(hit.from), column(hit.to));
    // A column is taken by the mark of what is cut off.
    if to < width {
        0
    } else if from >= shift && to < shift + width {
        shift
    } else {
        from.saturating_sub(width / 3)
    }
}
