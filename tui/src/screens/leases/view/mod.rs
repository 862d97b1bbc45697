//! The Leases screen: the list, the chosen lease, the line at the bottom.
//!
//! At 100 columns and more both stand side by side; below, the lease stands under the list, and the pane that has the
//! keyboard has most of the lines.

mod detail;
mod list;
mod prompt;

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};

use super::{Leases, Pane};
use crate::console::Context;
use crate::widget::theme::Meaning;
use crate::widget::{age, grouped};

/// Width from which the panes stand side by side.
const TWO_PANES: u16 = 100;
/// Lines of the pane that has the keyboard not, when one stands under the other: of the lease, and of the list.
const DETAIL_LINES: u16 = 7;
const LIST_LINES: u16 = 6;
/// Lines of the frame around a screen: header, tabs, footer.
const FRAME_LINES: u16 = 3;
/// Lines of the list that are no rows: its border, and the head of its columns.
const CHROME: u16 = 3;

/// Draws the screen; what is typed stands over the footer.
pub(super) fn draw(
    leases: &mut Leases,
    ctx: &Context,
    frame: &mut Frame<'_>,
    area: Rect,
    bottom: Rect,
) {
    let [list, detail] = areas(leases, area);
    leases.drawn.list = list;
    leases.drawn.detail = detail;
    leases.drawn.rows = list::list(leases, ctx, frame, list);
    leases.drawn.keys = detail::detail(leases, ctx, frame, detail);
    if let Some(line) = &leases.prompt {
        prompt::prompt(ctx, line, frame, bottom);
    }
}

/// List and lease.
fn areas(leases: &Leases, area: Rect) -> [Rect; 2] {
    if area.width >= TWO_PANES {
        return Layout::horizontal([Constraint::Percentage(62), Constraint::Fill(1)]).areas(area);
    }
    let rows = match leases.pane {
        Pane::List => [Constraint::Min(0), Constraint::Length(DETAIL_LINES.min(area.height / 2))],
        Pane::Keys => [Constraint::Length(LIST_LINES.min(area.height / 2)), Constraint::Min(0)],
    };
    Layout::vertical(rows).areas(area)
}

/// Rows of the list that are in sight at a time.
pub(super) fn rows(leases: &Leases, ctx: &Context) -> usize {
    let height = ctx.size.1.saturating_sub(FRAME_LINES);
    let area = Rect { width: ctx.size.0, height, ..Rect::default() };
    let notice = u16::from(notice(leases, ctx).is_some());
    usize::from(areas(leases, area)[0].height.saturating_sub(CHROME + notice).max(1))
}

/// What is the matter, or what goes on: a line above the list.
fn notice(leases: &Leases, ctx: &Context) -> Option<(Meaning, String)> {
    let number = |count: usize| grouped(u64::try_from(count).unwrap_or(u64::MAX));
    let (all, known) = (leases.list.len(), leases.histogram.known);
    if let Some(trouble) = &leases.fresh.failed {
        let stale = leases.fresh.stale(ctx.now).filter(|_| leases.fresh.at.is_some());
        let since = stale.map(|stale| format!(" for {}", age(stale))).unwrap_or_default();
        return Some((Meaning::Bad, format!("not listed{since}: {}", of(trouble))));
    }
    if leaderless(ctx) {
        let words = "no leader: no lease ends, and none is renewed";
        return Some((Meaning::Bad, words.to_owned()));
    }
    if let Some(trouble) = &leases.untold {
        return Some((Meaning::Warn, format!("not asked about: {}", of(trouble))));
    }
    if let Some((left, total)) = leases.survey {
        let done = number(total.saturating_sub(left));
        let words = format!("asked about {done} of {}, ^c gives it up", number(total));
        return Some((Meaning::Accent, words));
    }
    if leases.list.more > 0 {
        let words = format!("{} more are there and not shown", grouped(leases.list.more));
        return Some((Meaning::Warn, words));
    }
    if leases.list.orphans && known < all {
        let words = format!("among the {} of {} that are known", number(known), number(all));
        return Some((Meaning::Dim, format!("{words}; S asks about all")));
    }
    None
}

fn of(trouble: &crate::engine::request::Trouble) -> String {
    let place = if trouble.place.is_empty() { "" } else { &format!("{}: ", trouble.place) };
    let next = if trouble.next.is_empty() { "" } else { &format!("; {}", trouble.next) };
    format!("{place}{}{next}", trouble.why)
}

/// Whether somebody is heard, and nobody leads.
fn leaderless(ctx: &Context) -> bool {
    let heard = ctx.cluster.members.iter().any(|member| member.live().is_some());
    heard && ctx.cluster.leader().is_none()
}

/// Seconds as they are granted, or in short when they are very many: `3600s`, `115d`.
fn seconds(seconds: u64) -> String {
    if seconds < 100_000 { format!("{seconds}s") } else { age(Duration::from_secs(seconds)) }
}

/// What is left in seconds, a begun one as a whole.
fn left(time: Duration) -> String {
    seconds(time.as_secs() + u64::from(time.subsec_nanos() > 0))
}
