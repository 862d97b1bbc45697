//! Goal: what a person sees and finds of a value, however wide the pane is. Method: keys pressed on values that are set,
//! and the rows that a test terminal then shows.

use std::fmt::Write;

use bytes::Bytes;
use crossterm::event::KeyCode;
use mini_etcd_tui::console::{Origin, State};
use mini_etcd_tui::screens::keys::lines::Place;
use mini_etcd_tui::screens::keys::model::{Entry, Meta};
use mini_etcd_tui::screens::keys::viewers::Viewer;
use mini_etcd_tui::screens::keys::{DiffLine, History, Pane, Right};
use mini_etcd_tui::widget::theme::{Depth, Meaning};
use ratatui::buffer::Cell;
use ratatui::style::Color;

use crate::screens::{drawn, text};
use crate::support::{busy, key, state, type_text};

/// The value pane with this value.
pub fn shown(size: (u16, u16), value: impl Into<Bytes>) -> State {
    let mut state = state(size, Depth::Sixteen, false);
    busy(&mut state);
    state.ctx.origin = Origin::Endpoints(vec!["127.0.0.1:23791".into()]);
    key(&mut state, KeyCode::Char('2'));
    let (key, value) = (Bytes::from_static(b"/config/web"), value.into());
    let meta = Meta { create: 7, modified: 8, version: 2, lease: 0 };
    let keys = &mut state.keys;
    keys.value.lines = Viewer::Auto.lines(&value);
    keys.value.entry = Some(Entry { key: key.clone(), meta, value });
    (keys.value.key, keys.value.here, keys.pane) = (Some(key), true, Pane::Value);
    state
}

pub fn press(state: &mut State, text: &str) {
    for character in text.chars() {
        let code = match character {
            '\n' => KeyCode::Enter,
            '\x1b' => KeyCode::Esc,
            character => KeyCode::Char(character),
        };
        key(state, code);
    }
}

/// The rows of the value, without the border, and the words in the border below.
pub fn rows(state: &State) -> (Vec<String>, String) {
    let shown = text(state);
    let lines = shown.lines().map(|line| line.trim_matches('"'));
    let pane = lines.skip_while(|line| !line.contains("[auto")).skip(1);
    let last = |line: &str| line.rsplit('│').nth(1).map(str::to_owned);
    let (mut rows, mut below) = (Vec::new(), String::new());
    for line in pane {
        if line.contains('└') {
            let border = line.rsplit('└').next().unwrap();
            border.trim_matches(['─', '┘', ' ']).clone_into(&mut below);
            break;
        }
        rows.push(last(line).unwrap().trim_end().to_owned());
    }
    (rows, below)
}

/// The text in the style of what is found, and in that of the chosen place.
pub fn marked(state: &State) -> (String, String) {
    let terminal = drawn(state);
    let buffer = terminal.backend().buffer();
    let of = |meaning| -> String {
        let wanted = state.ctx.look.theme.style(meaning);
        let or_none = |colour: Option<Color>| colour.or(Some(Color::Reset));
        let wanted = (or_none(wanted.fg), or_none(wanted.bg), wanted.add_modifier);
        let cells = buffer.content.iter().filter(|cell| {
            let style = cell.style();
            (style.fg, style.bg, style.add_modifier) == wanted
        });
        cells.map(Cell::symbol).collect()
    };
    (of(Meaning::Match), of(Meaning::Selected))
}

fn many() -> String {
    (0..90).fold(String::new(), |mut text, line| {
        let name = if line % 10 == 3 { "Timeout" } else { "timeout" };
        writeln!(text, "line {line} {}", if line % 5 == 3 { name } else { "rest" }).unwrap();
        text
    })
}

