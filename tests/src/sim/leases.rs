//! Leases in the simulated world: their leader looks after them, and clients renew them.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use mini_etcd_proto::etcdserverpb::RangeRequest;
use mini_etcd_proto::internalpb::LeaseRemaining;
use mini_etcd_proto::internalpb::command::Request;
use mini_etcd_server::apply::Published;
use mini_etcd_server::lease;
use mini_etcd_server::raft::Input;
use mini_etcd_shared::clock::Clock as _;

use super::client::{Renewal, Wants, lease as some_lease};
use super::member::OwnProposal;
use super::model::Model;
use super::world::{Event, World};

/// Time between two looks of a member at its leases.
const LOOK: u64 = 100;
/// Most leases that one look ends.
const AT_ONCE: usize = 2;

impl World {
    /// Proposes what expired and what is left, where this member leads.
    pub(super) fn look_after_leases(&mut self, id: u64) {
        self.at(LOOK, id, Event::Leases);
        let now = self.clock.now();
        let Some(running) = self.members.get_mut(&id).and_then(|it| it.running.as_mut()) else {
            return;
        };
        let stands = running.stands();
        running.lessor.observe(stands, &running.published().leases, now);
        let expired = running.lessor.expired(now, AT_ONCE);
        let mut inputs = Vec::new();
        for expired in expired {
            let (number, input) = running.proposal(Request::LeaseRevoke(expired));
            running.of_leases.insert(number, OwnProposal::Revoke(expired));
            inputs.push(input);
        }
        let due = running.lessor.checkpoints(now);
        for input in inputs {
            self.input(id, input);
        }
        self.note(id, due);
    }

    fn note(&mut self, id: u64, leases: Vec<LeaseRemaining>) {
        let Some(running) = self.members.get_mut(&id).and_then(|it| it.running.as_mut()) else {
            return;
        };
        if leases.is_empty() {
            return;
        }
        let Some(command) = running.lessor.command(leases.clone()) else { return };
        let (number, input) = running.proposal(Request::LeaseCheckpoint(command));
        running.of_leases.insert(number, OwnProposal::Note(leases));
        self.input(id, input);
    }

    /// What a member proposed of leases came to an end; false when `number` is of something else.
    pub(super) fn settle(&mut self, id: u64, number: u64, is_done: bool) -> bool {
        let now = self.clock.now();
        let running = self.members.get_mut(&id).and_then(|it| it.running.as_mut());
        running.is_some_and(|running| running.settle(number, is_done, now))
    }

    /// A client renews some lease at a member. Where that does not lead it tries again later, as a client would that is
    /// told so.
    pub(super) fn renew(&mut self, client: u64, id: u64) {
        let lease = some_lease(&mut self.chances.work);
        let (now, at) = (self.clock.now(), self.now);
        let Some(running) = self.members.get_mut(&id).and_then(|it| it.running.as_mut()) else {
            return;
        };
        let stands = running.stands();
        running.lessor.observe(stands, &running.published().leases, now);
        let renewal = match running.lessor.renew(lease, now) {
            lease::Renewal::Renewed(ttl) => Renewal { lease, ttl, at, term: stands.term },
            other => {
                self.at(20, 0, Event::Client(client));
                if let lease::Renewal::First(note) = other {
                    self.note(id, vec![note]);
                }
                return;
            }
        };
        let number = running.number();
        self.begun(client, (id, number), Wants::Renewal(renewal), Input::Read { id: number });
    }

    /// The round after a renewal is over: it counts if the member still leads its term, as `lease_keeper` has it.
    pub(super) fn renewed(&mut self, id: u64, renewal: &Renewal, published: &Published) {
        let running = self.members.get(&id).and_then(|it| it.running.as_ref());
        let Some(status) = running.map(|running| running.driver.status()) else { return };
        let times = published.leases.times(renewal.lease);
        let times = times.filter(|times| times.ttl == renewal.ttl);
        if let Some(times) = times.filter(|_| status.leads() && status.term == renewal.term) {
            let ttl = u64::try_from(renewal.ttl).unwrap_or_default() * 1000;
            self.model.renewed(times.granted.0, renewal.at + ttl);
        }
    }
}

/// The leases are those that the log makes, and every key hangs on one that is there.
pub(super) fn check(published: &Published, model: &Model) -> Result<()> {
    if let Some(wanted) = model.leases_at(published.applied.0) {
        let there = published.leases.all().into_iter().map(|(id, times)| (id, times.granted.0));
        let there: BTreeMap<_, _> = there.collect();
        ensure!(there == *wanted, "there are leases {there:?}, and the log makes {wanted:?}");
    }
    let all = RangeRequest { key: vec![0].into(), range_end: vec![0].into(), ..Default::default() };
    for kv in published.view.range(&all)?.kvs {
        let is_there = kv.lease == 0 || published.leases.times(kv.lease).is_some();
        ensure!(is_there, "{:?} hangs on lease {}, which is gone", kv.key, kv.lease);
    }
    Ok(())
}
