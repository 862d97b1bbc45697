//! The streams between members.
//!
//! ```text
//! raft, log writer ─▶ Outgoing ─▶ outbox of the peer ─▶ dial (own connection) ══▶ service of the peer ─▶ its inbox
//! ```
//!
//! *What this is.* Each member dials each other member and keeps one gRPC stream open to it, on which it alone
//! speaks: one ordered way for each pair and direction. Names are resolved at every dial. Many messages travel in
//! one frame; whatever waits when the connection can take more is the next frame.
//!
//! *Invariants.*
//! - I1: nothing of a peer is handled before its hello was checked: cluster, member, protocol, and that this
//!   member still has what the peer saw it acknowledge (D13).
//! - I2: messages of an old connection are never handled after the first of a newer one, which ends it, and what waited
//!   for a broken connection is dropped with it. Raft repeats what matters; proposals wait for the next connection.
//! - I3: nobody waits for a socket: a full outbox drops, counts, and reports the peer unreachable once.
//! - I4: a wiped disk is not a new member. A member without log asks its peers before it makes one, and any later
//!   hello that remembers it ends the process.
//! - I5: data of two beginnings of one cluster never meet. Two such members do not listen to each other, and the one
//!   that knows no leader while the other does ends: what it holds is not what the cluster goes on with.
//!
//! *What it refuses.* Peers of another cluster, unknown members, other protocols, a dialed address where another
//! member answers.
//!
//! Tested in `tests` over loopback, and in the files beside it.

mod client;
mod dial;
mod hello;
mod names;
mod outbox;
mod probe;
mod service;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use mini_etcd_shared::types::MemberId;
use tokio::task::JoinSet;

#[cfg(test)]
pub(crate) use hello::Standing;
pub(crate) use hello::{Hellos, Seen, standing};
pub(crate) use names::{Names, resolves};
pub(crate) use outbox::Outgoing;
pub(crate) use probe::ask_peers;
pub(crate) use service::{PeerService, Proven};

use super::Inbox;
use crate::config::Cluster;
use crate::metrics::Metrics;
use crate::repeats::TimedRepeats;
use dial::Dialer;
use outbox::Outbox;

/// The sending half of the transport: where messages go in, and the tasks that bring them to the peers.
pub(crate) struct Transport {
    pub outgoing: Outgoing,
    dialers: Vec<Dialer>,
}

impl Transport {
    /// For the peers of `cluster`; nothing is dialed yet.
    pub fn new(
        cluster: &Cluster,
        names: Names,
        hellos: &Arc<Hellos>,
        inbox: &Arc<Inbox>,
        metrics: &Metrics,
    ) -> Self {
        let mut outboxes: BTreeMap<MemberId, Arc<Outbox>> = BTreeMap::new();
        let mut dialers = Vec::new();
        for peer in cluster.peers() {
            let outbox = Arc::new(Outbox::new(metrics.peer(peer.id)));
            outboxes.insert(peer.id, outbox.clone());
            let (hellos, inbox) = (hellos.clone(), inbox.clone());
            let changes = TimedRepeats::default();
            dialers.push(Dialer { peer: peer.clone(), names, outbox, hellos, inbox, changes });
        }
        Self { outgoing: Outgoing::new(outboxes, inbox.clone()), dialers }
    }

    /// Dials every peer until the set is dropped. Called within the runtime that serves.
    pub fn start(self, tasks: &mut JoinSet<()>) {
        for dialer in self.dialers {
            tasks.spawn(dialer.run());
        }
    }
}
