//! [`Database`]: a file that was written by somebody else, read as if it were hostile (I2).

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::page::{BRANCH, BUCKET_BYTES, LEAF, Leaf, Meta, Page, u64_at};

/// Bytes of the pages between a root and a leaf, and of the leaf, beyond which a file is refused. A leaf holds a value
/// whole.
pub const PATH_BYTES_MAX: usize = 256 << 20;
/// Levels of a tree. A page has at least two keys unless it holds a large one, so no tree that was grown comes near.
const LEVELS_MAX: usize = 64;
/// Pages of a file, 4 TiB of those that etcd writes on most machines. A walk needs a bit for each.
const PAGES_MAX: u64 = 1 << 30;
/// Sizes of pages at which the second meta page is looked for: 512 bytes, and twice that so often.
const PAGE_SIZES: u32 = 8;

/// Why a file cannot be read as a database.
#[derive(Debug, thiserror::Error)]
pub enum BboltError {
    /// Neither meta page is sound: it is something else. In bbolt's words.
    #[error("invalid database")]
    Invalid,
    /// It is shorter than it says.
    #[error("the database has {expected} bytes and the file {found}")]
    Short {
        /// Bytes of its pages.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// A page cannot be what was written.
    #[error("page {page} of the database is damaged: {what}")]
    Page {
        /// Its number.
        page: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What a walk comes across, in order.
#[derive(Clone, Copy, Debug)]
pub enum Item<'a> {
    /// The bucket of this name begins.
    Bucket(&'a [u8]),
    /// A key of it, with its value.
    Entry(&'a [u8], &'a [u8]),
}

/// A database in a file.
#[derive(Debug)]
pub struct Database<'a> {
    file: &'a File,
    meta: Meta,
}

impl<'a> Database<'a> {
    /// The database in the first `bytes` of `file`.
    ///
    /// # Errors
    /// It is none, or not there as a whole.
    pub fn open(file: &'a File, bytes: u64) -> Result<Self, BboltError> {
        let mut head = vec![0; 512];
        let mut meta_at = |at: u64| -> io::Result<Option<Meta>> {
            if at + 512 > bytes {
                return Ok(None);
            }
            file.read_exact_at(&mut head, at)?;
            Ok(Meta::parse(&head))
        };
        let mut found = meta_at(0)?;
        for size in (0..PAGE_SIZES).map(|doubled| 512_u32 << doubled) {
            let second = meta_at(size.into())?.filter(|meta| meta.page_size == size);
            let is_newer = |meta: &Meta| found.is_none_or(|it| it.transaction < meta.transaction);
            found = second.filter(is_newer).or(found);
        }
        let meta = found.ok_or(BboltError::Invalid)?;
        if meta.pages > PAGES_MAX {
            return Err(BboltError::Page {
                page: PAGES_MAX,
                what: "no more than these are accepted",
            });
        }
        let expected = meta.pages * u64::from(meta.page_size);
        if expected > bytes {
            return Err(BboltError::Short { expected, found: bytes });
        }
        Ok(Self { file, meta })
    }

    /// Bytes of the pages in use.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.meta.pages * u64::from(self.meta.page_size)
    }

    /// Visits every bucket and each of its keys, in order.
    ///
    /// # Errors
    /// Damage, a refusal of the operating system, or what `visit` answers.
    pub fn walk<E: From<BboltError>>(
        &self,
        visit: &mut dyn FnMut(Item<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let walk = Walk::new(self);
        walk.tree(self.meta.root, &mut |page, Leaf { is_bucket, key, value }| {
            let wrong = |what| BboltError::Page { page, what };
            let root = u64_at(value, 0).filter(|_| is_bucket && value.len() >= BUCKET_BYTES);
            let root = root.ok_or_else(|| wrong("there is something else between the buckets"))?;
            visit(Item::Bucket(key))?;
            let mut entry = |page, leaf: Leaf<'_>| {
                let what = "there is a bucket in a bucket";
                if leaf.is_bucket {
                    return Err(BboltError::Page { page, what }.into());
                }
                visit(Item::Entry(leaf.key, leaf.value))
            };
            if root != 0 {
                return walk.tree(root, &mut entry);
            }
            let inside = value.get(BUCKET_BYTES..).and_then(Page::parse);
            let inside = inside.filter(|inside| inside.flags == LEAF);
            let inside = inside.ok_or_else(|| wrong("a bucket in it is no leaf"))?;
            let mut order = Order::default();
            for at in 0..inside.count {
                let leaf = inside.leaf(at).ok_or_else(|| wrong("a key lies outside"))?;
                order.next(page, leaf.key)?;
                entry(page, leaf)?;
            }
            Ok(())
        })
    }
}

/// One walk over a database.
struct Walk<'a> {
    database: &'a Database<'a>,
    seen: RefCell<Seen>,
}

