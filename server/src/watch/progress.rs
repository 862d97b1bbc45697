//! Messages that say: everything up to this revision was delivered.
//!
//! They travel in the queue behind the events they speak of, and never for a watch that is not live: so a client
//! that resumes after one loses nothing.

use crate::limits;

use super::core::{Core, State, Watch};
use super::response::Kind;
use super::stream::StreamId;

impl Core {
    /// Answers a client's request for the progress of the whole stream. Without a word if the stream has no
    /// watch, or one that is not live, or one that begins later: as etcd since 3.6.
    pub fn progress(&mut self, id: StreamId) {
        debug_assert!(self.turn.is_none(), "where the core stands is not yet decided");
        let revision = self.revision;
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.watches.is_empty() || stream.behind > 0 {
            return;
        }
        if stream.horizon > revision {
            // The watch that set the horizon may be gone by now.
            let needs = stream.watches.values().filter_map(|serial| self.watches.get(serial));
            stream.horizon = needs.map(Watch::needs).max().unwrap_or_default();
        }
        if stream.horizon <= revision {
            stream.push_control(-1, revision, Kind::Progress);
            self.wake(id);
        }
    }

    /// Time for progress messages on this stream: each watch that asked for them, is live and got nothing since
    /// the last tick.
    pub fn tick(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.due.clear();
        for serial in &stream.notify {
            let Some(watch) = self.watches.get_mut(serial) else { continue };
            if watch.quiet {
                stream.due.push_back(*serial);
            }
            watch.quiet = true;
        }
        self.send_due(id);
        self.wake(id);
    }

    /// Whether some watch of the stream asked for progress messages.
    #[must_use]
    pub fn wants_ticks(&self, id: StreamId) -> bool {
        self.streams.get(&id).is_some_and(|stream| !stream.notify.is_empty())
    }

    /// Queues progress messages that are due, as far as there is room.
    pub(super) fn send_due(&mut self, id: StreamId) {
        let revision = self.revision;
        let Some(stream) = self.streams.get_mut(&id) else { return };
        while stream.controls() < limits::WATCH_CONTROL_QUEUE_MAX
            && stream.has_room(self.held.share())
        {
            let Some(serial) = stream.due.pop_front() else { return };
            if let Some(watch) = self.watches.get(&serial).filter(|watch| is_due(watch, revision)) {
                stream.push_control(watch.id, revision, Kind::Progress);
            }
        }
    }
}

fn is_due(watch: &Watch, revision: i64) -> bool {
    watch.state == State::Live && watch.quiet && watch.needs() <= revision
}
