//! Bundled members: child processes of this very binary.
//!
//! ```text
//! console ─ stdin pipe ─▶ `mini-etcd-tui serve ...`     stdout, stderr ─▶ a log file per member
//! ```
//!
//! * I1: a child ends when its standard input ends, so none outlives the console, however that ends.
//! * I2: killing a member is SIGKILL: nothing is tidied up, as in a crash.
//! * I3: members on temporary data leave nothing behind, unless one ended by itself: then its log stays.

use mini_etcd_shared::client::Endpoint;
use mini_etcd_shared::port::HeldPort;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::engine::Inbox;
use crate::engine::report::{Ended, Report};

/// Members that a demo may have.
pub const MEMBERS_MAX: usize = 9;
/// The ports of etcd: whatever is installed here may want them back.
const WELL_KNOWN: [u16; 2] = [2379, 2380];
/// Bytes of a log's end that are read for its last line.
const LOG_END_BYTES: usize = 4096;

/// The bundled members.
pub struct Fleet {
    program: PathBuf,
    /// Data and logs.
    dir: TempDir,
    members: Vec<Slot>,
    /// A member has ended by itself, so its log is worth keeping.
    failed: Arc<AtomicBool>,
}

struct Slot {
    name: String,
    port: HeldPort,
    args: Vec<String>,
    log: PathBuf,
    /// Told to kill it.
    kill: Option<mpsc::Sender<()>>,
    task: Option<JoinHandle<()>>,
}

impl Fleet {
    /// Members on temporary data, on free ports.
    ///
    /// # Errors
    /// When there is no place for their data, or no port.
    pub fn demo(count: usize) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("mini-etcd-").tempdir()?;
        let ports = held_ports(count)?;
        let peers: Vec<String> = ports
            .iter()
            .enumerate()
            .map(|(at, port)| format!("n{}={}", at + 1, port.address()))
            .collect();
        let members = ports.into_iter().enumerate().map(|(at, port)| {
            let name = format!("n{}", at + 1);
            let data = dir.path().join(&name);
            let mut args = base_args(&name, &port, &data);
            if count > 1 {
                args.push(format!("--peers={}", peers.join(",")));
            }
            slot(name, port, args, dir.path())
        });
        Self::of(members.collect(), dir)
    }

    fn of(members: Vec<Slot>, dir: TempDir) -> io::Result<Self> {
        let program = std::env::current_exe()?;
        Ok(Self { program, dir, members, failed: Arc::default() })
    }

    /// Where the members answer.
    #[must_use]
    pub fn endpoints(&self) -> Vec<Endpoint> {
        let parse = |slot: &Slot| Endpoint::parse(&slot.port.address().to_string()).ok();
        self.members.iter().filter_map(parse).collect()
    }

    /// Starts every member.
    pub fn start_all(&mut self, inbox: &Arc<Inbox>) {
        let names: Vec<String> = self.members.iter().map(|slot| slot.name.clone()).collect();
        for name in names {
            self.start(&name, inbox);
        }
    }

    /// Starts a member that does not run.
    pub fn start(&mut self, name: &str, inbox: &Arc<Inbox>) {
        let Some(slot) = self.members.iter_mut().find(|slot| slot.name == name) else { return };
        if slot.task.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        match spawn(&self.program, slot) {
            Ok(child) => {
                let (kill, received) = mpsc::channel(1);
                slot.kill = Some(kill);
                let watch = Watch {
                    name: slot.name.clone(),
                    log: slot.log.clone(),
                    inbox: Arc::clone(inbox),
                    failed: Arc::clone(&self.failed),
                };
                slot.task = Some(tokio::spawn(watch.run(child, received)));
                inbox.event(Report::Started(name.to_owned()));
            }
            Err(error) => {
                let what = format!("{name} cannot be started");
                let next = format!("its log would be {}", slot.log.display());
                inbox.event(Report::Trouble(what, error.to_string(), next));
            }
        }
    }

    /// Kills a member with SIGKILL.
    pub fn kill(&mut self, name: &str) {
        if let Some(slot) = self.members.iter().find(|slot| slot.name == name) {
            slot.kill();
        }
    }

    /// Ends every member, and their data with them. Answers where the logs stay, when one ended by itself.
    pub async fn stop(mut self) -> Option<PathBuf> {
        for slot in &self.members {
            slot.kill();
        }
        for slot in &mut self.members {
            if let Some(task) = slot.task.take() {
                let _ended = task.await;
            }
        }
        self.failed.load(Ordering::Relaxed).then(|| self.dir.keep())
    }
}

