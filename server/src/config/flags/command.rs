//! The command line, made from the table.

use std::ffi::OsString;
use std::sync::LazyLock;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, Error};
use mini_etcd_shared::version::{ETCD_VERSION, VERSION};

use super::{Effect, Flag, GROUPS, Kind, find};

const ABOUT: &str =
    "One member of a mini-etcd cluster: a replicated key-value store that speaks the etcd v3 API.";

const AFTER_HELP: &str = "\
Every flag of etcd is taken, with one dash or two: docs/flags.md says what comes of each.
Every option has a variable MINI_ETCD_... (MINI_ETCD_LISTEN_PEER) and a line in the file of --config
(listen-peer = \"...\"), those of etcd also ETCD_... and a key in the file of --config-file.
The command line wins over the environment, the environment over the file of --config.
Exit codes: 0 stopped; 1 start or configuration; 2 usage; 70 disk error; 71 acknowledged log missing;
72 damaged data; 73 removed from the cluster; 74 state differs from the cluster.";

/// Programs that etcd is beside a member, by its first argument.
const OF_ETCD: [&str; 2] = ["gateway", "grpc-proxy"];

/// What `--version` says behind the name.
static VERSIONS: LazyLock<String> =
    LazyLock::new(|| format!("{VERSION}, speaks as etcd Version: {ETCD_VERSION}"));

/// What the command line says, by names of the table.
pub(in crate::config) struct Arguments(ArgMatches);

impl Arguments {
    /// The value of a flag, if it was given.
    pub fn get(&self, flag: &Flag) -> Option<&String> {
        self.0.get_one(flag.name)
    }
}

/// Reads a command line as Go does: one dash or two, the value behind `=` or, for what is not true or false, next.
///
/// # Errors
/// It asks for help or does not parse; clap words it.
pub(in crate::config) fn parse(
    args: impl IntoIterator<Item = OsString>,
) -> Result<Arguments, clap::Error> {
    let args = two_dashes(args);
    if let Some(program) = args.first().filter(|first| OF_ETCD.iter().any(|name| first == name)) {
        let says = format!(
            "there is no {} here: clients go to the members themselves\n",
            program.display()
        );
        return Err(Error::raw(ErrorKind::InvalidSubcommand, says));
    }
    command().try_get_matches_from(args).map(Arguments)
}

/// The command line with two dashes before each name and `=` before each value, which is how clap is told apart what
/// Go tells apart by the kind of a flag.
fn two_dashes(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args = args.into_iter();
    let mut typed = Vec::new();
    while let Some(arg) = args.next() {
        let bare = arg.to_str().and_then(|text| text.strip_prefix('-'));
        let bare = bare.map(|bare| bare.strip_prefix('-').unwrap_or(bare));
        let Some(bare) = bare.filter(|bare| bare.len() > 1) else {
            typed.push(arg);
            continue;
        };
        let (name, value) = bare.split_once('=').map_or((bare, None), |(n, v)| (n, Some(v)));
        let takes_next = value.is_none() && find(name).is_some_and(|flag| flag.kind != Kind::Bool);
        let mut whole = OsString::from(format!("--{bare}"));
        if takes_next && let Some(next) = args.next() {
            whole.push("=");
            whole.push(next);
        }
        typed.push(whole);
    }
    typed
}

fn command() -> Command {
    let mut command = Command::new("mini-etcd")
        .version(VERSIONS.as_str())
        .about(ABOUT)
        .after_help(AFTER_HELP)
        .no_binary_name(true)
        .args_override_self(true);
    for (heading, flags) in GROUPS {
        command = command.args(flags.iter().map(|flag| arg(flag).help_heading(heading)));
    }
    command
}

fn arg(flag: &Flag) -> Arg {
    let arg = Arg::new(flag.name).long(flag.name).help(flag.help).action(ArgAction::Set);
    // What has no effect is in docs/flags.md; here it would hide what has one.
    let arg = arg.hide(!matches!(flag.effect, Effect::Applied) || flag.name == "stop-with-stdin");
    match flag.kind {
        Kind::Bool => arg
            .value_name("BOOL")
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
        Kind::Number => arg.value_name("NUMBER"),
        Kind::Duration => arg.value_name("DURATION"),
        Kind::Text(name) => arg.value_name(name),
    }
}

#[cfg(test)]
mod tests {
    use super::super::all;
    use super::*;

    fn typed(args: &[&str]) -> Vec<(&'static str, String)> {
        let parsed = parse(args.iter().map(OsString::from)).unwrap();
        all().filter_map(|flag| Some((flag.name, parsed.get(flag)?.clone()))).collect()
    }

    #[test]
    fn a_command_line_is_read_as_go_reads_it() {
        let wanted = |pairs: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
            pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
        };
        for args in [&["-name", "v"][..], &["--name", "v"], &["-name=v"], &["--name=v"]] {
            assert_eq!(typed(args), wanted(&[("name", "v")]), "{args:?}");
        }
        assert_eq!(typed(&["-pre-vote"]), wanted(&[("pre-vote", "true")]));
        assert_eq!(
            typed(&["--pre-vote=f", "--name=a=b"]),
            wanted(&[("name", "a=b"), ("pre-vote", "f")])
        );
        // The last one counts; a value may begin with a dash, and be the name of a flag.
        let twice = ["--quota-backend-bytes", "5", "-quota-backend-bytes", "-1"];
        assert_eq!(typed(&twice), wanted(&[("quota-backend-bytes", "-1")]));
        assert_eq!(typed(&["--name", "--data"]), wanted(&[("name", "--data")]));
        assert_eq!(typed(&["--name="]), wanted(&[("name", "")]));
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for args in [&["--pre-vote", "false"][..], &["x"], &["-bogus"], &["--name"], &["--", "x"]] {
            let error = parse(args.iter().map(OsString::from)).err().unwrap();
            assert_eq!(error.exit_code(), 2, "{args:?}");
        }
    }

    #[test]
    fn what_else_etcd_is_is_refused_by_its_name() {
        for args in [["gateway", "start"], ["grpc-proxy", "start"]] {
            let error = parse(args.map(OsString::from)).err().unwrap();
            let says = format!("error: there is no {} here", args[0]);
            assert!(error.to_string().starts_with(&says), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
    }
}
