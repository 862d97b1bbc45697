//! [`AuthService`]: `etcdserverpb.Auth`.
//!
//! A change is an entry, judged again when it is applied. What it costs to hash a password is only spent for who may make
//! the change as far as is known before.

use std::sync::Arc;

use mini_etcd_proto::etcdserverpb as pb;
use mini_etcd_proto::etcdserverpb::auth_server;
use mini_etcd_proto::internalpb::auth_change::Change;
use mini_etcd_proto::internalpb::{AuthChange, Login, command};
use rand::RngExt as _;
use tonic::{Request, Response, Status};

use super::host::mismatch;
use super::results::elsewhere;
use super::{Caller, Host};
use crate::apply::{EntryResponse, Published};
use crate::error::RequestError;
use crate::limits::{AUTH_NAME_BYTES_MAX, LOGIN_ATTEMPTS_MAX};

/// Letters of the random beginning of a token, as in etcd.
const TOKEN_LETTERS: usize = 16;

/// Users, roles and logins.
#[derive(Clone)]
pub struct AuthService {
    host: Host,
}

impl AuthService {
    /// The service of a member.
    #[must_use]
    pub fn new(host: Host) -> Self {
        Self { host }
    }

    /// Carries a change out for who may make it.
    async fn change(
        &self,
        caller: &Caller,
        change: Change,
    ) -> Result<Option<pb::ResponseHeader>, RequestError> {
        let change = AuthChange { change: Some(change) };
        let answer = self.host.write(caller, command::Request::Auth(change)).await?;
        Ok(Some(self.host.complete(answered(answer)?.header.as_ref())))
    }

    /// Whether the caller may manage users, as far as is known now; asked before what is dear.
    async fn check_root(&self, caller: &Caller) -> Result<(), RequestError> {
        let state = self.host.barrier().await?;
        self.host.check_root(caller, &state)
    }

    async fn login(
        &self,
        request: pb::AuthenticateRequest,
    ) -> Result<pb::AuthenticateResponse, RequestError> {
        let pb::AuthenticateRequest { name: user, password } = request;
        let mut state = self.host.barrier().await?;
        for _ in 0..LOGIN_ATTEMPTS_MAX {
            let hash = match state.auth.password(&user) {
                Ok(hash) => Some(hash),
                Err(RequestError::AuthFailed) => None,
                Err(error) => return Err(error),
            };
            if !self.host.passwords().is_right(password.clone(), hash).await? {
                return Err(RequestError::AuthFailed);
            }
            let answer = self.token(user.clone(), &state).await?;
            let checked = state.auth.revision();
            state = self.host.published();
            // Else the password may have changed before the token was given out.
            if state.auth.revision() == checked {
                return Ok(answer);
            }
        }
        Err(RequestError::AuthOldRevision)
    }

    /// A token for who has shown the password of `state`. A signed one says of which revision it is, so nothing is replicated.
    async fn token(
        &self,
        user: String,
        state: &Published,
    ) -> Result<pb::AuthenticateResponse, RequestError> {
        if let Some(jwt) = self.host.proposer().tokens().jwt() {
            let (jwt, revision) = (Arc::clone(jwt), state.auth.revision());
            let token = elsewhere(move || jwt.sign(&user, revision)).await?;
            let header = Some(self.host.header(state.view.revision()));
            return Ok(pb::AuthenticateResponse { header, token });
        }
        let change = Change::Login(Login { user, token: token_begin() });
        let change = command::Request::Auth(AuthChange { change: Some(change) });
        let answer = answered(self.host.write_as_member(change).await?)?;
        let header = Some(self.host.complete(answer.header.as_ref()));
        Ok(pb::AuthenticateResponse { header, ..answer })
    }
}

/// The name of a new user or role is the key of its row.
fn check_name(name: &str) -> Result<(), RequestError> {
    if name.len() <= AUTH_NAME_BYTES_MAX {
        return Ok(());
    }
    let given = format!("of {} bytes", name.len());
    let accepted = format!("at most {AUTH_NAME_BYTES_MAX} bytes");
    Err(RequestError::InvalidField { field: "name", given, accepted })
}

