//! Many large answers at once: transactions of a put and some ranges over everything there is.

use std::cell::Cell;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use futures::future::join_all;
use mini_etcd_proto::etcdserverpb::request_op::Request as Op;
use mini_etcd_proto::etcdserverpb::{PutRequest, PutResponse, RangeRequest, RequestOp, TxnRequest};
use mini_etcd_tests::wire::Dial;

use crate::writers::PUT;
use crate::{Phase, Target};

const TXN: &str = "/etcdserverpb.KV/Txn";

/// How far readers may be ahead of their rate.
const EARLY_MAX: Duration = Duration::from_millis(5);

#[derive(Debug, Args)]
pub struct Arguments {
    /// Transactions at once.
    #[arg(long, default_value_t = 40)]
    writers: usize,
    /// Ranges of each.
    #[arg(long, default_value_t = 3)]
    ranges: usize,
    /// Values of each range.
    #[arg(long, default_value_t = 68)]
    values: usize,
    /// Bytes of a value.
    #[arg(long, default_value_t = 1_000_000)]
    value_bytes: usize,
    /// Megabytes that all together read in a second at the most; 0 for as many as come.
    #[arg(long, default_value_t = 0)]
    read_rate: u32,
}

/// Writes what the answers will have.
pub async fn fill(target: &Target, arguments: &Arguments) -> anyhow::Result<()> {
    let mut wire = target.dial.wire().await?;
    let method = wire.method(PUT)?;
    let value = Bytes::from(vec![b'v'; arguments.value_bytes]);
    for number in 0..arguments.values {
        let key = format!("/large/{number:08}").into();
        let put = PutRequest { key, value: value.clone(), ..PutRequest::default() };
        wire.call::<PutResponse>(&method, &put).await?;
    }
    Ok(())
}

pub async fn run(target: &Target, arguments: &Arguments) -> anyhow::Result<Vec<Phase>> {
    let load = async {
        let pace = Pace { rate: arguments.read_rate, read: Cell::new(0), begun: Instant::now() };
        let writers = (0..arguments.writers).map(|_| one(&target.dial, arguments, &pace));
        let answers = join_all(writers).await;
        let bytes: u64 = answers.iter().flatten().sum();
        let number = answers.iter().flatten().count();
        let mut said =
            vec![format!("{number} of {} answered, {} MB", answers.len(), bytes / 1_000_000)];
        let refused = answers.iter().filter_map(|answer| answer.as_ref().err());
        said.extend(refused.take(2).map(|error| format!("refused: {error:.200}")));
        Ok(said)
    };
    Ok(vec![Phase::run("meanwhile", target, load).await?])
}

/// One transaction. Answers the bytes that came.
async fn one(dial: &Dial, arguments: &Arguments, pace: &Pace) -> anyhow::Result<u64> {
    let mut wire = dial.wire().await?;
    let method = wire.method(TXN)?;
    let range = RangeRequest {
        key: "/large/".into(),
        range_end: "/large0".into(),
        ..RangeRequest::default()
    };
    let put = PutRequest { key: "x".into(), ..PutRequest::default() };
    let ops = std::iter::once(Op::RequestPut(put))
        .chain((0..arguments.ranges).map(|_| Op::RequestRange(range.clone())));
    let success = ops.map(|op| RequestOp { request: Some(op) }).collect();
    let transaction = TxnRequest { success, ..TxnRequest::default() };
    let mut call = wire.open(&method, &transaction, true).await?;
    let mut bytes = 0;
    while let Some(data) = call.data().await? {
        bytes += data.len() as u64;
        pace.keep(data.len()).await;
    }
    Ok(bytes)
}

/// Keeps all readers together to a rate.
struct Pace {
    /// Megabytes in a second; 0 for no limit.
    rate: u32,
    read: Cell<u64>,
    begun: Instant,
}

impl Pace {
    async fn keep(&self, bytes: usize) {
        let read = self.read.get() + bytes as u64;
        self.read.set(read);
        if self.rate > 0 {
            let due = Duration::from_micros(read / u64::from(self.rate));
            let early = due.saturating_sub(self.begun.elapsed());
            // A sleep is a millisecond long at the least, and a piece much shorter.
            if early > EARLY_MAX {
                tokio::time::sleep(early).await;
            }
        }
    }
}
