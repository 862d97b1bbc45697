//! Requests that no client means, answers that are large, and origins.

use anyhow::ensure;
use mini_etcd_tests::cluster::{Cluster, Flavor};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::http::{Duplex, call, exchange, post};

/// Status, code and a part of the message for what cannot be a call.
const REFUSED: &[(&str, &str, u16, i64, &str)] = &[
    ("/v3/kv/range", "{", 400, 3, "unexpected EOF"),
    ("/v3/kv/range", "[]", 400, 3, "expected a map"),
    ("/v3/kv/range", "null", 400, 3, "expected a map"),
    ("/v3/kv/range", "\u{0}", 400, 3, "expected value"),
    ("/v3/kv/range", r#"{"key":"!"}"#, 400, 3, "base64"),
    ("/v3/kv/range", r#"{"limit":"1e400"}"#, 400, 3, "invalid digit"),
    ("/v3/kv/range", r#"{"limit":1e400}"#, 400, 3, "out of range"),
    ("/v3/kv/range", r#"{"key":{"a":[]}}"#, 400, 3, "base64"),
    ("/v3/kv/range", "", 400, 3, "etcdserver: key is not provided"),
    ("/v3/watch", "{", 500, 2, "unexpected EOF"),
    ("/v3/watch", "x", 500, 2, "expected value"),
    ("/v3/nothing", "{}", 404, 5, "Not Found"),
    ("/v3/", "{}", 404, 5, "Not Found"),
    ("/v3/kv/range/", "{}", 404, 5, "Not Found"),
    ("/v3beta/kv/rangestream", "{}", 404, 5, "Not Found"),
    (
        "/v3/cluster/member/update",
        r#"{"ID":"1","peerURLs":["http://127.0.0.1:1"]}"#,
        404,
        5,
        "etcdserver: member not found",
    ),
    ("/v3/maintenance/downgrade", r#"{"version":"x"}"#, 400, 3, "version format"),
    ("/v3/maintenance/downgrade", r#"{"version":"3.6.0"}"#, 400, 3, "invalid downgrade target"),
    (
        "/v3/maintenance/downgrade",
        r#"{"action":"ENABLE","version":"3.5.0"}"#,
        400,
        9,
        "mini-etcd: no older etcd reads this data",
    ),
    (
        "/v3/maintenance/downgrade",
        r#"{"action":9,"version":"3.5.0"}"#,
        500,
        2,
        "etcdserver: unknown method",
    ),
];

#[tokio::test]
async fn what_is_no_call_is_refused_and_harms_nobody() -> anyhow::Result<()> {
    let cluster = Cluster::start(Flavor::Mini, 1).await?;
    let address = &cluster.member(0)?.address;
    for (path, body, status, code, words) in REFUSED {
        let answer = post(address, path, &[], body).await?;
        let json = answer.json()?;
        ensure!(answer.status == *status && json["code"] == *code, "{path} {body}: {answer:?}");
        ensure!(answer.message().contains(words), "{path} {body}: {answer:?}");
        ensure!(json["error"] == json["message"], "{answer:?}");
    }
    for verb in ["GET", "PUT", "DELETE"] {
        let request = format!("{verb} /v3/kv/range HTTP/1.0\r\ncontent-length: 0\r\n\r\n");
        let answer = exchange(TcpStream::connect(address).await?, &request).await?;
        ensure!(answer.status == 501 && answer.message() == "Method Not Allowed", "{answer:?}");
    }
    for path in ["/v3alpha/kv/range", "/v3", "/v2/keys"] {
        let answer = post(address, path, &[], "{}").await?;
        ensure!((answer.status, answer.body.as_str()) == (404, "404 page not found\n"));
    }
    let deep = r#"{"success":[{"request_txn":"#.repeat(20_000);
    let answer = post(address, "/v3/kv/txn", &[], &deep).await?;
    ensure!(answer.status == 400 && answer.message().contains("recursion limit"), "{answer:?}");
    let answer = post(address, "/v3/kv/range", &["grpc-timeout: zz"], "{}").await?;
    ensure!(answer.status == 400 && answer.message() == "invalid grpc-timeout: zz", "{answer:?}");
    // Any type of content, and a key that is not UTF-8.
    let headers = ["content-type: text/plain", "grpc-metadata-: z", "grpc-metadata-te: x"];
    let answer = post(address, "/v3/kv/put", &headers, r#"{"key":"//4="}"#).await?;
    ensure!(answer.status == 200, "{answer:?}");
    call(address, "/v3/kv/range", r#"{"key":"//4="}"#).await?;
    Ok(())
}

/// Goal: nothing that does not end is held. Method: objects over the bound, with and without a length, and clients that leave.
#[tokio::test]
async fn bodies_without_an_end_are_cut_off_at_the_bound() -> anyhow::Result<()> {
    let cluster = Cluster::start(Flavor::Mini, 1).await?;
    let address = &cluster.member(0)?.address;
    let mut endless = Duplex::open(address, "/v3/kv/put").await?;
    endless.send(r#"{"key":""#).await?;
    let piece = "A".repeat(1 << 20);
    for _ in 0..8 {
        // It may have refused already, and gone.
        if endless.send(&piece).await.is_err() {
            break;
        }
    }
    endless.says("429 Too Many Requests").await?;
    endless.says("the request is larger than 4194304 bytes").await?;
    // As much as gRPC takes, and one that gRPC would not.
    let value =
        |bytes: usize| format!(r#"{{"key":"aw==","value":"{}"}}"#, "QUFB".repeat(bytes / 3));
    let fits = post(address, "/v3/kv/put", &[], &value(1_500_000)).await?;
    ensure!(fits.status == 200, "{fits:?}");
    let large = post(address, "/v3/kv/put", &[], &value(1_600_000)).await?;
    ensure!(large.status == 400, "{large:?}");
    ensure!(large.message() == "etcdserver: request is too large", "{large:?}");
    let larger = post(address, "/v3/kv/put", &[], &value(2_400_000)).await?;
    let words = "grpc: received message larger than max (2400008 vs. 2097152)";
    ensure!(larger.status == 429 && larger.message() == words, "{larger:?}");
    for _ in 0..100 {
        let mut stream = TcpStream::connect(address).await?;
        stream
            .write_all(b"POST /v3/kv/put HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n{")
            .await?;
    }
    call(address, "/v3/kv/put", r#"{"key":"Zm9v"}"#).await?;
    Ok(())
}

#[tokio::test]
async fn a_large_answer_comes_whole_and_with_its_length() -> anyhow::Result<()> {
    let cluster = Cluster::start(Flavor::Mini, 1).await?;
    let address = &cluster.member(0)?.address;
    for number in 0..8 {
        // Four digits are base64 of three bytes.
        let value = "QUFB".repeat(300_000);
        let body = format!(r#"{{"key":"{number:04}","value":"{value}"}}"#);
        call(address, "/v3/kv/put", &body).await?;
    }
    let answer = post(address, "/v3/kv/range", &[], r#"{"key":"AA==","range_end":"AA=="}"#).await?;
    let json = answer.json()?;
    let rows = json["kvs"].as_array().map_or(0, Vec::len);
    ensure!(
        rows >= 8 && json["count"].as_str() == Some(&rows.to_string()),
        "{rows} rows, {}",
        answer.headers
    );
    ensure!(answer.headers.contains(&format!("content-length: {}", answer.body.len())));
    Ok(())
}

#[tokio::test]
async fn browsers_are_told_which_origins_may_read() -> anyhow::Result<()> {
    let open = Cluster::start(Flavor::Mini, 1).await?;
    let flags = ["--cors=https://a.example".to_owned()];
    let listed = Cluster::start_with_flags(1, &flags).await?;
    let ask = async |cluster: &Cluster, request: &str, origin: &str| {
        let address = &cluster.member(0)?.address;
        let request = format!("{request} HTTP/1.0\r\n{origin}content-length: 0\r\n\r\n");
        exchange(TcpStream::connect(address).await?, &request).await
    };
    let allows = "access-control-allow-origin: ";
    for request in ["OPTIONS /v3/kv/range", "GET /health", "POST /v3/kv/range", "GET /nowhere"] {
        let all = ask(&open, request, "").await?;
        ensure!(all.headers.contains(&format!("{allows}*")), "{request} {all:?}");
        let own = ask(&listed, request, "origin: https://a.example\r\n").await?;
        ensure!(own.headers.contains(&format!("{allows}https://a.example")), "{request} {own:?}");
        for origin in ["", "origin: https://b.example\r\n"] {
            let other = ask(&listed, request, origin).await?;
            ensure!(!other.headers.contains("access-control"), "{request} {other:?}");
        }
        ensure!(!request.starts_with("OPTIONS") || all.status == 200, "{all:?}");
    }
    Ok(())
}
