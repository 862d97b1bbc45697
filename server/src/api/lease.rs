//! `etcdserverpb.Lease`.

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _};
use mini_etcd_proto::etcdserverpb::lease_server::Lease;
use mini_etcd_proto::etcdserverpb::{
    LeaseGrantRequest, LeaseGrantResponse, LeaseKeepAliveRequest, LeaseKeepAliveResponse,
    LeaseLeasesRequest, LeaseLeasesResponse, LeaseRevokeRequest, LeaseRevokeResponse, LeaseStatus,
    LeaseTimeToLiveRequest, LeaseTimeToLiveResponse,
};
use mini_etcd_proto::internalpb::{RevokeLease, command};
use rand::RngExt as _;
use tonic::{Request, Response, Status, Streaming};

use super::host::mismatch;
use super::leader::{requires_leader, without_leader};
use super::{Caller, Host, Unread, quota};
use crate::apply;
use crate::error::RequestError;
use crate::limits::{LEASE_RENEWAL_BATCHES_MAX, LEASE_RENEWALS_AT_ONCE_MAX, LEASE_TTL_MAX};

/// Bytes of one lease in the list of all, at the most.
const LEASE_STATUS_BYTES: usize = 13;

/// Leases.
#[derive(Clone)]
pub struct LeaseService {
    host: Host,
}

impl LeaseService {
    /// The service of a member.
    #[must_use]
    pub fn new(host: Host) -> Self {
        Self { host }
    }
}

/// The request as it is replicated: with a number, and a time to live of `least` seconds, which a leader can keep.
pub(super) fn granted(
    request: LeaseGrantRequest,
    least: i64,
) -> Result<LeaseGrantRequest, RequestError> {
    let LeaseGrantRequest { id, ttl } = request;
    if ttl > LEASE_TTL_MAX {
        return Err(RequestError::LeaseTtlTooLarge);
    }
    let id = if id == 0 { rand::rng().random_range(1..=i64::MAX) } else { id };
    Ok(LeaseGrantRequest { id, ttl: ttl.max(least) })
}

/// Renewals that came together, in their order and up to the first one that is refused. A lease that is not there, or ends
/// meanwhile, has no time to live: that is no error.
async fn renewed(
    host: Host,
    caller: Caller,
    requests: Vec<Result<LeaseKeepAliveRequest, Status>>,
) -> Vec<Result<LeaseKeepAliveResponse, Status>> {
    let state = host.published();
    let permit = host.permit(&caller, &state);
    let permitted = |request: Result<LeaseKeepAliveRequest, Status>| {
        let id = request?.id;
        permit.clone()?.lease(id, &state.leases)?;
        Ok(id)
    };
    let mut refusal = None;
    let known = requests.into_iter().map_while(|request| {
        permitted(request).map_err(|status: Status| refusal = Some(Err(status))).ok()
    });
    let ids: Vec<i64> = known.collect();
    // Of before the renewal, as in etcd.
    let header = Some(host.header(state.view.revision()));
    let renewals = host.renew_leases(&ids).await;
    let answers = ids.into_iter().zip(renewals).map(|(id, ttl)| {
        let ttl = ttl?;
        Ok(LeaseKeepAliveResponse { header, id, ttl })
    });
    answers.chain(refusal).collect()
}

/// What `answers` has, until there is no leader: that is the last answer then, also where no request came.
fn while_led<T>(
    answers: impl Stream<Item = Result<T, Status>> + Unpin,
    leaderless: impl Future<Output = ()>,
) -> impl Stream<Item = Result<T, Status>> {
    let leaderless = Box::pin(leaderless);
    stream::unfold(Some((answers, leaderless)), |state| async {
        let (mut answers, mut leaderless) = state?;
        tokio::select! {
            biased;
            answer = answers.next() => Some((answer?, Some((answers, leaderless)))),
            () = &mut leaderless => Some((Err(RequestError::NoLeader.into()), None)),
        }
    })
}

#[tonic::async_trait]
impl Lease for LeaseService {
    type LeaseKeepAliveStream = BoxStream<'static, Result<LeaseKeepAliveResponse, Status>>;

