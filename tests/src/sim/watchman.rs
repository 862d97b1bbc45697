//! What must hold after every event.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use mini_etcd_proto::internalpb::{ConfState, Entry};
use mini_etcd_server::apply::Applied;
use mini_etcd_server::log::LogWrite;
use mini_etcd_server::raft::RaftStatus;
use mini_etcd_shared::types::LogIndex;

/// Remembers what was, and compares.
#[derive(Debug, Default)]
pub struct Watchman {
    leaders: BTreeMap<u64, u64>,
    before: BTreeMap<u64, (u64, RaftStatus)>,
    /// The durable log of each member: entries by index.
    logs: BTreeMap<u64, BTreeMap<u64, Entry>>,
    /// What members had before they were set back to a copy: it counted when it was acknowledged.
    lost: BTreeMap<u64, BTreeMap<u64, Entry>>,
    /// Index in front of each log.
    cut: BTreeMap<u64, u64>,
    revisions: BTreeMap<u64, i64>,
    committed: u64,
    /// Who voted before the last change of that, and who votes.
    voters: Vec<u64>,
    voters_now: Vec<u64>,
}

impl Watchman {
    /// Where member `id`, in its start `nonce`, stands after a turn.
    ///
    /// # Errors
    /// Two leaders of a term, numbers that fall, or an order that cannot be.
    pub fn status(&mut self, id: u64, nonce: u64, status: &RaftStatus) -> Result<()> {
        let (term, commit) = (status.term.0, status.commit.0);
        if status.leads() {
            let leader = *self.leaders.entry(term).or_insert(id);
            ensure!(leader == id, "n{leader} and n{id} lead in term {term}");
        }
        ensure!(status.applied <= status.commit, "n{id} applied more than is committed");
        ensure!(commit <= status.last.0, "n{id} commits more than it has");
        ensure!(status.first.0 <= status.applied.0 + 1, "n{id} lacks what it has to apply");
        if let Some((before_nonce, before)) = self.before.get(&id)
            && *before_nonce == nonce
        {
            ensure!(before.term <= status.term, "the term of n{id} fell");
            ensure!(before.first <= status.first, "the log of n{id} begins earlier than before");
            ensure!(before.commit <= status.commit, "the commit index of n{id} fell");
            ensure!(before.applied <= status.applied, "the applied index of n{id} fell");
            let voted = before.term == status.term && before.vote.0 != 0;
            ensure!(!voted || before.vote == status.vote, "n{id} voted twice in term {term}");
        }
        self.before.insert(id, (nonce, status.clone()));
        Ok(())
    }

    /// Member `id` made this durable.
    ///
    /// # Errors
    /// When its log and another's have an entry in common and differ before it.
    pub fn wrote(&mut self, id: u64, write: &LogWrite) -> Result<()> {
        let (Some(first), Some(last)) = (write.entries.first(), write.entries.last()) else {
            return Ok(());
        };
        let log = self.logs.entry(id).or_default();
        log.split_off(&first.index);
        log.extend(write.entries.iter().map(|entry| (entry.index, entry.clone())));
        let Some(log) = self.logs.get(&id) else { return Ok(()) };
        for (other, theirs) in self.logs.iter().filter(|(other, _)| **other != id) {
            let Some(shared) = theirs.get(&last.index).filter(|entry| entry.term == last.term)
            else {
                continue;
            };
            ensure!(shared == last, "n{id} and n{other} differ at {}", last.index);
            // What came before was compared when it was written, and what is cut cannot be.
            let cut = |member| self.cut.get(member).map_or(0, |cut| cut + 1);
            let from = first.index.saturating_sub(1).max(cut(&id)).max(cut(other));
            let from = from..=last.index;
            ensure!(
                log.range(from.clone()).eq(theirs.range(from)),
                "the logs of n{id} and n{other} agree at {} and differ before",
                last.index
            );
        }
        Ok(())
    }

