//! Proposes the writes of clients: to the own log where this member leads, else to the leader.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use mini_etcd_proto::internalpb::conf_change::Kind;
use mini_etcd_proto::internalpb::{Entry, EntryKind};
use mini_etcd_proto::peerpb::forward_refused::Reason;
use mini_etcd_proto::peerpb::message::Body;
use mini_etcd_proto::peerpb::{Forward, ForwardRefused, ForwardedCommand};
use mini_etcd_shared::types::{MemberId, Term};

use super::driver::{Driver, Forwarded};
use super::membership;
use super::proposals::{Gate, Proposal, admit_lag, refusal_of};
use super::status::PeerProgress;
use super::turn::Turn;
use super::validate;
use crate::error::RequestError;
use crate::limits::{APPEND_BYTES_MAX, PROPOSALS_PER_TURN_MAX};

/// Whose a proposal is: the member and the term of its forward; none for this member's own.
type Origin = Option<(MemberId, Term)>;

/// What a proposal that is not appended hears.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Not here and not now: it may be tried again.
    Elsewhere,
    /// Too much is waiting.
    Overloaded,
    /// A change of membership that may not be.
    Refused(Reason),
}

impl Driver {
    pub(super) fn on_forward(&mut self, from: MemberId, forward: Forward, turn: &mut Turn) {
        let sound = membership::contains(&self.conf_state, from)
            && forward.commands.len() <= PROPOSALS_PER_TURN_MAX
            && forward.commands.iter().all(is_sound);
        let term = Term(forward.term);
        if !sound {
            self.messages_refused += 1;
            let sequences = forward.commands.iter().map(|command| command.sequence).collect();
            return refuse(from, term, Reason::Overloaded, sequences, turn);
        }
        for command in forward.commands {
            let kind = command.kind();
            let proposal = Proposal { sequence: command.sequence, kind, data: command.data };
            self.forwarded.push(Forwarded { from, term, proposal });
        }
    }

    /// Everything that was proposed in this turn, here and elsewhere, on its way.
    pub(super) fn propose_all(&mut self, turn: &mut Turn) {
        let mut batch: Vec<(Origin, Proposal)> = Vec::new();
        let forwarded = std::mem::take(&mut self.forwarded);
        if !self.leadership.leads() {
            self.reject(forwarded, Verdict::Elsewhere, turn);
            return self.forward_all(turn);
        }
        if self.core.transferring_to().is_some() {
            // Own proposals wait for the outcome.
            return self.reject(forwarded, Verdict::Elsewhere, turn);
        }
        // SAFETY-RAFT: a proposal may be appended in its term only; its origin counts on that.
        let (fit, late): (Vec<_>, Vec<_>) =
            forwarded.into_iter().partition(|forwarded| forwarded.term == self.leadership.term);
        self.reject(late, Verdict::Elsewhere, turn);
        batch.extend(fit.into_iter().map(|item| (Some((item.from, item.term)), item.proposal)));
        let lag = admit_lag(self.core.commit_index(), self.core.applied_index());
        let mut changes = !self.core.has_pending_change();
        loop {
            let own = self.proposals.take(self.leadership, Gate { changes });
            if own.is_empty() {
                break;
            }
            changes = false;
            batch.extend(own.into_iter().map(|proposal| (None, proposal)));
        }
        if lag.is_err() {
            return self.turn_down(batch, Verdict::Overloaded, turn);
        }
        self.append_all(batch, turn);
    }

    /// All of them are one message to Raft, or few where a limit says so.
    fn append_all(&mut self, batch: Vec<(Origin, Proposal)>, turn: &mut Turn) {
        let mut chunk = Vec::new();
        let mut bytes = 0;
        for item in batch {
            if item.1.kind == EntryKind::ConfChange {
                self.append(std::mem::take(&mut chunk), turn);
                bytes = 0;
                self.append_change(item, turn);
                continue;
            }
            bytes += item.1.data.len() as u64;
            chunk.push(item);
            if chunk.len() >= PROPOSALS_PER_TURN_MAX || bytes >= APPEND_BYTES_MAX {
                self.append(std::mem::take(&mut chunk), turn);
                bytes = 0;
            }
        }
        self.append(chunk, turn);
    }

    fn append(&mut self, chunk: Vec<(Origin, Proposal)>, turn: &mut Turn) {
        let contents = chunk.iter().map(|(_, proposal)| proposal.data.clone()).collect();
        if self.core.propose(contents).is_err() {
            let verdict = self.why_dropped();
            self.turn_down(chunk, verdict, turn);
        }
    }

    /// Raft says only that it dropped something: over its limit, unless it leads no more or is about to.
    fn why_dropped(&self) -> Verdict {
        if self.core.is_leader() && self.core.transferring_to().is_none() {
            Verdict::Overloaded
        } else {
            Verdict::Elsewhere
        }
    }

