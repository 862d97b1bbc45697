//! The past, for those who are not up to date: from memory if it reaches back far enough, else from the store.

use std::collections::BTreeMap;

use crate::error::RequestError;
use crate::limits;
use crate::mvcc::{Event, History};

use super::core::{Core, State};
use super::frame::{EventBatch, Versions};
use super::groups::{Groups, Serial, Share};

/// One reading of history, shared by all watches that need it from about the same revision on.
#[derive(Debug)]
pub struct Pass {
    from: i64,
    groups: Groups,
    members: Vec<Serial>,
    /// Bytes after which a response takes no further revision.
    response_bytes: usize,
}

/// What a pass found.
#[derive(Debug)]
pub struct Passed {
    members: Vec<Serial>,
    found: Result<Found, RequestError>,
    compacted: i64,
}

#[derive(Debug)]
struct Found {
    shares: Vec<Share>,
    /// First revision that was not looked at.
    next: i64,
    /// Revision of the state that was read.
    revision: i64,
}

/// The state that a pass reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    pub revision: i64,
    /// History below this revision is given up; -1 for none.
    pub compacted: i64,
}

impl Pass {
    /// First revision wanted.
    #[must_use]
    pub fn from(&self) -> i64 {
        self.from
    }

    /// Whether a change of `key` concerns anybody.
    #[must_use]
    pub fn wants(&self, key: &[u8]) -> bool {
        self.groups.wants(key)
    }

    /// Encodes what was read. Takes the time that it takes: meant for another thread than the fan-out's.
    #[must_use]
    pub fn finish(
        self,
        history: Result<History, RequestError>,
        at: At,
        versions: &mut Versions<'_>,
    ) -> Passed {
        let found = history.map(|history| Found {
            shares: share(
                &self.groups,
                &history.events,
                (at.compacted, self.response_bytes),
                versions,
            ),
            next: history.next.0,
            revision: at.revision,
        });
        Passed { members: self.members, found, compacted: at.compacted }
    }
}

fn share(
    groups: &Groups,
    events: &[Event],
    (compacted, response_bytes): (i64, usize),
    versions: &mut Versions<'_>,
) -> Vec<Share> {
    groups.share(&mut EventBatch::past(events, compacted, response_bytes, versions))
}

impl Core {
    /// Whether [`Core::catch_up`] or [`Core::next_pass`] has something to do.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.ready.is_empty() || (!self.old.is_empty() && !self.pass_in_flight)
    }

    /// Looks at some of the watches that are ready: serves those that memory reaches back for, and leaves the
    /// others to [`Core::next_pass`]. Bounded; call again while [`Core::has_work`].
    pub fn catch_up(&mut self, versions: &mut Versions<'_>) {
        let mut members = Vec::new();
        let mut from = i64::MAX;
        for _ in 0..limits::WATCH_CATCH_UP_WATCHES_MAX {
            let Some(serial) = self.ready.pop_front() else { break };
            let Some(next) = self.takes_past(serial) else { continue };
            if next >= self.recent.floor() {
                from = from.min(next);
                members.push(serial);
            } else {
                self.old.push_back(serial);
            }
        }
        if members.is_empty() {
            return;
        }
        let groups = self.group(&members);
        let events = self.recent.since(from);
        let shares = share(&groups, &events, (self.compacted, self.held.share_of_past()), versions);
        let next = self.revision.saturating_add(1);
        self.take(&members, Found { shares, next, revision: self.revision });
    }

    /// The next reading of history, if one is needed and none is under way. The watch that waits longest says
    /// where it begins; others share it when it can serve them.
    pub fn next_pass(&mut self) -> Option<Pass> {
        if self.pass_in_flight {
            return None;
        }
        let mut from = None;
        let mut members = Vec::new();
        let mut others = Vec::new();
        while members.len() < limits::WATCH_CATCH_UP_WATCHES_MAX
            && others.len() < limits::WATCH_CATCH_UP_WATCHES_MAX
        {
            let Some(serial) = self.old.pop_front() else { break };
            let Some(next) = self.takes_past(serial) else { continue };
            if next >= *from.get_or_insert(next) {
                members.push(serial);
            } else {
                others.push(serial);
            }
        }
        for serial in others.into_iter().rev() {
            self.old.push_front(serial);
        }
        let from = from?;
        self.pass_in_flight = true;
        let response_bytes = self.held.share_of_past();
        Some(Pass { from, groups: self.group(&members), members, response_bytes })
    }

    /// Takes what a pass found.
    pub fn passed(&mut self, passed: Passed) {
        self.pass_in_flight = false;
        match passed.found {
            Ok(found) => self.take(&passed.members, found),
            Err(RequestError::Compacted) => {
                self.compact(passed.compacted);
                for serial in passed.members {
                    if self.is_lagging(serial) {
                        self.settle(serial);
                    }
                }
            }
            Err(error) => {
                for serial in passed.members {
                    self.fail(serial, &error);
                }
            }
        }
    }

    /// Delivers and decides for each watch whether it is live now, reads on, or waits for its client.
    fn take(&mut self, members: &[Serial], found: Found) {
        let mut full = BTreeMap::new();
        for share in found.shares {
            for serial in share.members {
                match &share.bodies {
                    Ok(bodies) => {
                        if let Some(next) = self.deliver(serial, bodies, Some(found.revision)) {
                            full.insert(serial, next);
                        }
                    }
                    Err(error) => self.fail(serial, error),
                }
            }
        }
        for serial in members {
            if let Some(watch) = self.watches.get_mut(serial)
                && watch.state == State::Lagging
            {
                let next = full.get(serial).copied();
                watch.next = next.unwrap_or_else(|| watch.next.max(found.next));
                self.settle(*serial);
            }
        }
    }

    /// Where a watch needs history from, if it does and its client takes some; else it is put where it belongs.
    fn takes_past(&mut self, serial: Serial) -> Option<i64> {
        if !self.is_lagging(serial) {
            return None;
        }
        let watch = self.watches.get(&serial)?;
        let stream = self.streams.get_mut(&watch.stream)?;
        if !stream.is_drained(self.held.share()) {
            stream.stalled.push_back(serial);
            return None;
        }
        Some(watch.next)
    }

    fn is_lagging(&self, serial: Serial) -> bool {
        self.watches.get(&serial).is_some_and(|watch| watch.state == State::Lagging)
    }

    fn group(&self, members: &[Serial]) -> Groups {
        let mut groups = Groups::default();
        for serial in members {
            if let Some(watch) = self.watches.get(serial) {
                groups.insert(&watch.spec, *serial);
            }
        }
        groups
    }
}
