//! Goal: the mouse chooses, opens, scrolls and goes to panes and screens, and answers no question. Method: clicks at
//! words of the screen as it was drawn last.

use crossterm::event::{KeyCode, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use mini_etcd_tui::console::view::view;
use mini_etcd_tui::console::{Effect, Msg, Overlay, State, update};
use mini_etcd_tui::screens::ScreenId;
use mini_etcd_tui::screens::keys::Pane;
use mini_etcd_tui::screens::watch::News;
use mini_etcd_tui::widget::theme::Depth;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::keys_screen::keys;
use crate::support::{busy, key, report, said, state, type_text};
use crate::tails::{begin, put, revision, stands, tell};

const CLICK: MouseEventKind = MouseEventKind::Down(MouseButton::Left);
const UP: MouseEventKind = MouseEventKind::ScrollUp;
const DOWN: MouseEventKind = MouseEventKind::ScrollDown;

/// Draws as the program does, so that the screen knows what stands where; answers the lines.
fn draw(state: &mut State) -> Vec<String> {
    let (width, height) = state.ctx.size;
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view(state, frame)).unwrap();
    let cells = terminal.backend().buffer().content.chunks(width.into());
    cells.map(|line| line.iter().map(ratatui::buffer::Cell::symbol).collect()).collect()
}

fn at(state: &mut State, kind: MouseEventKind, (column, row): (u16, u16)) -> Vec<Effect> {
    update(state, Msg::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }))
}

/// Draws, and does something where these words stand.
fn on(state: &mut State, kind: MouseEventKind, words: &str) -> Vec<Effect> {
    let lines = draw(state);
    let place = lines.iter().enumerate().find_map(|(row, line)| {
        let column = line.get(..line.find(words)?)?.chars().count();
        Some((u16::try_from(column).unwrap(), u16::try_from(row).unwrap()))
    });
    let place = place.unwrap_or_else(|| panic!("no {words} in\n{}", lines.join("\n")));
    at(state, kind, place)
}

fn cluster(size: (u16, u16)) -> State {
    let mut state = state(size, Depth::Sixteen, false);
    busy(&mut state);
    state
}

#[test]
fn a_click_on_a_tab_goes_there_also_while_something_is_typed() {
    for size in [(60, 16), (80, 24), (120, 36)] {
        let mut state = cluster(size);
        for (tab, id) in [("5", ScreenId::Repl), ("3", ScreenId::Watch), ("1", ScreenId::Cluster)] {
            let column = draw(&mut state)[1].find(tab).unwrap();
            at(&mut state, CLICK, (u16::try_from(column).unwrap(), 1));
            assert_eq!(state.ctx.screen, id, "{size:?}");
        }
    }
}

#[test]
fn a_click_chooses_a_member_a_second_one_opens_it_and_one_beside_closes_it() {
    let mut state = cluster((120, 36));
    on(&mut state, CLICK, " n3   F");
    assert_eq!((state.cluster.chosen, state.ctx.is_covered()), (2, false));
    on(&mut state, CLICK, "n3   F");
    assert_eq!(state.ctx.overlays, [Overlay::Member(3)]);
    on(&mut state, CLICK, "clients reach it");
    assert!(state.ctx.is_covered(), "a click inside closes nothing");
    on(&mut state, CLICK, " 2 Keys");
    assert!(!state.ctx.is_covered(), "a click beside closes");
    assert_eq!(state.ctx.screen, ScreenId::Cluster, "and does nothing else");
    on(&mut state, UP, " n2   L");
    assert_eq!(state.cluster.chosen, 0);
    on(&mut state, CLICK, "Leadership,");
    assert_eq!((state.cluster.chosen, state.ctx.is_covered()), (0, false));
}

/// Goal: no click is a yes, and none a no. Method: everywhere on the screen.
#[test]
fn a_question_is_never_answered_by_the_mouse() {
    let mut state = cluster((80, 24));
    key(&mut state, KeyCode::Char('5'));
    type_text(&mut state, "del /a --prefix");
    key(&mut state, KeyCode::Enter);
    draw(&mut state);
    let asked = state.ctx.overlays.clone();
    assert!(matches!(asked[..], [Overlay::Confirm(_)]), "{asked:?}");
    for kind in [CLICK, UP, DOWN] {
        for place in (0..80).flat_map(|x| (0..24).map(move |y| (x, y))) {
            assert_eq!(at(&mut state, kind, place), [], "{place:?}");
            assert_eq!(state.ctx.overlays, asked, "{place:?}");
        }
    }
}

