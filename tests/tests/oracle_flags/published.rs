//! What people start etcd by, as it is published: only addresses, ports and directories are ours.

use std::os::unix::net::UnixDatagram;
use std::path::Path;

use anyhow::{Context as _, ensure};
use mini_etcd_tests::page;
use mini_etcd_tests::process::Process;
use mini_etcd_tests::tls::{Authority, Valid};
use mini_etcd_tests::wait::eventually;
use tempfile::TempDir;

use super::launch::{DEADLINE, Line, Place, Told, programs};

/// The command of the static pod that kubeadm 1.31 to 1.33 writes to `/etc/kubernetes/manifests/etcd.yaml`.
const KUBEADM: &str = "\
    - etcd
    - --advertise-client-urls=https://192.168.102.134:2379
    - --cert-file=/etc/kubernetes/pki/etcd/server.crt
    - --client-cert-auth=true
    - --data-dir=/var/lib/etcd
    - --experimental-initial-corrupt-check=true
    - --experimental-watch-progress-notify-interval=5s
    - --initial-advertise-peer-urls=https://192.168.102.134:2380
    - --initial-cluster=master=https://192.168.102.134:2380
    - --key-file=/etc/kubernetes/pki/etcd/server.key
    - --listen-client-urls=https://127.0.0.1:2379,https://192.168.102.134:2379
    - --listen-metrics-urls=http://127.0.0.1:2381
    - --listen-peer-urls=https://192.168.102.134:2380
    - --name=master
    - --peer-cert-file=/etc/kubernetes/pki/etcd/peer.crt
    - --peer-client-cert-auth=true
    - --peer-key-file=/etc/kubernetes/pki/etcd/peer.key
    - --peer-trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt
    - --snapshot-count=10000
    - --trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt
";

/// What newer ones say in the place of two of these.
const KUBEADM_NEW: [(&str, &str); 2] = [
    ("--experimental-initial-corrupt-check=true", "--feature-gates=InitialCorruptCheck=true"),
    ("--experimental-watch-progress-notify-interval=5s", "--watch-progress-notify-interval=5s"),
];

/// A line of etcd's page about containers, behind the name of the image.
const DOCKER: &str = "\
/usr/local/bin/etcd \\
  --data-dir=/etcd-data --name node1 \\
  --initial-advertise-peer-urls http://192.168.1.21:2380 --listen-peer-urls http://0.0.0.0:2380 \\
  --advertise-client-urls http://192.168.1.21:2379 --listen-client-urls http://0.0.0.0:2379 \\
  --initial-cluster node1=http://192.168.1.21:2380
";

/// The part of Debian's `etcd.service` that starts it.
const UNIT: &str = "\
[Service]
Environment=ETCD_DATA_DIR=/var/lib/etcd/default
EnvironmentFile=-/etc/default/etcd
Type=notify
User=etcd
ExecStart=/usr/bin/etcd $DAEMON_ARGS
Restart=on-abnormal
LimitNOFILE=65536
";

/// Its `/etc/default/etcd`, filled in.
const DEFAULTS: &str = "\
## Human-readable name for this member.
ETCD_NAME=\"node1\"
ETCD_LISTEN_PEER_URLS=\"http://10.0.0.1:2380\"
ETCD_LISTEN_CLIENT_URLS=\"http://10.0.0.1:2379,http://127.0.0.1:2379\"
ETCD_INITIAL_ADVERTISE_PEER_URLS=\"http://10.0.0.1:2380\"
ETCD_INITIAL_CLUSTER=\"node1=http://10.0.0.1:2380\"
ETCD_INITIAL_CLUSTER_STATE=\"new\"
ETCD_INITIAL_CLUSTER_TOKEN=\"etcd-cluster\"
ETCD_ADVERTISE_CLIENT_URLS=\"http://10.0.0.1:2379\"
# ETCD_HEARTBEAT_INTERVAL=\"100\"
DAEMON_ARGS=\"--auto-compaction-retention 1\"
";

