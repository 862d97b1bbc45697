//! How far each follower is, as the leader sees it.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::console::Context;
use crate::engine::sample::{Progress, Sample, Sending};
use crate::screens::cluster::member::Member;
use crate::widget::theme::Meaning;
use crate::widget::{bar, bytes, fit, grouped, panel, say, short};

/// Lines the panel would fill.
pub(crate) fn lines(ctx: &Context) -> usize {
    let members = ctx.cluster.members.len();
    match ctx.cluster.leader_sample().map(|sample| sample.progress.is_some()) {
        Some(true) => members.saturating_sub(1),
        Some(false) => members,
        None => 1,
    }
}

/// Draws the lanes.
pub(crate) fn progress(ctx: &Context, frame: &mut Frame<'_>, area: Rect) {
    let look = &ctx.look;
    let leader = ctx.cluster.leader();
    let told = ctx.cluster.leader_sample().is_some_and(|sample| sample.progress.is_some());
    let title = match leader {
        Some(id) if told => format!("Raft progress, as {} sees it", ctx.cluster.name(id)),
        Some(_) => "Raft progress, compared".to_owned(),
        None => "Raft progress".to_owned(),
    };
    let inside = panel(frame, look, area, &title, Line::default());
    let width = usize::from(inside.width).saturating_sub(1);
    let lanes = match (leader, ctx.cluster.leader_sample()) {
        (Some(_), Some(sample)) => match &sample.progress {
            Some(progress) => offered(ctx, sample, progress, (width, usize::from(inside.height))),
            None => by_status(ctx, sample, width),
        },
        (Some(id), None) => {
            vec![note(ctx, &format!("{} leads and is not heard from here", ctx.cluster.name(id)))]
        }
        (None, _) => vec![note(ctx, "no leader seen: nobody tells who sends to whom")],
    };
    for (line, y) in lanes.into_iter().zip(inside.y..inside.bottom()) {
        frame.render_widget(line, Rect { y, height: 1, ..inside });
    }
}

fn note(ctx: &Context, words: &str) -> Line<'static> {
    Line::from(say(&ctx.look, Meaning::Dim, format!(" {words}")))
}

fn offered(
    ctx: &Context,
    leader: &Sample,
    progress: &[Progress],
    (width, height): (usize, usize),
) -> Vec<Line<'static>> {
    let mut lanes: Vec<_> = progress.iter().filter(|p| p.member != leader.leader).collect();
    lanes.sort_by_key(|progress| ctx.cluster.name(progress.member));
    if lanes.is_empty() {
        return vec![note(ctx, "one member: every write is its own majority")];
    }
    if height >= lanes.len() * 3 {
        let tall = |progress| tall_lane(ctx, leader, progress, width);
        return lanes.into_iter().flat_map(tall).collect();
    }
    lanes.into_iter().map(|progress| lane(ctx, leader, progress, width)).collect()
}

/// Who it is and how it is sent.
fn head(ctx: &Context, progress: &Progress) -> Vec<Span<'static>> {
    let look = &ctx.look;
    let (meaning, sending) = match progress.sending {
        _ if !progress.active => (Meaning::Bad, "unheard"),
        Sending::Probe => (Meaning::Warn, "probe"),
        Sending::Replicate => (Meaning::Ok, "replicate"),
        Sending::Snapshot => (Meaning::Learner, "snapshot"),
    };
    let name = fit(&ctx.cluster.name(progress.member), 8, &look.glyphs);
    vec![
        say(look, Meaning::Strong, format!(" {name:<5}")),
        say(look, meaning, format!("{sending:<10}")),
    ]
}

/// A leader begins with a match of zero; until the follower has answered it, that tells nothing.
fn is_unknown(progress: &Progress) -> bool {
    !progress.active && progress.matched == 0
}

fn unknown(ctx: &Context, leader: &Sample) -> String {
    format!("not heard since {} leads", ctx.cluster.name(leader.leader))
}

fn last_index(leader: &Sample) -> u64 {
    leader.log.map_or(leader.commit, |(_, last)| last)
}

fn behind_words(progress: &Progress, behind: u64) -> String {
    match (behind, progress.behind_bytes) {
        (0, _) => String::new(),
        (behind, Some(size)) => format!("  {} behind, {}", short(behind), bytes(size)),
        (behind, None) => format!("  {} behind", short(behind)),
    }
}

