//! Clients of clusters with TLS and users: `mini-etcdctl` beside etcdctl 3.5.1, and logins that the server forgets.
//!
//! `ETCD_BIN` names etcd 3.5.1's server, `ETCDCTL_BIN` its etcdctl.

#![expect(clippy::expect_used, reason = "a test may say what it expects")]

#[expect(dead_code, reason = "shared with other suites")]
#[path = "oracle_ctl/printed.rs"]
mod printed;
#[expect(dead_code, reason = "shared with other suites")]
#[path = "../../shared/tests/tls/secure.rs"]
mod secure;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use mini_etcd_proto::etcdserverpb::{PutRequest, StatusRequest, WatchCreateRequest};
use mini_etcd_shared::client::{Client, ClientConfig, Credentials, Endpoint, Tls, WatchItem};
use mini_etcd_tests::process::{Process, etcd_binary, free_ports};
use tempfile::TempDir;
use tokio::time::timeout;

use printed::{command, finish, programs, run_line};
use secure::{Authority, Pair};

/// Longest time for one step.
const STEP: Duration = Duration::from_secs(60);

/// An etcd 3.5.1 that speaks TLS to clients.
struct Etcd {
    dir: TempDir,
    arguments: Vec<String>,
    process: Process,
    endpoint: String,
}

impl Etcd {
    fn start(pair: &Pair, more: &[String]) -> anyhow::Result<Self> {
        let dir = TempDir::new()?;
        let ports = free_ports(2)?;
        let [client, peer] = ports[..] else { bail!("two ports") };
        let endpoint = format!("https://127.0.0.1:{client}");
        let peer = format!("http://127.0.0.1:{peer}");
        let mut arguments = vec![
            "--name=n1".to_owned(),
            format!("--data-dir={}", dir.path().join("data").display()),
            format!("--listen-client-urls={endpoint}"),
            format!("--advertise-client-urls={endpoint}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=n1={peer}"),
            format!("--cert-file={}", pair.cert.display()),
            format!("--key-file={}", pair.key.display()),
            "--log-level=error".to_owned(),
        ];
        arguments.extend_from_slice(more);
        let process = run(dir.path(), &arguments)?;
        Ok(Self { dir, arguments, process, endpoint })
    }

    fn restart(&mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        self.process = run(self.dir.path(), &self.arguments)?;
        Ok(())
    }

    fn config(&self, tls: Tls) -> anyhow::Result<ClientConfig> {
        Ok(ClientConfig {
            tls,
            command_timeout: Some(STEP),
            ..ClientConfig::new(vec![Endpoint::parse(&self.endpoint)?])
        })
    }
}

fn run(dir: &Path, arguments: &[String]) -> anyhow::Result<Process> {
    let mut command = Command::new(etcd_binary("ETCD_BIN")?);
    command.args(arguments);
    Process::start("etcd", &mut command, &dir.join("stderr"))
}

async fn answers(config: ClientConfig) -> anyhow::Result<Client> {
    let client = Client::new(config)?;
    client.status(StatusRequest {}).await.into_result()?;
    Ok(client)
}

fn trusting(authority: &Authority) -> Tls {
    Tls { cacert: Some(authority.cert.clone()), ..Tls::default() }
}

fn with(tls: Tls, pair: &Pair) -> Tls {
    Tls { cert: Some(pair.cert.clone()), key: Some(pair.key.clone()), ..tls }
}

/// Lines, with names for files: CA and KEY, CERT of a client of the authority; OTHER is another authority.
const LINES: &[&str] = &[
    "put foo bar --cacert=CA",
    "get foo --cacert=CA",
    "get foo --cacert=CA -w json",
    "member list --cacert=CA",
    "endpoint health --cacert=CA",
    "endpoint health --cluster --cacert=CA --cert=CERT --key=KEY",
    "get foo --cacert=CA --cert=CERT --key=KEY",
    "get foo --insecure-transport=false --insecure-skip-tls-verify",
    "get foo --cacert=OTHER --command-timeout=1s",
    "get foo --command-timeout=1s",
    "get foo --cacert=/nowhere",
    "get foo --cacert=CA --cert=CERT",
    "get foo --cacert=CA --key=KEY",
    "get foo --cacert=CA --cert=CERT --key=OTHERKEY",
    "get foo --cacert=CA --cert=/nowhere --key=KEY",
];

