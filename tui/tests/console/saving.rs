//! Goal: what somebody typed is there until it is known to be written. Method: every way in which a save can fail, in the
//! editor on the screen and in one outside.

use crossterm::event::KeyCode;
use mini_etcd_tui::console::{Effect, State};
use mini_etcd_tui::engine::report::Report;
use mini_etcd_tui::engine::request::{Answer, Ticket, Trouble};
use mini_etcd_tui::screens::keys::model::{Change, Written};
use mini_etcd_tui::screens::keys::requests::WriteKey;
use mini_etcd_tui::widget::theme::Depth;

use crate::keys_screen::{keys, press, serve};
use crate::questions::asked;
use crate::screens::text;
use crate::support::{ctrl, key, report, type_text};

const TYPED: &str = "not to be lost ";

fn trouble() -> Trouble {
    Trouble { place: "n1".into(), why: "there is no leader".into(), next: String::new() }
}

/// Every answer by which nobody knows that a value was written.
fn failures() -> Vec<Answer> {
    let unknown = Answer::of(Written::Unknown(trouble()));
    vec![Answer::failed(trouble()), unknown, Answer::of(Written::LeaseGone)]
}

/// The screen after a value was edited on it and saved.
fn saving() -> (State, Ticket, WriteKey) {
    let mut state = keys((120, 36), Depth::Sixteen, false);
    press(&mut state, "E");
    type_text(&mut state, TYPED);
    let (ticket, write) = asked::<WriteKey>(ctrl(&mut state, 's')).remove(0);
    (state, ticket, write)
}

fn typed(state: &State) -> String {
    state.keys.right.editor().expect("the editor is gone").area.lines().join("\n")
}

