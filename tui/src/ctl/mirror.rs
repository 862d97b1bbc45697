//! `make-mirror`, until something fails.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::request_op::Request;
use mini_etcd_proto::etcdserverpb::{
    DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest, WatchCreateRequest,
};
use mini_etcd_proto::mvccpb::Event;
use mini_etcd_proto::mvccpb::event::EventType;
use mini_etcd_shared::client::{Access, Client, ClientConfig, Endpoint, OneCluster, WatchItem};
use mini_etcd_shared::command::MakeMirror;
use mini_etcd_shared::failure::{Failure, done, exit, words_of};
use mini_etcd_shared::types::prefix_end;

use super::console::{err_line, out};
use super::log;
use crate::password::credentials;

/// Keys of one answer while what is there is read.
const PAGE_KEYS: i64 = 1000;
/// Time between two reports.
const REPORT_EVERY: Duration = Duration::from_secs(30);
/// First byte string: with a range end of one zero byte every key.
const LOWEST: &[u8] = &[0];
/// What says that history is gone.
const COMPACTED: &str = "etcdserver: mvcc: required revision has been compacted";

/// Copies until something fails, and says how to go on.
pub(super) async fn run(client: &Client, mirror: &MakeMirror) -> Result<u8, Failure> {
    let destination = destination(client.config(), mirror)?;
    let refused = |error| Failure::new(exit::NO_CONNECTION, words_of(&error));
    destination.log_in().await.map_err(refused)?;
    let source = ClientConfig { command_timeout: None, ..client.config().clone() };
    let source = client.with_config(source).map_err(Failure::from)?;
    let copy = Copy { source, destination, mirror, total: AtomicU64::new(0) };
    let mut next = mirror.revision;
    let failure = tokio::select! {
        failure = copy.run(&mut next) => failure,
        () = copy.report() => return Ok(0),
    };
    if next > 0 {
        let next = next.to_string();
        err_line(&log::line("warn", "the mirror ended: go on with --rev", &[("rev", &next)]));
    }
    Err(failure)
}

fn destination(config: &ClientConfig, mirror: &MakeMirror) -> Result<Client, Failure> {
    let bad = |words: String| Failure::new(exit::BAD_ARGS, words);
    mirror.tls.check().map_err(|error| bad(error.to_string()))?;
    let login = credentials(&mirror.user, Some(&mirror.password));
    let config = ClientConfig {
        endpoints: vec![Endpoint::parse(&mirror.destination).map_err(Failure::from)?],
        command_timeout: None,
        tls: mirror.tls.clone(),
        login: login.map_err(|error| bad(error.to_string()))?,
        token: None,
        // What a profile forbids, it forbids at the source.
        access: Access::ReadWrite,
        cluster: OneCluster::default(),
        ..config.clone()
    };
    Client::new(config).map_err(Failure::from)
}

struct Copy<'a> {
    source: Client,
    destination: Client,
    mirror: &'a MakeMirror,
    /// Keys that were written or deleted.
    total: AtomicU64,
}

