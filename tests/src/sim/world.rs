//! The world of a seed: time, network, disks, clients and faults, in one thread.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use mini_etcd_proto::internalpb::Asker;
use mini_etcd_proto::internalpb::command::Request;
use mini_etcd_proto::peerpb::message::Body;
use mini_etcd_server::error::RequestError;
use mini_etcd_server::raft::{Input, Job};
use mini_etcd_shared::types::{LogIndex, MemberId};

use super::client::{Pending, Told, Wants, key};
use super::leases;
use super::member::{Member, Running, SimClock};
use super::membership;
use super::model::Model;
use super::plan::Plan;
use super::rng::Rng;
use super::snapshots::Transfer;
use super::trace::Trace;
use super::users;
use super::watchman::Watchman;

/// Milliseconds of a tick.
const TICK: u64 = 50;

/// Something that happens at a time.
#[derive(Debug)]
pub(super) enum Event {
    Tick,
    Turn,
    Persist,
    Apply,
    Idle,
    Deliver { from: u64, body: Box<Body> },
    Refused { peer: u64 },
    Unreachable { peer: u64 },
    Hello { peer: u64, nonce: u64 },
    Connection { peer: u64, stands: bool },
    Client(u64),
    Leases,
    Crash,
    Restart,
    Partition,
    Rejoin,
    Transfer,
    Change,
    Gone,
    Pause,
    Hang,
    Clog,
    Copy,
    RollBack,
    Piece(Box<Transfer>),
    SnapshotSent { start: u64, to: u64, done: bool },
}

/// Streams of chance, so that one more request does not change the faults.
pub(super) struct Chances {
    pub work: Rng,
    pub network: Rng,
    pub disk: Rng,
    pub faults: Rng,
    pub changes: Rng,
    pub copies: Rng,
}

