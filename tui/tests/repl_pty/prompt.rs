//! A prompt in a pseudo-terminal.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

/// Time that any step may take, on a loaded machine.
const DEADLINE: Duration = Duration::from_secs(60);
/// Longest time between two looks at what tells nobody that it has changed.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const ROWS: u16 = 30;
const COLS: u16 = 110;

/// One bundled member, and requests that wait for it as long as a test does.
pub const PATIENT: &[&str] = &["--bundled", "1", "--command-timeout", "10m"];

pub const CTRL_C: &str = "\x03";
pub const CTRL_D: &str = "\x04";
pub const CTRL_R: &str = "\x12";
pub const CTRL_Z: &str = "\x1a";
pub const UP: &str = "\x1b[A";
pub const RIGHT: &str = "\x1b[C";

pub struct Prompt {
    pub child: Box<dyn Child + Send + Sync>,
    pub master: Box<dyn MasterPty + Send>,
    writer: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    /// Whoever holds it makes the terminal stand still.
    pub gate: Arc<Mutex<()>>,
    pub screen: vt100::Parser,
    pub raw: Vec<u8>,
}

impl Prompt {
    /// A prompt on one bundled member, that stands.
    pub fn start(dir: &Path) -> Self {
        let mut prompt = Self::start_with(dir, &["--bundled", "1"], &[]);
        prompt.sees("bundled-1> ");
        prompt
    }

    /// A prompt whose only member, which is named too, stands still while this line waits for it.
    pub fn stalled(dir: &Path, line: &str) -> (Self, String) {
        let mut prompt = Self::start_with(dir, PATIENT, &[]);
        prompt.is_back();
        let member = prompt.member();
        signal("-STOP", &member);
        prompt.types(&format!("{line}\r"));
        prompt.until_sent();
        (prompt, member)
    }

    pub fn start_with(dir: &Path, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_mini-etcd-tui"));
        command.arg("repl");
        command.args(args);
        Self::spawn(dir, command, variables)
    }

    /// Any program, in such a terminal.
    pub fn spawn(dir: &Path, mut command: CommandBuilder, variables: &[(&str, &str)]) -> Self {
        let size = PtySize { rows: ROWS, cols: COLS, ..PtySize::default() };
        let pair = native_pty_system().openpty(size).unwrap();
        command.cwd(dir);
        command.env("TERM", "xterm-256color");
        command.env("XDG_STATE_HOME", dir);
        command.env("TMPDIR", dir);
        for name in ["NO_COLOR", "ETCDCTL_ENDPOINTS", "VISUAL", "EDITOR"] {
            command.env_remove(name);
        }
        for (name, value) in variables {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (tell, output) = channel();
        let gate = Arc::<Mutex<()>>::default();
        let still = Arc::clone(&gate);
        std::thread::spawn(move || {
            let mut buffer = [0; 16 << 10];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if tell.send(buffer.get(..count).unwrap_or_default().to_vec()).is_err() {
                    return;
                }
                // A terminal that stands still takes nothing more.
                drop(still.lock().unwrap());
            }
        });
        let writer = pair.master.take_writer().unwrap();
        let screen = vt100::Parser::new(ROWS.try_into().unwrap(), COLS.try_into().unwrap(), 0);
        Self { child, master: pair.master, writer, output, gate, screen, raw: Vec::new() }
    }

    pub fn types(&mut self, keys: &str) {
        self.writer.write_all(keys.as_bytes()).unwrap();
        self.writer.flush().unwrap();
    }

    pub fn shown(&self) -> String {
        self.screen.screen().contents()
    }

