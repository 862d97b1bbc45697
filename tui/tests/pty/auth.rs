//! The Auth screen in the real program.

use crate::console::Console;
use crate::member::Member;

/// Goal: users as a person works with them. Method: a user and a role are made, the role gets a permission and the user the
/// role, and the reason why it may read is asked for; the command line says the same.
#[test]
fn a_user_and_a_role_are_made_and_what_they_may_do_is_explained() {
    let member = Member::start();
    let mut console = Console::start(&["--endpoints", &member.endpoint]);
    console.resize(120, 36);
    console.sees("quorum 1/1");
    console.press("6");
    console.sees("users are off, no login");
    console.press("n");
    console.sees("new user:");
    console.press("alice\r");
    console.sees("password of alice:");
    console.press("tulip\r");
    console.sees("password of alice, again:");
    console.press("tulip\r");
    console.sees("alice was added");
    console.sees("alice  no role: may do nothing");
    console.press("N");
    console.sees("new role:");
    console.press("readers\r");
    console.sees("readers  no permission");
    console.press("a");
    console.sees("readers may:");
    console.press("read /config/ --prefix\r");
    console.sees("read      /config/ (prefix)");
    console.press("gj");
    console.sees("a add role");
    console.press("a");
    console.sees("role for alice:  ");
    console.press("readers\r");
    console.sees("alice has the role readers");
    console.press("e");
    console.sees("may: alice");
    console.press("read /config/app\r");
    console.sees("YES: users are off. With users on, too:");
    console.sees("role readers: read /config/ (prefix)");
    console.press("e");
    console.press("write /config/app\r");
    console.sees("No role of alice permits to write /config/app.");
    console.press("\x1b");
    console.sees("may write nothing");
    // The palette asks, too.
    console.press(":");
    console.sees("a command:");
    console.press("user passwd alice\r");
    console.sees("Password of alice:");
    console.press("orchid\r");
    console.sees("again for confirmation");
    console.press("orchid\r");
    console.sees("Password updated");
    let raw = String::from_utf8_lossy(&console.raw).into_owned();
    assert!(!raw.contains("tulip") && !raw.contains("orchid"), "a password is on the screen");
    assert_eq!(member.ctl(["user", "get", "alice"]), "User: alice\nRoles: readers\n");
    let role = member.ctl(["role", "get", "readers"]);
    assert!(role.contains("(prefix /config/)"), "{role}");
    console.press("\x03");
    console.signal("-TERM");
    assert_eq!(console.ends().exit_code(), 143);
}
