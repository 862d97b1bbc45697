//! The start: from a directory to a member that answers.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use mini_etcd_shared::clock::SystemClock;
use mini_etcd_shared::types::{LogIndex, MemberId, Term};
use tokio::net::TcpListener;
use tokio::sync::{SetOnce, watch};
use tokio::task::JoinSet;

use super::StartError;
use super::data::Data;
use super::descriptors::{self, Descriptors};
use super::publish::publish;
use super::rpc;
use super::running::{Running, Started};
use crate::api::{About, Host, services};
use crate::apply::{Applier, ApplyError, Birth, Identity, Members, Published};
use crate::config::{Cluster, Config, Listen};
use crate::fatal;
use crate::http::{self, MemberPages, Site, Slots};
use crate::log::{self, DirStore, LogReader, Recovered};
use crate::metrics::Metrics;
use crate::node::transport::{
    Dialing, Hellos, LocalNames, Outgoing, PeerService, PeerTable, Seen, ask_peers, standing,
};
use crate::node::{
    ApplyThread, Completions, Inbox, Incarnation, LogWriter, ParkedReads, Proposer, Queue,
    RaftThread, Shown,
};
use crate::raft::{Driver, DriverConfig, DriverError};
use crate::storage::{FjallEngine, FjallOptions, Space};
use crate::watch::Hub;

/// Term that a new cluster is born with.
const BIRTH_TERM: Term = Term(1);

/// A member that answers.
pub(super) struct Parts {
    pub started: Started,
    pub running: Running,
}

/// What was found in the directory, or made there.
struct Disk {
    store: DirStore<SystemClock>,
    recovered: Recovered,
    applier: Applier<FjallEngine>,
}

/// Starts everything. The runtime this is called in is the one that serves.
pub(super) async fn assemble(config: &Config) -> Result<Parts, StartError> {
    let data = Data::open(config)?;
    let cluster = data.cluster()?;
    let names = data.local_names(&cluster);
    let peers = cluster.peers().count();
    let descriptors = Descriptors::plan(descriptors::limit(), rpc::processors(), peers)?;
    let boot_nonce: u64 = rand::random();
    if log::is_new(data.path())? {
        ask_peers(&cluster, &names, boot_nonce)
            .await
            .map_err(|lost| StartError::Lost { detail: lost.to_string() })?;
    }
    data.keep()?;
    let incarnation = Incarnation::new(rand::random());
    let clock = SystemClock::new();
    let Disk { store, recovered, applier } = open_disk(&data, &cluster, &clock, descriptors)?;
    let listeners = listen(config)?;
    let (published, log) = (applier.published(), recovered.reader.clone());
    let driver = driver(cluster.me(), recovered, &published, boot_nonce)?;
    let shown = Arc::new(shown(&driver, log, &published));
    let (metrics, inbox) = (Metrics::new(), Arc::<Inbox>::default());
    let completions = Arc::new(Completions::new(descriptors.rpc_threads));
    let seen = Arc::<Seen>::default();
    let standing = standing(shown.clone(), seen.clone());
    let hellos = Arc::new(Hellos::new(&cluster, boot_nonce, standing));
    let table = PeerTable::new(Dialing {
        me: cluster.me(),
        names: names.clone(),
        hellos: hellos.clone(),
        inbox: inbox.clone(),
        metrics: metrics.clone(),
    });
    let members = shown.members.subscribe();
    let identity = Identity { cluster_id: cluster.id(), member_id: cluster.me() };
    let proposers = (0..completions.threads())
        .map(|thread| {
            let returns = (completions.clone(), thread);
            Proposer::new(identity, inbox.clone(), shown.clone(), returns, incarnation)
        })
        .collect();
    let hub = Hub::new(published);
    let threads = Threads {
        owned: (store, driver, applier),
        outgoing: table.outgoing(),
        inbox: inbox.clone(),
        hub: hub.clone(),
        metrics: metrics.clone(),
        seen,
        shown,
        completions,
        clock,
        incarnation: incarnation.number,
    };
    let threads = threads.start(cluster.me()).map_err(StartError::Thread)?;
    let peers = PeerService::new(hellos, inbox.clone(), metrics.clone());
    let slots = Slots::new(descriptors.connections, metrics.clone());
    let parts = Serving {
        config,
        data,
        cluster,
        names,
        boot_nonce,
        metrics,
        peers,
        table: (table, members),
        listeners,
        slots,
    };
    parts.start(Inner { proposers, inbox, hub, threads }).map_err(StartError::Thread)
}

fn driver(
    me: MemberId,
    log: Recovered,
    published: &Published,
    boot_nonce: u64,
) -> Result<Driver, DriverError> {
    Driver::new(DriverConfig {
        id: me,
        log,
        applied: published.applied,
        conf_state: published.conf_state.clone(),
        seed: rand::random(),
        boot_nonce,
    })
}

