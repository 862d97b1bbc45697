//! Goal: the prompt in a real terminal, against a real server. Method: a pseudo-terminal whose screen a terminal emulator
//! keeps; every step waits for what must be seen, with a deadline.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and its deadlines are those of the real clock"
)]

use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

/// Time that any step may take, on a loaded machine.
const DEADLINE: Duration = Duration::from_secs(60);
/// Pause between two looks at what tells nobody that it has changed.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const ROWS: u16 = 30;
const COLS: u16 = 110;

/// One bundled member, and requests that wait for it as long as a test does.
const PATIENT: &[&str] = &["--bundled", "1", "--command-timeout", "10m"];

const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const CTRL_R: &str = "\x12";
const CTRL_Z: &str = "\x1a";
const UP: &str = "\x1b[A";
const RIGHT: &str = "\x1b[C";

struct Prompt {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    writer: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    raw: Vec<u8>,
}

impl Prompt {
    /// A prompt on one bundled member, that stands.
    fn start(dir: &Path) -> Self {
        let mut prompt = Self::start_with(dir, &["--bundled", "1"], &[]);
        prompt.sees("bundled-1> ");
        prompt
    }

    fn start_with(dir: &Path, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let size = PtySize { rows: ROWS, cols: COLS, ..PtySize::default() };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_mini-etcd-tui"));
        command.arg("repl");
        command.args(args);
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
        std::thread::spawn(move || {
            let mut buffer = [0; 16 << 10];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if tell.send(buffer.get(..count).unwrap_or_default().to_vec()).is_err() {
                    return;
                }
            }
        });
        let writer = pair.master.take_writer().unwrap();
        let screen = vt100::Parser::new(ROWS.try_into().unwrap(), COLS.try_into().unwrap(), 0);
        Self { child, master: pair.master, writer, output, screen, raw: Vec::new() }
    }

    fn types(&mut self, keys: &str) {
        self.writer.write_all(keys.as_bytes()).unwrap();
        self.writer.flush().unwrap();
    }

    fn shown(&self) -> String {
        self.screen.screen().contents()
    }

    fn until(&mut self, what: &str, wanted: impl Fn(&str) -> bool) {
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

    fn take(&mut self, bytes: &[u8]) {
        self.raw.extend(bytes);
        self.screen.process(bytes);
    }

    fn sees(&mut self, text: &str) {
        self.until(text, |shown| shown.contains(text));
    }

    /// Waits until the last line that is not blank is this one.
    fn stands_at(&mut self, line: &str) {
        self.until(line, |shown| last_line(shown) == line.trim_end());
    }

    /// Waits until the line is no longer edited: from then on Ctrl-C is a signal.
    fn until_sent(&mut self) {
        let deadline = Instant::now() + DEADLINE;
        while self.screen.screen().bracketed_paste() {
            let left = deadline.saturating_duration_since(Instant::now());
            let bytes = self.output.recv_timeout(left).unwrap();
            self.take(&bytes);
        }
    }

    /// Waits for a new prompt, with nothing typed.
    fn is_back(&mut self) {
        self.stands_at("bundled-1>");
    }

    /// Leaves from the next prompt, whatever is typed there: a line may be on its way still.
    fn leaves(mut self) {
        self.types("\x15\\q\r");
        assert!(self.ends().success());
    }

    fn ends(mut self) -> ExitStatus {
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
    fn mode_is(&self, wanted: &[&str]) {
        let name = self.master.tty_name().unwrap();
        let deadline = Instant::now() + DEADLINE;
        loop {
            let shown = Command::new("stty").arg("-a").arg("-F").arg(&name).output().unwrap();
            let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
            if wanted.iter().all(|mode| shown.split_whitespace().any(|word| word == *mode)) {
                return;
            }
            assert!(Instant::now() < deadline, "never {wanted:?}\n{shown}");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits until the program is in such a state, as the kernel calls it.
    fn state_is(&self, wanted: &str) {
        let file = format!("/proc/{}/stat", self.child.process_id().unwrap());
        let deadline = Instant::now() + DEADLINE;
        loop {
            let stat = std::fs::read_to_string(&file).unwrap();
            let state = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').next());
            if state == Some(wanted) {
                return;
            }
            assert!(Instant::now() < deadline, "never {wanted}\n{stat}");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// The only bundled member.
    fn member(&self) -> String {
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

fn last_line(shown: &str) -> &str {
    shown.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim_end()
}

fn signal(name: &str, pid: &str) {
    assert!(Command::new("kill").args([name, pid]).status().unwrap().success());
}

#[test]
fn ctrl_d_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start(dir.path());
    prompt.is_back();
    prompt.types(CTRL_D);
    assert!(prompt.ends().success());
}

#[test]
fn tab_completes_commands_flags_and_keys_and_hints_show_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start(dir.path());
    prompt.types("put /config/web/a 1\r");
    prompt.sees("OK");
    prompt.types("put '/config/b c' 2\r");
    prompt.until("two", |shown| shown.matches("\nOK").count() == 2);
    prompt.types("pu");
    prompt.types("\t");
    prompt.sees("> put <key> [value]");
    prompt.types(CTRL_C);
    prompt.is_back();
    prompt.types("get /con\t");
    prompt.sees("> get /config/ [range_end]");
    prompt.types("w\t");
    prompt.stands_at("bundled-1> get /config/web/ [range_end]");
    prompt.types("\t");
    prompt.stands_at("bundled-1> get /config/web/a [range_end]");
    prompt.types("--keys\t\r");
    prompt.until("the key", |shown| shown.contains("\n/config/web/a\n"));
    prompt.types("get /config/\t");
    prompt.sees("/config/b c   /config/web/");
    prompt.types(CTRL_C);
    prompt.is_back();
    prompt.types("comp");
    prompt.sees("> compaction");
    prompt.types(RIGHT);
    prompt.types(" 1");
    prompt.sees("takes away what cannot be had again");
    prompt.types(CTRL_C);
    prompt.is_back();
    prompt.leaves();
}

#[test]
fn history_is_kept_for_its_owner_only_without_passwords_and_is_searched() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start(dir.path());
    prompt.types("put remembered 1\r");
    prompt.sees("OK");
    prompt.types("get a --user=root:secret\r");
    prompt.sees("unknown method Authenticate");
    prompt.types("put other 2\r");
    prompt.until("the second OK", |shown| shown.matches("\nOK").count() == 2);
    prompt.is_back();
    prompt.types(UP);
    prompt.until("the line before", |shown| shown.matches("> put other 2").count() == 2);
    prompt.types(CTRL_C);
    prompt.is_back();
    prompt.leaves();
    let file = dir.path().join("mini-etcd/history");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("put remembered 1") && !text.contains("secret"), "{text}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let mut prompt = Prompt::start(dir.path());
    prompt.types(CTRL_R);
    prompt.types("remem");
    prompt.sees("put remembered 1");
    prompt.types("\r");
    prompt.sees("OK");
    prompt.leaves();
}

#[test]
fn a_statement_may_have_many_lines_and_what_is_typed_ahead_is_not_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start(dir.path());
    prompt.types("put k 'one\r");
    prompt.types("two'\r");
    prompt.sees("OK");
    // All at once, while the first still runs.
    prompt.types("get k\rget k --print-value-only | count\rpwd\r");
    prompt.sees("\nk\none\ntwo\n");
    prompt.until("the third", |shown| shown.contains("\n2\n") && shown.contains("\n/\n"));
    prompt.types("nonsense\r");
    prompt.sees("nonsense\n^\n1:1: unknown command");
    prompt.leaves();
}

#[test]
fn what_a_value_holds_never_reaches_the_terminal_raw() {
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start(dir.path());
    prompt.types("put k \"\\x1b[2J\\x07\\xff\"\r");
    prompt.sees("OK");
    prompt.types("get k\r");
    prompt.sees("\\u{1b}[2J\\u{7}\\xff");
    prompt.leaves();
}

#[test]
fn ctrl_c_ends_a_request_that_nobody_answers() {
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start_with(dir.path(), PATIENT, &[]);
    prompt.is_back();
    let member = prompt.member();
    signal("-STOP", &member);
    prompt.types("put k v\r");
    prompt.until_sent();
    prompt.types(CTRL_C);
    prompt.sees("interrupted: what was under way may have been done all the same");
    prompt.is_back();
    signal("-CONT", &member);
    prompt.types("get nothing | count\r");
    prompt.sees("\n0\n");
    prompt.leaves();
}

#[test]
fn events_of_a_watch_stand_above_what_is_being_typed() {
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start(dir.path());
    prompt.types("watch / --prefix & as w1\r");
    prompt.sees("[w1] watching from");
    prompt.is_back();
    let shown = prompt.shown();
    let endpoint = shown.lines().find_map(|line| line.split(" on ").nth(1)).unwrap().to_owned();
    prompt.types("get half");
    prompt.sees("> get half");
    let put = |key: &str| {
        let status = Command::new(env!("CARGO_BIN_EXE_mini-etcdctl"))
            .args(["--endpoints", &endpoint, "put", key, "news"])
            .env_remove("ETCDCTL_ENDPOINTS")
            .stdout(std::process::Stdio::null())
            .status();
        assert!(status.unwrap().success());
    };
    put("/first");
    prompt.sees("[w1] /first");
    put("/second");
    prompt.sees("[w1] /second\n[w1] news");
    prompt.stands_at("bundled-1> get half [range_end]");
    prompt.types("way | count\r");
    prompt.sees("\n0\n");
    prompt.types("cancel w\t\r");
    // The prompt behind it, and not the one that it is typed at.
    prompt.sees("cancel w1");
    prompt.leaves();
}

#[test]
fn a_lost_connection_is_said_once_and_so_is_that_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start(dir.path());
    prompt.types("put k kept\r");
    prompt.sees("OK");
    prompt.types("\\kill n1\r");
    prompt.sees("\nn1\n");
    for _ in 0..3 {
        prompt.types("get k\r");
        prompt.stands_at("bundled-1 (lost)>");
        prompt.types("pwd\r");
        prompt.stands_at("bundled-1 (lost)>");
    }
    assert_eq!(prompt.shown().matches("nobody answers").count(), 1, "{}", prompt.shown());
    prompt.types("\\restart n1\r");
    prompt.sees("connected again after");
    prompt.until("a prompt", |shown| last_line(shown).starts_with("bundled-1"));
    prompt.types("get k\r");
    prompt.sees("\nk\nkept\n");
    assert_eq!(prompt.shown().matches("connected again").count(), 1);
    prompt.leaves();
}

#[test]
fn what_was_recorded_passes_as_a_script() {
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start(dir.path());
    prompt.types("\\record smoke.ers\r");
    prompt.stands_at("bundled-1 (rec)>");
    for line in [
        "put k 'one two'",
        "g k",
        "range nothing",
        "delete k",
        "compact 99999",
        "txn if version(k) = 0 then put k \"\\xff\" end",
        "get k",
        "nonsense",
    ] {
        prompt.types(&format!("{line}\r"));
        prompt.stands_at("bundled-1 (rec)>");
    }
    prompt.types("\\record\r");
    prompt.sees("7 statements in smoke.ers");
    prompt.leaves();
    let script = std::fs::read_to_string(dir.path().join("smoke.ers")).unwrap();
    for line in [
        "get k\nexpect value == 'one two'\n",
        "get nothing\nexpect key absent\n",
        "del k\nexpect deleted == 1\n",
        "! compaction 99999\nexpect error OutOfRange\n",
        "expect succeeded == true\n",
        "expect value == \"\\xff\"\n",
    ] {
        assert!(script.contains(line), "{line}\nnot in\n{script}");
    }
    let ran = Command::new(env!("CARGO_BIN_EXE_mini-etcd-tui"))
        .args(["run", "smoke.ers", "--bundled", "1"])
        .current_dir(dir.path())
        .env("TMPDIR", dir.path())
        .env_remove("ETCDCTL_ENDPOINTS")
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}\n{script}", String::from_utf8_lossy(&ran.stdout));
}

#[test]
fn a_statement_is_edited_in_the_editor_of_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let editor = [("EDITOR", "sed -i s/one/two/")];
    let mut prompt = Prompt::start_with(dir.path(), &["--bundled", "1"], &editor);
    prompt.is_back();
    prompt.types("put k one\r");
    prompt.sees("OK");
    prompt.types("\\e\r");
    prompt.stands_at("bundled-1> put k two");
    prompt.types("\r");
    prompt.until("put again", |shown| shown.matches("\nOK").count() == 2);
    prompt.types("put k one");
    prompt.types("\x18\x05");
    prompt.until("edited", |shown| shown.matches("> put k two").count() == 2);
    prompt.types(CTRL_C);
    prompt.is_back();
    prompt.types("\\q\r");
    assert!(prompt.ends().success());
}

