//! What is applied now, to those who are up to date.

use std::sync::Arc;

use crate::mvcc::Event;

use super::core::{Core, State};
use super::frame::{EventBatch, Versions};
use super::groups::{Serial, Share};

/// A turn that some watches have and others not yet.
#[derive(Debug)]
pub(super) struct FanOut {
    /// Who has yet to get what; the next one at the end.
    shares: Vec<Share>,
    /// Where the core stands when all have it.
    revision: i64,
    compacted: i64,
}

impl Core {
    /// Fans out one apply turn: its events, and the revision and compaction after it.
    ///
    /// # Panics
    /// As [`Core::begin_turn`].
    pub fn applied(
        &mut self,
        events: &Arc<[Event]>,
        revision: i64,
        compacted: i64,
        versions: &mut Versions<'_>,
    ) {
        self.begin_turn(events, revision, compacted, versions);
        let mut all = usize::MAX;
        self.fan_out(&mut all);
    }

    /// Takes an apply turn, for [`Core::fan_out`]. Until all watches have it the core stands where it stood, and streams are
    /// only opened, read, ended and closed: where a watch begins, and what is caught up with, depends on that place.
    ///
    /// # Panics
    /// When the turn does not follow what was fanned out before: watches would miss events, or see them twice.
    pub fn begin_turn(
        &mut self,
        events: &Arc<[Event]>,
        revision: i64,
        compacted: i64,
        versions: &mut Versions<'_>,
    ) {
        assert!(self.turn.is_none(), "a turn while another one is fanned out");
        let mut shares = Vec::new();
        if let (Some(first), Some(last)) = (events.first(), events.last()) {
            let (first, last) = (first.id.revision.0, last.id.revision.0);
            assert!(first > self.revision, "events from {first} after {}", self.revision); // I1
            assert!(last <= revision, "events up to {last} in a turn that ends at {revision}");
            shares = self.live.share(&mut EventBatch::live(events, versions));
            // They are taken from the end.
            shares.reverse();
            for share in &mut shares {
                share.members.reverse();
            }
            self.recent.push(Arc::clone(events));
        }
        assert!(revision >= self.revision, "revision {revision} after {}", self.revision);
        self.turn = Some(FanOut { shares, revision, compacted });
    }

    /// Hands the turn that was begun to at most `left` watches, which is counted down. Answers whether all have it.
    pub fn fan_out(&mut self, left: &mut usize) -> bool {
        let Some(mut turn) = self.turn.take() else { return true };
        while let Some(share) = turn.shares.last_mut() {
            while let Some(serial) = share.members.pop() {
                if *left == 0 {
                    share.members.push(serial);
                    self.turn = Some(turn);
                    return false;
                }
                *left -= 1;
                match &share.bodies {
                    Ok(bodies) => {
                        if let Some(next) = self.deliver(serial, bodies, None) {
                            self.fall_behind(serial, next);
                            self.stall(serial);
                        }
                    }
                    Err(error) => self.fail(serial, error),
                }
            }
            turn.shares.pop();
        }
        self.revision = turn.revision;
        self.compact(turn.compacted);
        true
    }

    /// The state moved on to `revision` by turns that were not fanned out: every live watch reads them from
    /// history, as after a snapshot.
    pub fn skipped(&mut self, revision: i64, compacted: i64) {
        let missed = self.revision.saturating_add(1);
        if revision >= missed {
            let live: Vec<Serial> = self.live.members().collect();
            self.revision = revision;
            self.recent = super::recent::Recent::new(revision.saturating_add(1));
            for serial in live {
                let Some(watch) = self.watches.get(&serial) else { continue };
                if watch.next <= revision {
                    self.fall_behind(serial, watch.next.max(missed));
                    self.settle(serial);
                }
            }
        }
        self.compact(compacted);
    }

    /// Queues a watch whose stream is full.
    fn stall(&mut self, serial: Serial) {
        let Some(watch) = self.watches.get(&serial) else { return };
        debug_assert_eq!(watch.state, State::Lagging);
        if let Some(stream) = self.streams.get_mut(&watch.stream) {
            stream.stalled.push_back(serial);
        }
    }

    /// Ends the stream of a watch whose events cannot be read.
    pub(super) fn fail(&mut self, serial: Serial, error: &crate::error::RequestError) {
        if let Some(stream) = self.watches.get(&serial).map(|watch| watch.stream) {
            self.end(stream, error.clone());
        }
    }
}