/// What the threads show before they begin.
fn shown(driver: &Driver, log: LogReader, published: &Arc<Published>) -> Shown {
    Shown {
        status: ArcSwap::from_pointee(driver.status()),
        log: ArcSwap::from_pointee(log),
        leader: watch::Sender::new(MemberId(0)),
        members: watch::Sender::new(Arc::clone(&published.members)),
        compacted: watch::Sender::new(published.compact_finished),
        published: ArcSwap::new(Arc::clone(published)),
    }
}

/// What runs behind the port.
struct Inner {
    /// One for each rpc thread; the first is this thread's.
    proposers: Vec<Proposer>,
    inbox: Arc<Inbox>,
    hub: Hub,
    threads: Vec<JoinHandle<()>>,
}

/// The port, the peers, and what is told of both.
struct Serving<'a> {
    config: &'a Config,
    data: Data,
    cluster: Cluster,
    names: LocalNames,
    boot_nonce: u64,
    metrics: Metrics,
    peers: PeerService,
    table: (PeerTable, watch::Receiver<Arc<Members>>),
    listeners: Listeners,
    slots: Arc<Slots>,
}

impl Serving<'_> {
    fn start(self, inner: Inner) -> io::Result<Parts> {
        let Inner { proposers, inbox, hub, mut threads } = inner;
        let client_addr = self.listeners.clients;
        let (closing, closed) = watch::channel(false);
        let (ending, ended) = watch::channel(false);
        let (cutting, cut) = watch::channel(false);
        let metrics = self.metrics;
        let listed = Arc::<SetOnce<()>>::default();
        let about = About {
            name: self.config.name.clone(),
            boot_nonce: self.boot_nonce,
            listed: Arc::clone(&listed),
        };
        let (Some(proposer), others) = (proposers.first(), proposers.get(1..).unwrap_or_default())
        else {
            return Err(io::Error::other("there is no rpc thread"));
        };
        let host = Host::new(about, proposer.clone(), hub.clone(), metrics.clone());
        let mut serving = JoinSet::new();
        let connections_of = |host: Host| {
            let router = services(&host, ended.clone()).with(self.peers.clone().into_server());
            let site = Arc::new(Site::new(router, Arc::new(MemberPages::new(host))));
            http::connections(site, metrics.clone(), closed.clone())
        };
        let (intake, connections) = connections_of(host.clone());
        serving.spawn(connections);
        let mut intakes = vec![intake];
        for proposer in others {
            let hub = hub.on_another_thread();
            let (intake, connections) = connections_of(host.on(proposer.clone(), hub.clone()));
            let thread = rpc::start(proposer.clone(), hub, connections, cut.clone())?;
            intakes.push(intake);
            threads.push(thread.handle);
            serving.spawn(async move {
                // An error means that the thread is gone, which is its end too.
                let _ = thread.ended.await;
            });
        }
        serving.spawn(http::accept(self.listeners.all, intakes, self.slots, closed));
        let mut tasks = rpc::requests(proposer, &hub);
        let watches = hub.clone();
        tasks.spawn(async move { watches.run(|| host.has_leader()).await });
        let (table, members) = self.table;
        tasks.spawn(table.follow(members));
        let url = advertised(self.config, &self.cluster, &self.names, client_addr);
        tasks.spawn(publish(proposer.clone(), self.config.name.clone(), url, Arc::clone(&listed)));
        let (member, cluster) = (self.cluster.me(), self.cluster.id());
        tracing::info!(name = %self.config.name, %member, %cluster, listen = %client_addr, "serving");
        let started = Started { client_addr, client_url: local_url(client_addr), listed };
        let running = Running {
            data: self.data,
            proposers,
            inbox,
            hub,
            closing,
            ending,
            cutting,
            serving,
            tasks,
            threads,
        };
        Ok(Parts { started, running })
    }
}

/// Opens what is there, or makes what a new member begins with.
fn open_disk(
    data: &Data,
    cluster: &Cluster,
    clock: &SystemClock,
    descriptors: Descriptors,
) -> Result<Disk, StartError> {
    let tables_open = descriptors.tables_open;
    let identity = Identity { cluster_id: cluster.id(), member_id: cluster.me() };
    let state = data.state_path();
    if log::is_new(data.path())? && state.exists() {
        // The log is made first. A state without one has lost it.
        let detail = format!("{}: there is a state and no log", data.path().display());
        return Err(StartError::Lost { detail });
    }
    let birth = (LogIndex::BIRTH, BIRTH_TERM);
    let options = FjallOptions { tables_open, ..FjallOptions::log() };
    let (store, recovered) = log::open_dir_with(data.path(), clock.clone(), Some(birth), options)?;
    let engine = || {
        let options = FjallOptions { tables_open, ..FjallOptions::state() };
        FjallEngine::open(&state, &[Space::Rows, Space::System, Space::Meta], options)
    };
    let applier = match Applier::open(engine()?, identity) {
        // A log that still has all of its entries can make the state anew.
        Err(ApplyError::Empty) if recovered.truncated == birth => {
            let birth = Birth {
                index: LogIndex::BIRTH,
                term: BIRTH_TERM,
                conf_state: cluster.conf_state(),
                members: cluster.birth_members(),
            };
            Applier::create(engine()?, identity, &birth)?
        }
        opened => opened?,
    };
    Ok(Disk { store, recovered, applier })
}

