//! Goal: what a key or a report does. Method: tables over `update`, no terminal.

use std::time::Duration;

use crossterm::event::KeyCode;
use mini_etcd_shared::clock::Moment;
use mini_etcd_tui::console::{Effect, Msg, Overlay, Redraw, State, update};
use mini_etcd_tui::engine::order::Order;
use mini_etcd_tui::engine::report::{Ended, Pace, Report};
use mini_etcd_tui::engine::sample::Listed;
use mini_etcd_tui::engine::sample::{Alarm, AlarmKind, Fault, Peer, Peers, Proof, Sample};
use mini_etcd_tui::screens::ScreenId;
use mini_etcd_tui::screens::cluster::Health;
use mini_etcd_tui::screens::cluster::verdict::Level;
use mini_etcd_tui::screens::keys::model::{Change, Target, Write};
use mini_etcd_tui::screens::keys::{Reversal, Undo, Way};
use mini_etcd_tui::screens::watch::Spec;
use mini_etcd_tui::widget::theme::Depth;

use crate::support::{
    admin, at, busy, ctrl, key, listed, moment, ran, refused, report, said, state, status,
    type_text,
};

fn fresh() -> State {
    let mut state = state((120, 36), Depth::True, false);
    busy(&mut state);
    state
}

fn lose(state: &mut State, id: u64) {
    report(state, Report::Lost(id, refused()));
}

fn level(state: &State) -> Level {
    state.ctx.cluster.verdict(state.ctx.now, state.ctx.stale_after()).level
}

fn health(state: &State, id: u64) -> Health {
    state.ctx.cluster.health(
        state.ctx.cluster.member(id).unwrap(),
        state.ctx.now,
        state.ctx.stale_after(),
    )
}

#[test]
fn quitting_takes_two_presses_within_three_seconds() {
    let mut state = fresh();
    assert_eq!(key(&mut state, KeyCode::Char('q')), []);
    at(&mut state, 125);
    assert_eq!(key(&mut state, KeyCode::Char('q')), [], "too late: asks again");
    assert_eq!(key(&mut state, KeyCode::Char('q')), [Effect::Quit]);
}

#[test]
fn esc_closes_one_thing_at_a_time_and_never_leaves() {
    let mut state = fresh();
    key(&mut state, KeyCode::Enter);
    key(&mut state, KeyCode::Char('?'));
    assert_eq!(state.ctx.overlays, [Overlay::Member(1), Overlay::Help(0)]);
    key(&mut state, KeyCode::Esc);
    assert_eq!(state.ctx.overlays, [Overlay::Member(1)]);
    for _ in 0..5 {
        assert_eq!(key(&mut state, KeyCode::Esc), []);
    }
    assert!(state.ctx.overlays.is_empty());
}

#[test]
fn an_action_is_found_by_words_and_done_whether_it_has_a_key_or_not() {
    let mut state = fresh();
    key(&mut state, KeyCode::Char('2'));
    type_text(&mut state, ";whole screen");
    assert!(matches!(state.ctx.overlays.last(), Some(Overlay::Actions(_))));
    assert!(!state.keys.zoom);
    key(&mut state, KeyCode::Enter);
    assert!(state.keys.zoom && state.ctx.overlays.is_empty());
    // The arrows choose among what was found; what leads to another screen is found on each.
    type_text(&mut state, ";the screen");
    let first = state.ctx.overlays.clone();
    key(&mut state, KeyCode::Down);
    assert_ne!(state.ctx.overlays, first);
    key(&mut state, KeyCode::Up);
    assert_eq!(state.ctx.overlays, first);
    key(&mut state, KeyCode::Esc);
    type_text(&mut state, ";cluster screen");
    key(&mut state, KeyCode::Enter);
    assert_eq!(state.ctx.screen, ScreenId::Cluster);
    // Words that no action has leave the list open, and letters are typed: q leaves nothing.
    type_text(&mut state, ";qqqq");
    assert_eq!(key(&mut state, KeyCode::Enter), []);
    assert!(matches!(state.ctx.overlays.last(), Some(Overlay::Actions(_))));
    key(&mut state, KeyCode::Esc);
    assert!(state.ctx.overlays.is_empty());
}

