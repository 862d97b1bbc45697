//! Users in the simulated world: rights are granted and taken while others use them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use bytes::Bytes;
use mini_etcd_proto::authpb::{Permission, permission::Type};
use mini_etcd_proto::etcdserverpb as pb;
use mini_etcd_proto::internalpb::Asker;
use mini_etcd_proto::internalpb::auth_change::Change;
use mini_etcd_server::apply::Published;
use mini_etcd_server::auth::Auth;

use super::client::key;
use super::model::Model;
use super::rng::Rng;

const ROOT: &str = "root";
const USERS: [&str; 3] = [ROOT, "alice", "bob"];
const ROLES: [&str; 2] = ["one", "two"];

/// Who there is and what they may write, by the shortest code that can tell.
#[derive(Debug, PartialEq, Eq)]
pub struct Users {
    is_enabled: bool,
    revision: u64,
    /// With their roles.
    by_name: BTreeMap<String, BTreeSet<String>>,
    /// With the keys that they write.
    roles: BTreeMap<String, BTreeSet<Bytes>>,
}

impl Default for Users {
    fn default() -> Self {
        Self { is_enabled: false, revision: 1, by_name: BTreeMap::new(), roles: BTreeMap::new() }
    }
}

impl Users {
    /// Carries a change out, or leaves it where it must be refused.
    pub fn change(&mut self, change: &Change) {
        let is_changed = match change {
            Change::Enable(_) => {
                let is_root = self.by_name.get(ROOT).is_some_and(|roles| roles.contains(ROOT));
                self.is_enabled |= is_root;
                false
            }
            Change::Disable(_) => std::mem::take(&mut self.is_enabled),
            Change::UserAdd(add) => {
                let is_new = !self.by_name.contains_key(&add.name);
                self.by_name.entry(add.name.clone()).or_default();
                is_new
            }
            Change::UserDelete(delete) => {
                !(self.is_enabled && delete.name == ROOT)
                    && self.by_name.remove(&delete.name).is_some()
            }
            Change::UserGrantRole(grant) => {
                let is_there = grant.role == ROOT || self.roles.contains_key(&grant.role);
                let user = self.by_name.get_mut(&grant.user).filter(|_| is_there);
                user.is_some_and(|roles| roles.insert(grant.role.clone()))
            }
            Change::UserRevokeRole(revoke) => {
                let is_kept = self.is_enabled && revoke.name == ROOT && revoke.role == ROOT;
                let user = self.by_name.get_mut(&revoke.name).filter(|_| !is_kept);
                user.is_some_and(|roles| roles.remove(&revoke.role))
            }
            Change::RoleAdd(add) => {
                let is_new = !self.roles.contains_key(&add.name);
                self.roles.entry(add.name.clone()).or_default();
                is_new
            }
            Change::RoleDelete(delete) => {
                for roles in self.by_name.values_mut() {
                    roles.remove(&delete.role);
                }
                self.roles.remove(&delete.role).is_some()
            }
            Change::RoleGrantPermission(grant) => {
                let key = grant.perm.as_ref().map(|perm| perm.key.clone()).unwrap_or_default();
                let role = self.roles.get_mut(&grant.name);
                // Also for what it had already.
                role.map(|keys| keys.insert(key)).is_some()
            }
            Change::RoleRevokePermission(revoke) => {
                let role = self.roles.get_mut(&revoke.role);
                role.is_some_and(|keys| keys.remove(&revoke.key))
            }
            Change::Login(_) | Change::UserChangePassword(_) => false,
        };
        self.revision += u64::from(is_changed);
    }

    /// Whether `asker` may write a key.
    pub fn may(&self, asker: &Asker, key: &Bytes) -> bool {
        if !self.is_enabled || asker.is_member {
            return true;
        }
        let roles = self.by_name.get(&asker.user).filter(|_| asker.auth_revision >= self.revision);
        let writes = |role: &String| self.roles.get(role).is_some_and(|keys| keys.contains(key));
        roles.is_some_and(|roles| roles.contains(ROOT) || roles.iter().any(writes))
    }

