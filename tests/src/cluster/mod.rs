//! A cluster of real processes: mini-etcd's or etcd's own, by the same handle.

mod member;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, ensure};
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use mini_etcd_proto::etcdserverpb::{MoveLeaderRequest, PutRequest, StatusRequest};
use rustix::process::Signal;
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

use crate::network::Network;
use crate::process::{Process, etcd_binary, free_ports, workspace_binary};
use crate::tls::{Authority, TlsClient, Valid};
use crate::wait::eventually;
use crate::wire::Dial;

pub use member::Member;

/// Where members are that are in no network of their own.
const LOOPBACK: &str = "127.0.0.1";
/// Time for a cluster to answer its first write.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// Which program the members run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    /// This workspace's `mini-etcd`.
    Mini,
    /// The program that `ETCD_BIN` names.
    Etcd,
}

/// A cluster; its processes end and its directory goes when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    members: Vec<Member>,
    /// All members, as their flag lists them; empty for one of mini-etcd alone.
    peers: String,
    dir: TempDir,
    /// How its clients speak to it; none for plain text.
    tls: Option<TlsClient>,
}

impl Cluster {
    /// Starts `size` members and waits until each of them answers a write.
    ///
    /// # Errors
    /// When the program is missing or the cluster does not come up in time.
    pub async fn start(flavor: Flavor, size: usize) -> anyhow::Result<Self> {
        Self::prepare(flavor, size)?.start_all().await
    }