#[test]
fn a_kill_that_leaves_a_quorum_is_done_at_once_and_one_that_does_not_is_asked() {
    let mut state = fresh();
    assert_eq!(key(&mut state, KeyCode::Char('x')), [Effect::Engine(Order::Kill("n1".into()))]);
    let ended =
        Ended { name: "n1".into(), how: "signal: 9".into(), log: "n1.log".into(), killed: true };
    report(&mut state, Report::Ended(ended));
    lose(&mut state, 1);
    assert_eq!(level(&state), Level::Degraded);
    key(&mut state, KeyCode::Char('j'));
    assert_eq!(key(&mut state, KeyCode::Char('x')), []);
    assert!(matches!(state.ctx.overlays.last(), Some(Overlay::Confirm(_))));
    // Enter, space and every other key are no yes.
    for code in [KeyCode::Enter, KeyCode::Char(' '), KeyCode::Char('x'), KeyCode::Char('Y')] {
        assert_eq!(key(&mut state, code), []);
    }
    assert_eq!(key(&mut state, KeyCode::Char('y')), [Effect::Engine(Order::Kill("n2".into()))]);
    assert!(state.ctx.overlays.is_empty());
}

#[test]
fn a_member_killed_from_here_is_not_told_as_a_failure() {
    let mut state = fresh();
    assert_eq!(key(&mut state, KeyCode::Char('x')), [Effect::Engine(Order::Kill("n1".into()))]);
    // The connection breaks before the process is seen to have ended.
    lose(&mut state, 1);
    assert!(state.ctx.toasts.shown().is_empty());
}

#[test]
fn a_killed_member_is_started_again_and_a_running_one_is_not() {
    let mut state = fresh();
    assert_eq!(key(&mut state, KeyCode::Char('r')), []);
    let ended = Ended { name: "n1".into(), how: String::new(), log: String::new(), killed: true };
    report(&mut state, Report::Ended(ended));
    assert_eq!(key(&mut state, KeyCode::Char('x')), []);
    assert_eq!(key(&mut state, KeyCode::Char('r')), [Effect::Engine(Order::Restart("n1".into()))]);
}

#[test]
fn on_servers_that_are_not_bundled_nothing_is_killed() {
    let mut state = state((120, 36), Depth::True, false);
    report(&mut state, Report::Members(1, listed(3)));
    assert_eq!(key(&mut state, KeyCode::Char('x')), []);
    assert_eq!(key(&mut state, KeyCode::Char('r')), []);
}

#[test]
fn reports_of_an_older_generation_change_nothing() {
    let mut state = fresh();
    state.generation = 7;
    let members = state.ctx.cluster.members.len();
    update(&mut state, Msg::Report(6, Report::Members(0xbad, listed(1))));
    assert_eq!((state.ctx.cluster.id, state.ctx.cluster.members.len()), (0xcafe, members));
}

#[test]
fn the_answer_to_a_run_that_was_given_up_is_dropped() {
    let mut state = fresh();
    key(&mut state, KeyCode::Char(':'));
    type_text(&mut state, "get a");
    assert_eq!(key(&mut state, KeyCode::Enter), [Effect::Engine(Order::Run(1, "get a".into()))]);
    assert_eq!(ctrl(&mut state, 'c'), [Effect::Engine(Order::Cancel(1))]);
    report(&mut state, said(1, "late"));
    report(&mut state, ran(1));
    assert_eq!(state.repl.palette.output, None);
    type_text(&mut state, "get b");
    assert_eq!(key(&mut state, KeyCode::Enter), [Effect::Engine(Order::Run(2, "get b".into()))]);
    report(&mut state, said(2, "b"));
    report(&mut state, ran(2));
    let output = state.repl.palette.output.as_ref().unwrap();
    assert_eq!((output.line.as_str(), output.text.as_slice()), ("get b", &["b".to_owned()][..]));
}

#[test]
fn in_the_palette_letters_are_text_and_not_actions() {
    let mut state = fresh();
    key(&mut state, KeyCode::Char(':'));
    assert_eq!(type_text(&mut state, "qq?x:"), []);
    assert_eq!(state.repl.palette.input(), "qq?x:");
    update(&mut state, Msg::Paste("put a\nb".into()));
    assert_eq!(state.repl.palette.input(), "qq?x:put a\nb");
}

