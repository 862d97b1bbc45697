//! `docs/flags.md`, made from the table.

use std::fmt::Write as _;
use std::path::Path;

use super::gates::GATES;
use super::{Effect, Flag, GROUPS, Program};

const HEAD: &str = "\
# Flags

Made from the table in `server/src/config/flags` by `UPDATE_DOCS=1 cargo test -p mini-etcd-server --lib flags::page`.

A member is started by our own short flags or by etcd's: those of 3.4 to 3.7.3 are all known, with one dash or two.
What one says stands also as `MINI_ETCD_` and its name in capitals in the environment, and in the file of `--config` in TOML; what
etcd has, as `ETCD_` and its name, and in etcd's own file in YAML (`--config-file`).

* The command line wins over `MINI_ETCD_`, that over `ETCD_`, that over the file of `--config`. A flag with its `ETCD_` variable
  beside it is refused, as in etcd. An `ETCD_` variable that is unknown or empty is named in the log.
* With `--config-file` or `ETCD_CONFIG_FILE` that file is everything: the log names a flag or variable that has no effect. Durations
  are numbers of nanoseconds there, or texts such as `\"5s\"`; a key that does not exist is refused.
* `data`, `listen`, `listen-peer`, `listen-metrics`, `advertise`, `peers` and `advertise-peer` are other names of `data-dir`,
  `listen-client-urls`, `listen-peer-urls`, `listen-metrics-urls`, `advertise-client-urls`, `initial-cluster` and
  `initial-advertise-peer-urls`. Both of a pair together are refused. Where one of etcd's is given, what is not said is as in etcd:
  data in `NAME.etcd`, clients at `http://localhost:2379`, peers at a port of their own, `http://localhost:2380`.
* By etcd's URLs TLS is spoken where they begin with `https`, by our addresses where there is a certificate.

| here | |
|---|---|
| does | what it says |
| warned | it has no effect, and one line of the log says why; no line with the values named, which are so anyway |
| refused | the program does not start with another value than those named |
";

fn page() -> String {
    let mut text = HEAD.to_owned();
    for (heading, flags) in GROUPS {
        // Writing to a string never fails.
        let _ = write!(text, "\n## {heading}\n\n| flag | of | here | |\n|---|---|---|---|\n");
        for flag in flags.iter().filter(|flag| flag.name != "stop-with-stdin") {
            text.push_str(&row(flag));
        }
    }
    text.push_str("\n## Feature gates\n\n| gate | here | |\n|---|---|---|\n");
    for (name, is_open, why) in GATES {
        let here = match is_open {
            None => "taken".to_owned(),
            Some(is_open) => format!("warned, but for `{is_open}`"),
        };
        let _ = writeln!(text, "| `{name}` | {here} | {why} |");
    }
    text
}

fn row(flag: &Flag) -> String {
    let of = match flag.program {
        Program::Ours => "",
        Program::Etcd => "etcd",
        Program::Etcd34 => "etcd 3.4",
        Program::Etcd35 => "etcd 3.5",
        Program::Etcd36 => "etcd 3.6",
        Program::Etcd37 => "etcd 3.7",
    };
    let but = |fits: &[&str]| {
        let named: Vec<_> = fits
            .iter()
            .map(|fit| if fit.is_empty() { "none".to_owned() } else { format!("`{fit}`") })
            .collect();
        named.join(", ")
    };
    let help = flag.help;
    let (here, what) = match flag.effect {
        Effect::Applied => ("does".to_owned(), help.replace('|', "or")),
        Effect::AliasOf(other) => (format!("as `--{other}`"), String::new()),
        Effect::Ignored([], why) => ("taken".to_owned(), format!("{help}: {why}")),
        Effect::Ignored(fits, why) => {
            (format!("warned, but for {}", but(fits)), format!("{help}: {why}"))
        }
        Effect::Refused(fits, why) => {
            (format!("refused, but for {}", but(fits)), format!("{help}: {why}"))
        }
    };
    format!("| `--{}` | {of} | {here} | {what} |\n", flag.name)
}

#[test]
fn the_page_of_flags_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/flags.md");
    let (found, wanted) = (std::fs::read_to_string(&path).unwrap_or_default(), page());
    if found != wanted && std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, wanted).unwrap();
        return;
    }
    assert!(found == wanted, "docs/flags.md is stale: UPDATE_DOCS=1 writes it anew");
}
