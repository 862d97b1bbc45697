//! [`Client`]: calls that find a member by themselves.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use mini_etcd_proto::etcdserverpb::{
    AlarmRequest, AlarmResponse, AuthDisableRequest, AuthDisableResponse, AuthEnableRequest,
    AuthEnableResponse, AuthRoleAddRequest, AuthRoleAddResponse, AuthRoleDeleteRequest,
    AuthRoleDeleteResponse, AuthRoleGetRequest, AuthRoleGetResponse,
    AuthRoleGrantPermissionRequest, AuthRoleGrantPermissionResponse, AuthRoleListRequest,
    AuthRoleListResponse, AuthRoleRevokePermissionRequest, AuthRoleRevokePermissionResponse,
    AuthStatusRequest, AuthStatusResponse, AuthUserAddRequest, AuthUserAddResponse,
    AuthUserChangePasswordRequest, AuthUserChangePasswordResponse, AuthUserDeleteRequest,
    AuthUserDeleteResponse, AuthUserGetRequest, AuthUserGetResponse, AuthUserGrantRoleRequest,
    AuthUserGrantRoleResponse, AuthUserListRequest, AuthUserListResponse,
    AuthUserRevokeRoleRequest, AuthUserRevokeRoleResponse, CompactionRequest, CompactionResponse,
    DefragmentRequest, DefragmentResponse, DeleteRangeRequest, DeleteRangeResponse,
    DowngradeRequest, DowngradeResponse, HashKvRequest, HashKvResponse, LeaseGrantRequest,
    LeaseGrantResponse, LeaseKeepAliveRequest, LeaseKeepAliveResponse, LeaseLeasesRequest,
    LeaseLeasesResponse, LeaseRevokeRequest, LeaseRevokeResponse, LeaseTimeToLiveRequest,
    LeaseTimeToLiveResponse, MemberAddRequest, MemberAddResponse, MemberListRequest,
    MemberListResponse, MemberPromoteRequest, MemberPromoteResponse, MemberRemoveRequest,
    MemberRemoveResponse, MemberUpdateRequest, MemberUpdateResponse, MoveLeaderRequest,
    MoveLeaderResponse, PutRequest, PutResponse, RangeRequest, RangeResponse, StatusRequest,
    StatusResponse, TxnRequest, TxnResponse, WatchCreateRequest, request_op::Request,
};
use prost::Message as _;
use tonic::{Code, Response, Status};

use super::member::{NOT_ALLOWED, wants_login};
use super::pool::Pool;
use super::{Access, ClientConfig, Endpoint, Headers, Kind, Member, Outcome, WatchStream};
use crate::error::ClientError;

/// Pause before the members are asked for another round.
const ROUND_PAUSE: Duration = Duration::from_millis(25);
/// Silence of a connection on which an answer is awaited, after which others are preferred to it.
pub(super) const SILENT_AFTER: Duration = Duration::from_secs(1);

/// A client of one cluster. Cheap to clone; clones share their connections, which belong to the runtime of the first
/// call.
#[derive(Clone, Debug)]
pub struct Client {
    pool: Arc<Pool>,
    turn: Arc<AtomicUsize>,
    config: Arc<ClientConfig>,
}

impl Client {
    /// A client; nothing is dialled before the first call.
    ///
    /// # Errors
    /// When there is no endpoint.
    pub fn new(config: ClientConfig) -> Result<Self, ClientError> {
        let headers = Headers::of(config.token.as_ref());
        Self::with_headers(config, headers)
    }

    fn with_headers(config: ClientConfig, headers: Headers) -> Result<Self, ClientError> {
        if config.endpoints.is_empty() {
            return Err(ClientError::BadEndpoint {
                text: String::new(),
                reason: "at least one endpoint is needed".to_owned(),
            });
        }
        let config = Arc::new(config);
        let pool = Arc::new(Pool::new(Arc::clone(&config), headers));
        Ok(Self { pool, turn: Arc::new(AtomicUsize::new(0)), config })
    }

