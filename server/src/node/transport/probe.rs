//! [`ask_peers`]: asks whether a member without data is remembered, before it makes a log (I4).
//!
//! Only an answer forbids a fresh start. When nobody can be reached, three members of a new cluster may be starting
//! at once; should the silent ones remember this member after all, their first hello ends it, before it has
//! handled a single message of theirs.

use futures::future;
use mini_etcd_proto::peerpb::Hello;
use mini_etcd_shared::types::{LogIndex, MemberId};

use super::client::Connector;
use super::dial::say_hello;
use super::hello::{PROTOCOL, check_speaker};
use crate::apply::{Identity, Members};
use crate::config::{Cluster, PeerAddress};
use crate::limits::PEER_HELLO_TIMEOUT;

/// A peer remembers this member.
#[derive(Debug, thiserror::Error)]
#[error("{name} lost its data: {peer} has seen its log reach index {seen}; re-add it")]
pub(crate) struct Lost {
    name: String,
    peer: String,
    seen: LogIndex,
}

/// Asks every other member at once whether it knows a leader; answers the name of one that does.
pub(crate) async fn find_led(
    members: &Members,
    me: Identity,
    connector: &Connector,
) -> Option<String> {
    let hello = &hello(me, 0);
    let others = members.by_id.values().filter(|member| member.id != me.member_id.0);
    let ask = others.map(|member| async move {
        let address = member.peer_urls.iter().find_map(|url| PeerAddress::of_url(url))?;
        let answer =
            say_hello(&address, connector, hello.clone(), PEER_HELLO_TIMEOUT).await.ok()?;
        check_speaker(&answer, me, true, Some(MemberId(member.id))).ok()?;
        answer.is_led.then(|| member.name.clone())
    });
    future::join_all(ask).await.into_iter().flatten().next()
}

/// The hello of a member that says nothing of its data.
fn hello(me: Identity, boot_nonce: u64) -> Hello {
    Hello {
        cluster_id: me.cluster_id.0,
        member_id: me.member_id.0,
        boot_nonce,
        last_index: 0,
        seen_index: 0,
        protocol: PROTOCOL,
        lineage: 0,
        is_led: false,
        acked_index: 0,
        to: 0,
        acked: None,
        heeds_doubt: true,
        peer_url: String::new(),
    }
}

/// Asks every peer at once whether it remembers this member.
pub(crate) async fn ask_peers(
    cluster: &Cluster,
    connector: &Connector,
    boot_nonce: u64,
) -> Result<(), Lost> {
    let me = Identity { cluster_id: cluster.id(), member_id: cluster.me() };
    let hello = &hello(me, boot_nonce);
    let ask = cluster.peers().map(|peer| async move {
        (peer, say_hello(&peer.address, connector, hello.clone(), PEER_HELLO_TIMEOUT).await)
    });
    for (peer, answer) in future::join_all(ask).await {
        let Ok(answer) = answer else { continue };
        if check_speaker(&answer, me, true, Some(peer.id)).is_err() {
            // Not one of us; the dialer will say so.
            continue;
        }
        let remembered = answer.acked.map_or(0, |acked| acked.index);
        let seen = LogIndex(answer.seen_index.max(answer.acked_index).max(remembered));
        if seen > LogIndex::BIRTH {
            let name = cluster.name().to_owned();
            return Err(Lost { name, peer: peer.name.clone(), seen });
        }
    }
    Ok(())
}
