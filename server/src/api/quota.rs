//! The quota: what a write would add to the data, and whether there is room for it.

use mini_etcd_proto::etcdserverpb::alarm_request::AlarmAction;
use mini_etcd_proto::etcdserverpb::request_op::Request;
use mini_etcd_proto::etcdserverpb::{AlarmRequest, AlarmType, PutRequest, RequestOp, TxnRequest};
use mini_etcd_proto::internalpb::command;

use super::Host;
use crate::error::RequestError;
use crate::repeats::Say;

/// What a key costs beside its bytes and those of its value.
const KEY_COST: u64 = 256;

/// What a lease costs, as in etcd.
pub(super) const LEASE_COST: u64 = 64;

/// What a put adds.
pub(super) fn of_put(request: &PutRequest) -> u64 {
    let bytes = request.key.len() + request.value.len();
    KEY_COST + u64::try_from(bytes).unwrap_or(u64::MAX / 2)
}

/// What the dearer branch of a transaction adds.
pub(super) fn of_txn(request: &TxnRequest) -> u64 {
    let cost = |ops: &[RequestOp]| {
        let costs = ops.iter().map(|op| match &op.request {
            Some(Request::RequestPut(put)) => of_put(put),
            Some(Request::RequestTxn(nested)) => of_txn(nested),
            _ => 0,
        });
        costs.fold(0, u64::saturating_add)
    };
    cost(&request.success).max(cost(&request.failure))
}

/// Refuses a write for which there is no room, and raises the alarm that then refuses them everywhere.
pub(super) async fn check(host: &Host, cost: u64) -> Result<(), RequestError> {
    if cost == 0 {
        return Ok(());
    }
    let published = host.published();
    if host.about().quota.has_room(published.view.logical_bytes(), cost) {
        return Ok(());
    }
    let me = host.proposer().identity().member_id.0;
    let alarm = i32::from(AlarmType::Nospace);
    if !published.alarms.raised.contains(&(me, alarm)) {
        let action = AlarmAction::Activate.into();
        let request = AlarmRequest { action, member_id: me, alarm };
        let raised = host.write_as_member(command::Request::Alarm(request)).await;
        if let Some(Say { more }) = host.alarms_raised().say(raised.is_ok()) {
            match raised {
                Ok(_) => tracing::warn!(
                    "the quota is used up, what grows is refused: delete, compact, then `alarm disarm`"
                ),
                Err(error) => {
                    tracing::warn!(%error, more, "the alarm of a full quota could not be raised");
                }
            }
        }
    }
    Err(RequestError::NoSpace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_costs_its_dearer_branch_nested_ones_included() {
        let put = |value: &'static str| {
            let put = PutRequest { key: "k".into(), value: value.into(), ..PutRequest::default() };
            RequestOp { request: Some(Request::RequestPut(put)) }
        };
        let inner = TxnRequest { success: vec![put("12345")], ..TxnRequest::default() };
        let nested = RequestOp { request: Some(Request::RequestTxn(inner)) };
        let txn = TxnRequest {
            success: vec![put("1234")],
            failure: vec![put(""), nested, RequestOp { request: None }],
            compare: Vec::new(),
        };
        assert_eq!(of_txn(&txn), 256 + 1 + 256 + 6);
    }
}