#[test]
fn the_wheel_scrolls_help_to_its_end_and_back_at_once_and_a_click_beside_closes_it() {
    let mut state = cluster((80, 24));
    key(&mut state, KeyCode::Char('?'));
    let first = draw(&mut state);
    on(&mut state, DOWN, "Esc closes");
    assert_eq!(state.ctx.overlays, [Overlay::Help(3)]);
    for _ in 0..100 {
        on(&mut state, DOWN, "Esc closes");
    }
    let last = draw(&mut state);
    on(&mut state, UP, "Esc closes");
    assert_ne!(draw(&mut state), last, "no turn is lost at the end");
    for _ in 0..100 {
        on(&mut state, UP, "Esc closes");
    }
    assert_eq!(draw(&mut state), first);
    at(&mut state, CLICK, (0, 12));
    assert!(!state.ctx.is_covered());
    key(&mut state, KeyCode::Char('e'));
    on(&mut state, DOWN, "What happened");
    assert!(state.ctx.is_covered());
    at(&mut state, CLICK, (0, 23));
    assert!(!state.ctx.is_covered());
}

#[test]
fn the_output_of_the_palette_scrolls_and_a_click_beside_closes_as_esc_does() {
    let mut state = cluster((80, 24));
    key(&mut state, KeyCode::Char(':'));
    type_text(&mut state, "get a --prefix");
    key(&mut state, KeyCode::Enter);
    for n in 0..60 {
        report(&mut state, said(1, &format!("line-{n}-")));
    }
    on(&mut state, DOWN, "line-5-");
    assert!(draw(&mut state).iter().all(|line| !line.contains("line-2-")));
    on(&mut state, UP, "line-5-");
    on(&mut state, CLICK, "line-2-");
    assert!(state.repl.palette.output.is_some());
    at(&mut state, CLICK, (1, 0));
    assert_eq!(state.ctx.overlays, [Overlay::Palette]);
    assert!(state.repl.palette.output.is_none(), "the output goes first");
    at(&mut state, CLICK, (1, 0));
    assert_eq!(state.ctx.overlays, []);
}

/// A tail with so many rows.
fn tail(rows: i64) -> State {
    let mut state = state((120, 36), Depth::Sixteen, false);
    let ticket = begin(&mut state);
    tell(&mut state, ticket, stands(918_300, 918_300, 3));
    for number in 918_501..=918_500 + rows {
        let event = put(number, &format!("/config/{number}"), 1, None, "v");
        tell(&mut state, ticket, News::Revisions(vec![revision(number, vec![event])], number));
    }
    state
}

fn row_of(state: &mut State, words: &str) -> Option<usize> {
    draw(state).iter().position(|line| line.contains(words))
}

#[test]
fn the_wheel_moves_what_is_seen_of_a_tail_by_three_rows_and_follows_again_at_the_end() {
    let mut state = tail(100);
    let before = row_of(&mut state, "/config/918590").unwrap();
    on(&mut state, UP, "/config/918590");
    assert_eq!(row_of(&mut state, "/config/918590"), Some(before + 3));
    assert!(!state.watch.active().unwrap().follows);
    on(&mut state, DOWN, "/config/918590");
    assert_eq!(row_of(&mut state, "/config/918590"), Some(before));
    assert!(state.watch.active().unwrap().follows);
    for _ in 0..100 {
        draw(&mut state);
        at(&mut state, UP, (10, 10));
    }
    assert!(row_of(&mut state, "/config/918501").is_some());
    let mut short = tail(5);
    on(&mut short, UP, "/config/918502");
    assert!(short.watch.active().unwrap().follows, "what is all in sight does not scroll");
}

