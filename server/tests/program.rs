//! `mini-etcd` as a program: what it says of itself without starting.
#![expect(clippy::expect_used, reason = "a test may say what it expects")]
//!
//! Suites that start members are in the crate `tests`; this file also makes `cargo test` build the binary for them.

use std::process::{Command, Output};

fn mini_etcd(argument: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mini-etcd"))
        .arg(argument)
        .output()
        .expect("the program starts")
}

#[test]
fn help_names_every_flag_of_the_contract() {
    let output = mini_etcd("--help");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    for flag in [
        "--data",
        "--name",
        "--listen",
        "--listen-peer",
        "--listen-metrics",
        "--advertise",
        "--peers",
        "--config",
    ] {
        assert!(text.contains(flag), "--help does not name {flag}:\n{text}");
    }
}

#[test]
fn version_is_one_line_on_standard_output() {
    let output = mini_etcd("--version");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1);
}

#[test]
fn an_unknown_flag_is_named_with_exit_code_2() {
    let output = mini_etcd("--no-such-flag");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--no-such-flag"));
    assert!(output.stdout.is_empty());
}
