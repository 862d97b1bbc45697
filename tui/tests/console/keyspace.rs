//! Goal: what the Keys screen does with keys, late answers, conflicts and servers that fail. Method: the real state and
//! engine against a real member, and a fake one for faults.

use bytes::Bytes;
use crossterm::event::KeyCode;
use mini_etcd_tui::console::{Effect, Msg, Overlay};
use mini_etcd_tui::engine::order::Order;
use mini_etcd_tui::engine::report::Report;
use mini_etcd_tui::engine::request::Answer;
use mini_etcd_tui::screens::keys::model::{Page, Target};
use mini_etcd_tui::screens::keys::tree::RowKind;

use crate::driver::{Driver, Member, everything, put};
use crate::fake::{Fake, Mood};
use crate::support::ctrl;

fn rows(driver: &Driver) -> Vec<String> {
    let tree = &driver.state.keys.tree;
    let row = |row: &mini_etcd_tui::screens::keys::tree::Row| {
        let name = String::from_utf8_lossy(tree.name(row.node)).into_owned();
        let more = if row.kind == RowKind::Node { "" } else { "..." };
        format!("{}{more}{name}", " ".repeat(row.depth.into()))
    };
    tree.rows().iter().map(row).collect()
}

pub fn choose(driver: &mut Driver, key: &[u8]) {
    let row = driver.state.keys.tree.row_of_key(key).unwrap();
    while driver.state.keys.chosen < row {
        driver.press(KeyCode::Char('j'));
    }
    while driver.state.keys.chosen > row {
        driver.press(KeyCode::Char('k'));
    }
}

#[tokio::test]
async fn a_large_directory_comes_in_pages_and_others_cost_one_jump_each() {
    let member = Member::start().await;
    let client = member.client();
    let puts = (0..1200).map(|n| {
        let client = &client;
        async move { put(client, format!("many/{n:04}").as_bytes(), b"v").await }
    });
    futures::future::join_all(puts).await;
    for key in ["a", "a!", "a/x", "zz::y", "many"] {
        put(&client, key.as_bytes(), b"v").await;
    }
    let mut driver = Driver::keys(&member.endpoint).await;
    assert_eq!(rows(&driver), ["a", "a!", "many", "zz::y"]);
    choose(&mut driver, b"many");
    driver.press(KeyCode::Enter);
    driver.settle().await;
    assert_eq!(driver.state.keys.tree.rows().len(), 4 + 501);
    let more = driver.state.keys.tree.rows().iter().position(|r| r.kind == RowKind::More);
    driver.state.keys.chosen = more.unwrap();
    for _ in 0..2 {
        driver.press(KeyCode::Enter);
        driver.settle().await;
        let rows = driver.state.keys.tree.rows();
        driver.state.keys.chosen = rows.iter().position(|r| r.kind == RowKind::More).unwrap_or(0);
    }
    assert_eq!(driver.state.keys.tree.rows().len(), 4 + 1200);
    // Another separator, of two bytes; then none.
    driver.type_text("|");
    driver.press(KeyCode::Backspace);
    driver.type_text("::");
    driver.press(KeyCode::Enter);
    driver.settle().await;
    assert_eq!(rows(&driver)[..3], ["a", "a!", "a/x"]);
    driver.type_text("|");
    driver.press(KeyCode::Backspace);
    driver.press(KeyCode::Backspace);
    driver.press(KeyCode::Enter);
    driver.settle().await;
    assert_eq!(rows(&driver)[2], "a/x");
    // The server filters.
    driver.type_text("Fmany/11");
    driver.press(KeyCode::Enter);
    driver.settle().await;
    assert_eq!(driver.state.keys.tree.rows().len(), 100);
}

#[tokio::test]
async fn what_is_chosen_while_the_tree_is_read_anew_stays_chosen() {
    let member = Member::start().await;
    let client = member.client();
    for key in [b"a", b"b", b"c"] {
        put(&client, key, b"v").await;
    }
    let mut driver = Driver::keys(&member.endpoint).await;
    // The answer is taken in after the motion.
    driver.type_text("rj");
    driver.settle().await;
    assert_eq!(driver.state.keys.chosen, 1);
}

