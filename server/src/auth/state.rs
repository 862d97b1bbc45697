//! [`Auth`]: the users and roles, and whether they count.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use bcrypt::HashParts;
use bytes::Bytes;
use mini_etcd_proto::authpb::permission::Type;
use mini_etcd_proto::authpb::{Permission, Role, User};
use mini_etcd_shared::types::KeyRange;
use prost::Message;

use super::Ranges;
use crate::error::RequestError;
use crate::storage::{Batch, Space, SystemRow};

/// Tables of [`Space::System`].
pub(super) const USER: u8 = b'u';
pub(super) const ROLE: u8 = b'o';

/// Name of the user, and of the role, that may do everything.
pub const ROOT: &str = "root";

/// Users, roles, and whether they count. A clone shares what is in it.
#[derive(Clone, Debug)]
pub struct Auth {
    pub(super) is_enabled: bool,
    pub(super) revision: u64,
    pub(super) users: BTreeMap<String, Arc<Account>>,
    pub(super) roles: BTreeMap<String, Arc<Role>>,
}

/// A user, with what its roles permit once that was asked for.
#[derive(Debug)]
pub(crate) struct Account {
    pub(super) user: User,
    granted: OnceLock<Granted>,
}

/// What the roles of a user permit together.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Granted {
    pub(super) read: Ranges,
    pub(super) write: Ranges,
}

/// What a change means for the tokens that are given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenChange {
    /// A user has logged in.
    Given { token: String, user: String },
    /// Those of a user end.
    Ended { user: String },
    /// All end.
    AllEnded,
}

impl Default for Auth {
    fn default() -> Self {
        Self { is_enabled: false, revision: 1, users: BTreeMap::new(), roles: BTreeMap::new() }
    }
}

impl Account {
    pub(super) fn new(user: User) -> Arc<Self> {
        Arc::new(Self { user, granted: OnceLock::new() })
    }

    pub(super) fn is_root(&self) -> bool {
        self.has_role(ROOT)
    }

    pub(super) fn has_role(&self, role: &str) -> bool {
        self.user.roles.iter().any(|it| it == role)
    }

    pub(super) fn has_password(&self) -> bool {
        !self.user.options.is_some_and(|options| options.no_password)
    }
}

impl Auth {
    /// Takes up a row; none when it is not of here.
    pub(crate) fn load(&mut self, row: SystemRow<'_>) -> Option<()> {
        let SystemRow { table, id: 0, rest, value } = row else { return None };
        match table {
            USER => self.load_user(rest, value),
            ROLE => self.load_role(rest, value),
            _ => None,
        }
    }

    /// Takes up a user as it is stored, here and in etcd; none when it is not the one of that name.
    pub(crate) fn load_user(&mut self, name: &[u8], value: &[u8]) -> Option<()> {
        let user = User::decode(value).ok().filter(|user| user.name == name)?;
        self.users.insert(name_of(name)?, Account::new(user));
        Some(())
    }

    /// As [`Auth::load_user`], for a role.
    pub(crate) fn load_role(&mut self, name: &[u8], value: &[u8]) -> Option<()> {
        let role = Role::decode(value).ok().filter(|role| role.name == name)?;
        self.roles.insert(name_of(name)?, Arc::new(role));
        Some(())
    }

    /// Whether a user `root` has the role `root` (I5).
    pub(crate) fn has_root(&self) -> bool {
        self.account(ROOT).is_some_and(Account::is_root)
    }

    /// What it costs to compare a password with that of a user; none where there is neither.
    pub(crate) fn password_cost(&self, user: &str) -> Option<u32> {
        cost_of(&self.account(user)?.user.password)
    }

    /// All users, by name and as they are stored.
    pub(crate) fn stored_users(&self) -> impl Iterator<Item = (&str, Vec<u8>)> {
        self.users.iter().map(|(name, account)| (name.as_str(), account.user.encode_to_vec()))
    }

    /// All roles, by name and as they are stored.
    pub(crate) fn stored_roles(&self) -> impl Iterator<Item = (&str, Vec<u8>)> {
        self.roles.iter().map(|(name, role)| (name.as_str(), role.encode_to_vec()))
    }

