//! Goal: the line editor without a terminal: answers on standard output, all else on standard error, an exit code.
//! Method: the plain process, on one bundled member or on nobody.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// Nothing listens there.
const NOBODY: &str = "127.0.0.1:1";

fn command(args: &[&str], dir: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mini-etcd-tui"));
    command.arg("repl").args(args).current_dir(dir).env("TMPDIR", dir);
    command.env_remove("ETCDCTL_ENDPOINTS");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn feed(mut command: Command, lines: &str) -> Output {
    let mut child = command.spawn().unwrap();
    // Who refuses the flags does not read.
    let _closed = child.stdin.take().unwrap().write_all(lines.as_bytes());
    child.wait_with_output().unwrap()
}

fn batch(args: &[&str], lines: &str) -> (i32, String, String) {
    let dir = tempfile::tempdir().unwrap();
    let output = feed(command(args, dir.path()), lines);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_batch_prints_answers_only_and_raw() {
    let lines = "put k \"a\\xff\\x1b\"\nget k --print-value-only\n# a comment\n\nget k | count\n";
    let dir = tempfile::tempdir().unwrap();
    let output = feed(command(&["--bundled"], dir.path()), lines);
    assert_eq!(output.stdout, b"OK\na\xff\x1b\n2\n");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0));
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_bundled_member_is_listed_with_its_address_from_the_first_line_on() {
    let lines =
        "endpoint health --cluster | count\nmember list -w json | json .members[0].clientURLs[0]\n";
    let (code, out, err) = batch(&["--bundled"], lines);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("1\nhttp://127.0.0.1:"), "{out}");
}

#[test]
fn what_is_set_for_an_etcd_of_the_machine_is_not_for_a_bundled_member() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = command(&["--bundled"], dir.path());
    command.env("ETCD_DATA_DIR", "/nonexistent").env("ETCD_CONFIG_FILE", "/nonexistent");
    let output = feed(command, "put k v\n");
    assert_eq!(output.stdout, b"OK\n", "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_batch_ends_at_its_first_error_with_the_line_and_the_code() {
    let bundled = &["--bundled"][..];
    let killed = &["--bundled", "--command-timeout", "1s"][..];
    let nobody = &["--endpoints", NOBODY][..];
    for (args, lines, code, said) in [
        (bundled, "put k v\nget k --rev 99\nput k w\n", 1, "line 2: etcdserver: mvcc:"),
        (bundled, "put k v\nget k\nexpect value == w\n", 1, "line 3: expected"),
        (nobody, "get k\n", 2, "no connection to 127.0.0.1:1"),
        // Nobody any more: what cannot be sent, what a file wants to send, and what is sent to each member.
        (killed, "put k v\n\\kill n1\nput k w\n", 2, "line 3: no answer from"),
        (killed, "\\kill n1\nls\n", 2, "line 2: no answer from"),
        (killed, "\\kill n1\nendpoint status\n", 2, "line 2: no"),
        (nobody, "put k v\nbogus\n", 3, "2:1: "),
        (nobody, "put k 'v\n", 3, "a quote without end"),
        (nobody, "put k v\nput $K v\n", 3, "2:5: $K is set nowhere"),
        (bundled, "get k > /nowhere/file\n", 6, "line 1: /nowhere/file"),
        (bundled, "get k | sh -c true\n", 1, "--allow-shell"),
        (
            &["--bundled", "--timeout", "1s"],
            "watch k & as w\nawait w events 1 within 60s\n",
            124,
            "out of time",
        ),
        (
            &["--bundled", "--timeout", "1s"],
            "repeat 1000000\nrepeat 1000000\nset A b\nend\nend\n",
            124,
            "out of time",
        ),
        (&["--nonsense"], "", 128, "--nonsense"),
        (&["-w", "xml"], "", 128, "accepted are simple"),
        (&["--endpoints", "no-port"], "", 128, "no-port"),
        (&["--endpoints", NOBODY, "--user", "root"], "", 128, "--user needs a password"),
    ] {
        let (status, out, err) = batch(args, lines);
        assert_eq!(status, code, "{args:?} {lines:?}\n{out}\n{err}");
        assert!(err.contains(said), "{args:?} {lines:?}\n{err}");
    }
}

