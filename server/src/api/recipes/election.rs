//! `v3electionpb.Election`.

use std::collections::VecDeque;

use futures::stream::{self, BoxStream, StreamExt as _};
use mini_etcd_proto::etcdserverpb::watch_create_request::FilterType;
use mini_etcd_proto::mvccpb::KeyValue;
use mini_etcd_proto::mvccpb::event::EventType;
use mini_etcd_proto::v3electionpb::election_server::Election;
use mini_etcd_proto::v3electionpb::{
    CampaignRequest, CampaignResponse, LeaderKey, LeaderRequest, LeaderResponse, ProclaimRequest,
    ProclaimResponse, ResignRequest, ResignResponse,
};
use mini_etcd_shared::types::Revision;
use tonic::{Request, Response, Status};

use super::watching::KeyWatch;
use super::{Queue, commit, delete, if_created, put, session, unknown};
use crate::api::caller::Client;
use crate::api::{Caller, Host};
use crate::error::RequestError;

/// Elections.
#[derive(Clone)]
pub struct ElectionService {
    host: Host,
}

impl ElectionService {
    /// The service of a member.
    #[must_use]
    pub fn new(host: Host) -> Self {
        Self { host }
    }

    fn client<T>(&self, request: &Request<T>) -> Client {
        Client { host: self.host.clone(), caller: Caller::of(request) }
    }

    /// Waits until the candidate leads. None when it lost its place before that.
    async fn stand(
        client: &Client,
        request: CampaignRequest,
    ) -> Result<Option<CampaignResponse>, RequestError> {
        let CampaignRequest { name, lease, value } = request;
        let lease = session(client, lease).await?;
        let queue = Queue::new(client, &name);
        let mut place = queue.join(lease, value.clone()).await?;
        if place.before.as_ref().is_some_and(|before| before.value != value) {
            let txn = if_created(&place.key, place.created, put(&place.key, value, lease));
            let (_, is_leader) = commit(client, txn).await?;
            if !is_leader {
                return Ok(None);
            }
        }
        queue.wait_for_turn(&mut place).await?;
        place.leaving.keep();
        // The header of when the place was taken, as in etcd, whatever came after it.
        let leader = LeaderKey { name, key: place.key, rev: place.created, lease };
        Ok(Some(CampaignResponse { header: Some(place.header), leader: Some(leader) }))
    }
}

/// The field that must be there.
fn leader_of(leader: Option<LeaderKey>) -> Result<LeaderKey, Status> {
    leader.ok_or_else(|| Status::unknown("\"leader\" field must be provided"))
}

fn not_leader() -> Status {
    Status::unknown("election: not leader")
}

#[tonic::async_trait]
impl Election for ElectionService {
    type ObserveStream = BoxStream<'static, Result<LeaderResponse, Status>>;

    async fn campaign(
        &self,
        request: Request<CampaignRequest>,
    ) -> Result<Response<CampaignResponse>, Status> {
        let client = self.client(&request);
        let done = Self::stand(&client, request.into_inner()).await;
        done.map_err(|error| unknown(&error))?.map(Response::new).ok_or_else(not_leader)
    }

    async fn proclaim(
        &self,
        request: Request<ProclaimRequest>,
    ) -> Result<Response<ProclaimResponse>, Status> {
        let client = self.client(&request);
        let ProclaimRequest { leader, value } = request.into_inner();
        let LeaderKey { key, rev, lease, .. } = leader_of(leader)?;
        let proclaimed = async {
            let lease = session(&client, lease).await?;
            commit(&client, if_created(&key, rev, put(&key, value, lease))).await
        };
        match proclaimed.await.map_err(|error| unknown(&error))? {
            (header, true) => Ok(Response::new(ProclaimResponse { header: Some(header) })),
            (_, false) => Err(not_leader()),
        }
    }