/// The ports.
struct Listeners {
    all: Vec<TcpListener>,
    clients: SocketAddr,
}

fn listen(config: &Config) -> Result<Listeners, StartError> {
    let first = bind(&config.listen)?;
    let refuse = |source| StartError::Listen { address: config.listen.to_string(), source };
    let clients = first.local_addr().map_err(refuse)?;
    let mut all = vec![first];
    for more in [&config.listen_peer, &config.listen_metrics].into_iter().flatten() {
        all.push(bind(more)?);
    }
    Ok(Listeners { all, clients })
}

/// The first of its addresses that can be taken. A machine without IPv6 has every interface by IPv4.
fn bind(listen: &Listen) -> Result<TcpListener, StartError> {
    let refuse = |source| StartError::Listen { address: listen.to_string(), source };
    let mut problem = io::Error::new(io::ErrorKind::NotFound, "it has no address");
    for address in listen.resolve().map_err(refuse)? {
        match http::bind(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => problem = error,
        }
        if problem.kind() == io::ErrorKind::AddrInUse {
            break;
        }
    }
    Err(refuse(problem))
}

/// Client URL told to the cluster: what was typed, else the own entry of `--peers` when clients use that port and
/// its name means something to them, else the address that is listened on, or this machine when that is every one.
fn advertised(
    config: &Config,
    cluster: &Cluster,
    names: &LocalNames,
    clients: SocketAddr,
) -> String {
    if let Some(url) = &config.advertise {
        return url.clone();
    }
    match cluster.member(cluster.me()) {
        Some(me)
            if !cluster.typed().is_empty()
                && me.address.port == clients.port()
                && !names.contains(&me.address.host) =>
        {
            me.address.url()
        }
        _ if clients.ip().is_unspecified() => format!("http://localhost:{}", clients.port()),
        _ => format!("http://{clients}"),
    }
}

/// URL for a client on this machine.
fn local_url(clients: SocketAddr) -> String {
    if clients.ip().is_unspecified() {
        return format!("http://127.0.0.1:{}", clients.port());
    }
    format!("http://{clients}")
}

/// What the threads share, and what each of them owns.
struct Threads {
    owned: (DirStore<SystemClock>, Driver, Applier<FjallEngine>),
    outgoing: Outgoing,
    inbox: Arc<Inbox>,
    hub: Hub,
    metrics: Metrics,
    seen: Arc<Seen>,
    shown: Arc<Shown>,
    completions: Arc<Completions>,
    clock: SystemClock,
    incarnation: u64,
}

impl Threads {
    fn start(self, me: MemberId) -> io::Result<Vec<JoinHandle<()>>> {
        let (store, driver, applier) = self.owned;
        let (log, apply) = (Arc::new(Queue::new()), Arc::new(Queue::new()));
        let hashes = applier.hash_elsewhere();
        let parked = Arc::new(ParkedReads::new(self.shown.clone(), self.completions.clone()));
        let hub = self.hub;
        let writer = LogWriter {
            store,
            tasks: log.clone(),
            inbox: self.inbox.clone(),
            outgoing: self.outgoing.clone(),
            shown: self.shown.clone(),
            metrics: self.metrics.clone(),
            clock: self.clock.clone(),
        };
        let apply_thread = ApplyThread {
            applier,
            me,
            incarnation: self.incarnation,
            tasks: apply.clone(),
            inbox: self.inbox.clone(),
            shown: self.shown.clone(),
            completions: self.completions.clone(),
            parked: parked.clone(),
            listener: Box::new(move |applied| hub.publish(applied)),
            hashes: hashes.clone(),
            metrics: self.metrics,
            clock: self.clock.clone(),
        };
        let raft = RaftThread {
            driver,
            inbox: self.inbox,
            log,
            apply,
            outgoing: self.outgoing,
            seen: self.seen,
            has_log: BTreeSet::new(),
            shown: self.shown,
            parked,
            completions: self.completions,
            clock: self.clock,
        };
        let hash = fatal::spawn("hash", move || hashes.run())?;
        Ok(vec![raft.start()?, writer.start()?, apply_thread.start()?, hash])
    }
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
            assert_eq!(advertised(&config, &cluster, &names, listens), url, "{listens}");
            config.advertise = Some("http://typed:1".to_owned());
            assert_eq!(advertised(&config, &cluster, &names, listens), "http://typed:1");
        }
    }
}
