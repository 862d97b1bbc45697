//! One member in the simulation: the sequencers and the disks of a real one, without its threads.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use mini_etcd_proto::internalpb::command::Request;
use mini_etcd_proto::internalpb::{
    Asker, Command, ConfState, Entry, EntryKind, LeaseRemaining, Member as Listed, RevokeLease,
};
use mini_etcd_proto::peerpb::Snapshot;
use mini_etcd_server::apply::{
    Applied, Applier, ApplyTask, Birth, EntryResult, Identity, Published, SnapshotSink,
};
use mini_etcd_server::config::Timing;
use mini_etcd_server::lease::{Lessor, Stands};
use mini_etcd_server::log::{LogStore, MemoryGuard};
use mini_etcd_server::node::Incarnation;
use mini_etcd_server::raft::{
    CutPolicy, Driver, DriverConfig, Input, Outbound, StagedSnapshot, WriteTask,
};
use mini_etcd_server::storage::{Engine as _, Fault, Home as _, SimDisk, SimEngine, SimHome};
use mini_etcd_shared::clock::{Clock, Moment};
use mini_etcd_shared::types::{ClusterId, LogIndex, MemberId, Term};
use prost::Message as _;

use super::membership::listed;
use super::plan::Plan;
use super::rng::Rng;

/// Time between two checkpoints of a lease.
const CHECKPOINT_INTERVAL: Duration = Duration::from_millis(700);

/// The time of the simulation, in milliseconds.
#[derive(Clone, Default)]
pub struct SimClock(Arc<AtomicU64>);

impl SimClock {
    /// It is `now`.
    pub fn set(&self, now: u64) {
        self.0.store(now, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Moment {
        Moment(Duration::from_millis(self.0.load(Ordering::Relaxed)))
    }
}

/// What outlives a crash.
struct Disks {
    log: SimDisk,
    guard: MemoryGuard,
    state: SimHome,
}

impl Disks {
    /// As they are found after a loss of power now.
    fn image(&self) -> Self {
        Self { log: self.log.fork(), guard: self.guard.fork(), state: self.state.fork() }
    }
}

/// What the member itself proposed of leases, to be tried again when it fails.
#[derive(Debug)]
pub enum OwnProposal {
    /// One expired.
    Revoke(RevokeLease),
    /// What is left of some.
    Note(Vec<LeaseRemaining>),
}

/// What a crash ends.
pub struct Running {
    id: MemberId,
    /// The sequencer.
    pub driver: Driver,
    /// The log, as its thread owns it.
    pub log: LogStore<SimEngine, MemoryGuard, SimClock>,
    /// The state, as its thread owns it.
    pub applier: Applier<SimEngine>,
    /// What waits for the next turn.
    pub inbox: Vec<Input>,
    /// What waits for the log's thread.
    pub writes: VecDeque<WriteTask>,
    /// Up to where the log's thread is to cut the log.
    pub cut: Option<LogIndex>,
    /// Behind what it is to begin the log anew.
    pub reset: Option<(LogIndex, Term)>,
    /// What waits for the apply thread.
    pub tasks: VecDeque<ApplyTask>,
    /// A snapshot that it is to take up.
    pub install: Option<StagedSnapshot>,
    /// Shared by what is staged and not installed yet.
    pub place: Arc<()>,
    /// The snapshot that is coming in.
    pub receiving: Option<SnapshotSink<SimEngine>>,
    /// Reads that wait for an index.
    pub parked: BTreeMap<u64, Vec<u64>>,
    /// When leases end, where it leads.
    pub lessor: Lessor,
    /// What it proposed of them, by number.
    pub of_leases: BTreeMap<u64, OwnProposal>,
    /// Number of this start, from 1.
    pub nonce: u64,
    /// Drawn at this start; goes with its commands.
    pub incarnation: Incarnation,
    next_number: u64,
}

impl Running {
    /// A number for a request.
    pub fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.incarnation.first + self.next_number
    }

    /// A request as it goes into the inbox, and its number.
    pub fn proposal(&mut self, request: Request) -> (u64, Input) {
        self.proposal_of(Asker { is_member: true, ..Asker::default() }, request)
    }

    /// The same on behalf of somebody.
    pub fn proposal_of(&mut self, asker: Asker, request: Request) -> (u64, Input) {
        let (number, incarnation) = (self.number(), self.incarnation.number);
        let (request, asker) = (Some(request), Some(asker));
        let command = Command { origin: self.id.0, sequence: number, incarnation, request, asker };
        let data = Bytes::from(command.encode_to_vec());
        (number, Input::Propose { sequence: number, kind: EntryKind::Normal, data })
    }

    /// What was applied of this very start's requests.
    pub fn own<'a>(&self, applied: &'a Applied) -> impl Iterator<Item = &'a EntryResult> + use<'a> {
        let (id, incarnation) = (self.id, self.incarnation.number);
        let is_own =
            move |result: &&EntryResult| result.origin == id && result.incarnation == incarnation;
        applied.results.iter().filter(is_own)
    }

