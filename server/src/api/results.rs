//! Results: small ones are read at once, large ones on a reading thread and within a budget of bytes.
//!
//! A read that asks the disk for little is cheaper than handing it over, so it happens where it arrived. A longer one
//! would hold up every other call of that thread; it runs on a thread of its own, which also encodes the answer, and
//! the scheduler of the system lets the small ones pass. Before it begins, its answer's largest size is set aside from
//! [`RESULT_BYTES_IN_FLIGHT_MAX`]; when the size is known, the rest is given back; the other part as the answer is
//! sent, or when its client is gone. Requests that wait for their space are bounded too, by
//! [`REQUEST_BYTES_WAITING_MAX`]. A write whose answer may be large sets its space aside before it is proposed.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use mini_etcd_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use mini_etcd_proto::etcdserverpb::request_op::Request as Op;
use mini_etcd_proto::etcdserverpb::{RangeRequest, TxnRequest};
use mini_etcd_proto::internalpb::command;
use prost::Message;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Host;
use super::body::{Built, Framed, Held};
use super::unread::{Share, Unread};
use crate::error::RequestError;
use crate::limits::{
    INLINE_KEYS_MAX, INLINE_READS_MAX, INLINE_RESULT_BYTES_MAX, INLINE_ROWS_MAX,
    REQUEST_BYTES_WAITING_MAX, REQUEST_TIMEOUT, RESULT_BYTES_IN_FLIGHT_MAX, RESULT_BYTES_MAX,
    UNCOUNTED_ANSWER_BYTES_MAX,
};
use crate::mvcc::{Answer, Estimate, View};

/// One permit stands for so many bytes.
pub(super) const PERMIT_BYTES: usize = 1 << 20;

/// What an estimate leaves out: headers and the framing of messages.
const FRAMING_BYTES: usize = 64 << 10;

/// Space for the results in flight.
#[derive(Clone)]
pub(super) struct Results {
    space: Arc<Semaphore>,
    /// Bytes of the requests that wait for it.
    waiting: Arc<AtomicUsize>,
    /// Bytes of smaller answers that wait for their clients.
    unread: Arc<AtomicUsize>,
}

/// Space that was set aside for one result; none for a small one.
pub(super) type Space = Option<OwnedSemaphorePermit>;

impl Default for Results {
    fn default() -> Self {
        let space = Arc::new(Semaphore::new(RESULT_BYTES_IN_FLIGHT_MAX / PERMIT_BYTES));
        Self { space, waiting: Arc::default(), unread: Arc::default() }
    }
}

impl Results {
    /// Answers by what `select` takes, for a request of so many bytes if that may have many rows.
    pub(super) async fn answer<M, F>(
        &self,
        unread: &Arc<Unread>,
        large: Option<usize>,
        select: F,
    ) -> Result<tonic::Response<M>, RequestError>
    where
        M: Message + Default + 'static,
        F: FnOnce() -> Result<Answer, RequestError> + Send + 'static,
    {
        let Some(held) = large else {
            return self.deliver(unread, select()?, None, RequestError::TooManyRequests).await;
        };
        let space = self.reserve(RESULT_BYTES_MAX, held).await?;
        let answer = elsewhere(select).await?;
        self.deliver(unread, answer, space, RequestError::TooManyRequests).await
    }

