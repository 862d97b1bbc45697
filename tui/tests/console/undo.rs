//! Goal: `u` takes back exactly the last change of this console, or changes nothing and says why; what was asked about
//! is what is deleted. Method: the real state and engine on a real member, somebody else who writes meanwhile, and
//! random sequences of all of it.

use std::collections::BTreeMap;

use bytes::Bytes;
use crossterm::event::KeyCode;
use mini_etcd_proto::etcdserverpb::{DeleteRangeRequest, MemberListRequest};
use mini_etcd_shared::client::Client;
use mini_etcd_tui::console::{Confirm, Msg, Overlay};
use mini_etcd_tui::screens::keys::Undo;

use crate::driver::{Driver, Member, Place, everything, put};
use crate::keyspace::choose;
use crate::support::ctrl;

/// Keys with their values.
type Keys = BTreeMap<Vec<u8>, Vec<u8>>;

async fn keys(client: &Client) -> Keys {
    let all = everything(client, 0).await.into_iter();
    all.map(|kv| (kv.key.to_vec(), kv.value.to_vec())).collect()
}

async fn del(client: &Client, key: &str) {
    let key = Bytes::copy_from_slice(key.as_bytes());
    let request = DeleteRangeRequest { key, ..Default::default() };
    client.delete_range(request).await.into_result().unwrap();
}

fn asked(driver: &Driver) -> &Confirm {
    match driver.state.ctx.overlays.last() {
        Some(Overlay::Confirm(confirm)) => confirm,
        other => panic!("not asked: {other:?}, {:?}", driver.state.ctx.toasts.shown()),
    }
}

async fn press(driver: &mut Driver, keys: &str) {
    for key in keys.chars() {
        driver.press(if key == '\n' { KeyCode::Enter } else { KeyCode::Char(key) });
        driver.settle().await;
    }
}

async fn save(driver: &mut Driver) {
    let saved = ctrl(&mut driver.state, 's');
    driver.send(saved);
    driver.settle().await;
    // Back to the tree.
    driver.press(KeyCode::Esc);
    driver.settle().await;
}

async fn filled(count: usize) -> (Member, Client, Driver) {
    let member = Member::start().await;
    let client = member.client();
    let puts = (0..count).map(|n| {
        let client = &client;
        async move { put(client, format!("d/{n:04}").as_bytes(), n.to_string().as_bytes()).await }
    });
    futures::future::join_all(puts).await;
    put(&client, b"other", b"stays").await;
    let mut driver = Driver::keys(&member.endpoint).await;
    press(&mut driver, "r").await;
    (member, client, driver)
}

#[tokio::test]
async fn undo_after_a_delete_of_many_puts_back_all_of_them_and_nothing_older() {
    let (_member, client, mut driver) = filled(300).await;
    // An older change: a new key, whose undo would delete it.
    press(&mut driver, "n").await;
    for _ in 0..10 {
        driver.press(KeyCode::Backspace);
    }
    press(&mut driver, "new\nv").await;
    save(&mut driver).await;
    let before = keys(&client).await;
    choose(&mut driver, b"d/");
    press(&mut driver, "d").await;
    assert_eq!(asked(&driver).title, "delete 300 keys below d/");
    press(&mut driver, "y").await;
    assert_eq!(keys(&client).await.len(), 2);
    press(&mut driver, "u").await;
    assert_eq!(keys(&client).await, before, "{:?}", driver.state.ctx.toasts.shown());
    // And the way back.
    press(&mut driver, "u").await;
    assert_eq!(keys(&client).await.len(), 2);
    press(&mut driver, "u").await;
    assert_eq!(keys(&client).await, before);
}

#[tokio::test]
async fn undo_of_a_delete_of_many_changes_nothing_once_somebody_made_one_of_the_keys_again() {
    let (_member, client, mut driver) = filled(250).await;
    choose(&mut driver, b"d/");
    press(&mut driver, "dy").await;
    put(&client, b"d/0200", b"theirs").await;
    let before = keys(&client).await;
    press(&mut driver, "u").await;
    assert_eq!(keys(&client).await, before);
    let toast = driver.state.ctx.toasts.shown().last().unwrap().clone();
    assert!(toast.what.contains("d/0200 was changed meanwhile: nothing was done"), "{toast:?}");
    // It can be taken back once the other one has gone.
    del(&client, "d/0200").await;
    press(&mut driver, "u").await;
    assert_eq!(keys(&client).await.len(), 251);
}

