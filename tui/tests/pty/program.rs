//! The program as a guest of a terminal: start, end, signals, sizes, colours; and what it says without one.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::console::{Console, DEADLINE, NOBODY};
use crate::member::Member;

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
    console.sees("Cluster screen");
    console.press("\x1b");
    console.misses("Cluster screen");
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

/// Whether the footer, which is drawn last, is there: what is drawn anew lacks its lower part for a moment.
fn is_whole(shown: &str) -> bool {
    shown.contains(" q quit ")
}

/// Goal: a key is not lost because the window changes its size at the same time. Method: both at once, many times.
#[test]
fn keys_that_come_with_a_resize_are_obeyed() {
    let mut console = Console::start(&["--endpoints", NOBODY]);
    console.sees("1 Cluster");
    for round in 0..100 {
        let wider = round % 2;
        console.resize(100 + wider, 60);
        console.press("?");
        console.until("the help", |shown| shown.contains("Everywhere") && is_whole(shown));
        console.resize(80 + wider, 24);
        console.press("?");
        console.until("no help", |shown| !shown.contains("Everywhere") && is_whole(shown));
    }
    console.press("qq");
    assert!(console.ends().success());
}

/// Goal: no key of a burst waits for the next one, however busy the machine is. Method: many bursts, each of which must
/// be seen to its last key.
#[test]
fn keys_that_come_at_once_are_all_obeyed() {
    let mut console = Console::start(&["--endpoints", NOBODY]);
    console.sees("1 Cluster");
    console.press(":");
    console.sees("a command:");
    for round in 0..200 {
        let burst = format!("get burst-of-keys-{round}-to-its-end");
        console.press(&format!("{burst}!"));
        console.sees(&format!("{burst}!"));
        console.press("\x15 ~");
        console.misses("burst");
        console.sees(" ~");
        console.press("\x15");
    }
    console.press("\x03");
    console.signal("-TERM");
    assert_eq!(console.ends().exit_code(), 143);
}

/// Goal: whoever only wants to look breaks nothing, by key, by command or in the REPL. Method: all three; then the
/// server is asked.
#[test]
fn a_read_only_console_says_so_and_changes_nothing() {
    const REFUSED: &str = "read-only: nothing is changed from here";
    const OF_SESSIONS: &str = "the session is read-only";
    let member = Member::start();
    member.ctl(["put", "dir/a", "first"]);
    let mut console = Console::start(&["--read-only", "--endpoints", &member.endpoint]);
    console.resize(120, 36);
    console.sees("READ-ONLY");
    console.sees("quorum 1/1");
    console.press("2");
    console.sees("▸ dir/");
    console.press("\r");
    console.sees("a ");
    console.press("G");
    // Had one of them opened an editor or a question, it would take what is typed next.
    console.press("deEn");
    console.sees(REFUSED);
    console.misses(REFUSED);
    for (line, said) in [
        ("put dir/a second", OF_SESSIONS),
        ("get dir/a -w fields", "\"ModRevision\" : 4"),
        ("del dir/a", OF_SESSIONS),
    ] {
        console.press(":");
        console.sees("a command:");
        console.press(&format!("{line}\r"));
        console.sees(said);
        console.press("\x1b");
        console.misses(said);
        console.press("\x1b");
        console.misses("a command:");
    }
    console.press("5");
    console.sees("etcd> ");
    console.press("compact 2\r");
    console.sees(OF_SESSIONS);
    assert_eq!(member.ctl(["get", "dir/a", "--print-value-only"]), "first\n");
    console.press("\x03");
    console.signal("-TERM");
    assert_eq!(console.ends().exit_code(), 143);
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
    assert_eq!(console.ends().exit_code(), 143);
}

#[test]
fn a_signal_to_end_gives_the_terminal_back() {
    for (signal, code) in [("-TERM", 143), ("-HUP", 129), ("-QUIT", 131), ("-INT", 130)] {
        let mut console = Console::start(&["--endpoints", NOBODY]);
        console.sees("1 Cluster");
        console.signal(signal);
        assert_eq!(console.ends().exit_code(), code, "{signal}");
    }
}

