//! Random writes, truncations, crashes and errors of the disk, against a list of entries.

use mini_etcd_proto::internalpb::{Entry, HardState};
use mini_etcd_shared::types::{LogIndex, Term};
use proptest::prelude::*;

use super::suite::{Still, entry};
use crate::log::{LogError, LogReader, LogStore, LogWrite, MemoryGuard};
use crate::storage::{Fault, SimDisk, SimEngine};

#[derive(Clone, Debug)]
enum Step {
    /// Appends this many entries, after going back by some, perhaps in a new term.
    Append { back: u64, count: u64, size: usize, new_term: bool },
    /// A vote in a new term.
    Vote { member: u64 },
    /// Commits some of what is there.
    Commit { ahead: u64 },
    /// Gives up some of what is committed.
    Truncate { ahead: u64 },
    /// The power goes off: how many unsynced commits survive, whether the guard's page does.
    Crash { number: u64, guard: bool },
    /// The next commit or the next sync but this many fails, then the power goes off.
    Fail { sync: bool, ahead: u64 },
    /// A stop in order.
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (prop_oneof![3 => Just(0), 1 => 1..6_u64], 1..5_u64, 0..40_usize, any::<bool>()).prop_map(
            |(back, count, size, new_term)| Step::Append { back, count, size, new_term }
        ),
        1 => (1..4_u64).prop_map(|member| Step::Vote { member }),
        2 => (0..6_u64).prop_map(|ahead| Step::Commit { ahead }),
        1 => (0..6_u64).prop_map(|ahead| Step::Truncate { ahead }),
        1 => (any::<u64>(), any::<bool>()).prop_map(|(number, guard)| Step::Crash { number, guard }),
        1 => (any::<bool>(), 1..4_u64).prop_map(|(sync, ahead)| Step::Fail { sync, ahead }),
        1 => Just(Step::Close),
    ]
}

/// What the log should hold.
#[derive(Clone, Debug, PartialEq)]
struct Model {
    truncated: (u64, u64),
    entries: Vec<Entry>,
    hard_state: HardState,
}

impl Model {
    fn last(&self) -> (u64, u64) {
        self.entries.last().map_or(self.truncated, |entry| (entry.index, entry.term))
    }

    fn write(&mut self, write: &LogWrite) {
        if let Some(first) = write.entries.first() {
            self.entries.retain(|entry| entry.index < first.index);
            self.entries.extend(write.entries.iter().cloned());
        }
        self.hard_state = write.hard_state.unwrap_or(self.hard_state);
    }

    fn truncate(&mut self, upto: u64) {
        if let Some(entry) = self.entries.iter().find(|entry| entry.index == upto) {
            self.truncated = (entry.index, entry.term);
            self.entries.retain(|entry| entry.index > upto);
        }
    }

    /// All but the commit index, which is a hint.
    fn agrees(&self, other: &Self) -> bool {
        let vote = |model: &Self| (model.hard_state.term, model.hard_state.vote);
        (self.truncated, &self.entries, vote(self))
            == (other.truncated, &other.entries, vote(other))
    }
}

type Store = LogStore<SimEngine, MemoryGuard, Still>;

struct Rig {
    disk: SimDisk,
    guard: MemoryGuard,
    store: Option<Store>,
    model: Model,
    /// What the log may hold instead, after a write of unknown outcome.
    other: Option<Model>,
}

