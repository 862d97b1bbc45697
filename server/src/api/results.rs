//! Results of reads: small ones at once, large ones on a reading thread and within a budget of bytes.
//!
//! A read of few rows is cheaper than handing it over, so it happens where it arrived. A longer one would hold up
//! every other call of that thread; it runs on a thread of its own, which also encodes the answer, and the
//! scheduler of the system lets the small ones pass. Before it begins, its answer's largest size is set aside from
//! [`RESULT_BYTES_IN_FLIGHT_MAX`]; when the size is known, the rest is given back; when the answer is sent or its
//! client is gone, all of it.

use std::sync::Arc;

use mini_etcd_proto::etcdserverpb::RangeRequest;
use mini_etcd_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use prost::Message;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::body::Built;
use crate::error::RequestError;
use crate::limits::{
    INLINE_RESULT_BYTES_MAX, INLINE_ROWS_MAX, REQUEST_TIMEOUT, RESULT_BYTES_IN_FLIGHT_MAX,
    RESULT_BYTES_MAX,
};
use crate::mvcc::View;

/// One permit stands for so many bytes.
const PERMIT_BYTES: usize = 1 << 20;

/// Space for the results in flight.
#[derive(Clone)]
pub(super) struct Results(Arc<Semaphore>);

impl Default for Results {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(RESULT_BYTES_IN_FLIGHT_MAX / PERMIT_BYTES)))
    }
}

impl Results {
    /// Answers by `read`, which is repeated when there is no space yet for what it gives.
    pub(super) async fn answer<M, F>(
        &self,
        is_small: bool,
        read: F,
    ) -> Result<tonic::Response<M>, RequestError>
    where
        M: Message + Default + 'static,
        F: Fn() -> Result<M, RequestError> + Send + 'static,
    {
        if is_small {
            let answer = read()?;
            let bytes = answer.encoded_len();
            if bytes <= INLINE_RESULT_BYTES_MAX {
                return Ok(tonic::Response::new(answer));
            }
            if let Ok(permit) = Arc::clone(&self.0).try_acquire_many_owned(permits(bytes)) {
                return Ok(built(&answer, permit));
            }
        }
        self.answer_elsewhere(read).await
    }

    async fn answer_elsewhere<M, F>(&self, read: F) -> Result<tonic::Response<M>, RequestError>
    where
        M: Message + Default + 'static,
        F: FnOnce() -> Result<M, RequestError> + Send + 'static,
    {
        let space = Arc::clone(&self.0).acquire_many_owned(permits(RESULT_BYTES_MAX));
        let space = tokio::time::timeout(REQUEST_TIMEOUT, space).await;
        let Ok(Ok(mut space)) = space else { return Err(RequestError::TooManyRequests) };
        elsewhere(move || {
            let answer = read()?;
            let bytes = answer.encoded_len();
            if bytes > RESULT_BYTES_MAX {
                return Err(RequestError::ResultTooLarge { bytes, limit: RESULT_BYTES_MAX });
            }
            let needed = usize::try_from(permits(bytes)).unwrap_or(usize::MAX);
            let permit = space.split(needed).unwrap_or(space);
            Ok(built(&answer, permit))
        })
        .await
    }
}

/// Runs what takes long on a thread where nobody waits behind it.
pub(super) async fn elsewhere<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RequestError> + Send + 'static,
) -> Result<T, RequestError> {
    // The work of a runtime that stops is dropped.
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(RequestError::Stopped))
}

/// Whether a range has few rows. Asks the index when the request does not tell.
pub(super) fn is_small(view: &View, request: &RangeRequest) -> bool {
    if request.range_end.is_empty() {
        return true;
    }
    if request.revision > 0 {
        // How much changed since then is not known.
        return false;
    }
    if request.count_only {
        return true;
    }
    let count = RangeRequest { count_only: true, ..request.clone() };
    let pushed_down = (1..=INLINE_ROWS_MAX).contains(&request.limit) && !needs_all_rows(request);
    pushed_down || view.range(&count).is_ok_and(|answer| answer.count <= INLINE_ROWS_MAX)
}

/// Whether every row must be looked at before the limit applies.
fn needs_all_rows(request: &RangeRequest) -> bool {
    let sorts = request.sort_order() == SortOrder::Descend
        || (request.sort_order() == SortOrder::Ascend && request.sort_target() != SortTarget::Key);
    let filters = [
        request.min_mod_revision,
        request.max_mod_revision,
        request.min_create_revision,
        request.max_create_revision,
    ];
    sorts || filters.iter().any(|bound| *bound != 0)
}

fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX)
}

fn built<M: Message + Default>(answer: &M, permit: OwnedSemaphorePermit) -> tonic::Response<M> {
    let message = answer.encode_to_vec().into();
    let mut response = tonic::Response::new(M::default());
    response.extensions_mut().insert(Built { message, _permit: Arc::new(permit) });
    response
}

#[cfg(test)]
mod tests {
    use mini_etcd_proto::etcdserverpb::HashResponse;
    use mini_etcd_proto::etcdserverpb::SnapshotResponse;

    use super::*;

    fn blob(bytes: usize) -> SnapshotResponse {
        SnapshotResponse { blob: vec![1; bytes].into(), ..SnapshotResponse::default() }
    }

    #[tokio::test]
    async fn a_small_answer_draws_on_nothing_and_a_large_one_until_it_is_gone() {
        let results = Results::default();
        let all = results.0.available_permits();
        let small = results.answer(true, || Ok(HashResponse::default())).await.unwrap();
        assert!(small.extensions().get::<Built>().is_none());
        let large = results.answer(true, || Ok(blob(3 << 20))).await.unwrap();
        assert_eq!(results.0.available_permits(), all - 4);
        let elsewhere = results.answer(false, || Ok(blob(3 << 20))).await.unwrap();
        assert_eq!(results.0.available_permits(), all - 8);
        let built = elsewhere.extensions().get::<Built>().unwrap();
        assert_eq!(SnapshotResponse::decode(built.message.clone()).unwrap(), blob(3 << 20));
        drop((large, elsewhere));
        assert_eq!(results.0.available_permits(), all);
    }

    #[tokio::test]
    async fn an_answer_over_the_limit_is_refused_and_gives_its_space_back() {
        let results = Results::default();
        let all = results.0.available_permits();
        let refused = results.answer(false, || Ok(blob(RESULT_BYTES_MAX))).await;
        assert!(matches!(refused, Err(RequestError::ResultTooLarge { .. })));
        assert_eq!(results.0.available_permits(), all);
    }
}
