//! `mini-etcd-tui run`, from outside: the real program on bundled members.

#![expect(clippy::unwrap_used, reason = "a test may say what it expects")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Exit codes, in the order of console and reference.
const PASSED: i32 = 0;
const FAILED: i32 = 1;
const NO_CONNECTION: i32 = 2;
const SYNTAX: i32 = 3;
const INTERRUPTED: i32 = 5;
const FILE: i32 = 6;
const OUT_OF_TIME: i32 = 124;
const BAD_FLAGS: i32 = 128;

/// How long a script that waits may take to begin to wait.
const DEADLINE: Duration = Duration::from_secs(30);

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mini-etcd-tui"));
    command.arg("run").env_remove("ETCDCTL_ENDPOINTS").stdin(Stdio::null());
    command
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/script/cases").join(name)
}

fn sample(name: &str) -> PathBuf {
    root().join("assets/scripts").join(name)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn shown(output: &Output) -> String {
    format!("{}\n{}", text(&output.stdout), text(&output.stderr))
}

/// Runs a script of its own; answers its exit code, what it printed, and what it said.
fn run_text(script: &str, flags: &[&str]) -> (i32, String, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("t.ers");
    std::fs::write(&file, script).unwrap();
    let output = program().args(flags).arg("t.ers").current_dir(dir.path()).output().unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn run_file(file: &Path, flags: &[&str]) -> Output {
    program().args(flags).arg(file).output().unwrap()
}

#[test]
fn the_samples_pass_on_one_member() {
    for name in ["smoke.ers", "locks.ers", "migration.ers", "watch-order.ers"] {
        let output = run_file(&sample(name), &["--bundled", "1"]);
        assert_eq!(output.status.code(), Some(PASSED), "{name}\n{}", shown(&output));
    }
}

#[test]
fn the_samples_pass_on_three_members_also_when_the_leader_dies() {
    let names = ["smoke.ers", "locks.ers", "migration.ers", "watch-order.ers", "leader-killed.ers"];
    let output = program().args(["--bundled", "3"]).args(names.map(sample)).output().unwrap();
    assert_eq!(output.status.code(), Some(PASSED), "{}", shown(&output));
    assert!(text(&output.stdout).contains("\n1..24\n"), "{}", shown(&output));
}

#[test]
fn every_part_of_the_language_does_what_it_says() {
    let output = run_file(&case("language.ers"), &["--bundled", "1", "--keep-going"]);
    assert_eq!(output.status.code(), Some(PASSED), "{}", shown(&output));
}

/// Takes out what is new in every run.
fn masked(report: &str) -> String {
    let cases = case("").display().to_string();
    let report = report.replace(&cases, "");
    let mut out = String::new();
    for line in report.lines() {
        let line = match line.split_once("# time=") {
            Some((head, _)) => format!("{head}# time=TIME"),
            None if line.starts_with("# cluster=") => "# cluster=ID  RUN=RUN".to_owned(),
            None => match line.rsplit_once(", ") {
                Some((head, _)) if line.contains(" assertions, ") => format!("{head}, TIME"),
                _ => line.to_owned(),
            },
        };
        out.push_str(&line);
        out.push('\n');
    }
    out
}

#[test]
fn a_wrong_expectation_is_reported_with_its_place_and_what_came_instead() {
    let output = run_file(&case("wrong.ers"), &["--bundled", "1"]);
    assert_eq!(output.status.code(), Some(FAILED));
    insta::assert_snapshot!(masked(&text(&output.stdout)));
}

#[test]
fn every_exit_code_has_its_case() {
    let pass = "test a\nget k\nend\n";
    let dead = ["--endpoints", "127.0.0.1:1"];
    for (what, script, flags, code) in [
        ("a script that passes", pass, &["--bundled", "1"][..], PASSED),
        ("a script that expects a failure", "! put '' x", &["--bundled", "1"], PASSED),
        ("a command that fails", "put '' x", &["--bundled", "1"], FAILED),
        (
            "an expectation that does not hold",
            "get k\nexpect key == k",
            &["--bundled", "1"],
            FAILED,
        ),
        (
            "a teardown that fails",
            "test a\nend\nteardown\nput '' x\nend",
            &["--bundled", "1"],
            FAILED,
        ),
        ("no server", pass, &dead, NO_CONNECTION),
        (
            "a server that is gone behind the first command",
            "put k v\n\\kill n1\nget k\nexpect value == v\n",
            &["--bundled", "1"],
            NO_CONNECTION,
        ),
        ("bad quoting, and no server", "get 'k", &dead, SYNTAX),
        ("a script without a command", "# nothing\n", &dead, SYNTAX),
        ("an unknown command, and no server", "gett k", &dead, SYNTAX),
        ("a variable that nothing sets", "get $NONE", &dead, SYNTAX),
        (
            "a report that cannot be written",
            pass,
            &["--bundled", "1", "--junit", "/none/such/j.xml"],
            FILE,
        ),
        (
            "a value from a file that is not there",
            "put k file:/none/such",
            &["--bundled", "1"],
            FILE,
        ),
        (
            "a wait beyond the time",
            "eventually 60s get k\nexpect value == x",
            &["--bundled", "1", "--timeout", "1s"],
            OUT_OF_TIME,
        ),
        ("an unknown flag", pass, &["--bogus"], BAD_FLAGS),
        ("a bad address", pass, &["--endpoints", "x"], BAD_FLAGS),
        ("a bad variable", pass, &["--var", "1=2"], BAD_FLAGS),
        ("a test that is not there", pass, &["--only", "none"], BAD_FLAGS),
        ("nothing but parsing", pass, &["--dry-run", "--endpoints", "127.0.0.1:1"], PASSED),
    ] {
        let (found, out, err) = run_text(script, flags);
        assert_eq!(found, code, "{what}\n{out}\n{err}");
    }
    let missing = program().arg("/none/such.ers").output().unwrap();
    assert_eq!(missing.status.code(), Some(FILE), "{}", shown(&missing));
}

#[test]
fn an_interrupt_ends_the_test_and_still_tears_down() {
    let dir = tempfile::tempdir().unwrap();
    let (began, gone) = (dir.path().join("began"), dir.path().join("gone"));
    let script = "test long\npwd > $DIR/began\neventually 60s get k\nexpect value == x\nend\n\
                  test next\nend\nteardown\npwd > $DIR/gone\nend\n";
    let file = dir.path().join("t.ers");
    std::fs::write(&file, script).unwrap();
    let variable = format!("DIR={}", dir.path().display());
    let mut child = program();
    child.args(["--bundled", "1", "--var", &variable]).arg(&file).stdout(Stdio::piped());
    let child = child.spawn().unwrap();
    wait_for(&began);
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(INTERRUPTED), "{}", shown(&output));
    assert!(gone.exists(), "teardown did not run");
    let report = text(&output.stdout);
    assert!(report.contains("got: interrupted"), "{report}");
    assert!(report.contains("t.ers:3"), "{report}");
    assert!(report.contains("ok 2 - next # SKIP not reached"), "{report}");
}

/// Goal: whether a request was under way when its server died or comes behind that, the code is the same. Method: writes
/// without a pause, and a kill in their midst.
#[test]
fn a_server_that_dies_amid_a_script_is_no_connection() {
    let dir = tempfile::tempdir().unwrap();
    let began = dir.path().join("began");
    let script = "put k v\npwd > began\nrepeat 1000000\nput k v\nend\n";
    std::fs::write(dir.path().join("t.ers"), script).unwrap();
    let mut child = program();
    child.args(["--bundled", "1", "t.ers"]).current_dir(dir.path()).stdout(Stdio::piped());
    let child = child.spawn().unwrap();
    wait_for(&began);
    let threads = std::fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
    let children = threads
        .map(|task| std::fs::read_to_string(task.unwrap().path().join("children")).unwrap())
        .collect::<String>();
    let member = children.split_whitespace().next().unwrap().parse().unwrap();
    kill_process(Pid::from_raw(member).unwrap(), Signal::KILL).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(NO_CONNECTION), "{}", shown(&output));
    assert!(!text(&output.stdout).contains("rpc error"), "{}", shown(&output));
}

