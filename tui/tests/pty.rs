//! Goal: the real program in a real terminal: it starts, shows the cluster, obeys keys, and gives the terminal back.
//! Method: a pseudo-terminal whose screen a terminal emulator keeps; every step waits for what must be seen, with a
//! deadline, and answers the questions a terminal is asked.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and its deadlines are those of the real clock"
)]

use std::io::{Read, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

/// Time that any step may take, on a loaded machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// The console in a pseudo-terminal.
struct Console {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    writer: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    /// Everything that came, for what a screen does not keep.
    raw: Vec<u8>,
    dir: tempfile::TempDir,
}

impl Console {
    fn start(args: &[&str]) -> Self {
        Self::start_with(args, &[])
    }

    fn start_with(args: &[&str], variables: &[(&str, &str)]) -> Self {
        let (rows, cols) = (24, 80);
        let pair =
            native_pty_system().openpty(PtySize { rows, cols, ..PtySize::default() }).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_mini-etcd-tui"));
        command.args(args);
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
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (tell, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 16 << 10];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                let read = buffer.get(..count).unwrap_or_default().to_vec();
                if tell.send(read).is_err() {
                    return;
                }
            }
        });
        let writer = pair.master.take_writer().unwrap();
        let screen = vt100::Parser::new(rows.try_into().unwrap(), cols.try_into().unwrap(), 0);
        Self { child, master: pair.master, writer, output, screen, raw: Vec::new(), dir }
    }

    /// A file in the directory that goes with the test.
    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn press(&mut self, keys: &str) {
        self.writer.write_all(keys.as_bytes()).unwrap();
        self.writer.flush().unwrap();
    }

    fn resize(&mut self, cols: u16, rows: u16) {
        self.master.resize(PtySize { rows, cols, ..PtySize::default() }).unwrap();
        self.screen.screen_mut().set_size(rows.try_into().unwrap(), cols.try_into().unwrap());
    }

    fn shown(&self) -> String {
        self.screen.screen().contents()
    }

    /// Waits until the screen is as wanted.
    fn until(&mut self, what: &str, wanted: impl Fn(&str) -> bool) {
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

    fn sees(&mut self, text: &str) {
        self.until(text, |shown| shown.contains(text));
    }

    fn misses(&mut self, text: &str) {
        self.until(&format!("no {text}"), |shown| !shown.contains(text));
    }

    /// Waits for the end; answers how it ended. The terminal must have been given back.
    fn ends(mut self) -> ExitStatus {
        let status = self.wait();
        while let Ok(bytes) = self.output.recv_timeout(DEADLINE) {
            self.raw.extend(&bytes);
            self.screen.process(&bytes);
        }
        let screen = self.screen.screen();
        assert!(!screen.alternate_screen(), "left in the alternate screen");
        assert!(!screen.hide_cursor(), "left with the cursor hidden");
        assert!(!screen.bracketed_paste(), "left with bracketed paste");
        status
    }

    fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "did not end\n{}", self.shown());
            // Its output is taken in meanwhile: a full terminal would keep it from ending.
            if let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(20)) {
                self.raw.extend(&bytes);
                self.screen.process(&bytes);
            }
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.process_id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// State letter of the process, as the kernel has it.
    fn process_state(&self) -> char {
        let pid = self.child.process_id().unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next()).unwrap()
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // A failed test leaves nothing running; what has ended already is no matter.
        let _killed = self.child.kill();
    }
}

/// Nothing listens there.
const NOBODY: &str = "127.0.0.1:1";

#[test]
fn it_says_why_nobody_answers_and_leaves_on_two_presses() {
    let mut console = Console::start(&["--endpoints", NOBODY]);
    console.sees("connection refused");
    console.sees("verdict: nobody answers");
    console.press("q");
    console.sees("again leaves");
    console.press("q");
    assert!(console.ends().success());
}

#[test]
fn help_palette_and_resizes_work_in_a_real_terminal() {
    let mut console = Console::start(&["--endpoints", NOBODY]);
    console.sees("1 Cluster");
    console.press("?");
    console.sees("Everywhere");
    console.press("\x1b");
    console.misses("Everywhere");
    console.press(":help\r");
    console.sees("compaction <revision>");
    console.press("\x1b");
    console.misses("compaction <revision>");
    console.press("\x1b");
    console.sees("q quit");
    console.resize(40, 10);
    console.sees("this is 40x10");
    console.resize(120, 36);
    console.sees("Leadership");
    console.press("\x03");
    console.sees("again leaves");
    console.press("\x03");
    assert!(console.ends().success());
}