    /// Answers by what `page` makes, whose answer has up to `bytes`; away from the calls.
    pub(super) async fn page<M: Send + 'static>(
        &self,
        unread: &Arc<Unread>,
        bytes: usize,
        page: impl FnOnce() -> Result<M, RequestError> + Send + 'static,
    ) -> Result<tonic::Response<M>, RequestError> {
        let share = unread.hold(bytes, &self.unread).await?;
        Ok(counted(tonic::Response::new(elsewhere(page).await?), share))
    }

    /// Sets space aside for a result of up to `bytes`, which waits its turn and keeps its request of `held` bytes.
    async fn reserve(&self, bytes: usize, held: usize) -> Result<Space, RequestError> {
        if bytes <= INLINE_RESULT_BYTES_MAX {
            return Ok(None);
        }
        let mut waits = Held::none(&self.waiting);
        if !waits.add(held, REQUEST_BYTES_WAITING_MAX) {
            return Err(RequestError::TooManyRequests);
        }
        let bytes = bytes.saturating_add(FRAMING_BYTES).min(RESULT_BYTES_IN_FLIGHT_MAX);
        let space = Arc::clone(&self.space).acquire_many_owned(permits(bytes));
        let space = tokio::time::timeout(REQUEST_TIMEOUT, space).await;
        let Ok(Ok(space)) = space else { return Err(RequestError::TooManyRequests) };
        Ok(Some(space))
    }

    /// Reads the rows of an answer, in the space that was set aside for it. When that is too small, it is given back
    /// and more waited for; `late` is what the client gets if there is none in time.
    pub(super) async fn deliver<M>(
        &self,
        unread: &Arc<Unread>,
        answer: Answer,
        space: Space,
        late: RequestError,
    ) -> Result<tonic::Response<M>, RequestError>
    where
        M: Message + Default + 'static,
    {
        let needed = answer.space();
        if needed <= UNCOUNTED_ANSWER_BYTES_MAX {
            return decoded(&answer);
        }
        if needed <= INLINE_RESULT_BYTES_MAX {
            // The rows are read when there is room for them: what waits here is names.
            let share = unread.hold(needed, &self.unread).await.map_err(|_| late)?;
            let is_quick = answer.disk_reads()? <= INLINE_READS_MAX;
            let frame = move || answer.frame();
            let frame = if is_quick { frame()? } else { elsewhere(frame).await? };
            let mut response = counted(tonic::Response::new(M::default()), share);
            response.extensions_mut().insert(Framed(frame));
            return Ok(response);
        }
        let enough = permits(needed.min(RESULT_BYTES_IN_FLIGHT_MAX)) as usize;
        let mut space = match space.filter(|space| space.num_permits() >= enough) {
            Some(space) => space,
            // Nobody waits for space while holding some.
            None => {
                self.reserve(needed, 0).await.map_err(|_| late)?.ok_or(RequestError::Stopped)?
            }
        };
        elsewhere(move || {
            let message = answer.pieces()?;
            let bytes = message.len();
            if bytes > RESULT_BYTES_MAX {
                return Err(RequestError::ResultTooLarge { bytes, limit: RESULT_BYTES_MAX });
            }
            let needed = usize::try_from(permits(bytes)).unwrap_or(usize::MAX);
            let permit = space.split(needed).unwrap_or(space);
            let mut response = tonic::Response::new(M::default());
            response.extensions_mut().insert(Built::new(message, permit));
            Ok(response)
        })
        .await
    }
}

/// The answer counts as unread until its body is gone.
fn counted<M>(mut response: tonic::Response<M>, share: Share) -> tonic::Response<M> {
    response.extensions_mut().insert(share);
    response
}

/// A small answer as the message that it is.
fn decoded<M: Message + Default>(answer: &Answer) -> Result<tonic::Response<M>, RequestError> {
    let message = M::decode(answer.encode()?);
    let message = message.map_err(|error| RequestError::Storage(error.to_string()))?;
    Ok(tonic::Response::new(message))
}

/// Sets space aside for the answer to a write. Refuses one whose answer would be too large whatever it finds.
pub(super) async fn space_for(
    host: &Host,
    request: &command::Request,
) -> Result<Space, RequestError> {
    if !has_rows(request) {
        return Ok(None);
    }
    let mut estimate = estimate(&host.published().view, request).await?;
    if estimate.least_bytes > RESULT_BYTES_MAX {
        // What this member knows may be old.
        estimate = self::estimate(&host.barrier().await?.view, request).await?;
    }
    let bytes = estimate.least_bytes;
    if bytes > RESULT_BYTES_MAX {
        return Err(RequestError::ResultTooLarge { bytes, limit: RESULT_BYTES_MAX });
    }
    host.results().reserve(estimate.space, request.encoded_len()).await
}

async fn estimate(view: &View, request: &command::Request) -> Result<Estimate, RequestError> {
    let few = match request {
        command::Request::Put(_) => true,
        command::Request::DeleteRange(delete) => {
            let (key, range_end) = (delete.key.clone(), delete.range_end.clone());
            is_small(view, &RangeRequest { key, range_end, ..RangeRequest::default() })
        }
        command::Request::Txn(txn) => reads_few_rows(view, txn),
        _ => return Ok(Estimate::default()),
    };
    if few {
        return Ok(view.estimate(request));
    }
    let (view, request) = (view.clone(), request.clone());
    elsewhere(move || Ok(view.estimate(&request))).await
}

