//! What the Auth screen asks: who the users are and what they may do, and the changes.
//!
//! * I1: while the revision of users and roles is the one that was told, nothing else is asked.
//! * I2: who may not list users is told what it may do itself.
//! * I3: a password is in no message and in no picture of the state.

use std::collections::BTreeMap;

use futures::{StreamExt as _, stream};
use mini_etcd_proto::authpb::{Permission, UserAddOptions};
use mini_etcd_proto::etcdserverpb::{
    AuthDisableRequest, AuthEnableRequest, AuthRoleAddRequest, AuthRoleDeleteRequest,
    AuthRoleGetRequest, AuthRoleGrantPermissionRequest, AuthRoleListRequest,
    AuthRoleRevokePermissionRequest, AuthStatusRequest, AuthUserAddRequest,
    AuthUserChangePasswordRequest, AuthUserDeleteRequest, AuthUserGetRequest,
    AuthUserGrantRoleRequest, AuthUserListRequest, AuthUserRevokeRoleRequest, AuthenticateRequest,
};
use mini_etcd_shared::client::{Client, Kind, Outcome};
use mini_etcd_shared::error::ClientError;
use tonic::Code;

use super::model::{Grant, Keys, ROOT, Told};
use crate::engine::fault;
use crate::engine::request::{Clients, Parts, Request, Trouble};
use crate::password::Secret;

/// Users or roles that are asked about at once.
const AT_ONCE: usize = 8;
/// Users, and as many roles, that are asked about.
pub(super) const NAMES_MAX: usize = 1000;

/// Asks who the users are, and what they may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadUsers {
    /// As whom the console has logged in.
    pub user: Option<String>,
    /// Whether users counted when this was told, and the revision that was told.
    pub since: Option<(bool, u64)>,
}

impl Request for ReadUsers {
    /// None while it is as it was.
    type Answer = Option<Told>;

    async fn run(self, clients: Clients, _: Parts<Option<Told>>) -> Result<Option<Told>, Trouble> {
        let client = &clients.client;
        let status = client.auth_status(AuthStatusRequest {}).await.into_result();
        let (enabled, revision) = match status {
            Ok(status) => (status.enabled, Some(status.auth_revision)),
            Err(error) if refusal(&error).is_some() => (true, None),
            // etcd 3.4 does not tell.
            Err(error) if error.code() == Code::Unimplemented => (counts(client).await?, None),
            Err(error) => return Err(trouble(&error, false)),
        };
        // I1
        if revision.is_some() && self.since == revision.map(|revision| (enabled, revision)) {
            return Ok(None);
        }
        let told = Told { enabled, revision, ..Told::default() };
        read(client, self.user, told).await.map(Some)
    }
}

/// Why a server does not tell this user, in its words.
fn refusal(error: &ClientError) -> Option<String> {
    match error {
        ClientError::Refused { code: Code::PermissionDenied, message } => Some(message.clone()),
        ClientError::Refused { message, .. } if message.contains("user name is empty") => {
            Some(message.clone())
        }
        _ => None,
    }
}

/// Whether users count, of a server that does not tell: nobody can log in while they do not.
async fn counts(client: &Client) -> Result<bool, Trouble> {
    let asked = client.call(Kind::Read, |member| async move {
        member.auth().authenticate(AuthenticateRequest::default()).await
    });
    match asked.await.into_result() {
        Err(ClientError::Refused { message, .. }) if message.contains("is not enabled") => {
            Ok(false)
        }
        Ok(_) | Err(ClientError::Refused { code: Code::InvalidArgument, .. }) => Ok(true),
        Err(error) => Err(trouble(&error, false)),
    }
}

async fn read(client: &Client, user: Option<String>, mut told: Told) -> Result<Told, Trouble> {
    let mut users = match client.user_list(AuthUserListRequest {}).await.into_result() {
        Ok(answer) => answer.users,
        Err(error) => {
            // I2
            told.denied = Some(refusal(&error).ok_or_else(|| trouble(&error, false))?);
            user.into_iter().collect()
        }
    };
    let listed = told.denied.is_none();
    let over = |names: &mut Vec<String>| {
        let more = names.len().saturating_sub(NAMES_MAX);
        names.truncate(NAMES_MAX);
        more
    };
    told.more += over(&mut users);
    told.users = each(users, |name| async move {
        let answer = client.user_get(AuthUserGetRequest { name: name.clone() }).await;
        answer.into_result().map(|answer| (name, answer.roles))
    })
    .await?;
    let mut roles = if listed {
        let answer = client.role_list(AuthRoleListRequest {}).await.into_result();
        answer.map_err(|error| trouble(&error, false))?.roles
    } else {
        told.users.values().flatten().cloned().collect()
    };
    roles.sort();
    roles.dedup();
    told.more += over(&mut roles);
    told.roles = each(roles, |role| async move {
        let answer = client.role_get(AuthRoleGetRequest { role: role.clone() }).await;
        answer.into_result().map(|answer| {
            // That root may do everything is no permission that could be taken away.
            let perm = Some(answer.perm).filter(|_| role != ROOT).unwrap_or_default();
            (role, perm.into_iter().map(Grant::from).collect())
        })
    })
    .await?;
    Ok(told)
}