/// What is said of logs that stay.
#[must_use]
pub fn logs_stay(at: &Path) -> String {
    format!("a bundled member ended by itself; the logs stay in {}", at.display())
}

impl Slot {
    fn kill(&self) {
        if let Some(kill) = &self.kill {
            // Full or closed: it is told already, or has ended.
            let _told = kill.try_send(());
        }
    }
}

fn slot(name: String, port: HeldPort, args: Vec<String>, logs: &Path) -> Slot {
    let log = logs.join(format!("{name}.log"));
    Slot { name, port, args, log, kill: None, task: None }
}

fn base_args(name: &str, port: &HeldPort, data: &Path) -> Vec<String> {
    vec![
        format!("--name={name}"),
        format!("--listen={}", port.address()),
        format!("--advertise=http://{}", port.address()),
        format!("--data={}", data.display()),
    ]
}

/// Ports for the members; none that etcd would want.
fn held_ports(count: usize) -> io::Result<Vec<HeldPort>> {
    let (mut ports, mut refused) = (Vec::new(), Vec::new());
    while ports.len() < count {
        let port = HeldPort::new()?;
        let well_known = WELL_KNOWN.contains(&port.address().port());
        // One that is not wanted is held as well, so that it is not given again.
        if well_known { &mut refused } else { &mut ports }.push(port);
    }
    Ok(ports)
}

fn spawn(program: &Path, slot: &Slot) -> io::Result<Child> {
    let log = OpenOptions::new().create(true).append(true).open(&slot.log)?;
    let mut command = Command::new(program);
    // What is set for an etcd of this machine is not for members of the console's own.
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"ETCD_") || name == "NOTIFY_SOCKET" {
            command.env_remove(name);
        }
    }
    command
        .arg("serve")
        .args(&slot.args)
        .stdin(Stdio::piped())
        .stdout(Stdio::from(log.try_clone()?))
        .stderr(Stdio::from(log))
        // Its own group: what the terminal sends to the console's does not reach it.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Looks after one child.
struct Watch {
    name: String,
    log: PathBuf,
    inbox: Arc<Inbox>,
    failed: Arc<AtomicBool>,
}

impl Watch {
    async fn run(self, mut child: Child, mut kill: mpsc::Receiver<()>) {
        // I1: while this end of the pipe is open, the child lives.
        let _stdin = child.stdin.take();
        tokio::select! {
            ended = child.wait() => {
                self.failed.store(true, Ordering::Relaxed);
                return self.report(&ended, false);
            }
            _told = kill.recv() => {}
        }
        // I2
        let _gone = child.start_kill();
        let ended = child.wait().await;
        self.report(&ended, true);
    }

    fn report(&self, ended: &io::Result<ExitStatus>, killed: bool) {
        let how = match ended {
            Ok(status) => format!(
                "{status}{}",
                last_line(&self.log).map_or_else(String::new, |l| format!("; {l}"))
            ),
            Err(error) => error.to_string(),
        };
        let log = self.log.display().to_string();
        self.inbox.event(Report::Ended(Ended { name: self.name.clone(), how, log, killed }));
    }
}

/// The last line that a member wrote, which says why it ended.
fn last_line(log: &Path) -> Option<String> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = File::open(log).ok()?;
    let size = fs::metadata(log).ok()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(LOG_END_BYTES as u64))).ok()?;
    let mut end = Vec::with_capacity(LOG_END_BYTES);
    file.take(LOG_END_BYTES as u64).read_to_end(&mut end).ok()?;
    let text = String::from_utf8_lossy(&end);
    let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
    Some(line.chars().filter(|character| !character.is_control()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demo_names_all_its_members_to_each_and_they_differ() {
        let fleet = Fleet::demo(3).unwrap();
        assert_eq!(fleet.endpoints().len(), 3);
        for slot in &fleet.members {
            let peers = slot.args.iter().find(|arg| arg.starts_with("--peers=")).unwrap();
            for address in fleet.members.iter().map(|slot| slot.port.address()) {
                assert!(peers.contains(&address.to_string()));
            }
        }
        let mut ports: Vec<_> = fleet.members.iter().map(|slot| slot.port.address()).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 3);
    }

    #[test]
    fn the_last_line_of_a_log_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        std::fs::write(&log, format!("{}\nlast words\n\n", "x".repeat(10_000))).unwrap();
        assert_eq!(last_line(&log).as_deref(), Some("last words"));
        assert_eq!(last_line(&dir.path().join("none")), None);
    }
}
