//! Changes of users and roles, with etcd's checks in etcd's order.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use mini_etcd_proto::authpb::{Permission, Role, User};
use mini_etcd_proto::etcdserverpb::{
    AuthRoleGrantPermissionRequest, AuthRoleRevokePermissionRequest, AuthUserAddRequest,
    AuthUserChangePasswordRequest, AuthUserGrantRoleRequest, AuthUserRevokeRoleRequest,
};
use mini_etcd_proto::internalpb::auth_change::Change;
use mini_etcd_shared::types::{KeyRange, LogIndex};
use prost::Message as _;

use super::state::{Account, ROLE, USER};
use super::{Auth, ROOT, TokenChange};
use crate::error::RequestError;
use crate::limits::{ROLE_BYTES_MAX, ROLE_PERMISSIONS_MAX, USER_ROLES_MAX};
use crate::storage::{Batch, Space, SystemRow};

impl Auth {
    /// The token that a login by the entry at `index` gives out.
    ///
    /// # Errors
    /// Permissions do not count, or the user is gone or has no password any more.
    pub(crate) fn login(
        &self,
        user: &str,
        token: &str,
        index: LogIndex,
    ) -> Result<TokenChange, RequestError> {
        if !self.is_enabled {
            return Err(RequestError::AuthNotEnabled);
        }
        if !self.account(user).is_some_and(Account::has_password) {
            return Err(RequestError::AuthFailed);
        }
        let token = format!("{token}.{}", index.0);
        Ok(TokenChange::Given { token, user: user.to_owned() })
    }

    /// Carries a change out, and answers what it means for tokens.
    ///
    /// # Errors
    /// As etcd's.
    pub(crate) fn change(
        &mut self,
        change: &Change,
        batch: &mut Batch,
    ) -> Result<Option<TokenChange>, RequestError> {
        match change {
            Change::Enable(_) => self.enable()?,
            Change::Disable(_) if !self.is_enabled => {}
            Change::Disable(_) => {
                self.is_enabled = false;
                self.revision += 1;
                return Ok(Some(TokenChange::AllEnded));
            }
            Change::Login(_) => return Err(RequestError::AuthFailed),
            Change::UserAdd(request) => self.add_user(request, batch)?,
            Change::UserDelete(request) => {
                self.delete_user(&request.name, batch)?;
                return Ok(Some(TokenChange::Ended { user: request.name.clone() }));
            }
            Change::UserChangePassword(request) => {
                self.change_password(request, batch)?;
                return Ok(Some(TokenChange::Ended { user: request.name.clone() }));
            }
            Change::UserGrantRole(request) => self.grant_role(request, batch)?,
            Change::UserRevokeRole(request) => self.revoke_role(request, batch)?,
            Change::RoleAdd(request) => self.add_role(&request.name, batch)?,
            Change::RoleDelete(request) => self.delete_role(&request.role, batch)?,
            Change::RoleGrantPermission(request) => self.grant_permission(request, batch)?,
            Change::RoleRevokePermission(request) => self.revoke_permission(request, batch)?,
        }
        Ok(None)
    }

    fn enable(&mut self) -> Result<(), RequestError> {
        if self.is_enabled {
            return Ok(());
        }
        let root = self.account(ROOT).ok_or(RequestError::RootUserNotExist)?;
        if !root.is_root() {
            return Err(RequestError::RootRoleNotExist);
        }
        self.is_enabled = true;
        Ok(())
    }

    /// I5.
    fn refuse_loss_of_root(&self, is_root: bool) -> Result<(), RequestError> {
        if self.is_enabled && is_root { Err(RequestError::InvalidAuthManagement) } else { Ok(()) }
    }

    fn add_user(
        &mut self,
        request: &AuthUserAddRequest,
        batch: &mut Batch,
    ) -> Result<(), RequestError> {
        let AuthUserAddRequest { name, options, hashed_password, .. } = request;
        if name.is_empty() {
            return Err(RequestError::UserEmpty);
        }
        if self.users.contains_key(name) {
            return Err(RequestError::UserAlreadyExists);
        }
        let options = options.unwrap_or_default();
        let password =
            if options.no_password { Bytes::new() } else { password_of(hashed_password)? };
        let roles = Vec::new();
        let name = name.clone().into();
        self.put_user(User { name, password, roles, options: Some(options) }, batch);
        self.revision += 1;
        Ok(())
    }

