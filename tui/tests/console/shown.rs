//! Goal: what is done on the Keys screen is about what is shown there: pages go into the tree they were read for, what is
//! opened stays open, what is put back or copied is what is in sight. Method: answers that are held back, and tables.

use bytes::Bytes;
use crossterm::event::KeyCode;
use mini_etcd_tui::console::{Effect, State};
use mini_etcd_tui::engine::order::Order;
use mini_etcd_tui::engine::report::Report;
use mini_etcd_tui::engine::request::{Answer, Job, Ticket};
use mini_etcd_tui::screens::keys::model::{Child, Page};
use mini_etcd_tui::screens::keys::requests::{CountBulk, ReadLive, ReadPage, WriteKey};
use mini_etcd_tui::screens::keys::tree::RowKind;
use mini_etcd_tui::widget::theme::Depth;

use crate::keys_screen::{answer, dir, keys, leaf, press, serve};
use crate::questions::asked;
use crate::support::{key, report, state};

/// A server with these directories, each with one key `of-<directory>`.
fn page(asked: &ReadPage, dirs: &[&'static str]) -> Answer {
    let children: Vec<Child> = match asked.prefix.strip_suffix(b"/") {
        None => dirs.iter().map(|name| dir(name, 1)).collect(),
        Some(of) => {
            let name = [&b"of-"[..], of].concat().into();
            vec![Child { name, ..leaf("", 1) }]
        }
    };
    Answer::of(Page { revision: 100, children, requests: 1, ..Page::default() })
}

/// The pages that are asked for; everything else is answered.
fn pages(state: &mut State, effects: Vec<Effect>) -> Vec<(Ticket, ReadPage)> {
    let mut pages = Vec::new();
    for effect in effects {
        let Effect::Engine(Order::Ask(ticket, job)) = effect else { continue };
        if let Some(page) = Job::request::<ReadPage>(&job) {
            pages.push((ticket, page.clone()));
        } else {
            let effects = report(state, Report::Answer(ticket, answer(&job)));
            pages.extend(self::pages(state, effects));
        }
    }
    pages
}

/// Answers pages, and those that are asked for then.
fn give(state: &mut State, mut open: Vec<(Ticket, ReadPage)>, dirs: &[&'static str]) {
    while let Some((ticket, asked)) = open.pop() {
        let effects = report(state, Report::Answer(ticket, page(&asked, dirs)));
        open.extend(pages(state, effects));
    }
}

fn press_for_pages(state: &mut State, code: KeyCode) -> Vec<(Ticket, ReadPage)> {
    let effects = key(state, code);
    pages(state, effects)
}

fn tree(dirs: &[&'static str]) -> State {
    let mut state = state((120, 36), Depth::Sixteen, false);
    let open = press_for_pages(&mut state, KeyCode::Char('2'));
    give(&mut state, open, dirs);
    state
}

fn rows(state: &State) -> Vec<String> {
    let tree = &state.keys.tree;
    let row = |row: &mini_etcd_tui::screens::keys::tree::Row| {
        let name = String::from_utf8_lossy(tree.name(row.node)).into_owned();
        let more = if row.kind == RowKind::Node { "" } else { "..." };
        format!("{}{more}{name}", " ".repeat(row.depth.into()))
    };
    tree.rows().iter().map(row).collect()
}

const BEFORE: [&str; 2] = ["b", "c"];
const AFTER: [&str; 3] = ["a", "b", "c"];

#[test]
fn a_page_of_the_tree_before_does_not_go_into_the_one_that_took_its_place() {
    let mut state = tree(&BEFORE);
    let coming = press_for_pages(&mut state, KeyCode::Char('r'));
    // A directory of the tree on screen, whose page comes after the other tree has.
    let shown = press_for_pages(&mut state, KeyCode::Enter);
    give(&mut state, coming, &AFTER);
    give(&mut state, shown, &BEFORE);
    assert!(state.keys.is_settled());
    // The one that has its number now.
    key(&mut state, KeyCode::Char('k'));
    let open = press_for_pages(&mut state, KeyCode::Enter);
    give(&mut state, open, &AFTER);
    assert_eq!(rows(&state)[..2], ["a", " of-a"]);
}

#[test]
fn what_is_opened_or_closed_while_the_tree_is_read_anew_stays_so() {
    for early in [true, false] {
        let mut state = tree(&BEFORE);
        let coming = press_for_pages(&mut state, KeyCode::Char('r'));
        // Before the other tree has that directory.
        if early {
            let opened = press_for_pages(&mut state, KeyCode::Enter);
            give(&mut state, opened, &BEFORE);
            assert_eq!(rows(&state), ["b", " of-b", "c"]);
        } else {
            press_for_pages(&mut state, KeyCode::Enter);
        }
        give(&mut state, coming, &AFTER);
        assert_eq!(rows(&state), ["a", "b", " of-b", "c"], "{early}");
        // The chosen one is the same; it is closed while the tree is read anew once more.
        let coming = press_for_pages(&mut state, KeyCode::Char('r'));
        press_for_pages(&mut state, KeyCode::Enter);
        give(&mut state, coming, &AFTER);
        assert_eq!(rows(&state), AFTER, "{early}");
        let coming = press_for_pages(&mut state, KeyCode::Char('r'));
        give(&mut state, coming, &AFTER);
        assert_eq!(rows(&state), AFTER, "{early}");
    }
}

#[test]
fn a_directory_that_the_other_tree_has_already_is_opened_and_closed_in_both() {
    let mut state = tree(&AFTER);
    // a and b are open.
    for code in [KeyCode::Enter, KeyCode::Char('j'), KeyCode::Char('j'), KeyCode::Enter] {
        let open = press_for_pages(&mut state, code);
        give(&mut state, open, &AFTER);
    }
    assert_eq!(rows(&state), ["a", " of-a", "b", " of-b", "c"]);
    let root = press_for_pages(&mut state, KeyCode::Char('r')).remove(0);
    // The root of the other tree has come, and what is open in it is read.
    let effects = report(&mut state, Report::Answer(root.0, page(&root.1, &AFTER)));
    let coming = pages(&mut state, effects);
    assert_eq!(coming.len(), 2);
    // b is closed, and c is opened.
    press_for_pages(&mut state, KeyCode::Enter);
    press_for_pages(&mut state, KeyCode::Char('j'));
    let opened = press_for_pages(&mut state, KeyCode::Enter);
    give(&mut state, opened, &AFTER);
    give(&mut state, coming, &AFTER);
    assert!(state.keys.is_settled());
    assert_eq!(rows(&state), ["a", " of-a", "b", "c", " of-c"]);
}

/// What `R` puts back: it is asked over what is there now.
fn put_back(state: &mut State) -> Option<Bytes> {
    let effects = key(state, KeyCode::Char('R'));
    assert_eq!(asked::<CountBulk>(effects.clone()), []);
    assert_eq!(asked::<WriteKey>(effects.clone()), [], "not what is in sight");
    asked::<ReadLive>(effects).pop().map(|(_, read)| read.old.value)
}

#[test]
fn what_is_put_back_and_copied_is_the_version_in_sight() {
    for before in ["H", "BH", "B kH", "t918000\nH"] {
        let mut state = keys((120, 36), Depth::Sixteen, false);
        press(&mut state, before);
        press(&mut state, "j");
        let version = &state.keys.right.history().unwrap().versions[1];
        let value = version.entry.as_ref().unwrap().value.clone();
        let copied = key(&mut state, KeyCode::Char('y'));
        assert_eq!(copied, [Effect::Copy(value.to_vec())], "{before}");
        assert_eq!(put_back(&mut state), Some(value), "{before}");
        // A version that is a delete has no value.
        press(&mut state, "jjj");
        assert!(state.keys.right.history().unwrap().versions[4].entry.is_none());
        assert_eq!(put_back(&mut state), None, "{before}");
        assert_eq!(key(&mut state, KeyCode::Char('y')), [], "{before}");
    }
}

#[test]
fn nothing_is_put_back_or_copied_while_the_versions_are_read() {
    let mut state = keys((120, 36), Depth::Sixteen, false);
    press(&mut state, "t918000\n");
    let versions = key(&mut state, KeyCode::Char('H'));
    assert_eq!(put_back(&mut state), None);
    assert_eq!(key(&mut state, KeyCode::Char('y')), []);
    serve(&mut state, versions);
    assert!(put_back(&mut state).is_some());
}

#[test]
fn what_the_graveyard_hides_is_neither_closed_nor_filtered() {
    for code in [KeyCode::Char('h'), KeyCode::Left, KeyCode::Char('/'), KeyCode::Char('n')] {
        let mut state = keys((120, 36), Depth::Sixteen, false);
        press(&mut state, "B");
        let (before, chosen) = (rows(&state), state.keys.chosen);
        let effects = key(&mut state, code);
        serve(&mut state, effects);
        press(&mut state, "zzz");
        assert_eq!((rows(&state), state.keys.chosen), (before, chosen), "{code:?}");
    }
}
