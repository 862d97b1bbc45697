//! The Keys screen: the tree, the value or the versions of a key, the strip of revisions, the line at the bottom.
//!
//! At 100 columns and more, tree and value stand side by side; below, the pane that has the keyboard is drawn, with
//! three lines about the chosen key under the tree.

mod prompt;
mod rows;
mod strip;
mod tree;
mod value;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;

pub(crate) use tree::DrawnTree;

use super::lines::Lines;
use super::mouse::DrawnPanes;
use super::{Ask, Pane};
use crate::console::Context;
use crate::screens::keys::Keys;
use crate::widget::theme::Meaning;
use crate::widget::{fit, grouped, say};

/// Width from which two panes stand side by side.
const TWO_PANES: u16 = 100;
/// Height from which the strip is always there; in the past it is there from [`STRIP_LEAST`] on.
const STRIP_EASE: u16 = 30;
const STRIP_LEAST: u16 = 18;
/// Lines of the strip with its border.
const STRIP_LINES: u16 = 5;
/// Lines about the chosen key below a tree that has the screen for itself, with their border.
const DETAIL_LINES: u16 = 5;

/// Draws the Keys screen; `bottom` is the line of the footer, which a line being typed covers.
pub(super) fn draw(
    keys: &mut Keys,
    ctx: &Context,
    frame: &mut Frame<'_>,
    area: Rect,
    bottom: Rect,
) {
    let past = keys.at.is_some() || keys.left.graveyard().is_some();
    let banner = u16::from(past);
    let height = area.height;
    let strip =
        if height >= STRIP_EASE || (past && height >= STRIP_LEAST) { STRIP_LINES } else { 0 };
    let strip = if keys.zoom { 0 } else { strip };
    let rows = [Constraint::Length(banner), Constraint::Min(0), Constraint::Length(strip)];
    let [top, middle, low] = Layout::vertical(rows).areas(area);
    if past {
        draw_banner(keys, ctx, frame, top);
    }
    panes(keys, ctx, frame, middle);
    if strip > 0 {
        strip::strip(keys, ctx, frame, low);
    }
    if let Some(line) = &keys.prompt {
        if line.ask == Ask::Fuzzy {
            prompt::matches(keys, ctx, frame, middle);
        }
        prompt::prompt(ctx, line, frame, bottom);
    }
}

/// Tree and value side by side.
fn halves(area: Rect) -> [Rect; 2] {
    Layout::horizontal([Constraint::Percentage(48), Constraint::Fill(1)]).areas(area)
}

/// Columns of the pane of the value inside its border, on a terminal of this width.
pub(super) fn value_width(keys: &Keys, width: u16) -> u16 {
    let area = Rect { width, height: 1, ..Rect::default() };
    let pane = if width >= TWO_PANES && !keys.zoom { halves(area)[1].width } else { width };
    pane.saturating_sub(2)
}

/// Columns that a line has in a pane of so many.
pub(super) fn columns(width: u16, lines: &Lines) -> usize {
    usize::from(width).saturating_sub(lines.margin())
}

fn panes(keys: &mut Keys, ctx: &Context, frame: &mut Frame<'_>, area: Rect) {
    if area.width >= TWO_PANES && !keys.zoom {
        let [left, right] = halves(area);
        tree::tree(keys, ctx, frame, left);
        let lines = value::value(keys, ctx, frame, right);
        keys.panes = DrawnPanes { tree: left, value: right, lines };
    } else if keys.pane == Pane::Value {
        let lines = value::value(keys, ctx, frame, area);
        keys.panes = DrawnPanes { tree: Rect::default(), value: area, lines };
    } else {
        let detail = if keys.zoom || area.height < DETAIL_LINES * 2 { 0 } else { DETAIL_LINES };
        let rows = [Constraint::Min(0), Constraint::Length(detail)];
        let [top, low] = Layout::vertical(rows).areas(area);
        tree::tree(keys, ctx, frame, top);
        if detail > 0 {
            value::detail(keys, ctx, frame, low);
        }
        keys.panes = DrawnPanes { tree: top, value: low, lines: Rect::default() };
    }
}

/// In the past it is said in words that nothing is edited.
fn draw_banner(keys: &Keys, ctx: &Context, frame: &mut Frame<'_>, area: Rect) {
    let words = if keys.left.graveyard().is_some() {
        " GRAVEYARD  R puts back the chosen key, or those that Space and a mark.".to_owned()
    } else {
        let at = keys.at.unwrap_or(0);
        let behind = ctx.cluster.newest().2.saturating_sub(at).max(0);
        format!(
            " TIME TRAVEL at {}, {} behind live. Editing is off; R puts a value or a directory back. T returns.",
            grouped(at.unsigned_abs()),
            grouped(behind.unsigned_abs())
        )
    };
    let words = fit(&words, usize::from(area.width), &ctx.look.glyphs);
    let words = format!("{words:<width$}", width = usize::from(area.width));
    frame.render_widget(Line::from(say(&ctx.look, Meaning::Badge, words)), area);
}
