//! The console in a pseudo-terminal, whose screen a terminal emulator keeps.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

/// Time that any step may take, on a loaded machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The console in a pseudo-terminal.
pub struct Console {
    pub child: Box<dyn Child + Send + Sync>,
    pub master: Box<dyn MasterPty + Send>,
    writer: Box<dyn Write + Send>,
    pub output: Receiver<Vec<u8>>,
    /// Why reading its output came to an end, once for each time.
    read_ends: Arc<Mutex<String>>,
    pub screen: vt100::Parser,
    /// Everything that came, for what a screen does not keep.
    pub raw: Vec<u8>,
    pub dir: tempfile::TempDir,
    /// How the terminal took input and gave output before.
    before: String,
    /// The console's process, when a shell has started it.
    job: Option<u32>,
}

impl Console {
    pub fn start(args: &[&str]) -> Self {
        Self::start_with(args, &[])
    }

    pub fn start_with(args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_mini-etcd-tui"));
        command.args(args);
        Self::spawn(command, variables)
    }

    /// A console that is a job of an interactive shell.
    pub fn in_a_shell(args: &[&str]) -> Self {
        let mut command = CommandBuilder::new("bash");
        command.args(["--norc", "--noprofile", "-i"]);
        let mut console = Self::spawn(command, &[("PS1", "shell$ "), ("HISTFILE", "")]);
        console.sees("shell$");
        console.press(&format!("{} {}\r", env!("CARGO_BIN_EXE_mini-etcd-tui"), args.join(" ")));
        console.sees("1 Cluster");
        let shell = console.child.process_id().unwrap();
        let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children"));
        console.job = Some(children.unwrap().trim().parse().unwrap());
        console
    }

    fn spawn(mut command: CommandBuilder, variables: &[(&str, &str)]) -> Self {
        let (rows, cols) = (24, 80);
        let pair =
            native_pty_system().openpty(PtySize { rows, cols, ..PtySize::default() }).unwrap();
        let dir = tempfile::tempdir().unwrap();
        command.cwd(dir.path());
        command.env("TERM", "xterm-256color");
        command.env("XDG_CONFIG_HOME", dir.path());
        // A console that is killed cannot tidy up: what it leaves goes with the test.
        command.env("TMPDIR", dir.path());
        for name in ["NO_COLOR", "COLORTERM", "ETCDCTL_ENDPOINTS"] {
            command.env_remove(name);
        }
        for (name, value) in variables {
            command.env(name, value);
        }
        stty(&*pair.master, &[KEEPS_OUTPUT]);
        let before = attributes(&*pair.master);
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (tell, output) = channel();
        let read_ends = Arc::<Mutex<String>>::default();
        let told = Arc::clone(&read_ends);
        std::thread::spawn(move || {
            let mut buffer = [0; 16 << 10];
            // The kernel looks for bytes, and then whether the other side has closed: what is written and closed between
            // the two looks is there for the next read alone. Two ends in a row are the end.
            let mut ends = 0;
            while ends < 2 {
                match reader.read(&mut buffer) {
                    Ok(count @ 1..) => {
                        let bytes = buffer.get(..count).unwrap_or_default().to_vec();
                        if tell.send(bytes).is_err() {
                            return;
                        }
                        ends = 0;
                    }
                    end => {
                        write!(told.lock().unwrap(), "{end:?} ").unwrap();
                        ends += 1;
                    }
                }
            }
        });
        let writer = pair.master.take_writer().unwrap();
        let screen = vt100::Parser::new(rows.try_into().unwrap(), cols.try_into().unwrap(), 0);
        Self {
            child,
            master: pair.master,
            writer,
            output,
            read_ends,
            screen,
            raw: Vec::new(),
            dir,
            before,
            job: None,
        }
    }

    /// A file in the directory that goes with the test.
    pub fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    pub fn press(&mut self, keys: &str) {
        // A program that has ended takes none; whoever waits for what they do will see.
        let _gone = self.writer.write_all(keys.as_bytes());
        let _gone = self.writer.flush();
    }

    pub fn resize(&mut self, cols: u16, rows: u16) {
        self.master.resize(PtySize { rows, cols, ..PtySize::default() }).unwrap();
        self.screen.screen_mut().set_size(rows.try_into().unwrap(), cols.try_into().unwrap());
    }

    pub fn shown(&self) -> String {
        self.screen.screen().contents()
    }

