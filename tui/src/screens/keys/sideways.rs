//! What stands beside the tree, moved sideways: lines may be longer than there is room for.

use super::{Keys, Pane, load};
use crate::console::{Context, Effect};

/// Columns of one move, and what stays in sight of the longest line.
const COLUMNS: usize = 20;

/// Opens what is chosen in the tree; beside it, shows more of what is to the right.
pub(crate) fn right(keys: &mut Keys, ctx: &mut Context) -> Vec<Effect> {
    if keys.pane == Pane::Tree {
        return load::open(keys, ctx);
    }
    let most = longest(keys).saturating_sub(COLUMNS);
    keys.shift = (keys.shift + COLUMNS).min(most);
    Vec::new()
}

/// Moves back to the left. Answers whether there was anything to move.
pub(super) fn left(keys: &mut Keys) -> bool {
    let moved = keys.shift > 0;
    keys.shift = keys.shift.saturating_sub(COLUMNS);
    moved
}

fn longest(keys: &Keys) -> usize {
    let diff = match (&keys.conflict, &keys.history) {
        (Some(conflict), _) => Some(&conflict.diff),
        (None, Some(history)) => Some(&history.diff),
        (None, None) => None,
    };
    let longest = match diff {
        Some(lines) => lines.iter().map(|line| line.text.chars().count()).max(),
        None => keys.value.lines.iter().map(|line| line.chars().count()).max(),
    };
    longest.unwrap_or(0)
}
