//! Members that speak TLS, with clients and with each other: who may come in, what happens when files change, and that
//! handshakes cannot pile up.

#![expect(clippy::indexing_slicing, reason = "members are named by numbers of the test itself")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use mini_etcd_proto::etcdserverpb::cluster_client::ClusterClient;
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::{MemberListRequest, PutRequest};
use mini_etcd_proto::peerpb::Batch;
use mini_etcd_proto::peerpb::peer_client::PeerClient;
use mini_etcd_tests::page;
use mini_etcd_tests::process::{Process, free_ports, workspace_binary};
use mini_etcd_tests::tls::{Authority, Identity, TlsClient, Valid};
use mini_etcd_tests::wait::eventually;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tonic::Code;

const DEADLINE: Duration = Duration::from_secs(30);

/// Hosts of the members here.
const HOSTS: [&str; 2] = ["127.0.0.1", "localhost"];

/// Members in one directory, with their files.
struct Members {
    dir: TempDir,
    ports: Vec<u16>,
    metrics: Vec<u16>,
    flags: Vec<String>,
    running: Vec<Option<Process>>,
}

impl Members {
    /// So many, none of them started. A flag's `{n}` stands for the number of the member, `{dir}` for the directory.
    fn new(size: usize, flags: &[&str]) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("mini-etcd-test-").tempdir()?;
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let (ports, metrics) = (free_ports(size)?, free_ports(size)?);
        let running = (0..size).map(|_| None).collect();
        Ok(Self { dir, ports, metrics, flags, running })
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn start(&mut self, index: usize) -> anyhow::Result<()> {
        let (number, port) = (index + 1, self.ports[index]);
        let mut command = Command::new(workspace_binary("mini-etcd")?);
        command.args([
            format!("--name=n{number}"),
            format!("--data={}", self.path().join(format!("n{number}")).display()),
            format!("--listen=127.0.0.1:{port}"),
            format!("--listen-metrics=127.0.0.1:{}", self.metrics[index]),
        ]);
        if self.ports.len() > 1 {
            let item = |(i, port): (usize, &u16)| format!("n{}=https://127.0.0.1:{port}", i + 1);
            let peers: Vec<_> = self.ports.iter().enumerate().map(item).collect();
            command.arg(format!("--peers={}", peers.join(",")));
        }
        let dir = self.path().display().to_string();
        let filled =
            |flag: &String| flag.replace("{n}", &number.to_string()).replace("{dir}", &dir);
        command.args(self.flags.iter().map(filled));
        let stderr = self.stderr(index);
        self.running[index] = Some(Process::start(&format!("n{number}"), &mut command, &stderr)?);
        Ok(())
    }

    fn kill(&mut self, index: usize) -> anyhow::Result<()> {
        self.running[index].take().context("it runs")?.kill()
    }

    fn stderr(&self, index: usize) -> PathBuf {
        self.path().join(format!("n{}.stderr", index + 1))
    }

    fn address(&self, index: usize) -> String {
        format!("127.0.0.1:{}", self.ports[index])
    }

    /// The value of a metric, by the port that stays in plain text.
    async fn metric(&self, index: usize, name: &str) -> anyhow::Result<f64> {
        let text = page::get(&format!("127.0.0.1:{}", self.metrics[index]), "/metrics").await?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.with_context(|| format!("no {name} in {text}"))?.parse()?)
    }

    /// Waits until a member has said these words.
    async fn says(&self, index: usize, words: &str) -> anyhow::Result<()> {
        let path = self.stderr(index);
        eventually(words, DEADLINE, || async {
            let said = std::fs::read_to_string(&path)?;
            ensure!(said.contains(words), "it says {said}");
            Ok(())
        })
        .await
    }

    /// Waits until a put through a member succeeds.
    async fn serves(&self, index: usize, client: &TlsClient) -> anyhow::Result<()> {
        let address = self.address(index);
        let what = format!("a put through n{}", index + 1);
        eventually(&what, DEADLINE, || async { put(&address, client).await })
            .await
            .with_context(|| std::fs::read_to_string(self.stderr(index)).unwrap_or_default())
    }
}

