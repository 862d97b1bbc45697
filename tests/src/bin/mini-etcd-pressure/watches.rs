//! Many watches that are all read: on few streams with many each, and on as many streams as watches.

use std::cell::Cell;
use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use futures::future::try_join_all;
use mini_etcd_proto::etcdserverpb::WatchResponse;
use mini_etcd_tests::wire::Call;

use crate::streams::{WATCH, create};
use crate::writers::Puts;
use crate::{Phase, Target};

/// Streams on one connection, as many as a Go client puts there.
const STREAMS_PER_CONNECTION: usize = 100;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Watches of everything that is put.
    #[arg(long, default_value_t = 2000)]
    watches: usize,
    /// Streams that they share, one phase for each number.
    #[arg(long, value_delimiter = ',', default_values_t = [20, 2000])]
    streams: Vec<usize>,
    /// Bytes of a value.
    #[arg(long, default_value_t = 1000)]
    value_bytes: usize,
    /// Puts of each phase.
    #[arg(long, default_value_t = 1000)]
    puts: u64,
    /// Clients that put.
    #[arg(long, default_value_t = 4)]
    writers: usize,
    /// Most puts in a second; 0 for as many as go.
    #[arg(long, default_value_t = 0)]
    puts_per_second: u32,
}

pub async fn run(target: &Target, arguments: &Arguments) -> anyhow::Result<Vec<Phase>> {
    let puts = Puts {
        dial: target.dial.clone(),
        writers: arguments.writers,
        value_bytes: arguments.value_bytes,
        per_second: arguments.puts_per_second,
    };
    let mut phases = vec![puts.alone(target, arguments.puts).await?];
    for &number in &arguments.streams {
        let streams = open(target, arguments.watches, number).await?;
        let with_watches = Phase::run("with watches", target, async {
            let seen = Cell::new(0);
            let want = arguments.puts * arguments.watches as u64;
            let readers = streams.into_iter().map(|stream| read(stream, &seen, want));
            let readers = try_join_all(readers);
            let puts = puts.run(|number| number < arguments.puts);
            let (_, done) = tokio::try_join!(readers, puts)?;
            let words = format!(
                "{done} puts of {} bytes, {} watches on {number} streams, {} events, all there",
                arguments.value_bytes,
                arguments.watches,
                seen.get()
            );
            Ok(vec![words])
        });
        phases.push(with_watches.await?);
    }
    Ok(phases)
}

/// Opens the streams and makes their watches; each is there when this returns.
async fn open(target: &Target, watches: usize, number: usize) -> anyhow::Result<Vec<Call>> {
    let mut streams = Vec::new();
    let mut wire = target.dial.wire().await?;
    for place in 0..number {
        if place % STREAMS_PER_CONNECTION == 0 {
            wire = target.dial.wire().await?;
        }
        let method = wire.method(WATCH)?;
        let mut stream = wire.open(&method, &create(0), false).await?;
        created(&mut stream).await?;
        for _ in 1..watches / number {
            stream.send(&create(0))?;
            created(&mut stream).await?;
        }
        streams.push(stream);
    }
    Ok(streams)
}

/// Waits for a watch to be there.
pub async fn created(stream: &mut Call) -> anyhow::Result<()> {
    let answer = stream.message::<WatchResponse>().await?;
    ensure!(answer.as_ref().is_some_and(|answer| answer.created), "no watch: {answer:?}");
    Ok(())
}

/// Reads one stream until all streams together have `want` events.
async fn read(mut stream: Call, seen: &Cell<u64>, want: u64) -> anyhow::Result<()> {
    while seen.get() < want {
        let next =
            tokio::time::timeout(Duration::from_millis(100), stream.message::<WatchResponse>());
        // The last events may be those of another stream.
        let Ok(answer) = next.await else { continue };
        let answer = answer?;
        ensure!(answer.as_ref().is_some_and(|answer| !answer.canceled), "ended: {answer:?}");
        seen.set(seen.get() + answer.map_or(0, |answer| answer.events.len() as u64));
    }
    Ok(())
}
