//! The table of members.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::console::{Bundled, Context};
use crate::engine::sample::{Role, Sample, Source};
use crate::screens::cluster;
use crate::screens::cluster::member::{Link, Member};
use crate::screens::cluster::state::Health;
use crate::screens::cluster::verdict::Level;
use crate::widget::theme::Meaning;
use crate::widget::{
    DrawnRows, age, bar, bytes, duration_us, fit, grouped, panel, say, short, style,
};

/// Columns in the order in which they stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Name,
    Role,
    State,
    Term,
    Commit,
    Applied,
    Lag,
    Space,
    Rtt,
    Sync,
    Clients,
}

/// A column with its head and the width of its cells, the gap before it included.
struct Place {
    column: Column,
    head: &'static str,
    width: usize,
}

/// Draws the table; answers where the rows stand.
pub(super) fn members(
    chosen: usize,
    ctx: &Context,
    frame: &mut Frame<'_>,
    area: Rect,
) -> DrawnRows {
    let look = &ctx.look;
    let verdict = ctx.cluster.verdict(ctx.now, ctx.stale_after());
    let meaning = match verdict.level {
        Level::Unknown => Meaning::Dim,
        Level::Ok => Meaning::Ok,
        Level::Partial | Level::Degraded => Meaning::Warn,
        Level::NoQuorum => Meaning::Bad,
    };
    let right = Line::from(vec![
        say(look, Meaning::Dim, " verdict: "),
        say(look, meaning, verdict.words),
        Span::raw(" "),
    ]);
    let inside = panel(frame, look, area, "Members", right);
    if ctx.cluster.members.is_empty() {
        silent(ctx, frame, inside);
        return DrawnRows::default();
    }
    // A free column at the right, as there is one at the left.
    let places = columns(ctx, usize::from(inside.width).saturating_sub(1));
    let mut lines = vec![heads(ctx, &places)];
    let visible = usize::from(inside.height).saturating_sub(1);
    let first = chosen.saturating_sub(visible.saturating_sub(1));
    for (at, member) in ctx.cluster.members.iter().enumerate().skip(first).take(visible) {
        lines.push(row(ctx, member, at == chosen, &places, usize::from(inside.width)));
    }
    let count = lines.len() - 1;
    for (line, y) in lines.into_iter().zip(inside.y..inside.bottom()) {
        frame.render_widget(line, Rect { y, height: 1, ..inside });
    }
    let area =
        Rect { y: inside.y.saturating_add(1), height: inside.height.saturating_sub(1), ..inside };
    DrawnRows { area, first: u64::try_from(first).unwrap_or(0), count }
}

/// Nobody has told who is in the cluster.
fn silent(ctx: &Context, frame: &mut Frame<'_>, inside: Rect) {
    let look = &ctx.look;
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (endpoint, fault) in &ctx.cluster.silent {
        lines.push(Line::from(vec![
            say(look, Meaning::Bad, format!(" {} ", look.glyphs.down)),
            say(look, Meaning::Strong, format!("{endpoint}  ")),
            say(look, Meaning::Text, fault.words.clone()),
        ]));
        if !fault.next.is_empty() {
            let next = format!("   {} {}", look.glyphs.arrow, fault.next);
            lines.push(Line::from(say(look, Meaning::Dim, next)));
        }
    }
    if lines.is_empty() {
        lines.push(Line::from(say(
            look,
            Meaning::Dim,
            format!(" {} asking who is in the cluster", look.glyphs.wait),
        )));
    }
    if !ctx.cluster.silent.is_empty() {
        let words = "   ! shows which layer of the connection fails, and what to do";
        lines.push(Line::from(say(look, Meaning::Text, words)));
    }
    if ctx.may_stand_in() {
        let words = "   b starts a bundled server, on a free port and temporary data";
        lines.push(Line::from(say(look, Meaning::Text, words)));
    }
    for (line, y) in lines.into_iter().zip(inside.y..inside.bottom()) {
        frame.render_widget(line, Rect { y, height: 1, ..inside });
    }
}