#[test]
fn an_interrupt_ends_a_batch_with_5_once_teardown_has_run() {
    let dir = tempfile::tempdir().unwrap();
    let lines = "put k 1\nwatch k & as w\nawait w events 1 within 60s\nteardown\nget k\nend\n";
    let mut child = command(&["--bundled"], dir.path()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let mut first = [0; 3];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
    assert_eq!(&first, b"OK\n");
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    assert_eq!(output.stdout, b"k\n1\n");
}

#[test]
fn variables_of_etcdctl_are_heeded_and_flags_go_before_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = command(&["--bundled"], dir.path());
    command.env("ETCDCTL_WRITE_OUT", "jsonl").env("ETCDCTL_ENDPOINTS", NOBODY);
    let output = feed(command, "put k v\nget k\n");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains(r#""key":"k","mod_revision""#) || text.contains(r#""value":"v""#),
        "{text}"
    );
    let (code, _, err) = batch(&["--endpoints", NOBODY, "--dial-timeout", "1s"], "");
    assert_eq!(code, 2, "{err}");
}

/// The children of a process; a program with one bundled member has one.
fn child_of(pid: u32) -> String {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let children = threads
        .map(|task| std::fs::read_to_string(task.unwrap().path().join("children")).unwrap())
        .collect::<String>();
    children.split_whitespace().next().unwrap().to_owned()
}

/// Goal: whether a request was under way when its server died or comes behind that, the code is the same. Method: writes
/// without a pause, and a kill in their midst.
#[test]
fn a_server_that_dies_amid_a_batch_is_no_connection_also_for_the_request_under_way() {
    for sourced in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let writes = "repeat 1000000\nput k v\nend\n";
        std::fs::write(dir.path().join("w.ers"), writes).unwrap();
        let lines = if sourced { "\\source w.ers\n" } else { writes };
        let args = ["--bundled", "--command-timeout", "1s"];
        let mut child = command(&args, dir.path()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        let mut first = [0; 3];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
        let member = child_of(child.id());
        assert!(Command::new("kill").args(["-KILL", &member]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{err}");
        assert_eq!(
            err.matches(" lost: ").count() + err.matches("no answer from").count(),
            1,
            "{err}"
        );
        assert!(!err.contains("rpc error"), "{err}");
    }
}

/// A profile in a configuration directory of its own.
fn with_profile(args: &[&str], profile: &str) -> (i32, String, String) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("mini-etcd")).unwrap();
    std::fs::write(dir.path().join("mini-etcd/config.toml"), profile).unwrap();
    let mut command = command(args, dir.path());
    command.env("XDG_CONFIG_HOME", dir.path()).env("ETCDCTL_ENDPOINTS", "127.0.0.1:2");
    let output = feed(command, "get k\n");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_profile_says_whom_to_ask_and_what_is_wrong_with_it_is_told_by_line_and_key() {
    let profile = "[profile.shop]\nendpoints = [\"127.0.0.1:1\"]\n";
    let args = ["--profile", "shop", "--command-timeout", "1s"];
    let (code, _, err) = with_profile(&args, profile);
    assert!(code == 2 && err.contains("127.0.0.1:1:"), "{code} {err}");
    let (code, _, err) = with_profile(&["--profile", "shop"], "[profile.shop]\nusr = \"x\"\n");
    assert!(code == 128 && err.contains("config.toml:2: usr: unknown field `usr`"), "{code} {err}");
    let (code, _, err) = with_profile(&["--profile", "ship"], profile);
    assert!(code == 128 && err.contains("there is no profile ship"), "{code} {err}");
}
