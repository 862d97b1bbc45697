//! A member whose directory is an older copy of itself: what it answers to its clients is about their own requests, and it
//! helps nobody to forget what it acknowledged.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use mini_etcd_proto::etcdserverpb::{PutRequest, RangeRequest, StatusRequest};
use mini_etcd_tests::cluster::{Cluster, Flavor, connect_lazily};
use mini_etcd_tests::page;
use mini_etcd_tests::process::copy_directory;
use mini_etcd_tests::wait::eventually;
use rustix::process::Signal;

/// Writes through the member between the copy and its return.
const FORGOTTEN: usize = 400;

/// Writes of each client after the return.
const WRITES: usize = 25;

/// Clients that write at one time after the return.
const CLIENTS: usize = 16;

/// Time for anything to happen.
const DEADLINE: Duration = Duration::from_secs(30);

/// Puts, and says at which revision the answer claims that it happened.
async fn put(address: &str, key: String) -> anyhow::Result<i64> {
    let mut kv = KvClient::new(connect_lazily(address)?);
    let put = PutRequest { key: key.into(), value: "v".into(), ..PutRequest::default() };
    Ok(kv.put(put).await?.into_inner().header.context("a header")?.revision)
}

/// Writes some keys of a client's own. A put that failed may still happen, so each try has another key.
async fn writes(address: &str, client: usize) -> anyhow::Result<Vec<(String, i64)>> {
    let mut told = Vec::new();
    for number in 0..WRITES {
        let mut tries = 0;
        let put = eventually("a put", DEADLINE, || {
            tries += 1;
            let key = format!("new/{client}/{number}/{tries}");
            async move { Ok((key.clone(), put(address, key).await?)) }
        });
        told.push(put.await?);
    }
    Ok(told)
}

/// Waits until every client waits for an answer.
async fn all_wait(address: &str) -> anyhow::Result<()> {
    eventually("puts that wait", DEADLINE, || async {
        let page = page::get(address, "/metrics").await?;
        let mut lines = page.lines();
        let pending = lines.find_map(|line| line.strip_prefix("etcd_server_proposals_pending "));
        let pending: usize = pending.context("the metric")?.parse()?;
        ensure!(pending >= CLIENTS, "{pending} wait");
        Ok(())
    })
    .await
}

/// Goal: no put is acknowledged with the revision of another. Method: a member is copied while it is stopped, serves
/// writes, and is put back as it was in the copy. Its clients wait for their puts when the others start and it learns from
/// them the commands that it had forwarded and forgotten: each put must have happened where its answer says.
#[tokio::test]
async fn no_put_is_acknowledged_with_anothers_revision_after_an_older_copy_came_back()
-> anyhow::Result<()> {
    let mut cluster = Cluster::start(Flavor::Mini, 3).await?;
    let member = (cluster.leader().await? + 1) % 3;
    let (data, address) = (cluster.member(member)?.data.clone(), cluster.addresses());
    let address = address.get(member).context("its address")?.as_str();
    let aside = cluster.dir().join("copy");
    cluster.signal(member, Signal::TERM)?;
    cluster.wait_exit(member, DEADLINE)?;
    copy_directory(&data, &aside)?;
    cluster.restart(member)?;
    cluster.wait_ready().await?;
    for number in 0..FORGOTTEN {
        put(address, format!("forgotten/{number}")).await?;
    }
    for index in 0..3 {
        cluster.kill(index)?;
    }
    std::fs::remove_dir_all(&data)?;
    copy_directory(&aside, &data)?;
    cluster.restart(member)?;
    let others = async {
        all_wait(address).await?;
        cluster.restart((member + 1) % 3)?;
        cluster.restart((member + 2) % 3)
    };
    let clients = try_join_all((0..CLIENTS).map(|client| writes(address, client)));
    let ((), told) = futures::try_join!(others, clients)?;
    let mut kv = KvClient::new(connect_lazily(address)?);
    for (key, revision) in told.into_iter().flatten() {
        let range = RangeRequest { key: key.clone().into(), ..RangeRequest::default() };
        let found = kv.range(range).await?.into_inner().kvs;
        let written = found.first().with_context(|| format!("{key} is not there"))?.mod_revision;
        ensure!(written == revision, "{key} was written at {written}, the answer said {revision}");
    }
    Ok(())
}

/// Writes that the rolled-back member acknowledged and has not any more.
const LOST: usize = 500;

/// A cluster of three: who leads, who does not hear of the writes, and who acknowledges them and forgets.
struct Three {
    cluster: Cluster,
    leader: usize,
    absent: usize,
    forgetful: usize,
    copy: PathBuf,
}

