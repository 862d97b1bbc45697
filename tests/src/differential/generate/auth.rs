//! Users, roles and permissions, and times in which they count.

use bytes::Bytes;
use mini_etcd_proto::authpb::{Permission, UserAddOptions};
use mini_etcd_proto::etcdserverpb as pb;
use prost::Message;

use super::keys::after_prefix;
use super::{Generator, USERS};
use crate::differential::step::Step;

const ROLES: &[&str] = &["r1", "r2", "r3", "root", "none"];

fn call(method: &str, message: &impl Message) -> Step {
    const METHODS: &[&str] = &[
        "/etcdserverpb.Auth/AuthEnable",
        "/etcdserverpb.Auth/AuthDisable",
        "/etcdserverpb.Auth/AuthStatus",
        "/etcdserverpb.Auth/Authenticate",
        "/etcdserverpb.Auth/UserAdd",
        "/etcdserverpb.Auth/UserGet",
        "/etcdserverpb.Auth/UserList",
        "/etcdserverpb.Auth/UserDelete",
        "/etcdserverpb.Auth/UserChangePassword",
        "/etcdserverpb.Auth/UserGrantRole",
        "/etcdserverpb.Auth/UserRevokeRole",
        "/etcdserverpb.Auth/RoleAdd",
        "/etcdserverpb.Auth/RoleGet",
        "/etcdserverpb.Auth/RoleList",
        "/etcdserverpb.Auth/RoleDelete",
        "/etcdserverpb.Auth/RoleGrantPermission",
        "/etcdserverpb.Auth/RoleRevokePermission",
    ];
    let path = METHODS.iter().find(|path| path.rsplit('/').next() == Some(method));
    Step::call(path.copied().unwrap_or("/etcdserverpb.Auth/None"), message)
}

/// What everybody's password is.
fn password(name: &str) -> String {
    format!("{name}!")
}

fn authenticate(name: &str) -> Step {
    call(
        "Authenticate",
        &pb::AuthenticateRequest { name: name.to_owned(), password: password(name) },
    )
}

impl Generator {
    /// A name of a user; seldom none, or nobody's.
    fn name(&mut self) -> String {
        match self.rng.below(20) {
            0 if self.rng.chance(300) => String::new(),
            1 => "nobody".to_owned(),
            _ => self.rng.pick(USERS).copied().unwrap_or_default().to_owned(),
        }
    }

    fn role(&mut self) -> String {
        if self.rng.chance(15) {
            return String::new();
        }
        self.rng.pick(ROLES).copied().unwrap_or_default().to_owned()
    }

    /// As [`Self::name`], but for the one without whom users would count for ever.
    fn not_root(&mut self) -> String {
        let name = self.name();
        if name == "root" && self.rng.chance(900) { "bob".to_owned() } else { name }
    }

    fn permission(&mut self) -> Permission {
        let key = self.key();
        // A key has one end in all permissions, since etcd stores some of two ends twice.
        let range_end = match key.iter().map(|byte| usize::from(*byte)).sum::<usize>() % 3 {
            0 => Bytes::new(),
            1 => after_prefix(&key),
            _ if key.len() > 1 => Bytes::from_static(b"\0"),
            _ => Bytes::from_static(b"c"),
        };
        let perm_type = i32::try_from(self.rng.below(3)).unwrap_or(0);
        Permission { perm_type, key, range_end }
    }

