//! Members of one cluster over loopback: real sockets, no threads, no disk.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mini_etcd_proto::internalpb::{AppliedState, ConfState};
use mini_etcd_proto::peerpb::message::Body;
use mini_etcd_proto::peerpb::{
    Hello, ReadBarrier, Snapshot, SnapshotChunk, SnapshotHead, SnapshotPart,
};
use mini_etcd_shared::port::HeldPort;
use mini_etcd_shared::types::{LogIndex, MemberId};
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::Service as _;

use super::hello::StandingFor;
use super::{Connector, Dialing, Hellos, PeerService, PeerTable, Staging, Standing, ask_peers};
use crate::apply::Members;
use crate::config::Cluster;
use crate::metrics::Metrics;
use crate::node::{Heed, Inbox};
use crate::raft::{Admission, Input, Outbound};
use crate::storage::{FjallOptions, StateDirs};

/// One member: what it hears is in its inbox. It ends with the value.
struct Member {
    cluster: Cluster,
    hellos: Arc<Hellos>,
    inbox: Arc<Inbox>,
    outgoing: super::Outgoing,
    seen: Arc<AtomicU64>,
    lineage: Arc<AtomicU64>,
    members: watch::Sender<Arc<Members>>,
    _tasks: JoinSet<()>,
    /// Where snapshots are staged.
    dir: tempfile::TempDir,
}

/// Longest that something may take that happens at once.
const PATIENCE: Duration = Duration::from_secs(20);

async fn listeners(count: usize) -> (Vec<TcpListener>, Vec<SocketAddr>) {
    let mut found = Vec::new();
    for _ in 0..count {
        found.push(TcpListener::bind(HeldPort::new().unwrap().for_good()).await.unwrap());
    }
    let addresses = found.iter().map(|listener| listener.local_addr().unwrap()).collect();
    (found, addresses)
}

fn peers(addresses: &[SocketAddr]) -> String {
    let item = |(i, address): (usize, &SocketAddr)| format!("n{}={address}", i + 1);
    addresses.iter().enumerate().map(item).collect::<Vec<_>>().join(",")
}

fn member(listener: TcpListener, peers: &str, name: &str, nonce: u64) -> Member {
    let cluster = Cluster::parse(peers, name).unwrap();
    let inbox = Arc::new(Inbox::default());
    let seen = Arc::new(AtomicU64::new(0));
    let lineage = Arc::new(AtomicU64::new(0));
    let known = (seen.clone(), lineage.clone());
    let (members, followed) = watch::channel(Members::of(cluster.birth_members()));
    let listed = followed.clone();
    let standing = move |_| Standing {
        members: listed.borrow().clone(),
        last: LogIndex(5),
        acked: LogIndex(0),
        seen: LogIndex(known.0.load(Ordering::SeqCst)),
        remembered: None,
        lineage: known.1.load(Ordering::SeqCst),
        is_led: false,
    };
    let hellos = Arc::new(Hellos::new(&cluster, nonce, Box::new(standing)));
    let metrics = Metrics::new();
    let (me, connector) = (cluster.me(), Connector::default());
    let dialing = Dialing {
        me,
        connector,
        hellos: hellos.clone(),
        inbox: inbox.clone(),
        metrics: metrics.clone(),
    };
    let table = PeerTable::new(dialing);
    let outgoing = table.outgoing();
    let aside = Arc::new(|_, body| Some(body));
    let dir = tempfile::tempdir().unwrap();
    let staging = Staging::new(StateDirs::new(dir.path(), FjallOptions::state()));
    let mut tasks = JoinSet::new();
    tasks.spawn(table.follow(followed));
    let service = PeerService::new(hellos.clone(), inbox.clone(), aside, staging, metrics);
    tasks.spawn(accept(listener, service));
    Member { cluster, hellos, inbox, outgoing, seen, lineage, members, _tasks: tasks, dir }
}

/// Of a member that has seen the logs of all others reach `seen`.
fn standing_of(members: Vec<mini_etcd_proto::internalpb::Member>, seen: u64) -> StandingFor {
    let members = Members::of(members);
    Box::new(move |_| Standing {
        members: members.clone(),
        last: LogIndex(9),
        acked: LogIndex(0),
        seen: LogIndex(seen),
        remembered: None,
        lineage: 5,
        is_led: true,
    })
}

