//! Profiles: named ways to a cluster, in `config.toml` of the user's configuration.
//!
//! ```text
//! [profile.NAME] ─▶ Profile ─▶ connect (whom to ask, as whom, how), theme, separator, read-only, production
//! ```
//!
//! * I1: what is not understood is an error that names file, line and key, and what is accepted.
//! * I2: no password stands here or is kept: a command says it, each time it is needed.
//! * I3: a command of a file that others may write is not run.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use mini_etcd_shared::failure::{Failure, exit};
use serde::Deserialize;

/// The file in the directory of the user's configuration.
const FILE: &str = "config.toml";
/// How long a command may take to say a password: somebody may have to touch a key.
const PASSWORD_WITHIN: Duration = Duration::from_secs(60);
/// Bytes of a password at the most.
const PASSWORD_BYTES_MAX: u64 = 4096;
/// Permissions of others: to write, and to read or write.
const OTHERS_WRITE: u32 = 0o022;
const OTHERS: u32 = 0o066;

/// A named way to a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own")]
pub struct Profile {
    /// Its name.
    #[serde(skip)]
    pub name: String,
    /// Members to ask.
    pub endpoints: Vec<String>,
    /// Certificates of the authorities to trust. A path that is relative begins at the file.
    pub cacert: Option<PathBuf>,
    /// Certificate to show.
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// Whether whoever answers is taken for who it says it is.
    pub insecure_skip_tls_verify: bool,
    /// As whom to log in.
    pub user: Option<String>,
    /// What says the password on its first line, run by a shell.
    pub password_command: Option<String>,
    /// How the console looks.
    pub theme: Option<String>,
    /// Whether nothing may be changed.
    pub read_only: bool,
    /// What stands between the parts of a key.
    pub separator: Option<String>,
    /// Whether what changes something is asked once more.
    pub production: bool,
    /// Others may write its file.
    #[serde(skip)]
    pub is_open: bool,
}

/// What is wrong with a profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// The file cannot be read.
    #[error("{0}: {1}")]
    Read(String, String),
    /// I1
    #[error("{file}:{line}: {key}: {why}")]
    Bad {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What stands before the `=` there.
        key: String,
        /// What is wrong, and what is accepted.
        why: String,
    },
    /// There is none of this name.
    #[error("there is no profile {name} in {file}; there {known}")]
    Unknown {
        /// The name.
        name: String,
        /// The file.
        file: String,
        /// Which there are.
        known: String,
    },
    /// The command gave no password.
    #[error("password_command of profile {0} gave no password: {1}")]
    Command(String, String),
}

/// All profiles of the user.
#[derive(Clone, Debug, Default)]
pub struct Profiles {
    file: PathBuf,
    all: BTreeMap<String, Profile>,
    /// What is to be said about the file.
    pub warning: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    #[serde(default)]
    profile: BTreeMap<String, Profile>,
}

/// The directory of the user's configuration.
pub(crate) fn config_dir() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")))?;
    Some(base.join("mini-etcd"))
}

impl Profiles {
    /// Those of the user's file; none without one.
    ///
    /// # Errors
    /// When the file cannot be read or understood.
    pub fn read() -> Result<Self, ProfileError> {
        config_dir().map_or_else(|| Ok(Self::default()), |dir| Self::of(&dir.join(FILE)))
    }

    fn of(file: &Path) -> Result<Self, ProfileError> {
        let name = file.display().to_string();
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self { file: file.to_owned(), ..Self::default() });
            }
            Err(error) => return Err(ProfileError::Read(name, error.to_string())),
        };
        let contents: Contents =
            toml::from_str(&text).map_err(|error| bad(&name, &text, &error))?;
        let mode = std::fs::metadata(file).map_or(0, |found| found.permissions().mode());
        let mut all = contents.profile;
        for (name, profile) in &mut all {
            profile.name.clone_from(name);
            profile.is_open = mode & OTHERS_WRITE != 0;
            for path in [&mut profile.cacert, &mut profile.cert, &mut profile.key] {
                *path = path.take().map(|path| placed(file, &path));
            }
        }
        let secret = |profile: &Profile| {
            let password = profile.user.as_ref().is_some_and(|user| user.contains(':'));
            password || profile.password_command.is_some()
        };
        let warning = (mode & OTHERS != 0 && all.values().any(secret)).then(|| {
            let may = if mode & OTHERS_WRITE == 0 { "read" } else { "write" };
            format!("{name}: others may {may} it, and it tells of passwords: chmod 600 {name}")
        });
        Ok(Self { file: file.to_owned(), all, warning })
    }

    /// Their names.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.all.keys().cloned().collect()
    }

    /// The one of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn get(&self, name: &str) -> Result<Profile, ProfileError> {
        self.all.get(name).cloned().ok_or_else(|| ProfileError::Unknown {
            name: name.to_owned(),
            file: self.file.display().to_string(),
            known: match self.names() {
                none if none.is_empty() => "are none".to_owned(),
                names => format!("are {}", names.join(", ")),
            },
        })
    }
}