    /// All rows, each with its key.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
        let row = |table| {
            move |(name, value): (&str, _)| (SystemRow::key(table, 0, name.as_bytes()), value)
        };
        self.stored_users().map(row(USER)).chain(self.stored_roles().map(row(ROLE)))
    }

    /// Takes up what does not stand in rows: whether they count, and their revision.
    pub(crate) fn stand(&mut self, is_enabled: bool, revision: u64) {
        self.is_enabled = is_enabled;
        // A state of an earlier version has none.
        self.revision = revision.max(1);
    }

    /// Whether permissions count.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.is_enabled
    }

    /// Counts the changes of users and roles, and each end of permissions.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The names of all users.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.users.keys().map(String::as_str)
    }

    /// The names of all roles.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.roles.keys().map(String::as_str)
    }

    /// The roles of a user.
    ///
    /// # Errors
    /// There is no such user.
    pub fn roles_of(&self, user: &str) -> Result<Vec<String>, RequestError> {
        let account = self.account(user).ok_or(RequestError::UserNotFound)?;
        Ok(account.user.roles.clone())
    }

    /// Whether a user has a role.
    #[must_use]
    pub fn has_role(&self, user: &str, role: &str) -> bool {
        self.account(user).is_some_and(|account| account.has_role(role))
    }

    /// What a role permits.
    ///
    /// # Errors
    /// There is no such role.
    pub fn permissions(&self, role: &str) -> Result<Vec<Permission>, RequestError> {
        let found = self.roles.get(role).ok_or(RequestError::RoleNotFound)?;
        if role == ROOT {
            let range_end = Bytes::from_static(&[0]);
            let perm_type = Type::Readwrite.into();
            return Ok(vec![Permission { perm_type, key: Bytes::new(), range_end }]);
        }
        Ok(found.key_permission.clone())
    }

    /// The hash of a user's password, for a login.
    ///
    /// # Errors
    /// Permissions do not count, there is no such user, or it has no password.
    pub fn password(&self, user: &str) -> Result<Bytes, RequestError> {
        if !self.is_enabled {
            return Err(RequestError::AuthNotEnabled);
        }
        let account = self.account(user).ok_or(RequestError::AuthFailed)?;
        if !account.has_password() {
            return Err(RequestError::NoPasswordUser);
        }
        Ok(account.user.password.clone())
    }

    pub(super) fn account(&self, user: &str) -> Option<&Account> {
        self.users.get(user).map(Arc::as_ref)
    }

    /// What the roles of a user permit together.
    pub(super) fn granted<'a>(&'a self, account: &'a Account) -> &'a Granted {
        account.granted.get_or_init(|| {
            let roles = account.user.roles.iter().filter_map(|role| self.roles.get(role));
            let permissions: Vec<_> = roles.flat_map(|role| &role.key_permission).collect();
            let of = |kind: Type| {
                let fits = |it: &&&Permission| {
                    Type::try_from(it.perm_type).is_ok_and(|it| it == kind || it == Type::Readwrite)
                };
                let ranges = permissions.iter().filter(fits);
                ranges.map(|it| KeyRange::new(it.key.clone(), it.range_end.clone())).collect()
            };
            Granted { read: of(Type::Read), write: of(Type::Write) }
        })
    }

    pub(super) fn with_role(&self, role: &str) -> Vec<User> {
        let with = self.users.values().filter(|account| account.has_role(role));
        with.map(|account| account.user.clone()).collect()
    }

    pub(super) fn put_user(&mut self, user: User, batch: &mut Batch) {
        batch.put(Space::System, SystemRow::key(USER, 0, &user.name), user.encode_to_vec());
        let name = String::from_utf8_lossy(&user.name).into_owned();
        self.users.insert(name, Account::new(user));
    }

    pub(super) fn put_role(&mut self, role: Role, batch: &mut Batch) {
        batch.put(Space::System, SystemRow::key(ROLE, 0, &role.name), role.encode_to_vec());
        let name = String::from_utf8_lossy(&role.name).into_owned();
        self.roles.insert(name, Arc::new(role));
    }
}

/// What it costs to compare a password with a hash; none for what is no hash, which is compared with nothing.
#[must_use]
pub fn cost_of(hash: &[u8]) -> Option<u32> {
    Some(std::str::from_utf8(hash).ok()?.parse::<HashParts>().ok()?.get_cost())
}

fn name_of(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().filter(|name| !name.is_empty()).map(str::to_owned)
}
