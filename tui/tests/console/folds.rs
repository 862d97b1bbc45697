//! Goal: a structured value is read by its parts: folded, unfolded, found in, and never lost. Method: keys and clicks on
//! values that are set, and the rows that a test terminal then shows.

use crossterm::event::{KeyCode, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use mini_etcd_tui::console::view::view;
use mini_etcd_tui::console::{Effect, Msg, State, update};
use mini_etcd_tui::screens::keys::Pane;
use mini_etcd_tui::screens::keys::viewers::{LINES_MAX, Viewer};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::support::key;
use crate::values::{marked, press, rows, shown};

const JSON: &str = r#"{"a":{"b":1,"c":[1,2]},"d":2}"#;

/// The rows that say something.
fn said(state: &State) -> Vec<String> {
    rows(state).0.into_iter().filter(|row| !row.is_empty()).collect()
}

/// Draws as the program does, so that the screen knows what stands where.
fn draw(state: &mut State) {
    let (width, height) = state.ctx.size;
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view(state, frame)).unwrap();
}

#[test]
fn what_stands_below_a_line_is_folded_and_the_line_says_how_much_that_is() {
    let open = [
        " ▾ {",
        "▸  ▾ \"a\": {",
        "       \"b\": 1,",
        "     ▾ \"c\": [",
        "         1,",
        "         2",
        "       ]",
        "     },",
        "     \"d\": 2",
        "   }",
    ];
    let folded = [" ▾ {", "▸  ▸ \"a\": { … 6 lines", "     \"d\": 2", "   }"];
    let mut state = shown((80, 24), JSON);
    press(&mut state, "j");
    assert_eq!(said(&state), open);
    press(&mut state, "\n");
    assert_eq!(said(&state), folded);
    press(&mut state, "\n");
    assert_eq!(said(&state), open);
    // On a line below which nothing stands it is what the line is in.
    press(&mut state, "j\n");
    assert_eq!(said(&state), folded);
    press(&mut state, "Z");
    assert_eq!(said(&state), open);
    press(&mut state, "Z");
    assert_eq!(said(&state), folded);
    press(&mut state, "k\n");
    assert_eq!(said(&state), ["▸▸ { … 9 lines"]);
}

#[test]
fn the_footer_says_what_the_key_does() {
    let footer = |state: &State| crate::screens::text(state).lines().last().unwrap().to_owned();
    let mut state = shown((80, 24), JSON);
    assert!(footer(&state).contains("Enter fold"), "{}", footer(&state));
    press(&mut state, "\n");
    assert!(footer(&state).contains("Enter unfold"), "{}", footer(&state));
    let state = shown((80, 24), "a\nb\n");
    assert!(!footer(&state).contains("fold"), "{}", footer(&state));
}

#[test]
fn yaml_that_is_stored_as_text_is_folded_and_text_that_is_not_indented_stands_as_before() {
    let mut state = shown((80, 24), "web:\n  ports:\n  - 80\n  - 443\nend: 1\n");
    press(&mut state, "j\n");
    assert_eq!(said(&state), [" ▾ web:", "▸  ▸ ports: … 2 lines", "   end: 1"]);
    let mut state = shown((80, 24), "a\nb\n- c\n");
    press(&mut state, "\nZ");
    assert_eq!(said(&state), [" a", " b", " - c"]);
}

#[test]
fn a_place_that_is_folded_away_is_found_and_unfolded_and_esc_folds_it_again() {
    for (typed, chosen, count) in [
        ("Z/2", "2", 10),
        ("Z/2\x1b", "▾ {", 4),
        ("Z/2\n", "2", 10),
        ("Z/2\nN", "2", 10),
        ("Z/d", "d", 4),
    ] {
        let mut state = shown((80, 24), JSON);
        press(&mut state, typed);
        assert_eq!((marked(&state).1.trim_end(), said(&state).len()), (chosen, count), "{typed}");
    }
    // The row where it is found is the chosen one.
    let mut state = shown((80, 24), JSON);
    press(&mut state, "Z/1\nn\n");
    assert_eq!(state.keys.value.chosen.line, 3);
    assert!(said(&state).contains(&"▸    ▸ \"c\": [ … 3 lines".to_owned()), "{:?}", said(&state));
}

