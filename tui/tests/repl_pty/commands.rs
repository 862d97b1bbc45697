//! Commands about the session.

use std::process::Command;

use super::prompt::Prompt;

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
fn commands_about_the_session_do_what_they_say() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("s.ers"), "put s 1\nget s --print-value-only\n").unwrap();
    std::fs::write(dir.path().join("bad.ers"), "put s 2\nget s --rev 99\nput s 3\n").unwrap();
    let mut prompt = Prompt::start(dir.path());
    prompt.answers("put k one -> A", "OK");
    prompt.answers("put k two -> B", "OK");
    prompt.answers("\\w", "simple");
    prompt.answers("\\w jsonl", "");
    prompt.answers("get k", "{\"create_revision\":");
    prompt.answers("\\w json", "");
    prompt.answers("get k", "{\"header\":");
    prompt.answers("\\w xml", "xml is not accepted: \\w [simple|json|jsonl|fields|table]");
    prompt.answers("\\w simple", "");
    prompt.answers("\\timing", "timing is on\ntook ");
    prompt.answers("get k", "k\ntwo\ntook ");
    prompt.answers("\\timing off", "timing is off\n");
    prompt.answers("get k", "k\ntwo\nbundled-1>");
    prompt.answers("\\timing maybe", "maybe is not accepted: \\timing [on|off]");
    prompt.types("\\history k\r");
    prompt.sees("  version 2  \"two\"\n");
    prompt.sees("  version 1  \"one\"\n");
    prompt.types("\x0c\\diff k @$A @$B\r");
    prompt.sees("\n@@ -1 +1 @@\n-one\n+two\n");
    prompt.types("\x0c\\diff k @$A\r");
    prompt.sees("\n+++ @now\n@@ -1 +1 @@\n-one\n+two\n");
    prompt.answers("\\diff k 2", "2 is not accepted: \\diff KEY @REV1 [@REV2]");
    prompt.answers("\\source s.ers", "OK\n1\nbundled-1>");
    prompt.answers("\\source bad.ers", "OK\nbad.ers:2: etcdserver: mvcc: required revision");
    prompt.answers("get s --print-value-only", "2");
    prompt.answers("\\source none.ers", "none.ers: no such file");
    prompt.types("\x0c\\h del | head 2\r");
    prompt.sees("> \\h del | head 2\nDeletes a key, or the keys in [key, range_end).");
    prompt.types("\x0c\\h \\diff\r");
    prompt.sees("> \\h \\diff\n\\diff KEY @REV1 [@REV2]\n  Shows how a value changed");
    prompt.types("\x0c\\h | count\r");
    prompt.sees("> \\h | count\n");
    prompt.answers("\\h nonsense", "no command nonsense; \\h alone lists them");
    prompt.answers("\\nonsense", "\\nonsense\n^");
    prompt.leaves();
}

#[test]
fn output_goes_through_pipes_and_into_files() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("old"), "k2\nzz\n").unwrap();
    let mut prompt = Prompt::start(dir.path());
    prompt.answers("put k1 '{\"a\": [1, \"x\"]}'", "OK");
    prompt.answers("put k2 2", "OK");
    let keys = "get k --prefix --keys-only --order DESCEND";
    // An empty line stands behind each key.
    prompt.answers(&format!("{keys} | head 1"), "k2\nbundled-1>");
    prompt.answers(&format!("{keys} | sort | head 3"), "\n\nk1\nbundled-1>");
    prompt.answers(&format!("{keys} | count"), "4\nbundled-1>");
    prompt.answers("get k1 -w jsonl | json .value.a[1]", "x\nbundled-1>");
    prompt.answers("get k1 -w jsonl | json .none", "json: there is no .none");
    prompt.answers("get k2 --print-value-only | hex", "00000000  32 0a");
    prompt.answers("get k2 | diff old", "--- old\n+++ output\n@@ -1,2 +1,2 @@\n k2\n-zz\n+2\n");
    prompt.answers("get k2 | diff none", "diff: none: no such file");
    // A shell, with the session's variables.
    prompt.answers("set V seen", "");
    prompt.answers("get k2 | sed \"s/k/$V-/\"", "seen-2\n2\nbundled-1>");
    prompt.answers("get k2 | false", "sh: exit status: 1");
    // A file is written anew by what succeeds, and stays as it is otherwise.
    let file = dir.path().join("f");
    prompt.answers("get k2 > f", "bundled-1>");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "k2\n2\n");
    prompt.answers("get k2 | head 1 > f", "bundled-1>");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "k2\n");
    prompt.answers("get k2 --rev 99 > f", "etcdserver: mvcc:");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "k2\n");
    prompt.answers("get k2 > none/f", "none/f: no such file");
    prompt.answers("get k2 >f", "get k2 >f\n       ^");
    prompt.leaves();
}
