//! What happens when rights, passwords and members change while somebody uses them.

use anyhow::{Context as _, ensure};
use mini_etcd_proto::authpb::permission::Type;
use mini_etcd_proto::etcdserverpb as pb;
use mini_etcd_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use mini_etcd_proto::etcdserverpb::watch_client::WatchClient;
use mini_etcd_proto::etcdserverpb::watch_request::RequestUnion;
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::wait::eventually;
use tokio::time::timeout;
use tonic::{Code, Streaming};

use super::DEADLINE;
use super::calls::refusal;
use super::people::{Person, settle};
use super::table::told;

const DENIED: &str = "PermissionDenied: etcdserver: permission denied";
const TOKEN: &str = "Unauthenticated: etcdserver: invalid auth token";

async fn cluster(size: usize) -> (Cluster, Vec<Person>) {
    let cluster = Cluster::start(Flavor::Mini, size).await.unwrap();
    let people = settle(&cluster.channel(0).unwrap()).await.unwrap();
    (cluster, people)
}

fn named(people: &[Person], name: &str) -> Person {
    people.iter().find(|person| person.name == name).unwrap().clone()
}

/// One watch of a range.
struct Watch {
    answers: Streaming<pb::WatchResponse>,
    /// The client's half, which stays open.
    requests: Requests,
}

impl Watch {
    async fn open(person: &Person, key: &str, range_end: &str) -> Self {
        let (send, requests) = tokio::sync::mpsc::unbounded_channel();
        let requests = futures::stream::unfold(requests, |mut requests| async {
            Some((requests.recv().await?, requests))
        });
        let mut client = WatchClient::new(person.channel.clone());
        create(&send, key, range_end, 0);
        let answers = client.watch(person.request(requests)).await.unwrap().into_inner();
        let mut watch = Self { answers, requests: send };
        let created = watch.next().await;
        assert!(created.created && !created.canceled, "{created:?}");
        watch
    }

    async fn next(&mut self) -> pb::WatchResponse {
        timeout(DEADLINE, self.answers.message()).await.expect("an answer").unwrap().unwrap()
    }
}

type Requests = tokio::sync::mpsc::UnboundedSender<pb::WatchRequest>;

/// Asks for a watch of a range, with a number.
fn create(requests: &Requests, key: &str, range_end: &str, watch_id: i64) {
    let (key, range_end) = (key.to_owned().into(), range_end.to_owned().into());
    let create = pb::WatchCreateRequest { key, range_end, watch_id, ..Default::default() };
    let request_union = Some(RequestUnion::CreateRequest(create));
    requests.send(pb::WatchRequest { request_union }).unwrap();
}

/// Etcd up to 3.5.5 answers a refusal with the number that was asked for, 0 where none was, and then takes the watch that has this
/// number for ended. Goal: a refusal touches no other watch of its stream. Method: with the number of a watch that is
/// there, once by default and once named, one is refused, and the first key of that watch is put.
#[tokio::test]
async fn a_refused_watch_silences_no_other_one_of_its_stream() {
    let (_cluster, people) = cluster(1).await;
    let owner = named(&people, "owner");
    let mut watch = Watch::open(&owner, "a", "b").await;
    create(&watch.requests, "b", "c", 5);
    let created = watch.next().await;
    assert!(created.created && !created.canceled && created.watch_id == 5, "{created:?}");
    for (number, key) in [(0, "a"), (5, "b")] {
        create(&watch.requests, "z", "", number);
        let refused = watch.next().await;
        assert!(refused.created && refused.canceled && refused.watch_id == -1, "{refused:?}");
        assert_eq!(told(refusal(&refused)), DENIED);
        owner.put(key, 0).await.unwrap();
        let answer = watch.next().await;
        assert_eq!((answer.watch_id, answer.events.len()), (number, 1), "{answer:?}");
    }
}

