//! Who led when, and what to look at.

use std::time::Duration;

use mini_etcd_server::clock::Moment;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::say;
use crate::app::State;
use crate::app::cluster::{Health, Link};
use crate::app::leadership::{Change, WINDOW};
use crate::app::sample::AlarmKind;
use crate::app::toast::Gravity;
use crate::app::verdict::Stop;
use crate::theme::Meaning;
use crate::widget::{age, duration_us, fit, panel, short};

/// Windows that the lanes show, shortest first.
const WINDOWS: [u64; 3] = [120, 600, WINDOW.as_secs()];
/// Width of the names before the lanes.
const HEAD: usize = 9;

/// Draws lanes, changes and advice.
pub(super) fn leadership(state: &State, frame: &mut Frame<'_>, area: Rect) {
    if area.height < 3 {
        return;
    }
    let look = &state.look;
    let seen =
        state.cluster.leadership.since().map_or(Duration::ZERO, |since| state.now.since(since));
    let window = WINDOWS.into_iter().find(|w| *w >= seen.as_secs()).unwrap_or(WINDOW.as_secs());
    let title = format!("Leadership, last {} min, and what happened", window / 60);
    let since = say(look, Meaning::Dim, format!(" watched for {} ", age(seen)));
    let inside = panel(frame, look, area, &title, Line::from(since));
    let mut lines = lanes(state, window, usize::from(inside.width));
    let height = usize::from(inside.height);
    let advice = advice(state);
    let rest = height.saturating_sub(lines.len() + advice.len().min(height / 2));
    lines.extend(events(state, usize::from(inside.width)).into_iter().take(rest));
    lines.truncate(height.saturating_sub(advice.len().min(height / 2)));
    for (meaning, words) in advice {
        let words = fit(&words, usize::from(inside.width).saturating_sub(HEAD + 1), &look.glyphs);
        lines.push(Line::from(vec![
            say(look, Meaning::Dim, " advice  "),
            say(look, meaning, words),
        ]));
    }
    for (line, y) in lines.into_iter().zip(inside.y..inside.bottom()) {
        frame.render_widget(line, Rect { y, height: 1, ..inside });
    }
}

/// One lane for each member that led.
fn lanes(state: &State, window: u64, width: usize) -> Vec<Line<'static>> {
    let look = &state.look;
    let mut leaders: Vec<u64> =
        state.cluster.leadership.spans().filter_map(|span| span.leader).collect();
    leaders.sort_by_key(|id| state.cluster.name(*id));
    leaders.dedup();
    if leaders.is_empty() {
        return vec![Line::from(say(look, Meaning::Dim, " nobody has led yet"))];
    }
    let (term, ..) = state.cluster.newest();
    let tail = format!(" term {term} ");
    let cells = width.saturating_sub(HEAD + tail.len());
    let draw = |id: u64| {
        let name = fit(&state.cluster.name(id), HEAD - 2, &look.glyphs);
        let now = state.cluster.leader() == Some(id);
        let meaning = if now { Meaning::Leader } else { Meaning::Text };
        let mut spans = vec![say(look, meaning, format!(" {name:<width$}", width = HEAD - 1))];
        let lane: String =
            (0..cells).map(|cell| lane_cell(state, id, window, cell, cells)).collect();
        spans.push(say(look, if now { Meaning::Leader } else { Meaning::BarPart }, lane));
        spans.push(say(look, Meaning::Dim, if now { tail.clone() } else { String::new() }));
        Line::from(spans)
    };
    leaders.into_iter().map(draw).collect()
}

fn lane_cell(state: &State, id: u64, window: u64, cell: usize, cells: usize) -> &'static str {
    let window = Duration::from_secs(window);
    let back = |cell: usize| window.mul_f64(1.0 - ratio(cell, cells));
    let (from, to) = (back(cell), back(cell + 1));
    let at = |back: Duration| Moment(state.now.0.saturating_sub(back));
    // Time before the console looked, on the clock that begins at its start.
    let before_start = from > state.now.0;
    let led = state
        .cluster
        .leadership
        .spans()
        .any(|span| span.leader == Some(id) && span.from <= at(to) && span.to >= at(from));
    match (before_start && to > state.now.0, led) {
        (false, true) => state.look.glyphs.bar[0],
        _ => " ",
    }
}