/// The first of three lines of etcd's clustering guide; the others have the names and addresses of the next.
const GUIDE: &str = "\
etcd --name infra0 --initial-advertise-peer-urls http://10.0.1.10:2380 \\
  --listen-peer-urls http://10.0.1.10:2380 \\
  --listen-client-urls http://10.0.1.10:2379,http://127.0.0.1:2379 \\
  --advertise-client-urls http://10.0.1.10:2379 \\
  --initial-cluster-token etcd-cluster-1 \\
  --initial-cluster infra0=http://10.0.1.10:2380,infra1=http://10.0.1.11:2380,infra2=http://10.0.1.12:2380 \\
  --initial-cluster-state new
";

/// The address of a published line, here.
fn mapped(text: &str, address: &str, here: &str) -> String {
    let ports = [("2379", "{c}"), ("2380", "{p}"), ("2381", "{m}")];
    ports.into_iter().fold(text.replace(address, here), |text, (port, name)| {
        text.replace(&format!(":{port}"), &format!(":{name}"))
    })
}

/// The words of a command behind the program.
fn words(command: &str) -> Vec<&str> {
    command.split_whitespace().filter(|word| !["\\", "-"].contains(word)).skip(1).collect()
}

/// Starts both programs by `arguments` and `variables` and compares what they tell.
async fn compare(
    arguments: &[&str],
    variables: &[(&str, &str)],
    (prepare, flags): (impl Fn(&Path) -> anyhow::Result<()>, &[&str]),
) -> anyhow::Result<()> {
    let (place, line) = (Place::new()?, Line { arguments, variables, file: "" });
    let mut told = Vec::new();
    for (_, program) in programs()? {
        let dir = TempDir::new()?;
        prepare(dir.path())?;
        told.push(place.told_in(dir.path(), &program, &line, flags).await?);
    }
    ensure!(told.first() == told.last(), "{line:?}: {told:?}");
    Ok(())
}

/// Goal: the pod that kubeadm writes starts with mini-etcd in the place of etcd, answers etcdctl over TLS with the
/// certificate of a client, and kubelet's probe in plain text.
#[tokio::test]
async fn the_static_pod_of_kubeadm_starts() -> anyhow::Result<()> {
    let authority = Authority::new("etcd-ca")?;
    let files = |dir: &Path| -> anyhow::Result<()> {
        std::fs::write(dir.join("ca.crt"), &authority.pem)?;
        for name in ["server", "peer"] {
            let hosts = ["127.0.0.1", "127.0.0.2", "localhost", "master"];
            let identity = authority.issue("master", &hosts, Valid::Now)?;
            std::fs::write(dir.join(format!("{name}.crt")), &identity.certificate)?;
            std::fs::write(dir.join(format!("{name}.key")), &identity.key)?;
        }
        Ok(())
    };
    let here = |text: &str| {
        let text = text
            .replace("/etc/kubernetes/pki/etcd", "{dir}")
            .replace("/var/lib/etcd", "{dir}/data");
        mapped(&text, "192.168.102.134", "127.0.0.2")
    };
    let command = here(KUBEADM);
    let flags = ["--cacert={dir}/ca.crt", "--cert={dir}/server.crt", "--key={dir}/server.key"];
    compare(&words(&command), &[], (files, &flags)).await?;
    let new = KUBEADM_NEW.into_iter().fold(command, |text, (old, new)| text.replace(old, new));
    let (place, dir) = (Place::new()?, TempDir::new()?);
    files(dir.path())?;
    let [_, (_, program)] = programs()?;
    let process =
        place.start(&program, &Line { arguments: &words(&new), ..Line::default() }, dir.path())?;
    let probed = format!("127.0.0.1:{}", place.port('m')?);
    eventually("kubelet's probe", DEADLINE, || async {
        let page = page::answer(&probed, "/readyz").await?;
        ensure!(page.contains(" 200 "), "{page}");
        Ok(())
    })
    .await
    .with_context(|| process.errors())?;
    let errors = process.errors();
    let warnings = errors.lines().filter(|line| line.contains("no effect")).count();
    ensure!(warnings == 1, "the gate alone: {errors}");
    Ok(())
}

