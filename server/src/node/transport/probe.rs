//! [`ask_peers`]: asks whether a member without data is remembered, before it makes a log (I4).
//!
//! Only an answer forbids a fresh start. When nobody can be reached, three members of a new cluster may be starting
//! at once; should the silent ones remember this member after all, their first hello ends it, before it has
//! handled a single message of theirs. The same holds where they know that the cluster goes on without it (I9).

use futures::future;
use mini_etcd_proto::peerpb::Hello;
use mini_etcd_shared::types::{LogIndex, MemberId};

use super::client::{Connector, DialError};
use super::dial::say_hello;
use super::hello::{PROTOCOL, check_speaker};
use super::refused::{HelloRefused, Verdict};
use crate::apply::{Identity, Members};
use crate::config::{Cluster, Peer, PeerAddress};
use crate::fatal;
use crate::limits::PEER_HELLO_TIMEOUT;

/// The cluster was born already, and this member is not to found it again.
#[derive(Debug, thiserror::Error)]
#[error("{told}")]
pub(crate) struct Born {
    /// With which the process ends.
    pub code: u8,
    told: String,
}

/// A member without which this one cannot go on alone.
pub(crate) enum Lives {
    /// It knows a leader.
    Led(String),
    /// It goes on without this one.
    Without(String),
}

/// Asks every other member at once whether the cluster goes on: whether it knows a leader, or has removed this one.
pub(crate) async fn find_living(
    members: &Members,
    me: Identity,
    connector: &Connector,
) -> Option<Lives> {
    let hello = &hello(me, 0);
    let others = members.by_id.values().filter(|member| member.id != me.member_id.0);
    let ask = others.map(|member| async move {
        let address = member.peer_urls.iter().find_map(|url| PeerAddress::of_url(url))?;
        let name = || member.name.clone();
        match say_hello(&address, connector, hello.clone(), PEER_HELLO_TIMEOUT).await {
            Ok(answer) => {
                check_speaker(&answer, me, true, Some(MemberId(member.id))).ok()?;
                answer.is_led.then(|| Lives::Led(name()))
            }
            Err(error) => {
                let verdict = error.verdict(me.member_id);
                (verdict == Some(Verdict::Removed)).then(|| Lives::Without(name()))
            }
        }
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

/// Asks every peer at once whether it remembers this member, or knows that the cluster goes on without it (I9).
pub(crate) async fn ask_peers(
    cluster: &Cluster,
    connector: &Connector,
    boot_nonce: u64,
) -> Result<(), Born> {
    let me = Identity { cluster_id: cluster.id(), member_id: cluster.me() };
    let hello = &hello(me, boot_nonce);
    let ask = cluster.peers().map(|peer| async move {
        (peer, say_hello(&peer.address, connector, hello.clone(), PEER_HELLO_TIMEOUT).await)
    });
    let answers = future::join_all(ask).await;
    answers.iter().try_for_each(|(peer, answer)| judge(cluster, peer, answer.as_ref()))
}

/// Whether the answer of `peer` lets a member without data begin.
pub(super) fn judge(
    cluster: &Cluster,
    peer: &Peer,
    answer: Result<&Hello, &DialError>,
) -> Result<(), Born> {
    let me = Identity { cluster_id: cluster.id(), member_id: cluster.me() };
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            // One that joins is not listed by those that are behind.
            let is_newborn = !cluster.is_joined();
            let verdict = error.verdict(me.member_id);
            let end = verdict.and_then(|it| it.end(cluster.name(), &peer.name, is_newborn));
            return end.map_or(Ok(()), |(code, told)| Err(Born { code, told }));
        }
    };
    // Another member of the same cluster may have the address by now, and remembers no less.
    if check_speaker(answer, me, true, None).is_err() {
        // Not one of us; the dialer will say so.
        return Ok(());
    }
    let remembered = answer.acked.map_or(0, |acked| acked.index);
    let seen = LogIndex(answer.seen_index.max(answer.acked_index).max(remembered));
    if seen <= LogIndex::BIRTH {
        return Ok(());
    }
    let (name, peer) = (cluster.name().to_owned(), peer.name.clone());
    let lost = HelloRefused::Lost { name, peer, seen };
    Err(Born { code: fatal::LOG_MISSING, told: lost.to_string() })
}
