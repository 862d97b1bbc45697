//! The handshake of peers: [`Hellos`] says who this member is, and checks who speaks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mini_etcd_proto::peerpb::raft_message::Kind;
use mini_etcd_proto::peerpb::{Hello, RaftMessage};
use mini_etcd_shared::types::{ClusterId, LogIndex, MemberId};

use crate::apply::Identity;
use crate::config::Cluster;
use crate::fatal;
use crate::node::Shown;
use crate::raft::RaftStatus;

/// Version of what members say to each other.
pub(super) const PROTOCOL: u32 = 1;

/// How far the log of each peer was seen to reach.
#[derive(Default)]
pub(crate) struct Seen {
    reached: Mutex<BTreeMap<MemberId, LogIndex>>,
}

impl Seen {
    /// Keeps what a leader knows of its followers beyond its term of office.
    pub fn keep(&self, status: &RaftStatus) {
        let mut reached = self.lock();
        for progress in &status.progress {
            let seen = reached.entry(progress.id).or_default();
            *seen = (*seen).max(progress.match_index);
        }
    }

    /// Keeps what a message tells of its sender's log; says whether that is more than its birth.
    pub fn note(&self, from: MemberId, message: &RaftMessage) -> bool {
        let index = reaches(message);
        let mut reached = self.lock();
        let seen = reached.entry(from).or_default();
        *seen = (*seen).max(index);
        *seen > LogIndex::BIRTH
    }

    fn of(&self, peer: MemberId) -> LogIndex {
        self.lock().get(&peer).copied().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<MemberId, LogIndex>> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An index that the sender's log reaches, going by what only a member with such a log says.
fn reaches(message: &RaftMessage) -> LogIndex {
    LogIndex(match message.kind() {
        Kind::Append => message.entries.last().map_or(message.index, |entry| entry.index),
        Kind::AppendResponse if !message.reject => message.index,
        Kind::RequestVote | Kind::RequestPreVote => message.index,
        _ => 0,
    })
}

/// Why a peer is not listened to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(crate) enum HelloRefused {
    #[error(
        "it belongs to cluster {found}, this is a member of cluster {cluster}: compare --peers"
    )]
    Cluster { found: ClusterId, cluster: ClusterId },
    #[error("member {found} answers there, not {expected}: compare --peers")]
    Member { found: MemberId, expected: MemberId },
    #[error("member {found} is not in this cluster: compare --peers")]
    Unknown { found: MemberId },
    #[error(
        "it speaks protocol {found}, this member speaks {PROTOCOL}: use one version of mini-etcd"
    )]
    Protocol { found: u32 },
    /// The peer is right and this member is not: it must not take part any more.
    #[error("{name} lost its data: {peer} has seen its log reach index {seen}; re-add it")]
    Lost { name: String, peer: String, seen: LogIndex },
    /// A majority began anew without one of the two, or a directory of an earlier cluster came back. Which of them the
    /// cluster goes on with, the one that knows a leader can tell.
    #[error(
        "the data of {peer} and of {name} come from two beginnings of this cluster: \
         what one of them acknowledged the other never had"
    )]
    Lineage { name: String, peer: String },
    /// The same, and it is the peer who is with the cluster.
    #[error(
        "the cluster that {peer} is with began anew without the data of {name}, \
         or the directory of {name} is left over from an earlier cluster"
    )]
    Astray { name: String, peer: String },
}

impl HelloRefused {
    /// Ends the process when it is this member that must not take part.
    pub fn end_if_wrong_here(&self) {
        match self {
            Self::Lost { .. } => fatal::end(fatal::LOG_MISSING, self),
            Self::Astray { .. } => fatal::end(fatal::STATE_DIFFERS, self),
            _ => {}
        }
    }
}

/// The hellos of this member.
pub(crate) struct Hellos {
    identity: Identity,
    boot_nonce: u64,
    me: String,
    standing: StandingFor,
}

/// What a member knows of a peer, and says of its own data to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Name of the peer; none when it is no member.
    pub peer: Option<String>,
    /// Index in front of the first entry of its log.
    pub truncated: LogIndex,
    pub last: LogIndex,
    /// How far it has seen the peer's log reach.
    pub seen: LogIndex,
    /// Which beginning of the cluster its data descends from; 0 when that is not known.
    pub lineage: u64,
    /// It knows a leader.
    pub is_led: bool,
}

/// Where this member stands for a peer, at any time.
pub(crate) type StandingFor = Box<dyn Fn(MemberId) -> Standing + Send + Sync>;

impl Hellos {
    pub fn new(cluster: &Cluster, boot_nonce: u64, standing: StandingFor) -> Self {
        let identity = Identity { cluster_id: cluster.id(), member_id: cluster.me() };
        Self { identity, boot_nonce, me: cluster.name().to_owned(), standing }
    }

