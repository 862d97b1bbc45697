//! Goal: a question is answered by who reads it: its yes does what it says, and no key that was meant for something else
//! is a yes. Method: tables of keys over answers that come late.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use mini_etcd_tui::console::{Confirm, Effect, Msg, Overlay, State, Tier, Yes, update};
use mini_etcd_tui::engine::order::Order;
use mini_etcd_tui::engine::report::Report;
use mini_etcd_tui::engine::request::{Answer, Job, Request, Ticket};
use mini_etcd_tui::screens::keys::model::{Changed, Preview, Stop, Target};
use mini_etcd_tui::screens::keys::requests::{ChangeMany, CountBulk, WriteKey};
use mini_etcd_tui::screens::leases::model::Told;
use mini_etcd_tui::screens::leases::requests::{Listing, ReadLease};
use mini_etcd_tui::widget::theme::Depth;

use crate::keys_screen::{keys, press};
use crate::support::{busy, key, report, state};

/// What is asked of servers by this, of one type.
pub fn asked<R: Request>(effects: Vec<Effect>) -> Vec<(Ticket, R)> {
    let ask = |effect| match effect {
        Effect::Engine(Order::Ask(ticket, job)) => Some((ticket, Job::request::<R>(&job)?.clone())),
        _ => None,
    };
    effects.into_iter().filter_map(ask).collect()
}

fn preview() -> Answer {
    Answer::of(Preview { count: 1204, first: vec!["/config/a".into()], revision: 7, kept: 0 })
}

/// The Keys screen while the keys below /config/ are counted, for a delete.
fn counting() -> (State, Ticket) {
    let mut state = keys((120, 36), Depth::Sixteen, false);
    press(&mut state, "kkkk");
    let count = asked::<CountBulk>(key(&mut state, KeyCode::Char('d')));
    (state, count[0].0)
}

fn question(state: &State) -> Option<&Confirm> {
    state.ctx.overlays.iter().rev().find_map(|overlay| match overlay {
        Overlay::Confirm(confirm) => Some(&**confirm),
        _ => None,
    })
}

#[test]
fn a_yes_does_what_is_shown_whatever_was_counted_meanwhile() {
    let (mut state, ticket) = counting();
    press(&mut state, "jjjjd");
    report(&mut state, Report::Answer(ticket, preview()));
    if question(&state).unwrap().title.contains("keys below") {
        press(&mut state, "n");
    }
    let title = question(&state).unwrap().title.clone();
    assert_eq!(title, "delete /config/web/timeout");
    let effects = key(&mut state, KeyCode::Char('y'));
    assert_eq!(asked::<ChangeMany>(effects.clone()), [], "another question's plan");
    let writes = asked::<WriteKey>(effects);
    assert_eq!(writes[0].1.write.key, "/config/web/timeout");
}

#[test]
fn a_question_that_comes_while_something_else_has_the_keys_is_not_asked() {
    for begun in [":", ";", "?", "E", "/", "1", "5"] {
        let (mut state, ticket) = counting();
        // A value to edit.
        press(&mut state, "jjjj");
        press(&mut state, begun);
        report(&mut state, Report::Answer(ticket, preview()));
        assert_eq!(question(&state), None, "{begun}");
        let shown = state.ctx.toasts.shown();
        let told = |what: &str| shown.iter().any(|toast| toast.what.contains(what));
        assert!(told("keys below /config/") && told("not asked"), "{begun}: {shown:?}");
    }
    // It is, when nothing else was begun.
    let (mut state, ticket) = counting();
    press(&mut state, "j");
    report(&mut state, Report::Answer(ticket, preview()));
    assert!(question(&state).unwrap().title.ends_with("keys below /config/"));
    assert_eq!(asked::<ChangeMany>(key(&mut state, KeyCode::Char('y'))).len(), 1);
}

