//! The connection doctor: its overlay, and when the console points to it.

use std::time::Duration;

use crossterm::event::KeyCode;
use mini_etcd_shared::client::{
    ClientConfig, Diagnosis, Endpoint, Examined, Layer, LayerFound, examine,
};
use mini_etcd_tui::console::overlays::Examine;
use mini_etcd_tui::console::{Effect, Origin, Overlay, State};
use mini_etcd_tui::engine::order::Order;
use mini_etcd_tui::engine::report::Report;
use mini_etcd_tui::engine::request::{Answer, Ticket, Trouble};
use mini_etcd_tui::widget::theme::Depth;

use crate::driver::{Driver, Member};
use crate::fake::{Fake, Mood, Running};
use crate::screens::text;
use crate::support::{at, busy, key, listed, refused, report, state};

fn step(layer: Layer, micros: u64, found: &str) -> LayerFound {
    let took = Duration::from_micros(micros);
    LayerFound { layer, took, found: found.to_owned(), next: None, soon: None }
}

fn of(endpoint: &str, advertised_by: Option<&str>, findings: Vec<LayerFound>) -> Examined {
    Examined {
        endpoint: endpoint.to_owned(),
        advertised_by: advertised_by.map(str::to_owned),
        findings,
        cluster: Some(0xcafe),
        member: None,
        lists: Vec::new(),
        advertises: Vec::new(),
    }
}

/// One that is well, and one whose certificate has expired.
fn found() -> Diagnosis {
    let shown = "TLS 1.3, certificate of n1 for localhost, 10.0.0.1, signed by ops CA, until \
                 2027-03-01 00:00 UTC (91 days)";
    let well = vec![
        step(Layer::Address, 21, "10.0.0.1:2379, asked by TLS"),
        step(Layer::Name, 12, "10.0.0.1"),
        step(Layer::Tcp, 310, "connected to 10.0.0.1:2379"),
        step(Layer::Tls, 6200, shown),
        step(Layer::Http2, 7100, "it speaks HTTP/2"),
        step(Layer::Login, 48_000, "users are on, logged in as root"),
        step(Layer::Status, 420, "version 3.5.1, member n1 (cafe), leader, term 2"),
        step(Layer::Read, 530, "a linearizable read is answered"),
    ];
    let expired = "its certificate expired on 2026-11-01 00:00 UTC (that of n2); it shows \
                   a certificate of n2 for localhost, 10.0.0.2, signed by ops CA, until 2026-11-01 \
                   00:00 UTC (-29 days)";
    let next = Some("renew it; or is the clock of this machine wrong?".to_owned());
    let wrong = vec![
        step(Layer::Address, 18, "10.0.0.2:2379, asked by TLS"),
        step(Layer::Name, 14, "10.0.0.2"),
        step(Layer::Tcp, 350, "connected to 10.0.0.2:2379"),
        LayerFound { next, ..step(Layer::Tls, 6400, expired) },
    ];
    let endpoints = vec![
        of("https://10.0.0.1:2379", None, well),
        of("https://10.0.0.2:2379", Some("n2"), wrong),
    ];
    Diagnosis { endpoints }
}

/// What is asked by these effects.
fn asked(effects: &[Effect]) -> Vec<(Ticket, Examine)> {
    let one = |effect: &Effect| match effect {
        Effect::Engine(Order::Ask(ticket, job)) => {
            Some((*ticket, job.request::<Examine>()?.clone()))
        }
        _ => None,
    };
    effects.iter().filter_map(one).collect()
}

fn answered(state: &mut State, ticket: Ticket, answer: Answer) {
    report(state, Report::Answer(ticket, answer));
}

fn examined(size: (u16, u16)) -> State {
    let mut state = state(size, Depth::Sixteen, false);
    busy(&mut state);
    let [(ticket, _)] = asked(&key(&mut state, KeyCode::Char('!')))[..] else { panic!() };
    answered(&mut state, ticket, Answer::of(found()));
    state
}