/// Goal: data that was wiped or restored under the same number of the cluster is another history: nothing that was
/// meant for the one before is done in it. Method: two members that were begun alike, one in the place of the other.
#[tokio::test]
async fn nothing_is_taken_back_in_a_cluster_whose_data_was_replaced() {
    let (first, client, _) = filled(20).await;
    let second = Member::start().await;
    let other = second.client();
    put(&other, b"b", b"theirs").await;
    let id = async |client: &Client| {
        let list = client.member_list(MemberListRequest::default()).await.into_result().unwrap();
        list.header.unwrap().cluster_id
    };
    assert_eq!(id(&client).await, id(&other).await);
    let place = Place::before(&first).await;
    let mut driver = Driver::keys(&place.endpoint).await;
    press(&mut driver, "r").await;
    choose(&mut driver, b"other");
    driver.settle().await;
    press(&mut driver, "dy").await;
    assert_eq!(keys(&client).await.len(), 20);
    place.leads_to(&second);
    let theirs = keys(&other).await;
    press(&mut driver, "u").await;
    assert_eq!(keys(&other).await, theirs, "{:?}", driver.state.ctx.toasts.shown());
    // What is there now is read, and the reason stays.
    press(&mut driver, "r").await;
    driver.until("the keys of the other", |s| s.keys.tree.row_of_key(b"b").is_some()).await;
    let shown = driver.state.ctx.toasts.shown();
    assert!(shown.iter().any(|toast| toast.what.starts_with("the keys went back to")), "{shown:?}");
    press(&mut driver, "u").await;
    assert_eq!(keys(&other).await, theirs);
    assert!(matches!(driver.state.keys.undo, Some(Undo::Not(_))));
}

#[tokio::test]
async fn undo_refuses_when_the_last_change_was_made_by_a_command_or_given_up() {
    let (_member, client, mut driver) = filled(1).await;
    choose(&mut driver, b"other");
    driver.settle().await;
    press(&mut driver, "dy").await;
    assert!(matches!(driver.state.keys.undo, Some(Undo::By { .. })));
    driver.type_text(":put x y");
    driver.press(KeyCode::Enter);
    driver.until("it ran", |state| state.repl.running.is_none()).await;
    driver.press(KeyCode::Esc);
    driver.press(KeyCode::Esc);
    press(&mut driver, "u").await;
    assert!(!keys(&client).await.contains_key(&b"other"[..]));
    let said = format!("{:?}", driver.state.ctx.toasts.shown());
    assert!(said.contains("the last change was made by a command, put x y"), "{said}");
}

#[tokio::test]
async fn a_delete_is_asked_about_again_when_somebody_adds_a_key_meanwhile() {
    let (_member, client, mut driver) = filled(3).await;
    choose(&mut driver, b"d/");
    press(&mut driver, "d").await;
    assert_eq!(asked(&driver).title, "delete 3 keys below d/");
    put(&client, b"d/late", b"v").await;
    press(&mut driver, "y").await;
    assert_eq!(keys(&client).await.len(), 5, "nothing was deleted");
    assert_eq!(asked(&driver).title, "delete 4 keys below d/");
    assert!(asked(&driver).text.starts_with("Somebody changed them meanwhile. d/0000"));
    press(&mut driver, "y").await;
    assert_eq!(keys(&client).await.len(), 1);
}

#[tokio::test]
async fn one_key_is_asked_about_and_again_when_it_was_changed_meanwhile() {
    let (_member, client, mut driver) = filled(0).await;
    press(&mut driver, "d").await;
    assert_eq!(asked(&driver).title, "delete other");
    put(&client, b"other", b"newer one").await;
    press(&mut driver, "y").await;
    assert!(asked(&driver).text.starts_with("It was changed meanwhile. It has 9B, version 2"));
    press(&mut driver, "y").await;
    assert!(keys(&client).await.is_empty());
}

#[tokio::test]
async fn marks_inside_a_marked_directory_are_counted_once() {
    let (_member, client, mut driver) = filled(3).await;
    choose(&mut driver, b"d/");
    press(&mut driver, "\n").await;
    // The directory, and two keys in it.
    press(&mut driver, "   d").await;
    assert_eq!(driver.state.keys.marks.len(), 3);
    assert_eq!(asked(&driver).title, "delete 3 keys below d/");
    press(&mut driver, "y").await;
    assert_eq!(keys(&client).await.len(), 1);
}

#[tokio::test]
async fn marks_of_the_graveyard_and_a_directory_of_the_past_are_put_back_and_taken_away_again() {
    let (_member, client, mut driver) = filled(120).await;
    let before = keys(&client).await;
    let revision = driver.state.keys.tree.revision;
    choose(&mut driver, b"d/");
    press(&mut driver, "dyB").await;
    press(&mut driver, "  R").await;
    assert_eq!(asked(&driver).title, format!("put back 2 keys as of {revision}"));
    press(&mut driver, "y").await;
    assert_eq!(keys(&client).await.len(), 3);
    press(&mut driver, "u").await;
    assert_eq!(keys(&client).await.len(), 1);
    press(&mut driver, "BaR").await;
    assert_eq!(driver.state.keys.left.graveyard().unwrap().marks.len(), 120);
    press(&mut driver, "n").await;
    driver.press(KeyCode::Esc);
    driver.press(KeyCode::Esc);
    // One of them is there again: it stays as it is.
    put(&client, b"d/0007", b"theirs").await;
    driver.type_text(&format!("t{revision}"));
    press(&mut driver, "\n").await;
    choose(&mut driver, b"d/");
    press(&mut driver, "R").await;
    assert_eq!(asked(&driver).title, format!("put back 119 keys below d/ as of {revision}"));
    assert!(asked(&driver).text.contains("1 key is there now and stays as it is."));
    press(&mut driver, "y").await;
    let mut expected = before.clone();
    expected.insert(b"d/0007".to_vec(), b"theirs".to_vec());
    assert_eq!(keys(&client).await, expected);
    press(&mut driver, "u").await;
    assert_eq!(keys(&client).await.len(), 2);
}

