//! Certificates of a test, and a server that shows one of them and can be wrong in many ways.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// A certificate and its key, as files.
#[derive(Clone, Debug)]
pub struct Pair {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// An authority, with a directory for what it signs.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub cert: PathBuf,
    signed: AtomicUsize,
    dir: tempfile::TempDir,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let cert = dir.path().join("ca.crt");
        std::fs::write(&cert, params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), cert, signed: AtomicUsize::new(0), dir }
    }

    /// A certificate for these names and addresses, of this common name.
    pub fn signs(&self, name: &str, names: &[&str]) -> Pair {
        self.signs_until(name, names, 2049)
    }

    /// One whose time ends with the beginning of this year.
    pub fn signs_until(&self, name: &str, names: &[&str], year: i32) -> Pair {
        let [begin, end] = [2019, year].map(|year| date_time_ymd(year, 1, 1).into());
        self.signs_within(name, names, (begin, end))
    }

    /// One that is valid from the first of these times to the second.
    pub fn signs_within(
        &self,
        name: &str,
        names: &[&str],
        (begin, end): (SystemTime, SystemTime),
    ) -> Pair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = begin.into();
        params.not_after = end.into();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        // Several may have one name.
        let number = self.signed.fetch_add(1, Ordering::Relaxed);
        write(self.dir.path(), &format!("{name}-{number}"), &cert.pem(), &key)
    }

    /// One that is signed by its own key, as `openssl req -x509` makes them: it could sign others.
    pub fn self_signed(dir: &Path, names: &[&str]) -> Pair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "itself");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        write(dir, "itself", &params.self_signed(&key).unwrap().pem(), &key)
    }
}

fn write(dir: &Path, name: &str, cert: &str, key: &KeyPair) -> Pair {
    let pair = Pair { cert: dir.join(format!("{name}.crt")), key: dir.join(format!("{name}.key")) };
    std::fs::write(&pair.cert, cert).unwrap();
    std::fs::write(&pair.key, key.serialize_pem()).unwrap();
    pair
}

/// What a server does once TLS has come about.
#[derive(Clone, Copy, Debug)]
pub enum Then {
    /// Speaks HTTP/2.
    Http2,
    /// Speaks HTTP/2, and has no such page.
    Page,
    /// Speaks HTTP/2, and answers nothing.
    Silence,
    /// Hands all on to a server that speaks plain text.
    Passes(SocketAddr),
    /// Speaks HTTP/1.
    Http1,
}

/// How a server speaks TLS.
#[derive(Clone, Debug)]
pub struct Manners<'a> {
    pub pair: &'a Pair,
    /// The authority whose certificates clients must show.
    pub clients: Option<&'a Path>,
    /// What it takes as the protocol within.
    pub alpn: &'a [&'a [u8]],
    pub then: Then,
}

impl<'a> Manners<'a> {
    pub fn of(pair: &'a Pair) -> Self {
        Self { pair, clients: None, alpn: &[b"h2"], then: Then::Http2 }
    }
}

/// A server; it ends with the test.
pub struct Secure {
    pub address: SocketAddr,
    task: AbortHandle,
}

impl Drop for Secure {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Secure {
    pub async fn start(manners: Manners<'_>) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(config(&manners)));
        let then = manners.then;
        Self::serve(move |socket| {
            let acceptor = acceptor.clone();
            async move {
                if let Ok(stream) = acceptor.accept(socket).await {
                    speak(stream, then).await;
                }
            }
        })
        .await
    }

    /// HTTP/2 in plain text.
    pub async fn plain() -> Self {
        Self::speaking(Then::Http2).await
    }

    /// Without TLS.
    pub async fn speaking(then: Then) -> Self {
        Self::serve(move |socket| speak(socket, then)).await
    }

    async fn serve<F>(answer: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                tokio::spawn(answer(socket));
            }
        });
        Self { address, task: task.abort_handle() }
    }
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, then: Then) {
    match then {
        Then::Http2 => {
            if let Ok(mut connection) = h2::server::handshake(stream).await {
                while connection.accept().await.is_some() {}
            }
        }
        Then::Page => {
            if let Ok(mut connection) = h2::server::handshake(stream).await {
                while let Some(Ok((_, mut answer))) = connection.accept().await {
                    let page = http::Response::builder().status(404).body(()).unwrap();
                    let _sent = answer.send_response(page, true);
                }
            }
        }
        Then::Silence => {
            let mut asked = Vec::new();
            if let Ok(mut connection) = h2::server::handshake(stream).await {
                while let Some(request) = connection.accept().await {
                    asked.push(request);
                }
            }
        }
        Then::Passes(to) => {
            if let Ok(mut plain) = TcpStream::connect(to).await {
                let _ended = copy_bidirectional(&mut stream, &mut plain).await;
            }
        }
        Then::Http1 => {
            let mut head = [0; 24];
            if stream.read_exact(&mut head).await.is_ok() {
                let _gone = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
                let _gone = stream.shutdown().await;
            }
        }
    }
}

fn config(manners: &Manners<'_>) -> ServerConfig {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match manners.clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let chain = vec![CertificateDer::from_pem_file(&manners.pair.cert).unwrap()];
    let key = PrivateKeyDer::from_pem_file(&manners.pair.key).unwrap();
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = manners.alpn.iter().map(|name| name.to_vec()).collect();
    config
}
