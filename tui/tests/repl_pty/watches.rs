//! Background watches and the connection.

use std::process::Command;

use super::prompt::{Prompt, elsewhere, last_line, signal};

#[test]
fn events_of_a_watch_stand_above_what_is_being_typed() {
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start(dir.path());
    prompt.types("watch / --prefix & as w1\r");
    prompt.sees("[w1] watching from");
    prompt.is_back();
    let shown = prompt.shown();
    let endpoint = shown.lines().find_map(|line| line.split(" on ").nth(1)).unwrap().to_owned();
    prompt.types("get half");
    prompt.sees("> get half");
    let put = |key: &str| {
        let status = Command::new(env!("CARGO_BIN_EXE_mini-etcdctl"))
            .args(["--endpoints", &endpoint, "put", key, "news"])
            .env_remove("ETCDCTL_ENDPOINTS")
            .stdout(std::process::Stdio::null())
            .status();
        assert!(status.unwrap().success());
    };
    put("/first");
    prompt.sees("[w1] /first");
    put("/second");
    prompt.sees("[w1] /second\n[w1] news");
    prompt.stands_at("bundled-1> get half [range_end]");
    prompt.types("way | count\r");
    prompt.sees("\n0\n");
    prompt.types("cancel w\t\r");
    // The prompt behind it, and not the one that it is typed at.
    prompt.sees("cancel w1");
    prompt.leaves();
}

#[test]
fn a_lost_connection_is_said_once_and_so_is_that_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start(dir.path());
    prompt.types("put k kept\r");
    prompt.sees("OK");
    prompt.types("\\kill n1\r");
    prompt.sees("\nn1\n");
    for _ in 0..3 {
        prompt.types("get k\r");
        prompt.stands_at("bundled-1 (lost)>");
        prompt.types("pwd\r");
        prompt.stands_at("bundled-1 (lost)>");
    }
    assert_eq!(prompt.shown().matches("nobody answers").count(), 1, "{}", prompt.shown());
    prompt.types("\\restart n1\r");
    prompt.sees("connected again after");
    prompt.until("a prompt", |shown| last_line(shown).starts_with("bundled-1"));
    prompt.types("get k\r");
    prompt.sees("\nk\nkept\n");
    assert_eq!(prompt.shown().matches("connected again").count(), 1);
    prompt.leaves();
}

/// Goal: a flood of news neither touches the line that is typed nor piles up without bound. Method: first into a terminal
/// that stands still until all has come, then into one that runs while keys are typed.
#[test]
fn a_flood_of_events_leaves_the_line_as_it_is_and_says_how_many_it_left_out() {
    const EVENTS: usize = 2_000;
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start(dir.path());
    let endpoint = prompt.endpoint();
    prompt.answers("watch /flood & as w1", "");
    prompt.types("get ha");
    prompt.sees("> get ha");
    let flood = format!("repeat {EVENTS}\nput /flood v\nend\n");
    let gate = std::sync::Arc::clone(&prompt.gate);
    let still = gate.lock().unwrap();
    assert!(elsewhere(&endpoint, &flood).wait().unwrap().success());
    prompt.types("lf");
    drop(still);
    prompt.until_raw(" messages came too fast and are not shown");
    prompt.stands_at("bundled-1> get half [range_end]");
    let raw = String::from_utf8_lossy(&prompt.raw).into_owned();
    let shown = raw.matches("[w1]\u{1b}[0m /flood").count();
    let left_out: usize = raw
        .lines()
        .filter_map(|line| line.split_once(" messages came too fast"))
        .map(|(before, _)| before.rsplit(' ').next().unwrap().parse::<usize>().unwrap())
        .sum();
    assert!(left_out > 0 && left_out + shown <= EVENTS, "{left_out} and {shown}");
    // Now with keys in its midst.
    let mut other = elsewhere(&endpoint, &flood);
    let mut typed = String::from("bundled-1> get half");
    for key in "way | count".chars() {
        prompt.types(&key.to_string());
        typed.push(key);
        prompt.until(&typed, |shown| last_line(shown).starts_with(typed.trim_end()));
    }
    assert!(other.wait().unwrap().success());
    prompt.types("\r");
    prompt.sees("> get halfway | count");
    prompt.answers("cancel w1", "");
    prompt.leaves();
}

#[test]
fn a_watch_is_known_by_its_name_and_may_write_to_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start(dir.path());
    prompt.types("watch /a > events & as w1\r");
    prompt.is_back();
    prompt.types("watch /a & as w1\r");
    prompt.sees("there is a watch w1 already");
    prompt.answers("put /a 1", "OK");
    prompt.answers("await w1 events 1 within 60s", "");
    prompt.answers("cancel w1", "");
    prompt.answers("cancel w1", "there is no watch w1");
    let written = std::fs::read_to_string(dir.path().join("events")).unwrap();
    assert_eq!(written, "PUT\n/a\n1\n");
    prompt.leaves();
}

#[test]
fn a_watch_that_finds_no_server_says_so_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start(dir.path());
    prompt.types("\\kill n1\r");
    prompt.sees("\nn1\n");
    prompt.types("watch k & as w1\r");
    prompt.sees("no server took the watch: no answer from 127.0.0.1:");
    prompt.stands_at("bundled-1 (lost)>");
    let shown = prompt.shown();
    assert_eq!(shown.matches("no answer from").count(), 1, "{shown}");
    assert_eq!(shown.matches("[w1] ").count(), 1, "{shown}");
    assert!(shown.contains("[w1] trying again: no connection to 127.0.0.1:"), "{shown}");
    prompt.leaves();
}

#[test]
fn a_member_that_dies_while_it_is_asked_is_said_once() {
    let dir = tempfile::tempdir().unwrap();
    let (mut prompt, member) = Prompt::stalled(dir.path(), "put k v");
    prompt.mode_is(&["isig"]);
    signal("-KILL", &member);
    // Nearly always it was under way by then: "connection to 127.0.0.1:1 lost: ..".
    prompt.until("that it is gone", |shown| {
        shown.contains("connection to") && last_line(shown).ends_with('>')
    });
    let shown = prompt.shown();
    assert_eq!(shown.matches("connection to").count(), 1, "{shown}");
    assert!(!shown.contains("rpc error"), "{shown}");
    prompt.types("\x0cendpoint hashkv\r");
    prompt.sees("Failed to get the hash of endpoint");
    prompt.stands_at("bundled-1 (lost)>");
    let shown = prompt.shown();
    assert_eq!(shown.matches("no connection to").count(), 1, "{shown}");
    prompt.leaves();
}
