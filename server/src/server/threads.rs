//! [`RunningThreads`]: the raft, log and apply threads over an opened disk, and the handles to them.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use mini_etcd_shared::clock::SystemClock;
use mini_etcd_shared::types::MemberId;
use tokio::sync::watch;
use tokio::time::timeout;

use super::StartError;
use super::data::Data;
use super::descriptors::Descriptors;
use super::disk::OpenedDisk;
use super::origin::Origin;
use crate::apply::{Applied, Applier, Published};
use crate::auth::{TokenKind, Tokens};
use crate::config::{Cluster, Config};
use crate::fatal;
use crate::log::{DirStore, LogReader, Recovered};
use crate::metrics::Metrics;
use crate::node::transport::{
    Connector, Dialing, Hellos, Outgoing, PeerService, PeerTable, Seen, SnapshotOrders,
    SnapshotSender, Staging, standing,
};
use crate::node::{
    ApplyChores, Completions, Course, Defragmenter, Inbox, Incarnation, LeaseKeeper, LogChores,
    LogWriter, ParkedReads, Proposer, RaftThread, Shown, StateApplier, Worker,
};
use crate::raft::{CutPolicy, Driver, DriverConfig, DriverError};
use crate::storage::{FjallEngine, StateDirs};
use crate::watch::Hub;

/// Longest wait for another leader during a stop.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(2);

/// Longest wait for requests that were begun.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);

/// What speaks to peers, to be run by the first rpc thread.
pub(super) struct ToPeers {
    pub table: PeerTable,
    pub sender: SnapshotSender,
}

/// The threads of a member, and what those need that serve its connections.
pub(super) struct RunningThreads {
    pub cluster: Cluster,
    pub connector: Connector,
    pub boot_nonce: u64,
    pub descriptors: Descriptors,
    pub metrics: Metrics,
    pub hub: Hub,
    pub leases: LeaseKeeper,
    /// Messages for peers.
    pub outgoing: Outgoing,
    /// That of the first rpc thread, which is the one that starts the others.
    pub proposer: Proposer,
    /// One for each further rpc thread.
    pub proposers: Vec<Proposer>,
    pub peers: PeerService,
    pub shown: Arc<Shown>,
    inbox: Arc<Inbox>,
    handles: Vec<JoinHandle<()>>,
    /// Held for its lock: another process is told at once that the directory is in use.
    data: Data,
}