/// What nobody guesses: 16 of 52 letters.
fn token_begin() -> String {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut random = rand::rng();
    let letters = (0..TOKEN_LETTERS).filter_map(|_| {
        let at = random.random_range(0..LETTERS.len());
        LETTERS.get(at).map(|letter| char::from(*letter))
    });
    letters.collect()
}

fn answered(answer: EntryResponse) -> Result<pb::AuthenticateResponse, RequestError> {
    match answer {
        EntryResponse::Auth(answer) => Ok(answer),
        _ => Err(mismatch()),
    }
}

/// The methods that are one change each, and answer with a header.
macro_rules! change {
    ($self:ident, $request:ident, $change:ident, $response:ident) => {{
        let caller = Caller::of(&$request);
        let header = $self.change(&caller, Change::$change($request.into_inner())).await?;
        Ok(Response::new(pb::$response { header }))
    }};
}

#[tonic::async_trait]
impl auth_server::Auth for AuthService {
    async fn auth_enable(
        &self,
        request: Request<pb::AuthEnableRequest>,
    ) -> Result<Response<pb::AuthEnableResponse>, Status> {
        change!(self, request, Enable, AuthEnableResponse)
    }

    async fn auth_disable(
        &self,
        request: Request<pb::AuthDisableRequest>,
    ) -> Result<Response<pb::AuthDisableResponse>, Status> {
        change!(self, request, Disable, AuthDisableResponse)
    }

    async fn auth_status(
        &self,
        request: Request<pb::AuthStatusRequest>,
    ) -> Result<Response<pb::AuthStatusResponse>, Status> {
        let state = self.host.barrier().await?;
        // Nobody in particular is asked for, but a token must be one.
        self.host.asker(&Caller::of(&request), &state.auth)?;
        Ok(Response::new(pb::AuthStatusResponse {
            header: Some(self.host.header(state.view.revision())),
            enabled: state.auth.is_enabled(),
            auth_revision: state.auth.revision(),
        }))
    }

    async fn authenticate(
        &self,
        request: Request<pb::AuthenticateRequest>,
    ) -> Result<Response<pb::AuthenticateResponse>, Status> {
        Ok(Response::new(self.login(request.into_inner()).await?))
    }

    async fn user_add(
        &self,
        request: Request<pb::AuthUserAddRequest>,
    ) -> Result<Response<pb::AuthUserAddResponse>, Status> {
        let (caller, mut request) = (Caller::of(&request), request.into_inner());
        check_name(&request.name)?;
        let password = std::mem::take(&mut request.password);
        if !request.options.is_some_and(|options| options.no_password) {
            self.check_root(&caller).await?;
            request.hashed_password = self.host.passwords().hash(password).await?;
        }
        let header = self.change(&caller, Change::UserAdd(request)).await?;
        Ok(Response::new(pb::AuthUserAddResponse { header }))
    }

    /// For root, and for the user itself.
    async fn user_get(
        &self,
        request: Request<pb::AuthUserGetRequest>,
    ) -> Result<Response<pb::AuthUserGetResponse>, Status> {
        let (caller, name) = (Caller::of(&request), request.into_inner().name);
        let state = self.host.barrier().await?;
        let asker = self.host.asker(&caller, &state.auth)?;
        let is_own = !name.is_empty() && asker.user == name;
        state.auth.check_root(&asker).or_else(|no| if is_own { Ok(()) } else { Err(no) })?;
        let roles = state.auth.roles_of(&name)?;
        let header = Some(self.host.header(state.view.revision()));
        Ok(Response::new(pb::AuthUserGetResponse { header, roles }))
    }

    async fn user_list(
        &self,
        request: Request<pb::AuthUserListRequest>,
    ) -> Result<Response<pb::AuthUserListResponse>, Status> {
        let state = self.host.barrier().await?;
        self.host.check_root(&Caller::of(&request), &state)?;
        let header = Some(self.host.header(state.view.revision()));
        let users = state.auth.users().map(str::to_owned).collect();
        Ok(Response::new(pb::AuthUserListResponse { header, users }))
    }

