//! Runs `testscripts/driver`: some members whose network, disks and apply move only when the script says so.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use goldenscript::{Command, Context, Runner};
use mini_etcd_proto::internalpb::conf_change::Kind as Change;
use mini_etcd_proto::internalpb::{
    Command as Request, ConfChange, ConfState, EntryKind, Member as Listed,
};
use mini_etcd_shared::types::{LogIndex, MemberId, Term};
use prost::Message as _;

use super::cut::CutPolicy;
use super::driver::{Driver, DriverConfig};
use super::job::{Input, Job, Outbound, StagedSnapshot, WriteTask};
use super::testing::{self, BIRTH, NoTime, TestLog};
use crate::apply::{ApplyTask, Members};
use crate::config::Timing;
use crate::log::{Acked, LogStore, MemoryGuard};
use crate::storage::SimDisk;

#[test]
fn scripts() {
    testing::run_all("raft/testscripts/driver", World::default);
}

/// Small enough for a script.
const CUT: CutPolicy = CutPolicy {
    after_entries: 3,
    after_bytes: 1 << 20,
    kept_entries: 2,
    kept_bytes: 1 << 20,
    wait_entries: 100,
    wait_bytes: 1 << 20,
    wait_ticks: 40,
    look_ticks: 1,
};

type Answer = Result<String, Box<dyn Error>>;

#[derive(Default)]
struct World {
    members: BTreeMap<u64, Member>,
    network: VecDeque<(u64, Outbound)>,
    /// Taken out of the network by `hold`, until `release`.
    held: Vec<(u64, Outbound)>,
    /// Ways, from and to, on which everything is lost.
    cut: BTreeSet<(u64, u64)>,
    images: BTreeMap<u64, Image>,
}

struct Member {
    driver: Option<Driver>,
    log: Option<TestLog>,
    disk: SimDisk,
    guard: MemoryGuard,
    writes: VecDeque<WriteTask>,
    /// Where its log is to be cut, with the next persist.
    cut: Option<LogIndex>,
    applies: VecDeque<ApplyTask>,
    /// What apply is to take up with the next apply.
    install: Option<StagedSnapshot>,
    /// Behind what the log is to begin anew, with the next persist.
    reset: Option<(LogIndex, Term)>,
    applied: u64,
    applied_term: u64,
    /// Index of the last snapshot that was taken up.
    snapshot: u64,
    conf_state: ConfState,
    starts: u64,
    /// The next start is told that the directory is a copy.
    is_copied: bool,
}

/// A member's disks at some time, and where its state stands.
struct Image {
    disk: SimDisk,
    guard: MemoryGuard,
    state: (u64, u64, u64, ConfState),
}

impl World {
    /// `cluster 3 [learners=4]`: members 1 to 3 vote.
    fn cluster(&mut self, command: &Command) -> Answer {
        let count: u64 = testing::words(command).first().ok_or("a number expected")?.parse()?;
        let learners = testing::numbers(command, "learners")?;
        let conf_state = testing::conf_state((1..=count).collect(), learners.clone());
        let mut output = String::new();
        for id in (1..=count).chain(learners) {
            output.push_str(&self.begin(id, conf_state.clone())?);
        }
        Ok(output)
    }

    fn begin(&mut self, id: u64, conf_state: ConfState) -> Answer {
        let (disk, guard) = (SimDisk::new(), MemoryGuard::new());
        let (log, _) = LogStore::create(disk.open(), guard.clone(), NoTime, BIRTH)?;
        log.close()?;
        self.members.insert(
            id,
            Member {
                driver: None,
                log: None,
                disk,
                guard,
                writes: VecDeque::new(),
                cut: None,
                applies: VecDeque::new(),
                install: None,
                reset: None,
                applied: BIRTH.0.0,
                applied_term: BIRTH.1.0,
                snapshot: 0,
                conf_state,
                starts: 0,
                is_copied: false,
            },
        );
        self.start(id)
    }

