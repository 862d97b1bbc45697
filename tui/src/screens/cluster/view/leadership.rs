//! Who led when, and what to look at.

use std::time::Duration;

use mini_etcd_shared::clock::Moment;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::console::Context;
use crate::console::toast::Gravity;
use crate::engine::sample::{AlarmKind, Denied, Source};
use crate::screens::cluster::leadership::{Change, WINDOW};
use crate::screens::cluster::member::Link;
use crate::screens::cluster::space::Relief;
use crate::screens::cluster::state::Health;
use crate::screens::cluster::verdict::Stop;
use crate::widget::theme::Meaning;
use crate::widget::{age, duration_us, fit, panel, say, short, wrap};

/// Windows that the lanes show, shortest first.
const WINDOWS: [u64; 3] = [120, 600, WINDOW.as_secs()];
/// Width of the names before the lanes.
const HEAD: usize = 9;

/// Draws lanes, changes and advice.
pub(crate) fn leadership(ctx: &Context, frame: &mut Frame<'_>, area: Rect) {
    if area.height < 3 {
        return;
    }
    let look = &ctx.look;
    let seen = ctx.cluster.leadership.since().map_or(Duration::ZERO, |since| ctx.now.since(since));
    let window = WINDOWS.into_iter().find(|w| *w >= seen.as_secs()).unwrap_or(WINDOW.as_secs());
    let title = format!("Leadership, last {} min, and what happened", window / 60);
    let since = say(look, Meaning::Dim, format!(" watched for {} ", age(seen)));
    let inside = panel(frame, look, area, &title, Line::from(since));
    let (width, height) = (usize::from(inside.width), usize::from(inside.height));
    // What to do comes first, then the last that happened, then who led.
    let mut advice = advised(ctx, width);
    advice.truncate(height);
    let events = events(ctx, width);
    let room = height - advice.len();
    let mut lines = lanes(ctx, window, width, room.saturating_sub(events.len().min(1)));
    lines.truncate(room);
    let rest = room - lines.len();
    lines.extend(events.into_iter().take(rest));
    lines.extend(advice);
    for (line, y) in lines.into_iter().zip(inside.y..inside.bottom()) {
        frame.render_widget(line, Rect { y, height: 1, ..inside });
    }
}

/// The advice in lines of that width.
fn advised(ctx: &Context, width: usize) -> Vec<Line<'static>> {
    let look = &ctx.look;
    let mut lines = Vec::new();
    for (meaning, words) in advice(ctx) {
        for (at, words) in wrap(&words, width.saturating_sub(HEAD + 1)).into_iter().enumerate() {
            let head = if at == 0 { " advice  " } else { "         " };
            lines.push(Line::from(vec![say(look, Meaning::Dim, head), say(look, meaning, words)]));
        }
    }
    lines
}

/// Lines that the panel needs, its border included, when there is advice.
pub(crate) fn lines_of_advice(ctx: &Context, width: u16) -> u16 {
    let advice = advised(ctx, usize::from(width).saturating_sub(2)).len();
    let lines = if advice > 0 { advice + 2 } else { 0 };
    u16::try_from(lines).unwrap_or(u16::MAX)
}

/// One lane for each member that led; without room for all, the ones of who does not lead go.
fn lanes(ctx: &Context, window: u64, width: usize, room: usize) -> Vec<Line<'static>> {
    let look = &ctx.look;
    let mut leaders: Vec<u64> =
        ctx.cluster.leadership.spans().filter_map(|span| span.leader).collect();
    leaders.sort_by_key(|id| ctx.cluster.name(*id));
    leaders.dedup();
    while leaders.len() > room.max(1) {
        let goes = leaders.iter().position(|id| ctx.cluster.leader() != Some(*id));
        leaders.remove(goes.unwrap_or_default());
    }
    if leaders.is_empty() {
        return vec![Line::from(say(look, Meaning::Dim, " no leader seen yet"))];
    }
    let (term, ..) = ctx.cluster.newest();
    let tail = format!(" term {term} ");
    let cells = width.saturating_sub(HEAD + tail.len());
    let draw = |id: u64| {
        let name = fit(&ctx.cluster.name(id), HEAD - 2, &look.glyphs);
        let now = ctx.cluster.leader() == Some(id);
        let meaning = if now { Meaning::Leader } else { Meaning::Text };
        let mut spans = vec![say(look, meaning, format!(" {name:<width$}", width = HEAD - 1))];
        let lane: String = (0..cells).map(|cell| lane_cell(ctx, id, window, cell, cells)).collect();
        spans.push(say(look, if now { Meaning::Leader } else { Meaning::BarPart }, lane));
        spans.push(say(look, Meaning::Dim, if now { tail.clone() } else { String::new() }));
        Line::from(spans)
    };
    leaders.into_iter().map(draw).collect()
}

