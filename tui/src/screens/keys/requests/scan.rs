//! A directory, page by page, without reading what lies deeper.
//!
//! ```text
//! keys only, 500 a request ─▶ names up to the next separator ─▶ past the last directory's end ─▶ ...
//! ```
//!
//! * I1: all requests of a page read one revision.
//! * I2: a directory costs one jump however many keys are below it; keys cost one request per 500.
//! * I3: the keys below a directory are counted by the difference of what lies from its first key on and what lies
//!   behind its end, which the server counts in any case.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::{RangeRequest, RangeResponse};
use mini_etcd_shared::client::Client;
use mini_etcd_shared::types::prefix_end;

use super::{Which, failed, outcome};
use crate::engine::request::{Clients, Parts, Request, Trouble};
use crate::screens::keys::model::{CHILDREN_PAGE, Child, Meta, Page};

/// Keys of one request.
const KEYS_PER_REQUEST: usize = 500;
/// Keys of a request where directories come one after the other.
const KEYS_LEAST: usize = 16;

/// Reads a page of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadPage {
    /// The tree that it is for.
    pub tree: Which,
    /// The directory in that tree.
    pub dir: u32,
    /// Everything that begins with this.
    pub prefix: Bytes,
    /// From this key on; the prefix itself for the first page.
    pub from: Bytes,
    /// What stands between names; empty for no tree at all.
    pub separator: Bytes,
    /// The revision; 0 for the newest.
    pub at: i64,
}

impl Request for ReadPage {
    type Answer = Page;

    async fn run(self, clients: Clients, _: Parts<Page>) -> Result<Page, Trouble> {
        children(&clients.client, self).await
    }
}

/// Reads `request` at its revision from whichever member has it.
pub(crate) async fn pinned(
    client: &Client,
    mut request: RangeRequest,
) -> Result<RangeResponse, Trouble> {
    if request.revision > 0 {
        request.serializable = true;
        match client.range(request.clone()).await.into_result() {
            Ok(answer) => return Ok(answer),
            // The member that was asked is behind: a quorum is not.
            Err(error) if error.to_string().contains("future revision") => {
                request.serializable = false;
            }
            Err(error) => return Err(failed(&error)),
        }
    }
    outcome(client.range(request).await)
}

/// The smallest key of a prefix, as a request wants it.
pub(crate) fn first_key(prefix: &Bytes) -> Bytes {
    if prefix.is_empty() { Bytes::from_static(&[0]) } else { prefix.clone() }
}

/// A page of a directory.
async fn children(client: &Client, asked: ReadPage) -> Result<Page, Trouble> {
    let mut scan = Scan {
        end: prefix_end(&asked.prefix),
        cursor: if asked.from.is_empty() { first_key(&asked.prefix) } else { asked.from.clone() },
        page: Page { revision: asked.at, ..Page::default() },
        started: 0,
        asked,
    };
    let mut limit = KEYS_PER_REQUEST;
    loop {
        let room = scan.page.children.len() < CHILDREN_PAGE;
        let answer = scan.ask(client, if room { limit } else { 1 }).await?;
        scan.count_last(&answer);
        if !room {
            scan.page.left = u64::try_from(answer.count).unwrap_or(0);
            scan.page.next = (answer.count > 0).then(|| scan.cursor.clone());
            break;
        }
        let before = scan.page.children.len();
        scan.take(&answer);
        if !answer.more || !scan.advance(&answer) {
            break;
        }
        let names = scan.page.children.len() - before;
        limit = if names <= 1 { limit / 2 } else { limit * 2 };
        limit = limit.clamp(KEYS_LEAST, KEYS_PER_REQUEST);
    }
    Ok(scan.page)
}

struct Scan {
    asked: ReadPage,
    /// The end of the directory, as a request wants it.
    end: Bytes,
    cursor: Bytes,
    page: Page,
    /// Keys from the first key of the last directory on, while its end was not read; 0 otherwise.
    started: u64,
}

impl Scan {
    async fn ask(&mut self, client: &Client, limit: usize) -> Result<RangeResponse, Trouble> {
        let request = RangeRequest {
            key: self.cursor.clone(),
            range_end: self.end.clone(),
            limit: i64::try_from(limit).unwrap_or(i64::MAX),
            revision: self.page.revision,
            keys_only: true,
            ..RangeRequest::default()
        };
        let answer = pinned(client, request).await?;
        self.page.requests += 1;
        if self.page.revision == 0 {
            // I1
            self.page.revision = answer.header.map_or(0, |header| header.revision);
        }
        Ok(answer)
    }

    /// I3: what lay before and does not lie here any more is below the last directory.
    fn count_last(&mut self, answer: &RangeResponse) {
        let started = std::mem::take(&mut self.started);
        if started > 0
            && let Some(last) = self.page.children.last_mut()
        {
            last.below = Some(started.saturating_sub(u64::try_from(answer.count).unwrap_or(0)));
        }
    }

    fn take(&mut self, answer: &RangeResponse) {
        let mut here = u64::try_from(answer.count).unwrap_or(0);
        for kv in &answer.kvs {
            let rest = kv.key.slice(self.asked.prefix.len().min(kv.key.len())..);
            match find(&rest, &self.asked.separator) {
                None => self.page.children.push(Child {
                    name: rest,
                    key: Some(Meta {
                        create: kv.create_revision,
                        modified: kv.mod_revision,
                        version: kv.version,
                        lease: kv.lease,
                    }),
                    below: None,
                }),
                Some(at) => {
                    let name = rest.slice(..at);
                    match self.page.children.last_mut() {
                        Some(Child { name: last, below: Some(below), .. }) if *last == name => {
                            *below += 1;
                        }
                        _ => {
                            self.started = here;
                            self.page.children.push(Child { name, key: None, below: Some(1) });
                        }
                    }
                }
            }
            here = here.saturating_sub(1);
        }
    }

    /// Moves past what was read. Answers whether anything can follow.
    fn advance(&mut self, answer: &RangeResponse) -> bool {
        let Some(kv) = answer.kvs.last() else { return false };
        let Some(Child { name, below: Some(_), .. }) = self.page.children.last() else {
            self.started = 0;
            self.cursor = [&kv.key[..], &[0]].concat().into();
            return true;
        };
        // I2
        let inside = [&self.asked.prefix[..], name, &self.asked.separator].concat();
        let behind = prefix_end(&inside);
        let open = |end: &[u8]| end == [0];
        let last = open(&behind) || (behind >= self.end && !open(&self.end));
        if last && let Some(child) = self.page.children.last_mut() {
            child.below = Some(self.started);
            return false;
        }
        self.cursor = behind;
        true
    }
}

/// Where `separator` stands in `name`.
fn find(name: &[u8], separator: &[u8]) -> Option<usize> {
    if separator.is_empty() {
        return None;
    }
    name.windows(separator.len()).position(|window| window == separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_separator_counts_and_none_makes_no_tree() {
        assert_eq!(find(b"a/b/c", b"/"), Some(1));
        assert_eq!(find(b"a:::b", b"::"), Some(1));
        assert_eq!(find(b"/a", b"/"), Some(0));
        assert_eq!(find(b"a", b"/"), None);
        assert_eq!(find(b"a/b", b""), None);
        assert_eq!(find(b"", b"/"), None);
    }
}