/// The columns that fit: who and how it is always stay, the rest goes by worth.
fn columns(ctx: &Context, width: usize) -> Vec<Place> {
    let (_, commit, _) = ctx.cluster.newest();
    let number = (grouped(commit).len() + 2).max(9);
    let names = ctx.cluster.members.iter().map(|m| m.name().len()).max().unwrap_or(0);
    let place = |column, head, width| Place { column, head, width };
    let mut places = vec![
        place(Column::Name, "NAME", names.clamp(4, 16) + 2),
        place(Column::Role, "ROLE", 6),
        place(Column::State, "STATE", 14),
        place(Column::Term, "TERM", 6),
        place(Column::Commit, "COMMIT", number),
        place(Column::Applied, "APPLIED", number),
        place(Column::Lag, "LAG", 6),
        place(Column::Space, "IN USE / ALLOC / QUOTA", 36),
        place(Column::Rtt, "RTT", 8),
        place(Column::Sync, "FSYNC99", 9),
        place(Column::Clients, clients_head(ctx), 9),
    ];
    let total = |places: &[Place]| places.iter().map(|place| place.width).sum::<usize>();
    // The bar is the first to shrink, then whole columns go.
    let shrink = |places: &mut Vec<Place>, to: usize| {
        if let Some(space) = places.iter_mut().find(|place| place.column == Column::Space) {
            space.width = to;
        }
    };
    for to in [28, 15] {
        if total(&places) > width {
            shrink(&mut places, to);
        }
    }
    for column in
        [Column::Clients, Column::Sync, Column::Term, Column::Rtt, Column::Space, Column::Applied]
    {
        if total(&places) > width {
            places.retain(|place| place.column != column);
        }
    }
    let spare = width.saturating_sub(total(&places));
    let room = places.iter().find(|place| place.column == Column::Space).map(|place| place.width);
    if let Some(now) = room {
        // What is left goes to the bar in steps that its parts can use.
        let to = (now + spare).min(48);
        shrink(&mut places, if now == 15 && to < 28 { 15 } else { to });
    }
    for place in &mut places {
        if place.column == Column::Space && place.width < 28 {
            // What counts against the quota.
            let of_etcd =
                |member: &Member| member.sample.as_ref().map(|s| s.source) == Some(Source::Status);
            let etcd = ctx.cluster.members.iter().any(of_etcd);
            place.head = if etcd { "ALLOC/QUOTA" } else { "USE/QUOTA" };
        }
    }
    places
}

/// etcd does not tell its connections; the calls that stay open say as much of who is there.
fn clients_head(ctx: &Context) -> &'static str {
    let told = |sample: &Sample| sample.connections.is_none() && sample.streams.is_some();
    let samples = ctx.cluster.members.iter().filter_map(|member| member.sample.as_ref());
    if samples.clone().any(told) && samples.clone().all(|s| s.connections.is_none()) {
        "STREAMS"
    } else {
        "CLIENTS"
    }
}

fn left_aligned(column: Column) -> bool {
    matches!(column, Column::Name | Column::Role | Column::State | Column::Space)
}

fn heads(ctx: &Context, places: &[Place]) -> Line<'static> {
    let cells = places.iter().map(|place| {
        let gap = if place.column == Column::Space { "  " } else { "" };
        let text = if left_aligned(place.column) {
            format!("{gap}{:<width$}", place.head, width = place.width - gap.len())
        } else {
            format!("{:>width$}", place.head, width = place.width)
        };
        if place.column == Column::Name {
            format!(
                " {}",
                text.trim_end().to_owned() + &" ".repeat(place.width - 1 - place.head.len())
            )
        } else {
            text
        }
    });
    Line::from(say(&ctx.look, Meaning::Dim, cells.collect::<String>()))
}