impl RunningThreads {
    /// Starts the threads. What dials the peers is the caller's to run.
    pub fn start(
        disk: OpenedDisk,
        config: &Config,
        kind: TokenKind,
    ) -> Result<(Self, ToPeers), StartError> {
        let OpenedDisk { data, cluster, identity, connector, boot_nonce, .. } = disk;
        let OpenedDisk { descriptors, clock, store, recovered, applier, dirs, .. } = disk;
        let (me, published) = (identity.member_id, applier.published());
        let reader = recovered.reader.clone();
        let driver = driver((me, boot_nonce), recovered, &published, (config, data.is_copied()))?;
        let origin = tell_of_copy(&data, &driver);
        let tokens = Tokens::new(kind, clock.clone());
        let shown = Arc::new(shown(&driver, reader, &published, tokens));
        let (metrics, inbox) = (Metrics::with_commits(dirs.commits()), Arc::<Inbox>::default());
        let completions = Arc::new(Completions::new(descriptors.rpc_threads));
        let (incarnation, seen) = (Incarnation::new(rand::random()), Arc::<Seen>::default());
        let known = standing(me, shown.clone(), seen.clone());
        let hellos = Arc::new(Hellos::new(&cluster, boot_nonce, known));
        let start = (boot_nonce, config.timing);
        let leases = LeaseKeeper::new(shown.clone(), clock.clone(), metrics.clone(), start);
        let keeper = leases.clone();
        let aside = Arc::new(move |from, body| keeper.take(from, body));
        let (staging, into) = (Staging::new(dirs.clone()), inbox.clone());
        let peers = PeerService::new(hellos.clone(), into, aside, staging, metrics.clone());
        let dialing = {
            let (connector, inbox, metrics) = (connector.clone(), inbox.clone(), metrics.clone());
            Dialing { me, connector, hellos, inbox, metrics }
        };
        let (snapshots, sender) = SnapshotSender::new(&dialing, shown.clone());
        let table = PeerTable::new(dialing);
        let hub = Hub::new(published).with_message_bytes_max(config.serving.message_bytes_max());
        let listener = listener(hub.clone(), leases.clone());
        let links = Links {
            inbox: inbox.clone(),
            outgoing: table.outgoing(),
            snapshots,
            shown: shown.clone(),
            parked: Arc::new(ParkedReads::new(shown.clone(), completions.clone())),
            completions: completions.clone(),
            metrics: metrics.clone(),
            clock,
        };
        let handles = links
            .start(
                (store, driver, applier, dirs),
                (me, incarnation.number),
                (seen, origin),
                listener,
            )
            .map_err(StartError::Thread)?;
        let proposer = |thread| {
            let returns = (completions.clone(), thread);
            Proposer::new(identity, inbox.clone(), shown.clone(), returns, incarnation)
                .bounded_by(&config.serving, config.timing)
        };
        let (first, proposers) = (proposer(0), (1..completions.threads()).map(proposer).collect());
        let threads = Self {
            cluster,
            connector,
            boot_nonce,
            descriptors,
            metrics,
            hub,
            leases,
            outgoing: table.outgoing(),
            proposer: first,
            proposers,
            peers,
            shown,
            inbox,
            handles,
            data,
        };
        Ok((threads, ToPeers { table, sender }))
    }

    /// Hands leadership over, where this member leads others.
    pub async fn hand_over(&self) {
        let status = self.proposer.status();
        if !status.leads() || status.voters.len() < 2 {
            return;
        }
        match self.proposer.move_leader(None, HAND_OVER_TIMEOUT).await {
            Ok(()) => tracing::info!("leadership is handed over"),
            Err(error) => tracing::warn!("leadership is not handed over: {error}"),
        }
    }

    /// Waits for requests that were begun, but not for ever.
    pub async fn finish(&self) {
        let finished = async {
            self.proposer.finished().await;
            for proposer in &self.proposers {
                proposer.finished().await;
            }
        };
        if timeout(FINISH_TIMEOUT, finished).await.is_err() {
            tracing::warn!("requests are under way and get no answer");
        }
    }

    /// Ends the threads, and waits for them and for `others` that depend on them. The directory stays locked until the
    /// answer is dropped.
    pub async fn stop(self, others: Vec<JoinHandle<()>>) -> Data {
        self.inbox.stop();
        let handles = self.handles;
        let joined = tokio::task::spawn_blocking(move || {
            for handle in handles.into_iter().chain(others) {
                // A panic there ended the process.
                let _ = handle.join();
            }
        });
        let _ = joined.await;
        self.data
    }
}

/// What the threads share.
struct Links {
    inbox: Arc<Inbox>,
    outgoing: Outgoing,
    snapshots: SnapshotOrders,
    shown: Arc<Shown>,
    parked: Arc<ParkedReads>,
    completions: Arc<Completions>,
    metrics: Metrics,
    clock: SystemClock,
}

