//! A member whose standard error fails it: nobody reads it, or its reader is gone. Nothing changes but a count.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use mini_etcd_proto::etcdserverpb::PutRequest;
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_tests::cluster::connect_lazily;
use mini_etcd_tests::page;
use mini_etcd_tests::process::workspace_binary;
use mini_etcd_tests::wait::eventually;
use rustix::process::{Pid, Signal, kill_process};

/// Time for anything that a healthy member does at once.
const DEADLINE: Duration = Duration::from_secs(60);

/// Killed when dropped.
struct Member(Child);

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Member {
    /// Starts a member that logs everything, and answers where it listens.
    fn start(dir: &Path) -> anyhow::Result<(Self, String)> {
        let child = Command::new(workspace_binary("mini-etcd")?)
            .args(["--listen", "127.0.0.1:0", "--log-level", "trace", "--data"])
            .arg(dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut member = Self(child);
        let out = member.0.stdout.take().context("its standard output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let address = line.trim().rsplit("http://").next().context("an address")?.to_owned();
        Ok((member, address))
    }
}

/// Log lines that were dropped, as `/metrics` has it.
async fn dropped(address: &str) -> anyhow::Result<u64> {
    let page = page::get(address, "/metrics").await?;
    let line =
        page.lines().find_map(|line| line.strip_prefix("mini_etcd_log_lines_dropped_total "));
    Ok(line.context("the counter of dropped lines")?.trim().parse()?)
}

/// Goal: a pipe that is full, and one without a reader, hold nobody and end nobody, and the member still stops in
/// order. Method: it logs everything, far more than pipe and queue hold, while a client writes.
#[tokio::test]
async fn a_member_whose_standard_error_is_full_or_broken_serves_and_stops() -> anyhow::Result<()> {
    for is_gone in [true, false] {
        let dir = tempfile::tempdir()?;
        let (mut member, address) = Member::start(&dir.path().join("data"))?;
        if is_gone {
            drop(member.0.stderr.take());
        }
        let client = KvClient::new(connect_lazily(&address)?);
        eventually("lines are dropped, and writes go on", DEADLINE, || {
            let (mut client, address) = (client.clone(), address.clone());
            async move {
                for _ in 0..100 {
                    let key = "k".into();
                    client.put(PutRequest { key, ..PutRequest::default() }).await?;
                }
                ensure!(dropped(&address).await? > 0, "no line was dropped yet");
                Ok(())
            }
        })
        .await?;
        let pid = i32::try_from(member.0.id()).ok().and_then(Pid::from_raw).context("a pid")?;
        kill_process(pid, Signal::TERM)?;
        let status = eventually("it stops", DEADLINE, || {
            let ended = member.0.try_wait();
            async move { ended?.context("it still runs") }
        })
        .await?;
        ensure!(status.success(), "it ended with {status}");
    }
    Ok(())
}
