//! [`Place`]: where one program after the other is started by the same line; [`Told`]: what etcdctl is told by it.

use std::collections::BTreeMap;
use std::future::ready;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use mini_etcd_tests::process::{Process, etcd_binary, free_ports, workspace_binary};
use mini_etcd_tests::wait::eventually;
use serde_json::Value;
use tempfile::TempDir;

/// Longest time for a member to answer, or to refuse.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The programs, and what each is called in errors.
pub fn programs() -> anyhow::Result<[(&'static str, PathBuf); 2]> {
    Ok([("etcd", etcd_binary("ETCD_BIN")?), ("mini-etcd", workspace_binary("mini-etcd")?)])
}

/// A line: arguments, variables and a file of configuration, with names in braces for what the place has of its own:
/// `{dir}`, a directory; `{c}`, `{d}`, ports for clients; `{p}`, one for peers; `{m}`, one for metrics; `{file}`, the file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Line<'a> {
    pub arguments: &'a [&'a str],
    pub variables: &'a [(&'a str, &'a str)],
    pub file: &'a str,
}

/// What the names in braces stand for. The same ports for one program after the other: a member's number follows from
/// its address.
pub struct Place {
    ports: Vec<u16>,
}

impl Place {
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self { ports: free_ports(4)? })
    }

    pub fn port(&self, name: char) -> anyhow::Result<u16> {
        let index = "cdpm".find(name).context("a name of a port")?;
        self.ports.get(index).copied().context("a port")
    }

    /// `text` with what the names stand for.
    pub fn filled(&self, text: &str, dir: &Path) -> String {
        let mut text = text.replace("{dir}", &dir.display().to_string());
        text = text.replace("{file}", &dir.join("conf.yml").display().to_string());
        for (name, port) in "cdpm".chars().zip(&self.ports) {
            text = text.replace(&format!("{{{name}}}"), &port.to_string());
        }
        text
    }

    /// Starts `program` by `line` in `dir`, with nothing else in its environment.
    pub fn start(&self, program: &Path, line: &Line<'_>, dir: &Path) -> anyhow::Result<Process> {
        std::fs::write(dir.join("conf.yml"), self.filled(line.file, dir))?;
        let mut command = Command::new(program);
        command.args(line.arguments.iter().map(|argument| self.filled(argument, dir)));
        command.current_dir(dir).env_clear();
        command.envs(line.variables.iter().map(|(name, value)| (name, self.filled(value, dir))));
        Process::start(&program.display().to_string(), &mut command, &dir.join("stderr"))
    }

    /// What the member that `program` makes of `line` tells etcdctl at the port `{c}`.
    pub async fn told(
        &self,
        program: &Path,
        line: &Line<'_>,
        flags: &[&str],
    ) -> anyhow::Result<Told> {
        let dir = TempDir::new()?;
        self.told_in(dir.path(), program, line, flags).await
    }

    /// The same of a directory that has something in it already.
    pub async fn told_in(
        &self,
        dir: &Path,
        program: &Path,
        line: &Line<'_>,
        flags: &[&str],
    ) -> anyhow::Result<Told> {
        let mut process = self.start(program, line, dir)?;
        let endpoint = format!("--endpoints=127.0.0.1:{}", self.port('c')?);
        let flags: Vec<_> = flags.iter().map(|flag| self.filled(flag, dir)).collect();
        let flags = [&[endpoint][..], &flags].concat();
        let told = eventually("an answer", DEADLINE, || {
            ready(if process.is_running() {
                Told::of(&flags)
            } else {
                Err(anyhow!("{} ended: {}", program.display(), process.errors()))
            })
        });
        let told = told.await.with_context(|| format!("{line:?}"))?;
        process.kill()?;
        Ok(told)
    }
}

/// What etcdctl is told of a cluster, as far as it follows from how it was started.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    pub cluster: String,
    /// By number: name, peer URLs, client URLs.
    pub members: BTreeMap<String, (String, Value, Value)>,
    /// Number of the member that was asked.
    pub me: String,
}

impl Told {
    /// Asks with `flags` for every member that has answered its clients' address already.
    pub fn of(flags: &[String]) -> anyhow::Result<Self> {
        let list = asked(flags, &["member", "list"])?;
        let status = asked(flags, &["endpoint", "status"])?;
        let status = status.get(0).and_then(|one| one.get("Status")).context("a status")?;
        let mut members = BTreeMap::new();
        for member in list.get("members").and_then(Value::as_array).context("members")? {
            let part = |name: &str| member.get(name).cloned().unwrap_or_default();
            let name = part("name").as_str().unwrap_or_default().to_owned();
            ensure!(!part("clientURLs").is_null(), "{name} did not publish its address yet");
            members.insert(part("ID").to_string(), (name, part("peerURLs"), part("clientURLs")));
        }
        let header = status.get("header").context("a header")?;
        let number = |name: &str| header.get(name).map(Value::to_string).context("a number");
        Ok(Self { cluster: number("cluster_id")?, me: number("member_id")?, members })
    }
}

fn asked(flags: &[String], words: &[&str]) -> anyhow::Result<Value> {
    let mut command = Command::new(etcd_binary("ETCDCTL_BIN")?);
    command.env("ETCDCTL_API", "3").args(flags).args(words);
    let output =
        command.args(["-w", "json", "--dial-timeout=1s", "--command-timeout=2s"]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}
