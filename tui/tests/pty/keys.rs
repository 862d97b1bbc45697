//! The Keys screen in the real program.

use crate::console::Console;
use crate::member::{CTL, Member, editor, free_port};
use crate::proxy::{Proxy, Way};

/// Goal: the Keys screen in the real program, over a bundled member. Method: one key is made, edited in place and by
/// `$EDITOR`, looked at in the past, deleted and taken back, while the window changes its size.
#[test]
fn keys_are_made_edited_followed_into_the_past_deleted_and_taken_back() {
    let editor = ("EDITOR", "sed -i s/second/third/");
    let mut console = Console::start_with(&["--demo", "1", "--empty"], &[editor, ("VISUAL", "")]);
    console.sees("quorum 1/1");
    console.press("2");
    console.sees("there are no keys here");
    console.press("n");
    console.sees("new key:");
    console.press("app/greeting\r");
    console.sees("New key app/greeting");
    console.press("first\x13");
    console.sees("done: save app/greeting");
    console.sees("version 1");
    console.press("E");
    console.sees("Edit app/greeting");
    console.press("\x15");
    for _ in 0..5 {
        console.press("\x1b[3~");
    }
    console.press("second\x13");
    console.sees("version 2");
    console.resize(120, 36);
    console.sees("│ second");
    console.press("e");
    console.sees("│ third");
    console.sees("version 3");
    console.press("H");
    console.sees("History of app/greeting");
    console.sees("- second");
    console.sees("+ third");
    console.press("\x1b");
    console.misses("History of");
    console.press("[");
    console.sees("TIME TRAVEL at");
    console.sees("version 2");
    console.sees("│ second");
    console.resize(80, 24);
    console.sees("TIME TRAVEL at");
    console.press("T");
    console.misses("TIME TRAVEL at");
    console.sees("version 3");
    console.press("d");
    console.sees("!!  delete app/greeting");
    console.press("y");
    console.sees("done: delete app/greeting");
    console.sees("there are no keys here");
    console.press("u");
    console.sees("version 1");
    console.press("B");
    console.sees("GRAVEYARD");
    console.press("\x1b");
    console.misses("GRAVEYARD");
    // It is read anew.
    console.sees("│ third");
    console.press("y");
    console.copied("dGhpcmQ=");
    console.press("qq");
    assert!(console.ends().success());
}

/// The console on its Keys screen before a server, at the size of a large window.
fn keys_of(member: &Member, variables: &[(&str, &str)]) -> Console {
    keys_at(&member.endpoint, variables)
}

fn keys_at(endpoint: &str, variables: &[(&str, &str)]) -> Console {
    let mut console = Console::start_with(&["--endpoints", endpoint], variables);
    console.resize(120, 36);
    console.sees("quorum 1/1");
    console.press("2");
    console.sees("┌ Keys");
    console
}

/// Types an answer to a question of the bottom line, in place of what stands there.
fn answer(console: &mut Console, key: &str, question: &str, text: &str) {
    console.press(key);
    console.sees(&format!("{question}: "));
    console.press(&format!("\x15{text}\r"));
    console.misses(&format!(" {question}: "));
}

/// Goal: the tree by any separator, bytes that are no text, and the three ways to find a key. Method: keys of a few
/// levels and one of raw bytes, looked for as a person would.
#[test]
fn the_tree_takes_any_separator_and_any_bytes_and_finds_keys() {
    let member = Member::start();
    for n in 0..40 {
        member.ctl(["put", &format!("/config/web/limits/l{n:02}"), "1"]);
    }
    member.ctl(["put", "/config/web/timeout", "250"]);
    member.ctl(["put", "/registry/pods/a", "b"]);
    member.ctl(["put", "app:eu:port", "8080"]);
    let mut console = keys_of(&member, &[]);
    console.sees("▸ /");
    console.sees("42 │");
    // A level at a time: what is below is counted, and not there until it is opened.
    console.press("\r");
    console.sees("▸ config/");
    console.press("j\r");
    console.sees("▸ web/");
    assert!(!console.shown().contains("timeout"), "{}", console.shown());
    answer(&mut console, "f", "jump to", "cfgtmo");
    console.sees("┌ /config/web/timeout");
    console.sees("│ 250");
    answer(&mut console, "/", "filter", "time");
    console.sees("Keys  all keys  /time");
    console.press("\x1b");
    console.misses("/time ");
    // The server filters, and the rest of the keys is not there.
    answer(&mut console, "F", "prefix", "/config/web/limits/");
    console.sees("Keys  /config/web/limits/ ");
    console.sees("l25");
    console.misses("registry");
    answer(&mut console, "F", "prefix", "");
    console.sees("Keys  all keys");
    answer(&mut console, "|", "separator", ":");
    console.sees("sep :");
    console.sees("▸ app:");
    console.press("G\r");
    console.sees("▸ eu:");
    answer(&mut console, "|", "separator", "");
    console.sees("no separator");
    console.press("G");
    console.sees("┌ app:eu:port");
    answer(&mut console, "|", "separator", "/");
    // Bytes that are no text, typed and shown by their numbers; nothing of them reaches the terminal raw.
    answer(&mut console, "n", "new key", r"\xff\x00\x1b[31m/\xfe");
    console.sees(r"New key \xff\x00\x1b[31");
    console.press("raw\x13");
    console.sees(r"done: save \xff\x00\x1b[31m/\xfe");
    console.sees(r"▾ \xff\x00\x1b[31m/");
    console.sees(r"┌ \xff\x00\x1b[31m/\xfe");
    console.sees("│ raw");
    assert!(!console.raw.windows(5).any(|bytes| bytes == b"\x1b[31m/"), "a key was obeyed");
    console.press("qq");
    assert!(console.ends().success());
}