/// Goal: scripts that work with etcdctl over TLS work with ours. Method: each line runs with both, on a server that
/// wants no client certificate and on one that does, with and without a scheme before the address.
#[tokio::test]
async fn every_line_over_tls_prints_what_etcdctl_prints() -> anyhow::Result<()> {
    let [ours, theirs] = programs()?;
    let (authority, other) = (Authority::new("authority"), Authority::new("other"));
    let server = authority.signs("server", &["127.0.0.1"]);
    let client = authority.signs("client", &[]);
    let stranger = other.signs("stranger", &[]);
    let named = |line: &str| {
        let files = [
            ("OTHERKEY", &stranger.key),
            ("OTHER", &other.cert),
            ("CA", &authority.cert),
            ("CERT", &client.cert),
            ("KEY", &client.key),
        ];
        let file = |line: String, (name, path): (&str, &std::path::PathBuf)| {
            line.replace(&format!("={name}"), &format!("={}", path.display()))
        };
        files.into_iter().fold(line.to_owned(), file)
    };
    let open = Etcd::start(&server, &[])?;
    let wants = [
        "--client-cert-auth".to_owned(),
        format!("--trusted-ca-file={}", authority.cert.display()),
    ];
    let strict = Etcd::start(&server, &wants)?;
    answers(open.config(trusting(&authority))?).await?;
    answers(strict.config(with(trusting(&authority), &client))?).await?;
    let mut different = Vec::new();
    let bare = open.endpoint.trim_start_matches("https://");
    for endpoint in [&open.endpoint, bare, &strict.endpoint] {
        for line in LINES {
            // Without a scheme nothing but flags says that it is TLS.
            let patient = line.contains("--cacert=CA") && endpoint == strict.endpoint;
            let line =
                if patient { format!("{line} --command-timeout=2s") } else { (*line).to_owned() };
            let line = named(&line);
            let run = |binary: &Path| run_line(binary, endpoint, &line, "");
            let (theirs, ours) = (run(&theirs)?, run(&ours)?);
            if ours != theirs {
                different
                    .push(format!("{endpoint} {line}\n  ours   {ours:?}\n  theirs {theirs:?}"));
            }
        }
    }
    ensure!(different.is_empty(), "{} lines differ:\n{}", different.len(), different.join("\n"));
    Ok(())
}

#[tokio::test]
async fn what_keeps_tls_from_coming_about_stands_beside_etcdctls_words() -> anyhow::Result<()> {
    let [ours, _] = programs()?;
    let (authority, other) = (Authority::new("authority"), Authority::new("other"));
    let server = Etcd::start(&authority.signs("server", &["127.0.0.1"]), &[])?;
    answers(server.config(trusting(&authority))?).await?;
    let line = format!("get foo --command-timeout=1s --cacert={}", other.cert.display());
    let said = command(&ours, Some(&server.endpoint), &line).output()?;
    let said = String::from_utf8_lossy(&said.stderr);
    let why = "its certificate, signed by authority, is not trusted";
    ensure!(said.contains(why) && said.ends_with("Error: context deadline exceeded\n"), "{said}");
    Ok(())
}

/// Has root, and asks for logins from now on.
fn with_users(server: &Etcd, authority: &Authority) -> anyhow::Result<()> {
    for line in ["user add root:secret", "user grant-role root root", "auth enable"] {
        admin(server, authority, line)?;
    }
    Ok(())
}

fn admin(server: &Etcd, authority: &Authority, line: &str) -> anyhow::Result<()> {
    let line = format!("{line} --cacert={}", authority.cert.display());
    let printed = finish(command(&etcd_binary("ETCDCTL_BIN")?, Some(&server.endpoint), &line), "")?;
    ensure!(printed.code == Some(0), "{line}: {printed:?}");
    Ok(())
}

fn root(config: ClientConfig) -> ClientConfig {
    let login = Credentials { name: "root".to_owned(), password: "secret".to_owned() };
    ClientConfig { login: Some(login), ..config }
}