    fn append_change(&mut self, item: (Origin, Proposal), turn: &mut Turn) {
        let entry = Entry { data: item.1.data.clone(), ..Entry::default() };
        let Some(change) = membership::change_of(&entry) else {
            return self.turn_down(vec![item], Verdict::Overloaded, turn);
        };
        if self.core.has_pending_change() {
            return self.turn_down(vec![item], Verdict::Elsewhere, turn);
        }
        if let Some(reason) = self.refusal(&change) {
            return self.turn_down(vec![item], Verdict::Refused(reason), turn);
        }
        let own = change.kind() == Kind::Remove && change.member_id == self.id.0;
        if own && self.conf_state.voters.len() > 1 {
            // A leader never removes itself, for raft-rs panics at its next step: its successor does.
            self.transfer(None);
            return self.turn_down(vec![item], Verdict::Elsewhere, turn);
        }
        if self.core.propose_change(&change, &item.1.data).is_err() {
            self.turn_down(vec![item], Verdict::Elsewhere, turn);
        }
    }

    fn reject(&mut self, forwarded: Vec<Forwarded>, verdict: Verdict, turn: &mut Turn) {
        let items = forwarded.into_iter().map(|item| (Some((item.from, item.term)), item.proposal));
        self.turn_down(items.collect(), verdict, turn);
    }

    /// These were not appended.
    fn turn_down(&mut self, items: Vec<(Origin, Proposal)>, verdict: Verdict, turn: &mut Turn) {
        let mut groups: BTreeMap<Origin, Vec<u64>> = BTreeMap::new();
        for (origin, proposal) in items {
            groups.entry(origin).or_default().push(proposal.sequence);
        }
        for (origin, sequences) in groups {
            match (origin, verdict) {
                (Some((from, term)), Verdict::Elsewhere) => {
                    refuse(from, term, Reason::NotLeader, sequences, turn);
                }
                (Some((from, term)), Verdict::Overloaded) => {
                    refuse(from, term, Reason::Overloaded, sequences, turn);
                }
                (Some((from, term)), Verdict::Refused(reason)) => {
                    refuse(from, term, reason, sequences, turn);
                }
                (None, Verdict::Refused(reason)) => {
                    self.proposals.fail(&sequences);
                    let error = refusal_of(reason).unwrap_or(RequestError::TooManyRequests);
                    turn.fail_writes(error, sequences);
                }
                (None, Verdict::Elsewhere) => self.proposals.give_back(&sequences),
                (None, Verdict::Overloaded) => {
                    self.proposals.fail(&sequences);
                    turn.fail_writes(RequestError::TooManyRequests, sequences);
                }
            }
        }
    }

    /// Sends what waits to the leader, to be appended in the present term or never. While there is no connection to the
    /// leader it waits on: what is sent into none is lost, and its client would wait in vain.
    fn forward_all(&mut self, turn: &mut Turn) {
        if self.connected.get(&self.leadership.leader) == Some(&false) {
            return;
        }
        loop {
            let batch = self.proposals.take(self.leadership, Gate { changes: true });
            if batch.is_empty() {
                break;
            }
            let commands = batch.into_iter().map(|proposal| ForwardedCommand {
                sequence: proposal.sequence,
                data: proposal.data,
                kind: proposal.kind as i32,
            });
            let forward = Forward { term: self.leadership.term.0, commands: commands.collect() };
            turn.send(self.leadership.leader, Body::Forward(forward));
        }
    }

    /// Starts to hand leadership over; to the voter that is furthest when nobody is named.
    pub(super) fn transfer(&mut self, to: Option<MemberId>) {
        let target = to.or_else(|| self.furthest(|peer| peer.recently_active));
        if let Some(target) = target.filter(|target| !self.doubts.is_noted(*target)) {
            self.core.transfer(target);
        }
    }

    /// The other voter whose log is furthest, of those that `fit`.
    pub(super) fn furthest(&self, fit: impl Fn(&PeerProgress) -> bool) -> Option<MemberId> {
        let fit = self
            .core
            .progress()
            .into_iter()
            .filter(|peer| self.conf_state.voters.contains(&peer.id.0) && fit(peer))
            .filter(|peer| !self.doubts.is_noted(peer.id));
        // The lower id where two are equally far.
        fit.max_by_key(|peer| (peer.match_index, Reverse(peer.id))).map(|peer| peer.id)
    }
}

fn is_sound(command: &ForwardedCommand) -> bool {
    let entry = Entry { kind: command.kind, data: command.data.clone(), ..Entry::default() };
    !command.data.is_empty() && validate::content(&entry).is_ok()
}

fn refuse(to: MemberId, term: Term, reason: Reason, sequences: Vec<u64>, turn: &mut Turn) {
    if !sequences.is_empty() {
        let refused = ForwardRefused { term: term.0, sequences, reason: reason as i32 };
        turn.send(to, Body::ForwardRefused(refused));
    }
}
