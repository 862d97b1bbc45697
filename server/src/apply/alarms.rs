//! [`Alarms`]: which member raised what, as a part of the applied state, and what it forbids.

use std::collections::BTreeSet;

use mini_etcd_proto::etcdserverpb::alarm_request::AlarmAction;
use mini_etcd_proto::etcdserverpb::request_op::Request as Op;
use mini_etcd_proto::etcdserverpb::{AlarmMember, AlarmRequest, AlarmType, RequestOp, TxnRequest};
use mini_etcd_proto::internalpb::command::Request;

use crate::error::RequestError;
use crate::storage::{Batch, Space, SystemRow};

/// Table of [`Space::System`].
const ALARM: u8 = b'a';

/// The alarms that are raised.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alarms {
    /// By member and `AlarmType`.
    pub raised: BTreeSet<(u64, i32)>,
}

impl Alarms {
    /// Takes up a row; none when it is not of here.
    pub(super) fn load(&mut self, row: SystemRow<'_>) -> Option<()> {
        let SystemRow { table: ALARM, id, rest, .. } = row else { return None };
        self.raised.insert((id, i32::from_be_bytes(rest.try_into().ok()?)));
        Some(())
    }

    /// The row of an alarm that is raised: its key.
    pub(super) fn row(alarm: (u64, i32)) -> Vec<u8> {
        SystemRow::key(ALARM, alarm.0, &alarm.1.to_be_bytes())
    }

    /// Lists, raises or clears alarms: those listed, raised or cleared.
    pub(super) fn change(&mut self, request: &AlarmRequest, batch: &mut Batch) -> Vec<AlarmMember> {
        let alarm = (request.member_id, request.alarm);
        let none = request.alarm == AlarmType::None as i32;
        let key = || Self::row(alarm);
        let changed = match AlarmAction::try_from(request.action) {
            Ok(AlarmAction::Get) => {
                let listed = self.raised.iter().filter(|(_, kind)| none || *kind == request.alarm);
                return listed.map(|(id, alarm)| member_of((*id, *alarm))).collect();
            }
            Ok(AlarmAction::Activate) if !none => {
                batch.put(Space::System, key(), Vec::new());
                self.raised.insert(alarm);
                true
            }
            Ok(AlarmAction::Deactivate) => {
                batch.remove(Space::System, key());
                self.raised.remove(&alarm)
            }
            _ => false,
        };
        if changed { vec![member_of(alarm)] } else { Vec::new() }
    }

    /// Whether a change of keys or leases may be carried out. What the members ask for themselves may, and what
    /// changes users.
    ///
    /// # Errors
    /// An alarm that is raised forbids it.
    pub(super) fn check(&self, request: &Request) -> Result<(), RequestError> {
        let own = matches!(
            request,
            Request::Alarm(_)
                | Request::Publish(_)
                | Request::LeaseCheckpoint(_)
                | Request::Auth(_)
        );
        if own || self.raised.is_empty() {
            return Ok(());
        }
        if self.has(AlarmType::Corrupt) {
            return Err(RequestError::Corrupt);
        }
        let grows = match request {
            Request::Put(_) | Request::LeaseGrant(_) => true,
            Request::Txn(txn) => puts(txn),
            _ => false,
        };
        if grows && self.has(AlarmType::Nospace) {
            return Err(RequestError::NoSpace);
        }
        Ok(())
    }

    fn has(&self, alarm: AlarmType) -> bool {
        self.raised.iter().any(|(_, kind)| *kind == alarm as i32)
    }
}

/// Whether either branch, at any depth, has a put: then the transaction costs space.
fn puts(txn: &TxnRequest) -> bool {
    let is_put = |op: &RequestOp| match &op.request {
        Some(Op::RequestPut(_)) => true,
        Some(Op::RequestTxn(nested)) => puts(nested),
        _ => false,
    };
    txn.success.iter().any(is_put) || txn.failure.iter().any(is_put)
}

fn member_of((member_id, alarm): (u64, i32)) -> AlarmMember {
    AlarmMember { member_id, alarm }
}
