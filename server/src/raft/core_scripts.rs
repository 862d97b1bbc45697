//! Runs `testscripts/core`: one core against a script that plays its peers, its disk and its apply.

use std::error::Error;

use bytes::Bytes;
use goldenscript::{Command, Context, Runner};
use mini_etcd_proto::internalpb::conf_change::Kind as Change;
use mini_etcd_proto::internalpb::{ConfChange, HardState};
use mini_etcd_proto::peerpb::RaftMessage;
use mini_etcd_proto::peerpb::raft_message::Kind;
use mini_etcd_shared::types::{LogIndex, MemberId, Term};
use prost::Message as _;

use super::core::{CoreConfig, Effects, NodeCore};
use super::testing::{self, BIRTH, NoTime, TestLog};
use crate::config::Timing;
use crate::log::{LogStore, LogWrite, MemoryGuard};
use crate::storage::SimDisk;

#[test]
fn scripts() {
    testing::run_all("raft/testscripts/core", CoreRunner::default);
}

#[derive(Default)]
struct CoreRunner {
    core: Option<NodeCore>,
    log: Option<TestLog>,
    /// Effects whose writes are not durable yet.
    writes: Vec<(u64, LogWrite)>,
    /// Nobody takes effects: what follows is one turn.
    in_turn: bool,
}

type Answer = Result<String, Box<dyn Error>>;

impl CoreRunner {
    fn core(&mut self) -> Result<&mut NodeCore, Box<dyn Error>> {
        self.core.as_mut().ok_or_else(|| "no core yet".into())
    }

    /// `start voters=1/2/3 [id=1] [learners=4] [term=1] [vote=0] [commit=1] [applied=1] [entries=2@1,3@1]`
    fn start(&mut self, command: &Command) -> Answer {
        let value = |key, otherwise| {
            Ok::<_, Box<dyn Error>>(testing::number(command, key)?.unwrap_or(otherwise))
        };
        let mut arguments = command.consume_args();
        let entries = testing::parse_entries(arguments.take_key("entries").unwrap_or_default())?;
        let engine = SimDisk::new().open();
        let (mut log, mut found) = LogStore::create(engine, MemoryGuard::new(), NoTime, BIRTH)?;
        found.hard_state = HardState {
            term: value("term", 1)?,
            vote: value("vote", 0)?,
            commit: value("commit", 1)?,
        };
        if let Some(last) = entries.last() {
            found.last = (LogIndex(last.index), Term(last.term));
        }
        let write = LogWrite { entries, hard_state: Some(found.hard_state), acked: None };
        found.reader = log.append(&write)?;
        found.tail = write.entries;
        self.log = Some(log);
        self.writes.clear();
        self.core = Some(NodeCore::new(CoreConfig {
            id: MemberId(value("id", 1)?),
            log: found,
            applied: LogIndex(value("applied", 1)?),
            conf_state: testing::conf_state(
                testing::numbers(command, "voters")?,
                testing::numbers(command, "learners")?,
            ),
            timing: Timing::default(),
        })?);
        Ok(String::new())
    }

    /// `message KIND from=2 [term=] [index=] [log_term=] [commit=] [entries=] [context=] [reject] [hint=]`
    fn message(&mut self, command: &Command) -> Answer {
        let words = testing::words(command);
        let kind = words.first().ok_or("a kind expected")?.to_uppercase();
        let value = |key| Ok::<_, Box<dyn Error>>(testing::number(command, key)?.unwrap_or(0));
        let mut arguments = command.consume_args();
        let from = value("from")?;
        let message = RaftMessage {
            kind: Kind::from_str_name(&kind).ok_or("no such kind")? as i32,
            to: testing::number(command, "to")?.unwrap_or(1),
            from,
            term: value("term")?,
            log_term: value("log_term")?,
            index: value("index")?,
            commit: value("commit")?,
            reject: words.contains(&"reject".to_owned()),
            reject_hint: value("hint")?,
            entries: testing::parse_entries(arguments.take_key("entries").unwrap_or_default())?,
            context: arguments.take_key("context").unwrap_or_default().to_owned().into(),
            ..RaftMessage::default()
        };
        self.core()?.message(MemberId(from), message)?;
        Ok(String::new())
    }

    /// `change add_voter|remove|add_learner 4`
    fn change(&mut self, command: &Command) -> Answer {
        let [kind, id] = testing::words(command).try_into().map_err(|_| "KIND ID expected")?;
        let kind = Change::from_str_name(&kind.to_uppercase()).ok_or("no such change")?;
        let change =
            ConfChange { kind: kind as i32, member_id: id.parse()?, ..ConfChange::default() };
        let data = Bytes::from(change.encode_to_vec());
        match self.core()?.propose_change(&change, &data) {
            Ok(()) => Ok(String::new()),
            Err(_) => Ok("dropped\n".to_owned()),
        }
    }

