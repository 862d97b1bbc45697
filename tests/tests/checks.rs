//! `mini-etcdctl check` against a member: what it says, and that it leaves nothing behind however it ends.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use mini_etcd_proto::etcdserverpb::{CompactionRequest, PutRequest, RangeRequest, RangeResponse};
use mini_etcd_shared::client::{Client, ClientConfig, Endpoint};
use mini_etcd_shared::types::prefix_end;
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::process::{Process, workspace_binary};
use mini_etcd_tests::wait::eventually;
use rustix::process::Signal;

/// Time for whatever a check does, but for its minute.
const DEADLINE: Duration = Duration::from_secs(60);
/// A key that no check may touch.
const OWN: &str = "/own";

struct Bench {
    client: Client,
    endpoint: String,
    dir: tempfile::TempDir,
    _cluster: Cluster,
}

impl Bench {
    async fn start() -> anyhow::Result<Self> {
        let cluster = Cluster::start(Flavor::Mini, 1).await?;
        let endpoint = cluster.member(0)?.address.clone();
        let client = Client::new(ClientConfig::new(Endpoint::parse_list(&endpoint)?))?;
        let own = PutRequest { key: OWN.into(), ..PutRequest::default() };
        client.put(own).await.into_result()?;
        Ok(Self { client, endpoint, dir: tempfile::tempdir()?, _cluster: cluster })
    }

    fn command(&self, line: &str) -> anyhow::Result<Command> {
        let mut command = Command::new(workspace_binary("mini-etcdctl")?);
        // What it says of variables that it does not know would stand on standard error.
        let variables = std::env::vars_os().map(|(name, _)| name);
        for name in variables.filter(|name| name.to_string_lossy().starts_with("ETCDCTL_")) {
            command.env_remove(name);
        }
        if !line.contains("--endpoints") {
            command.arg(format!("--endpoints={}", self.endpoint));
        }
        command.args(line.split(' '));
        command.stdin(Stdio::null());
        Ok(command)
    }

    fn check(&self, line: &str) -> anyhow::Result<Process> {
        Process::start(line, &mut self.command(line)?, &self.dir.path().join("stderr"))
    }

    async fn below(&self, prefix: &'static str) -> anyhow::Result<RangeResponse> {
        let (key, range_end) = (prefix.into(), prefix_end(prefix.as_bytes()));
        let request = RangeRequest { key, range_end, keys_only: true, ..RangeRequest::default() };
        Ok(self.client.range(request).await.into_result()?)
    }

    /// Waits until a check has put something.
    async fn until_written(&self, prefix: &'static str) -> anyhow::Result<()> {
        let written = || async {
            ensure!(self.below(prefix).await?.count > 0, "nothing yet");
            Ok(())
        };
        eventually("the first keys of a check", DEADLINE, written).await
    }

    /// Only the key that is no check's is there.
    async fn is_clean(&self) -> anyhow::Result<()> {
        let left = self.below("/").await?;
        ensure!(left.count == 1, "{} keys are left", left.count - 1);
        Ok(())
    }
}

/// Goal: who ends a check early has a verdict of what was measured, and no key of it. Method: both signals, as soon as there
/// are keys; the verdict depends on the machine, and only its form is looked at.
#[tokio::test]
async fn a_check_of_speed_that_is_interrupted_says_what_it_saw_and_leaves_nothing()
-> anyhow::Result<()> {
    let bench = Bench::start().await?;
    for (signal, line) in
        [(Signal::INT, "check perf"), (Signal::TERM, "check perf --load m --auto-compact")]
    {
        let mut check = bench.check(line)?;
        bench.until_written("/etcdctl-check-perf/").await?;
        check.signal(signal)?;
        let ended = check.wait(DEADLINE)?;
        bench.is_clean().await?;
        let mut said = Vec::new();
        while let Ok(line) = check.line(DEADLINE) {
            said.push(line);
        }
        if line.contains("--auto-compact") {
            ensure!(said[0].starts_with("Compacting with revision "), "{said:?}");
            ensure!(said[1].starts_with("Compacted with revision "), "{said:?}");
            said.drain(..2);
        }
        let judged = [" writes/s", "s", "s", ""];
        let heads = ["Throughput ", "Slowest request took ", "Stddev ", ""];
        ensure!(said.len() == judged.len(), "{said:?}");
        for ((line, head), end) in said.iter().zip(heads).zip(judged) {
            ensure!(line.contains(head) && line.ends_with(end), "{said:?}");
        }
        let verdict = said.last().context("a verdict")?;
        ensure!(matches!(verdict.as_str(), "PASS" | "FAIL"), "{said:?}");
        ensure!(ended.code() == Some(i32::from(verdict == "FAIL")), "{ended}: {said:?}");
    }
    Ok(())
}

