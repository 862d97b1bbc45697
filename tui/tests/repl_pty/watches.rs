//! Background watches and the connection.

use std::process::Command;

use super::prompt::{Prompt, last_line};

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