    fn delete_user(&mut self, name: &str, batch: &mut Batch) -> Result<(), RequestError> {
        self.refuse_loss_of_root(name == ROOT)?;
        self.users.remove(name).ok_or(RequestError::UserNotFound)?;
        batch.remove(Space::System, SystemRow::key(USER, 0, name.as_bytes()));
        self.revision += 1;
        Ok(())
    }

    fn change_password(
        &mut self,
        request: &AuthUserChangePasswordRequest,
        batch: &mut Batch,
    ) -> Result<(), RequestError> {
        let account = self.account(&request.name).ok_or(RequestError::UserNotFound)?;
        let password = if account.has_password() {
            password_of(&request.hashed_password)?
        } else {
            Bytes::new()
        };
        self.put_user(User { password, ..account.user.clone() }, batch);
        self.revision += 1;
        Ok(())
    }

    fn grant_role(
        &mut self,
        request: &AuthUserGrantRoleRequest,
        batch: &mut Batch,
    ) -> Result<(), RequestError> {
        let AuthUserGrantRoleRequest { user, role } = request;
        let account = self.account(user).ok_or(RequestError::UserNotFound)?;
        if role != ROOT && !self.roles.contains_key(role) {
            return Err(RequestError::RoleNotFound);
        }
        if account.has_role(role) {
            return Ok(());
        }
        if account.user.roles.len() >= USER_ROLES_MAX {
            return Err(RequestError::TooManyRoles);
        }
        let mut user = account.user.clone();
        user.roles.push(role.clone());
        user.roles.sort();
        self.put_user(user, batch);
        self.revision += 1;
        Ok(())
    }

    fn revoke_role(
        &mut self,
        request: &AuthUserRevokeRoleRequest,
        batch: &mut Batch,
    ) -> Result<(), RequestError> {
        let AuthUserRevokeRoleRequest { name, role } = request;
        self.refuse_loss_of_root(name == ROOT && role == ROOT)?;
        let account = self.account(name).ok_or(RequestError::UserNotFound)?;
        if !account.has_role(role) {
            return Err(RequestError::RoleNotGranted);
        }
        self.put_user(without(&account.user, role), batch);
        self.revision += 1;
        Ok(())
    }

    fn add_role(&mut self, name: &str, batch: &mut Batch) -> Result<(), RequestError> {
        if name.is_empty() {
            return Err(RequestError::RoleEmpty);
        }
        if self.roles.contains_key(name) {
            return Err(RequestError::RoleAlreadyExists);
        }
        let name = name.to_owned().into();
        self.put_role(Role { name, key_permission: Vec::new() }, batch);
        self.revision += 1;
        Ok(())
    }

    fn delete_role(&mut self, name: &str, batch: &mut Batch) -> Result<(), RequestError> {
        self.refuse_loss_of_root(name == ROOT)?;
        self.roles.remove(name).ok_or(RequestError::RoleNotFound)?;
        batch.remove(Space::System, SystemRow::key(ROLE, 0, name.as_bytes()));
        for user in self.with_role(name) {
            self.put_user(without(&user, name), batch);
        }
        self.revision += 1;
        Ok(())
    }

    fn grant_permission(
        &mut self,
        request: &AuthRoleGrantPermissionRequest,
        batch: &mut Batch,
    ) -> Result<(), RequestError> {
        let given = request.perm.as_ref().ok_or(RequestError::PermissionNotGiven)?;
        let range = KeyRange::new(given.key.clone(), given.range_end.clone());
        if given.key.is_empty() || range.is_empty() {
            return Err(RequestError::InvalidAuthManagement);
        }
        let role = self.roles.get(&request.name).ok_or(RequestError::RoleNotFound)?;
        let mut role = Role::clone(role);
        let permissions = &mut role.key_permission;
        let known = permissions.iter_mut().find(|it| is_of(it, &given.key, &given.range_end));
        if let Some(known) = known {
            known.perm_type = given.perm_type;
        } else {
            // Not what the whole entry came in.
            let key = Bytes::copy_from_slice(&given.key);
            let range_end = Bytes::copy_from_slice(&given.range_end);
            permissions.push(Permission { perm_type: given.perm_type, key, range_end });
            permissions.sort_by(|one, other| one.key.cmp(&other.key));
            let count = permissions.len();
            // A role that came with more is not cut, and grows no more.
            if count > ROLE_PERMISSIONS_MAX || role.encoded_len() > ROLE_BYTES_MAX {
                return Err(RequestError::RoleTooLarge);
            }
        }
        self.change_role(role, &request.name, batch);
        Ok(())
    }

