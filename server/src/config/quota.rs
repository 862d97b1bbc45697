//! [`Quota`]: how much the data may take.

use crate::limits::QUOTA_ROOM_BYTES;

/// How many bytes of keys and values, history included, a member takes; as `--quota-backend-bytes` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota(i64);

impl Quota {
    /// etcd's default.
    pub const DEFAULT: Self = Self(2 << 30);

    pub(super) const ACCEPTED: &str =
        "a number of bytes, 0 for 2 GiB, or a negative number for no bound";

    /// Reads a quota as etcd does: 0 is the default, a negative one bounds nothing.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.parse().ok()? {
            0 => Some(Self::DEFAULT),
            bytes => Some(Self(bytes)),
        }
    }

    /// The bytes; none where nothing is bounded.
    #[must_use]
    pub fn bytes(self) -> Option<u64> {
        u64::try_from(self.0).ok()
    }

    /// The number as Status and metrics tell it: negative where nothing is bounded.
    #[must_use]
    pub fn told(self) -> i64 {
        self.0
    }

    /// Whether `more` fits where `bytes` are.
    #[must_use]
    pub fn has_room(self, bytes: u64, more: u64) -> bool {
        self.bytes().is_none_or(|quota| bytes.saturating_add(more) < quota)
    }

    /// Whether `bytes` leave enough room for writes to go on, the largest of which is a message of `largest` bytes.
    #[must_use]
    pub fn is_met(self, bytes: u64, largest: usize) -> bool {
        let room = |quota: u64| QUOTA_ROOM_BYTES.max(largest as u64).min(quota / 16);
        self.has_room(bytes, self.bytes().map_or(0, room))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_read_as_etcd_reads_it() {
        let read = |text| Quota::parse(text).map(|quota| (quota.told(), quota.bytes()));
        assert_eq!(read("0"), Some((2_147_483_648, Some(2_147_483_648))));
        assert_eq!(read("16777216"), Some((16_777_216, Some(16_777_216))));
        assert_eq!(read("-1"), Some((-1, None)));
        for text in ["", "2G", "1.5", "99999999999999999999"] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_would_reach_the_quota_has_no_room() {
        let quota = Quota::parse("100").unwrap();
        assert!(quota.has_room(90, 9) && !quota.has_room(90, 10) && !quota.has_room(u64::MAX, 1));
        assert!(Quota::parse("-1").unwrap().has_room(u64::MAX, 1));
    }

    #[test]
    fn a_quota_is_met_when_the_largest_write_has_room() {
        let most = 2 << 20;
        let met = |quota: &str, bytes| Quota::parse(quota).unwrap().is_met(bytes, most);
        assert!(met("1600", 1499) && !met("1600", 1500));
        let large = (2 << 30) - (2 << 20);
        assert!(met("0", large - 1) && !met("0", large));
        assert!(QUOTA_ROOM_BYTES > crate::limits::REQUEST_BYTES_MAX as u64 + 256);
        assert!(met("-1", u64::MAX));
        let larger = |bytes| Quota::parse("0").unwrap().is_met(bytes, 8 << 20);
        assert!(larger((2 << 30) - (8 << 20) - 1) && !larger((2 << 30) - (8 << 20)));
    }
}