/// What is told of each name. One that this user may not be told of, or that is gone since, is left out.
async fn each<T, F>(
    names: Vec<String>,
    ask: impl Fn(String) -> F,
) -> Result<BTreeMap<String, T>, Trouble>
where
    F: Future<Output = Result<(String, T), ClientError>>,
{
    let mut told = BTreeMap::new();
    let mut answers = stream::iter(names).map(ask).buffer_unordered(AT_ONCE);
    while let Some(answer) = answers.next().await {
        match answer {
            Ok((name, of)) => {
                told.insert(name, of);
            }
            Err(ClientError::Refused { code: Code::FailedPrecondition, .. }) => {}
            Err(error) if refusal(&error).is_some() => {}
            Err(error) => return Err(trouble(&error, false)),
        }
    }
    Ok(told)
}

/// A change of users or roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new user; without a password it can only log in by a certificate.
    AddUser(String, Option<Secret>),
    /// A user goes.
    DeleteUser(String),
    /// A user has another password.
    SetPassword(String, Secret),
    /// A user has a role.
    GrantRole(String, String),
    /// A user has a role no more.
    RevokeRole(String, String),
    /// A new role.
    AddRole(String),
    /// A role goes.
    DeleteRole(String),
    /// A role has a permission, in the place of one for the same keys.
    GrantPermission(String, Grant),
    /// A role has a permission no more.
    RevokePermission(String, Grant),
    /// Users count from now on.
    Enable,
    /// Users count no more.
    Disable,
}

impl Request for Change {
    type Answer = ();

    async fn run(self, clients: Clients, _: Parts<()>) -> Result<(), Trouble> {
        match self.make(&clients.client).await {
            Outcome::Ok(()) => Ok(()),
            Outcome::Failed(error) => Err(trouble(&error, false)),
            Outcome::Unknown(error) => Err(trouble(&error, true)),
        }
    }
}

impl Change {
    /// Makes the change.
    pub(crate) async fn make(self, client: &Client) -> Outcome<()> {
        match self {
            Self::AddUser(name, secret) => {
                let options = Some(UserAddOptions { no_password: secret.is_none() });
                let password = secret.map(Secret::reveal).unwrap_or_default();
                let request = AuthUserAddRequest { name, password, options, ..Default::default() };
                made(client.user_add(request).await)
            }
            Self::DeleteUser(name) => {
                made(client.user_delete(AuthUserDeleteRequest { name }).await)
            }
            Self::SetPassword(name, secret) => {
                let password = secret.reveal();
                let request =
                    AuthUserChangePasswordRequest { name, password, ..Default::default() };
                made(client.user_change_password(request).await)
            }
            Self::GrantRole(user, role) => {
                made(client.user_grant_role(AuthUserGrantRoleRequest { user, role }).await)
            }
            Self::RevokeRole(name, role) => {
                made(client.user_revoke_role(AuthUserRevokeRoleRequest { name, role }).await)
            }
            Self::AddRole(name) => made(client.role_add(AuthRoleAddRequest { name }).await),
            Self::DeleteRole(role) => {
                made(client.role_delete(AuthRoleDeleteRequest { role }).await)
            }
            Self::GrantPermission(name, Grant { keys: Keys { key, end }, access }) => {
                let perm_type = access.wire().into();
                let perm = Some(Permission { perm_type, key, range_end: end });
                let request = AuthRoleGrantPermissionRequest { name, perm };
                made(client.role_grant_permission(request).await)
            }
            Self::RevokePermission(role, Grant { keys: Keys { key, end }, .. }) => {
                let request = AuthRoleRevokePermissionRequest { role, key, range_end: end };
                made(client.role_revoke_permission(request).await)
            }
            Self::Enable => made(client.auth_enable(AuthEnableRequest {}).await),
            Self::Disable => made(client.auth_disable(AuthDisableRequest {}).await),
        }
    }
}

/// That it was made is all that is told.
fn made<T>(outcome: Outcome<T>) -> Outcome<()> {
    match outcome {
        Outcome::Ok(_) => Outcome::Ok(()),
        Outcome::Failed(error) => Outcome::Failed(error),
        Outcome::Unknown(error) => Outcome::Unknown(error),
    }
}

fn trouble(error: &ClientError, unknown: bool) -> Trouble {
    let mut trouble = fault::of_client(error, unknown);
    if let ClientError::Refused { message, .. } = error
        && let Some(next) = next(message)
    {
        next.clone_into(&mut trouble.next);
    }
    trouble
}

/// What to do about a refusal, beside what every screen says.
fn next(message: &str) -> Option<&'static str> {
    let known = [
        ("root user does not exist", "n adds the user root, a gives it the role root"),
        ("root user does not have root role", "a on the user root gives it the role root"),
        ("user name already exists", "p gives that user another password"),
        ("role name already exists", "a on that role gives it a permission"),
        ("role name not found", "N adds a role"),
        ("user name not found", "n adds a user; r reads all anew"),
        ("invalid auth management", "while users are on, the user root and its role root stay"),
        ("is not granted to the role", "r reads all anew: somebody else took it"),
        ("is not granted to the user", "r reads all anew: somebody else took it"),
    ];
    known.iter().find(|(words, _)| message.contains(words)).map(|(_, next)| *next)
}
