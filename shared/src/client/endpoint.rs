//! Where a member listens, as people type it.

use std::fmt;

use http::Uri;

use crate::error::ClientError;

/// An address of a member: what was typed, and the URI it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    text: String,
    uri: String,
}

impl Endpoint {
    /// Reads `host:port`, `http://host:port` or `unix:///path`.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn parse(text: &str) -> Result<Self, ClientError> {
        let trimmed = text.trim();
        let bad = |reason: &str| ClientError::BadEndpoint {
            text: trimmed.to_owned(),
            reason: reason.to_owned(),
        };
        let uri = match trimmed.split_once("://") {
            Some(("http", _)) => trimmed.trim_end_matches('/').to_owned(),
            Some(("unix", _)) => {
                return Ok(Self { text: trimmed.to_owned(), uri: trimmed.to_owned() });
            }
            Some(("https", _)) => return Err(bad("TLS is not supported yet")),
            Some((scheme, _)) => return Err(bad(&format!("unknown scheme {scheme}"))),
            None if trimmed.is_empty() => return Err(bad("it is empty")),
            None => format!("http://{trimmed}"),
        };
        let parsed: Uri = uri.parse().map_err(|error| bad(&format!("{error}")))?;
        if parsed.host().is_none_or(str::is_empty) {
            return Err(bad("the host is missing"));
        }
        if parsed.port_u16().is_none() {
            return Err(bad("the port is missing or not a number"));
        }
        Ok(Self { text: trimmed.to_owned(), uri })
    }

    /// Reads a list whose items are separated by commas.
    ///
    /// # Errors
    /// When one item is not an endpoint, or when there is none.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, ClientError> {
        text.split(',').map(Self::parse).collect()
    }

    /// The endpoint as it was typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The URI to dial.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_keeps_what_was_typed() {
        let list = Endpoint::parse_list("127.0.0.1:1, http://h:2/,[::1]:3,unix:///tmp/s").unwrap();
        let seen: Vec<_> = list.iter().map(|e| (e.as_str(), e.uri())).collect();
        assert_eq!(
            seen,
            [
                ("127.0.0.1:1", "http://127.0.0.1:1"),
                ("http://h:2/", "http://h:2"),
                ("[::1]:3", "http://[::1]:3"),
                ("unix:///tmp/s", "unix:///tmp/s"),
            ]
        );
    }

    #[test]
    fn what_is_no_endpoint_is_named() {
        for (text, reason) in [
            ("", "it is empty"),
            ("h", "the port is missing"),
            ("h:x", "not a number"),
            ("https://h:1", "TLS"),
            ("ftp://h:1", "unknown scheme ftp"),
        ] {
            let error = Endpoint::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!(Endpoint::parse_list("a:1,,b:2").is_err());
    }
}
