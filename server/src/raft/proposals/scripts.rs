//! Runs `testscripts`: the tables of proposals and reads, with a script that plays Raft.

use std::error::Error;
use std::fmt::Debug;

use bytes::Bytes;
use goldenscript::{Command, Context, Runner};
use mini_etcd_proto::internalpb::EntryKind;
use mini_etcd_proto::peerpb::forward_refused::Reason;
use mini_etcd_shared::types::{MemberId, Term};

use super::super::leadership::Leadership;
use super::super::testing;
use super::{Gate, Outage, Proposal, Proposals, ReadBarrier};
use crate::config::Timing;

#[test]
fn scripts() {
    testing::run_all("raft/proposals/testscripts", Tables::default);
}

type Answer = Result<String, Box<dyn Error>>;

/// The tables of member 1.
struct Tables {
    leadership: Leadership,
    outage: Outage,
    proposals: Proposals,
    barrier: ReadBarrier,
}

impl Default for Tables {
    fn default() -> Self {
        let timing = Timing::default();
        let leadership = Leadership { me: MemberId(1), leader: MemberId(0), term: Term(1) };
        let mut barrier = ReadBarrier::new(100, timing);
        barrier.moved(leadership);
        let (outage, proposals) = (Outage::new(timing), Proposals::new(timing));
        Self { leadership, outage, proposals, barrier }
    }
}

impl Tables {
    /// `leadership leader=2 term=2`
    fn moved(&mut self, command: &Command) -> Answer {
        let mut arguments = command.consume_args();
        let mut number = |key: &str| arguments.take_key(key).unwrap_or("0").parse::<u64>();
        self.leadership = Leadership {
            leader: MemberId(number("leader")?),
            term: Term(number("term")?),
            ..self.leadership
        };
        self.outage.moved(0, self.leadership);
        self.barrier.moved(self.leadership);
        Ok(String::new())
    }

    fn tick(&mut self) -> String {
        let writes = self.proposals.tick(self.leadership, &self.outage, 2);
        let mut lines: Vec<String> = writes
            .into_iter()
            .map(|(error, sequences)| format!("writes {sequences:?}: {error}\n"))
            .collect();
        let reads = self.barrier.tick();
        if !reads.is_empty() {
            lines.push(format!("reads {reads:?} time out\n"));
        }
        lines.concat()
    }

    fn take(&mut self, changes: bool) -> String {
        let batch = self.proposals.take(self.leadership, Gate { changes });
        let numbers: Vec<u64> = batch.iter().map(|proposal| proposal.sequence).collect();
        format!("{numbers:?} for term {}\n", self.leadership.term)
    }
}

fn line(value: &impl Debug) -> String {
    format!("{value:?}\n")
}

impl Runner for Tables {
    type Command = Command;

    fn run(&mut self, command: &Command, _context: &Context) -> Answer {
        let mut arguments = command.consume_args();
        let term = Term(arguments.take_key("term").unwrap_or("0").parse()?);
        let from = MemberId(arguments.take_key("from").unwrap_or("0").parse()?);
        let words = std::iter::from_fn(|| arguments.next_pos()).collect::<Vec<_>>();
        let numbers = || words.iter().map(|word| word.parse()).collect::<Result<Vec<u64>, _>>();
        let count = || numbers().map(|numbers| numbers.first().copied().unwrap_or(1));
        Ok(match command.name.as_str() {
            "leadership" => self.moved(command)?,
            "add" | "change" => {
                let kind =
                    if command.name == "add" { EntryKind::Normal } else { EntryKind::ConfChange };
                for sequence in numbers()? {
                    let data = Bytes::from_static(b"x");
                    self.proposals.add(Proposal { sequence, kind, data });
                }
                String::new()
            }
            "take" => self.take(!words.contains(&"no_changes")),
            "give_back" => {
                self.proposals.give_back(&numbers()?);
                String::new()
            }
            "applied" => {
                self.proposals.applied(term, &numbers()?);
                String::new()
            }
            "not_leader" => line(&self.proposals.refused(term, &numbers()?, Reason::NotLeader)),
            "overloaded" => line(&self.proposals.refused(term, &numbers()?, Reason::Overloaded)),
            "pending" => {
                format!("{} writes, {} reads\n", self.proposals.pending(), self.barrier.pending())
            }
            "read" => {
                numbers()?.into_iter().for_each(|id| self.barrier.add(id));
                String::new()
            }
            "ask" => {
                self.barrier.ask(from, count()?);
                String::new()
            }
            "question" => line(&self.barrier.question(!words.contains(&"not_ready"))),
            "answered" => line(&self.barrier.answered(count()?)),
            "tick" => (0..count()?).map(|_| self.tick()).collect(),
            other => return Err(format!("no command {other}").into()),
        })
    }
}