    async fn user_delete(
        &self,
        request: Request<pb::AuthUserDeleteRequest>,
    ) -> Result<Response<pb::AuthUserDeleteResponse>, Status> {
        change!(self, request, UserDelete, AuthUserDeleteResponse)
    }

    async fn user_change_password(
        &self,
        request: Request<pb::AuthUserChangePasswordRequest>,
    ) -> Result<Response<pb::AuthUserChangePasswordResponse>, Status> {
        let (caller, mut request) = (Caller::of(&request), request.into_inner());
        let password = std::mem::take(&mut request.password);
        if !password.is_empty() {
            self.check_root(&caller).await?;
            request.hashed_password = self.host.passwords().hash(password).await?;
        }
        let header = self.change(&caller, Change::UserChangePassword(request)).await?;
        Ok(Response::new(pb::AuthUserChangePasswordResponse { header }))
    }

    async fn user_grant_role(
        &self,
        request: Request<pb::AuthUserGrantRoleRequest>,
    ) -> Result<Response<pb::AuthUserGrantRoleResponse>, Status> {
        change!(self, request, UserGrantRole, AuthUserGrantRoleResponse)
    }

    async fn user_revoke_role(
        &self,
        request: Request<pb::AuthUserRevokeRoleRequest>,
    ) -> Result<Response<pb::AuthUserRevokeRoleResponse>, Status> {
        change!(self, request, UserRevokeRole, AuthUserRevokeRoleResponse)
    }

    async fn role_add(
        &self,
        request: Request<pb::AuthRoleAddRequest>,
    ) -> Result<Response<pb::AuthRoleAddResponse>, Status> {
        check_name(&request.get_ref().name)?;
        change!(self, request, RoleAdd, AuthRoleAddResponse)
    }

    /// For root, and for who has the role.
    async fn role_get(
        &self,
        request: Request<pb::AuthRoleGetRequest>,
    ) -> Result<Response<pb::AuthRoleGetResponse>, Status> {
        let (caller, role) = (Caller::of(&request), request.into_inner().role);
        let state = self.host.barrier().await?;
        let asker = self.host.asker(&caller, &state.auth)?;
        let is_own = state.auth.has_role(&asker.user, &role);
        state.auth.check_root(&asker).or_else(|no| if is_own { Ok(()) } else { Err(no) })?;
        let perm = state.auth.permissions(&role)?;
        let header = Some(self.host.header(state.view.revision()));
        Ok(Response::new(pb::AuthRoleGetResponse { header, perm }))
    }

    async fn role_list(
        &self,
        request: Request<pb::AuthRoleListRequest>,
    ) -> Result<Response<pb::AuthRoleListResponse>, Status> {
        let state = self.host.barrier().await?;
        self.host.check_root(&Caller::of(&request), &state)?;
        let header = Some(self.host.header(state.view.revision()));
        let roles = state.auth.roles().map(str::to_owned).collect();
        Ok(Response::new(pb::AuthRoleListResponse { header, roles }))
    }

    async fn role_delete(
        &self,
        request: Request<pb::AuthRoleDeleteRequest>,
    ) -> Result<Response<pb::AuthRoleDeleteResponse>, Status> {
        change!(self, request, RoleDelete, AuthRoleDeleteResponse)
    }

    async fn role_grant_permission(
        &self,
        request: Request<pb::AuthRoleGrantPermissionRequest>,
    ) -> Result<Response<pb::AuthRoleGrantPermissionResponse>, Status> {
        change!(self, request, RoleGrantPermission, AuthRoleGrantPermissionResponse)
    }

    async fn role_revoke_permission(
        &self,
        request: Request<pb::AuthRoleRevokePermissionRequest>,
    ) -> Result<Response<pb::AuthRoleRevokePermissionResponse>, Status> {
        change!(self, request, RoleRevokePermission, AuthRoleRevokePermissionResponse)
    }
}