    /// The end of what it proposed of leases; false when `number` is of something else.
    pub fn settle(&mut self, number: u64, is_done: bool, now: Moment) -> bool {
        match self.of_leases.remove(&number) {
            None => return false,
            Some(_) if is_done => {}
            Some(OwnProposal::Revoke(expired)) => self.lessor.retry(&expired, now),
            Some(OwnProposal::Note(leases)) => self.lessor.unsure(&leases),
        }
        true
    }

    /// Where it stands, as its lessor sees it.
    #[must_use]
    pub fn stands(&self) -> Stands {
        let status = self.driver.status();
        let applied_term = self.published().applied_term;
        Stands { leads: status.leads(), term: status.term, applied_term }
    }

    /// The state now.
    #[must_use]
    pub fn published(&self) -> Arc<Published> {
        self.applier.published()
    }
}

/// A member.
pub struct Member {
    /// Its id.
    pub id: u64,
    /// None while it is down.
    pub running: Option<Running>,
    /// Nothing of it moves before this time.
    pub paused_until: u64,
    /// No write of its log ends before this time.
    pub disk_hangs_until: u64,
    /// Highest term that was durable.
    pub durable_term: u64,
    disks: Disks,
    /// A copy of its disks, of some time.
    image: Option<Disks>,
    /// Its disks are such a copy, and the member does not know yet what it lacks.
    pub is_copied: bool,
    clock: SimClock,
    starts: u64,
    identity: Identity,
    cut: CutPolicy,
}

/// What a member did with its log.
#[derive(Default)]
pub struct Persisted {
    pub sends: Vec<Outbound>,
    /// Up to where it was cut.
    pub cut: Option<LogIndex>,
    /// Behind what it begins anew.
    pub reset: Option<LogIndex>,
}

impl Member {
    /// A member of a cluster of `count`, started for the first time.
    ///
    /// # Errors
    /// When its own code refuses a new disk.
    pub fn new(id: u64, plan: &Plan, clock: SimClock) -> Result<Self> {
        let count = plan.members;
        let birth = (LogIndex::BIRTH, Term(1));
        let conf_state = ConfState { voters: (1..=count).collect(), ..ConfState::default() };
        let members = (1..=count).map(listed).collect();
        let state = Birth { index: birth.0, term: birth.1, conf_state, members };
        let mut member = Self::born(id, &state, plan, clock)?;
        member.start(id)?;
        Ok(member)
    }

    /// A member that is to join a cluster, of which it was told that these are the members; not started yet.
    ///
    /// # Errors
    /// When its own code refuses a new disk.
    pub fn joining(id: u64, members: Vec<Listed>, plan: &Plan, clock: SimClock) -> Result<Self> {
        let conf_state = ConfState::default();
        let state = Birth { index: LogIndex(0), term: Term(0), conf_state, members };
        Self::born(id, &state, plan, clock)
    }