#[test]
fn a_click_chooses_a_line_and_one_on_the_chosen_line_folds_it() {
    let mut state = shown((120, 36), JSON);
    state.keys.pane = Pane::Tree;
    let click = |state: &mut State, line: &str| {
        draw(state);
        let row = rows(state).0.iter().position(|row| row.contains(line)).unwrap();
        // Below the header, the border, the metadata and the viewers.
        let row = 5 + u16::try_from(row).unwrap();
        let kind = MouseEventKind::Down(MouseButton::Left);
        let event = MouseEvent { kind, column: 70, row, modifiers: KeyModifiers::NONE };
        update(state, Msg::Mouse(event))
    };
    click(&mut state, "{");
    assert_eq!((state.keys.pane, said(&state).len()), (Pane::Value, 10), "it goes to the pane");
    click(&mut state, "\"a\"");
    assert_eq!((state.keys.value.chosen.line, said(&state).len()), (1, 10));
    click(&mut state, "\"a\"");
    assert_eq!(said(&state).len(), 4);
    click(&mut state, "\"d\"");
    assert_eq!((state.keys.value.chosen.line, said(&state).len()), (8, 4));
    draw(&mut state);
    let below = MouseEventKind::Down(MouseButton::Left);
    let event = MouseEvent { kind: below, column: 70, row: 20, modifiers: KeyModifiers::NONE };
    update(&mut state, Msg::Mouse(event));
    assert_eq!(state.keys.value.chosen.line, 8, "below the last line there is none");
}

#[test]
fn a_copy_is_of_the_whole_value() {
    let mut state = shown((80, 24), JSON);
    press(&mut state, "\n");
    let copied = key(&mut state, KeyCode::Char('y'));
    assert_eq!(copied, [Effect::Copy(JSON.as_bytes().to_vec())]);
}

#[test]
fn another_viewer_begins_unfolded() {
    let mut state = shown((80, 24), JSON);
    press(&mut state, "jZvv");
    assert_eq!((state.keys.value.viewer, state.keys.value.chosen.line), (Viewer::Json, 0));
    assert!(crate::screens::text(&state).contains("\"b\": 1"), "{}", crate::screens::text(&state));
}

/// Goal: all of a value is read, however it is nested and however long its lines are. Method: the rows of a terminal
/// that has room for all of them, at many widths, against the lines.
#[test]
fn lines_that_can_be_folded_are_read_to_their_end_when_they_are_wrapped() {
    let bare = |text: &str| text.replace([' ', '▾', '▸', '…'], "");
    let long = "0123456789 日本 ".repeat(30);
    let deep = (0..40).fold("1".to_owned(), |inside, n| format!("{{\"{n}\":[{inside},\"ü\"]}}"));
    let json = format!("{{\"long\":\"{long}\",\"deep\":{deep}}}");
    for value in [json, format!("a:\n- b: {long}\n  c: {long}\n")] {
        for width in (60..220).step_by(9) {
            let mut state = shown((width, 500), value.clone());
            press(&mut state, "w");
            let lines = &state.keys.value.lines;
            let wanted: String = (0..lines.len()).map(|line| bare(lines.text(line))).collect();
            assert_eq!(bare(&rows(&state).0.concat()), wanted, "{width}");
        }
    }
}

#[test]
fn a_line_that_is_folded_says_so_however_long_it_is() {
    for (typed, row) in [("", "… … 1 line"), ("w", "… 1 line"), ("lll", "… 1 line")] {
        let value = format!("a:\n- {}\n  b: 1\n", "long ".repeat(60));
        let mut state = shown((80, 24), value);
        press(&mut state, "j\n");
        press(&mut state, typed);
        assert!(said(&state).iter().any(|shown| shown.ends_with(row)), "{:?}", said(&state));
    }
}

#[test]
fn the_largest_values_have_folds_of_all_lines_that_are_shown() {
    let value = format!("[{}1]", "{\"a\":[1]},".repeat(100_000));
    let mut state = shown((80, 24), value);
    press(&mut state, "Z");
    assert_eq!(said(&state)[1], "   ▸ { … 4 lines");
    press(&mut state, "G");
    assert!(
        said(&state).last().unwrap().contains("more lines are not shown"),
        "{:?}",
        said(&state)
    );
    press(&mut state, "Z");
    assert_eq!(state.keys.value.lines.len(), LINES_MAX + 1);
    assert_eq!(state.keys.value.chosen.line, LINES_MAX);
}