fn row(
    ctx: &Context,
    member: &Member,
    chosen: bool,
    places: &[Place],
    width: usize,
) -> Line<'static> {
    let look = &ctx.look;
    let health = ctx.cluster.health(member, ctx.now, ctx.stale_after());
    let mark = if chosen { look.glyphs.mark } else { " " };
    let mut spans = vec![say(look, Meaning::Accent, mark)];
    let mut used = 1;
    for place in places {
        let who = matches!(place.column, Column::Name | Column::Role | Column::State);
        if let Some(words) = reason(ctx, member, health).filter(|_| !who) {
            let room = width.saturating_sub(used + 1);
            spans.push(say(look, Meaning::Text, format!(" {}", fit(&words, room, &look.glyphs))));
            used = width;
            break;
        }
        let cell = cell(ctx, member, health, place);
        // The mark took the first column of the name.
        let wide = place.width - usize::from(place.column == Column::Name);
        let text: usize = cell.iter().map(Span::width).sum();
        let pad = Span::raw(" ".repeat(wide.saturating_sub(text)));
        used += wide.max(text);
        if left_aligned(place.column) {
            spans.extend(cell);
            spans.push(pad);
        } else {
            spans.push(pad);
            spans.extend(cell);
        }
    }
    spans.push(Span::raw(" ".repeat(width.saturating_sub(used))));
    let line = Line::from(spans);
    if chosen { line.patch_style(style(look, Meaning::Selected)) } else { line }
}

/// Why there are no numbers to show.
fn reason(ctx: &Context, member: &Member, health: Health) -> Option<String> {
    let bundled = ctx.bundled.get(&member.name());
    match (&member.link, bundled, health) {
        (Link::Down(_, since), Some(Bundled::Killed), _) => Some(format!(
            "killed {} ago with SIGKILL; r starts it again",
            age(ctx.now.since(*since))
        )),
        (Link::Down(_, since), Some(Bundled::Ended), _) => {
            Some(format!("its process ended {} ago; r starts it again", age(ctx.now.since(*since))))
        }
        (Link::Down(fault, since), _, Health::Unreachable) => {
            Some(format!("{} for {}; others hear it", fault.words, age(ctx.now.since(*since))))
        }
        (Link::Down(fault, since), _, Health::Unreached | Health::Silent) => Some(format!(
            "{} ({}, for {}); whether it lives is not known here",
            fault.words,
            member.listed.endpoint,
            age(ctx.now.since(*since))
        )),
        (Link::Down(fault, _), ..) if !member.is_refused() => Some(format!(
            "the others do not hear it; from here: {} ({})",
            fault.words, member.listed.endpoint
        )),
        (Link::Down(fault, since), ..) => {
            let at = &member.listed.endpoint;
            Some(format!("{} ({at}, for {})", fault.words, age(ctx.now.since(*since))))
        }
        (_, _, Health::Unstarted) => {
            Some(format!("never started (peer URL {})", member.listed.peer_urls.join(", ")))
        }
        (_, _, Health::Unreachable) => Some("it lists no address; others hear it".to_owned()),
        (_, _, Health::Unreached) => Some("it lists no address for clients".to_owned()),
        (_, _, Health::Connecting) => Some(format!("connecting to {}", member.listed.endpoint)),
        _ => None,
    }
}

fn cell(ctx: &Context, member: &Member, health: Health, place: &Place) -> Vec<Span<'static>> {
    let look = &ctx.look;
    let none = || vec![say(look, Meaning::Dim, look.glyphs.none)];
    let sample = member.sample.as_ref();
    let number = |value: Option<u64>, meaning| match value {
        Some(value) => vec![say(look, meaning, grouped(value))],
        None => none(),
    };
    match place.column {
        Column::Name => {
            let role = member.role();
            let meaning = if role == Role::Leader { Meaning::Leader } else { Meaning::Strong };
            vec![say(look, meaning, fit(&member.name(), place.width - 2, &look.glyphs))]
        }
        Column::Role => vec![role(ctx, member)],
        Column::State => vec![health_words(ctx, member, health)],
        Column::Term => number(sample.map(|s| s.term), Meaning::Text),
        Column::Commit => number(sample.map(|s| s.commit), Meaning::Text),
        Column::Applied => number(sample.map(|s| s.applied), Meaning::Text),
        Column::Lag => match ctx.cluster.lag(member.listed.id) {
            Some(lag) if lag > cluster::state::LAG_ENTRIES => {
                vec![say(look, Meaning::Warn, short(lag))]
            }
            Some(lag) => vec![say(look, Meaning::Text, short(lag))],
            None => none(),
        },
        Column::Space => sample.map_or_else(none, |sample| space(ctx, sample, place.width)),
        Column::Rtt => match member.rtt {
            Some(rtt) => {
                let us = u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX);
                vec![say(look, Meaning::Text, duration_us(us))]
            }
            None => none(),
        },
        Column::Sync => match sample.and_then(|s| s.sync_p99_us) {
            Some(0) => vec![say(look, Meaning::Dim, "idle")],
            Some(us) if us > cluster::state::SYNC_SLOW_US => {
                vec![say(look, Meaning::Warn, duration_us(us))]
            }
            Some(us) => vec![say(look, Meaning::Text, duration_us(us))],
            None => none(),
        },
        Column::Clients => number(sample.and_then(|s| s.connections.or(s.streams)), Meaning::Text),
    }
}

