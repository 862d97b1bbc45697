//! The client's promises, on a real etcd whose process is killed.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use mini_etcd_proto::etcdserverpb::{PutRequest, RangeRequest, WatchCreateRequest};
use mini_etcd_shared::client::{Client, ClientConfig, Endpoint, Outcome, WatchItem, WatchStream};
use mini_etcd_tests::cluster::{Cluster, Flavor};

/// Longest time for one step of a watch.
const STEP: Duration = Duration::from_secs(30);

fn client(cluster: &Cluster, timeout: Duration) -> anyhow::Result<Client> {
    let mut config = ClientConfig::new(Endpoint::parse_list(&cluster.addresses().join(","))?);
    config.command_timeout = Some(timeout);
    Ok(Client::new(config)?)
}

fn put(number: usize) -> PutRequest {
    let value = number.to_string().into();
    PutRequest { key: "watched".into(), value, ..PutRequest::default() }
}

/// The next thing that a watch says.
async fn step(watch: &mut WatchStream) -> anyhow::Result<WatchItem> {
    tokio::time::timeout(STEP, watch.next())
        .await
        .context("a watch fell silent")?
        .context("a watch ended")
}

/// Values that a watch delivers until `last`, and how often it lost its connection.
async fn until(watch: &mut WatchStream, last: usize) -> anyhow::Result<(Vec<String>, usize)> {
    let (mut seen, mut losses) = (Vec::new(), 0);
    loop {
        match step(watch).await? {
            WatchItem::Events(response) => {
                let values = response.events.iter().filter_map(|event| event.kv.as_ref());
                seen.extend(values.map(|kv| String::from_utf8_lossy(&kv.value).into_owned()));
            }
            WatchItem::Lost { .. } => losses += 1,
            WatchItem::Created { .. } | WatchItem::Progress(_) => {}
            other => bail!("{other:?}"),
        }
        if seen.last() == Some(&last.to_string()) {
            return Ok((seen, losses));
        }
    }
}

/// Goal: I3 of the client. Method: its member is killed and comes back in the middle of a series of writes.
#[tokio::test]
async fn a_watch_goes_on_by_revision_after_its_member_was_killed() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(Flavor::Etcd, 1).await?;
    let client = client(&cluster, STEP)?;
    let request = WatchCreateRequest { key: "watched".into(), ..WatchCreateRequest::default() };
    let mut watch = client.watch(request);
    ensure!(matches!(step(&mut watch).await?, WatchItem::Created { .. }));
    for number in 0..5 {
        client.put(put(number)).await.into_result()?;
    }
    let (before, lost) = until(&mut watch, 4).await?;
    ensure!(lost == 0 && before == ["0", "1", "2", "3", "4"], "{before:?}");
    cluster.kill(0)?;
    cluster.restart(0)?;
    cluster.wait_ready().await?;
    for number in 5..10 {
        client.put(put(number)).await.into_result()?;
    }
    let (after, lost) = until(&mut watch, 9).await?;
    ensure!(lost > 0, "the loss was not told");
    ensure!(after == ["5", "6", "7", "8", "9"], "{after:?}");
    Ok(())
}

/// Goal: I1 and I2. Method: a member that is gone takes nothing, so a write on it is known not to have run; as soon as
/// it is back the same call goes through.
#[tokio::test]
async fn a_write_that_reached_nobody_failed_and_one_that_waits_goes_through() -> anyhow::Result<()>
{
    let mut cluster = Cluster::start(Flavor::Etcd, 1).await?;
    let hasty = client(&cluster, Duration::from_millis(200))?;
    let patient = client(&cluster, STEP)?;
    hasty.put(put(1)).await.into_result()?;
    cluster.kill(0)?;
    // The connection may break under the first call: then it is open whether it ran.
    let _ = hasty.put(put(2)).await;
    let gone = hasty.put(put(3)).await;
    ensure!(matches!(&gone, Outcome::Failed(error) if error.did_not_run()), "{gone:?}");
    let waiting = tokio::spawn(async move { patient.put(put(4)).await });
    cluster.restart(0)?;
    waiting.await?.into_result()?;
    let read = hasty_read(&cluster).await?;
    ensure!(read == "4", "{read}");
    Ok(())
}

async fn hasty_read(cluster: &Cluster) -> anyhow::Result<String> {
    let request = RangeRequest { key: "watched".into(), ..RangeRequest::default() };
    let response = client(cluster, STEP)?.range(request).await.into_result()?;
    let kv = response.kvs.first().context("a key")?;
    Ok(String::from_utf8_lossy(&kv.value).into_owned())
}

/// Goal: I3 where the server says that it is further than it is. Method: etcd 3.5.1 answers a request for progress with
/// the revision of its store, also in the middle of catching up; a watch that begins in the past asks again and again.
#[tokio::test]
async fn progress_that_runs_ahead_of_a_watch_that_catches_up_drops_nothing() -> anyhow::Result<()> {
    const WRITES: usize = 3000;
    let cluster = Cluster::start(Flavor::Etcd, 1).await?;
    let client = client(&cluster, STEP)?;
    for turn in (0..WRITES).collect::<Vec<_>>().chunks(100) {
        let writes = turn.iter().map(|number| client.put(put(*number)));
        for written in futures::future::join_all(writes).await {
            written.into_result()?;
        }
    }
    let request = WatchCreateRequest {
        key: "watched".into(),
        start_revision: 1,
        ..WatchCreateRequest::default()
    };
    let mut watch = client.watch(request);
    let (mut seen, mut ahead) = (Vec::new(), false);
    while seen.len() < WRITES {
        match step(&mut watch).await? {
            WatchItem::Events(response) => {
                let revisions = response.events.iter().filter_map(|event| event.kv.as_ref());
                seen.extend(revisions.map(|kv| kv.mod_revision));
            }
            WatchItem::Progress(_) => ahead |= seen.len() < WRITES,
            WatchItem::Created { .. } => {}
            other => bail!("{other:?}"),
        }
        if let Some(requester) = watch.requester().filter(|_| !ahead) {
            requester.try_progress();
        }
    }
    ensure!(ahead, "etcd 3.5.1 did not run ahead: the test shows nothing");
    ensure!(seen.windows(2).all(|pair| pair[0] < pair[1]), "out of order");
    Ok(())
}
