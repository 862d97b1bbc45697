//! `v3lockpb.Lock`.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::{DeleteRangeRequest, RangeRequest};
use mini_etcd_proto::internalpb::command;
use mini_etcd_proto::v3lockpb::lock_server::Lock;
use mini_etcd_proto::v3lockpb::{LockRequest, LockResponse, UnlockRequest, UnlockResponse};
use tonic::{Request, Response, Status};

use super::{Queue, first_of, session, unknown};
use crate::api::caller::Client;
use crate::api::host::mismatch;
use crate::api::{Caller, Host, validate};
use crate::apply::EntryResponse;
use crate::error::RequestError;

/// Locks.
#[derive(Clone)]
pub struct LockService {
    host: Host,
}

impl LockService {
    /// The service of a member.
    #[must_use]
    pub fn new(host: Host) -> Self {
        Self { host }
    }

    /// Waits for the lock. None when the key went while it waited, with its lease or by somebody's hand.
    async fn acquire(
        &self,
        caller: Caller,
        request: LockRequest,
    ) -> Result<Option<LockResponse>, RequestError> {
        let client = Client { host: self.host.clone(), caller };
        let lease = session(&client, request.lease).await?;
        let queue = Queue::new(&client, &request.name);
        let mut place = queue.join(lease, Bytes::new()).await?;
        if queue.wait_for_turn(&mut place).await? {
            let state = self.host.barrier().await?;
            place.header = self.host.header(state.view.revision());
            let own = RangeRequest { key: place.key.clone(), ..RangeRequest::default() };
            let own = first_of(&client, state, own).await?;
            if own.is_none_or(|own| own.create_revision != place.created) {
                return Ok(None);
            }
        }
        place.leaving.keep();
        Ok(Some(LockResponse { header: Some(place.header), key: place.key }))
    }

    async fn release(
        &self,
        caller: &Caller,
        request: UnlockRequest,
    ) -> Result<UnlockResponse, RequestError> {
        let request = DeleteRangeRequest { key: request.key, ..DeleteRangeRequest::default() };
        validate::delete_range(&request)?;
        match self.host.write(caller, command::Request::DeleteRange(request)).await? {
            EntryResponse::Write(answer) => {
                Ok(UnlockResponse { header: Some(self.host.complete(answer.header())) })
            }
            _ => Err(mismatch()),
        }
    }
}

#[tonic::async_trait]
impl Lock for LockService {
    async fn lock(&self, request: Request<LockRequest>) -> Result<Response<LockResponse>, Status> {
        match self.acquire(Caller::of(&request), request.into_inner()).await {
            Ok(Some(answer)) => Ok(Response::new(answer)),
            Ok(None) => Err(Status::unknown("mutex: session is expired")),
            Err(error) => Err(unknown(&error)),
        }
    }

    async fn unlock(
        &self,
        request: Request<UnlockRequest>,
    ) -> Result<Response<UnlockResponse>, Status> {
        let answer = self.release(&Caller::of(&request), request.into_inner()).await;
        Ok(Response::new(answer.map_err(|error| unknown(&error))?))
    }
}
