//! One program as a child process: found, started, watched, killed.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use mini_etcd_shared::port::HeldPort;
use rustix::process::{Pid, Signal, kill_process};

/// Copies a directory with all that is in it.
///
/// # Errors
/// When something cannot be read or written.
pub fn copy_directory(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Where a binary of this workspace lies: `TEST_BIN_DIR`, else beside the running test.
///
/// # Errors
/// When it was not built; the error says how to build it.
pub fn workspace_binary(name: &str) -> anyhow::Result<PathBuf> {
    let dir = if let Some(dir) = std::env::var_os("TEST_BIN_DIR") {
        PathBuf::from(dir)
    } else {
        let test = std::env::current_exe().context("path of the running test")?;
        let dir = test.parent().context("directory of the running test")?;
        let dir =
            if dir.ends_with("deps") { dir.parent().context("target directory")? } else { dir };
        dir.to_path_buf()
    };
    let path = dir.join(name);
    if !path.is_file() {
        bail!(
            "{} is not built: `cargo test --workspace` builds it; for one suite alone run \
             `cargo build --workspace --bins` first, or set TEST_BIN_DIR",
            path.display()
        );
    }
    Ok(path)
}

/// A program of etcd itself, named by an environment variable.
///
/// # Errors
/// When the variable is not set or names no file; the error says how to get the program.
pub fn etcd_binary(variable: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os(variable).with_context(|| {
        format!(
            "{variable} is not set: it names etcd's own program; `.ci/run` installs and sets it"
        )
    })?;
    let path = PathBuf::from(path);
    if !path.is_file() {
        bail!("{variable} names {}, which is no file", path.display());
    }
    Ok(path)
}

/// Ports of the loopback address on which nobody listens but whom this process starts there.
///
/// # Errors
/// When the system has no port to give.
pub fn free_ports(count: usize) -> anyhow::Result<Vec<u16>> {
    (0..count).map(|_| Ok(HeldPort::new().context("a free port")?.for_good().port())).collect()
}

/// A child process whose output goes to files. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    stderr: PathBuf,
    first_line: mpsc::Receiver<String>,
    /// The test ended it, or knows how it ended.
    end_is_known: bool,
}

impl Process {
    /// Starts `command`; standard error goes to `stderr`, appended.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(name: &str, command: &mut Command, stderr: &Path) -> anyhow::Result<Self> {
        let log = File::options().create(true).append(true).open(stderr)?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let stdout = child.stdout.take().context("standard output")?;
        let (send, first_line) = mpsc::channel();
        // The pipe is read to its end, so that the child never blocks on it.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        let (name, stderr) = (name.to_owned(), stderr.to_path_buf());
        Ok(Self { child, name, stderr, first_line, end_is_known: false })
    }

    /// The next line of standard output.
    ///
    /// # Errors
    /// When none comes in time, with the end of standard error.
    pub fn line(&self, deadline: Duration) -> anyhow::Result<String> {
        self.first_line.recv_timeout(deadline).with_context(|| {
            format!("{} printed no line; its errors end in:\n{}", self.name, self.errors())
        })
    }

    /// The end of standard error.
    #[must_use]
    pub fn errors(&self) -> String {
        let text = std::fs::read(&self.stderr).unwrap_or_default();
        let tail = text.get(text.len().saturating_sub(4096)..).unwrap_or_default();
        String::from_utf8_lossy(tail).into_owned()
    }

    /// Number of the process.
    ///
    /// # Panics
    /// Never: a child has a positive number.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a child has a positive number")]
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed()).expect("a child has a positive number")
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        kill_process(self.pid(), signal).with_context(|| format!("signal to {}", self.name))
    }

    /// SIGKILL, and waits for the end.
    ///
    /// # Errors
    /// When the system refuses to tell.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.end_is_known = true;
        self.child.kill().with_context(|| format!("killing {}", self.name))?;
        self.child.wait().with_context(|| format!("end of {}", self.name))?;
        Ok(())
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// When it does not end in time.
    #[expect(clippy::disallowed_methods, reason = "tests wait on the wall clock")]
    pub fn wait(&mut self, deadline: Duration) -> anyhow::Result<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                self.end_is_known = true;
                return Ok(status);
            }
            if start.elapsed() > deadline {
                bail!(
                    "{} still runs after {deadline:?}; its errors end in:\n{}",
                    self.name,
                    self.errors()
                );
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    /// A process that ended of itself is why a test fails that has no other trace of it.
    fn drop(&mut self) {
        if !self.end_is_known
            && let Ok(Some(status)) = self.child.try_wait()
        {
            eprintln!("{} ended with {status}; its errors end in:\n{}", self.name, self.errors());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
