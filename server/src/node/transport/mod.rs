//! The streams between members.
//!
//! ```text
//! raft, log writer ─▶ Outgoing ─▶ outbox of the peer ─▶ dial (own connection) ══▶ service of the peer ─▶ its inbox
//! published members ─▶ PeerTable: outboxes and dialers
//! ```
//!
//! *What this is.* Each member dials each other member and keeps one gRPC stream open to it, on which it alone
//! speaks: one ordered way for each pair and direction. Names are resolved at every dial. Many messages travel in
//! one frame; whatever waits when the connection can take more is the next frame. Who is a peer is what the applied state
//! says: [`PeerTable`] opens and closes outboxes and dialers as the published members change.
//!
//! *Invariants.*
//! - I1: nothing of a peer is handled before its hello was checked: cluster, member, protocol, and that this
//!   member was not wiped (D13).
//! - I2: messages of an old connection are never handled after the first of a newer one, which ends it, and what waited
//!   for a broken connection is dropped with it. Raft repeats what matters; proposals wait for the next connection.
//! - I3: nobody waits for a socket: a full outbox drops, counts, and reports the peer unreachable once.
//! - I4: a wiped disk is not a new member. A member without log asks its peers before it makes one, and any later
//!   hello that remembers it ends the process. What a peer remembers beyond that is Raft's to judge.
//! - I5: data of two beginnings of one cluster never meet. Two such members do not listen to each other, and the one
//!   that knows no leader while the other does ends: what it holds is not what the cluster goes on with.
//! - I6: a removed member is told so by those who know it, for as long as it comes, and ends. It is still spoken
//!   with for a moment after its removal, so that it hears of it in order, and answers its clients.
//! - I7: a peer whose address begins with `https` is spoken to by TLS alone, and is who its address says.
//! - I8: who shows the data of this cluster and was not removed is spoken with, although the state here does not list it yet: it
//!   came while this member was away, and may lead by now. Where it is reached it says itself.
//! - I9: a cluster is founded once. A member that has nothing yet but its birth ends when a peer answers for a cluster of the same
//!   id that was born already and is not to take it in; who has data of another beginning ends when the peer's cluster has a leader and
//!   other members than it knows. The other way round no member ends by the word of one that was removed, or that means a
//!   member which is not there any more, nor by that of one which never heard of the member that it means.
//!
//! *What it refuses.* Peers of another cluster, unknown members without its data, removed members, other protocols, a dialed address where another
//! member answers.
//!
//! Tested in `tests` over loopback, and in the files beside it.

mod client;
mod dial;
mod hello;
mod names;
mod outbox;
mod pace;
mod probe;
mod refused;
mod seen;
mod service;
mod snapshot;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use client::Connector;
pub(crate) use dial::ask_for_members;
#[cfg(test)]
pub(crate) use hello::Standing;
pub(crate) use hello::{Hellos, standing};
pub(crate) use names::{LocalNames, resolves};
pub(crate) use outbox::Outgoing;
pub(crate) use probe::{Born, Lives, ask_peers, find_living};
pub(crate) use seen::Seen;
pub(crate) use service::{PeerService, Proven};
pub(crate) use snapshot::{SnapshotOrders, SnapshotSender, Staging};
pub(crate) use table::{Dialing, PeerTable};
