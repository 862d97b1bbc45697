//! `etcdserverpb.Maintenance`.

use futures::stream::BoxStream;
use mini_etcd_proto::etcdserverpb::alarm_request::AlarmAction;
use mini_etcd_proto::etcdserverpb::downgrade_request::DowngradeAction;
use mini_etcd_proto::etcdserverpb::maintenance_server::Maintenance;
use mini_etcd_proto::etcdserverpb::{
    AlarmMember, AlarmRequest, AlarmResponse, AlarmType, DefragmentRequest, DefragmentResponse,
    DowngradeInfo, DowngradeRequest, DowngradeResponse, HashKvRequest, HashKvResponse, HashRequest,
    HashResponse, MoveLeaderRequest, MoveLeaderResponse, SnapshotRequest, SnapshotResponse,
    StatusRequest, StatusResponse,
};
use mini_etcd_proto::internalpb::command;
use mini_etcd_shared::types::MemberId;
use mini_etcd_shared::version::{CLUSTER_VERSION, ETCD_VERSION, STORAGE_VERSION};
use tokio::time::{Instant, timeout};
use tonic::{Request, Response, Status};

use super::host::{alarms, short};
use super::results::elsewhere;
use super::{Caller, Host, downgrade};
use crate::apply;
use crate::error::RequestError;
use crate::limits::QUOTA_ROOM_WAIT;

/// What keeps a member well.
#[derive(Clone)]
pub struct MaintenanceService {
    host: Host,
}

impl MaintenanceService {
    /// The service of a member.
    #[must_use]
    pub fn new(host: Host) -> Self {
        Self { host }
    }

    async fn list_alarms(
        &self,
        caller: &Caller,
        wanted: i32,
    ) -> Result<AlarmResponse, RequestError> {
        let state = self.host.barrier().await?;
        self.host.check_login(caller, &state)?;
        let any = i32::from(AlarmType::None);
        let raised = state.alarms.raised.iter();
        let alarms = raised
            .filter(|(_, alarm)| wanted == any || *alarm == wanted)
            .map(|(member_id, alarm)| AlarmMember { member_id: *member_id, alarm: *alarm })
            .collect();
        Ok(AlarmResponse { header: Some(self.host.header(state.view.revision())), alarms })
    }

    async fn change_alarms(
        &self,
        caller: &Caller,
        request: AlarmRequest,
    ) -> Result<AlarmResponse, RequestError> {
        self.host.check_root(caller, &self.host.published())?;
        self.refuse_without_room(&request).await?;
        match self.host.write(caller, command::Request::Alarm(request)).await? {
            apply::EntryResponse::Alarm(mut answer) => {
                let revision = self.host.published().view.revision();
                answer.header = Some(self.host.header(revision));
                Ok(answer)
            }
            _ => Err(RequestError::Storage("an entry answered another request".to_owned())),
        }
    }
}

impl MaintenanceService {
    /// The alarm of a full quota stands for as long as there is no room: the next write would only raise it again.
    async fn refuse_without_room(&self, request: &AlarmRequest) -> Result<(), RequestError> {
        let alarm = (request.member_id, i32::from(AlarmType::Nospace));
        if request.action() != AlarmAction::Deactivate || request.alarm != alarm.1 {
            return Ok(());
        }
        let state = self.host.barrier().await?;
        let is_met = || {
            let bytes = self.host.published().view.logical_bytes();
            let about = self.host.about();
            about.quota.is_met(bytes, about.message_bytes_max)
        };
        if !state.alarms.raised.contains(&alarm) || is_met() {
            return Ok(());
        }
        // What a compaction gave up counts until it is off the disk.
        let finished = self.host.proposer().compaction_finished(state.view.compacted());
        let _ = timeout(QUOTA_ROOM_WAIT, finished).await;
        if is_met() { Ok(()) } else { Err(RequestError::NoSpace) }
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[tonic::async_trait]
impl Maintenance for MaintenanceService {
    type SnapshotStream = BoxStream<'static, Result<SnapshotResponse, Status>>;

    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        let (state, status) = (self.host.published(), self.host.status());
        let me = self.host.proposer().identity().member_id;
        let (db_size, in_use) = self.host.sizes(&state);
        let no_leader = (status.leader.0 == 0).then(|| RequestError::NoLeader.to_string());
        let doubt = self.host.doubt();
        let alarms = alarms(&state).map(|(member, name)| match member {
            // As protobuf's text leaves out what is zero.
            0 => format!("alarm:{name}"),
            member => format!("memberID:{member} alarm:{name}"),
        });
        Ok(Response::new(StatusResponse {
            header: Some(self.host.header(state.view.revision())),
            version: ETCD_VERSION.to_owned(),
            db_size: signed(db_size),
            leader: status.leader.0,
            raft_index: status.commit.0,
            raft_term: status.term.0,
            raft_applied_index: state.applied.0,
            errors: no_leader.into_iter().chain(doubt).chain(alarms).collect(),
            db_size_in_use: signed(in_use),
            is_learner: status.learners.contains(&me),
            storage_version: STORAGE_VERSION.to_owned(),
            db_size_quota: self.host.about().quota.told(),
            downgrade_info: Some(DowngradeInfo::default()),
        }))
    }

    async fn alarm(
        &self,
        request: Request<AlarmRequest>,
    ) -> Result<Response<AlarmResponse>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let answer = match request.action() {
            AlarmAction::Get => self.list_alarms(&caller, request.alarm).await?,
            AlarmAction::Activate | AlarmAction::Deactivate => {
                self.change_alarms(&caller, request).await?
            }
        };
        Ok(Response::new(answer))
    }