    /// Waits until the screen is as wanted.
    pub fn until(&mut self, what: &str, wanted: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !wanted(&self.shown()) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => {
                    self.raw.extend(&bytes);
                    self.screen.process(&bytes);
                }
                Err(RecvTimeoutError::Timeout) => panic!("never seen: {what}\n{}", self.shown()),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("ended before: {what}\n{}", self.shown())
                }
            }
        }
    }

    pub fn sees(&mut self, text: &str) {
        self.until(text, |shown| shown.contains(text));
    }

    pub fn misses(&mut self, text: &str) {
        self.until(&format!("no {text}"), |shown| !shown.contains(text));
    }

    /// Runs a command in the palette over the screen that is shown.
    pub fn run(&mut self, line: &str) {
        self.press(":");
        self.sees("a command:");
        self.press(&format!("{line}\r"));
        // A long line is cut in the title.
        let title: String = format!("┌ : {line}").chars().take(40).collect();
        self.until(&format!("{title} ok"), |shown| {
            shown.lines().any(|line| line.starts_with(&title) && line.contains(" ok "))
        });
        self.press("\x1b");
        self.misses(&title);
        self.press("\x1b");
        self.misses("a command:");
    }

    /// Waits until the terminal was given this for its clipboard.
    pub fn copied(&mut self, base64: &str) {
        let wanted = format!("\x1b]52;c;{base64}\x1b");
        let deadline = Instant::now() + DEADLINE;
        while !String::from_utf8_lossy(&self.raw).contains(&wanted) {
            assert!(Instant::now() < deadline, "nothing was copied\n{}", self.shown());
            self.take_in(Duration::from_millis(20));
        }
    }

    /// Waits for the end; answers how it ended. The terminal must have been given back.
    pub fn ends(mut self) -> ExitStatus {
        let status = self.wait();
        while let Ok(bytes) = self.output.recv_timeout(DEADLINE) {
            self.raw.extend(&bytes);
            self.screen.process(&bytes);
        }
        let screen = self.screen.screen();
        let last = self.raw.get(self.raw.len().saturating_sub(400)..).unwrap_or(&self.raw);
        let how = format!(
            "{status:?}, reading ended with {}the last that came: {}",
            self.read_ends.lock().unwrap(),
            last.escape_ascii()
        );
        assert!(!screen.alternate_screen(), "left in the alternate screen: {how}");
        assert!(!screen.hide_cursor(), "left with the cursor hidden: {how}");
        assert!(!screen.bracketed_paste(), "left with bracketed paste: {how}");
        let mouse = screen.mouse_protocol_mode();
        assert!(mouse == vt100::MouseProtocolMode::None, "left with {mouse:?} of the mouse: {how}");
        assert!(!self.is_taken(), "left raw: {}", attributes(&*self.master));
        status
    }

    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "did not end\n{}", self.shown());
            // Its output is taken in meanwhile: a full terminal would keep it from ending.
            self.take_in(Duration::from_millis(20));
        }
    }

    /// Waits until the process is in this state of `/proc`; T for stopped.
    pub fn comes_to(&mut self, state: char) {
        let deadline = Instant::now() + DEADLINE;
        while self.process_state() != state {
            assert!(Instant::now() < deadline, "not {state}: {}", self.process_state());
            self.take_in(Duration::from_millis(2));
        }
    }

    /// Waits until a line of the REPL has ended: it shows how long it took, and the next one is taken.
    pub fn has_run(&mut self, line: &str) {
        let prompt = format!("etcd> {line} ");
        self.until(&format!("the end of {line}"), |shown| {
            shown.lines().any(|shown| shown.contains(&prompt) && shown.trim_end().ends_with("s │"))
        });
    }

    /// Takes in what comes within that time.
    pub fn take_in(&mut self, time: Duration) {
        if let Ok(bytes) = self.output.recv_timeout(time) {
            self.raw.extend(&bytes);
            self.screen.process(&bytes);
        }
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Whether the terminal takes input otherwise than before the start.
    pub fn is_taken(&self) -> bool {
        attributes(&*self.master) != self.before
    }

    fn pid(&self) -> u32 {
        self.job.or_else(|| self.child.process_id()).unwrap()
    }

    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Whether the terminal gives whole lines, as a shell has it.
    pub fn is_in_line_mode(&self) -> bool {
        let modes = self.master.get_termios().unwrap().local_flags;
        format!("{modes:?}").contains("ICANON")
    }

    /// Puts the terminal into line mode, as a shell does that has stopped a job.
    pub fn as_a_shell_has_it(&self) {
        stty(&*self.master, &["sane", KEEPS_OUTPUT]);
    }

    /// State letter of the process, as the kernel has it.
    pub fn process_state(&self) -> char {
        let pid = self.pid();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next()).unwrap()
    }
}

/// A Ctrl-C that was typed, and reaches the terminal when the console has just given it back, makes the kernel throw away
/// output that it has not delivered yet: what gives the terminal back, with it. This keeps it from that, so that what is
/// looked at is what the console has written.
const KEEPS_OUTPUT: &str = "noflsh";

fn stty(terminal: &dyn MasterPty, settings: &[&str]) {
    let name = terminal.tty_name().unwrap();
    let stty = std::process::Command::new("stty").arg("-F").arg(name).args(settings).status();
    assert!(stty.unwrap().success());
}

fn attributes(terminal: &dyn MasterPty) -> String {
    format!("{:?}", terminal.get_termios().unwrap())
}

/// Nothing listens there.
pub const NOBODY: &str = "127.0.0.1:1";

impl Drop for Console {
    fn drop(&mut self) {
        // A failed test leaves nothing running; what has ended already is no matter.
        let _killed = self.child.kill();
    }
}
