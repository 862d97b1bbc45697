//! Goal: what a person sees of the Leases screen and does on it, and what it asks for. Method: snapshots of a test
//! terminal over answers that are made up, tables of keys, and a real member.

use bytes::Bytes;
use crossterm::event::{KeyCode, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use mini_etcd_proto::etcdserverpb::PutRequest;
use mini_etcd_tui::console::view::view;
use mini_etcd_tui::console::{Effect, Msg, Overlay, State, update};
use mini_etcd_tui::engine::order::Order;
use mini_etcd_tui::engine::report::Report;
use mini_etcd_tui::engine::request::{Answer, Job, Ticket, Trouble};
use mini_etcd_tui::engine::sample::{Role, Sample};
use mini_etcd_tui::screens::ScreenId;
use mini_etcd_tui::screens::keys::requests::ReadPage;
use mini_etcd_tui::screens::leases::model::{Answered, Told};
use mini_etcd_tui::screens::leases::requests::{
    GrantLease, ListLeases, Listing, ReadLease, ReadLeases, RenewLease, Renewal, RevokeLease,
    Revoked,
};
use mini_etcd_tui::screens::leases::{KEPT_MAX, Pane};
use mini_etcd_tui::widget::theme::Depth;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::driver::{Driver, Member, Stock, everything};
use crate::screens::text;
use crate::support::{WALL, admin, busy, ctrl, key, listed, moment, report, state, type_text};

const SHORT: i64 = 0x7f3a_9c01_88d1_0a11;
const CHOSEN: i64 = 0x7f3a_9c01_88d1_0b40;
const ORPHAN: i64 = 0x7f3a_9c01_88d1_0b77;
const STORM: i64 = 0x7f3a_9c01_88d1_0c02;

/// The four, as the leader has them, and more behind them.
fn ids() -> Vec<i64> {
    let more = (0..1200).map(|n| 0x7f3a_9c01_88d2_0000 + n * 17);
    [SHORT, CHOSEN].into_iter().chain(more).chain([ORPHAN, STORM]).collect()
}

fn told(id: i64, keys: bool) -> Told {
    let (granted, left, count) = match id {
        SHORT => (10, 2, 1),
        CHOSEN => (60, 41, 12),
        ORPHAN => (300, 299, 0),
        STORM => (3600, 3598, 4011),
        other => (60, 41 + other.unsigned_abs() % 19, other.unsigned_abs() % 3),
    };
    let key = |n| Bytes::from(format!("/services/web/10.0.3.{n}:80"));
    let keys = (1..=count.min(1000)).filter(|_| keys).map(key).collect();
    Told::Lease { granted, left, count, keys }
}

/// What a server with these leases answers.
fn answer(job: &Job) -> Answer {
    if let Some(ListLeases { leader }) = job.request() {
        assert_eq!(leader.as_ref().map(|(id, at)| (*id, &**at)), Some((2, "127.0.0.1:23792")));
        Answer::of(Listing { ids: ids(), more: 0, in_order: true })
    } else if let Some(ReadLeases { ids, .. }) = job.request() {
        let answered = |id: &i64| Answered { id: *id, told: told(*id, false) };
        Answer::of(ids.iter().map(answered).collect::<Vec<_>>())
    } else if let Some(ReadLease { id, .. }) = job.request() {
        Answer::of(told(*id, true))
    } else if let Some(GrantLease { ttl, .. }) = job.request() {
        Answer::of((0x1234_i64, *ttl))
    } else if job.request::<RevokeLease>().is_some() {
        Answer::of(Revoked::Done)
    } else if job.request::<RenewLease>().is_some() {
        Answer::part(Renewal::For(60))
    } else {
        panic!("{job:?}")
    }
}

fn asked(effects: Vec<Effect>) -> Vec<(Ticket, Job)> {
    let ask = |effect| match effect {
        Effect::Engine(Order::Ask(ticket, job)) => Some((ticket, job)),
        _ => None,
    };
    effects.into_iter().filter_map(ask).collect()
}

/// Answers what is asked until nothing is; answers what was.
fn serve(state: &mut State, effects: Vec<Effect>) -> Vec<Job> {
    let mut open = asked(effects);
    let mut all = Vec::new();
    while let Some((ticket, job)) = open.pop() {
        open.extend(asked(report(state, Report::Answer(ticket, answer(&job)))));
        all.push(job);
    }
    all
}

fn press(state: &mut State, text: &str) -> Vec<Job> {
    let code = |c| if c == '\n' { KeyCode::Enter } else { KeyCode::Char(c) };
    let keys: Vec<KeyCode> = text.chars().map(code).collect();
    let mut jobs = Vec::new();
    for code in keys {
        let effects = key(state, code);
        jobs.extend(serve(state, effects));
    }
    jobs
}

/// Time goes on to this second.
fn tick(state: &mut State, second: u64) -> Vec<Job> {
    let effects = update(state, Msg::Tick(moment(second), WALL + second));
    serve(state, effects)
}

/// The screen with one of the four chosen, a moment after it was read.
fn leases(size: (u16, u16), ascii: bool) -> State {
    let mut state = state(size, Depth::Sixteen, ascii);
    busy(&mut state);
    press(&mut state, "4");
    // A survey, so that the order is of all.
    press(&mut state, "Sj");
    tick(&mut state, 121);
    state
}

/// The screen over a server that has none.
fn none(size: (u16, u16)) -> State {
    let mut state = state(size, Depth::Sixteen, false);
    busy(&mut state);
    let open = asked(key(&mut state, KeyCode::Char('4')));
    report(&mut state, Report::Answer(open[0].0, Answer::of(Listing::default())));
    state
}

fn trouble(why: &str) -> Trouble {
    Trouble { place: String::new(), why: why.into(), next: String::new() }
}

#[test]
fn leases_at_120x36() {
    insta::assert_snapshot!(text(&leases((120, 36), false)));
}

#[test]
fn leases_at_80x24() {
    insta::assert_snapshot!(text(&leases((80, 24), false)));
}

#[test]
fn leases_at_200x60() {
    insta::assert_snapshot!(text(&leases((200, 60), false)));
}

#[test]
fn leases_in_ascii() {
    let shown = text(&leases((120, 36), true));
    assert!(shown.is_ascii(), "{shown}");
    insta::assert_snapshot!(shown);
}

#[test]
fn the_keys_of_a_lease_at_80x24() {
    let mut state = leases((80, 24), false);
    press(&mut state, "A\njj");
    insta::assert_snapshot!(text(&state));
}

#[test]
fn no_lease_yet() {
    insta::assert_snapshot!(text(&none((80, 24))));
}

#[test]
fn a_question_before_a_lease_ends() {
    let mut state = leases((80, 24), false);
    press(&mut state, "d");
    insta::assert_snapshot!(text(&state));
}

#[test]
fn leases_without_a_leader() {
    let mut state = leases((80, 24), false);
    for id in 1..=3 {
        let sample =
            Sample { leader: 0, role: Role::Follower, term: 42, ..admin(id, 0, 1_400_000, 121) };
        report(&mut state, Report::Sample(id, Box::new(sample)));
    }
    insta::assert_snapshot!(text(&state));
}

#[test]
fn every_size_is_drawn() {
    let mut state = leases((80, 24), false);
    for pane in [Pane::List, Pane::Keys] {
        state.leases.pane = pane;
        for (width, height) in (58..210).step_by(7).flat_map(|w| (14..60).map(move |h| (w, h))) {
            update(&mut state, Msg::Resize(width, height));
            let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
            terminal.draw(|frame| view(&mut state, frame)).unwrap();
        }
    }
}

/// Goal: a hundred thousand leases cost no more than a screenful. Method: what is asked in ten seconds of looking, also at
/// the end of the list.
#[test]
fn of_very_many_leases_only_those_in_sight_are_asked_about_and_at_a_bounded_rate() {
    let mut state = state((120, 36), Depth::Sixteen, false);
    busy(&mut state);
    let open = asked(key(&mut state, KeyCode::Char('4')));
    let ids: Vec<i64> = (1..=100_000).collect();
    let listing = Listing { ids, more: 7, in_order: true };
    let effects = report(&mut state, Report::Answer(open[0].0, Answer::of(listing)));
    let mut jobs = serve(&mut state, effects);
    assert!(text(&state).contains("Leases 100 000"), "{}", text(&state));
    assert!(text(&state).contains("7 more are there and not shown"));
    jobs.extend(press(&mut state, "G"));
    for second in 121..=130 {
        jobs.extend(tick(&mut state, second));
    }
    let rows = jobs.iter().filter_map(Job::request::<ReadLeases>).map(|read| read.ids.len());
    let rows: Vec<usize> = rows.collect();
    assert!(rows.iter().all(|count| *count <= 31), "{rows:?}");
    assert!(rows.iter().sum::<usize>() < 100, "two places, and one of them once more: {rows:?}");
    assert!(!jobs.iter().any(|job| job.request::<ListLeases>().is_some()), "nor is it listed");
}

#[test]
fn a_survey_asks_about_all_and_is_given_up() {
    let mut state = leases((120, 36), false);
    assert_eq!(press(&mut state, "S").len(), 0, "all are known");
    let mut state = state_with_unknown();
    let open = asked(key(&mut state, KeyCode::Char('S')));
    let read: &ReadLeases = open[0].1.request().unwrap();
    assert!(read.survey && read.ids.len() > 1000, "{}", read.ids.len());
    assert!(text(&state).contains("asked about 0 of 1 1"), "{}", text(&state));
    let dropped = ctrl(&mut state, 'c');
    assert_eq!(dropped, [Effect::Engine(Order::Drop(open[0].0))]);
    assert!(!text(&state).contains("gives it up"));
}

/// Only what is in sight is known.
fn state_with_unknown() -> State {
    let mut state = state((120, 36), Depth::Sixteen, false);
    busy(&mut state);
    press(&mut state, "4");
    state
}

#[test]
fn orphans_filter_and_order_keep_what_is_chosen() {
    let mut state = leases((120, 36), false);
    assert_eq!(state.leases.chosen_id(), Some(CHOSEN));
    press(&mut state, "/0b40");
    assert_eq!(state.leases.list.rows(), [CHOSEN]);
    press(&mut state, "\n");
    assert!(text(&state).contains("id has 0b40"));
    key(&mut state, KeyCode::Esc);
    assert_eq!(state.leases.chosen_id(), Some(CHOSEN));
    press(&mut state, "s");
    assert!(text(&state).contains("sort: keys"));
    assert_eq!(state.leases.list.rows()[0], STORM);
    assert_eq!(state.leases.chosen_id(), Some(CHOSEN));
    press(&mut state, "F");
    assert!(state.leases.list.rows().contains(&ORPHAN));
    assert!(!state.leases.list.rows().contains(&STORM));
    press(&mut state, "F");
    assert!(!state.leases.list.is_narrowed());
}

#[test]
fn a_lease_is_granted_with_what_is_typed_and_chosen_then() {
    let mut state = none((120, 36));
    press(&mut state, "nfoo\n");
    assert!(text(&state).contains("\"foo\" is not a number of seconds"), "{}", text(&state));
    ctrl(&mut state, 'u');
    type_text(&mut state, "60 1234");
    let open = asked(key(&mut state, KeyCode::Enter));
    assert_eq!(open[0].1.request(), Some(&GrantLease { id: 0x1234, ttl: 60 }));
    let effects = report(&mut state, Report::Answer(open[0].0, answer(&open[0].1)));
    let again = asked(effects);
    assert!(again.iter().any(|(_, job)| job.request::<ListLeases>().is_some()), "{again:?}");
    assert_eq!(state.leases.chosen_id(), Some(0x1234));
    assert!(text(&state).contains("0000000000001234 was granted for 60s"), "{}", text(&state));
    let copied = key(&mut state, KeyCode::Char('C'));
    assert_eq!(copied, [Effect::Copy(b"lease grant 60".to_vec())]);
}

/// Goal: what ends is what was asked about. Method: keys that change between question and answer.
#[test]
fn a_lease_is_revoked_after_a_question_with_the_keys_of_now() {
    let mut state = leases((120, 36), false);
    press(&mut state, "d");
    let shown = text(&state);
    assert!(shown.contains("and delete 12 keys"), "{shown}");
    assert!(shown.contains("/services/web/10.0.3.1:80"), "{shown}");
    assert_eq!(key(&mut state, KeyCode::Enter), [], "Enter is no yes");
    let open = asked(key(&mut state, KeyCode::Char('y')));
    let revoke: &RevokeLease = open[0].1.request().unwrap();
    assert_eq!((revoke.id, revoke.count), (CHOSEN, 12));
    let met = Told::Lease { granted: 60, left: 30, count: 1, keys: vec!["other".into()] };
    report(&mut state, Report::Answer(open[0].0, Answer::of(Revoked::Met(met))));
    let shown = text(&state);
    assert!(shown.contains("Its keys changed meanwhile. other"), "{shown}");
    let jobs = press(&mut state, "y");
    assert_eq!(jobs[0].request::<RevokeLease>().unwrap().count, 1);
    assert!(state.leases.list.get(CHOSEN).is_none());
    assert!(text(&state).contains("has ended, and 1 key with it"), "{}", text(&state));
    // And no is no.
    press(&mut state, "d");
    assert!(matches!(state.ctx.overlays[..], [Overlay::Confirm(_)]));
    assert_eq!(press(&mut state, "n").len(), 0);
}

#[test]
fn a_lease_is_kept_alive_until_that_is_stopped_and_says_when_it_fails() {
    let mut state = leases((120, 36), false);
    let open = asked(key(&mut state, KeyCode::Char('A')));
    assert_eq!(open[0].1.request(), Some(&RenewLease { id: CHOSEN, once: false }));
    let ticket = open[0].0;
    report(&mut state, Report::Answer(ticket, Answer::part(Renewal::For(60))));
    assert!(text(&state).contains("kept alive from here, renewed 0.0s ago"), "{}", text(&state));
    press(&mut state, "1");
    let failed = Renewal::Failed(trouble("no answer within 2s"));
    report(&mut state, Report::Answer(ticket, Answer::part(failed)));
    press(&mut state, "4");
    let shown = text(&state);
    assert!(shown.contains("not renewed: no answer within 2s"), "{shown}");
    assert!(shown.contains("not kept"), "{shown}");
    let dropped = key(&mut state, KeyCode::Char('A'));
    assert_eq!(dropped, [Effect::Engine(Order::Drop(ticket))]);
    assert!(state.leases.kept.is_empty());
    for _ in 0..=KEPT_MAX {
        press(&mut state, "Aj");
    }
    assert_eq!(state.leases.kept.len(), KEPT_MAX);
    assert!(text(&state).contains("16 leases are kept alive"), "{}", text(&state));
}

#[test]
fn a_lease_that_ended_while_it_was_kept_alive_is_news_on_any_screen() {
    let mut state = leases((120, 36), false);
    let open = asked(key(&mut state, KeyCode::Char('A')));
    press(&mut state, "1");
    report(&mut state, Report::Answer(open[0].0, Answer::of(Renewal::Gone)));
    let shown = text(&state);
    assert!(shown.contains("7f3a9c0188d10b40 is not kept alive any more"), "{shown}");
    assert!(state.leases.kept.is_empty() && state.leases.list.get(CHOSEN).is_none());
}

#[test]
fn a_console_that_only_looks_changes_no_lease_and_does_not_offer_to() {
    let mut state = leases((120, 36), false);
    state.ctx.read_only = true;
    for code in ['n', 'a', 'A', 'd'] {
        assert_eq!(key(&mut state, KeyCode::Char(code)), [], "{code}");
        assert!(state.leases.prompt.is_none() && !state.ctx.is_covered(), "{code}");
    }
    let shown = text(&state);
    assert!(shown.contains("read-only: nothing is changed from here"), "{shown}");
    for word in ["n grant", "a renew", "A keep alive", "d revoke"] {
        assert!(!shown.contains(word), "{shown}");
    }
}

#[test]
fn what_could_not_be_read_is_said_and_what_was_read_stays() {
    let mut state = state((120, 36), Depth::Sixteen, false);
    busy(&mut state);
    let open = asked(key(&mut state, KeyCode::Char('4')));
    let failed = Answer::failed(trouble("this server has no leases"));
    report(&mut state, Report::Answer(open[0].0, failed));
    assert!(text(&state).contains("not listed: this server has no leases"), "{}", text(&state));
    let mut state = leases((120, 36), false);
    let effects = update(&mut state, Msg::Tick(moment(140), WALL + 140));
    for (ticket, _) in asked(effects) {
        let failed = Answer::failed(trouble("etcdserver: user name is empty"));
        report(&mut state, Report::Answer(ticket, failed));
    }
    let shown = text(&state);
    assert!(shown.contains("not listed for"), "{shown}");
    assert!(shown.contains("etcdserver: user name is empty"), "{shown}");
    assert!(shown.contains("7f3a9c0188d10b40"), "{shown}");
}

#[test]
fn a_lease_that_this_user_may_not_read_is_denied_by_itself() {
    let mut state = leases((120, 36), false);
    let effects = update(&mut state, Msg::Tick(moment(127), WALL + 127));
    for (ticket, job) in asked(effects) {
        let denied = || Told::Denied("etcdserver: permission denied".into());
        let answer = match job.request() {
            Some(ReadLeases { ids, .. }) => {
                let of = |id: &i64| Answered { id: *id, told: denied() };
                Answer::of(ids.iter().map(of).collect::<Vec<_>>())
            }
            None if job.request::<ReadLease>().is_some() => Answer::of(denied()),
            None => continue,
        };
        report(&mut state, Report::Answer(ticket, answer));
    }
    let shown = text(&state);
    assert!(shown.contains("denied"), "{shown}");
    assert!(shown.contains("this user may not read it"), "{shown}");
    let open = asked(key(&mut state, KeyCode::Char('d')));
    let denied = Told::Denied("etcdserver: permission denied".into());
    report(&mut state, Report::Answer(open[0].0, Answer::of(denied)));
    assert!(!state.ctx.is_covered(), "nothing to ask about");
    assert!(text(&state).contains("is not revoked"), "{}", text(&state));
}

#[test]
fn nothing_of_one_cluster_stays_when_another_one_answers() {
    let mut state = leases((120, 36), false);
    asked(key(&mut state, KeyCode::Char('A')));
    report(&mut state, Report::Members(0xbeef, listed(3)));
    assert!(state.leases.list.is_empty() && state.leases.kept.is_empty());
    let shown = text(&state);
    assert!(shown.contains("and 1 lease not"), "{shown}");
    assert!(shown.contains("asking for the leases"), "{shown}");
}

#[test]
fn a_key_of_a_lease_opens_on_the_keys_screen() {
    let mut state = leases((120, 36), false);
    press(&mut state, "\nj");
    let open = asked(key(&mut state, KeyCode::Enter));
    assert_eq!(state.ctx.screen, ScreenId::Keys);
    assert!(open.iter().any(|(_, job)| job.request::<ReadPage>().is_some()), "{open:?}");
    assert_eq!(asked(key(&mut state, KeyCode::Char('-'))), []);
    assert_eq!((state.ctx.screen, state.leases.pane), (ScreenId::Leases, Pane::Keys));
    key(&mut state, KeyCode::Esc);
    assert_eq!(state.leases.pane, Pane::List);
}

#[test]
fn a_click_chooses_a_lease_a_second_one_goes_to_its_keys_and_the_wheel_moves() {
    let mut state = leases((120, 36), false);
    let draw = |state: &mut State| -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(120, 36)).unwrap();
        terminal.draw(|frame| view(state, frame)).unwrap();
        let cells = terminal.backend().buffer().content.chunks(120);
        cells.map(|line| line.iter().map(ratatui::buffer::Cell::symbol).collect()).collect()
    };
    let row = |state: &mut State, words: &str| {
        draw(state).iter().position(|line| line.contains(words)).unwrap()
    };
    let at = |state: &mut State, kind, column, row: usize| {
        let row = u16::try_from(row).unwrap();
        let event = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
        let effects = update(state, Msg::Mouse(event));
        serve(state, effects)
    };
    let click = MouseEventKind::Down(MouseButton::Left);
    let first = row(&mut state, "7f3a9c0188d10a11");
    at(&mut state, click, 5, first);
    assert_eq!((state.leases.chosen_id(), state.leases.pane), (Some(SHORT), Pane::List));
    at(&mut state, click, 5, first);
    assert_eq!(state.leases.pane, Pane::Keys);
    at(&mut state, MouseEventKind::ScrollDown, 5, first);
    assert_eq!((state.leases.chosen, state.leases.pane), (3, Pane::Keys), "another one is chosen");
}