    /// A client with other settings, and connections of its own, that shares this one's login.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn with_config(&self, config: ClientConfig) -> Result<Self, ClientError> {
        Self::with_headers(config, self.pool.headers().clone())
    }

    /// The settings it was made with.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// Dials, and waits until so many endpoints are ready to be asked.
    pub async fn until_ready(&self, count: usize) {
        self.pool.until_ready(count).await;
    }

    /// A member that is ready, if possible none of `avoid`; without patience it fails when no endpoint takes a
    /// connection. Who has to log in is logged in.
    async fn member(
        &self,
        turn: usize,
        avoid: &[Endpoint],
        patient: bool,
    ) -> Result<Member, ClientError> {
        let member = self.pool.ready(turn, avoid, patient).await?;
        if let Some(login) =
            self.config.login.as_ref().filter(|_| !self.pool.headers().is_settled())
        {
            let logged_in = member.headers().log_in(member.connection(), login).await;
            logged_in.map_err(|status| ClientError::of(member.endpoint().as_str(), &status))?;
        }
        Ok(member)
    }

    pub(super) async fn ready(&self, avoid: &[Endpoint]) -> Result<Member, ClientError> {
        self.member(self.turn.fetch_add(1, Ordering::Relaxed), avoid, false).await
    }

    /// Whether a member that is asked something has said nothing since it had so many beats.
    pub(super) fn is_silent(&self, member: &Member, beats: u64) -> bool {
        self.pool.is_silent(member, beats)
    }

    /// Whether the server has forgotten a login that can be renewed: then the next request logs in again.
    pub(super) fn forgets_login(&self, error: &ClientError) -> bool {
        let forgotten = self.config.login.is_some()
            && matches!(error, ClientError::Refused { message, .. } if wants_login(message));
        if forgotten {
            self.pool.headers().forget_login();
        }
        forgotten
    }

    /// Whether a watch that ended with these words may stand again after another login: then the next request logs in.
    pub(super) fn login_is_doubted(&self, reason: &str) -> bool {
        let words = reason.rsplit(" desc = ").next().unwrap_or_default();
        let doubted = self.config.login.is_some() && (wants_login(words) || words == NOT_ALLOWED);
        if doubted {
            self.pool.headers().forget_login();
        }
        doubted
    }

    /// Another member that is ready and speaks.
    pub(super) fn another(&self, avoid: &[Endpoint]) -> Option<Member> {
        self.pool.another(self.turn.load(Ordering::Relaxed), avoid)
    }

    /// Logs in as the settings say, unless that was done; without it the first request does. A server without users is
    /// taken as it is.
    ///
    /// # Errors
    /// When the server refuses name or password, or does not answer.
    pub async fn log_in(&self) -> Result<(), ClientError> {
        if self.config.login.is_none() {
            return Ok(());
        }
        // Whoever gets a member is logged in; there is nothing more to ask of it.
        self.call(Kind::Read, |_| async { Ok(Response::new(())) }).await.into_result()
    }

    /// Runs `send` on a member that is ready, and on others where invariant I1 allows it, until the command timeout.
    pub async fn call<T, F, Fut>(&self, kind: Kind, send: F) -> Outcome<T>
    where
        F: Fn(Member) -> Fut,
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        if self.config.access == Access::ReadOnly && kind == Kind::Write {
            return Outcome::Failed(ClientError::ReadOnly);
        }
        let mut seen = Seen::default();
        let attempts = self.attempts(kind, &send, &mut seen);
        let result = match self.config.command_timeout {
            None => attempts.await,
            // A deadline that has passed: nothing may be sent, however fast it would be.
            Some(after) if after.is_zero() => {
                drop(attempts);
                Err(self.timed_out(seen, after))
            }
            Some(after) => match tokio::time::timeout(after, attempts).await {
                Ok(result) => result,
                Err(_) => Err(self.timed_out(seen, after)),
            },
        };
        Outcome::of(kind, result)
    }

    fn timed_out(&self, seen: Seen, after: Duration) -> ClientError {
        if seen.under_way {
            let (endpoint, reason) = (seen.endpoint, seen.reason);
            return ClientError::TimedOut { endpoint, after, unsent: false, reason };
        }
        let (endpoint, trouble) = self.pool.trouble();
        let reason = Some(seen.reason.unwrap_or(trouble));
        ClientError::TimedOut { endpoint, after, unsent: true, reason }
    }

    async fn attempts<T, F, Fut>(
        &self,
        kind: Kind,
        send: &F,
        seen: &mut Seen,
    ) -> Result<T, ClientError>
    where
        F: Fn(Member) -> Fut,
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut renewed = false;
        loop {
            let patient = self.config.wait_for_connection;
            let member = self.member(turn, &seen.tried, patient).await?;
            if seen.tried.contains(member.endpoint()) {
                // Everybody who is ready has been asked.
                seen.tried.clear();
                tokio::time::sleep(ROUND_PAUSE).await;
            }
            seen.under_way = true;
            let error = match self.attempt(kind, send, member, seen).await {
                Ok(response) => return Ok(response.into_inner()),
                Err(error) => error,
            };
            seen.under_way = false;
            tracing::debug!(endpoint = seen.endpoint, %error, "call failed");
            // Refused before it ran.
            if !renewed && self.forgets_login(&error) {
                renewed = true;
                seen.tried.clear();
                continue;
            }
            // I1: what was sent and is no read is never sent again.
            let unsent = error.unsent_reason().is_some();
            if !(unsent || (kind == Kind::Read && error.is_passing())) {
                return Err(error);
            }
            if unsent && !patient && self.another(&seen.tried).is_none() {
                return Err(error);
            }
            seen.reason = match error {
                ClientError::NotConnected { reason, .. } | ClientError::Broken { reason, .. } => {
                    Some(reason)
                }
                _ => None,
            };
        }
    }

    /// Asks a member. While it is silent, a read is sent to others as well, and the first answer counts.
    async fn attempt<T, F, Fut>(
        &self,
        kind: Kind,
        send: &F,
        member: Member,
        seen: &mut Seen,
    ) -> Result<Response<T>, ClientError>
    where
        F: Fn(Member) -> Fut,
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        let mut under_way = FuturesUnordered::new();
        let mut asked = Vec::new();
        let mut next = Some(member);
        loop {
            if let Some(member) = next.take() {
                member.endpoint().as_str().clone_into(&mut seen.endpoint);
                seen.tried.push(member.endpoint().clone());
                asked.push((member.clone(), member.connection().pulse().beats()));
                let answer = send(member.clone());
                under_way.push(async move { (member.endpoint().clone(), answer.await) });
            }
            tokio::select! {
                Some((endpoint, result)) = under_way.next() => {
                    let error = match result {
                        Ok(response) => return Ok(response),
                        Err(status) => ClientError::of(endpoint.as_str(), &status),
                    };
                    // Another may still answer better.
                    if under_way.is_empty() || !error.is_passing() {
                        return Err(error);
                    }
                }
                () = tokio::time::sleep(SILENT_AFTER) => {
                    let silent =
                        asked.iter().all(|(member, beats)| self.is_silent(member, *beats));
                    if silent && kind == Kind::Read {
                        next = self.another(&seen.tried);
                    }
                }
            }
        }
    }

    /// Whether a request of so many bytes may be sent; the words are those of Go's gRPC.
    fn fits(&self, length: usize) -> Result<(), ClientError> {
        let bound = self.config.bounds.request;
        if length <= bound {
            return Ok(());
        }
        let message = format!("trying to send message larger than max ({length} vs. {bound})");
        Err(ClientError::Refused { code: Code::ResourceExhausted, message })
    }

    /// Watches; see [`WatchStream`].
    #[must_use]
    pub fn watch(&self, request: WatchCreateRequest) -> WatchStream {
        WatchStream::new(self.clone(), request)
    }
}