fn role(ctx: &Context, member: &Member) -> Span<'static> {
    let (meaning, letter) = match member.role() {
        Role::Leader => (Meaning::Leader, "L"),
        Role::Follower => (Meaning::Text, "F"),
        Role::Candidate => (Meaning::Warn, "C"),
        Role::Learner => (Meaning::Learner, "l"),
        Role::Unknown => (Meaning::Dim, ctx.look.glyphs.none),
    };
    say(&ctx.look, meaning, letter)
}

fn health_words(ctx: &Context, member: &Member, health: Health) -> Span<'static> {
    let glyphs = &ctx.look.glyphs;
    let age = member.age(ctx.now).map_or_else(String::new, age);
    let killed = ctx.bundled.get(&member.name()) == Some(&Bundled::Killed);
    let (meaning, sign, words) = match health {
        Health::Connecting => (Meaning::Dim, glyphs.wait, "wait".to_owned()),
        Health::Ok if member.listed.learner => {
            (Meaning::Learner, glyphs.half, "learner".to_owned())
        }
        Health::Ok => (Meaning::Ok, glyphs.full, "ok".to_owned()),
        Health::NoLeader => (Meaning::Bad, glyphs.half, "no leader".to_owned()),
        Health::Lagging => (Meaning::Warn, glyphs.half, "lagging".to_owned()),
        Health::SlowDisk => (Meaning::Warn, glyphs.half, "slow disk".to_owned()),
        Health::Alarm => (Meaning::Bad, glyphs.half, "alarm".to_owned()),
        Health::Stale => (Meaning::Warn, glyphs.half, format!("stale {age}")),
        Health::Unreachable => (Meaning::Warn, glyphs.hollow, "unheard".to_owned()),
        Health::Unreached => (Meaning::Warn, glyphs.hollow, "unreached".to_owned()),
        Health::Silent => (Meaning::Warn, glyphs.hollow, "silent".to_owned()),
        Health::Unstarted => (Meaning::Bad, glyphs.down, "unstarted".to_owned()),
        Health::Down if killed => (Meaning::Bad, glyphs.down, "killed".to_owned()),
        Health::Down => (Meaning::Bad, glyphs.down, "down".to_owned()),
    };
    say(&ctx.look, meaning, format!("{sign} {words}"))
}

/// Bytes in use, allocated and allowed, as a bar and as numbers.
fn space(ctx: &Context, sample: &Sample, width: usize) -> Vec<Span<'static>> {
    let look = &ctx.look;
    let text = |value: Option<u64>| value.map_or_else(|| look.glyphs.none.to_owned(), bytes);
    let (used, allocated) = (sample.in_use, sample.allocated);
    if width < 28 {
        let words = format!("  {} / {}", text(sample.counted()), text(sample.quota));
        return vec![say(look, Meaning::Text, words)];
    }
    let words = format!(" {:>5} / {:>4} / {:>4}", text(used), text(allocated), text(sample.quota));
    let width = width.saturating_sub(words.chars().count() + 2);
    let mut spans = vec![Span::raw("  ")];
    if let (Some(allocated), Some(quota)) = (allocated, sample.quota) {
        spans.extend(bar(look, width, used.unwrap_or(allocated), allocated, quota));
    } else {
        // Without a quota there is nothing to measure against; old servers do not tell theirs.
        let word = if sample.source == Source::Status { "not offered" } else { "no quota" };
        let word = fit(&format!("{word:<width$}"), width, &look.glyphs);
        spans.push(say(look, Meaning::Dim, word));
    }
    spans.push(say(look, Meaning::Text, words));
    spans
}
