//! The two lines at the top: where one is, and how the cluster is.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Origin, State};
use crate::engine::sample::Denied;
use crate::screens::cluster::verdict::{Level, Stop};
use crate::screens::{SCREENS, ScreenId};
use crate::widget::theme::Meaning;
use crate::widget::{duration_us, fit, grouped, say, style};

/// The line of the cluster: quorum, leader, term, revision, round trip, time.
pub(crate) fn header(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let look = &state.ctx.look;
    frame.buffer_mut().set_style(area, style(look, Meaning::Header));
    // What it looks at, once that is known; until then its own name.
    let servers = state.ctx.cluster.servers().unwrap_or_else(|| "mini-etcd".to_owned());
    let mut left = vec![say(look, Meaning::Brand, format!(" {servers} "))];
    if let Origin::Demo(_) | Origin::StandIn(_) = state.ctx.origin {
        let word = if matches!(state.ctx.origin, Origin::Demo(_)) { " DEMO " } else { " BUNDLED " };
        left.push(say(look, Meaning::Badge, word));
        left.push(Span::raw(" "));
    }
    if let Some(profile) = &state.ctx.profile {
        let (meaning, word) = if profile.production {
            (Meaning::Danger, format!(" PRODUCTION {} ", profile.name))
        } else {
            (Meaning::Badge, format!(" {} ", profile.name))
        };
        left.push(say(look, meaning, word));
        left.push(Span::raw(" "));
    }
    if state.ctx.read_only {
        left.push(say(look, Meaning::Badge, " READ-ONLY "));
        left.push(Span::raw(" "));
    }
    let clock = say(look, Meaning::Header, format!("{} ", time_of_day(state.ctx.wall)));
    let room = usize::from(area.width).saturating_sub(clock.width());
    let mut used: usize = left.iter().map(Span::width).sum();
    // What does not fit goes from the right: the facts stand in the order of their worth.
    for (meaning, text) in facts(state) {
        let text = format!(" {text} ");
        let span = say(look, meaning, text);
        if used + span.width() > room {
            break;
        }
        used += span.width();
        left.push(span.patch_style(ground(look)));
    }
    left.push(Span::raw(" ".repeat(room.saturating_sub(used))));
    left.push(clock);
    frame.render_widget(Line::from(left), area);
}

fn ground(look: &crate::widget::Look) -> ratatui::style::Style {
    let header = style(look, Meaning::Header);
    ratatui::style::Style { bg: header.bg, ..ratatui::style::Style::new() }
}

fn facts(state: &State) -> Vec<(Meaning, String)> {
    let (cluster, glyphs) = (&state.ctx.cluster, &state.ctx.look.glyphs);
    let verdict = cluster.verdict(state.ctx.now, state.ctx.stale_after());
    let (term, _, revision) = cluster.newest();
    let (meaning, sign) = match verdict.level {
        Level::Unknown => (Meaning::Dim, glyphs.wait),
        Level::Ok => (Meaning::Ok, glyphs.full),
        Level::Partial | Level::Degraded => (Meaning::Warn, glyphs.half),
        Level::NoQuorum => (Meaning::Bad, glyphs.down),
    };
    // Of a cluster in which nobody is known to live there is no number to show.
    if verdict.alive == 0 && (verdict.alive_most > 0 || verdict.voters == 0) {
        return vec![(meaning, format!("{sign} {}", verdict.words))];
    }
    let mut facts = vec![(meaning, format!("{sign} quorum {}", verdict.count()))];
    if state.is_replaced() {
        facts.push((Meaning::Bad, "another cluster".to_owned()));
    }
    match cluster.stop() {
        Some((Stop::NoSpace, _)) => facts.push((Meaning::Bad, "writes refused".to_owned())),
        Some((Stop::Corrupt, _)) => facts.push((Meaning::Bad, "corrupt".to_owned())),
        None => {}
    }
    match cluster.locked {
        Some(Denied::Password) => facts.push((Meaning::Bad, "login refused".to_owned())),
        Some(_) => facts.push((Meaning::Warn, "login wanted".to_owned())),
        None => {}
    }
    match cluster.leader() {
        Some(leader) => facts.push((Meaning::Header, format!("leader {}", cluster.name(leader)))),
        None => facts.push((Meaning::Bad, "no leader".to_owned())),
    }
    if term > 0 {
        // The term stands on the Cluster screen too, the revision only here.
        facts.push((Meaning::Header, format!("rev {}", grouped(revision.unsigned_abs()))));
        facts.push((Meaning::Header, format!("term {term}")));
    }
    if let Some(rtt) = state.chosen_member().and_then(|member| member.rtt) {
        let us = u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX);
        facts.push((Meaning::Header, format!("rtt {}", duration_us(us))));
    }
    let compacted =
        cluster.members.iter().filter_map(|m| m.live()).filter_map(|s| s.compacted).max();
    if let Some(compacted) = compacted {
        let words = u64::try_from(compacted).map_or_else(|_| "never".to_owned(), grouped);
        facts.push((Meaning::Header, format!("compacted {words}")));
    }
    facts
}

