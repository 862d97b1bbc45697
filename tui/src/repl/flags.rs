//! Flags of `repl`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use mini_etcd_shared::format::Format;
use mini_etcd_shared::text::parse_duration;

use crate::bundled::MEMBERS_MAX;
use crate::connect::Connect;

/// The line editor; reads a batch when standard input is not a terminal.
///
/// Exit codes of a batch: 0 all went well, 1 a command failed, 2 no connection, 3 syntax (found before anything is sent),
/// 5 interrupted, 6 a file cannot be read or written, 124 out of time, 128 bad flags.
#[derive(Clone, Debug, Args)]
pub struct Flags {
    /// Whom to ask.
    #[command(flatten)]
    pub connect: Connect,
    /// Start N bundled members on temporary data, and talk to them
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "1",
          value_parser = clap::value_parser!(u8).range(1..=MEMBERS_MAX as i64))]
    pub bundled: Option<u8>,
    /// Output format: simple, json, jsonl, fields, table or protobuf
    #[arg(short = 'w', long = "write-out", env = "ETCDCTL_WRITE_OUT", default_value = "simple",
          value_name = "FORMAT", value_parser = format)]
    pub format: Format,
    /// Print keys and values as \xNN bytes
    #[arg(long, env = "ETCDCTL_HEX")]
    pub hex: bool,
    /// How long a command may take; watches are not bounded
    #[arg(long, env = "ETCDCTL_COMMAND_TIMEOUT", default_value = "5s", value_name = "TIME",
          value_parser = parse_duration)]
    pub command_timeout: Duration,
    /// How long a connection may take to come about
    #[arg(long, env = "ETCDCTL_DIAL_TIMEOUT", default_value = "2s", value_name = "TIME",
          value_parser = parse_duration)]
    pub dial_timeout: Duration,
    /// End a batch after this time
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
    /// Refuse what would change the cluster
    #[arg(long)]
    pub read_only: bool,
    /// Allow pipes into a shell in a batch; at the prompt they are allowed
    #[arg(long)]
    pub allow_shell: bool,
    /// Whether to use colours; auto heeds NO_COLOR
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN")]
    pub color: Color,
}

/// When colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set or the terminal is dumb.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Whether a terminal gets colours.
    pub(super) fn on(self) -> bool {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
            }
        }
    }
}

fn format(name: &str) -> Result<Format, String> {
    Format::of_language(name)
        .ok_or_else(|| "accepted are simple, json, jsonl, fields, table and protobuf".to_owned())
}
