//! Certificates that a member makes for itself (`--auto-tls`, `--peer-auto-tls`), kept where etcd keeps them.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use tokio_rustls::rustls::pki_types::UnixTime;

use super::files::{TlsError, certificates, read};
use super::side::{FilePaths, since_epoch};
use super::x509::validity;
use crate::config::Config;

/// For how long such a certificate is valid; it is made anew before that. etcd's year.
const VALIDITY: Duration = Duration::from_secs(365 * 24 * 3600);

/// Clocks may differ by this much.
const LEEWAY: Duration = Duration::from_secs(3600);

/// The hosts by which a member of this configuration may be called.
pub(super) fn hosts(config: &Config) -> Vec<String> {
    let mut hosts: Vec<_> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    let own = config.cluster.member(config.cluster.me());
    hosts.extend(own.map(|own| own.address.host.clone()));
    hosts.extend(config.listeners.iter().filter_map(|it| Some(it.at.address()?.host().to_owned())));
    hosts.retain(|host| !host.is_empty());
    hosts.sort_unstable();
    hosts.dedup();
    hosts
}

/// Makes key and certificate where there are none, or none that are valid for much longer.
pub(super) fn keep(paths: &FilePaths, hosts: &[String]) -> Result<(), TlsError> {
    let path = &paths.certificate;
    let now = UnixTime::now();
    let kept = read(path).and_then(|bytes| certificates(path, &bytes)).ok();
    let kept = kept.as_ref().and_then(|chain| validity(chain.first()?).ok());
    if kept.is_some_and(|validity| !validity.ends_soon(since_epoch(now))) && paths.key.exists() {
        return Ok(());
    }
    let (certificate, key) = make(hosts, now).map_err(|error| TlsError::new(path, error))?;
    // The key last: a certificate without its key is made anew.
    let write = || -> io::Result<()> {
        if let Some(dir) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        let _ = fs::remove_file(&paths.key);
        write_private(path, &certificate)?;
        write_private(&paths.key, &key)
    };
    write().map_err(|error| TlsError::new(path, error))?;
    tracing::info!(path = %path.display(), "a certificate was made and signed by itself");
    Ok(())
}

fn make(hosts: &[String], now: UnixTime) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(hosts)?;
    let epoch = date_time_ymd(1970, 1, 1);
    let now = Duration::from_secs(now.as_secs());
    params.not_before = epoch + now.saturating_sub(LEEWAY);
    params.not_after = epoch + now + VALIDITY;
    params.distinguished_name.push(DnType::OrganizationName, "mini-etcd");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// Whole or not at all: whoever reads meanwhile finds the old file.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(new, path)
}
