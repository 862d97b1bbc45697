//! Whether a server's certificate is to be trusted, and why it is not.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::client::{WebPkiServerVerifier, verify_server_name};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};

use super::certificate::Certificate;
use super::trouble::TlsTrouble;
use super::{Tls, certificates};

/// Certificates that are kept of what a server shows.
const SEEN_MAX: usize = 5;

/// The authorities of this machine, read once.
static OF_MACHINE: OnceLock<Vec<CertificateDer<'static>>> = OnceLock::new();

pub(super) fn verifier(
    tls: &Tls,
    provider: &Arc<CryptoProvider>,
    seen: Arc<Seen>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsTrouble> {
    let algorithms = provider.signature_verification_algorithms;
    if tls.skip_verify {
        return Ok(Arc::new(Verifier { authorities: None, algorithms, seen }));
    }
    let trusted = trusted(tls.cacert.as_deref())?;
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(trusted.iter().cloned());
    if added == 0 {
        return Err(TlsTrouble::NoAuthorities);
    }
    let inner =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    let inner = inner.map_err(|error| TlsTrouble::Handshake(error.to_string()))?;
    let authorities = Some(Authorities { inner, trusted });
    Ok(Arc::new(Verifier { authorities, algorithms, seen }))
}

fn trusted(cacert: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, TlsTrouble> {
    if let Some(file) = cacert {
        return Ok(certificates(file)?);
    }
    let read = || rustls_native_certs::load_native_certs().certs;
    Ok(OF_MACHINE.get_or_init(read).clone())
}

/// Takes what authorities have signed, and says in words what it does not take; or takes whoever answers, where nobody is to
/// be verified. That a server has the key of the certificate that it shows is looked at in any case, as by Go.
#[derive(Debug)]
struct Verifier {
    authorities: Option<Authorities>,
    algorithms: WebPkiSupportedAlgorithms,
    seen: Arc<Seen>,
}

/// What a server has shown in a handshake, whatever became of it.
#[derive(Debug, Default)]
pub(in crate::client) struct Seen(OnceLock<Vec<Certificate>>);

impl Seen {
    /// Its certificate, and those between it and its authority: at most [`SEEN_MAX`], without any that cannot be read.
    pub(in crate::client) fn chain(&self) -> &[Certificate] {
        self.0.get().map_or(&[], Vec::as_slice)
    }
}

#[derive(Debug)]
struct Authorities {
    inner: Arc<WebPkiServerVerifier>,
    trusted: Vec<CertificateDer<'static>>,
}

impl Authorities {
    /// A server's own certificate that is itself among the trusted ones is taken, as by Go: many sign theirs with its
    /// own key and hand it to clients. webpki takes none that could sign others.
    fn is_itself_trusted(
        &self,
        der: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> bool {
        let now = now.as_secs();
        let in_time =
            |found: Certificate| found.from.seconds() <= now && now <= found.until.seconds();
        let fits = |parsed: ParsedCertificate<'_>| verify_server_name(&parsed, name).is_ok();
        self.trusted.iter().any(|trusted| trusted == der)
            && Certificate::parse(der).is_some_and(in_time)
            && ParsedCertificate::try_from(der).is_ok_and(fits)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(certificate).chain(between).take(SEEN_MAX);
        // A server shows itself once in a handshake.
        let _again = self.seen.0.set(chain.filter_map(|der| Certificate::parse(der)).collect());
        let Some(authorities) = &self.authorities else {
            return Ok(ServerCertVerified::assertion());
        };
        match authorities.inner.verify_server_cert(certificate, between, name, stapled, now) {
            Err(_) if authorities.is_itself_trusted(certificate, name, now) => {
                Ok(ServerCertVerified::assertion())
            }
            Err(Error::InvalidCertificate(why)) => {
                let words = why.to_string();
                let trouble = match Certificate::parse(certificate) {
                    Some(found) => trouble_of(&why, found, between, name),
                    None => TlsTrouble::Certificate(words),
                };
                let told = OtherError(Arc::new(trouble));
                Err(Error::InvalidCertificate(CertificateError::Other(told)))
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn trouble_of(
    why: &CertificateError,
    found: Certificate,
    between: &[CertificateDer<'_>],
    name: &ServerName<'_>,
) -> TlsTrouble {
    use CertificateError as Why;
    match why {
        Why::Expired | Why::ExpiredContext { .. } => {
            // An authority between may be the one that has expired.
            let mut chain: Vec<Certificate> = vec![found];
            chain.extend(between.iter().filter_map(|der| Certificate::parse(der)));
            let first = chain.into_iter().min_by_key(|found| found.until);
            first.map_or_else(
                || TlsTrouble::Certificate(why.to_string()),
                |first| TlsTrouble::Expired { subject: first.subject, until: first.until },
            )
        }
        Why::NotValidYet | Why::NotValidYetContext { .. } => {
            TlsTrouble::TooEarly { subject: found.subject, from: found.from }
        }
        Why::NotValidForName | Why::NotValidForNameContext { .. } => {
            TlsTrouble::OtherName { wanted: name.to_str().into_owned(), names: found.names }
        }
        // One that is signed by its own key, and could sign others, is refused for that before it is looked for.
        Why::UnknownIssuer => untrusted(found, between),
        Why::Other(_) if found.is_own => untrusted(found, between),
        other => TlsTrouble::Certificate(other.to_string()),
    }
}

/// The authority that would have to be trusted: the one beyond the last certificate that the server showed.
fn untrusted(found: Certificate, between: &[CertificateDer<'_>]) -> TlsTrouble {
    if found.is_own {
        return TlsTrouble::OwnAuthority { subject: found.subject };
    }
    let mut issuer = found.issuer;
    let shown: Vec<_> = between.iter().filter_map(|der| Certificate::parse(der)).collect();
    // As many steps as there are certificates; a ring of them ends there.
    for _ in &shown {
        let Some(next) = shown.iter().find(|next| next.subject == issuer && !next.is_own) else {
            break;
        };
        issuer.clone_from(&next.issuer);
    }
    TlsTrouble::UnknownAuthority { issuer }
}
