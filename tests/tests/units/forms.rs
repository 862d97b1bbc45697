//! [`Published`]: the members that a published file starts, read as those read it who start them: systemd, kubelet,
//! docker and a shell.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use serde_yaml_ng::Value;

use super::settings::Start;

/// What a shell tells of each call of the two programs: the number of its words and the words, with zeros between.
const RECORDING: &str = r#"
etcd() { printf '%s\0' "$#" etcd "$@"; }
docker() { printf '%s\0' "$#" docker "$@"; }
. "$0"
"#;

/// Options of `docker run` with a value in the next word.
const DOCKER_VALUES: [&str; 7] =
    ["-p", "--publish", "-v", "--volume", "--name", "--network", "--restart"];

/// What a file starts.
#[derive(Debug, Default)]
pub struct Published {
    pub starts: Vec<Start>,
    /// Ports and paths that kubelet asks.
    pub probes: Vec<(u16, String)>,
    /// systemd waits to be told.
    pub is_notified: bool,
    /// What the log names.
    pub warnings: Vec<String>,
}

impl Published {
    /// Reads the file `name` of `dir`.
    pub fn read(dir: &Path, name: &str) -> anyhow::Result<Self> {
        let path = dir.join(name);
        let text = std::fs::read_to_string(&path)?;
        let mut published = match name.rsplit_once('.').map(|(_, kind)| kind) {
            Some("service") => unit(&text, dir)?,
            Some("sh") => Self { starts: script(&path)?, ..Self::default() },
            Some("yaml") => yaml(&text)?,
            _ => bail!("{name} has no form that is known"),
        };
        let warnings = text.lines().filter_map(|line| line.strip_prefix("# warns: "));
        published.warnings = warnings.map(str::to_owned).collect();
        ensure!(!published.starts.is_empty(), "{name} starts nothing");
        Ok(published)
    }
}

/// A unit of systemd; its files of variables lie beside it.
fn unit(text: &str, dir: &Path) -> anyhow::Result<Published> {
    let mut variables = Vec::new();
    let (mut start, mut is_notified) = (None, false);
    for line in text.lines() {
        let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
            continue;
        };
        match key {
            "Environment" => variables.extend(variable(value)),
            "EnvironmentFile" => {
                let name = value.rsplit('/').next().context("a file")?;
                let file = std::fs::read_to_string(dir.join(name))?;
                let lines = file.lines().filter(|line| !line.starts_with('#'));
                variables.extend(lines.filter_map(variable));
            }
            "Type" => is_notified = value == "notify",
            "ExecStart" => start = Some(value),
            _ => {}
        }
    }
    for (_, value) in &mut variables {
        *value = value.replace("%m", "6b1f4e0c9d3a4b7e8f2d5c6a7b8e9f01").replace("%H", "host1");
    }
    let mut arguments = Vec::new();
    for word in start.context("ExecStart")?.split_whitespace().skip(1) {
        match word.strip_prefix('$') {
            // The last one counts, in words.
            Some(name) => {
                let value = variables.iter().rev().find(|(set, _)| set == name);
                let value = value.with_context(|| format!("a variable {name}"))?;
                arguments.extend(value.1.split_whitespace().map(str::to_owned));
            }
            None => arguments.push(word.to_owned()),
        }
    }
    let starts = vec![Start { arguments, variables, file: None }];
    Ok(Published { starts, is_notified, ..Published::default() })
}

/// `NAME=value`, with or without quotes.
fn variable(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    Some((name.to_owned(), value.trim_matches('"').to_owned()))
}

/// A script for a shell that calls `etcd`, or `docker run` with an image of it.
fn script(path: &Path) -> anyhow::Result<Vec<Start>> {
    let output = Command::new("sh").arg("-ec").arg(RECORDING).arg(path).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let mut words = text.split_terminator('\0');
    let mut starts = Vec::new();
    while let Some(count) = words.next() {
        let program = words.next().context("a program")?;
        let call: Vec<_> = words.by_ref().take(count.parse()?).map(str::to_owned).collect();
        match program {
            "etcd" => starts.push(Start { arguments: call, ..Start::default() }),
            _ if call.first().is_some_and(|first| first == "run") => starts.push(container(call)?),
            _ => {}
        }
    }
    Ok(starts)
}

/// What `docker run` starts.
fn container(call: Vec<String>) -> anyhow::Result<Start> {
    let mut words = call.into_iter().skip(1);
    let mut variables = Vec::new();
    loop {
        let word = words.next().context("an image")?;
        if ["-e", "--env"].contains(&word.as_str()) {
            variables.extend(variable(&words.next().context("a variable")?));
        } else if DOCKER_VALUES.contains(&word.as_str()) {
            words.next();
        } else if !word.starts_with('-') {
            break;
        }
    }
    Ok(Start { arguments: command(words)?, variables, file: None })
}

/// Arguments of a command line of etcd.
fn command(mut words: impl Iterator<Item = String>) -> anyhow::Result<Vec<String>> {
    let program = words.next();
    let is_etcd = program.as_deref().is_none_or(|it| it.rsplit('/').next() == Some("etcd"));
    ensure!(is_etcd, "{program:?} is no etcd");
    Ok(words.collect())
}

/// A manifest of Kubernetes, a compose file, or a file of etcd.
fn yaml(text: &str) -> anyhow::Result<Published> {
    let file: Value = serde_yaml_ng::from_str(text)?;
    if let Some(service) = file.get("services").and_then(|services| services.get("etcd")) {
        let starts = vec![Start {
            arguments: command(strings(service.get("command")).into_iter())?,
            variables: environment(service.get("environment")),
            file: None,
        }];
        return Ok(Published { starts, ..Published::default() });
    }
    if file.get("kind").is_none() {
        let starts = vec![Start { file: Some(text.to_owned()), ..Start::default() }];
        return Ok(Published { starts, ..Published::default() });
    }
    let spec = file.get("spec").context("a spec")?;
    let spec = spec.get("template").and_then(|template| template.get("spec")).unwrap_or(spec);
    let container = spec.get("containers").and_then(|all| all.get(0)).context("a container")?;
    let starts = vec![Start {
        arguments: command(strings(container.get("command")).into_iter())?,
        variables: environment(container.get("env")),
        file: None,
    }];
    let probes = ["livenessProbe", "readinessProbe", "startupProbe"];
    let probes = probes.into_iter().filter_map(|name| {
        let get = container.get(name)?.get("httpGet")?;
        let port = u16::try_from(get.get("port")?.as_u64()?).ok()?;
        Some((port, get.get("path")?.as_str()?.to_owned()))
    });
    Ok(Published { starts, probes: probes.collect(), ..Published::default() })
}

/// The words of a command, which is a list or one text.
fn strings(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => text.split_whitespace().map(str::to_owned).collect(),
        Some(Value::Sequence(items)) => {
            items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// Variables: a mapping, `NAME=value` each, or a name and a value each.
fn environment(value: Option<&Value>) -> Vec<(String, String)> {
    let pair =
        |name: &Value, value: &Value| Some((name.as_str()?.to_owned(), value.as_str()?.to_owned()));
    match value {
        Some(Value::Mapping(all)) => {
            all.iter().filter_map(|(name, value)| pair(name, value)).collect()
        }
        Some(Value::Sequence(items)) => items
            .iter()
            .filter_map(|item| match item.as_str() {
                Some(text) => variable(text),
                None => pair(item.get("name")?, item.get("value")?),
            })
            .collect(),
        _ => Vec::new(),
    }
}
