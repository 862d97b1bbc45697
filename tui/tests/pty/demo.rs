//! The sample data of `--demo` in the real program.

use crate::console::Console;

/// Number of the first change behind the sample.
const BEHIND: u64 = 32;

/// The number of the latest heartbeat on the screen.
fn beat(shown: &str) -> Option<u64> {
    let changes = shown.split(".beat ").skip(1).filter_map(|change| change.split(' ').nth(2));
    changes.filter_map(|number| number.parse().ok()).max()
}

/// Waits for heartbeats that are later than the ones on the screen.
fn goes_on(console: &mut Console) {
    console.sees(".beat ");
    let before = beat(&console.shown()).unwrap();
    console.until("later heartbeats", |shown| beat(shown) > Some(before + 4));
}

#[test]
fn every_screen_shows_something_of_a_demo() {
    let mut console = Console::start(&["--demo", "1"]);
    console.resize(140, 36);
    console.sees("quorum 1/1");
    console.press("3");
    console.sees("all keys");
    console.sees(" live ");
    // What follows the sample: all of it is written.
    console.until("a change behind the sample", |shown| beat(shown) >= Some(BEHIND));
    goes_on(&mut console);
    console.press("2");
    console.sees("about-this-demo");
    console.sees("Sample data of --demo");
    console.press("B");
    console.sees("sessions/77e0");
    console.press("\x1b");
    console.misses("GRAVEYARD");
    console.press("6");
    console.sees("users are off");
    console.sees("ana  2 roles");
    console.sees("readwrite deploys/ (prefix)");
    console.press("5");
    console.sees("etcd> ");
    console.press("get config/flags/dark-mode\r");
    console.sees("│ on");
    console.has_run("get config/flags/dark-mode");
    console.press("\\q\r");
    assert!(console.ends().success());
}

/// Goal: the writer is an ordinary client, which goes to another member. Method: each member is killed once while the
/// others run.
#[test]
fn the_writer_of_a_demo_survives_the_kill_of_any_member() {
    let mut console = Console::start(&["--demo", "3"]);
    console.resize(140, 36);
    console.sees("quorum 3/3");
    for (name, down) in [("n1", ""), ("n2", "j"), ("n3", "jj")] {
        console.press(&format!("1g{down}"));
        console.sees(&format!("x kill {name}"));
        console.press("x");
        console.sees("quorum 2/3");
        console.press("3");
        goes_on(&mut console);
        console.press("1");
        console.sees(&format!("r restart {name}"));
        console.press("r");
        console.sees("quorum 3/3");
    }
    console.press("qq");
    assert!(console.ends().success());
}
