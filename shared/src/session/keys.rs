//! The prefix that `cd` sets, and what `ls` and the history of a key read.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::RangeRequest;
use mini_etcd_proto::mvccpb::KeyValue;

use crate::client::Client;
use crate::command::{ArgKind, Parsed, Target};
use crate::failure::{Failure, done};
use crate::types::prefix_end;

/// What stands between the levels of a key.
pub(crate) const SEPARATOR: u8 = b'/';
/// Keys of one page of a listing.
const PAGE_KEYS: i64 = 500;
/// Names that one listing shows.
const NAMES_MAX: usize = 10_000;
/// Versions that one history shows.
const VERSIONS_MAX: usize = 1_000;

/// Puts the scope before a key that does not begin with the separator.
pub(super) fn scoped(scope: &[u8], key: &[u8]) -> Bytes {
    if key.first() == Some(&SEPARATOR) {
        return Bytes::copy_from_slice(key);
    }
    [scope, key].concat().into()
}

/// Applies the scope to the keys of a command.
pub fn scope_arguments(scope: &[u8], parsed: &mut Parsed) {
    let Target::Command(spec) = parsed.target else { return };
    if scope.is_empty() {
        return;
    }
    for (arg, spec) in parsed.args.iter_mut().zip(spec.args) {
        if matches!(spec.kind, ArgKind::Key | ArgKind::RangeEnd) {
            *arg = scoped(scope, arg);
        }
    }
}

/// The scope that `cd` leads to.
pub(super) fn entered(scope: &[u8], to: Option<&[u8]>) -> Vec<u8> {
    match to {
        None | Some(b"" | b"/") => Vec::new(),
        Some(b"..") => {
            let inner = scope.strip_suffix(&[SEPARATOR]).unwrap_or(scope);
            let end = inner.iter().rposition(|byte| *byte == SEPARATOR).map_or(0, |at| at + 1);
            inner.get(..end).filter(|up| *up != [SEPARATOR]).unwrap_or_default().to_vec()
        }
        Some(to) => {
            let mut entered = scoped(scope, to).to_vec();
            if entered.last() != Some(&SEPARATOR) {
                entered.push(SEPARATOR);
            }
            entered
        }
    }
}

/// One level of keys.
pub(super) struct Listing {
    /// Names: those of levels end in the separator.
    pub names: Vec<Vec<u8>>,
    /// The revision that all of them were read at.
    pub revision: i64,
    /// Whether there are more than are shown.
    pub more: bool,
}

/// Reads one level below `prefix`, at one revision, skipping what lies deeper.
pub(super) async fn list(client: &Client, prefix: &[u8]) -> Result<Listing, Failure> {
    let mut listing = Listing { names: Vec::new(), revision: 0, more: false };
    let end = if prefix.is_empty() { Bytes::from_static(&[0]) } else { prefix_end(prefix) };
    let mut from =
        if prefix.is_empty() { Bytes::from_static(&[0]) } else { Bytes::copy_from_slice(prefix) };
    loop {
        let request = RangeRequest {
            key: from,
            range_end: end.clone(),
            limit: PAGE_KEYS,
            revision: listing.revision,
            keys_only: true,
            ..RangeRequest::default()
        };
        let page = done(client.range(request).await)?;
        if listing.revision == 0 {
            listing.revision = page.header.map_or(0, |header| header.revision);
        }
        let mut last = None;
        for kv in &page.kvs {
            let name = name_below(prefix, &kv.key);
            if listing.names.last() != Some(&name) {
                if listing.names.len() == NAMES_MAX {
                    listing.more = true;
                    return Ok(listing);
                }
                listing.names.push(name);
            }
            last = Some(kv.key.clone());
        }
        let Some(last) = last.filter(|_| page.more) else { return Ok(listing) };
        from = behind(prefix, &last);
    }
}

/// The part of a key that is shown at the level below `prefix`.
pub(crate) fn name_below(prefix: &[u8], key: &[u8]) -> Vec<u8> {
    let rest = key.get(prefix.len()..).unwrap_or_default();
    let end = rest.iter().position(|byte| *byte == SEPARATOR).map_or(rest.len(), |at| at + 1);
    rest.get(..end).unwrap_or_default().to_vec()
}

/// The first key that may have another name than `key`.
pub(crate) fn behind(prefix: &[u8], key: &[u8]) -> Bytes {
    let name = name_below(prefix, key);
    if name.last() == Some(&SEPARATOR) {
        return prefix_end(&[prefix, &name].concat());
    }
    [key, &[0]].concat().into()
}

/// A key as it was at a revision; 0 for now.
pub(super) async fn at(
    client: &Client,
    key: &[u8],
    revision: i64,
) -> Result<Option<KeyValue>, Failure> {
    let request =
        RangeRequest { key: Bytes::copy_from_slice(key), revision, ..RangeRequest::default() };
    Ok(done(client.range(request).await)?.kvs.into_iter().next())
}

/// The versions of a key, newest first, as far as they are kept; across its deletes only where the next older
/// revision is known, which the API does not tell: so it ends at the key's creation.
pub(super) async fn history(client: &Client, key: &[u8]) -> Result<Vec<KeyValue>, Failure> {
    let mut versions = Vec::new();
    let mut revision = 0;
    while versions.len() < VERSIONS_MAX {
        let found = match at(client, key, revision).await {
            Err(failure) if revision != 0 && failure.text.contains("compacted") => break,
            other => other?,
        };
        let Some(kv) = found else { break };
        let (modified, created) = (kv.mod_revision, kv.create_revision);
        versions.push(kv);
        if modified <= created || modified <= 1 {
            break;
        }
        revision = modified - 1;
    }
    Ok(versions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cd_goes_down_up_and_home() {
        for (scope, to, expected) in [
            ("", "/config", "/config/"),
            ("/config/", "web", "/config/web/"),
            ("/config/", "web/", "/config/web/"),
            ("/config/web/", "..", "/config/"),
            ("/config/", "..", ""),
            ("/config/", "/other", "/other/"),
            ("/config/", "/", ""),
            ("", "..", ""),
            ("", "a", "a/"),
            ("a/", "..", ""),
        ] {
            let shown = entered(scope.as_bytes(), Some(to.as_bytes()));
            assert_eq!(String::from_utf8(shown).unwrap(), expected, "{scope} {to}");
        }
        assert!(entered(b"/a/", None).is_empty());
    }

    #[test]
    fn a_listing_skips_what_lies_deeper() {
        assert_eq!(name_below(b"/a/", b"/a/b/c"), b"b/");
        assert_eq!(name_below(b"/a/", b"/a/b"), b"b");
        assert_eq!(behind(b"/a/", b"/a/b/c"), &b"/a/b0"[..]);
        assert_eq!(behind(b"/a/", b"/a/b"), &b"/a/b\0"[..]);
    }
}
