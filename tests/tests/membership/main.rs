//! A cluster of processes that grows, loses and replaces members, and shrinks, under writes.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test may say what it expects")]

mod alone;
mod birth;
mod replace;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use mini_etcd_proto::etcdserverpb::cluster_client::ClusterClient;
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::{
    Member, MemberAddRequest, MemberListRequest, MemberPromoteRequest, MemberRemoveRequest,
    PutRequest, RangeRequest,
};
use mini_etcd_tests::cluster::{Cluster, Flavor, connect_lazily};
use mini_etcd_tests::wait::eventually;
use tonic::Code;

/// Time for anything to happen.
const DEADLINE: Duration = Duration::from_secs(60);

/// Exit codes.
const LOG_MISSING: i32 = 71;
const REMOVED: i32 = 73;

/// Puts numbered keys, one after another, at whichever of the members answers, until it is stopped.
struct Writer {
    addresses: Arc<Mutex<Vec<String>>>,
    acknowledged: Arc<Mutex<BTreeMap<usize, i64>>>,
    stop: Arc<AtomicBool>,
    /// It has nobody to ask, and no write under way.
    rests: Arc<AtomicBool>,
    /// Of its own, for the test waits for processes.
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    fn start(cluster: &Cluster) -> Self {
        let addresses = Arc::new(Mutex::new(cluster.addresses()));
        let acknowledged = Arc::<Mutex<BTreeMap<usize, i64>>>::default();
        let [stop, is_at_rest] = [(); 2].map(|()| Arc::<AtomicBool>::default());
        let (at, done, stopped) = (addresses.clone(), acknowledged.clone(), stop.clone());
        let rests = is_at_rest.clone();
        let puts = async move {
            let mut number = 0;
            while !stopped.load(Ordering::SeqCst) {
                let all = at.lock().expect("addresses").clone();
                rests.store(all.is_empty(), Ordering::SeqCst);
                if all.is_empty() {
                    tokio::task::yield_now().await;
                    continue;
                }
                number += 1;
                let address = &all[number % all.len()];
                let Ok(channel) = connect_lazily(address) else { continue };
                let key = format!("w/{number:08}");
                let put = PutRequest { key: key.into(), ..PutRequest::default() };
                // What became of one that fails is not known, and nobody was told that it is there.
                let put = KvClient::new(channel).put(put).await;
                if let Some(header) = put.ok().and_then(|put| put.into_inner().header) {
                    done.lock().expect("acknowledged").insert(number, header.revision);
                }
            }
        };
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(puts);
        });
        Self { addresses, acknowledged, stop, rests: is_at_rest, thread: Some(thread) }
    }

    /// From now on these members are asked.
    fn ask(&self, cluster: &Cluster, members: &[usize]) {
        let all = cluster.addresses();
        *self.addresses.lock().expect("addresses") =
            members.iter().map(|index| all[*index].clone()).collect();
    }

    /// Nobody is asked until somebody is again, and no write is under way.
    async fn rest(&self, cluster: &Cluster) -> anyhow::Result<()> {
        self.ask(cluster, &[]);
        eventually("a writer that rests", DEADLINE, || async {
            ensure!(self.rests.load(Ordering::SeqCst));
            Ok(())
        })
        .await
    }

    fn count(&self) -> usize {
        self.acknowledged.lock().expect("acknowledged").len()
    }

    /// Waits until some more writes were acknowledged.
    async fn goes_on(&self) -> anyhow::Result<()> {
        let before = self.count();
        eventually("writes that go on", DEADLINE, || async {
            ensure!(self.count() > before + 20, "{} writes after {before}", self.count());
            Ok(())
        })
        .await
    }

    /// Ends it; every acknowledged write is at the member, at its revision.
    async fn check(mut self, cluster: &Cluster, index: usize) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.take().map(JoinHandle::join).transpose().expect("it ends");
        let mut kv = KvClient::new(cluster.channel(index)?);
        let range = RangeRequest {
            key: "w/".into(),
            range_end: "w0".into(),
            keys_only: true,
            ..RangeRequest::default()
        };
        let found = kv.range(range).await?.into_inner().kvs;
        let found: BTreeMap<_, _> = found.into_iter().map(|kv| (kv.key, kv.mod_revision)).collect();
        let acknowledged = self.acknowledged.lock().expect("acknowledged");
        for (number, revision) in acknowledged.iter() {
            let key = bytes::Bytes::from(format!("w/{number:08}"));
            ensure!(found.get(&key) == Some(revision), "{key:?} was acknowledged at {revision}");
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

fn client(
    cluster: &Cluster,
    index: usize,
) -> anyhow::Result<ClusterClient<tonic::transport::Channel>> {
    Ok(ClusterClient::new(cluster.channel(index)?))
}

async fn members(cluster: &Cluster, through: usize) -> anyhow::Result<Vec<Member>> {
    eventually("a list of members", DEADLINE, || async {
        let request = MemberListRequest { linearizable: true };
        Ok(client(cluster, through)?.member_list(request).await?.into_inner().members)
    })
    .await
}

/// The id of a member, by its address.
async fn id_of(cluster: &Cluster, through: usize, index: usize) -> anyhow::Result<u64> {
    let url = format!("http://{}", cluster.member(index)?.address);
    let members = members(cluster, through).await?;
    let found = members.iter().find(|member| member.peer_ur_ls.contains(&url));
    found.map(|member| member.id).with_context(|| format!("no member at {url}: {members:?}"))
}

/// Adds a member as a learner, starts it, and promotes it once it has caught up.
async fn grow(cluster: &mut Cluster, through: usize) -> anyhow::Result<usize> {
    let index = cluster.add(through)?;
    let peer_ur_ls = vec![format!("http://{}", cluster.member(index)?.address)];
    let add = MemberAddRequest { peer_ur_ls, is_learner: true };
    let added = eventually("a learner", DEADLINE, || async {
        Ok(client(cluster, through)?.member_add(add.clone()).await?.into_inner())
    });
    let added = added.await?;
    let id = added.member.context("the added member")?.id;
    cluster.restart(index)?;
    let promoted = eventually("a promotion", DEADLINE, || async {
        let request = MemberPromoteRequest { id };
        Ok(client(cluster, through)?.member_promote(request).await?.into_inner())
    });
    let promoted = promoted.await.with_context(|| format!("{:?}", cluster.member(index)))?;
    let member = promoted.members.iter().find(|member| member.id == id);
    ensure!(member.is_some_and(|member| !member.is_learner), "{promoted:?}");
    Ok(index)
}

/// Removes a member, and waits for its end.
async fn remove(cluster: &mut Cluster, through: usize, index: usize) -> anyhow::Result<()> {
    let id = id_of(cluster, through, index).await?;
    let removed = eventually("a removal", DEADLINE, || async {
        match client(cluster, through)?.member_remove(MemberRemoveRequest { id }).await {
            // It may have been removed by the try before.
            Err(status) if status.code() == Code::NotFound => Ok(()),
            other => other.map(drop).context("remove"),
        }
    });
    removed.await?;
    ended_removed(cluster, index)
}

fn ended_removed(cluster: &mut Cluster, index: usize) -> anyhow::Result<()> {
    let ended = cluster.wait_exit(index, DEADLINE)?;
    let said = cluster.member(index)?.errors();
    ensure!(ended.code() == Some(REMOVED), "{ended}: {said}");
    ensure!(said.contains("delete its directory"), "{said}");
    cluster.forget(index)
}

/// Goal: a cluster changes all of its members and nothing that was acknowledged is lost. Method: one member grows to three
/// under writes; members are killed; the leader is removed; a member loses its disk, is refused, and is replaced; two are
/// removed again; the last one has every write.
#[tokio::test]
async fn a_cluster_of_one_grows_replaces_members_and_shrinks_without_losing_a_write()
-> anyhow::Result<()> {
    let mut cluster = Cluster::start(Flavor::Mini, 1).await?;
    let writer = Writer::start(&cluster);
    let second = grow(&mut cluster, 0).await?;
    let third = grow(&mut cluster, 0).await?;
    writer.ask(&cluster, &[0, second, third]);
    writer.goes_on().await?;
    for index in [third, 0, second] {
        cluster.kill(index)?;
        cluster.restart(index)?;
        cluster.wait_ready().await?;
    }
    writer.goes_on().await?;

    // The leader is removed: leadership moves on.
    let leader = cluster.leader().await?;
    let [one, other]: [usize; 2] =
        [0, second, third].into_iter().filter(|it| *it != leader).collect::<Vec<_>>()[..]
            .try_into()?;
    writer.ask(&cluster, &[one, other]);
    remove(&mut cluster, other, leader).await?;
    writer.goes_on().await?;
    cluster.restart(leader)?;
    ended_removed(&mut cluster, leader).context("it comes back with its data")?;

    // A member loses its disk: it is refused, and a new one takes its place.
    let fourth = grow(&mut cluster, one).await?;
    writer.ask(&cluster, &[one, other]);
    cluster.kill(fourth)?;
    std::fs::remove_dir_all(&cluster.member(fourth)?.data)?;
    cluster.restart(fourth)?;
    let ended = cluster.wait_exit(fourth, DEADLINE)?;
    let said = cluster.member(fourth)?.errors();
    ensure!(ended.code() == Some(LOG_MISSING), "{ended}: {said}");
    cluster.forget(fourth)?;
    let id = id_of(&cluster, one, fourth).await?;
    client(&cluster, one)?.member_remove(MemberRemoveRequest { id }).await?;
    let fifth = grow(&mut cluster, one).await?;
    writer.ask(&cluster, &[one, other, fifth]);
    writer.goes_on().await?;

    // Back to one, which leads alone.
    cluster.kill(other)?;
    cluster.restart(other)?;
    writer.ask(&cluster, &[fifth]);
    remove(&mut cluster, fifth, one).await?;
    remove(&mut cluster, fifth, other).await?;
    writer.goes_on().await?;
    ensure!(members(&cluster, fifth).await?.len() == 1);
    writer.check(&cluster, fifth).await
}

/// Goal: names that nobody knows mean this machine for one that joins too, as for those that it asks. Method: the member to ask
/// is given by such a name.
#[tokio::test]
async fn names_that_do_not_resolve_are_joined_by_on_this_machine() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(Flavor::Mini, 1).await?;
    let new = cluster.add(0)?;
    let address = cluster.member(0)?.address.clone();
    let port = address.rsplit(':').next().context("a port")?;
    cluster.flag(new, &format!("--join={address}"), false)?;
    cluster.flag(new, &format!("--join=no-such-host.invalid:1,n1.invalid:{port}"), true)?;
    let peer_ur_ls = vec![format!("http://{}", cluster.member(new)?.address)];
    client(&cluster, 0)?.member_add(MemberAddRequest { peer_ur_ls, is_learner: true }).await?;
    cluster.restart(new)?;
    eventually("a member that joined", DEADLINE, || async {
        let listed = members(&cluster, 0).await?;
        ensure!(listed.iter().any(|member| member.name == "n2"), "{listed:?}");
        Ok(())
    })
    .await
}

