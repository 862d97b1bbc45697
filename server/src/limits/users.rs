//! Bounds of users, roles, passwords and tokens.

use std::time::Duration;

/// Tokens that a member knows; beyond that the one that ends first makes room.
pub const AUTH_TOKENS_MAX: usize = 100_000;

/// Time between two looks for tokens that have ended; a login looks.
pub const AUTH_TOKENS_SWEEP: Duration = Duration::from_secs(1);

/// How long a signed token is good, if nothing else was said; etcd's.
pub const JWT_TTL: Duration = Duration::from_secs(300);

/// Longest time for which a signed token that was verified is not verified again.
pub const JWT_VERIFIED_FOR: Duration = Duration::from_secs(300);

/// How long a simple token lives after its last use, if nothing else was said; etcd's.
pub const AUTH_TOKEN_TTL: Duration = Duration::from_secs(300);

/// Cost of a password's hash, if nothing else was said; etcd's. One more doubles it.
pub const BCRYPT_COST: u32 = 10;

/// Highest cost of a hash that a password is compared with, and that a backup may have; four seconds or so. A member that is told
/// to make dearer ones compares with those too.
pub const BCRYPT_COST_COMPARED_MAX: u32 = 16;

/// Passwords that are hashed at one time: each takes a processor for as long as it takes.
pub const PASSWORDS_AT_ONCE_MAX: usize = 2;

/// Passwords that wait to be hashed; more are refused.
pub const PASSWORDS_WAITING_MAX: usize = 256;

/// Longest password in bytes: bcrypt looks at no more.
pub const PASSWORD_BYTES_MAX: usize = 72;

/// How often a login begins anew because users or roles changed while its password was looked at.
pub const LOGIN_ATTEMPTS_MAX: usize = 16;

/// Permissions of one role, beyond which it is granted no further ones; each change of a role writes it whole.
pub const ROLE_PERMISSIONS_MAX: usize = 4096;

/// Bytes of a role with its permissions, likewise.
pub const ROLE_BYTES_MAX: usize = 4 << 20;

/// Roles of one user, beyond which it is granted no further ones.
pub const USER_ROLES_MAX: usize = 1024;

/// Longest name of a new user or role, in bytes.
pub const AUTH_NAME_BYTES_MAX: usize = 4096;
