//! Goal: what a tail shows of servers that reset, compact, deny, stall and hurry, and that it claims nothing it does not
//! know. Method: fake servers whose watches follow a script, and a real member; a state is waited for with a deadline.

use std::time::Duration;

use crossterm::event::KeyCode;
use mini_etcd_proto::etcdserverpb::{ResponseHeader, WatchCreateRequest, WatchResponse};
use mini_etcd_proto::mvccpb::{Event, KeyValue};
use mini_etcd_shared::client::{Patience, WatchItem};
use mini_etcd_tui::console::State;
use mini_etcd_tui::screens::watch::{Link, Mark, Tail, What};
use tokio::time::timeout;
use tonic::Status;

use crate::driver::{DEADLINE, Driver, Member, client, put};
use crate::fake::{Fake, Mood, Running, Step};

fn said(revision: i64, change: impl FnOnce(&mut WatchResponse)) -> Step {
    let header = Some(ResponseHeader { revision, member_id: 1, ..ResponseHeader::default() });
    let mut response = WatchResponse { header, ..WatchResponse::default() };
    change(&mut response);
    Step::Say(Box::new(response))
}

fn created(revision: i64) -> Step {
    said(revision, |response| response.created = true)
}

fn compacted(revision: i64) -> Step {
    said(99, |response| (response.canceled, response.compact_revision) = (true, revision))
}

fn event(revision: i64) -> Event {
    let key = format!("k{revision}").into();
    let kv = KeyValue { key, mod_revision: revision, version: 1, ..KeyValue::default() };
    Event { kv: Some(kv), ..Event::default() }
}

fn events(revisions: impl IntoIterator<Item = i64>) -> Step {
    let events = revisions.into_iter().map(event).collect();
    said(50, |response| response.events = events)
}

fn reset() -> Step {
    Step::Fail(Status::unavailable("stream reset"))
}

async fn fake(scripts: Vec<Vec<Step>>) -> (Running, Driver) {
    let server = Fake::start(1, 9, Mood::Mini).await;
    for script in scripts {
        server.fake.expect_watch(script);
    }
    let driver = Driver::start(&server.address.to_string());
    (server, driver)
}

/// Begins a tail of all keys from a revision on; empty for now.
fn begin(driver: &mut Driver, from: &str) {
    driver.press(KeyCode::Char('3'));
    driver.press(KeyCode::Char('w'));
    driver.press(KeyCode::Tab);
    driver.press(KeyCode::Tab);
    driver.type_text(from);
    driver.press(KeyCode::Enter);
}

fn tail(state: &State) -> &Tail {
    state.watch.active().expect("a tail was begun")
}

fn marks(state: &State) -> Vec<Mark> {
    let entries = tail(state).export().into_iter();
    entries
        .filter_map(|entry| match entry.what {
            What::Mark(mark) => Some(mark),
            What::Revision(_) => None,
        })
        .collect()
}

fn revisions(state: &State) -> Vec<i64> {
    let entries = tail(state).export().into_iter();
    entries
        .filter_map(|entry| match entry.what {
            What::Revision(revision) => Some(revision.number),
            What::Mark(_) => None,
        })
        .collect()
}

fn asked(server: &Running) -> Vec<i64> {
    server.fake.watched().iter().map(|request| request.start_revision).collect()
}

#[tokio::test]
async fn a_reset_stream_goes_on_where_it_was_and_the_mark_stands_between() {
    let first = vec![created(10), events([11, 12]), reset()];
    let second = vec![created(20), events([12, 15])];
    let (server, mut driver) = fake(vec![first, second]).await;
    begin(&mut driver, "");
    driver.until("15 is here", |state| revisions(state).contains(&15)).await;
    assert_eq!(asked(&server), [0, 13]);
    assert_eq!(revisions(&driver.state), [11, 12, 15], "12 came twice and is shown once");
    let marks = marks(&driver.state);
    let [Mark::Began { from: 11, .. }, Mark::Resumed { why, from: 13, .. }] = marks.as_slice()
    else {
        panic!("{marks:?}")
    };
    assert!(why.contains("stream reset"), "{why}");
    let asked = server.fake.watched();
    assert!(asked.iter().all(|request| request.prev_kv && request.fragment));
}

#[tokio::test]
async fn a_compaction_while_away_is_told_with_what_is_gone_and_the_tail_goes_on() {
    let first = vec![created(10), events([11]), reset()];
    let second = vec![created(40), compacted(30)];
    let third = vec![created(40), events([35])];
    let (server, mut driver) = fake(vec![first, second, third]).await;
    begin(&mut driver, "");
    driver.until("35 is here", |state| revisions(state).contains(&35)).await;
    assert_eq!(asked(&server), [0, 12, 30]);
    let marks = marks(&driver.state);
    assert!(
        matches!(marks.as_slice(), [Mark::Began { .. }, Mark::Compacted { from: 12, to: 30 }]),
        "{marks:?}"
    );
}

#[tokio::test]
async fn history_that_is_gone_from_the_beginning_is_told_too() {
    let (server, mut driver) =
        fake(vec![vec![created(40), compacted(30)], vec![created(40), events([31])]]).await;
    begin(&mut driver, "5");
    driver.until("31 is here", |state| revisions(state).contains(&31)).await;
    assert_eq!(asked(&server), [5, 30]);
    assert!(marks(&driver.state).contains(&Mark::Compacted { from: 5, to: 30 }));
}

