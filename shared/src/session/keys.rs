//! The prefix that `cd` sets, and what `ls` and the history of a key read.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::{RangeRequest, RangeResponse};
use mini_etcd_proto::mvccpb::KeyValue;

use crate::client::Client;
use crate::command::{ArgKind, Parsed, Target, prefix_range};
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

/// A walk over one level of keys: their names up to the next separator, at one revision, skipping what lies deeper.
pub(crate) struct Level {
    /// Names: those of levels end in the separator.
    pub names: Vec<Bytes>,
    /// Whether there are more than `max`.
    pub more: bool,
    max: usize,
    /// What all names are below.
    dir: Vec<u8>,
    next: RangeRequest,
}

impl Level {
    /// The keys that begin with `prefix`, by their names below `dir`.
    pub(crate) fn new(prefix: &[u8], dir: &[u8], max: usize) -> Self {
        let (key, range_end) = prefix_range(Bytes::copy_from_slice(prefix));
        let next = RangeRequest {
            key,
            range_end,
            limit: PAGE_KEYS,
            keys_only: true,
            ..RangeRequest::default()
        };
        Self { names: Vec::new(), more: false, max, dir: dir.to_vec(), next }
    }

    /// The next page.
    pub(crate) fn request(&self) -> RangeRequest {
        self.next.clone()
    }

    /// Takes a page in; answers whether another one follows.
    pub(crate) fn take(&mut self, page: &RangeResponse) -> bool {
        if self.next.revision == 0 {
            self.next.revision = page.header.map_or(0, |header| header.revision);
        }
        for kv in &page.kvs {
            let name = name_below(&self.dir, &kv.key);
            if self.names.last().map(Bytes::as_ref) == Some(&name) {
                continue;
            }
            if self.names.len() == self.max {
                self.more = true;
                return false;
            }
            self.names.push(name.into());
        }
        let Some(last) = page.kvs.last().filter(|_| page.more) else { return false };
        self.next.key = behind(&self.dir, &last.key);
        true
    }
}

/// Reads one level below `prefix`.
pub(super) async fn list(client: &Client, prefix: &[u8]) -> Result<Level, Failure> {
    let mut level = Level::new(prefix, prefix, NAMES_MAX);
    while level.take(&done(client.range(level.request()).await)?) {}
    Ok(level)
}

/// The part of a key that is shown at the level below `prefix`.
fn name_below(prefix: &[u8], key: &[u8]) -> Vec<u8> {
    let rest = key.get(prefix.len()..).unwrap_or_default();
    let end = rest.iter().position(|byte| *byte == SEPARATOR).map_or(rest.len(), |at| at + 1);
    rest.get(..end).unwrap_or_default().to_vec()
}

/// The first key that may have another name than `key`.
fn behind(prefix: &[u8], key: &[u8]) -> Bytes {
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
