//! A crowd of clients that want little each: connections, watches, leases; what each of them costs, and how fast leases are
//! kept alive.

use std::cell::Cell;
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::ensure;
use bytes::Bytes;
use clap::Args;
use futures::future::try_join_all;
use mini_etcd_proto::etcdserverpb::watch_request::RequestUnion;
use mini_etcd_proto::etcdserverpb::{
    LeaseGrantRequest, LeaseGrantResponse, LeaseKeepAliveRequest, LeaseKeepAliveResponse,
    WatchRequest,
};
use mini_etcd_tests::usage::kilobytes;
use mini_etcd_tests::wire::Call;

use crate::streams::{WATCH, create};
use crate::watches::created;
use crate::{Phase, Target};

const GRANT: &str = "/etcdserverpb.Lease/LeaseGrant";
const KEEP_ALIVE: &str = "/etcdserverpb.Lease/LeaseKeepAlive";

/// Seconds of a lease: none ends meanwhile.
const TTL: i64 = 3600;

/// Clients that grant leases at once.
const GRANTERS: usize = 64;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Speak TLS.
    #[arg(long)]
    pub tls: bool,
    /// Connections, those of the streams among them. A member takes ten thousand, of all clients.
    #[arg(long, default_value_t = 9_900)]
    connections: usize,
    /// Watch streams, each on one of the connections.
    #[arg(long, default_value_t = 100)]
    streams: usize,
    /// Watches that the streams share; each of a key that nobody puts.
    #[arg(long, default_value_t = 10_000)]
    watches: usize,
    /// Leases.
    #[arg(long, default_value_t = 100_000)]
    leases: usize,
    /// Clients that keep leases alive.
    #[arg(long, default_value_t = 64)]
    keepers: usize,
    /// Leases that each of them asks for before it waits for the answers.
    #[arg(long, default_value_t = 16)]
    ahead: usize,
    /// Seconds of keeping alive, and of looking at the other client with all there is.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

/// What so many of something cost.
struct Cost {
    kilobytes: (u64, u64),
    number: usize,
    what: &'static str,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after) = self.kilobytes;
        let each = after.saturating_sub(before) * 1000 / self.number.max(1) as u64;
        let (number, what) = (self.number, self.what);
        write!(f, "{number} {what}: the leader's resident memory {before} kB before, ")?;
        write!(f, "{after} kB after, {each} bytes each")
    }
}

pub async fn run(target: &Target, arguments: &Arguments) -> anyhow::Result<Vec<Phase>> {
    let leader = target.cluster.pid(target.leader)?;
    let resident = || kilobytes(leader, "VmRSS");
    let cost = |before: u64, number, what| {
        anyhow::Ok(vec![Cost { kilobytes: (before, resident()?), number, what }.to_string()])
    };
    let (mut wires, mut streams, mut leases) = (Vec::new(), Vec::new(), Vec::new());
    let mut phases = Vec::new();
    let connecting = Phase::run("connections", target, async {
        let before = resident()?;
        for _ in 0..arguments.connections {
            wires.push(target.dial.wire().await?);
        }
        cost(before, arguments.connections, "connections")
    });
    phases.push(connecting.await?);
    let opening = Phase::run("streams", target, async {
        let before = resident()?;
        for wire in wires.iter_mut().take(arguments.streams) {
            let method = wire.method(WATCH)?;
            let mut stream = wire.open(&method, &create_of(0), false).await?;
            created(&mut stream).await?;
            streams.push(stream);
        }
        cost(before, streams.len(), "streams with a watch")
    });
    phases.push(opening.await?);
    let watching = Phase::run("watches", target, async {
        let before = resident()?;
        let more = arguments.watches.saturating_sub(arguments.streams);
        for number in 0..more {
            let place = number % streams.len();
            if let Some(stream) = streams.get_mut(place) {
                stream.send(&create_of(number + 1))?;
                created(stream).await?;
            }
        }
        cost(before, more, "watches")
    });
    phases.push(watching.await?);
    let granting = Phase::run("leases", target, async {
        let before = resident()?;
        leases = grant(target, arguments.leases).await?;
        cost(before, leases.len(), "leases")
    });
    phases.push(granting.await?);
    let keeping = Phase::run("keeping alive", target, async {
        let begun = Instant::now();
        let kept = keep_alive(target, arguments, &leases).await?;
        let rate = kept * 1000 / u64::try_from(begun.elapsed().as_millis())?.max(1);
        Ok(vec![format!("{rate} leases kept alive in a second, by {} clients", arguments.keepers)])
    });
    phases.push(keeping.await?);
    let resting = Phase::run("with all of it", target, async {
        tokio::time::sleep(Duration::from_secs(arguments.seconds)).await;
        Ok(Vec::new())
    });
    phases.push(resting.await?);
    Ok(phases)
}

/// Asks for a watch of a key of its own.
fn create_of(number: usize) -> WatchRequest {
    let mut request = create(0);
    if let Some(RequestUnion::CreateRequest(create)) = &mut request.request_union {
        (create.key, create.range_end) = (format!("/crowd/{number}").into(), Bytes::new());
    }
    request
}

async fn grant(target: &Target, number: usize) -> anyhow::Result<Vec<i64>> {
    let granters = (0..GRANTERS).map(|granter| async move {
        let mut wire = target.dial.wire().await?;
        let method = wire.method(GRANT)?;
        let mut granted = Vec::new();
        for _ in (granter..number).step_by(GRANTERS) {
            let request = LeaseGrantRequest { ttl: TTL, id: 0 };
            granted.push(wire.call::<LeaseGrantResponse>(&method, &request).await?.id);
        }
        anyhow::Ok(granted)
    });
    Ok(try_join_all(granters).await?.concat())
}

/// Keeps leases alive, some at a time on each stream, until the time is over. Answers how many.
async fn keep_alive(target: &Target, arguments: &Arguments, leases: &[i64]) -> anyhow::Result<u64> {
    let (kept, begun) = (Cell::new(0), Instant::now());
    let keepers = (0..arguments.keepers).map(|keeper| {
        let kept = &kept;
        async move {
            let mut wire = target.dial.wire().await?;
            let method = wire.method(KEEP_ALIVE)?;
            let mut mine = leases.iter().skip(keeper).step_by(arguments.keepers).cycle();
            let mut stream: Option<Call> = None;
            while begun.elapsed() < Duration::from_secs(arguments.seconds) {
                let mut asked = 0;
                for &id in mine.by_ref().take(arguments.ahead) {
                    let request = LeaseKeepAliveRequest { id };
                    match &mut stream {
                        Some(stream) => stream.send(&request)?,
                        none => *none = Some(wire.open(&method, &request, false).await?),
                    }
                    asked += 1;
                }
                let Some(stream) = &mut stream else { break };
                for _ in 0..asked {
                    let answer = stream.message::<LeaseKeepAliveResponse>().await?;
                    ensure!(
                        answer.as_ref().is_some_and(|it| it.ttl == TTL),
                        "not kept: {answer:?}"
                    );
                }
                kept.set(kept.get() + asked);
            }
            anyhow::Ok(())
        }
    });
    try_join_all(keepers).await?;
    Ok(kept.get())
}
