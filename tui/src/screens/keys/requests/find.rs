//! Keys that look like a pattern: loaded once per prefix and revision, matched away from the screen's thread.
//!
//! * I1: keys are loaded in chunks and matched chunk by chunk on a thread of their own: giving up takes effect at the
//!   next chunk, a few milliseconds away.
//! * I2: at most [`KEYS_MAX`] keys and [`BYTES_MAX`] bytes are kept; that there are more is told.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::RangeRequest;
use mini_etcd_shared::client::Client;
use mini_etcd_shared::types::prefix_end;
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::scan::{first_key, pinned};
use crate::engine::request::{Clients, Parts, Request, Trouble};
use crate::screens::keys::model::{Found, MATCHES_MAX};
use crate::widget::escape_name;

/// Keys of one request and of one chunk.
const CHUNK_KEYS: i64 = 5_000;
/// Keys that are looked at.
const KEYS_MAX: usize = 1_000_000;
/// Bytes of keys that are kept.
const BYTES_MAX: usize = 40 << 20;
/// Chunks between two reports.
const CHUNKS_TOLD: usize = 8;

/// Looks for the keys that look like a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindKeys {
    /// Below this prefix.
    pub prefix: Bytes,
    /// At this revision.
    pub at: i64,
    /// A few of the letters.
    pub pattern: String,
}

impl Request for FindKeys {
    type Answer = Found;

    async fn run(self, clients: Clients, parts: Parts<Found>) -> Result<Found, Trouble> {
        let kept = clients.kept::<Mutex<Loaded>>();
        let of = (self.prefix, self.at);
        find(&clients.client, &mut *kept.lock().await, of, &self.pattern, &parts).await
    }
}

/// Keys of a prefix at a revision, loaded for the last jump.
#[derive(Debug, Default)]
struct Loaded {
    of: (Bytes, i64),
    chunks: Vec<Arc<Chunk>>,
    keys: usize,
    bytes: usize,
    /// Where to go on; `None` once all are loaded.
    next: Option<Bytes>,
}

/// Keys, one after the other.
#[derive(Debug, Default)]
struct Chunk {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

/// A match: the better the higher its score and the shorter the key.
type Match = (u32, Reverse<usize>, Reverse<Vec<u8>>);

/// Looks for the best matches; tells what it has so far as it goes.
async fn find(
    client: &Client,
    loaded: &mut Loaded,
    of: (Bytes, i64),
    pattern: &str,
    parts: &Parts<Found>,
) -> Result<Found, Trouble> {
    if loaded.of != of {
        let next = Some(first_key(&of.0));
        *loaded = Loaded { of, next, ..Loaded::default() };
    }
    let pattern = Arc::new(Pattern::parse(pattern, CaseMatching::Smart, Normalization::Smart));
    let (mut best, mut at, mut looked) = (BinaryHeap::new(), 0, 0_u64);
    loop {
        while at >= loaded.chunks.len() && loaded.next.is_some() && !loaded.is_full() {
            loaded.load(client).await?;
        }
        let Some(chunk) = loaded.chunks.get(at).map(Arc::clone) else { break };
        at += 1;
        looked += u64::try_from(chunk.ends.len()).unwrap_or(0);
        let pattern = Arc::clone(&pattern);
        // I1
        let matched = spawn_blocking(move || {
            look(&chunk, &pattern, &mut best);
            best
        });
        best = matched.await.unwrap_or_default();
        if at % CHUNKS_TOLD == 0 || at == 1 {
            parts.send(Found { keys: keys(best.clone()), looked, complete: false }).await;
        }
    }
    Ok(Found { keys: keys(best), looked, complete: loaded.next.is_none() })
}

impl Loaded {
    /// I2
    fn is_full(&self) -> bool {
        self.keys >= KEYS_MAX || self.bytes >= BYTES_MAX
    }

    async fn load(&mut self, client: &Client) -> Result<(), Trouble> {
        let Some(key) = self.next.clone() else { return Ok(()) };
        let request = RangeRequest {
            key,
            range_end: prefix_end(&self.of.0),
            limit: CHUNK_KEYS,
            revision: self.of.1,
            keys_only: true,
            ..RangeRequest::default()
        };
        let answer = pinned(client, request).await?;
        let mut chunk = Chunk::default();
        for kv in &answer.kvs {
            chunk.bytes.extend(&kv.key);
            chunk.ends.push(u32::try_from(chunk.bytes.len()).unwrap_or(u32::MAX));
        }
        let last = answer.kvs.last().filter(|_| answer.more);
        self.next = last.map(|kv| [&kv.key[..], &[0]].concat().into());
        self.keys += chunk.ends.len();
        self.bytes += chunk.bytes.len() + chunk.ends.len() * 4;
        if !chunk.ends.is_empty() {
            self.chunks.push(Arc::new(chunk));
        }
        Ok(())
    }
}

fn look(chunk: &Chunk, pattern: &Pattern, best: &mut BinaryHeap<Reverse<Match>>) {
    let mut matcher = Matcher::new(Config::DEFAULT.match_paths());
    let mut buffer = Vec::new();
    let mut start = 0;
    for end in &chunk.ends {
        let end = usize::try_from(*end).unwrap_or(usize::MAX);
        let key = chunk.bytes.get(start..end).unwrap_or_default();
        start = end;
        let shown;
        let text = if let Ok(text) = std::str::from_utf8(key) {
            text
        } else {
            shown = escape_name(key);
            &shown
        };
        let Some(score) = pattern.score(Utf32Str::new(text, &mut buffer), &mut matcher) else {
            continue;
        };
        best.push(Reverse((score, Reverse(key.len()), Reverse(key.to_vec()))));
        if best.len() > MATCHES_MAX {
            best.pop();
        }
    }
}

/// The keys of the matches, the best first.
fn keys(best: BinaryHeap<Reverse<Match>>) -> Vec<Bytes> {
    let sorted = best.into_sorted_vec();
    sorted.into_iter().map(|Reverse((_, _, Reverse(key)))| key.into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_match_comes_first_and_bytes_that_are_no_text_match_as_shown() {
        let mut chunk = Chunk::default();
        for key in [&b"/config/web/timeout"[..], b"/config/api/time", b"\xff\x00time", b"other"] {
            chunk.bytes.extend(key);
            chunk.ends.push(u32::try_from(chunk.bytes.len()).unwrap());
        }
        let mut best = BinaryHeap::new();
        let pattern = Pattern::parse("webtime", CaseMatching::Smart, Normalization::Smart);
        look(&chunk, &pattern, &mut best);
        assert_eq!(keys(best), [Bytes::from_static(b"/config/web/timeout")]);
        let mut best = BinaryHeap::new();
        let pattern = Pattern::parse("fftime", CaseMatching::Smart, Normalization::Smart);
        look(&chunk, &pattern, &mut best);
        assert_eq!(keys(best), [Bytes::from_static(b"\xff\x00time")]);
    }
}
