//! Whether the history in which something was seen is still the one of the cluster.
//!
//! A cluster whose data was wiped, or restored from an older snapshot, may have the same number as before. Its revisions
//! begin anew, or go back, and what a change compares may by chance be so again. A server process has one history: so it is
//! enough that a change goes over the connection over which its revision was read.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::{RangeRequest, TxnRequest, TxnResponse};
use mini_etcd_shared::client::{Client, Kind, Member, Outcome};
use tonic::{Response, Status};

/// Commits on a member whose history has revision `seen`; refuses on one whose history has not.
pub(crate) async fn commit(client: &Client, txn: TxnRequest, seen: i64) -> Outcome<TxnResponse> {
    // Every change compares the key first.
    let key = txn.compare.first().map(|compare| compare.key.clone()).unwrap_or_default();
    let send = |member: Member| {
        let (txn, key) = (txn.clone(), key.clone());
        async move {
            ask(&member, key, seen).await?;
            member.kv().txn(txn).await
        }
    };
    client.call(Kind::Write, send).await
}

/// Refuses when the history of the cluster has not revision `seen`, before a change of `key`.
pub(crate) async fn check(client: &Client, key: Bytes, seen: i64) -> Outcome<()> {
    let send = |member: Member| {
        let key = key.clone();
        async move { ask(&member, key, seen).await.map(Response::new) }
    };
    client.call(Kind::Read, send).await
}

/// Asks by a read of a key that is to be changed: its user may read that one, and perhaps no other.
async fn ask(member: &Member, key: Bytes, seen: i64) -> Result<(), Status> {
    let request = RangeRequest { key, count_only: true, ..RangeRequest::default() };
    let answer = member.kv().range(request).await?.into_inner();
    let now = answer.header.map_or(0, |header| header.revision);
    if now >= seen {
        return Ok(());
    }
    let words = format!(
        "the cluster is at revision {now} and was at {seen}: its data was replaced, nothing was done"
    );
    Err(Status::failed_precondition(words))
}