    /// Member `id` cut its log up to `upto`.
    ///
    /// # Errors
    /// When that is not committed.
    pub fn cut(&mut self, id: u64, upto: u64) -> Result<()> {
        let before = self.cut.get(&id).copied().unwrap_or(LogIndex::BIRTH.0);
        ensure!(upto >= before, "n{id} had cut up to {before} and now up to {upto}");
        if upto == before {
            return Ok(());
        }
        ensure!(upto <= self.committed, "n{id} cut {upto}, and {} is committed", self.committed);
        self.cut.insert(id, upto);
        if let Some(log) = self.logs.get_mut(&id) {
            *log = log.split_off(&(upto + 1));
        }
        Ok(())
    }

    /// The log of member `id` begins anew behind a snapshot.
    ///
    /// # Errors
    /// When that is not committed.
    pub fn installed(&mut self, id: u64, index: u64) -> Result<()> {
        let before = self.cut.get(&id).copied().unwrap_or(LogIndex::BIRTH.0);
        if index > before {
            ensure!(index <= self.committed, "n{id} got {index}, which is not committed");
            self.logs.remove(&id);
            self.cut.insert(id, index);
        }
        Ok(())
    }

    /// An entry is applied somewhere.
    ///
    /// # Errors
    /// When it is not on the disks of a majority the first time that happens.
    pub fn committed(&mut self, entry: &Entry, conf_state: &ConfState) -> Result<()> {
        if entry.index <= self.committed {
            return Ok(());
        }
        self.committed = entry.index;
        let has = |id: &&u64| {
            [&self.logs, &self.lost]
                .into_iter()
                .any(|logs| logs.get(*id).and_then(|log| log.get(&entry.index)) == Some(entry))
        };
        let is_quorum = |voters: &Vec<u64>| 2 * voters.iter().filter(has).count() > voters.len();
        // What was committed together with a change needed the quorum of before.
        let before = [&self.voters_now, &self.voters];
        let is_safe = is_quorum(&conf_state.voters) || before.into_iter().any(is_quorum);
        ensure!(is_safe, "index {} is applied without a quorum of copies", entry.index);
        if self.voters_now != conf_state.voters {
            self.voters = std::mem::replace(&mut self.voters_now, conf_state.voters.clone());
        }
        Ok(())
    }

    /// Member `id` joins with an empty log.
    pub fn joined(&mut self, id: u64) {
        self.cut.insert(id, 0);
    }

    /// Member `id` applied something.
    ///
    /// # Errors
    /// When its revision falls.
    pub fn applied(&mut self, id: u64, applied: &Applied) -> Result<()> {
        let revision = applied.published.view.revision().0;
        let before = self.revisions.insert(id, revision).unwrap_or(0);
        ensure!(revision >= before, "the revision of n{id} fell from {before} to {revision}");
        Ok(())
    }

    /// Member `id`, which is down, was set back to a copy of its disks.
    pub fn rolled_back(&mut self, id: u64) {
        let log = self.logs.remove(&id).unwrap_or_default();
        self.lost.entry(id).or_default().extend(log);
        self.cut.remove(&id);
    }

    /// Member `id` lost power. Its applied state may fall back: the log has the rest.
    pub fn crashed(&mut self, id: u64) {
        self.revisions.remove(&id);
    }

    /// Member `id` found `entries` in its log.
    ///
    /// # Errors
    /// When something that was durable is missing. What was being written may be there or not.
    pub fn restarted(&mut self, id: u64, entries: Vec<Entry>) -> Result<()> {
        let found: BTreeMap<u64, Entry> =
            entries.into_iter().map(|entry| (entry.index, entry)).collect();
        let log = self.logs.entry(id).or_default();
        for (index, entry) in log.iter() {
            let kept = found.get(index);
            // A write under way may have replaced a suffix, with entries of a later term.
            let replaced = found.values().any(|new| new.index <= *index && new.term > entry.term);
            ensure!(kept == Some(entry) || replaced, "n{id} lost index {index}");
        }
        *log = found;
        Ok(())
    }
}
