//! [`Origins`]: the pages that a browser lets call this member, etcd's `--cors`.

use http::{HeaderValue, Uri};

/// Origins that answers are shared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// All of them.
    Any,
    /// These, as browsers spell them.
    Only(Vec<HeaderValue>),
}

impl Origins {
    pub(super) const ACCEPTED: &str =
        "*, or origins such as https://example.com:8080, separated by commas";

    /// Of a list by commas; `*` in it, or nothing at all, stands for all.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        let mut listed = Vec::new();
        for item in items {
            if item == "*" {
                return Some(Self::Any);
            }
            listed.push(origin(item)?);
        }
        Some(if listed.is_empty() { Self::Any } else { Self::Only(listed) })
    }

    /// What `Access-Control-Allow-Origin` says to a request from `origin`; none where it gets none.
    #[must_use]
    pub fn answer(&self, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
        match self {
            Self::Any => Some(HeaderValue::from_static("*")),
            Self::Only(listed) => origin.filter(|origin| listed.contains(origin)).cloned(),
        }
    }
}

/// An origin: scheme and authority, without a path.
fn origin(text: &str) -> Option<HeaderValue> {
    let (scheme, authority) = text.split_once("://")?;
    let is_web = matches!(scheme, "http" | "https") && !authority.contains(['/', '?', '#', '@']);
    let uri: Uri = text.parse().ok()?;
    let has_host = uri.host().is_some_and(|host| !host.is_empty());
    if is_web && has_host { HeaderValue::from_str(text).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_answered_when_it_is_listed_and_all_by_a_star() {
        let own = HeaderValue::from_static("https://a.example:8080");
        let other = HeaderValue::from_static("https://b.example");
        let listed = Origins::parse("http://c, https://a.example:8080").unwrap();
        assert_eq!(listed.answer(Some(&own)), Some(own.clone()));
        assert_eq!((listed.answer(Some(&other)), listed.answer(None)), (None, None));
        for all in ["*", "", "http://c,*"] {
            let answer = Origins::parse(all).unwrap().answer(None);
            assert_eq!(answer, Some(HeaderValue::from_static("*")), "{all}");
        }
    }

    #[test]
    fn what_no_browser_sends_as_an_origin_is_refused() {
        for text in ["a.example", "https://a/", "ftp://a", "https://", "https://a/b", "https://a b"]
        {
            assert_eq!(Origins::parse(text), None, "{text}");
        }
    }
}