/// Serves until it is dropped, and every connection with it.
async fn accept(listener: TcpListener, service: PeerService) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let server = service.clone().into_server();
        let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
            let mut server = server.clone();
            async move { server.call(request.map(tonic::body::Body::new)).await }
        });
        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        connections.spawn(async move {
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

impl Member {
    fn id(&self) -> MemberId {
        self.cluster.me()
    }

    async fn say(&self, to: &Member, rounds: std::ops::Range<u64>) {
        while !self.outgoing.is_open(to.id()) {
            tokio::task::yield_now().await;
        }
        let message =
            |round| Outbound { to: to.id(), body: Body::ReadBarrier(ReadBarrier { round }) };
        self.outgoing.send(rounds.map(message).collect());
    }

    /// What came in until one of it is `wanted`, as text.
    async fn hear(&self, wanted: &str) -> Vec<String> {
        let mut heard = Vec::new();
        let patience = tokio::time::timeout(PATIENCE, async {
            while !heard.iter().any(|text| text == wanted) {
                tokio::task::yield_now().await;
                let mut inputs = Vec::new();
                let _ =
                    self.inbox.take(Duration::ZERO, Heed::ALL, Admission::default(), &mut inputs);
                heard.extend(inputs.iter().map(|input| self.text(input)));
            }
        });
        let in_time = patience.await.is_ok();
        assert!(in_time, "{wanted} never came; heard {heard:?}");
        heard
    }

    fn text(&self, input: &Input) -> String {
        let name = |id: &MemberId| self.cluster.member(*id).unwrap().name.clone();
        match input {
            Input::Message { from, body: Body::ReadBarrier(barrier) } => {
                format!("{} says {}", name(from), barrier.round)
            }
            Input::PeerHello { id, boot_nonce, .. } => format!("hello {} {boot_nonce}", name(id)),
            Input::PeerRefused { id } => format!("refused {}", name(id)),
            Input::PeerDisconnected { id } => format!("disconnected {}", name(id)),
            Input::PeerConnected { id } => format!("connected {}", name(id)),
            Input::Snapshot(staged) => format!("snapshot {}", staged.index),
            _ => "other".to_owned(),
        }
    }
}

#[tokio::test]
async fn messages_arrive_once_and_in_order() {
    let (mut listeners, addresses) = listeners(2).await;
    let peers = peers(&addresses);
    let two = member(listeners.pop().unwrap(), &peers, "n2", 22);
    let one = member(listeners.pop().unwrap(), &peers, "n1", 11);
    one.hear("hello n2 22").await;
    let mut heard = two.hear("hello n1 11").await;
    one.say(&two, 0..50).await;
    one.say(&two, 50..100).await;
    heard.extend(two.hear("n1 says 99").await);
    heard.retain(|text| text.contains("says"));
    assert_eq!(heard, (0..100).map(|round| format!("n1 says {round}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_dead_peer_is_told_from_a_slow_one_and_a_restarted_one_from_both() {
    let (mut listeners, addresses) = listeners(2).await;
    let peers = peers(&addresses);
    let two = member(listeners.pop().unwrap(), &peers, "n2", 22);
    let one = member(listeners.pop().unwrap(), &peers, "n1", 11);
    one.hear("hello n2 22").await;
    drop(two);
    let heard = one.hear("refused n2").await;
    assert!(heard.contains(&"disconnected n2".to_owned()), "{heard:?}");
    let again = TcpListener::bind(addresses[1]).await.unwrap();
    let two = member(again, &peers, "n2", 23);
    one.hear("hello n2 23").await;
    // What is said from now on arrives, on a new connection.
    two.hear("hello n1 11").await;
    one.say(&two, 7..8).await;
    two.hear("n1 says 7").await;
}

#[tokio::test]
async fn a_peer_that_says_hello_or_falls_silent_is_dialed_at_once() {
    let (mut listeners, addresses) = listeners(2).await;
    let peers = peers(&addresses);
    let two = member(listeners.pop().unwrap(), &peers, "n2", 22);
    let one = member(listeners.pop().unwrap(), &peers, "n1", 11);
    one.hear("hello n2 22").await;
    let longest = Duration::from_secs(86_400);
    let came = tokio::time::timeout(PATIENCE, one.hellos.wait_for(two.id(), longest));
    came.await.expect("the hello that came ends the wait");
    // One that is gone is dialed at once too: that nobody listens there tells it from a slow one.
    let gone = tokio::time::timeout(PATIENCE, one.hellos.wait_for(two.id(), longest));
    let (gone, ()) = tokio::join!(gone, async { drop(two) });
    gone.expect("the end of what it said ends the wait");
}

#[tokio::test]
async fn another_cluster_is_not_listened_to() {
    let (mut listeners, addresses) = listeners(2).await;
    let list = peers(&addresses);
    let other = format!("{list},n3=127.0.0.1:1");
    let two = member(listeners.pop().unwrap(), &other, "n2", 22);
    let _one = member(listeners.pop().unwrap(), &list, "n1", 11);
    // n2 dials n3 in vain; by then it has met n1 more than once.
    for _ in 0..3 {
        let heard = two.hear("refused n3").await;
        assert!(heard.iter().all(|text| text == "refused n3"), "{heard:?}");
    }
}

#[tokio::test]
async fn a_lineage_that_becomes_known_later_is_told_before_the_next_message() {
    let (mut listeners, addresses) = listeners(2).await;
    let peers = peers(&addresses);
    let two = member(listeners.pop().unwrap(), &peers, "n2", 22);
    let one = member(listeners.pop().unwrap(), &peers, "n1", 11);
    one.hear("hello n2 22").await;
    two.hear("hello n1 11").await;
    one.lineage.store(5, Ordering::SeqCst);
    one.say(&two, 0..1).await;
    two.hear("n1 says 0").await;
    two.lineage.store(6, Ordering::SeqCst);
    two.say(&one, 1..2).await;
    // n1 ends the stream instead of listening.
    let heard = two.hear("disconnected n1").await;
    assert!(!heard.contains(&"other".to_owned()), "{heard:?}");
    let mut inputs = Vec::new();
    let _ = one.inbox.take(Duration::ZERO, Heed::ALL, Admission::default(), &mut inputs);
    assert!(inputs.iter().all(|input| !one.text(input).contains("says")), "n1 listened");
}

#[tokio::test]
async fn a_member_without_data_asks_whether_it_is_remembered() {
    let (mut listeners, addresses) = listeners(3).await;
    let peers = peers(&addresses);
    // Nobody answers: n1 and n3 are not there, and nobody refuses a connection of n1 either.
    let me = Cluster::parse(&peers, "n3").unwrap();
    drop(listeners.remove(0));
    let two = member(listeners.remove(0), &peers, "n2", 22);
    ask_peers(&me, &Connector::default(), 33).await.unwrap();
    two.seen.store(1, Ordering::SeqCst);
    ask_peers(&me, &Connector::default(), 33).await.unwrap();
    two.seen.store(2, Ordering::SeqCst);
    let lost = ask_peers(&me, &Connector::default(), 33).await.unwrap_err();
    let told = lost.to_string();
    assert!(told.starts_with("n3 lost its data: n2 has seen its log reach index 2; "), "{told}");
    assert_eq!(lost.code, 71);
}

/// Goal: no member founds a cluster that was born already. Method: n1 is asked for by members that have nothing: one that was
/// removed, one that n1 does not list, and one that takes n1 for the member that had its address before and is remembered.
#[tokio::test]
async fn a_member_without_data_is_told_that_the_cluster_goes_on_without_it() {
    let (mut listeners, addresses) = listeners(2).await;
    let peers = peers(&addresses);
    let me = Cluster::parse(&peers, "n2").unwrap();
    let one = member(listeners.remove(0), &peers, "n1", 11);
    let ask = || async { ask_peers(&me, &Connector::default(), 33).await };
    ask().await.unwrap();
    let mut listed = Members::clone(&one.members.borrow());
    listed.by_id.remove(&me.me().0);
    one.members.send_replace(Arc::new(listed.clone()));
    let told = ask().await.unwrap_err();
    assert!(told.code == 73 && told.to_string().contains("none of its members"), "{told}");
    listed.removed.insert(me.me().0);
    one.members.send_replace(Arc::new(listed));
    let told = ask().await.unwrap_err();
    assert!(told.code == 73 && told.to_string().contains("was removed"), "{told}");

    // At the address of n1 is another member of the same cluster.
    let all = one.cluster.birth_members();
    let joined = Cluster::joined(one.cluster.id(), (MemberId(77), "n1"), &all);
    let heard = Hellos::new(&joined, 12, standing_of(all, 9));
    let to = heard.to(me.me());
    assert_eq!((to.member_id, to.seen_index), (77, 9));
    let peer = me.peers().next().unwrap();
    let told = super::probe::judge(&me, peer, Ok(&to)).unwrap_err();
    assert!(told.code == 71 && told.to_string().contains("member replace n2"), "{told}");
}

#[tokio::test]
async fn connections_follow_the_published_members() {
    let (mut listeners, addresses) = listeners(4).await;
    let peers = peers(&addresses[..3]);
    let moved_to = listeners.pop().unwrap();
    let three = member(listeners.pop().unwrap(), &peers, "n3", 33);
    let two = member(listeners.pop().unwrap(), &peers, "n2", 22);
    let all = two.cluster.birth_members();
    let of = |ids: &[&Member]| {
        let ids: Vec<u64> = ids.iter().map(|member| member.id().0).collect();
        Members::of(all.iter().filter(|member| ids.contains(&member.id)).cloned().collect())
    };
    let news = |heard: Vec<String>, peer: &str| {
        let is_news = |text: &String| text.ends_with(peer) && !text.starts_with("hello");
        heard.into_iter().filter(is_news).collect::<Vec<_>>()
    };
    let one = member(listeners.pop().unwrap(), &peers, "n1", 11);
    one.members.send_replace(of(&[&two]));
    one.hear("connected n2").await;
    assert!(!one.outgoing.is_open(three.id()));

    // One more is dialed, and the other keeps its connection.
    one.members.send_replace(of(&[&two, &three]));
    let heard = one.hear("connected n3").await;
    assert_eq!(news(heard, "n2"), Vec::<String>::new());

    // One less is let go.
    one.members.send_replace(of(&[&three]));
    let heard = one.hear("disconnected n2").await;
    assert_eq!(news(heard, "n3"), Vec::<String>::new());
    assert!(one.outgoing.is_open(three.id()) && !one.outgoing.is_open(two.id()));

    // One that moved is dialed where it is now.
    let moved = member(moved_to, &peers, "n3", 34);
    let mut listed = of(&[&three]).by_id.clone();
    for member in listed.values_mut() {
        member.peer_urls = vec![format!("http://{}", addresses[3])];
    }
    one.members.send_replace(Members::of(listed.into_values().collect()));
    let mut heard = one.hear("disconnected n3").await;
    heard.extend(one.hear("connected n3").await);
    assert!(heard.contains(&"hello n3 34".to_owned()), "{heard:?}");
    one.say(&three, 1..2).await;
    moved.hear("n1 says 1").await;
}

/// Goal: a member that came while this one was away, and may lead by now, is spoken with until it is known to be removed. Method:
/// the state of n1 does not list n3, which has the data of the cluster from some time on.
#[tokio::test]
async fn a_member_that_came_meanwhile_is_spoken_with() {
    let (mut listeners, addresses) = listeners(3).await;
    let peers = peers(&addresses);
    let three = member(listeners.pop().unwrap(), &peers, "n3", 33);
    let one = member(listeners.remove(0), &peers, "n1", 11);
    let mut listed = Members::clone(&one.members.borrow());
    listed.by_id.remove(&three.id().0);
    one.members.send_replace(Arc::new(listed.clone()));
    one.lineage.store(5, Ordering::SeqCst);
    three.lineage.store(5, Ordering::SeqCst);
    three.hear("connected n1").await;
    one.hear("connected n3").await;
    three.say(&one, 1..2).await;
    one.hear("n3 says 1").await;
    one.say(&three, 2..3).await;
    three.hear("n1 says 2").await;
    listed.removed.insert(three.id().0);
    one.members.send_replace(Arc::new(listed));
    one.hear("disconnected n3").await;
}

/// Sends a snapshot by hand: the head, then these chunks.
async fn send(to: &Member, head: SnapshotHead, chunks: &[SnapshotChunk]) -> Result<(), String> {
    let address = &to.cluster.member(to.id()).unwrap().address;
    let (mut client, _driving) = Connector::default().connect(address).await.unwrap();
    let head = SnapshotPart { head: Some(head), chunk: None };
    let chunk = |chunk: &SnapshotChunk| SnapshotPart { head: None, chunk: Some(chunk.clone()) };
    let parts: Vec<_> = std::iter::once(head).chain(chunks.iter().map(chunk)).collect();
    let said = |status: tonic::Status| status.message().to_owned();
    let mut answers =
        client.install(futures::stream::iter(parts)).await.map_err(said)?.into_inner();
    answers.message().await.map_err(said)?.map(|_| ()).ok_or_else(|| "no answer".to_owned())
}

/// Goal: what is staged is whole, one at a time, and only what comes from a member for this one. Method: a state without rows,
/// sent by hand, whole and not, to another member, by a stranger, and twice.
#[tokio::test]
async fn a_snapshot_is_staged_whole_and_one_at_a_time() {
    let (mut listeners, addresses) = listeners(2).await;
    let peers = peers(&addresses);
    let two = member(listeners.pop().unwrap(), &peers, "n2", 22);
    let one = Cluster::parse(&peers, "n1").unwrap();
    let meta = AppliedState {
        format: 1,
        applied_index: 9,
        applied_term: 3,
        conf_state: Some(ConfState::default()),
        cluster_id: one.id().0,
        ..AppliedState::default()
    };
    let (key, meta) = (b"current", meta.encode_to_vec());
    let sizes = [key.len(), meta.len()].map(|size| u32::try_from(size).unwrap().to_be_bytes());
    let rows: bytes::Bytes = [&[2], &sizes[0][..], &sizes[1][..], key, &meta].concat().into();
    let first = SnapshotChunk { number: 0, crc: crc32c::crc32c(&rows), rows, last: false };
    let end = SnapshotChunk { number: 1, crc: first.crc, last: true, ..SnapshotChunk::default() };
    let whole = [first.clone(), end.clone()];
    let hello =
        Hello { cluster_id: one.id().0, member_id: one.me().0, protocol: 1, ..Hello::default() };
    let snapshot = Snapshot { index: 9, term: 3, conf_state: Some(ConfState::default()) };
    let head =
        SnapshotHead { hello: Some(hello.clone()), to: two.id().0, snapshot: Some(snapshot) };
    let with = |hello| SnapshotHead { hello: Some(hello), ..head.clone() };
    let elsewhere = SnapshotHead { to: one.me().0, ..head.clone() };
    for (head, chunks, refused) in [
        (head.clone(), &whole[..1], "a snapshot ended before its last chunk"),
        (head.clone(), &whole[1..], "it is not the next one"),
        (elsewhere, &whole, "the snapshot is for"),
        (with(Hello { cluster_id: 1, ..hello.clone() }), &whole, "it belongs to cluster"),
        (with(Hello { member_id: 1, ..hello }), &whole, "is not in this cluster"),
        (SnapshotHead::default(), &whole, "a snapshot begins with a head"),
    ] {
        let said = send(&two, head, chunks).await.unwrap_err();
        assert!(said.contains(refused), "{said}");
    }
    send(&two, head.clone(), &whole).await.unwrap();
    assert!(two.dir.path().join("state.staged").exists());
    // It is in the inbox, and nothing else is staged until it was taken up or dropped.
    let said = send(&two, head.clone(), &whole).await.unwrap_err();
    assert_eq!(said, "another snapshot is staged there");
    two.hear("snapshot 9").await;
    send(&two, head, &whole).await.unwrap();
}
