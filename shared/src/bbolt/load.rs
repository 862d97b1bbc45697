//! [`BulkLoader`]: a database from keys that come in order.

use super::page::{BRANCH, BUCKET_BYTES, ELEMENT_BYTES, HEAD_BYTES, LEAF, Meta, PAGE_BYTES};

/// Pages before the first of a tree.
const META_PAGES: u64 = 2;
/// Bytes of a page up to which a bucket lies inside the leaf that names it.
const INLINE_BYTES_MAX: usize = PAGE_BYTES / 4;
/// Number of the transaction that a database is said to come from; even, so that the first meta page is the newer.
const TRANSACTION: u64 = 2;

/// Takes pages in order, from the one behind the meta pages on.
pub type Out<'a, E> = dyn FnMut(&[u8]) -> Result<(), E> + 'a;

/// Makes pages of buckets and their keys, which come in order, and hands each on when it is full. What it makes of the
/// same keys is the same, so a first run, whose pages nobody takes, tells the [`Layout`] that stands in front of them.
pub struct BulkLoader<'a, E> {
    pages: Pages<'a, E>,
    buckets: Tree,
    /// Name and keys of the bucket that is filled.
    open: Option<(Vec<u8>, Tree)>,
}

/// Where a database has its root, and how large it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    root: u64,
    pages: u64,
}

impl Layout {
    /// Bytes of the whole.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.pages * PAGE_BYTES as u64
    }

    /// The pages that stand in front of all others.
    #[must_use]
    pub fn head(self) -> Vec<u8> {
        let Self { root, pages } = self;
        let page_size = u32::try_from(PAGE_BYTES).unwrap_or(u32::MAX);
        let meta = |transaction| Meta { page_size, root, pages, transaction };
        let mut head = meta(TRANSACTION).page(0);
        head.extend(meta(TRANSACTION - 1).page(1));
        head
    }
}

impl<'a, E> BulkLoader<'a, E> {
    /// A loader that hands its pages to `out`.
    pub fn new(out: &'a mut Out<'a, E>) -> Self {
        let pages = Pages { out, next: META_PAGES };
        Self { pages, buckets: Tree::default(), open: None }
    }

    /// Begins the bucket `name`, which is above those before it.
    ///
    /// # Errors
    /// Those of whoever takes the pages.
    pub fn bucket(&mut self, name: &[u8]) -> Result<(), E> {
        self.close()?;
        self.open = Some((name.to_vec(), Tree::default()));
        Ok(())
    }

    /// Adds a key, above those before it, to the bucket that was begun last.
    ///
    /// # Errors
    /// Those of whoever takes the pages.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), E> {
        match &mut self.open {
            Some((_, tree)) => tree.put(0, Entry { key, value }, &mut self.pages),
            None => Ok(()),
        }
    }

    /// Ends the database.
    ///
    /// # Errors
    /// Those of whoever takes the pages.
    pub fn finish(mut self) -> Result<Layout, E> {
        self.close()?;
        let root = self.buckets.finish(&mut self.pages)?;
        Ok(Layout { root, pages: self.pages.next })
    }

    fn close(&mut self) -> Result<(), E> {
        let Some((name, mut tree)) = self.open.take() else { return Ok(()) };
        let mut bucket = Vec::with_capacity(BUCKET_BYTES);
        if let Some(page) = tree.inline() {
            bucket.resize(BUCKET_BYTES, 0);
            bucket.extend(page);
        } else {
            let root = tree.finish(&mut self.pages)?;
            bucket.extend(root.to_le_bytes());
            bucket.resize(BUCKET_BYTES, 0);
        }
        self.buckets.put(1, Entry { key: &name, value: &bucket }, &mut self.pages)
    }
}

/// Hands pages on, and numbers them.
struct Pages<'a, E> {
    out: &'a mut Out<'a, E>,
    next: u64,
}

impl<E> Pages<'_, E> {
    /// The number that the page got.
    fn add(&mut self, page: &OpenPage, flags: u16) -> Result<u64, E> {
        let id = self.next;
        let mut bytes = page.bytes(id, flags);
        let pages = bytes.len().div_ceil(PAGE_BYTES);
        bytes.resize(pages * PAGE_BYTES, 0);
        self.next += pages as u64;
        (self.out)(&bytes)?;
        Ok(id)
    }
}

#[derive(Clone, Copy)]
struct Entry<'a> {
    key: &'a [u8],
    value: &'a [u8],
}

/// A tree that grows at its right edge: of each level, leaves first, the page that is not full yet.
#[derive(Default)]
struct Tree {
    levels: Vec<OpenPage>,
}

