//! How many operations there were, by etcd's way of counting.

/// Operations on the keys. etcd counts what is asked of its store, not what changes there: a removal of nothing is
/// one, a removal of a thousand keys too, and who wants the version before a change asks for one more range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Ranges, those of conditions included.
    pub ranges: u64,
    pub puts: u64,
    /// Removals.
    pub deletes: u64,
    /// Accesses to the store with more than one operation.
    pub txns: u64,
    /// Dead versions that were taken off the disk.
    pub collected: u64,
    /// Bytes of keys and values that were put.
    pub put_bytes: u64,
}

impl Counts {
    /// One access with so many ranges and no other operation.
    #[must_use]
    pub fn of_ranges(ranges: u64) -> Self {
        Self { ranges, txns: u64::from(ranges > 1), ..Self::default() }
    }

    /// Adds operations of one access, which [`Counts::ended`] closes.
    pub fn add(&mut self, other: Self) {
        self.ranges += other.ranges;
        self.puts += other.puts;
        self.deletes += other.deletes;
        self.txns += other.txns;
        self.collected += other.collected;
        self.put_bytes += other.put_bytes;
    }

    /// These operations as one access.
    #[must_use]
    pub fn ended(mut self) -> Self {
        self.txns += u64::from(self.ranges + self.puts + self.deletes > 1);
        self
    }
}
