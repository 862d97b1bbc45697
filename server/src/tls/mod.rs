//! TLS: certificates, keys, authorities and revocation lists, read from files and read again when they change.
//!
//! ```text
//! files ─▶ Side (client, peer) ─▶ Tls ─┬─▶ http: which certificate is shown, who may come in
//!    ▲        every 2 s                └─▶ node::transport: what a peer is dialed with
//!    └── self-signed, where the member makes its own
//! ```
//!
//! *What this is.* Clients and members may share a port. They are told apart by what they say first: a member offers
//! [`PEER_PROTOCOL`] where a client of gRPC offers `h2` (ALPN). So each side has a certificate, an authority and a list of
//! revoked certificates of its own, and only who came in as a member can call the service of the members.
//!
//! *Invariants.*
//! - I1: what is used is whole: a certificate that belongs to its key, and authorities and lists that could all be read. A
//!   file that cannot be used leaves what was there before in use, and is named in the log.
//! - I2: no session is resumed. Each connection is verified anew, against what is in the files by then.
//! - I3: nothing is read on a thread that serves connections.
//!
//! *What it refuses.* Keys with a passphrase, certificates that name no host (a common name is none), lists of revoked
//! certificates that their authority did not sign.
//!
//! Tested in the files beside it, in `http::tls_tests` over sockets, and with processes in `tests/tests/tls.rs`.

mod build;
mod files;
mod self_signed;
mod side;
mod verify;
mod x509;

use std::path::Path;
use std::sync::Arc;

use tokio::task::spawn_blocking;
use tokio_rustls::rustls::{ClientConfig, ServerConfig};

use crate::config::Config;
use crate::limits::TLS_RELOAD_INTERVAL;
use crate::metrics::Metrics;
use side::Side;

pub use build::PEER_PROTOCOL;
pub use files::TlsError;
pub(crate) use files::read as read_file;
pub use x509::common_name;

/// What a member speaks TLS with; a cheap handle.
#[derive(Clone, Default)]
pub struct Tls(Arc<Sides>);

#[derive(Default)]
struct Sides {
    clients: Option<Side>,
    peers: Option<Side>,
    names_are_users: bool,
}

impl Tls {
    /// Reads what `config` names. `data` is where certificates that the member makes for itself are kept.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub fn open(config: &Config, data: &Path) -> Result<Self, TlsError> {
        let tls = &config.tls;
        let dir = data.join("fixtures");
        let hosts = self_signed::hosts(config);
        let open = |settings: &Option<_>, name: &'static str| {
            let Some(settings) = settings else { return Ok(None) };
            Side::open(name, settings, &tls.protocol, (dir.join(name), hosts.clone())).map(Some)
        };
        let clients = open(&tls.clients, side::CLIENT)?;
        let peers = open(&tls.peers, side::PEER)?;
        Ok(Self(Arc::new(Sides { clients, peers, names_are_users: tls.names_are_users })))
    }

    /// What clients are answered with; none where they are spoken to in plain text.
    #[must_use]
    pub fn for_clients(&self) -> Option<Arc<ServerConfig>> {
        self.0.clients.as_ref().map(Side::server)
    }

    /// What members are answered with.
    #[must_use]
    pub fn for_peers(&self) -> Option<Arc<ServerConfig>> {
        self.0.peers.as_ref().map(Side::server)
    }

    /// What members are dialed with.
    #[must_use]
    pub fn dialing(&self) -> Option<Arc<ClientConfig>> {
        self.0.peers.as_ref().and_then(Side::dialing)
    }

    /// The common name of a client's certificate is its user.
    #[must_use]
    pub fn names_are_users(&self) -> bool {
        self.0.names_are_users
    }

    /// Reads the files again and again, and says what ends soon; runs until it is dropped.
    pub async fn follow(self, metrics: Metrics) {
        let sides = || [&self.0.clients, &self.0.peers].into_iter().flatten();
        if sides().next().is_none() {
            return std::future::pending().await;
        }
        loop {
            for side in sides() {
                side.show(&metrics);
            }
            tokio::time::sleep(TLS_RELOAD_INTERVAL).await;
            let (tls, counted) = (self.clone(), metrics.clone());
            let looked = spawn_blocking(move || {
                for side in [&tls.0.clients, &tls.0.peers].into_iter().flatten() {
                    side.refresh(&counted);
                }
            });
            if let Err(error) = looked.await {
                tracing::error!(%error, "certificates could not be looked at");
            }
        }
    }
}
