//! [`Side`]: the certificate, the key and the authorities of one side, as they are in their files now.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio_rustls::rustls::pki_types::UnixTime;
use tokio_rustls::rustls::{ClientConfig, ServerConfig};

use super::build::{Audience, Built, build};
use super::files::{TlsError, read};
use super::self_signed;
use crate::config::{AllowedNames, CertificateSource, TlsProtocol, TlsSide};
use crate::limits::CERTIFICATE_ENDS_REPEAT;
use crate::metrics::Metrics;

/// The sides by name, as in metrics, log and directories.
pub(super) const CLIENT: &str = "client";
pub(super) const PEER: &str = "peer";

/// Where the files are.
#[derive(Clone, Debug)]
pub(super) struct FilePaths {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub authority: Option<PathBuf>,
    pub revoked: Option<PathBuf>,
}

/// What they hold.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct FileTexts {
    pub certificate: Vec<u8>,
    pub key: Vec<u8>,
    pub authority: Option<Vec<u8>>,
    pub revoked: Option<Vec<u8>>,
}

/// One side.
pub(super) struct Side {
    name: &'static str,
    paths: FilePaths,
    /// The hosts of a certificate that the member makes for itself.
    self_signed: Option<Vec<String>>,
    allowed: AllowedNames,
    protocol: TlsProtocol,
    now: ArcSwap<Built>,
    seen: Mutex<Seen>,
}

/// What was read and said last.
struct Seen {
    texts: FileTexts,
    /// Why these are not in use.
    unusable: Option<TlsError>,
    /// What was said last.
    problem: Option<TlsError>,
    /// When it was said last, in time since 1970, that something ends soon.
    warned: Duration,
}

impl FilePaths {
    fn read(&self) -> Result<FileTexts, TlsError> {
        Ok(FileTexts {
            certificate: read(&self.certificate)?,
            key: read(&self.key)?,
            authority: self.authority.as_deref().map(read).transpose()?,
            revoked: self.revoked.as_deref().map(read).transpose()?,
        })
    }
}

impl Side {
    pub fn open(
        name: &'static str,
        settings: &TlsSide,
        protocol: &TlsProtocol,
        (dir, hosts): (PathBuf, Vec<String>),
    ) -> Result<Self, TlsError> {
        let (certificate, key, self_signed) = match &settings.certificate {
            CertificateSource::Files { certificate, key } => {
                (certificate.clone(), key.clone(), None)
            }
            CertificateSource::SelfSigned => {
                (dir.join("cert.pem"), dir.join("key.pem"), Some(hosts))
            }
        };
        let TlsSide { authority, revoked, allowed, .. } = settings.clone();
        let paths = FilePaths { certificate, key, authority, revoked };
        if let Some(hosts) = &self_signed {
            self_signed::keep(&paths, hosts)?;
        }
        let texts = paths.read()?;
        let audience = if name == PEER { Audience::Peers } else { Audience::Clients };
        let built = build(audience, (&paths, &texts), &allowed, protocol)?;
        let seen = Seen { texts, unusable: None, problem: None, warned: Duration::ZERO };
        let (now, seen) = (ArcSwap::from_pointee(built), Mutex::new(seen));
        Ok(Self { name, paths, self_signed, allowed, protocol: protocol.clone(), now, seen })
    }

    pub fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.now.load().server)
    }

    pub fn dialing(&self) -> Option<Arc<ClientConfig>> {
        self.now.load().dialing.clone()
    }

    /// Takes up what changed in the files (I1).
    pub fn refresh(&self, metrics: &Metrics) {
        let problem = self.changed().err();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(problem) =
            problem.as_ref().filter(|problem| seen.problem.as_ref() != Some(*problem))
        {
            metrics.tls_reload_failures.inc();
            tracing::error!(side = self.name, "what is in use stays in use: {problem}");
        }
        seen.problem = problem;
    }

    fn changed(&self) -> Result<(), TlsError> {
        if let Some(hosts) = &self.self_signed
            && self.now.load().certificate.ends_soon(since_epoch(UnixTime::now()))
        {
            self_signed::keep(&self.paths, hosts)?;
        }
        let texts = self.paths.read()?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.texts == texts {
            return seen.unusable.clone().map_or(Ok(()), Err);
        }
        let audience = if self.name == PEER { Audience::Peers } else { Audience::Clients };
        let built = build(audience, (&self.paths, &texts), &self.allowed, &self.protocol);
        seen.texts = texts;
        seen.unusable = built.as_ref().err().cloned();
        let built = built?;
        seen.warned = Duration::ZERO;
        self.now.store(Arc::new(built));
        tracing::info!(side = self.name, "certificates, keys and authorities were read anew");
        Ok(())
    }

    /// Shows when what is in use ends, and says so ahead of time.
    pub fn show(&self, metrics: &Metrics) {
        let built = self.now.load();
        let now = UnixTime::now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = since_epoch(now).saturating_sub(seen.warned) >= CERTIFICATE_ENDS_REPEAT;
        let certificate = (Some(built.certificate), "certificate", &self.paths.certificate);
        let path = self.paths.authority.as_ref().unwrap_or(&self.paths.certificate);
        for (validity, what, path) in [certificate, (built.authority, "authority", path)] {
            let Some(validity) = validity else { continue };
            metrics.certificate_ends(self.name, what, validity.ends.as_secs());
            if is_due && validity.ends_soon(since_epoch(now)) {
                let left = validity.ends.as_secs().saturating_sub(now.as_secs());
                let (days, path) = (left / (24 * 3600), path.display());
                if left == 0 {
                    tracing::error!(side = self.name, %path, "the {what} has expired");
                } else {
                    tracing::warn!(side = self.name, %path, days, "the {what} expires soon");
                }
                seen.warned = since_epoch(now);
            }
        }
    }
}

/// Time since 1970.
pub(super) fn since_epoch(now: UnixTime) -> Duration {
    Duration::from_secs(now.as_secs())
}