/// Goal: a key is not lost because the window changes its size at the same time. Method: both at once, many times.
#[test]
fn keys_that_come_with_a_resize_are_obeyed() {
    let mut console = Console::start(&["--endpoints", NOBODY]);
    console.sees("1 Cluster");
    for round in 0..100 {
        let wider = round % 2;
        console.resize(100 + wider, 30);
        console.press("?");
        console.sees("Everywhere");
        console.resize(80 + wider, 24);
        console.press("?");
        console.misses("Everywhere");
    }
    console.press("qq");
    assert!(console.ends().success());
}

#[test]
fn it_never_asks_the_terminal_where_the_cursor_is() {
    let mut console = Console::start(&["--endpoints", NOBODY]);
    console.sees("1 Cluster");
    console.press("\x0c");
    console.resize(100, 30);
    console.sees("Leadership");
    let asked = console.raw.windows(4).any(|bytes| bytes == b"\x1b[6n");
    assert!(!asked, "asked for the cursor");
    console.signal("-TERM");
    assert!(console.ends().success());
}

#[test]
fn a_signal_to_end_gives_the_terminal_back() {
    for signal in ["-TERM", "-HUP"] {
        let mut console = Console::start(&["--endpoints", NOBODY]);
        console.sees("1 Cluster");
        console.signal(signal);
        assert!(console.ends().success(), "{signal}");
    }
}

#[test]
fn suspended_it_stops_with_the_terminal_given_back_and_continued_it_paints_anew() {
    let mut console = Console::start(&["--endpoints", NOBODY]);
    console.sees("1 Cluster");
    console.press("\x1a");
    console.until("the terminal given back", |shown| !shown.contains("1 Cluster"));
    let deadline = Instant::now() + DEADLINE;
    while console.process_state() != 'T' {
        assert!(Instant::now() < deadline, "does not stop");
        std::thread::yield_now();
    }
    assert!(!console.screen.screen().alternate_screen());
    console.signal("-CONT");
    console.sees("1 Cluster");
    assert!(console.screen.screen().alternate_screen());
    console.press("qq");
    assert!(console.ends().success());
}

#[test]
fn without_colours_none_is_sent() {
    let mut console = Console::start_with(&["--endpoints", NOBODY], &[("NO_COLOR", "1")]);
    console.sees("connection refused");
    let raw = String::from_utf8_lossy(&console.raw).into_owned();
    for sequence in raw.split("\x1b[").skip(1) {
        let Some((codes, _)) = sequence.split_once('m') else { continue };
        let colour = |code: &str| matches!(code.parse(), Ok(30..=38 | 40..=48 | 90..=107));
        let is_style = codes.chars().all(|c| c.is_ascii_digit() || c == ';');
        assert!(!is_style || !codes.split(';').any(colour), "{codes}");
    }
    console.press("qq");
    assert!(console.ends().success());
}

#[test]
fn ascii_shows_nothing_else() {
    let mut console = Console::start(&["--endpoints", NOBODY, "--ascii"]);
    console.sees("connection refused");
    assert!(console.shown().is_ascii(), "{}", console.shown());
    console.press("qq");
    assert!(console.ends().success());
}

