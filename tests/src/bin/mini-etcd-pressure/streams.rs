//! Watch streams whose clients never read.

use std::cell::RefCell;

use clap::Args;
use mini_etcd_proto::etcdserverpb::watch_request::RequestUnion;
use mini_etcd_proto::etcdserverpb::{WatchCreateRequest, WatchRequest};
use mini_etcd_tests::wire::{Call, Wire};
use tokio::sync::watch;

use crate::writers::Puts;
use crate::{Phase, Target};

pub const WATCH: &str = "/etcdserverpb.Watch/Watch";

/// The window that HTTP/2 gives a stream and a connection when nobody asks for another.
const WINDOW_BYTES: u32 = 65_535;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Streams, each on a connection of its own.
    #[arg(long, default_value_t = 400)]
    streams: u64,
    /// Bytes of a value.
    #[arg(long, default_value_t = 100_000)]
    value_bytes: usize,
    /// Megabytes that are put; the first tenth before any stream is there.
    #[arg(long, default_value_t = 2000)]
    megabytes: u64,
    /// Clients that put.
    #[arg(long, default_value_t = 2)]
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
    let all = arguments.megabytes * 1_000_000 / arguments.value_bytes as u64;
    let alone = puts.alone(target, all / 10).await?;
    let rest = all - all / 10;
    let streams = RefCell::new(Vec::new());
    let (begun, mut number_begun) = watch::channel(0);
    let with_streams = Phase::run("with streams", target, async {
        let opener = async {
            // One by one, spread over the puts.
            for number in 0..arguments.streams {
                let due =
                    |begun: &u64| begun * arguments.streams >= number * rest || *begun >= rest;
                number_begun.wait_for(due).await?;
                let stream = open(&target.dial.address).await?;
                streams.borrow_mut().push(stream);
            }
            anyhow::Ok(())
        };
        let puts = puts.run(|number| {
            begun.send_replace(number);
            number < rest
        });
        let ((), done) = tokio::try_join!(opener, puts)?;
        let streams = streams.borrow().len();
        Ok(vec![format!("{done} puts of {} bytes, {streams} streams", arguments.value_bytes)])
    });
    Ok(vec![alone, with_streams.await?])
}

/// A stream with one watch of everything that is put.
async fn open(address: &str) -> anyhow::Result<Call> {
    let mut wire = Wire::connect_with_window(address, WINDOW_BYTES).await?;
    let method = wire.method(WATCH)?;
    wire.open(&method, &create(0), false).await
}

/// A watch of everything that is put, from now on.
pub fn create(watch_id: i64) -> WatchRequest {
    let create = WatchCreateRequest {
        key: "/w/".into(),
        range_end: "/w0".into(),
        watch_id,
        ..WatchCreateRequest::default()
    };
    WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) }
}
