//! `check perf` and `check datascale`: write a load of a known size, delete it again, and say what came of it.
//!
//! ```text
//! Check ─▶ is the prefix unused? ─▶ Load: many clients put keys ─▶ Figures ─▶ delete, compact, defragment ─▶ Verdict
//! ```
//!
//! Invariants:
//! * I1: nothing is written where a key has the prefix, since all that has it is deleted in the end.
//! * I2: what was written is deleted however the writing ended, by a signal too; where that fails, it is said.
//! * I3: what is kept of the puts does not grow with their number.
//!
//! Words and limits of verdicts are etcdctl's. Tested in `tests/tests/checks.rs` and, for what is refused, in
//! `tests/tests/oracle_ctl/since37.rs`.

mod figures;
mod load;
mod pace;
mod progress;

use std::time::Duration;

use mini_etcd_proto::etcdserverpb::{
    CompactionRequest, DefragmentRequest, DeleteRangeRequest, RangeRequest,
};
use mini_etcd_server::server::raise_descriptors;
use mini_etcd_shared::client::{Access, Client, ClientConfig};
use mini_etcd_shared::clock::Moment;
use mini_etcd_shared::command::Check;
use mini_etcd_shared::error::ClientError;
use mini_etcd_shared::failure::{Failure, done, exit};
use mini_etcd_shared::text::quote;
use tokio::time::Instant;

use self::figures::Verdict;
use self::load::{Load, Size};
use super::console::{err_line, out};
use super::run::INTERRUPTED;
use super::session::{Stop, given_up};
use crate::engine::metrics;

/// How long a deletion, a compaction or a defragmentation may take; etcdctl's bound.
const UPKEEP_WITHIN: Duration = Duration::from_secs(30);
/// Bytes of a key behind the prefix, and of its value, in a check of speed.
const PERF_BYTES: (usize, usize) = (256, 1024);
/// The same in a check of memory.
const DATASCALE_BYTES: (usize, usize) = (512, 512);
/// Parts of the keys that are deleted one after another. Servers give up waiting for a deletion of millions.
const PARTS: u8 = 16;

/// Makes the check; answers the exit code.
pub(super) async fn run(client: &Client, check: &Check) -> Result<u8, Failure> {
    if client.config().access == Access::ReadOnly {
        return Err(ClientError::ReadOnly.into());
    }
    let mut stop = Stop::new()?;
    tokio::select! {
        unused = is_unused(client, check) => unused?,
        () = stop.asked() => return Err(given_up()),
    }
    // As many connections as clients, to each endpoint.
    raise_descriptors();
    if check.datascale {
        datascale(client, check, &mut stop).await
    } else {
        perf(client, check, &mut stop).await
    }
}

/// Refuses a prefix that keys have. I1
async fn is_unused(client: &Client, check: &Check) -> Result<(), Failure> {
    let (key, range_end) = check.range();
    let request = RangeRequest { key, range_end, limit: 1, ..RangeRequest::default() };
    if done(client.range(request).await)?.kvs.is_empty() {
        return Ok(());
    }
    let prefix = String::from_utf8_lossy(&check.prefix);
    let mut deletion = format!("etcdctl del --prefix {prefix}");
    if !check.datascale {
        deletion = format!("'{deletion}'");
    }
    let text = format!("prefix {} has keys. Delete with {deletion} first", quote(&check.prefix));
    Err(Failure::new(exit::INVALID_INPUT, text))
}

async fn perf(client: &Client, check: &Check, stop: &mut Stop) -> Result<u8, Failure> {
    let size = Size::of(check.load);
    let load = Load::new(client, check, &size, PERF_BYTES)?;
    load.connect().await;
    let begun = Instant::now();
    let is_whole = load.run(load.paced(size.per_second), stop).await;
    let took = begun.elapsed();
    let deleted = tidy(check, stop, is_whole, delete(client, check)).await?;
    match deleted {
        Ok(revision) if check.compact => compact(client, revision).await?,
        Ok(_) => {}
        Err(failure) => {
            say(&format!("FAIL: Cleanup failed during key deletion: ERROR({failure})"));
        }
    }
    defragment(client, check).await?;
    Ok(show(&load.into_figures().on_speed(size.per_second, took)))
}