#[expect(clippy::cast_precision_loss, reason = "cells of a screen")]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// Changes of leadership and what happened to members, newest first.
pub(super) fn events(state: &State, width: usize) -> Vec<Line<'static>> {
    let look = &state.look;
    let changes = state.cluster.leadership.changes();
    let changes = changes.iter().map(|change| (change.at, change_line(state, change)));
    let said = state.toasts.journal().rev().map(|toast| {
        let meaning = if toast.gravity == Gravity::Error { Meaning::Bad } else { Meaning::Text };
        let why = if toast.why.is_empty() { String::new() } else { format!(": {}", toast.why) };
        let text =
            fit(&format!("{}{why}", toast.what), width.saturating_sub(HEAD + 3), &look.glyphs);
        (toast.at, Line::from(vec![when(state, toast.at), say(look, meaning, text)]))
    });
    let mut events: Vec<_> = changes.chain(said).collect();
    events.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    events.into_iter().map(|(_, line)| line).collect()
}

fn when(state: &State, at: Moment) -> Span<'static> {
    let clock = state.wall_at(at) % 86_400;
    let text = format!(" {:02}:{:02}:{:02}  ", clock / 3600, clock % 3600 / 60, clock % 60);
    say(&state.look, Meaning::Dim, text)
}

fn change_line(state: &State, change: &Change) -> Line<'static> {
    let (look, cluster) = (&state.look, &state.cluster);
    Line::from(vec![
        when(state, change.at),
        say(look, Meaning::Text, format!("leader {}", cluster.name(change.from))),
        say(look, Meaning::Dim, format!(" {} ", look.glyphs.arrow)),
        say(look, Meaning::Leader, cluster.name(change.to)),
        say(look, Meaning::Dim, format!("  term {}, within {}", change.term, age(change.within))),
    ])
}

/// What a person should look at, worst first.
pub(super) fn advice(state: &State) -> Vec<(Meaning, String)> {
    let cluster = &state.cluster;
    let mut said = of_stop(state);
    if cluster.locked {
        let words = "users are enabled: without a login no key is read or written";
        said.push((Meaning::Warn, words.to_owned()));
    }
    for member in &cluster.members {
        let name = member.name();
        match (cluster.health(member, state.now, state.stale_after()), &member.link) {
            (Health::Down, Link::Down(fault, _)) => {
                let next = if state.bundled.contains_key(&name) {
                    "choose it and press r"
                } else {
                    &fault.next
                };
                said.push((Meaning::Bad, format!("{name} is down: {next}")));
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
        let space = member.live().and_then(|sample| sample.allocated.zip(sample.quota));
        if let Some((used, quota)) =
            space.filter(|(used, quota)| *quota > 0 && *used > quota / 5 * 4)
        {
            let percent = u128::from(used) * 100 / u128::from(quota);
            let words = format!("{name} uses {percent}% of its quota: compact, then defrag");
            said.push((Meaning::Warn, words));
        }
    }
    said
}

/// What the alarms mean, and how to be rid of them.
fn of_stop(state: &State) -> Vec<(Meaning, String)> {
    let cluster = &state.cluster;
    let (.., revision) = cluster.newest();
    let mut said = Vec::new();
    match cluster.stop() {
        Some((Stop::NoSpace, who)) => {
            said.push((
                Meaning::Bad,
                format!("{who} has used up its quota: the cluster refuses every write, until"),
            ));
            let next = "etcdctl defrag --cluster; etcdctl alarm disarm";
            said.push((Meaning::Bad, format!("etcdctl compact {revision}; {next}")));
        }
        Some((Stop::Corrupt, who)) => {
            said.push((
                Meaning::Bad,
                format!("{who}: data differs from the others; no read or write is answered"),
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
