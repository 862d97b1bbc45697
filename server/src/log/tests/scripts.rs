//! Recoveries as scripts: what stands on disk, what is done to it, and what an open makes of it.

use std::fmt::Write as _;
use std::ops::{Bound, ControlFlow};

use goldenscript::{Command, Context, Runner};
use mini_etcd_proto::internalpb::HardState;
use mini_etcd_shared::types::{LogIndex, Term};

use super::suite::{Still, entry};
use crate::log::codec::{self, Truncated};
use crate::log::guard::{self, Found};
use crate::log::{LogStore, LogWrite, MemoryGuard};
use crate::storage::{Batch, Durability, Engine, SimDisk, SimEngine, Space};

type Failure = Box<dyn std::error::Error>;

#[derive(Default)]
struct Script {
    disk: SimDisk,
    guard: MemoryGuard,
    store: Option<LogStore<SimEngine, MemoryGuard, Still>>,
}

fn number(value: Option<&str>, default: u64) -> Result<u64, Failure> {
    Ok(value.map_or(Ok(default), str::parse)?)
}

impl Runner for Script {
    type Command = Command;

    fn run(&mut self, command: &Command, _context: &Context) -> Result<String, Failure> {
        let mut args = command.consume_args();
        let mut out = String::new();
        match command.name.as_str() {
            "create" => {
                let birth = (LogIndex(1), Term(1));
                let (store, _) =
                    LogStore::create(self.disk.open(), self.guard.clone(), Still, birth)?;
                self.store = Some(store);
            }
            "open" => out = self.open()?,
            "append" => {
                let first = number(args.next_pos(), 0)?;
                let term = number(args.take_key("term"), 1)?;
                let count = number(args.take_key("count"), 1)?;
                let vote = number(args.take_key("vote"), 0)?;
                let entries = (first..first + count).map(|index| entry(index, term, 3)).collect();
                let hard_state = Some(HardState { term, vote, commit: 1 });
                self.store()?.append(&LogWrite { entries, hard_state, acked: None })?;
            }
            "truncate" => {
                let upto = number(args.next_pos(), 0)?;
                self.store()?.truncate_prefix(LogIndex(upto))?;
            }
            "reset" => {
                let index = number(args.next_pos(), 0)?;
                let term = number(args.take_key("term"), 1)?;
                self.store()?.reset((LogIndex(index), Term(term)))?;
            }
            "close" => self.store.take().ok_or("not open")?.close()?,
            "kill" => self.store = None,
            "lose-guard-page" => {
                self.store = None;
                self.guard.crash(false);
            }
            "lose-guard" => {
                self.store = None;
                self.guard = MemoryGuard::new();
            }
            "damage-guard" => {
                let slot = number(args.next_pos(), 0)?;
                self.guard.damage(usize::try_from(slot)?, 20);
            }
            "lose-row" | "damage-row" => {
                let first = number(args.next_pos(), 0)?;
                self.tamper(LogIndex(first), command.name == "lose-row")?;
            }
            "lose-everything" => {
                self.store = None;
                self.disk = SimDisk::new();
            }
            name => return Err(format!("unknown command {name}").into()),
        }
        args.reject_next()?;
        Ok(out)
    }

    fn end_block(&mut self, _: &goldenscript::Block) -> Result<String, Failure> {
        self.dump()
    }
}

impl Script {
    fn store(&mut self) -> Result<&mut LogStore<SimEngine, MemoryGuard, Still>, Failure> {
        self.store.as_mut().ok_or_else(|| "not open".into())
    }

    fn open(&mut self) -> Result<String, Failure> {
        self.store = None;
        let opened = LogStore::open(self.disk.open(), self.guard.clone(), Still);
        let (store, found) =
            opened.map_err(|error| format!("exit {}: {error}", error.exit_code()))?;
        self.store = Some(store);
        let tail: Vec<_> =
            found.tail.iter().map(|entry| format!("{}@{}", entry.index, entry.term)).collect();
        let HardState { term, vote, commit } = found.hard_state;
        Ok(format!(
            "{} term={term} vote={vote} commit={commit} entries=[{}]\n",
            if found.clean { "clean" } else { "unclean" },
            tail.join(" ")
        ))
    }

    fn tamper(&mut self, first: LogIndex, lose: bool) -> Result<(), Failure> {
        self.store = None;
        let mut engine = self.disk.open();
        let key = codec::row_key(first);
        let mut row = engine.reader().get(Space::Log, &key)?.ok_or("no such row")?.to_vec();
        let mut batch = Batch::new();
        if lose {
            batch.remove(Space::Log, key);
        } else {
            row[12] ^= 1;
            batch.put(Space::Log, key, row);
        }
        Ok(engine.commit(batch, Durability::Synced)?)
    }

    /// Everything on disk.
    fn dump(&mut self) -> Result<String, Failure> {
        let mut out = String::new();
        let reader = match &mut self.store {
            Some(store) => store.raw_reader(),
            None => self.disk.open().reader(),
        };
        if let Some(row) = reader.get(Space::LogMeta, codec::KEY_TRUNCATED)? {
            let Truncated { epoch, kept, index, term, crc } =
                Truncated::decode(row).ok_or("unreadable")?;
            let at = format!("{index}@{term}");
            writeln!(out, "disk truncated epoch={epoch} kept={kept} at={at} crc={crc:08x}")?;
        }
        let all = (Bound::Unbounded, Bound::Unbounded);
        reader.scan(Space::Log, all, &mut |key, row| {
            let first = codec::row_index(key).map_or(0, |index| index.0);
            let line = match codec::decode_row(key, row.to_vec().into()) {
                Ok(row) => {
                    let terms: Vec<_> =
                        row.entries.iter().map(|entry| entry.term.to_string()).collect();
                    let terms = terms.join(",");
                    format!("terms={terms} before={:08x} crc={:08x}", row.before, row.crc)
                }
                Err(fault) => fault.to_string(),
            };
            let written = writeln!(out, "disk row {first} {line}");
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        match guard::inspect(&self.guard)? {
            Found::Slot(slot) => {
                let mark = slot.mark;
                writeln!(
                    out,
                    "guard epoch={} last={}@{} crc={:08x} term={} vote={}{}",
                    mark.epoch,
                    mark.last,
                    mark.last_term,
                    mark.crc,
                    mark.term,
                    mark.vote,
                    if slot.clean { " clean" } else { "" }
                )?;
            }
            other => writeln!(out, "guard {other:?}")?,
        }
        Ok(out)
    }
}

#[test]
fn recoveries_are_as_the_scripts_say() {
    for script in ["crashes", "damage", "left_over", "losses", "reset", "residue", "truncations"] {
        let path = format!("src/log/testscripts/{script}");
        goldenscript::run(&mut Script::default(), path).unwrap();
    }
}
