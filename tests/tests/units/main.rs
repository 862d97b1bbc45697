//! What people start etcd by starts a mini-etcd: units of systemd, pods, lines of docker, compose files, files of
//! variables and of `--config-file`, as they are published, in `tests/published`. Only addresses, ports and paths are
//! ours.
//!
//! A file says in `# warns:` lines what the log names; of everything else it has to be silent.

mod forms;
mod place;
mod settings;

use std::collections::BTreeSet;
use std::future::ready;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use mini_etcd_proto::etcdserverpb::MemberListRequest;
use mini_etcd_proto::etcdserverpb::cluster_client::ClusterClient;
use mini_etcd_tests::process::Process;
use mini_etcd_tests::wait::eventually;
use rustix::process::Signal;

use forms::Published;
use place::{Caller, Member, Place};

/// Longest time for a member to answer.
const DEADLINE: Duration = Duration::from_secs(60);

/// The published files.
fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("published")
}

/// A member that runs, and where it tells systemd that it does.
struct Running {
    member: Member,
    process: Process,
    systemd: Option<UnixDatagram>,
}

/// Starts what the file of this name starts, asks it at every URL that it has, and ends it.
async fn starts(name: &str) -> anyhow::Result<()> {
    let published = Published::read(&directory(), name)?;
    let place = Place::new(&published)?;
    let mut running = Vec::new();
    for member in place.members(&published)? {
        let mut command = member.command()?;
        let systemd = published.is_notified.then(|| systemd(name)).transpose()?;
        if let Some((_, socket)) = &systemd {
            command.env("NOTIFY_SOCKET", socket);
        }
        let process = Process::start(name, &mut command, &member.stderr())?;
        running.push(Running { member, process, systemd: systemd.map(|(socket, _)| socket) });
    }
    let count = running.len();
    for Running { member, process, systemd } in &running {
        process.line(DEADLINE)?;
        answers(&place, member, count).await.with_context(|| process.errors())?;
        if let Some(systemd) = systemd {
            let mut bytes = [0; 64];
            let read = systemd.recv(&mut bytes).with_context(|| process.errors())?;
            ensure!(bytes.get(..read) == Some(b"READY=1"), "{bytes:?}");
        }
    }
    for Running { process, .. } in &running {
        process.signal(Signal::TERM)?;
    }
    for Running { member, process, .. } in &mut running {
        // Not `wait` alone: what the test has connected is closed meanwhile.
        let end = || ready(if process.is_running() { Err(anyhow!("it runs")) } else { Ok(()) });
        eventually("its end", DEADLINE, end).await?;
        let status = process.wait(DEADLINE)?;
        ensure!(status.success(), "{status}: {}", process.errors());
        let log = std::fs::read_to_string(member.stderr())?;
        // Members that start one after the other miss each other for a moment, and when they end.
        let lines = log.lines().filter(|line| count == 1 || line.contains("server::program"));
        only_warns(lines, &published.warnings)?;
    }
    Ok(())
}

/// A socket as systemd has it in a container, by an abstract name.
fn systemd(name: &str) -> anyhow::Result<(UnixDatagram, String)> {
    let name = format!("mini-etcd-units-{}-{name}", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name.as_bytes())?)?;
    socket.set_read_timeout(Some(DEADLINE))?;
    Ok((socket, format!("@{name}")))
}

/// Asks `member` of a cluster of `count` at its URLs.
async fn answers(place: &Place, member: &Member, count: usize) -> anyhow::Result<()> {
    let caller = Caller::new(place, member)?;
    for name in ["listen-client-urls", "listen-client-http-urls", "listen-metrics-urls"] {
        for url in member.urls(name) {
            let is_page =
                |path: &'static str| eventually(path, DEADLINE, || caller.finds(&url, path));
            is_page("/health").await?;
            is_page("/metrics").await?;
        }
    }
    for url in member.urls("listen-peer-urls") {
        caller.connects(&url).await.context(url.address.clone())?;
    }
    for (port, path) in &member.probes {
        let address = format!("127.0.0.1:{port}");
        eventually(path, DEADLINE, || caller.is_well(&address, path)).await?;
    }
    let url = member.urls("listen-client-urls").into_iter().next().context("a URL for clients")?;
    let told = BTreeSet::from_iter(member.list("advertise-client-urls"));
    eventually("all members", DEADLINE, || async {
        let mut cluster = ClusterClient::new(caller.channel(&url).await?);
        let listed = cluster.member_list(MemberListRequest { linearizable: true }).await?;
        let members = listed.into_inner().members;
        ensure!(members.len() == count, "{members:?}");
        let own = members.iter().find(|one| one.name == member.name()).context("its name")?;
        let tells: BTreeSet<_> = own.client_ur_ls.iter().cloned().collect();
        ensure!(tells == told, "{tells:?}, not {told:?}");
        Ok(())
    })
    .await
}

/// Whether those of `lines` that warn name what is `expected`, each one of it.
fn only_warns<'a>(lines: impl Iterator<Item = &'a str>, expected: &[String]) -> anyhow::Result<()> {
    let is_loud = |line: &&str| line.contains(" WARN ") || line.contains(" ERROR ");
    let lines: Vec<_> = lines.filter(is_loud).collect();
    ensure!(lines.len() == expected.len(), "{lines:#?} instead of {expected:?}");
    for name in expected {
        let named = lines.iter().filter(|line| {
            let words = line.split(|c: char| c.is_whitespace() || c == ':' || c == '=');
            words.into_iter().any(|word| word == name)
        });
        ensure!(named.count() == 1, "{name}: {lines:#?}");
    }
    Ok(())
}

/// A test for each file.
macro_rules! published {
    ($($test:ident: $name:literal;)*) => {
        $(
            #[tokio::test]
            async fn $test() -> anyhow::Result<()> {
                starts($name).await
            }
        )*

        /// Goal: no file lies there that nobody starts.
        #[test]
        fn every_file_is_started() -> anyhow::Result<()> {
            let parts = ["debian.default", "kubespray.env"];
            let started: BTreeSet<_> = [$($name),*].into_iter().chain(parts).collect();
            for entry in std::fs::read_dir(directory())? {
                let name = entry?.file_name().into_string().ok().context("a name")?;
                ensure!(started.contains(name.as_str()), "{name}");
            }
            Ok(())
        }
    };
}

published! {
    the_unit_of_etcd: "contrib.service";
    the_unit_of_debian: "debian.service";
    the_unit_of_kubespray: "kubespray.service";
    the_pod_of_kubeadm_until_1_30: "kubeadm-1.30.yaml";
    the_pod_of_kubeadm_until_1_33: "kubeadm-1.33.yaml";
    the_pod_of_kubeadm_of_today: "kubeadm-1.37.yaml";
    the_pod_of_bitnami: "bitnami.yaml";
    a_container: "container.sh";
    containers_on_three_machines: "containers.sh";
    the_compose_file_of_apisix: "apisix.yaml";
    the_compose_file_of_milvus: "milvus.yaml";
    the_clustering_guide: "clustering.sh";
    a_name_without_a_list: "named.sh";
    the_tls_guide_for_servers: "tls-server.sh";
    the_tls_guide_for_clients: "tls-clients.sh";
    the_tls_guide_for_peers: "tls-peers.sh";
    the_tls_guide_without_certificates: "tls-auto.sh";
    the_file_of_rke2: "rke2.yaml";
    the_sample_of_etcd: "sample.yaml";
}
