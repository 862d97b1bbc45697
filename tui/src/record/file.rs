//! The file that a recording is written to.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mini_etcd_shared::failure::{Failure, exit};
use mini_etcd_shared::language::{OWN_VARIABLES, Statement, StatementKind, path_of, uses, written};
use mini_etcd_shared::session::Session;
use mini_etcd_shared::text::is_secret;

use super::script::{Begun, Known, Took, script_of};
use crate::widget::{counted, escape};

/// Mode of the file: what was typed and read is its owner's alone, as the history is.
const OWNER_ONLY: u32 = 0o600;

const HEAD: &str = "# Recorded by mini-etcd-tui.\n";

/// Where what is done goes, when it is recorded; shared by all who do something.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recording(Arc<Mutex<Option<Open>>>);

#[derive(Debug)]
struct Open {
    path: PathBuf,
    file: File,
    statements: u64,
    /// What the script has begun; nothing before how the session stands was written.
    begun: Option<Begun>,
}

impl Recording {
    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file, while it is written.
    pub(crate) fn file(&self) -> Option<String> {
        self.lock().as_ref().map(Open::name)
    }

    /// What `\record` does: begins a file, or ends it. Answers what to say.
    pub(crate) fn meta(&self, file: Option<&[u8]>) -> Result<Vec<u8>, Failure> {
        match file {
            Some(file) => self.start(file),
            None => self.stop(),
        }
    }

    /// Begins a file. I3
    fn start(&self, file: &[u8]) -> Result<Vec<u8>, Failure> {
        let path = path_of(file);
        let mut open = self.lock();
        if let Some(open) = open.as_ref() {
            let text = format!("{} is recorded already; \\record ends it", open.name());
            return Err(Failure::new(exit::ERROR, text));
        }
        let failed = |error: std::io::Error| {
            Failure::new(exit::IO, format!("{}: {error}; a new file is wanted", path.display()))
        };
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(OWNER_ONLY);
        let mut file = options.open(&path).map_err(failed)?;
        file.write_all(HEAD.as_bytes()).map_err(failed)?;
        let begun = open.insert(Open { path, file, statements: 0, begun: None });
        Ok(format!("recording to {}; \\record ends it\n", begun.name()).into_bytes())
    }

    /// Ends the file.
    fn stop(&self) -> Result<Vec<u8>, Failure> {
        match self.end() {
            None => Ok(b"nothing is recorded; \\record FILE begins\n".to_vec()),
            Some(ended) => ended.map(String::into_bytes),
        }
    }

    /// Ends the file, if there is one; answers what to say.
    pub(crate) fn end(&self) -> Option<Result<String, Failure>> {
        let open = self.lock().take()?;
        let name = open.name();
        Some(match open.file.sync_all() {
            Ok(()) => Ok(format!("{} in {name}\n", counted(open.statements, "statement"))),
            Err(error) => Err(Failure::new(exit::IO, format!("{name}: {error}"))),
        })
    }

    /// A statement that the session has run, or has given up.
    ///
    /// # Errors
    /// In words: the file cannot be written, and the recording has ended.
    pub(crate) fn statement(
        &self,
        statement: &Statement,
        source: &str,
        session: &Session,
        took: Took<'_>,
    ) -> Result<(), String> {
        self.append(|begun| {
            let mut text = String::new();
            // How the session stands is known with the `\record` that began the file.
            if begun.is_none() {
                text = preamble(session, begun.get_or_insert_default());
            }
            let begun = begun.get_or_insert_default();
            if let StatementKind::Run(run) = &statement.kind {
                let uses_rev = uses(run, "rev");
                begun.volatile.take(run, uses_rev, session.last(), session.variables());
            }
            let back = begun.left.clone().map(|scope| goes_to(&scope)).unwrap_or_default();
            let known = Known { outcome: session.last(), begun };
            let recorded = script_of(statement, source, &known, took);
            let counts = recorded.as_ref().is_some_and(|recorded| !recorded.is_comment);
            if let Some(recorded) = recorded {
                if counts {
                    text.push_str(&back);
                    begun.left = None;
                }
                text.push_str(&recorded.text);
                begun.take(recorded.begins);
            }
            (text, u64::from(counts))
        })
    }

    /// What was done by keys, as statements; and the session's prefix, when it must not count for them.
    ///
    /// # Errors
    /// As for [`statement`](Self::statement).
    pub(crate) fn deed(&self, script: &str, scope: Option<Vec<u8>>) -> Result<(), String> {
        let counts = script.lines().any(|line| !line.starts_with('#'));
        self.append(|begun| {
            let begun = begun.get_or_insert_default();
            begun.lost = true;
            let mut home = "";
            if let Some(scope) = scope.filter(|_| counts && begun.left.is_none()) {
                home = "cd\nexpect ok\n";
                begun.left = Some(scope);
            }
            (format!("{home}{script}\n"), u64::from(counts))
        })
    }

    /// I2
    fn append(&self, make: impl FnOnce(&mut Option<Begun>) -> (String, u64)) -> Result<(), String> {
        let mut place = self.lock();
        let Some(open) = place.as_mut() else { return Ok(()) };
        let (text, statements) = make(&mut open.begun);
        match open.file.write_all(text.as_bytes()) {
            Ok(()) => {
                open.statements += statements;
                Ok(())
            }
            Err(error) => {
                let words = format!("{}: {error}; recording has ended", open.name());
                *place = None;
                Err(words)
            }
        }
    }
}

impl Open {
    fn name(&self) -> String {
        escape(self.path.as_os_str().as_encoded_bytes())
    }
}

fn goes_to(scope: &[u8]) -> String {
    format!("cd {}\nexpect ok\n", written(scope))
}

/// What the session has been told before, as far as later lines may rest on it.
fn preamble(session: &Session, begun: &mut Begun) -> String {
    let scope = Some(session.scope()).filter(|scope| !scope.is_empty());
    let format = Some(session.style().format.name()).filter(|format| *format != "simple");
    let own = |name: &str| OWN_VARIABLES.contains(&name);
    let given = session.variables().iter().filter(|(name, _)| !own(name));
    // I5 of `record`
    let (secret, given): (Vec<_>, Vec<_>) = given.partition(|(name, _)| is_secret(name));
    begun.variables.extend(given.iter().map(|(name, _)| (*name).to_owned()));
    let lines = (scope.map(goes_to).into_iter())
        .chain(format.map(|format| format!("\\w {format}\nexpect ok\n")))
        .chain(given.into_iter().map(|(name, value)| format!("set {name} {}\n", written(value))))
        .chain(secret.into_iter().map(|(name, _)| format!("# {name} was set to a secret\n")));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_that_is_there_is_not_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.ers");
        let name = path.as_os_str().as_encoded_bytes();
        let recording = Recording::default();
        assert!(recording.meta(None).unwrap().starts_with(b"nothing is recorded"));
        recording.meta(Some(name)).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, OWNER_ONLY);
        assert!(recording.meta(Some(b"other")).is_err());
        recording.deed("put a b\nexpect ok", None).unwrap();
        recording.deed("# not done", None).unwrap();
        let said = String::from_utf8(recording.meta(None).unwrap()).unwrap();
        assert!(said.starts_with("1 statement in "), "{said}");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.ends_with("put a b\nexpect ok\n# not done\n"), "{text}");
        assert!(recording.meta(Some(name)).is_err());
    }
}
