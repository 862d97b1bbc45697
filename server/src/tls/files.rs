//! Reads PEM and DER files.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer,
};

use crate::limits::TLS_FILE_BYTES_MAX;

/// A file of certificates or keys that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {problem}", .path.display())]
pub struct TlsError {
    pub path: PathBuf,
    pub problem: String,
}

impl TlsError {
    pub(crate) fn new(path: &Path, problem: impl fmt::Display) -> Self {
        Self { path: path.to_owned(), problem: problem.to_string() }
    }
}

/// What a file holds.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let refuse = |problem: std::io::Error| TlsError::new(path, problem);
    let mut bytes = Vec::new();
    let most = u64::try_from(TLS_FILE_BYTES_MAX).unwrap_or(u64::MAX);
    File::open(path).map_err(refuse)?.take(most + 1).read_to_end(&mut bytes).map_err(refuse)?;
    if bytes.len() > TLS_FILE_BYTES_MAX {
        return Err(TlsError::new(path, format!("it is larger than {TLS_FILE_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

pub(super) fn certificates(
    path: &Path,
    bytes: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    let found = found.map_err(|error| TlsError::new(path, error))?;
    if found.is_empty() {
        return Err(TlsError::new(path, "there is no certificate in PEM in it"));
    }
    Ok(found)
}

pub(super) fn private_key(path: &Path, bytes: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(bytes).map_err(|_| {
        TlsError::new(path, "there is no private key in PEM and without a passphrase in it")
    })
}

pub(super) fn authorities(path: &Path, bytes: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, bytes)? {
        roots.add(certificate).map_err(|error| TlsError::new(path, error))?;
    }
    Ok(roots)
}

/// Lists of revoked certificates: any number in PEM, or one in DER.
pub(super) fn revoked(
    path: &Path,
    bytes: &[u8],
) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(bytes).collect();
    let found = found.map_err(|error| TlsError::new(path, error))?;
    if found.is_empty() {
        return Ok(vec![CertificateRevocationListDer::from(bytes.to_vec())]);
    }
    Ok(found)
}