#[tokio::test]
async fn an_edit_is_undone_and_never_overwrites_what_it_did_not_see() {
    let member = Member::start().await;
    let client = member.client();
    put(&client, b"k", b"old").await;
    let mut driver = Driver::keys(&member.endpoint).await;
    driver.type_text("E");
    driver.type_text("very ");
    let saved = ctrl(&mut driver.state, 's');
    driver.send(saved);
    driver.settle().await;
    let kv = everything(&client, 0).await.remove(0);
    assert_eq!(kv.value, "very old");
    driver.type_text("u");
    driver.settle().await;
    let kv = everything(&client, 0).await.remove(0);
    assert_eq!(kv.value, "old");
    // Somebody else writes while it is edited outside.
    driver.type_text("e");
    let Some(Effect::Edit { ticket, text, .. }) = driver.wanted.pop() else { panic!("no editor") };
    assert_eq!(text, b"old");
    put(&client, b"k", b"theirs").await;
    driver.update(Msg::Report(0, Report::Answer(ticket, Answer::of(b"mine\n".to_vec()))));
    driver.settle().await;
    assert_eq!(everything(&client, 0).await[0].value, "theirs");
    let conflict = driver.state.keys.right.conflict().unwrap();
    let shown: Vec<String> = (0..conflict.diff.len())
        .map(|line| format!("{}{}", conflict.diff.sign(line).unwrap(), conflict.diff.text(line)))
        .collect();
    assert_eq!(shown, ["-theirs", "+mine"]);
    // Yours over theirs, now that both were seen.
    driver.type_text("e");
    let Some(Effect::Edit { ticket, text, .. }) = driver.wanted.pop() else { panic!("no editor") };
    assert_eq!(text, b"mine");
    driver.update(Msg::Report(0, Report::Answer(ticket, Answer::of(b"both".to_vec()))));
    driver.settle().await;
    assert_eq!(everything(&client, 0).await[0].value, "both");
}

#[tokio::test]
async fn one_key_is_deleted_and_undone_many_are_asked_with_their_count() {
    let member = Member::start().await;
    let client = member.client();
    for key in ["d/1", "d/2", "d/3", "single"] {
        put(&client, key.as_bytes(), b"v").await;
    }
    let mut driver = Driver::keys(&member.endpoint).await;
    choose(&mut driver, b"single");
    driver.settle().await;
    driver.type_text("d");
    assert_eq!(everything(&client, 0).await.len(), 4, "it asks first");
    driver.type_text("y");
    driver.settle().await;
    assert_eq!(everything(&client, 0).await.len(), 3);
    driver.type_text("u");
    driver.settle().await;
    assert_eq!(everything(&client, 0).await.len(), 4);
    driver.press(KeyCode::Char('g'));
    driver.type_text(" d");
    assert_eq!(driver.state.keys.marks.first(), Some(&Target::Prefix(Bytes::from("d/"))));
    driver.settle().await;
    let Some(Overlay::Confirm(confirm)) = driver.state.ctx.overlays.last() else { panic!("asked") };
    assert_eq!(confirm.title, "delete 3 keys below d/");
    assert!(confirm.text.contains("d/1  d/2  d/3"), "{}", confirm.text);
    driver.press(KeyCode::Enter);
    assert_eq!(everything(&client, 0).await.len(), 4, "Enter is no yes");
    driver.type_text("y");
    driver.settle().await;
    assert_eq!(everything(&client, 0).await.len(), 1);
}

