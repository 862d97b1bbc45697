//! A disk that runs full: the member ends with a named error, and what it acknowledged is there once there is room.
//!
//! `TEST_SMALL_DISK` names a mounted tmpfs of a few dozen megabytes that this test may enlarge.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::{PutRequest, RangeRequest};
use mini_etcd_tests::cluster::connect_lazily;
use mini_etcd_tests::process::{Process, workspace_binary};
use mini_etcd_tests::wait::eventually;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tonic::transport::Channel;

/// Time for one step.
const DEADLINE: Duration = Duration::from_secs(60);

/// Bytes of a value; a few hundred of them fill the disk.
const VALUE_BYTES: usize = 128 * 1024;

/// More writes than fit on the disk.
const WRITES_MAX: u32 = 10_000;

fn start(disk: &Path) -> anyhow::Result<(Process, Channel)> {
    let mut command = Command::new(workspace_binary("mini-etcd")?);
    command.arg(format!("--data={}", disk.join("data").display())).arg("--listen=127.0.0.1:0");
    let process =
        Process::start("mini-etcd", &mut command, &std::env::temp_dir().join("full-disk.stderr"))?;
    let line = process.line(DEADLINE)?;
    let address = line.rsplit("http://").next().context("a client URL")?.trim().to_owned();
    Ok((process, connect_lazily(&address)?))
}

/// A value that does not compress to nothing, of its own for each key.
fn value(number: u32) -> Vec<u8> {
    let mut rng = StdRng::seed_from_u64(u64::from(number));
    let mut value = vec![0; VALUE_BYTES];
    rng.fill_bytes(&mut value);
    value
}

#[tokio::test]
async fn a_full_disk_ends_the_member_and_loses_nothing() -> anyhow::Result<()> {
    let disk = std::env::var_os("TEST_SMALL_DISK").map(PathBuf::from).context(
        "TEST_SMALL_DISK is not set: mount a tmpfs of 64 MiB and name it, as `.ci/run` does",
    )?;
    let (mut process, channel) = start(&disk)?;
    let mut kv = KvClient::new(channel);
    let mut acknowledged = 0;
    for number in 0..WRITES_MAX {
        let put = PutRequest {
            key: format!("k{number}").into(),
            value: value(number).into(),
            ..PutRequest::default()
        };
        if kv.put(put).await.is_err() {
            break;
        }
        acknowledged = number + 1;
    }
    ensure!(
        acknowledged > 10 && acknowledged < WRITES_MAX,
        "{acknowledged} writes before the disk was full"
    );
    let status = process.wait(DEADLINE)?;
    ensure!(status.code() == Some(70), "{status:?}: {}", process.errors());
    ensure!(process.errors().contains("No space left"), "{}", process.errors());
    ensure!(!process.errors().contains("panicked"), "{}", process.errors());

    let remount = Command::new("mount").args(["-o", "remount,size=512m"]).arg(&disk).status()?;
    ensure!(remount.success(), "the disk could not be enlarged");
    let (_process, channel) = start(&disk)?;
    for number in 0..acknowledged {
        let found = eventually("a read", DEADLINE, || {
            let mut kv = KvClient::new(channel.clone());
            async move {
                let range =
                    RangeRequest { key: format!("k{number}").into(), ..RangeRequest::default() };
                Ok(kv.range(range).await?.into_inner())
            }
        })
        .await?;
        let kv =
            found.kvs.first().with_context(|| format!("k{number} of {acknowledged} is lost"))?;
        ensure!(kv.value == value(number), "k{number} is not what was written");
    }
    Ok(())
}
