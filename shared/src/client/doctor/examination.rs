//! The layers up to HTTP/2, before anything is asked.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures::future::select_ok;
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout};
use tokio_rustls::rustls::pki_types::UnixTime;

use super::{Examined, Layer, LayerFound};
use crate::client::connect::{Place, connected};
use crate::client::endpoint::Target;
use crate::client::tls::{Encrypted, Seen, Socket, Unencrypted, encrypted};
use crate::client::{
    Certificate, ClientConfig, Connection, DialError, Endpoint, OneCluster, TlsTrouble, Within,
};

/// What to do when the log of the member knows more.
pub(super) const ITS_LOG: &str = "look at its log";

pub(super) async fn examined(text: &str, by: Option<&str>, config: &ClientConfig) -> Examined {
    let (found, addresses) = (Examined::new(text, by), Vec::new());
    let mut examination = Examination { config, found, addresses, since: Instant::now() };
    if let Err(fault) = examination.run(text).await {
        // A layer that seemed to work may show its fault later: by TLS 1.3 a server refuses a client after the handshake.
        examination.found.findings.retain(|step| step.layer != fault.layer);
        examination.note(fault.layer, fault.found, Some(fault.next));
    }
    examination.found
}

/// Why a layer fails, and what to do.
pub(super) struct Fault {
    layer: Layer,
    found: String,
    next: String,
}

impl Fault {
    pub(super) fn new(layer: Layer, found: impl Into<String>, next: impl Into<String>) -> Self {
        Self { layer, found: found.into(), next: next.into() }
    }
}

pub(super) struct Examination<'a> {
    pub config: &'a ClientConfig,
    pub found: Examined,
    /// What its name stands for.
    addresses: Vec<SocketAddr>,
    /// When the layer before ended.
    since: Instant,
}

impl Examination<'_> {
    fn note(&mut self, layer: Layer, found: String, next: Option<String>) {
        let now = Instant::now();
        let took = (now - self.since).as_micros();
        let took = Duration::from_micros(u64::try_from(took).unwrap_or(u64::MAX));
        self.found.findings.push(LayerFound { layer, took, found, next, soon: None });
        self.since = now;
    }

    pub(super) fn works(&mut self, layer: Layer, found: impl Into<String>) {
        self.note(layer, found.into(), None);
    }

    async fn run(&mut self, text: &str) -> Result<(), Fault> {
        let endpoint = Endpoint::parse(text).map_err(|error| {
            let words = error.to_string().replace(text.trim(), self.found.endpoint.trim());
            let next = "write it as host:port, http://host:port, https://host:port or unix:path";
            Fault::new(Layer::Address, words, next)
        })?;
        let secure = endpoint.wants_tls(&self.config.tls);
        let how = if secure { "asked by TLS" } else { "asked in plain text" };
        let place = match endpoint.target() {
            Target::Tcp { .. } => endpoint.authority(),
            Target::Unix(path) => format!("socket {}", path.display()),
        };
        self.works(Layer::Address, format!("{place}, {how}"));
        let places = self.places(&endpoint).await?;
        let socket = self.socket(&places).await?;
        if secure {
            self.within_tls(&endpoint, socket).await?;
        } else {
            // The client dials one of its own.
            drop(socket);
        }
        let connection = self.connection(&endpoint, secure).await?;
        self.ask(endpoint, connection).await
    }

    async fn places(&mut self, endpoint: &Endpoint) -> Result<Vec<Place>, Fault> {
        let (host, port) = match endpoint.target() {
            Target::Unix(path) => return Ok(vec![Place::Unix(path.clone())]),
            Target::Tcp { host, port } => (host.as_str(), *port),
        };
        let found = match timeout(self.config.dial_timeout, lookup_host((host, port))).await {
            Err(_) => Err("no answer in time".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Ok(Ok(found)) => Ok(found.collect::<Vec<SocketAddr>>()),
        };
        let found = found.and_then(|found| {
            if found.is_empty() { Err("the name has no address".to_owned()) } else { Ok(found) }
        });
        self.addresses = found.map_err(|why| {
            let words = DialError::Resolve(why).to_string();
            Fault::new(Layer::Name, words, "correct the name, or name an address")
        })?;
        let shown: Vec<_> = self.addresses.iter().map(|found| found.ip().to_string()).collect();
        self.works(Layer::Name, shown.join(", "));
        Ok(self.addresses.iter().copied().map(Place::Tcp).collect())
    }

    /// Whether a member's address leads where this endpoint does.
    pub(super) fn is_here(&self, endpoint: &Endpoint, url: &str) -> bool {
        let Ok(other) = Endpoint::parse(url) else { return false };
        let address = || {
            let (host, port) = other.host_and_port()?;
            Some(SocketAddr::new(host.parse::<IpAddr>().ok()?, port))
        };
        endpoint.is_same_place(&other)
            || address().is_some_and(|other| self.addresses.contains(&other))
    }

    async fn socket(&mut self, places: &[Place]) -> Result<Box<dyn Socket>, Fault> {
        let after = self.config.dial_timeout;
        let error = match timeout(after, any_of(places)).await {
            Ok(Ok((socket, place))) => {
                let words = match place {
                    Place::Tcp(address) => format!("connected to {address}"),
                    Place::Unix(_) => "connected".to_owned(),
                };
                self.works(Layer::Tcp, words);
                return Ok(socket);
            }
            Ok(Err(error)) => DialError::from(error),
            Err(_) => DialError::Unreachable(after),
        };
        let next = match &error {
            DialError::System(io::ErrorKind::ConnectionRefused, _) => {
                "nobody listens there: is the member running, and is the port right?"
            }
            DialError::System(io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied, _) => {
                "is the path right, and may you open it?"
            }
            _ => {
                "is the address right, and does a firewall let it through? --dial-timeout waits longer"
            }
        };
        Err(Fault::new(Layer::Tcp, error.to_string(), next))
    }

    /// The handshake. Whoever hangs up without a word is left to [`connection`](Self::connection), which looks what else
    /// it speaks.
    async fn within_tls(
        &mut self,
        endpoint: &Endpoint,
        socket: Box<dyn Socket>,
    ) -> Result<(), Fault> {
        let after = self.config.dial_timeout;
        let handshake = encrypted(socket, endpoint, &self.config.tls, Within::Http2);
        match timeout(after, handshake).await {
            Ok(Ok(encrypted)) => {
                self.works(Layer::Tls, shown(&encrypted));
                if let Some(step) = self.found.findings.last_mut() {
                    step.soon = ends_soon(&encrypted.seen);
                }
            }
            Ok(Err(Unencrypted { trouble: Some(trouble), seen })) => {
                let fault = of_tls(&trouble);
                let found = match &*chain(&seen) {
                    "" => fault.found,
                    chain => format!("{}; it shows a {chain}", fault.found),
                };
                return Err(Fault { found, ..fault });
            }
            Ok(Err(Unencrypted { trouble: None, .. })) => {}
            Err(_) => return Err(of_dial(Layer::Tls, &DialError::Silent(after))),
        }
        Ok(())
    }

    /// HTTP/2, as the client begins it.
    async fn connection(&mut self, endpoint: &Endpoint, secure: bool) -> Result<Connection, Fault> {
        let config = ClientConfig { cluster: OneCluster::default(), ..self.config.clone() };
        match Connection::open(endpoint, &config).await {
            Ok(connection) => {
                self.works(Layer::Http2, "it speaks HTTP/2");
                Ok(connection)
            }
            Err(DialError::Tls(trouble)) => Err(of_tls(&trouble)),
            Err(error) => {
                let shook = self.found.findings.iter().any(|step| step.layer == Layer::Tls);
                let layer = if secure && !shook { Layer::Tls } else { Layer::Http2 };
                Err(of_dial(layer, &error))
            }
        }
    }
}

