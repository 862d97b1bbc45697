//! What a request needs, and whether the one who asks has it.

use mini_etcd_proto::etcdserverpb::request_op::Request as Op;
use mini_etcd_proto::etcdserverpb::{
    DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
};
use mini_etcd_proto::internalpb::Asker;
use mini_etcd_proto::internalpb::command::Request;

use super::Auth;
use super::state::Granted;
use crate::error::RequestError;
use crate::lease::LeaseView;

/// What somebody may do with keys.
#[derive(Clone, Copy, Debug)]
pub enum Permit<'a> {
    /// Everything.
    All,
    /// What the roles of a user permit together.
    Granted(&'a Granted),
}

impl Permit<'_> {
    /// # Errors
    /// A key of the range may not be read.
    pub fn read(self, key: &[u8], range_end: &[u8]) -> Result<(), RequestError> {
        match self {
            Self::Granted(granted) if !granted.read.cover(key, range_end) => {
                Err(RequestError::PermissionDenied)
            }
            _ => Ok(()),
        }
    }

    /// # Errors
    /// A key of the range may not be written.
    pub fn write(self, key: &[u8], range_end: &[u8]) -> Result<(), RequestError> {
        match self {
            Self::Granted(granted) if !granted.write.cover(key, range_end) => {
                Err(RequestError::PermissionDenied)
            }
            _ => Ok(()),
        }
    }

    /// # Errors
    /// A range of the request may not be read.
    pub fn range(self, request: &RangeRequest) -> Result<(), RequestError> {
        self.read(&request.key, &request.range_end)
    }

    /// A put needs to write its key, to read it where it shows what was there, and to write every key of its lease: who puts
    /// one more key there may keep those of others alive.
    ///
    /// # Errors
    /// It does not.
    pub fn put(self, request: &PutRequest, leases: &LeaseView) -> Result<(), RequestError> {
        self.write(&request.key, &[])?;
        self.lease(request.lease, leases)?;
        if request.prev_kv { self.read(&request.key, &[]) } else { Ok(()) }
    }

    fn delete_range(self, request: &DeleteRangeRequest) -> Result<(), RequestError> {
        self.write(&request.key, &request.range_end)?;
        if request.prev_kv { self.read(&request.key, &request.range_end) } else { Ok(()) }
    }

    /// A transaction needs what its compares and both of its branches need, at any depth, whichever is taken.
    ///
    /// # Errors
    /// It does not have it.
    pub fn txn(self, request: &TxnRequest, leases: &LeaseView) -> Result<(), RequestError> {
        for compare in &request.compare {
            self.read(&compare.key, &compare.range_end)?;
        }
        let mut all = request.success.iter().chain(&request.failure);
        all.try_for_each(|op| self.operation(op, leases))
    }

    fn operation(self, op: &RequestOp, leases: &LeaseView) -> Result<(), RequestError> {
        match &op.request {
            Some(Op::RequestRange(range)) => self.range(range),
            Some(Op::RequestPut(put)) => self.put(put, leases),
            Some(Op::RequestDeleteRange(delete)) => self.delete_range(delete),
            Some(Op::RequestTxn(nested)) => self.txn(nested, leases),
            // Nothing gets here: it was refused before it was proposed.
            None => Err(RequestError::PermissionDenied),
        }
    }

    /// Whether every key that hangs on a lease may be written; a lease that is not there has none.
    ///
    /// # Errors
    /// One may not.
    pub fn lease(self, lease: i64, leases: &LeaseView) -> Result<(), RequestError> {
        self.keys(lease, leases, |key| self.write(key, &[]))
    }

    /// Whether every key that hangs on a lease may be read.
    ///
    /// # Errors
    /// One may not.
    pub fn read_lease(self, lease: i64, leases: &LeaseView) -> Result<(), RequestError> {
        self.keys(lease, leases, |key| self.read(key, &[]))
    }

    /// Whether every key that hangs on any lease may be read: who lists leases sees what others do.
    ///
    /// # Errors
    /// One may not.
    pub fn read_leases(self, leases: &LeaseView) -> Result<(), RequestError> {
        if matches!(self, Self::All) {
            return Ok(());
        }
        leases.all().into_iter().try_for_each(|(lease, _)| self.read_lease(lease, leases))
    }

    fn keys(
        self,
        lease: i64,
        leases: &LeaseView,
        may: impl FnMut(&[u8]) -> Result<(), RequestError>,
    ) -> Result<(), RequestError> {
        if matches!(self, Self::All) || lease == 0 {
            return Ok(());
        }
        leases.try_each_key(lease, may)
    }
}

