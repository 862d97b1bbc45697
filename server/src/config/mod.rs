//! What a member is told at its start.
//!
//! ```text
//! flags ─▶ MINI_ETCD_ variables ─▶ ETCD_ variables ─▶ file ─▶ defaults        the first that names a setting wins
//! etcd's file ─▶ defaults                                                     where there is one
//! ```
//!
//! A member is started by our own short flags or by etcd's; the table of `flags` knows both. Where one of etcd's flags for
//! directories, addresses or members is used (`urls`), what was not said is as in etcd.
//!
//! *What it refuses.* An unknown setting or a value that does not fit is an error that names the place it was found
//! and what is accepted there; nothing is guessed. No file, socket or name is touched here: that is `server`'s.
//!
//! *Invariants.*
//! - I1: every setting of the file is a flag of the same name, and has a variable `MINI_ETCD_` + its name in capitals, and
//!   `ETCD_` + that if it is a flag of etcd.
//! - I2: a member that `--peers` or `--initial-cluster` does not name is refused.
//!
//! Tested in the files beside this one.

mod auth_token;
mod auto_compaction;
mod build;
mod error;
#[cfg(test)]
mod etcd_tests;
mod flags;
mod join;
mod layers;
mod listen;
mod origins;
mod peers;
mod quota;
mod request_log;
mod serving;
mod timing;
mod tls;
mod urls;
mod yaml;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::limits;
pub use auth_token::{AuthToken, JwtSettings};
pub use auto_compaction::AutoCompaction;
pub use error::{ConfigError, SettingSource};
pub use join::{Join, NoPlace};
pub use listen::{Listen, ListenAt, Listener, PortUse};
pub use origins::Origins;

pub use peers::{
    Cluster, DEFAULT_TOKEN, Peer, PeerAddress, PeersError, added_member_id, checked_urls,
};
pub use quota::Quota;
pub use request_log::{LoggedRequests, RequestLogging};
pub use serving::Serving;
pub use timing::Timing;
pub use tls::{AllowedNames, CertificateSource, TlsConfig, TlsProtocol, TlsSide};

/// Everything a member needs to know to start.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of the member.
    pub name: String,
    /// Directory of its data.
    pub data: PathBuf,
    /// Where it is connected to. An address for clients is among them.
    pub listeners: Vec<Listener>,
    /// Client URLs told to others; none for the rule of [`crate::server`].
    pub advertise: Vec<String>,
    /// What clients and other members are spoken to with.
    pub tls: TlsConfig,
    /// Who is in the cluster, and which of them this member is.
    pub cluster: Cluster,
    /// How it finds its place in a cluster that runs; only asked where it has no data yet.
    pub join: Option<Join>,
    /// Go on alone with the data that is there, for a cluster whose quorum is lost.
    pub force_new_cluster: bool,
    /// How soon it notices that its leader is gone.
    pub timing: Timing,
    /// Entries of the Raft log that can go after which it is cut; none for a log that is kept whole.
    pub snapshot_count: Option<u64>,
    /// What history is given up without being asked.
    pub auto_compaction: AutoCompaction,
    /// How much the data may take.
    pub quota: Quota,
    /// What a login gives out.
    pub token: AuthToken,
    /// How long a simple token lives after its last use.
    pub token_ttl: Duration,
    /// What a password's hash costs: two to the power of this.
    pub bcrypt_cost: u32,
    /// Whose pages a browser lets call this member.
    pub origins: Origins,
    /// What clients are given at the most, and how often they hear of the member.
    pub serving: Serving,
    /// Which requests are written down.
    pub request_log: RequestLogging,
    /// What to log, as `tracing` filters are written.
    pub log_level: String,
    /// What the log is to say of settings that have no effect.
    pub warnings: Vec<String>,
    /// End when standard input ends: how bundled members follow their console.
    pub stop_with_stdin: bool,
}

impl Config {
    /// Settings from the command line (without the program's name), the environment and the file they name.
    ///
    /// # Errors
    /// A setting that is unknown or does not fit, or a file that cannot be read.
    pub fn load(
        args: impl IntoIterator<Item = OsString>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        layers::load(args, variables)
    }

    /// A member alone, as started without flags, with its data at `data` and a port picked by the machine.
    /// For tests and for programs that carry a server.
    ///
    /// # Panics
    /// Never: the settings are constants that fit.
    #[must_use]
    pub fn alone(data: impl Into<PathBuf>) -> Self {
        Self {
            name: DEFAULT_NAME.to_owned(),
            data: data.into(),
            listeners: vec![Listener::new(Listen::loopback(0), PortUse::Clients)],
            advertise: Vec::new(),
            tls: TlsConfig::default(),
            cluster: Cluster::alone(DEFAULT_NAME),
            join: None,
            force_new_cluster: false,
            timing: Timing::default(),
            snapshot_count: Some(limits::SNAPSHOT_COUNT),
            auto_compaction: AutoCompaction::Off,
            quota: Quota::DEFAULT,
            token: AuthToken::Simple,
            token_ttl: limits::AUTH_TOKEN_TTL,
            bcrypt_cost: limits::BCRYPT_COST,
            origins: Origins::Any,
            serving: Serving::default(),
            request_log: RequestLogging::default(),
            log_level: DEFAULT_LOG_LEVEL.to_owned(),
            warnings: Vec::new(),
            stop_with_stdin: false,
        }
    }
}

/// Name of a member that was given none.
pub const DEFAULT_NAME: &str = "default";

/// Where a member listens that was told nothing.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:2379";

/// What is logged when nothing was said.
pub const DEFAULT_LOG_LEVEL: &str = "info";
