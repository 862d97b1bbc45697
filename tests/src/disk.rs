//! A disk that hangs: a mounted file system that is frozen and thawed.
//!
//! Frozen, each write and each sync to it waits in the kernel, as with a device that does not answer; not even SIGKILL ends who
//! waits.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

/// The disk; it works again when this is dropped.
#[derive(Debug)]
pub struct HangingDisk {
    path: PathBuf,
}

impl HangingDisk {
    /// The file system mounted at `path`, such as ext4; this process may freeze it.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// An empty directory on it.
    ///
    /// # Errors
    /// What was there before cannot be removed, or it cannot be made.
    pub fn place(&self, name: &str) -> anyhow::Result<PathBuf> {
        let place = self.path.join(name);
        if place.exists() {
            std::fs::remove_dir_all(&place)?;
        }
        std::fs::create_dir(&place)?;
        Ok(place)
    }

    /// From now on it hangs.
    ///
    /// # Errors
    /// It hangs already, or may not be frozen.
    pub fn hang(&self) -> anyhow::Result<()> {
        freeze("--freeze", &self.path)
    }

    /// It works again.
    ///
    /// # Errors
    /// It works already.
    pub fn work(&self) -> anyhow::Result<()> {
        freeze("--unfreeze", &self.path)
    }
}

impl Drop for HangingDisk {
    fn drop(&mut self) {
        // An error means that it works.
        let _ = Command::new("fsfreeze").arg("--unfreeze").arg(&self.path).output();
    }
}

fn freeze(how: &str, disk: &Path) -> anyhow::Result<()> {
    let done = Command::new("fsfreeze").arg(how).arg(disk).output().context("fsfreeze")?;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr).trim());
    Ok(())
}