    fn born(id: u64, state: &Birth, plan: &Plan, clock: SimClock) -> Result<Self> {
        let disks =
            Disks { log: SimDisk::new(), guard: MemoryGuard::new(), state: SimHome::default() };
        let birth = (state.index, state.term);
        let identity = Identity { cluster_id: ClusterId(1), member_id: MemberId(id) };
        LogStore::create(disks.log.open(), disks.guard.clone(), clock.clone(), birth)?;
        Applier::create(disks.state.current().open(), identity, state)?;
        Ok(Self {
            id,
            running: None,
            paused_until: 0,
            disk_hangs_until: 0,
            durable_term: 0,
            disks,
            image: None,
            is_copied: false,
            clock,
            starts: 0,
            identity,
            cut: plan.cut,
        })
    }

    /// Starts it on what its disks hold. Answers the index in front of its log, and the entries.
    ///
    /// # Errors
    /// When that is refused, which no crash may cause.
    pub fn start(&mut self, seed: u64) -> Result<(LogIndex, Vec<Entry>)> {
        self.starts += 1;
        // A fault that was meant for the last life must not meet this one.
        let _ = self.disks.log.open().sync();
        let engine = self.disks.log.open();
        let (mut log, mut found) =
            LogStore::open(engine, self.disks.guard.clone(), self.clock.clone())
                .with_context(|| format!("the log of n{}", self.id))?;
        let applier = Applier::open(self.disks.state.current().open(), self.identity)
            .with_context(|| format!("the state of n{}", self.id))?;
        anyhow::ensure!(
            found.hard_state.term >= self.durable_term,
            "n{} forgot term {}",
            self.id,
            self.durable_term
        );
        let published = applier.published();
        if let Some(place) = published.is_ahead_of(|index| found.reader.term(index))? {
            found = log.reset(place)?;
        }
        let end = LogIndex(found.last.0.0 + 1);
        let truncated = found.truncated.0;
        let entries = found.reader.entries(found.reader.first(), end, u64::MAX)?;
        // Another one at each start, and the same in each run of the seed.
        let mut rng = Rng::new(seed ^ (self.id << 48) ^ (self.starts << 56), "incarnation");
        let driver = Driver::new(DriverConfig {
            id: MemberId(self.id),
            log: found,
            applied: published.applied,
            conf_state: published.conf_state.clone(),
            members: Arc::clone(&published.members),
            timing: Timing::default(),
            boot_nonce: self.starts,
            cut: Some(self.cut),
            is_copied: self.is_copied,
        })?;
        self.running = Some(Running {
            id: MemberId(self.id),
            driver,
            log,
            applier,
            inbox: Vec::new(),
            writes: VecDeque::new(),
            cut: None,
            reset: None,
            tasks: VecDeque::new(),
            install: None,
            place: Arc::default(),
            receiving: None,
            parked: BTreeMap::new(),
            // Without grace, which would hide most of what a leader could do wrong.
            lessor: Lessor::new(CHECKPOINT_INTERVAL, Duration::ZERO),
            of_leases: BTreeMap::new(),
            nonce: self.starts,
            incarnation: Incarnation::new(rng.next()),
            next_number: 0,
        });
        Ok((truncated, entries))
    }

    /// It loses power: of what was not synced a part survives.
    pub fn crash(&mut self, rng: &mut Rng) {
        self.running = None;
        self.disks.log.crash(rng.next());
        self.disks.guard.crash(rng.chance(500));
        self.disks.state.crash(rng.next());
    }

    /// The next sync of the log fails, and the member with it.
    pub fn fail_next_sync(&self) {
        self.disks.log.inject(Fault::Sync(self.disks.log.syncs() + 1));
    }

    /// Its number of starts.
    #[must_use]
    pub fn starts(&self) -> u64 {
        self.starts
    }