    pub(super) fn auth(&mut self) -> Step {
        match self.rng.below(100) {
            0 => call("AuthDisable", &pb::AuthDisableRequest {}).by("alice"),
            1 => call("AuthEnable", &pb::AuthEnableRequest {}).by("root"),
            2..6 => call("AuthStatus", &pb::AuthStatusRequest {}),
            6..22 => {
                let name = self.name();
                if self.rng.chance(850) {
                    return authenticate(&name);
                }
                let password =
                    if self.rng.chance(500) { String::new() } else { "wrong".to_owned() };
                call("Authenticate", &pb::AuthenticateRequest { name, password })
            }
            22..34 => {
                let name = self.name();
                let no_password = self.rng.chance(100);
                let password = if self.rng.chance(900) { password(&name) } else { String::new() };
                let options = self.rng.chance(300).then_some(UserAddOptions { no_password });
                let hashed_password = String::new();
                call(
                    "UserAdd",
                    &pb::AuthUserAddRequest { name, password, options, hashed_password },
                )
            }
            34..40 => call("UserGet", &pb::AuthUserGetRequest { name: self.name() }),
            40..42 => call("UserList", &pb::AuthUserListRequest {}),
            42..45 => call("UserDelete", &pb::AuthUserDeleteRequest { name: self.not_root() }),
            45..48 => {
                let name = self.name();
                let password = password(&name);
                let hashed_password = String::new();
                let request = pb::AuthUserChangePasswordRequest { name, password, hashed_password };
                call("UserChangePassword", &request)
            }
            48..58 => {
                let request = pb::AuthUserGrantRoleRequest { user: self.name(), role: self.role() };
                call("UserGrantRole", &request)
            }
            58..62 => {
                let request =
                    pb::AuthUserRevokeRoleRequest { name: self.not_root(), role: self.role() };
                call("UserRevokeRole", &request)
            }
            62..68 => call("RoleAdd", &pb::AuthRoleAddRequest { name: self.role() }),
            68..73 => call("RoleGet", &pb::AuthRoleGetRequest { role: self.role() }),
            73..75 => call("RoleList", &pb::AuthRoleListRequest {}),
            75..77 => call("RoleDelete", &pb::AuthRoleDeleteRequest { role: self.role() }),
            77..94 => {
                let perm = if self.rng.chance(30) { None } else { Some(self.permission()) };
                let request = pb::AuthRoleGrantPermissionRequest { name: self.role(), perm };
                call("RoleGrantPermission", &request)
            }
            _ => {
                let Permission { key, range_end, .. } = self.permission();
                let request =
                    pb::AuthRoleRevokePermissionRequest { role: self.role(), key, range_end };
                call("RoleRevokePermission", &request)
            }
        }
    }

    /// From here on users count, for some hundred steps.
    pub(super) fn secure(&mut self) {
        if self.secured > 0 || self.alarmed > 0 {
            return;
        }
        for name in USERS {
            let request = pb::AuthUserAddRequest {
                name: (*name).to_owned(),
                password: password(name),
                ..pb::AuthUserAddRequest::default()
            };
            self.next.push_back(call("UserAdd", &request));
        }
        for role in ["r1", "r2", "r3"] {
            self.next.push_back(call("RoleAdd", &pb::AuthRoleAddRequest { name: role.to_owned() }));
            for _ in 0..self.rng.between(1, 4) {
                let perm = Some(self.permission());
                let request = pb::AuthRoleGrantPermissionRequest { name: role.to_owned(), perm };
                self.next.push_back(call("RoleGrantPermission", &request));
            }
        }
        for (user, role) in
            [("root", "root"), ("alice", "r1"), ("bob", "r2"), ("carol", "r3"), ("carol", "r1")]
        {
            let request =
                pb::AuthUserGrantRoleRequest { user: user.to_owned(), role: role.to_owned() };
            self.next.push_back(call("UserGrantRole", &request));
        }
        self.next.push_back(call("AuthEnable", &pb::AuthEnableRequest {}));
        for name in USERS {
            let step = authenticate(name);
            self.next.push_back(step);
        }
        self.secured = u64::try_from(self.next.len()).unwrap_or(0) + self.rng.between(100, 400);
    }

    /// From here on users do not count.
    pub(super) fn unsecure(&mut self) {
        let step = authenticate("root");
        self.next.push_back(step);
        self.next.push_back(call("AuthDisable", &pb::AuthDisableRequest {}).by("root"));
    }
}