#[test]
fn the_verdict_follows_the_members() {
    let mut state = fresh();
    assert_eq!(level(&state), Level::Ok);
    lose(&mut state, 3);
    let word = |second| Report::Sample(2, Box::new(admin(2, 2, 1_300_000, second)));
    report(&mut state, word(121));
    assert_eq!(health(&state, 3), Health::Down, "what was active a moment ago may be dead");
    at(&mut state, 123);
    report(&mut state, word(123));
    assert_eq!(health(&state, 3), Health::Unreachable, "the leader still hears it");
    let mut leader = admin(2, 2, 1_300_000, 124);
    leader.progress.as_mut().unwrap().iter_mut().for_each(|p| p.active = p.member != 3);
    report(&mut state, Report::Sample(2, Box::new(leader)));
    assert_eq!((level(&state), health(&state, 3)), (Level::Degraded, Health::Down));
    lose(&mut state, 2);
    assert_eq!(level(&state), Level::NoQuorum);
}

/// A cluster of stock etcd, of which all are heard at that second.
fn stock(second: u64, leader: u64) -> State {
    let mut state = state((80, 24), Depth::Sixteen, false);
    report(&mut state, Report::Members(0xcafe, listed(3)));
    at(&mut state, second);
    for id in 1..=3 {
        report(&mut state, Report::Sample(id, Box::new(status(id, leader, 100, second))));
    }
    state
}

fn silent() -> Fault {
    let next = "is it paused, overloaded, or behind a firewall?".into();
    Fault { words: "no answer in time".into(), next, refused: false, denied: None }
}

fn verdict(state: &State) -> (String, String) {
    let said = state.ctx.cluster.verdict(state.ctx.now, state.ctx.stale_after());
    (said.count(), said.words)
}

/// As etcd 3.5 and 3.7 do it: the connection with a stopped process stands, and no byte comes from it.
#[test]
fn a_stopped_member_is_not_alive_because_its_connections_stand() {
    let mut state = stock(10, 1);
    report(&mut state, Report::Lost(3, silent()));
    let told = |second: u64, leader: u64, of_third: bool| {
        let peer = |member, spoke| Peer { member, connected: true, spoke };
        let each = vec![peer(2, true), peer(3, of_third)];
        let peers = Some(Peers { from: Some(moment(second - 5)), at: moment(second), each });
        let sample = Sample { peers, leader, ..status(1, leader, 100, second) };
        Report::Sample(1, Box::new(sample))
    };
    let proof = |second| Proof { asked: moment(second), term: Some(41), refused: None };
    // Of the look that began before the loss a part may be from before.
    at(&mut state, 12);
    report(&mut state, told(12, 1, true));
    report(&mut state, Report::Proof(1, proof(12)));
    assert_eq!(verdict(&state).0, "2-3/3");
    at(&mut state, 20);
    report(&mut state, told(20, 1, false));
    report(&mut state, Report::Sample(2, Box::new(status(2, 1, 100, 20))));
    report(&mut state, Report::Proof(1, proof(20)));
    let words = "DEGRADED, 1 silent, 0-1 may fail";
    assert_eq!(verdict(&state), ("2-3/3".into(), words.into()));
    assert_eq!(health(&state, 3), Health::Silent);
    // Bytes that came after the loss are its life.
    report(&mut state, told(20, 1, true));
    assert_eq!(
        verdict(&state),
        ("3/3".into(), "quorum stands, 1 heard by others, 1 may fail".into())
    );
    // A second one dies: whether an election is due nobody knows.
    report(&mut state, told(20, 0, false));
    lose(&mut state, 2);
    let (count, words) = verdict(&state);
    assert_eq!((count.as_str(), words.as_str()), ("1-2/3", "NO LEADER, 1 down, 1 silent"));
}

/// A read is answered by the successor before the others have named it.
#[test]
fn a_killed_leader_does_not_lead_again_because_its_successor_answers_a_read() {
    let mut state = stock(10, 2);
    lose(&mut state, 2);
    let later = |second: u64, millis: u64| Moment(Duration::from_millis(second * 1000 + millis));
    let tick = |state: &mut State, now: Moment| {
        update(state, Msg::Tick(now, crate::support::WALL + now.0.as_secs()));
    };
    let hear = |state: &mut State, id, leader, term, now| {
        let sample = Sample { at: now, term, ..status(id, leader, 100, 0) };
        report(state, Report::Sample(id, Box::new(sample)));
    };
    tick(&mut state, later(10, 900));
    hear(&mut state, 1, 2, 41, later(10, 900));
    assert_eq!(state.ctx.cluster.leader(), None);
    let proof = Proof { asked: later(11, 0), term: Some(42), refused: None };
    report(&mut state, Report::Proof(1, proof));
    tick(&mut state, later(11, 400));
    hear(&mut state, 3, 2, 41, later(11, 400));
    assert_eq!(state.ctx.cluster.leader(), None, "nobody has named the one of the new term");
    tick(&mut state, later(11, 900));
    hear(&mut state, 1, 3, 42, later(11, 900));
    let changes = state.ctx.cluster.leadership.changes();
    let told: Vec<_> = changes.iter().map(|c| (c.from, c.to, c.term, c.within)).collect();
    assert_eq!(told, [(2, 3, 42, Duration::from_millis(1900))]);
}

