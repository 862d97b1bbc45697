//! Backups, and how a cluster that was restored from one is compared with the one it is of.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, ensure};
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::lease_client::LeaseClient;
use mini_etcd_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use mini_etcd_proto::etcdserverpb::{
    CompactionRequest, DeleteRangeRequest, HashKvRequest, LeaseGrantRequest, LeaseLeasesRequest,
    LeaseTimeToLiveRequest, PutRequest, RangeRequest,
};
use mini_etcd_proto::mvccpb::KeyValue;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

use crate::cluster::{Cluster, Flavor, Member};
use crate::process::workspace_binary;
use crate::wait::eventually;

/// The lease that [`fill`] grants.
const LEASE: i64 = 0x1d;
/// Time for members to come to the same state.
const DEADLINE: Duration = Duration::from_secs(20);

/// Runs a program to its end.
///
/// # Errors
/// It cannot be started.
pub fn output(binary: &Path, args: &[&str]) -> anyhow::Result<Output> {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ETCDCTL_") {
            command.env_remove(name);
        }
    }
    command.env("ETCDCTL_API", "3").args(args);
    command.output().with_context(|| binary.display().to_string())
}

/// What a program that ends well prints.
///
/// # Errors
/// It cannot be started, or does not end well.
pub fn printed(binary: &Path, args: &[&str]) -> anyhow::Result<String> {
    let output = output(binary, args)?;
    let err = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} {args:?}: {err}", binary.display());
    Ok(String::from_utf8(output.stdout)?)
}

/// A path as an argument.
///
/// # Errors
/// It is no text.
pub fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a path that is text")
}

/// Writes history: keys that are overwritten and removed, some on a lease, one that is large, and a compaction.
///
/// # Errors
/// The member does not take it.
pub async fn fill(cluster: &Cluster) -> anyhow::Result<()> {
    let channel = cluster.channel(0)?;
    let grant = LeaseGrantRequest { id: LEASE, ttl: 5000 };
    LeaseClient::new(channel.clone()).lease_grant(grant).await?;
    let mut kv = KvClient::new(channel);
    let mut middle = 0;
    for round in 0..6_i64 {
        for key in 0..40_i64 {
            let lease = if key % 9 == 0 { LEASE } else { 0 };
            let put = PutRequest {
                key: format!("k{key}").into(),
                value: format!("{round}-{key}").into(),
                lease,
                ..PutRequest::default()
            };
            kv.put(put).await?;
        }
        let large = vec![b'x'; 100_000];
        kv.put(PutRequest { key: "large".into(), value: large.into(), ..PutRequest::default() })
            .await?;
        let (key, range_end) = (format!("k{round}").into(), format!("k{round}5").into());
        let removed = DeleteRangeRequest { key, range_end, ..DeleteRangeRequest::default() };
        let header = kv.delete_range(removed).await?.into_inner().header.context("a header")?;
        if round == 2 {
            middle = header.revision - 7;
        }
    }
    kv.compact(CompactionRequest { revision: middle, physical: true }).await?;
    Ok(())
}

/// Writes until it is dropped.
pub struct Writes(JoinHandle<()>);

impl Writes {
    /// To the first member.
    ///
    /// # Errors
    /// There is none.
    pub fn start(cluster: &Cluster) -> anyhow::Result<Self> {
        let mut kv = KvClient::new(cluster.channel(0)?);
        Ok(Self(tokio::spawn(async move {
            for round in 0_u64.. {
                let key = format!("w{}", round % 50).into();
                let value = vec![b'w'; 300].into();
                if kv.put(PutRequest { key, value, ..PutRequest::default() }).await.is_err() {
                    return;
                }
            }
        })))
    }
}

impl Drop for Writes {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A new cluster of mini-etcd from a backup.
///
/// # Errors
/// It cannot be restored, or does not come up.
pub async fn restored(backup: &Path, size: usize, flags: &[&str]) -> anyhow::Result<Cluster> {
    let ctl = workspace_binary("mini-etcdctl")?;
    let restore = |member: &Member, peers: &str| {
        let mut args = vec!["snapshot", "restore", text(backup)?, "--name", &member.name];
        args.extend(["--data-dir", text(&member.data)?]);
        if !peers.is_empty() {
            args.extend(["--initial-cluster", peers]);
        }
        args.extend(flags);
        printed(&ctl, &args).map(drop)
    };
    Cluster::start_restored(Flavor::Mini, size, restore).await
}

/// The revision of a backup.
///
/// # Errors
/// It is none.
pub fn revision_of(backup: &Path) -> anyhow::Result<i64> {
    let ctl = workspace_binary("mini-etcdctl")?;
    let status = printed(&ctl, &["snapshot", "status", text(backup)?])?;
    Ok(status.split(", ").nth(1).context("a revision")?.parse()?)
}

/// All keys at a revision.
///
/// # Errors
/// The member does not tell.
pub async fn keys_at(channel: Channel, revision: i64) -> anyhow::Result<Vec<KeyValue>> {
    let range = RangeRequest {
        key: "\0".into(),
        range_end: "\0".into(),
        revision,
        ..RangeRequest::default()
    };
    let mut kv = KvClient::new(channel).max_decoding_message_size(usize::MAX);
    Ok(kv.range(range).await?.into_inner().kvs)
}

/// Hash of the keys and their history up to a revision, with the compacted one.
///
/// # Errors
/// The member does not tell.
pub async fn hash_at(channel: Channel, revision: i64) -> anyhow::Result<(u32, i64)> {
    let mut maintenance = MaintenanceClient::new(channel);
    let hashed = maintenance.hash_kv(HashKvRequest { revision }).await?.into_inner();
    Ok((hashed.hash, hashed.compact_revision))
}

/// Fails unless each member of `copy` shows what `origin` showed at `revision`: keys now and in the past, hash, leases.
///
/// # Errors
/// What is different.
pub async fn compare(origin: &Cluster, copy: &Cluster, revision: i64) -> anyhow::Result<()> {
    let first = origin.channel(0)?;
    let wanted = hash_at(first.clone(), revision).await?;
    for index in 0..copy.size() {
        let channel = copy.channel(index)?;
        let hash = eventually("the same hash", DEADLINE, || async {
            let hash = hash_at(channel.clone(), revision).await?;
            ensure!(hash == wanted, "member {index}: {hash:?}, and {wanted:?} is wanted");
            Ok(hash)
        });
        let (_, compacted) = hash.await?;
        for at in [compacted, i64::midpoint(compacted, revision), revision] {
            let theirs = keys_at(first.clone(), at).await?;
            let ours = keys_at(channel.clone(), at).await?;
            ensure!(!ours.is_empty() && ours == theirs, "member {index} differs at revision {at}");
        }
        let past = keys_at(channel.clone(), compacted - 1).await;
        ensure!(past.is_err(), "member {index} shows history that was given up");
        let mut leases = LeaseClient::new(channel);
        let all = leases.lease_leases(LeaseLeasesRequest {}).await?.into_inner().leases;
        ensure!(all.iter().map(|lease| lease.id).eq([LEASE]), "member {index}: {all:?}");
        let ask = LeaseTimeToLiveRequest { id: LEASE, keys: true };
        let left = leases.lease_time_to_live(ask).await?.into_inner();
        ensure!(left.granted_ttl == 5000 && !left.keys.is_empty(), "member {index}: {left:?}");
    }
    Ok(())
}