async fn datascale(client: &Client, check: &Check, stop: &mut Stop) -> Result<u8, Failure> {
    let unread = |when: &str| {
        let what = "FAIL: Could not read process_resident_memory_bytes";
        say(&format!("{what} {when} the put operations."));
        exit::ERROR
    };
    let Some(before) = memory(client).await else { return Ok(unread("before")) };
    let size = Size::of(check.load);
    let load = Load::new(client, check, &size, DATASCALE_BYTES)?;
    say(&format!(
        "Start data scale check for work load [{} key-value pairs, {} bytes per key-value, {} concurrent clients].",
        size.keys,
        DATASCALE_BYTES.0 + DATASCALE_BYTES.1,
        size.clients
    ));
    let is_whole = load.run(load.counted(size.keys), stop).await;
    let after = memory(client).await;
    let deleted = tidy(check, stop, is_whole, delete(client, check)).await?;
    let revision = deleted?;
    let figures = load.into_figures();
    if !is_whole {
        let written = figures.answered();
        err_line(&format!(
            "interrupted: {written} of {} keys were put, and are deleted",
            size.keys
        ));
        return Ok(INTERRUPTED);
    }
    if check.compact {
        compact(client, revision).await?;
    }
    defragment(client, check).await?;
    let Some(after) = after else { return Ok(unread("after")) };
    Ok(show(&figures.on_memory(before, after)))
}

/// Waits for the deletion; whoever asks to stop while it runs, and for the second time, leaves the keys. I2
async fn tidy<T>(
    check: &Check,
    stop: &mut Stop,
    is_whole: bool,
    deletion: impl Future<Output = T>,
) -> Result<T, Failure> {
    let given_up = async {
        if is_whole {
            stop.asked().await;
        }
        stop.asked().await;
    };
    tokio::select! {
        deleted = deletion => Ok(deleted),
        () = given_up => {
            let prefix = quote(&check.prefix);
            let text = format!("interrupted: keys that begin with {prefix} may be left");
            Err(Failure::new(INTERRUPTED, text))
        }
    }
}

/// A client of the same members that has time for what takes long.
fn patient(client: &Client) -> Result<Client, Failure> {
    let config = ClientConfig { command_timeout: Some(UPKEEP_WITHIN), ..client.config().clone() };
    client.with_config(config).map_err(Failure::from)
}

/// Deletes every key with the prefix; answers the revision after that.
async fn delete(client: &Client, check: &Check) -> Result<i64, Failure> {
    let client = patient(client)?;
    let (mut key, end) = check.range();
    let mut revision = 0;
    for part in 1..=PARTS {
        let next = match part {
            PARTS => end.clone(),
            // The byte behind the prefix is a random one.
            _ => [check.prefix.as_ref(), &[part * (u8::MAX / PARTS + 1)]].concat().into(),
        };
        let from = std::mem::replace(&mut key, next.clone());
        let request =
            DeleteRangeRequest { key: from, range_end: next, ..DeleteRangeRequest::default() };
        let deleted = done(client.delete_range(request).await)?;
        revision = deleted.header.map_or(revision, |header| header.revision);
    }
    Ok(revision)
}

async fn compact(client: &Client, revision: i64) -> Result<(), Failure> {
    say(&format!("Compacting with revision {revision}"));
    let request = CompactionRequest { revision, physical: true };
    done(patient(client)?.compact(request).await)?;
    say(&format!("Compacted with revision {revision}"));
    Ok(())
}

/// Defragments the endpoints one after another, where that was asked for.
async fn defragment(client: &Client, check: &Check) -> Result<(), Failure> {
    for endpoint in client.config().endpoints.iter().filter(|_| check.defrag) {
        let name = quote(endpoint.as_str().as_bytes());
        say(&format!("Defragmenting {name}"));
        let config = ClientConfig {
            endpoints: vec![endpoint.clone()],
            command_timeout: Some(UPKEEP_WITHIN),
            ..client.config().clone()
        };
        let member = client.with_config(config).map_err(Failure::from)?;
        done(member.defragment(DefragmentRequest {}).await)?;
        say(&format!("Defragmented {name}"));
    }
    Ok(())
}

/// The memory that the first endpoint says it has, in bytes.
async fn memory(client: &Client) -> Option<u64> {
    let config = client.config();
    let page = metrics::fetch(config.endpoints.first()?, &config.tls, Moment::default()).await?;
    page.resident
}

fn say(line: &str) {
    out(format!("{line}\n").as_bytes());
}

/// Prints a verdict; answers its exit code.
fn show(verdict: &Verdict) -> u8 {
    verdict.lines.iter().for_each(|line| say(line));
    if verdict.passed { 0 } else { exit::ERROR }
}