/// The attempts of a call.
#[derive(Default)]
struct Seen {
    /// Whom this round asked.
    tried: Vec<Endpoint>,
    /// Whom the last attempt asked.
    endpoint: String,
    /// Whether a request may have left, and no answer has come.
    under_way: bool,
    /// Why the attempt before had no connection, or lost it.
    reason: Option<String>,
}

macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident($service:ident, $kind:expr, $request:ident) -> $response:ident;)*) => {
        impl Client {
            $(
                $(#[$doc])*
                pub async fn $name(&self, request: $request) -> Outcome<$response> {
                    if let Err(error) = self.fits(request.encoded_len()) {
                        return Outcome::Failed(error);
                    }
                    let kind: fn(&$request) -> Kind = $kind;
                    self.call(kind(&request), |member| {
                        let request = request.clone();
                        async move { member.$service().$name(request).await }
                    })
                    .await
                }
            )*
        }
    };
}

calls! {
    /// Reads keys.
    range(kv, |_| Kind::Read, RangeRequest) -> RangeResponse;
    /// Writes a key.
    put(kv, |_| Kind::Write, PutRequest) -> PutResponse;
    /// Deletes keys.
    delete_range(kv, |_| Kind::Write, DeleteRangeRequest) -> DeleteRangeResponse;
    /// Runs a transaction.
    txn(kv, kind_of_txn, TxnRequest) -> TxnResponse;
    /// Forgets history.
    compact(kv, |_| Kind::Write, CompactionRequest) -> CompactionResponse;
    /// Grants a lease.
    lease_grant(lease, |_| Kind::Write, LeaseGrantRequest) -> LeaseGrantResponse;
    /// Ends a lease and removes its keys.
    lease_revoke(lease, |_| Kind::Write, LeaseRevokeRequest) -> LeaseRevokeResponse;
    /// Tells what is left of a lease.
    lease_time_to_live(lease, |_| Kind::Read, LeaseTimeToLiveRequest) -> LeaseTimeToLiveResponse;
    /// Lists the leases.
    lease_leases(lease, |_| Kind::Read, LeaseLeasesRequest) -> LeaseLeasesResponse;
    /// Lists the members.
    member_list(cluster, |_| Kind::Read, MemberListRequest) -> MemberListResponse;
    /// Has the cluster ask for users.
    auth_enable(auth, |_| Kind::Write, AuthEnableRequest) -> AuthEnableResponse;
    /// Lets everybody do everything.
    auth_disable(auth, |_| Kind::Write, AuthDisableRequest) -> AuthDisableResponse;
    /// Tells whether the cluster asks for users.
    auth_status(auth, |_| Kind::Read, AuthStatusRequest) -> AuthStatusResponse;
    /// Adds a user.
    user_add(auth, |_| Kind::Write, AuthUserAddRequest) -> AuthUserAddResponse;
    /// Deletes a user.
    user_delete(auth, |_| Kind::Write, AuthUserDeleteRequest) -> AuthUserDeleteResponse;
    /// Tells the roles of a user.
    user_get(auth, |_| Kind::Read, AuthUserGetRequest) -> AuthUserGetResponse;
    /// Lists the users.
    user_list(auth, |_| Kind::Read, AuthUserListRequest) -> AuthUserListResponse;
    /// Changes the password of a user.
    user_change_password(auth, |_| Kind::Write, AuthUserChangePasswordRequest) -> AuthUserChangePasswordResponse;
    /// Grants a role to a user.
    user_grant_role(auth, |_| Kind::Write, AuthUserGrantRoleRequest) -> AuthUserGrantRoleResponse;
    /// Revokes a role from a user.
    user_revoke_role(auth, |_| Kind::Write, AuthUserRevokeRoleRequest) -> AuthUserRevokeRoleResponse;
    /// Adds a role.
    role_add(auth, |_| Kind::Write, AuthRoleAddRequest) -> AuthRoleAddResponse;
    /// Deletes a role.
    role_delete(auth, |_| Kind::Write, AuthRoleDeleteRequest) -> AuthRoleDeleteResponse;
    /// Tells what a role may do.
    role_get(auth, |_| Kind::Read, AuthRoleGetRequest) -> AuthRoleGetResponse;
    /// Lists the roles.
    role_list(auth, |_| Kind::Read, AuthRoleListRequest) -> AuthRoleListResponse;
    /// Lets a role read or write keys.
    role_grant_permission(auth, |_| Kind::Write, AuthRoleGrantPermissionRequest) -> AuthRoleGrantPermissionResponse;
    /// Takes keys from a role.
    role_revoke_permission(auth, |_| Kind::Write, AuthRoleRevokePermissionRequest) -> AuthRoleRevokePermissionResponse;
    /// Adds a member.
    member_add(cluster, |_| Kind::Write, MemberAddRequest) -> MemberAddResponse;
    /// Removes a member.
    member_remove(cluster, |_| Kind::Write, MemberRemoveRequest) -> MemberRemoveResponse;
    /// Changes where peers reach a member.
    member_update(cluster, |_| Kind::Write, MemberUpdateRequest) -> MemberUpdateResponse;
    /// Gives a learner its vote.
    member_promote(cluster, |_| Kind::Write, MemberPromoteRequest) -> MemberPromoteResponse;
    /// Lets the leader hand leadership over; asked of whichever member answers.
    move_leader(maintenance, |_| Kind::Write, MoveLeaderRequest) -> MoveLeaderResponse;
    /// Lists, raises or lowers alarms.
    alarm(maintenance, |request| if request.action == 0 { Kind::Read } else { Kind::Write }, AlarmRequest) -> AlarmResponse;
    /// Lets the member that answers give space back to its file system.
    defragment(maintenance, |_| Kind::Write, DefragmentRequest) -> DefragmentResponse;
    /// Asks whether the cluster may go to an older version, starts or stops that.
    downgrade(maintenance, |request| if request.action == 0 { Kind::Read } else { Kind::Write }, DowngradeRequest) -> DowngradeResponse;
    /// State of whichever member answers.
    status(maintenance, |_| Kind::Read, StatusRequest) -> StatusResponse;
    /// Hash of the keys of whichever member answers.
    hash_kv(maintenance, |_| Kind::Read, HashKvRequest) -> HashKvResponse;
}

