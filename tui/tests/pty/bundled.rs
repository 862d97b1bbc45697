//! Bundled members: started, killed and restarted from the screen, and gone with the console.

use std::net::TcpListener;
use std::time::Instant;

use crate::console::{Console, DEADLINE};
use crate::member::{Member, free_port};

/// Goal: the console on bundled members that are killed and started from the screen. Method: three of them.
#[test]
fn bundled_members_are_shown_killed_and_started_again_from_the_screen() {
    let mut console = Console::start(&["--demo", "3"]);
    console.sees("quorum 3/3");
    console.sees("verdict: quorum OK");
    console.sees("replicate");
    console.press(":");
    console.sees("a command:");
    console.press("put greeting hello\r");
    // One line at a time: the next is taken once this one has ended.
    console.sees("ok  1 line");
    console.press("get greeting\r");
    console.sees("│ hello");
    console.press("\x1b");
    console.misses("│ hello");
    console.press("\x1b");
    console.sees("x kill n1");
    console.press("x");
    console.sees("killed");
    console.sees("quorum 2/3");
    console.sees("r restart n1");
    console.press("jx");
    console.sees("loses its quorum");
    console.press("n");
    console.misses("loses its quorum");
    console.press("kr");
    console.sees("n1 is back");
    console.sees("quorum 3/3");
    let children = children_of(console.child.process_id().unwrap());
    assert_eq!(children.len(), 3);
    console.press("qq");
    assert!(console.ends().success());
    gone(&children);
}

#[test]
fn bundled_members_do_not_outlive_a_console_that_is_killed() {
    let mut console = Console::start(&["--demo", "1"]);
    console.sees("quorum 1/1");
    let children = children_of(console.child.process_id().unwrap());
    assert_eq!(children.len(), 1);
    console.signal("-KILL");
    console.wait();
    // What cannot be given back is seen not to be.
    assert!(console.is_taken());
    gone(&children);
}

fn children_of(pid: u32) -> Vec<String> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let children = threads
        .map(|thread| std::fs::read_to_string(thread.unwrap().path().join("children")).unwrap());
    children.collect::<String>().split_whitespace().map(str::to_owned).collect()
}

/// Waits until none of these processes runs any more.
fn gone(pids: &[String]) {
    let deadline = Instant::now() + DEADLINE;
    let runs = |pid: &String| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(')')
            .next()
            .is_some_and(|rest| !rest.trim().is_empty() && !rest.trim().starts_with('Z'))
    };
    while pids.iter().any(runs) {
        assert!(Instant::now() < deadline, "still running: {pids:?}");
        std::thread::yield_now();
    }
}

/// Goal: a console started beside an etcd that is down keeps it from nothing. Method: the usual place is one of the
/// test's; while the console runs it can be bound, and what answers there then is offered and looked at.
#[test]
fn the_bare_console_leaves_the_usual_place_to_others_and_notices_when_they_are_back() {
    let usual = free_port();
    let mut console = Console::start(&["--usual", &usual]);
    console.sees(&format!("nobody at {usual}"));
    console.sees("BUNDLED");
    console.sees("quorum 1/1");
    let left: Vec<_> = std::fs::read_dir(console.dir.path()).unwrap().flatten().collect();
    assert!(left.iter().all(|entry| entry.file_name() != "data"), "{left:?}");
    drop(TcpListener::bind(&usual).unwrap());
    let children = children_of(console.child.process_id().unwrap());
    let _back = Member::at(&usual);
    console.sees(&format!("{usual} answers: o"));
    console.press("o");
    console.sees("The bundled server ends");
    console.press("y");
    console.misses("BUNDLED");
    console.sees("quorum 1/1");
    gone(&children);
    console.press("qq");
    assert!(console.ends().success());
}

#[test]
fn with_endpoints_named_a_bundled_server_comes_by_key_only() {
    let named = free_port();
    let mut console = Console::start(&["--endpoints", &named]);
    console.sees("verdict: nobody answers");
    console.sees("b starts a bundled server");
    assert_eq!(children_of(console.child.process_id().unwrap()), Vec::<String>::new());
    console.press("b");
    console.sees(&format!("nobody at {named}"));
    console.sees("quorum 1/1");
    console.press("qq");
    assert!(console.ends().success());
}
