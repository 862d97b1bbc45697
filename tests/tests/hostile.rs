//! Input that no honest client sends: a clear error or a closed connection each, no panic, and the server goes on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, ensure};
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::{PutRequest, RangeRequest, RequestOp, TxnRequest, request_op};
use mini_etcd_proto::peerpb::peer_client::PeerClient;
use mini_etcd_proto::peerpb::raft_message::Kind;
use mini_etcd_proto::peerpb::{Batch, Hello, Message, RaftMessage, message::Body};
use mini_etcd_tests::cluster::{Cluster, Flavor};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use tonic::Code;

/// Largest request in bytes, as etcd's default.
const REQUEST_BYTES_MAX: usize = 1_572_864;

/// What every HTTP/2 connection begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

async fn still_answers(cluster: &mut Cluster) -> anyhow::Result<()> {
    for index in 0..cluster.size() {
        let put = PutRequest { key: "alive".into(), value: "yes".into(), ..PutRequest::default() };
        KvClient::new(cluster.channel(index)?).put(put).await.context("after hostile input")?;
        let member = cluster.member(index)?;
        ensure!(!member.errors().contains("panicked"), "{}", member.errors());
    }
    Ok(())
}

/// Goal: bytes that are no protocol close their connection and nothing else.
#[tokio::test]
async fn garbage_on_the_wire_closes_its_connection_only() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(Flavor::Mini, 1).await?;
    let address = cluster.member(0)?.address.clone();
    let sent = tokio::task::spawn_blocking(move || -> anyhow::Result<()> {
        let mut rng = StdRng::seed_from_u64(1);
        for round in 0..200 {
            let mut junk = vec![0; rng.random_range(1..512)];
            rng.fill_bytes(&mut junk);
            let mut stream = TcpStream::connect(&address)?;
            stream.set_read_timeout(Some(Duration::from_millis(200)))?;
            match round % 4 {
                0 => {}
                1 => stream.write_all(PREFACE)?,
                2 => stream
                    .write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n")?,
                // A frame header that promises more than any frame may have.
                _ => {
                    stream.write_all(PREFACE)?;
                    stream.write_all(&[0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01])?;
                }
            }
            // The server may close before it has read everything.
            let _ = stream.write_all(&junk);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let mut answer = [0; 1024];
            let _ = stream.read(&mut answer);
        }
        Ok(())
    });
    sent.await??;
    still_answers(&mut cluster).await
}

/// Goal: connections that say nothing do not keep others out.
#[tokio::test]
async fn silent_connections_keep_nobody_out() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(Flavor::Mini, 1).await?;
    let address = cluster.member(0)?.address.clone();
    let silent = (0..500).map(|_| TcpStream::connect(&address)).collect::<Result<Vec<_>, _>>()?;
    still_answers(&mut cluster).await?;
    drop(silent);
    Ok(())
}

/// Goal: a request over the limit is refused with etcd's code and words, on both sides of the gRPC limit.
#[tokio::test]
async fn oversized_requests_are_refused_in_etcds_words() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(Flavor::Mini, 1).await?;
    let mut kv = KvClient::new(cluster.channel(0)?);
    let put = |bytes: usize| PutRequest {
        key: "k".into(),
        value: vec![7; bytes].into(),
        ..PutRequest::default()
    };
    kv.put(put(REQUEST_BYTES_MAX - 1024)).await?;
    let refused = kv.put(put(REQUEST_BYTES_MAX)).await.expect_err("over the request limit");
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(refused.message(), "etcdserver: request is too large");
    let refused = kv.put(put(4 << 20)).await.expect_err("over the message limit");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let words = refused.message();
    assert!(
        words.starts_with("grpc: received message larger than max (")
            && words.ends_with(" vs. 2097152)")
    );
    still_answers(&mut cluster).await
}

/// Goal: no transaction ends a member, however deep others stand in it. Method: every depth, across what the server
/// accepts and what its decoder takes; the member must answer each one, and start again with its log.
#[tokio::test]
async fn transactions_of_any_depth_end_nobody() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(Flavor::Mini, 1).await?;
    let mut kv = KvClient::new(cluster.channel(0)?);
    let mut txn = TxnRequest::default();
    let mut accepted = 0;
    for depth in 0..120 {
        match kv.txn(txn.clone()).await {
            Ok(_) => accepted += 1,
            Err(refused) => {
                let codes = [Code::InvalidArgument, Code::Internal];
                ensure!(codes.contains(&refused.code()), "{depth}: {refused:?}");
            }
        }
        let put = PutRequest { key: format!("k{depth}").into(), ..PutRequest::default() };
        let put = RequestOp { request: Some(request_op::Request::RequestPut(put)) };
        let inner = RequestOp { request: Some(request_op::Request::RequestTxn(txn)) };
        txn = TxnRequest { success: vec![put, inner], ..TxnRequest::default() };
    }
    ensure!(accepted > 30, "{accepted} were accepted");
    still_answers(&mut cluster).await?;
    cluster.kill(0)?;
    cluster.restart(0)?;
    cluster.wait_ready().await
}

