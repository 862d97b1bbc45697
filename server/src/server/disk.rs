//! [`OpenedDisk`]: the directory of a member, its log and its state, found sound.

use std::panic::resume_unwind;

use mini_etcd_shared::clock::SystemClock;
use mini_etcd_shared::types::{LogIndex, MemberId, Term};

use super::StartError;
use super::data::Data;
use super::descriptors::{self, Descriptors};
use super::force;
use super::join::find_place;
use super::rpc;
use crate::apply::{Applier, ApplyError, Birth, Identity};
use crate::config::{Cluster, Config};
use crate::log::{self, DirStore, Recovered};
use crate::node::transport::{Connector, ask_peers};
use crate::storage::{FjallEngine, FjallOptions, StateDirs};
use crate::tls::Tls;

/// Term that a new cluster is born with.
pub(super) const BIRTH_TERM: Term = Term(1);

/// What was found in the directory, or made there.
pub(super) struct OpenedDisk {
    pub data: Data,
    pub cluster: Cluster,
    pub identity: Identity,
    /// What peers are reached with.
    pub connector: Connector,
    pub descriptors: Descriptors,
    /// Drawn anew at each start of the member.
    pub boot_nonce: u64,
    pub clock: SystemClock,
    pub store: DirStore<SystemClock>,
    pub recovered: Recovered,
    pub applier: Applier<FjallEngine>,
    /// Where the state stands.
    pub dirs: StateDirs,
}

impl OpenedDisk {
    /// Takes the directory and opens what is there, or makes what a new member begins with.
    pub async fn open(config: &Config) -> Result<Self, StartError> {
        let mut data = Data::open(config)?;
        let tls = Tls::open(config, data.path())?;
        if let Some(join) = config.join.as_ref().filter(|_| data.is_to_join()) {
            data.join(&find_place(config, join, &tls).await?);
        }
        let cluster = data.cluster()?;
        let identity = Identity { cluster_id: cluster.id(), member_id: cluster.me() };
        let names = data.local_names(&cluster);
        let connector = Connector { names, tls };
        let peers = cluster.peers().count();
        let (limit, is_tls) = (descriptors::limit(), config.tls.is_on());
        let descriptors = Descriptors::plan(limit, rpc::processors(), peers, is_tls)?;
        let boot_nonce = rand::random();
        let is_new = log::is_new(data.path())?;
        if is_new {
            if config.force_new_cluster {
                return Err(StartError::NoData { path: data.path().to_owned() });
            }
            ask_peers(&cluster, &connector, boot_nonce).await?;
        }
        data.keep()?;
        let clock = SystemClock::new();
        let tables_open = descriptors.tables_open;
        let dirs =
            StateDirs::new(data.path(), FjallOptions { tables_open, ..FjallOptions::state() });
        let (mut store, mut recovered, mut applier) =
            open(&data, &cluster, &clock, &dirs, tables_open)?;
        // One that started before and had nobody to begin with has nothing either.
        let is_newborn = recovered.last.0 == LogIndex::BIRTH && applier.published().lineage == 0;
        if !is_new && is_newborn && !config.force_new_cluster {
            ask_peers(&cluster, &connector, boot_nonce).await?;
        }
        if config.force_new_cluster {
            let published = applier.published();
            force::ask(&published, identity, &connector).await?;
            let removed = force::go_alone(cluster.me(), &mut store, &mut recovered, &published)?;
            let removed: Vec<_> = removed.into_iter().map(|id| MemberId(id).to_string()).collect();
            let removed = removed.join(",");
            tracing::warn!(%removed, "goes on alone: leave --force-new-cluster out from now on");
        }
        force::finish(&recovered, &mut applier)?;
        Ok(Self {
            data,
            cluster,
            identity,
            connector,
            descriptors,
            boot_nonce,
            clock,
            store,
            recovered,
            applier,
            dirs,
        })
    }
}

type Databases = (DirStore<SystemClock>, Recovered, Applier<FjallEngine>);

fn open(
    data: &Data,
    cluster: &Cluster,
    clock: &SystemClock,
    dirs: &StateDirs,
    tables_open: usize,
) -> Result<Databases, StartError> {
    let identity = Identity { cluster_id: cluster.id(), member_id: cluster.me() };
    let refuse = |source| StartError::Directory { path: data.path().to_owned(), source };
    let exists = StateDirs::exists(data.path()).map_err(refuse)?;
    if log::is_new(data.path())? && exists {
        // The log is made first. A state without one has lost it.
        let detail = format!("{}: there is a state and no log", data.path().display());
        return Err(StartError::Lost { detail });
    }
    // One that joins has nothing, not even what the cluster was born with: its state comes whole, as a snapshot.
    let joined = cluster.is_joined();
    let birth = if joined { (LogIndex(0), Term(0)) } else { (LogIndex::BIRTH, BIRTH_TERM) };
    let options = FjallOptions { tables_open, ..FjallOptions::log() };
    let open_state = || Applier::open(dirs.open()?, identity);
    let ((mut store, mut recovered), opened) = std::thread::scope(|scope| {
        // Where there is no state yet, the log comes first: that one of the two is lost is seen by it.
        let beside = exists.then(|| scope.spawn(open_state));
        let log = log::open_dir_with(data.path(), clock.clone(), Some(birth), options)?;
        let opened = match beside {
            Some(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            None => open_state(),
        };
        Ok::<_, StartError>((log, opened))
    })?;
    let applier = match opened {
        // A log that still has all of its entries can make the state anew.
        Err(ApplyError::Empty) if recovered.truncated == birth => {
            let birth = Birth {
                index: birth.0,
                term: birth.1,
                conf_state: cluster.conf_state(),
                members: cluster.birth_members(),
            };
            Applier::create(dirs.open()?, identity, &birth)?
        }
        Err(ApplyError::Empty) => {
            let (path, (begins, _)) = (data.path().display(), recovered.truncated);
            let detail = format!("{path}: there is no state, and the log begins after {begins}");
            return Err(StartError::Lost { detail });
        }
        opened => opened?,
    };
    let published = applier.published();
    if published.members.removed.contains(&identity.member_id.0) {
        return Err(StartError::Removed);
    }
    if let Some(place) = published.is_ahead_of(|index| recovered.reader.term(index))? {
        tracing::warn!(index = %place.0, "the log begins anew behind a snapshot that was being installed");
        recovered = store.reset(place)?;
    }
    Ok((store, recovered, applier))
}
