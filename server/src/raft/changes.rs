//! [`Changes`]: committed changes of membership that do not hold yet.
//!
//! Who is removed stops once it hears of that, and cannot be asked for a vote any more; whoever forgets the removal then, with a
//! loss of power, would ask it for ever. So a removal holds, is applied, and is answered, only when its commit is on the disk. A
//! leader that finds its own removal in its log, from the leader before, leads on until a quorum of those who stay knows
//! that it is committed: it is the only one that can tell them. Every other change holds at once.

use std::collections::VecDeque;

use mini_etcd_proto::internalpb::Entry;
use mini_etcd_shared::types::{LogIndex, MemberId};

use super::core::NodeCore;
use super::membership::removed;

/// Changes that wait, and whatever is committed behind the first of them.
///
/// I1: they hold in the order of the log.
#[derive(Default)]
pub(super) struct Changes {
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    entry: Entry,
    /// Whom it removes.
    removes: Option<MemberId>,
    /// The effects of Raft whose write has its commit.
    number: u64,
    /// Tick at which it was committed.
    since: u64,
}

impl Changes {
    /// An entry was committed, at tick `now`, with effects of this number.
    pub fn add(&mut self, entry: &Entry, number: u64, now: u64) {
        let (entry, removes) = (entry.clone(), removed(entry));
        self.waiting.push_back(Waiting { entry, removes, number, since: now });
    }

    /// Takes the next one that holds by now, with whom it removes. A leader that leaves waits for so many ticks at the most.
    pub fn due(
        &mut self,
        core: &NodeCore,
        now: u64,
        longest: u64,
    ) -> Option<(Entry, Option<MemberId>)> {
        let Waiting { entry, removes, number, since } = self.waiting.front()?;
        let holds = match *removes {
            Some(_) if !core.is_written(*number) => false,
            Some(id) if id == core.leadership().me && core.is_leader() => {
                core.is_known_beside(id, LogIndex(entry.index)) || now - since >= longest
            }
            None | Some(_) => true,
        };
        if !holds {
            return None;
        }
        self.waiting.pop_front().map(|waiting| (waiting.entry, waiting.removes))
    }

    /// The first entry that may not be applied yet.
    pub fn first(&self) -> Option<LogIndex> {
        self.waiting.front().map(|waiting| LogIndex(waiting.entry.index))
    }
}
