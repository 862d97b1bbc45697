//! One member of a cluster as a process.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::Process;

/// One member, running or not.
#[derive(Debug)]
pub struct Member {
    /// Its name: n1, n2, …
    pub name: String,
    /// Where clients reach it: `HOST:PORT`.
    pub address: String,
    /// Its data directory.
    pub data: PathBuf,
    pub(super) arguments: Vec<String>,
    binary: PathBuf,
    stderr: PathBuf,
    /// Program and arguments that run the binary; none when it runs by itself.
    pub(super) under: Vec<String>,
    /// Soft and hard limit of descriptors; none for those of the test.
    pub(super) descriptors: Option<u32>,
    pub(super) process: Option<Process>,
}

impl Member {
    pub(super) fn new(
        name: String,
        address: String,
        data: PathBuf,
        arguments: Vec<String>,
        binary: &Path,
    ) -> Self {
        let (binary, stderr) = (binary.to_path_buf(), data.with_extension("stderr"));
        Self {
            name,
            address,
            data,
            arguments,
            binary,
            stderr,
            under: Vec::new(),
            descriptors: None,
            process: None,
        }
    }

    pub(super) fn start(&mut self) -> anyhow::Result<()> {
        let mut command = match (self.descriptors, self.under.split_first()) {
            (None, None) => Command::new(&self.binary),
            (None, Some((program, arguments))) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(&self.binary);
                command
            }
            (Some(limit), _) => {
                // The limits of a process are its own to lower, before the program begins.
                let mut shell = Command::new("/bin/sh");
                shell.args(["-c", &format!("ulimit -n {limit} && exec \"$0\" \"$@\"")]);
                shell.arg(&self.binary);
                shell
            }
        };
        command.args(&self.arguments);
        self.process = Some(Process::start(&self.name, &mut command, &self.stderr)?);
        Ok(())
    }

    /// The end of its standard error.
    #[must_use]
    pub fn errors(&self) -> String {
        self.process.as_ref().map(Process::errors).unwrap_or_default()
    }

    /// All of its standard error.
    ///
    /// # Errors
    /// It was never started.
    pub fn log(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(&self.stderr)?)
    }
}
