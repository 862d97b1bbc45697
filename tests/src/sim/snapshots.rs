//! Snapshots on their way from one member to another, piece by piece, as the transport carries them.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::Result;
use mini_etcd_proto::peerpb::{Snapshot, SnapshotChunk};
use mini_etcd_server::apply::{Applied, SnapshotSource};
use mini_etcd_server::raft::{Input, StagedSnapshot};
use mini_etcd_shared::types::{LogIndex, MemberId, Term};

use super::world::{Event, World};
use super::{leases, membership, users};

/// Bytes of a chunk: a few rows.
const CHUNK_BYTES: usize = 300;

/// A snapshot that is on its way.
#[derive(Debug)]
pub struct Transfer {
    from: u64,
    /// Start of the sender, which ends it.
    start: u64,
    snapshot: Snapshot,
    is_begun: bool,
    rest: VecDeque<SnapshotChunk>,
}

impl World {
    /// A member begins to send its state.
    pub(super) fn send_snapshot(&mut self, from: u64, to: u64) -> Result<()> {
        let Some(running) = self.members.get(&from).and_then(|it| it.running.as_ref()) else {
            return Ok(());
        };
        let (start, source) = (running.nonce, SnapshotSource::new(running.published()));
        let (snapshot, mut rest) = (source.snapshot(), VecDeque::new());
        source.read(CHUNK_BYTES, &mut |chunk| {
            rest.push_back(chunk);
            ControlFlow::Continue(())
        })?;
        let transfer = Transfer { from, start, snapshot, is_begun: false, rest };
        self.carry(to, Box::new(transfer));
        Ok(())
    }

    fn carry(&mut self, to: u64, transfer: Box<Transfer>) {
        let wait = self.chances.network.between(0, self.plan.delay_max);
        self.at(wait, to, Event::Piece(transfer));
    }

    /// The next piece of a snapshot arrives at `to`.
    pub(super) fn piece(&mut self, to: u64, mut transfer: Box<Transfer>) -> Result<()> {
        let (from, start) = (transfer.from, transfer.start);
        let sender = self.members.get(&from).and_then(|it| it.running.as_ref());
        let is_cut = self.cut.contains(&(from, to));
        let is_alive = sender.is_some_and(|sender| sender.nonce == start) && !is_cut;
        let is_lost = !self.calm && self.chances.network.chance(self.plan.chunk_loss);
        let Some(member) = self.members.get_mut(&to) else {
            // It was removed, and its process is gone: nobody answers there.
            self.sent(&transfer, to, false);
            return Ok(());
        };
        let begins = is_alive && !transfer.is_begun && member.may_receive();
        if begins {
            member.begin_snapshot(transfer.snapshot.clone())?;
            transfer.is_begun = true;
        }
        let chunk = transfer.rest.pop_front().filter(|_| !is_lost);
        // One that was lost shows with the next: it is not the one that is due.
        let chunk = chunk.or_else(|| transfer.rest.pop_front());
        let mut sink = member.running.as_mut().and_then(|running| running.receiving.take());
        let (Some(mut receiving), Some(chunk), true) = (sink.take(), chunk, is_alive) else {
            self.sent(&transfer, to, false);
            return Ok(());
        };
        let taken = receiving.take(&chunk);
        let Some(running) = member.running.as_mut() else { return Ok(()) };
        match taken {
            Ok(false) => {
                running.receiving = Some(receiving);
                self.carry(to, transfer);
            }
            Ok(true) => {
                let Snapshot { index, term, conf_state } = transfer.snapshot.clone();
                let staged = StagedSnapshot {
                    index: LogIndex(index),
                    term: Term(term),
                    conf_state: conf_state.unwrap_or_default(),
                    hold: Box::new(Arc::clone(&running.place)),
                };
                self.input(to, Input::Snapshot(staged));
                self.sent(&transfer, to, true);
            }
            Err(_) => self.sent(&transfer, to, false),
        }
        Ok(())
    }

    fn sent(&mut self, transfer: &Transfer, to: u64, done: bool) {
        let wait = self.chances.network.between(0, self.plan.delay_max);
        let event = Event::SnapshotSent { start: transfer.start, to, done };
        self.at(wait, transfer.from, event);
    }

    /// The sender learns what became of a snapshot.
    pub(super) fn snapshot_sent(&mut self, id: u64, start: u64, to: u64, done: bool) {
        let running = self.members.get(&id).and_then(|it| it.running.as_ref());
        if running.is_some_and(|running| running.nonce == start) {
            self.input(id, Input::SnapshotSent { to: MemberId(to), done });
        }
    }

    /// A snapshot is the state of a member, whose log is still the old one.
    pub(super) fn installed(&mut self, id: u64, applied: &Applied) -> Result<()> {
        self.snapshots += 1;
        let published = &applied.published;
        self.model.digest(published.applied.0, published.digest)?;
        self.watchman.applied(id, applied)?;
        leases::check(published, &self.model)?;
        membership::check(published)?;
        users::check(published, &self.model)?;
        self.serve_reads(id)?;
        if !self.calm && self.plan.crash_every > 0 && self.chances.faults.chance(200) {
            self.crash(id);
        }
        self.soon(0, id, "turn", Event::Turn);
        Ok(())
    }
}
