//! The mouse in the real program, by what terminals send.

use crate::console::{Console, NOBODY};

/// Presses (`M`) or lets go (`m`) of a button at a word of the screen; 64 and 65 are the wheel.
fn button(console: &mut Console, number: u8, words: &str) {
    let shown = console.shown();
    let place = shown.lines().enumerate().find_map(|(row, line)| {
        let column = line.get(..line.find(words)?)?.chars().count();
        Some((column + 1, row + 1))
    });
    let (column, row) = place.unwrap_or_else(|| panic!("no {words} in\n{shown}"));
    console.press(&format!("\x1b[<{number};{column};{row}M"));
    if number < 64 {
        console.press(&format!("\x1b[<{number};{column};{row}m"));
    }
}

fn is_asked_for(console: &Console) -> bool {
    console.screen.screen().mouse_protocol_mode() != vt100::MouseProtocolMode::None
}

#[test]
fn the_mouse_goes_to_tabs_chooses_members_and_scrolls_help() {
    let mut console = Console::start(&["--demo", "3", "--empty"]);
    console.sees("quorum 3/3");
    assert!(is_asked_for(&console));
    button(&mut console, 0, "n2   ");
    console.sees("x kill n2");
    button(&mut console, 0, "n2   ");
    console.sees("Member n2");
    button(&mut console, 0, "quorum");
    console.misses("Member n2");
    button(&mut console, 0, "2 Keys");
    console.sees("there are no keys here");
    console.press("?");
    console.sees("open or close a directory");
    button(&mut console, 65, "Esc closes");
    console.misses("open or close a directory");
    button(&mut console, 64, "Esc closes");
    console.sees("open or close a directory");
    console.press("\x1b");
    console.misses("Esc closes");
    console.press("qq");
    assert!(console.ends().success());
}

/// Goal: no program that gets the terminal gets the mouse with it. Method: a stop, and an end.
#[test]
fn the_mouse_is_given_back_at_a_stop_and_taken_again() {
    let mut console = Console::start(&["--endpoints", NOBODY]);
    console.sees("1 Cluster");
    console.signal("-TSTP");
    console.until("the terminal given back", |shown| !shown.contains("1 Cluster"));
    console.comes_to('T');
    assert!(!is_asked_for(&console));
    console.signal("-CONT");
    console.sees("1 Cluster");
    assert!(is_asked_for(&console));
    console.press("qq");
    assert!(console.ends().success());
}

#[test]
fn without_the_mouse_none_is_asked_for() {
    let mut console = Console::start(&["--endpoints", NOBODY, "--mouse", "off"]);
    console.sees("1 Cluster");
    console.press("qq");
    console.wait();
    assert!(!console.raw.windows(8).any(|bytes| bytes == b"\x1b[?1000h"));
}