#[test]
fn what_is_typed_is_found_and_n_goes_round() {
    // Lines 3, 8, 13, ... have the word, every other one with a capital.
    for (typed, below, top) in [
        ("/timeout\n", "1 of 18  line 1 of 90", 0),
        ("/TIMEOUT\n", "nothing found  line 1 of 90", 0),
        ("/Timeout\n", "1 of 9  line 1 of 90", 0),
        ("/timeout\nn", "2 of 18  line 1 of 90", 0),
        ("/timeout\nnnn", "4 of 18  line 11 of 90", 10),
        ("/timeout\nN", "18 of 18  line 86 of 90", 85),
        ("/timeout\nNn", "1 of 18  line 1 of 90", 0),
        ("G/timeout\n", "1 of 18  line 1 of 90", 0),
        ("/line 40", "1 of 1  line 38 of 90", 37),
        ("/line 40\x1b", "line 1 of 90", 0),
        ("/line 40\n\x1b", "line 38 of 90", 37),
        ("/line 400", "nothing found  line 1 of 90", 0),
        ("/\n", "line 1 of 90", 0),
    ] {
        let mut state = shown((80, 24), many());
        press(&mut state, typed);
        assert_eq!(rows(&state).1, below, "{typed:?}");
        assert_eq!(state.keys.value.top, Place { line: top, at: 0 }, "{typed:?}");
        assert_eq!(state.keys.pane, Pane::Value);
    }
}

#[test]
fn what_is_found_is_marked_and_the_chosen_place_stands_out() {
    let mut state = shown((80, 24), "a b\nA c b\nü b b\n");
    press(&mut state, "/b\nn");
    assert_eq!(marked(&state), ("bbb".to_owned(), "b".to_owned()));
    press(&mut state, "\x1b");
    assert_eq!(marked(&state), (String::new(), String::new()));
    // Esc has only left the search.
    assert_eq!(state.keys.pane, Pane::Value);
    press(&mut state, "\x1b");
    assert_eq!(state.keys.pane, Pane::Tree);
}

#[test]
fn what_is_found_far_to_the_right_is_moved_into_sight() {
    let line = format!("{}needle{}", "x".repeat(300), "y".repeat(300));
    for wrap in ["", "w"] {
        let mut state = shown((80, 24), line.clone());
        press(&mut state, wrap);
        press(&mut state, "/needle\n");
        assert_eq!(marked(&state).1, "needle", "{wrap}");
        press(&mut state, "w");
        assert_eq!(marked(&state).1, "needle", "{wrap} and the other way");
    }
}

#[test]
fn in_the_tree_the_key_filters_as_before() {
    let mut state = shown((120, 36), many());
    state.keys.pane = Pane::Tree;
    press(&mut state, "/timeout\n");
    assert_eq!((state.keys.filter.as_str(), state.keys.find.is_none()), ("timeout", true));
}

#[test]
fn bytes_are_found_by_text_and_by_escapes() {
    let mut bytes = vec![0; 100];
    bytes[60..64].copy_from_slice(b"ab\xff\x01");
    for (typed, found) in [
        ("/ab\n", "61 62ab"),
        ("/\\xff\\x01\n", "ff 01.."),
        ("/b\\xff\n", "62 ffb."),
        ("/\\xfe\n", ""),
    ] {
        let mut state = shown((80, 24), bytes.clone());
        press(&mut state, typed);
        assert_eq!(marked(&state).1, found, "{typed}");
    }
}

#[test]
fn the_difference_of_a_version_is_searched_too() {
    let mut state = shown((120, 36), "x");
    let line = |line: usize| DiffLine {
        sign: if line == 70 { '+' } else { ' ' },
        text: if line == 70 { "wanted".into() } else { format!("line {line}") },
    };
    state.keys.right = Right::History(Box::new(History {
        key: "/config/web".into(),
        versions: Vec::new(),
        reached: None,
        chosen: 0,
        diff: (0..100).map(line).collect::<Vec<_>>().into(),
        top: Place::default(),
    }));
    press(&mut state, "/wanted\n");
    assert_eq!(marked(&state).1, "wanted");
    assert!(text(&state).contains("1 of 1  line 66 of 100"), "{}", text(&state));
}

