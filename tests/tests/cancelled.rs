//! Calls that are opened and cancelled at once, or whose answers are not read, by the thousand: an honest client's burst
//! ends nothing but those calls, and who does nothing else costs a member neither its memory nor its time for others.

#![expect(clippy::expect_used, reason = "a test may say what it expects")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::watch_request::RequestUnion;
use mini_etcd_proto::etcdserverpb::{PutRequest, RangeRequest, WatchCreateRequest, WatchRequest};
use mini_etcd_tests::cluster::{Cluster, Flavor};
use prost::Message;

/// Streams of an honest burst.
const BURST: u32 = 20_000;

/// Streams of an attack: more bytes than sockets hold.
const ATTACK: u32 = 300_000;

/// Puts of somebody else meanwhile.
const PUTS: u32 = 500;

/// What the attack may add to the resident memory, in bytes.
const GROWTH_MAX: u64 = 64 << 20;

/// Longest that a put of somebody else may take meanwhile.
const PUT_MAX: Duration = Duration::from_secs(2);

/// Time for any answer.
const DEADLINE: Duration = Duration::from_secs(60);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// The head of a gRPC call, every field as a literal that nobody has to remember.
fn call(stream: u32, path: &str) -> Vec<u8> {
    let mut block = vec![0x83, 0x86];
    for (name, value) in [
        (&b"\x04"[..], path),
        (b"\x01", "member"),
        (b"\x0f\x10", "application/grpc"),
        (b"\x00\x02te", "trailers"),
    ] {
        block.extend_from_slice(name);
        block.push(u8::try_from(value.len()).expect("a short value"));
        block.extend_from_slice(value.as_bytes());
    }
    frame(HEADERS, END_HEADERS, stream, &block)
}

fn message(stream: u32, flags: u8, message: &impl Message) -> Vec<u8> {
    let message = message.encode_to_vec();
    let length = u32::try_from(message.len()).expect("a short message");
    let framed = [&[0][..], &length.to_be_bytes(), &message].concat();
    frame(DATA, flags, stream, &framed)
}

/// A put that is cancelled when all of it was sent.
fn cancelled_put(stream: u32) -> Vec<u8> {
    let message = message(stream, END_STREAM, &put());
    [call(stream, "/etcdserverpb.KV/Put"), message, reset(stream)].concat()
}

/// A call that is cancelled before it says what it is about.
fn empty_call(stream: u32) -> Vec<u8> {
    [call(stream, "/etcdserverpb.KV/Put"), reset(stream)].concat()
}

fn reset(stream: u32) -> Vec<u8> {
    frame(RESET, 0, stream, &8_u32.to_be_bytes())
}

/// A connection by hand.
struct Raw(TcpStream);

impl Raw {
    fn connect(address: &str) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")?;
        stream.write_all(&frame(SETTINGS, 0, 0, &[]))?;
        Ok(Self(stream))
    }

    /// Sends while another thread need not read: what comes meanwhile is short.
    fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.0.write_all(bytes).context("sending")
    }

    /// Reads until a frame of this kind on this stream comes; its payload.
    fn read(&mut self, kind: u8, stream: u32) -> anyhow::Result<Vec<u8>> {
        loop {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).context("the next frame")?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length)?];
            self.0.read_exact(&mut payload)?;
            ensure!(head[3] != GOAWAY, "GOAWAY {}", payload.escape_ascii());
            let on = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            if head[3] == PING && head[4] & ACK == 0 {
                self.send(&frame(PING, ACK, 0, &payload))?;
            }
            if head[3] == kind && on == stream {
                return Ok(payload);
            }
        }
    }
}

fn put() -> PutRequest {
    PutRequest { key: "k".into(), value: "v".into(), ..PutRequest::default() }
}

/// Goal: a burst of cancelled calls ends those calls only. Method: a watch, twenty thousand calls opened and cancelled in
/// one go, then a put on the same connection, whose answer and event must come.
#[tokio::test]
async fn a_burst_of_cancelled_calls_ends_those_calls_only() -> anyhow::Result<()> {
    let cluster = Cluster::start(Flavor::Mini, 1).await?;
    let address = cluster.member(0)?.address.clone();
    let burst = tokio::task::spawn_blocking(move || -> anyhow::Result<()> {
        let mut raw = Raw::connect(&address)?;
        let create = WatchCreateRequest { key: "k".into(), ..WatchCreateRequest::default() };
        let create = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
        raw.send(&call(1, "/etcdserverpb.Watch/Watch"))?;
        raw.send(&message(1, 0, &create))?;
        raw.read(DATA, 1).context("the watch begins")?;
        let streams = (1..=BURST).map(|number| 2 * number + 1);
        raw.send(&streams.flat_map(cancelled_put).collect::<Vec<_>>())?;
        let last = 2 * BURST + 3;
        raw.send(&call(last, "/etcdserverpb.KV/Put"))?;
        raw.send(&message(last, END_STREAM, &put()))?;
        // The answer and the event, whichever comes first.
        raw.read(DATA, 1).context("the event")?;
        Ok(())
    });
    burst.await?
}

