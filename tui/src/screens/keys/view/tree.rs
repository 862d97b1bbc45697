//! The tree, drawn by `tui-tree-widget` as an [`outline`], or the graveyard: of both only the rows in sight are made.
//!
//! What depends on the width, and on what is marked, is put over the rows that the widget has drawn.

use bytes::Bytes;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;
use unicode_width::UnicodeWidthStr;

use crate::console::Context;
use crate::screens::keys::model::Target;
use crate::screens::keys::tree::{ROOT, ROWS_MAX, Row, RowKind, Tree};
use crate::screens::keys::{Graveyard, Keys, Pane};
use crate::widget::outline::{LEVEL_COLUMNS, OutlineRow, outline};
use crate::widget::theme::Meaning;
use crate::widget::{DrawnRows, Look, age, counted, escape_name, fit, grouped, panel, say, style};

/// Bytes of a name that may be in sight: names may have a million.
const NAME_BYTES_MAX: usize = 2_000;

/// The tree as it was drawn last: how far it was scrolled.
#[derive(Clone, Debug, Default)]
pub(crate) struct DrawnTree {
    /// The first row in sight.
    first: usize,
    /// The chosen row, in every tree in which it is there.
    chosen: Option<RowId>,
    /// There were rows below it in the tree.
    has_below: bool,
    /// It was in sight.
    is_in_sight: bool,
    /// The layout that was drawn; 0 for none.
    layout: u64,
    /// The rows in sight.
    pub(crate) rows: DrawnRows,
}

/// A key with its row, or with the row of what is still to come of it as a directory; and how deep it stands, which
/// differs where names are told apart by something else.
type RowId = (Bytes, bool, u16);

fn id(tree: &Tree, row: Row) -> RowId {
    (tree.key(row.node), row.kind == RowKind::Node, row.depth)
}

impl DrawnTree {
    /// Another tree is drawn from now on.
    pub(crate) fn forget(&mut self) {
        self.layout = 0;
    }

    /// Scrolls a tree of so many rows, and leaves the chosen one where it is.
    pub(crate) fn scroll(&mut self, by: isize, rows: usize) {
        let last = rows.saturating_sub(usize::from(self.rows.area.height)).max(self.first);
        self.first = self.first.saturating_add_signed(by).min(last);
    }

    /// Takes a row as chosen that is in sight, and leaves it where it stands.
    pub(crate) fn choose(&mut self, tree: &Tree, row: Row) {
        self.chosen = Some(id(tree, row));
    }

    /// Scrolls to a row that is newly chosen; when other rows were made, keeps the chosen one in sight.
    fn follow(&mut self, tree: &Tree, chosen: usize, height: usize) {
        let rows = tree.rows().len();
        let now = tree.rows().get(chosen).map(|row| id(tree, *row));
        self.first = self.first.min(rows.saturating_sub(1));
        // A third of the page lies above and below it, where there is as much.
        let margin = height / 3;
        let below = below(tree, chosen, margin);
        if self.chosen != now {
            let most = chosen.saturating_sub(margin).min(rows.saturating_sub(height));
            let least = (chosen + margin + 1).saturating_sub(height).min(most);
            self.first = self.first.clamp(least, most);
        } else if self.layout != tree.layouts() && self.is_in_sight {
            let shown = if self.has_below { 0 } else { below };
            self.first = self.first.max((chosen + shown + 1).saturating_sub(height)).min(chosen);
        }
        (self.chosen, self.layout, self.has_below) = (now, tree.layouts(), below > 0);
        self.is_in_sight = (self.first..self.first + height).contains(&chosen);
    }
}

/// How many rows are below a row in the tree and follow it, up to `most`; not those of what is still to come.
fn below(tree: &Tree, row: usize, most: usize) -> usize {
    let Some(above) = tree.rows().get(row) else { return 0 };
    let rows = tree.rows().iter().skip(row + 1).take(most);
    rows.take_while(|row| row.depth > above.depth && row.kind == RowKind::Node).count()
}

/// Draws the tree.
pub(super) fn tree(keys: &mut Keys, ctx: &Context, frame: &mut Frame<'_>, area: Rect) {
    let look = &ctx.look;
    frame.render_widget(Clear, area);
    let right = Line::from(right(keys, ctx));
    let title = title(keys, ctx, usize::from(area.width).saturating_sub(right.width() + 6));
    let inside = panel(frame, look, area, &title, right);
    if let Some(graveyard) = keys.left.graveyard() {
        keys.drawn.rows = draw_graves(graveyard, keys.pane == Pane::Tree, ctx, frame, inside);
    } else if !keys.tree.rows().is_empty() {
        draw_rows(keys, ctx, frame, inside);
    } else if inside.height > 0 {
        let line = Line::from(say(look, Meaning::Dim, format!(" {}", empty(keys))));
        frame.render_widget(line, Rect { height: 1, ..inside });
    }
}