impl Three {
    /// Starts them, and copies the directory of the forgetful one while it is stopped.
    async fn start() -> anyhow::Result<Self> {
        let mut cluster = Cluster::start(Flavor::Mini, 3).await?;
        let forgetful = (cluster.leader().await? + 1) % 3;
        let copy = cluster.dir().join("copy");
        cluster.signal(forgetful, Signal::TERM)?;
        cluster.wait_exit(forgetful, DEADLINE)?;
        copy_directory(&cluster.member(forgetful)?.data, &copy)?;
        cluster.restart(forgetful)?;
        cluster.wait_ready().await?;
        let leader = cluster.leader().await?;
        ensure!(leader != forgetful, "a member that was restarted leads");
        let absent = 3 - leader - forgetful;
        Ok(Self { cluster, leader, absent, forgetful, copy })
    }

    /// Writes through the leader.
    async fn write(&self) -> anyhow::Result<Vec<(String, i64)>> {
        let address = &self.cluster.member(self.leader)?.address;
        let mut written = Vec::new();
        for number in 0..LOST {
            let key = format!("lost/{number}");
            written.push((key.clone(), put(address, key).await?));
        }
        Ok(written)
    }

    /// Kills the forgetful member and puts its directory back. Without its origin it cannot see that it is a copy, as where an
    /// image of a whole file system was put back.
    fn roll_back(&mut self, with_origin: bool) -> anyhow::Result<()> {
        self.cluster.kill(self.forgetful)?;
        let data = &self.cluster.member(self.forgetful)?.data;
        std::fs::remove_dir_all(data)?;
        copy_directory(&self.copy, data)?;
        if !with_origin {
            std::fs::remove_file(data.join("origin"))?;
        }
        Ok(())
    }

    fn name(&self, index: usize) -> anyhow::Result<&str> {
        Ok(&self.cluster.member(index)?.name)
    }

    /// Waits until a member says all of `words` in its readiness and its status.
    async fn says(&self, index: usize, words: &[&str]) -> anyhow::Result<()> {
        let address = &self.cluster.member(index)?.address;
        let client = MaintenanceClient::new(self.cluster.channel(index)?);
        let what = format!("{} says {words:?}", self.name(index)?);
        eventually(&what, DEADLINE, || {
            let mut client = client.clone();
            async move {
                let status = client.status(StatusRequest {}).await?.into_inner();
                let errors = status.errors.join("; ");
                let page = page::answer(address, "/readyz").await?;
                ensure!(page.starts_with("HTTP/1.1 503"), "{page}");
                for word in words {
                    ensure!(page.contains(word) && errors.contains(word), "{page}; {errors}");
                }
                Ok(())
            }
        })
        .await
    }

    async fn metric(&self, index: usize) -> anyhow::Result<String> {
        let page = page::get(&self.cluster.member(index)?.address, "/metrics").await?;
        let value = page.lines().find_map(|line| line.strip_prefix("mini_etcd_in_doubt "));
        Ok(value.context("the metric")?.to_owned())
    }

    /// Everything is where its answer said, on each member, and nobody is in doubt.
    async fn nothing_is_lost(&self, written: &[(String, i64)]) -> anyhow::Result<()> {
        for index in 0..3 {
            eventually("nobody is in doubt", DEADLINE, || async {
                let ready = page::answer(&self.cluster.member(index)?.address, "/readyz").await?;
                ensure!(ready.starts_with("HTTP/1.1 200"), "{ready}");
                let value = self.metric(index).await?;
                ensure!(value == "0", "mini_etcd_in_doubt {value}");
                Ok(())
            })
            .await?;
            let mut kv = KvClient::new(self.cluster.channel(index)?);
            let (key, range_end) = ("lost/".into(), "lost0".into());
            let range = RangeRequest { key, range_end, ..RangeRequest::default() };
            let found = kv.range(range).await?.into_inner().kvs;
            for (key, revision) in written {
                let kv = found.iter().find(|kv| *kv.key == *key.as_bytes());
                let kv = kv.with_context(|| format!("{key} is lost"))?;
                ensure!(kv.mod_revision == *revision, "{key} is at {}", kv.mod_revision);
            }
        }
        Ok(())
    }
}