/// Goal: no character of a value is out of reach when lines are wrapped, and pages fit what is drawn. Method: the first
/// rows at every step down, at many widths, put together.
#[test]
fn wrapped_lines_are_read_to_their_end_at_every_width() {
    let value = format!("{}\n\n{}\nend", "0123456789".repeat(40), "日本語".repeat(30));
    for width in (60..220).step_by(9) {
        for zoom in ["", "z"] {
            let mut state = shown((width, 24), value.clone());
            press(&mut state, zoom);
            press(&mut state, "w");
            let mut read = String::new();
            loop {
                let before = state.keys.value.top;
                let (rows, _) = rows(&state);
                let second = rows[1].trim_start_matches([' ', '…']).to_owned();
                read.push_str(rows[0].trim_start_matches([' ', '…']));
                press(&mut state, "j");
                if state.keys.value.top == before {
                    break;
                }
                let first = self::rows(&state).0[0].trim_start_matches([' ', '…']).to_owned();
                assert_eq!(first, second, "{width} {zoom}");
            }
            assert_eq!(read.replace(' ', ""), value.replace('\n', ""), "{width} {zoom}");
        }
    }
}

#[test]
fn wrapping_is_left_as_it_was_come_to() {
    let mut state = shown((80, 24), format!("{}\nb\n{}", "a".repeat(500), "c\n".repeat(30)));
    press(&mut state, "wjj");
    assert_eq!(state.keys.value.top, Place { line: 0, at: 154 });
    assert!(rows(&state).1.starts_with("line 1 of 32"));
    press(&mut state, "w");
    assert_eq!(state.keys.value.top, Place { line: 0, at: 0 });
    press(&mut state, "j");
    assert_eq!(state.keys.value.top, Place { line: 1, at: 0 });
    press(&mut state, "G");
    assert_eq!(rows(&state).1, "line 32 of 32");
}

/// Goal: hex is never cut. Method: all bytes read back from what is drawn, at the widths that terminals have.
#[test]
fn a_line_of_hex_is_as_long_as_the_pane_and_never_cut() {
    let value: Vec<u8> = (0..=255).cycle().take(4000).collect();
    for (size, zoom, per_line) in [
        ((80, 24), false, 16),
        ((80, 24), true, 16),
        ((100, 30), false, 8),
        ((100, 30), true, 16),
        ((120, 36), false, 8),
        ((160, 50), false, 16),
        ((160, 50), true, 32),
        ((60, 24), false, 8),
    ] {
        let mut state = shown(size, value.clone());
        state.keys.zoom = zoom;
        let mut read: Vec<u8> = Vec::new();
        loop {
            let (rows, below) = rows(&state);
            let row = &rows[0];
            assert!(!rows.iter().any(|row| row.contains('…')), "{size:?}: {rows:?}");
            let offset = usize::from_str_radix(&row[1..9], 16).unwrap();
            assert_eq!(offset, read.len(), "{size:?}");
            assert!(below.contains(&format!("byte {offset:x} of 4 000")), "{}", text(&state));
            let digits = &row[10..10 + per_line * 3 + per_line / 8 - 1];
            let bytes = digits.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap());
            read.extend(bytes);
            let before = state.keys.value.top;
            press(&mut state, "j");
            if state.keys.value.top == before {
                break;
            }
        }
        assert_eq!(read, value, "{size:?} {zoom}");
    }
}

/// Goal: only what is in sight of a line is laid out. Method: rows of a value of one line of megabytes, at its ends.
#[test]
fn a_line_of_megabytes_is_shown_at_both_ends() {
    for text in ["0123456789".repeat(300_000), "日本".repeat(500_000)] {
        let mut state = shown((80, 24), format!("{text}end"));
        assert!(rows(&state).0[0].ends_with('…'));
        press(&mut state, "wG");
        assert!(rows(&state).0[0].trim_end().ends_with("end"), "{:?}", rows(&state).0);
        press(&mut state, "g/end\n");
        assert_eq!(marked(&state).1, "end");
    }
}

#[test]
fn a_text_is_looked_for_in_a_value_whose_lines_are_wrapped() {
    let note = "the quick brown fox jumps over the lazy dog ".repeat(6);
    let value = format!("{{\"name\":\"web\",\"note\":\"{}\",\"fox\":[1,2,3]}}", note.trim_end());
    let mut state = shown((100, 30), value);
    press(&mut state, "w/fox\nnn");
    insta::assert_snapshot!(text(&state));
}

#[test]
fn typing_what_is_looked_for_covers_the_footer() {
    let mut state = shown((80, 24), many());
    press(&mut state, "/");
    type_text(&mut state, "timeout");
    assert!(text(&state).lines().last().unwrap().contains("find: timeout"));
}
