//! [`PeerTable`]: an outbox and a dialer for each peer, kept as the published members are.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use mini_etcd_proto::internalpb::Member;
use mini_etcd_shared::types::MemberId;
use tokio::sync::watch;
use tokio::time::sleep;

use super::client::{AbortOnDrop, Connector};
use super::dial::Dialer;
use super::hello::Hellos;
use super::outbox::{Outbox, Outboxes, Outgoing};
use crate::apply::Members;
use crate::config::PeerAddress;
use crate::fatal;
use crate::limits::PEER_REMOVED_LINGER;
use crate::metrics::Metrics;
use crate::node::Inbox;
use crate::repeats::TimedRepeats;

/// What every dialer needs.
pub(crate) struct Dialing {
    /// This member, which is not dialed.
    pub me: MemberId,
    pub connector: Connector,
    pub hellos: Arc<Hellos>,
    pub inbox: Arc<Inbox>,
    pub metrics: Metrics,
}

/// The peers. Nothing is dialed before [`PeerTable::follow`] runs.
pub(crate) struct PeerTable {
    dialing: Dialing,
    peers: BTreeMap<MemberId, DialedPeer>,
    /// What [`Outgoing`] sends into.
    outboxes: Arc<ArcSwap<Outboxes>>,
}

/// A peer that is dialed until this is dropped.
struct DialedPeer {
    address: PeerAddress,
    outbox: Arc<Outbox>,
    _dialer: AbortOnDrop,
}

impl PeerTable {
    /// An empty table.
    pub fn new(dialing: Dialing) -> Self {
        Self { dialing, peers: BTreeMap::new(), outboxes: Arc::default() }
    }

    /// Where messages for the peers go in.
    pub fn outgoing(&self) -> Outgoing {
        Outgoing::new(self.outboxes.clone(), self.dialing.inbox.clone())
    }

    /// Keeps the table as `members` says; runs until it is dropped, and every connection to a peer with it.
    pub async fn follow(mut self, mut members: watch::Receiver<Arc<Members>>) {
        let hellos = Arc::clone(&self.dialing.hellos);
        let mut strangers = hellos.strangers();
        loop {
            let now = members.borrow_and_update().clone();
            hellos.know(&now);
            let mut all = strangers.borrow_and_update().clone();
            all.extend(now.by_id.clone());
            self.update(&all);
            tokio::select! {
                changed = members.changed() => if changed.is_err() {
                    // Apply ended, and the member with it.
                    return std::future::pending().await;
                },
                // The sender is here.
                _ = strangers.changed() => {}
            }
        }
    }

    /// Closes the peers that are none any more, opens those that are new, and dials those anew that moved.
    fn update(&mut self, members: &BTreeMap<u64, Member>) {
        let address_of = |id: &MemberId| {
            let member = members.get(&id.0)?;
            member.peer_urls.iter().find_map(|url| PeerAddress::of_url(url))
        };
        for (id, peer) in std::mem::take(&mut self.peers) {
            if address_of(&id).as_ref() == Some(&peer.address) {
                self.peers.insert(id, peer);
            } else if !members.contains_key(&id.0) {
                // What is on its way tells it of its removal.
                tokio::spawn(async move {
                    sleep(PEER_REMOVED_LINGER).await;
                    drop(peer);
                });
            }
        }
        for (id, member) in members {
            let id = MemberId(*id);
            if id == self.dialing.me || self.peers.contains_key(&id) {
                continue;
            }
            let Some(address) = address_of(&id) else {
                tracing::warn!(peer = %member.name, urls = ?member.peer_urls, "no address to dial");
                continue;
            };
            self.peers.insert(id, self.dial(id, member.name.clone(), address));
        }
        let outboxes = self.peers.iter().map(|(id, peer)| (*id, peer.outbox.clone()));
        self.outboxes.store(Arc::new(outboxes.collect()));
    }

    fn dial(&self, id: MemberId, name: String, address: PeerAddress) -> DialedPeer {
        let Dialing { connector, hellos, inbox, metrics, .. } = &self.dialing;
        let outbox = Arc::new(Outbox::new(metrics.peer(id)));
        let dialer = Dialer {
            id,
            name,
            address: address.clone(),
            connector: connector.clone(),
            outbox: outbox.clone(),
            hellos: hellos.clone(),
            inbox: inbox.clone(),
            changes: TimedRepeats::default(),
        };
        let dials = tokio::spawn(fatal::task("dialer", dialer.run()));
        DialedPeer { address, outbox, _dialer: AbortOnDrop(dials) }
    }
}