    fn start(&mut self, id: u64) -> Answer {
        let member = self.member(id)?;
        let opened = LogStore::open(member.disk.open(), member.guard.clone(), NoTime)?;
        let (mut log, mut found) = opened;
        let place = (LogIndex(member.applied), Term(member.applied_term));
        if member.snapshot == member.applied && found.reader.term(place.0)? != Some(place.1) {
            found = log.reset(place)?;
        }
        member.log = Some(log);
        member.starts += 1;
        member.driver = Some(Driver::new(DriverConfig {
            id: MemberId(id),
            log: found,
            applied: LogIndex(member.applied),
            conf_state: member.conf_state.clone(),
            members: members_of(&member.conf_state),
            timing: Timing::default(),
            boot_nonce: member.starts,
            cut: Some(CUT),
            is_copied: std::mem::take(&mut member.is_copied),
        })?);
        self.step(id, Vec::new())
    }

    fn crash(&mut self, id: u64) -> Answer {
        let member = self.member(id)?;
        (member.driver, member.log) = (None, None);
        member.writes.clear();
        member.cut = None;
        (member.install, member.reset) = (None, None);
        member.applies.clear();
        member.disk.crash(0);
        member.guard.crash(false);
        self.network.retain(|(from, _)| *from != id);
        Ok(String::new())
    }

    /// Keeps what is durable of a member.
    fn image(&mut self, id: u64) -> Answer {
        let member = self.member(id)?;
        let (applied, term) = (member.applied, member.applied_term);
        let state = (applied, term, member.snapshot, member.conf_state.clone());
        let (disk, guard) = (member.disk.fork(), member.guard.fork());
        self.images.insert(id, Image { disk, guard, state });
        Ok(String::new())
    }

    /// A member that crashed gets its disks back as they were at `image`.
    fn roll_back(&mut self, id: u64, is_copied: bool) -> Answer {
        let Image { disk, guard, state } = self.images.remove(&id).ok_or("no image")?;
        let member = self.member(id)?;
        (member.disk, member.guard, member.is_copied) = (disk, guard, is_copied);
        (member.applied, member.applied_term, member.snapshot, member.conf_state) = state;
        Ok(String::new())
    }

    fn member(&mut self, id: u64) -> Result<&mut Member, Box<dyn Error>> {
        self.members.get_mut(&id).ok_or_else(|| format!("no member {id}").into())
    }

    fn alive(&self) -> Vec<u64> {
        let up = self.members.iter().filter(|(_, member)| member.driver.is_some());
        up.map(|(id, _)| *id).collect()
    }

    /// One turn of a member, with what comes of it.
    fn step(&mut self, id: u64, mut inputs: Vec<Input>) -> Answer {
        let member = self.member(id)?;
        let Some(driver) = &mut member.driver else { return Ok(String::new()) };
        let mut output = String::new();
        for job in driver.step(&mut inputs) {
            output.extend(testing::job(id, &job).iter().map(|line| format!("{line}\n")));
            match job {
                Job::Send(messages) => {
                    self.network.extend(messages.into_iter().map(|out| (id, out)));
                }
                Job::Write(task) => self.member(id)?.writes.push_back(task),
                Job::Apply(task) => self.member(id)?.applies.push_back(task),
                Job::CutLog { upto } => self.member(id)?.cut = Some(upto),
                Job::Install(staged) => self.member(id)?.install = Some(staged),
                Job::ResetLog { index, term } => self.member(id)?.reset = Some((index, term)),
                _ => {}
            }
        }
        Ok(output)
    }

    /// Everything in the network arrives; a receiver takes it in one turn.
    fn deliver(&mut self) -> Answer {
        let mut inboxes: BTreeMap<u64, Vec<Input>> = BTreeMap::new();
        for (from, out) in std::mem::take(&mut self.network) {
            let to = out.to.0;
            if !self.cut.contains(&(from, to)) {
                let input = Input::Message { from: MemberId(from), body: out.body };
                inboxes.entry(to).or_default().push(input);
            }
        }
        let mut output = String::new();
        for (id, inputs) in inboxes {
            if self.members.contains_key(&id) {
                output.push_str(&self.step(id, inputs)?);
            }
        }
        Ok(output)
    }

