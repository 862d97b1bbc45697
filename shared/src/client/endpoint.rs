//! [`Endpoint`]: where a member listens, as people type it.

use std::fmt;
use std::path::{Path, PathBuf};

use http::Uri;

use crate::error::ClientError;

/// An address of a member: what was typed, and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    text: String,
    target: Target,
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
    /// Reads `host:port`, `http://host:port`, `unix:path` or `unix://path`; schemes in any case.
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
        if let Some(path) = after_unix(trimmed) {
            if path.is_empty() {
                return Err(bad("the path is missing"));
            }
            let target = Target::Unix(PathBuf::from(path));
            return Ok(Self { text: trimmed.to_owned(), target });
        }
        let authority = match trimmed.split_once("://") {
            None => trimmed,
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") => {
                return Err(bad("TLS is not supported yet"));
            }
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
        Ok(Self { text: trimmed.to_owned(), target })
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

/// What follows `unix:` or `unix://`.
fn after_unix(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once(':')?;
    scheme.eq_ignore_ascii_case("unix").then(|| rest.strip_prefix("//").unwrap_or(rest))
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
    fn what_is_no_endpoint_is_named() {
        for (text, reason) in [
            ("", "it is empty"),
            ("h", "the port is missing"),
            ("h:x", "not a number"),
            ("https://h:1", "TLS"),
            ("HTTPS://h:1", "TLS"),
            ("ftp://h:1", "unknown scheme ftp"),
            ("unix:", "the path is missing"),
        ] {
            let error = Endpoint::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