impl Rig {
    fn new() -> Self {
        let (disk, guard) = (SimDisk::new(), MemoryGuard::new());
        let birth = (LogIndex(1), Term(1));
        let (store, _) = LogStore::create(disk.open(), guard.clone(), Still, birth).unwrap();
        let hard_state = HardState { term: 1, vote: 0, commit: 1 };
        let model = Model { truncated: (1, 1), entries: Vec::new(), hard_state };
        Self { disk, guard, store: Some(store), model, other: None }
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Append { back, count, size, new_term } => {
                self.append(*back, *count, *size, *new_term);
            }
            Step::Vote { member } => {
                let hard_state = HardState {
                    term: self.model.hard_state.term + 1,
                    vote: *member,
                    ..self.model.hard_state
                };
                self.write(&LogWrite {
                    entries: Vec::new(),
                    hard_state: Some(hard_state),
                    acked: None,
                });
            }
            Step::Commit { ahead } => {
                let hard_state = self.model.hard_state;
                let commit = (hard_state.commit + ahead).min(self.model.last().0);
                let hard_state = HardState { commit, ..hard_state };
                self.write(&LogWrite {
                    entries: Vec::new(),
                    hard_state: Some(hard_state),
                    acked: None,
                });
            }
            Step::Truncate { ahead } => self.truncate(*ahead),
            Step::Crash { number, guard } => {
                self.store = None;
                self.disk.crash(*number);
                self.guard.crash(*guard);
                self.reopen(false);
            }
            Step::Fail { sync, ahead } => {
                let fault = if *sync {
                    Fault::Sync(self.disk.syncs() + ahead)
                } else {
                    Fault::Commit(self.disk.commits() + ahead)
                };
                self.disk.inject(fault);
            }
            Step::Close => {
                if self.store.take().unwrap().close().is_ok() {
                    self.reopen(true);
                } else {
                    self.disk.crash(0);
                    self.reopen(false);
                }
            }
        }
    }

    fn append(&mut self, back: u64, count: u64, size: usize, new_term: bool) {
        let hard_state = self.model.hard_state;
        let term = hard_state.term + u64::from(new_term);
        // Only a new term may replace entries, and none that are committed.
        let back = if new_term { back } else { 0 };
        let first = (self.model.last().0 + 1).saturating_sub(back).max(hard_state.commit + 1);
        let entries = (first..first + count).map(|index| entry(index, term, size)).collect();
        let vote = if new_term { 0 } else { hard_state.vote };
        let hard_state = new_term.then_some(HardState { term, vote, ..hard_state });
        self.write(&LogWrite { entries, hard_state, acked: None });
    }

    fn write(&mut self, write: &LogWrite) {
        let mut after = self.model.clone();
        after.write(write);
        let outcome = self.store.as_mut().unwrap().append(write);
        self.settle(outcome.map(Some), after);
    }

    fn truncate(&mut self, ahead: u64) {
        let upto = (self.model.truncated.0 + ahead).min(self.model.hard_state.commit);
        let mut after = self.model.clone();
        after.truncate(upto);
        let outcome = self.store.as_mut().unwrap().truncate_prefix(LogIndex(upto));
        self.settle(outcome.map(|()| None), after);
    }

    fn settle(&mut self, outcome: Result<Option<LogReader>, LogError>, after: Model) {
        if let Ok(reader) = outcome {
            self.model = after;
            let reader = reader.unwrap_or_else(|| self.store.as_mut().unwrap().reader());
            let all = reader.entries(LogIndex(0), LogIndex(u64::MAX), u64::MAX).unwrap();
            assert_eq!(all, self.model.entries);
        } else {
            // The member ends; whether the write happened is known when it comes back.
            self.store = None;
            self.other = Some(after);
            self.disk.crash(self.disk.commits());
            self.guard.crash(false);
            self.reopen(false);
        }
    }

    /// Opens the log. Opening writes too, so an injected error may need a second attempt.
    fn reopen(&mut self, clean: bool) {
        let mut opened = LogStore::open(self.disk.open(), self.guard.clone(), Still);
        for _ in 0..4 {
            if matches!(opened, Err(LogError::Storage(_))) {
                self.disk.crash(0);
                opened = LogStore::open(self.disk.open(), self.guard.clone(), Still);
            }
        }
        let (store, found) = opened.unwrap();
        let all = found.reader.entries(LogIndex(0), LogIndex(u64::MAX), u64::MAX).unwrap();
        assert_eq!(found.tail, all);
        let (index, term) = found.truncated;
        let found =
            Model { truncated: (index.0, term.0), entries: all, hard_state: found.hard_state };
        let other = self.other.take();
        let expected = self.model.agrees(&found) || other.is_some_and(|other| other.agrees(&found));
        assert!(expected, "found {found:?}\nexpected {:?}", self.model);
        assert!(!clean || found.hard_state == self.model.hard_state);
        assert!((found.truncated.0..=found.last().0).contains(&found.hard_state.commit));
        self.model = found;
        self.store = Some(store);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Nothing acknowledged is ever lost, and nothing that was never written appears.
    #[test]
    fn a_log_that_is_opened_again_is_the_one_that_was_written(
        steps in prop::collection::vec(step(), 1..40)
    ) {
        let mut rig = Rig::new();
        for step in &steps {
            rig.run(step);
        }
    }
}