#[test]
fn members_alarms_and_versions_that_change_are_told() {
    let mut state = stock(10, 1);
    assert_eq!(state.ctx.toasts.journal().len(), 0, "what stands at the beginning is no news");
    let full = Alarm { member: 2, kind: AlarmKind::NoSpace };
    let sample = |version: &str, alarms: Vec<Alarm>, second| {
        let version = version.to_owned();
        Report::Sample(1, Box::new(Sample { version, alarms, ..status(1, 1, 100, second) }))
    };
    report(&mut state, sample("3.5.1", vec![full.clone()], 11));
    report(&mut state, sample("3.5.1", vec![full], 12));
    report(&mut state, sample("3.6.0", vec![], 13));
    let mut more = listed(4);
    more.remove(1);
    report(&mut state, Report::Members(0xcafe, more.clone()));
    more[2].learner = false;
    report(&mut state, Report::Members(0xcafe, more));
    let told: Vec<_> = state.ctx.toasts.journal().map(|toast| toast.what.as_str()).collect();
    let wanted = [
        "alarm NOSPACE of n2 was raised",
        "n1 runs 3.6.0 now, 3.5.1 before",
        "alarm NOSPACE of n2 was cleared",
        "n4 was added as a learner",
        "n2 was removed",
        "n4 became a voter",
    ];
    assert_eq!(told, wanted);
}

/// Through a tunnel: why it is not reached is not why it is down.
#[test]
fn a_member_that_only_others_know_to_be_down_is_not_explained_by_the_way_there() {
    let mut state = stock(10, 1);
    let unresolved = "its name does not resolve".to_owned();
    let next = "check the name, or give an address".to_owned();
    let fault = Fault { words: unresolved, next, refused: false, denied: None };
    report(&mut state, Report::Lost(3, fault));
    at(&mut state, 90);
    let each = vec![Peer { member: 3, connected: false, spoke: false }];
    let peers = Some(Peers { from: Some(moment(85)), at: moment(90), each });
    let sample = Sample { peers, ..status(1, 1, 100, 90) };
    report(&mut state, Report::Sample(1, Box::new(sample)));
    assert_eq!(health(&state, 3), Health::Down);
    // Why it stopped answering was told, and is over.
    state.ctx.toasts.clear();
    let shown = crate::screens::text(&state);
    assert!(shown.contains("the others do not hear it; from here: its name"), "{shown}");
    assert!(!shown.contains("check the name"), "{shown}");
}

#[test]
fn a_dead_leader_is_not_called_leader_because_followers_still_name_it() {
    let mut state = fresh();
    assert_eq!(state.ctx.cluster.leader(), Some(2));
    lose(&mut state, 2);
    for second in 121..123 {
        at(&mut state, second);
        for id in [1, 3] {
            report(&mut state, Report::Sample(id, Box::new(admin(id, 2, 1_300_000, second))));
        }
    }
    assert_eq!(state.ctx.cluster.leader(), None);
    let mut news = admin(3, 3, 1_300_000, 124);
    news.term = 42;
    at(&mut state, 124);
    report(&mut state, Report::Sample(3, Box::new(news)));
    assert_eq!(state.ctx.cluster.leader(), Some(3));
    let change = state.ctx.cluster.leadership.changes()[0];
    assert_eq!((change.from, change.to, change.term), (2, 3, 42));
    assert_eq!(change.within, Duration::from_secs(4), "it was last seen at 120");
}

#[test]
fn silence_on_an_open_connection_is_called_stale() {
    let mut state = fresh();
    at(&mut state, 130);
    assert_eq!(health(&state, 1), Health::Stale);
    assert_eq!(level(&state), Level::NoQuorum);
}