/// Waits until the terminal is taken.
fn is_taken(console: &mut Console) {
    let deadline = Instant::now() + DEADLINE;
    while console.is_in_line_mode() {
        assert!(Instant::now() < deadline, "the terminal is in line mode");
        console.take_in(Duration::from_millis(2));
    }
}

#[test]
fn stopped_by_a_signal_it_gives_the_terminal_back_and_continued_it_takes_it_again() {
    let mut console = Console::start(&["--endpoints", NOBODY]);
    console.sees("1 Cluster");
    console.signal("-TSTP");
    console.until("the terminal given back", |shown| !shown.contains("1 Cluster"));
    console.comes_to('T');
    assert!(!console.screen.screen().alternate_screen());
    assert!(!console.is_taken());
    console.signal("-CONT");
    console.sees("1 Cluster");
    is_taken(&mut console);
    console.press("qq");
    assert!(console.ends().success());
}

/// Goal: no key is lost by a stop. Method: keys that are typed while it is stopped are read about when it hears that it
/// goes on.
#[test]
fn keys_that_are_typed_while_it_is_stopped_are_obeyed_once_it_goes_on() {
    let mut console = Console::start(&["--endpoints", NOBODY]);
    console.sees("1 Cluster");
    for _ in 0..12 {
        console.signal("-TSTP");
        console.comes_to('T');
        console.press("?");
        console.signal("-CONT");
        console.sees("Esc closes");
        console.press("\x1b");
        // A key after an Esc that is not read yet would be Alt-key.
        console.until("no help", |shown| !shown.contains("Esc closes") && is_whole(shown));
    }
    console.press("qq");
    assert!(console.ends().success());
}

/// Goal: after a stop that nobody can hear of the terminal is taken again. Method: SIGSTOP, and while it is stopped the
/// terminal is put into line mode and written on, as a shell does.
#[test]
fn continued_after_sigstop_it_takes_the_terminal_from_the_shell_and_paints_anew() {
    let mut console = Console::start(&["--endpoints", NOBODY]);
    console.sees("1 Cluster");
    console.signal("-STOP");
    console.comes_to('T');
    console.as_a_shell_has_it();
    console.screen.process(b"\x1b[2J\x1b[?1049l\x1b[?25h$ fg\r\n");
    console.signal("-CONT");
    console.sees("1 Cluster");
    is_taken(&mut console);
    assert!(console.screen.screen().alternate_screen());
    console.press("2");
    console.sees("┌ Keys");
    console.press("qq");
    assert!(console.ends().success());
}

/// Goal: a shell's `fg` brings back a console that somebody else has stopped and continued while the shell had the
/// terminal. Method: a real shell, whose prompt is there when the console goes on.
#[test]
fn stopped_and_continued_from_elsewhere_it_waits_for_fg_and_obeys_the_next_key() {
    let mut console = Console::in_a_shell(&["--endpoints", NOBODY]);
    for key in ["2", "3", "2"] {
        console.signal("-STOP");
        console.sees("Stopped");
        console.signal("-CONT");
        // Meanwhile it does not take what is typed for the shell, and writes nothing over it.
        console.comes_to('T');
        console.press("echo hel''lo\r");
        console.sees("hello");
        console.press("fg\r");
        console.until("painted anew", |shown| {
            !shown.contains("shell$") && !shown.contains("hello") && shown.contains("1 Cluster")
        });
        is_taken(&mut console);
        console.press(key);
        console.sees(if key == "2" { "┌ Keys" } else { "┌ Watch" });
        console.press("1");
        console.sees("┌ Members");
    }
    console.press("qq");
    // A new prompt, not the one that the console was started from: what is typed before belongs to nobody.
    console.until("the shell's prompt", |shown| shown.trim_end().ends_with("shell$"));
    console.press("exit\r");
    console.wait();
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

#[test]
fn a_terminal_without_screens_is_refused_in_words() {
    for terminal in ["dumb", "vt100"] {
        let mut console = Console::start_with(&["--demo"], &[("TERM", terminal)]);
        console.sees(&format!("TERM={terminal} names a terminal that cannot show screens"));
        console.sees("mini-etcd-tui repl");
        assert!(!console.screen.screen().alternate_screen());
        assert_eq!(console.ends().exit_code(), 128);
    }
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
        (&["--theme", "nope"], "there are: dark, light, either"),
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
