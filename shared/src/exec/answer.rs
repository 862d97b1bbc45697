//! What commands answer.

use std::time::Duration;

use mini_etcd_proto::etcdserverpb::{
    AlarmResponse, DeleteRangeResponse, HashKvResponse, MemberListResponse, PutResponse,
    RangeResponse, StatusResponse, TxnResponse, WatchResponse,
};

use crate::command::Target;

/// The answer to a command, as the servers gave it.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// To a put.
    Put(PutResponse),
    /// To a get.
    Get {
        /// The keys.
        response: RangeResponse,
        /// Only values are wanted.
        values_only: bool,
        /// Only the count is wanted.
        count_only: bool,
    },
    /// To a del.
    Del(DeleteRangeResponse),
    /// To a txn.
    Txn(TxnResponse),
    /// To a compaction: its revision.
    Compaction(i64),
    /// One message of a watch.
    Watch(WatchResponse),
    /// To a member list.
    MemberList(MemberListResponse),
    /// To an endpoint status.
    EndpointStatus(Vec<Status>),
    /// To an endpoint health.
    EndpointHealth(Vec<Health>),
    /// To an endpoint hashkv.
    EndpointHashKv(Vec<Hashed>),
    /// To an alarm list.
    AlarmList(AlarmResponse),
    /// To version.
    Version,
    /// To help.
    Help(Target),
}

/// The state of one endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// The endpoint as it was typed.
    pub endpoint: String,
    /// What it said.
    pub response: StatusResponse,
}

/// The hash of one endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Hashed {
    /// The endpoint as it was typed.
    pub endpoint: String,
    /// What it said.
    pub response: HashKvResponse,
}

/// Whether one endpoint is healthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The endpoint as it was typed.
    pub endpoint: String,
    /// How long its read took.
    pub took: Duration,
    /// Why it is not; `None` when it is.
    pub trouble: Option<String>,
}