/// A bar in what room there is, and what stands behind it.
fn finish(
    ctx: &Context,
    mut spans: Vec<Span<'static>>,
    width: usize,
    (part, whole): (u64, u64),
    tail: String,
) -> Line<'static> {
    let look = &ctx.look;
    let used = spans.iter().map(Span::width).sum::<usize>() + tail.chars().count() + 2;
    let room = width.saturating_sub(used);
    if room >= 4 {
        spans.push(Span::raw("  "));
        spans.extend(bar(look, room, part, part, whole.max(1)));
    }
    spans.push(say(look, if part >= whole { Meaning::Ok } else { Meaning::Warn }, tail));
    Line::from(spans)
}

/// Two lines and a gap: the bar, and the figures below it.
fn tall_lane(
    ctx: &Context,
    leader: &Sample,
    progress: &Progress,
    width: usize,
) -> [Line<'static>; 3] {
    let look = &ctx.look;
    if is_unknown(progress) {
        let words = say(look, Meaning::Dim, unknown(ctx, leader));
        let lane = [head(ctx, progress), vec![words]].concat();
        return [Line::from(lane), Line::default(), Line::default()];
    }
    let last = last_index(leader);
    let behind = last.saturating_sub(progress.matched);
    let tail = behind_words(progress, behind) + &percent(progress.matched, last);
    let lane = finish(ctx, head(ctx, progress), width, (progress.matched, last), tail);
    let mut figures = vec![Span::raw("      ")];
    for (word, value) in [
        ("match", progress.matched),
        ("next", progress.next),
        ("in flight", progress.in_flight.into()),
    ] {
        figures.push(say(look, Meaning::Dim, format!("{word} ")));
        figures.push(say(look, Meaning::Text, format!("{}   ", grouped(value))));
    }
    [lane, Line::from(figures), Line::default()]
}

fn lane(ctx: &Context, leader: &Sample, progress: &Progress, width: usize) -> Line<'static> {
    let look = &ctx.look;
    let last = last_index(leader);
    let behind = last.saturating_sub(progress.matched);
    let mut spans = head(ctx, progress);
    if is_unknown(progress) {
        spans.push(say(look, Meaning::Dim, unknown(ctx, leader)));
        return Line::from(spans);
    }
    spans.push(say(look, Meaning::Dim, "match "));
    spans.push(say(look, Meaning::Text, grouped(progress.matched)));
    let tail = behind_words(progress, behind) + &percent(progress.matched, last);
    for (word, value) in [("in flight", u64::from(progress.in_flight)), ("next", progress.next)] {
        let text = format!("  {word} {}", grouped(value));
        let used = spans.iter().map(Span::width).sum::<usize>() + tail.chars().count() + 2;
        // The bar comes first, then what is in flight, then the next index.
        if width.saturating_sub(used) >= text.len() + 10 {
            spans.push(say(look, Meaning::Dim, format!("  {word} ")));
            spans.push(say(look, Meaning::Text, grouped(value)));
        }
    }
    finish(ctx, spans, width, (progress.matched, last), tail)
}

/// Never 100 % while something is missing.
fn percent(part: u64, whole: u64) -> String {
    let percent = u128::from(part) * 100 / u128::from(whole.max(1));
    format!(" {:>3}%", if part < whole { percent.min(99) } else { 100 })
}

/// A server that tells nothing about its followers: compare what the members say themselves.
fn by_status(ctx: &Context, leader: &Sample, width: usize) -> Vec<Line<'static>> {
    let look = &ctx.look;
    let words = format!("match and next: not offered by etcd {}; by Status:", leader.version);
    let mut lines = vec![note(ctx, &words)];
    let members = ctx.cluster.members.iter().filter(|member| member.listed.id != leader.leader);
    lines.extend(members.map(|member| {
        let name = fit(&member.name(), 8, &look.glyphs);
        let mut spans = vec![say(look, Meaning::Strong, format!(" {name:<9}"))];
        spans.extend(compared(ctx, member, leader, width.saturating_sub(10)));
        Line::from(spans)
    }));
    lines
}

fn compared(ctx: &Context, member: &Member, leader: &Sample, width: usize) -> Vec<Span<'static>> {
    let look = &ctx.look;
    let (Some(sample), Some(lag)) = (member.live(), ctx.cluster.lag(member.listed.id)) else {
        return vec![say(look, Meaning::Bad, "not heard")];
    };
    let commit = format!("commit {}", grouped(sample.commit));
    let has = leader.commit.saturating_sub(lag);
    let words = if lag == 0 { String::new() } else { format!("  {} behind", short(lag)) };
    let tail = words + &percent(has, leader.commit);
    finish(ctx, vec![say(look, Meaning::Text, commit)], width, (has, leader.commit), tail).spans
}