/// The world.
pub struct World {
    pub(super) plan: Plan,
    pub(super) now: u64,
    pub(super) members: BTreeMap<u64, Member>,
    pub(super) chances: Chances,
    pub(super) cut: BTreeSet<(u64, u64)>,
    /// Faults are over: everything heals.
    pub(super) calm: bool,
    pub(super) told: Told,
    pub(super) model: Model,
    pub(super) trace: Trace,
    /// Cuts of logs.
    pub(super) cuts: u64,
    /// Snapshots that took the place of a state.
    pub(super) snapshots: u64,
    /// Changes of membership.
    pub(super) changes: u64,
    /// Times that a member was set back to an older copy of its disks.
    pub(super) rollbacks: u64,
    /// The member that is set back and has not caught up: one at a time.
    pub(super) rolled_back: Option<u64>,
    /// The highest id that a member had.
    pub(super) last_id: u64,
    pub(super) seed: u64,
    pub(super) clock: SimClock,
    events: BTreeMap<(u64, u64), (u64, Event)>,
    next_event: u64,
    scheduled: BTreeSet<(u64, &'static str)>,
    /// What the Raft thread of a member does itself at the end of this turn.
    inline: BTreeSet<(u64, &'static str)>,
    /// When the last message of a direction arrives.
    pub(super) links: BTreeMap<(u64, u64), u64>,
    clients: BTreeMap<u64, Option<Pending>>,
    pub(super) watchman: Watchman,
}

impl World {
    /// The world of a seed.
    ///
    /// # Errors
    /// When a member does not start.
    pub fn new(seed: u64, trace: Trace) -> Result<Self> {
        let plan = Plan::of(seed);
        let clock = SimClock::default();
        let chances = Chances {
            work: Rng::new(seed, "work"),
            network: Rng::new(seed, "network"),
            disk: Rng::new(seed, "disk"),
            faults: Rng::new(seed, "faults"),
            changes: Rng::new(seed, "changes"),
            copies: Rng::new(seed, "copies"),
        };
        let ids = 1..=plan.members;
        let members = ids
            .map(|id| Ok((id, Member::new(id, &plan, clock.clone())?)))
            .collect::<Result<_>>()?;
        let mut world = Self {
            now: 0,
            members,
            chances,
            cut: BTreeSet::new(),
            calm: false,
            told: Told::default(),
            model: Model::of(plan.members),
            trace,
            cuts: 0,
            snapshots: 0,
            changes: 0,
            rollbacks: 0,
            rolled_back: None,
            last_id: plan.members,
            seed,
            clock,
            events: BTreeMap::new(),
            next_event: 0,
            scheduled: BTreeSet::new(),
            inline: BTreeSet::new(),
            links: BTreeMap::new(),
            clients: (0..plan.clients).map(|client| (client, None)).collect(),
            watchman: Watchman::default(),
            plan,
        };
        world.begin();
        Ok(world)
    }

    fn begin(&mut self) {
        for id in self.ids() {
            self.begin_member(id, 0);
        }
        for client in 0..self.plan.clients {
            self.at(500 + client, 0, Event::Client(client));
        }
        self.plan_fault(self.plan.crash_every, Event::Crash);
        self.plan_fault(self.plan.partition_every, Event::Partition);
        self.plan_fault(self.plan.transfer_every, Event::Transfer);
        self.plan_fault(self.plan.pause_every, Event::Pause);
        self.plan_fault(self.plan.clog_every, Event::Clog);
        self.plan_fault(self.plan.hang_every, Event::Hang);
        self.plan_fault(self.plan.change_every, Event::Change);
        self.plan_copy();
    }

    /// The clock of a member begins to run.
    pub(super) fn begin_member(&mut self, id: u64, wait: u64) {
        // Members do not tick together.
        let offset = self.chances.faults.below(TICK);
        self.at(wait + offset, id, Event::Tick);
        self.at(wait, id, Event::Turn);
        self.at(wait + offset * 7, id, Event::Idle);
        self.at(wait + offset * 3, id, Event::Leases);
    }

    pub(super) fn ids(&self) -> Vec<u64> {
        self.members.keys().copied().collect()
    }

    pub(super) fn plan_fault(&mut self, every: u64, event: Event) {
        if every > 0 && !self.calm {
            let wait = self.chances.faults.between(every / 2, every * 3 / 2);
            self.at(wait, 0, event);
        }
    }

    /// Lets `event` happen to `member` after `wait`.
    pub(super) fn at(&mut self, wait: u64, member: u64, event: Event) {
        self.next_event += 1;
        self.events.insert((self.now + wait, self.next_event), (member, event));
    }

    /// As [`World::at`], unless it is going to happen anyway.
    pub(super) fn soon(&mut self, wait: u64, member: u64, name: &'static str, event: Event) {
        if self.scheduled.insert((member, name)) {
            self.at(wait, member, event);
        }
    }

    /// Lives until `end`, or until `done` says so.
    ///
    /// # Errors
    /// When an invariant is broken.
    pub fn run(&mut self, end: u64, done: impl Fn(&Self) -> bool) -> Result<()> {
        while let Some(((time, number), (member, event))) = self.events.pop_first() {
            if time > end || done(self) {
                self.events.insert((time, number), (member, event));
                return Ok(());
            }
            self.now = time;
            self.clock.set(time);
            if let Some(paused) = self.members.get(&member).map(|member| member.paused_until)
                && paused > time
            {
                self.at(paused - time, member, event);
                continue;
            }
            self.trace.note(|| format!("{time} n{member} {event:?}"));
            let what = self.trace.last();
            self.happen(member, event).with_context(|| format!("at {time} ms: {what}"))?;
        }
        Ok(())
    }

    fn happen(&mut self, id: u64, event: Event) -> Result<()> {
        match event {
            Event::Tick | Event::Idle | Event::Leases if !self.members.contains_key(&id) => {}
            Event::Tick => {
                self.at(TICK, id, Event::Tick);
                self.input(id, Input::Tick);
            }
            Event::Turn => self.turn(id)?,
            Event::Persist => self.persist(id)?,
            Event::Apply => self.apply(id)?,
            Event::Idle => {
                self.at(300, id, Event::Idle);
                let rng = &mut self.chances.disk;
                if let Some(member) = self.members.get_mut(&id) {
                    member.idle(rng)?;
                }
            }
            Event::Deliver { from, body } => self.deliver(from, id, *body),
            Event::Refused { peer } => self.input(id, Input::PeerRefused { id: MemberId(peer) }),
            Event::Unreachable { peer } => {
                self.input(id, Input::PeerUnreachable { id: MemberId(peer) });
            }
            Event::Hello { peer, nonce } => {
                self.hello(id, peer, nonce);
            }
            Event::Client(client) => self.invoke(client),
            Event::Leases => self.look_after_leases(id),
            Event::Piece(transfer) => self.piece(id, transfer)?,
            Event::SnapshotSent { start, to, done } => self.snapshot_sent(id, start, to, done),
            other => self.fault(id, &other)?,
        }
        Ok(())
    }

    pub(super) fn input(&mut self, id: u64, input: Input) {
        if let Some(running) = self.members.get_mut(&id).and_then(|it| it.running.as_mut()) {
            running.inbox.push(input);
            let wait = self.chances.disk.below(2);
            self.soon(wait, id, "turn", Event::Turn);
        }
    }

    fn turn(&mut self, id: u64) -> Result<()> {
        self.scheduled.remove(&(id, "turn"));
        let Some(running) = self.members.get_mut(&id).and_then(|it| it.running.as_mut()) else {
            return Ok(());
        };
        let mut inputs = std::mem::take(&mut running.inbox);
        let jobs = running.driver.step(&mut inputs);
        running.inbox = inputs;
        let status = running.driver.status();
        self.watchman.status(id, running.nonce, &status)?;
        if status.doubt.is_none() {
            self.caught_up(id);
        }
        for job in jobs {
            self.job(id, job)?;
        }
        self.carry_out(id)
    }

    /// What the Raft thread does itself of a turn, where the other threads have nothing to do: apply first.
    fn carry_out(&mut self, id: u64) -> Result<()> {
        for name in ["apply", "persist"] {
            if self.inline.remove(&(id, name)) {
                match name {
                    "apply" => self.apply(id)?,
                    _ => self.persist(id)?,
                }
            }
        }
        Ok(())
    }

    /// Whether the Raft thread does it itself at the end of this turn, which it only may where nothing waits before it.
    fn is_inline(&mut self, id: u64, is_only: bool, name: &'static str) -> bool {
        let is_inline = is_only && self.chances.disk.chance(500);
        if is_inline {
            self.inline.insert((id, name));
        } else {
            self.inline.remove(&(id, name));
        }
        is_inline
    }

    fn job(&mut self, id: u64, job: Job) -> Result<()> {
        self.trace.note(|| format!("  n{id} {}", describe(&job)));
        let Some(running) = self.members.get_mut(&id).and_then(|it| it.running.as_mut()) else {
            return Ok(());
        };
        match job {
            Job::Send(messages) => self.send(id, messages),
            Job::Write(task) => {
                running.writes.push_back(task);
                let is_only = running.writes.len() == 1;
                if !self.is_inline(id, is_only, "persist") {
                    let wait = self.chances.disk.between(0, self.plan.sync_max);
                    self.soon(wait, id, "persist", Event::Persist);
                }
            }
            Job::Apply(task) => {
                running.tasks.push_back(task);
                let is_only = running.tasks.len() == 1;
                if !self.is_inline(id, is_only, "apply") {
                    let wait = self.chances.disk.between(0, self.plan.apply_max);
                    self.soon(wait, id, "apply", Event::Apply);
                }
            }
            Job::ReadReady { ids, index: LogIndex(index) } => {
                running.parked.entry(index).or_default().extend(ids);
                self.serve_reads(id)?;
            }
            Job::FailWrites { sequences, error } => {
                for number in sequences {
                    self.failed(id, number, &error);
                }
            }
            Job::FailReads { ids, error } => {
                for number in ids {
                    self.failed(id, number, &error);
                }
            }
            Job::CutLog { upto } => {
                running.cut = Some(upto);
                let wait = self.chances.disk.between(0, self.plan.sync_max);
                self.soon(wait, id, "persist", Event::Persist);
            }
            Job::SendSnapshot { to } => self.send_snapshot(id, to.0)?,
            Job::Install(staged) => {
                running.install = Some(staged);
                let wait = self.chances.disk.between(0, self.plan.apply_max);
                self.soon(wait, id, "apply", Event::Apply);
            }
            Job::ResetLog { index, term } => {
                running.reset = Some((index, term));
                let wait = self.chances.disk.between(0, self.plan.sync_max);
                self.soon(wait, id, "persist", Event::Persist);
            }
            Job::Removed => {
                self.retire(id);
            }
            Job::Differs { leader } => {
                bail!("n{id} has committed what {leader} has not, which leads")
            }
        }
        Ok(())
    }

    fn persist(&mut self, id: u64) -> Result<()> {
        self.scheduled.remove(&(id, "persist"));
        let Some(member) = self.members.get_mut(&id) else { return Ok(()) };
        let Some(running) = &member.running else { return Ok(()) };
        if let Some(wait) = member.disk_hangs_until.checked_sub(self.now).filter(|wait| *wait > 0) {
            self.soon(wait, id, "persist", Event::Persist);
            return Ok(());
        }
        let writes: Vec<_> = running.writes.iter().map(|task| task.write.clone()).collect();
        match member.persist() {
            Some(done) => {
                for write in writes {
                    self.watchman.wrote(id, &write)?;
                }
                self.send(id, done.sends);
                if let Some(upto) = done.cut {
                    self.cuts += 1;
                    self.watchman.cut(id, upto.0)?;
                }
                if let Some(index) = done.reset {
                    self.watchman.installed(id, index.0)?;
                }
                self.soon(0, id, "turn", Event::Turn);
            }
            // The disk failed inside of a sync: the process ends.
            None => self.crash(id),
        }
        Ok(())
    }

    fn apply(&mut self, id: u64) -> Result<()> {
        self.scheduled.remove(&(id, "apply"));
        let Some(member) = self.members.get_mut(&id) else { return Ok(()) };
        if let Some(applied) = member.install()? {
            return self.installed(id, &applied);
        }
        let Some(before) = member.running.as_ref().map(Running::published) else { return Ok(()) };
        let Some((task, applied)) = member.apply()? else { return Ok(()) };
        let Some(running) = &member.running else { return Ok(()) };
        let more = !running.tasks.is_empty();
        // Else it is taken with whatever comes next.
        let is_news = running.driver.heeds_applied();
        let own = running.own(&applied);
        let own: Vec<_> = own.map(|it| (it.sequence, it.index.0, it.outcome.is_ok())).collect();
        for entry in &task.entries {
            self.model.committed(entry, self.now)?;
            // The changes up to here, of which the task tells.
            let changes = task.conf_states.iter().rev();
            let at = changes.clone().find(|(index, _)| index.0 <= entry.index);
            let conf_state = at.map_or(&before.conf_state, |(_, conf_state)| conf_state);
            self.watchman.committed(entry, conf_state)?;
        }
        self.model.digest(applied.published.applied.0, applied.published.digest)?;
        self.watchman.applied(id, &applied)?;
        leases::check(&applied.published, &self.model)?;
        membership::check(&applied.published)?;
        users::check(&applied.published, &self.model)?;
        for (sequence, index, is_done) in own {
            if !self.settle(id, sequence, is_done) {
                self.answered(id, sequence, index)?;
            }
        }
        self.serve_reads(id)?;
        self.follow_changes()?;
        if more {
            let wait = self.chances.disk.between(0, self.plan.apply_max);
            self.soon(wait, id, "apply", Event::Apply);
        }
        if is_news {
            self.soon(0, id, "turn", Event::Turn);
        }
        Ok(())
    }

    /// A client sends its next request to some member.
    fn invoke(&mut self, client: u64) {
        if self.clients.get(&client).is_some_and(Option::is_some) {
            return;
        }
        let up = self.voters_up();
        let Some(&id) = self.chances.work.pick(&up) else {
            return self.at(100, 0, Event::Client(client));
        };
        if self.chances.work.chance(200) {
            return self.renew(client, id);
        }
        let request = self.told.next_request(&mut self.chances.work);
        let wanted = key(self.chances.work.below(6));
        let Some(running) = self.members.get_mut(&id).and_then(|it| it.running.as_mut()) else {
            return;
        };
        let (number, wants, input) = if let Some(request) = request {
            let asker = if matches!(request, Request::Put(_)) {
                users::asker(&running.published().auth, &mut self.chances.work)
            } else {
                Asker { is_member: true, ..Asker::default() }
            };
            let (number, input) = running.proposal_of(asker, request);
            (number, Wants::Write, input)
        } else {
            let number = running.number();
            (number, Wants::Read(wanted), Input::Read { id: number })
        };
        self.begun(client, (id, number), wants, input);
    }

    /// A client's request is on its way.
    pub(super) fn begun(
        &mut self,
        client: u64,
        (member, number): (u64, u64),
        wants: Wants,
        input: Input,
    ) {
        let floor = self.told.floor;
        self.clients.insert(client, Some(Pending { member, number, wants, floor }));
        self.input(member, input);
    }

    /// Clients begin nothing new.
    pub fn stop_clients(&mut self) {
        self.events.retain(|_, (_, event)| !matches!(event, Event::Client(_)));
        self.clients.clear();
    }

    /// The client whose request has `number` at `id`, with its request, which ends now.
    fn finish(&mut self, id: u64, number: u64) -> Option<Pending> {
        let fits = |pending: &Pending| pending.member == id && pending.number == number;
        let (&client, slot) =
            self.clients.iter_mut().find(|(_, slot)| slot.as_ref().is_some_and(fits))?;
        let pending = slot.take();
        let wait = self.chances.work.between(1, 40);
        self.at(wait, 0, Event::Client(client));
        pending
    }

    fn answered(&mut self, id: u64, number: u64, index: u64) -> Result<()> {
        match self.finish(id, number) {
            Some(pending) => self.told.wrote(&pending, index),
            None => Ok(()),
        }
    }

    fn failed(&mut self, id: u64, number: u64, error: &RequestError) {
        if self.settle(id, number, false) {
            return;
        }
        let Some(pending) = self.finish(id, number) else { return };
        if pending.wants == Wants::Write && *error == RequestError::TooManyRequests {
            self.told.refused.push((id, number));
        } else {
            self.told.unknown += 1;
        }
    }

    pub(super) fn serve_reads(&mut self, id: u64) -> Result<()> {
        let Some(running) = self.members.get_mut(&id).and_then(|it| it.running.as_mut()) else {
            return Ok(());
        };
        let published = running.published();
        let later = running.parked.split_off(&(published.applied.0 + 1));
        let due = std::mem::replace(&mut running.parked, later);
        for number in due.into_values().flatten() {
            let Some(pending) = self.finish(id, number) else { continue };
            match pending.wants.clone() {
                Wants::Read(key) => {
                    self.told.read(&pending, &key, &published, &self.model)?;
                }
                Wants::Renewal(renewal) => self.renewed(id, &renewal, &published),
                Wants::Write => {}
            }
        }
        Ok(())
    }

    /// A member loses power; its clients do not know what became of their requests.
    pub(super) fn crash(&mut self, id: u64) {
        let Some(member) = self.members.get_mut(&id) else { return };
        member.crash(&mut self.chances.faults);
        self.watchman.crashed(id);
        self.lose_clients(id);
        for peer in self.ids() {
            self.at(1, peer, Event::Connection { peer: id, stands: false });
            if peer != id && self.chances.faults.chance(self.plan.hint) {
                let wait = self.chances.network.between(1, 60);
                self.at(wait, peer, Event::Refused { peer: id });
            }
        }
        let wait = self.chances.faults.between(50, 3000);
        self.at(wait, id, Event::Restart);
    }

    /// The clients of a member do not know what became of their requests.
    pub(super) fn lose_clients(&mut self, id: u64) {
        let open = self.clients.values().flatten().filter(|pending| pending.member == id);
        let numbers: Vec<u64> = open.map(|pending| pending.number).collect();
        for number in numbers {
            self.told.unknown += 1;
            self.finish(id, number);
        }
    }
}

fn describe(job: &Job) -> String {
    match job {
        Job::Send(messages) => format!("send {}", messages.len()),
        Job::Write(task) => {
            let last = task.write.entries.last().map(|entry| (entry.index, entry.term));
            format!("write {} {:?} {last:?}", task.number, task.write.hard_state)
        }
        Job::Apply(task) => format!("apply {:?}", task.entries.last().map(|entry| entry.index)),
        other => format!("{other:?}"),
    }
}
