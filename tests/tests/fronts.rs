//! Every command of the table with every flag, through `mini-etcdctl` and through a script: the same result, the same bytes.
//!
//! Goal: the language adds to the commands and changes none. Method: the lines are made from the table itself; each runs in
//! both programs on the same unchanging keys, in each format, and standard output and exit code are compared. What changes
//! something is compared last, with its revisions masked.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use mini_etcd_shared::command::{CommandSpec, Flag, GLOBAL_FLAGS, GROUPS, TABLE, ValueKind, Verb};
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::process::workspace_binary;
use serde_json::Value;

const FORMATS: &[&str] = &["", " -w simple", " -w json", " -w fields", " -w table", " -w protobuf"];

/// Arguments for a command; `None` when it has no end, or tells of the program itself.
fn arguments(verb: Verb) -> Option<&'static str> {
    Some(match verb {
        Verb::Get => " fronts/a",
        Verb::Del => " zz/none",
        Verb::Put => " fronts/a 1",
        Verb::Compaction => " 999999999",
        Verb::MemberList
        | Verb::EndpointStatus
        | Verb::EndpointHealth
        | Verb::EndpointHashKv
        | Verb::AlarmList
        | Verb::Version => "",
        Verb::Txn | Verb::Watch | Verb::Help => return None,
    })
}

/// A value that the flag takes.
fn value(flag: &Flag, endpoint: &str) -> Option<String> {
    Some(match (flag.name, flag.value) {
        // The formats are gone through anyway, and a put that keeps its value takes none.
        ("write-out" | "ignore-value", _) => return None,
        ("endpoints", _) => format!("={endpoint}"),
        ("user", _) => "=a:b".to_owned(),
        (_, ValueKind::Switch) => String::new(),
        (_, ValueKind::Int) => "=2".to_owned(),
        (_, ValueKind::Duration) => "=4s".to_owned(),
        (_, ValueKind::Lease) => "=0".to_owned(),
        (_, ValueKind::Text | ValueKind::List) => "=x".to_owned(),
        (_, ValueKind::Choice(words)) => format!("={}", words.first().copied().unwrap_or("")),
    })
}

fn lines(endpoint: &str, changes: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let change = |spec: &&CommandSpec| matches!(spec.verb, Verb::Put);
    for spec in TABLE.iter().filter(|spec| change(spec) == changes) {
        let Some(arguments) = arguments(spec.verb) else { continue };
        let group = GROUPS.iter().find(|group| group.name == spec.group);
        let flags = spec.flags.iter().chain(group.map_or(&[][..], |group| group.flags));
        let base = format!("{}{arguments}", spec.path());
        for format in FORMATS {
            lines.push(format!("{base}{format}"));
            for flag in flags.clone().chain(GLOBAL_FLAGS) {
                let Some(value) = value(flag, endpoint) else { continue };
                lines.push(format!("{base} --{}{value}{format}", flag.name));
            }
        }
    }
    lines
}

/// What cannot be equal: how long a health check took, and where `numbers` says so every number, for a refused
/// compaction takes a place in the log too.
fn masked(out: &str, numbers: bool) -> String {
    let mut masked = String::new();
    for line in out.split_inclusive('\n') {
        let lower = line.to_lowercase();
        let took =
            lower.find("took").filter(|_| lower.contains("health") || lower.starts_with("\"took"));
        masked.push_str(took.map_or(line, |at| line.get(..at).unwrap_or(line)));
    }
    if numbers { masked.replace(|c: char| c.is_ascii_digit(), "") } else { masked }
}

/// Exit code and output of each line in a script.
fn in_script(lines: &[String], endpoint: &str, dir: &Path) -> anyhow::Result<Vec<(i64, String)>> {
    let tests: Vec<_> = lines.iter().map(|line| format!("test x\n{line}\nend\n")).collect();
    let (script, report) = (dir.join("fronts.ers"), dir.join("fronts.json"));
    std::fs::write(&script, tests.concat())?;
    let output = Command::new(workspace_binary("mini-etcd-tui")?)
        .args(["run", "--keep-going", "--endpoints", endpoint, "--json"])
        .args([&report, &script])
        .output()?;
    let report = std::fs::read_to_string(&report)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let mut found = Vec::new();
    for line in report.lines() {
        let object: Value = serde_json::from_str(line)?;
        if object.get("kind").and_then(Value::as_str) != Some("command") {
            continue;
        }
        let status = object.get("status").and_then(Value::as_i64).context("a status")?;
        let out = object.get("out").context("its output")?;
        found.push((status, out.as_str().map_or_else(|| out.to_string(), ToOwned::to_owned)));
    }
    ensure!(found.len() == lines.len(), "{} of {} lines ran", found.len(), lines.len());
    Ok(found)
}

fn in_ctl(line: &str, endpoint: &str) -> anyhow::Result<(i64, String)> {
    let mut command = Command::new(workspace_binary("mini-etcdctl")?);
    command.args(line.split(' '));
    if !line.contains("--endpoints") {
        command.args(["--endpoints", endpoint]);
    }
    let output = command.output()?;
    let code = i64::from(output.status.code().context("an exit code")?);
    Ok((code, String::from_utf8_lossy(&output.stdout).into_owned()))
}

#[tokio::test]
async fn a_line_of_a_script_does_what_mini_etcdctl_does() -> anyhow::Result<()> {
    let cluster = Cluster::start(Flavor::Mini, 1).await?;
    let endpoint = cluster.member(0)?.address.clone();
    let dir = tempfile::tempdir()?;
    for line in ["put fronts/a 1", "put fronts/b <x>"] {
        ensure!(in_ctl(line, &endpoint)?.0 == 0, "{line}");
    }
    for changes in [false, true] {
        let lines = lines(&endpoint, changes);
        ensure!(lines.len() > 100, "the table has lost its flags");
        let scripted = in_script(&lines, &endpoint, dir.path())?;
        let mut different = Vec::new();
        for (line, (status, out)) in lines.iter().zip(scripted) {
            let (code, printed) = in_ctl(line, &endpoint)?;
            let numbers = changes || line.starts_with("endpoint status");
            let (out, printed) = (masked(&out, numbers), masked(&printed, numbers));
            // The report shows bytes that are no text in base64, and the width of a table follows the time in it: there the
            // exit codes alone are compared.
            let table = line.starts_with("endpoint health") && line.ends_with("table");
            let same = line.ends_with("protobuf") || table || out == printed;
            if code != status || !same {
                different.push(format!(
                    "{line}\n  script {status} {out:?}\n  ctl    {code} {printed:?}"
                ));
            }
        }
        ensure!(
            different.is_empty(),
            "{} lines differ:\n{}",
            different.len(),
            different.join("\n")
        );
    }
    Ok(())
}