async fn put(client: &Client, value: &'static str) -> anyhow::Result<()> {
    let request = PutRequest { key: "k".into(), value: value.into(), ..PutRequest::default() };
    client.put(request).await.into_result()?;
    Ok(())
}

/// Goal: a token that the server has forgotten is renewed, for calls and for watches. Method: the server, which keeps
/// its tokens in memory, is killed and started again under both.
#[tokio::test]
async fn a_login_that_the_server_has_forgotten_is_made_again() -> anyhow::Result<()> {
    let authority = Authority::new("authority");
    let mut server = Etcd::start(&authority.signs("server", &["127.0.0.1"]), &[])?;
    answers(server.config(trusting(&authority))?).await?;
    with_users(&server, &authority)?;
    let client = Client::new(root(server.config(trusting(&authority))?))?;
    put(&client, "before").await?;
    let request = WatchCreateRequest { key: "k".into(), ..WatchCreateRequest::default() };
    let mut watch = client.watch(request);
    let created = timeout(STEP, watch.next()).await?;
    ensure!(matches!(created, Some(WatchItem::Created { .. })), "{created:?}");
    server.restart()?;
    // Nothing is written before the server is back: the watch meets it with its old token, and so does the call.
    // One that was under way when the server was killed may have been done: it is told, and not sent again.
    loop {
        match put(&client, "after").await {
            Ok(()) => break,
            Err(error) if error.to_string().contains("lost") => {}
            Err(error) => return Err(error),
        }
    }
    loop {
        match timeout(STEP, watch.next()).await?.context("the watch has ended")? {
            WatchItem::Events(response) => {
                let values: Vec<_> =
                    response.events.iter().filter_map(|event| event.kv.as_ref()).collect();
                ensure!(values.iter().any(|kv| kv.value == "after"), "{values:?}");
                return Ok(());
            }
            WatchItem::Lost { .. } | WatchItem::Created { .. } | WatchItem::Progress(_) => {}
            other => bail!("{other:?}"),
        }
    }
}

/// Goal: a change of users or rights does not fail who is logged in. Method: tokens that carry the revision of both.
#[tokio::test]
async fn a_login_from_before_a_change_of_rights_is_made_again() -> anyhow::Result<()> {
    let authority = Authority::new("authority");
    let keys = TempDir::new()?;
    let key = rcgen::KeyPair::generate()?;
    let (private, public) = (keys.path().join("private"), keys.path().join("public"));
    std::fs::write(&private, key.serialize_pem())?;
    std::fs::write(&public, key.public_key_pem())?;
    let tokens = format!(
        "--auth-token=jwt,pub-key={},priv-key={},sign-method=ES256,ttl=10m",
        public.display(),
        private.display()
    );
    let server = Etcd::start(&authority.signs("server", &["127.0.0.1"]), &[tokens])?;
    answers(server.config(trusting(&authority))?).await?;
    with_users(&server, &authority)?;
    let client = Client::new(root(server.config(trusting(&authority))?))?;
    for number in 0..3 {
        put(&client, "x").await?;
        admin(&server, &authority, &format!("role add r{number} --user=root:secret"))?;
    }
    put(&client, "x").await
}

/// Goal: nobody reads a password where it was not typed. Method: every form of a login that fails or works, with all
/// that is printed about it.
#[tokio::test]
async fn a_password_is_never_shown() -> anyhow::Result<()> {
    let [ours, _] = programs()?;
    let authority = Authority::new("authority");
    let server = Etcd::start(&authority.signs("server", &["127.0.0.1"]), &[])?;
    answers(server.config(trusting(&authority))?).await?;
    with_users(&server, &authority)?;
    let ca = format!("--cacert={}", authority.cert.display());
    for line in [
        "get k --user root:secret --debug",
        "get k --user root --password secret --debug",
        "get k --user nobody:secret --debug",
        "get k --user root:secret --command-timeout=0s --debug",
    ] {
        let output = command(&ours, Some(&server.endpoint), &format!("{line} {ca}")).output()?;
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed);
        ensure!(!printed.contains("secret") && !printed.is_empty(), "{line}: {printed}");
    }
    Ok(())
}
