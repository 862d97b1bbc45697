//! [`Digest`]: a rolling digest of the state, one number that differs when two members came to different states.
//!
//! It is stored and compared between versions of the program, so the function never changes: words of eight
//! bytes, little-endian, each folded in by a multiplication. It finds accidents, not forgeries.

use crate::error::RequestError;
use crate::mvcc::{Event, EventKind};

const MULTIPLIER: u64 = 0x9fb2_1c65_1e98_df25;
/// Keeps zeroes from staying zero.
const ADDEND: u64 = 0x2545_f491_4f6c_dd1d;

/// A digest in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digest(pub(super) u64);

impl Digest {
    /// Folds a number in.
    pub(super) fn word(&mut self, word: u64) {
        let mixed = (self.0 ^ word).wrapping_add(ADDEND).wrapping_mul(MULTIPLIER);
        self.0 = mixed.rotate_left(31) ^ mixed >> 32;
    }

    /// Folds bytes in, with their length.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        let (chunks, tail) = bytes.as_chunks::<8>();
        for chunk in chunks {
            self.word(u64::from_le_bytes(*chunk));
        }
        if !tail.is_empty() {
            let mut last = [0; 8];
            last.iter_mut().zip(tail).for_each(|(to, from)| *to = *from);
            self.word(u64::from_le_bytes(last));
        }
    }

    /// Folds a change in.
    pub(super) fn event(&mut self, event: &Event) {
        let kind = match event.kind {
            EventKind::Put => 0,
            EventKind::Delete => 1,
        };
        self.word(u64::from(event.id.sub) << 1 | kind);
        self.bytes(&event.kv);
    }

    /// Folds an outcome in.
    pub(super) fn outcome(&mut self, error: Option<&RequestError>) {
        self.word(match error {
            None => 0,
            Some(RequestError::KeyNotFound) => 1,
            Some(RequestError::Compacted) => 2,
            Some(RequestError::FutureRevision) => 3,
            Some(RequestError::NoSpace) => 4,
            Some(RequestError::Corrupt) => 5,
            Some(RequestError::LeaseNotFound) => 6,
            Some(RequestError::MemberNotFound) => 7,
            Some(RequestError::ResultTooLarge { .. }) => 8,
            Some(RequestError::LeaseExist) => 9,
            Some(RequestError::NotLeader) => 10,
            Some(RequestError::UserEmpty) => 11,
            Some(RequestError::RootUserNotExist) => 12,
            Some(RequestError::RootRoleNotExist) => 13,
            Some(RequestError::UserAlreadyExists) => 14,
            Some(RequestError::UserNotFound) => 15,
            Some(RequestError::RoleEmpty) => 16,
            Some(RequestError::RoleAlreadyExists) => 17,
            Some(RequestError::RoleNotFound) => 18,
            Some(RequestError::AuthFailed) => 19,
            Some(RequestError::NoPasswordUser) => 20,
            Some(RequestError::PermissionNotGiven) => 21,
            Some(RequestError::PermissionDenied) => 22,
            Some(RequestError::RoleNotGranted) => 23,
            Some(RequestError::PermissionNotGranted) => 24,
            Some(RequestError::AuthNotEnabled) => 25,
            Some(RequestError::InvalidAuthManagement) => 26,
            Some(RequestError::AuthOldRevision) => 27,
            Some(RequestError::RoleTooLarge) => 28,
            Some(RequestError::TooManyRoles) => 29,
            Some(_) => u64::MAX,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_in_every_version_of_the_program() {
        let mut digest = Digest(1);
        digest.bytes(b"a stored digest must stay comparable");
        assert_eq!(digest.0, 0x4648_5c1b_951b_7f83);
    }

    #[test]
    fn it_tells_where_bytes_end() {
        let of = |parts: &[&[u8]]| {
            let mut digest = Digest(0);
            for part in parts {
                digest.bytes(part);
            }
            digest.0
        };
        assert_ne!(of(&[b"ab", b"c"]), of(&[b"a", b"bc"]));
        assert_ne!(of(&[b"a\0"]), of(&[b"a"]));
        assert_ne!(of(&[b""]), of(&[]));
    }
}
