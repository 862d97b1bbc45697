//! The guard's slots in a file, and in memory.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::guard::{GuardFile, SLOT_BYTES};
use crate::storage::StorageError;

/// Distance of the slots: a page, so that no torn write reaches both.
const SLOT_STRIDE: u64 = 4096;

/// The guard of a data directory. Holds the lock of the directory: whoever has it open owns the directory.
#[derive(Debug)]
pub struct FileGuard {
    file: File,
    directory: PathBuf,
}

impl FileGuard {
    /// Name of the file in the data directory.
    pub const NAME: &'static str = "guard";

    /// Opens the guard in `directory` and takes the lock of the directory; creates an empty one if there is none.
    ///
    /// # Errors
    /// [`StorageError::Locked`] when another process holds it; any refusal of the disk.
    pub fn open(directory: &Path) -> Result<Self, StorageError> {
        let path = directory.join(Self::NAME);
        let refused =
            |source| StorageError::Io { context: format!("opening {}", path.display()), source };
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(&path).map_err(refused)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StorageError::Locked { path: directory.display().to_string() });
            }
            Err(TryLockError::Error(error)) => return Err(refused(error)),
        }
        Ok(Self { file, directory: directory.to_owned() })
    }
}

impl GuardFile for FileGuard {
    fn read(&self, slot: usize) -> io::Result<Option<[u8; SLOT_BYTES]>> {
        let mut bytes = [0; SLOT_BYTES];
        match self.file.read_exact_at(&mut bytes, offset(slot)) {
            Ok(()) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&mut self, slot: usize, bytes: &[u8; SLOT_BYTES]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset(slot))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn place(&self) -> String {
        self.directory.display().to_string()
    }
}

/// Where a slot begins.
pub(super) fn offset(slot: usize) -> u64 {
    if slot == 0 { 0 } else { SLOT_STRIDE }
}

type Slots = [Option<[u8; SLOT_BYTES]>; 2];

/// A guard in memory, beside [`crate::storage::MemoryEngine`] and [`crate::storage::SimDisk`]. Clones are the same
/// file, which outlives a process.
#[derive(Clone, Debug, Default)]
pub struct MemoryGuard {
    slots: Arc<Mutex<(Slots, Slots)>>,
}

impl MemoryGuard {
    /// An empty file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cuts the power: what was not synced is lost, unless `keep` says that it reached the disk by itself.
    pub fn crash(&self, keep: bool) {
        let mut slots = self.lock();
        if keep {
            slots.1 = slots.0;
        } else {
            slots.0 = slots.1;
        }
    }

    /// Another file with what is durable in this one.
    #[must_use]
    pub fn fork(&self) -> Self {
        let durable = self.lock().1;
        Self { slots: Arc::new(Mutex::new((durable, durable))) }
    }

    /// Changes a byte of a slot, as a failing disk would.
    pub fn damage(&self, slot: usize, byte: usize) {
        let mut slots = self.lock();
        if let Some(Some(bytes)) = slots.0.get_mut(slot)
            && let Some(byte) = bytes.get_mut(byte)
        {
            *byte ^= 1;
        }
        slots.1 = slots.0;
    }

    fn lock(&self) -> MutexGuard<'_, (Slots, Slots)> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GuardFile for MemoryGuard {
    fn read(&self, slot: usize) -> io::Result<Option<[u8; SLOT_BYTES]>> {
        Ok(self.lock().0.get(slot).copied().flatten())
    }

    fn write(&mut self, slot: usize, bytes: &[u8; SLOT_BYTES]) -> io::Result<()> {
        if let Some(place) = self.lock().0.get_mut(slot) {
            *place = Some(*bytes);
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut slots = self.lock();
        slots.1 = slots.0;
        Ok(())
    }

    fn place(&self) -> String {
        "memory".to_owned()
    }
}
