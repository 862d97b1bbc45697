//! [`Published`]: the state that readers see.

use std::sync::Arc;

use mini_etcd_proto::internalpb::{ConfState, Member};
use mini_etcd_shared::types::{ClusterId, LogIndex, MemberId, Term};

use super::{Alarms, Members};
use crate::auth::Auth;
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
    /// Users, roles, and whether they count.
    pub auth: Arc<Auth>,
    /// Compactions up to this revision are off the disk; -1 for none.
    pub compact_finished: i64,
    /// Which beginning of the cluster the state descends from; 0 when that is not known.
    pub lineage: u64,
    /// Index of the last snapshot that was installed; 0 for none.
    pub snapshot: LogIndex,
}

impl Published {
    /// Where a log has to begin anew, because the state came as a snapshot that it does not reach: the process ended between
    /// the two. `term_at` answers the term of an entry of the log.
    ///
    /// # Errors
    /// Those of `term_at`.
    pub fn is_ahead_of<E>(
        &self,
        term_at: impl FnOnce(LogIndex) -> Result<Option<Term>, E>,
    ) -> Result<Option<(LogIndex, Term)>, E> {
        if self.snapshot != self.applied {
            return Ok(None);
        }
        let is_there = term_at(self.applied)? == Some(self.applied_term);
        Ok((!is_there).then_some((self.applied, self.applied_term)))
    }
}
