//! docs/recipes.md: each recipe as one shell script, on three members that are started as the page says.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use mini_etcd_tests::process::{Process, free_ports};
use regex::Regex;
use rustix::process::{Signal, kill_process_group};

use crate::blocks::page;
use crate::readme::shell;

/// Time for a recipe, with its members' starts.
const DEADLINE: Duration = Duration::from_secs(120);

/// Waits until the members answer.
const READY: &str = "
for port in :2380 :2381 :2382; do
  mini-etcdctl --command-timeout=30s --endpoints localhost$port put key value
done
";

/// How many vote in the end, and what was written before is there.
const CHECK: &str = "
test $(mini-etcdctl --endpoints localhost:2380,localhost:2381,localhost:2382,localhost:2383 member list |
  grep ', started, ' | grep -c ', false$') = 3
test $(mini-etcdctl --endpoints localhost:2380,localhost:2381,localhost:2382,localhost:2383 get key --print-value-only) = value
echo all is well
";

fn run(script: &str) -> anyhow::Result<()> {
    let script = [2380, 2381, 2382, 2383]
        .iter()
        .zip(free_ports(4)?)
        .fold(script.to_owned(), |script, (from, to)| {
            script.replace(&format!(":{from}"), &format!(":{to}"))
        });
    let dir = tempfile::tempdir()?;
    let mut command: Command = shell(&format!("set -e\n{script}"), dir.path())?;
    command.process_group(0).stdin(Stdio::null());
    let mut recipe = Process::start("a recipe", &mut command, &dir.path().join("stderr"))?;
    let ended = recipe.wait(DEADLINE);
    // The members of the script outlive it.
    let _ = kill_process_group(recipe.pid(), Signal::KILL);
    let ended = ended.with_context(|| script.clone())?;
    ensure!(ended.success(), "{ended}: {script}\n{}", recipe.errors());
    Ok(())
}

/// Goal: no step of a recipe needs a guess. Method: each is run word for word, but for the ports.
#[test]
fn every_recipe_does_what_it_says() -> anyhow::Result<()> {
    let page = page("docs/recipes.md")?;
    let block = |pattern: &str| {
        let pattern = Regex::new(pattern)?;
        let found = pattern.captures_iter(&page).map(|found| found[1].to_owned());
        Ok::<Vec<String>, anyhow::Error>(found.collect())
    };
    let start = block(r"(?s)nothing else\.\n\n```sh\n(.*?)```")?;
    let recipes = block(r"(?s)<!-- recipe -->\n```sh\n(.*?)```")?;
    let ([start], 5) = (&start[..], recipes.len()) else { bail!("the page has lost a recipe") };
    for recipe in recipes {
        run(&[start, READY, &recipe, CHECK].concat())?;
    }
    Ok(())
}