impl Auth {
    /// What `asker` may do with keys.
    ///
    /// # Errors
    /// Nobody has logged in, users and roles changed since (I1), or there is no such user.
    pub fn permit(&self, asker: &Asker) -> Result<Permit<'_>, RequestError> {
        if !self.is_enabled() || asker.is_member {
            return Ok(Permit::All);
        }
        if asker.user.is_empty() {
            return Err(RequestError::UserEmpty);
        }
        if asker.auth_revision < self.revision() {
            return Err(RequestError::AuthOldRevision);
        }
        self.permit_of(&asker.user)
    }

    /// What a user may do with keys, whatever was known when it logged in.
    ///
    /// # Errors
    /// Nobody has logged in, or there is no such user.
    pub fn permit_of(&self, user: &str) -> Result<Permit<'_>, RequestError> {
        if !self.is_enabled() {
            return Ok(Permit::All);
        }
        if user.is_empty() {
            return Err(RequestError::UserEmpty);
        }
        let account = self.account(user).ok_or(RequestError::PermissionDenied)?;
        if account.is_root() { Ok(Permit::All) } else { Ok(Permit::Granted(self.granted(account))) }
    }

    /// Whether `asker` has logged in.
    ///
    /// # Errors
    /// Nobody has, or the user is gone since.
    pub fn check_login(&self, asker: &Asker) -> Result<(), RequestError> {
        if !self.is_enabled() || asker.is_member {
            return Ok(());
        }
        if asker.user.is_empty() {
            return Err(RequestError::UserEmpty);
        }
        self.account(&asker.user).map(drop).ok_or(RequestError::PermissionDenied)
    }

    /// Whether `asker` may manage the cluster.
    ///
    /// # Errors
    /// Nobody has logged in, the user is gone since, or has not the role `root`.
    pub fn check_root(&self, asker: &Asker) -> Result<(), RequestError> {
        if !self.is_enabled() || asker.is_member {
            return Ok(());
        }
        if asker.user.is_empty() {
            return Err(RequestError::UserEmpty);
        }
        let account = self.account(&asker.user).ok_or(RequestError::UserNotFound)?;
        if account.is_root() { Ok(()) } else { Err(RequestError::PermissionDenied) }
    }

    /// Whether a command may be carried out (I1, I2).
    ///
    /// # Errors
    /// Its asker has not what it needs.
    pub fn check(
        &self,
        asker: &Asker,
        request: &Request,
        leases: &LeaseView,
    ) -> Result<(), RequestError> {
        if !self.is_enabled() || asker.is_member {
            return Ok(());
        }
        match request {
            Request::Put(put) => self.permit(asker)?.put(put, leases),
            Request::DeleteRange(delete) => self.permit(asker)?.delete_range(delete),
            Request::Txn(txn) => self.permit(asker)?.txn(txn, leases),
            Request::LeaseGrant(_) => self.check_login(asker),
            Request::LeaseRevoke(revoke) => self.permit(asker)?.lease(revoke.id, leases),
            Request::Compaction(_) | Request::Alarm(_) | Request::Auth(_) => self.check_root(asker),
            // Members alone ask for these, and for logins once the password was found.
            Request::Publish(_) | Request::LeaseCheckpoint(_) => {
                Err(RequestError::PermissionDenied)
            }
        }
    }
}