/// Whether the answer to a write may have rows.
fn has_rows(request: &command::Request) -> bool {
    match request {
        command::Request::Put(put) => put.prev_kv,
        command::Request::DeleteRange(delete) => delete.prev_kv,
        command::Request::Txn(txn) => txn_has_rows(txn),
        _ => false,
    }
}

fn txn_has_rows(txn: &TxnRequest) -> bool {
    ops(txn).any(|op| match op {
        Op::RequestRange(range) => !range.count_only,
        Op::RequestPut(put) => put.prev_kv,
        Op::RequestDeleteRange(delete) => delete.prev_kv,
        Op::RequestTxn(nested) => txn_has_rows(nested),
    })
}

/// Whether everything that the operations of a transaction may read has few rows.
pub(super) fn reads_few_rows(view: &View, txn: &TxnRequest) -> bool {
    ops(txn).all(|op| match op {
        Op::RequestRange(range) => is_small(view, range),
        Op::RequestPut(_) => true,
        Op::RequestDeleteRange(delete) => {
            let (key, range_end) = (delete.key.clone(), delete.range_end.clone());
            is_small(view, &RangeRequest { key, range_end, ..RangeRequest::default() })
        }
        Op::RequestTxn(nested) => reads_few_rows(view, nested),
    })
}

/// Whether the conditions of a transaction look at few rows.
pub(super) fn compares_few_rows(view: &View, txn: &TxnRequest) -> bool {
    txn.compare.iter().all(|compare| {
        let (key, range_end) = (compare.key.clone(), compare.range_end.clone());
        is_small(view, &RangeRequest { key, range_end, ..RangeRequest::default() })
    })
}

fn ops(txn: &TxnRequest) -> impl Iterator<Item = &Op> {
    txn.success.iter().chain(&txn.failure).filter_map(|op| op.request.as_ref())
}

/// Runs what takes long on a thread where nobody waits behind it.
pub(super) async fn elsewhere<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RequestError> + Send + 'static,
) -> Result<T, RequestError> {
    // The work of a runtime that stops is dropped.
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(RequestError::Stopped))
}

/// Whether what a range takes is looked up soon.
pub(super) fn is_short(view: &View, request: &RangeRequest) -> bool {
    has_up_to(INLINE_KEYS_MAX, view, request)
}

/// Whether a range has few rows.
fn is_small(view: &View, request: &RangeRequest) -> bool {
    has_up_to(INLINE_ROWS_MAX, view, request)
}