    async fn hash(&self, _: Request<HashRequest>) -> Result<Response<HashResponse>, Status> {
        let state = self.host.published();
        let header = Some(self.host.header(state.view.revision()));
        let begun = Instant::now();
        let hash = elsewhere(move || state.view.hash_all()).await?;
        self.host.metrics().hash_seconds.observe(begun.elapsed());
        Ok(Response::new(HashResponse { header, hash }))
    }

    async fn hash_kv(
        &self,
        request: Request<HashKvRequest>,
    ) -> Result<Response<HashKvResponse>, Status> {
        let revision = request.into_inner().revision;
        let state = self.host.published();
        let header = Some(self.host.header(state.view.revision()));
        let begun = Instant::now();
        let hashed = elsewhere(move || state.view.hash_kv(revision)).await?;
        self.host.metrics().hash_revision_seconds.observe(begun.elapsed());
        Ok(Response::new(HashKvResponse {
            header,
            hash: hashed.hash,
            compact_revision: hashed.compact_revision,
            hash_revision: hashed.hash_revision,
        }))
    }

    async fn move_leader(
        &self,
        request: Request<MoveLeaderRequest>,
    ) -> Result<Response<MoveLeaderResponse>, Status> {
        let target = MemberId(request.into_inner().target_id);
        self.host.proposer().transfer_leader(target).await?;
        // The one family whose answers have no header.
        Ok(Response::new(MoveLeaderResponse { header: None }))
    }

    async fn defragment(
        &self,
        _: Request<DefragmentRequest>,
    ) -> Result<Response<DefragmentResponse>, Status> {
        // It goes on when the client does not wait for it any more.
        self.host.proposer().defragment().await?;
        Ok(Response::new(DefragmentResponse { header: None }))
    }

    async fn snapshot(
        &self,
        _: Request<SnapshotRequest>,
    ) -> Result<Response<Self::SnapshotStream>, Status> {
        let took = &self.host.metrics().backup_seconds;
        Ok(Response::new(self.host.backups().start(&self.host.published(), took)?))
    }

    async fn downgrade(
        &self,
        request: Request<DowngradeRequest>,
    ) -> Result<Response<DowngradeResponse>, Status> {
        let request = request.into_inner();
        match DowngradeAction::try_from(request.action) {
            Ok(DowngradeAction::Validate) => {
                downgrade::validate(&request.version)?;
                self.host.barrier().await?;
            }
            Ok(DowngradeAction::Enable) => {
                downgrade::validate(&request.version)?;
                return Err(RequestError::NoDowngrade.into());
            }
            // There is none under way, and to cancel that succeeds as in etcd 3.6.
            Ok(DowngradeAction::Cancel) => drop(self.host.barrier().await?),
            Err(_) => return Err(RequestError::UnknownMethod.into()),
        }
        let header = Some(self.host.header(self.host.published().view.revision()));
        Ok(Response::new(DowngradeResponse { header, version: short(CLUSTER_VERSION) }))
    }
}
