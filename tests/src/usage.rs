//! What processes and the machine used, from `/proc`.

use std::fs::read_to_string;

use anyhow::{Context, ensure};

/// Processor time of a process in seconds, by its number or `self`.
///
/// # Errors
/// When it is gone.
pub fn processor_seconds(process: &str) -> anyhow::Result<f64> {
    let stat = read_to_string(format!("/proc/{process}/stat"))?;
    // The name before may have blanks; user and system time are the 12th and 13th field after it.
    let fields = stat.rsplit_once(')').context("no name in stat")?.1;
    ticks(fields.split_whitespace().skip(11).take(2))
}

/// Processor time of the machine in seconds: of programs, of the kernel for them, and of other machines on the same
/// hardware. Interrupts count for nobody.
///
/// # Errors
/// When the system does not tell.
pub fn machine_seconds() -> anyhow::Result<f64> {
    let stat = read_to_string("/proc/stat")?;
    let fields: Vec<&str> = stat.lines().next().context("no line")?.split_whitespace().collect();
    // user, nice, system, and steal.
    ticks([1, 2, 3, 8].into_iter().filter_map(|at| fields.get(at).copied()))
}

fn ticks<'a>(fields: impl Iterator<Item = &'a str>) -> anyhow::Result<f64> {
    let ticks: f64 = fields.map(str::parse::<f64>).sum::<Result<_, _>>()?;
    Ok(ticks / 100.0)
}

/// A figure of `/proc/PID/status` in kilobytes, such as `VmRSS` or `VmHWM`.
///
/// # Errors
/// When the process is gone.
pub fn kilobytes(pid: i32, name: &str) -> anyhow::Result<u64> {
    let status = read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = line.and_then(|line| line.split_whitespace().next());
    let kilobytes = number.with_context(|| format!("no {name}"))?.parse()?;
    ensure!(kilobytes > 0, "no memory");
    Ok(kilobytes)
}
