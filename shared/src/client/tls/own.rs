//! The client's side of a handshake: its certificate, and whether the server asked for one.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use tokio_rustls::rustls::client::ResolvesClientCert;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{Error, SignatureScheme};

use super::certificate::{Certificate, name_of};
use super::{TlsFileError, bad_pem, certificates, read};

/// Authorities that are named when a server wants a certificate of one of them.
const AUTHORITIES_SHOWN: usize = 3;

/// The client's side of one handshake.
#[derive(Debug, Default)]
pub(in crate::client) struct Own {
    key: Option<Arc<CertifiedKey>>,
    /// Which authorities the server takes certificates of, once it has asked for one; none when it did not say.
    asked: OnceLock<Vec<String>>,
}

impl Own {
    pub(super) fn read(
        cert: Option<&Path>,
        key: Option<&Path>,
        provider: &CryptoProvider,
    ) -> Result<Self, TlsFileError> {
        let (cert, key) = match (cert, key) {
            (None, None) => return Ok(Self::default()),
            (Some(cert), Some(key)) => (cert, key),
            (cert, key) => {
                let name = |file: Option<&Path>| file.map_or_else(String::new, shown);
                return Err(TlsFileError::Half { key: name(key), cert: name(cert) });
            }
        };
        let chain = certificates(cert)?;
        let key = private_key(key)?;
        let pair = CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
            Error::InconsistentKeys(_) => TlsFileError::Mismatch,
            other => TlsFileError::Bad(shown(cert), other.to_string()),
        })?;
        Ok(Self { key: Some(Arc::new(pair)), asked: OnceLock::new() })
    }

    /// Which authorities the server takes certificates of, when it has asked for one.
    pub(super) fn wanted(&self) -> Option<&[String]> {
        self.asked.get().map(Vec::as_slice)
    }

    /// Whether the server has asked for a certificate.
    pub(in crate::client) fn was_asked(&self) -> bool {
        self.wanted().is_some()
    }

    /// Whose certificate there is to show.
    pub(in crate::client) fn name(&self) -> Option<String> {
        let first = self.key.as_ref()?.cert.first()?;
        Some(Certificate::parse(first).map_or_else(|| "unnamed".to_owned(), |found| found.subject))
    }
}

fn shown(file: &Path) -> String {
    file.display().to_string()
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsFileError> {
    let text = read(file)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        let says = |words: &[u8]| text.windows(words.len()).any(|window| window == words);
        let encrypted = says(b"BEGIN ENCRYPTED PRIVATE KEY") || says(b"Proc-Type: 4,ENCRYPTED");
        match error {
            _ if encrypted => {
                let why = "its key is encrypted: expected one without a passphrase";
                TlsFileError::Bad(shown(file), why.to_owned())
            }
            PemError::NoItemsFound => TlsFileError::Empty(shown(file), "key", "PRIVATE KEY"),
            error => bad_pem(&shown(file), &error),
        }
    })
}

impl ResolvesClientCert for Own {
    fn resolve(&self, authorities: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let names = authorities.iter().take(AUTHORITIES_SHOWN).filter_map(|name| name_of(name));
        // It asks once in a handshake.
        let _again = self.asked.set(names.collect());
        self.key.clone()
    }

    fn has_certs(&self) -> bool {
        self.key.is_some()
    }
}
