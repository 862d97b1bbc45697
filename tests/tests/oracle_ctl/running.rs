//! A program that does not end by itself.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::Duration;

use anyhow::{Context, ensure};
use mini_etcd_tests::wait::eventually;
use rustix::process::{Pid, Signal, kill_process};

use crate::printed::command;

/// Time for anything that is sure to happen.
const DEADLINE: Duration = Duration::from_secs(30);

/// A program that goes on, with its output in a file.
pub struct Running {
    child: Child,
    out: PathBuf,
    _dir: tempfile::TempDir,
}

impl Running {
    pub fn start(binary: &Path, endpoint: &str, line: &str) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let out = dir.path().join("out");
        let mut command = command(binary, Some(endpoint), line);
        command
            .stdout(std::fs::File::create(&out)?)
            .stderr(std::fs::File::create(dir.path().join("err"))?);
        Ok(Self { child: command.process_group(0).spawn()?, out, _dir: dir })
    }

    pub fn said(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(&self.out)?)
    }

    pub async fn says(&self, wanted: &str) -> anyhow::Result<()> {
        let said = || async {
            let said = self.said()?;
            ensure!(said.contains(wanted), "{said:?}");
            Ok(())
        };
        eventually(wanted, DEADLINE, said).await
    }

    /// Sends SIGINT and waits for the end.
    pub async fn interrupt(&mut self) -> anyhow::Result<ExitStatus> {
        let pid = Pid::from_raw(self.child.id().cast_signed()).context("a number")?;
        kill_process(pid, Signal::INT)?;
        let child = std::cell::RefCell::new(&mut self.child);
        let ends = || async { child.borrow_mut().try_wait()?.context("it goes on") };
        eventually("the end after SIGINT", DEADLINE, ends).await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
