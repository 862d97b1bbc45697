//! The tree: users with their roles and what these may do, then the roles.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use crate::console::Context;
use crate::screens::auth::model::{ROOT, Told};
use crate::screens::auth::tree::{Node, ROWS_MAX, Row};
use crate::screens::auth::{Auth, Pane};
use crate::widget::outline::{LEVEL_COLUMNS, OutlineRow, outline};
use crate::widget::theme::Meaning;
use crate::widget::{DrawnRows, Look, age, counted, escape_name, fit, grouped, panel, say};

/// Columns of a kind of access, the longest of which is `readwrite`.
const ACCESS: usize = 10;

/// Draws the tree; answers where its rows stand.
pub(super) fn tree(auth: &Auth, ctx: &Context, frame: &mut Frame<'_>, area: Rect) -> DrawnRows {
    let look = &ctx.look;
    let inside = panel(frame, look, area, "Auth", state(auth, ctx));
    let width = usize::from(inside.width);
    let mut above = 0;
    for ((meaning, words), y) in notices(auth, ctx).into_iter().zip(inside.y..inside.bottom()) {
        let words = fit(&format!(" {words}"), width, &look.glyphs);
        frame.render_widget(say(look, meaning, words), Rect { y, height: 1, ..inside });
        above += 1;
    }
    let area = Rect { y: inside.y + above, height: inside.height - above, ..inside };
    let Some(told) = &auth.told else {
        let words = format!(" {} asking for users and roles", look.glyphs.wait);
        if auth.fresh.failed.is_none() {
            frame.render_widget(say(look, Meaning::Dim, words), area);
        }
        return DrawnRows::default();
    };
    let height = usize::from(area.height);
    let first = auth.top.min(auth.chosen).max((auth.chosen + 1).saturating_sub(height));
    let in_sight = auth.tree.rows().iter().skip(first).take(height);
    let rows: Vec<OutlineRow> = in_sight.map(|row| outlined(told, row, ctx, width)).collect();
    let count = rows.len();
    let chosen = auth.chosen.checked_sub(first).filter(|row| *row < count);
    outline(look, rows, chosen, auth.pane == Pane::Tree, (frame, area));
    DrawnRows { area, first: u64::try_from(first).unwrap_or(0), count }
}

/// Whether users count, and as whom the console has logged in.
fn state(auth: &Auth, ctx: &Context) -> Line<'static> {
    let look = &ctx.look;
    let Some(told) = &auth.told else { return Line::default() };
    let (meaning, word) = if told.enabled {
        (Meaning::Ok, format!(" {} users are on", look.glyphs.full))
    } else {
        (Meaning::Warn, format!(" {} users are off", look.glyphs.down))
    };
    let login = match ctx.user.as_ref().filter(|_| !told.is_nobody()) {
        Some(user) if told.is_root(user) => format!(", logged in as {} (root) ", name(user)),
        Some(user) => format!(", logged in as {} ", name(user)),
        None => ", no login ".to_owned(),
    };
    Line::from(vec![say(look, meaning, word), say(look, Meaning::Dim, login)])
}

/// What is the matter: lines above the rows.
pub(super) fn notices(auth: &Auth, ctx: &Context) -> Vec<(Meaning, String)> {
    if let Some(trouble) = &auth.fresh.failed {
        let stale = auth.fresh.stale(ctx.now).filter(|_| auth.fresh.at.is_some());
        let since = stale.map(|stale| format!(" for {}", age(stale))).unwrap_or_default();
        let place = if trouble.place.is_empty() { "" } else { &format!("{}: ", trouble.place) };
        let mut lines = vec![(Meaning::Bad, format!("not told{since}: {place}{}", trouble.why))];
        if !trouble.next.is_empty() {
            lines.push((Meaning::Dim, format!("{} {}", ctx.look.glyphs.arrow, trouble.next)));
        }
        return lines;
    }
    let Some(told) = &auth.told else { return Vec::new() };
    let mut lines = Vec::new();
    if let Some(why) = &told.denied {
        let who = match &ctx.user {
            _ if told.is_nobody() => "without a login nobody is told of users and roles".to_owned(),
            Some(user) => format!("{} may not list users and roles", name(user)),
            None => "this user may not list users and roles".to_owned(),
        };
        lines.push((Meaning::Warn, who));
        lines.push((Meaning::Dim, format!("the server says: {why}")));
        let next = match told.users.is_empty() {
            _ if told.is_nobody() => "start the console again with --user NAME:PASSWORD",
            true => "what it may do itself is not told, either",
            false => "what it may do itself:",
        };
        lines.push((Meaning::Dim, next.to_owned()));
    }
    if told.more > 0 {
        let more = grouped(u64::try_from(told.more).unwrap_or(u64::MAX));
        lines.push((Meaning::Warn, format!("{more} more users and roles are there and not shown")));
    }
    if auth.tree.is_cut {
        let rows = grouped(u64::try_from(ROWS_MAX).unwrap_or(u64::MAX));
        lines.push((Meaning::Warn, format!("only the first {rows} rows; Z closes all")));
    }
    if !auth.tree.filter.is_empty() {
        let filter = name(&auth.tree.filter);
        lines.push((Meaning::Accent, format!("name has {filter}, Esc shows all")));
    }
    lines
}

