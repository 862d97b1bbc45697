//! Everything known about one member.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::console::Context;
use crate::engine::sample::{Sample, Source};
use crate::screens::cluster::member::{Link, Member};
use crate::widget::theme::Meaning;
use crate::widget::{age, around, bytes, duration_us, fit, grouped, popup, say};

/// Widest and narrowest of the names of what is shown.
const NAMES: usize = 17;

/// Draws the member; answers where.
pub(crate) fn member(ctx: &Context, frame: &mut Frame<'_>, id: u64) -> Option<Rect> {
    let look = &ctx.look;
    let member = ctx.cluster.member(id)?;
    let mut facts = place(ctx, member);
    match &member.sample {
        Some(sample) => facts.extend(said(ctx, sample)),
        None => facts.push(("said", "nothing yet".to_owned())),
    }
    let width = ctx.size.0.saturating_sub(4).min(84);
    let height = u16::try_from(facts.len()).unwrap_or(u16::MAX).saturating_add(2);
    let height = height.min(ctx.size.1.saturating_sub(2));
    let right = say(look, Meaning::Dim, " j k next member, Esc closes ");
    let title = format!("Member {}", member.name());
    let inside = popup(frame, look, (width, height), &title, Line::from(right));
    for ((name, text), y) in facts.into_iter().zip(inside.y..inside.bottom()) {
        let room = usize::from(inside.width).saturating_sub(NAMES + 3);
        let meaning = if text == NOT_OFFERED { Meaning::Dim } else { Meaning::Text };
        let line = Line::from(vec![
            say(look, Meaning::Dim, format!("  {name:<NAMES$}")),
            say(look, meaning, fit(&text, room, &look.glyphs)),
        ]);
        frame.render_widget(line, Rect { y, height: 1, ..inside });
    }
    Some(around(inside))
}

/// Connections are not told by etcd, calls that stay open are.
fn open_calls(sample: &Sample) -> Option<String> {
    sample.streams.map(|streams| format!("{streams} open streams; connections are not offered"))
}

const NOT_OFFERED: &str = "not offered by this server";

fn place(ctx: &Context, member: &Member) -> Vec<(&'static str, String)> {
    let listed = &member.listed;
    let link = match &member.link {
        Link::Connecting if member.is_unstarted() => "none: it has never started".to_owned(),
        Link::Connecting => "connecting".to_owned(),
        Link::Live => "heard".to_owned(),
        Link::Down(fault, since) => {
            let next = if fault.next.is_empty() { "" } else { "; " };
            let since = age(ctx.now.since(*since));
            format!("not heard for {since}: {}{next}{}", fault.words, fault.next)
        }
    };
    vec![
        ("id", format!("{:x} in cluster {:x}", listed.id, ctx.cluster.id)),
        ("asked at", listed.endpoint.clone()),
        ("clients reach it", listed.client_urls.join(", ")),
        ("peers reach it", listed.peer_urls.join(", ")),
        ("link", link),
    ]
}

fn said(ctx: &Context, sample: &Sample) -> Vec<(&'static str, String)> {
    let or = |value: Option<String>| value.unwrap_or_else(|| NOT_OFFERED.to_owned());
    let latency = |us: Option<u64>| {
        or(us.map(|us| if us == 0 { "none in the last interval".into() } else { duration_us(us) }))
    };
    let source = match sample.source {
        Source::Admin => "live stream",
        Source::Status if sample.peers.is_some() => "Status and /metrics, asked again and again",
        Source::Status => "Status, asked again and again",
    };
    let version = format!("{} {}", sample.source.server(), sample.version);
    let log = sample.log.map(|(first, last)| format!("{} to {}", grouped(first), grouped(last)));
    let compacted = sample.compacted.map(|c| u64::try_from(c).map_or("never".into(), grouped));
    let mut facts = vec![
        ("version", version),
        ("heard by", format!("{source}, {} ago", age(ctx.now.since(sample.at)))),
        ("uptime", or(sample.uptime_s.map(|s| age(std::time::Duration::from_secs(s))))),
        ("term", sample.term.to_string()),
        ("commit, applied", format!("{}, {}", grouped(sample.commit), grouped(sample.applied))),
        ("log", or(log)),
        ("revision", grouped(sample.revision.unsigned_abs())),
        ("compacted", or(compacted)),
        ("keys", or(sample.keys.map(grouped))),
        ("leaders seen", or(sample.leader_changes.map(grouped))),
        ("put p99", latency(sample.put_p99_us)),
        ("fsync p99", latency(sample.sync_p99_us)),
        (
            "data",
            format!(
                "{} in use, {} on disk",
                or(sample.in_use.map(bytes)),
                or(sample.allocated.map(bytes))
            ),
        ),
        ("log on disk", or(sample.log_bytes.map(bytes))),
        ("quota", or(sample.quota.map(bytes))),
        ("memory", or(sample.resident.map(bytes))),
        ("clients", or(sample.connections.map(grouped).or_else(|| open_calls(sample)))),
        ("watches", or(sample.watchers.map(grouped))),
    ];
    for alarm in &sample.alarms {
        let words = format!("{} of {}", alarm.kind.name(), ctx.cluster.name(alarm.member));
        facts.push(("alarm", words));
    }
    facts.extend(sample.complaints.iter().map(|words| ("complaint", words.clone())));
    facts
}