fn lane_cell(ctx: &Context, id: u64, window: u64, cell: usize, cells: usize) -> &'static str {
    let window = Duration::from_secs(window);
    let back = |cell: usize| window.mul_f64(1.0 - ratio(cell, cells));
    let (from, to) = (back(cell), back(cell + 1));
    let at = |back: Duration| Moment(ctx.now.0.saturating_sub(back));
    // Time before the console looked, on the clock that begins at its start.
    let before_start = from > ctx.now.0;
    let led = ctx
        .cluster
        .leadership
        .spans()
        .any(|span| span.leader == Some(id) && span.from <= at(to) && span.to >= at(from));
    match (before_start && to > ctx.now.0, led) {
        (false, true) => ctx.look.glyphs.bar[0],
        _ => " ",
    }
}

#[expect(clippy::cast_precision_loss, reason = "cells of a screen")]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// Changes of leadership and what happened to members, newest first.
pub(crate) fn events(ctx: &Context, width: usize) -> Vec<Line<'static>> {
    let look = &ctx.look;
    let changes = ctx.cluster.leadership.changes();
    let changes = changes.iter().map(|change| (change.at, change_line(ctx, change)));
    let said = ctx.toasts.journal().rev().map(|toast| {
        let meaning = if toast.gravity == Gravity::Error { Meaning::Bad } else { Meaning::Text };
        let why = if toast.why.is_empty() { String::new() } else { format!(": {}", toast.why) };
        let text =
            fit(&format!("{}{why}", toast.what), width.saturating_sub(HEAD + 3), &look.glyphs);
        (toast.at, Line::from(vec![when(ctx, toast.at), say(look, meaning, text)]))
    });
    let mut events: Vec<_> = changes.chain(said).collect();
    events.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    events.into_iter().map(|(_, line)| line).collect()
}

fn when(ctx: &Context, at: Moment) -> Span<'static> {
    let clock = ctx.wall_at(at) % 86_400;
    let text = format!(" {:02}:{:02}:{:02}  ", clock / 3600, clock % 3600 / 60, clock % 60);
    say(&ctx.look, Meaning::Dim, text)
}

fn change_line(ctx: &Context, change: &Change) -> Line<'static> {
    let (look, cluster) = (&ctx.look, &ctx.cluster);
    Line::from(vec![
        when(ctx, change.at),
        say(look, Meaning::Text, format!("leader {}", cluster.name(change.from))),
        say(look, Meaning::Dim, format!(" {} ", look.glyphs.arrow)),
        say(look, Meaning::Leader, cluster.name(change.to)),
        say(look, Meaning::Dim, format!("  term {}, within {}", change.term, age(change.within))),
    ])
}

