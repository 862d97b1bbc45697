//! The fewest steps that still show a difference.

use std::path::Path;

use super::outcome::Difference;
use super::run::run;
use super::step::Step;

/// Runs that a search makes at most.
const RUNS_MAX: usize = 120;

/// Cuts what stands before, then takes parts out, halves first and single steps last, while the last step still differs in
/// the same way.
///
/// # Errors
/// When a server cannot be started.
pub async fn shrink(
    etcd: &Path,
    steps: &[Step],
    difference: Difference,
) -> anyhow::Result<(Vec<Step>, Difference)> {
    let last = (difference.step + 1).min(steps.len());
    let mut best = (steps.get(..last).unwrap_or(steps).to_vec(), difference);
    let mut runs = 0;
    let mut part = best.0.len() / 2;
    // The newest steps matter most: all before them first.
    for keep in [1, 4, 16, 64, 256, 1024] {
        let cut = best.0.len().saturating_sub(keep);
        runs += 1;
        if cut > 0 && attempt(etcd, &mut best, 0..cut).await? {
            part = best.0.len() / 2;
            break;
        }
    }
    while part > 0 && runs < RUNS_MAX {
        let mut end = best.0.len().saturating_sub(1);
        while end > 0 && runs < RUNS_MAX {
            let start = end.saturating_sub(part);
            runs += 1;
            attempt(etcd, &mut best, start..end).await?;
            end = start.min(best.0.len().saturating_sub(1));
        }
        part /= 2;
    }
    Ok(best)
}

/// Whether the steps differ in the same way without those of `range`; they are then the best.
async fn attempt(
    etcd: &Path,
    best: &mut (Vec<Step>, Difference),
    range: std::ops::Range<usize>,
) -> anyhow::Result<bool> {
    let mut fewer = best.0.clone();
    fewer.drain(range);
    let outcome = run(etcd, fewer.iter().cloned()).await?;
    let same = outcome.difference.filter(|it| it.kind() == best.1.kind());
    let Some(same) = same else { return Ok(false) };
    fewer.truncate(same.step + 1);
    *best = (fewer, same);
    Ok(true)
}