/// Goal: each viewer shows a value as what it is, and long lines can be read to their end. Method: one value for each.
#[test]
fn values_are_shown_as_text_json_yaml_kubernetes_and_hex() {
    let member = Member::start();
    member.ctl(["put", "a-json", r#"{"read_ms":1500,"hosts":["x"]}"#]);
    member.ctl(["put", "b-text", "plain\nsecond line"]);
    let mut console = keys_of(&member, &[]);
    console.run(r#"put c-bytes "\x00\x01\xfe""#);
    console.run(r#"put d-pod "k8s\x00\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x05\x0a\x03abc""#);
    console.press("rg");
    console.sees("┌ a-json");
    console.sees("[auto → json]");
    console.sees(r#"│     "read_ms": 1500,"#);
    console.press("v");
    console.sees("[text]");
    console.sees(r#"│ {"read_ms":1500,"hosts":["x"]}"#);
    console.press("v");
    console.sees("[json]");
    console.press("v");
    console.sees("[yaml]");
    console.sees("│   read_ms: 1500");
    console.press("v");
    console.sees("[k8s]");
    console.sees("this is no Kubernetes object");
    console.press("v");
    console.sees("[hex]");
    console.sees("7b 22 72 65");
    console.press("vv");
    console.sees("[auto → json]");
    console.press("j");
    console.sees("[auto → text]");
    console.sees("│ second line");
    console.press("j");
    console.sees("[auto → hex]");
    console.sees("00 01 fe");
    console.press("j");
    console.sees("[auto → k8s]");
    console.sees("apiVersion: v1");
    console.sees("kind: Pod");
    // A line that is longer than the pane is moved sideways, and back.
    let long = format!("put e-long 'begins {} the end of it'", "-".repeat(150));
    console.run(&long);
    console.press("r");
    console.sees("  e-long");
    console.press("G");
    console.sees("│ begins ---");
    console.press("\r");
    console.press("llllllll");
    console.sees("-- the end of it");
    console.sees("column 152");
    console.press("\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D");
    console.sees("│ begins ---");
    console.press("?");
    console.sees("l →");
    console.sees("more of what is to the right");
    console.press("?");
    console.press("v");
    console.sees("[text]");
    console.press("h");
    console.press("qq");
    assert!(console.ends().success());
}

/// Goal: nobody's change is lost, and no lease. Method: a key is edited here and by `$EDITOR`, and somebody else writes
/// it meanwhile, each time.
fn somebody_else_is_faster(member: &Member, lease: Option<&str>) {
    let with = lease.map(|id| format!("--lease={id}"));
    let put = |value: &str| member.ctl(["put", "k", value].into_iter().chain(with.as_deref()));
    // The screen shows no zeros before an id.
    let shown = format!("lease {} ", lease.map_or("none", |id| id.trim_start_matches('0')));
    put("one");
    let dir = tempfile::tempdir().unwrap();
    let theirs = format!(
        "{CTL} --endpoints={} put k faster {}",
        member.endpoint,
        with.as_deref().unwrap_or_default()
    );
    let once = dir.path().join("once").display().to_string();
    // The first edit takes so long that somebody else is faster.
    let script = format!("[ -e {once} ] || {theirs} >> {once}\necho edited > \"$1\"");
    let editor = editor(dir.path(), &script);
    let mut console = keys_of(member, &[("EDITOR", &editor), ("VISUAL", "")]);
    console.sees("│ one");
    console.sees(&shown);
    console.press("E");
    console.sees("Edit k");
    console.press("mine, not \x1b");
    console.sees("not saved: ^s saves");
    console.press("\x1b");
    console.misses("Edit k");
    console.press("E");
    console.sees("Edit k");
    put("theirs");
    console.press("mine \x13");
    console.sees("Changed meanwhile: k");
    console.sees("- theirs");
    console.sees("+ mine one");
    assert_eq!(member.ctl(["get", "k", "--print-value-only"]), "theirs\n");
    // Esc gives it up: theirs is shown.
    console.press("\x1b");
    console.misses("Changed meanwhile");
    console.sees("│ theirs");
    console.press("e");
    console.sees("Changed meanwhile: k");
    console.sees("- faster");
    console.sees("+ edited");
    assert_eq!(member.ctl(["get", "k", "--print-value-only"]), "faster\n");
    console.press("e");
    console.misses("Changed meanwhile");
    console.sees("│ edited");
    console.sees(&shown);
    assert_eq!(member.ctl(["get", "k", "--print-value-only"]), "edited\n");
    console.press("qq");
    assert!(console.ends().success());
}

#[test]
fn an_edit_that_somebody_was_faster_with_writes_nothing_and_can_be_made_over_theirs() {
    somebody_else_is_faster(&Member::start(), None);
}

/// Where there are leases: on etcd, if `ETCD_BIN` and `ETCDCTL_BIN` name its programs.
#[test]
fn an_edit_keeps_the_lease_of_the_key() {
    if let Some(etcd) = Member::etcd()
        && let Some(lease) = etcd.lease()
    {
        somebody_else_is_faster(&etcd, Some(&lease));
    }
}

/// Goal: a delete of many says exactly what it takes, needs a `y`, and can be taken back from the graveyard. Method: a
/// directory and marks, and answers that are no yes.
#[test]
fn a_delete_of_many_is_counted_asked_and_found_in_the_graveyard() {
    let member = Member::start();
    for n in 0..30 {
        member.ctl(["put", &format!("jobs/j{n:02}"), &format!("work {n}")]);
    }
    member.ctl(["put", "other", "stays"]);
    let mut console = keys_of(&member, &[]);
    console.sees("▸ jobs/");
    console.press("d");
    console.sees("delete 30 keys below jobs/");
    console.sees("jobs/j00");
    console.sees("more");
    // Neither yes nor no.
    console.press("\rx");
    console.sees("delete 30 keys below jobs/");
    console.press("n");
    console.misses("delete 30 keys");
    assert!(
        member.ctl(["get", "jobs/", "--prefix", "--count-only", "-w", "fields"]).contains("30")
    );
    console.press("\r");
    console.sees("j01");
    console.press("j  ");
    console.sees("2 marked");
    console.press("d");
    console.sees("delete 2 keys of 2 marks");
    console.press("y");
    console.sees("deleted 2 keys");
    console.misses("2 marked");
    console.press("gd");
    console.sees("delete 28 keys below jobs/");
    console.press("y");
    console.sees("deleted 28 keys");
    console.misses("jobs/ ");
    assert_eq!(member.ctl(["get", "", "--prefix", "--keys-only"]), "other\n\n");
    console.press("B");
    console.sees("GRAVEYARD");
    console.sees("30 keys");
    // The latest delete comes first.
    console.sees("jobs/j02");
    console.press("Gk");
    console.sees("│ work 1 ");
    console.press("R");
    console.sees("done: put jobs/j01 back");
    console.misses("GRAVEYARD");
    console.sees("┌ jobs/j01");
    assert_eq!(member.ctl(["get", "jobs/j01", "--print-value-only"]), "work 1\n");
    // All others, and then the last change is taken back: it deletes exactly what it put back.
    console.press("B");
    console.sees("29 keys");
    console.press("a");
    console.sees("29 marked");
    console.press("R");
    console.sees("put back 29 keys as they were before their deletes");
    console.press("y");
    console.sees("put back 29 keys");
    console.misses("GRAVEYARD");
    console.sees("jobs/  ");
    assert_eq!(member.ctl(["get", "jobs/j29", "--print-value-only"]), "work 29\n");
    console.press("u");
    console.sees("undo: put back 29 keys");
    console.misses("30 │");
    assert_eq!(member.ctl(["get", "", "--prefix", "--keys-only"]), "jobs/j01\n\nother\n\n");
    console.press("qq");
    assert!(console.ends().success());
}

/// Goal: the past of a key and of all keys, up to the wall of a compaction. Method: a key that was deleted and made
/// again, walked through by every key that moves in time.
fn the_past_is_walked_through(member: &Member, endpoint: &str) {
    let write = |line: &str| member.write(line.split(' '));
    let [one, two, gone] = ["put k one", "put k two", "del k"].map(write);
    let [other, three, _] = ["put other x", "put k three", "put late y"].map(write);
    let mut console = keys_at(endpoint, &[]);
    console.sees("│ three");
    // The strip shows what changed and where the delete was.
    console.sees("┌ Revisions  1 (");
    console.sees("×");
    console.press("H");
    console.sees("History of k");
    for version in [format!("v1  @{three}"), format!("deleted @{gone}"), format!("v2  @{two}")] {
        console.sees(&version);
    }
    console.sees(&format!("v1  @{one}"));
    console.sees("complete");
    console.press("jj");
    console.sees("- one");
    console.sees("+ two");
    console.press("k");
    console.sees("- two");
    console.press("\x1b");
    console.misses("History of");
    console.sees("Enter open");
    // Backwards, step by step: the tree is as it was.
    console.press("[");
    console.sees(&format!("TIME TRAVEL at {three},"));
    console.misses("late");
    console.press("[");
    console.sees(&format!("TIME TRAVEL at {other},"));
    console.press("[");
    console.sees(&format!("TIME TRAVEL at {gone},"));
    console.sees("there were no keys here");
    console.press("[");
    console.sees(&format!("TIME TRAVEL at {two},"));
    console.sees("│ two");
    console.press("d");
    console.sees("nothing is edited in the past");
    console.press("]");
    console.sees(&format!("TIME TRAVEL at {gone},"));
    console.press("{");
    console.sees("TIME TRAVEL at 1,");
    console.press("]");
    console.sees(&format!("TIME TRAVEL at {one},"));
    console.sees("│ one");
    console.sees("▲");
    // What was then is put back into what is.
    console.press("R");
    console.sees(&format!("put k back as of {one}"));
    console.misses("TIME TRAVEL");
    console.sees("│ one");
    console.sees("late");
    assert_eq!(member.ctl(["get", "k", "--print-value-only"]), "one\n");
    answer(&mut console, "t", "revision", &other.to_string());
    console.sees(&format!("TIME TRAVEL at {other},"));
    console.misses("late");
    console.press("T");
    console.misses("TIME TRAVEL");
    console.sees("late");
    member.ctl(["compaction", &three.to_string()]);
    behind_the_wall(member, console, two, three);
}

/// What is compacted is not shown, what is there stays on screen, and what was deleted since can be taken back.
fn behind_the_wall(member: &Member, mut console: Console, revision: i64, wall: i64) {
    answer(&mut console, "t", "revision", &revision.to_string());
    console.sees(&format!("cannot show the keys at revision {revision}"));
    console.sees("compacted");
    assert!(console.shown().contains("late"), "{}", console.shown());
    console.press("d");
    console.sees("!!  delete k");
    console.press("y");
    console.sees("done: delete k");
    console.press("B");
    console.sees("GRAVEYARD");
    console.sees("1 key ");
    console.sees(&format!("┌ Revisions  {wall} (compacted wall) ..."));
    console.sees("│ one");
    console.press("R");
    console.sees("put k back as of");
    console.misses("GRAVEYARD");
    assert_eq!(member.ctl(["get", "k", "--print-value-only"]), "one\n");
    console.press("qq");
    assert!(console.ends().success());
}

#[test]
fn the_past_of_a_member_is_walked_through_to_the_wall_of_a_compaction() {
    let member = Member::start();
    the_past_is_walked_through(&member, &member.endpoint);
}

/// The same where the server offers the etcd API alone: etcd itself, if `ETCD_BIN` names it; otherwise a member of which
/// no more than that is seen.
#[test]
fn the_past_of_an_etcd_is_walked_through_by_its_api_alone() {
    if let Some(etcd) = Member::etcd() {
        the_past_is_walked_through(&etcd, &etcd.endpoint);
    } else {
        let front = free_port();
        let member = Member::behind(&front);
        let proxy = Proxy::start(&front, &member.endpoint);
        proxy.set(Way::Stock);
        the_past_is_walked_through(&member, &front);
    }
}