async fn put(address: &str, client: &TlsClient) -> anyhow::Result<()> {
    let mut kv = KvClient::new(client.channel(address).await?);
    let put = PutRequest { key: "k".into(), value: "v".into(), ..PutRequest::default() };
    kv.put(put).await?;
    Ok(())
}

async fn is_refused(address: &str, client: &TlsClient, words: &str) -> anyhow::Result<()> {
    let error = put(address, client).await.err().context("it is refused")?;
    let error = format!("{error:?}");
    ensure!(error.contains(words), "{error}");
    Ok(())
}

/// What comes back for these bytes in plain text.
async fn raw(address: &str, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(bytes).await?;
    let mut answer = Vec::new();
    // A reset is an end too.
    let _ = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer)).await?;
    Ok(answer)
}

const CLIENT_FLAGS: [&str; 4] = [
    "--cert-file={dir}/server.pem",
    "--key-file={dir}/server.key",
    "--trusted-ca-file={dir}/ca.pem",
    "--client-cert-auth",
];

/// One member with certificates of `authority`, and a client of it.
async fn one(authority: &Authority, more: &[&str]) -> anyhow::Result<(Members, TlsClient)> {
    let flags = [&CLIENT_FLAGS[..], more].concat();
    let mut members = Members::new(1, &flags)?;
    std::fs::write(members.path().join("ca.pem"), &authority.pem)?;
    authority.issue("server", &HOSTS, Valid::Now)?.write(members.path(), "server")?;
    std::fs::write(members.path().join("crl.pem"), authority.revoke(&[])?)?;
    members.start(0)?;
    let alice = authority.issue("alice", &["alice.example"], Valid::Now)?;
    let client = TlsClient::new(&authority.pem, Some(&alice));
    members.serves(0, &client).await?;
    Ok((members, client))
}

/// Goal: who shows what comes in or does not, and is told why. Method: certificates that are each wrong in one way.
#[tokio::test]
async fn only_clients_with_a_right_certificate_come_in() -> anyhow::Result<()> {
    let (authority, other) = (Authority::new("ca")?, Authority::new("other")?);
    let (members, client) = one(&authority, &[]).await?;
    let address = members.address(0);
    for version in [&TLS12, &TLS13] {
        put(&address, &client.clone().only(version)).await?;
    }
    let showing = |identity: &Identity| TlsClient::new(&authority.pem, Some(identity));
    is_refused(&address, &TlsClient::new(&authority.pem, None), "CertificateRequired").await?;
    let stranger = other.issue("alice", &["alice.example"], Valid::Now)?;
    is_refused(&address, &showing(&stranger), "UnknownCA").await?;
    let expired = authority.issue("alice", &["alice.example"], Valid::Past)?;
    is_refused(&address, &showing(&expired), "CertificateExpired").await?;
    let early = authority.issue("alice", &["alice.example"], Valid::Later)?;
    is_refused(&address, &showing(&early), "CertificateExpired").await?;
    members.says(0, "peer sent no certificates").await?;
    members.says(0, "UnknownIssuer").await?;
    // The client's turn: the member is none of its authority's, or not who it was called.
    is_refused(&address, &TlsClient::new(&other.pem, None), "UnknownIssuer").await?;
    authority
        .issue("server", &["elsewhere.example"], Valid::Now)?
        .write(members.path(), "server")?;
    eventually("another host's certificate", DEADLINE, || {
        is_refused(&address, &client, "not valid for name")
    })
    .await
}

#[tokio::test]
async fn allowed_names_are_asked_for_beside_the_authority() -> anyhow::Result<()> {
    let authority = Authority::new("ca")?;
    for allowed in
        ["--client-cert-allowed-cn=bob,alice", "--client-cert-allowed-hostname=alice.example"]
    {
        let (members, _) = one(&authority, &[allowed]).await?;
        let eve = authority.issue("eve", &["eve.example"], Valid::Now)?;
        let eve = TlsClient::new(&authority.pem, Some(&eve));
        is_refused(&members.address(0), &eve, "AccessDenied").await?;
        members.says(0, "ApplicationVerificationFailure").await?;
    }
    Ok(())
}