#[test]
fn read_only_and_a_prefix_are_shown_and_heeded_and_without_colours_none_are_sent() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["--bundled", "1", "--read-only"];
    let mut prompt = Prompt::start_with(dir.path(), &args, &[("NO_COLOR", "1")]);
    prompt.stands_at("bundled-1 (ro)>");
    prompt.types("cd /config\r");
    prompt.stands_at("bundled-1 /config/ (ro)>");
    prompt.types("del k --prefix\r");
    prompt.sees("read-only");
    prompt.types("txn then put k v end\r");
    prompt.until("refused", |shown| shown.matches("the session is read-only").count() == 2);
    let raw = String::from_utf8_lossy(&prompt.raw).into_owned();
    for sequence in raw.split("\x1b[").skip(1) {
        let Some((codes, _)) = sequence.split_once('m') else { continue };
        let is_style = codes.chars().all(|c| c.is_ascii_digit() || c == ';');
        assert!(!is_style || codes == "0" || codes.is_empty(), "{codes}");
    }
    prompt.leaves();
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start(dir.path());
    prompt.types("get half");
    prompt.sees("> get half");
    signal("-TERM", &prompt.child.process_id().unwrap().to_string());
    assert_eq!(prompt.ends().exit_code(), 5);
}

#[test]
fn ctrl_d_that_is_typed_while_a_command_runs_leaves_once_it_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start_with(dir.path(), PATIENT, &[]);
    prompt.is_back();
    let member = prompt.member();
    signal("-STOP", &member);
    prompt.types("put k late\r");
    prompt.until_sent();
    prompt.types(CTRL_D);
    // The key is in the terminal before the command can end.
    prompt.mode_is(&["-icanon", "-echo", "isig"]);
    signal("-CONT", &member);
    prompt.sees("\nOK\n");
    let shown = prompt.screen.screen().contents();
    assert!(prompt.ends().success(), "{shown}");
}

