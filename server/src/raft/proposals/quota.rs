//! How much may wait.

use super::waiters::Load;
use crate::error::RequestError;
use crate::limits::{
    PROPOSAL_BYTES_WAITING_MAX, PROPOSALS_IN_FLIGHT_MAX, PROPOSALS_WAITING_MAX, READS_WAITING_MAX,
    UNCOMMITTED_BYTES_MAX,
};

/// Whether one more proposal of `bytes` may wait beside `waiting`.
///
/// # Errors
/// `TooManyRequests` when not.
pub(super) fn admit_proposal(waiting: Load, bytes: usize) -> Result<(), RequestError> {
    let room = waiting.count < PROPOSALS_WAITING_MAX
        && waiting.bytes.saturating_add(bytes) <= PROPOSAL_BYTES_WAITING_MAX;
    if room { Ok(()) } else { Err(RequestError::TooManyRequests) }
}

/// Whether one more proposal may be given to a leader beside `bound`.
pub(super) fn may_bind(bound: Load) -> bool {
    bound.count < PROPOSALS_IN_FLIGHT_MAX && (bound.bytes as u64) < UNCOMMITTED_BYTES_MAX
}

/// Whether one more read may wait beside `waiting`.
///
/// # Errors
/// `TooManyRequests` when not.
pub(super) fn admit_read(waiting: usize) -> Result<(), RequestError> {
    if waiting < READS_WAITING_MAX { Ok(()) } else { Err(RequestError::TooManyRequests) }
}