/// What a person should look at, worst first.
pub(crate) fn advice(ctx: &Context) -> Vec<(Meaning, String)> {
    let cluster = &ctx.cluster;
    let mut said = of_stop(ctx);
    if let Some(denied) = cluster.locked {
        let words = match denied {
            Denied::Password => "authentication failed, no key is read or written:",
            _ => "users are enabled, without a login no key is read or written:",
        };
        said.push((Meaning::Warn, format!("{words} {}", denied.next())));
    }
    for member in &cluster.members {
        let name = member.name();
        match (cluster.health(member, ctx.now, ctx.stale_after()), &member.link) {
            (Health::Down, Link::Down(fault, _)) => {
                let next = if ctx.bundled.contains_key(&name) {
                    "choose it and press r"
                } else if member.is_refused() {
                    &fault.next
                } else {
                    "the others do not hear it; look at its process and its log"
                };
                said.push((Meaning::Bad, format!("{name} is down: {next}")));
            }
            (Health::Unstarted, _) if member.listed.learner => {
                said.push((Meaning::Warn, format!("{name} has never started: start or remove it")));
            }
            (Health::Unstarted, _) => said.push((
                Meaning::Bad,
                format!("{name} counts for the quorum and never started: start or remove it"),
            )),
            (Health::Lagging, _) => {
                let lag = cluster.lag(member.listed.id).map_or_else(String::new, short);
                said.push((Meaning::Warn, format!("{name} is {lag} entries behind the leader")));
            }
            (Health::SlowDisk, _) => {
                let us = member.live().and_then(|sample| sample.sync_p99_us).unwrap_or_default();
                said.push((
                    Meaning::Warn,
                    format!("{name}: log syncs take {} at p99", duration_us(us)),
                ));
            }
            _ => {}
        }
        let complaints = member.live().into_iter().flat_map(|sample| &sample.complaints);
        said.extend(complaints.map(|words| (Meaning::Bad, format!("{name}: {words}"))));
        let stopped =
            cluster.stop().is_some_and(|(_, members)| members.contains(&member.listed.id));
        let sample = member.live().filter(|_| !stopped);
        if let Some((sample, full)) = sample.and_then(|sample| Some((sample, sample.full()?))) {
            let next = match (full.relief, sample.source) {
                (Relief::Compact, Source::Status) => "compact, then defrag",
                (Relief::Compact, Source::Admin) => "compact",
                (Relief::Defrag, _) => "defrag gives back what is not in use",
                (Relief::Keys, Source::Status) => KEYS,
                (Relief::Keys, Source::Admin) => "delete keys, then compact",
            };
            let words = format!("{name} uses {}% of its quota: {next}", full.percent);
            said.push((Meaning::Warn, words));
        }
    }
    said
}

/// What helps when keys themselves fill the quota. What is deleted stays as history until it is compacted.
const KEYS: &str = "delete keys and compact, or raise --quota-backend-bytes";

/// What the alarms mean, and how to be rid of them.
fn of_stop(ctx: &Context) -> Vec<(Meaning, String)> {
    let cluster = &ctx.cluster;
    let (.., revision) = cluster.newest();
    let mut said = Vec::new();
    match cluster.stop() {
        Some((Stop::NoSpace, members)) => {
            let who = cluster.subject(&members);
            said.push((
                Meaning::Bad,
                format!("{who} out of space, no write is taken; the way out:"),
            ));
            let of = members.iter().filter_map(|id| cluster.member(*id)?.live()?.full());
            let reliefs: Vec<Relief> = of.map(|full| full.relief).collect();
            let rest = "etcdctl defrag --cluster; etcdctl alarm disarm";
            let next = if reliefs.contains(&Relief::Keys) {
                format!("{KEYS}; {rest}")
            } else if !reliefs.is_empty() && reliefs.iter().all(|r| *r == Relief::Defrag) {
                rest.to_owned()
            } else {
                format!("etcdctl compact {revision}; {rest}")
            };
            said.push((Meaning::Bad, next));
        }
        Some((Stop::Corrupt, members)) => {
            let who = cluster.subject(&members);
            said.push((
                Meaning::Bad,
                format!("{who} corrupt: data differs; no read or write is answered"),
            ));
            let next = "etcdctl endpoint hashkv --cluster; replace it; etcdctl alarm disarm";
            said.push((Meaning::Bad, next.to_owned()));
        }
        None => {}
    }
    let others = cluster.alarms().filter(|(kind, _)| matches!(kind, AlarmKind::Other(_)));
    said.extend(others.map(|(kind, member)| {
        (Meaning::Bad, format!("{} has raised the alarm {}", cluster.name(member), kind.name()))
    }));
    said
}
