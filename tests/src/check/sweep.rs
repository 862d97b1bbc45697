//! The revision sweep: one pass in the order of revisions, one in the order of time.

use std::fmt;
use std::time::Duration;

use super::Replay;
use crate::history::{Answer, Operation, Outcome, Request, Version};

/// Most violations that are spelled out.
const VIOLATIONS_SHOWN: usize = 20;

/// What the sweep found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Operations that were answered.
    pub answered: usize,
    /// Operations of unknown outcome.
    pub unknown: usize,
    /// Of these, writes that the log shows to have happened.
    pub unknown_happened: usize,
    /// Acknowledged writes found in the log, each at its own index.
    pub writes: usize,
    /// Reads that equal the state at their revision.
    pub reads: usize,
    /// What is wrong, in words.
    pub violations: Vec<String>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} answered ({} acknowledged writes in the log, {} reads right), {} unknown ({} of them happened), \
             {} violations",
            self.answered,
            self.writes,
            self.reads,
            self.unknown,
            self.unknown_happened,
            self.violations.len()
        )?;
        for violation in self.violations.iter().take(VIOLATIONS_SHOWN) {
            write!(f, "\n  {violation}")?;
        }
        Ok(())
    }
}

/// Holds `history` against the replayed log.
#[must_use]
pub fn sweep(history: &[Operation], replay: &Replay) -> Verdict {
    let mut verdict = Verdict::default();
    for (number, operation) in history.iter().enumerate() {
        match &operation.outcome {
            Outcome::Ok(answer, revision) => {
                verdict.answered += 1;
                if let Err(what) = against_log(&operation.request, answer, *revision, replay) {
                    verdict.violations.push(format!("operation {number}: {what}: {operation:?}"));
                } else if operation.request.writes() {
                    verdict.writes += 1;
                } else {
                    verdict.reads += 1;
                }
            }
            Outcome::Unknown(_) => {
                verdict.unknown += 1;
                let places =
                    operation.request.value().map_or(0, |value| replay.written(value).len());
                verdict.unknown_happened += places.min(1);
                if places > 1 {
                    verdict
                        .violations
                        .push(format!("operation {number} happened {places} times: {operation:?}"));
                }
            }
        }
    }
    in_real_time(history, &mut verdict);
    verdict
}

/// Whether an answer is what the log says at its revision.
fn against_log(
    request: &Request,
    answer: &Answer,
    revision: i64,
    replay: &Replay,
) -> Result<(), String> {
    if !replay.is_revision(revision) {
        return Err(format!("no entry changed keys at revision {revision}"));
    }
    match (request, answer) {
        (Request::Put(key, value), Answer::Put)
        | (Request::CompareAndPut(key, _, value), Answer::Swapped) => {
            if replay.written(value) != [revision] {
                return Err(format!("the log has its value at {:?}", replay.written(value)));
            }
            let stored = replay.at(key, revision).map(|version| &version.value);
            if stored == Some(value) {
                Ok(())
            } else {
                Err(format!("the log has {stored:?} under the key"))
            }
        }
        (Request::CompareAndPut(key, expected, value), Answer::NotSwapped(found)) => {
            if !replay.written(value).is_empty() {
                return Err("it was refused and yet wrote".to_owned());
            }
            if found.as_ref().map_or(0, |version| version.mod_revision) == *expected {
                return Err("it was refused although the compare holds".to_owned());
            }
            same(found.as_ref(), replay.at(key, revision))
        }
        (Request::Get(key) | Request::GetStale(key), Answer::Got(found)) => {
            same(found.as_ref(), replay.at(key, revision))
        }
        (Request::Delete(key), Answer::Deleted(count)) => {
            if replay.at(key, revision).is_some() {
                return Err("the key is there after its removal".to_owned());
            }
            let before = i64::from(replay.at(key, revision - 1).is_some());
            // A removal of nothing answers the revision before it, at which the key may just have been removed.
            if *count == 1 && before == 0 {
                Err("it removed what was not there".to_owned())
            } else {
                Ok(())
            }
        }
        (request, answer) => Err(format!("{answer:?} is no answer to {request:?}")),
    }
}

fn same(found: Option<&Version>, stored: Option<&Version>) -> Result<(), String> {
    if found == stored { Ok(()) } else { Err(format!("the log has {stored:?}")) }
}