#[test]
fn what_is_typed_ahead_is_shown_once_and_ctrl_d_does_not_leave_a_line_with_text() {
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start_with(dir.path(), PATIENT, &[]);
    prompt.is_back();
    let member = prompt.member();
    signal("-STOP", &member);
    prompt.types("put k v\r");
    prompt.until_sent();
    prompt.types("get k --print-valuex\x7f-only\rpwd\rget half");
    prompt.types(CTRL_D);
    signal("-CONT", &member);
    prompt.stands_at("bundled-1> get half [range_end]");
    let shown = prompt.shown();
    let wanted = "put k v\nOK\nbundled-1> get k --print-value-only\nv\nbundled-1> pwd\n/\n";
    assert!(shown.contains(wanted), "{shown}");
    assert_eq!(shown.matches("get half").count(), 1, "{shown}");
    prompt.leaves();
}

#[test]
fn whoever_gets_the_terminal_gets_it_as_it_was_and_it_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let look = "stty -a </dev/tty | tr -s ' ;' '\\n\\n' | grep -x -e icanon -e echo | sort | xargs";
    let editor = format!("{look} >seen; true");
    let mut prompt = Prompt::start_with(dir.path(), &["--bundled", "1"], &[("EDITOR", &editor)]);
    prompt.is_back();
    prompt.mode_is(&["-icanon", "-echo", "-isig"]);
    // A shell behind a pipe.
    prompt.types(&format!("pwd | {look}\r"));
    prompt.sees("\necho icanon\n");
    // The editor.
    prompt.types("get k\r\\e\r");
    prompt.until("again", |shown| shown.matches("> get k").count() == 2);
    assert_eq!(std::fs::read_to_string(dir.path().join("seen")).unwrap(), "echo icanon\n");
    prompt.mode_is(&["-icanon", "-echo", "-isig"]);
    // The shell that stops it, while it edits and while it runs.
    let group = format!("-{}", prompt.child.process_id().unwrap());
    let go_on =
        || assert!(Command::new("kill").args(["-CONT", "--", &group]).status().unwrap().success());
    prompt.types(CTRL_Z);
    prompt.state_is("T");
    prompt.mode_is(&["icanon", "echo"]);
    go_on();
    prompt.mode_is(&["-icanon", "-echo", "-isig"]);
    prompt.types("2 | count\r");
    prompt.sees("> get k2 | count\n0\n");
    prompt.types("watch k\r");
    prompt.mode_is(&["-icanon", "-echo", "isig"]);
    prompt.types(CTRL_Z);
    prompt.state_is("T");
    prompt.mode_is(&["icanon", "echo"]);
    go_on();
    prompt.mode_is(&["-icanon", "-echo", "isig"]);
    prompt.types(CTRL_C);
    prompt.sees("interrupted");
    prompt.is_back();
    prompt.types(CTRL_D);
    assert!(prompt.ends().success());
}