    pub fn until(&mut self, what: &str, wanted: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !wanted(&self.shown()) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.take(&bytes),
                Err(RecvTimeoutError::Timeout) => panic!("never seen: {what}\n{}", self.shown()),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("ended before: {what}\n{}", self.shown())
                }
            }
        }
    }

    pub fn take(&mut self, bytes: &[u8]) {
        self.raw.extend(bytes);
        self.screen.process(bytes);
    }

    pub fn sees(&mut self, text: &str) {
        self.until(text, |shown| shown.contains(text));
    }

    /// Waits until the last line that is not blank is this one.
    pub fn stands_at(&mut self, line: &str) {
        self.until(line, |shown| last_line(shown) == line.trim_end());
    }

    /// Waits until the line is no longer edited: from then on Ctrl-C is a signal.
    pub fn until_sent(&mut self) {
        let deadline = Instant::now() + DEADLINE;
        while self.screen.screen().bracketed_paste() {
            let left = deadline.saturating_duration_since(Instant::now());
            let bytes = self.output.recv_timeout(left).unwrap();
            self.take(&bytes);
        }
    }

    /// Waits until this has been sent to the terminal, wherever it may have scrolled to.
    pub fn until_raw(&mut self, text: &str) {
        let deadline = Instant::now() + DEADLINE;
        while !String::from_utf8_lossy(&self.raw).contains(text) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.take(&bytes),
                Err(error) => panic!("never sent: {text}, {error}\n{}", self.shown()),
            }
        }
    }

    /// Sends a line, and waits for what it prints right below it and for the next prompt.
    pub fn answers(&mut self, line: &str, answer: &str) {
        self.types(&format!("{line}\r"));
        let wanted = format!("> {line}\n{answer}");
        self.until(&wanted, |shown| shown.contains(&wanted) && last_line(shown) == "bundled-1>");
    }

    /// The colour of the last place where this stands, and whether it is bold.
    pub fn color_of(&self, text: &str) -> (vt100::Color, bool) {
        let screen = self.screen.screen();
        let rows: Vec<String> = screen.rows(0, COLS).collect();
        let found = rows.iter().enumerate().rev().find_map(|(row, line)| {
            let at = line.rfind(text)?;
            screen.cell(u16::try_from(row).unwrap(), u16::try_from(at).unwrap())
        });
        let cell = found.unwrap_or_else(|| panic!("no {text} in\n{}", self.shown()));
        (cell.fgcolor(), cell.bold())
    }

    /// The address of the only bundled member.
    pub fn endpoint(&mut self) -> String {
        self.answers("endpoint status | sh -c 'cut -d, -f1'", "127.0.0.1:");
        let shown = self.shown();
        let line = shown.lines().rev().find(|line| line.starts_with("127.0.0.1:")).unwrap();
        line.trim_end().to_owned()
    }

    /// Waits for a new prompt, with nothing typed.
    pub fn is_back(&mut self) {
        self.stands_at("bundled-1>");
    }

    /// Leaves from the next prompt, whatever is typed there: a line may be on its way still.
    pub fn leaves(mut self) {
        self.types("\x15\\q\r");
        assert!(self.ends().success());
    }

    pub fn ends(mut self) -> ExitStatus {
        let deadline = Instant::now() + DEADLINE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "did not end\n{}", self.shown());
            if let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(20)) {
                self.take(&bytes);
            }
        };
        while let Ok(bytes) = self.output.recv_timeout(DEADLINE) {
            self.take(&bytes);
        }
        let screen = self.screen.screen();
        assert!(!screen.hide_cursor(), "left with the cursor hidden");
        assert!(!screen.bracketed_paste(), "left with bracketed paste");
        let mode = format!("{:?}", self.master.get_termios().unwrap().local_flags);
        assert!(mode.contains("ICANON") && mode.contains("ECHO "), "left with {mode}");
        status
    }

    /// Waits until the terminal is in such a mode, as `stty` says it.
    pub fn mode_is(&mut self, wanted: &[&str]) {
        let name = self.master.tty_name().unwrap();
        self.until_so(|| {
            let shown = Command::new("stty").arg("-a").arg("-F").arg(&name).output().unwrap();
            let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
            let is = |mode: &&str| shown.split_whitespace().any(|word| word == *mode);
            if wanted.iter().all(is) { Ok(()) } else { Err(format!("never {wanted:?}\n{shown}")) }
        });
    }

    /// Waits until the program is in such a state, as the kernel calls it.
    pub fn state_is(&mut self, wanted: &str) {
        let file = format!("/proc/{}/stat", self.child.process_id().unwrap());
        self.until_so(|| {
            let stat = std::fs::read_to_string(&file).unwrap();
            let state = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').next());
            if state == Some(wanted) { Ok(()) } else { Err(format!("never {wanted}\n{stat}")) }
        });
    }

    /// Waits for what the screen does not tell; an error says what was seen instead. What is shown meanwhile is taken in.
    fn until_so(&mut self, look: impl Fn() -> Result<(), String>) {
        let deadline = Instant::now() + DEADLINE;
        while let Err(seen) = look() {
            assert!(Instant::now() < deadline, "{seen}");
            match self.output.recv_timeout(LOOK_EVERY) {
                Ok(bytes) => self.take(&bytes),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => panic!("ended before: {seen}"),
            }
        }
    }

    /// The only bundled member.
    pub fn member(&self) -> String {
        let pid = self.child.process_id().unwrap();
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let children = threads
            .map(|task| std::fs::read_to_string(task.unwrap().path().join("children")).unwrap());
        let children = children.collect::<String>();
        children.split_whitespace().next().unwrap().to_owned()
    }
}

impl Drop for Prompt {
    fn drop(&mut self) {
        // A failed test leaves nothing running; what has ended already is no matter.
        let _killed = self.child.kill();
    }
}

pub fn last_line(shown: &str) -> &str {
    shown.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim_end()
}

/// Sends a signal. After one that stops, every thread stands still: those on other processors run on for a moment, in
/// which a member may still answer.
pub fn signal(name: &str, pid: &str) {
    assert!(Command::new("kill").args([name, pid]).status().unwrap().success());
    let deadline = Instant::now() + DEADLINE;
    while name == "-STOP" && !stands_still(pid) {
        assert!(Instant::now() < deadline, "{pid} does not stop");
        std::thread::yield_now();
    }
}

fn stands_still(pid: &str) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads.flatten().all(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // The name before it may have brackets and blanks of its own.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    })
}

/// Another program that talks to the same member: a batch of these lines.
pub fn elsewhere(endpoint: &str, lines: &str) -> std::process::Child {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mini-etcd-tui"))
        .args(["repl", "--endpoints", endpoint])
        .env_remove("ETCDCTL_ENDPOINTS")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    child
}
