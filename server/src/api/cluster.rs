//! `etcdserverpb.Cluster`.

use mini_etcd_proto::etcdserverpb::cluster_server;
use mini_etcd_proto::etcdserverpb::{
    Member, MemberAddRequest, MemberAddResponse, MemberListRequest, MemberListResponse,
    MemberPromoteRequest, MemberPromoteResponse, MemberRemoveRequest, MemberRemoveResponse,
    MemberUpdateRequest, MemberUpdateResponse, ResponseHeader,
};
use mini_etcd_proto::internalpb::conf_change::Kind;
use mini_etcd_proto::internalpb::{self, ConfChange};
use mini_etcd_shared::types::Revision;
use tokio::time::timeout;
use tonic::{Request, Response, Status};

use super::host::mismatch;
use super::{Caller, Host};
use crate::apply::EntryResponse;
use crate::config::{Cluster, added_member_id, checked_urls};
use crate::error::RequestError;
use crate::limits::PROMOTION_HEARD_WAIT;

#[derive(Clone)]
pub struct ClusterService {
    host: Host,
}

impl ClusterService {
    /// The service of a member.
    #[must_use]
    pub fn new(host: Host) -> Self {
        Self { host }
    }

    /// The revision of this family's headers is always 0.
    fn header(&self) -> ResponseHeader {
        self.host.header(Revision(0))
    }

    /// A member that was started alone has the peer URL that etcd has by default, at which it need not listen. Before a second
    /// one joins, which has to reach it, the cluster is told where it does.
    async fn tell_peer_url(&self) -> Result<(), RequestError> {
        let Some(url) = &self.host.about().peer_url else { return Ok(()) };
        let (state, me) = (self.host.published(), self.host.proposer().identity().member_id);
        let known = state.members.by_id.get(&me.0);
        let is_default = known.is_some_and(|me| me.peer_urls == [Cluster::alone("").peer_url()]);
        if state.members.by_id.len() > 1 || !is_default {
            return Ok(());
        }
        let member = internalpb::Member { peer_urls: vec![url.clone()], ..Default::default() };
        self.change(Kind::Update, me.0, Some(member)).await.map(drop)
    }

    /// Changes who is a member; answers all of them after that.
    async fn change(
        &self,
        kind: Kind,
        member_id: u64,
        member: Option<internalpb::Member>,
    ) -> Result<Vec<Member>, RequestError> {
        if member_id == 0 {
            // No member has it, and to Raft it is nobody.
            return Err(RequestError::MemberNotFound);
        }
        let change = ConfChange { kind: kind.into(), member_id, member, ..ConfChange::default() };
        match self.host.change_members(change).await? {
            EntryResponse::Members(members) => Ok(members.iter().map(listed).collect()),
            _ => Err(mismatch()),
        }
    }
}

fn listed(member: &internalpb::Member) -> Member {
    Member {
        id: member.id,
        name: member.name.clone(),
        peer_ur_ls: member.peer_urls.clone(),
        client_ur_ls: member.client_urls.clone(),
        is_learner: member.is_learner,
    }
}

#[tonic::async_trait]
impl cluster_server::Cluster for ClusterService {
    async fn member_list(
        &self,
        request: Request<MemberListRequest>,
    ) -> Result<Response<MemberListResponse>, Status> {
        let state = if request.into_inner().linearizable {
            self.host.barrier().await?
        } else {
            self.host.published()
        };
        let members = state.members.by_id.values().map(listed).collect();
        Ok(Response::new(MemberListResponse { header: Some(self.header()), members }))
    }

    async fn member_add(
        &self,
        request: Request<MemberAddRequest>,
    ) -> Result<Response<MemberAddResponse>, Status> {
        let caller = Caller::of(&request);
        let MemberAddRequest { peer_ur_ls, is_learner } = request.into_inner();
        // Before the right to do it, as in etcd.
        let peer_urls = checked_urls(&peer_ur_ls).ok_or(RequestError::BadPeerUrls)?;
        self.host.check_root(&caller, &self.host.published())?;
        self.tell_peer_url().await?;
        let id = added_member_id(&peer_urls, rand::random());
        let member = internalpb::Member { id, peer_urls, is_learner, ..Default::default() };
        let kind = if is_learner { Kind::AddLearner } else { Kind::AddVoter };
        let added = listed(&member);
        let members = self.change(kind, id, Some(member)).await?;
        Ok(Response::new(MemberAddResponse {
            header: Some(self.header()),
            member: Some(added),
            members,
        }))
    }

    async fn member_remove(
        &self,
        request: Request<MemberRemoveRequest>,
    ) -> Result<Response<MemberRemoveResponse>, Status> {
        let members = self.change(Kind::Remove, request.into_inner().id, None).await?;
        Ok(Response::new(MemberRemoveResponse { header: Some(self.header()), members }))
    }

    async fn member_update(
        &self,
        request: Request<MemberUpdateRequest>,
    ) -> Result<Response<MemberUpdateResponse>, Status> {
        let MemberUpdateRequest { id, peer_ur_ls } = request.into_inner();
        // Nobody could reach a member at an address that is none; etcd takes it.
        let peer_urls = checked_urls(&peer_ur_ls).ok_or(RequestError::BadPeerUrls)?;
        let member = internalpb::Member { id, peer_urls, ..Default::default() };
        let members = self.change(Kind::Update, id, Some(member)).await?;
        Ok(Response::new(MemberUpdateResponse { header: Some(self.header()), members }))
    }

    async fn member_promote(
        &self,
        request: Request<MemberPromoteRequest>,
    ) -> Result<Response<MemberPromoteResponse>, Status> {
        let members = self.change(Kind::AddVoter, request.into_inner().id, None).await?;
        // A member that does not know yet that it votes waits for the leader that promoted it. So the answer waits until a quorum
        // has heard that this is committed: then the leader may be lost. Where none does, it is committed all the same.
        let _heard = timeout(PROMOTION_HEARD_WAIT, self.host.barrier()).await;
        if self.host.status().leads() {
            self.host.metrics().promotions.inc();
        }
        Ok(Response::new(MemberPromoteResponse { header: Some(self.header()), members }))
    }
}
