//! README.md: each block in a fresh directory.
//!
//! Ports of the text are replaced by free ones. A line that ends in `&` is a server: it is started and its first
//! line waited for. One that begins with `export` counts for the lines behind it. Every other command must print what stands
//! below it, byte for byte. A block with `openssl` is passed over where there is none of version 3.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use mini_etcd_tests::process::{Process, free_ports, workspace_binary};

use crate::blocks::{blocks, page, steps};

/// Time for a server to answer.
const DEADLINE: Duration = Duration::from_secs(30);

/// Replaces the ports of the text by free ones; the default port is also told to etcdctl by its variable.
fn with_ports(text: &str, ports: &HashMap<&str, u16>) -> String {
    ports.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, &format!(":{to}")))
}

/// A shell that finds the programs of this tree.
pub fn shell(command: &str, dir: &Path) -> anyhow::Result<Command> {
    let bin = workspace_binary("mini-etcdctl")?;
    let bin = bin.parent().context("its directory")?;
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).current_dir(dir).env("PATH", path);
    Ok(shell)
}

fn on_ports(command: &str, dir: &Path, ports: &HashMap<&str, u16>) -> anyhow::Result<Command> {
    let mut shell = shell(&with_ports(command, ports), dir)?;
    // A command without an endpoint means the default port, which the text's servers listen on.
    if !command.contains("--endpoint") {
        let port = ports.get(":2379").context("the default port")?;
        shell.env("ETCDCTL_ENDPOINTS", format!("localhost:{port}"));
    }
    Ok(shell)
}

/// Whether there is an openssl that signs as the page has it.
fn has_openssl() -> bool {
    let said = Command::new("openssl").arg("version").output();
    said.is_ok_and(|said| said.stdout.starts_with(b"OpenSSL 3."))
}

#[test]
fn every_example_does_what_it_shows() -> anyhow::Result<()> {
    let blocks = blocks(&page("README.md")?, "console");
    ensure!(blocks.len() >= 3, "README.md has lost its examples");
    for block in blocks {
        if block.text.iter().any(|line| line.starts_with("$ openssl")) && !has_openssl() {
            eprintln!("there is no openssl 3: its example is not run");
            continue;
        }
        let free = free_ports(4)?;
        let ports: HashMap<&str, u16> =
            [":2379", ":2380", ":2381", ":2382"].into_iter().zip(free).collect();
        let dir = tempfile::tempdir()?;
        let mut servers = Vec::new();
        // Servers that stand side by side need each other before they can answer.
        let mut waiting = 0;
        let mut exports = String::new();
        for step in steps(&block.text) {
            if step.input.starts_with("export ") {
                exports.push_str(&step.input);
                exports.push('\n');
                continue;
            }
            if let Some(server) = step.input.strip_suffix(" &") {
                let server_line = format!("{exports}exec {server}");
                let mut command = on_ports(&server_line, dir.path(), &ports)?;
                servers.push(Process::start(server, &mut command, &dir.path().join("stderr"))?);
                continue;
            }
            for server in servers.iter().skip(waiting) {
                server.line(DEADLINE)?;
            }
            waiting = servers.len();
            let line = format!("{exports}{}", step.input);
            let output = on_ports(&line, dir.path(), &ports)?.output()?;
            let printed = String::from_utf8_lossy(&output.stdout);
            let errors = String::from_utf8_lossy(&output.stderr);
            let wanted: String =
                step.output.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
            assert_eq!(printed, wanted, "`{}` printed; standard error: {errors}", step.input);
        }
    }
    Ok(())
}
