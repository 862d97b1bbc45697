//! [`KvService`]: `etcdserverpb.KV`.

use std::sync::Arc;

use futures::stream::{self, BoxStream};
use mini_etcd_proto::etcdserverpb::kv_server::Kv;
use mini_etcd_proto::etcdserverpb::{
    CompactionRequest, CompactionResponse, DeleteRangeRequest, DeleteRangeResponse, PutRequest,
    PutResponse, RangeRequest, RangeResponse, RangeStreamResponse, TxnRequest, TxnResponse,
};
use mini_etcd_proto::internalpb::command;
use mini_etcd_shared::types::LogIndex;
use prost::Message;
use tonic::{Request, Response, Status};

use super::host::mismatch;
use super::results::{elsewhere, is_short};
use super::unread::Unread;
use super::{Caller, Host, quota, results, validate};
use crate::apply::{self, Published};
use crate::error::RequestError;
use crate::mvcc::RangeChunks;

/// Keys and values.
#[derive(Clone)]
pub struct KvService {
    host: Host,
}

impl KvService {
    /// The service of a member.
    #[must_use]
    pub fn new(host: Host) -> Self {
        Self { host }
    }

    async fn state(&self, serializable: bool) -> Result<Arc<Published>, RequestError> {
        if !serializable {
            if self.host.is_learner() {
                return Err(RequestError::NotForLearner);
            }
            return self.host.barrier().await;
        }
        let state = self.host.published();
        // A member that joins has nothing to show before the cluster's state is there.
        if state.applied < LogIndex::BIRTH { Err(RequestError::NoLeader) } else { Ok(state) }
    }

    async fn read_txn(
        &self,
        unread: &Arc<Unread>,
        caller: &Caller,
        request: TxnRequest,
    ) -> Result<Response<TxnResponse>, RequestError> {
        let state = self.state(validate::is_serializable(&request)).await?;
        self.host.permit(caller, &state)?.txn(&request, &state.leases)?;
        let header = self.host.header(state.view.revision());
        let is_small = results::reads_few_rows(&state.view, &request)
            && results::compares_few_rows(&state.view, &request);
        let large = (!is_small).then(|| request.encoded_len());
        let metrics = self.host.metrics().clone();
        let select = move || {
            let (mut answer, counts) = state.view.read_txn(&request)?;
            metrics.count(&counts);
            answer.set_header(header);
            Ok(answer)
        };
        self.host.results().answer(unread, large, select).await
    }

    /// Replicates a change of keys, and reads what its answer has to show.
    async fn change<M>(
        &self,
        unread: &Arc<Unread>,
        caller: &Caller,
        request: command::Request,
    ) -> Result<Response<M>, RequestError>
    where
        M: Message + Default + 'static,
    {
        let space = results::space_for(&self.host, &request).await?;
        let apply::EntryResponse::Write(mut answer) = self.host.write(caller, request).await?
        else {
            return Err(mismatch());
        };
        answer.set_header(self.host.complete(answer.header()));
        // What was written stays written: a client that gets no answer in time does not know that.
        self.host.results().deliver(unread, *answer, space, RequestError::Timeout).await
    }
}

#[tonic::async_trait]
impl Kv for KvService {
    type RangeStreamStream = BoxStream<'static, Result<RangeStreamResponse, Status>>;

    async fn range(
        &self,
        request: Request<RangeRequest>,
    ) -> Result<Response<RangeResponse>, Status> {
        let (unread, caller) = (Unread::of(&request), Caller::of(&request));
        let request = request.into_inner();
        validate::range(&request)?;
        let state = self.state(request.serializable).await?;
        self.host.permit(&caller, &state)?.range(&request)?;
        self.host.metrics().ranges.inc();
        let header = self.host.header(state.view.revision());
        let large = (!is_short(&state.view, &request)).then(|| request.encoded_len());
        let select = move || {
            let mut answer = state.view.select(&request)?;
            answer.set_header(header);
            Ok(answer)
        };
        Ok(self.host.results().answer(&unread, large, select).await?)
    }

    async fn range_stream(
        &self,
        request: Request<RangeRequest>,
    ) -> Result<Response<Self::RangeStreamStream>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        validate::range_stream(&request)?;
        let state = self.state(request.serializable).await?;
        self.host.permit(&caller, &state)?.range(&request)?;
        self.host.metrics().ranges.inc();
        let header = Some(self.host.header(state.view.revision()));
        let chunks = state.view.range_chunks(&request);
        // The last piece alone carries the header.
        let pieces = stream::unfold(Some(chunks), next_piece);
        let answers = futures::StreamExt::map(pieces, move |piece| {
            let (mut answer, is_last) = piece?;
            if is_last {
                answer.header = header;
            }
            Ok(RangeStreamResponse { range_response: Some(answer) })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn put(&self, request: Request<PutRequest>) -> Result<Response<PutResponse>, Status> {
        let (unread, caller) = (Unread::of(&request), Caller::of(&request));
        let request = request.into_inner();
        quota::check(&self.host, quota::of_put(&request)).await?;
        validate::put(&request)?;
        Ok(self.change(&unread, &caller, command::Request::Put(request)).await?)
    }

    async fn delete_range(
        &self,
        request: Request<DeleteRangeRequest>,
    ) -> Result<Response<DeleteRangeResponse>, Status> {
        let (unread, caller) = (Unread::of(&request), Caller::of(&request));
        let request = request.into_inner();
        validate::delete_range(&request)?;
        Ok(self.change(&unread, &caller, command::Request::DeleteRange(request)).await?)
    }

    async fn txn(&self, request: Request<TxnRequest>) -> Result<Response<TxnResponse>, Status> {
        let (unread, caller) = (Unread::of(&request), Caller::of(&request));
        let request = request.into_inner();
        quota::check(&self.host, quota::of_txn(&request)).await?;
        validate::txn(&request, self.host.about().txn_ops_max)?;
        if validate::is_read_only(&request) {
            return Ok(self.read_txn(&unread, &caller, request).await?);
        }
        Ok(self.change(&unread, &caller, command::Request::Txn(request)).await?)
    }

    async fn compact(
        &self,
        request: Request<CompactionRequest>,
    ) -> Result<Response<CompactionResponse>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        // Before alarms, as in etcd; where it counts it is judged again.
        self.host.check_root(&caller, &self.host.published())?;
        let result = self.host.write(&caller, command::Request::Compaction(request)).await;
        let is_barrier = matches!(result, Ok(_) | Err(RequestError::Compacted));
        if request.physical && is_barrier {
            self.host.proposer().compaction_finished(request.revision).await;
        }
        match result? {
            apply::EntryResponse::Compaction(mut answer) => {
                answer.header = Some(self.host.complete(answer.header.as_ref()));
                Ok(Response::new(answer))
            }
            _ => Err(mismatch().into()),
        }
    }
}

type Piece = Result<(RangeResponse, bool), RequestError>;

/// Reads the next piece away from the calls, and tells whether it is the last.
async fn next_piece(chunks: Option<RangeChunks>) -> Option<(Piece, Option<RangeChunks>)> {
    let mut chunks = chunks?;
    let read = elsewhere(move || {
        let piece = chunks.next().transpose()?;
        Ok((piece, chunks))
    });
    match read.await {
        Ok((Some(piece), rest)) => {
            // Only the last piece counts; one without rows is the last of an empty range.
            let is_last = piece.count > 0 || piece.kvs.is_empty();
            Some((Ok((piece, is_last)), (!is_last).then_some(rest)))
        }
        Ok((None, _)) => None,
        Err(error) => Some((Err(error), None)),
    }
}
