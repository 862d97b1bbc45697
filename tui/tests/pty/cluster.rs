//! What is done to a cluster from its screen, in the real program.

use crate::console::Console;
use crate::member::{Member, free_port};

/// Goal: a second member by the keys, from the line that is shown to its vote. Method: the line is carried out.
#[test]
fn a_member_is_added_started_promoted_and_removed() {
    let member = Member::start();
    let mut console = Console::start(&["--endpoints", &member.endpoint]);
    console.resize(120, 36);
    console.sees("quorum 1/1");
    let second = free_port();
    console.press("a");
    console.sees("add a learner: ");
    console.press(&format!("n2 http://{second}\r"));
    console.sees("It has no vote until it is promoted");
    console.press("y");
    console.sees(&format!("start it: mini-etcd --name n2 --listen {second} --join"));
    let started = Member::joining("n2", &second, &member.endpoint);
    console.sees("◐ learner");
    console.press("\x1b");
    console.misses("start it: ");
    console.press("G");
    console.sees("promote n2");
    console.press("P");
    console.sees("promote n2: it gets a vote");
    console.press("y");
    console.sees("quorum 2/2");
    console.press("d");
    console.sees("remove n2 from the cluster");
    console.press("n2\r");
    console.sees("quorum 1/1");
    drop(started);
    assert_eq!(member.ctl(["put", "k", "v"]), "OK\n");
    console.press("qq");
    assert!(console.ends().success());
}

/// Goal: a member whose space is used up takes writes again. Method: one key is written over until it is full.
#[test]
fn a_full_member_is_rescued() {
    let member = Member::with(&["--quota-backend-bytes=2097152"]);
    let value = "v".repeat(60_000);
    while member.try_ctl(["put", "k", &value]).0 {}
    let mut console = Console::start(&["--endpoints", &member.endpoint]);
    console.resize(120, 36);
    console.sees("WRITES REFUSED");
    console.sees("R rescue");
    console.press("R");
    console.sees("see that every member has room");
    console.press("rescue\r");
    console.sees("rescue from NOSPACE is done");
    console.sees("quorum 1/1");
    console.misses("WRITES REFUSED");
    assert_eq!(member.ctl(["put", "k", "v"]), "OK\n");
    console.press("qq");
    assert!(console.ends().success());
}
