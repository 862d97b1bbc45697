//! Users and TLS.

use std::process::Command;

use ::http::{Method, Request};
use anyhow::{Context as _, ensure};
use bytes::Bytes;
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::process::{Process, free_ports, workspace_binary};
use mini_etcd_tests::tls::{Authority, TlsClient, Valid};
use mini_etcd_tests::wait::eventually;

use crate::DEADLINE;
use crate::http::{Answer, call, exchange, post, request};

/// What makes root, and a user who may read one key; then users count.
const USERS: &[(&str, &str)] = &[
    ("/v3/auth/user/add", r#"{"name":"root","password":"r"}"#),
    ("/v3/auth/role/add", r#"{"name":"root"}"#),
    ("/v3/auth/user/grant", r#"{"user":"root","role":"root"}"#),
    ("/v3/auth/user/add", r#"{"name":"bob","password":"b"}"#),
    ("/v3/auth/role/add", r#"{"name":"reader"}"#),
    ("/v3/auth/role/grant", r#"{"name":"reader","perm":{"permType":"READ","key":"Zm9v"}}"#),
    ("/v3/auth/user/grant", r#"{"user":"bob","role":"reader"}"#),
    ("/v3/auth/enable", "{}"),
];

async fn token(address: &str, name: &str, password: &str) -> anyhow::Result<String> {
    let body = format!(r#"{{"name":"{name}","password":"{password}"}}"#);
    let answer = call(address, "/v3/auth/authenticate", &body).await?;
    Ok(answer["token"].as_str().context("a token")?.to_owned())
}

/// Goal: who asks is known by the token, however it is sent, and may do what their roles allow. Method: as it says.
#[tokio::test]
async fn a_token_is_taken_from_its_header_and_judged() -> anyhow::Result<()> {
    let cluster = Cluster::start(Flavor::Mini, 1).await?;
    let address = &cluster.member(0)?.address;
    for (path, body) in USERS {
        call(address, path, body).await?;
    }
    let (read, put) = (r#"{"key":"Zm9v"}"#, r#"{"key":"Zm9v","value":"YmFy"}"#);
    let (root, bob) = (token(address, "root", "r").await?, token(address, "bob", "b").await?);
    for header in ["authorization: ", "Authorization: Bearer ", "Grpc-Metadata-Token: "] {
        let as_root = format!("{header}{root}");
        let answer = post(address, "/v3/kv/put", &[&as_root], put).await?;
        ensure!(answer.status == 200, "{header} {answer:?}");
        let as_bob = format!("{header}{bob}");
        let answer = post(address, "/v3/kv/range", &[&as_bob], read).await?;
        ensure!(answer.status == 200, "{header} {answer:?}");
        let answer = post(address, "/v3/kv/put", &[&as_bob], put).await?;
        let refused = (403, "etcdserver: permission denied".to_owned());
        ensure!((answer.status, answer.message()) == refused, "{header} {answer:?}");
    }
    let nobody = post(address, "/v3/kv/range", &[], read).await?;
    let empty = (400, "etcdserver: user name is empty".to_owned());
    ensure!((nobody.status, nobody.message()) == empty, "{nobody:?}");
    let wrong = post(address, "/v3/kv/range", &["authorization: x.1"], read).await?;
    let invalid = (401, "etcdserver: invalid auth token".to_owned());
    ensure!((wrong.status, wrong.message()) == invalid, "{wrong:?}");
    ensure!(wrong.headers.contains("www-authenticate: etcdserver: invalid auth token"));
    // A stream that does not come about has the status too, and says so in a stream's shape.
    let as_bob = format!("authorization: {bob}");
    let backup = post(address, "/v3/maintenance/snapshot", &[&as_bob], "").await?;
    ensure!(backup.status == 403 && backup.json()?["error"]["grpc_code"] == 7, "{backup:?}");
    Ok(())
}

async fn over_tls(
    client: &TlsClient,
    address: &str,
    path: &str,
    headers: &[&str],
    body: &str,
) -> anyhow::Result<Answer> {
    let stream = client.clone().offering(&["http/1.1"]).connect(address).await?;
    exchange(stream, &request(path, headers, body)).await
}

/// A POST on HTTP/2 within TLS.
async fn over_h2(
    client: &TlsClient,
    address: &str,
    path: &str,
    body: &str,
) -> anyhow::Result<String> {
    let stream = client.connect(address).await?;
    let (calls, connection) = h2::client::handshake(stream).await?;
    tokio::spawn(connection);
    let uri = format!("https://{address}{path}");
    let request = Request::builder().method(Method::POST).uri(uri).body(())?;
    let (answer, mut sending) = calls.ready().await?.send_request(request, false)?;
    sending.send_data(Bytes::copy_from_slice(body.as_bytes()), true)?;
    let mut answer = answer.await?;
    let mut text = Vec::new();
    while let Some(data) = answer.body_mut().data().await {
        text.extend_from_slice(&data?);
    }
    Ok(format!("{} {}", answer.status().as_u16(), String::from_utf8(text)?))
}

/// Goal: the gateway is there within TLS, by HTTP/1.1 and HTTP/2, and takes nobody for who their certificate says. Method: a
/// member that asks for certificates, a client whose has a name and one whose has none.
#[tokio::test]
async fn within_tls_a_certificate_admits_and_names_nobody() -> anyhow::Result<()> {
    let dir = tempfile::Builder::new().prefix("mini-etcd-test-").tempdir()?;
    let authority = Authority::new("ca")?;
    std::fs::write(dir.path().join("ca.pem"), &authority.pem)?;
    authority.issue("server", &["127.0.0.1"], Valid::Now)?.write(dir.path(), "server")?;
    let port = *free_ports(1)?.first().context("a port")?;
    let address = format!("127.0.0.1:{port}");
    let file = |name: &str| dir.path().join(name).display().to_string();
    let mut command = Command::new(workspace_binary("mini-etcd")?);
    command.args([
        format!("--data={}", file("data")),
        format!("--listen={address}"),
        format!("--cert-file={}", file("server.pem")),
        format!("--key-file={}", file("server.key")),
        format!("--trusted-ca-file={}", file("ca.pem")),
        "--client-cert-auth".to_owned(),
    ]);
    let _member = Process::start("n1", &mut command, &dir.path().join("stderr"))?;
    let named = authority.issue("root", &[], Valid::Now)?;
    let nameless = authority.issue("", &["client.example"], Valid::Now)?;
    let named = TlsClient::new(&authority.pem, Some(&named));
    let nameless = TlsClient::new(&authority.pem, Some(&nameless));
    let put = r#"{"key":"Zm9v","value":"YmFy"}"#;
    eventually("a put", DEADLINE, || async {
        let answer = over_tls(&named, &address, "/v3/kv/put", &[], put).await?;
        ensure!(answer.status == 200, "{answer:?}");
        Ok(())
    })
    .await?;
    let read = over_h2(&named, &address, "/v3/kv/range", r#"{"key":"Zm9v"}"#).await?;
    ensure!(read.starts_with("200 {") && read.contains(r#""value":"YmFy""#), "{read}");
    for (path, body) in USERS {
        let answer = over_tls(&named, &address, path, &[], body).await?;
        ensure!(answer.status == 200, "{path} {answer:?}");
    }
    let answer = over_tls(&named, &address, "/v3/kv/put", &[], put).await?;
    let words = "CommonName of client sending a request against gateway will be ignored and not used as expected\n";
    ensure!((answer.status, answer.body.as_str()) == (400, words), "{answer:?}");
    let login = r#"{"name":"root","password":"r"}"#;
    let login = over_tls(&nameless, &address, "/v3/auth/authenticate", &[], login).await?;
    let token = login.json()?["token"].as_str().context("a token")?.to_owned();
    let header = format!("authorization: {token}");
    let answer = over_tls(&nameless, &address, "/v3/kv/put", &[&header], put).await?;
    ensure!(answer.status == 200, "{answer:?}");
    Ok(())
}
