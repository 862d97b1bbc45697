//! What a request can be answered with instead of a result, in etcd's codes and words.

use tonic::{Code, Status};

use crate::limits;

/// An answer to a request that was not carried out, or whose outcome is not known.
///
/// Clients built on clientv3 recognise these by their exact text, so the text is the contract.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The key is empty.
    #[error("etcdserver: key is not provided")]
    EmptyKey,
    /// A put that keeps value or lease met no key.
    #[error("etcdserver: key not found")]
    KeyNotFound,
    /// `ignore_value` with a value.
    #[error("etcdserver: value is provided")]
    ValueProvided,
    /// `ignore_lease` with a lease.
    #[error("etcdserver: lease is provided")]
    LeaseProvided,
    /// A transaction over the limit of operations.
    #[error("etcdserver: too many operations in txn request")]
    TooManyOps,
    /// Two operations of a transaction change one key.
    #[error("etcdserver: duplicate key given in txn request")]
    DuplicateKey,
    /// A sort order or target that does not exist.
    #[error("etcdserver: invalid sort option")]
    InvalidSortOption,
    /// A client version that is not text.
    #[error("etcdserver: invalid client api version")]
    InvalidClientApiVersion,
    /// A revision whose history was given up.
    #[error("etcdserver: mvcc: required revision has been compacted")]
    Compacted,
    /// A revision that does not exist yet.
    #[error("etcdserver: mvcc: required revision is a future revision")]
    FutureRevision,
    /// The quota is used up.
    #[error("etcdserver: mvcc: database space exceeded")]
    NoSpace,
    /// Members disagree on the data.
    #[error("etcdserver: corrupt cluster")]
    Corrupt,
    /// A lease that does not exist.
    #[error("etcdserver: requested lease not found")]
    LeaseNotFound,
    /// A lease of that number exists.
    #[error("etcdserver: lease already exists")]
    LeaseExist,
    /// A time to live beyond the limit.
    #[error("etcdserver: too large lease TTL")]
    LeaseTtlTooLarge,
    /// A member that does not exist.
    #[error("etcdserver: member not found")]
    MemberNotFound,
    /// A new member whose id is in use.
    #[error("etcdserver: member ID already exist")]
    MemberExists,
    /// A peer URL that another member has.
    #[error("etcdserver: Peer URLs already exists")]
    PeerUrlExists,
    /// Peer URLs that are none.
    #[error("etcdserver: given member URLs are invalid")]
    BadPeerUrls,
    /// A member to promote that votes already.
    #[error("etcdserver: can only promote a learner member")]
    MemberNotLearner,
    /// A learner to promote that lacks too much of the log.
    #[error("etcdserver: can only promote a learner member which is in sync with leader")]
    LearnerNotReady,
    /// As many learners as there may be.
    #[error("etcdserver: too many learner members in cluster")]
    TooManyLearners,
    /// A change after which too few voters would have started.
    #[error("etcdserver: re-configuration failed due to not enough started members")]
    NotEnoughStarted,
    /// A change while too few voters answer.
    #[error("etcdserver: unhealthy cluster")]
    Unhealthy,
    /// This member is a learner, which does not answer this.
    #[error("etcdserver: rpc not supported for learner")]
    NotForLearner,
    /// The command is larger than the limit.
    #[error("etcdserver: request is too large")]
    RequestTooLarge,
    /// Too much is waiting already.
    #[error("etcdserver: too many requests")]
    TooManyRequests,
    /// There is no leader.
    #[error("etcdserver: no leader")]
    NoLeader,
    /// This member does not lead.
    #[error("etcdserver: not leader")]
    NotLeader,
    /// A target that leadership cannot go to.
    #[error("etcdserver: bad leader transferee")]
    BadLeaderTransferee,
    /// Leadership did not move in time.
    #[error("etcdserver: request timed out, leader transfer took too long")]
    LeaderTransferTimeout,
    /// The server is stopping.
    #[error("etcdserver: server stopped")]
    Stopped,
    /// No result in time; a write's outcome is not known.
    #[error("etcdserver: request timed out")]
    Timeout,
    /// No leader in time: the write was not proposed.
    #[error("context deadline exceeded")]
    DeadlineExceeded,
    /// No result in time after a change of leaders; a write's outcome is not known.
    #[error("etcdserver: request timed out, possibly due to previous leader failure")]
    TimeoutDueToLeaderFail,
    /// No result in time while the leader could not be reached; a write's outcome is not known.
    #[error("etcdserver: request timed out, possibly due to connection lost")]
    TimeoutDueToConnectionLost,
    /// A watch stream ended because its client did.
    #[error("etcdserver: watch canceled")]
    WatchCanceled,
    /// RangeStream with an order it cannot stream in.
    #[error("RangeStream does not support custom sort orders")]
    StreamSorted,
    /// RangeStream with a filter it cannot stream with.
    #[error("RangeStream does not support revision filters")]
    StreamFiltered,
    /// The result is larger than one answer may be.
    #[error(
        "etcdserver: result of {bytes} bytes is over the limit of {limit}: use limit and pages, or RangeStream"
    )]
    ResultTooLarge {
        /// Size of the result so far.
        bytes: usize,
        /// What an answer may have.
        limit: usize,
    },
    /// A field of a request of ours with a value that it cannot have.
    #[error("mini-etcd: {field} is {given}: {accepted}")]
    InvalidField { field: &'static str, given: String, accepted: String },
    /// The file system has no room for tables beside those that they replace.
    #[error(
        "mini-etcd: {lacks} more bytes must be free on the disk: tables are written anew first"
    )]
    DiskTooFull { lacks: u64 },
    /// The member's disk failed while reading; the process is about to end.
    #[error("etcdserver: storage failed: {0}")]
    Storage(String),
    /// Nobody has logged in, or a user without a name.
    #[error("etcdserver: user name is empty")]
    UserEmpty,
    /// Permissions cannot count without a user `root`.
    #[error("etcdserver: root user does not exist")]
    RootUserNotExist,
    /// The user `root` has not the role `root`.
    #[error("etcdserver: root user does not have root role")]
    RootRoleNotExist,
    /// A user of that name exists.
    #[error("etcdserver: user name already exists")]
    UserAlreadyExists,
    /// A user that does not exist.
    #[error("etcdserver: user name not found")]
    UserNotFound,
    /// A role without a name.
    #[error("etcdserver: role name is empty")]
    RoleEmpty,
    /// A role of that name exists.
    #[error("etcdserver: role name already exists")]
    RoleAlreadyExists,
    /// A role that does not exist.
    #[error("etcdserver: role name not found")]
    RoleNotFound,
    /// No such user, or another password.
    #[error("etcdserver: authentication failed, invalid user ID or password")]
    AuthFailed,
    /// A user who has no password wants to log in with one. etcd has no code for it.
    #[error("auth: authentication failed, password was given for no password user")]
    NoPasswordUser,
    /// A login at a member that has no key to sign tokens with. etcd has no code for it.
    #[error("auth: token signing attempted with verify-only key")]
    VerifyOnly,
    /// A password that bcrypt would cut. etcd has no code for it.
    #[error("bcrypt: password length exceeds 72 bytes")]
    PasswordTooLong,
    /// A grant without a permission.
    #[error("etcdserver: permission not given")]
    PermissionNotGiven,
    /// A role would grow beyond its bounds. etcd has none.
    #[error(
        "mini-etcd: a role has at most {} permissions, of {} bytes together",
        limits::ROLE_PERMISSIONS_MAX,
        limits::ROLE_BYTES_MAX
    )]
    RoleTooLarge,
    /// A user would have too many roles. etcd has no bound.
    #[error("mini-etcd: a user has at most {} roles", limits::USER_ROLES_MAX)]
    TooManyRoles,
    /// The user may not do this.
    #[error("etcdserver: permission denied")]
    PermissionDenied,
    /// The user has not that role.
    #[error("etcdserver: role is not granted to the user")]
    RoleNotGranted,
    /// The role has not that permission.
    #[error("etcdserver: permission is not granted to the role")]
    PermissionNotGranted,
    /// A login where permissions do not count.
    #[error("etcdserver: authentication is not enabled")]
    AuthNotEnabled,
    /// A token that nobody gave out, or that ended.
    #[error("etcdserver: invalid auth token")]
    InvalidAuthToken,
    /// A change after which nobody could manage users, or a permission without a range.
    #[error("etcdserver: invalid auth management")]
    InvalidAuthManagement,
    /// Users or roles changed after the request was made.
    #[error("etcdserver: revision of auth store is old")]
    AuthOldRevision,
    /// The target of a downgrade is no version.
    #[error("etcdserver: wrong downgrade target version format")]
    WrongDowngradeVersionFormat,
    /// The target of a downgrade is not one minor version before.
    #[error("etcdserver: invalid downgrade target version")]
    InvalidDowngradeTargetVersion,
    /// A downgrade that etcd would begin. For the operator.
    #[error(
        "mini-etcd: no older etcd reads this data: to go back, save a snapshot and restore it with etcdutl"
    )]
    NoDowngrade,
    /// An action of a downgrade that does not exist.
    #[error("etcdserver: unknown method")]
    UnknownMethod,
}