    fn persist(&mut self, id: u64) -> Answer {
        let member = self.member(id)?;
        let tasks = std::mem::take(&mut member.writes);
        let Some(log) = &mut member.log else { return Ok(String::new()) };
        let mut inputs = Vec::new();
        let mut sends = Vec::new();
        for task in tasks {
            let reader = log.append(&task.write)?;
            inputs.push(Input::Persisted { number: task.number, reader });
            sends.extend(task.then_send.into_iter().map(|out| (id, out)));
        }
        if let Some(upto) = member.cut.take() {
            log.truncate_prefix(upto)?;
            inputs.push(Input::Persisted { number: 0, reader: log.reader() });
        }
        if let Some(place) = member.reset.take() {
            inputs.push(Input::LogReset(log.reset(place)?));
        }
        self.network.extend(sends);
        if inputs.is_empty() { Ok(String::new()) } else { self.step(id, inputs) }
    }

    /// What was applied is durable.
    fn sync(&mut self, id: u64) -> Answer {
        let applied = LogIndex(self.member(id)?.applied);
        self.step(id, vec![Input::StateSynced { applied }])
    }

    fn log(&mut self, id: u64) -> Answer {
        let Some(driver) = &self.member(id)?.driver else { return Ok(format!("n{id} is down\n")) };
        let (status, held) = (driver.status(), driver.core.held());
        Ok(format!("n{id} log {}..{} held up to {held}\n", status.first, status.last))
    }

    fn apply(&mut self, id: u64) -> Answer {
        let member = self.member(id)?;
        let mut inputs = Vec::new();
        for task in std::mem::take(&mut member.applies) {
            let Some(last) = task.entries.last() else { continue };
            let (index, term) = (LogIndex(last.index), Term(last.term));
            (member.applied, member.applied_term) = (last.index, last.term);
            if let Some((_, conf_state)) = task.conf_states.last() {
                member.conf_state = conf_state.clone();
                inputs.push(Input::Members(members_of(conf_state)));
            }
            let sequences = task.entries.iter().filter_map(|entry| own_number(id, entry));
            inputs.push(Input::Applied { index, term, sequences: sequences.collect() });
        }
        if let Some(staged) = member.install.take() {
            (member.applied, member.applied_term) = (staged.index.0, staged.term.0);
            member.snapshot = staged.index.0;
            inputs.push(Input::Members(members_of(&staged.conf_state)));
            member.conf_state = staged.conf_state;
            inputs.push(Input::Installed);
        }
        if inputs.is_empty() { Ok(String::new()) } else { self.step(id, inputs) }
    }

    /// `snapshot 1-3 [lost]`: the snapshot that 1 sends to 3 arrives as the state is now, or breaks off.
    fn snapshot(&mut self, command: &Command) -> Answer {
        let words = testing::words(command);
        let route = words.first().and_then(|route| route.split_once('-'));
        let (from, to) = route.ok_or("FROM-TO expected")?;
        let (from, to): (u64, u64) = (from.parse()?, to.parse()?);
        let done = words.len() == 1;
        let sender = self.member(from)?;
        let staged = StagedSnapshot {
            index: LogIndex(sender.applied),
            term: Term(sender.applied_term),
            conf_state: sender.conf_state.clone(),
            hold: Box::new(()),
        };
        let mut output = String::new();
        if done {
            output.push_str(&self.step(to, vec![Input::Snapshot(staged)])?);
        }
        let sent = Input::SnapshotSent { to: MemberId(to), done };
        output.push_str(&self.step(from, vec![sent])?);
        Ok(output)
    }

    /// Until nothing moves any more.
    fn settle(&mut self) -> Answer {
        let mut output = String::new();
        loop {
            let before = output.len();
            let quiet = self.network.is_empty();
            output.push_str(&self.deliver()?);
            for id in self.alive() {
                output.push_str(&self.persist(id)?);
                output.push_str(&self.apply(id)?);
            }
            if quiet && output.len() == before && self.network.is_empty() {
                return Ok(output);
            }
        }
    }

    fn each(&mut self, command: &Command, act: fn(&mut Self, u64) -> Answer) -> Answer {
        let chosen = testing::numbers(command, "at")?;
        let ids = if chosen.is_empty() { self.alive() } else { chosen };
        ids.into_iter().map(|id| act(self, id)).collect()
    }

