//! Clients that mean harm: each kind for some seconds, with the other client beside it.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::{BufMut as _, Bytes, BytesMut};
use clap::{Args, ValueEnum};
use futures::future::join_all;
use http::{Method, Request, Version, header};
use mini_etcd_tests::usage::kilobytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::writers::PUT;
use crate::{Phase, Target};

/// What a client of HTTP/2 says first, and empty settings.
const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
/// Largest frame that a server takes that did not say otherwise.
const FRAME_BYTES: usize = 16_384;

/// The first bytes of a handshake, whose rest does not come.
const HALF_A_HANDSHAKE: &[u8] = &[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];

#[derive(Debug, Args)]
pub struct Arguments {
    /// Speak TLS, and begin handshakes that have no end.
    #[arg(long)]
    pub tls: bool,
    /// Clients of the kinds that keep connections open.
    #[arg(long, default_value_t = 2000)]
    slow: usize,
    /// Clients of the kinds that keep the member busy.
    #[arg(long, default_value_t = 8)]
    busy: usize,
    /// Seconds of each kind.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// The kinds, if not all.
    #[arg(long, value_delimiter = ',')]
    kinds: Vec<Harm>,
}

/// Kinds of harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Harm {
    /// A handshake that has no end.
    HalfTls,
    /// A connection that says a byte in a second.
    Loris,
    /// A frame of which a byte comes in a second.
    SlowFrame,
    /// Calls that are begun and given up at once, as fast as they go.
    Resets,
    /// Heads of calls that do not end.
    Heads,
    /// Messages of a hundred megabytes.
    Large,
    /// What is no frame.
    Garbage,
}

const WITH_TLS: [(Harm, &str, bool); 1] = [(Harm::HalfTls, "handshakes without an end", true)];

const IN_PLAIN_TEXT: [(Harm, &str, bool); 6] = [
    (Harm::Loris, "connections that say a byte a second", true),
    (Harm::SlowFrame, "frames of which a byte a second comes", true),
    (Harm::Resets, "calls given up as soon as begun", false),
    (Harm::Heads, "heads without an end", false),
    (Harm::Large, "messages of 100 MB", false),
    (Harm::Garbage, "frames that are none", false),
];

pub async fn run(target: &Target, arguments: &Arguments) -> anyhow::Result<Vec<Phase>> {
    let leader = target.cluster.pid(target.leader)?;
    let mut phases = Vec::new();
    let kinds = if arguments.tls { &WITH_TLS[..] } else { &IN_PLAIN_TEXT };
    let asked = &arguments.kinds;
    for &(harm, name, is_slow) in
        kinds.iter().filter(|it| asked.is_empty() || asked.contains(&it.0))
    {
        let clients = if is_slow { arguments.slow } else { arguments.busy };
        let phase = Phase::run(name, target, async {
            let before = kilobytes(leader, "VmRSS")?;
            let end = Instant::now() + Duration::from_secs(arguments.seconds);
            let all = (0..clients).map(|client| harmed(target, harm, client, end));
            let done: u64 = join_all(all).await.into_iter().sum();
            let peak = kilobytes(leader, "VmHWM")?.saturating_sub(before) / 1000;
            Ok(vec![format!(
                "{clients} clients, {done} times; the leader's peak is {peak} MB above what it had"
            )])
        });
        phases.push(phase.await?);
    }
    Ok(phases)
}

/// Does harm, again and again, until the time is over. Answers how often.
async fn harmed(target: &Target, harm: Harm, client: usize, end: Instant) -> u64 {
    let mut done = 0;
    while Instant::now() < end {
        let left = end.saturating_duration_since(Instant::now());
        // Whatever the member does about it, closing the connection included, is right: it is looked at from outside.
        let _ = timeout(left, once(target, harm, client)).await;
        done += 1;
        tokio::task::yield_now().await;
    }
    done
}

