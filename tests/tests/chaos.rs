//! Members are killed while clients write and read; afterwards every answer is held against the log.
//!
//! `TEST_CHAOS_OPERATIONS` sets the number of operations, `TEST_CHAOS_SEED` the choices.

use std::time::{Duration, Instant};

use anyhow::ensure;
use mini_etcd_proto::etcdserverpb::HashKvRequest;
use mini_etcd_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use mini_etcd_tests::check::{Replay, sweep};
use mini_etcd_tests::cluster::Cluster;
use mini_etcd_tests::dump::agreed_log;
use mini_etcd_tests::history::Operation;
use mini_etcd_tests::wait::eventually;
use mini_etcd_tests::workload::{Stop, Workload};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Answered operations between two kills. Counted, and not timed: a slow machine has as many kills as a fast one.
const OPERATIONS_PER_KILL: u64 = 5_000;

/// Longest time in which no operation at all is answered.
const PROGRESS_MAX: Duration = Duration::from_secs(60);

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .map_or(default, |text| text.parse().unwrap_or_else(|e| panic!("{name}: {e}")))
}

/// Goal: no acknowledged write is lost and no answer contradicts another, whatever member dies at whatever moment.
/// Method: twelve clients on a hundred keys over three members; after every five thousand answers a random member
/// gets SIGKILL and is started again at once; then the revision sweep over all answers.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a history carries real times")]
async fn killing_random_members_loses_nothing() -> anyhow::Result<()> {
    let operations = setting("TEST_CHAOS_OPERATIONS", 20_000);
    let seed = setting("TEST_CHAOS_SEED", 1);
    let mut cluster = Cluster::start_with_whole_logs(3).await?;
    let channels = (0..3).map(|index| cluster.channel(index)).collect::<Result<Vec<_>, _>>()?;
    let workload = Workload { clients: 12, keys: 100, operations, seed };
    let (progress, clients) = workload.start(Instant::now(), &channels);

    let mut rng = StdRng::seed_from_u64(seed);
    let mut kills = 0;
    for wanted in (1..).map(|kill| kill * OPERATIONS_PER_KILL).take_while(|at| *at < operations) {
        answers(&progress, wanted).await?;
        let victim = rng.random_range(0..3);
        cluster.kill(victim)?;
        cluster.restart(victim)?;
        kills += 1;
    }
    answers(&progress, operations).await?;
    let mut history: Vec<Operation> = Vec::new();
    for client in clients {
        history.extend(client.await?);
    }

    cluster.wait_ready().await?;
    let replay = Replay::new(&agreed_log(&cluster).await?)?;
    let verdict = sweep(&history, &replay);
    println!("seed {seed}: {} operations, {kills} kills: {verdict}", history.len());
    assert!(verdict.violations.is_empty(), "seed {seed}: {verdict}");
    assert!(kills > 0, "nobody was killed: the run shows nothing, raise the number of operations");
    assert!(verdict.answered as u64 >= operations, "seed {seed}: too few answers: {verdict}");
    same_hash_everywhere(&cluster).await
}

/// Waits for so many answers. None is waited for longer than the cluster may be without a leader.
async fn answers(progress: &Stop, wanted: u64) -> anyhow::Result<()> {
    let mut seen = progress.answered();
    while seen < wanted {
        let further = eventually("an answer", PROGRESS_MAX, || async {
            let now = progress.answered();
            ensure!(now > seen || now >= wanted, "{now} answered of {wanted}");
            Ok(now)
        });
        seen = further.await?;
    }
    Ok(())
}

/// Goal: what was acknowledged survives the death of all members at once.
/// Method: clients write for a while, then all three get SIGKILL in the same moment, then all start again; thrice.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a history carries real times")]
async fn killing_all_members_at_once_loses_nothing() -> anyhow::Result<()> {
    let seed = setting("TEST_CHAOS_SEED", 1);
    let mut cluster = Cluster::start_with_whole_logs(3).await?;
    let start = Instant::now();
    let mut history: Vec<Operation> = Vec::new();
    for round in 0..3 {
        let channels = (0..3).map(|index| cluster.channel(index)).collect::<Result<Vec<_>, _>>()?;
        let workload =
            Workload { clients: 12, keys: 20, operations: 1_000_000, seed: seed + round };
        let (stop, clients) = workload.start(start, &channels);
        eventually("some writes", Duration::from_secs(60), || async {
            ensure!(stop.answered() > 1_000, "{} operations answered", stop.answered());
            Ok(())
        })
        .await?;
        for index in 0..3 {
            cluster.kill(index)?;
        }
        stop.stop();
        for client in clients {
            history.extend(client.await?);
        }
        for index in 0..3 {
            cluster.restart(index)?;
        }
        cluster.wait_ready().await?;
    }
    let verdict = sweep(&history, &Replay::new(&agreed_log(&cluster).await?)?);
    assert!(verdict.writes > 1_000, "too few writes to show anything: {verdict}");
    assert!(verdict.violations.is_empty(), "seed {seed}: {verdict}");
    same_hash_everywhere(&cluster).await
}

async fn same_hash_everywhere(cluster: &Cluster) -> anyhow::Result<()> {
    let mut first = None;
    for index in 0..cluster.size() {
        let mut client = MaintenanceClient::new(cluster.channel(index)?);
        let revision = first.map_or(0, |(_, revision)| revision);
        let answer = client.hash_kv(HashKvRequest { revision }).await?.into_inner();
        let (hash, _) = *first.get_or_insert((answer.hash, answer.hash_revision));
        ensure!(
            hash == answer.hash,
            "HashKV of member {index} at revision {} differs",
            answer.hash_revision
        );
    }
    Ok(())
}