    fn status(&mut self, id: u64) -> Answer {
        let member = self.member(id)?;
        let Some(driver) = &member.driver else { return Ok(format!("n{id} is down\n")) };
        let status = driver.status();
        let mut text = format!(
            "n{id} {:?} leader={} term={} last={} commit={} applied={} waiting={}/{}\n",
            status.role,
            status.leader,
            status.term,
            status.last,
            status.commit,
            status.applied,
            status.proposals_pending,
            status.reads_pending,
        );
        if let Some(doubt) = status.doubt {
            writeln!(text, "  in doubt: {doubt:?}")?;
        }
        if !status.doubtful.is_empty() {
            let ids: Vec<String> = status.doubtful.iter().map(|id| format!("n{id}")).collect();
            writeln!(text, "  knows to be in doubt: {}", ids.join(" "))?;
        }
        for peer in status.progress {
            writeln!(
                text,
                "  n{} match={} next={} {:?} in_flight={}",
                peer.id, peer.match_index, peer.next_index, peer.state, peer.in_flight
            )?;
        }
        Ok(text)
    }

    /// What happens at one member: `COMMAND ... at=ID`.
    fn input(&mut self, command: &Command) -> Answer {
        let id = testing::number(command, "at")?.ok_or("at=ID expected")?;
        let words = testing::words(command);
        let numbers = || words.iter().map(|word| word.parse()).collect::<Result<Vec<u64>, _>>();
        let peer = || Ok::<_, Box<dyn Error>>(MemberId(numbers()?.first().copied().unwrap_or(0)));
        let inputs = match command.name.as_str() {
            "propose" => numbers()?.into_iter().map(|number| proposal(id, number)).collect(),
            "flood" => {
                let count = numbers()?.first().copied().unwrap_or(0);
                (0..count).map(|number| proposal(id, 1000 + number)).collect()
            }
            "read" => numbers()?.into_iter().map(|id| Input::Read { id }).collect(),
            "change" => vec![change(id, &words)?],
            "refused" => vec![Input::PeerRefused { id: peer()? }],
            "unreachable" => vec![Input::PeerUnreachable { id: peer()? }],
            "disconnected" => vec![Input::PeerDisconnected { id: peer()? }],
            "connected" => vec![Input::PeerConnected { id: peer()? }],
            "hello" => {
                let boot_nonce = testing::number(command, "nonce")?.unwrap_or(1);
                let acked = testing::place(command, "acked")?;
                let acked = acked.map(|(index, term)| Acked { member: MemberId(id), index, term });
                vec![Input::PeerHello { id: peer()?, boot_nonce, acked, heeds_doubt: true }]
            }
            "transfer" => {
                let to = numbers()?.first().copied().map(MemberId);
                vec![Input::TransferLeader { to }]
            }
            other => return Err(format!("no command {other}").into()),
        };
        self.admit(id, inputs)
    }

    /// A turn with those of the inputs that are admitted, as at the inbox of a member.
    fn admit(&mut self, id: u64, mut inputs: Vec<Input>) -> Answer {
        let driver = self.member(id)?.driver.as_ref();
        let mut admission = driver.map(Driver::waiting).unwrap_or_default();
        let mut output = String::new();
        inputs.retain(|input| {
            let Input::Propose { sequence, data, .. } = input else { return true };
            let Err(error) = admission.admit_proposal(data.len()) else { return true };
            let refused = Job::FailWrites { sequences: vec![*sequence], error };
            output.extend(testing::job(id, &refused).iter().map(|line| format!("{line}\n")));
            false
        });
        output.push_str(&self.step(id, inputs)?);
        Ok(output)
    }

    fn tick(&mut self, command: &Command) -> Answer {
        let count: u64 = testing::words(command).first().map_or(Ok(1), |count| count.parse())?;
        (0..count)
            .map(|_| self.each(command, |world, id| world.step(id, vec![Input::Tick])))
            .collect()
    }
}

impl Runner for World {
    type Command = Command;

