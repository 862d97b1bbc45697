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
