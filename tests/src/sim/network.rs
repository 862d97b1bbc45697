//! What travels between members: messages, which are delayed, lost or cut off, and the connections that carry them.

use mini_etcd_proto::peerpb::message::Body;
use mini_etcd_server::raft::{Input, Outbound};
use mini_etcd_shared::types::MemberId;

use super::world::{Event, World};

impl World {
    pub(super) fn send(&mut self, from: u64, messages: Vec<Outbound>) {
        for Outbound { to: MemberId(to), body } in messages {
            let lost = !self.calm && self.chances.network.chance(self.plan.loss);
            // Who is no member any more, as the sender knows, is not spoken to.
            if !self.knows(from, to) {
                continue;
            }
            if lost || self.cut.contains(&(from, to)) {
                if self.chances.network.chance(300) {
                    self.at(1, from, Event::Unreachable { peer: to });
                }
                continue;
            }
            // In order within a direction, in any order between directions.
            let earliest = self.links.get(&(from, to)).copied().unwrap_or(0);
            let due = self.now + self.chances.network.between(0, self.plan.delay_max);
            let due = due.max(earliest);
            self.links.insert((from, to), due);
            self.at(due - self.now, to, Event::Deliver { from, body: Box::new(body) });
        }
    }

    pub(super) fn deliver(&mut self, from: u64, to: u64, body: Body) {
        let up = self.members.get(&to).is_some_and(|member| member.running.is_some());
        if !self.knows(to, from) {
            return;
        }
        if !up {
            self.at(1, from, Event::Unreachable { peer: to });
        } else if !self.cut.contains(&(from, to)) {
            self.input(to, Input::Message { from: MemberId(from), body });
        }
    }

    /// All hear each other again.
    pub(super) fn rejoin(&mut self) {
        self.cut.clear();
        for id in self.ids() {
            for peer in self.ids() {
                self.connect(id, peer);
            }
        }
    }

    /// `peer` says hello to `id`, and what it remembers of it.
    pub(super) fn hello(&mut self, id: u64, peer: u64, nonce: u64) {
        let told = self.members.get(&peer).and_then(|member| member.running.as_ref());
        let told = told.map(|running| running.driver.status().acked).unwrap_or_default();
        let acked = told.into_iter().find(|acked| acked.member == MemberId(id));
        let (peer, boot_nonce) = (MemberId(peer), nonce);
        self.input(id, Input::PeerHello { id: peer, boot_nonce, acked, heeds_doubt: true });
    }

    /// `id` dials `peer`.
    pub(super) fn connect(&mut self, id: u64, peer: u64) {
        let wait = self.chances.network.between(1, 60);
        self.at(wait, id, Event::Connection { peer, stands: true });
    }

    /// A connection stands if it can, or ends.
    pub(super) fn connection(&mut self, id: u64, peer: u64, stands: bool) {
        let is_up = self.members.get(&peer).is_some_and(|member| member.running.is_some());
        let is_cut = [(id, peer), (peer, id)].iter().any(|way| self.cut.contains(way));
        let id_of = MemberId(peer);
        let is_known = self.knows(id, peer) && self.knows(peer, id);
        if stands && is_up && !is_cut && is_known && id != peer {
            self.input(id, Input::PeerConnected { id: id_of });
        } else if !stands && (!is_up || is_cut) {
            self.input(id, Input::PeerDisconnected { id: id_of });
        }
    }
}
