//! [`ApplyTask`] and [`Applied`]: what apply is given and what it answers.

use std::sync::Arc;

use mini_etcd_proto::etcdserverpb::{
    AlarmResponse, AuthenticateResponse, CompactionResponse, LeaseGrantResponse,
    LeaseRevokeResponse,
};
use mini_etcd_proto::internalpb::{ConfState, Entry, Member};
use mini_etcd_shared::types::{LogIndex, MemberId, Term};

use super::Published;
use crate::auth::TokenChange;
use crate::error::RequestError;
use crate::lease::LeaseChange;
use crate::metrics::Counts;
use crate::mvcc::{Answer, Event};

/// Committed entries in order.
#[derive(Clone, Debug, Default)]
pub struct ApplyTask {
    /// The entries; the first follows what was applied last.
    pub entries: Vec<Entry>,
    /// Who votes after the entry at each index that changed it.
    pub conf_states: Vec<(LogIndex, ConfState)>,
}

/// The outcome of a task.
#[derive(Clone)]
pub struct Applied {
    /// The state after it.
    pub published: Arc<Published>,
    /// One result for each entry that carried a request.
    pub results: Vec<EntryResult>,
    /// Every change of a key, in the order of revision and sub.
    pub events: Arc<[Event]>,
    /// Every change of a lease, in the order of the log.
    pub leases: Vec<LeaseChange>,
    /// What it means for tokens, in the order of the log.
    pub tokens: Vec<TokenChange>,
    /// What was asked of the keys.
    pub counts: Counts,
    /// A snapshot took the place of the state: what happened in between is not among the events.
    pub skipped: bool,
}

/// What an entry came to.
#[derive(Clone, Debug)]
pub struct EntryResult {
    pub index: LogIndex,
    pub term: Term,
    /// Member whose client asked.
    pub origin: MemberId,
    /// Which of its starts asked; 0 in entries of earlier versions.
    pub incarnation: u64,
    /// That start's number of the request.
    pub sequence: u64,
    /// The answer.
    pub outcome: Result<EntryResponse, RequestError>,
}

/// An answer. Headers carry the revision only; whoever answers the client adds the rest.
#[derive(Clone, Debug)]
pub enum EntryResponse {
    /// To a put, a removal or a transaction; has rows only at the member whose client asked.
    Write(Box<Answer>),
    Compaction(CompactionResponse),
    /// To an alarm request.
    Alarm(AlarmResponse),
    /// A member's addresses are stored.
    Published,
    LeaseGranted(LeaseGrantResponse),
    LeaseRevoked(LeaseRevokeResponse),
    /// It is noted how much is left of leases.
    LeaseCheckpointed,
    /// To a change of users and roles, or a login, which alone has a token.
    Auth(AuthenticateResponse),
    /// To a change of membership: the members after it.
    Members(Vec<Member>),
}
