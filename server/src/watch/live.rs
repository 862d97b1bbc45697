//! What is applied now, to those who are up to date.

use std::sync::Arc;

use crate::mvcc::Event;

use super::core::{Core, State};
use super::frame::{EventBatch, Versions};
use super::groups::Serial;

impl Core {
    /// Fans out one apply turn: its events, and the revision and compaction after it.
    ///
    /// # Panics
    /// When the turn does not follow what was fanned out before: watches would miss events, or see them twice.
    pub fn applied(
        &mut self,
        events: &Arc<[Event]>,
        revision: i64,
        compacted: i64,
        versions: &mut Versions<'_>,
    ) {
        if let (Some(first), Some(last)) = (events.first(), events.last()) {
            let (first, last) = (first.id.revision.0, last.id.revision.0);
            assert!(first > self.revision, "events from {first} after {}", self.revision); // I1
            assert!(last <= revision, "events up to {last} in a turn that ends at {revision}");
            self.fan_out(&mut EventBatch::live(events, versions));
            self.recent.push(Arc::clone(events));
        }
        assert!(revision >= self.revision, "revision {revision} after {}", self.revision);
        self.revision = revision;
        self.compact(compacted);
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

    fn fan_out(&mut self, turn: &mut EventBatch<'_>) {
        for share in self.live.share(turn) {
            for serial in share.members {
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
        }
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
