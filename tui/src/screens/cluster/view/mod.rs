//! The Cluster screen: which panel stands where.

mod job;
pub(crate) mod leadership;
pub(crate) mod member;
mod members;
mod progress;
mod rates;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};

use super::ClusterScreen;
use super::operate::Ask;
use crate::console::Context;
use crate::widget::line;
use rates::CHARTS;

/// Width from which two panels stand side by side.
const TWO_PANES: u16 = 100;
/// Lines of the rates panel with its border.
const RATES_LINES: u16 = 6;
/// Fewest lines of the leadership panel that say something.
const LEADERSHIP_LINES: u16 = 4;

/// Lines of the leadership panel from which charts may take more than one row each.
const LEADERSHIP_EASE: u16 = 10;

/// Draws the Cluster screen.
pub(super) fn draw(
    screen: &mut ClusterScreen,
    ctx: &Context,
    frame: &mut Frame<'_>,
    area: Rect,
    bottom: Rect,
) {
    let members = u16::try_from(ctx.cluster.members.len()).unwrap_or(u16::MAX);
    let room = area.height.saturating_sub(members.saturating_add(3));
    let job = screen.job.as_ref().map_or(0, |job| job::height(job, area.width)).min(room);
    let parts = [Constraint::Min(0), Constraint::Length(job)];
    let [area, job] = Layout::vertical(parts).areas(area);
    overview(screen, ctx, frame, area);
    if let Some(shown) = screen.job.as_ref().filter(|_| job.height > 0) {
        job::job(ctx, shown, frame, job);
    }
    if let Some(prompt) = &screen.prompt {
        let (name, hint) = match &prompt.ask {
            Ask::Add { learner: true } => {
                ("add a learner", "name and peer URLs: n4 http://10.0.0.4:2380")
            }
            Ask::Add { learner: false } => {
                ("add a voter", "name and peer URLs: n4 http://10.0.0.4:2380")
            }
            Ask::PeerUrls(_) => ("peer URLs", "separated by commas: http://10.0.0.4:2380"),
            Ask::Save(_) => ("save a backup as", "a file: backup.db"),
        };
        let said = (prompt.error.as_deref(), hint);
        line::draw(frame, &ctx.look, bottom, (name, &prompt.line), said);
    }
}

fn overview(screen: &mut ClusterScreen, ctx: &Context, frame: &mut Frame<'_>, area: Rect) {
    let wide = area.width >= TWO_PANES;
    let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    // Of each place that is silent: what it says, and what to do; and what else can be done.
    let silent = ctx.cluster.silent.len() * 2;
    let silent = silent + usize::from(silent > 0) + usize::from(ctx.may_stand_in());
    let rows = count(ctx.cluster.members.len().max(silent)).max(1);
    let lanes = count(progress::lines(ctx)).max(1).saturating_add(2);
    let most = area.height.saturating_sub(if wide { RATES_LINES } else { lanes.min(5) });
    let table = rows.saturating_add(3).min(most.max(4));
    let rest = area.height - table.min(area.height);
    let (mut middle, mut stacked) = if wide {
        (lanes.max(RATES_LINES).min(rest), 0)
    } else {
        let middle = lanes.min(rest);
        (middle, if rest - middle >= RATES_LINES { RATES_LINES } else { 0 })
    };
    let mut bottom = rest - middle - stacked;
    // What to do goes before rates.
    let advice = leadership::lines_of_advice(ctx, area.width);
    if advice > 0 && bottom < advice.max(LEADERSHIP_LINES) {
        bottom += std::mem::take(&mut stacked);
    }
    // Room to spare makes charts taller; a panel without room for a line gives its place to the one above.
    let charts = if wide { &mut middle } else { &mut stacked };
    for _ in 0..2 {
        if *charts >= RATES_LINES && bottom >= LEADERSHIP_EASE + CHARTS {
            *charts += CHARTS;
            bottom -= CHARTS;
        }
    }
    if bottom < LEADERSHIP_LINES {
        (middle, bottom) = (middle + bottom, 0);
    }
    let heights = [table, middle, stacked, bottom].map(Constraint::Length);
    let [top, middle, stacked, bottom] = Layout::vertical(heights).areas(area);
    screen.drawn = members::members(screen.chosen, ctx, frame, top);
    if wide {
        let halves = [Constraint::Fill(1), Constraint::Fill(1)];
        let [left, right] = Layout::horizontal(halves).areas(middle);
        progress::progress(ctx, frame, left);
        rates::rates(ctx, frame, right);
    } else {
        progress::progress(ctx, frame, middle);
        rates::rates(ctx, frame, stacked);
    }
    leadership::leadership(ctx, frame, bottom);
}
