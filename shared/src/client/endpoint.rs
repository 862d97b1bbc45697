//! [`Endpoint`]: where a member listens, as people type it.

use std::fmt;
use std::path::{Path, PathBuf};

use http::Uri;

use super::Tls;
use crate::error::ClientError;

/// An address of a member: what was typed, and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    text: String,
    target: Target,
    scheme: Scheme,
}

/// How it is to be spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    /// It does not say: as the client speaks otherwise.
    None,
    Plain,
    Tls,
}

/// What is dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A name or an address, without the brackets of IPv6.
    Tcp { host: String, port: u16 },
    /// A socket in the file system.
    Unix(PathBuf),
}

impl Endpoint {
    /// Reads `host:port`, `http://host:port`, `https://host:port`, `unix:path` or `unixs:path`; schemes in any case, and
    /// paths with `//` before them or without.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn parse(text: &str) -> Result<Self, ClientError> {
        let trimmed = text.trim();
        let bad = |reason: &str| ClientError::BadEndpoint {
            text: trimmed.to_owned(),
            reason: reason.to_owned(),
        };
        if trimmed.is_empty() {
            return Err(bad("it is empty"));
        }
        if let Some((scheme, path)) = after_unix(trimmed) {
            if path.is_empty() {
                return Err(bad("the path is missing"));
            }
            let target = Target::Unix(PathBuf::from(path));
            return Ok(Self { text: trimmed.to_owned(), target, scheme });
        }
        let (scheme, authority) = match trimmed.split_once("://") {
            None => (Scheme::None, trimmed),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Scheme::Plain, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Scheme::Tls, rest),
            Some((scheme, _)) => return Err(bad(&format!("unknown scheme {scheme}"))),
        };
        let authority = authority.trim_end_matches('/');
        let parsed: Uri =
            format!("http://{authority}").parse().map_err(|error| bad(&format!("{error}")))?;
        let host = parsed.host().unwrap_or_default();
        if host.is_empty() {
            return Err(bad("the host is missing"));
        }
        let Some(port) = parsed.port_u16() else {
            return Err(bad("the port is missing or not a number"));
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let target = Target::Tcp { host: host.to_owned(), port };
        Ok(Self { text: trimmed.to_owned(), target, scheme })
    }

    /// Reads a list whose items are separated by commas; empty items are passed over, as by etcdctl.
    ///
    /// # Errors
    /// When one item is not an endpoint.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, ClientError> {
        text.split(',').filter(|item| !item.trim().is_empty()).map(Self::parse).collect()
    }

    /// The endpoint as it was typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether both mean the same place, however they are typed.
    #[must_use]
    pub fn is_same_place(&self, other: &Self) -> bool {
        self.target == other.target
    }

    /// Whether this text means the same place.
    #[must_use]
    pub fn leads_where(&self, other: &str) -> bool {
        Self::parse(other).is_ok_and(|other| self.is_same_place(&other))
    }

    /// Whether it is asked by TLS: it says so, or it does not say and the client is told how to.
    #[must_use]
    pub fn wants_tls(&self, tls: &Tls) -> bool {
        match self.scheme {
            Scheme::Tls => true,
            Scheme::Plain => false,
            Scheme::None => tls.is_given(),
        }
    }

    /// The name or address that its certificate must be for. That of a socket in the file system is the name of the
    /// file up to a colon, as for etcd's clients.
    pub(super) fn host(&self) -> String {
        let (host, end) = match &self.target {
            Target::Tcp { host, .. } => (host.into(), '%'),
            Target::Unix(path) => (path.file_name().unwrap_or_default().to_string_lossy(), ':'),
        };
        let host = host.split(end).next().unwrap_or_default();
        host.trim_end_matches('.').to_owned()
    }

    /// What is dialled.
    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// The name or address, and the port; none of a socket in the file system.
    #[must_use]
    pub fn host_and_port(&self) -> Option<(&str, u16)> {
        match &self.target {
            Target::Tcp { host, port } => Some((host, *port)),
            Target::Unix(_) => None,
        }
    }

    /// The socket in the file system, when it is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.target {
            Target::Tcp { .. } => None,
            Target::Unix(path) => Some(path),
        }
    }

    /// What requests name as their server.
    #[must_use]
    pub fn authority(&self) -> String {
        match &self.target {
            Target::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Target::Tcp { host, port } => format!("{host}:{port}"),
            Target::Unix(_) => "localhost".to_owned(),
        }
    }
}

/// What follows `unix:`, `unix://`, `unixs:` or `unixs://`.
fn after_unix(text: &str) -> Option<(Scheme, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let scheme = match scheme {
        either if either.eq_ignore_ascii_case("unix") => Scheme::None,
        secure if secure.eq_ignore_ascii_case("unixs") => Scheme::Tls,
        _ => return None,
    };
    Some((scheme, rest.strip_prefix("//").unwrap_or(rest)))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Target {
        Target::Tcp { host: host.to_owned(), port }
    }

    #[test]
    fn an_endpoint_keeps_what_was_typed() {
        let typed = "127.0.0.1:1, http://h:2/,[::1]:3,unix:///tmp/s";
        let list = Endpoint::parse_list(typed).unwrap();
        let seen: Vec<_> = list.iter().map(|e| (e.as_str(), e.target().clone())).collect();
        assert_eq!(
            seen,
            [
                ("127.0.0.1:1", tcp("127.0.0.1", 1)),
                ("http://h:2/", tcp("h", 2)),
                ("[::1]:3", tcp("::1", 3)),
                ("unix:///tmp/s", Target::Unix("/tmp/s".into())),
            ]
        );
    }

    #[test]
    fn empty_items_schemes_in_capitals_and_short_unix_paths_are_taken() {
        for list in ["h:1,", ",h:1", "HTTP://h:1", "hTTp://h:1/", " h:1 , ,"] {
            let seen = Endpoint::parse_list(list).unwrap();
            assert!(matches!(&*seen, [one] if *one.target() == tcp("h", 1)), "{list}: {seen:?}");
        }
        for path in ["unix:/tmp/s", "UNIX:///tmp/s", "unix:///tmp/s"] {
            let seen = Endpoint::parse(path).unwrap();
            assert_eq!(*seen.target(), Target::Unix("/tmp/s".into()), "{path}");
        }
        let relative = Endpoint::parse("unix://localhost:2379").unwrap();
        assert_eq!(*relative.target(), Target::Unix("localhost:2379".into()));
        assert_eq!(Endpoint::parse_list("").unwrap(), []);
        assert_eq!(Endpoint::parse_list(",").unwrap(), []);
    }

    #[test]
    fn a_certificate_must_be_for_the_host_or_the_name_of_the_socket() {
        for (text, host) in [
            ("https://h.example.:1", "h.example"),
            ("https://[fe80::1%eth0]:1", "fe80::1"),
            ("HTTPS://127.0.0.1:1/", "127.0.0.1"),
            ("unixs:///run/localhost:0", "localhost"),
            ("unixs:m1.sock", "m1.sock"),
        ] {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!((endpoint.host().as_str(), endpoint.scheme), (host, Scheme::Tls), "{text}");
        }
    }

    #[test]
    fn what_is_no_endpoint_is_named() {
        for (text, reason) in [
            ("", "it is empty"),
            ("h", "the port is missing"),
            ("h:x", "not a number"),
            ("https://h", "the port is missing"),
            ("ftp://h:1", "unknown scheme ftp"),
            ("unix:", "the path is missing"),
        ] {
            let error = Endpoint::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