/// Whether a range has no more than `most` keys. Asks the index when the request does not tell.
fn has_up_to(most: i64, view: &View, request: &RangeRequest) -> bool {
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
    let pushed_down = (1..=most).contains(&request.limit) && !needs_all_rows(request);
    pushed_down || view.count_range(request).is_ok_and(|count| count <= most)
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

#[cfg(test)]
mod tests {
    use mini_etcd_proto::etcdserverpb::{PutRequest, RangeResponse};

    use mini_etcd_proto::internalpb::{Command, ConfState, Entry};
    use mini_etcd_shared::types::{ClusterId, LogIndex, MemberId, Term};

    use super::*;
    use crate::apply::{Applier, ApplyTask, Birth, Identity};
    use crate::storage::MemoryEngine;

    /// The keys of a member that has `count` of them, each with a value of a million bytes.
    fn keys(count: u64) -> View {
        let identity = Identity { cluster_id: ClusterId(1), member_id: MemberId(2) };
        let (index, term) = (LogIndex::BIRTH, Term(1));
        let birth = Birth { index, term, conf_state: ConfState::default(), members: Vec::new() };
        let mut applier = Applier::create(MemoryEngine::new(), identity, &birth).unwrap();
        for number in 1..=count {
            let (key, value) = (format!("{number:03}").into(), vec![1; 1_000_000].into());
            let request = command::Request::Put(PutRequest { key, value, ..PutRequest::default() });
            let request = Some(request);
            let command =
                Command { origin: 2, sequence: number, incarnation: 1, request, asker: None };
            let (index, data) = (index.0 + number, command.encode_to_vec().into());
            let entries = vec![Entry { kind: 0, term: 1, index, data }];
            applier.apply(&ApplyTask { entries, conf_states: Vec::new() }).unwrap();
        }
        applier.published().view.clone()
    }

    fn first(limit: i64) -> RangeRequest {
        let (key, range_end) = ("\0".into(), "\0".into());
        RangeRequest { key, range_end, limit, ..RangeRequest::default() }
    }

    #[tokio::test]
    async fn a_small_answer_draws_on_nothing_and_a_large_one_until_it_is_gone() {
        let unread = Arc::<Unread>::default();
        let (results, view) = (Results::default(), keys(4));
        let all = results.space.available_permits();
        let none = RangeRequest { key: "x".into(), ..RangeRequest::default() };
        let select = |request: RangeRequest| {
            let view = view.clone();
            move || view.select(&request)
        };
        let small = results.answer::<RangeResponse, _>(&unread, None, select(none)).await.unwrap();
        assert!(small.extensions().get::<Built>().is_none());
        let large =
            results.answer::<RangeResponse, _>(&unread, None, select(first(3))).await.unwrap();
        assert_eq!(results.space.available_permits(), all - 3);
        let elsewhere =
            results.answer::<RangeResponse, _>(&unread, Some(0), select(first(4))).await.unwrap();
        assert_eq!(results.space.available_permits(), all - 7);
        let built = elsewhere.extensions().get::<Built>().unwrap();
        let answer = RangeResponse::decode(built.concat()).unwrap();
        assert_eq!(answer, view.range(&first(4)).unwrap());
        drop((large, elsewhere));
        assert_eq!(results.space.available_permits(), all);
    }

    #[tokio::test]
    async fn an_answer_over_the_limit_is_refused_and_gives_its_space_back() {
        let unread = Arc::<Unread>::default();
        let (results, view) = (Results::default(), keys(RESULT_BYTES_MAX as u64 / 1_000_000 + 1));
        let all = results.space.available_permits();
        for order in [SortOrder::None, SortOrder::Ascend] {
            // The one order follows from names alone, the other needs the rows.
            let target = if order == SortOrder::None { SortTarget::Key } else { SortTarget::Value };
            let mut request = first(0);
            (request.sort_order, request.sort_target) = (order.into(), target.into());
            let view = view.clone();
            let select = move || view.select(&request);
            let refused = results.answer::<RangeResponse, _>(&unread, Some(0), select).await;
            assert!(matches!(refused, Err(RequestError::ResultTooLarge { .. })));
            assert_eq!(results.space.available_permits(), all);
        }
    }

    #[tokio::test]
    async fn an_answer_larger_than_the_space_that_was_set_aside_waits_for_more_and_holds_none() {
        let unread = Arc::<Unread>::default();
        let (results, view) = (Results::default(), keys(4));
        let all = results.space.available_permits();
        let space = results.reserve(2_000_000, 0).await.unwrap();
        let answer = view.select(&first(4)).unwrap();
        let late = RequestError::Timeout;
        let large = results.deliver::<RangeResponse>(&unread, answer, space, late).await.unwrap();
        assert_eq!(results.space.available_permits(), all - 4);
        drop(large);
        assert_eq!(results.space.available_permits(), all);
    }

    #[tokio::test]
    async fn requests_that_wait_for_space_are_bounded_together() {
        let results = Results::default();
        let all = results.reserve(RESULT_BYTES_IN_FLIGHT_MAX, 0).await.unwrap();
        let wait = |held| {
            let results = results.clone();
            async move { results.reserve(1_000_000, held).await }
        };
        let first = tokio::spawn(wait(REQUEST_BYTES_WAITING_MAX - 1));
        tokio::task::yield_now().await;
        let refused = wait(2).await;
        assert!(matches!(refused, Err(RequestError::TooManyRequests)));
        let small = tokio::spawn(wait(1));
        tokio::task::yield_now().await;
        drop(all);
        assert!(first.await.unwrap().unwrap().is_some());
        assert!(small.await.unwrap().unwrap().is_some());
        assert!(wait(REQUEST_BYTES_WAITING_MAX).await.unwrap().is_some(), "nobody waits now");
    }
}