fn draw_rows(keys: &mut Keys, ctx: &Context, frame: &mut Frame<'_>, area: Rect) {
    let look = &ctx.look;
    let height = usize::from(area.height);
    keys.drawn.follow(&keys.tree, keys.chosen, height);
    let (tree, first) = (&keys.tree, keys.drawn.first);
    let chosen = tree.rows().get(keys.chosen);
    // A row that stands far to the right takes what is around it to the left.
    let shift = chosen.map_or(0, |row| usize::from(row.depth) * LEVEL_COLUMNS);
    let shift = shift.saturating_sub(usize::from(area.width / 2));
    let in_sight = || tree.rows().iter().skip(first).take(height);
    let row = |row: &Row| {
        let depth = usize::from(row.depth);
        let indent = isize::try_from(depth * LEVEL_COLUMNS).unwrap_or(0);
        let dir = tree.node(row.node).and_then(|node| node.dir.as_ref());
        OutlineRow {
            depth,
            indent: indent.saturating_sub_unsigned(shift),
            text: row_text(tree, look, *row).into(),
            open: dir.filter(|_| row.kind == RowKind::Node).map(|dir| dir.open),
        }
    };
    let rows = in_sight().map(row).collect();
    let chosen = keys.chosen.checked_sub(first);
    outline(look, rows, chosen, keys.pane == Pane::Tree, (frame, area));
    for (row, y) in in_sight().zip(area.y..area.bottom()) {
        let line = Rect { y, height: 1, ..area };
        put_over(keys, ctx, *row, (line, shift), frame);
    }
    let count = tree.rows().len().saturating_sub(first);
    keys.drawn.rows = DrawnRows { area, first: u64::try_from(first).unwrap_or(0), count };
}

/// Puts over a row, which stands on `line` and is moved to the left by `shift`, what the widget does not draw: the sign,
/// facts at the right, and a mark where the name is cut.
fn put_over(
    keys: &Keys,
    ctx: &Context,
    row: Row,
    (line, shift): (Rect, usize),
    frame: &mut Frame<'_>,
) {
    if row.kind != RowKind::Node || line.width == 0 {
        return;
    }
    let look = &ctx.look;
    let sign = (usize::from(row.depth) * LEVEL_COLUMNS + 1).checked_sub(shift);
    let sign = sign.and_then(|column| u16::try_from(column).ok()).filter(|column| *column > 0);
    if let Some(column) = sign.filter(|column| *column < line.width)
        && let Some(cell) = frame.buffer_mut().cell_mut((line.x + column, line.y))
    {
        if marked(keys, row.node) {
            cell.set_symbol(look.glyphs.full).set_style(style(look, Meaning::Accent));
        } else {
            cell.set_style(style(look, Meaning::Dim));
        }
    }
    let facts = facts(keys, row.node);
    let width = u16::try_from(facts.width()).unwrap_or(u16::MAX);
    let room = line.width.saturating_sub(width.saturating_add(1));
    let rest = Rect { x: line.x + room, width: line.width - room, ..line };
    // Two columns are kept free between name and facts.
    let is_cut = (rest.x.saturating_sub(2).max(line.x)..line.right()).any(|x| {
        frame.buffer_mut().cell((x, line.y)).is_some_and(|cell| !cell.symbol().trim().is_empty())
    });
    if is_cut {
        for x in rest.x.saturating_sub(3).max(line.x + 1)..line.right() {
            if let Some(cell) = frame.buffer_mut().cell_mut((x, line.y)) {
                cell.set_symbol(if x + 3 == rest.x { look.glyphs.more } else { " " });
            }
        }
    }
    frame.render_widget(Line::from(say(look, Meaning::Dim, facts)), rest);
}

fn title(keys: &Keys, ctx: &Context, room: usize) -> String {
    if keys.left.graveyard().is_some() {
        return "Graveyard".to_owned();
    }
    let tree = &keys.tree;
    let prefix =
        if tree.prefix.is_empty() { "all keys".to_owned() } else { escape_name(&tree.prefix) };
    let separator = match &tree.separator[..] {
        b"/" => String::new(),
        [] => "  no separator".to_owned(),
        other => format!("  sep {}", escape_name(other)),
    };
    let filter = match keys.filter.as_str() {
        "" => String::new(),
        filter => format!("  /{filter}"),
    };
    let text = format!("Keys  {prefix}{separator}{filter}");
    fit(&text, room, &ctx.look.glyphs)
}

