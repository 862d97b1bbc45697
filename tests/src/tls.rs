//! Certificates for tests, and a client that shows them.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use http::Uri;
use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber, date_time_ymd,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tonic::transport::{Channel, Endpoint};
use tower::{Service, service_fn};

/// Who signs.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate in PEM.
    pub pem: String,
}

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Valid {
    /// Now, and for decades.
    Now,
    /// In years past.
    Past,
    /// In years to come.
    Later,
}

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
    /// Its number with the authority.
    pub serial: u64,
}

impl Authority {
    /// A new one of this name.
    ///
    /// # Errors
    /// None is expected.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?;
        let pem = certificate.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// A certificate for the ends of a connection, both.
    ///
    /// # Errors
    /// A host that is none.
    pub fn issue(&self, name: &str, hosts: &[&str], valid: Valid) -> anyhow::Result<Identity> {
        let key = KeyPair::generate()?;
        let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts)?;
        params.distinguished_name.push(DnType::CommonName, name);
        let (begins, ends) = match valid {
            Valid::Now => (2020, 2100),
            Valid::Past => (2010, 2020),
            Valid::Later => (2100, 2110),
        };
        params.not_before = date_time_ymd(begins, 1, 1);
        params.not_after = date_time_ymd(ends, 1, 1);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let serial = rand::random::<u64>() >> 1;
        params.serial_number = Some(SerialNumber::from(serial));
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Identity { certificate, key: key.serialize_pem(), serial })
    }

    /// A list of these as revoked, in PEM.
    ///
    /// # Errors
    /// None is expected.
    pub fn revoke(&self, revoked: &[&Identity]) -> anyhow::Result<String> {
        let begins = date_time_ymd(2020, 1, 1);
        let revoked = revoked.iter().map(|identity| RevokedCertParams {
            serial_number: SerialNumber::from(identity.serial),
            revocation_time: begins,
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: begins,
            next_update: date_time_ymd(2100, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(params.signed_by(&self.issuer)?.pem()?)
    }
}

impl Identity {
    /// Writes both to `NAME.pem` and `NAME.key`, whatever was there before.
    ///
    /// # Errors
    /// The disk's.
    pub fn write(&self, dir: &Path, name: &str) -> anyhow::Result<()> {
        std::fs::write(dir.join(format!("{name}.pem")), &self.certificate)?;
        std::fs::write(dir.join(format!("{name}.key")), &self.key)?;
        Ok(())
    }
}

fn endpoint(address: &str) -> anyhow::Result<Endpoint> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
    Ok(endpoint.timeout(Duration::from_secs(10)))
}

/// How a client speaks TLS.
#[derive(Clone, Debug)]
pub struct TlsClient {
    /// Whom it believes, in PEM.
    pub roots: String,
    /// What it shows.
    pub identity: Option<Identity>,
    /// What it offers.
    pub alpn: Vec<&'static str>,
    /// The versions it speaks.
    pub versions: Vec<&'static SupportedProtocolVersion>,
}

impl TlsClient {
    /// A client of gRPC.
    #[must_use]
    pub fn new(roots: &str, identity: Option<&Identity>) -> Self {
        Self {
            roots: roots.to_owned(),
            identity: identity.cloned(),
            alpn: vec!["h2"],
            versions: vec![&TLS12, &TLS13],
        }
    }

    /// The same offering other protocols.
    #[must_use]
    pub fn offering(mut self, alpn: &[&'static str]) -> Self {
        self.alpn = alpn.to_vec();
        self
    }

    /// The same speaking one version.
    #[must_use]
    pub fn only(mut self, version: &'static SupportedProtocolVersion) -> Self {
        self.versions = vec![version];
        self
    }

    fn config(&self) -> anyhow::Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(self.roots.as_bytes()) {
            roots.add(certificate?)?;
        }
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions)?
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let chain: Result<Vec<_>, _> =
                    CertificateDer::pem_slice_iter(identity.certificate.as_bytes()).collect();
                let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes())?;
                builder.with_client_auth_cert(chain?, key)?
            }
        };
        config.alpn_protocols = self.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(Arc::new(config))
    }

    /// A handshake with `HOST:PORT`.
    ///
    /// # Errors
    /// Nobody there, or no handshake.
    pub async fn connect(&self, address: &str) -> anyhow::Result<TlsStream<TcpStream>> {
        let host = address.rsplit_once(':').context("an address")?.0.to_owned();
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from(host)?;
        Ok(TlsConnector::from(self.config()?).connect(name, stream).await?)
    }

    /// A channel to `HOST:PORT`, dialled when first used.
    ///
    /// # Errors
    /// When the address is not one.
    pub fn channel_lazily(&self, address: &str) -> anyhow::Result<Channel> {
        let (endpoint, connector) = (endpoint(address)?, self.connector(address));
        Ok(endpoint.connect_with_connector_lazy(connector))
    }

    /// A channel to `HOST:PORT`, whose connection is made now.
    ///
    /// # Errors
    /// As [`TlsClient::connect`].
    pub async fn channel(&self, address: &str) -> anyhow::Result<Channel> {
        let (endpoint, connector) = (endpoint(address)?, self.connector(address));
        Ok(endpoint.connect_with_connector(connector).await?)
    }

    fn connector(
        &self,
        address: &str,
    ) -> impl Service<Uri, Response = TokioIo<TlsStream<TcpStream>>, Error = io::Error, Future: Send>
    + Send
    + use<> {
        let (client, to) = (self.clone(), address.to_owned());
        service_fn(move |_: Uri| {
            let (client, to) = (client.clone(), to.clone());
            async move { client.connect(&to).await.map(TokioIo::new).map_err(io::Error::other) }
        })
    }

    /// What a page answers by HTTP/1.1, head and all.
    ///
    /// # Errors
    /// As [`TlsClient::connect`].
    pub async fn page(&self, address: &str, path: &str) -> anyhow::Result<String> {
        let mut stream = self.connect(address).await?;
        let ask = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(ask.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(String::from_utf8(answer)?)
    }
}