async fn once(target: &Target, harm: Harm, client: usize) -> anyhow::Result<()> {
    let address = &target.dial.address;
    match harm {
        Harm::HalfTls => {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(HALF_A_HANDSHAKE).await?;
            stream.read_to_end(&mut Vec::new()).await?;
            Ok(())
        }
        Harm::Loris => drip(TcpStream::connect(address).await?, HELLO).await,
        Harm::SlowFrame => {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(HELLO).await?;
            drip(stream, &frame(HEADERS, 0, 1, &[0; 1000])).await
        }
        Harm::Resets => resets(address).await,
        Harm::Heads => heads(address).await,
        Harm::Large => large(address).await,
        Harm::Garbage => garbage(address, client).await,
    }
}

/// Says a byte a second.
async fn drip(mut stream: TcpStream, bytes: &[u8]) -> anyhow::Result<()> {
    for byte in bytes {
        stream.write_all(&[*byte]).await?;
        sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(9 + payload.len());
    frame.put_uint(payload.len() as u64, 3);
    frame.put_u8(kind);
    frame.put_u8(flags);
    frame.put_u32(stream);
    frame.put_slice(payload);
    frame.freeze()
}

fn call(address: &str) -> anyhow::Result<Request<()>> {
    Ok(Request::builder()
        .method(Method::POST)
        .version(Version::HTTP_2)
        .uri(format!("http://{address}{PUT}"))
        .header(header::TE, "trailers")
        .header(header::CONTENT_TYPE, "application/grpc")
        .body(())?)
}

/// Begins calls and gives them up, ten thousand on one connection.
async fn resets(address: &str) -> anyhow::Result<()> {
    let (mut streams, connection) =
        h2::client::handshake(TcpStream::connect(address).await?).await?;
    tokio::spawn(connection);
    for _ in 0..10_000 {
        std::future::poll_fn(|context| streams.poll_ready(context)).await?;
        let (_, mut stream) = streams.send_request(call(address)?, false)?;
        stream.send_reset(h2::Reason::CANCEL);
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Begins the head of a call, and goes on with it for ten megabytes.
async fn heads(address: &str) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let mut field = vec![0, 4, b'b', b'o', b'm', b'b', 100];
    field.extend([b'x'; 100]);
    let block = field.repeat(FRAME_BYTES / field.len());
    stream.write_all(HELLO).await?;
    stream.write_all(&frame(HEADERS, 0, 1, &block)).await?;
    for _ in 0..10_000_000 / FRAME_BYTES {
        stream.write_all(&frame(CONTINUATION, 0, 1, &block)).await?;
    }
    Ok(())
}

/// Puts a value of a hundred megabytes.
async fn large(address: &str) -> anyhow::Result<()> {
    let (mut streams, connection) =
        h2::client::handshake(TcpStream::connect(address).await?).await?;
    tokio::spawn(connection);
    std::future::poll_fn(|context| streams.poll_ready(context)).await?;
    let (answer, mut stream) = streams.send_request(call(address)?, false)?;
    let bytes: usize = 100_000_000;
    let mut head = BytesMut::new();
    head.put_u8(0);
    head.put_u32(u32::try_from(bytes)?);
    stream.send_data(head.freeze(), false)?;
    for _ in 0..bytes / FRAME_BYTES {
        stream.reserve_capacity(FRAME_BYTES);
        std::future::poll_fn(|context| stream.poll_capacity(context)).await.context("ended")??;
        stream.send_data(Bytes::from_static(&[0; FRAME_BYTES]), false)?;
    }
    answer.await?;
    Ok(())
}

/// Says something that is no frame, another one for each client.
async fn garbage(address: &str, client: usize) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(HELLO).await?;
    let kind = u8::try_from(client % 11)?;
    let wrong = [
        frame(kind, 0xff, 0, &[0xff; 3]),
        frame(HEADERS, 4, 1, &[0x80; 64]),
        frame(kind, 0, u32::MAX, &[0; 8]),
        Bytes::from_static(&[0xff; 64]),
        Bytes::from_static(HALF_A_HANDSHAKE),
    ];
    let place = client / 11 % wrong.len();
    stream.write_all(wrong.get(place).context("a frame")?).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(())
}