#[test]
fn a_question_that_is_asked_anew_does_not_come_over_another_one() {
    let (mut state, ticket) = counting();
    report(&mut state, Report::Answer(ticket, preview()));
    let change = asked::<ChangeMany>(key(&mut state, KeyCode::Char('y')));
    press(&mut state, "jjjjd");
    // Somebody was faster than the first delete: it is counted again.
    let left = vec![Target::Prefix("/config/".into())];
    let met = Changed { stopped: Some(Stop::Changed(left)), ..Changed::default() };
    let effects = report(&mut state, Report::Answer(change[0].0, Answer::of(met)));
    let again = asked::<CountBulk>(effects);
    report(&mut state, Report::Answer(again[0].0, preview()));
    assert_eq!(question(&state).unwrap().title, "delete /config/web/timeout");
    let writes = asked::<WriteKey>(key(&mut state, KeyCode::Char('y')));
    assert_eq!(writes[0].1.write.key, "/config/web/timeout");
}

#[test]
fn a_lease_is_not_asked_about_on_another_screen() {
    let mut state = state((120, 36), Depth::Sixteen, false);
    busy(&mut state);
    let listed = asked::<mini_etcd_tui::screens::leases::requests::ListLeases>(key(
        &mut state,
        KeyCode::Char('4'),
    ));
    let listing = Listing { ids: vec![7, 8], more: 0, in_order: true };
    report(&mut state, Report::Answer(listed[0].0, Answer::of(listing)));
    let told = || Answer::of(Told::Lease { granted: 60, left: 50, count: 0, keys: Vec::new() });
    let read = asked::<ReadLease>(key(&mut state, KeyCode::Char('d')));
    let of_seven = read.iter().find(|(_, read)| read.revoke).unwrap().0;
    key(&mut state, KeyCode::Char('1'));
    report(&mut state, Report::Answer(of_seven, told()));
    assert_eq!(question(&state), None);
    // Two that are asked about: the one before is given up.
    key(&mut state, KeyCode::Char('4'));
    let read = asked::<ReadLease>(key(&mut state, KeyCode::Char('d')));
    let of_seven = read.iter().find(|(_, read)| read.revoke).unwrap().0;
    key(&mut state, KeyCode::Char('j'));
    let read = asked::<ReadLease>(key(&mut state, KeyCode::Char('d')));
    let of_eight = read.iter().find(|(_, read)| read.revoke).unwrap().0;
    report(&mut state, Report::Answer(of_eight, told()));
    report(&mut state, Report::Answer(of_seven, told()));
    assert!(question(&state).unwrap().title.contains('8'), "{:?}", question(&state));
    assert_eq!(state.ctx.overlays.len(), 1);
}

fn held(state: &mut State, code: KeyCode, modifiers: KeyModifiers) -> Vec<Effect> {
    update(state, Msg::Key(KeyEvent::new(code, modifiers)))
}

#[test]
fn a_key_with_ctrl_or_alt_answers_no_question() {
    let mut state = keys((120, 36), Depth::Sixteen, false);
    let ask = |tier| {
        let (title, text, yes) = ("t".to_owned(), "x".to_owned(), Yes::Do(Effect::Quit));
        Overlay::Confirm(Box::new(Confirm {
            tier,
            title,
            text,
            yes,
            typed: String::new(),
            again: false,
        }))
    };
    for modifiers in [KeyModifiers::CONTROL, KeyModifiers::ALT] {
        state.ctx.overlays = vec![ask(Tier::Loss)];
        for code in [KeyCode::Char('y'), KeyCode::Char('n')] {
            assert_eq!(held(&mut state, code, modifiers), []);
            assert!(question(&state).is_some(), "{modifiers:?} {code:?}");
        }
        state.ctx.overlays = vec![ask(Tier::Shape("go".to_owned()))];
        assert_eq!(held(&mut state, KeyCode::Char('g'), modifiers), []);
        assert_eq!(question(&state).unwrap().typed, "", "{modifiers:?}");
    }
    state.ctx.overlays = vec![ask(Tier::Shape("Go".to_owned()))];
    held(&mut state, KeyCode::Char('G'), KeyModifiers::SHIFT);
    key(&mut state, KeyCode::Char('o'));
    assert_eq!(key(&mut state, KeyCode::Enter), [Effect::Quit]);
}
