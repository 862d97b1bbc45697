//! `snapshot restore`: makes the data directory of a member of a new cluster from a backup.
//!
//! Only `mini-etcdctl` carries it out: it has the server's code for its directory.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::request::Misfit;
use super::spec::{Arg, ArgKind, CommandSpec, Effect, Flag, ValueKind};
use super::{CommandLine, Made, Refusal, Request};

/// `snapshot restore`
pub const SNAPSHOT_RESTORE: CommandSpec = CommandSpec {
    group: "snapshot",
    effect: Effect::Local,
    args: &[Arg::needed("filename", ArgKind::File)],
    flags: &[
        Flag::new("bump-revision", ValueKind::Int, "0", "how much to raise the revision; goes with --mark-compacted"),
        Flag::new("data-dir", ValueKind::Text, "", "directory to make, not there yet or empty (default data/NAME)")
            .alias("data"),
        Flag::switch("dry-run", "say what is in the backup and what would be made of it, and change nothing"),
        Flag::new(
            "initial-advertise-peer-urls",
            ValueKind::Text,
            "",
            "where peers reach this member; compared with --initial-cluster",
        ),
        Flag::new(
            "initial-cluster",
            ValueKind::Text,
            "",
            "all members, this one too, as NAME=http://HOST:PORT or as --peers of mini-etcd (default this one alone)",
        )
        .alias("peers"),
        Flag::new(
            "initial-cluster-token",
            ValueKind::Text,
            "etcd-cluster",
            "makes another cluster of the same members",
        ),
        Flag::switch("mark-compacted", "give up the history below the revision; goes with --bump-revision"),
        Flag::new("name", ValueKind::Text, "default", "name of this member"),
        Flag::switch(
            "skip-hash-check",
            "take a file without a checksum, as a copy of member/snap/db of an etcd is",
        ),
    ],
    long: "Takes backups of mini-etcd and of etcd 3.4 to 3.7: keys at their revisions with their history, leases, alarms, users\n\
        and roles, and whether these are enabled: passwords stay what they were. Run it for each member of the new cluster, with the same backup and the same\n\
        --initial-cluster; then start each with --data and --name. Only mini-etcdctl does this.",
    examples: &[
        "snapshot restore backup.db --dry-run",
        "snapshot restore backup.db --name n1 --initial-cluster n1=http://10.0.0.1:2380,n2=http://10.0.0.2:2380 --data-dir n1.data",
    ],
    ..CommandSpec::new("restore", "Makes a member's data directory from a backup", made)
};

/// A backup to restore, as it was typed.
#[derive(Clone, Debug)]
pub struct SnapshotRestore {
    /// The backup.
    pub file: PathBuf,
    /// Directory to make; none for the default.
    pub data_dir: Option<PathBuf>,
    /// Name of the member.
    pub name: String,
    /// All members; none for this one alone.
    pub initial_cluster: Option<String>,
    /// Where peers reach it; none where that was not said.
    pub advertised: Option<String>,
    /// Part of every number.
    pub token: String,
    /// How much to raise the revision.
    pub bump_revision: u64,
    /// Give up history.
    pub mark_compacted: bool,
    /// Take a file without its checksum.
    pub skip_hash_check: bool,
    /// Change nothing.
    pub dry_run: bool,
}

fn made(line: &CommandLine<'_>) -> Made {
    let [file] = line.args() else {
        return Err(Refusal::bad_args("snapshot restore requires exactly one argument"));
    };
    let given = |name| Some(line.text(name)).filter(|text| !text.is_empty());
    let bump = line.int("bump-revision");
    let bump_revision = u64::try_from(bump).map_err(|_| {
        Refusal::bad_args(format!("--bump-revision is {bump}: a revision is raised, not lowered"))
    })?;
    Ok(Box::new(SnapshotRestore {
        file: PathBuf::from(OsStr::from_bytes(file)),
        data_dir: given("data-dir").map(PathBuf::from),
        name: line.text("name"),
        initial_cluster: given("initial-cluster"),
        advertised: given("initial-advertise-peer-urls"),
        token: line.text("initial-cluster-token"),
        bump_revision,
        mark_compacted: line.switch("mark-compacted"),
        skip_hash_check: line.switch("skip-hash-check"),
        dry_run: line.switch("dry-run"),
    }))
}

impl Request for SnapshotRestore {
    fn misfit(&self) -> Option<Misfit> {
        let expected = "mini-etcdctl snapshot restore, in a shell";
        Some(Misfit { found: Some("snapshot restore".to_owned()), expected })
    }
}