#[test]
fn a_click_chooses_a_row_of_a_tail_a_second_one_shows_it_and_one_beside_closes_it() {
    let mut state = tail(100);
    let chosen = |state: &State| state.watch.active().unwrap().chosen_event().unwrap().0;
    on(&mut state, CLICK, "/config/918580");
    assert_eq!((chosen(&state), state.watch.detail.is_some()), (918_580, false));
    on(&mut state, CLICK, "/config/918580");
    assert!(state.watch.detail.is_some());
    on(&mut state, CLICK, "+ v");
    assert!(state.watch.detail.is_some());
    at(&mut state, CLICK, (0, 2));
    assert!(state.watch.detail.is_none());
    on(&mut state, CLICK, "server at");
    assert_eq!(chosen(&state), 918_580, "a line that is no row is not chosen");
    key(&mut state, KeyCode::Char('w'));
    on(&mut state, CLICK, "New tail");
    assert!(state.watch.prompt.is_some());
    at(&mut state, CLICK, (0, 2));
    assert!(state.watch.prompt.is_none());
}

#[test]
fn a_click_on_the_name_of_a_tail_shows_it() {
    let mut state = tail(3);
    key(&mut state, KeyCode::Char('w'));
    key(&mut state, KeyCode::Enter);
    let name = |state: &State| state.watch.active().unwrap().name();
    assert_eq!(name(&state), "w2");
    on(&mut state, CLICK, "w1 [w2]");
    assert_eq!(name(&state), "w1");
    on(&mut state, CLICK, "w2 ─");
    assert_eq!(name(&state), "w2");
}

#[test]
fn a_click_goes_to_a_pane_of_keys_and_the_wheel_scrolls_the_value_under_it() {
    let mut state = keys((120, 36), Depth::Sixteen, false);
    assert_eq!(state.keys.pane, Pane::Tree);
    on(&mut state, DOWN, "read_ms");
    assert_eq!((state.keys.value.top.line, state.keys.pane), (3, Pane::Tree));
    on(&mut state, UP, "[auto");
    assert_eq!(state.keys.value.top.line, 0);
    on(&mut state, CLICK, "read_ms");
    assert_eq!(state.keys.pane, Pane::Value);
    on(&mut state, CLICK, "┌ Keys");
    assert_eq!(state.keys.pane, Pane::Tree);
    let mut narrow = keys((80, 24), Depth::Sixteen, false);
    on(&mut narrow, CLICK, "create 880");
    assert_eq!(narrow.keys.pane, Pane::Value);
}

#[test]
fn a_click_chooses_in_the_tree_and_opens_and_closes_and_the_wheel_leaves_what_is_chosen() {
    let mut state = keys((80, 16), Depth::Sixteen, false);
    let rows = state.keys.tree.rows().len();
    key(&mut state, KeyCode::Home);
    draw(&mut state);
    let second = (4, 4);
    at(&mut state, CLICK, second);
    assert_eq!((state.keys.chosen, state.keys.pane), (1, Pane::Tree));
    at(&mut state, CLICK, second);
    assert_ne!(state.keys.tree.rows().len(), rows, "the chosen directory opens or closes");
    at(&mut state, CLICK, second);
    assert_eq!(state.keys.tree.rows().len(), rows);
    // The tree is longer than the pane: other rows come into sight, and the chosen one stays what it is.
    let before = draw(&mut state);
    at(&mut state, DOWN, second);
    let after = draw(&mut state);
    assert_ne!(before, after);
    assert_eq!(state.keys.chosen, 1);
    for _ in 0..10 {
        at(&mut state, UP, second);
    }
    assert_eq!(draw(&mut state), before);
}

#[test]
fn the_wheel_looks_back_in_the_repl_and_a_click_types_again() {
    let mut state = cluster((80, 24));
    key(&mut state, KeyCode::Char('5'));
    type_text(&mut state, "get a --prefix");
    key(&mut state, KeyCode::Enter);
    for n in 0..60 {
        report(&mut state, said(1, &format!("line-{n}-")));
    }
    on(&mut state, UP, "line-55-");
    assert_eq!(state.repl.scrollback.back(), 3);
    on(&mut state, DOWN, "line-50-");
    assert_eq!(state.repl.scrollback.back(), 0);
    key(&mut state, KeyCode::Esc);
    assert!(!state.repl.typing);
    on(&mut state, CLICK, "line-50-");
    assert!(state.repl.typing);
}