impl Client {
    /// Reads keys that the server sends in pieces, and puts these together; a server before 3.7 answers `Unimplemented`.
    pub async fn range_streamed(&self, request: RangeRequest) -> Outcome<RangeResponse> {
        self.call(Kind::Read, |member| {
            let request = request.clone();
            async move {
                let mut pieces = member.kv().range_stream(request).await?.into_inner();
                let mut whole = RangeResponse::default();
                while let Some(piece) = pieces.message().await? {
                    let mut piece = piece.range_response.unwrap_or_default();
                    whole.kvs.append(&mut piece.kvs);
                    // What the last piece has of these holds for all.
                    whole.header = piece.header.or(whole.header);
                    whole.more |= piece.more;
                    whole.count = whole.count.max(piece.count);
                }
                Ok(Response::new(whole))
            }
        })
        .await
    }

    /// Renews a lease once; its time to live is 0 when it is not there.
    pub async fn lease_renew(&self, id: i64) -> Outcome<LeaseKeepAliveResponse> {
        // To do it twice is as good as once.
        self.call(Kind::Write, |member| async move {
            let requests = futures::stream::iter([LeaseKeepAliveRequest { id }]);
            let mut answers = member.lease().lease_keep_alive(requests).await?.into_inner();
            let answer = answers.message().await?;
            answer.map(Response::new).ok_or_else(|| Status::unavailable("the stream ended"))
        })
        .await
    }
}

/// A transaction of nothing but reads is a read.
fn kind_of_txn(request: &TxnRequest) -> Kind {
    let ops = || request.success.iter().chain(&request.failure);
    let reads = ops().all(|op| match &op.request {
        Some(Request::RequestRange(_)) => true,
        Some(Request::RequestTxn(inner)) => kind_of_txn(inner) == Kind::Read,
        _ => false,
    });
    if reads { Kind::Read } else { Kind::Write }
}