#[test]
fn a_member_that_goes_is_told_once_and_its_return_too() {
    let mut state = fresh();
    for _ in 0..5 {
        lose(&mut state, 3);
    }
    let told: Vec<_> = state.ctx.toasts.shown().iter().map(|toast| toast.what.clone()).collect();
    assert_eq!(told, ["n3 stopped answering at 127.0.0.1:23793"]);
    report(&mut state, Report::Sample(3, Box::new(admin(3, 2, 1_300_000, 120))));
    let told: Vec<_> = state.ctx.toasts.shown().iter().map(|toast| toast.what.clone()).collect();
    assert_eq!(told, ["n3 is back after 0.0s"]);
}

#[test]
fn nothing_new_asks_for_no_frame() {
    let mut state = fresh();
    let sample = admin(1, 2, 1_300_000, 120);
    report(&mut state, Report::Sample(1, Box::new(sample.clone())));
    state.ctx.redraw = Redraw::No;
    let later =
        mini_etcd_tui::engine::sample::Sample { at: moment(121), uptime_s: Some(9999), ..sample };
    report(&mut state, Report::Sample(1, Box::new(later)));
    assert_eq!(state.ctx.redraw, Redraw::No);
    let (now, wall) = (state.ctx.now, state.ctx.wall);
    update(&mut state, Msg::Tick(now, wall));
    assert_eq!(state.ctx.redraw, Redraw::No);
}

#[test]
fn a_window_without_the_keyboard_asks_less_often() {
    let mut state = fresh();
    assert_eq!(update(&mut state, Msg::Focus(false)), [Effect::Engine(Order::Pace(Pace::Blurred))]);
    assert_eq!(update(&mut state, Msg::Focus(true)), [Effect::Engine(Order::Pace(Pace::Focused))]);
}

#[test]
fn the_chosen_member_stays_chosen_when_the_list_changes() {
    let mut state = fresh();
    key(&mut state, KeyCode::Down);
    key(&mut state, KeyCode::Down);
    let mut smaller = listed(3);
    smaller.remove(0);
    report(&mut state, Report::Members(0xcafe, smaller));
    assert_eq!(state.chosen_member().unwrap().name(), "n3");
    report(&mut state, Report::Members(0xcafe, listed(1)));
    assert_eq!(state.chosen_member().unwrap().name(), "n1");
}

#[test]
fn another_cluster_at_the_same_place_is_told_and_nothing_of_the_one_before_stays() {
    let mut state = fresh();
    key(&mut state, KeyCode::Char('2'));
    let target = Target::Key("k".into());
    state.keys.marks.insert(target);
    state.keys.undo = Some(Undo::By {
        reversal: Reversal::One(Write { key: "k".into(), expected: 0, change: Change::Delete }),
        what: "delete k".into(),
        way: Way::Undo,
        revision: 7,
    });
    let tail = state.watch.begin(Spec::default(), None);
    assert_eq!(tail.len(), 1);
    let effects = report(&mut state, Report::Members(0xbeef, listed(1)));
    let turned = effects
        .iter()
        .position(|effect| *effect == Effect::Engine(Order::Cluster(0xbeef)))
        .unwrap();
    let (before, after) = effects.split_at(turned);
    assert!(
        before.iter().all(|effect| matches!(effect, Effect::Engine(Order::Drop(_)))),
        "{before:?}"
    );
    assert!(
        before.len() >= 2 && matches!(after.last(), Some(Effect::Engine(Order::Ask(..)))),
        "{effects:?}"
    );
    let toast = state.ctx.toasts.shown().last().unwrap();
    assert_eq!(toast.what, "another cluster answers there: beef, and before cafe");
    assert_eq!(toast.next, "all is read anew; u takes nothing back, and 1 tail has ended");
    assert!(state.is_replaced());
    assert_eq!((state.keys.marks.len(), state.watch.list().len()), (0, 0));
    assert_eq!(state.ctx.cluster.members.len(), 1);
    assert_eq!(key(&mut state, KeyCode::Char('u')), []);
    let hint = &state.ctx.toasts.shown().last().unwrap().what;
    assert!(
        hint.starts_with("u takes nothing back: the last change was made in another"),
        "{hint}"
    );
    // The same cluster again is no news.
    let effects = report(&mut state, Report::Members(0xbeef, listed(2)));
    assert_eq!(effects, []);
}

