//! [`Page`] and [`Meta`]: bytes as what they mean, and back.

/// Bytes of a page that is written here, as etcd's are on most machines.
pub const PAGE_BYTES: usize = 4096;
/// Bytes of a page before its elements.
pub(super) const HEAD_BYTES: usize = 16;
/// Bytes of an element.
pub(super) const ELEMENT_BYTES: usize = 16;
/// Bytes of a bucket before the page that may follow.
pub(super) const BUCKET_BYTES: usize = 16;
/// Bytes of the meta data behind the head of its page.
const META_BYTES: usize = 64;

pub(super) const BRANCH: u16 = 1;
pub(super) const LEAF: u16 = 2;
const META: u16 = 4;

const MAGIC: u32 = 0xed0c_daed;
const VERSION: u32 = 2;
/// Instead of the page of free pages: which are free has to be found out.
const NO_FREELIST: u64 = u64::MAX;

/// Sizes of pages that are accepted.
const PAGE_SIZES: std::ops::RangeInclusive<u32> = 512..=65_536;

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

fn size_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32_at(bytes, at)?).ok()
}

/// A page that was read, whole.
#[derive(Clone, Copy)]
pub(super) struct Page<'a> {
    bytes: &'a [u8],
    pub id: u64,
    pub flags: u16,
    pub count: u16,
    /// Pages that it goes on in.
    pub overflow: u32,
}

/// An element of a leaf.
#[derive(Clone, Copy)]
pub(super) struct Leaf<'a> {
    pub is_bucket: bool,
    pub key: &'a [u8],
    pub value: &'a [u8],
}

impl<'a> Page<'a> {
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (id, flags) = (u64_at(bytes, 0)?, u16_at(bytes, 8)?);
        Some(Self { bytes, id, flags, count: u16_at(bytes, 10)?, overflow: u32_at(bytes, 12)? })
    }

    /// The element `at` of a leaf; none when it lies outside of the page.
    pub fn leaf(&self, at: u16) -> Option<Leaf<'a>> {
        let element = self.element(at)?;
        let is_bucket = u32_at(element, 0)? & 1 == 1;
        let (from, key, value) =
            (size_at(element, 4)?, size_at(element, 8)?, size_at(element, 12)?);
        let (key, rest) = element.get(from..)?.split_at_checked(key)?;
        Some(Leaf { is_bucket, key, value: rest.get(..value)? })
    }

    /// Key and page of the element `at` of a branch; none when it lies outside of the page.
    pub fn branch(&self, at: u16) -> Option<(&'a [u8], u64)> {
        let element = self.element(at)?;
        let (from, key) = (size_at(element, 0)?, size_at(element, 4)?);
        Some((element.get(from..)?.get(..key)?, u64_at(element, 8)?))
    }

    /// The page from an element on.
    fn element(&self, at: u16) -> Option<&'a [u8]> {
        self.bytes.get(HEAD_BYTES + usize::from(at) * ELEMENT_BYTES..)
    }
}

/// What a meta page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    pub page_size: u32,
    /// Page of the root of the buckets.
    pub root: u64,
    /// Pages in use, from the first.
    pub pages: u64,
    pub transaction: u64,
}

impl Meta {
    /// Of the page that begins with these bytes; none when it is no sound meta page.
    pub fn parse(page: &[u8]) -> Option<Self> {
        let meta = page.get(HEAD_BYTES..HEAD_BYTES + META_BYTES)?;
        let known = u32_at(meta, 0)? == MAGIC && u32_at(meta, 4)? == VERSION;
        let (sum, page_size) = (u64_at(meta, 56)?, u32_at(meta, 8)?);
        let is_size = page_size.is_power_of_two() && PAGE_SIZES.contains(&page_size);
        if !known || !is_size || sum != checksum(meta.get(..56)?) {
            return None;
        }
        let (root, pages) = (u64_at(meta, 16)?, u64_at(meta, 40)?);
        Some(Self { page_size, root, pages, transaction: u64_at(meta, 48)? })
    }

    /// The page `id` that says it.
    pub fn page(self, id: u64) -> Vec<u8> {
        let mut page = Vec::with_capacity(PAGE_BYTES);
        page.extend(id.to_le_bytes());
        page.extend(META.to_le_bytes());
        page.resize(HEAD_BYTES, 0);
        for number in [MAGIC, VERSION, self.page_size, 0] {
            page.extend(number.to_le_bytes());
        }
        for number in [self.root, 0, NO_FREELIST, self.pages, self.transaction] {
            page.extend(number.to_le_bytes());
        }
        let sum = checksum(page.get(HEAD_BYTES..).unwrap_or_default());
        page.extend(sum.to_le_bytes());
        page.resize(PAGE_BYTES, 0);
        page
    }
}

/// FNV-1a of 64 bits.
fn checksum(bytes: &[u8]) -> u64 {
    let fold = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold)
}