/// Goal: who loses a right sees nothing of what comes after. Method: one right after the other is taken from a running watch,
/// and a key is put right behind that.
#[tokio::test]
async fn a_running_watch_ends_with_the_right_to_read() {
    let (_cluster, people) = cluster(1).await;
    let (root, owner, reader) =
        (named(&people, "root"), named(&people, "owner"), named(&people, "reader"));
    let mut kept = Watch::open(&owner, "a", "c").await;
    let mut all = Watch::open(&root, "\0", "\0").await;
    let mut taken = Watch::open(&reader, "a", "c").await;
    owner.put("a", 0).await.unwrap();
    assert_eq!(taken.next().await.events.len(), 1);
    let (role, key, range_end) = ("reader".to_owned(), "b".into(), "c".into());
    let revoke = pb::AuthRoleRevokePermissionRequest { role, key, range_end };
    root.auth().role_revoke_permission(root.request(revoke)).await.unwrap();
    owner.put("b", 0).await.unwrap();
    let end = taken.next().await;
    assert_eq!((told(refusal(&end)).as_str(), end.events.len()), (DENIED, 0));
    assert_eq!(told(reader.get("a", "c").await.map(drop)), DENIED);
    let mut narrower = Watch::open(&reader, "a", "b").await;
    let delete = pb::AuthUserDeleteRequest { name: "reader".to_owned() };
    root.auth().user_delete(root.request(delete)).await.unwrap();
    owner.put("a", 0).await.unwrap();
    assert_eq!(told(refusal(&narrower.next().await)), DENIED);
    // Those of others go on.
    for watch in [&mut kept, &mut all] {
        let mut events = 0;
        while events < 3 {
            let answer = watch.next().await;
            assert!(!answer.canceled, "{answer:?}");
            events += answer.events.len();
        }
    }
}

#[tokio::test]
async fn a_watch_of_nobody_ends_when_permissions_begin_to_count() {
    let cluster = Cluster::start(Flavor::Mini, 1).await.unwrap();
    let all = Person::nobody(&cluster.channel(0).unwrap());
    let mut watch = Watch::open(&all, "\0", "\0").await;
    all.add_user("root").await.unwrap();
    all.grant_role("root", "root").await.unwrap();
    all.enable().await.unwrap();
    let root = Person::login(&all.channel, "root").await.unwrap();
    root.put("secret", 0).await.unwrap();
    let end = watch.next().await;
    assert!(end.canceled && end.events.is_empty());
    assert_eq!(told(refusal(&end)), "InvalidArgument: etcdserver: user name is empty");
}

/// Goal: a token is good on every member at once, and ends on every member. Method: it is used where it was not given out, at
/// once; then its password changes.
#[tokio::test]
async fn a_token_is_good_on_every_member_until_its_password_changes() {
    let (cluster, people) = cluster(3).await;
    let root = named(&people, "root");
    for round in 0..5 {
        for member in 0..3 {
            let given = cluster.channel(member).unwrap();
            let owner = Person::login(&given, "owner").await.unwrap();
            for other in [1, 2] {
                let there = owner.at(&cluster.channel((member + other) % 3).unwrap());
                there.put("a", 0).await.unwrap_or_else(|no| panic!("round {round}: {no}"));
                assert_eq!(there.get("a", "").await.unwrap(), 1);
            }
        }
    }
    let owner = Person::login(&cluster.channel(1).unwrap(), "owner").await.unwrap();
    let (name, password) = ("owner".to_owned(), "other".to_owned());
    let change = pb::AuthUserChangePasswordRequest { name, password, ..Default::default() };
    root.auth().user_change_password(root.request(change)).await.unwrap();
    for member in 0..3 {
        let there = owner.at(&cluster.channel(member).unwrap());
        assert_eq!(told(there.get("a", "").await.map(drop)), TOKEN);
    }
    assert!(Person::login(&owner.channel, "owner").await.is_err());
}

