//! What README.md shows is run as it stands: each `console` block in a fresh directory.
//!
//! Ports of the text are replaced by free ones. A line that ends in `&` is a server: it is started and its first
//! line waited for. Every other command must print what stands below it.

#![expect(clippy::expect_used, reason = "a test may say what it expects")]

use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use mini_etcd_tests::process::{Process, free_ports, workspace_binary};

/// Time for a server to answer.
const DEADLINE: Duration = Duration::from_secs(30);

/// One command of a block and what it must print.
#[derive(Debug, Default)]
struct Step {
    command: String,
    output: String,
}

/// The blocks of a page that are fenced as `console`.
fn blocks(page: &str) -> Vec<Vec<Step>> {
    let mut blocks = Vec::new();
    let mut block: Option<Vec<Step>> = None;
    for line in page.lines() {
        match (&mut block, line) {
            (None, "```console") => block = Some(Vec::new()),
            (None, _) => {}
            (Some(steps), "```") => {
                blocks.push(std::mem::take(steps));
                block = None;
            }
            (Some(steps), line) => {
                if let Some(command) = line.strip_prefix("$ ") {
                    steps.push(Step { command: command.to_owned(), output: String::new() });
                } else if let Some(step) = steps.last_mut() {
                    let more =
                        line.strip_prefix("> ").or(if line == ">" { Some("") } else { None });
                    let added = match more {
                        Some(more) => write!(step.command, "\n{more}"),
                        None => writeln!(step.output, "{line}"),
                    };
                    added.expect("a string takes everything");
                }
            }
        }
    }
    blocks
}

/// Replaces the ports of the text by free ones; the default port is also told to etcdctl by its variable.
fn with_ports(text: &str, ports: &HashMap<&str, u16>) -> String {
    ports.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, &format!(":{to}")))
}

fn shell(command: &str, dir: &Path, ports: &HashMap<&str, u16>) -> anyhow::Result<Command> {
    let bin = workspace_binary("mini-etcdctl")?;
    let bin = bin.parent().context("its directory")?;
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(with_ports(command, ports)).current_dir(dir).env("PATH", path);
    // A command without an endpoint means the default port, which the text's servers listen on.
    if !command.contains("--endpoint") {
        let port = ports.get(":2379").context("the default port")?;
        shell.env("ETCDCTL_ENDPOINTS", format!("localhost:{port}"));
    }
    Ok(shell)
}

#[test]
fn every_example_does_what_it_shows() -> anyhow::Result<()> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let blocks = blocks(&std::fs::read_to_string(page)?);
    ensure!(blocks.len() >= 2, "README.md has lost its examples");
    for steps in blocks {
        let free = free_ports(4)?;
        let ports: HashMap<&str, u16> =
            [":2379", ":2380", ":2381", ":2382"].into_iter().zip(free).collect();
        let dir = tempfile::tempdir()?;
        let mut servers = Vec::new();
        // Servers that stand side by side need each other before they can answer.
        let mut waiting = 0;
        for step in steps {
            if let Some(server) = step.command.strip_suffix(" &") {
                let mut command = shell(&format!("exec {server}"), dir.path(), &ports)?;
                servers.push(Process::start(server, &mut command, &dir.path().join("stderr"))?);
                continue;
            }
            for server in servers.iter().skip(waiting) {
                server.line(DEADLINE)?;
            }
            waiting = servers.len();
            let output = shell(&step.command, dir.path(), &ports)?.output()?;
            let printed = String::from_utf8_lossy(&output.stdout);
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!(
                printed, step.output,
                "`{}` printed; standard error: {errors}",
                step.command
            );
        }
    }
    Ok(())
}