/// Waits until a file is there.
fn wait_for(path: &Path) {
    let looks = DEADLINE.as_millis() / 20;
    for _ in 0..looks {
        if path.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{} is not there within {DEADLINE:?}", path.display());
}

#[test]
fn a_failure_stops_the_file_unless_told_to_keep_going() {
    let script = "test a\nput '' x\nend\ntest b\nget k\nend\n";
    let (code, out, _) = run_text(script, &["--bundled", "1"]);
    assert_eq!(code, FAILED);
    assert!(out.contains("not ok 1 - a") && out.contains("ok 2 - b # SKIP"), "{out}");
    let (code, out, _) = run_text(script, &["--bundled", "1", "--keep-going"]);
    assert_eq!(code, FAILED);
    assert!(out.contains("not ok 1 - a") && out.contains("\nok 2 - b # time="), "{out}");
}

#[test]
fn what_fails_before_the_tests_fails_the_first_of_them() {
    let script = "setup\nput '' x\nend\ntest a\nend\ntest b\nend\n";
    let (code, out, _) = run_text(script, &["--bundled", "1"]);
    assert_eq!(code, FAILED);
    assert!(out.contains("not ok 1 - a") && out.contains("at: t.ers:2"), "{out}");
    assert!(out.contains("ok 2 - b # SKIP not reached"), "{out}");
}

#[test]
fn golden_output_is_rewritten_when_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("t.ers");
    std::fs::write(&file, "put k one\n----\nNO\n\nget k -w jsonl\n----\n<*>\n\n").unwrap();
    let output = run_file(&file, &["--bundled", "1"]);
    assert_eq!(output.status.code(), Some(FAILED), "{}", shown(&output));
    let output = run_file(&file, &["--bundled", "1", "--update"]);
    assert_eq!(output.status.code(), Some(PASSED), "{}", shown(&output));
    let updated = std::fs::read_to_string(&file).unwrap();
    assert_eq!(updated, "put k one\n----\nOK\n\nget k -w jsonl\n----\n<*>\n\n");
    let output = run_file(&file, &["--bundled", "1"]);
    assert_eq!(output.status.code(), Some(PASSED), "{}", shown(&output));
}

