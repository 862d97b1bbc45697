//! Numbers over the last two minutes.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::console::Context;
use crate::engine::sample::Source;
use crate::screens::cluster::member::Member;
use crate::screens::cluster::rates::{SECONDS_KEPT, Series};
use crate::screens::cluster::state::LAG_ENTRIES;
use crate::widget::theme::Meaning;
use crate::widget::{duration_us, fit, panel, rate, say, short, spark};

/// Latency of writes above which a chart runs hot, microseconds.
const PUT_HOT_US: f64 = 100_000.0;
/// Width of the words before and after a chart.
const HEAD: usize = 11;
const TAIL: usize = 20;
/// Charts of the panel, and the most rows of each.
pub(crate) const CHARTS: u16 = 4;
const ROWS_MAX: usize = 3;

/// One chart.
struct Chart<'a> {
    name: &'static str,
    series: &'a Series,
    hot: Option<f64>,
    show: fn(f64) -> String,
    note: String,
    /// What to say when nothing was heard.
    none: &'static str,
}

/// Draws the charts.
pub(crate) fn rates(ctx: &Context, frame: &mut Frame<'_>, area: Rect) {
    if area.height < 3 {
        return;
    }
    let look = &ctx.look;
    let inside = panel(frame, look, area, "Rates, last 2 min", Line::default());
    let rows = usize::from(inside.height / CHARTS).clamp(1, ROWS_MAX);
    let lines = charts(ctx)
        .into_iter()
        .flat_map(|chart| draw(ctx, &chart, usize::from(inside.width), rows));
    for (line, y) in lines.zip(inside.y..inside.bottom()) {
        frame.render_widget(line, Rect { y, height: 1, ..inside });
    }
}

fn charts(ctx: &Context) -> [Chart<'_>; 4] {
    let (rates, second) = (&ctx.cluster.rates, ctx.now.0.as_secs());
    let leader = ctx.cluster.leader_sample();
    let heard = leader.or_else(|| ctx.cluster.members.iter().find_map(Member::live));
    let by_status = heard.is_some_and(|s| s.source == Source::Status);
    let (of_leader, of_all) = match (leader, heard) {
        (Some(_), _) => ("nothing heard", "no writes seen"),
        (None, Some(_)) => ("not known: no leader is heard", "not known: no leader is heard"),
        (None, None) => ("nothing heard", "nothing heard"),
    };
    let highest = |series: &Series, show: fn(f64) -> String| {
        series.highest(second).map_or_else(String::new, |value| format!("max {}", show(value)))
    };
    let slow: Option<u64> =
        ctx.cluster.members.iter().filter_map(|m| m.live()).map(|s| s.slow_watchers).sum();
    let offered = |word| if by_status { "not offered by this server" } else { word };
    let latency = if by_status {
        let note = highest(&rates.rtt, micros);
        Chart {
            name: "status rtt",
            series: &rates.rtt,
            hot: Some(PUT_HOT_US),
            show: micros,
            note,
            none: "nothing heard",
        }
    } else {
        let note = highest(&rates.put_p99, micros);
        let hot = Some(PUT_HOT_US);
        Chart { name: "put p99", series: &rates.put_p99, hot, show: micros, note, none: of_all }
    };
    #[expect(clippy::cast_precision_loss, reason = "a threshold")]
    let lag_hot = Some(LAG_ENTRIES as f64);
    [
        Chart {
            name: "commit/s",
            series: &rates.commits,
            hot: None,
            show: rate,
            note: highest(&rates.commits, rate),
            none: of_leader,
        },
        latency,
        Chart {
            name: "apply lag",
            series: &rates.lag,
            hot: lag_hot,
            show: whole,
            note: highest(&rates.lag, whole),
            none: of_leader,
        },
        Chart {
            name: "watchers",
            series: &rates.watchers,
            hot: None,
            show: whole,
            note: slow.map_or_else(String::new, |slow| format!("slow {slow}")),
            none: offered("nothing heard"),
        },
    ]
}

/// A chart of so many rows: its name and figures stand in the lowest.
fn draw(ctx: &Context, chart: &Chart<'_>, width: usize, rows: usize) -> Vec<Line<'static>> {
    let look = &ctx.look;
    let second = ctx.now.0.as_secs();
    let name = say(look, Meaning::Dim, format!(" {:<width$}", chart.name, width = HEAD - 1));
    if chart.series.highest(second).is_none() {
        // A name that takes its whole place has no blank behind it.
        let gap = if chart.name.len() + 1 >= HEAD { " " } else { "" };
        let words = fit(&format!("{gap}{}", chart.none), width.saturating_sub(HEAD), &look.glyphs);
        let mut lines = vec![Line::default(); rows - 1];
        lines.push(Line::from(vec![name, say(look, Meaning::Dim, words)]));
        return lines;
    }
    let room = width.saturating_sub(HEAD + TAIL);
    // The newest second is not over yet: what is shown ends with the one before.
    let values = chart.series.window(second.saturating_sub(1), SECONDS_KEPT);
    let charted = spark(look, &values, (room, rows), chart.hot);
    let rows = charted.len();
    let row = |(at, spans): (usize, Vec<Span<'static>>)| {
        let lowest = at + 1 == rows;
        let head = if lowest { name.clone() } else { Span::raw(" ".repeat(HEAD)) };
        let tail = if lowest { figures(ctx, chart, second) } else { Vec::new() };
        std::iter::once(head).chain(spans).chain(tail).collect::<Line<'_>>()
    };
    charted.into_iter().enumerate().map(row).collect()
}

fn figures(ctx: &Context, chart: &Chart<'_>, second: u64) -> Vec<Span<'static>> {
    let look = &ctx.look;
    let latest = chart.series.latest(second);
    let now = latest.map_or_else(|| "idle".to_owned(), chart.show);
    let hot = latest.zip(chart.hot).is_some_and(|(value, hot)| value > hot);
    let meaning = match latest {
        None => Meaning::Dim,
        Some(_) if hot => Meaning::ChartHot,
        Some(_) => Meaning::Strong,
    };
    let note = fit(&format!("  {}", chart.note), TAIL - 8, &look.glyphs);
    vec![say(look, meaning, format!("{now:>8}")), say(look, Meaning::Dim, note)]
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "charts hold counts that are not negative"
)]
fn micros(value: f64) -> String {
    duration_us(value.round() as u64)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "charts hold counts that are not negative"
)]
fn whole(value: f64) -> String {
    short(value.round() as u64)
}