    /// The log thread's turn: everything that waits, then one report, then the messages, then a cut. None when the disk
    /// failed.
    pub fn persist(&mut self) -> Option<Persisted> {
        let running = self.running.as_mut()?;
        let mut done = Persisted::default();
        while let Some(task) = running.writes.pop_front() {
            let reader = running.log.append(&task.write).ok()?;
            running.log.sync_guard_if_due().ok()?;
            if let Some(state) = &task.write.hard_state {
                self.durable_term = self.durable_term.max(state.term);
            }
            // The report first, the messages after: as the real thread does it.
            running.inbox.push(Input::Persisted { number: task.number, reader });
            done.sends.extend(task.then_send);
        }
        if let Some(upto) = running.cut.take() {
            running.log.truncate_prefix(upto).ok()?;
            let reader = running.log.reader();
            running.inbox.push(Input::Persisted { number: 0, reader });
            done.cut = Some(upto);
        }
        if let Some(place) = running.reset.take() {
            running.inbox.push(Input::LogReset(running.log.reset(place).ok()?));
            done.reset = Some(place.0);
        }
        Some(done)
    }

    /// The apply thread's turn: one task.
    ///
    /// # Errors
    /// When apply refuses it.
    pub fn apply(&mut self) -> Result<Option<(ApplyTask, Applied)>> {
        let Some(running) = self.running.as_mut() else { return Ok(None) };
        let Some(task) = running.tasks.pop_front() else { return Ok(None) };
        let before = running.published();
        let applied = running.applier.apply(&task)?;
        let members = &applied.published.members;
        if !Arc::ptr_eq(&before.members, members) {
            running.inbox.push(Input::Members(Arc::clone(members)));
        }
        running.lessor.follow(&applied.leases, self.clock.now());
        let own = running.own(&applied);
        let sequences = own.map(|result| result.sequence).collect();
        let (index, term) = (applied.published.applied, applied.published.applied_term);
        running.inbox.push(Input::Applied { index, term, sequences });
        Ok(Some((task, applied)))
    }

    /// The apply thread's turn when it takes up a snapshot.
    ///
    /// # Errors
    /// When apply refuses it.
    pub fn install(&mut self) -> Result<Option<Applied>> {
        let Some(running) = self.running.as_mut() else { return Ok(None) };
        let Some(staged) = running.install.take() else { return Ok(None) };
        let (applied, _) = running.applier.install(self.disks.state.switch(staged.index.0)?)?;
        running.inbox.push(Input::Members(Arc::clone(&applied.published.members)));
        running.inbox.push(Input::Installed);
        Ok(Some(applied))
    }

    /// Its disks are copied.
    pub fn take_image(&mut self) {
        self.image = Some(self.disks.image());
    }

    /// Its disks, while it is down, are as they were when they were copied. False when they never were.
    pub fn roll_back(&mut self) -> bool {
        let Some(image) = self.image.take() else { return false };
        self.disks = image;
        self.is_copied = true;
        self.durable_term = 0;
        true
    }

    /// Whether nothing is staged or coming in.
    #[must_use]
    pub fn may_receive(&self) -> bool {
        self.running.as_ref().is_some_and(|running| {
            running.receiving.is_none() && Arc::strong_count(&running.place) == 1
        })
    }

    /// A snapshot begins to come in.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn begin_snapshot(&mut self, snapshot: Snapshot) -> Result<()> {
        let Some(running) = self.running.as_mut() else { return Ok(()) };
        let engine = self.disks.state.stage()?;
        running.receiving = Some(SnapshotSink::new(engine, self.identity, snapshot));
        Ok(())
    }

    /// Removes dead versions, syncs now and then, as an idle apply thread does.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn idle(&mut self, rng: &mut Rng) -> Result<()> {
        let Some(running) = self.running.as_mut() else { return Ok(()) };
        if rng.chance(500) {
            running.applier.collect(3)?;
        }
        if rng.chance(500) {
            running.applier.sync()?;
            running.inbox.push(Input::StateSynced { applied: running.applier.synced() });
        }
        Ok(())
    }
}