impl Copy<'_> {
    /// Prints now and then how far it is.
    async fn report(&self) {
        loop {
            tokio::time::sleep(REPORT_EVERY).await;
            out(format!("{}\n", self.total.load(Ordering::Relaxed)).as_bytes());
        }
    }

    /// Why it ended; `next` is the first revision that is not copied whole, once that is known.
    async fn run(&self, next: &mut i64) -> Failure {
        let copied = async {
            if *next <= 1 {
                *next = self.what_is_there().await? + 1;
            }
            self.changes(next).await
        };
        match copied.await {
            Ok(never) => never,
            Err(failure) => failure,
        }
    }

    fn range(&self) -> (Bytes, Bytes) {
        let prefix = &self.mirror.prefix;
        if prefix.is_empty() {
            return (Bytes::from_static(LOWEST), Bytes::from_static(LOWEST));
        }
        (prefix.clone(), prefix_end(prefix))
    }

    /// Copies the keys as they are at one revision; answers that.
    async fn what_is_there(&self) -> Result<i64, Failure> {
        let (mut key, range_end) = self.range();
        let mut revision = 0;
        loop {
            let request = RangeRequest {
                key,
                range_end: range_end.clone(),
                limit: PAGE_KEYS,
                revision,
                ..RangeRequest::default()
            };
            let page = done(self.source.range(request).await)?;
            if revision == 0 {
                revision = page.header.map_or(0, |header| header.revision);
            }
            let Some(last) = page.kvs.last().map(|kv| kv.key.clone()) else { return Ok(revision) };
            for kv in page.kvs {
                let put = PutRequest {
                    key: self.renamed(&kv.key),
                    value: kv.value,
                    ..PutRequest::default()
                };
                done(self.destination.put(put).await)?;
                self.total.fetch_add(1, Ordering::Relaxed);
            }
            if !page.more {
                return Ok(revision);
            }
            key = [last.as_ref(), &[0]].concat().into();
        }
    }

    /// Copies changes from `next` on, each revision in its own transactions; it ends with a failure.
    async fn changes(&self, next: &mut i64) -> Result<Failure, Failure> {
        let (key, range_end) = self.range();
        let request = WatchCreateRequest {
            key,
            range_end,
            start_revision: *next,
            ..WatchCreateRequest::default()
        };
        let mut stream = self.source.watch(request).require_leader();
        while let Some(item) = stream.next().await {
            match item {
                WatchItem::Events(answer) => {
                    let revision =
                        |event: &Event| event.kv.as_ref().map_or(0, |kv| kv.mod_revision);
                    for events in answer.events.chunk_by(|a, b| revision(a) == revision(b)) {
                        self.revision(events).await?;
                        *next = events.first().map_or(0, revision) + 1;
                    }
                }
                WatchItem::Canceled(answer) if answer.compact_revision != 0 => {
                    return Ok(Failure::new(exit::ERROR, COMPACTED));
                }
                WatchItem::Canceled(answer) => {
                    return Ok(Failure::new(exit::ERROR, answer.cancel_reason));
                }
                WatchItem::Refused(error) => {
                    return Ok(Failure::new(exit::ERROR, words_of(&error)));
                }
                _ => {}
            }
        }
        Ok(Failure::new(exit::ERROR, "the watch ended"))
    }

    async fn revision(&self, events: &[Event]) -> Result<(), Failure> {
        for events in events.chunks(self.mirror.operations_max) {
            let success: Vec<_> = events.iter().map(|event| self.operation(event)).collect();
            let count = u64::try_from(success.len()).unwrap_or(u64::MAX);
            let request = TxnRequest { success, ..TxnRequest::default() };
            done(self.destination.txn(request).await)?;
            self.total.fetch_add(count, Ordering::Relaxed);
        }
        Ok(())
    }

    fn operation(&self, event: &Event) -> RequestOp {
        let kv = event.kv.clone().unwrap_or_default();
        let key = self.renamed(&kv.key);
        let request = match event.r#type() {
            EventType::Put => {
                Request::RequestPut(PutRequest { key, value: kv.value, ..PutRequest::default() })
            }
            EventType::Delete => Request::RequestDeleteRange(DeleteRangeRequest {
                key,
                ..DeleteRangeRequest::default()
            }),
        };
        RequestOp { request: Some(request) }
    }

    /// The key at the destination.
    fn renamed(&self, key: &Bytes) -> Bytes {
        let rest = key.strip_prefix(self.mirror.prefix.as_ref()).unwrap_or(key);
        [self.mirror.dest_prefix.as_ref(), rest].concat().into()
    }
}

#[cfg(test)]
mod tests {
    use mini_etcd_shared::client::Tls;

    use super::*;

    #[test]
    fn a_profile_that_may_only_read_is_about_the_source() {
        let mut source = ClientConfig::new(Endpoint::parse_list("h:1").unwrap());
        source.access = Access::ReadOnly;
        let mirror = MakeMirror {
            destination: "h:2".to_owned(),
            tls: Tls::default(),
            user: String::new(),
            password: String::new(),
            prefix: Bytes::new(),
            dest_prefix: Bytes::new(),
            revision: 0,
            operations_max: 1,
        };
        let destination = destination(&source, &mirror).unwrap();
        assert_eq!(destination.config().access, Access::ReadWrite);
    }
}
