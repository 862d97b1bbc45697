//! The Leases screen in the real program.

use crate::console::Console;
use crate::member::Member;

/// Goal: a lease as a person works with it. Method: a member that others write to meanwhile.
#[test]
fn a_lease_is_granted_renewed_looked_into_and_revoked() {
    let member = Member::start();
    let mut console = Console::start(&["--endpoints", &member.endpoint]);
    console.resize(120, 36);
    console.sees("quorum 1/1");
    console.press("4");
    console.sees("No lease.");
    console.press("n");
    console.sees("grant: ");
    console.press("600 7f3a\r");
    console.sees("0000000000007f3a was granted for 600s");
    console.sees("no keys: an orphan");
    member.ctl(["put", "dir/a", "v", "--lease=7f3a"]);
    console.sees("1 key ends with it");
    console.press("A");
    console.sees("kept alive from here, renewed");
    console.press("\r");
    console.sees("Enter show the key");
    console.press("\r");
    console.sees("┌ Keys");
    console.sees("lease 7f3a");
    console.press("-");
    console.sees("┌ Leases 1");
    console.press("d");
    console.sees("revoke 0000000000007f3a and delete 1 key");
    console.press("y");
    console.sees("has ended, and 1 key with it");
    console.sees("No lease.");
    assert_eq!(member.ctl(["get", "dir/a"]), "");
    console.press("qq");
    assert!(console.ends().success());
}

/// Goal: whoever only looks ends no lease, and the id of one is completed in the palette. Method: one lease with a key.
#[test]
fn a_read_only_console_shows_leases_and_completes_their_ids() {
    let member = Member::start();
    let granted = member.ctl(["lease", "grant", "600"]);
    let id = granted.split(' ').nth(1).unwrap().to_owned();
    member.ctl(["put", "dir/a", "v", &format!("--lease={id}")]);
    let mut console = Console::start(&["--read-only", "--endpoints", &member.endpoint]);
    console.resize(120, 36);
    console.sees("READ-ONLY");
    console.sees("quorum 1/1");
    console.press("4");
    console.sees(&id);
    console.sees("dir/a");
    console.press("dAna");
    console.sees("read-only: nothing is changed from here");
    console.press(":");
    console.sees("a command:");
    console.press("lease timetolive \t");
    console.sees(&format!("lease timetolive {id}"));
    console.press("\r");
    console.sees("granted with TTL(600s)");
    assert_eq!(member.ctl(["get", "dir/a", "--print-value-only"]), "v\n");
    console.press("\x03");
    console.signal("-TERM");
    assert_eq!(console.ends().exit_code(), 143);
}