/// The first of these that takes a connection. There is at least one.
async fn any_of(places: &[Place]) -> io::Result<(Box<dyn Socket>, &Place)> {
    let attempt =
        |place| Box::pin(async move { connected(place).await.map(|socket| (socket, place)) });
    select_ok(places.iter().map(attempt)).await.map(|(first, _)| first)
}

fn of_dial(layer: Layer, error: &DialError) -> Fault {
    let next = match error {
        DialError::Http1 => {
            "is it a page, a proxy, or the port for peers? name the port for clients"
        }
        DialError::Foreign => "name the port for clients of a member",
        DialError::Silent(_) => "is it the right port, and does the member hang? look at its log",
        _ => ITS_LOG,
    };
    Fault::new(layer, error.to_string(), next)
}

fn of_tls(trouble: &TlsTrouble) -> Fault {
    let layer = if *trouble == TlsTrouble::Alpn { Layer::Http2 } else { Layer::Tls };
    Fault::new(layer, trouble.to_string(), trouble.next())
}

/// What a handshake has shown.
fn shown<S>(encrypted: &Encrypted<S>) -> String {
    let (_, session) = encrypted.stream.get_ref();
    let version = match session.protocol_version() {
        Some(version) => format!("{version:?}").replace("TLSv", "TLS ").replace('_', "."),
        None => "TLS".to_owned(),
    };
    let asked = match (encrypted.own.was_asked(), encrypted.own.name()) {
        (false, _) => String::new(),
        (true, None) => "; it asks for a client certificate, and gets none".to_owned(),
        (true, Some(name)) => {
            format!("; it asks for a client certificate, and gets that of {name}")
        }
    };
    format!("{version}, {}{asked}", chain(&encrypted.seen))
}

fn now() -> Duration {
    Duration::from_secs(UnixTime::now().as_secs())
}

/// Until when a certificate is valid, and how long that is from now.
fn end(found: &Certificate) -> String {
    format!("until {} ({})", found.until, found.validity().left(now()))
}

/// Says of the first certificate that ends soon to renew it.
fn ends_soon(seen: &Seen) -> Option<String> {
    let soon = seen.chain().iter().filter(|found| found.validity().ends_soon(now()));
    let first = soon.min_by_key(|found| found.until)?;
    Some(format!("renew the certificate of {}, valid {}", first.subject, end(first)))
}

/// A server's certificate and those between it and its authority; nothing when it has shown none that can be read.
fn chain(seen: &Seen) -> String {
    let Some((own, between)) = seen.chain().split_first() else { return String::new() };
    let signed = |found: &Certificate| format!("signed by {}, {}", found.issuer, end(found));
    let names = match own.names.join(", ") {
        none if none.is_empty() => "no name at all".to_owned(),
        names => names,
    };
    // Whoever trusts an authority has its certificate.
    let between = between.iter().filter(|found| !found.is_own);
    let mut shown = vec![format!("certificate of {} for {names}, {}", own.subject, signed(own))];
    shown.extend(between.map(|found| format!("{}, {}", found.subject, signed(found))));
    shown.join("; ")
}
