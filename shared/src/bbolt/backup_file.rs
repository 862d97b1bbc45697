//! [`BackupFile`]: a database in a file, and the checksum that a backup has behind it.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::{BboltError, Database};

/// Bytes of the SHA-256 behind a backup. What it is of is a multiple of [`SECTOR_BYTES`], so that a length tells whether
/// it is there.
pub const SUM_BYTES: usize = 32;
const SECTOR_BYTES: u64 = 512;

/// Bytes that are read at a time.
const BLOCK_BYTES: usize = 256 << 10;

/// A backup, or a copy of the database file of an etcd, which has no sum.
#[derive(Debug)]
pub struct BackupFile {
    file: File,
    /// Without the sum.
    bytes: u64,
    sum: Option<[u8; SUM_BYTES]>,
}

impl BackupFile {
    /// The file at `path`.
    ///
    /// # Errors
    /// What the operating system refuses.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let whole = about.len();
        if whole % SECTOR_BYTES != SUM_BYTES as u64 {
            return Ok(Self { file, bytes: whole, sum: None });
        }
        let (mut sum, bytes) = ([0; SUM_BYTES], whole - SUM_BYTES as u64);
        file.read_exact_at(&mut sum, bytes)?;
        Ok(Self { file, bytes, sum: Some(sum) })
    }

    /// Whether the content is what the sum was made of; none when there is no sum. Reads the whole file.
    ///
    /// # Errors
    /// What the operating system refuses.
    pub fn is_sound(&self) -> io::Result<Option<bool>> {
        let Some(expected) = self.sum else { return Ok(None) };
        let mut file = &self.file;
        file.rewind()?;
        let (mut left, mut block) = (file.take(self.bytes), vec![0; BLOCK_BYTES]);
        let mut sum = Sha256::new();
        loop {
            let read = left.read(&mut block)?;
            if read == 0 {
                return Ok(Some(sum.finalize()[..] == expected));
            }
            sum.update(block.get(..read).unwrap_or_default());
        }
    }

    /// The database in it.
    ///
    /// # Errors
    /// It is none, or not whole.
    pub fn database(&self) -> Result<Database<'_>, BboltError> {
        Database::open(&self.file, self.bytes)
    }
}
