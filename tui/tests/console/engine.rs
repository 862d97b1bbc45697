//! Goal: what the engine reports of servers that answer, stall, refuse and vanish. Method: fake servers in this
//! process; a report is waited for with a deadline.

use std::sync::Arc;
use std::time::Duration;

use mini_etcd_proto::etcdserverpb::Member;
use mini_etcd_shared::client::{Credentials, Endpoint};
use mini_etcd_shared::clock::SystemClock;
use mini_etcd_shared::port::HeldPort;
use mini_etcd_tui::connect::Reach;
use mini_etcd_tui::engine::order::Order;
use mini_etcd_tui::engine::report::{Pace, Report};
use mini_etcd_tui::engine::request::{Answer, Job, Ticket, Trouble};
use mini_etcd_tui::engine::sample::{Role, Sample, Source};
use mini_etcd_tui::engine::{Engine, Handle, Inbox, Setup};
use mini_etcd_tui::screens::ScreenId;
use mini_etcd_tui::screens::keys::model::{Change, Write};
use mini_etcd_tui::screens::keys::requests::WriteKey;
use mini_etcd_tui::screens::keys::{Doing, Way};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::fake::{Fake, Mood, Running};

/// Time that anything may take here.
const DEADLINE: Duration = Duration::from_secs(20);

/// An engine that looks at these servers.
pub fn engine(endpoints: &[String]) -> (Handle, Arc<Inbox>) {
    engine_as(endpoints, None)
}

/// The same as a user.
pub fn engine_as(endpoints: &[String], login: Option<Credentials>) -> (Handle, Arc<Inbox>) {
    let endpoints = endpoints.iter().map(|text| Endpoint::parse(text).unwrap()).collect();
    engine_of(Reach { endpoints, login, ..Reach::default() })
}

pub fn engine_of(reach: Reach) -> (Handle, Arc<Inbox>) {
    let (engine, handle, inbox) = Engine::new(Setup {
        reach,
        read_only: false,
        fleet: None,
        instead_of: Vec::new(),
        clock: SystemClock::new(),
    });
    tokio::spawn(engine.run());
    (handle, inbox)
}

fn at(running: &Running) -> String {
    running.address.to_string()
}

/// Waits until a report says what is wanted.
async fn wait<T>(inbox: &Inbox, mut wanted: impl FnMut(Report) -> Option<T>) -> T {
    let found = timeout(DEADLINE, async {
        loop {
            inbox.ready().await;
            if let Some(found) = inbox.take().into_iter().find_map(&mut wanted) {
                return found;
            }
        }
    });
    found.await.expect("the report in time")
}

async fn sample_of(inbox: &Inbox, id: u64) -> Box<Sample> {
    wait(inbox, |report| match report {
        Report::Sample(from, sample) if from == id => Some(sample),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn members_are_found_from_one_endpoint_and_each_is_followed() {
    let (one, two) = (Fake::start(1, 9, Mood::Mini).await, Fake::start(2, 9, Mood::Mini).await);
    let all = [one.fake.members(), two.fake.members()].concat();
    one.fake.set_members(all.clone());
    two.fake.set_members(all);
    let (_handle, inbox) = engine(&[at(&one)]);
    let sample = sample_of(&inbox, 2).await;
    assert_eq!((sample.source, sample.role, sample.commit), (Source::Admin, Role::Leader, 7));
}

#[tokio::test]
async fn a_stock_etcd_is_asked_for_its_status_and_what_it_does_not_offer_is_not_zero() {
    let server = Fake::start(1, 9, Mood::Stock).await;
    let (_handle, inbox) = engine(&[at(&server)]);
    let sample = sample_of(&inbox, 1).await;
    assert_eq!((sample.source, sample.commit), (Source::Status, 7));
    assert_eq!(
        (sample.quota, sample.watchers, sample.sync_p99_us, sample.in_use),
        (None, None, None, None)
    );
    assert_eq!((sample.progress, sample.allocated), (None, Some(4096)));
}

#[tokio::test]
async fn a_server_that_vanishes_is_lost_in_plain_words_and_found_again() {
    let server = Fake::start(1, 9, Mood::Mini).await;
    let address = server.address;
    let (_handle, inbox) = engine(&[at(&server)]);
    sample_of(&inbox, 1).await;
    server.vanish().await;
    let words = wait(&inbox, |report| match report {
        Report::Lost(1, fault) if fault.words.contains("refused") => Some(fault.words),
        _ => None,
    });
    assert!(words.await.contains("nothing listens there"));
    let listener = TcpListener::bind(address).await.unwrap();
    let _again = Fake::serve(1, 9, Mood::Mini, listener);
    sample_of(&inbox, 1).await;
}

#[tokio::test]
async fn a_server_that_stalls_and_one_that_denies_are_told_apart() {
    for (mood, words) in [(Mood::Stalls, "no answer in time"), (Mood::Denies, "permission denied")]
    {
        let server = Fake::start(1, 9, mood).await;
        let (_handle, inbox) = engine(&[at(&server)]);
        let told = wait(&inbox, |report| match report {
            Report::Silent(faults) => faults.first().map(|(_, fault)| fault.words.clone()),
            _ => None,
        });
        let told = told.await;
        assert!(told.contains(words), "{told}");
    }
}

#[tokio::test]
async fn nothing_there_is_told_before_any_member_is_known() {
    let free = HeldPort::new().unwrap().for_good();
    let (_handle, inbox) = engine(&[free.to_string()]);
    let (endpoint, fault) = wait(&inbox, |report| match report {
        Report::Silent(faults) => faults.first().cloned(),
        _ => None,
    })
    .await;
    assert_eq!(endpoint, free.to_string());
    assert!(fault.words.contains("refused"), "{fault:?}");
}

/// Goal: a server that speaks TLS is named as one. Method: as Go's servers do, it ends what is no TLS without a word.
#[tokio::test]
async fn a_server_that_speaks_tls_is_called_that() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut head = [0; 5];
                if stream.read_exact(&mut head).await.is_ok() && head[0] == 0x16 {
                    let _gone = stream.write_all(&[0x15, 3, 3, 0, 2, 2, 40]).await;
                }
            });
        }
    });
    let (_handle, inbox) = engine(&[address.to_string()]);
    let told = wait(&inbox, |report| match report {
        Report::Silent(faults) => faults.first().map(|(_, fault)| fault.words.clone()),
        _ => None,
    });
    assert_eq!(told.await, "it speaks TLS, and was asked in plain text");
}