    async fn lease_grant(
        &self,
        request: Request<LeaseGrantRequest>,
    ) -> Result<Response<LeaseGrantResponse>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        self.host.check_login(&caller, &self.host.published())?;
        quota::check(&self.host, quota::LEASE_COST).await?;
        let least = self.host.timing().lease_ttl_min();
        let request = command::Request::LeaseGrant(granted(request, least)?);
        let answer = self.host.write(&caller, request).await?;
        let apply::EntryResponse::LeaseGranted(mut answer) = answer else {
            return Err(mismatch().into());
        };
        answer.header = Some(self.host.complete(answer.header.as_ref()));
        Ok(Response::new(answer))
    }

    async fn lease_revoke(
        &self,
        request: Request<LeaseRevokeRequest>,
    ) -> Result<Response<LeaseRevokeResponse>, Status> {
        let (caller, id) = (Caller::of(&request), request.into_inner().id);
        let request = command::Request::LeaseRevoke(RevokeLease { id, ..RevokeLease::default() });
        let answer = self.host.write(&caller, request).await?;
        let apply::EntryResponse::LeaseRevoked(mut answer) = answer else {
            return Err(mismatch().into());
        };
        answer.header = Some(self.host.complete(answer.header.as_ref()));
        Ok(Response::new(answer))
    }

    /// Answers in the order of the requests, and ends with them. What came meanwhile is renewed at once: a client may renew
    /// thousands of leases on one stream.
    async fn lease_keep_alive(
        &self,
        request: Request<Streaming<LeaseKeepAliveRequest>>,
    ) -> Result<Response<Self::LeaseKeepAliveStream>, Status> {
        let (host, caller) = (self.host.clone(), Caller::of(&request));
        let needs_leader = requires_leader(request.metadata());
        let requests = request.into_inner();
        let answers = requests
            .ready_chunks(LEASE_RENEWALS_AT_ONCE_MAX)
            .map(move |requests| renewed(host.clone(), caller.clone(), requests))
            .buffered(LEASE_RENEWAL_BATCHES_MAX);
        let answers = answers.flat_map(stream::iter).boxed();
        Ok(Response::new(if needs_leader {
            while_led(answers, without_leader(self.host.timing(), self.host.leader_changes()))
                .boxed()
        } else {
            answers
        }))
    }

    async fn lease_time_to_live(
        &self,
        request: Request<LeaseTimeToLiveRequest>,
    ) -> Result<Response<LeaseTimeToLiveResponse>, Status> {
        let (unread, caller) = (Unread::of(&request), Caller::of(&request));
        let LeaseTimeToLiveRequest { id, keys } = request.into_inner();
        let left = self.host.ask_lease(id).await?;
        let state = if keys { self.host.barrier().await? } else { self.host.published() };
        if keys {
            self.host.permit(&caller, &state)?.read_lease(id, &state.leases)?;
        }
        let header = Some(self.host.header(state.view.revision()));
        let gone =
            LeaseTimeToLiveResponse { header, id, ttl: -1, ..LeaseTimeToLiveResponse::default() };
        let Some(left) = left else { return Ok(Response::new(gone)) };
        let answer = move |keys| LeaseTimeToLiveResponse {
            header,
            id,
            ttl: left.remaining,
            granted_ttl: left.ttl,
            keys,
        };
        if !keys {
            return Ok(Response::new(answer(Vec::new())));
        }
        let bytes = state.leases.key_bytes(id);
        let page = move || Ok(state.leases.keys(id).map_or(gone, answer));
        Ok(self.host.results().page(&unread, bytes, page).await?)
    }

    /// The leases that this member knows of, those first that end first where it leads.
    async fn lease_leases(
        &self,
        request: Request<LeaseLeasesRequest>,
    ) -> Result<Response<LeaseLeasesResponse>, Status> {
        let (unread, caller) = (Unread::of(&request), Caller::of(&request));
        let state = self.host.published();
        self.host.permit(&caller, &state)?.read_leases(&state.leases)?;
        let header = Some(self.host.header(state.view.revision()));
        let keeper = self.host.leases().clone();
        let bytes = state.leases.count().saturating_mul(LEASE_STATUS_BYTES);
        let page = move || {
            let by_number = || state.leases.all().into_iter().map(|(id, _)| id).collect();
            let ids: Vec<i64> = keeper.by_end().unwrap_or_else(by_number);
            let leases = ids.into_iter().map(|id| LeaseStatus { id }).collect();
            Ok(LeaseLeasesResponse { header, leases })
        };
        Ok(self.host.results().page(&unread, bytes, page).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_live_is_one_that_a_leader_can_keep() {
        let ttl = |ttl| granted(LeaseGrantRequest { id: 7, ttl }, 2).map(|request| request.ttl);
        for (given, expected) in [(i64::MIN, 2), (-1, 2), (0, 2), (1, 2), (2, 2), (3, 3)] {
            assert_eq!(ttl(given), Ok(expected));
        }
        assert_eq!(ttl(9_000_000_000), Ok(9_000_000_000));
        for too_large in [9_000_000_001, i64::MAX] {
            assert_eq!(ttl(too_large), Err(RequestError::LeaseTtlTooLarge));
        }
    }

    #[test]
    fn a_number_is_drawn_where_none_is_given() {
        let id = |id| granted(LeaseGrantRequest { id, ttl: 9 }, 2).unwrap().id;
        assert_eq!([id(-1), id(1), id(i64::MIN)], [-1, 1, i64::MIN]);
        let drawn = [id(0), id(0)];
        assert!(drawn.iter().all(|id| *id > 0) && drawn[0] != drawn[1], "{drawn:?}");
    }
}
