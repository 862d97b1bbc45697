//! What stands beside the tree, moved sideways: lines may be longer than there is room for.

use super::{Keyspace, Pane, load};
use crate::console::msg::Effect;
use crate::console::state::State;

/// Columns of one move, and what stays in sight of the longest line.
const COLUMNS: usize = 20;

/// Opens what is chosen in the tree; beside it, shows more of what is to the right.
pub(crate) fn right(state: &mut State) -> Vec<Effect> {
    let keyspace = &mut state.keyspace;
    if keyspace.pane == Pane::Tree {
        return load::open(state);
    }
    let most = longest(keyspace).saturating_sub(COLUMNS);
    keyspace.shift = (keyspace.shift + COLUMNS).min(most);
    Vec::new()
}

/// Moves back to the left. Answers whether there was anything to move.
pub(super) fn left(keyspace: &mut Keyspace) -> bool {
    let moved = keyspace.shift > 0;
    keyspace.shift = keyspace.shift.saturating_sub(COLUMNS);
    moved
}

fn longest(keyspace: &Keyspace) -> usize {
    let diff = match (&keyspace.conflict, &keyspace.history) {
        (Some(conflict), _) => Some(&conflict.diff),
        (None, Some(history)) => Some(&history.diff),
        (None, None) => None,
    };
    let longest = match diff {
        Some(lines) => lines.iter().map(|line| line.text.chars().count()).max(),
        None => keyspace.value.lines.iter().map(|line| line.chars().count()).max(),
    };
    longest.unwrap_or(0)
}
