//! [`Tls`]: how a client speaks TLS, and the handshake.
//!
//! ```text
//! socket ─▶ encrypted ─┬─ verify: whose certificate it is ─┐
//!                      └─ own: the client's certificate    ┴─▶ TlsTrouble, in words, or a socket for HTTP/2
//! ```
//!
//! * I1: files are read at each handshake, so that a certificate that was renewed counts without a restart.
//! * I2: without `skip_verify` nothing is sent to a server whose certificate is not trusted, or is for another name.
//! * I3: sessions are not resumed: each handshake proves anew who both are, and the server says whom it wants.

mod certificate;
mod own;
mod trouble;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig};

use super::Endpoint;
use crate::text::words_of_system;
pub use certificate::{Certificate, Validity};
pub(super) use own::Own;
pub use trouble::TlsTrouble;
pub(super) use trouble::{said, trouble_of};
pub(super) use verify::Seen;

/// What is spoken within TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    /// gRPC.
    Http2,
    /// Pages.
    Http1,
}

/// How a client speaks TLS, where it does. By default as with a server whose authority this machine knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificates of the authorities that are trusted, instead of those of this machine.
    pub cacert: Option<PathBuf>,
    /// The certificate that is shown to servers that ask for one, and those between it and its authority.
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// Whether whoever answers is taken for who it says it is.
    pub skip_verify: bool,
    /// Whether endpoints without a scheme are asked by TLS although no file is given.
    pub always: bool,
}

/// A file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsFileError {
    /// It cannot be read; in the words that etcdctl has for it.
    #[error("open {0}: {1}")]
    Read(String, String),
    /// There is none in it.
    #[error("{0}: no {1} in it: expected PEM, as BEGIN {2}")]
    Empty(String, &'static str, &'static str),
    /// What is in it is none.
    #[error("{0}: {1}")]
    Bad(String, String),
    /// A certificate without its key, or a key without its certificate; in the words that etcdctl has for it.
    #[error("KeyFile and CertFile must both be present[key: {key}, cert: {cert}]")]
    Half {
        /// The key that was named.
        key: String,
        /// The certificate that was named.
        cert: String,
    },
    /// They do not belong to each other; in the words that etcdctl has for it.
    #[error("tls: private key does not match public key")]
    Mismatch,
}

impl Tls {
    /// Whether an endpoint without a scheme is asked by TLS.
    #[must_use]
    pub fn is_given(&self) -> bool {
        let Self { cacert, cert, key, skip_verify, always } = self;
        *always || *skip_verify || [cacert, cert, key].iter().any(|file| file.is_some())
    }

    /// Whom a server takes this client for that takes the names of certificates for users: the name of its certificate. None
    /// without a certificate that can be read.
    #[must_use]
    pub fn user(&self) -> Option<String> {
        let found = certificates(self.cert.as_deref()?).ok()?;
        Some(Certificate::parse(found.first()?)?.subject)
    }

    /// Reads the files that are named, to tell at once what is wrong with them.
    ///
    /// # Errors
    /// The first file that cannot be used.
    pub fn check(&self) -> Result<(), TlsFileError> {
        if let Some(file) = &self.cacert {
            certificates(file)?;
        }
        Own::read(self.cert.as_deref(), self.key.as_deref(), &provider()).map(|_| ())
    }

    fn config(&self, within: Within) -> Result<(ClientConfig, Arc<Own>, Arc<Seen>), TlsTrouble> {
        let provider = provider();
        let own = Own::read(self.cert.as_deref(), self.key.as_deref(), &provider)?;
        let own = Arc::new(own);
        let seen = Arc::new(Seen::default());
        let verifier = verify::verifier(self, &provider, Arc::clone(&seen))?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsTrouble::Handshake(error.to_string()))?;
        let resolver: Arc<dyn rustls::client::ResolvesClientCert> = own.clone();
        let mut config = builder
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(resolver);
        // I3
        config.resumption = Resumption::disabled();
        config.alpn_protocols = match within {
            Within::Http2 => vec![b"h2".to_vec()],
            Within::Http1 => vec![b"http/1.1".to_vec()],
        };
        Ok((config, own, seen))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The certificates in a file; never none.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let name = || file.display().to_string();
    let text = read(file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| bad_pem(&name(), &error))?;
    if found.is_empty() {
        return Err(TlsFileError::Empty(name(), "certificate", "CERTIFICATE"));
    }
    Ok(found)
}

fn read(file: &Path) -> Result<Vec<u8>, TlsFileError> {
    std::fs::read(file)
        .map_err(|error| TlsFileError::Read(file.display().to_string(), words_of_system(&error)))
}