    /// Starts `size` members of etcd's program at `binary`, as [`Cluster::start`] does.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub async fn start_etcd(binary: &Path, size: usize) -> anyhow::Result<Self> {
        Self::start_etcd_with_flags(binary, size, &[]).await
    }

    /// As [`Cluster::start_etcd`], with these flags beside the usual ones.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub async fn start_etcd_with_flags(
        binary: &Path,
        size: usize,
        flags: &[String],
    ) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("mini-etcd-test-").tempdir()?;
        Self::etcd(dir, size, binary)?.with_flags(flags).start_all().await
    }

    /// Starts `size` members after `restore` has made the directory of each; it is told the list of all of them, which is
    /// empty for one of mini-etcd alone.
    ///
    /// # Errors
    /// As [`Cluster::start`], and those of `restore`.
    pub async fn start_restored(
        flavor: Flavor,
        size: usize,
        restore: impl Fn(&Member, &str) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let cluster = Self::prepare(flavor, size)?;
        cluster.members.iter().try_for_each(|member| restore(member, &cluster.peers))?;
        cluster.start_all().await
    }

    fn prepare(flavor: Flavor, size: usize) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("mini-etcd-test-").tempdir()?;
        match flavor {
            Flavor::Mini => Self::mini(dir, size),
            Flavor::Etcd => Self::etcd(dir, size, &etcd_binary("ETCD_BIN")?),
        }
    }

    /// Starts `size` members of mini-etcd, each of which may have `limit` descriptors and no more.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub async fn start_with_descriptors(size: usize, limit: u32) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("mini-etcd-test-").tempdir()?;
        let mut cluster = Self::mini(dir, size)?;
        cluster.limit_descriptors(limit);
        cluster.start_all().await
    }

    /// Starts `size` members of mini-etcd with these flags beside the usual ones.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub async fn start_with_flags(size: usize, flags: &[String]) -> anyhow::Result<Self> {
        Self::start_of_with_flags(Flavor::Mini, size, flags).await
    }

    /// As [`Cluster::start_with_flags`], of either program.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub async fn start_of_with_flags(
        flavor: Flavor,
        size: usize,
        flags: &[String],
    ) -> anyhow::Result<Self> {
        Self::prepare(flavor, size)?.with_flags(flags).start_all().await
    }

    fn with_flags(mut self, flags: &[String]) -> Self {
        for member in &mut self.members {
            member.arguments.extend_from_slice(flags);
        }
        self
    }

    /// Starts a member alone that speaks TLS with its clients, as [`Cluster::start`] does.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub async fn start_with_tls(flavor: Flavor) -> anyhow::Result<Self> {
        let mut cluster = Self::prepare(flavor, 1)?;
        let authority = Authority::new("an authority")?;
        let identity = authority.issue("member", &[LOOPBACK], Valid::Now)?;
        identity.write(cluster.dir.path(), "member")?;
        let file =
            |end: &str| cluster.dir.path().join(format!("member.{end}")).display().to_string();
        let flags = [format!("--cert-file={}", file("pem")), format!("--key-file={}", file("key"))];
        for member in &mut cluster.members {
            for argument in &mut member.arguments {
                if argument.contains("client-urls=") {
                    *argument = argument.replace("http:", "https:");
                }
            }
            member.arguments.extend_from_slice(&flags);
        }
        cluster.tls = Some(TlsClient::new(&authority.pem, None));
        cluster.start_all().await
    }

    /// How to speak to a member.
    ///
    /// # Errors
    /// When there is no such member.
    pub fn dial(&self, index: usize) -> anyhow::Result<Dial> {
        Ok(Dial { address: self.member(index)?.address.clone(), tls: self.tls.clone() })
    }

    /// Starts `size` members of mini-etcd, each run by the program and arguments of `under`.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub async fn start_under(size: usize, under: &[String]) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("mini-etcd-test-").tempdir()?;
        let mut cluster = Self::mini(dir, size)?;
        for member in &mut cluster.members {
            member.under = under.to_vec();
        }
        cluster.start_all().await
    }

    /// Starts a member in each place of a network, as [`Cluster::start`] does.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub async fn start_in(network: &Network, flavor: Flavor, size: usize) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("mini-etcd-test-").tempdir()?;
        let hosts: Vec<_> = (0..size).map(|index| network.host(index)).collect();
        let mut cluster = match flavor {
            Flavor::Mini => Self::mini_at(dir, &hosts)?,
            Flavor::Etcd => Self::etcd_at(dir, &hosts, &etcd_binary("ETCD_BIN")?)?,
        };
        for (index, member) in cluster.members.iter_mut().enumerate() {
            member.under = network.under(index);
        }
        cluster.start_all().await
    }

    /// Starts `size` members of mini-etcd that never cut their logs, for who reads them from the first entry on.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub async fn start_with_whole_logs(size: usize) -> anyhow::Result<Self> {
        Self::start_with_flags(size, &["--snapshot-count=never".to_owned()]).await
    }

    /// Starts `size` members, the first of which has its data below `disk`, as [`Cluster::start`] does.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub async fn start_with_disk(flavor: Flavor, size: usize, disk: &Path) -> anyhow::Result<Self> {
        let mut cluster = Self::prepare(flavor, size)?;
        let member = cluster.member_mut(0)?;
        // Standard error stays where it is, on a disk that works.
        let (before, after) = (member.data.clone(), disk.join(&member.name));
        for argument in &mut member.arguments {
            *argument = argument.replace(&*before.to_string_lossy(), &after.to_string_lossy());
        }
        member.data = after;
        cluster.start_all().await
    }

    /// From its next start on, each member may have `limit` descriptors and no more.
    pub fn limit_descriptors(&mut self, limit: u32) {
        for member in &mut self.members {
            member.descriptors = Some(limit);
        }
    }

    async fn start_all(mut self) -> anyhow::Result<Self> {
        for member in &mut self.members {
            member.start()?;
        }
        self.wait_ready().await?;
        Ok(self)
    }

    fn mini(dir: TempDir, size: usize) -> anyhow::Result<Self> {
        let hosts = vec![LOOPBACK.to_owned(); size];
        Self::mini_at(dir, &hosts)
    }

    fn mini_at(dir: TempDir, hosts: &[String]) -> anyhow::Result<Self> {
        let binary = workspace_binary("mini-etcd")?;
        let size = hosts.len();
        let ports = free_ports(size)?;
        let addresses = hosts
            .iter()
            .zip(ports)
            .map(|(host, port)| format!("{host}:{port}"))
            .collect::<Vec<_>>();
        let peers = addresses
            .iter()
            .enumerate()
            .map(|(i, address)| format!("n{}={address}", i + 1))
            .collect::<Vec<_>>()
            .join(",");
        let members = addresses.into_iter().enumerate().map(|(i, address)| {
            let name = format!("n{}", i + 1);
            let data = dir.path().join(&name);
            let mut arguments = vec![
                format!("--name={name}"),
                format!("--data={}", data.display()),
                format!("--listen={address}"),
            ];
            if size > 1 {
                arguments.push(format!("--peers={peers}"));
            }
            Member::new(name, address, data, arguments, &binary)
        });
        let members = members.collect();
        Ok(Self { members, peers: if size > 1 { peers } else { String::new() }, dir, tls: None })
    }

    fn etcd(dir: TempDir, size: usize, binary: &Path) -> anyhow::Result<Self> {
        let hosts = vec![LOOPBACK.to_owned(); size];
        Self::etcd_at(dir, &hosts, binary)
    }

    fn etcd_at(dir: TempDir, hosts: &[String], binary: &Path) -> anyhow::Result<Self> {
        let ports = free_ports(2 * hosts.len())?;
        let (clients, peers) = ports.split_at(hosts.len());
        let initial = hosts
            .iter()
            .zip(peers)
            .enumerate()
            .map(|(i, (host, port))| format!("n{}=http://{host}:{port}", i + 1))
            .collect::<Vec<_>>()
            .join(",");
        let places = hosts.iter().zip(clients.iter().zip(peers)).enumerate();
        let members = places.map(|(i, (host, (client, peer)))| {
            let name = format!("n{}", i + 1);
            let data = dir.path().join(&name);
            let (client_url, peer_url) =
                (format!("http://{host}:{client}"), format!("http://{host}:{peer}"));
            let arguments = vec![
                format!("--name={name}"),
                format!("--data-dir={}", data.display()),
                format!("--listen-client-urls={client_url}"),
                format!("--advertise-client-urls={client_url}"),
                format!("--listen-peer-urls={peer_url}"),
                format!("--initial-advertise-peer-urls={peer_url}"),
                format!("--initial-cluster={initial}"),
                "--log-level=error".to_owned(),
            ];
            Member::new(name, format!("{host}:{client}"), data, arguments, binary)
        });
        Ok(Self { members: members.collect(), peers: initial, dir, tls: None })
    }

    /// A further member of mini-etcd, called `n` and the next number, which joins by asking the member at `ask`; not started yet.
    ///
    /// # Errors
    /// When the program is missing, or there is no free port.
    pub fn add(&mut self, ask: usize) -> anyhow::Result<usize> {
        let binary = workspace_binary("mini-etcd")?;
        let ports = free_ports(1)?;
        let address = format!("{LOOPBACK}:{}", ports.first().context("a port")?);
        let index = self.members.len();
        let name = format!("n{}", index + 1);
        let data = self.dir.path().join(&name);
        let arguments = vec![
            format!("--name={name}"),
            format!("--data={}", data.display()),
            format!("--listen={address}"),
            format!("--join={}", self.member(ask)?.address),
        ];
        self.members.push(Member::new(name, address, data, arguments, &binary));
        Ok(index)
    }

    /// From its next start on, a member is a new one at the same address: it has no data, and joins by asking the member at
    /// `ask`.
    ///
    /// # Errors
    /// When there is no such member, or its data cannot be removed.
    pub fn renew(&mut self, index: usize, ask: usize) -> anyhow::Result<()> {
        let join = format!("--join={}", self.member(ask)?.address);
        let member = self.member_mut(index)?;
        std::fs::remove_dir_all(&member.data)?;
        member.arguments.retain(|argument| !argument.starts_with("--peers="));
        member.arguments.push(join);
        Ok(())
    }

    /// From its next start on, a member has the flag or has it not.
    ///
    /// # Errors
    /// When there is no such member.
    pub fn flag(&mut self, index: usize, flag: &str, is_on: bool) -> anyhow::Result<()> {
        let member = self.member_mut(index)?;
        member.arguments.retain(|argument| argument != flag);
        member.arguments.extend(is_on.then(|| flag.to_owned()));
        Ok(())
    }

    /// A member that ended by itself is over.
    ///
    /// # Errors
    /// When there is no such member.
    pub fn forget(&mut self, index: usize) -> anyhow::Result<()> {
        self.member_mut(index)?.process = None;
        Ok(())
    }

    /// Number of members, running or not.
    #[must_use]
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// Directory that holds everything of the cluster.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A member by its place.
    ///
    /// # Errors
    /// When there is none.
    pub fn member(&self, index: usize) -> anyhow::Result<&Member> {
        self.members.get(index).with_context(|| format!("no member {index}"))
    }

    fn member_mut(&mut self, index: usize) -> anyhow::Result<&mut Member> {
        self.members.get_mut(index).with_context(|| format!("no member {index}"))
    }

    /// Where clients reach the members: `HOST:PORT` each.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.members.iter().map(|member| member.address.clone()).collect()
    }

    /// A connection to one member, dialled when first used.
    ///
    /// # Errors
    /// When there is no such member.
    pub fn channel(&self, index: usize) -> anyhow::Result<Channel> {
        let address = &self.member(index)?.address;
        match &self.tls {
            None => connect_lazily(address),
            Some(tls) => tls.channel_lazily(address),
        }
    }

    /// SIGKILL to a member, and its end.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self, index: usize) -> anyhow::Result<()> {
        let member = self.member_mut(index)?;
        member.process.take().with_context(|| format!("{} does not run", member.name))?.kill()
    }

    /// Number of a member's process.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pid(&self, index: usize) -> anyhow::Result<i32> {
        let member = self.member(index)?;
        let process = member.process.as_ref();
        let process = process.with_context(|| format!("{} does not run", member.name))?;
        Ok(process.pid().as_raw_nonzero().get())
    }

    /// Sends a signal to a member.
    ///
    /// # Errors
    /// When it does not run.
    pub fn signal(&self, index: usize, signal: Signal) -> anyhow::Result<()> {
        let member = self.member(index)?;
        member
            .process
            .as_ref()
            .with_context(|| format!("{} does not run", member.name))?
            .signal(signal)
    }

    /// Waits for a member to end by itself.
    ///
    /// # Errors
    /// When it does not run, or does not end in time.
    pub fn wait_exit(&mut self, index: usize, deadline: Duration) -> anyhow::Result<ExitStatus> {
        let member = self.member_mut(index)?;
        let process =
            member.process.as_mut().with_context(|| format!("{} does not run", member.name))?;
        process.wait(deadline)
    }

    /// Whether a member runs.
    pub fn is_running(&mut self, index: usize) -> bool {
        self.member_mut(index)
            .ok()
            .and_then(|member| member.process.as_mut())
            .is_some_and(Process::is_running)
    }

    /// Starts a member that does not run; does not wait for it to answer.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn restart(&mut self, index: usize) -> anyhow::Result<()> {
        self.member_mut(index)?.start()
    }

    /// Waits until each running member answers a write.
    ///
    /// # Errors
    /// When one does not in time, with the end of its standard error.
    pub async fn wait_ready(&self) -> anyhow::Result<()> {
        for (index, member) in self.members.iter().enumerate() {
            if member.process.is_none() {
                continue;
            }
            let channel = self.channel(index)?;
            eventually(&format!("first write through {}", member.name), START_DEADLINE, || {
                let mut kv = KvClient::new(channel.clone());
                async move {
                    let request =
                        PutRequest { key: "harness/ready".into(), ..PutRequest::default() };
                    match kv.put(request).await {
                        // A cluster that wants a login is there too.
                        Err(status) if status.message() != "etcdserver: user name is empty" => {
                            Err(status).context("put")
                        }
                        _ => Ok(()),
                    }
                }
            })
            .await
            .with_context(|| format!("{} says:\n{}", member.name, member.errors()))?;
        }
        Ok(())
    }

    /// Waits until all members name one leader, and have applied the same.
    ///
    /// # Errors
    /// When they do not in time.
    pub async fn wait_agreed(&self) -> anyhow::Result<()> {
        eventually("members that agree", START_DEADLINE, || async {
            let mut seen = BTreeSet::new();
            for index in 0..self.size() {
                let mut client = MaintenanceClient::new(self.channel(index)?);
                let status = client.status(StatusRequest {}).await?.into_inner();
                seen.insert((status.leader, status.raft_applied_index));
            }
            ensure!(seen.len() == 1 && seen.first().is_some_and(|(leader, _)| *leader != 0));
            Ok(())
        })
        .await
    }

    /// Makes a member the leader.
    ///
    /// # Errors
    /// When it does not lead in time.
    pub async fn let_lead(&self, index: usize) -> anyhow::Result<()> {
        let status = MaintenanceClient::new(self.channel(index)?).status(StatusRequest {}).await?;
        let target_id = status.into_inner().header.context("a header")?.member_id;
        eventually("its leadership", START_DEADLINE, || async {
            let leader = self.leader().await?;
            if leader != index {
                let mut client = MaintenanceClient::new(self.channel(leader)?);
                client.move_leader(MoveLeaderRequest { target_id }).await?;
            }
            ensure!(self.leader().await? == index, "another leads");
            Ok(())
        })
        .await
    }

    /// The place of the leader, as the members see it now.
    ///
    /// # Errors
    /// When no running member says so in time.
    pub async fn leader(&self) -> anyhow::Result<usize> {
        eventually("a leader", START_DEADLINE, || async {
            for (index, member) in self.members.iter().enumerate() {
                if member.process.is_none() {
                    continue;
                }
                let mut client = MaintenanceClient::new(self.channel(index)?);
                let Ok(status) = client.status(StatusRequest {}).await else { continue };
                let status = status.into_inner();
                let id = status.header.map_or(0, |header| header.member_id);
                if id != 0 && status.leader == id {
                    return Ok(index);
                }
            }
            anyhow::bail!("no member leads")
        })
        .await
    }
}

/// A connection to `HOST:PORT`, dialled when first used.
///
/// # Errors
/// When the address is not one.
pub fn connect_lazily(address: &str) -> anyhow::Result<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?
        .connect_timeout(Duration::from_secs(2))
        .tcp_nodelay(true);
    Ok(endpoint.connect_lazy())
}