#[test]
fn the_doctor_at_80x24() {
    insta::assert_snapshot!(text(&examined((80, 24))));
}

#[test]
fn the_doctor_at_120x36() {
    insta::assert_snapshot!(text(&examined((120, 36))));
}

#[test]
fn what_works_and_needs_something_soon_is_said_first() {
    let mut state = state((80, 24), Depth::Sixteen, false);
    busy(&mut state);
    let [(ticket, _)] = asked(&key(&mut state, KeyCode::Char('!')))[..] else { panic!() };
    let soon =
        Some("renew the certificate of n1, valid until 2026-12-12 00:00 UTC (12 days)".to_owned());
    let found = LayerFound { soon, ..step(Layer::Tls, 6200, "TLS 1.3") };
    let diagnosis = Diagnosis { endpoints: vec![of("https://10.0.0.1:2379", None, vec![found])] };
    answered(&mut state, ticket, Answer::of(diagnosis));
    let shown = text(&state);
    assert!(
        shown.contains("endpoints that are well: 1 of 1, but renew the certificate"),
        "{shown}"
    );
    assert!(shown.contains("soon tls"), "{shown}");
}

#[test]
fn its_last_line_can_be_scrolled_to_and_nothing_beyond() {
    let mut state = examined((80, 24));
    assert!(!text(&state).contains("→ well"));
    key(&mut state, KeyCode::Char('G'));
    let end = text(&state);
    assert!(end.contains("→ well"), "{end}");
    key(&mut state, KeyCode::Char('j'));
    assert_eq!(text(&state), end);
    key(&mut state, KeyCode::Char('k'));
    assert_ne!(text(&state), end);
}

#[test]
fn one_examination_is_under_way_at_a_time_and_the_key_begins_another_when_it_is_done() {
    let mut state = state((80, 24), Depth::Sixteen, false);
    let [(ticket, _)] = asked(&key(&mut state, KeyCode::Char('!')))[..] else { panic!() };
    at(&mut state, 3);
    assert!(text(&state).contains("examining every endpoint, for 3.0s"), "{}", text(&state));
    assert!(key(&mut state, KeyCode::Char('!')).is_empty());
    // What it finds is there when it is looked at again.
    key(&mut state, KeyCode::Esc);
    assert!(state.ctx.overlays.is_empty());
    let trouble = Trouble { place: "h".into(), why: "no port".into(), next: "name one".into() };
    answered(&mut state, ticket, Answer::failed(trouble));
    let [(second, _)] = asked(&key(&mut state, KeyCode::Char('!')))[..] else { panic!() };
    answered(&mut state, ticket, Answer::of(found()));
    assert!(text(&state).contains("examining every endpoint"), "a late answer counts");
    answered(&mut state, second, Answer::of(found()));
    assert!(text(&state).contains("endpoints that fail: 1 of 2"));
    assert_eq!(state.ctx.overlays, [Overlay::Doctor(0)]);
}

#[test]
fn whom_a_bundled_server_stands_in_for_is_examined_too_and_so_is_every_member() {
    let mut state = state((80, 24), Depth::Sixteen, false);
    state.ctx.origin = Origin::StandIn(vec!["127.0.0.1:2379".to_owned()]);
    let members = listed(2);
    report(&mut state, Report::Members(0xcafe, members.clone()));
    let [(_, ref examine)] = asked(&key(&mut state, KeyCode::Char('!')))[..] else { panic!() };
    let mut beside = vec!["127.0.0.1:2379".to_owned()];
    beside.extend(members.into_iter().map(|member| member.endpoint));
    assert_eq!(*examine, Examine { beside });
}