/// What returned before another operation began has the lower revision; the same one only if the later one did not
/// write. Stale reads are exempt.
fn in_real_time(history: &[Operation], verdict: &mut Verdict) {
    let mut moments: Vec<(Duration, bool, usize)> = Vec::with_capacity(2 * history.len());
    for (number, operation) in history.iter().enumerate() {
        let fresh = !matches!(operation.request, Request::GetStale(_));
        if fresh && matches!(operation.outcome, Outcome::Ok(..)) {
            // At equal times the return counts as later, which only ever accuses less.
            moments.push((operation.invoked, false, number));
            moments.push((operation.returned, true, number));
        }
    }
    moments.sort_unstable();
    let mut highest = 0;
    let mut floors = vec![0; history.len()];
    for (_, is_return, number) in moments {
        let Some(operation) = history.get(number) else { continue };
        let Outcome::Ok(answer, revision) = &operation.outcome else { continue };
        let Some(floor) = floors.get_mut(number) else { continue };
        if !is_return {
            *floor = highest;
            continue;
        }
        let wrote = matches!(answer, Answer::Put | Answer::Swapped)
            || matches!(answer, Answer::Deleted(1..));
        if *revision < *floor || (wrote && *revision == *floor) {
            verdict.violations.push(format!(
                "operation {number} answered at revision {revision}, yet {floor} was answered before it began: \
                 {operation:?}"
            ));
        }
        highest = highest.max(*revision);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use mini_etcd_proto::adminpb::LogEntry;
    use mini_etcd_proto::etcdserverpb::PutRequest;
    use mini_etcd_proto::internalpb::{Command, command};

    use super::*;

    fn entry(index: u64, key: &'static str, value: &'static str) -> LogEntry {
        let put = PutRequest { key: key.into(), value: value.into(), ..PutRequest::default() };
        let command = Command { request: Some(command::Request::Put(put)), ..Command::default() };
        LogEntry { index, command: Some(command), ..LogEntry::default() }
    }

    fn operation(times: (u64, u64), request: Request, answer: Answer, revision: i64) -> Operation {
        Operation {
            client: 0,
            invoked: Duration::from_millis(times.0),
            returned: Duration::from_millis(times.1),
            request,
            outcome: Outcome::Ok(answer, revision),
        }
    }

    fn put(times: (u64, u64), value: &'static str, revision: i64) -> Operation {
        let request = Request::Put(Bytes::from_static(b"k"), Bytes::from_static(value.as_bytes()));
        operation(times, request, Answer::Put, revision)
    }

    fn get(times: (u64, u64), value: &'static str, at: i64, revision: i64) -> Operation {
        let version = Version {
            value: Bytes::from_static(value.as_bytes()),
            create_revision: 3,
            mod_revision: at,
            version: at - 2,
        };
        let request = Request::Get(Bytes::from_static(b"k"));
        operation(times, request, Answer::Got(Some(version)), revision)
    }

    fn log() -> Replay {
        Replay::new(&[entry(3, "k", "a"), entry(4, "k", "b")]).unwrap()
    }

    #[test]
    fn a_right_history_passes() {
        let history = [put((0, 2), "a", 3), put((3, 5), "b", 4), get((6, 7), "b", 4, 4)];
        let verdict = sweep(&history, &log());
        assert!(verdict.violations.is_empty(), "{verdict}");
        assert_eq!((verdict.writes, verdict.reads), (2, 1));
    }

    #[test]
    fn a_stale_read_is_found() {
        let history = [put((0, 2), "a", 3), put((3, 5), "b", 4), get((6, 7), "a", 3, 3)];
        assert_eq!(sweep(&history, &log()).violations.len(), 1);
    }

    #[test]
    fn a_lost_write_is_found() {
        let history = [put((0, 2), "a", 3), put((3, 5), "c", 5)];
        assert_eq!(sweep(&history, &log()).violations.len(), 1);
    }

    #[test]
    fn a_write_at_anothers_revision_is_found() {
        let history = [put((0, 2), "a", 4), put((3, 5), "b", 3)];
        assert!(sweep(&history, &log()).violations.len() >= 2);
    }

    #[test]
    fn a_write_that_happened_twice_is_found() {
        let replay = Replay::new(&[entry(3, "k", "a"), entry(4, "k", "a")]).unwrap();
        let mut unknown = put((0, 2), "a", 3);
        unknown.outcome = Outcome::Unknown("cut off".to_owned());
        assert_eq!(sweep(&[unknown], &replay).violations.len(), 1);
    }

    #[test]
    fn a_gap_in_the_log_is_refused() {
        assert!(Replay::new(&[entry(3, "k", "a"), entry(5, "k", "b")]).is_err());
    }
}