/// Goal: keys are bytes. Method: every byte value, zero and invalid UTF-8 included, written and read back.
#[tokio::test]
async fn keys_are_any_bytes() -> anyhow::Result<()> {
    let cluster = Cluster::start(Flavor::Mini, 1).await?;
    let mut kv = KvClient::new(cluster.channel(0)?);
    for byte in 0..=255_u8 {
        let key = vec![b'x', byte, 0xff, 0xc0, 0x00];
        let put = PutRequest {
            key: key.clone().into(),
            value: vec![byte].into(),
            ..PutRequest::default()
        };
        kv.put(put).await?;
        let range = RangeRequest { key: key.clone().into(), ..RangeRequest::default() };
        let found = kv.range(range).await?.into_inner().kvs;
        ensure!(
            found.len() == 1 && found[0].key == key && found[0].value == vec![byte],
            "{byte}: {found:?}"
        );
    }
    let long = vec![b'l'; 1 << 20];
    kv.put(PutRequest { key: long.clone().into(), ..PutRequest::default() }).await?;
    let range = RangeRequest { key: long.into(), count_only: true, ..RangeRequest::default() };
    ensure!(kv.range(range).await?.into_inner().count == 1, "a key of a megabyte");
    Ok(())
}

/// Lines that one member may write about hostile peers: 64 kinds at each place, of which a few are reached here.
const LINES_MAX: usize = 100;

/// Goal: a peer of another cluster is refused, and so is one that sends what Raft does not allow, as often as they come.
/// What they do is in the log, and does not fill it.
#[tokio::test]
async fn false_peers_are_refused() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(Flavor::Mini, 3).await?;
    let mut kv = KvClient::new(cluster.channel(0)?);
    let put = PutRequest { key: "k".into(), ..PutRequest::default() };
    let header = kv.put(put).await?.into_inner().header.context("a header")?;
    let other = KvClient::new(cluster.channel(1)?)
        .range(RangeRequest { key: "k".into(), ..RangeRequest::default() })
        .await?
        .into_inner()
        .header
        .context("a header")?;
    let mut peer = PeerClient::new(cluster.channel(0)?);

    for member_id in 1..=500 {
        let stranger =
            Hello { cluster_id: 1, member_id, boot_nonce: 1, protocol: 1, ..Hello::default() };
        let batch = Batch { hello: Some(stranger), messages: Vec::new() };
        ensure!(refused(&mut peer, vec![batch]).await?, "a stranger was let in");
    }
    ensure!(refused(&mut peer, vec![Batch::default()]).await?, "a peer without a hello was let in");

    // A member of the cluster that speaks nonsense: every kind, with indexes and terms that cannot be.
    let hello = Hello {
        cluster_id: header.cluster_id,
        member_id: other.member_id,
        boot_nonce: 77,
        protocol: 1,
        ..Hello::default()
    };
    let mut messages = Vec::new();
    for kind in 0..20 {
        for (term, index, commit) in
            [(0, 0, 0), (1, u64::MAX, u64::MAX), (u64::MAX, 1, 9_999_999), (2, 5, 6)]
        {
            messages.push(Message {
                body: Some(Body::Raft(RaftMessage {
                    kind: Kind::try_from(kind).unwrap_or(Kind::Unspecified).into(),
                    to: header.member_id,
                    from: if kind % 2 == 0 { other.member_id } else { 4711 },
                    // A term far ahead would be believed, as Raft wants it, so none is far ahead.
                    term: if term == u64::MAX { 0 } else { term },
                    index,
                    commit,
                    ..RaftMessage::default()
                })),
            });
        }
    }
    for _ in 0..50 {
        let messages = messages.clone();
        let hello = Batch { hello: Some(hello.clone()), messages: Vec::new() };
        let _ = refused(&mut peer, vec![hello, Batch { hello: None, messages }]).await?;
    }
    still_answers(&mut cluster).await?;
    let lines = std::fs::read_to_string(cluster.member(0)?.data.with_extension("stderr"))?;
    for told in ["peer refused", "a peer's message was dropped"] {
        ensure!(lines.contains(told), "{told} is not in the log:\n{lines}");
    }
    let count = lines.lines().count();
    ensure!(count <= LINES_MAX, "{count} lines");
    Ok(())
}

/// Sends batches to a peer's port; whether the stream ended with an error.
async fn refused(
    peer: &mut PeerClient<tonic::transport::Channel>,
    batches: Vec<Batch>,
) -> anyhow::Result<bool> {
    let Ok(answer) = peer.stream(futures::stream::iter(batches)).await else { return Ok(true) };
    let mut answers = answer.into_inner();
    loop {
        match tokio::time::timeout(Duration::from_secs(5), answers.message()).await? {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(false),
            Err(_) => return Ok(true),
        }
    }
}
