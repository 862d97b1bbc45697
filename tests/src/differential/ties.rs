//! Ranges sorted by something that several keys have alike: etcd does not say in which order these come.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use mini_etcd_proto::etcdserverpb::request_op::Request;
use mini_etcd_proto::etcdserverpb::response_op::Response;
use mini_etcd_proto::etcdserverpb::{
    RangeRequest, RangeResponse, RequestOp, ResponseOp, TxnRequest, TxnResponse,
};
use mini_etcd_proto::mvccpb::KeyValue;
use prost::Message;

/// An answer of `path` with keys that are sorted alike in the order of the keys.
#[must_use]
pub fn settled(path: &str, request: &Bytes, answer: &Bytes) -> Option<Bytes> {
    match path {
        "/etcdserverpb.KV/Range" => {
            let request = RangeRequest::decode(request.clone()).ok()?;
            if !is_sorted(&request) {
                return None;
            }
            let mut answer = RangeResponse::decode(answer.clone()).ok()?;
            range(&request, &mut answer);
            Some(answer.encode_to_vec().into())
        }
        "/etcdserverpb.KV/Txn" => {
            let request = TxnRequest::decode(request.clone()).ok()?;
            let mut answer = TxnResponse::decode(answer.clone()).ok()?;
            txn(&request, &mut answer);
            Some(answer.encode_to_vec().into())
        }
        _ => None,
    }
}

fn txn(request: &TxnRequest, answer: &mut TxnResponse) {
    let branch = if answer.succeeded { &request.success } else { &request.failure };
    for (RequestOp { request }, ResponseOp { response }) in branch.iter().zip(&mut answer.responses)
    {
        match (request, response) {
            (Some(Request::RequestRange(request)), Some(Response::ResponseRange(answer))) => {
                range(request, answer);
            }
            (Some(Request::RequestTxn(request)), Some(Response::ResponseTxn(answer))) => {
                txn(request, answer);
            }
            _ => (),
        }
    }
}

/// Whether the order is another than that of the keys.
fn is_sorted(request: &RangeRequest) -> bool {
    request.sort_target != SortTarget::Key as i32
}

fn range(request: &RangeRequest, answer: &mut RangeResponse) {
    if !is_sorted(request) {
        return;
    }
    let same = |a: &KeyValue, b: &KeyValue| match SortTarget::try_from(request.sort_target) {
        Ok(SortTarget::Version) => a.version == b.version,
        Ok(SortTarget::Create) => a.create_revision == b.create_revision,
        Ok(SortTarget::Mod) => a.mod_revision == b.mod_revision,
        Ok(SortTarget::Value) => request.keys_only || a.value == b.value,
        _ => false,
    };
    for alike in answer.kvs.chunk_by_mut(same) {
        alike.sort_by(|a, b| a.key.cmp(&b.key));
    }
    // Which of those that are alike fall beyond the limit is open too, and so is what an order that is none leaves.
    if answer.more {
        let alike = answer.kvs.chunk_by(same).last().map_or(0, <[_]>::len);
        let start = answer.kvs.len() - alike;
        answer.kvs.iter_mut().skip(start).for_each(|kv| *kv = KeyValue::default());
    }
    if SortOrder::try_from(request.sort_order).is_err() {
        answer.kvs.sort_by(|a, b| a.key.cmp(&b.key));
    }
}
