//! Both programs by the same line: both start and tell the same, or both refuse.

use std::future::ready;

use anyhow::{Context as _, ensure};
use mini_etcd_tests::process::etcd_binary;
use mini_etcd_tests::wait::eventually;
use regex::Regex;
use rustix::process::Signal;
use tempfile::TempDir;

use super::launch::{DEADLINE, Line, Place, programs};

/// A member alone, whose addresses are all its own.
const ALONE: [&str; 6] = [
    "--data-dir={dir}/data",
    "--listen-client-urls=http://127.0.0.1:{c}",
    "--advertise-client-urls=http://127.0.0.1:{c}",
    "--listen-peer-urls=http://127.0.0.1:{p}",
    "--initial-advertise-peer-urls=http://127.0.0.1:{p}",
    "--initial-cluster=default=http://127.0.0.1:{p}",
];

/// The same in YAML.
const FILE: &str = "\
name: n1
data-dir: {dir}/data
listen-client-urls: http://127.0.0.1:{c},http://127.0.0.1:{d}
advertise-client-urls: http://127.0.0.1:{d},http://127.0.0.1:{c}
listen-peer-urls: http://127.0.0.1:{p}
initial-advertise-peer-urls: http://127.0.0.1:{p}
initial-cluster: n1=http://127.0.0.1:{p}
initial-cluster-token: of-the-file
heartbeat-interval: 100
snapshot-count: 5000
log-outputs: [stderr]
client-transport-security:
  auto-tls: false
";

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&ALONE[..], more].concat()
}

/// Goal: a line that starts an etcd starts a member with the same name, addresses and numbers. Method: lines, variables
/// and files with both programs, one after the other at the same ports; etcdctl asks.
#[tokio::test]
async fn a_line_that_starts_etcd_starts_the_same_member() -> anyhow::Result<()> {
    let in_default_dir = &ALONE[1..];
    let parted = || ALONE.iter().filter_map(|flag| flag.strip_prefix('-')?.split_once('='));
    let one_dash: Vec<_> = parted().flat_map(|(name, value)| [name, value]).collect();
    let variable = |name: &str| format!("ETCD{}", name.replace('-', "_").to_ascii_uppercase());
    let variables: Vec<_> = parted().map(|(name, value)| (variable(name), value)).collect();
    let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let token =
        with(&["--initial-cluster-token=t", "--pre-vote", "-auto-tls=f", "--max-txn-ops", "7"]);
    let several = with(&[
        "--listen-client-urls=http://127.0.0.1:{c},http://127.0.0.1:{d}",
        "--advertise-client-urls=http://z:1,http://127.0.0.1:{c},http://a.example:2",
        "--listen-metrics-urls=http://127.0.0.1:{m}",
    ]);
    let everywhere = with(&[
        "--listen-client-urls=http://0.0.0.0:{c}",
        "--advertise-client-urls=http://0.0.0.0:{c}",
    ]);
    let named = [&ALONE[..5], &["--name=named"]].concat();
    let unknown = [&variables[..], &[("ETCD_BOGUS", "1"), ("ETCD_NAME", "")]].concat();
    let with_file = ["--config-file={file}", "--name=ignored"];
    for line in [
        Line { arguments: &ALONE, ..Line::default() },
        Line { arguments: in_default_dir, ..Line::default() },
        Line { arguments: &one_dash, ..Line::default() },
        Line { arguments: &token, ..Line::default() },
        Line { arguments: &several, ..Line::default() },
        Line { arguments: &everywhere, ..Line::default() },
        Line { arguments: &named, ..Line::default() },
        Line { variables: &unknown, ..Line::default() },
        Line { arguments: &with_file, file: FILE, ..Line::default() },
        Line { variables: &[("ETCD_CONFIG_FILE", "{file}")], file: FILE, ..Line::default() },
    ] {
        let place = Place::new()?;
        let [(_, theirs), (_, ours)] = programs()?;
        let theirs = place.told(&theirs, &line, &[]).await?;
        let ours = place.told(&ours, &line, &[]).await?;
        assert_eq!(ours, theirs, "{line:?}");
    }
    Ok(())
}

