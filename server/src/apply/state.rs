//! [`Published`]: the state that readers see.

use std::sync::Arc;

use mini_etcd_proto::internalpb::{ConfState, Member};
use mini_etcd_shared::types::{ClusterId, LogIndex, MemberId, Term};

use super::{Alarms, Members};
use crate::lease::LeaseView;
use crate::mvcc::View;

/// Whose state it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub cluster_id: ClusterId,
    pub member_id: MemberId,
}

/// What a new state begins with, as if it came from a snapshot.
#[derive(Clone, Debug)]
pub struct Birth {
    /// Index that the state stands at.
    pub index: LogIndex,
    pub term: Term,
    /// Who votes.
    pub conf_state: ConfState,
    pub members: Vec<Member>,
}

/// The state after an apply turn, as one value.
#[derive(Clone)]
pub struct Published {
    /// The keys.
    pub view: View,
    /// Index of the last applied entry.
    pub applied: LogIndex,
    pub applied_term: Term,
    /// Rolling digest over everything applied.
    pub digest: u64,
    /// Who votes, as of `applied`.
    pub conf_state: ConfState,
    pub members: Arc<Members>,
    /// The alarms that are raised.
    pub alarms: Arc<Alarms>,
    /// The leases; see [`crate::lease`] for how far they may be ahead.
    pub leases: LeaseView,
    /// Compactions up to this revision are off the disk; -1 for none.
    pub compact_finished: i64,
    /// Which beginning of the cluster the state descends from; 0 when that is not known.
    pub lineage: u64,
}
