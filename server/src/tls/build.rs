//! From the bytes of files to what rustls works with.

use std::fmt::Display;
use std::sync::Arc;

use mini_etcd_shared::client::Validity;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::client::{Resumption, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::CertificateRevocationListDer;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{ClientConfig, Error, InconsistentKeys, RootCertStore, ServerConfig};

use super::files::{TlsError, authorities, certificates, private_key, revoked};
use super::side::{FilePaths, FileTexts};
use super::verify::{AllowedClients, DialedServers};
use super::x509::validity;
use crate::config::{AllowedNames, TlsProtocol};

/// What a member offers as its protocol where clients offer `h2`.
pub const PEER_PROTOCOL: &[u8] = b"mini-etcd-peer";

/// What clients may offer; HTTP/2 first.
const CLIENT_PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What one side works with.
pub(super) struct Built {
    pub server: Arc<ServerConfig>,
    /// On the side of the members.
    pub dialing: Option<Arc<ClientConfig>>,
    /// The own certificate.
    pub certificate: Validity,
    /// The authority that ends first.
    pub authority: Option<Validity>,
}

/// Who is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    Clients,
    Peers,
}

/// Builds from `texts`, which were read at `paths`.
pub(super) fn build(
    audience: Audience,
    (paths, texts): (&FilePaths, &FileTexts),
    allowed: &AllowedNames,
    protocol: &TlsProtocol,
) -> Result<Built, TlsError> {
    let own = &paths.certificate;
    let provider =
        CryptoProvider { cipher_suites: protocol.suites.clone(), ..ring::default_provider() };
    let provider = Arc::new(provider);
    let chain = certificates(own, &texts.certificate)?;
    let first = chain.first().map(validity).transpose();
    let certificate = first.map_err(|problem| TlsError::new(own, problem))?;
    let key = private_key(&paths.key, &texts.key)?;
    let certified = CertifiedKey::from_der(chain, key, &provider).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            let path = own.display();
            TlsError::new(&paths.key, format!("it is not the key of the certificate in {path}"))
        }
        other => TlsError::new(&paths.key, other),
    })?;
    let identity = Arc::new(SingleCertAndKey::from(certified));
    let trust = Trust::read(paths, texts)?;
    let refuse = |error: Error| TlsError::new(own, error);
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&protocol.versions)
        .map_err(refuse)?;
    let verifier = match &trust {
        Some(trust) => trust.clients(&provider, allowed)?,
        None => WebPkiClientVerifier::no_client_auth(),
    };
    let mut server =
        server.with_client_cert_verifier(verifier).with_cert_resolver(identity.clone());
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    let mut dialing = None;
    match audience {
        Audience::Clients => {
            server.alpn_protocols = CLIENT_PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        }
        Audience::Peers => {
            server.alpn_protocols = vec![PEER_PROTOCOL.to_vec()];
            let inner = trust.as_ref().map(|trust| trust.servers(&provider)).transpose()?;
            let inner = inner.map(|inner| inner as Arc<dyn ServerCertVerifier>);
            let verifier =
                DialedServers { inner, allowed: allowed.clone(), provider: Arc::clone(&provider) };
            let mut client = ClientConfig::builder_with_provider(provider)
                .with_protocol_versions(&protocol.versions)
                .map_err(refuse)?
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(verifier))
                .with_client_cert_resolver(identity);
            client.alpn_protocols = vec![PEER_PROTOCOL.to_vec()];
            client.resumption = Resumption::disabled();
            dialing = Some(Arc::new(client));
        }
    }
    let authority = trust.map(|trust| trust.ends_first);
    let certificate = certificate.ok_or_else(|| TlsError::new(own, "it is empty"))?;
    Ok(Built { server: Arc::new(server), dialing, certificate, authority })
}

/// Whom a side believes.
struct Trust<'a> {
    paths: &'a FilePaths,
    roots: Arc<RootCertStore>,
    revoked: Vec<CertificateRevocationListDer<'static>>,
    ends_first: Validity,
}

impl<'a> Trust<'a> {
    fn read(paths: &'a FilePaths, texts: &FileTexts) -> Result<Option<Self>, TlsError> {
        let (Some(path), Some(text)) = (&paths.authority, &texts.authority) else {
            return Ok(None);
        };
        let roots = Arc::new(authorities(path, text)?);
        let mut validities = Vec::new();
        for certificate in certificates(path, text)? {
            let found = validity(&certificate).map_err(|error| TlsError::new(path, error))?;
            validities.push(found);
        }
        let ends_first = validities.into_iter().min_by_key(|validity| validity.ends);
        let ends_first = ends_first.ok_or_else(|| TlsError::new(path, "it is empty"))?;
        let revoked = match (&paths.revoked, &texts.revoked) {
            (Some(path), Some(text)) => revoked(path, text)?,
            _ => Vec::new(),
        };
        Ok(Some(Self { paths, roots, revoked, ends_first }))
    }

    /// What refuses these lists or authorities, by the file that is the likely cause.
    fn refuse(&self, error: impl Display) -> TlsError {
        let path = self.paths.revoked.as_ref().or(self.paths.authority.as_ref());
        TlsError::new(path.unwrap_or(&self.paths.certificate), error)
    }

    /// Whoever shows a certificate of these authorities, and nobody else. A list speaks for the certificates of the
    /// authority that signed it; those of others are not revoked.
    fn clients(
        &self,
        provider: &Arc<CryptoProvider>,
        allowed: &AllowedNames,
    ) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let roots = Arc::clone(&self.roots);
        let inner = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider))
            .with_crls(self.revoked.clone())
            .allow_unknown_revocation_status()
            .build()
            .map_err(|error| self.refuse(error))?;
        Ok(Arc::new(AllowedClients { inner, allowed: allowed.clone() }))
    }

    /// The same of members that are dialed, each of which has to be who its address says.
    fn servers(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
        let roots = Arc::clone(&self.roots);
        WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider))
            .with_crls(self.revoked.clone())
            .allow_unknown_revocation_status()
            .build()
            .map_err(|error| self.refuse(error))
    }
}
