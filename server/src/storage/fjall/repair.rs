//! Cuts off what a power loss left of the newest batches of a journal.
//!
//! The machine writes pages back in any order, so that an unsynced batch can be there with a hole in it. fjall cuts a batch
//! that ends too early, and refuses to open when one is whole and its sum is wrong. Here such a batch goes too, and
//! whatever follows it. That is sound where something else knows how far the database must reach: the state is
//! rebuilt from the log, and the log has its guard.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3Default;

/// Tags of a journal.
const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;

/// What stands behind the sum of a batch.
const MAGIC: &[u8] = b"FJL\x03";

/// Bytes behind a tag.
const START_BYTES: usize = 4 + 8;
const ITEM_BYTES: usize = 1 + 1 + 8 + 2 + 4 + 4;
const CLEAR_BYTES: usize = 8;

/// Cuts the newest journal in `path` before its first batch that is not whole. Answers whether there was one.
pub(super) fn cut_damaged_tail(path: &Path) -> io::Result<bool> {
    let Some(journal) = newest_journal(path)? else { return Ok(false) };
    let sound = sound_bytes(&journal)?;
    let file = File::options().read(true).write(true).open(&journal)?;
    let mut tag = [0];
    // A journal is preset with zeros: where one follows, it ends.
    if file.read_at(&mut tag, sound)? == 0 || tag == [0] {
        return Ok(false);
    }
    file.set_len(sound)?;
    file.sync_all()?;
    Ok(true)
}

fn newest_journal(path: &Path) -> io::Result<Option<PathBuf>> {
    let mut newest = None;
    for child in fs::read_dir(path)? {
        let path = child?.path();
        if path.extension().is_some_and(|extension| extension == "jnl") {
            let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
            newest = newest.max(number.map(|number| (number, path)));
        }
    }
    Ok(newest.map(|(_, path)| path))
}

/// Length of the whole batches that the journal begins with.
fn sound_bytes(journal: &Path) -> io::Result<u64> {
    let mut reader = BufReader::new(File::open(journal)?);
    let mut sound = 0;
    while let Some(bytes) = batch(&mut reader)? {
        sound += bytes;
    }
    Ok(sound)
}

/// Length of the batch that comes next; nothing if it is not whole.
fn batch(reader: &mut impl Read) -> io::Result<Option<u64>> {
    match read_batch(reader) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_batch(reader: &mut impl Read) -> io::Result<u64> {
    let mut input = Hashed { reader, hasher: Xxh3Default::new(), bytes: 0 };
    input.expect(START)?;
    let head = input.take::<START_BYTES>()?;
    let [a, b, c, d, ..] = head;
    let count = u32::from_le_bytes([a, b, c, d]);
    input.hasher.reset();
    for _ in 0..count {
        let [tag] = input.take()?;
        match tag {
            ITEM => {
                let [_, _, _, _, _, _, _, _, _, _, k0, k1, _, _, _, _, v0, v1, v2, v3] =
                    input.take::<ITEM_BYTES>()?;
                input.skip(u64::from(u16::from_le_bytes([k0, k1])))?;
                input.skip(u64::from(u32::from_le_bytes([v0, v1, v2, v3])))?;
            }
            CLEAR => drop(input.take::<CLEAR_BYTES>()?),
            _ => return Err(invalid()),
        }
    }
    let sum = input.hasher.digest();
    input.expect(END)?;
    if u64::from_le_bytes(input.take()?) != sum || input.take::<4>()? != MAGIC {
        return Err(invalid());
    }
    Ok(input.bytes)
}

fn invalid() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

/// Reads, counts and hashes.
struct Hashed<'a, R> {
    reader: &'a mut R,
    hasher: Xxh3Default,
    bytes: u64,
}

impl<R: Read> Hashed<'_, R> {
    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut part = [0; N];
        self.reader.read_exact(&mut part)?;
        self.hasher.update(&part);
        self.bytes += u64::try_from(N).unwrap_or(0);
        Ok(part)
    }

    fn expect(&mut self, tag: u8) -> io::Result<()> {
        if self.take()? == [tag] { Ok(()) } else { Err(invalid()) }
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let mut part = Vec::new();
        let read = self.reader.by_ref().take(bytes).read_to_end(&mut part)?;
        self.hasher.update(&part);
        self.bytes += bytes;
        if u64::try_from(read).unwrap_or(0) == bytes { Ok(()) } else { Err(invalid()) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FjallEngine, FjallOptions};
    use super::*;
    use crate::storage::{Batch, Durability, Engine, Space, StorageError};

    const SPACES: [Space; 1] = [Space::Rows];

    fn open(path: &Path, cut_damaged_tail: bool) -> Result<FjallEngine, StorageError> {
        let options = FjallOptions { cut_damaged_tail, ..FjallOptions::state() };
        FjallEngine::open(path, &SPACES, options)
    }

    #[test]
    fn a_batch_with_a_hole_goes_and_what_stands_before_it_stays() {
        let dir = tempfile::tempdir().unwrap();
        let mut engine = open(dir.path(), true).unwrap();
        for key in 0..3_u8 {
            let mut batch = Batch::new();
            batch.put(Space::Rows, [key], vec![b'v'; 20_000]);
            batch.remove(Space::Rows, [100 + key]);
            engine.commit(batch, Durability::Buffered).unwrap();
        }
        drop(engine);
        let journal = dir.path().join("0.jnl");
        assert_eq!(sound_bytes(&journal).unwrap() / 20_000, 3);
        assert!(!cut_damaged_tail(dir.path()).unwrap());
        let file = File::options().write(true).open(&journal).unwrap();
        file.write_all_at(&[0; 4096], 45_000).unwrap();
        drop(file);

        assert!(matches!(open(dir.path(), false), Err(StorageError::Damaged { .. })));
        let mut engine = open(dir.path(), true).unwrap();
        let reader = engine.reader();
        let found: Vec<_> =
            (0..3_u8).map(|key| reader.get(Space::Rows, &[key]).unwrap().is_some()).collect();
        assert_eq!(found, [true, true, false]);
    }
}
