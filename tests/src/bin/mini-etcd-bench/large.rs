//! Many keys: how fast they are written, the memory they take, ranges of them, and a start after SIGKILL.

use std::time::{Duration, Instant};

use anyhow::ensure;
use mini_etcd_proto::etcdserverpb::RangeRequest;
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_tests::load::{Kind, Load, RANGE_KEYS, fill, run};
use mini_etcd_tests::usage::kilobytes;
use mini_etcd_tests::wait::eventually;

use super::rounds;
use super::side::{Program, Side};
use super::table::{Row, Table};
use super::{Arguments, What};

/// Looks in a row at which memory has not fallen after which it has settled: what is freed is given back, and what is buffered is
/// written. About three seconds.
const SETTLED_LOOKS: u32 = 150;

/// Longest that a member may take to settle or to answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// Adds the rows that are asked for.
pub async fn measure(
    arguments: &Arguments,
    programs: &[Program],
    table: &mut Table,
) -> anyhow::Result<()> {
    for (what, scattered) in [(What::Ordered, false), (What::Scattered, true)] {
        if arguments.rows.contains(&what) {
            measure_keys(arguments, programs, table, scattered).await?;
        }
    }
    Ok(())
}

async fn measure_keys(
    arguments: &Arguments,
    programs: &[Program],
    table: &mut Table,
    scattered: bool,
) -> anyhow::Result<()> {
    let mut sides = Side::start_all(programs, 1).await?;
    let load = |kind, clients| Load {
        keys: arguments.many_keys,
        scattered,
        ..arguments.load(kind, clients)
    };
    let filling = load(Kind::Put, 64);
    let mut seconds = Vec::new();
    for side in &sides {
        seconds.push(timed(fill(&side.cluster.member(0)?.address, &filling)).await?);
    }
    let order = if scattered { "in scattered order" } else { "in order" };
    let keys = format!("{} keys {order}", arguments.many_keys);
    Table::figures(&format!("{keys}: time to write them, s"), &sides, &seconds, 1);
    Table::figures(&format!("{keys}: resident, MB"), &sides, &settled(&sides).await?, 0);

    let ranges = load(Kind::Range, arguments.range_clients);
    let what = format!("range of {RANGE_KEYS}, {keys}");
    let row = Row { what: &what, members: 1, clients: ranges.clients };
    let rounds = rounds::measure(arguments, &sides, async |_, side| {
        run(&ranges, &side.cluster.addresses()).await
    });
    table.rates(&row, &sides, &rounds.await?, false)?;
    if scattered {
        return Ok(());
    }

    let mut seconds = Vec::new();
    for side in &mut sides {
        side.cluster.kill(0)?;
        seconds.push(timed(ready(side)).await?);
    }
    Table::figures(&format!("{keys}: ready after SIGKILL, s"), &sides, &seconds, 2);
    Table::figures(&format!("{keys}: resident after that, MB"), &sides, &settled(&sides).await?, 0);
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "it is measured on the wall clock")]
async fn timed(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<f64> {
    let start = Instant::now();
    work.await?;
    Ok(start.elapsed().as_secs_f64())
}

/// Starts the member again and asks until it answers a linearizable read.
async fn ready(side: &mut Side) -> anyhow::Result<()> {
    side.cluster.restart(0)?;
    let channel = side.cluster.channel(0)?;
    eventually("an answer", PATIENCE, || async {
        let request = RangeRequest { key: "/bench/00000000".into(), ..RangeRequest::default() };
        KvClient::new(channel.clone()).range(request).await?;
        Ok(())
    })
    .await
}

/// What each member keeps in memory once that falls no further.
async fn settled(sides: &[Side]) -> anyhow::Result<Vec<f64>> {
    let (mut lowest, mut looks) = (vec![f64::MAX; sides.len()], 0);
    eventually("memory that has settled", PATIENCE, || {
        let now = resident(sides).map(|now| {
            let falls = now.iter().zip(&lowest).any(|(now, lowest)| now < lowest);
            looks = if falls { 0 } else { looks + 1 };
            for (lowest, now) in lowest.iter_mut().zip(&now) {
                *lowest = lowest.min(*now);
            }
            (now, looks)
        });
        async move {
            let (now, looks) = now?;
            ensure!(looks >= SETTLED_LOOKS, "it still falls");
            Ok(now)
        }
    })
    .await
}

#[expect(clippy::cast_precision_loss, reason = "megabytes are shown")]
fn resident(sides: &[Side]) -> anyhow::Result<Vec<f64>> {
    let megabytes = |side: &Side| Ok(kilobytes(side.cluster.pid(0)?, "VmRSS")? as f64 / 1000.0);
    sides.iter().map(megabytes).collect()
}