#[tokio::test]
async fn a_new_key_of_any_bytes_is_made_found_and_copied() {
    let member = Member::start().await;
    let client = member.client();
    put(&client, b"other/config", b"1").await;
    let mut driver = Driver::keys(&member.endpoint).await;
    driver.type_text(r"n");
    for _ in 0..10 {
        driver.press(KeyCode::Backspace);
    }
    driver.type_text(r"deep/er/\xff\x00");
    driver.press(KeyCode::Enter);
    driver.type_text("value");
    let saved = ctrl(&mut driver.state, 's');
    driver.send(saved);
    driver.settle().await;
    let made = everything(&client, 0).await.remove(0);
    assert_eq!((&made.key[..], &made.value[..]), (&b"deep/er/\xff\x00"[..], &b"value"[..]));
    assert_eq!(driver.state.keys.value.key.as_deref(), Some(&made.key[..]), "it is chosen");
    driver.type_text("yY");
    let shell = ctrl(&mut driver.state, 'y');
    driver.send(shell);
    driver.type_text("C");
    assert_eq!(driver.wanted[0], Effect::Copy(b"value".to_vec()));
    let copied = |at: usize| match &driver.wanted[at] {
        Effect::Copy(line) => String::from_utf8_lossy(line).into_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(copied(1), r#"get "deep/er/\xff\x00""#);
    let piped = r#"printf '%s\n' 'get "deep/er/\xff\x00"' | mini-etcd-tui repl --endpoints="#;
    assert!(copied(2).starts_with(piped), "{}", copied(2));
    let made = r#"txn if version("deep/er/\xff\x00") = "0" then put "deep/er/\xff\x00" value end"#;
    assert_eq!(copied(3), made);
    driver.type_text("fotcon");
    driver.settle().await;
    assert_eq!(driver.state.keys.matches.keys, [Bytes::from("other/config")]);
    driver.press(KeyCode::Enter);
    driver.settle().await;
    assert_eq!(driver.state.keys.value.key.as_deref(), Some(&b"other/config"[..]));
}

#[tokio::test]
async fn a_server_that_denies_is_told_and_the_screen_stays_alive() {
    let server = Fake::start(1, 9, Mood::Denies).await;
    let mut driver = Driver::keys(&server.address.to_string()).await;
    let toast = driver.state.ctx.toasts.shown().last().unwrap().clone();
    assert!(toast.what.contains("cannot read the keys"), "{toast:?}");
    assert!(toast.why.contains("permission denied"), "{toast:?}");
    assert!(driver.state.keys.fresh.stale(driver.state.ctx.now).is_some());
    driver.type_text("?");
    assert!(matches!(driver.state.ctx.overlays.last(), Some(Overlay::Help(_))));
}

#[tokio::test]
async fn a_server_that_stalls_is_given_up_by_a_key_and_its_late_answer_is_dropped() {
    let server = Fake::start(1, 9, Mood::Stalls).await;
    let mut driver = Driver::start(&server.address.to_string());
    driver.press(KeyCode::Char('2'));
    assert!(driver.state.keys.is_reading());
    let dropped = ctrl(&mut driver.state, 'c');
    assert!(matches!(dropped.as_slice(), [Effect::Engine(Order::Drop(_))]), "{dropped:?}");
    let Effect::Engine(Order::Drop(ticket)) = dropped[0] else { unreachable!() };
    driver.send(dropped);
    assert!(driver.state.keys.is_settled());
    driver.update(Msg::Report(0, Report::Answer(ticket, Answer::of(Page::default()))));
    assert_eq!(driver.state.keys.tree.revision, 0);
    // The next press of ^c is about leaving.
    assert_eq!(ctrl(&mut driver.state, 'c'), []);
    assert!(driver.state.leaving.is_some());
}

#[tokio::test]
async fn a_server_that_vanishes_leaves_what_was_read_on_screen_and_says_so() {
    let member = Member::start().await;
    put(&member.client(), b"a", b"v").await;
    let mut driver = Driver::keys(&member.endpoint).await;
    drop(member);
    driver.type_text("r");
    driver.settle().await;
    assert_eq!(rows(&driver), ["a"]);
    assert!(driver.state.keys.fresh.stale(driver.state.ctx.now).is_some());
    assert!(!driver.state.ctx.toasts.shown().is_empty());
}
