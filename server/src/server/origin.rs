//! [`Origin`]: tells a directory that was put back from a copy from one that stayed where it was made.
//!
//! The file `origin` holds the time of its own creation, which the file system gives it and no program can set. A copy of
//! the file was created later, and says so. What this cannot see: an image of the whole file system, a directory that was
//! moved away and back, and a copy that was made before the file was. A file system that keeps no such time is not judged.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// What the file says where the file system keeps no time of creation.
const UNKNOWN: &str = "unknown";

/// Where a member's directory comes from.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    dir: PathBuf,
}

impl Origin {
    const NAME: &str = "origin";

    /// Of this directory.
    pub fn of(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Whether the file is a copy; none where there is none yet, as in a directory of an earlier version.
    ///
    /// # Errors
    /// A refusal of the disk.
    pub fn is_copied(&self) -> io::Result<Option<bool>> {
        let path = self.dir.join(Self::NAME);
        let said = match fs::read(&path) {
            Ok(said) => said,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let created = created(&File::open(&path)?)?;
        let said = String::from_utf8_lossy(&said);
        let said = said.trim_end();
        Ok(Some(said != created && said != UNKNOWN && created != UNKNOWN))
    }

    /// Makes the file anew: from now on this directory is where it belongs.
    ///
    /// # Errors
    /// A refusal of the disk.
    pub fn settle(&self) -> io::Result<()> {
        let new = self.dir.join("origin.new");
        // One that a crash left would keep its time.
        if let Err(error) = fs::remove_file(&new)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = File::create_new(&new)?;
        let created = created(&file)?;
        writeln!(file, "{created}")?;
        file.sync_all()?;
        fs::rename(&new, self.dir.join(Self::NAME))?;
        File::open(&self.dir)?.sync_all()
    }
}

fn created(file: &File) -> io::Result<String> {
    let created = file.metadata()?.created().ok();
    let since = created.and_then(|created| created.duration_since(UNIX_EPOCH).ok());
    Ok(match since.filter(|since| since.as_secs() > 0) {
        Some(since) => format!("{}.{:09}", since.as_secs(), since.subsec_nanos()),
        None => UNKNOWN.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a copy is known as one until it is settled, whatever else is done to the file. Method: what an operator does
    /// with directories. Where the file system keeps no time of creation nothing is a copy.
    #[test]
    fn a_copy_is_told_from_the_directory_that_it_was_made_of() {
        let dir = tempfile::tempdir().unwrap();
        let (here, there) = (dir.path().join("a"), dir.path().join("b"));
        fs::create_dir(&here).unwrap();
        fs::create_dir(&there).unwrap();
        let (origin, copy) = (Origin::of(&here), Origin::of(&there));
        assert_eq!(origin.is_copied().unwrap(), None);
        origin.settle().unwrap();
        assert_eq!(origin.is_copied().unwrap(), Some(false));
        let is_kept = fs::read_to_string(here.join(Origin::NAME)).unwrap().trim_end() != UNKNOWN;
        fs::copy(here.join(Origin::NAME), there.join(Origin::NAME)).unwrap();
        assert_eq!(copy.is_copied().unwrap(), Some(is_kept));
        fs::rename(&here, dir.path().join("c")).unwrap();
        let moved = Origin::of(&dir.path().join("c"));
        assert_eq!(moved.is_copied().unwrap(), Some(false), "a move is no copy");
        copy.settle().unwrap();
        assert_eq!(copy.is_copied().unwrap(), Some(false));
        for said in ["", "no time", "\u{fffd}"] {
            fs::write(there.join(Origin::NAME), said).unwrap();
            assert_eq!(copy.is_copied().unwrap(), Some(is_kept), "{said:?}");
        }
    }
}