/// Width from which every tab shows its name.
const NAMES: u16 = 72;

/// Width from which there is room to say at length where the console looks.
const WIDE: u16 = 100;

/// The line of the screens. Without room for names, only the screen on top shows its own; with little, one blank is
/// between them. Answers where each stands.
pub(crate) fn tabs(state: &State, frame: &mut Frame<'_>, area: Rect) -> Vec<(Rect, ScreenId)> {
    let look = &state.ctx.look;
    let mut spans = vec![Span::raw(" ")];
    let (mut places, mut x) = (Vec::new(), area.x + 1);
    for id in SCREENS {
        let on_top = *id == state.ctx.screen;
        let number = id.number();
        let words = if on_top || area.width >= NAMES {
            let gap = if on_top || area.width >= WIDE { " " } else { "" };
            format!(" {number} {}{gap}", id.title())
        } else {
            format!(" {number} ")
        };
        let span = say(look, if on_top { Meaning::TabActive } else { Meaning::Tab }, words);
        let width = u16::try_from(span.width()).unwrap_or(u16::MAX);
        places.push((Rect { x, width, ..area }, *id));
        x = x.saturating_add(width);
        spans.push(span);
    }
    let used: usize = spans.iter().map(Span::width).sum();
    let right = format!("{} ", origin(state, area.width));
    let room = usize::from(area.width).saturating_sub(used + 2);
    let right = fit(&right, room, &look.glyphs);
    let gap = usize::from(area.width).saturating_sub(used + Span::raw(&right).width());
    spans.push(Span::raw(" ".repeat(gap)));
    let stands_in = matches!(state.ctx.origin, Origin::StandIn(_));
    spans.push(say(look, if stands_in { Meaning::Warn } else { Meaning::Dim }, right));
    frame.render_widget(Line::from(spans), area);
    places
}

/// What is looked at, and why.
fn origin(state: &State, width: u16) -> String {
    let wide = width >= WIDE;
    match &state.ctx.origin {
        Origin::Endpoints(endpoints) => endpoints.join("  "),
        Origin::Demo(_) if !wide => "bundled, temporary data".to_owned(),
        Origin::Demo(1) => "one bundled member, its data goes with the console".to_owned(),
        Origin::Demo(n) => format!("{n} bundled members, their data goes with the console"),
        Origin::StandIn(of) => {
            let of = of.join(", ");
            match (state.cluster.elsewhere, wide) {
                (true, true) => format!("{of} answers: o looks at it"),
                (true, false) => format!("{of} answers: o"),
                (false, true) => {
                    format!("nobody at {of}: a bundled server, its data goes with the console")
                }
                // The badge says that it is bundled.
                (false, false) => format!("nobody at {of}"),
            }
        }
    }
}

fn time_of_day(seconds: u64) -> String {
    let seconds = seconds % 86_400;
    format!("{:02}:{:02}:{:02}Z", seconds / 3600, seconds % 3600 / 60, seconds % 60)
}