#[test]
fn what_a_terminal_cannot_show_of_a_members_name_is_drawn_escaped() {
    let mut state = fresh();
    let name = "a\u{1b}[31m\tb\u{202e}\\".to_owned();
    let strange = Listed { name, ..listed(1).remove(0) };
    report(&mut state, Report::Members(0xcafe, vec![strange]));
    assert_eq!(state.ctx.cluster.members[0].name(), r"a\x1b[31m\tb\u{202e}\\");
}

#[test]
fn a_line_that_destroys_is_asked_about_and_the_whole_keyspace_wants_its_word() {
    let mut state = fresh();
    key(&mut state, KeyCode::Char(':'));
    type_text(&mut state, "del a --prefix");
    assert_eq!(key(&mut state, KeyCode::Enter), []);
    assert_eq!(key(&mut state, KeyCode::Enter), []);
    assert_eq!(
        key(&mut state, KeyCode::Char('y')),
        [Effect::Engine(Order::Run(1, "del a --prefix".into()))]
    );
    type_text(&mut state, "get b");
    assert_eq!(key(&mut state, KeyCode::Enter), [], "one run at a time");
    assert_eq!(ctrl(&mut state, 'c'), [Effect::Engine(Order::Cancel(1))]);
    ctrl(&mut state, 'u');
    type_text(&mut state, "del '' --prefix");
    assert_eq!(key(&mut state, KeyCode::Enter), []);
    assert_eq!(type_text(&mut state, "ever"), []);
    assert_eq!(key(&mut state, KeyCode::Enter), [], "the word is not complete: that is a no");
    assert_eq!(state.ctx.overlays, [Overlay::Palette]);
    type_text(&mut state, "del '' --prefix");
    key(&mut state, KeyCode::Enter);
    type_text(&mut state, "everything");
    assert!(matches!(key(&mut state, KeyCode::Enter)[..], [Effect::Engine(Order::Run(2, _))]));
}

#[test]
fn an_event_has_one_time_whenever_it_is_looked_at() {
    let mut state = fresh();
    let event = moment(100);
    let shown = state.ctx.wall_at(event);
    for tenth in 0..40 {
        let now = mini_etcd_shared::clock::Moment(Duration::from_millis(120_000 + tenth * 100));
        update(&mut state, Msg::Tick(now, crate::support::WALL + now.0.as_secs()));
        assert_eq!(state.ctx.wall_at(event), shown);
    }
}

#[test]
fn what_broke_while_the_console_was_stopped_is_no_news() {
    let mut state = fresh();
    update(&mut state, Msg::Woke(moment(120)));
    lose(&mut state, 3);
    report(&mut state, Report::Sample(3, Box::new(admin(3, 2, 1_300_000, 120))));
    assert_eq!(state.ctx.toasts.journal().len(), 0);
    // Without a word of it: the clock tells.
    at(&mut state, 500);
    lose(&mut state, 3);
    report(&mut state, Report::Sample(3, Box::new(admin(3, 2, 1_300_000, 500))));
    assert_eq!(state.ctx.toasts.journal().len(), 0);
    for second in 501..=510 {
        at(&mut state, second);
    }
    lose(&mut state, 3);
    assert_eq!(state.ctx.toasts.journal().len(), 1);
}

#[test]
fn a_member_that_is_heard_for_the_first_time_is_not_back() {
    let mut state = state((80, 24), Depth::True, false);
    report(&mut state, Report::Members(0xcafe, listed(3)));
    lose(&mut state, 1);
    report(&mut state, Report::Sample(1, Box::new(admin(1, 2, 9, 1))));
    assert_eq!(state.ctx.toasts.shown(), []);
}

#[test]
fn all_that_happened_can_be_scrolled_through() {
    let mut state = fresh();
    state.ctx.size = (80, 24);
    for _ in 0..20 {
        lose(&mut state, 3);
        report(&mut state, Report::Sample(3, Box::new(admin(3, 2, 1_300_000, 120))));
        key(&mut state, KeyCode::Char('j'));
        let second = state.ctx.now.0.as_secs() + 3;
        at(&mut state, second);
    }
    key(&mut state, KeyCode::Char('e'));
    let newest = crate::screens::text(&state);
    key(&mut state, KeyCode::Char('G'));
    let oldest = crate::screens::text(&state);
    assert!(newest.contains("n3 is back") && newest != oldest, "{newest}{oldest}");
    // The first that happened is the change of the leader, long before.
    assert!(oldest.contains("leader n1"), "{oldest}");
    key(&mut state, KeyCode::Esc);
    assert!(state.ctx.overlays.is_empty());
}