/// What a walk has read.
struct Seen {
    /// A bit for each page.
    pages: Vec<u64>,
    /// Bytes of the pages that are held.
    held: usize,
}

/// A page on the way to the present one.
struct Step {
    id: u64,
    bytes: Vec<u8>,
    next: u16,
}

impl<'a> Walk<'a> {
    fn new(database: &'a Database<'a>) -> Self {
        // There are no more than the file has room for.
        let words = usize::try_from(database.meta.pages / 64 + 1).unwrap_or_default();
        let pages = vec![0; words];
        Self { database, seen: RefCell::new(Seen { pages, held: 0 }) }
    }

    /// Visits the leaves of a tree in order, with the page of each.
    fn tree<E: From<BboltError>>(
        &self,
        root: u64,
        visit: &mut dyn FnMut(u64, Leaf<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut order = Order::default();
        let mut path = vec![self.read(root)?];
        while let Some(step) = path.last_mut() {
            let (id, at) = (step.id, step.next);
            let wrong = |what| BboltError::Page { page: id, what };
            let page = Page::parse(&step.bytes).ok_or_else(|| wrong("it has no head"))?;
            if at == page.count {
                self.seen.borrow_mut().held -= step.bytes.len();
                path.pop();
                continue;
            }
            step.next = at + 1;
            if page.flags == LEAF {
                let leaf = page.leaf(at).ok_or_else(|| wrong("a key lies outside"))?;
                order.next(id, leaf.key)?;
                visit(id, leaf)?;
                continue;
            }
            let (_, below) = page.branch(at).ok_or_else(|| wrong("a key lies outside"))?;
            if path.len() == LEVELS_MAX {
                return Err(wrong("it is too many levels down").into());
            }
            path.push(self.read(below)?);
        }
        Ok(())
    }

    /// Reads a page of a tree with those that it goes on in.
    fn read(&self, id: u64) -> Result<Step, BboltError> {
        let wrong = |what| BboltError::Page { page: id, what };
        let Meta { page_size, pages, .. } = self.database.meta;
        self.take(id, 1)?;
        let size = page_size as usize;
        let mut bytes = vec![0; size];
        self.database.file.read_exact_at(&mut bytes, id * u64::from(page_size))?;
        let page = Page::parse(&bytes).ok_or_else(|| wrong("it has no head"))?;
        let overflow = u64::from(page.overflow);
        if page.id != id {
            return Err(wrong("it says that it is another one"));
        }
        if page.flags != LEAF && page.flags != BRANCH {
            return Err(wrong("it is neither leaf nor branch"));
        }
        if overflow >= pages - id {
            return Err(wrong("it goes on behind the last one"));
        }
        let length = usize::try_from(overflow + 1).ok().and_then(|pages| pages.checked_mul(size));
        let mut seen = self.seen.borrow_mut();
        let held = length.and_then(|length| length.checked_add(seen.held));
        seen.held = held
            .filter(|held| *held <= PATH_BYTES_MAX)
            .ok_or_else(|| wrong("it is longer than what is accepted"))?;
        drop(seen);
        if overflow > 0 {
            self.take(id + 1, overflow)?;
            bytes.resize(length.unwrap_or(size), 0);
            let (_, rest) = bytes.split_at_mut(size);
            self.database.file.read_exact_at(rest, (id + 1) * u64::from(page_size))?;
        }
        Ok(Step { id, bytes, next: 0 })
    }

    /// Takes so many pages from `from` on, none of which was taken before.
    fn take(&self, from: u64, count: u64) -> Result<(), BboltError> {
        let mut seen = self.seen.borrow_mut();
        let end =
            from.checked_add(count).filter(|end| from >= 2 && *end <= self.database.meta.pages);
        let what = "a page names it that is none of the data";
        let end = end.ok_or(BboltError::Page { page: from, what })?;
        for page in from..end {
            let wrong = |what| BboltError::Page { page, what };
            let word = usize::try_from(page / 64).ok().and_then(|word| seen.pages.get_mut(word));
            let word = word.ok_or_else(|| wrong("it lies outside"))?;
            let bit = 1 << (page % 64);
            if *word & bit != 0 {
                return Err(wrong("two pages name it"));
            }
            *word |= bit;
        }
        Ok(())
    }
}

/// Whether keys ascend.
#[derive(Default)]
struct Order(Option<Vec<u8>>);

impl Order {
    fn next(&mut self, page: u64, key: &[u8]) -> Result<(), BboltError> {
        match &mut self.0 {
            None => self.0 = Some(key.to_vec()),
            Some(before) if before.as_slice() < key => {
                before.clear();
                before.extend_from_slice(key);
            }
            Some(_) => return Err(BboltError::Page { page, what: "its keys are not in order" }),
        }
        Ok(())
    }
}