impl Tree {
    fn put<E>(&mut self, flags: u32, entry: Entry<'_>, pages: &mut Pages<'_, E>) -> Result<(), E> {
        self.add(0, Element { number: flags.into(), entry }, pages)
    }

    fn add<E>(
        &mut self,
        level: usize,
        element: Element<'_>,
        pages: &mut Pages<'_, E>,
    ) -> Result<(), E> {
        if self.levels.len() == level {
            self.levels.push(OpenPage::default());
        }
        let Some(page) = self.levels.get_mut(level) else { return Ok(()) };
        if page.has_room_for(element, level) {
            page.add(element);
            return Ok(());
        }
        let mut full = OpenPage::default();
        full.add(element);
        std::mem::swap(page, &mut full);
        let id = pages.add(&full, flags_of(level))?;
        let entry = Entry { key: &full.first, value: &[] };
        self.add(level + 1, Element { number: id, entry }, pages)
    }

    /// The only page, if that is small.
    fn inline(&mut self) -> Option<Vec<u8>> {
        let page = match self.levels.as_slice() {
            [] => &OpenPage::default(),
            [page] => page,
            _ => return None,
        };
        (page.len() <= INLINE_BYTES_MAX).then(|| page.bytes(0, LEAF))
    }

    /// Hands on what is left, and answers the number of the root.
    fn finish<E>(mut self, pages: &mut Pages<'_, E>) -> Result<u64, E> {
        let mut level = 0;
        loop {
            let page = self.levels.get_mut(level).map(std::mem::take).unwrap_or_default();
            let id = pages.add(&page, flags_of(level))?;
            level += 1;
            if self.levels.len() <= level {
                return Ok(id);
            }
            let entry = Entry { key: &page.first, value: &[] };
            self.add(level, Element { number: id, entry }, pages)?;
        }
    }
}

fn flags_of(level: usize) -> u16 {
    if level == 0 { LEAF } else { BRANCH }
}

/// A key with its value and flags, or with a page.
#[derive(Clone, Copy)]
struct Element<'a> {
    number: u64,
    entry: Entry<'a>,
}

/// A page that is being filled.
#[derive(Default)]
struct OpenPage {
    /// Its first key.
    first: Vec<u8>,
    /// For each element its number, length of the key and length of the value.
    heads: Vec<(u64, u32, u32)>,
    data: Vec<u8>,
}

impl OpenPage {
    fn len(&self) -> usize {
        HEAD_BYTES + self.heads.len() * ELEMENT_BYTES + self.data.len()
    }

    /// A branch has two at least, however long their keys are: with one in each, there would always be one more level.
    fn has_room_for(&self, element: Element<'_>, level: usize) -> bool {
        let Entry { key, value } = element.entry;
        self.heads.len() <= usize::from(level > 0)
            || self.len() + ELEMENT_BYTES + key.len() + value.len() <= PAGE_BYTES
    }

    fn add(&mut self, element: Element<'_>) {
        let Entry { key, value } = element.entry;
        if self.heads.is_empty() {
            self.first = key.to_vec();
        }
        self.heads.push((element.number, length(key.len()), length(value.len())));
        self.data.extend_from_slice(key);
        self.data.extend_from_slice(value);
    }

    /// The page as bytes, not filled up.
    fn bytes(&self, id: u64, flags: u16) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len().next_multiple_of(PAGE_BYTES));
        let behind = self.len().div_ceil(PAGE_BYTES) - 1;
        bytes.extend(id.to_le_bytes());
        bytes.extend(flags.to_le_bytes());
        // A page has room for a few hundred.
        bytes.extend(u16::try_from(self.heads.len()).unwrap_or(u16::MAX).to_le_bytes());
        bytes.extend(length(behind).to_le_bytes());
        let mut from = self.heads.len() * ELEMENT_BYTES;
        for (number, key, value) in &self.heads {
            let place = length(from).to_le_bytes();
            if flags == LEAF {
                bytes.extend_from_slice(number.to_le_bytes().first_chunk::<4>().unwrap_or(&[0; 4]));
                bytes.extend([place, key.to_le_bytes(), value.to_le_bytes()].as_flattened());
            } else {
                bytes.extend([place, key.to_le_bytes()].as_flattened());
                bytes.extend(number.to_le_bytes());
            }
            from = from - ELEMENT_BYTES + (key + value) as usize;
        }
        bytes.extend_from_slice(&self.data);
        bytes
    }
}

/// Keys, values and pages are far below 4 GiB.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