#[tokio::test]
async fn protocols_are_chosen_by_what_a_client_offers() -> anyhow::Result<()> {
    let authority = Authority::new("ca")?;
    let (members, client) = one(&authority, &["--tls-min-version=TLS1.3"]).await?;
    let address = members.address(0);
    for offered in [&["http/1.1"][..], &[]] {
        let answer = client.clone().offering(offered).page(&address, "/health").await?;
        ensure!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    // A client of gRPC that offers nothing is known by its first bytes.
    put(&address, &client.clone().offering(&[])).await?;
    is_refused(&address, &client.clone().offering(&["h3"]), "NoApplicationProtocol").await?;
    is_refused(&address, &client.clone().only(&TLS12), "ProtocolVersion").await
}

#[tokio::test]
async fn plain_text_and_garbage_are_refused_in_words() -> anyhow::Result<()> {
    let authority = Authority::new("ca")?;
    let (members, client) = one(&authority, &[]).await?;
    let address = members.address(0);
    let answer = raw(&address, b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await?;
    let words = "Client sent an HTTP request to an HTTPS server.\n";
    let wanted = format!("HTTP/1.0 400 Bad Request\r\n\r\n{words}");
    ensure!(answer == wanted.as_bytes(), "{}", answer.escape_ascii());
    let answer = raw(&address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await?;
    let told = String::from_utf8_lossy(&answer);
    ensure!(told.ends_with("this port speaks TLS: connect to it by https, not http"), "{told}");
    ensure!(answer.get(..4) == Some(&[0, 0, 62, 7]), "{}", answer.escape_ascii());
    for garbage in [&b"\0\0\0\0"[..], b"\x16\x03\x01\0\x05hello", b"\x16\x03\x03\xff\xff", b"\xff"]
    {
        // The last ones wait for more, and then for their time.
        let mut stream = TcpStream::connect(&address).await?;
        stream.write_all(garbage).await?;
        stream.shutdown().await?;
        put(&address, &client).await?;
    }
    members.says(0, "it speaks plain text to a port that speaks TLS").await?;
    let pages = format!("127.0.0.1:{}", members.metrics[0]);
    ensure!(page::get(&pages, "/health").await?.contains("true"));
    let mut kv = KvClient::new(mini_etcd_tests::cluster::connect_lazily(&pages)?);
    let status = kv.put(PutRequest::default()).await.err().context("no calls in plain text")?;
    ensure!(status.code() == Code::PermissionDenied, "{status}");
    Ok(())
}

#[tokio::test]
async fn tls_to_a_port_of_plain_text_is_named_in_the_log() -> anyhow::Result<()> {
    let mut members = Members::new(1, &[])?;
    members.start(0)?;
    let authority = Authority::new("ca")?;
    eventually("a connection", DEADLINE, || async {
        let refused = TlsClient::new(&authority.pem, None).connect(&members.address(0)).await;
        let error = format!("{:?}", refused.err().context("it is refused")?);
        ensure!(
            error.contains("InvalidContentType") || error.contains("InvalidMessage"),
            "{error}"
        );
        Ok(())
    })
    .await?;
    members.says(0, "speaks TLS to a port that speaks plain text").await
}

/// Goal: handshakes that do not go on keep nobody out. Method: more of them than may be under way, some silent and some half
/// said, and clients beside them.
#[tokio::test]
async fn half_open_handshakes_are_bounded_and_give_way() -> anyhow::Result<()> {
    let authority = Authority::new("ca")?;
    let (members, client) = one(&authority, &[]).await?;
    let address = members.address(0);
    let mut half_open = Vec::new();
    for number in 0..400 {
        let mut stream = TcpStream::connect(&address).await?;
        if number % 2 == 0 {
            stream.write_all(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03").await?;
        }
        half_open.push(stream);
        if number % 50 == 0 {
            put(&address, &client).await?;
        }
    }
    put(&address, &client).await?;
    let bound = u32::try_from(mini_etcd_server::limits::TLS_HANDSHAKES_MAX)?;
    eventually("the bound", DEADLINE, || async {
        let pending = members.metric(0, "mini_etcd_tls_handshakes_pending").await?;
        ensure!(pending <= f64::from(bound), "{pending} handshakes are under way");
        Ok(())
    })
    .await?;
    // The rest goes by its time.
    eventually("the end of all", DEADLINE, || async {
        let pending = members.metric(0, "mini_etcd_tls_handshakes_pending").await?;
        ensure!(pending == 0.0, "{pending} handshakes are under way");
        Ok(())
    })
    .await?;
    put(&address, &client).await
}

/// Goal: each file is read anew, and one that cannot be used changes nothing. Method: change them one after the other.
#[tokio::test]
async fn certificates_authorities_and_lists_are_read_anew() -> anyhow::Result<()> {
    let (old, new) = (Authority::new("old")?, Authority::new("new")?);
    let (members, client) = one(&old, &["--client-crl-file={dir}/crl.pem"]).await?;
    let (address, dir) = (members.address(0), members.path().to_owned());
    let alice = client.identity.clone().context("alice")?;
    // Revoked, and then not any more.
    std::fs::write(dir.join("crl.pem"), old.revoke(&[&alice])?)?;
    eventually("a refusal", DEADLINE, || is_refused(&address, &client, "CertificateRevoked"))
        .await?;
    std::fs::write(dir.join("crl.pem"), old.revoke(&[])?)?;
    members.serves(0, &client).await?;
    // A key that is not the certificate's, and then no certificate at all.
    let failures = "mini_etcd_tls_reload_failures_total";
    for (broken, words) in
        [("server.key", "it is not the key of"), ("server.pem", "no certificate in PEM")]
    {
        let good = std::fs::read(dir.join(broken))?;
        let before = members.metric(0, failures).await?;
        let text = if broken == "server.key" {
            new.issue("x", &HOSTS, Valid::Now)?.key
        } else {
            "nothing".to_owned()
        };
        std::fs::write(dir.join(broken), text)?;
        members.says(0, words).await?;
        ensure!(members.metric(0, failures).await? > before);
        put(&address, &client).await?;
        std::fs::write(dir.join(broken), good)?;
    }
    // Another authority, and what it signed.
    new.issue("server", &HOSTS, Valid::Now)?.write(&dir, "server")?;
    std::fs::write(dir.join("crl.pem"), new.revoke(&[])?)?;
    std::fs::write(dir.join("ca.pem"), &new.pem)?;
    let bob = new.issue("bob", &["bob.example"], Valid::Now)?;
    members.serves(0, &TlsClient::new(&new.pem, Some(&bob))).await?;
    is_refused(&address, &TlsClient::new(&new.pem, Some(&alice)), "UnknownCA").await
}

#[tokio::test]
async fn what_expires_soon_is_said_and_shown() -> anyhow::Result<()> {
    let authority = Authority::new("ca")?;
    let (members, _) = one(&authority, &[]).await?;
    let name = "mini_etcd_tls_expiry_timestamp_seconds{side=\"client\",kind=\"certificate\"}";
    // 2100-01-01 and 2020-01-01, in seconds.
    ensure!((members.metric(0, name).await? - 4_102_444_800.0).abs() < 1.0);
    authority.issue("server", &HOSTS, Valid::Past)?.write(members.path(), "server")?;
    members.says(0, "the certificate has expired").await?;
    eventually("the end", DEADLINE, || async {
        ensure!((members.metric(0, name).await? - 1_577_836_800.0).abs() < 1.0);
        Ok(())
    })
    .await
}

const PEER_FLAGS: [&str; 3] = [
    "--peer-cert-file={dir}/peer{n}.pem",
    "--peer-key-file={dir}/peer{n}.key",
    "--peer-trusted-ca-file={dir}/peers.pem",
];

/// Goal: three members verify each other, through a kill, a restart and new certificates, and nobody else speaks as one.
#[tokio::test]
async fn three_members_show_each_other_certificates() -> anyhow::Result<()> {
    let (clients, peers) = (Authority::new("clients")?, Authority::new("peers")?);
    let mut members = Members::new(3, &[&CLIENT_FLAGS[..], &PEER_FLAGS].concat())?;
    let dir = members.path().to_owned();
    std::fs::write(dir.join("ca.pem"), &clients.pem)?;
    std::fs::write(dir.join("peers.pem"), &peers.pem)?;
    clients.issue("server", &HOSTS, Valid::Now)?.write(&dir, "server")?;
    for number in 1..=3 {
        peers.issue("peer", &HOSTS, Valid::Now)?.write(&dir, &format!("peer{number}"))?;
        members.start(number - 1)?;
    }
    let alice = clients.issue("alice", &["alice.example"], Valid::Now)?;
    let client = TlsClient::new(&clients.pem, Some(&alice));
    for index in 0..3 {
        members.serves(index, &client).await?;
    }
    let channel = client.channel(&members.address(0)).await?;
    let list =
        ClusterClient::new(channel.clone()).member_list(MemberListRequest::default()).await?;
    let list = list.into_inner().members;
    let urls = list.iter().flat_map(|member| member.peer_ur_ls.iter().chain(&member.client_ur_ls));
    ensure!(
        urls.clone().count() == 6 && urls.clone().all(|url| url.starts_with("https://")),
        "{list:?}"
    );
    // A client is none of them, by whatever protocol.
    let call = PeerClient::new(channel).stream(futures::stream::iter([Batch::default()])).await;
    let status = call.err().context("a client does not speak as a member")?;
    ensure!(status.code() == Code::PermissionDenied, "{status}");
    let posing = client.clone().offering(&["mini-etcd-peer"]);
    is_refused(&members.address(0), &TlsClient { roots: peers.pem.clone(), ..posing }, "UnknownCA")
        .await?;
    // A member is no client.
    let peer = peers.issue("peer", &HOSTS, Valid::Now)?;
    let member = TlsClient::new(&peers.pem, Some(&peer)).offering(&["mini-etcd-peer"]);
    is_refused(&members.address(0), &member, "clients are not answered").await?;
    // Killed, written past, and back; then with certificates of both authorities believed, and then of the new one.
    members.kill(2)?;
    members.serves(0, &client).await?;
    members.start(2)?;
    members.serves(2, &client).await?;
    let other = Authority::new("new peers")?;
    std::fs::write(dir.join("peers.pem"), format!("{}{}", peers.pem, other.pem))?;
    for index in 0..3 {
        members.says(index, "were read anew").await?;
        other.issue("peer", &HOSTS, Valid::Now)?.write(&dir, &format!("peer{}", index + 1))?;
    }
    let believing = TlsClient::new(&other.pem, Some(&other.issue("x", &["x"], Valid::Now)?));
    let believing = believing.offering(&["mini-etcd-peer"]);
    for index in 0..3 {
        let address = members.address(index);
        eventually("the new certificate", DEADLINE, || {
            is_refused(&address, &believing, "clients are not")
        })
        .await?;
    }
    std::fs::write(dir.join("peers.pem"), &other.pem)?;
    let (address, late) = (members.address(0), TlsClient { identity: Some(peer), ..believing });
    eventually("the end of the old authority", DEADLINE, || {
        is_refused(&address, &late, "UnknownCA")
    })
    .await?;
    members.kill(0)?;
    members.serves(1, &client).await?;
    members.start(0)?;
    members.serves(0, &client).await?;
    // One whose certificate is for somewhere else is not spoken to.
    other.issue("peer", &["elsewhere.example"], Valid::Now)?.write(&dir, "peer3")?;
    members.kill(2)?;
    members.start(2)?;
    members.says(0, "not valid for name").await?;
    members.serves(0, &client).await
}

/// Goal: two flags are enough for TLS everywhere. Method: three members with certificates of their own making.
#[tokio::test]
async fn members_make_their_own_certificates() -> anyhow::Result<()> {
    let mut members = Members::new(3, &["--auto-tls", "--peer-auto-tls"])?;
    for index in 0..3 {
        members.start(index)?;
    }
    let mut clients = Vec::new();
    for index in 0..3 {
        let fixtures = members.path().join(format!("n{}/fixtures/client", index + 1));
        let roots = eventually("a certificate", DEADLINE, || async {
            Ok(std::fs::read_to_string(fixtures.join("cert.pem"))?)
        })
        .await?;
        clients.push(TlsClient::new(&roots, None));
        members.serves(index, &clients[index]).await?;
    }
    // The same after a restart.
    members.kill(1)?;
    members.start(1)?;
    members.serves(1, &clients[1]).await
}
