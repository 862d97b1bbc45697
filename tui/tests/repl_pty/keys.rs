//! Ctrl-C, Ctrl-D, Ctrl-Z, signals, and who has the terminal when.

use std::process::Command;

use portable_pty::CommandBuilder;

use super::prompt::{CTRL_C, CTRL_D, CTRL_Z, Prompt, signal};

#[test]
fn ctrl_d_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start(dir.path());
    prompt.is_back();
    prompt.types(CTRL_D);
    assert!(prompt.ends().success());
}

#[test]
fn ctrl_c_ends_a_request_that_nobody_answers() {
    let dir = tempfile::tempdir().unwrap();
    let (mut prompt, member) = Prompt::stalled(dir.path(), "put k v");
    prompt.types(CTRL_C);
    prompt.sees("interrupted: what was under way may have been done all the same");
    prompt.is_back();
    signal("-CONT", &member);
    prompt.types("get nothing | count\r");
    prompt.sees("\n0\n");
    prompt.leaves();
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start(dir.path());
    prompt.types("get half");
    prompt.sees("> get half");
    signal("-TERM", &prompt.child.process_id().unwrap().to_string());
    assert_eq!(prompt.ends().exit_code(), 143);
    for (name, code) in [("-HUP", 129), ("-QUIT", 131)] {
        let mut prompt = Prompt::start(dir.path());
        prompt.is_back();
        signal(name, &prompt.child.process_id().unwrap().to_string());
        assert_eq!(prompt.ends().exit_code(), code, "{name}");
    }
}

/// Goal: after a stop that nobody can hear of the prompt takes the terminal again. Method: SIGSTOP, and while it is
/// stopped the terminal is put into line mode, as a shell does.
#[test]
fn continued_after_sigstop_the_prompt_takes_the_terminal_from_the_shell() {
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start(dir.path());
    prompt.is_back();
    prompt.types("get half");
    prompt.sees("> get half");
    let pid = prompt.child.process_id().unwrap().to_string();
    signal("-STOP", &pid);
    prompt.state_is("T");
    let name = prompt.master.tty_name().unwrap();
    assert!(Command::new("stty").arg("-F").arg(name).arg("sane").status().unwrap().success());
    prompt.mode_is(&["icanon", "echo"]);
    signal("-CONT", &pid);
    prompt.mode_is(&["-icanon", "-echo", "-isig"]);
    prompt.types("x | count\r");
    prompt.sees("get halfx | count\n0\n");
    prompt.leaves();
}

#[test]
fn ctrl_d_that_is_typed_while_a_command_runs_leaves_once_it_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let (mut prompt, member) = Prompt::stalled(dir.path(), "put k late");
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
    let (mut prompt, member) = Prompt::stalled(dir.path(), "put k v");
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

#[test]
fn ctrl_c_ends_whatever_waits_and_at_an_empty_line_does_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start(dir.path());
    prompt.types(CTRL_C);
    prompt.types("pwd\r");
    prompt.sees("> pwd\n/\n");
    prompt.answers("watch w & as w1", "");
    for line in [
        "watch k",
        "eventually 60s get k --rev 99",
        "await w1 events 1 within 60s",
        "repeat 1000000\rrepeat 1000000\rset A b\rend\rend",
        "pwd | sleep 60",
    ] {
        prompt.is_back();
        prompt.types(&format!("\x0c{line}\r"));
        prompt.mode_is(&["isig"]);
        prompt.types(CTRL_C);
        prompt.sees("interrupted");
        prompt.is_back();
        prompt.types("\x0c");
        prompt.until("a clean screen", |shown| !shown.contains("interrupted"));
    }
    // What was interrupted has left nothing behind: the background watch goes on.
    prompt.answers("put w 1", "");
    prompt.answers("await w1 events 1 within 60s", "");
    prompt.leaves();
}

#[test]
fn ctrl_d_behind_a_text_does_not_leave() {
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start(dir.path());
    prompt.types("pwd");
    prompt.types(CTRL_D);
    prompt.types(" | count\r");
    prompt.sees("\n1\n");
    prompt.is_back();
    prompt.types(CTRL_D);
    assert!(prompt.ends().success());
}

#[test]
fn without_a_server_there_is_no_prompt() {
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start_with(dir.path(), &["--endpoints", "127.0.0.1:1"], &[]);
    prompt.sees("no connection to 127.0.0.1:1");
    assert_eq!(prompt.ends().exit_code(), 2);
}

#[test]
fn a_piped_standard_input_is_a_batch_also_when_the_output_is_a_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = CommandBuilder::new("sh");
    let program = env!("CARGO_BIN_EXE_mini-etcd-tui");
    command.args(["-c", &format!("printf 'put k \"\\\\x1b\"\nget k\nbad\n' | {program} repl --bundled; echo $?; printf 'put k \"\\\\x1b\"\nget k\nget k --rev 9\n' | {program} repl --bundled; echo $?")]);
    let mut prompt = Prompt::spawn(dir.path(), command, &[]);
    prompt.until("both", |shown| shown.lines().last().is_some_and(|line| line == "1"));
    let shown = prompt.shown();
    assert!(shown.contains("3:1: unknown command") && shown.contains("\n3\nOK\n"), "{shown}");
    assert!(shown.contains("OK\nk\n\\u{1b}\nmini-etcd-tui: line 3: etcdserver"), "{shown}");
    assert!(!shown.contains("> "), "{shown}");
    assert!(prompt.ends().success());
}
