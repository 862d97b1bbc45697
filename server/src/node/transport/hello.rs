//! The handshake of peers: [`Hellos`] says who this member is, and checks who speaks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mini_etcd_proto::internalpb::Member;
use mini_etcd_proto::peerpb::{Acked, Hello};
use mini_etcd_shared::types::{ClusterId, LogIndex, MemberId, Term};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::refused::HelloRefused;
use super::seen::{Reached, Seen};
use crate::apply::{Identity, Members};
use crate::config::{Cluster, PeerAddress};
use crate::limits::STRANGERS_MAX;
use crate::log;
use crate::node::Shown;
use crate::raft::Input;

/// Version of what members say to each other.
pub(super) const PROTOCOL: u32 = 1;

/// The hellos of this member.
pub(crate) struct Hellos {
    identity: Identity,
    boot_nonce: u64,
    me: String,
    standing: StandingFor,
    /// Peers of which something was seen since somebody waited for that.
    stirs: Mutex<BTreeMap<MemberId, Arc<Notify>>>,
    /// Members of the cluster that the state here does not list yet, where they say that they are.
    strangers: watch::Sender<BTreeMap<u64, Member>>,
}

/// What a member knows of a peer, and says of its own data to it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Standing {
    pub members: Arc<Members>,
    pub last: LogIndex,
    /// How far it has seen the peer's log reach.
    pub seen: LogIndex,
    /// What it knows to be committed and acknowledged by the peer.
    pub acked: LogIndex,
    /// The last entry that the peer acknowledged.
    pub remembered: Option<log::Acked>,
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
        let me = cluster.name().to_owned();
        let (stirs, strangers) = (Mutex::default(), watch::Sender::default());
        Self { identity, boot_nonce, me, standing, stirs, strangers }
    }

    /// Members that the state here does not list yet.
    pub fn strangers(&self) -> watch::Receiver<BTreeMap<u64, Member>> {
        self.strangers.subscribe()
    }

    /// Keeps where `from` is reached, when the state here does not list it; says whether it is a peer.
    pub fn meet(&self, from: MemberId, hello: &Hello) -> bool {
        let members = self.members();
        if members.by_id.contains_key(&from.0) {
            return true;
        }
        let is_reached = PeerAddress::of_url(&hello.peer_url).is_some();
        let peer_urls = vec![hello.peer_url.clone()];
        let stranger =
            Member { id: from.0, name: from.to_string(), peer_urls, ..Member::default() };
        self.strangers.send_if_modified(|strangers| {
            let has_room = strangers.len() < STRANGERS_MAX || strangers.contains_key(&from.0);
            has_room
                && is_reached
                && strangers.insert(from.0, stranger.clone()).as_ref() != Some(&stranger)
        });
        self.is_peer(from)
    }

    /// Whether it is listened to: it is a member, as the state here says or as it showed.
    pub fn is_peer(&self, id: MemberId) -> bool {
        self.strangers.borrow().contains_key(&id.0) || self.members().by_id.contains_key(&id.0)
    }

    /// The state lists these members now, and knows who was removed.
    pub fn know(&self, members: &Members) {
        let is_known = |id: &u64| members.by_id.contains_key(id) || members.removed.contains(id);
        self.strangers.send_if_modified(|strangers| {
            let before = strangers.len();
            strangers.retain(|id, _| !is_known(id));
            strangers.len() != before
        });
    }

    /// `peer` said hello, so that it listens by now, or what it said ended, so that it may be gone: a dial will tell.
    pub fn stirred(&self, peer: MemberId) {
        self.stirs(peer).notify_one();
    }

    /// Ends after `longest`, or once something was seen of `peer`.
    pub async fn wait_for(&self, peer: MemberId, longest: Duration) {
        let stirs = self.stirs(peer);
        // Whatever it was: the caller dials.
        let _ = timeout(longest, stirs.notified()).await;
    }

    fn stirs(&self, peer: MemberId) -> Arc<Notify> {
        let mut stirs = self.stirs.lock().unwrap_or_else(PoisonError::into_inner);
        stirs.entry(peer).or_default().clone()
    }

    /// The members as this one knows them.
    pub fn members(&self) -> Arc<Members> {
        (self.standing)(self.identity.member_id).members
    }

    /// Whose they are.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Whether it was born with the cluster and has nothing yet but that: it would found the cluster with others like it. One that
    /// joins begins with less, a restored one with data.
    pub fn is_newborn(&self) -> bool {
        let standing = (self.standing)(self.identity.member_id);
        standing.last == LogIndex::BIRTH && standing.lineage == 0
    }

    /// Name of this member.
    pub fn name(&self) -> &str {
        &self.me
    }

    /// What this member says to `peer`.
    pub fn to(&self, peer: MemberId) -> Hello {
        let standing = (self.standing)(peer);
        let Standing { members, last, seen, acked, remembered, lineage, is_led } = standing;
        let me = members.by_id.get(&self.identity.member_id.0);
        Hello {
            cluster_id: self.identity.cluster_id.0,
            member_id: self.identity.member_id.0,
            boot_nonce: self.boot_nonce,
            last_index: last.0,
            seen_index: seen.0,
            protocol: PROTOCOL,
            lineage,
            is_led,
            acked_index: acked.0,
            to: peer.0,
            acked: remembered.map(|acked| Acked {
                member_id: acked.member.0,
                index: acked.index.0,
                term: acked.term.0,
            }),
            heeds_doubt: true,
            peer_url: me.and_then(|me| me.peer_urls.first().cloned()).unwrap_or_default(),
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
        let found = MemberId(hello.member_id);
        let peer = standing.members.by_id.get(&found.0);
        let was_removed = standing.members.removed.contains(&found.0);
        // Who has the data of this cluster and speaks to this member may have come while this one was away. One that has none
        // yet, or a copy from then, cannot compare.
        let meant = MemberId(hello.to);
        let is_of_cluster =
            hello.lineage != 0 && (standing.lineage == 0 || hello.lineage == standing.lineage);
        let is_stranger = is_of_cluster && meant == self.identity.member_id;
        let is_known = peer.is_some() || was_removed || is_stranger;
        let from = check_speaker(hello, self.identity, is_known, expected)?;
        // What is said of another member, which had this address, is not said of this one.
        let is_meant = hello.to == 0 || meant == self.identity.member_id;
        // Who means a member that was never heard of here may be the one that the cluster goes on with (I9).
        let Standing { members, .. } = &standing;
        let is_judge =
            is_meant || members.removed.contains(&meant.0) || members.by_id.contains_key(&meant.0);
        // A log that ever grew past its birth never shrinks back to it (I4).
        let seen = LogIndex(hello.seen_index);
        let peer = peer.map_or_else(|| found.to_string(), |peer| peer.name.clone());
        let names = || (self.me.clone(), peer.clone());
        if is_meant && seen > LogIndex::BIRTH && standing.last <= LogIndex::BIRTH {
            let (name, peer) = names();
            return Err(HelloRefused::Lost { name, peer, seen });
        }
        // I5.
        let are_known = standing.lineage != 0 && hello.lineage != 0;
        if are_known && standing.lineage != hello.lineage {
            let (name, peer) = names();
            // The members have changed here since the speaker's cluster began, so that its word ends nobody here (I9). A cluster
            // that this member belonged to has seen its log.
            let is_outgrown = was_removed || !is_meant;
            let began_anew = is_judge && (!is_meant || seen <= LogIndex::BIRTH);
            return Err(if is_outgrown && began_anew && standing.is_led {
                HelloRefused::Outgrown { found }
            } else if !is_outgrown && hello.is_led && !standing.is_led {
                HelloRefused::Astray { name, peer }
            } else {
                HelloRefused::Lineage { name, peer }
            });
        }
        // After the rest: only who holds the same data may say that.
        if was_removed && is_judge {
            return Err(HelloRefused::Removed { found });
        }
        if !is_meant {
            let is_wiped = is_judge
                && standing.seen > LogIndex::BIRTH
                && hello.last_index == LogIndex::BIRTH.0;
            let meant = HelloRefused::Meant { meant };
            return Err(if is_wiped { HelloRefused::Wiped { found } } else { meant });
        }
        Ok(from)
    }
}

