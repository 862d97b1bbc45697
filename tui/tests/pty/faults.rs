//! Goal: a server that stalls, resets, denies or is gone is told of on every screen, keeps nothing from being shown and
//! no key from being obeyed, and everything goes on when it is back. Method: a way to one member that is made bad while
//! the console looks at keys and follows a tail.

use crate::console::Console;
use crate::member::{Member, free_port};
use crate::proxy::{Proxy, Way};

/// A console that has a tree and a tail over a way that can be made bad.
struct Scene {
    console: Console,
    proxy: Proxy,
    member: Member,
}

impl Scene {
    fn start() -> Self {
        let front = free_port();
        let member = Member::behind(&front);
        member.ctl(["put", "dir/a", "first"]);
        let proxy = Proxy::start(&front, &member.endpoint);
        let mut console = Console::start(&["--endpoints", &front]);
        console.resize(120, 36);
        console.sees("quorum 1/1");
        console.press("2");
        console.sees("▸ dir/");
        console.press("\r");
        console.sees("a ");
        console.press("3");
        console.sees("No tail yet");
        console.press("w");
        console.sees("New tail");
        console.press("\r");
        console.sees("begins at");
        Self { console, proxy, member }
    }

    /// Keys are obeyed: help comes and goes.
    fn lives(&mut self) {
        self.console.press("?");
        self.console.sees("Esc closes, j k scroll");
        self.console.press("?");
        self.console.misses("Esc closes, j k scroll");
    }
}

/// What is said of the fault: `cluster` where members are followed, `keys` where keys are read, `watch` of the tail.
fn told(way: Way, cluster: &str, keys: &str, watch: &str) {
    let mut scene = Scene::start();
    scene.console.press("2");
    scene.console.sees("▾ dir/");
    scene.proxy.set(way);
    // It is told without a question, and what was read stays, as old as it is.
    scene.console.sees("! default stopped answering");
    scene.console.sees(" stale ");
    // Who is silent need not be dead; who refuses where it listened is.
    scene.console.sees(if way == Way::Gone { "quorum 0/1" } else { "nobody answers" });
    scene.console.press("r");
    scene.console.sees("! cannot read the keys");
    scene.console.sees(keys);
    scene.console.sees(" stale ");
    assert!(scene.console.shown().contains("▾ dir/"), "{}", scene.console.shown());
    scene.lives();
    scene.console.press("1");
    scene.console.sees(if way == Way::Gone { "○ down" } else { "◌ silent" });
    scene.console.sees(cluster);
    scene.lives();
    scene.console.press("3");
    scene.console.sees(watch);
    scene.lives();
    scene.proxy.set(Way::Open);
    scene.console.sees("quorum 1/1");
    if way == Way::Denies {
        // What was refused is asked again only when somebody wants it.
        scene.console.press("r");
    }
    scene.console.sees(" live ");
    scene.member.ctl(["put", "dir/b", "second"]);
    scene.console.sees("new  second");
    scene.console.press("2");
    scene.console.sees("b        ");
    scene.console.misses(" stale ");
    scene.console.press("1");
    scene.console.sees("verdict: OK, one member");
    scene.console.press("qq");
    assert!(scene.console.ends().success());
}

#[test]
fn a_server_that_stalls_is_told_of_and_borne() {
    told(Way::Stalls, "no answer in time", "no answer", "away");
}

#[test]
fn a_server_that_resets_every_connection_is_told_of_and_borne() {
    told(Way::Resets, "closed the connection", "closed the connection", "away");
}

#[test]
fn a_server_that_denies_everything_is_told_of_and_borne() {
    told(Way::Denies, "it refuses", "permission denied", "away");
}

#[test]
fn a_server_that_is_gone_is_told_of_and_borne() {
    told(Way::Gone, "connection refused", "nothing listens there", "away");
}

#[test]
fn what_a_stalled_server_is_asked_can_be_given_up_by_key() {
    let mut scene = Scene::start();
    scene.console.press("2G");
    scene.console.sees("│ first");
    scene.proxy.set(Way::Stalls);
    scene.console.press("H");
    scene.console.sees("… reading");
    scene.console.press("\x03");
    scene.console.misses("… reading");
    assert!(!scene.console.shown().contains("cannot read"), "{}", scene.console.shown());
    scene.console.press("\x1b");
    scene.console.misses("History of");
    scene.proxy.set(Way::Open);
    scene.console.press("H");
    scene.console.sees("complete");
    scene.console.press("qq");
    assert!(scene.console.ends().success());
}

/// Goal: the same from the start on, when nothing has been read yet. Method: each fault before the console begins.
#[test]
fn a_server_that_is_bad_from_the_start_is_told_of_and_taken_up_when_it_is_well() {
    let front = free_port();
    let member = Member::behind(&front);
    member.ctl(["put", "dir/a", "first"]);
    let proxy = Proxy::start(&front, &member.endpoint);
    for (way, words) in [
        (Way::Stalls, "no answer in time"),
        (Way::Resets, "closed the connection"),
        (Way::Denies, "it refuses: etcdserver: permission denied"),
        (Way::Gone, "connection refused"),
    ] {
        proxy.set(way);
        let mut console = Console::start(&["--endpoints", &front]);
        let verdict = if way == Way::Denies { "REFUSED" } else { "nobody answers" };
        console.sees(&format!("verdict: {verdict}"));
        console.sees(words);
        console.press("2");
        console.sees("! cannot read the keys");
        console.sees(" stale ");
        console.sees("not read: ");
        console.press("3");
        console.sees("No tail yet");
        console.press("?");
        console.sees("Esc closes, j k scroll");
        console.press("?2");
        proxy.set(Way::Open);
        console.sees("quorum 1/1");
        console.sees("▸ dir/");
        console.misses(" stale ");
        console.press("qq");
        assert!(console.ends().success(), "{way:?}");
    }
}