fn resident(pid: i32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).context("VmHWM")?;
    Ok(line.split_whitespace().nth(1).context("a number")?.parse::<u64>()? << 10)
}

/// Goal: opening and cancelling without end costs the attacker more than others. Method: an attacker that sends as many
/// calls as the connection takes, while another client puts; that one's longest put and the member's memory are bounded,
/// and the attacker's connection is ended.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the time of a put is what is measured")]
async fn rapid_resets_cost_others_neither_memory_nor_time() -> anyhow::Result<()> {
    let cluster = Cluster::start(Flavor::Mini, 1).await?;
    let pid = cluster.pid(0)?;
    let before = resident(pid)?;
    let mut raw = Raw::connect(&cluster.member(0)?.address)?;
    let attack = tokio::task::spawn_blocking(move || {
        let mut next = 1;
        while next < 2 * ATTACK {
            let streams = (0..1000).map(|number| next + 2 * number);
            let frames: Vec<_> = streams.flat_map(empty_call).collect();
            next += 2000;
            if raw.send(&frames).is_err() {
                return true;
            }
        }
        false
    });
    let mut kv = KvClient::new(cluster.channel(0)?);
    let mut longest = Duration::ZERO;
    for _ in 0..PUTS {
        let start = Instant::now();
        kv.put(put()).await?;
        longest = longest.max(start.elapsed());
    }
    ensure!(attack.await?, "the member took {ATTACK} calls that were given up");
    kv.put(put()).await?;
    let growth = resident(pid)?.saturating_sub(before);
    println!("{PUTS} puts, the longest {longest:?}; {} KiB more resident", growth >> 10);
    ensure!(longest < PUT_MAX, "a put took {longest:?}");
    ensure!(growth < GROWTH_MAX, "{growth} bytes more are resident");
    Ok(())
}

/// Goal: a client that calls and does not read stops its own calls, and costs the member no more than its share. Method:
/// calls whose answers have 120 MB together, of which the client takes the first 64 KiB; the member's memory is
/// bounded, and another client's answer of the same kind comes.
#[tokio::test]
async fn answers_that_nobody_reads_are_bounded_together() -> anyhow::Result<()> {
    const VALUE_BYTES: usize = 60_000;
    const CALLS: u32 = 2000;
    let cluster = Cluster::start(Flavor::Mini, 1).await?;
    let address = cluster.member(0)?.address.clone();
    let pid = cluster.pid(0)?;
    let mut kv = KvClient::new(cluster.channel(0)?);
    kv.put(PutRequest { value: vec![b'v'; VALUE_BYTES].into(), ..put() }).await?;
    let before = resident(pid)?;
    let range = RangeRequest { key: "k".into(), ..RangeRequest::default() };
    let asked = range.clone();
    let hung = tokio::task::spawn_blocking(move || -> anyhow::Result<Raw> {
        let mut raw = Raw::connect(&address)?;
        for number in 0..CALLS {
            let stream = 2 * number + 1;
            raw.send(&call(stream, "/etcdserverpb.KV/Range"))?;
            raw.send(&message(stream, END_STREAM, &asked))?;
        }
        // What answers this has seen all calls.
        raw.send(&frame(PING, 0, 0, &[7; 8]))?;
        raw.read(PING, 0)?;
        Ok(raw)
    });
    let hung = hung.await??;
    for _ in 0..100 {
        let found = kv.range(range.clone()).await?.into_inner();
        ensure!(found.kvs.iter().all(|kv| kv.value.len() == VALUE_BYTES), "{:?}", found.header);
    }
    let growth = resident(pid)?.saturating_sub(before);
    drop(hung);
    println!("{} KiB more resident", growth >> 10);
    ensure!(growth < GROWTH_MAX, "{growth} bytes more are resident");
    Ok(())
}
