//! What the operating system knows of the process, from `/proc`.

use std::fs;

/// Resident memory in bytes; `None` where `/proc` does not tell.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    status_bytes("VmRSS:")
}

/// Virtual memory in bytes.
pub(super) fn virtual_bytes() -> Option<u64> {
    status_bytes("VmSize:")
}

fn status_bytes(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// Bytes that were received and sent by IP in the process's network namespace, as Go's client of Prometheus reads them.
pub(super) fn network_bytes() -> Option<(u64, u64)> {
    let netstat = fs::read_to_string("/proc/self/net/netstat").ok()?;
    let mut rows = netstat.lines().filter_map(|line| line.strip_prefix("IpExt: "));
    let (names, values) = (rows.next()?.split(' '), rows.next()?.split(' '));
    let all: Vec<_> = names.zip(values).collect();
    let of = |wanted| all.iter().find(|(name, _)| *name == wanted)?.1.parse().ok();
    Some((of("InOctets")?, of("OutOctets")?))
}

/// Time of the process's start in seconds since the epoch.
#[must_use]
pub fn start_seconds() -> Option<f64> {
    let boot: f64 = fs::read_to_string("/proc/stat")
        .ok()?
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .parse()
        .ok()?;
    // Clock ticks are 1/100 s for every process that reads /proc.
    Some(boot + stat_field(20)? / 100.0)
}

/// Processor time used, in seconds.
pub(super) fn cpu_seconds() -> Option<f64> {
    Some((stat_field(12)? + stat_field(13)?) / 100.0)
}

/// Open file descriptors.
pub(super) fn open_files() -> Option<u64> {
    u64::try_from(fs::read_dir("/proc/self/fd").ok()?.count()).ok()
}

/// Most file descriptors the process may open.
#[must_use]
pub fn open_files_max() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

/// Field `place` of `/proc/self/stat`, counted from 1 for the first after the name, which may hold blanks.
fn stat_field(place: usize) -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(place - 1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_is_seen() {
        assert!(resident_bytes().is_some_and(|bytes| bytes > 100_000));
        assert!(start_seconds().is_some_and(|start| start > 1.0e9));
        assert!(cpu_seconds().is_some());
        assert!(virtual_bytes() >= resident_bytes());
        assert!(network_bytes().is_some());
        assert!(open_files().zip(open_files_max()).is_some_and(|(used, max)| used <= max));
    }
}