    fn of(auth: &Auth) -> Result<Self> {
        let mut shown =
            Self { is_enabled: auth.is_enabled(), revision: auth.revision(), ..Self::default() };
        for user in auth.users() {
            shown.by_name.insert(user.to_owned(), auth.roles_of(user)?.into_iter().collect());
        }
        for role in auth.roles() {
            let keys = auth.permissions(role)?.into_iter().map(|permission| permission.key);
            shown.roles.insert(role.to_owned(), keys.collect());
        }
        Ok(shown)
    }
}

/// The change number `number` of a run: first those after which users count, then any.
pub fn change(number: u64, rng: &mut Rng) -> Change {
    let some = |names: &[&str], rng: &mut Rng| rng.pick(names).unwrap_or(&ROOT).to_string();
    let (user, role) = (some(&USERS, rng), some(&ROLES, rng));
    let own = |user: &str, role: String| if user == ROOT { ROOT.to_owned() } else { role };
    let add = |name: String| Change::UserAdd(pb::AuthUserAddRequest { name, ..Default::default() });
    let grant =
        |user: String, role| Change::UserGrantRole(pb::AuthUserGrantRoleRequest { user, role });
    let permit = |name: String, key: Bytes| {
        let perm_type = Type::Write.into();
        let perm = Some(Permission { perm_type, key, ..Permission::default() });
        Change::RoleGrantPermission(pb::AuthRoleGrantPermissionRequest { name, perm })
    };
    let key = key(rng.below(6));
    match (number, rng.below(20)) {
        (0, _) => add(ROOT.to_owned()),
        (1, _) => grant(ROOT.to_owned(), ROOT.to_owned()),
        (2, _) => add("alice".to_owned()),
        (3, _) => Change::RoleAdd(pb::AuthRoleAddRequest { name: "one".to_owned() }),
        (4, _) => grant("alice".to_owned(), "one".to_owned()),
        (5, _) | (_, 0) => Change::Enable(pb::AuthEnableRequest {}),
        (_, 1) => Change::Disable(pb::AuthDisableRequest {}),
        (_, 2..4) => add(user),
        (_, 4) => Change::UserDelete(pb::AuthUserDeleteRequest { name: user }),
        (_, 5..8) => grant(user.clone(), own(&user, role)),
        (_, 8..10) => {
            let role = own(&user, role);
            Change::UserRevokeRole(pb::AuthUserRevokeRoleRequest { name: user, role })
        }
        (_, 10..12) => Change::RoleAdd(pb::AuthRoleAddRequest { name: role }),
        (_, 12) => Change::RoleDelete(pb::AuthRoleDeleteRequest { role }),
        (_, 13..17) => permit(role, key),
        _ => {
            let range_end = Bytes::new();
            let revoke = pb::AuthRoleRevokePermissionRequest { role, key, range_end };
            Change::RoleRevokePermission(revoke)
        }
    }
}

/// Somebody who asks a member that knows `auth`; the member itself where users do not count.
pub fn asker(auth: &Auth, rng: &mut Rng) -> Asker {
    if !auth.is_enabled() || rng.chance(400) {
        return Asker { is_member: true, ..Asker::default() };
    }
    let user = rng.pick(&USERS).unwrap_or(&ROOT).to_string();
    Asker { user, auth_revision: auth.revision(), is_member: false }
}

/// Users and roles are those that the log makes.
pub(super) fn check(published: &Published, model: &Model) -> Result<()> {
    if let Some(wanted) = model.users_at(published.applied.0) {
        let there = Users::of(&published.auth)?;
        ensure!(there == *wanted, "there are users {there:?}, and the log makes {wanted:?}");
    }
    Ok(())
}