/// Goal: what may not be is refused with etcd's code and words, by the leader and by a follower. Method: each refusal through
/// both.
#[tokio::test]
async fn changes_that_may_not_be_are_refused_in_etcds_words() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(Flavor::Mini, 3).await?;
    let leader = cluster.leader().await?;
    let follower = (leader + 1) % 3;
    let add =
        |url: &str, is_learner| MemberAddRequest { peer_ur_ls: vec![url.to_owned()], is_learner };
    let voter = id_of(&cluster, leader, follower).await?;
    let taken = format!("http://{}", cluster.member(follower)?.address);
    for through in [leader, follower] {
        let mut client = client(&cluster, through)?;
        let mut refused = Vec::new();
        refused.push(client.member_add(add("localhost", false)).await.unwrap_err());
        refused.push(client.member_add(add(&taken, true)).await.unwrap_err());
        refused.push(client.member_remove(MemberRemoveRequest { id: 7 }).await.unwrap_err());
        refused.push(client.member_promote(MemberPromoteRequest { id: 7 }).await.unwrap_err());
        refused.push(client.member_promote(MemberPromoteRequest { id: voter }).await.unwrap_err());
        let told: Vec<_> = refused.iter().map(|status| (status.code(), status.message())).collect();
        let wanted = [
            (Code::InvalidArgument, "etcdserver: given member URLs are invalid"),
            (Code::FailedPrecondition, "etcdserver: Peer URLs already exists"),
            (Code::NotFound, "etcdserver: member not found"),
            (Code::NotFound, "etcdserver: member not found"),
            (Code::FailedPrecondition, "etcdserver: can only promote a learner member"),
        ];
        assert_eq!(told, wanted);
    }
    let mut client = client(&cluster, leader)?;
    let added = client.member_add(add("http://127.0.0.1:9", true)).await?.into_inner();
    let learner = added.member.context("the added member")?.id;
    let refused = client.member_add(add("http://127.0.0.1:10", true)).await.unwrap_err();
    assert_eq!(refused.message(), "etcdserver: too many learner members in cluster");
    let refused = client.member_promote(MemberPromoteRequest { id: learner }).await.unwrap_err();
    let lags = "etcdserver: can only promote a learner member which is in sync with leader";
    assert_eq!(refused.message(), lags);
    client.member_remove(MemberRemoveRequest { id: learner }).await?;
    // One member of three is gone: nobody may be added or lost.
    cluster.kill(follower)?;
    let refused = eventually("a refusal", DEADLINE, || async {
        let other = cluster.leader().await?;
        let mut client = ClusterClient::new(cluster.channel(other)?);
        match client.member_add(add("http://127.0.0.1:11", true)).await {
            Err(status) if status.message() == "etcdserver: unhealthy cluster" => Ok(status),
            Err(status) => Err(status.into()),
            Ok(added) => {
                let id = added.into_inner().member.context("the added member")?.id;
                client.member_remove(MemberRemoveRequest { id }).await?;
                anyhow::bail!("the leader has not missed it yet")
            }
        }
    });
    assert_eq!(refused.await?.code(), Code::Unavailable);
    Ok(())
}
