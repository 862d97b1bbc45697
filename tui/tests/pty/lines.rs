//! The REPL pane and the palette in the real program.

use crate::console::Console;

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
    console.sees("recorded in");
    let recorded = std::fs::read_to_string(&script).unwrap();
    for part in ["put /a/k one\nexpect ok", "expect succeeded == true", "expect deleted == 1"] {
        assert!(recorded.contains(part), "{part}\n{recorded}");
    }
    console.press("\\q\r");
    assert!(console.ends().success());
}

/// Goal: what is done by keys is a command too. Method: a key is made, changed and deleted on the Keys screen while a
/// recording goes on.
#[test]
fn what_is_done_by_keys_is_recorded_as_commands() {
    let mut console = Console::start(&["--demo", "1"]);
    let script = console.path("keys.ers");
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
    console.sees("new key: ");
    console.press("by/hand\r");
    console.sees("New key by/hand");
    console.press("first\x13");
    console.sees("done: save by/hand");
    console.sees("version 1");
    console.press("E");
    console.sees("Edit by/hand");
    console.press("not the \x13");
    console.sees("version 2");
    console.press("d");
    console.sees("done: delete by/hand");
    console.press("5\\record\r");
    console.sees("recorded in");
    let recorded = std::fs::read_to_string(&script).unwrap();
    let places = ["by/hand first", "by/hand 'not the first'", "del by/hand"];
    let found: Vec<_> = places.iter().map(|part| recorded.find(part)).collect();
    assert!(found.iter().all(Option::is_some) && found.is_sorted(), "{recorded}");
    console.press("\\q\r");
    assert!(console.ends().success());
}
