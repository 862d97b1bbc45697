//! The Auth screen: the tree of users and roles, what is said of the chosen row or of a question, the line at the bottom.
//!
//! At 100 columns and more both stand side by side; below, what is said stands under the tree, and the pane that has the
//! keyboard has most of the lines.

mod facts;
mod prompt;
mod tree;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};

use super::{Auth, Pane};
use crate::console::Context;

/// Width from which the panes stand side by side.
const TWO_PANES: u16 = 100;
/// Lines of the pane that has the keyboard not, when one stands under the other: what is said, and the tree.
const FACTS_LINES: u16 = 8;
const TREE_LINES: u16 = 6;
/// Lines of the frame around a screen: header, tabs, footer.
const FRAME_LINES: u16 = 3;
/// Lines of a pane that are its border.
const BORDER: u16 = 2;

/// Draws the screen; what is typed stands over the footer.
pub(super) fn draw(
    auth: &mut Auth,
    ctx: &Context,
    frame: &mut Frame<'_>,
    area: Rect,
    bottom: Rect,
) {
    let [tree, facts] = areas(auth, area);
    (auth.drawn.tree, auth.drawn.facts) = (tree, facts);
    auth.drawn.rows = tree::tree(auth, ctx, frame, tree);
    facts::facts(auth, ctx, frame, facts);
    if let Some(line) = &auth.prompt {
        prompt::prompt(auth, ctx, line, frame, bottom);
    }
}

/// The tree, and what is said.
fn areas(auth: &Auth, area: Rect) -> [Rect; 2] {
    if area.width >= TWO_PANES {
        return Layout::horizontal([Constraint::Percentage(52), Constraint::Fill(1)]).areas(area);
    }
    let rows = match auth.pane {
        Pane::Tree => [Constraint::Min(0), Constraint::Length(FACTS_LINES.min(area.height / 2))],
        Pane::Facts => [Constraint::Length(TREE_LINES.min(area.height / 2)), Constraint::Min(0)],
    };
    Layout::vertical(rows).areas(area)
}

/// The panes in a terminal of this size.
fn panes(auth: &Auth, ctx: &Context) -> [Rect; 2] {
    let height = ctx.size.1.saturating_sub(FRAME_LINES);
    areas(auth, Rect { width: ctx.size.0, height, ..Rect::default() })
}

/// Rows of the tree that are in sight at a time.
pub(super) fn rows(auth: &Auth, ctx: &Context) -> usize {
    let notices = u16::try_from(tree::notices(auth, ctx).len()).unwrap_or(u16::MAX);
    usize::from(panes(auth, ctx)[0].height.saturating_sub(BORDER + notices).max(1))
}

/// Lines that can be the first in sight of what is said.
pub(super) fn lines(auth: &Auth, ctx: &Context) -> usize {
    let pane = panes(auth, ctx)[1];
    let lines = facts::lines(auth, ctx, usize::from(pane.width.saturating_sub(BORDER))).len();
    lines.saturating_sub(usize::from(pane.height.saturating_sub(BORDER))) + 1
}
