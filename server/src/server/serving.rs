//! [`ServingListeners`]: the ports of a member and what serves its connections, over the running threads.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use mini_etcd_shared::clock::SystemClock;
use tokio::sync::{SetOnce, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::StartError;
use super::compactor::compact;
use super::memory::give_back;
use super::publish::publish;
use super::rpc;
use super::threads::{RunningThreads, ToPeers};
use crate::api::{About, Host, RequestLog, services};
use crate::config::{Cluster, Config, ListenAt, Listener, PortUse};
use crate::fatal;
use crate::http::{self, Listening, MemberPages, Port, Site, Slots, Speaks, Spread};
use crate::node::transport::LocalNames;
use crate::watch::Hub;

/// Longest wait for connections to end.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// What answers at the ports, and what stops it.
pub(super) struct ServingListeners {
    pub started: Started,
    hub: Hub,
    /// Turns true when the port is to be closed: no more calls, and the end of connections once they are quiet.
    closing: watch::Sender<bool>,
    /// Turns true when streams are to end, those of peers included.
    ending: watch::Sender<bool>,
    /// Turns true when connections of other threads are not waited for any longer.
    cutting: watch::Sender<bool>,
    /// Ends with the last connection of the last thread.
    connections: JoinSet<()>,
    /// Dialers, publication and the completion of requests.
    tasks: JoinSet<()>,
    /// The further rpc threads.
    rpc: Vec<JoinHandle<()>>,
}

/// Where a member answers.
#[derive(Clone, Debug)]
pub(super) struct Started {
    pub client_addr: SocketAddr,
    pub client_url: String,
    /// Set once the cluster lists the member with the address of its clients.
    pub listed: Arc<SetOnce<()>>,
}

impl ServingListeners {
    /// Serves at `ports`. The runtime this is called in is the one that serves first.
    pub fn start(
        config: &Config,
        ports: Ports,
        threads: &RunningThreads,
        to_peers: ToPeers,
    ) -> io::Result<Self> {
        let RunningThreads { cluster, metrics, hub, proposer, .. } = threads;
        let client_addr = ports.clients;
        let (closing, closed) = watch::channel(false);
        let (ending, ended) = watch::channel(false);
        let (cutting, cut) = watch::channel(false);
        let listed = Arc::<SetOnce<()>>::default();
        let name = config.name.clone();
        let urls = advertised(config, cluster, &threads.connector.names, client_addr);
        let peer_url = urls.first().filter(|_| ports.lack(cluster)).cloned();
        let about = about(config, threads.boot_nonce, (Arc::clone(&listed), peer_url))?;
        let leases = threads.leases.clone();
        let host = Host::new(about, proposer.clone(), hub.clone(), leases, metrics.clone());
        let origins = Arc::new(config.origins.clone());
        let connections_of = |host: Host| {
            let peers = threads.peers.clone().into_server();
            let router = services(&host, ended.clone()).with(peers);
            let site =
                Arc::new(Site::new(router, Arc::new(MemberPages::new(host)), origins.clone()));
            http::connections(site, metrics.clone(), closed.clone(), &config.serving)
        };
        let mut connections = JoinSet::new();
        let (intake, first) = connections_of(host.clone());
        connections.spawn(fatal::task("rpc", first));
        let (mut intakes, mut rpc) = (vec![intake], Vec::new());
        for proposer in &threads.proposers {
            let hub = hub.on_another_thread();
            let (intake, further) = connections_of(host.on(proposer.clone(), hub.clone()));
            let thread = rpc::start(proposer.clone(), hub, further, cut.clone())?;
            intakes.push(intake);
            rpc.push(thread.handle);
            connections.spawn(async move {
                // An error means that the thread is gone, which is its end too.
                let _ = thread.ended.await;
            });
        }
        let members = threads.shown.members.subscribe();
        let peers = members.borrow().by_id.len().saturating_sub(1);
        let slots = Slots::new(threads.descriptors.connections(peers), metrics.clone());
        let (tls, spread) = (&threads.connector.tls, Spread::over(intakes));
        let mut handshakes = None;
        if config.tls.is_on() {
            let (begins, work) = http::handshakes(spread.clone(), metrics.clone(), closed.clone());
            rpc.push(rpc::start_handshakes(work)?);
            handshakes = Some(begins);
        }
        let listening = ports.all.into_iter().map(|(listener, of)| {
            let speaks = Speaks::at(&of, tls);
            Port { listener, speaks }
        });
        let to = (spread, handshakes);
        connections.spawn(http::accept(listening.collect(), to, slots.clone(), closed));
        let mut tasks = tasks(config, threads, to_peers, host);
        let follow = threads.descriptors.follow(slots, members);
        tasks.spawn(fatal::task("descriptors", follow));
        let publish = publish(proposer.clone(), name, urls, Arc::clone(&listed));
        tasks.spawn(fatal::task("publish", publish));
        let (name, member, cluster) = (&config.name, cluster.me(), cluster.id());
        tracing::info!(%name, %member, %cluster, listen = %client_addr, "serving");
        let started = Started { client_addr, client_url: local_url(config, client_addr), listed };
        let hub = hub.clone();
        Ok(Self { started, hub, closing, ending, cutting, connections, tasks, rpc })
    }

    /// Stops in order, over `threads`.
    pub async fn stop(mut self, threads: RunningThreads) {
        threads.hand_over().await;
        // Nobody listens any more when an error comes of it.
        let _ = self.closing.send(true);
        // IMPORTANT: what is under way needs the peers to come to its end, so their streams end after it.
        threads.finish().await;
        let _ = self.ending.send(true);
        self.hub.stop();
        let drained = async { while self.connections.join_next().await.is_some() {} };
        if timeout(DRAIN_TIMEOUT, drained).await.is_err() {
            tracing::warn!("clients are cut off");
            self.connections.abort_all();
            let _ = self.cutting.send(true);
        }
        let data = threads.stop(self.rpc).await;
        self.tasks.shutdown().await;
        drop(data);
    }
}

/// What the member says of itself.
fn about(
    config: &Config,
    boot_nonce: u64,
    (listed, peer_url): (Arc<SetOnce<()>>, Option<String>),
) -> io::Result<About> {
    Ok(About {
        name: config.name.clone(),
        boot_nonce,
        listed,
        quota: config.quota,
        peer_url,
        message_bytes_max: config.serving.message_bytes_max(),
        timing: config.timing,
        txn_ops_max: config.serving.txn_ops_max,
        progress_interval: config.serving.progress_interval,
        bcrypt_cost: config.bcrypt_cost,
        request_log: RequestLog::start(config.request_log)?,
    })
}

/// What runs beside the connections for as long as the member serves.
fn tasks(config: &Config, threads: &RunningThreads, to_peers: ToPeers, host: Host) -> JoinSet<()> {
    let RunningThreads { metrics, hub, proposer, .. } = threads;
    let mut tasks = rpc::requests(proposer, hub);
    let (watches, look_every) = (hub.clone(), config.timing.election_timeout());
    tasks.spawn(fatal::task("watch", async move {
        watches.run(look_every, || host.has_leader()).await;
    }));
    let members = threads.shown.members.subscribe();
    tasks.spawn(fatal::task("peers", to_peers.table.follow(members.clone())));
    tasks.spawn(fatal::task("removed", threads.peers.clone().follow(members)));
    tasks.spawn(fatal::task("snapshots", to_peers.sender.run()));
    let (leases, outgoing) = (threads.leases.clone(), threads.outgoing.clone());
    tasks.spawn(fatal::task("leases", leases.run(proposer.clone(), outgoing)));
    let tls = threads.connector.tls.clone();
    tasks.spawn(fatal::task("certificates", tls.follow(metrics.clone())));
    let compact = compact(config.auto_compaction, proposer.clone(), SystemClock::new());
    tasks.spawn(fatal::task("compaction", compact));
    tasks.spawn(fatal::task("memory", give_back()));
    tasks
}

/// The ports, taken and not served yet.
pub(super) struct Ports {
    all: Vec<(Listening, Listener)>,
    clients: SocketAddr,
}

impl Ports {
    /// Whether none of them is that of the peer URL that a member alone has.
    fn lack(&self, cluster: &Cluster) -> bool {
        let port = cluster.member(cluster.me()).map(|me| me.address.port);
        let is_it = |(listener, _): &(Listening, Listener)| listener.port() == port;
        cluster.typed().is_empty() && !self.all.iter().any(is_it)
    }
}

/// Takes the ports.
pub(super) fn listen(config: &Config) -> Result<Ports, StartError> {
    let all = config.listeners.iter().map(|listener| Ok((bind(&listener.at)?, listener.clone())));
    let all = all.collect::<Result<Vec<_>, StartError>>()?;
    let address = |(listening, listener): &(Listening, Listener)| match listening {
        Listening::Tcp(tcp) if listener.of == PortUse::Clients => tcp.local_addr().ok(),
        _ => None,
    };
    let clients = all.iter().find_map(address).ok_or_else(|| StartError::Listen {
        address: "clients".to_owned(),
        source: io::Error::new(io::ErrorKind::NotFound, "there is no address for them"),
    })?;
    Ok(Ports { all, clients })
}

/// The first of its addresses that can be taken. A machine without IPv6 has every interface by IPv4.
fn bind(at: &ListenAt) -> Result<Listening, StartError> {
    let refuse = |source| StartError::Listen { address: at.to_string(), source };
    let listen = match at {
        ListenAt::Address(listen) => listen,
        ListenAt::Socket(path) => {
            return http::bind_socket(path).map(Listening::Unix).map_err(refuse);
        }
    };
    let mut problem = io::Error::new(io::ErrorKind::NotFound, "it has no address");
    for address in listen.resolve().map_err(refuse)? {
        match http::bind(address) {
            Ok(listener) => return Ok(Listening::Tcp(listener)),
            Err(error) => problem = error,
        }
        if problem.kind() == io::ErrorKind::AddrInUse {
            break;
        }
    }
    Err(refuse(problem))
}

/// Client URLs told to the cluster: what was typed, else the own entry of `--peers` when clients use that port and
/// its name means something to them, else the address that is listened on, or this machine when that is every one.
fn advertised(
    config: &Config,
    cluster: &Cluster,
    names: &LocalNames,
    clients: SocketAddr,
) -> Vec<String> {
    if !config.advertise.is_empty() {
        return config.advertise.clone();
    }
    vec![match cluster.member(cluster.me()) {
        Some(me)
            if !cluster.typed().is_empty()
                && me.address.port == clients.port()
                && !names.contains(&me.address.host) =>
        {
            format!("{}://{}", scheme(config), me.address)
        }
        _ if clients.ip().is_unspecified() => {
            format!("{}://localhost:{}", scheme(config), clients.port())
        }
        _ => format!("{}://{clients}", scheme(config)),
    }]
}

/// URL for a client on this machine.
fn local_url(config: &Config, clients: SocketAddr) -> String {
    let scheme = scheme(config);
    if clients.ip().is_unspecified() {
        return format!("{scheme}://127.0.0.1:{}", clients.port());
    }
    format!("{scheme}://{clients}")
}

/// How clients are spoken to.
fn scheme(config: &Config) -> &'static str {
    let first = config.listeners.iter().find(|listener| listener.at.address().is_some());
    let by_url = first.and_then(|first| first.is_secure);
    if by_url.unwrap_or(config.tls.clients.is_some()) { "https" } else { "http" }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: who follows the advertised URL gets to this member. Method: the table of what is typed.
    #[test]
    fn what_is_advertised_is_where_the_member_listens() {
        let three = "n1:2380,n2:2381";
        for (peers, are_local, listens, url) in [
            ("", false, "[::1]:2379", "http://[::1]:2379"),
            ("", false, "127.0.0.1:2379", "http://127.0.0.1:2379"),
            ("", false, "[::1]:2380", "http://[::1]:2380"),
            ("", false, "[::]:2379", "http://localhost:2379"),
            ("", false, "0.0.0.0:2379", "http://localhost:2379"),
            // The own entry of the list, where clients use its port and know its name.
            (three, false, "[::]:2380", "http://n1:2380"),
            (three, true, "[::]:2380", "http://localhost:2380"),
            (three, true, "[::1]:2380", "http://[::1]:2380"),
            (three, false, "10.0.0.1:2379", "http://10.0.0.1:2379"),
        ] {
            let cluster = match peers {
                "" => Cluster::alone("n1"),
                peers => Cluster::parse(peers, "n1").unwrap(),
            };
            let names = if are_local { LocalNames::of(&cluster) } else { LocalNames::default() };
            let mut config = Config::alone("d");
            let listens = listens.parse().unwrap();
            assert_eq!(advertised(&config, &cluster, &names, listens), [url], "{listens}");
            config.advertise = vec!["http://typed:1".to_owned()];
            assert_eq!(advertised(&config, &cluster, &names, listens), ["http://typed:1"]);
        }
    }
}
