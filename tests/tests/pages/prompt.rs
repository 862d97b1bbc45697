//! The REPL in a terminal: lines are typed, and what stands on the screen is read.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use mini_etcd_tests::process::workspace_binary;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::blocks::typed;

/// Time that any step may take, on a loaded machine.
const DEADLINE: Duration = Duration::from_secs(30);
/// A block stands on one screen, and no line of it is broken.
const ROWS: u16 = 400;
const COLS: u16 = 160;
/// The line editor begins to edit.
const EDITS: &[u8] = b"\x1b[?2004h";
/// Stands for the key in a typed line.
const TAB: char = '⇥';
const CTRL_D: &str = "\x04";
const CTRL_U: &str = "\x15";

/// A prompt that is waiting for a line.
pub struct Prompt {
    child: Box<dyn Child + Send + Sync>,
    _master: Box<dyn MasterPty + Send>,
    writer: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    raw: Vec<u8>,
    /// How often a line was asked for.
    asked: usize,
    /// Where on the screen the prompt stands that waits.
    row: usize,
    /// What stood above the first one.
    pub greeting: Vec<String>,
}

impl Prompt {
    /// Starts what was typed in a shell: `mini-etcd-tui repl` with its flags.
    pub fn start(command: &str, dir: &Path) -> anyhow::Result<Self> {
        let size = PtySize { rows: ROWS, cols: COLS, ..PtySize::default() };
        let pair = native_pty_system().openpty(size)?;
        let program = workspace_binary("mini-etcd-tui")?;
        let bin = program.parent().context("its directory")?.display().to_string();
        let mut shell = CommandBuilder::new("sh");
        shell.args(["-c", command]);
        shell.cwd(dir);
        shell.env("PATH", format!("{bin}:{}", std::env::var("PATH").unwrap_or_default()));
        shell.env("TERM", "xterm-256color");
        shell.env("XDG_STATE_HOME", dir);
        // There are no profiles.
        shell.env("XDG_CONFIG_HOME", dir);
        shell.env("TMPDIR", dir);
        for name in ["NO_COLOR", "ETCDCTL_ENDPOINTS", "VISUAL", "EDITOR"] {
            shell.env_remove(name);
        }
        let child = pair.slave.spawn_command(shell)?;
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader()?;
        let (tell, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 16 << 10];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if tell.send(buffer.get(..count).unwrap_or_default().to_vec()).is_err() {
                    return;
                }
            }
        });
        let writer = pair.master.take_writer()?;
        let screen = vt100::Parser::new(ROWS.try_into()?, COLS.try_into()?, 0);
        let master = pair.master;
        let mut prompt = Self {
            child,
            _master: master,
            writer,
            output,
            screen,
            raw: Vec::new(),
            asked: 0,
            row: 0,
            greeting: Vec::new(),
        };
        prompt.greeting = prompt.is_asked(0, DEADLINE, |_| true)?;
        Ok(prompt)
    }

    /// The prompt as it is shown, with what already stands behind it.
    pub fn shown(&self) -> (String, String) {
        let lines = self.lines();
        let line = lines.get(self.row).map_or("", String::as_str);
        let (prompt, input) = typed(line).unwrap_or_default();
        (prompt.to_owned(), input.to_owned())
    }

    /// Types a statement; answers what was printed when it is as wanted, or when nothing more has come for so long.
    pub fn types(
        &mut self,
        input: &str,
        quiet: Duration,
        wanted: impl Fn(&[String]) -> bool,
    ) -> anyhow::Result<Vec<String>> {
        let (_, held) = self.shown();
        let rest = input.strip_prefix(held.as_str()).unwrap_or(input);
        let from = self.row + input.split('\n').count();
        let tabs = input.ends_with(TAB);
        if tabs {
            let keys = rest.trim_end_matches(TAB);
            self.keys(&format!("{keys}\t"))?;
            self.asked -= 1;
        } else {
            self.keys(&format!("{}\r", rest.replace('\n', "\r")))?;
        }
        let output = self.is_asked(from, quiet, |output| wanted(output))?;
        if tabs {
            self.keys(CTRL_U)?;
            self.asked -= 1;
            self.is_asked(from, quiet, |_| true)?;
        }
        Ok(output)
    }

    /// Leaves, if that is not done, and waits for the end.
    pub fn leaves(&mut self) -> anyhow::Result<()> {
        if self.child.try_wait()?.is_none() {
            self.keys(CTRL_D)?;
        }
        let deadline = now() + DEADLINE;
        while self.child.try_wait()?.is_none() {
            if now() > deadline {
                bail!("did not end:\n{}", self.lines().join("\n"));
            }
            let _more = self.output.recv_timeout(Duration::from_millis(20));
        }
        Ok(())
    }

    fn keys(&mut self, keys: &str) -> anyhow::Result<()> {
        self.writer.write_all(keys.as_bytes())?;
        Ok(self.writer.flush()?)
    }

    fn lines(&self) -> Vec<String> {
        self.screen.screen().contents().lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// Waits until another line is asked for, and what stands from `row` up to the prompt is as wanted or has not
    /// changed for so long.
    fn is_asked(
        &mut self,
        from: usize,
        quiet: Duration,
        wanted: impl Fn(&[String]) -> bool,
    ) -> anyhow::Result<Vec<String>> {
        self.asked += 1;
        loop {
            let asked = self.raw.windows(EDITS.len()).filter(|bytes| *bytes == EDITS).count();
            let lines = self.lines();
            let last = lines.iter().rposition(|line| !line.is_empty()).unwrap_or_default();
            let stands = asked >= self.asked
                && last >= from
                && lines.get(last).is_some_and(|line| typed(line).is_some());
            let output = lines.get(from..last).unwrap_or_default();
            if stands && wanted(output) {
                self.row = last;
                return Ok(output.to_vec());
            }
            match self.output.recv_timeout(if stands { quiet } else { DEADLINE }) {
                Ok(bytes) => {
                    self.raw.extend(&bytes);
                    self.screen.process(&bytes);
                }
                Err(RecvTimeoutError::Timeout) if stands => {
                    self.row = last;
                    return Ok(output.to_vec());
                }
                // It was left.
                Err(RecvTimeoutError::Disconnected) => {
                    return Ok(lines.get(from..=last).unwrap_or_default().to_vec());
                }
                Err(error) => bail!("no prompt ({error}):\n{}", lines.join("\n")),
            }
        }
    }
}

impl Drop for Prompt {
    fn drop(&mut self) {
        // A failed test leaves nothing running; what has ended already is no matter.
        let _killed = self.child.kill();
    }
}

#[expect(clippy::disallowed_methods, reason = "its deadlines are those of the real clock")]
fn now() -> Instant {
    Instant::now()
}
