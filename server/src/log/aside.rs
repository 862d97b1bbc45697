//! Copies of journals, kept while a log is checked that was not closed in order.
//!
//! fjall truncates a journal where it cannot read on and deletes what it took for a torn tail. If the check then refuses
//! the log, the copies go back, and the directory is as it was found: for a person, or a better tool, to look at.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

/// Bytes copied at a time.
const COPY_BYTES: usize = 1 << 20;

/// The copies of one data directory.
pub(super) struct Aside {
    root: PathBuf,
    journals: PathBuf,
}

impl Aside {
    /// The copies in `root` of the journals in `journals`. Does nothing yet.
    pub(super) fn new(root: &Path, journals: &Path) -> Self {
        Self { root: root.to_owned(), journals: journals.to_owned() }
    }

    /// Copies the journals. Copies that are there already are of a check that did not come to its end: they go back
    /// first.
    pub(super) fn take(&self) -> io::Result<()> {
        self.put_back()?;
        let unfinished = self.root.join("aside.tmp");
        remove_if_there(&unfinished)?;
        fs::create_dir(&unfinished)?;
        for name in journals(&self.journals)? {
            copy_sparse(&self.journals.join(&name), &unfinished.join(&name))?;
        }
        sync_directory(&unfinished)?;
        // From here on a crash finds all copies, before that none.
        fs::rename(&unfinished, self.copies())?;
        sync_directory(&self.root)
    }

    /// Puts the copies in place of the journals.
    pub(super) fn put_back(&self) -> io::Result<()> {
        let copies = self.copies();
        if !copies.try_exists()? {
            return Ok(());
        }
        for name in journals(&copies)? {
            fs::rename(copies.join(&name), self.journals.join(&name))?;
        }
        sync_directory(&self.journals)?;
        remove_if_there(&copies)?;
        sync_directory(&self.root)
    }

    /// Drops the copies: the check has passed.
    pub(super) fn discard(&self) -> io::Result<()> {
        let unfinished = self.root.join("aside.tmp");
        remove_if_there(&unfinished)?;
        if self.copies().try_exists()? {
            // All at once, so that a crash leaves no part of them to be put back.
            fs::rename(self.copies(), &unfinished)?;
            sync_directory(&self.root)?;
            remove_if_there(&unfinished)?;
        }
        Ok(())
    }

    fn copies(&self) -> PathBuf {
        self.root.join("aside")
    }
}

/// Names of the journals in a directory.
pub(super) fn journals(directory: &Path) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for child in fs::read_dir(directory)? {
        let name = child?.file_name();
        if Path::new(&name).extension().is_some_and(|extension| extension == "jnl") {
            names.push(name);
        }
    }
    Ok(names)
}

/// Waits until the names in a directory are durable.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Copies a file with its holes: a journal is preset to 64 MiB, of which little is written.
pub(super) fn copy_sparse(from: &Path, to: &Path) -> io::Result<()> {
    let (source, target) = (File::open(from)?, File::create(to)?);
    let size = source.metadata()?.len();
    target.set_len(size)?;
    let mut buffer = vec![0; COPY_BYTES];
    let mut at = 0;
    while let Some(data) = next(&source, SeekFrom::Data(at))? {
        let end = next(&source, SeekFrom::Hole(data))?.unwrap_or(size);
        at = data;
        while at < end {
            let wanted = usize::try_from(end - at).unwrap_or(COPY_BYTES).min(COPY_BYTES);
            let (part, _) = buffer.split_at_mut(wanted);
            source.read_exact_at(part, at)?;
            target.write_all_at(part, at)?;
            at += u64::try_from(wanted).unwrap_or(0);
        }
    }
    target.sync_all()
}

fn next(file: &File, from: SeekFrom) -> io::Result<Option<u64>> {
    match seek(file, from) {
        Ok(at) => Ok(Some(at)),
        Err(Errno::NXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(dir: &Path, content: &[u8]) {
        fs::create_dir_all(dir.join("log")).unwrap();
        let file = File::create(dir.join("log/0.jnl")).unwrap();
        file.set_len(8 << 20).unwrap();
        file.write_all_at(content, 0).unwrap();
        file.write_all_at(content, 5 << 20).unwrap();
    }

    #[test]
    fn copies_go_back_unless_they_were_discarded() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        journal(path, b"before");
        let before = fs::read(path.join("log/0.jnl")).unwrap();
        let aside = Aside::new(path, &path.join("log"));
        aside.take().unwrap();
        assert!(fs::metadata(path.join("aside/0.jnl")).unwrap().blocks() * 512 < 1 << 20);
        journal(path, b"after ");
        aside.put_back().unwrap();
        assert_eq!(fs::read(path.join("log/0.jnl")).unwrap(), before);
        assert!(!path.join("aside").exists());

        aside.take().unwrap();
        journal(path, b"after ");
        aside.discard().unwrap();
        aside.put_back().unwrap();
        assert_ne!(fs::read(path.join("log/0.jnl")).unwrap(), before);
        assert_eq!(fs::read_dir(path).unwrap().count(), 1);
    }

    #[test]
    fn a_check_that_was_interrupted_begins_with_what_it_began_with() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        journal(path, b"before");
        let before = fs::read(path.join("log/0.jnl")).unwrap();
        let aside = Aside::new(path, &path.join("log"));
        aside.take().unwrap();
        journal(path, b"after ");
        aside.take().unwrap();
        assert_eq!(fs::read(path.join("log/0.jnl")).unwrap(), before);
        assert_eq!(fs::read(path.join("aside/0.jnl")).unwrap(), before);
    }
}
