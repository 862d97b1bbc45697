//! `etcdserverpb.Cluster`.

use mini_etcd_proto::etcdserverpb::cluster_server::Cluster;
use mini_etcd_proto::etcdserverpb::{
    Member, MemberAddRequest, MemberAddResponse, MemberListRequest, MemberListResponse,
    MemberPromoteRequest, MemberPromoteResponse, MemberRemoveRequest, MemberRemoveResponse,
    MemberUpdateRequest, MemberUpdateResponse,
};
use mini_etcd_proto::internalpb;
use mini_etcd_shared::types::Revision;
use tonic::{Request, Response, Status};

use super::Host;
use crate::error::RequestError;

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
}

fn unbuilt<T>(method: &'static str) -> Result<Response<T>, Status> {
    Err(RequestError::Unimplemented { method, service: "etcdserverpb.Cluster" }.into())
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
impl Cluster for ClusterService {
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
        // The revision of this family's headers is always 0.
        let header = Some(self.host.header(Revision(0)));
        Ok(Response::new(MemberListResponse { header, members }))
    }

    async fn member_add(
        &self,
        _: Request<MemberAddRequest>,
    ) -> Result<Response<MemberAddResponse>, Status> {
        unbuilt("MemberAdd")
    }

    async fn member_remove(
        &self,
        _: Request<MemberRemoveRequest>,
    ) -> Result<Response<MemberRemoveResponse>, Status> {
        unbuilt("MemberRemove")
    }

    async fn member_update(
        &self,
        _: Request<MemberUpdateRequest>,
    ) -> Result<Response<MemberUpdateResponse>, Status> {
        unbuilt("MemberUpdate")
    }

    async fn member_promote(
        &self,
        _: Request<MemberPromoteRequest>,
    ) -> Result<Response<MemberPromoteResponse>, Status> {
        unbuilt("MemberPromote")
    }
}