impl Links {
    /// Starts each thread with what it owns.
    fn start(
        self,
        (store, driver, applier, dirs): (
            DirStore<SystemClock>,
            Driver,
            Applier<FjallEngine>,
            StateDirs,
        ),
        (me, incarnation): (MemberId, u64),
        (seen, origin): (Arc<Seen>, Origin),
        listener: Box<dyn FnMut(&Applied) + Send>,
    ) -> io::Result<Vec<JoinHandle<()>>> {
        let hashes = applier.hash_elsewhere();
        let log = Worker::new(LogWriter {
            store,
            inbox: self.inbox.clone(),
            outgoing: self.outgoing.clone(),
            shown: self.shown.clone(),
            metrics: self.metrics.clone(),
            clock: self.clock.clone(),
            chores: LogChores::default(),
        });
        let apply = Worker::new(StateApplier {
            applier,
            home: Arc::new(dirs),
            me,
            incarnation,
            inbox: self.inbox.clone(),
            shown: self.shown.clone(),
            completions: self.completions.clone(),
            parked: self.parked.clone(),
            listener,
            hashes: hashes.clone(),
            metrics: self.metrics,
            clock: self.clock.clone(),
            chores: ApplyChores::default(),
        });
        let waker = Arc::downgrade(&apply);
        self.shown.defragmenter.attend(move || {
            if let Some(apply) = waker.upgrade() {
                apply.nudge();
            }
        });
        let raft = RaftThread {
            driver,
            inbox: self.inbox,
            log: log.clone(),
            apply: apply.clone(),
            outgoing: self.outgoing,
            snapshots: self.snapshots,
            seen,
            has_log: BTreeSet::new(),
            shown: self.shown,
            parked: self.parked,
            completions: self.completions,
            clock: self.clock,
            course: Course::default(),
            no_more_doubt: Box::new(move || settle_aside(&origin)),
        };
        let hash = fatal::spawn("hash", move || hashes.run())?;
        let [raft, standby] = raft.start()?;
        Ok(vec![raft, standby, log.start()?, apply.start()?, hash])
    }
}

/// The driver of this start of the member, on what was found.
fn driver(
    (id, boot_nonce): (MemberId, u64),
    log: Recovered,
    published: &Published,
    (config, is_copied): (&Config, bool),
) -> Result<Driver, DriverError> {
    Driver::new(DriverConfig {
        id,
        log,
        applied: published.applied,
        conf_state: published.conf_state.clone(),
        members: Arc::clone(&published.members),
        timing: config.timing,
        boot_nonce,
        cut: config.snapshot_count.map(CutPolicy::after),
        is_copied,
    })
}

/// Says that the directory is a copy, where that puts the member in doubt.
fn tell_of_copy(data: &Data, driver: &Driver) -> Origin {
    let origin = data.origin().clone();
    if data.is_copied() && driver.status().doubt.is_some() {
        tracing::warn!(
            "this directory is a copy, or was put back from one, and may be older than what the member acknowledged: \
             no vote before a leader has caught it up"
        );
    } else if data.is_copied() {
        settle(&origin);
    }
    origin
}

/// As [`settle`]; the Raft thread does not wait for the disk.
fn settle_aside(origin: &Origin) {
    let origin = origin.clone();
    if let Err(error) = fatal::spawn("origin", move || settle(&origin)) {
        tracing::warn!("the directory still counts as a copy: {error}");
    }
}

/// The directory is where it belongs from now on. Where that cannot be kept, the next start is in doubt again.
fn settle(origin: &Origin) {
    if let Err(error) = origin.settle() {
        tracing::warn!("the directory still counts as a copy: {error}");
    }
}

/// Hears of every batch that was applied.
fn listener(watches: Hub, keeper: LeaseKeeper) -> Box<dyn FnMut(&Applied) + Send> {
    Box::new(move |applied: &Applied| {
        watches.publish(applied);
        keeper.applied(applied);
    })
}

/// What the threads show before they begin.
fn shown(driver: &Driver, log: LogReader, published: &Arc<Published>, tokens: Tokens) -> Shown {
    Shown {
        status: ArcSwap::from_pointee(driver.status()),
        log: ArcSwap::from_pointee(log),
        leader: watch::Sender::new(MemberId(0)),
        members: watch::Sender::new(Arc::clone(&published.members)),
        compacted: watch::Sender::new(published.compact_finished),
        defragmenter: Defragmenter::default(),
        tokens,
        published: ArcSwap::new(Arc::clone(published)),
    }
}