#[tokio::test]
async fn users_and_rights_are_there_after_a_kill_and_tokens_are_not() {
    let (mut cluster, people) = cluster(1).await;
    cluster.kill(0).unwrap();
    cluster.restart(0).unwrap();
    let channel = cluster.channel(0).unwrap();
    let owner = eventually("a login", DEADLINE, || Person::login(&channel, "owner")).await.unwrap();
    let old = named(&people, "owner").at(&channel);
    assert_eq!(told(old.get("a", "").await.map(drop)), TOKEN);
    owner.put("a", 0).await.unwrap();
    assert!(owner.get("a", "c").await.unwrap() > 1);
    assert_eq!(told(owner.put("z", 0).await.map(drop)), DENIED);
    let nobody = Person::nobody(&channel);
    let empty = "InvalidArgument: etcdserver: user name is empty";
    assert_eq!(told(nobody.put("a", 0).await.map(drop)), empty);
    let root = Person::login(&channel, "root").await.unwrap();
    assert!(root.get("\0", "\0").await.unwrap() > 5);
}

/// A full quota makes etcd 3.5 forget who may do what (etcd pull request 22386).
#[tokio::test]
async fn an_alarm_opens_nothing() {
    let (_cluster, people) = cluster(1).await;
    let (root, owner) = (named(&people, "root"), named(&people, "owner"));
    let alarm = pb::AlarmRequest { action: 1, member_id: 5, alarm: 1 };
    MaintenanceClient::new(root.channel.clone()).alarm(root.request(alarm)).await.unwrap();
    let delete = pb::DeleteRangeRequest { key: "z".into(), ..Default::default() };
    assert_eq!(told(owner.kv().delete_range(owner.request(delete)).await.map(drop)), DENIED);
    let disable = owner.request(pb::AuthDisableRequest {});
    assert_eq!(told(owner.auth().auth_disable(disable).await.map(drop)), DENIED);
    let revoke = owner.request(pb::LeaseRevokeRequest { id: 900 });
    assert_eq!(told(owner.lease().lease_revoke(revoke).await.map(drop)), DENIED);
    let delete = pb::DeleteRangeRequest { key: "a".into(), ..Default::default() };
    owner.kv().delete_range(owner.request(delete)).await.unwrap();
}

/// What members ask for themselves needs no login: the end of a lease takes its keys.
#[tokio::test]
async fn a_lease_ends_by_itself_while_permissions_count() {
    let (_cluster, people) = cluster(1).await;
    let owner = named(&people, "owner");
    let grant = pb::LeaseGrantRequest { id: 77, ttl: 2 };
    owner.lease().lease_grant(owner.request(grant)).await.unwrap();
    owner.put("a/short", 77).await.unwrap();
    eventually("the end of a lease", DEADLINE, || async {
        ensure!(owner.get("a/short", "").await.context("get")? == 0, "the key is there");
        Ok(())
    })
    .await
    .unwrap();
}

/// Goal: what is granted and taken counts at once, on every member. Method: root grants and takes at one member, and the user
/// reads and writes at another one right after.
#[tokio::test]
async fn what_is_granted_and_taken_counts_at_once_on_every_member() {
    let (cluster, people) = cluster(3).await;
    let root = named(&people, "root");
    root.add_role("late").await.unwrap();
    root.permit("late", ("l", "m"), Type::Readwrite).await.unwrap();
    for round in 0..10 {
        let there = named(&people, "without role").at(&cluster.channel(1 + round % 2).unwrap());
        root.grant_role("without role", "late").await.unwrap();
        // The member may learn of it while the request is on its way: then the client asks again, as etcd's do.
        let mut put = there.put("l", 0).await;
        while put.as_ref().is_err_and(|no| no.message().ends_with("auth store is old")) {
            put = there.put("l", 0).await;
        }
        assert_eq!(told(put.map(drop)), "ok");
        assert_eq!(there.get("l", "m").await.unwrap(), 1);
        root.revoke_role("without role", "late").await.unwrap();
        assert_eq!(told(there.get("l", "m").await.map(drop)), DENIED);
        let put = there.put("l", 0).await.unwrap_err();
        let is_refused = put.code() == Code::PermissionDenied
            || put.message() == "etcdserver: revision of auth store is old";
        assert!(is_refused, "{put}");
    }
}