/// Goal: an idle tail whose history was compacted lost nothing. Method: the server had vouched for it.
#[tokio::test]
async fn a_tail_that_was_told_how_far_it_is_survives_a_compaction_behind_it() {
    let first = vec![created(10), Step::Progress(35), reset()];
    let second = vec![created(40), compacted(30)];
    let third = vec![created(40), events([40])];
    let (server, mut driver) = fake(vec![first, second, third]).await;
    begin(&mut driver, "");
    driver.until("40 is here", |state| revisions(state).contains(&40)).await;
    assert_eq!(asked(&server), [0, 11, 36]);
    let marks = marks(&driver.state);
    assert!(matches!(marks.as_slice(), [Mark::Began { .. }, Mark::Resumed { .. }]), "{marks:?}");
}

#[tokio::test]
async fn a_denied_tail_ends_with_the_servers_words() {
    let denied = said(10, |response| {
        (response.created, response.canceled) = (true, true);
        response.cancel_reason = "etcdserver: permission denied".into();
    });
    let (_server, mut driver) = fake(vec![vec![denied]]).await;
    begin(&mut driver, "");
    driver.until("it ended", |state| matches!(tail(state).link, Link::Ended(_))).await;
    assert_eq!(tail(&driver.state).link, Link::Ended("etcdserver: permission denied".into()));

    let server = Fake::start(1, 9, Mood::Denies).await;
    let mut driver = Driver::start(&server.address.to_string());
    begin(&mut driver, "");
    driver.until("it ended", |state| matches!(tail(state).link, Link::Ended(_))).await;
    assert!(marks(&driver.state)[0].words().contains("permission denied"));
}

#[tokio::test]
async fn a_server_that_vanishes_is_away_until_it_is_back() {
    let (server, mut driver) = fake(vec![vec![created(10), events([11])]]).await;
    begin(&mut driver, "");
    driver.until("11 is here", |state| revisions(state).contains(&11)).await;
    let address = server.address;
    server.vanish().await;
    driver
        .until("nobody is there", |state| {
            matches!(&tail(state).link, Link::Away { last, .. } if last.contains("refused"))
        })
        .await;
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let again = Fake::serve(1, 9, Mood::Mini, listener);
    // Nothing happened meanwhile, which is known as soon as the watch stands.
    for _ in 0..8 {
        again.fake.expect_watch(vec![created(11)]);
    }
    driver.until("it goes on", |state| tail(state).link == Link::Live).await;
    assert!(matches!(marks(&driver.state).last(), Some(Mark::Resumed { from: 12, .. })));
}

/// Goal: a fast stream loses nothing on the way, and what the ring cannot keep is counted. Method: more events than it
/// keeps, as fast as they can be read.
#[tokio::test]
async fn a_flood_arrives_whole_and_what_is_not_kept_is_counted() {
    let count = 25_000_i64;
    let mut script = vec![created(10)];
    script.extend((0..count / 100).map(|n| events(11 + n * 100..11 + (n + 1) * 100)));
    let (_server, mut driver) = fake(vec![script]).await;
    begin(&mut driver, "");
    driver.until("the last is here", |state| tail(state).newest == 10 + count).await;
    let (kept, dropped) = tail(&driver.state).kept();
    assert_eq!((kept, dropped), (10_000, 15_000));
    let shown = revisions(&driver.state);
    assert!(shown.windows(2).all(|pair| pair[0] + 1 == pair[1]), "in order, without a hole");
}

/// Goal: patience. Method: a watch that is taken and never confirmed, then one that falls silent, with little patience.
#[tokio::test]
async fn a_member_that_says_nothing_is_given_up() {
    let server = Fake::start(1, 9, Mood::Mini).await;
    server.fake.expect_watch(vec![]);
    server.fake.expect_watch(vec![created(10), events([11])]);
    let patience =
        Patience { answer: Duration::from_millis(300), silence: Duration::from_millis(300) };
    let mut watch =
        client(&server.address.to_string()).watch(WatchCreateRequest::default()).patience(patience);
    let mut told = Vec::new();
    while told.len() < 4 {
        let item = timeout(DEADLINE, watch.next()).await.expect("a word in time");
        told.push(match item.expect("it does not end") {
            WatchItem::Lost { error, .. } => error.to_string(),
            WatchItem::Created { revision, .. } => format!("created {revision}"),
            WatchItem::Events(response) => format!("{} events", response.events.len()),
            other => panic!("{other:?}"),
        });
    }
    assert!(told[0].contains("within 300ms"), "{told:?}");
    assert_eq!(told[1..3], ["created 11", "1 events"]);
    assert!(told[3].contains("within"), "{told:?}");
}

/// Goal: previous values, transactions and progress as a real member sends them.
#[tokio::test]
async fn a_real_member_is_followed_with_what_changed() {
    let member = Member::start().await;
    let mut driver = Driver::start(&member.endpoint);
    begin(&mut driver, "");
    driver.until("it stands", |state| tail(state).link == Link::Live).await;
    let client = member.client();
    put(&client, b"/a", b"{\"read_ms\":4000}").await;
    let last = put(&client, b"/a", b"{\"read_ms\":1500}").await;
    driver.until("both are here", |state| tail(state).newest == last).await;
    let changed = tail(&driver.state).chosen_event().unwrap().1.change().clone();
    assert_eq!(
        (changed.step.as_str(), changed.words.as_str()),
        ("v1 > v2", ".read_ms 4000 > 1500")
    );
}