#[test]
fn a_shell_runs_only_when_it_is_allowed() {
    let script = "put k one\nget k --print-value-only | tr a-z A-Z | sed \"s/\\$/-$RUN/\"\n----\nONE-r<*>\n\n";
    let (code, out, _) = run_text(script, &["--bundled", "1"]);
    assert_eq!(code, FAILED, "{out}");
    // The same words in the console, which has no such flag.
    assert!(out.contains("`run` and batches of `repl` take it with --allow-shell"), "{out}");
    let (code, out, _) = run_text(script, &["--bundled", "1", "--allow-shell"]);
    assert_eq!(code, PASSED, "{out}");
}

#[test]
fn reports_for_machines_hold_every_command_and_the_same_failure() {
    let dir = tempfile::tempdir().unwrap();
    let (junit, json) = (dir.path().join("j.xml"), dir.path().join("j.json"));
    let flags = ["--junit", junit.to_str().unwrap(), "--json", json.to_str().unwrap()];
    let mut command = program();
    let output =
        command.args(["--bundled", "1"]).args(flags).arg(case("wrong.ers")).output().unwrap();
    assert_eq!(output.status.code(), Some(FAILED));
    let junit = std::fs::read_to_string(junit).unwrap();
    for part in [
        "tests=\"3\" failures=\"1\" skipped=\"1\"",
        "<testcase name=\"this is not\"",
        "<failure message=\"expected value == &quot;one&quot;, got value &quot;two&quot;\">",
        "wrong.ers:13",
        "<skipped message=\"not reached\"/>",
        "&gt; put $P/a two",
    ] {
        assert!(junit.contains(part), "{part}\n{junit}");
    }
    let lines: Vec<serde_json::Value> = std::fs::read_to_string(json)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).count();
    assert_eq!((of("command"), of("test"), of("run")), (5, 3, 1));
    let run = lines.last().unwrap();
    assert_eq!((&run["exit"], &run["assertions"]), (&1.into(), &3.into()));
}

/// Goal: no report shows a password. Method: a script that fails with one on its line, in every form that reports have.
#[test]
fn no_report_shows_a_password() {
    let dir = tempfile::tempdir().unwrap();
    let script = "test a\nput '' v --user root:hunter2\nget k --user root --password=hunter2\n\
                  with --user 'root:hunter2'\nput '' v\nend\nend\n";
    std::fs::write(dir.path().join("t.ers"), script).unwrap();
    let wrong = "get k --user root:hunter2 --bogus\nget k --password hunter2 --bogus\n";
    std::fs::write(dir.path().join("wrong.ers"), wrong).unwrap();
    let run = |args: &[&str]| program().args(args).current_dir(dir.path()).output().unwrap();
    let flags = ["--bundled", "1", "--junit", "j.xml", "--json", "j.json", "t.ers"];
    let failed = run(&flags);
    assert_eq!(failed.status.code(), Some(FAILED), "{}", shown(&failed));
    let refused = run(&["wrong.ers", "--bundled", "1"]);
    assert_eq!(refused.status.code(), Some(SYNTAX), "{}", shown(&refused));
    assert!(
        text(&refused.stderr).contains("get k --user root:*** --bogus\n"),
        "{}",
        shown(&refused)
    );
    let file = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    for report in [shown(&failed), shown(&refused), file("j.xml"), file("j.json")] {
        assert!(report.contains("***"), "{report}");
        assert!(!report.contains("hunter2"), "{report}");
    }
}