fn bad_pem(name: &str, error: &pem::Error) -> TlsFileError {
    TlsFileError::Bad(name.to_owned(), format!("it is no good PEM: {error}"))
}

/// What carries bytes to a server and back.
pub trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Socket for T {}

/// A connection after its handshake.
pub(super) struct Encrypted<S> {
    pub stream: TlsStream<S>,
    /// The client's side of it: what the server asked for.
    pub own: Arc<Own>,
    /// What the server has shown.
    pub seen: Arc<Seen>,
}

/// A handshake that failed.
#[derive(Default)]
pub(super) struct Unencrypted {
    /// Why; who ends the connection without a word gives no trouble a name.
    pub trouble: Option<TlsTrouble>,
    /// What the server has shown until then.
    pub seen: Arc<Seen>,
}

impl From<TlsTrouble> for Unencrypted {
    fn from(trouble: TlsTrouble) -> Self {
        Self { trouble: Some(trouble), ..Self::default() }
    }
}

/// The socket as the endpoint wants to be spoken to: as it is, or within TLS.
///
/// # Errors
/// When the handshake fails, or the socket does.
pub async fn spoken<S: Socket + 'static>(
    socket: S,
    endpoint: &Endpoint,
    tls: &Tls,
    within: Within,
) -> Result<Box<dyn Socket>, TlsTrouble> {
    if !endpoint.wants_tls(tls) {
        return Ok(Box::new(socket));
    }
    let encrypted = encrypted(socket, endpoint, tls, within).await;
    let closed = || TlsTrouble::Handshake("the connection ended".to_owned());
    Ok(Box::new(encrypted.map_err(|failed| failed.trouble.unwrap_or_else(closed))?.stream))
}

/// Shakes hands.
pub(super) async fn encrypted<S: Socket>(
    socket: S,
    endpoint: &Endpoint,
    tls: &Tls,
    within: Within,
) -> Result<Encrypted<S>, Unencrypted> {
    let (config, own, seen) = tls.config(within)?;
    let host = endpoint.host();
    let name = ServerName::try_from(host.clone());
    let name = name.map_err(|_| TlsTrouble::Handshake(format!("{host} is no name of a server")))?;
    match TlsConnector::from(Arc::new(config)).connect(name, socket).await {
        Ok(stream) => Ok(Encrypted { stream, own, seen }),
        Err(error) => Err(Unencrypted { trouble: trouble_of(said(&error).as_ref(), &own), seen }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_used_is_named_with_what_is_expected() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            Some(path)
        };
        let words = |tls: Tls| tls.check().unwrap_err().to_string();
        let cacert = Some(dir.path().join("nowhere"));
        let said = words(Tls { cacert, ..Tls::default() });
        assert!(said.ends_with("nowhere: no such file or directory"), "{said}");
        let said = words(Tls { cacert: file("empty", "hello"), ..Tls::default() });
        assert!(said.ends_with("empty: no certificate in it: expected PEM, as BEGIN CERTIFICATE"));
        let half = Tls { cert: Some("a.crt".into()), ..Tls::default() };
        assert_eq!(words(half), "KeyFile and CertFile must both be present[key: , cert: a.crt]");
        let pair = rcgen::generate_simple_self_signed(vec!["h".to_owned()]).unwrap();
        let other = rcgen::KeyPair::generate().unwrap();
        let cert = file("h.crt", &pair.cert.pem());
        let key = file("h.key", &pair.signing_key.serialize_pem());
        let both = Tls { cert: cert.clone(), key, ..Tls::default() };
        both.check().unwrap();
        let mixed = Tls { key: file("other.key", &other.serialize_pem()), ..both.clone() };
        assert_eq!(words(mixed), "tls: private key does not match public key");
        let locked =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let said = words(Tls { key: file("locked.key", locked), ..both });
        assert!(said.contains("locked.key: its key is encrypted"), "{said}");
    }

    #[test]
    fn an_endpoint_without_a_scheme_is_asked_by_tls_when_tls_is_given() {
        let bare = Endpoint::parse("h:1").unwrap();
        let plain = Endpoint::parse("http://h:1").unwrap();
        let secure = Endpoint::parse("https://h:1").unwrap();
        let wants = |tls: &Tls| [&bare, &plain, &secure].map(|endpoint| endpoint.wants_tls(tls));
        assert_eq!(wants(&Tls::default()), [false, false, true]);
        let given = Tls { cacert: Some("ca.crt".into()), ..Tls::default() };
        assert_eq!(wants(&given), [true, false, true]);
        assert_eq!(wants(&Tls { always: true, ..Tls::default() }), [true, false, true]);
        assert_eq!(wants(&Tls { skip_verify: true, ..Tls::default() }), [true, false, true]);
    }
}