#[test]
fn what_is_copied_reads_the_lease() {
    let mut state = leases((120, 36), false);
    let copied = key(&mut state, KeyCode::Char('Y'));
    assert_eq!(copied, [Effect::Copy(b"lease timetolive 7f3a9c0188d10b40 --keys".to_vec())]);
    assert_eq!(key(&mut state, KeyCode::Char('y')), [Effect::Copy(b"7f3a9c0188d10b40".to_vec())]);
}

/// Goal: all of it works on servers. Method: a member, and the same as an etcd, without the admin service.
#[tokio::test]
async fn a_lease_is_granted_kept_and_revoked_on_a_server() {
    let member = Member::start().await;
    let stock = Stock::before(&member).await;
    for endpoint in [&member.endpoint, &stock.endpoint] {
        let mut driver = Driver::start(endpoint);
        driver.until("who leads", |state| state.ctx.cluster.leader().is_some()).await;
        driver.press(KeyCode::Char('4'));
        driver.until("an empty list", |state| state.leases.fresh.at.is_some()).await;
        assert!(driver.state.leases.list.is_empty());
        driver.type_text("n60 7f3a");
        driver.press(KeyCode::Enter);
        driver.until("the lease", |state| state.leases.chosen_id() == Some(0x7f3a)).await;
        for name in ["a", "b"] {
            let request = PutRequest { key: name.into(), lease: 0x7f3a, ..PutRequest::default() };
            member.client().put(request).await.into_result().unwrap();
        }
        driver.press(KeyCode::Char('A'));
        let renewed = |state: &State| state.leases.kept.values().any(|kept| kept.renewed.is_some());
        driver.until("a renewal", renewed).await;
        driver.press(KeyCode::Char('d'));
        driver.until("a question", |state| state.ctx.is_covered()).await;
        assert!(text(&driver.state).contains("and delete 2 keys"), "{}", text(&driver.state));
        driver.press(KeyCode::Char('y'));
        driver.until("its end", |state| state.leases.list.is_empty()).await;
        assert!(driver.state.leases.kept.is_empty());
        assert_eq!(everything(&member.client(), 0).await, []);
        driver.type_text("n60 7f3a");
        driver.press(KeyCode::Enter);
        driver.until("the lease again", |state| !state.leases.list.is_empty()).await;
        driver.type_text("n60 7f3a");
        driver.press(KeyCode::Enter);
        let refused = |state: &State| text(state).contains("lease already exists");
        driver.until("a refusal", refused).await;
        driver.type_text("d");
        driver.until("a question", |state| state.ctx.is_covered()).await;
        driver.type_text("y");
        driver.until("its end", |state| state.leases.list.is_empty()).await;
    }
}
