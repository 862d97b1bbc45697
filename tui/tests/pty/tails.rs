//! The Watch screen in the real program.

use crate::console::Console;
use crate::member::Member;

/// Goal: a tail as a person works with it, and what it says when its member is killed. Method: three bundled members.
#[test]
fn a_tail_is_paused_filtered_saved_and_goes_on_when_its_member_is_killed() {
    let mut console = Console::start(&["--demo", "3", "--empty"]);
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

/// The console on its Watch screen before a server, at the size of a large window.
fn watch_of(member: &Member) -> Console {
    let mut console = Console::start(&["--endpoints", &member.endpoint]);
    console.resize(120, 36);
    console.sees("quorum 1/1");
    console.press("3");
    console.sees("No tail yet");
    console
}

/// Begins a tail of all keys that begin so, from a revision on or from now.
fn follow(console: &mut Console, prefix: &str, from: Option<i64>) {
    console.press("w");
    console.sees("New tail");
    let from = from.map(|revision| format!("\t\t{revision}")).unwrap_or_default();
    console.press(&format!("\x15{prefix}{from}\r"));
    console.misses("New tail");
    console.sees("begins at");
}

/// Goal: what a tail of old revisions shows, and every way to look at it. Method: a history with an update, a delete and
/// a transaction of three keys, followed from its beginning by two tails.
#[test]
fn tails_begin_in_the_past_group_find_pin_and_are_written_to_a_file() {
    let member = Member::start();
    let first = member.write(["put", "/t/a", r#"{"read_ms":4000}"#]);
    member.write(["put", "/t/a", r#"{"read_ms":1500}"#]);
    let gone = member.write(["del", "/t/a"]);
    member.write(["put", "/u/b", "elsewhere"]);
    let mut console = watch_of(&member);
    console.run(r#"txn if create("/t/x") = "0" then put /t/x 1 put /t/y 2 put /t/z needle end"#);
    follow(&mut console, "/t/", Some(first));
    console.sees(&format!("w1 /t/ prefix  from {first}"));
    console.sees(&format!("begins at {first} on default"));
    console.sees("v1 > v2  .read_ms 4000 > 1500");
    console.sees("gone  was v2");
    console.sees("TXN x3");
    console.sees("3 keys in one revision");
    assert!(!console.shown().contains("/u/b"), "{}", console.shown());
    // The last row is chosen: its keys come out and go in again.
    console.press("G\r");
    console.sees("new  needle");
    console.press("g");
    console.press("/");
    console.sees("search");
    console.press("needle\r");
    console.until("the transaction chosen", |shown| {
        shown.lines().any(|line| line.starts_with("│▸") && line.contains("TXN x3"))
    });
    // A delete in full.
    console.press("gjjj=");
    console.sees("- ");
    console.sees("\"read_ms\": 1500");
    console.press("\x1b");
    console.misses("\"read_ms\": 1500");
    // One key is followed alone.
    console.press(" ");
    console.sees("pinned: /t/a");
    console.misses("TXN x3");
    console.press("s");
    console.sees("save to: ");
    console.press("\x15one.jsonl\r");
    console.sees("lines written to one.jsonl");
    let written = std::fs::read_to_string(console.path("one.jsonl")).unwrap();
    let lines: Vec<&str> = written.lines().collect();
    assert!(lines[0].contains("\"mark\":\"began\""), "{written}");
    assert!(lines[1].contains(r#""key":"/t/a","prev":null,"#), "{written}");
    assert!(lines[2].contains(r#""prev":{"#) && lines[2].contains("1500"), "{written}");
    let delete = format!(r#""revision":{gone},"time":""#);
    assert!(lines[3].contains(&delete) && lines.len() == 4, "{written}");
    assert!(lines[3].ends_with(r#"Z","type":"delete"}"#), "{written}");
    console.press(" ");
    console.misses("pinned");
    console.sees("TXN x3");
    // Another tail beside it, and each goes on while the other is shown.
    follow(&mut console, "/u/", None);
    console.sees("w2 /u/ prefix");
    member.write(["put", "/u/c", "for the second"]);
    console.sees("new  for the second");
    member.write(["put", "/t/later", "for the first"]);
    console.press("\t");
    console.sees("w1 /t/ prefix");
    console.sees("new  for the first");
    console.sees("[w1] w2");
    console.press("x");
    console.sees("w2 /u/ prefix");
    console.sees("new  for the second");
    // What happens elsewhere moves how far the server is, and the tail is not behind.
    let newest = member.write(["put", "elsewhere", "x"]);
    console.sees(&format!("server at {newest}, this tail is 0 behind"));
    console.press("qq");
    assert!(console.ends().success());
}

/// Goal: what a compaction took is told, not passed over. Method: a tail from before it.
#[test]
fn a_tail_from_before_a_compaction_says_what_is_gone() {
    let member = Member::start();
    let first = member.write(["put", "/t/a", "one"]);
    member.write(["put", "/t/a", "two"]);
    let kept = member.write(["put", "/t/a", "three"]);
    member.ctl(["compaction", &kept.to_string()]);
    let mut console = watch_of(&member);
    console.press("w");
    console.sees("New tail");
    console.press(&format!("/t/\t\t{first}\r"));
    console.sees(&format!("compacted: {first} to {} are gone; goes on at {kept}", kept - 1));
    console.sees("v3  three  previous value not sent");
    assert!(!console.shown().contains("two"), "{}", console.shown());
    console.press("g.");
    console.sees("│▸── ");
    console.press("qq");
    assert!(console.ends().success());
}

/// Goal: a tail outlives its only member. Method: the member is killed and started again from the screen.
#[test]
fn a_tail_of_a_member_that_is_killed_and_started_again_loses_nothing() {
    let mut console = Console::start(&["--demo", "1", "--empty"]);
    console.resize(120, 36);
    console.sees("quorum 1/1");
    console.press("3");
    console.sees("No tail yet");
    follow(&mut console, "/t/", None);
    console.run("put /t/a before");
    console.sees("new  before");
    console.press("1");
    console.sees("x kill n1");
    console.press("x");
    console.sees("loses its quorum");
    console.press("y");
    console.sees("quorum 0/1");
    console.press("3");
    console.sees("away ");
    console.sees("not connected: ");
    console.press("1");
    console.sees("r restart n1");
    console.press("r");
    console.sees("quorum 1/1");
    console.press("3");
    console.run("put /t/a after");
    console.sees("before > after");
    console.sees("nothing lost: ");
    console.sees(" live ");
    console.press("qq");
    assert!(console.ends().success());
}
