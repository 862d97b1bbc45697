//! Goal: what the Watch screen does with keys and news, and what a person sees of it. Method: tables of keys and of what
//! an engine would say; snapshots of a test terminal.

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use mini_etcd_tui::console::view::view;
use mini_etcd_tui::console::{Effect, Msg, State, update};
use mini_etcd_tui::engine::order::Order;
use mini_etcd_tui::engine::report::Report;
use mini_etcd_tui::engine::request::{Answer, Job, Ticket, Trouble};
use mini_etcd_tui::screens::ScreenId;
use mini_etcd_tui::screens::watch::requests::{Follow, Save};
use mini_etcd_tui::screens::watch::{
    Before, Event, HELD, Kind, Link, News, Reach, Revision, Spec, TAILS_MAX, Version, What, lines,
};
use mini_etcd_tui::widget::theme::Depth;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::support::{admin, at, ctrl, key, listed, report, state, type_text};

pub fn version(number: i64, value: &str, lease: i64, written: i64) -> Version {
    Version { value: value.as_bytes().to_vec().into(), version: number, lease, written }
}

pub fn put(revision: i64, key: &str, number: i64, before: Option<&str>, value: &str) -> Event {
    let before = before.map_or(Before::Nothing, |value| {
        Before::Known(version(number - 1, value, 0, revision - 9))
    });
    let now = version(number, value, 0, revision);
    Event::new(Kind::Put, key.as_bytes().to_vec().into(), 7, now, before)
}

pub fn del(revision: i64, key: &str, before: Before) -> Event {
    Event::new(Kind::Del, key.as_bytes().to_vec().into(), 0, version(0, "", 0, revision), before)
}

pub fn revision(number: i64, events: Vec<Event>) -> Arc<Revision> {
    Arc::new(Revision { number, events, cut: 0 })
}

pub fn tell(state: &mut State, ticket: Ticket, news: News) {
    let last = matches!(news, News::Ended(_));
    let answer = if last { Answer::of(news) } else { Answer::part(news) };
    report(state, Report::Answer(ticket, answer));
}

pub fn stands(from: i64, server: i64, member: u64) -> News {
    News::Stands { member: (member, format!("127.0.0.1:2379{member}")), from, server }
}

pub fn lost() -> News {
    News::Lost { place: "127.0.0.1:23793".into(), why: "lost the connection".into(), next: 0 }
}

/// What the effects ask, with its ticket.
fn asked(effects: Vec<Effect>) -> (Ticket, Job) {
    match effects.into_iter().next() {
        Some(Effect::Engine(Order::Ask(ticket, job))) => (ticket, job),
        other => panic!("{other:?}"),
    }
}

/// A tail of `/config/`, from a revision on.
pub fn begin(state: &mut State) -> Ticket {
    key(state, KeyCode::Char('3'));
    key(state, KeyCode::Char('w'));
    type_text(state, "/config/");
    key(state, KeyCode::Tab);
    key(state, KeyCode::Tab);
    type_text(state, "918300");
    let (ticket, job) = asked(key(state, KeyCode::Enter));
    let spec = Spec {
        key: "/config/".into(),
        reach: Reach::Prefix,
        from: Some(918_300),
        previous: true,
        leader: true,
        ..Spec::default()
    };
    assert_eq!(job.request::<Follow>().map(|follow| &follow.spec), Some(&spec));
    ticket
}