/// Goal: what a member acknowledged and forgot is not lost. Method: one of three hears nothing of 500 writes, the leader is
/// killed, and the third comes back as it was before them. The two may not elect a leader: they say why and whom to start.
#[tokio::test]
async fn two_members_that_lack_what_one_acknowledged_wait_for_the_third() -> anyhow::Result<()> {
    let mut three = Three::start().await?;
    three.cluster.signal(three.absent, Signal::STOP)?;
    let written = three.write().await?;
    three.cluster.kill(three.leader)?;
    three.roll_back(true)?;
    three.cluster.restart(three.forgetful)?;
    three.cluster.signal(three.absent, Signal::CONT)?;
    let start = format!("start {}", three.name(three.leader)?);
    let forgetful = three.name(three.forgetful)?.to_owned();
    three.says(three.forgetful, &["IN DOUBT", "copy", &start]).await?;
    // It stood for election, or it would not know.
    three.says(three.absent, &["NO LEADER", &format!("in doubt: {forgetful}"), &start]).await?;
    ensure!(three.metric(three.forgetful).await? == "1");
    three.cluster.restart(three.leader)?;
    three.cluster.wait_ready().await?;
    three.nothing_is_lost(&written).await?;
    // It is where it belongs from now on.
    three.cluster.kill(three.forgetful)?;
    three.cluster.kill(three.absent)?;
    three.cluster.restart(three.forgetful)?;
    three.cluster.wait_ready().await?;
    three.cluster.restart(three.absent)?;
    three.nothing_is_lost(&written).await
}

/// Goal: a member that was rolled back is caught up by the leader that is there, whether it knows of its rollback or learns of
/// it by the leader's memory. Method: the leader is not started anew, and leads on.
#[tokio::test]
async fn a_leader_catches_up_a_member_that_was_rolled_back() -> anyhow::Result<()> {
    for with_origin in [true, false] {
        let mut three = Three::start().await?;
        let written = three.write().await?;
        three.roll_back(with_origin)?;
        three.cluster.restart(three.forgetful)?;
        three.nothing_is_lost(&written).await?;
        ensure!(three.cluster.leader().await? == three.leader, "another leads");
        let told = three.cluster.member(three.forgetful)?.errors();
        let why = if with_origin { "this directory is a copy" } else { "as a peer remembers" };
        ensure!(told.contains(why), "{told}");
    }
    Ok(())
}

/// Goal: what a member acknowledged is remembered over the restart of the leader that knows it. Method: a rollback that the
/// member itself cannot see, and the leader is killed at once after the last write.
#[tokio::test]
async fn a_leader_remembers_over_its_own_restart_what_a_member_acknowledged() -> anyhow::Result<()>
{
    let mut three = Three::start().await?;
    three.cluster.kill(three.absent)?;
    let written = three.write().await?;
    three.cluster.kill(three.leader)?;
    three.roll_back(false)?;
    three.cluster.restart(three.forgetful)?;
    three.cluster.restart(three.leader)?;
    let start = format!("start {}", three.name(three.absent)?);
    three.says(three.forgetful, &["IN DOUBT", "acknowledged up to index", &start]).await?;
    three.cluster.restart(three.absent)?;
    three.cluster.wait_ready().await?;
    three.nothing_is_lost(&written).await
}

/// Goal: a member that has committed what its cluster has not serves nobody. Method: a rollback that nobody can see, for the one
/// who remembers is down; it comes back when the two others have gone on without the writes.
#[tokio::test]
async fn a_member_with_committed_entries_that_the_cluster_lacks_ends() -> anyhow::Result<()> {
    let mut three = Three::start().await?;
    // What the absent one remembers is in the copy.
    three.cluster.signal(three.forgetful, Signal::TERM)?;
    three.cluster.wait_exit(three.forgetful, DEADLINE)?;
    std::fs::remove_dir_all(&three.copy)?;
    copy_directory(&three.cluster.member(three.forgetful)?.data, &three.copy)?;
    three.cluster.kill(three.absent)?;
    three.cluster.restart(three.forgetful)?;
    three.cluster.wait_ready().await?;
    three.leader = three.cluster.leader().await?;
    ensure!(three.leader != three.forgetful, "a member that was restarted leads");
    three.write().await?;
    three.cluster.kill(three.leader)?;
    three.roll_back(false)?;
    three.cluster.restart(three.forgetful)?;
    three.cluster.restart(three.absent)?;
    three.cluster.wait_ready().await?;
    three.cluster.restart(three.leader)?;
    let status = three.cluster.wait_exit(three.leader, DEADLINE)?;
    let told = three.cluster.member(three.leader)?.errors();
    ensure!(status.code() == Some(74), "{status}: {told}");
    ensure!(told.contains("keep this directory: it has what they lost"), "{told}");
    Ok(())
}