/// The text that an editor outside is given.
fn edited_outside(state: &mut State) -> (Ticket, String) {
    let effects = key(state, KeyCode::Char('e'));
    let [Effect::Edit { ticket, text, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    (*ticket, String::from_utf8(text.clone()).unwrap())
}

/// As many requests are under way as may be.
fn fill(state: &mut State) {
    press(state, "H");
    for _ in 0..40 {
        key(state, KeyCode::Char('R'));
    }
}

#[test]
fn the_editor_stays_until_the_value_is_known_to_be_written() {
    for failure in failures() {
        let (mut state, ticket, first) = saving();
        report(&mut state, Report::Answer(ticket, failure.clone()));
        assert!(typed(&state).contains(TYPED), "{failure:?}");
        // The same key again, once it can be done.
        let (ticket, again) = asked::<WriteKey>(ctrl(&mut state, 's')).remove(0);
        assert_eq!(again.write, first.write);
        report(&mut state, Report::Answer(ticket, Answer::of(Written::Done(918_500, None))));
        assert!(state.keys.right.editor().is_none());
    }
}

#[test]
fn while_it_is_saved_the_text_is_neither_changed_nor_thrown_away() {
    let (mut state, ticket, _) = saving();
    let before = typed(&state);
    assert!(text(&state).contains("saving"), "{}", text(&state));
    type_text(&mut state, "more");
    key(&mut state, KeyCode::Esc);
    key(&mut state, KeyCode::Esc);
    assert_eq!(asked::<WriteKey>(ctrl(&mut state, 's')), [], "twice");
    assert_eq!(typed(&state), before);
    // Given up, it may be written or not: the text stays.
    ctrl(&mut state, 'c');
    assert_eq!(typed(&state), before);
    report(&mut state, Report::Answer(ticket, Answer::of(Written::Done(918_500, None))));
    type_text(&mut state, "more");
    assert!(typed(&state).contains("more"));
}

#[test]
fn the_editor_stays_when_nothing_more_can_be_asked() {
    let mut state = keys((120, 36), Depth::Sixteen, false);
    fill(&mut state);
    key(&mut state, KeyCode::Char('E'));
    type_text(&mut state, TYPED);
    assert_eq!(ctrl(&mut state, 's'), []);
    assert!(typed(&state).contains(TYPED));
    ctrl(&mut state, 'c');
    assert_eq!(asked::<WriteKey>(ctrl(&mut state, 's')).len(), 1);
}

#[test]
fn what_an_editor_outside_left_stays_until_it_is_known_to_be_written() {
    for failure in failures() {
        let mut state = keys((120, 36), Depth::Sixteen, false);
        let (ticket, _) = edited_outside(&mut state);
        let left = Answer::of(TYPED.as_bytes().to_vec());
        let (ticket, write) =
            asked::<WriteKey>(report(&mut state, Report::Answer(ticket, left))).remove(0);
        report(&mut state, Report::Answer(ticket, failure.clone()));
        assert!(text(&state).contains("Not saved: /config/web/timeout"), "{}", text(&state));
        let (ticket, given) = edited_outside(&mut state);
        assert_eq!(given, TYPED, "{failure:?}");
        // It is written over what it was typed over, and gone from the screen once that is done.
        let left = Answer::of(b"better".to_vec());
        let (ticket, again) =
            asked::<WriteKey>(report(&mut state, Report::Answer(ticket, left))).remove(0);
        assert_eq!(again.write.expected, write.write.expected);
        assert_eq!(again.write.change, Change::Value("better".into()));
        let done = Answer::of(Written::Done(918_500, None));
        let effects = report(&mut state, Report::Answer(ticket, done));
        serve(&mut state, effects);
        assert!(state.keys.right.conflict().is_none());
    }
}

#[test]
fn what_an_editor_outside_left_stays_when_it_is_given_up_and_when_no_editor_can_be_opened() {
    let mut state = keys((120, 36), Depth::Sixteen, false);
    let left = || Answer::of(TYPED.as_bytes().to_vec());
    let (ticket, _) = edited_outside(&mut state);
    report(&mut state, Report::Answer(ticket, left()));
    ctrl(&mut state, 'c');
    let (ticket, given) = edited_outside(&mut state);
    assert_eq!(given, TYPED);
    let write = asked::<WriteKey>(report(&mut state, Report::Answer(ticket, left()))).remove(0);
    fill(&mut state);
    report(&mut state, Report::Answer(write.0, Answer::failed(trouble())));
    // The value of another key takes the place of what was answered.
    key(&mut state, KeyCode::Tab);
    key(&mut state, KeyCode::Char('k'));
    assert_eq!(key(&mut state, KeyCode::Char('e')), []);
    ctrl(&mut state, 'c');
    assert_eq!(edited_outside(&mut state).1, TYPED);
}

#[test]
fn an_editor_that_fails_over_a_conflict_leaves_it() {
    let (mut state, ticket, _) = saving();
    report(&mut state, Report::Answer(ticket, Answer::of(Written::Conflict(None))));
    let (ticket, given) = edited_outside(&mut state);
    assert!(given.contains(TYPED));
    report(&mut state, Report::Answer(ticket, Answer::failed(trouble())));
    assert!(edited_outside(&mut state).1.contains(TYPED));
}

#[test]
fn two_texts_that_are_not_saved_are_both_kept() {
    let mut state = keys((120, 36), Depth::Sixteen, false);
    let edit = |state: &mut State, text: &'static str| {
        let (ticket, _) = edited_outside(state);
        let left = Answer::of(text.as_bytes().to_vec());
        asked::<WriteKey>(report(state, Report::Answer(ticket, left))).remove(0).0
    };
    let first = edit(&mut state, "first");
    press(&mut state, "k");
    let second = edit(&mut state, "second");
    report(&mut state, Report::Answer(first, Answer::failed(trouble())));
    report(&mut state, Report::Answer(second, Answer::failed(trouble())));
    assert_eq!(edited_outside(&mut state).1, "second");
    key(&mut state, KeyCode::Esc);
    assert_eq!(edited_outside(&mut state).1, "first");
}
