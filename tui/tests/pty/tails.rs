//! The Watch screen in the real program.

use crate::console::Console;

/// Goal: a tail as a person works with it, and what it says when its member is killed. Method: three bundled members.
#[test]
fn a_tail_is_paused_filtered_saved_and_goes_on_when_its_member_is_killed() {
    let mut console = Console::start(&["--demo", "3"]);
    console.sees("quorum 3/3");
    console.resize(120, 36);
    console.press("3");
    console.sees("No tail yet");
    console.press("w");
    console.sees("New tail");
    console.press("/t/\r");
    console.sees("begins at");
    console.run("put /t/a 4000");
    console.run("put /t/a 1500");
    console.sees("v1 > v2  4000 > 1500");
    console.press("p");
    console.sees("paused");
    console.run("put /t/b held-back");
    console.sees("paused, 1 held");
    assert!(!console.shown().contains("/t/b "), "{}", console.shown());
    console.press("p");
    console.sees("new  held-back");
    console.press("=");
    console.sees("+ held-back");
    console.press("=");
    console.misses("+ held-back");
    console.press("Fput & & x\r");
    console.sees("column 7: expected put");
    console.press("\x15key:b\r");
    console.misses("4000 > 1500");
    console.sees("filter: key:b");
    console.press("s");
    console.sees("save to: ");
    console.press("\x15tail.jsonl\r");
    console.sees("2 lines written to tail.jsonl");
    let written = std::fs::read_to_string(console.dir.path().join("tail.jsonl")).unwrap();
    assert!(written.ends_with("\"value\":\"held-back\",\"version\":1}\n"), "{written}");
    console.press("F\x15\r");
    console.sees("4000 > 1500");
    // The member that serves the tail is killed from the Cluster screen.
    let shown = console.shown();
    let line = shown.lines().find(|line| line.contains("begins at")).unwrap();
    let name = line.split(" on ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let down = name.trim_start_matches('n').parse::<usize>().unwrap() - 1;
    console.press(&format!("1g{}", "j".repeat(down)));
    console.sees(&format!("x kill {name}"));
    console.press("x");
    console.sees("quorum 2/3");
    console.press("3");
    console.sees("nothing lost");
    console.sees(&format!("{name} "));
    console.run("put /t/c after");
    console.sees("new  after");
    console.press("qq");
    assert!(console.ends().success());
}
