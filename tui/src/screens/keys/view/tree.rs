//! The tree, or the graveyard: only the rows in sight are made.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;
use unicode_width::UnicodeWidthStr;

use crate::console::Context;
use crate::screens::keys::Keys;
use crate::screens::keys::Pane;
use crate::screens::keys::model::Target;
use crate::screens::keys::tree::{ROOT, ROWS_MAX, Row, RowKind};
use crate::widget::theme::Meaning;
use crate::widget::{age, counted, escape_name, fit, grouped, panel, say, style};

/// Columns that a level is indented by; deeper ones than fit are not indented further.
const INDENT: usize = 2;

/// Draws the tree.
pub(super) fn tree(keys: &Keys, ctx: &Context, frame: &mut Frame<'_>, area: Rect) {
    let look = &ctx.look;
    frame.render_widget(Clear, area);
    let (rows, chosen) = match &keys.graveyard {
        Some(graveyard) => (graveyard.graves.len() + 1, graveyard.chosen),
        None => (keys.tree.rows().len(), keys.chosen),
    };
    let right = Line::from(right(keys, ctx));
    let title = title(keys, ctx, usize::from(area.width).saturating_sub(right.width() + 6));
    let inside = panel(frame, look, area, &title, right);
    let height = usize::from(inside.height);
    let first = scrolled(chosen, rows, height);
    let width = usize::from(inside.width);
    for (at, y) in (first..rows).zip(inside.y..inside.bottom()) {
        let line = match &keys.graveyard {
            Some(_) => grave(keys, ctx, at, width),
            None => keys.tree.rows().get(at).map(|row| row_line(keys, ctx, *row, width)),
        };
        let Some(mut line) = line else { continue };
        let place = Rect { y, height: 1, ..inside };
        if at == chosen {
            let focused = keys.pane == Pane::Tree;
            let mark = if focused { look.glyphs.mark } else { " " };
            if let Some(first) = line.spans.first_mut() {
                *first = say(look, Meaning::Accent, mark);
            }
            let shown = if focused { Meaning::Selected } else { Meaning::Strong };
            frame.buffer_mut().set_style(place, style(look, shown));
        }
        frame.render_widget(line, place);
    }
    if rows == 0 && inside.height > 0 {
        let words = empty(keys);
        let line = Line::from(say(look, Meaning::Dim, format!(" {words}")));
        frame.render_widget(line, Rect { height: 1, ..inside });
    }
}

/// The first row in sight, so that the chosen one is.
fn scrolled(chosen: usize, rows: usize, height: usize) -> usize {
    // The chosen row keeps a third of the page above it where there is more above.
    chosen.saturating_sub(height * 2 / 3).min(rows.saturating_sub(height))
}

fn title(keys: &Keys, ctx: &Context, room: usize) -> String {
    if keys.graveyard.is_some() {
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
    let marks = keys.graveyard.as_ref().map_or(keys.marks.len(), |g| g.marks.len());
    if marks > 0 {
        spans.push(say(look, Meaning::Accent, format!("{marks} marked  ")));
    }
    if let Some(graveyard) = &keys.graveyard {
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

fn row_line(keys: &Keys, ctx: &Context, row: Row, width: usize) -> Line<'static> {
    let (look, tree) = (&ctx.look, &keys.tree);
    let depth = usize::from(row.depth).min(width / 4 / INDENT);
    let indent = " ".repeat(depth * INDENT);
    let Some(node) = tree.node(row.node) else { return Line::default() };
    if row.kind != RowKind::Node {
        let words = match (row.kind, node.dir.as_ref()) {
            (RowKind::More, Some(dir)) => {
                let shown = grouped(u64::try_from(dir.children.len()).unwrap_or(0));
                let left = dir.next.as_ref().map_or(0, |(_, left)| *left);
                format!("{shown} names loaded, {} to come: Enter", counted(left, "key"))
            }
            _ => "reading".to_owned(),
        };
        let text = fit(&format!("{indent}  {} {words}", look.glyphs.wait), width - 1, &look.glyphs);
        return Line::from(vec![Span::raw(" "), say(look, Meaning::Dim, text)]);
    }
    let marked = marked(keys, row.node);
    let sign = match (&node.dir, marked) {
        (_, true) => look.glyphs.full,
        (Some(dir), _) if dir.open => look.glyphs.open,
        (Some(_), _) => look.glyphs.closed,
        (None, _) => " ",
    };
    let slash = if node.dir.is_some() { escape_name(&tree.separator) } else { String::new() };
    let name = escape_name(tree.name(row.node));
    let name = if name.is_empty() && node.dir.is_none() { "(empty name)".to_owned() } else { name };
    let (meaning, facts) = facts(keys, row.node);
    let left = format!("{indent}{sign} ");
    let room = width.saturating_sub(left.width() + facts.width() + 4);
    let name = fit(&format!("{name}{slash}"), room, &look.glyphs);
    let gap = width.saturating_sub(1 + left.width() + name.width() + facts.width() + 1);
    let of_name = if keys.tree.matches(row.node) {
        Meaning::Accent
    } else if node.dir.is_some() {
        Meaning::Strong
    } else {
        Meaning::Text
    };
    let sign = if marked { Meaning::Accent } else { Meaning::Dim };
    Line::from(vec![
        Span::raw(" "),
        say(look, sign, left),
        say(look, of_name, name),
        Span::raw(" ".repeat(gap)),
        say(look, meaning, facts),
    ])
}

fn marked(keys: &Keys, node: u32) -> bool {
    !keys.marks.is_empty()
        && (keys.marks.contains(&Target::Key(keys.tree.key(node)))
            || keys.marks.contains(&Target::Prefix(keys.tree.dir_prefix(node))))
}

/// What is known of a node without reading its value.
fn facts(keys: &Keys, id: u32) -> (Meaning, String) {
    let Some(node) = keys.tree.node(id) else { return (Meaning::Dim, String::new()) };
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
    (Meaning::Dim, parts.join("  "))
}

fn grave(keys: &Keys, ctx: &Context, at: usize, width: usize) -> Option<Line<'static>> {
    let (look, graveyard) = (&ctx.look, keys.graveyard.as_ref()?);
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
        return Some(Line::from(vec![Span::raw(" "), say(look, Meaning::Dim, text)]));
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
    Some(Line::from(vec![
        Span::raw(" "),
        sign,
        say(look, Meaning::Text, name),
        Span::raw(" ".repeat(gap)),
        say(look, Meaning::Dim, facts),
    ]))
}