/// Goal: what `--update` writes holds in the next run, on another cluster. Method: a script whose output is full of what
/// only one run has is updated on a cluster with other revisions than that on which it runs; a second update changes
/// nothing.
#[test]
fn what_update_writes_passes_on_a_new_cluster_and_stays() {
    let lines = [
        "put /ci/$RUN/a \"$RUN and more\" -> R",
        "get /ci/$RUN/a",
        "get /ci/$RUN/a -w json",
        "get /ci/$RUN/a -w jsonl",
        "get /ci/$RUN/a -w fields",
        "get /ci/$RUN/a --hex",
        "get /ci/$RUN/a -w json | json .kvs[0].mod_revision",
        "put k $R",
        "get k",
        "put k v --prev-kv -w json",
        "txn if mod(k) > 0 then get k end -w json",
        "txn if mod(k) > 0 then get k end -w fields",
        "member list",
        "member list -w json",
        "member list -w fields",
        "member list -w table",
        "endpoint status",
        "endpoint status -w json",
        "endpoint status -w fields",
        "endpoint status -w table",
        "endpoint status --cluster -w jsonl",
        "endpoint health",
        "endpoint health -w json",
        "endpoint hashkv",
        "endpoint hashkv -w json",
        "endpoint hashkv -w table",
        "alarm list -w json",
        "alarm disarm",
        "defrag",
        "defrag -w jsonl",
        "\\history k",
        "ls /ci/",
        "compaction $R",
    ];
    let script: String = lines.iter().flat_map(|line| [line, "\n----\n\n"]).collect();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("t.ers");
    std::fs::write(&file, &script).unwrap();
    // More writes before it, so that no revision is the same.
    std::fs::write(dir.path().join("before.ers"), "repeat 7\nput before x\nend\n").unwrap();
    let run = |flags: &[&str]| {
        let output = program().args(flags).current_dir(dir.path()).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(PASSED),
            "{}\n{}",
            shown(&output),
            text(&std::fs::read(&file).unwrap())
        );
    };
    run(&["--bundled", "1", "--update", "before.ers", "t.ers"]);
    let updated = std::fs::read_to_string(&file).unwrap();
    assert!(updated.contains("\n/ci/<*>/a\n<*> and more\n"), "{updated}");
    assert!(updated.contains("\"CreateRevision\" : <*>\n"), "{updated}");
    assert!(updated.contains("\"version\":1"), "the version of a key is its own: {updated}");
    run(&["--bundled", "1", "t.ers"]);
    run(&["--bundled", "1", "--update", "t.ers"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), updated);
}

#[test]
fn everything_that_is_wrong_with_a_script_is_told_before_anything_is_sent() {
    let script = "\u{feff}gett a\nput k\n\\kill n1\nget $NONE\n";
    let (code, out, err) = run_text(script, &["--endpoints", "127.0.0.1:1"]);
    assert_eq!((code, out.as_str()), (SYNTAX, ""), "{err}");
    assert!(err.contains("t.ers:1:1: ") && err.contains("t.ers:2:6: "), "{err}");
    let script = "get a\nget $NONE\nif ok\n  \\kill n1\nend\n\\record x\n";
    let (code, out, err) = run_text(script, &["--endpoints", "127.0.0.1:1"]);
    assert_eq!((code, out.as_str()), (SYNTAX, ""), "{err}");
    for place in ["t.ers:2:5: ", "t.ers:4:3: \\kill without bundled members", "t.ers:6:1: "] {
        assert!(err.contains(place), "{place}\n{err}");
    }
    let (code, _, err) = run_text("get a\n\\kill n2\n", &["--bundled", "1"]);
    assert_eq!(code, SYNTAX, "{err}");
    assert!(err.contains("t.ers:2:1: no member n2; expected n1 to n1"), "{err}");
    let (code, out, err) = run_text("\u{feff}put k v\n", &["--bundled", "1"]);
    assert_eq!(code, PASSED, "{out}{err}");
}

#[test]
fn json_paths_take_etcdctls_names_and_say_what_is_there() {
    let script = "put k v\ntxn if ver(k) > 0 then get k end\n\
                  expect json .responses[0].kvs[0].value == v\n\
                  expect json .responses[0].Response.response_range.count == 1\n\
                  expect json .responses[0].get.count == 1\n\
                  txn if ver(k) > 0 then get k end -w json | json .responses[0].kvs[0].version -> V\n\
                  member list\nexpect json .members[0].clientURLs[0] contains 127.0.0.1\n\
                  endpoint status\nexpect json [0].Status.raftTerm >= 1\n\
                  eventually 5s get k expect json .kvs[0].value == v\n";
    let (code, out, err) = run_text(script, &["--bundled", "1"]);
    assert_eq!(code, PASSED, "{out}{err}");
    let script = "put k v\nget k\nexpect json .kvs[0].vaule == v\n";
    let (code, out, _) = run_text(script, &["--bundled", "1"]);
    assert_eq!(code, FAILED);
    let words = ".kvs[0] has create_revision, key, mod_revision, value, version";
    assert!(out.contains(words), "{out}");
}