/// Runs the program without a terminal.
fn plain(args: &[&str], config: &Path) -> (i32, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_mini-etcd-tui"))
        .args(args)
        .env("XDG_CONFIG_HOME", config)
        .env_remove("ETCDCTL_ENDPOINTS")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn what_cannot_work_ends_with_128_and_says_what_would() {
    let dir = tempfile::tempdir().unwrap();
    for (args, words) in [
        (&["--endpoints", NOBODY][..], "mini-etcdctl"),
        (&["--nonsense"], "--nonsense"),
        (&["--endpoints", "no-port"], "no-port"),
        (&["--theme", "nope"], "there are: dark, light"),
        (&["--demo", "99"], "99"),
        (&["--demo", "3", "--endpoints", NOBODY], "leave out --endpoints"),
    ] {
        let (code, said) = plain(args, dir.path());
        assert_eq!(code, 128, "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    }
}

#[test]
fn a_keymap_with_a_conflict_is_refused_with_both_names() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("mini-etcd");
    std::fs::create_dir(&config).unwrap();
    std::fs::write(config.join("keymap.toml"), "[cluster]\nkill = [\"q\"]\n").unwrap();
    let (code, said) = plain(&["--endpoints", NOBODY], dir.path());
    assert_eq!(code, 128, "{said}");
    assert!(said.contains("cluster.kill") && said.contains("global.quit"), "{said}");
}

/// Goal: the console on bundled members that are killed and started from the screen. Method: three of them.
#[test]
fn bundled_members_are_shown_killed_and_started_again_from_the_screen() {
    let mut console = Console::start(&["--demo", "3"]);
    console.sees("quorum 3/3");
    console.sees("verdict: quorum OK");
    console.sees("replicate");
    console.press(":");
    console.sees("a command:");
    console.press("put greeting hello\r");
    // One line at a time: the next is taken once this one has ended.
    console.sees("ok  1 line");
    console.press("get greeting\r");
    console.sees("│ hello");
    console.press("\x1b");
    console.misses("│ hello");
    console.press("\x1b");
    console.sees("x kill n1");
    console.press("x");
    console.sees("killed");
    console.sees("quorum 2/3");
    console.sees("r restart n1");
    console.press("jx");
    console.sees("loses its quorum");
    console.press("n");
    console.misses("loses its quorum");
    console.press("kr");
    console.sees("n1 is back");
    console.sees("quorum 3/3");
    let children = children_of(console.child.process_id().unwrap());
    assert_eq!(children.len(), 3);
    console.press("qq");
    assert!(console.ends().success());
    gone(&children);
}

#[test]
fn bundled_members_do_not_outlive_a_console_that_is_killed() {
    let mut console = Console::start(&["--demo", "1"]);
    console.sees("quorum 1/1");
    let children = children_of(console.child.process_id().unwrap());
    assert_eq!(children.len(), 1);
    console.signal("-KILL");
    console.wait();
    gone(&children);
}

/// Goal: the Keys screen in the real program, over a bundled member. Method: one key is made, edited in place and by
/// `$EDITOR`, looked at in the past, deleted and taken back, while the window changes its size.
#[test]
fn keys_are_made_edited_followed_into_the_past_deleted_and_taken_back() {
    let editor = ("EDITOR", "sed -i s/second/third/");
    let mut console = Console::start_with(&["--demo", "1"], &[editor, ("VISUAL", "")]);
    console.sees("quorum 1/1");
    console.press("2");
    console.sees("there are no keys here");
    console.press("n");
    console.sees("new key:");
    console.press("app/greeting\r");
    console.sees("New key app/greeting");
    console.press("first\x13");
    console.sees("done: save app/greeting");
    console.sees("version 1");
    console.press("E");
    console.sees("Edit app/greeting");
    console.press("\x15");
    for _ in 0..5 {
        console.press("\x1b[3~");
    }
    console.press("second\x13");
    console.sees("version 2");
    console.resize(120, 36);
    console.sees("│ second");
    console.press("e");
    console.sees("│ third");
    console.sees("version 3");
    console.press("H");
    console.sees("History of app/greeting");
    console.sees("- second");
    console.sees("+ third");
    console.press("\x1b");
    console.misses("History of");
    console.press("[");
    console.sees("TIME TRAVEL at");
    console.sees("version 2");
    console.sees("│ second");
    console.resize(80, 24);
    console.sees("TIME TRAVEL at");
    console.press("T");
    console.misses("TIME TRAVEL at");
    console.sees("version 3");
    console.press("d");
    console.sees("done: delete app/greeting");
    console.sees("there are no keys here");
    console.press("u");
    console.sees("version 1");
    console.press("B");
    console.sees("GRAVEYARD");
    console.press("\x1b");
    console.misses("GRAVEYARD");
    console.press("y");
    let deadline = Instant::now() + DEADLINE;
    // The value, as the clipboard takes it.
    while !String::from_utf8_lossy(&console.raw).contains("\x1b]52;c;dGhpcmQ=") {
        assert!(Instant::now() < deadline, "nothing was copied");
        console.until("more output", |_| true);
        if let Ok(bytes) = console.output.recv_timeout(Duration::from_millis(20)) {
            console.raw.extend(&bytes);
            console.screen.process(&bytes);
        }
    }
    console.press("qq");
    assert!(console.ends().success());
}

/// Runs a command in the palette over the screen that is shown.
fn run(console: &mut Console, line: &str) {
    console.press(":");
    console.sees("a command:");
    console.press(&format!("{line}\r"));
    console.sees(&format!("┌ : {line}"));
    console.press("\x1b");
    console.misses(&format!("┌ : {line}"));
    console.press("\x1b");
    console.misses("a command:");
}

/// Goal: a tail as a person works with it, and what it says when its member is killed. Method: three bundled members.
#[test]
fn a_tail_is_paused_filtered_saved_and_goes_on_when_its_member_is_killed() {
    let mut console = Console::start(&["--demo", "3"]);
    console.sees("quorum 3/3");
    console.resize(120, 36);
    console.press("3");
    console.sees("No tail yet");
    console.press("w");
    console.sees("New tail");
    console.press("/t/\r");
    console.sees("begins at");
    run(&mut console, "put /t/a 4000");
    run(&mut console, "put /t/a 1500");
    console.sees("v1 > v2  4000 > 1500");
    console.press("p");
    console.sees("paused");
    run(&mut console, "put /t/b held-back");
    console.sees("paused, 1 held");
    assert!(!console.shown().contains("/t/b "), "{}", console.shown());
    console.press("p");
    console.sees("new  held-back");
    console.press("=");
    console.sees("+ held-back");
    console.press("=");
    console.misses("+ held-back");
    console.press("Fput & & x\r");
    console.sees("column 7: expected put");
    console.press("\x15key:b\r");
    console.misses("4000 > 1500");
    console.sees("filter: key:b");
    console.press("s");
    console.sees("save to: ");
    console.press("\x15tail.jsonl\r");
    console.sees("2 lines written to tail.jsonl");
    let written = std::fs::read_to_string(console.dir.path().join("tail.jsonl")).unwrap();
    assert!(written.ends_with("\"value\":\"held-back\",\"version\":1}\n"), "{written}");
    console.press("F\x15\r");
    console.sees("4000 > 1500");
    // The member that serves the tail is killed from the Cluster screen.
    let shown = console.shown();
    let line = shown.lines().find(|line| line.contains("begins at")).unwrap();
    let name = line.split(" on ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let down = name.trim_start_matches('n').parse::<usize>().unwrap() - 1;
    console.press(&format!("1g{}", "j".repeat(down)));
    console.sees(&format!("x kill {name}"));
    console.press("x");
    console.sees("quorum 2/3");
    console.press("3");
    console.sees("nothing lost");
    console.sees(&format!("{name} "));
    run(&mut console, "put /t/c after");
    console.sees("new  after");
    console.press("qq");
    assert!(console.ends().success());
}

fn children_of(pid: u32) -> Vec<String> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let children = threads
        .map(|thread| std::fs::read_to_string(thread.unwrap().path().join("children")).unwrap());
    children.collect::<String>().split_whitespace().map(str::to_owned).collect()
}

/// Waits until none of these processes runs any more.
fn gone(pids: &[String]) {
    let deadline = Instant::now() + DEADLINE;
    let runs = |pid: &String| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(')')
            .next()
            .is_some_and(|rest| !rest.trim().is_empty() && !rest.trim().starts_with('Z'))
    };
    while pids.iter().any(runs) {
        assert!(Instant::now() < deadline, "still running: {pids:?}");
        std::thread::yield_now();
    }
}

/// Goal: the REPL pane and the palette in the real program, over a bundled member. Method: what people type there: a put,
/// a watch in the background, a transaction over several lines, an answer that does not come, and a recording.
#[test]
fn lines_run_in_pane_and_palette_and_are_recorded() {
    let mut console = Console::start(&["--demo", "1"]);
    let script = console.path("done.ers");
    console.sees("quorum 1/1");
    console.press("5");
    console.sees("etcd> ");
    console.press(&format!("\\record {script}\r"));
    console.sees("recording to");
    console.press("put /a/k one\r");
    console.sees("OK");
    console.press("watch /a --prefix & as w1\r");
    console.sees("[w1] watching from revision");
    console.press("txn if\r");
    console.press("value(\"/a/k\") = \"one\"\r");
    console.press("then put /a/k two end\r");
    console.sees("SUCCESS");
    console.sees("[w1] two");
    console.press("get /a\t");
    console.sees("get /a/");
    console.press("\x03watch /b\r");
    console.sees("running");
    console.press("\x03");
    console.sees("given up");
    console.press("\x1b");
    console.sees("i type");
    console.press("1:get /a/k\r");
    console.sees(": get /a/k");
    console.sees("2 lines");
    console.press("del /a --prefix\r");
    console.sees("It deletes a whole range");
    console.press("y");
    console.sees(": del /a --prefix");
    console.sees("ok  1 line");
    console.press("\x1b");
    console.misses(": del /a");
    console.sees("a command:");
    console.press("\x1b");
    console.sees("q quit");
    console.press("5\\record\r");
    console.sees("statements in");
    let recorded = std::fs::read_to_string(&script).unwrap();
    for part in ["put /a/k one\nexpect ok", "expect succeeded == true", "expect deleted == 1"] {
        assert!(recorded.contains(part), "{part}\n{recorded}");
    }
    console.press("\\q\r");
    assert!(console.ends().success());
}

/// Waits until the terminal was given this for its clipboard.
fn copied(console: &mut Console, base64: &str) {
    let wanted = format!("\x1b]52;c;{base64}\x1b");
    let deadline = Instant::now() + DEADLINE;
    while !String::from_utf8_lossy(&console.raw).contains(&wanted) {
        assert!(Instant::now() < deadline, "nothing was copied\n{}", console.shown());
        if let Ok(bytes) = console.output.recv_timeout(Duration::from_millis(20)) {
            console.raw.extend(&bytes);
            console.screen.process(&bytes);
        }
    }
}

/// Goal: what is done on each screen is copied as a line and recorded, and the script does it again. Method: a key is
/// made, edited and deleted, its tail begun in the palette, its member killed and started; then the script is run.
#[test]
fn what_is_done_on_each_screen_is_copied_and_recorded_and_passes_again() {
    let mut console = Console::start(&["--demo", "1"]);
    let script = console.path("done.ers");
    console.sees("quorum 1/1");
    console.press("5");
    console.sees("etcd> ");
    console.press(&format!("\\record {script}\r"));
    console.sees("recording to");
    console.press("\x1b");
    console.sees("i type");
    console.press("2");
    console.sees("there are no keys here");
    console.press("n");
    console.sees("new key:");
    console.press("k\r");
    console.sees("New key k");
    console.press("one\x13");
    console.sees("version 1");
    console.press("Y");
    // get k
    copied(&mut console, "Z2V0IGs=");
    console.press("C");
    // txn if version(k) = "0" then put k one end
    copied(&mut console, "dHhuIGlmIHZlcnNpb24oaykgPSAiMCIgdGhlbiBwdXQgayBvbmUgZW5k");
    console.press("E");
    console.sees("Edit k");
    console.press("more \x13");
    console.sees("version 2");
    console.press(":");
    console.sees("a command:");
    console.press("watch k --rev 1 --prev-kv\r");
    console.sees("w1 k");
    console.sees("v1 > v2");
    console.press("Y");
    // watch k --rev=1 --prev-kv
    copied(&mut console, "d2F0Y2ggayAtLXJldj0xIC0tcHJldi1rdg==");
    console.press("1");
    console.sees("kill n1");
    console.press("x");
    console.sees("loses its quorum");
    console.press("y");
    console.sees("n1 was killed");
    console.press("r");
    console.sees("n1 is back");
    console.press("2");
    console.sees("version 2");
    console.press("d");
    console.sees("done: delete k");
    console.press("5");
    console.sees("recording ");
    console.press("\\record\r");
    console.sees("statements in");
    let recorded = std::fs::read_to_string(&script).unwrap();
    for part in [
        "txn if mod(k) = \"$SEEN_REV\" then put k 'more one' --ignore-lease end\nexpect succeeded == true\n",
        "watch k --rev=1 --prev-kv & as tail1\nexpect ok\n",
        "\\kill n1\nexpect ok\n\\restart n1\nexpect ok\n",
        "then del k end\nexpect succeeded == true\nexpect deleted == 1\n",
    ] {
        assert!(recorded.contains(part), "{part}\n{recorded}");
    }
    let ran = std::process::Command::new(env!("CARGO_BIN_EXE_mini-etcd-tui"))
        .args(["run", "--bundled", "1", &script])
        .env("TMPDIR", console.dir.path())
        .env_remove("ETCDCTL_ENDPOINTS")
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}\n{recorded}", String::from_utf8_lossy(&ran.stdout));
    console.press("\\q\r");
    assert!(console.ends().success());
}