#[tokio::test]
async fn pasted_line_ends_are_the_values_own_whatever_the_terminal_sends() {
    let (_member, client, mut driver) = filled(0).await;
    put(&client, b"crlf", b"a\r\nb").await;
    press(&mut driver, "r").await;
    for (key, expected) in [("crlf", &b"1\r\n2\r\n3a\r\nb"[..]), ("other", b"1\n2\n3stays")] {
        choose(&mut driver, key.as_bytes());
        driver.settle().await;
        press(&mut driver, "E").await;
        driver.update(Msg::Paste("1\r2\r\n3".to_owned()));
        save(&mut driver).await;
        assert_eq!(keys(&client).await[key.as_bytes()], expected, "{key}");
    }
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % sides
    }
}

/// What the last change of this console was about: each key before and after it.
type Last = BTreeMap<Vec<u8>, (Option<Vec<u8>>, Option<Vec<u8>>)>;

fn difference(before: &Keys, after: &Keys) -> Last {
    let all = before.keys().chain(after.keys());
    let pair = |key: &Vec<u8>| (key.clone(), (before.get(key).cloned(), after.get(key).cloned()));
    all.map(pair).filter(|(_, (before, after))| before != after).collect()
}

/// What an undo has to make of the keys: all of the last change taken back, or nothing.
fn undone(now: &Keys, last: &Last) -> Keys {
    let as_left = last.iter().all(|(key, (before, after))| {
        let value = now.get(key);
        value == after.as_ref() || value == before.as_ref()
    });
    let mut keys = now.clone();
    if as_left {
        for (key, (before, _)) in last {
            match before {
                Some(value) => keys.insert(key.clone(), value.clone()),
                None => keys.remove(key),
            };
        }
    }
    keys
}

#[tokio::test]
async fn an_undo_restores_exactly_what_the_last_change_changed_or_changes_nothing() {
    for seed in 1..=3 {
        let (_member, client, mut driver) = filled(6).await;
        choose(&mut driver, b"d/");
        press(&mut driver, "\n").await;
        let mut dice = Dice(seed);
        let mut last = Last::new();
        for step in 0..60 {
            let before = keys(&client).await;
            let rows = driver.state.keys.tree.rows().len();
            for _ in 0..dice.roll(rows.max(1)) {
                driver.press(KeyCode::Char('j'));
            }
            if dice.roll(4) == 0 {
                driver.press(KeyCode::Char('g'));
            }
            driver.settle().await;
            let roll = dice.roll(10);
            match roll {
                // An edit; on a directory nothing happens.
                0 | 1 => {
                    press(&mut driver, "E").await;
                    if driver.state.keys.right.editor().is_some() {
                        driver.type_text(&format!("s{step} "));
                        save(&mut driver).await;
                    }
                }
                2 | 3 => press(&mut driver, "dy").await,
                4 => press(&mut driver, "  dy").await,
                // All that was deleted.
                5 => {
                    press(&mut driver, "BaR").await;
                    if driver.state.ctx.overlays.is_empty() {
                        driver.press(KeyCode::Esc);
                    }
                    press(&mut driver, "y").await;
                }
                // Somebody else; values are new ones, so that no change looks like none.
                6 | 7 => {
                    let key = format!("d/{:04}", dice.roll(6));
                    if dice.roll(3) == 0 {
                        del(&client, &key).await;
                    } else {
                        put(&client, key.as_bytes(), format!("t{step}").as_bytes()).await;
                    }
                    press(&mut driver, "r").await;
                }
                _ => {
                    let had = driver.state.keys.undo.is_some();
                    let expected = if had { undone(&before, &last) } else { before.clone() };
                    press(&mut driver, "u").await;
                    let said = driver.state.ctx.toasts.shown();
                    let after = keys(&client).await;
                    assert_eq!(after, expected, "seed {seed}, step {step}: {last:?} {said:?}");
                    if after == before && !last.is_empty() {
                        assert!(!said.is_empty(), "seed {seed}, step {step}: no word");
                    }
                }
            }
            // A conflict, a question that nobody answered, marks, the graveyard.
            for _ in 0..4 {
                if driver.state.ctx.overlays.is_empty() && !matches!(roll, 0..=9) {
                    break;
                }
                driver.press(KeyCode::Esc);
                driver.settle().await;
            }
            let after = keys(&client).await;
            let changed = difference(&before, &after);
            if !changed.is_empty() && !matches!(roll, 6 | 7) {
                last = changed;
            }
        }
    }
}
