//! [`SystemRow`]: a row of [`Space::System`](super::Space::System), whose key names a table and what the row is of.

/// A row of the space.
#[derive(Clone, Copy)]
pub(crate) struct SystemRow<'a> {
    /// First byte of the key: what the row is.
    pub(crate) table: u8,
    pub(crate) id: u64,
    /// The key behind the id.
    pub(crate) rest: &'a [u8],
    pub(crate) value: &'a [u8],
}

impl<'a> SystemRow<'a> {
    /// None when the key is too short for one.
    pub(crate) fn of(key: &'a [u8], value: &'a [u8]) -> Option<Self> {
        let (table, rest) = key.split_first()?;
        let (id, rest) = rest.split_first_chunk::<8>()?;
        Some(Self { table: *table, id: u64::from_be_bytes(*id), rest, value })
    }

    /// The key of a row.
    pub(crate) fn key(table: u8, id: u64, rest: &[u8]) -> Vec<u8> {
        [&[table], id.to_be_bytes().as_slice(), rest].concat()
    }
}