fn right(keys: &Keys, ctx: &Context) -> Vec<Span<'static>> {
    let look = &ctx.look;
    let mut spans = vec![Span::raw(" ")];
    // What nobody answers for is stale, whether it was asked for anew or not.
    let unheard = ctx.cluster.is_unheard(ctx.now, ctx.stale_after());
    let unheard = keys.fresh.at.filter(|_| unheard).map(|at| ctx.now.since(at));
    if let Some(stale) = keys.fresh.stale(ctx.now).or(unheard) {
        spans.push(say(look, Meaning::Bad, format!("stale {}  ", age(stale))));
    } else if keys.is_reading() {
        spans.push(say(look, Meaning::Dim, format!("{}  ", look.glyphs.wait)));
    }
    let marks = keys.left.graveyard().map_or(keys.marks.len(), |g| g.marks.len());
    if marks > 0 {
        spans.push(say(look, Meaning::Accent, format!("{marks} marked  ")));
    }
    if let Some(graveyard) = keys.left.graveyard() {
        let found = counted(u64::try_from(graveyard.graves.len()).unwrap_or(0), "key");
        spans.push(say(look, Meaning::Dim, format!("{found} ")));
        return spans;
    }
    if keys.tree.full {
        spans.push(say(look, Meaning::Warn, format!("only {ROWS_MAX} rows: F filters  ")));
    }
    let revision = keys.tree.revision;
    if revision > 0 {
        let newest = ctx.cluster.newest().2;
        let words = format!("rev {}", grouped(revision.unsigned_abs()));
        spans.push(say(look, Meaning::Dim, words));
        if keys.at.is_none() && newest > revision {
            let newer = grouped(newest.abs_diff(revision));
            spans.push(say(look, Meaning::Warn, format!("  {newer} newer")));
        }
        spans.push(Span::raw(" "));
    }
    spans
}

fn empty(keys: &Keys) -> String {
    let loaded = keys.tree.node(ROOT).and_then(|n| n.dir.as_ref()).is_some_and(|d| d.loaded);
    if !keys.filter.is_empty() {
        "nothing that was loaded has this in its name".to_owned()
    } else if loaded && keys.at.is_some() {
        "there were no keys here".to_owned()
    } else if loaded {
        "there are no keys here: n makes one".to_owned()
    } else if let Some(trouble) = &keys.fresh.failed {
        format!("not read: {}", trouble.why)
    } else {
        "the keys are being read".to_owned()
    }
}

/// The name of a node, or words about what is not loaded.
fn row_text(tree: &Tree, look: &Look, row: Row) -> Span<'static> {
    let Some(node) = tree.node(row.node) else { return Span::default() };
    if row.kind != RowKind::Node {
        let words = match (row.kind, node.dir.as_ref()) {
            (RowKind::More, Some(dir)) => {
                let shown = grouped(u64::try_from(dir.children.len()).unwrap_or(0));
                let left = dir.next.as_ref().map_or(0, |(_, left)| *left);
                format!("{shown} names loaded, {} to come: Enter", counted(left, "key"))
            }
            _ => "reading".to_owned(),
        };
        return say(look, Meaning::Dim, format!("{} {words}", look.glyphs.wait));
    }
    let slash = if node.dir.is_some() { escape_name(&tree.separator) } else { String::new() };
    let name = tree.name(row.node);
    let name = escape_name(name.get(..NAME_BYTES_MAX).unwrap_or(name));
    let name = if name.is_empty() && node.dir.is_none() { "(empty name)".to_owned() } else { name };
    let meaning = if tree.matches(row.node) {
        Meaning::Accent
    } else if node.dir.is_some() {
        Meaning::Strong
    } else {
        Meaning::Text
    };
    say(look, meaning, format!("{name}{slash}"))
}

fn marked(keys: &Keys, node: u32) -> bool {
    !keys.marks.is_empty()
        && (keys.marks.contains(&Target::Key(keys.tree.key(node)))
            || keys.marks.contains(&Target::Prefix(keys.tree.dir_prefix(node))))
}

/// What is known of a node without reading its value.
fn facts(keys: &Keys, id: u32) -> String {
    let Some(node) = keys.tree.node(id) else { return String::new() };
    let mut parts = Vec::new();
    if let Some(meta) = node.key {
        if meta.lease != 0 {
            parts.push(format!("lease {:x}", meta.lease));
        }
        if meta.version > 0 {
            parts.push(format!("v{}", meta.version));
        }
    }
    if let Some(below) = node.dir.as_ref().and_then(|dir| dir.keys) {
        parts.push(grouped(below));
    }
    parts.join("  ")
}