    fn revoke_permission(
        &mut self,
        request: &AuthRoleRevokePermissionRequest,
        batch: &mut Batch,
    ) -> Result<(), RequestError> {
        let role = self.roles.get(&request.role).ok_or(RequestError::RoleNotFound)?;
        let mut role = Role::clone(role);
        let before = role.key_permission.len();
        role.key_permission.retain(|it| !is_of(it, &request.key, &request.range_end));
        if role.key_permission.len() == before {
            return Err(RequestError::PermissionNotGranted);
        }
        self.change_role(role, &request.role, batch);
        Ok(())
    }

    /// Who has the role may something else from now on.
    fn change_role(&mut self, role: Role, name: &str, batch: &mut Batch) {
        self.put_role(role, batch);
        for user in self.with_role(name) {
            let name = String::from_utf8_lossy(&user.name).into_owned();
            self.users.insert(name, Account::new(user));
        }
        self.revision += 1;
    }
}

/// The hash as it is stored. It travels as etcd's field has it; one that cannot be read is refused in etcd's words.
fn password_of(hashed: &str) -> Result<Bytes, RequestError> {
    let decoded = BASE64_STANDARD.decode(hashed).map_err(|_| RequestError::NoPasswordUser)?;
    Ok(decoded.into())
}

fn without(user: &User, role: &str) -> User {
    let mut user = user.clone();
    user.roles.retain(|it| it != role);
    user
}

fn is_of(permission: &Permission, key: &Bytes, range_end: &Bytes) -> bool {
    permission.key == key && permission.range_end == range_end
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    fn grant(key: impl Into<Bytes>) -> Change {
        let perm = Some(Permission { key: key.into(), ..Permission::default() });
        let name = "role".to_owned();
        Change::RoleGrantPermission(AuthRoleGrantPermissionRequest { name, perm })
    }

    fn role(key_permission: Vec<Permission>) -> Vec<u8> {
        Role { name: "role".into(), key_permission }.encode_to_vec()
    }

    /// Goal: neither roles nor users grow without end; what came with more stays whole. Method: as much as fits, by a row.
    #[test]
    fn a_role_has_so_many_permissions_and_a_user_so_many_roles() {
        let (mut auth, mut batch) = (Auth::default(), Batch::default());
        let key = |number: usize| Bytes::from(format!("k{number}"));
        let one = |number| Permission { key: key(number), ..Permission::default() };
        auth.load_role(b"role", &role((0..ROLE_PERMISSIONS_MAX).map(one).collect())).unwrap();
        let revision = auth.revision();
        assert_eq!(auth.change(&grant("more"), &mut batch), Err(RequestError::RoleTooLarge));
        assert_eq!(auth.revision(), revision, "nothing has changed");
        assert_eq!(auth.change(&grant(key(0)), &mut batch), Ok(None), "this one it has");
        let (role_name, range_end) = ("role".to_owned(), Bytes::new());
        let revoke = AuthRoleRevokePermissionRequest { role: role_name, key: key(0), range_end };
        auth.change(&Change::RoleRevokePermission(revoke), &mut batch).unwrap();
        assert_eq!(auth.change(&grant("more"), &mut batch), Ok(None));

        auth.load_role(b"role", &role(Vec::new())).unwrap();
        let half = vec![b'x'; ROLE_BYTES_MAX / 2];
        assert_eq!(auth.change(&grant(half.clone()), &mut batch), Ok(None));
        let other = [half, b"y".to_vec()].concat();
        assert_eq!(auth.change(&grant(other), &mut batch), Err(RequestError::RoleTooLarge));

        let roles = (0..USER_ROLES_MAX).map(|number| format!("r{number}")).collect();
        let user = User { name: "user".into(), roles, ..User::default() }.encode_to_vec();
        auth.load_user(b"user", &user).unwrap();
        let (user, role) = ("user".to_owned(), "role".to_owned());
        let grant = Change::UserGrantRole(AuthUserGrantRoleRequest { user, role });
        assert_eq!(auth.change(&grant, &mut batch), Err(RequestError::TooManyRoles));
    }
}