#[tokio::test]
async fn a_member_that_lists_an_address_nobody_reaches_is_asked_where_it_answered() {
    let server = Fake::start(1, 9, Mood::Mini).await;
    let unreachable =
        Member { id: 1, client_ur_ls: vec!["http://127.0.0.1:1".into()], ..Member::default() };
    server.fake.set_members(vec![unreachable]);
    let (_handle, inbox) = engine(&[at(&server)]);
    sample_of(&inbox, 1).await;
}

#[tokio::test]
async fn an_endpoint_of_another_cluster_is_named_and_left_out() {
    let (ours, other) = (Fake::start(1, 9, Mood::Mini).await, Fake::start(5, 10, Mood::Mini).await);
    let (_handle, inbox) = engine(&[at(&ours), at(&other)]);
    let what = wait(&inbox, |report| match report {
        Report::Trouble(what, ..) => Some(what),
        _ => None,
    });
    assert_eq!(what.await, format!("{} belongs to another cluster", at(&other)));
}

/// Asks for a change of a key; answers what became of it.
async fn write(handle: &Handle, inbox: &Inbox, id: u64) -> Answer {
    let ticket = Ticket { screen: ScreenId::Keys.number(), id };
    let write = Write { key: "k".into(), expected: 0, change: Change::Delete };
    let doing = Doing { what: String::new(), way: Way::Do };
    handle.send(Order::Ask(ticket, Job::new(WriteKey { write, doing, seen: 0, over: None })));
    wait(inbox, |report| match report {
        Report::Answer(to, answer) if to == ticket => Some(answer),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn an_endpoint_that_is_left_out_gets_nothing_also_when_the_others_are_gone() {
    let (ours, other) = (Fake::start(1, 9, Mood::Mini).await, Fake::start(5, 10, Mood::Mini).await);
    let (handle, inbox) = engine(&[at(&ours), at(&other)]);
    wait(&inbox, |report| match report {
        Report::Trouble(what, ..) => what.contains("belongs to another cluster").then_some(()),
        _ => None,
    })
    .await;
    // The fake offers no change: that it was asked for one is what counts.
    write(&handle, &inbox, 1).await;
    assert_eq!((ours.fake.keys(), other.fake.keys()), (2, 0));
    ours.vanish().await;
    for id in 2..5 {
        let answer = write(&handle, &inbox, id).await;
        assert!(answer.trouble().is_some(), "{answer:?}");
    }
    assert_eq!(other.fake.keys(), 0);
}

/// Goal: no change that was meant for a cluster reaches the one that has taken its place, however fast that was.
#[tokio::test]
async fn a_cluster_in_the_place_of_another_is_asked_for_nothing_until_it_is_shown() {
    let before = Fake::start(1, 9, Mood::Mini).await;
    let address = before.address;
    let (handle, inbox) = engine(&[at(&before)]);
    sample_of(&inbox, 1).await;
    write(&handle, &inbox, 1).await;
    before.vanish().await;
    let listener = TcpListener::bind(address).await.unwrap();
    let after = Fake::serve(1, 10, Mood::Mini, listener);
    wait(&inbox, |report| match report {
        Report::Members(cluster, _) => (cluster == 10).then_some(()),
        _ => None,
    })
    .await;
    let answer = write(&handle, &inbox, 2).await;
    let Some(Trouble { why, .. }) = answer.trouble() else { panic!("{answer:?}") };
    assert!(why.contains("another cluster answers there"), "{why}");
    assert_eq!(after.fake.keys(), 0);
    handle.send(Order::Cluster(10));
    write(&handle, &inbox, 3).await;
    assert_eq!(after.fake.keys(), 2);
}

#[tokio::test]
async fn without_the_keyboard_the_stream_slows_down() {
    let server = Fake::start(1, 9, Mood::Mini).await;
    let (handle, inbox) = engine(&[at(&server)]);
    sample_of(&inbox, 1).await;
    assert_eq!(server.fake.interval(), 500);
    handle.send(Order::Pace(Pace::Blurred));
    wait(&inbox, |_| (server.fake.interval() == 5000).then_some(())).await;
}
