//! [`ConfigError`]: why settings are refused, and [`SettingSource`]: where they were found.

use std::fmt;
use std::path::PathBuf;

use super::PeersError;

/// Where a value was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingSource {
    /// A flag, by its name.
    Flag(&'static str),
    /// A variable of the environment.
    Variable(String),
    /// A key of the file.
    File(PathBuf, String),
    /// Nowhere: the default.
    Default(&'static str),
}

impl fmt::Display for SettingSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "--{name}"),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::File(path, key) => write!(f, "{}: {key}", path.display()),
            Self::Default(name) => write!(f, "default of --{name}"),
        }
    }
}

/// Why the settings are refused. All are for the person who starts the member.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The command line asks for help or does not parse; clap words it.
    #[error("{0}")]
    Usage(#[from] clap::Error),
    /// A value does not fit.
    #[error("{place}: {value:?} is not accepted: expected {accepted}")]
    Value { place: SettingSource, value: String, accepted: String },
    /// A list of peers that cannot be.
    #[error("{place}: {problem}")]
    Peers { place: SettingSource, problem: PeersError },
    /// A setting of TLS that does not fit the others.
    #[error("{place}: {problem}")]
    Tls { place: SettingSource, problem: String },
    /// A flag of etcd that would do harm if it had no effect.
    #[error("{place}: {value:?} is refused: {why}")]
    Refused { place: SettingSource, value: String, why: &'static str },
    /// Times of Raft that do not go together.
    #[error("{0}")]
    Timing(String),
    /// Two names of one setting.
    #[error("{place} and {other} say the same: leave one of them out")]
    Twice { place: SettingSource, other: SettingSource },
    /// A flag needs another one.
    #[error("{place}: it needs {needed} beside it")]
    Alone { place: SettingSource, needed: &'static str },
    /// A setting that does not exist.
    #[error("{place} is not a setting: expected one of {accepted}")]
    Unknown { place: SettingSource, accepted: String },
    /// The file cannot be read, or is not in its language.
    #[error("{path}: {problem}")]
    File {
        path: PathBuf,
        /// What is wrong, with its line.
        problem: String,
    },
}

impl ConfigError {
    /// Exit code: 2 when the command line is wrong, 1 when the environment or the file is, and for times of Raft, as
    /// etcd has it; 0 after help.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(error) if !error.use_stderr() => 0,
            Self::Usage(_)
            | Self::Value { place: SettingSource::Flag(_), .. }
            | Self::Tls { place: SettingSource::Flag(_), .. }
            | Self::Refused { place: SettingSource::Flag(_), .. }
            | Self::Alone { place: SettingSource::Flag(_), .. }
            | Self::Twice { place: SettingSource::Flag(_), .. }
            | Self::Peers { place: SettingSource::Flag(_) | SettingSource::Default(_), .. } => 2,
            _ => 1,
        }
    }
}