/// The standing of the member `me` that runs. A peer that published its client URLs had a log by then, and the cluster
/// remembers that over any restart.
pub(crate) fn standing(me: MemberId, shown: Arc<Shown>, seen: Arc<Seen>) -> StandingFor {
    Box::new(move |peer| {
        let status = shown.status.load();
        let progress = status.progress.iter().find(|progress| progress.id == peer);
        let mut reached = seen.of(peer);
        reached.add(progress.map(|progress| Reached::of(progress, &status)).unwrap_or_default());
        let published = shown.published.load();
        let member = published.members.by_id.get(&peer.0);
        let ran = member.is_some_and(|member| !member.client_urls.is_empty());
        let ran = if ran { LogIndex(LogIndex::BIRTH.0 + 1) } else { LogIndex(0) };
        Standing {
            members: Arc::clone(&published.members),
            last: status.last,
            seen: reached.seen.max(ran),
            acked: reached.acked,
            remembered: status.acked.iter().find(|acked| acked.member == peer).copied(),
            lineage: published.lineage,
            // A learner does not notice that its leader is gone.
            is_led: status.leader != MemberId(0) && !status.learners.contains(&me),
        }
    })
}

/// What Raft learns of a hello.
pub(super) fn news(id: MemberId, me: MemberId, hello: &Hello) -> Input {
    let acked = match &hello.acked {
        Some(acked) => (acked.member_id, acked.index, acked.term),
        // Of an earlier version, which does not say of which term it is.
        None => (me.0, hello.acked_index, 0),
    };
    let (member, index, term) = (MemberId(acked.0), LogIndex(acked.1), Term(acked.2));
    let acked = (index > LogIndex(0)).then_some(log::Acked { member, index, term });
    let (boot_nonce, heeds_doubt) = (hello.boot_nonce, hello.heeds_doubt);
    Input::PeerHello { id, boot_nonce, acked, heeds_doubt }
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
    use super::*;

    /// One of two members.
    fn cluster(name: &str) -> Cluster {
        Cluster::parse("n1=127.0.0.1:1,n2=127.0.0.1:2", name).unwrap()
    }

    /// Those of a member whose log ends at `last`.
    fn hellos(
        cluster: &Cluster,
        members: Arc<Members>,
        last: u64,
        (lineage, is_led): (u64, bool),
    ) -> Hellos {
        let standing = move |_| Standing {
            members: members.clone(),
            last: LogIndex(last),
            seen: LogIndex(last),
            acked: LogIndex(0),
            remembered: None,
            lineage,
            is_led,
        };
        Hellos::new(cluster, 7, Box::new(standing))
    }

    #[test]
    fn only_members_of_this_cluster_are_listened_to() {
        let me = Identity { cluster_id: ClusterId(9), member_id: MemberId(1) };
        let good = &Hello { cluster_id: 9, member_id: 2, protocol: PROTOCOL, ..Hello::default() };
        let good = || good.clone();
        let check = |hello: Hello, expected| {
            check_speaker(&hello, me, (1..=3).contains(&hello.member_id), expected)
        };
        let (two, three) = (MemberId(2), MemberId(3));
        assert_eq!(check(good(), None), Ok(two));
        assert_eq!(check(good(), Some(two)), Ok(two));
        for (hello, expected, refused) in [
            (Hello { protocol: 7, ..good() }, None, HelloRefused::Protocol { found: 7 }),
            (
                Hello { cluster_id: 8, ..good() },
                None,
                HelloRefused::Cluster { found: ClusterId(8), cluster: ClusterId(9) },
            ),
            (good(), Some(three), HelloRefused::Member { found: two, expected: three }),
            (Hello { member_id: 4, ..good() }, None, HelloRefused::Unknown { found: MemberId(4) }),
            (Hello { member_id: 1, ..good() }, None, HelloRefused::Unknown { found: MemberId(1) }),
        ] {
            assert_eq!(check(hello, expected), Err(refused));
        }
    }

    /// What `n1` with this lineage thinks of a hello of `n2`.
    fn met(mine: (u64, bool), theirs: (u64, bool)) -> Result<MemberId, HelloRefused> {
        let of = |name, lineage| {
            let cluster = cluster(name);
            hellos(&cluster, Members::of(cluster.birth_members()), 9, lineage)
        };
        let (one, two) = (of("n1", mine), of("n2", theirs));
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

    /// Goal: a new member at the address of one that is gone is not taken for it. Method: the hello that the old one would get.
    #[test]
    fn a_hello_to_another_member_says_nothing_of_this_one() {
        let cluster = cluster("n1");
        let members = Members::of(cluster.birth_members());
        let hellos = hellos(&cluster, members, 0, (0, false));
        let hello = |to| Hello {
            cluster_id: cluster.id().0,
            member_id: cluster.peers().next().unwrap().id.0,
            protocol: PROTOCOL,
            seen_index: 9,
            to,
            ..Hello::default()
        };
        let meant = MemberId(77);
        assert_eq!(hellos.check(&hello(meant.0), None), Err(HelloRefused::Meant { meant }));
        let lost = hellos.check(&hello(cluster.me().0), None);
        assert!(matches!(lost, Err(HelloRefused::Lost { .. })), "{lost:?}");
    }

    /// Goal: who is not listed is spoken with where it has the data of this cluster and means this member, and no more of them than
    /// fit. Method: hellos that lack one of these.
    #[test]
    fn who_is_not_listed_yet_shows_the_data_of_this_cluster() {
        let cluster = cluster("n1");
        let members = Members::of(cluster.birth_members());
        let hellos = hellos(&cluster, members, 9, (5, false));
        let good = |id| Hello {
            cluster_id: cluster.id().0,
            member_id: id,
            protocol: PROTOCOL,
            lineage: 5,
            to: cluster.me().0,
            peer_url: format!("http://127.0.0.1:{id}"),
            ..Hello::default()
        };
        let unknown = Err(HelloRefused::Unknown { found: MemberId(3) });
        assert_eq!(hellos.check(&good(3), None), Ok(MemberId(3)));
        for lineage in [0, 6] {
            assert_eq!(hellos.check(&Hello { lineage, ..good(3) }, None), unknown);
        }
        for to in [0, 8] {
            assert_eq!(hellos.check(&Hello { to, ..good(3) }, None), unknown);
        }
        let newborn = self::hellos(&cluster, Members::of(cluster.birth_members()), 9, (0, false));
        assert_eq!(newborn.check(&good(3), None), Ok(MemberId(3)));
        assert_eq!(newborn.check(&Hello { lineage: 0, ..good(3) }, None), unknown);
        assert!(!hellos.meet(MemberId(3), &Hello { peer_url: "nowhere".to_owned(), ..good(3) }));
        let met = |id: u64| hellos.meet(MemberId(id), &good(id));
        assert_eq!((1..100).filter(|id| met(*id)).count(), STRANGERS_MAX);
        assert!(met(1) && !met(99), "one that is met is met again");
        hellos.know(&Members { removed: [1].into(), ..Members::default() });
        assert!(!hellos.is_peer(MemberId(1)) && met(99), "one that is removed makes room");
    }

    /// Goal: a member learns from every version what it is known to have acknowledged. Method: what Raft hears of a hello.
    #[test]
    fn a_hello_tells_what_a_member_is_known_to_have_acknowledged() {
        let (me, peer) = (MemberId(1), MemberId(2));
        let news = |hello| match news(peer, me, &hello) {
            Input::PeerHello { acked, heeds_doubt, .. } => {
                (acked.map(|it| (it.member.0, it.index.0, it.term.0)), heeds_doubt)
            }
            _ => (None, false),
        };
        let acked = Some(Acked { member_id: 1, index: 9, term: 3 });
        let now = Hello { acked, acked_index: 7, heeds_doubt: true, ..Hello::default() };
        assert_eq!(news(now), (Some((1, 9, 3)), true));
        assert_eq!(news(Hello { heeds_doubt: true, ..Hello::default() }), (None, true));
        let earlier = Hello { acked_index: 7, ..Hello::default() };
        assert_eq!(news(earlier), (Some((1, 7, 0)), false));
        assert_eq!(news(Hello::default()), (None, false));
    }

    #[test]
    fn a_removed_member_is_told_so_by_a_member_of_the_same_beginning_alone() {
        let cluster = cluster("n1");
        let gone = cluster.peers().next().unwrap().id;
        let mut members = Members::default();
        members.removed.insert(gone.0);
        let members = Arc::new(members);
        let hellos = hellos(&cluster, members, 9, (5, true));
        let hello = |lineage| Hello {
            cluster_id: cluster.id().0,
            member_id: gone.0,
            protocol: PROTOCOL,
            lineage,
            ..Hello::default()
        };
        let removed = HelloRefused::Removed { found: gone };
        for lineage in [0, 5] {
            assert_eq!(hellos.check(&hello(lineage), None), Err(removed.clone()));
        }
        // What it has, these do not: its directory is worth something.
        assert_eq!(hellos.check(&hello(6), None), Err(HelloRefused::Outgrown { found: gone }));
    }

    /// Goal: of two clusters that met, the one whose members are not those of today's ends, and nobody ends by its word. Method: n1
    /// with data of one beginning, n2 with those of another and a leader, removed or meaning the member that had n1's address.
    #[test]
    fn who_was_outgrown_ends_where_there_is_a_leader_and_ends_nobody() {
        let cluster = cluster("n1");
        let found = cluster.peers().next().unwrap().id;
        let mut removed = Members::clone(&Members::of(cluster.birth_members()));
        removed.by_id.remove(&found.0);
        removed.removed.insert(found.0);
        let listed = Members::of(cluster.birth_members());
        let me = cluster.me().0;
        let mut replaced = Members::clone(&listed);
        replaced.removed.insert(77);
        for (members, to) in [(Arc::new(removed.clone()), me), (Arc::new(replaced), 77)] {
            let hello = Hello {
                cluster_id: cluster.id().0,
                member_id: found.0,
                protocol: PROTOCOL,
                lineage: 6,
                is_led: true,
                to,
                ..Hello::default()
            };
            let check = |is_led| {
                let hellos = hellos(&cluster, members.clone(), 9, (5, is_led));
                hellos.check(&hello, None).unwrap_err()
            };
            assert_eq!(check(true), HelloRefused::Outgrown { found });
            let refused = check(false);
            assert!(matches!(refused, HelloRefused::Lineage { .. }), "{refused}");
        }
        // Who knows a member that is unknown here may be with the cluster that goes on, and so may one that saw this member's log.
        let hello = |to, seen_index| Hello {
            cluster_id: cluster.id().0,
            member_id: found.0,
            protocol: PROTOCOL,
            lineage: 6,
            is_led: true,
            to,
            seen_index,
            ..Hello::default()
        };
        for (members, to, seen) in [(listed.clone(), 77, 0), (Arc::new(removed), me, 9)] {
            let refused = hellos(&cluster, members, 9, (5, true)).check(&hello(to, seen), None);
            assert!(matches!(refused, Err(HelloRefused::Lineage { .. })), "{refused:?}");
        }
        let astray =
            Hello { lineage: 6, is_led: true, to: me, protocol: PROTOCOL, ..Hello::default() };
        let astray = Hello { cluster_id: cluster.id().0, member_id: found.0, ..astray };
        let refused = hellos(&cluster, listed, 9, (5, false)).check(&astray, None);
        assert!(matches!(refused, Err(HelloRefused::Astray { .. })), "{refused:?}");
    }

    /// Goal: a wiped member learns of it from a member that it does not know. Method: hellos to the one that had its address, by members
    /// that were removed, that have nothing and that have something.
    #[test]
    fn a_member_that_means_another_is_told_what_is_known_of_itself() {
        let cluster = cluster("n1");
        let found = cluster.peers().next().unwrap().id;
        let meant = MemberId(77);
        let mut removed = Members::clone(&Members::of(cluster.birth_members()));
        removed.removed.insert(meant.0);
        let listed = Arc::new(removed.clone());
        removed.removed.insert(found.0);
        let mut stranger = removed.clone();
        stranger.removed.remove(&meant.0);
        let hello = |last_index| Hello {
            cluster_id: cluster.id().0,
            member_id: found.0,
            protocol: PROTOCOL,
            last_index,
            to: meant.0,
            ..Hello::default()
        };
        let check = |members, seen, last| {
            hellos(&cluster, members, seen, (5, true)).check(&hello(last), None).unwrap_err()
        };
        let birth = LogIndex::BIRTH.0;
        assert_eq!(check(Arc::new(removed), 9, birth), HelloRefused::Removed { found });
        // One that was left behind, and goes on alone, knows nothing of the member that has its place.
        assert_eq!(check(Arc::new(stranger), 9, birth), HelloRefused::Meant { meant });
        assert_eq!(check(listed.clone(), 9, birth), HelloRefused::Wiped { found });
        assert_eq!(check(listed.clone(), 9, 9), HelloRefused::Meant { meant });
        assert_eq!(check(listed, birth, birth), HelloRefused::Meant { meant }, "it never started");
    }

    #[test]
    fn who_has_nothing_but_its_birth_is_newborn() {
        let cluster = cluster("n1");
        let of = |last, lineage| {
            let members = Members::of(cluster.birth_members());
            hellos(&cluster, members, last, (lineage, false)).is_newborn()
        };
        assert!(of(LogIndex::BIRTH.0, 0));
        assert!(!of(0, 0), "it joins");
        assert!(!of(LogIndex::BIRTH.0, 5), "it was restored");
        assert!(!of(9, 0), "it took part in an election");
    }
}