/// The footer has the key when somebody is missed, and the message has it when nobody is left.
#[test]
fn the_console_points_to_the_doctor_when_it_misses_somebody() {
    let mut state = state((120, 36), Depth::Sixteen, false);
    let footer = |state: &State| text(state).lines().nth(35).unwrap().to_owned();
    let faults = vec![("127.0.0.1:2379".to_owned(), refused())];
    assert!(!footer(&state).contains("! doctor"), "{}", footer(&state));
    report(&mut state, Report::Silent(faults));
    assert!(footer(&state).contains("! doctor"), "{}", footer(&state));
    assert!(text(&state).contains("! shows which layer of the connection fails"));

    busy(&mut state);
    let said = |state: &State| state.ctx.toasts.shown().last().map(|toast| toast.next.clone());
    for id in 1..=3 {
        assert!(!said(&state).is_some_and(|next| next.contains('!')), "{id}");
        report(&mut state, Report::Lost(id, refused()));
    }
    let next = "start the member, or check the port; ! shows which layer fails";
    assert_eq!(said(&state).as_deref(), Some(next));
}

#[tokio::test]
async fn a_console_that_nobody_answers_finds_out_which_layer_fails() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = listener.local_addr().unwrap().to_string();
    drop(listener);
    let mut driver = Driver::start(&endpoint);
    driver.press(KeyCode::Char('!'));
    driver.until("a verdict", |state| text(state).contains("tcp fails: nobody listens")).await;
    let shown = text(&driver.state);
    assert!(shown.contains("endpoints that fail: 1 of 1"), "{shown}");
}

/// What the doctor says of one endpoint.
async fn trouble(server: &Running) -> Option<LayerFound> {
    let endpoint = server.address.to_string();
    let mut config = ClientConfig::new(vec![Endpoint::parse(&endpoint).unwrap()]);
    config.command_timeout = Some(Duration::from_secs(1));
    let found = examine(&[endpoint], false, &config).await;
    found.endpoints[0].trouble().cloned()
}

/// Goal: what a member says is told as it is meant. Method: one that is well is wrong in one way after another.
#[tokio::test]
async fn a_member_that_answers_and_is_not_well_fails_at_its_status_or_its_read() {
    let server = Fake::start(1, 9, Mood::Stock).await;
    assert_eq!(trouble(&server).await, None);
    let fails = async |layer, found: &str, next: &str| {
        let step = trouble(&server).await.unwrap();
        assert_eq!(step.layer, layer, "{step:?}");
        assert!(step.found.contains(found), "{step:?}");
        assert!(step.next.as_ref().unwrap().contains(next), "{step:?}");
    };
    let quorum = "more than half of the voting members";
    server.fake.show(|shown| shown.reads = false);
    fails(Layer::Read, "no answer within 1s", quorum).await;
    server.fake.show(|shown| shown.errors = vec!["memberID:1 alarm:NOSPACE ".to_owned()]);
    fails(Layer::Status, "NOSPACE", "alarm list").await;
    server.fake.show(|shown| shown.leader = 0);
    fails(Layer::Status, "without a leader", quorum).await;
    server.fake.show(|shown| {
        (shown.leader, shown.reads, shown.locked) = (1, true, true);
        shown.errors.clear();
    });
    fails(Layer::Login, "user name is empty", "--user NAME").await;
    server.fake.show(|shown| shown.locked = false);
    let mut members = server.fake.members();
    members[0].peer_ur_ls = vec![format!("http://{}", server.address)];
    members[0].client_ur_ls = vec!["http://10.0.0.1:2379".to_owned()];
    server.fake.set_members(members);
    fails(Layer::Status, "the port for peers of n1", "http://10.0.0.1:2379").await;
}

/// A member is examined once, whoever names it.
#[tokio::test]
async fn a_member_that_is_named_and_advertised_and_shown_is_examined_once() {
    let member = Member::start().await;
    let mut driver = Driver::start(&member.endpoint);
    driver.until("a member", |state| !state.ctx.cluster.members.is_empty()).await;
    driver.press(KeyCode::Char('!'));
    driver.until("a verdict", |state| text(state).contains("endpoints that are well")).await;
    let shown = text(&driver.state);
    assert!(shown.contains("endpoints that are well: 1 of 1"), "{shown}");
    assert!(shown.contains("read"), "{shown}");
}