/// The story of the picture: changes, a reset, a transaction.
fn story(state: &mut State) -> Ticket {
    let ticket = begin(state);
    tell(state, ticket, stands(918_300, 918_440, 3));
    let old = "a banner that is a text\nof some lines\nend\n";
    let new = "a banner that is a text\nof more\nlines\nthan before\nend\n";
    let beta = Before::Known(version(2, &"x".repeat(77), 0, 9));
    tell(
        state,
        ticket,
        News::Revisions(
            vec![
                revision(918_301, vec![put(918_301, "/config/web/banner", 12, Some(old), new)]),
                revision(918_317, vec![del(918_317, "/config/api/beta", beta)]),
            ],
            918_330,
        ),
    );
    at(state, 125);
    tell(state, ticket, lost());
    at(state, 127);
    tell(state, ticket, stands(918_318, 918_400, 1));
    let (before, now) =
        (r#"{"connect_ms":250,"read_ms":4000}"#, r#"{"connect_ms":250,"read_ms":1500}"#);
    let txn =
        ["a", "b", "c"].map(|name| put(918_440, &format!("/config/api/{name}"), 1, None, "value"));
    tell(
        state,
        ticket,
        News::Revisions(
            vec![
                revision(918_402, vec![put(918_402, "/config/web/timeout", 5, Some(before), now)]),
                revision(918_440, txn.into()),
            ],
            918_442,
        ),
    );
    tell(state, ticket, News::Progress(918_442));
    at(state, 128);
    ticket
}

fn drawn(state: &State) -> String {
    let (width, height) = state.ctx.size;
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let mut state = state.clone();
    terminal.draw(|frame| view(&mut state, frame)).unwrap();
    terminal.backend().to_string()
}

fn watching(size: (u16, u16), depth: Depth, ascii: bool) -> (State, Ticket) {
    let mut state = state(size, depth, ascii);
    report(&mut state, Report::Members(0xcafe, listed(3)));
    let ticket = story(&mut state);
    for id in 1..=3 {
        report(&mut state, Report::Sample(id, Box::new(admin(id, 2, 918_442, 128))));
    }
    (state, ticket)
}

fn plain() -> (State, Ticket) {
    watching((120, 36), Depth::Sixteen, false)
}

#[test]
fn watch_at_120x36() {
    insta::assert_snapshot!(drawn(&plain().0));
}

#[test]
fn watch_at_80x24() {
    insta::assert_snapshot!(drawn(&watching((80, 24), Depth::Sixteen, false).0));
}

#[test]
fn watch_in_ascii_and_the_same_without_colours() {
    let (state, _) = watching((120, 36), Depth::None, true);
    let shown = drawn(&state);
    assert!(shown.is_ascii(), "{shown}");
    insta::assert_snapshot!(shown);
    let coloured = drawn(&plain().0);
    assert_eq!(drawn(&watching((120, 36), Depth::None, false).0), coloured);
}

#[test]
fn no_tail_yet_and_the_form_of_a_new_one() {
    let mut state = state((80, 24), Depth::Sixteen, false);
    key(&mut state, KeyCode::Char('3'));
    assert!(drawn(&state).contains("No tail yet"));
    key(&mut state, KeyCode::Char('w'));
    type_text(&mut state, "/config/\\xzz");
    assert!(key(&mut state, KeyCode::Enter).is_empty());
    insta::assert_snapshot!(drawn(&state));
    key(&mut state, KeyCode::Esc);
    assert!(state.watch.prompt.is_none() && state.watch.list().is_empty());
}

#[test]
fn a_transaction_unfolds_and_folds() {
    let (mut state, _) = plain();
    assert!(drawn(&state).contains("3 keys in one revision"));
    key(&mut state, KeyCode::Enter);
    let open = drawn(&state);
    for name in ["/config/api/a", "/config/api/b", "/config/api/c"] {
        assert!(open.contains(&format!("  {name} ")), "{open}");
    }
    insta::assert_snapshot!("a_transaction_unfolded", open);
    key(&mut state, KeyCode::Char('j'));
    key(&mut state, KeyCode::Char('j'));
    assert_eq!(chosen(&state), "/config/api/b");
    key(&mut state, KeyCode::Char('k'));
    key(&mut state, KeyCode::Char('k'));
    key(&mut state, KeyCode::Enter);
    assert!(!drawn(&state).contains("  /config/api/b "));
}

fn chosen(state: &State) -> String {
    let event = state.watch.active().and_then(|tail| tail.chosen_event());
    event.map_or_else(String::new, |(_, event)| String::from_utf8_lossy(&event.key).into_owned())
}

#[test]
fn a_change_is_shown_beside_the_previous_value() {
    let (mut state, _) = plain();
    key(&mut state, KeyCode::Char('g'));
    key(&mut state, KeyCode::Char('j'));
    assert_eq!(chosen(&state), "/config/web/banner");
    key(&mut state, KeyCode::Char('='));
    insta::assert_snapshot!(drawn(&state));
    key(&mut state, KeyCode::Char('='));
    assert!(state.watch.detail.is_none());
    key(&mut state, KeyCode::Enter);
    assert!(state.watch.detail.is_some());
    key(&mut state, KeyCode::Esc);
    assert!(state.watch.detail.is_none());
}

#[test]
fn paused_it_holds_and_counts_and_says_what_was_too_much() {
    let (mut state, ticket) = plain();
    key(&mut state, KeyCode::Char('p'));
    let rows = state.watch.active().unwrap().rows();
    let extra = 25;
    for number in 0..i64::try_from(HELD.events).unwrap() + extra {
        let number = 918_500 + number;
        let news = vec![revision(number, vec![put(number, "/config/x", 1, None, "v")])];
        tell(&mut state, ticket, News::Revisions(news, number));
    }
    let tail = state.watch.active().unwrap();
    assert_eq!((tail.rows(), tail.held()), (rows, (HELD.events, 25)));
    let shown = drawn(&state);
    assert!(shown.contains("paused, 10 000 held, 25 too many to hold"), "{shown}");
    state.ctx.size = (80, 24);
    insta::assert_snapshot!("a_paused_tail_at_80x24", drawn(&state));
    key(&mut state, KeyCode::Char('p'));
    let tail = state.watch.active().unwrap();
    assert_eq!(tail.held(), (0, 0));
    // What was shown before has made room; the mark stands before what was held.
    let (events, dropped) = tail.kept();
    assert_eq!((events, dropped), (10_000, 6));
    key(&mut state, KeyCode::Char('.'));
    let shown = drawn(&state);
    assert!(shown.contains("pause: the first 25 events of it were not held"), "{shown}");
}

#[test]
fn nothing_lost_is_said_only_when_it_is_proven() {
    let (mut state, ticket) = plain();
    let marks = |state: &State| drawn(state).matches("nothing lost").count();
    assert_eq!(marks(&state), 1);
    tell(&mut state, ticket, lost());
    at(&mut state, 130);
    assert!(drawn(&state).contains("away 2.0s"));
    // The server has more than this tail: it may have been compacted.
    tell(&mut state, ticket, stands(918_443, 918_500, 2));
    assert_eq!(marks(&state), 1);
    assert!(drawn(&state).contains("nothing delivered yet"));
    // It goes away again before it said a word: one gap.
    tell(&mut state, ticket, lost());
    tell(&mut state, ticket, stands(918_443, 918_500, 2));
    tell(&mut state, ticket, News::Progress(918_500));
    assert_eq!(marks(&state), 2);
    // Nothing happened meanwhile: proven at once.
    tell(&mut state, ticket, lost());
    tell(&mut state, ticket, stands(918_501, 918_500, 2));
    assert_eq!(marks(&state), 3);
}

#[test]
fn how_far_it_is_behind_is_what_the_server_says_and_silence_is_told() {
    let (mut state, ticket) = plain();
    assert!(drawn(&state).contains("server at 918 442, this tail is 0 behind"));
    let news = vec![revision(918_450, vec![put(918_450, "/config/q", 1, None, "v")])];
    tell(&mut state, ticket, News::Revisions(news, 918_900));
    assert!(drawn(&state).contains("server at 918 900, this tail is 450 behind"));
    at(&mut state, 140);
    let shown = drawn(&state);
    assert!(shown.contains("stale 12s") && shown.contains("nothing heard for 12s"), "{shown}");
}

#[test]
fn a_compaction_says_what_is_gone_and_claims_nothing_else() {
    let (mut state, ticket) = plain();
    tell(&mut state, ticket, lost());
    tell(&mut state, ticket, stands(918_443, 918_900, 2));
    tell(&mut state, ticket, News::Compacted(918_443, 918_800));
    tell(&mut state, ticket, stands(918_800, 918_900, 2));
    let shown = drawn(&state);
    assert!(
        shown.contains("compacted: 918 443 to 918 799 are gone; goes on at 918 800"),
        "{shown}"
    );
    assert_eq!(shown.matches("nothing lost").count(), 1, "{shown}");
    tell(&mut state, ticket, News::Ended("etcdserver: permission denied".into()));
    insta::assert_snapshot!("marks_of_what_is_missing", drawn(&state));
}

#[test]
fn a_denied_tail_says_why_and_can_be_begun_again_where_it_ended() {
    let (mut state, ticket) = plain();
    tell(&mut state, ticket, News::Ended("etcdserver: permission denied".into()));
    let shown = drawn(&state);
    assert!(shown.contains("ended: etcdserver: permission denied"), "{shown}");
    assert!(shown.contains("r again"), "{shown}");
    let (again, job) = asked(key(&mut state, KeyCode::Char('r')));
    assert_ne!(again, ticket);
    assert_eq!(job.request::<Follow>().unwrap().spec.from, Some(918_443));
    // The old one's words come too late.
    tell(&mut state, ticket, News::Progress(1_000_000));
    assert_eq!(state.watch.active().unwrap().told, 918_442);
}

#[test]
fn a_tail_that_ends_behind_another_screen_is_told() {
    let (mut state, ticket) = plain();
    key(&mut state, KeyCode::Char('1'));
    tell(&mut state, ticket, News::Ended("etcdserver: permission denied".into()));
    assert!(drawn(&state).contains("tail w1 ended"));
}

#[test]
fn filter_search_pin_and_clear_change_only_what_is_shown() {
    let (mut state, ticket) = plain();
    let rows = |state: &State| state.watch.active().unwrap().rows();
    assert_eq!(rows(&state), 6);
    key(&mut state, KeyCode::Char('F'));
    type_text(&mut state, "put & ~");
    key(&mut state, KeyCode::Enter);
    let shown = drawn(&state);
    assert!(shown.contains("column 8: expected put, del"), "{shown}");
    type_text(&mut state, "timeout");
    key(&mut state, KeyCode::Enter);
    // Two marks, the banner and the transaction.
    assert_eq!(rows(&state), 4);
    tell(
        &mut state,
        ticket,
        News::Revisions(
            vec![
                revision(918_450, vec![del(918_450, "/config/q", Before::Unknown)]),
                revision(918_451, vec![put(918_451, "/config/q", 1, None, "Needle")]),
            ],
            918_451,
        ),
    );
    assert_eq!(rows(&state), 5);
    state.ctx.size = (80, 24);
    insta::assert_snapshot!("a_filtered_tail_at_80x24", drawn(&state));
    state.ctx.size = (120, 36);
    key(&mut state, KeyCode::Char('/'));
    type_text(&mut state, "NEEDLE");
    key(&mut state, KeyCode::Enter);
    assert!(drawn(&state).contains("NEEDLE is in no row that is shown"));
    key(&mut state, KeyCode::Char('g'));
    key(&mut state, KeyCode::Char('/'));
    ctrl(&mut state, 'u');
    type_text(&mut state, "needle");
    key(&mut state, KeyCode::Enter);
    assert_eq!(chosen(&state), "/config/q");
    key(&mut state, KeyCode::Char('n'));
    assert!(drawn(&state).contains("went round the end"));
    key(&mut state, KeyCode::Char(' '));
    assert_eq!(rows(&state), 3, "marks and the pinned key");
    assert!(drawn(&state).contains("pinned: /config/q"));
    key(&mut state, KeyCode::Esc);
    key(&mut state, KeyCode::Esc);
    assert_eq!(rows(&state), 5, "Esc gave up the search, then the pin");
    key(&mut state, KeyCode::Char('F'));
    ctrl(&mut state, 'u');
    key(&mut state, KeyCode::Enter);
    assert_eq!(rows(&state), 8);
    key(&mut state, KeyCode::Char('c'));
    assert_eq!(rows(&state), 0);
    let news = vec![revision(918_460, vec![put(918_460, "/config/q", 2, Some("a"), "b")])];
    tell(&mut state, ticket, News::Revisions(news, 918_460));
    assert_eq!((rows(&state), chosen(&state).as_str()), (1, "/config/q"));
}

#[test]
fn moving_up_stops_following_and_the_end_follows_again() {
    let (mut state, ticket) = plain();
    let mut number = 918_500;
    let mut more = |state: &mut State| {
        for _ in 0..100 {
            number += 1;
            let name = format!("/config/{number}");
            let news = vec![revision(number, vec![put(number, &name, 1, None, "v")])];
            tell(state, ticket, News::Revisions(news, number));
        }
    };
    more(&mut state);
    assert_eq!(chosen(&state), "/config/918600");
    for _ in 0..40 {
        key(&mut state, KeyCode::Char('k'));
    }
    let stays = chosen(&state);
    let shown = drawn(&state);
    more(&mut state);
    assert_eq!((chosen(&state), stays.as_str()), (stays.clone(), "/config/918560"));
    let rows = |shown: &str| shown.lines().skip(4).take(28).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(rows(&drawn(&state)), rows(&shown), "the rows one reads do not move");
    key(&mut state, KeyCode::Char('G'));
    more(&mut state);
    assert_eq!(chosen(&state), "/config/918800");
}

#[test]
fn tails_are_bounded_turned_and_closed() {
    let mut state = state((120, 36), Depth::Sixteen, false);
    key(&mut state, KeyCode::Char('3'));
    let mut tickets = Vec::new();
    for _ in 0..TAILS_MAX {
        key(&mut state, KeyCode::Char('w'));
        tickets.push(asked(key(&mut state, KeyCode::Enter)).0);
    }
    key(&mut state, KeyCode::Char('w'));
    assert!(state.watch.prompt.is_none());
    assert!(drawn(&state).contains("8 tails is all"));
    key(&mut state, KeyCode::Tab);
    assert_eq!(state.watch.active().unwrap().name(), "w1");
    key(&mut state, KeyCode::BackTab);
    assert_eq!(state.watch.active().unwrap().name(), "w8");
    assert_eq!(key(&mut state, KeyCode::Char('x')), [Effect::Engine(Order::Drop(tickets[7]))]);
    assert_eq!(state.watch.active().unwrap().name(), "w7");
    tell(&mut state, tickets[7], News::Progress(5));
    assert!(state.watch.list().iter().all(|tail| tail.told == 0), "news of a closed tail");
    tell(&mut state, tickets[0], News::Lost { place: String::new(), why: "x".into(), next: 0 });
    assert!(drawn(&state).contains("Tab w1! w2 w3 w4 w5 w6 [w7]"), "{}", drawn(&state));
    assert!(matches!(state.watch.list()[0].link, Link::Away { .. }));
}

#[test]
fn lines_of_a_saved_tail() {
    let (mut state, _) = plain();
    key(&mut state, KeyCode::Char('F'));
    type_text(&mut state, "~key:banner & ~key:api/b & ~key:api/c | del");
    key(&mut state, KeyCode::Enter);
    key(&mut state, KeyCode::Char('s'));
    let (_, job) = asked(key(&mut state, KeyCode::Enter));
    let Save { entries, .. } = job.request().unwrap();
    let lines: Vec<_> = entries.iter().flat_map(lines).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn what_is_shown_is_saved_and_a_failure_says_what_to_do() {
    let (mut state, _) = plain();
    key(&mut state, KeyCode::Char('F'));
    type_text(&mut state, "key:api & ~key:b");
    key(&mut state, KeyCode::Enter);
    key(&mut state, KeyCode::Char('s'));
    assert!(drawn(&state).contains("save to: w1-at-918440.jsonl"));
    let (ticket, job) = asked(key(&mut state, KeyCode::Enter));
    let Save { file, entries } = job.request().unwrap();
    assert_eq!(file, "w1-at-918440.jsonl");
    let written: Vec<_> = entries.iter().flat_map(lines).collect();
    // The beginning, the reset, and of the transaction what the filter lets through.
    assert_eq!(written.len(), 4, "{written:#?}");
    assert!(matches!(&entries[2].what, What::Revision(revision) if revision.events.len() == 2));
    let trouble = Trouble {
        place: file.clone(),
        why: "a file of that name is there".into(),
        next: "s".into(),
    };
    report(&mut state, Report::Answer(ticket, Answer::failed(trouble)));
    let shown = drawn(&state);
    assert!(shown.contains("nothing was written to w1-at-918440.jsonl"), "{shown}");
    assert_eq!(state.ctx.screen, ScreenId::Watch);
}

#[test]
fn hostile_bytes_reach_the_terminal_escaped() {
    let (mut state, ticket) = plain();
    let name: &[u8] = b"/config/\x1b[2J\xff\x00";
    let now = Version { value: b"\x1b]0;x\x07".to_vec().into(), version: 1, lease: 0, written: 5 };
    let event = Event::new(Kind::Put, name.to_vec().into(), 5, now, Before::Nothing);
    tell(&mut state, ticket, News::Revisions(vec![revision(918_500, vec![event])], 918_500));
    key(&mut state, KeyCode::Char('='));
    let shown = drawn(&state);
    assert!(!shown.contains('\x1b') && !shown.contains('\x07'), "{shown:?}");
    assert!(shown.contains("\\x1b[2J\\xff\\x00"), "{shown}");
}

#[test]
fn the_rate_is_of_whole_seconds_and_falls_to_nothing() {
    let (mut state, ticket) = plain();
    for second in 200..206 {
        at(&mut state, second);
        for number in 0..30 {
            let number = i64::try_from(second).unwrap() * 100 + number;
            let news = vec![revision(number, vec![put(number, "/config/x", 1, None, "v")])];
            tell(&mut state, ticket, News::Revisions(news, number));
        }
    }
    let rate = |state: &State| state.watch.active().unwrap().rate(state.ctx.now).round();
    assert!((rate(&state) - 30.0).abs() < f64::EPSILON, "{}", rate(&state));
    at(&mut state, 207);
    assert!((rate(&state) - 20.0).abs() < f64::EPSILON, "{}", rate(&state));
    at(&mut state, 230);
    assert!(rate(&state).abs() < f64::EPSILON);
}

#[test]
fn a_paste_goes_into_the_field_that_has_the_keyboard() {
    let mut state = state((120, 36), Depth::Sixteen, false);
    key(&mut state, KeyCode::Char('3'));
    key(&mut state, KeyCode::Char('w'));
    update(&mut state, Msg::Paste("/a\n/b".into()));
    let enter = KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE);
    let (_, job) = asked(update(&mut state, Msg::Key(enter)));
    assert_eq!(job.request::<Follow>().unwrap().spec.key.as_ref(), b"/a /b");
}

#[test]
fn what_is_unfolded_at_the_end_of_a_long_list_is_seen() {
    let (mut state, ticket) = plain();
    for number in 918_500..918_600 {
        let news = vec![revision(number, vec![put(number, "/config/x", 1, None, "v")])];
        tell(&mut state, ticket, News::Revisions(news, number));
    }
    let events = (0..20).map(|n| put(918_700, &format!("/config/n{n:02}"), 1, None, "v"));
    let news = vec![revision(918_700, events.collect())];
    tell(&mut state, ticket, News::Revisions(news, 918_700));
    key(&mut state, KeyCode::Enter);
    let shown = drawn(&state);
    assert!(shown.contains("n00") && shown.contains("n19"), "{shown}");
    key(&mut state, KeyCode::Enter);
    let shown = drawn(&state);
    assert!(!shown.contains("n19") && shown.contains("TXNx20"), "{shown}");
}
