//! The Keys screen in the real program.

use std::time::{Duration, Instant};

use crate::console::{Console, DEADLINE};

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