    async fn leader(
        &self,
        request: Request<LeaderRequest>,
    ) -> Result<Response<LeaderResponse>, Status> {
        let client = self.client(&request);
        let queue = Queue::new(&client, &request.into_inner().name);
        let (state, leader) = queue.first().await.map_err(|error| unknown(&error))?;
        let leader = leader.ok_or_else(|| Status::unknown("election: no leader"))?;
        Ok(Response::new(shown(&self.host, state.view.revision(), leader)))
    }

    async fn observe(
        &self,
        request: Request<LeaderRequest>,
    ) -> Result<Response<Self::ObserveStream>, Status> {
        let client = self.client(&request);
        let queue = Queue::new(&client, &request.into_inner().name);
        let observer = Observer { queue, watch: None, due: VecDeque::new() };
        let seen = stream::unfold(Some(observer), |observer| async {
            let mut observer = observer?;
            match observer.next().await {
                Ok(leader) => Some((Ok(leader), Some(observer))),
                Err(error) => Some((Err(unknown(&error)), None)),
            }
        });
        Ok(Response::new(seen.boxed()))
    }

    /// Who does not lead has nothing to give up, and that is no error.
    async fn resign(
        &self,
        request: Request<ResignRequest>,
    ) -> Result<Response<ResignResponse>, Status> {
        let client = self.client(&request);
        let LeaderKey { key, rev, .. } = leader_of(request.into_inner().leader)?;
        let done = commit(&client, if_created(&key, rev, delete(&key))).await;
        let (header, _) = done.map_err(|error| unknown(&error))?;
        Ok(Response::new(ResignResponse { header: Some(header) }))
    }
}

fn shown(host: &Host, revision: Revision, leader: KeyValue) -> LeaderResponse {
    LeaderResponse { header: Some(host.header(revision)), kv: Some(leader) }
}

/// Follows who leads, and what they proclaim.
struct Observer {
    queue: Queue,
    /// Of the leader's key; none while it is not known who leads.
    watch: Option<KeyWatch>,
    /// To be told first.
    due: VecDeque<KeyValue>,
}

impl Observer {
    async fn next(&mut self) -> Result<LeaderResponse, RequestError> {
        loop {
            if let Some(leader) = self.due.pop_front() {
                return Ok(shown(&self.queue.client.host, Revision(leader.mod_revision), leader));
            }
            match &self.watch {
                Some(watch) => {
                    let events = watch.next().await?;
                    let is_over = events.as_ref().is_none_or(|events| {
                        events.iter().any(|event| event.r#type() == EventType::Delete)
                    });
                    let puts = events.into_iter().flatten();
                    let puts = puts.take_while(|event| event.r#type() == EventType::Put);
                    self.due.extend(puts.filter_map(|event| event.kv));
                    if is_over {
                        self.watch = None;
                    }
                }
                None => return self.look().await,
            }
        }
    }

    /// Who leads now; waits for somebody.
    async fn look(&mut self) -> Result<LeaderResponse, RequestError> {
        loop {
            let (state, leader) = self.queue.first().await?;
            let revision = state.view.revision();
            if let Some(leader) = leader {
                self.follow(&leader, revision)?;
                return Ok(shown(&self.queue.client.host, revision, leader));
            }
            let (client, range) = (&self.queue.client, self.queue.range());
            let candidates =
                KeyWatch::new(client, range, revision.0 + 1, Some(FilterType::Nodelete))?;
            let candidate =
                candidates.next().await?.into_iter().flatten().find_map(|event| event.kv);
            if let Some(candidate) = candidate {
                let revision = Revision(candidate.mod_revision);
                self.follow(&candidate, revision)?;
                return Ok(shown(&self.queue.client.host, revision, candidate));
            }
        }
    }

    /// Watches the leader's key behind a revision.
    fn follow(&mut self, leader: &KeyValue, revision: Revision) -> Result<(), RequestError> {
        let key = (leader.key.clone(), bytes::Bytes::new());
        self.watch = Some(KeyWatch::new(&self.queue.client, key, revision.0 + 1, None)?);
        Ok(())
    }
}