/// Draws the rows of the graveyard that are in sight; answers which.
fn draw_graves(
    graveyard: &Graveyard,
    focused: bool,
    ctx: &Context,
    frame: &mut Frame<'_>,
    area: Rect,
) -> DrawnRows {
    let look = &ctx.look;
    let rows = graveyard.graves.len() + 1;
    let (height, width) = (usize::from(area.height), usize::from(area.width));
    // The chosen row keeps a third of the page above it where there is more above.
    let first = graveyard.chosen.saturating_sub(height * 2 / 3).min(rows.saturating_sub(height));
    for (at, y) in (first..rows).zip(area.y..area.bottom()) {
        let mut line = grave(graveyard, look, at, width);
        let place = Rect { y, height: 1, ..area };
        if at == graveyard.chosen {
            let mark = if focused { look.glyphs.mark } else { " " };
            if let Some(first) = line.spans.first_mut() {
                *first = say(look, Meaning::Accent, mark);
            }
            let shown = if focused { Meaning::Selected } else { Meaning::Strong };
            frame.buffer_mut().set_style(place, style(look, shown));
        }
        frame.render_widget(line, place);
    }
    DrawnRows { area, first: u64::try_from(first).unwrap_or(0), count: rows - first }
}

fn grave(graveyard: &Graveyard, look: &Look, at: usize, width: usize) -> Line<'static> {
    let Some(grave) = graveyard.graves.get(at) else {
        let reached = graveyard.reached;
        let words = match reached {
            _ if graveyard.loading => "reading".to_owned(),
            Some(reached) => match reached.wall {
                Some(wall) => {
                    format!(
                        "the wall: what was before {} is compacted",
                        grouped(wall.unsigned_abs())
                    )
                }
                None if reached.from <= 1 => "all deletes are shown".to_owned(),
                None => {
                    format!(
                        "back to revision {}: Enter for more",
                        grouped(reached.from.unsigned_abs())
                    )
                }
            },
            None => "nothing was read: Enter reads".to_owned(),
        };
        let text = fit(&format!("  {} {words}", look.glyphs.wait), width - 1, &look.glyphs);
        return Line::from(vec![Span::raw(" "), say(look, Meaning::Dim, text)]);
    };
    let facts = format!("deleted @{}", grouped(grave.deleted.unsigned_abs()));
    let room = width.saturating_sub(facts.width() + 6);
    let name = fit(&escape_name(&grave.key), room, &look.glyphs);
    let gap = width.saturating_sub(4 + name.width() + facts.width());
    let sign = if graveyard.marks.contains_key(&grave.key) {
        say(look, Meaning::Accent, format!("{} ", look.glyphs.full))
    } else {
        say(look, Meaning::Dim, format!("{} ", look.glyphs.grave))
    };
    Line::from(vec![
        Span::raw(" "),
        sign,
        say(look, Meaning::Text, name),
        Span::raw(" ".repeat(gap)),
        say(look, Meaning::Dim, facts),
    ])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::screens::keys::model::{Child, Page};

    const HEIGHT: usize = 9;

    fn page(names: impl Iterator<Item = String>, below: Option<u64>) -> Page {
        let children = names.map(|name| Child { name: name.into(), key: None, below }).collect();
        Page { children, ..Page::default() }
    }

    /// Goal: who opens the last line in sight sees what came of it. Method: more children than a third of the page, the last
    /// directory of a page that is full.
    #[test]
    fn what_comes_of_a_directory_that_is_opened_in_the_last_line_is_in_sight() {
        let mut tree = Tree::new(Bytes::new(), "/".into());
        let shut = BTreeSet::new();
        tree.take(ROOT, page((10..30).map(|n| n.to_string()), Some(5)), &shut);
        let mut drawn = DrawnTree::default();
        drawn.follow(&tree, 19, HEIGHT);
        assert_eq!(drawn.first, 20 - HEIGHT);
        let node = tree.rows()[19].node;
        assert!(tree.set_open(node, true), "it is to be read");
        drawn.follow(&tree, 19, HEIGHT);
        assert_eq!(drawn.first, 20 - HEIGHT);
        tree.take(node, page((0..5).map(|n| n.to_string()), None), &shut);
        drawn.follow(&tree, 19, HEIGHT);
        assert_eq!(drawn.first, 20 + HEIGHT / 3 - HEIGHT);
        // Whoever scrolls away is left alone, whatever else becomes of it.
        drawn.scroll(-2, tree.rows().len());
        tree.take(node, page((0..6).map(|n| n.to_string()), None), &shut);
        drawn.follow(&tree, 19, HEIGHT);
        assert_eq!(drawn.first, 18 + HEIGHT / 3 - HEIGHT);
    }
}