#[tokio::test]
async fn the_line_for_containers_of_etcd_s_documentation_starts() -> anyhow::Result<()> {
    let line = mapped(&DOCKER.replace("/etcd-data", "{dir}/data"), "192.168.1.21", "127.0.0.1");
    compare(&words(&line), &[], (|_: &Path| Ok(()), &[])).await
}

/// Goal: a unit of `Type=notify` starts, and systemd, which waits to be told, is told.
#[tokio::test]
async fn the_unit_of_debian_starts() -> anyhow::Result<()> {
    let here = |text: &str| {
        mapped(&text.replace("/var/lib/etcd/default", "{dir}/data"), "10.0.0.1", "127.0.0.2")
    };
    let (unit, defaults) = (here(UNIT), here(DEFAULTS));
    let of_unit = unit.lines().filter_map(|line| line.strip_prefix("Environment="));
    let of_file = defaults.lines().filter(|line| !line.starts_with('#'));
    let variables: Vec<_> = of_unit
        .chain(of_file)
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name, value.trim_matches('"')))
        .collect();
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).context("a start")?;
    let arguments = variables.iter().find(|(name, _)| *name == "DAEMON_ARGS").context("them")?.1;
    let start = start.replace("$DAEMON_ARGS", arguments);
    compare(&words(&start), &variables, (|_: &Path| Ok(()), &[])).await?;
    for (name, program) in programs()? {
        let (place, dir) = (Place::new()?, TempDir::new()?);
        let systemd = UnixDatagram::bind(dir.path().join("notify"))?;
        systemd.set_read_timeout(Some(DEADLINE))?;
        let variables = [&variables[..], &[("NOTIFY_SOCKET", "{dir}/notify")]].concat();
        let line = Line { arguments: &words(&start), variables: &variables, file: "" };
        let process = place.start(&program, &line, dir.path())?;
        let mut bytes = [0; 64];
        let read =
            systemd.recv(&mut bytes).with_context(|| format!("{name}: {}", process.errors()))?;
        ensure!(bytes.get(..read) == Some(b"READY=1"), "{name}: {bytes:?}");
    }
    Ok(())
}

/// Goal: three members that are started by the guide are one cluster with etcd's numbers.
#[tokio::test]
async fn three_members_of_the_clustering_guide_are_one_cluster() -> anyhow::Result<()> {
    let places = [Place::new()?, Place::new()?, Place::new()?];
    let [first, ..] = &places;
    let mut told = Vec::new();
    for (_, program) in programs()? {
        let dirs = [TempDir::new()?, TempDir::new()?, TempDir::new()?];
        let mut running: Vec<Process> = Vec::new();
        for (index, (place, dir)) in places.iter().zip(&dirs).enumerate() {
            let own = GUIDE.replace("127.0.0.1:2379", &format!("127.0.0.1:{}", place.port('d')?));
            let (own, list) = own.split_once("--initial-cluster ").context("the list")?;
            let own = own.replace("infra0", &format!("infra{index}"));
            let own = own.replace("10.0.1.10", &format!("10.0.1.1{index}"));
            let line = mapped(&format!("{own}--initial-cluster {list}"), "10.0.1.", "127.0.1.");
            let line = Line { arguments: &words(&line), ..Line::default() };
            // The first one's ports for all: each has an address of its own.
            running.push(first.start(&program, &line, dir.path())?);
        }
        for address in ["127.0.1.10", "127.0.1.11", "127.0.1.12"] {
            let endpoint = format!("--endpoints={address}:{}", first.port('c')?);
            let answer = eventually("an answer", DEADLINE, || async {
                let told = Told::of(std::slice::from_ref(&endpoint))?;
                ensure!(told.members.len() == 3, "{told:?}");
                Ok(told)
            });
            let errors = || running.iter().map(Process::errors).collect::<String>();
            told.push(answer.await.with_context(errors)?);
        }
    }
    let (theirs, ours) = told.split_at(3);
    ensure!(ours == theirs, "{ours:?} {theirs:?}");
    Ok(())
}