impl Profile {
    /// The password, from its command; none without one.
    ///
    /// # Errors
    /// When the command fails, is silent or too slow.
    pub fn password(&self) -> Result<Option<String>, ProfileError> {
        let Some(command) = &self.password_command else { return Ok(None) };
        let failed = |why: &str| ProfileError::Command(self.name.clone(), why.to_owned());
        if self.is_open {
            return Err(failed("others may write the file, so that it is not run"));
        }
        let child = Command::new("sh")
            .args(["-c", command])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = child.map_err(|error| failed(&error.to_string()))?;
        let (tell, told) = mpsc::channel();
        if let Some(out) = child.stdout.take() {
            std::thread::spawn(move || {
                let mut said = Vec::new();
                // What was read before an error is no password: the exit code tells.
                let _partial = out.take(PASSWORD_BYTES_MAX).read_to_end(&mut said);
                // Whoever asked may have given up.
                let _late = tell.send(said);
            });
        }
        let Ok(said) = told.recv_timeout(PASSWORD_WITHIN) else {
            // It may have ended just now.
            let _ended = child.kill().and_then(|()| child.wait());
            return Err(failed(&format!("it took longer than {PASSWORD_WITHIN:?}")));
        };
        let status = child.wait().map_err(|error| failed(&error.to_string()))?;
        if !status.success() {
            return Err(failed(&format!("it ended with {status}; at a shell it says more")));
        }
        let said = String::from_utf8(said).map_err(|_| failed("it is not UTF-8"))?;
        let first = said.lines().next().unwrap_or_default();
        if first.is_empty() { Err(failed("it said nothing")) } else { Ok(Some(first.to_owned())) }
    }
}

/// The names, one a line, for who asks which there are.
///
/// # Errors
/// When the file makes no sense.
pub(crate) fn listed() -> Result<Vec<u8>, Failure> {
    let all = Profiles::read().map_err(|error| Failure::new(exit::IO, error.to_string()))?;
    Ok(all.names().into_iter().map(|name| name + "\n").collect::<String>().into_bytes())
}

/// A path as written in a file: from the home directory, or from where the file lies.
fn placed(file: &Path, path: &Path) -> PathBuf {
    if let (Ok(rest), Some(home)) = (path.strip_prefix("~"), std::env::var_os("HOME")) {
        return PathBuf::from(home).join(rest);
    }
    file.parent().map_or_else(|| path.to_owned(), |dir| dir.join(path))
}

fn bad(file: &str, text: &str, error: &toml::de::Error) -> ProfileError {
    let at = error.span().map_or(0, |span| span.start);
    let before = text.get(..at).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let shown = text.lines().nth(line - 1).unwrap_or_default();
    let key = shown.split('=').next().unwrap_or_default().trim();
    ProfileError::Bad {
        file: file.to_owned(),
        line,
        key: key.to_owned(),
        why: error.message().trim().replace('\n', ", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, mode: u32) -> Result<Profiles, ProfileError> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(FILE);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let all = Profiles::of(&file);
        // What names the file names it by its last part here.
        let dir = dir.path().to_owned();
        all.map_err(|error| match error {
            ProfileError::Bad { file, line, key, why } => {
                let file = file.replace(&format!("{}/", dir.display()), "");
                ProfileError::Bad { file, line, key, why }
            }
            other => other,
        })
    }

    #[test]
    fn a_profile_is_read_and_its_paths_begin_at_the_file() {
        let text = "[profile.prod]\nendpoints = [\"https://a:1\"]\ncacert = \"ca.crt\"\nproduction = true\n\
                    key = \"/k\"\n[profile.dev]\n";
        let all = read(text, 0o644).unwrap();
        assert_eq!((all.names(), &all.warning), (vec!["dev".to_owned(), "prod".to_owned()], &None));
        let prod = all.get("prod").unwrap();
        assert!(prod.production && prod.cacert.unwrap().ends_with("ca.crt"));
        assert_eq!(prod.key, Some("/k".into()));
        let said = all.get("prot").unwrap_err().to_string();
        assert!(
            said.starts_with("there is no profile prot in ") && said.ends_with("are dev, prod")
        );
    }

    #[test]
    fn what_is_not_understood_is_named_with_its_line_and_what_is_accepted() {
        let said = |text: &str| read(text, 0o600).unwrap_err().to_string();
        let unknown = said("[profile.a]\n\nendpoint = \"x\"\n");
        assert!(
            unknown.starts_with("config.toml:3: endpoint: unknown field `endpoint`"),
            "{unknown}"
        );
        assert!(unknown.contains("`endpoints`") && unknown.contains("`password_command`"));
        let kind = said("[profile.a]\nread_only = 1\n");
        assert!(kind.starts_with("config.toml:2: read_only: invalid type"), "{kind}");
        assert!(said("[profile.a\n").starts_with("config.toml:1: "));
        assert!(said("[profil.a]\n").contains("expected `profile`"));
    }

    #[test]
    fn a_file_that_tells_of_passwords_is_its_owners_alone() {
        let text = "[profile.a]\nuser = \"u\"\npassword_command = \"echo secret\"\n";
        assert_eq!(read(text, 0o600).unwrap().warning, None);
        let read_by_others = read(text, 0o644).unwrap().warning.unwrap();
        assert!(read_by_others.contains("others may read it"), "{read_by_others}");
        let all = read(text, 0o622).unwrap();
        assert!(all.warning.as_ref().unwrap().contains("others may write it"));
        assert!(all.get("a").unwrap().password().unwrap_err().to_string().contains("not run"));
        assert_eq!(read("[profile.a]\nuser = \"u\"\n", 0o666).unwrap().warning, None);
    }

    #[test]
    fn a_command_says_the_password_or_why_it_does_not() {
        let says = |command: &str| {
            let text = format!("[profile.a]\npassword_command = \"{command}\"\n");
            read(&text, 0o600).unwrap().get("a").unwrap().password()
        };
        assert_eq!(says("printf 'one\\\\ntwo\\\\n'").unwrap(), Some("one".to_owned()));
        assert!(says("exit 3").unwrap_err().to_string().contains("exit status: 3"));
        assert!(says("true").unwrap_err().to_string().ends_with("it said nothing"));
    }
}