/// Goal: a line that etcd refuses is not taken for something else.
#[tokio::test]
async fn a_line_that_etcd_refuses_is_refused() -> anyhow::Result<()> {
    let shadowed = [("ETCD_NAME", "default")];
    let no_truth = [("ETCD_PRE_VOTE", "maybe")];
    let lines = [
        (with(&["--listen-client-urls=http://a.example:{c}"]), &[][..], ""),
        (with(&["--listen-client-urls=http://127.0.0.1:{c}/"]), &[], ""),
        (with(&["--listen-client-urls=127.0.0.1:{c}"]), &[], ""),
        (with(&["--listen-client-urls=https://127.0.0.1:{c}"]), &[], ""),
        (with(&["--listen-peer-urls=https://127.0.0.1:{p}"]), &[], ""),
        (vec!["--listen-client-urls=http://127.0.0.1:{c}"], &[], ""),
        (with(&["--name=other"]), &[], ""),
        (with(&["--name=default"]), &shadowed[..], ""),
        (ALONE.to_vec(), &no_truth[..], ""),
        (with(&["--pre-vote", "false"]), &[], ""),
        (with(&["--heartbeat-interval=100ms"]), &[], ""),
        (with(&["--election-timeout=499"]), &[], ""),
        (with(&["--election-timeout=50001"]), &[], ""),
        (with(&["--heartbeat-interval=0"]), &[], ""),
        (with(&["--auto-compaction-mode=x"]), &[], ""),
        (with(&["--initial-cluster-state=x"]), &[], ""),
        (with(&["--logger=capnslog"]), &[], ""),
        (with(&["--bogus"]), &[], ""),
        (with(&["word"]), &[], ""),
        (with(&["--initial-advertise-peer-urls=http://127.0.0.1:{d}"]), &[], ""),
        (vec!["--config-file={dir}/nowhere"], &[], ""),
        (vec!["--config-file={file}"], &[], "name: [n1"),
        (vec!["--config-file={file}"], &[], "heartbeat-interval: 100ms"),
    ];
    for (arguments, variables, file) in lines {
        let line = Line { arguments: &arguments, variables, file };
        for (name, program) in programs()? {
            let (place, dir) = (Place::new()?, TempDir::new()?);
            let mut process = place.start(&program, &line, dir.path())?;
            let status = process.wait(DEADLINE).with_context(|| format!("{name}: {line:?}"))?;
            ensure!(!status.success(), "{name} takes {line:?}");
        }
    }
    Ok(())
}

/// Goal: no flag of etcd is unknown. Method: what `etcd --help` lists against the page that is made from the table.
#[test]
fn every_flag_of_etcd_is_on_the_page() -> anyhow::Result<()> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/flags.md");
    let page = std::fs::read_to_string(page)?;
    let mut etcds = vec![etcd_binary("ETCD_BIN")?];
    if std::env::var_os("ETCD37_BIN").is_some() {
        etcds.push(etcd_binary("ETCD37_BIN")?);
    }
    let pattern = Regex::new(r"(?m)^  --([a-z0-9-]+)")?;
    for etcd in etcds {
        let output = std::process::Command::new(&etcd).arg("--help").output()?;
        let help = String::from_utf8([output.stdout, output.stderr].concat())?;
        let flags: Vec<_> = pattern.captures_iter(&help).map(|found| found[1].to_owned()).collect();
        ensure!(flags.len() > 80, "{help}");
        let missing: Vec<_> =
            flags.iter().filter(|flag| !page.contains(&format!("| `--{flag}` |"))).collect();
        ensure!(missing.is_empty(), "{}: {missing:?}", etcd.display());
    }
    Ok(())
}

/// Goal: who speaks to a member by a socket of the file system is answered. Method: etcdctl at such a socket of both
/// programs, and after the end by a signal no file is left.
#[tokio::test]
async fn a_socket_of_the_file_system_is_listened_at() -> anyhow::Result<()> {
    let arguments = with(&["--listen-client-urls=http://127.0.0.1:{c},unix://socket:1"]);
    let line = Line { arguments: &arguments, ..Line::default() };
    for (name, program) in programs()? {
        let (place, dir) = (Place::new()?, TempDir::new()?);
        let mut process = place.start(&program, &line, dir.path())?;
        let put = || {
            let mut command = std::process::Command::new(etcd_binary("ETCDCTL_BIN")?);
            command.current_dir(dir.path()).env("ETCDCTL_API", "3");
            command.args(["--endpoints=unix://socket:1", "--command-timeout=2s", "put", "k", "v"]);
            let output = command.output()?;
            ensure!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
            Ok(())
        };
        eventually("an answer", DEADLINE, || ready(put())).await?;
        let file = dir.path().join("socket:1");
        ensure!(file.exists(), "{name}");
        process.signal(Signal::TERM)?;
        process.wait(DEADLINE)?;
        ensure!(!file.exists(), "{name} leaves it");
    }
    Ok(())
}