    /// What this member says to `peer`.
    pub fn to(&self, peer: MemberId) -> Hello {
        let Standing { truncated, last, seen, lineage, is_led, .. } = (self.standing)(peer);
        Hello {
            cluster_id: self.identity.cluster_id.0,
            member_id: self.identity.member_id.0,
            boot_nonce: self.boot_nonce,
            last_index: last.0,
            seen_index: seen.0,
            protocol: PROTOCOL,
            lineage,
            is_led,
            truncated_index: truncated.0,
        }
    }

    /// The hello that `peer` needs in addition to `said`; none when `said` still holds.
    pub fn more(&self, peer: MemberId, said: &Hello) -> Option<Hello> {
        let is_news = said.lineage == 0 && (self.standing)(peer).lineage != 0;
        is_news.then(|| self.to(peer))
    }

    /// Who `hello` comes from.
    pub fn check(
        &self,
        hello: &Hello,
        expected: Option<MemberId>,
    ) -> Result<MemberId, HelloRefused> {
        let standing = (self.standing)(MemberId(hello.member_id));
        let from = check_speaker(hello, self.identity, standing.peer.is_some(), expected)?;
        // A log that ever grew past its birth never shrinks back to it (I4).
        let seen = LogIndex(hello.seen_index);
        let names = || (self.me.clone(), standing.peer.clone().unwrap_or_default());
        if seen > LogIndex::BIRTH && standing.last <= LogIndex::BIRTH {
            let (name, peer) = names();
            return Err(HelloRefused::Lost { name, peer, seen });
        }
        // Nobody cuts off what a member lacks: this one had it, and nobody can give it back.
        let seen = LogIndex(hello.truncated_index);
        if standing.last < seen {
            let (name, peer) = names();
            return Err(HelloRefused::Lost { name, peer, seen });
        }
        // I5.
        let are_known = standing.lineage != 0 && hello.lineage != 0;
        if are_known && standing.lineage != hello.lineage {
            let (name, peer) = names();
            return Err(if hello.is_led && !standing.is_led {
                HelloRefused::Astray { name, peer }
            } else {
                HelloRefused::Lineage { name, peer }
            });
        }
        Ok(from)
    }
}

/// The standing of a member that runs. A peer that published its client URLs had a log by then, and the cluster
/// remembers that over any restart.
pub(crate) fn standing(shown: Arc<Shown>, seen: Arc<Seen>) -> StandingFor {
    Box::new(move |peer| {
        let status = shown.status.load();
        let progress = status.progress.iter().find(|progress| progress.id == peer);
        let matched = progress.map(|progress| progress.match_index).unwrap_or_default();
        let published = shown.published.load();
        let member = published.members.by_id.get(&peer.0);
        let ran = member.is_some_and(|member| !member.client_urls.is_empty());
        let ran = if ran { LogIndex(LogIndex::BIRTH.0 + 1) } else { LogIndex(0) };
        Standing {
            peer: member.map(|member| member.name.clone()),
            truncated: LogIndex(status.first.0.saturating_sub(1)),
            last: status.last,
            seen: matched.max(seen.of(peer)).max(ran),
            lineage: published.lineage,
            is_led: status.leader != MemberId(0),
        }
    })
}

