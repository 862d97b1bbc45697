//! `snapshot restore`, which the server's code carries out.

use std::path::{Path, PathBuf};

use mini_etcd_server::config::Cluster;
use mini_etcd_server::server::{Restore, RestoreError, Restored};
use mini_etcd_shared::command::{Report, SnapshotRestore};
use mini_etcd_shared::failure::{Failure, exit};
use mini_etcd_shared::format::{Answer, Facts, Field, Page, Value};

/// Restores, or says what would be restored.
pub(super) fn run(request: &SnapshotRestore) -> Report {
    let restored = restore_of(request).and_then(|restore| match restore.run() {
        Ok(restored) => Ok(Outcome::new(restore, peers_of(request), restored)),
        Err(error @ RestoreError::Flags) => Err(Failure::new(exit::BAD_ARGS, error.to_string())),
        Err(error) => Err(Failure::new(exit::ERROR, error.to_string())),
    });
    match restored {
        Ok(outcome) => Report { notes: outcome.notes(), ..Report::of(outcome) },
        Err(failure) => failure.into(),
    }
}

fn restore_of(request: &SnapshotRestore) -> Result<Restore, Failure> {
    let SnapshotRestore { name, data_dir, advertised, token, .. } = request;
    let refuse = |text: String| Failure::new(exit::ERROR, text);
    let cluster = match &request.initial_cluster {
        None => Cluster::alone(name),
        Some(list) => Cluster::parse(list, name)
            .map_err(|error| refuse(format!("--initial-cluster: {error}")))?,
    };
    let own = cluster.member(cluster.me()).map(|me| me.address.url()).unwrap_or_default();
    if let Some(advertised) = advertised.as_ref().filter(|advertised| **advertised != own) {
        return Err(refuse(format!(
            "--initial-cluster has {name}={own} but missing from --initial-advertise-peer-urls={advertised}"
        )));
    }
    // Where a member of that name looks that is told nothing.
    let data = data_dir.clone().unwrap_or_else(|| Path::new("data").join(name));
    Ok(Restore {
        backup: request.file.clone(),
        data,
        cluster: cluster.with_token(token),
        skip_hash_check: request.skip_hash_check,
        bump_revision: request.bump_revision,
        mark_compacted: request.mark_compacted,
        dry_run: request.dry_run,
    })
}

/// The peers in the order in which they were given, as `--peers` takes them.
fn peers_of(request: &SnapshotRestore) -> String {
    let given = request.initial_cluster.as_deref().unwrap_or_default();
    let items = given.split(',').map(|item| item.trim().replacen("http://", "", 1));
    items.collect::<Vec<_>>().join(",")
}

/// What was restored, or would be.
#[derive(Debug)]
struct Outcome {
    name: String,
    data: PathBuf,
    peers: String,
    is_dry: bool,
    restored: Restored,
}

impl Outcome {
    fn new(restore: Restore, peers: String, restored: Restored) -> Self {
        let Restore { data, cluster, dry_run, .. } = restore;
        let name = cluster.name().to_owned();
        Self { name, data, peers, is_dry: dry_run, restored }
    }

    /// What is not as it was.
    fn notes(&self) -> Vec<String> {
        let content = &self.restored.content;
        let mut notes = Vec::new();
        for (lease, keys) in &content.lost_leases {
            notes.push(format!(
                "lease {lease:016x} is not in the backup and {keys} keys hang on it: it is granted for as long as can be"
            ));
        }
        if !self.restored.is_checked {
            notes.push("the checksum of the file was not compared".to_owned());
        }
        notes
    }

    fn history(&self) -> String {
        match self.restored.compacted {
            compacted if compacted < 0 => "all of it".to_owned(),
            compacted => format!("from revision {compacted} on"),
        }
    }
}

impl Answer for Outcome {
    fn shown(&self, _hex: bool) -> Value {
        let Self { name, data, is_dry, restored, .. } = self;
        let content = &restored.content;
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        vec![
            Field::new("schema", "Schema", &content.schema),
            Field::new("revision", "Revision", restored.revision).always(),
            Field::new("compactRevision", "CompactRevision", restored.compacted).always(),
            Field::new("keys", "Keys", content.keys).always(),
            Field::new("versions", "Versions", content.versions).always(),
            Field::new("removals", "Removals", content.removals).always(),
            Field::new("leases", "Leases", count(content.lease_count())).always(),
            Field::new("alarms", "Alarms", count(content.alarms.len())).always(),
            Field::new("users", "Users", count(content.auth.users().count())).always(),
            Field::new("roles", "Roles", count(content.auth.roles().count())).always(),
            Field::new("authEnabled", "AuthEnabled", content.auth.is_enabled()).always(),
            Field::new("clusterID", "ClusterID", Value::Id(restored.cluster_id.0)),
            Field::new("memberID", "MemberID", Value::Id(restored.member_id.0)),
            Field::new("name", "Name", name),
            Field::new("dataDir", "DataDir", data.to_string_lossy().as_ref()),
            Field::new("dryRun", "DryRun", *is_dry).always(),
        ]
        .into()
    }

    fn simple(&self, page: &mut Page<'_>) {
        let Self { name, data, peers, is_dry, restored } = self;
        let content = &restored.content;
        let (cluster, member) = (restored.cluster_id, restored.member_id);
        page.line(&format!("backup of an etcd {} or of a mini-etcd", content.schema));
        page.line(&format!("revision {}, history {}", restored.revision, self.history()));
        page.line(&format!(
            "keys {}, versions {}, of these removals {}, leases {}, alarms {}",
            content.keys,
            content.versions,
            content.removals,
            content.lease_count(),
            content.alarms.len()
        ));
        let auth = if content.auth.is_enabled() { "enabled" } else { "disabled" };
        let (users, roles) = (content.auth.users().count(), content.auth.roles().count());
        page.line(&format!("users {users}, roles {roles}, authentication {auth}"));
        page.line(&format!("member {name} ({member}) of cluster {cluster}"));
        let data = data.display();
        if *is_dry {
            page.line(&format!("dry run: {data} was not made"));
            return;
        }
        let among = restored.listen.as_ref();
        let among = among.map(|listen| format!(" --listen {listen} --peers {peers}"));
        page.line(&format!(
            "restored; start it with: mini-etcd --name {name} --data {data}{}",
            among.unwrap_or_default()
        ));
    }

    fn facts(&self) -> Facts<'_> {
        Facts { rev: Some(self.restored.revision), ..Facts::default() }
    }
}
