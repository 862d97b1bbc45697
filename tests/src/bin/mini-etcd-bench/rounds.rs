//! Rounds in which all sides get the same load in turn.

use std::time::Instant;

use anyhow::Result;
use mini_etcd_tests::load::Measured;
use mini_etcd_tests::usage::{machine_seconds, processor_seconds};

use super::Arguments;
use super::side::Side;

/// What one side did in one round.
pub struct Sample {
    pub measured: Measured,
    /// Processor time of the side's members, in seconds.
    pub members: f64,
    /// Processor time of this program.
    pub load: f64,
    /// Share of the machine that belonged to neither a side nor this program.
    pub others: f64,
}

/// The rounds that count, and how many were measured.
pub struct Rounds {
    /// A sample of each side, in order of the sides.
    pub counted: Vec<Vec<Sample>>,
    pub measured: usize,
    /// Others used the machine in all of them.
    pub disturbed: bool,
}

/// Measures until enough rounds were undisturbed, at most twice as many as wanted. When none was, all count.
pub async fn measure(
    arguments: &Arguments,
    sides: &[Side],
    mut one: impl AsyncFnMut(usize, &Side) -> Result<Measured>,
) -> Result<Rounds> {
    let mut rounds = Vec::new();
    let is_quiet = |round: &[Sample]| round.iter().all(|side| side.others <= arguments.others_max);
    let mut quiet = 0;
    while quiet < arguments.rounds && rounds.len() < 2 * arguments.rounds {
        let mut round = Vec::new();
        for at in 0..sides.len() {
            round.push(sample(sides, at, &mut one).await?);
        }
        quiet += usize::from(is_quiet(&round));
        rounds.push(round);
    }
    let (measured, disturbed) = (rounds.len(), quiet == 0);
    rounds.retain(|round| disturbed || is_quiet(round));
    Ok(Rounds { counted: rounds, measured, disturbed })
}

#[expect(clippy::disallowed_methods, reason = "a rate is measured on the wall clock")]
async fn sample(
    sides: &[Side],
    at: usize,
    one: &mut impl AsyncFnMut(usize, &Side) -> Result<Measured>,
) -> Result<Sample> {
    let (start, before) = (Instant::now(), used(sides)?);
    let measured = one(at, sides.get(at).ok_or_else(|| anyhow::anyhow!("no side"))?).await?;
    let (elapsed, after) = (start.elapsed().as_secs_f64(), used(sides)?);
    let processors = std::thread::available_parallelism()?.get();
    let members = |used: &Used| used.sides.get(at).copied().unwrap_or_default();
    let ours = |used: &Used| used.load + used.sides.iter().sum::<f64>();
    let others = (after.machine - before.machine) - (ours(&after) - ours(&before));
    Ok(Sample {
        measured,
        members: members(&after) - members(&before),
        load: after.load - before.load,
        others: others / (elapsed * f64::from(u32::try_from(processors)?)),
    })
}

/// Processor time so far, in seconds.
struct Used {
    machine: f64,
    load: f64,
    sides: Vec<f64>,
}

fn used(sides: &[Side]) -> Result<Used> {
    let sides = sides.iter().map(Side::processor_seconds).collect::<Result<_>>()?;
    Ok(Used { machine: machine_seconds()?, load: processor_seconds("self")?, sides })
}
