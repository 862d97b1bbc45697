//! Flags of `run`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use mini_etcd_shared::text::parse_duration;

use crate::bundled::MEMBERS_MAX;
use crate::connect::Connect;

/// Runs scripts and reports as TAP.
///
/// Exit codes: 0 all passed, 1 a test or command failed, 2 no connection, 3 script syntax (found before anything is
/// sent), 5 interrupted, 6 a file cannot be read or written, 124 out of time, 128 bad flags.
#[derive(Clone, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Flags {
    /// Scripts, run one after the other
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Whom to ask.
    #[command(flatten)]
    pub connect: Connect,
    /// Run against N bundled members on temporary data
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=MEMBERS_MAX as i64))]
    pub bundled: Option<u8>,
    /// Go on with the next test of a file when one has failed
    #[arg(long)]
    pub keep_going: bool,
    /// Report as TAP 14 on standard output; this is the default
    #[arg(long)]
    pub tap: bool,
    /// Also write a JUnit report
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Also write one JSON object for each command
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Set a variable; may be given several times
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    pub variables: Vec<(String, String)>,
    /// Run only the tests whose name contains this
    #[arg(long, value_name = "NAME")]
    pub only: Option<String>,
    /// End everything after this time; teardown still runs
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
    /// Only parse, and list what would run
    #[arg(long)]
    pub dry_run: bool,
    /// Rewrite the golden output of the scripts with what is printed now
    #[arg(long)]
    pub update: bool,
    /// Allow pipes into a shell
    #[arg(long)]
    pub allow_shell: bool,
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    let mut letters = name.bytes();
    let good = letters.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && letters.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if good {
        Ok((name.to_owned(), value.to_owned()))
    } else {
        Err(format!("{name:?} is no name: expected letters, digits and _"))
    }
}
