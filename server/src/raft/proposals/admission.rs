//! [`Admission`]: how many requests of clients may wait.
//!
//! Checked once, where a request enters the inbox of the Raft thread. It counts what waits there and what the driver
//! holds for a leader or a read index ([`Driver::waiting`](crate::raft::Driver::waiting)).

use mini_etcd_shared::types::LogIndex;

use crate::error::RequestError;
use crate::limits::{
    APPLY_LAG_MAX, PROPOSAL_BYTES_WAITING_MAX, PROPOSALS_WAITING_MAX, READS_WAITING_MAX,
};

/// What was admitted and waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// Proposals that no leader was given.
    pub proposals: Load,
    /// Reads without a read index.
    pub reads: usize,
}

/// A number of proposals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// How many.
    pub count: usize,
    /// Bytes of their data.
    pub bytes: usize,
}

impl Admission {
    /// One more proposal of `bytes`.
    ///
    /// # Errors
    /// `TooManyRequests` when it may not wait beside the others.
    pub fn admit_proposal(&mut self, bytes: usize) -> Result<(), RequestError> {
        let Load { count, bytes: waiting } = self.proposals;
        admit(
            count < PROPOSALS_WAITING_MAX
                && waiting.saturating_add(bytes) <= PROPOSAL_BYTES_WAITING_MAX,
        )?;
        self.proposals.add(bytes);
        Ok(())
    }

    /// One more read.
    ///
    /// # Errors
    /// `TooManyRequests` when it may not wait beside the others.
    pub fn admit_read(&mut self) -> Result<(), RequestError> {
        admit(self.reads < READS_WAITING_MAX)?;
        self.reads += 1;
        Ok(())
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let proposals = Load {
            count: self.proposals.count + other.proposals.count,
            bytes: self.proposals.bytes + other.proposals.bytes,
        };
        Self { proposals, reads: self.reads + other.reads }
    }
}

impl Load {
    pub(super) fn add(&mut self, bytes: usize) {
        self.count += 1;
        self.bytes += bytes;
    }

    pub(super) fn remove(&mut self, bytes: usize) {
        self.count -= 1;
        self.bytes -= bytes;
    }
}

/// Whether a member takes proposals although apply is behind what is committed.
///
/// # Errors
/// `TooManyRequests` when so much is committed and not applied that more would only add to the wait.
pub fn admit_lag(commit: LogIndex, applied: LogIndex) -> Result<(), RequestError> {
    admit(commit.0.saturating_sub(applied.0) <= APPLY_LAG_MAX)
}

fn admit(fits: bool) -> Result<(), RequestError> {
    if fits { Ok(()) } else { Err(RequestError::TooManyRequests) }
}