    fn propose(&mut self, command: &Command) -> Answer {
        let contents = testing::words(command).into_iter().map(Bytes::from).collect();
        match self.core()?.propose(contents) {
            Ok(()) => Ok(String::new()),
            Err(_) => Ok("dropped\n".to_owned()),
        }
    }

    /// `persist [COUNT]`: that many of the oldest writes are durable; all without a number.
    fn persist(&mut self, command: &Command) -> Answer {
        let words = testing::words(command);
        let count = words.first().map_or(Ok(self.writes.len()), |count| count.parse())?;
        let log = self.log.as_mut().ok_or("no log yet")?;
        for (number, write) in self.writes.drain(..count) {
            let reader = log.append(&write)?;
            self.core.as_mut().ok_or("no core yet")?.persisted(number, reader);
        }
        Ok(String::new())
    }

    fn status(&mut self) -> Answer {
        let core = self.core()?;
        let leadership = core.leadership();
        Ok(format!(
            "{:?} leader={} term={} last={} persisted={} commit={} applied={} timeout={}\n",
            core.role(),
            leadership.leader,
            leadership.term,
            core.last_index(),
            core.persisted_index(),
            core.commit_index(),
            core.applied_index(),
            core.election_timeout(),
        ))
    }

    /// Takes all effects and says what they are.
    fn effects(&mut self) -> String {
        let mut lines = Vec::new();
        while let Some(core) = &mut self.core
            && let Some(effects) = core.effects()
        {
            self.describe(effects, &mut lines);
        }
        lines.push(String::new());
        lines.join("\n")
    }

    fn describe(&mut self, effects: Effects, lines: &mut Vec<String>) {
        lines.extend(effects.send_now.iter().map(|out| format!("send {}", testing::message(out))));
        let write =
            LogWrite { entries: effects.entries, hard_state: effects.hard_state, acked: None };
        if write != LogWrite::default() || !effects.send_after.is_empty() {
            lines.push(format!("write {} {}", effects.number, testing::write(&write)));
            self.writes.push((effects.number, write));
        }
        let held = effects.send_after.iter();
        lines.extend(held.map(|out| format!("  then send {}", testing::message(out))));
        if !effects.committed.is_empty() {
            lines.push(format!("committed {}", testing::entries(&effects.committed)));
        }
        for entry in effects.committed.iter().filter(|entry| entry.kind == 1) {
            if let Some(core) = &mut self.core {
                let state = core.apply_change(entry);
                lines.push(format!("voters={:?} learners={:?}", state.voters, state.learners));
            }
        }
        for (context, index) in effects.reads {
            lines.push(format!("read {} at {index}", String::from_utf8_lossy(&context)));
        }
    }
}

impl Runner for CoreRunner {
    type Command = Command;

    fn run(&mut self, command: &Command, _context: &Context) -> Answer {
        let mut output = match command.name.as_str() {
            "start" => self.start(command)?,
            "message" => self.message(command)?,
            "propose" => self.propose(command)?,
            "change" => self.change(command)?,
            "persist" => self.persist(command)?,
            "status" => return self.status(),
            "tick" => {
                let words = testing::words(command);
                let count: u64 = words.first().map_or(Ok(1), |count| count.parse())?;
                (0..count).try_for_each(|_| self.core().map(NodeCore::tick).map(drop))?;
                String::new()
            }
            "turn" => {
                self.in_turn = testing::words(command).first().is_some_and(|word| word == "begin");
                String::new()
            }
            other => self.order(other, command)?,
        };
        if !self.in_turn {
            output.push_str(&self.effects());
        }
        Ok(output)
    }
}

impl CoreRunner {
    /// Commands that are one call.
    fn order(&mut self, name: &str, command: &Command) -> Answer {
        let words = testing::words(command);
        let word = || words.first().cloned().ok_or("an argument expected");
        let core = self.core()?;
        match name {
            "applied" => core.applied(LogIndex(word()?.parse()?)),
            "campaign" => core.campaign(),
            "end_lease" => core.end_lease(),
            "transfer" => core.transfer(MemberId(word()?.parse()?)),
            "unreachable" => core.unreachable(MemberId(word()?.parse()?)),
            "more_will_follow" => core.more_will_follow(word()? == "yes"),
            "read" if core.has_committed_in_term() => core.read_index(word()?.into_bytes()),
            "read" => return Ok("may not read yet\n".to_owned()),
            _ => return Err(format!("no command {name}").into()),
        }
        Ok(String::new())
    }
}
