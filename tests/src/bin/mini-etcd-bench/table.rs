//! The table, as `docs/performance.md` holds it.

use anyhow::Context as _;

use super::Arguments;
use super::rounds::{Rounds, Sample};
use super::side::Side;

/// The rows so far.
#[derive(Default)]
pub struct Table {
    /// Medians of the ratios that are judged.
    ratios: Vec<f64>,
    discarded: usize,
    disturbed: usize,
}

/// What a row stands for.
pub struct Row<'a> {
    pub what: &'a str,
    pub members: usize,
    pub clients: usize,
}

impl Table {
    /// Prints what holds for all rows.
    pub fn head(arguments: &Arguments) {
        println!(
            "Values of {} bytes, {} connections, {} keys where no number stands; up to {} rounds of {} s each; median (least, most).\n",
            arguments.value_bytes,
            arguments.connections,
            arguments.keys,
            arguments.rounds,
            arguments.seconds
        );
        println!(
            "| members | clients | what | server | 1/s | p50 / p99, us | mini-etcd to it | p50 to it | CPU s per 100,000: server / load | rounds |"
        );
        println!("|---|---|---|---|---|---|---|---|---|---|");
    }

    /// Adds the rates of all sides, and the ratio of the first to each other one.
    pub fn rates(
        &mut self,
        row: &Row<'_>,
        sides: &[Side],
        rounds: &Rounds,
        judged: bool,
    ) -> anyhow::Result<()> {
        let column = |at: usize| -> Vec<&Sample> {
            rounds.counted.iter().filter_map(|round| round.get(at)).collect()
        };
        let ours = column(0);
        for (at, side) in sides.iter().enumerate() {
            let samples = column(at);
            let rate = Spread::of(samples.iter().map(|one| one.measured.rate()))?;
            let ratio = Spread::of(
                ours.iter().zip(&samples).map(|(a, b)| a.measured.rate() / b.measured.rate()),
            )?;
            let p50s = Spread::of(ours.iter().zip(&samples).map(|(a, b)| p50(a) / p50(b)))?;
            let (p50, p99) = latencies(&samples)?;
            let failed: u64 = samples.iter().map(|one| one.measured.failed).sum();
            let beside = match at {
                0 => "| |".to_owned(),
                _ => format!("{} | {:.2} |", ratio.ratio(), p50s.median),
            };
            println!(
                "| {} | {} | {} | {} | {} | {p50} / {p99} | {beside} {} | {}{} |",
                row.members,
                row.clients,
                row.what,
                side.name,
                rate.rate(),
                processor(&samples),
                counted(rounds),
                if failed > 0 { format!(", {failed} FAILED") } else { String::new() },
            );
            if at == 1 && judged {
                self.ratios.push(ratio.median);
            }
        }
        self.discarded += rounds.measured - rounds.counted.len();
        self.disturbed += usize::from(rounds.disturbed);
        Ok(())
    }

    /// Adds one figure of each side, and the ratio of the first to each other one.
    pub fn figures(what: &str, sides: &[Side], figures: &[f64], digits: usize) {
        let ours = figures.first().copied().unwrap_or_default();
        for (at, (side, figure)) in sides.iter().zip(figures).enumerate() {
            let ratio = if at > 0 { format!("{:.2}", ours / figure) } else { String::new() };
            let name = &side.name;
            println!("| 1 | | {what} | {name} | {figure:.digits$} | | {ratio} | | | 1 |");
        }
    }

    /// Prints what became of the rounds.
    pub fn foot(&self) {
        println!();
        if self.discarded > 0 {
            println!("Others used the machine in {} rounds, which do not count.", self.discarded);
        }
        if self.disturbed > 0 {
            println!(
                "Others used the machine in all rounds of {} rows: read those as directions.",
                self.disturbed
            );
        }
    }

    /// The lowest ratio that is judged; infinite when there is none.
    pub fn lowest(&self) -> f64 {
        self.ratios.iter().copied().fold(f64::INFINITY, f64::min)
    }
}

fn counted(rounds: &Rounds) -> String {
    let Rounds { counted, measured, disturbed } = rounds;
    let disturbed = if *disturbed { ", disturbed" } else { "" };
    format!("{} of {measured}{disturbed}", counted.len())
}

#[expect(clippy::cast_precision_loss, reason = "microseconds")]
fn p50(sample: &Sample) -> f64 {
    sample.measured.latency_us.value_at_quantile(0.5) as f64
}

fn latencies(samples: &[&Sample]) -> anyhow::Result<(u64, u64)> {
    let (first, rest) = samples.split_first().context("no sample")?;
    let mut all = first.measured.latency_us.clone();
    for sample in rest {
        all.add(&sample.measured.latency_us)?;
    }
    Ok((all.value_at_quantile(0.5), all.value_at_quantile(0.99)))
}

/// Seconds of the processor for 100,000 answers: the members', and this program's.
#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
fn processor(samples: &[&Sample]) -> String {
    let answered: u64 = samples.iter().map(|sample| sample.measured.answered).sum();
    let each = |of: fn(&Sample) -> f64| {
        let seconds: f64 = samples.iter().map(|sample| of(sample)).sum();
        seconds * 100_000.0 / answered.max(1) as f64
    };
    format!("{:.2} / {:.2}", each(|sample| sample.members), each(|sample| sample.load))
}

/// The middle and the ends of some figures.
struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(figures: impl Iterator<Item = f64>) -> anyhow::Result<Self> {
        let mut figures: Vec<f64> = figures.collect();
        figures.sort_by(f64::total_cmp);
        let median = figures.get(figures.len() / 2).copied().context("no round")?;
        let ends = (figures.first().copied(), figures.last().copied());
        let (Some(least), Some(most)) = ends else { anyhow::bail!("no round") };
        Ok(Self { least, median, most })
    }

    fn rate(&self) -> String {
        format!("{:.0} ({:.0}, {:.0})", self.median, self.least, self.most)
    }

    fn ratio(&self) -> String {
        format!("{:.2} ({:.2}, {:.2})", self.median, self.least, self.most)
    }
}
