//! The REPL pane and the palette in the real program.

use crate::console::Console;

/// A console in its REPL pane, which records; and the script that it writes.
fn recording() -> (Console, String) {
    let mut console = Console::start(&["--demo", "1", "--empty"]);
    let script = console.path("done.ers");
    console.sees("quorum 1/1");
    console.press("5");
    console.sees("etcd> ");
    console.press(&format!("\\record {script}\r"));
    console.sees("recording to");
    (console, script)
}

/// Goal: the REPL pane and the palette in the real program, over a bundled member. Method: what people type there: a put,
/// a watch in the background, a transaction over several lines, an answer that does not come, and a recording.
#[test]
fn lines_run_in_pane_and_palette_and_are_recorded() {
    let (mut console, script) = recording();
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

/// Goal: what is done on each screen is copied as a line and recorded, and the script does it again. Method: a key is
/// made, edited and deleted, its tail begun in the palette, its member killed and started; then the script is run.
#[test]
fn what_is_done_on_each_screen_is_copied_and_recorded_and_passes_again() {
    let (mut console, script) = recording();
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
    console.copied("Z2V0IGs=");
    console.press("C");
    // txn if version(k) = "0" then put k one end
    console.copied("dHhuIGlmIHZlcnNpb24oaykgPSAiMCIgdGhlbiBwdXQgayBvbmUgZW5k");
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
    console.copied("d2F0Y2ggayAtLXJldj0xIC0tcHJldi1rdg==");
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
    console.sees("!!  delete k");
    console.press("y");
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
