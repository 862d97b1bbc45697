//! A server as a process of its own, for what others do while the console looks on.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use mini_etcd_shared::port::HeldPort;

use crate::console::DEADLINE;

/// A server; ends with the test.
pub struct Member {
    child: Child,
    /// Where it answers.
    pub endpoint: String,
    _dir: tempfile::TempDir,
}

impl Member {
    /// One member of mini-etcd.
    pub fn start() -> Self {
        let own = free_port();
        Self::told(&own, &own)
    }

    /// One with these flags.
    pub fn with(flags: &[&str]) -> Self {
        let own = free_port();
        Self::told_with(&own, &own, flags)
    }

    /// One that joins the cluster of another one under that name. A learner answers no read that is waited for.
    pub fn joining(name: &str, address: &str, other: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let flags = ["--name", name, "--join", other];
        Self::begin(Self::serve(&dir, address, address, &flags), address, dir)
    }

    /// One at that address.
    pub fn at(address: &str) -> Self {
        Self::told(address, address)
    }

    /// One that tells clients to come to `advertise`.
    pub fn behind(advertise: &str) -> Self {
        Self::told(&free_port(), advertise)
    }

    fn told(endpoint: &str, advertise: &str) -> Self {
        Self::told_with(endpoint, advertise, &[])
    }

    fn told_with(endpoint: &str, advertise: &str, flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::run(Self::serve(&dir, endpoint, advertise, flags), endpoint, dir)
    }

    fn serve(dir: &tempfile::TempDir, endpoint: &str, advertise: &str, flags: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mini-etcd-tui"));
        command.args(["serve", "--listen", endpoint, "--data"]).arg(dir.path().join("data"));
        command.args(["--advertise", &format!("http://{advertise}")]).args(flags);
        command
    }

    /// The etcd that `ETCD_BIN` names, if it does.
    pub fn etcd() -> Option<Self> {
        let binary = std::env::var_os("ETCD_BIN")?;
        let dir = tempfile::tempdir().unwrap();
        let endpoint = free_port();
        let (client, peer) = (format!("http://{endpoint}"), format!("http://{}", free_port()));
        let mut command = Command::new(binary);
        command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
        command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        command.args(["--initial-cluster", &format!("default={peer}"), "--data-dir"]);
        command.arg(dir.path().join("data"));
        Some(Self::run(command, &endpoint, dir))
    }

    fn run(command: Command, endpoint: &str, dir: tempfile::TempDir) -> Self {
        let member = Self::begin(command, endpoint, dir);
        let deadline = Instant::now() + DEADLINE;
        while !member.try_ctl(["get", "x"]).0 {
            assert!(Instant::now() < deadline, "it does not answer");
        }
        member
    }

    fn begin(mut command: Command, endpoint: &str, dir: tempfile::TempDir) -> Self {
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, endpoint: endpoint.to_owned(), _dir: dir }
    }

    /// What the command line says to this, and whether it went well.
    pub fn try_ctl<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> (bool, String) {
        let output = ctl(&self.endpoint).args(args).output().unwrap();
        let said = if output.status.success() { output.stdout } else { output.stderr };
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    /// What the command line says to this, which must go well.
    pub fn ctl<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> String {
        let (fine, said) = self.try_ctl(args);
        assert!(fine, "{said}");
        said
    }

    /// Runs a command that writes; answers the revision at which it is done.
    pub fn write<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> i64 {
        let said = self.ctl(
            args.into_iter()
                .map(|arg| arg.as_ref().to_owned())
                .chain([OsStr::new("-w").to_owned(), OsStr::new("json").to_owned()]),
        );
        let rest = said.split("\"revision\":").nth(1).unwrap();
        rest.split([',', '}']).next().unwrap().parse().unwrap()
    }

    /// A lease that lives longer than any test, if `ETCDCTL_BIN` names who can grant one.
    pub fn lease(&self) -> Option<String> {
        let mut command = Command::new(std::env::var_os("ETCDCTL_BIN")?);
        command.env_remove("ETCDCTL_BIN").env("ETCDCTL_API", "3");
        let output =
            command.args(["--endpoints", &self.endpoint, "lease", "grant", "600"]).output();
        let said = String::from_utf8(output.unwrap().stdout).unwrap();
        Some(said.split(' ').nth(1).unwrap().to_owned())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}

fn ctl(endpoint: &str) -> Command {
    let mut command = Command::new(CTL);
    command.arg(format!("--endpoints={endpoint}")).env_remove("ETCDCTL_ENDPOINTS");
    command
}

/// The command line.
pub const CTL: &str = env!("CARGO_BIN_EXE_mini-etcdctl");

/// An address where nobody listens but whom a test starts there.
pub fn free_port() -> String {
    HeldPort::new().unwrap().for_good().to_string()
}

/// Writes a script that stands in for an editor.
pub fn editor(dir: &Path, lines: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join("editor");
    std::fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}