fn name(text: &str) -> String {
    escape_name(text.as_bytes())
}

fn outlined(told: &Told, row: &Row, ctx: &Context, width: usize) -> OutlineRow {
    let look = &ctx.look;
    let depth = row.node.depth();
    // The mark, the sign, and what the levels take.
    let room = width.saturating_sub(4 + depth * LEVEL_COLUMNS);
    OutlineRow {
        depth,
        indent: isize::try_from(depth * LEVEL_COLUMNS).unwrap_or(0),
        text: text(told, &row.node, ctx, room, look),
        open: row.open,
    }
}

fn text(told: &Told, node: &Node, ctx: &Context, room: usize, look: &Look) -> Line<'static> {
    let count = |count: usize| grouped(u64::try_from(count).unwrap_or(u64::MAX));
    let many = |number: usize, what| counted(u64::try_from(number).unwrap_or(u64::MAX), what);
    let named = |text: &str, notes: Vec<(Meaning, String)>| {
        let notes_width: usize = notes.iter().map(|(_, note)| note.width() + 2).sum();
        let text = fit(&name(text), room.saturating_sub(notes_width).max(room / 2), &look.glyphs);
        let mut spans = vec![say(look, Meaning::Strong, text)];
        for (meaning, note) in notes {
            spans.push(Span::raw("  "));
            spans.push(say(look, meaning, note));
        }
        Line::from(spans)
    };
    if let Some(grant) = node.grant() {
        let access = format!("{:<ACCESS$}", grant.access.name());
        let keys = fit(&grant.keys.shown(), room.saturating_sub(ACCESS), &look.glyphs);
        return Line::from(vec![
            say(look, Meaning::Accent, access),
            say(look, Meaning::Text, keys),
        ]);
    }
    match node {
        Node::Users | Node::Roles => {
            let (word, of) = if *node == Node::Users {
                ("Users", told.users.len())
            } else {
                ("Roles", told.roles.len())
            };
            let words = if told.denied.is_some() { "You".to_owned() } else { word.to_owned() };
            let number = if told.denied.is_some() { String::new() } else { count(of) };
            Line::from(vec![
                say(look, Meaning::Title, format!("{words} ")),
                say(look, Meaning::Dim, number),
            ])
        }
        Node::User(user) => {
            let roles = told.users.get(user).map_or(0, Vec::len);
            let mut notes = Vec::new();
            if ctx.user.as_deref() == Some(user) {
                notes.push((Meaning::Ok, "logged in".to_owned()));
            }
            match roles {
                0 => notes.push((Meaning::Warn, "no role: may do nothing".to_owned())),
                roles => notes.push((Meaning::Dim, many(roles, "role"))),
            }
            named(user, notes)
        }
        Node::Held(_, role) => named(role, of_role(told, role)),
        Node::Role(role) => {
            let mut notes = of_role(told, role);
            let holders = told.holders(role).count();
            notes.push(match holders {
                0 => (Meaning::Dim, "nobody has it".to_owned()),
                holders => (Meaning::Dim, many(holders, "user")),
            });
            named(role, notes)
        }
        Node::HeldGrant(..) | Node::RoleGrant(..) => Line::default(),
    }
}

/// What is to be said of a role beside its permissions.
fn of_role(told: &Told, role: &str) -> Vec<(Meaning, String)> {
    if role == ROOT {
        return vec![(Meaning::Warn, "may do everything".to_owned())];
    }
    match told.roles.get(role).map(Vec::len) {
        None => vec![(Meaning::Dim, "not told".to_owned())],
        Some(0) => vec![(Meaning::Warn, "no permission".to_owned())],
        Some(_) => Vec::new(),
    }
}