    fn run(&mut self, command: &Command, _context: &Context) -> Answer {
        let first = || testing::words(command).first().map_or(Ok(0), |word| word.parse::<u64>());
        match command.name.as_str() {
            "cluster" => self.cluster(command),
            "join" => {
                // Until there are snapshots: as the cluster was born.
                self.begin(first()?, testing::conf_state(vec![1, 2, 3], Vec::new()))
            }
            "deliver" => self.deliver(),
            "drop" => {
                self.network.clear();
                Ok(String::new())
            }
            "persist" => self.each(command, Self::persist),
            "apply" => self.each(command, Self::apply),
            "sync" => self.each(command, Self::sync),
            "log" => self.each(command, Self::log),
            "snapshot" => self.snapshot(command),
            "settle" => self.settle(),
            "status" => self.each(command, Self::status),
            "tick" => self.tick(command),
            "run" => {
                let all = |world: &mut Self, id| world.step(id, vec![Input::Tick]);
                let mut output = String::new();
                for _ in 0..first()? {
                    output.push_str(&self.each(command, all)?);
                    output.push_str(&self.settle()?);
                }
                Ok(failures_of(&output))
            }
            // Both ways of `cut A-B`, one way of `mute FROM-TO`.
            name @ ("cut" | "mute") => {
                for pair in testing::words(command) {
                    let (a, b) = pair.split_once('-').ok_or("A-B expected")?;
                    let (a, b) = (a.parse()?, b.parse()?);
                    self.cut.insert((a, b));
                    if name == "cut" {
                        self.cut.insert((b, a));
                    }
                }
                Ok(String::new())
            }
            "hold" => {
                let route = testing::words(command).first().cloned().unwrap_or_default();
                let (from, to) = route.split_once('-').ok_or("FROM-TO expected")?;
                let route = (from.parse::<u64>()?, to.parse::<u64>()?);
                let (held, free) = std::mem::take(&mut self.network)
                    .into_iter()
                    .partition::<Vec<_>, _>(|(from, out)| (*from, out.to.0) == route);
                self.held.extend(held);
                self.network = free.into();
                Ok(String::new())
            }
            "release" => {
                self.network.extend(self.held.drain(..));
                Ok(String::new())
            }
            "heal" => {
                self.cut.clear();
                Ok(String::new())
            }
            "crash" => self.crash(first()?),
            "image" => self.image(first()?),
            "rollback" => {
                let is_copied = testing::words(command).get(1).is_some_and(|it| it == "copied");
                self.roll_back(first()?, is_copied)
            }
            "restart" => self.start(first()?),
            _ => self.input(command),
        }
    }
}

/// The lines that matter of a long run.
fn failures_of(output: &str) -> String {
    let told = output.split_inclusive('\n');
    told.filter(|line| line.contains("fail") || line.contains("reads")).collect()
}

pub fn proposal(origin: u64, sequence: u64) -> Input {
    let request = Request { origin, sequence, ..Request::default() };
    Input::Propose { sequence, kind: EntryKind::Normal, data: Bytes::from(request.encode_to_vec()) }
}

/// The members of which all have started; each has a peer URL of its own.
fn members_of(conf_state: &ConfState) -> Arc<Members> {
    let all = conf_state.voters.iter().chain(&conf_state.learners);
    Members::of(all.map(|id| listed(*id, conf_state.learners.contains(id))).collect())
}

fn listed(id: u64, is_learner: bool) -> Listed {
    let peer_urls = vec![format!("http://n{id}:1")];
    Listed { id, name: format!("n{id}"), peer_urls, is_learner, ..Listed::default() }
}

fn change(origin: u64, words: &[String]) -> Result<Input, Box<dyn Error>> {
    let [kind, id, sequence] = words else { return Err("KIND ID NUMBER expected".into()) };
    // Of a voter: a new one is added, a learner promoted.
    let name = if kind == "promote" { "add_voter" } else { kind };
    let change = Change::from_str_name(&name.to_uppercase()).ok_or("no such change")?;
    let member_id = id.parse()?;
    let is_given = kind != "promote" && kind != "remove";
    let change = ConfChange {
        kind: change as i32,
        member_id,
        member: is_given.then(|| listed(member_id, false)),
        origin,
        incarnation: 1,
        sequence: sequence.parse()?,
    };
    Ok(Input::Propose {
        sequence: change.sequence,
        kind: EntryKind::ConfChange,
        data: Bytes::from(change.encode_to_vec()),
    })
}

fn own_number(id: u64, entry: &mini_etcd_proto::internalpb::Entry) -> Option<u64> {
    let (origin, sequence) = if entry.kind == EntryKind::ConfChange as i32 {
        let change = ConfChange::decode(entry.data.clone()).ok()?;
        (change.origin, change.sequence)
    } else {
        let request = Request::decode(entry.data.clone()).ok()?;
        (request.origin, request.sequence)
    };
    (origin == id && sequence != 0).then_some(sequence)
}