impl RequestError {
    /// The gRPC code that etcd declares for this answer.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::EmptyKey
            | Self::KeyNotFound
            | Self::ValueProvided
            | Self::LeaseProvided
            | Self::TooManyOps
            | Self::DuplicateKey
            | Self::InvalidSortOption
            | Self::InvalidClientApiVersion
            | Self::RequestTooLarge
            | Self::BadPeerUrls
            | Self::UserEmpty
            | Self::RoleEmpty
            | Self::AuthFailed
            | Self::PermissionNotGiven
            | Self::InvalidAuthManagement
            | Self::AuthOldRevision
            | Self::WrongDowngradeVersionFormat
            | Self::InvalidDowngradeTargetVersion
            | Self::InvalidField { .. } => Code::InvalidArgument,
            Self::Compacted | Self::FutureRevision | Self::LeaseTtlTooLarge => Code::OutOfRange,
            Self::NoSpace
            | Self::TooManyRequests
            | Self::RoleTooLarge
            | Self::TooManyRoles
            | Self::ResultTooLarge { .. }
            | Self::DiskTooFull { .. } => Code::ResourceExhausted,
            Self::Corrupt => Code::DataLoss,
            Self::LeaseNotFound | Self::MemberNotFound => Code::NotFound,
            Self::PermissionDenied => Code::PermissionDenied,
            Self::InvalidAuthToken => Code::Unauthenticated,
            Self::NotLeader
            | Self::BadLeaderTransferee
            | Self::LeaseExist
            | Self::MemberExists
            | Self::PeerUrlExists
            | Self::MemberNotLearner
            | Self::LearnerNotReady
            | Self::TooManyLearners
            | Self::NotForLearner
            | Self::RootUserNotExist
            | Self::RootRoleNotExist
            | Self::UserAlreadyExists
            | Self::UserNotFound
            | Self::RoleAlreadyExists
            | Self::RoleNotFound
            | Self::RoleNotGranted
            | Self::PermissionNotGranted
            | Self::AuthNotEnabled
            | Self::NoDowngrade => Code::FailedPrecondition,
            Self::NoLeader
            | Self::Stopped
            | Self::Timeout
            | Self::TimeoutDueToLeaderFail
            | Self::TimeoutDueToConnectionLost
            | Self::Unhealthy => Code::Unavailable,
            Self::DeadlineExceeded => Code::DeadlineExceeded,
            Self::WatchCanceled => Code::Cancelled,
            Self::LeaderTransferTimeout
            | Self::NotEnoughStarted
            | Self::NoPasswordUser
            | Self::VerifyOnly
            | Self::PasswordTooLong
            | Self::UnknownMethod => Code::Unknown,
            Self::StreamSorted | Self::StreamFiltered => Code::Unimplemented,
            Self::Storage(_) => Code::Internal,
        }
    }

    /// The error as Go's clients word a status that they find in a text.
    #[must_use]
    pub fn as_go(&self) -> String {
        format!("rpc error: code = {:?} desc = {self}", self.code())
    }

    /// Whether every member that applies the same entry must come to the same answer. Only these may be the
    /// result of an applied entry; any other failure while applying ends the process.
    #[must_use]
    pub fn is_deterministic(&self) -> bool {
        matches!(
            self,
            Self::KeyNotFound
                | Self::Compacted
                | Self::FutureRevision
                | Self::NoSpace
                | Self::Corrupt
                | Self::LeaseNotFound
                | Self::LeaseExist
                | Self::NotLeader
                | Self::MemberNotFound
                | Self::ResultTooLarge { .. }
                | Self::UserEmpty
                | Self::RootUserNotExist
                | Self::RootRoleNotExist
                | Self::UserAlreadyExists
                | Self::UserNotFound
                | Self::RoleEmpty
                | Self::RoleAlreadyExists
                | Self::RoleNotFound
                | Self::AuthFailed
                | Self::NoPasswordUser
                | Self::PermissionNotGiven
                | Self::PermissionDenied
                | Self::RoleNotGranted
                | Self::PermissionNotGranted
                | Self::AuthNotEnabled
                | Self::InvalidAuthManagement
                | Self::AuthOldRevision
                | Self::RoleTooLarge
                | Self::TooManyRoles
        )
    }
}

impl From<RequestError> for Status {
    /// The one place where an answer becomes a gRPC status.
    fn from(error: RequestError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
