//! [`Leadership`]: who leads, in which term, as one member sees it.

use mini_etcd_shared::types::{MemberId, Term};

/// Who leads, in which term, as this member sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    pub me: MemberId,
    /// The leader; 0 for none.
    pub leader: MemberId,
    pub term: Term,
}

impl Leadership {
    /// Whether this member leads.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.has_leader() && self.leader == self.me
    }

    /// Whether anybody leads.
    #[must_use]
    pub fn has_leader(&self) -> bool {
        self.leader != MemberId(0)
    }
}