/// Goal: a check of memory that is interrupted has no verdict and leaves no key.
#[tokio::test]
async fn a_check_of_memory_that_is_interrupted_leaves_nothing() -> anyhow::Result<()> {
    let bench = Bench::start().await?;
    let mut check = bench.check("check datascale --load m --prefix /scale/")?;
    bench.until_written("/scale/").await?;
    check.signal(Signal::INT)?;
    let ended = check.wait(DEADLINE)?;
    bench.is_clean().await?;
    let said = check.errors();
    ensure!(ended.code() == Some(130) && said.starts_with("interrupted: "), "{ended}: {said}");
    ensure!(said.contains(" of 100000 keys were put, and are deleted"), "{said}");
    Ok(())
}

/// Goal: a whole check of memory says what etcdctl says, and takes history and space back where it is asked to.
#[tokio::test]
async fn a_check_of_memory_tells_what_the_keys_took_and_takes_them_back() -> anyhow::Result<()> {
    let bench = Bench::start().await?;
    let output = bench.command("check datascale --auto-compact --auto-defrag")?.output()?;
    let said = String::from_utf8(output.stdout)?;
    let lines: Vec<&str> = said.lines().collect();
    let [start, compacting, compacted, defragmenting, defragmented, pass] = lines[..] else {
        anyhow::bail!("{said}{}", String::from_utf8_lossy(&output.stderr))
    };
    ensure!(
        start
            == "Start data scale check for work load [10000 key-value pairs, 1024 bytes per key-value, 50 concurrent clients].",
        "{said}"
    );
    let revision = compacting.strip_prefix("Compacting with revision ").context("a revision")?;
    ensure!(compacted == format!("Compacted with revision {revision}"), "{said}");
    ensure!(defragmenting == format!("Defragmenting \"{}\"", bench.endpoint), "{said}");
    ensure!(defragmented == format!("Defragmented \"{}\"", bench.endpoint), "{said}");
    let used = pass.strip_prefix("PASS: Approximate system memory used : ").context("a verdict")?;
    let used: f64 = used.strip_suffix(" MB.").context("a unit")?.parse()?;
    ensure!(used.is_finite() && output.status.success() && output.stderr.is_empty(), "{said}");
    bench.is_clean().await?;
    // The history is gone up to there.
    let again = CompactionRequest { revision: revision.parse()?, physical: false };
    let refused = bench.client.compact(again).await.into_result().map(|_| ());
    ensure!(format!("{refused:?}").contains("has been compacted"), "{refused:?}");
    Ok(())
}

/// Goal: a check deletes nobody's keys, and writes none where it may not. Method: what is refused leaves the revision as it is.
#[tokio::test]
async fn a_check_that_is_refused_writes_nothing() -> anyhow::Result<()> {
    let bench = Bench::start().await?;
    let before = bench.below("/").await?.header.map(|header| header.revision);
    let profiles = bench.dir.path().join("mini-etcd");
    std::fs::create_dir(&profiles)?;
    std::fs::write(
        profiles.join("config.toml"),
        format!("[profile.look]\nendpoints = [\"{}\"]\nread_only = true\n", bench.endpoint),
    )?;
    for (line, code, words) in [
        (
            "check perf --prefix /own",
            3,
            "prefix \"/own\" has keys. Delete with 'etcdctl del --prefix /own' first",
        ),
        (
            "check datascale --prefix /o",
            3,
            "prefix \"/o\" has keys. Delete with etcdctl del --prefix /o first",
        ),
        ("check perf --load huge", 4, "unknown load option huge"),
        ("check perf --profile look", 1, "read-only"),
        (
            "check perf --endpoints 127.0.0.1:1 --command-timeout 300ms",
            1,
            "context deadline exceeded",
        ),
    ] {
        let output = bench.command(line)?.env("XDG_CONFIG_HOME", bench.dir.path()).output()?;
        let said = String::from_utf8(output.stderr)?;
        ensure!(output.status.code() == Some(code) && said.contains(words), "{line}: {said}");
        ensure!(output.stdout.is_empty(), "{line}");
    }
    let after = bench.below("/").await?.header.map(|header| header.revision);
    ensure!(before == after, "{before:?} {after:?}");
    Ok(())
}