/// Who `hello` comes from, when it comes from a member of the same cluster that speaks the same protocol.
pub(super) fn check_speaker(
    hello: &Hello,
    me: Identity,
    is_member: bool,
    expected: Option<MemberId>,
) -> Result<MemberId, HelloRefused> {
    let found = MemberId(hello.member_id);
    if hello.protocol != PROTOCOL {
        return Err(HelloRefused::Protocol { found: hello.protocol });
    }
    if hello.cluster_id != me.cluster_id.0 {
        let found = ClusterId(hello.cluster_id);
        return Err(HelloRefused::Cluster { found, cluster: me.cluster_id });
    }
    if let Some(expected) = expected.filter(|expected| *expected != found) {
        return Err(HelloRefused::Member { found, expected });
    }
    if !is_member || found == me.member_id {
        return Err(HelloRefused::Unknown { found });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use mini_etcd_proto::internalpb::Entry;

    use super::*;

    #[test]
    fn only_members_of_this_cluster_are_listened_to() {
        let me = Identity { cluster_id: ClusterId(9), member_id: MemberId(1) };
        let good = Hello { cluster_id: 9, member_id: 2, protocol: PROTOCOL, ..Hello::default() };
        let check = |hello: Hello, expected| {
            check_speaker(&hello, me, (1..=3).contains(&hello.member_id), expected)
        };
        let (two, three) = (MemberId(2), MemberId(3));
        assert_eq!(check(good, None), Ok(two));
        assert_eq!(check(good, Some(two)), Ok(two));
        for (hello, expected, refused) in [
            (Hello { protocol: 7, ..good }, None, HelloRefused::Protocol { found: 7 }),
            (
                Hello { cluster_id: 8, ..good },
                None,
                HelloRefused::Cluster { found: ClusterId(8), cluster: ClusterId(9) },
            ),
            (good, Some(three), HelloRefused::Member { found: two, expected: three }),
            (Hello { member_id: 4, ..good }, None, HelloRefused::Unknown { found: MemberId(4) }),
            (Hello { member_id: 1, ..good }, None, HelloRefused::Unknown { found: MemberId(1) }),
        ] {
            assert_eq!(check(hello, expected), Err(refused));
        }
    }

    /// What `n1` with this lineage thinks of a hello of `n2`.
    fn met(mine: (u64, bool), theirs: (u64, bool)) -> Result<MemberId, HelloRefused> {
        let peers = "n1=127.0.0.1:1,n2=127.0.0.1:2";
        let hellos = |name, (lineage, is_led)| {
            let cluster = Cluster::parse(peers, name).unwrap();
            let members = cluster.clone();
            let standing = move |id| Standing {
                peer: members.member(id).map(|peer| peer.name.clone()),
                truncated: LogIndex(1),
                last: LogIndex(9),
                seen: LogIndex(9),
                lineage,
                is_led,
            };
            Hellos::new(&cluster, 7, Box::new(standing))
        };
        let (one, two) = (hellos("n1", mine), hellos("n2", theirs));
        one.check(&two.to(one.identity.member_id), None)
    }

    #[test]
    fn data_of_two_beginnings_never_meet_and_the_one_without_a_leader_is_astray() {
        for (mine, theirs) in [(0, 0), (0, 5), (5, 0), (5, 5)] {
            assert!(met((mine, false), (theirs, true)).is_ok(), "{mine} and {theirs}");
        }
        let (name, peer) = ("n1".to_owned(), "n2".to_owned());
        let apart = HelloRefused::Lineage { name: name.clone(), peer: peer.clone() };
        for (here, there) in [(true, true), (true, false), (false, false)] {
            assert_eq!(met((5, here), (6, there)), Err(apart.clone()), "{here} {there}");
        }
        assert_eq!(met((5, false), (6, true)), Err(HelloRefused::Astray { name, peer }));
    }

    #[test]
    fn a_log_that_ends_before_another_one_begins_was_lost() {
        let cluster = Cluster::parse("n1=127.0.0.1:1,n2=127.0.0.1:2", "n1").unwrap();
        let standing = |_| Standing {
            peer: Some("n2".to_owned()),
            truncated: LogIndex(1),
            last: LogIndex(9),
            seen: LogIndex(0),
            lineage: 0,
            is_led: true,
        };
        let hellos = Hellos::new(&cluster, 7, Box::new(standing));
        let hello = |truncated_index| Hello {
            cluster_id: cluster.id().0,
            member_id: cluster.peers().next().unwrap().id.0,
            protocol: PROTOCOL,
            truncated_index,
            ..Hello::default()
        };
        assert!(hellos.check(&hello(9), None).is_ok());
        let (name, peer) = ("n1".to_owned(), "n2".to_owned());
        let lost = HelloRefused::Lost { name, peer, seen: LogIndex(10) };
        assert_eq!(hellos.check(&hello(10), None), Err(lost));
    }

    fn said(kind: Kind, index: u64, entries: &[u64]) -> RaftMessage {
        let entries =
            entries.iter().map(|index| Entry { index: *index, ..Entry::default() }).collect();
        RaftMessage { kind: kind.into(), index, entries, ..RaftMessage::default() }
    }

    #[test]
    fn a_log_is_seen_by_what_only_its_owner_says() {
        let (seen, peer) = (Seen::default(), MemberId(7));
        assert!(!seen.note(peer, &said(Kind::RequestVote, 1, &[])));
        assert!(!seen.note(peer, &said(Kind::HeartbeatResponse, 9, &[])));
        let refusal = RaftMessage { reject: true, ..said(Kind::AppendResponse, 9, &[]) };
        assert!(!seen.note(peer, &refusal));
        assert!(seen.note(peer, &said(Kind::Append, 1, &[2, 3])));
        assert_eq!(seen.of(peer), LogIndex(3));
        assert!(seen.note(peer, &said(Kind::AppendResponse, 5, &[])));
        assert!(seen.note(peer, &said(Kind::RequestPreVote, 4, &[])));
        assert_eq!(seen.of(peer), LogIndex(5));
    }
}
