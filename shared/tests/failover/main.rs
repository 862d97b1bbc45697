//! The client among servers that misbehave.
//!
//! Every time that a client may spend is far longer than the test's deadline, unless it is what the test is about: a
//! test that passes did not wait for it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod fake;

use std::future::Future;
use std::time::Duration;

use fake::{CLUSTER, GOES_AWAY, GOES_AWAY_AFTER, Live, REFUSED, RESET, Served, dead};
use mini_etcd_proto::etcdserverpb::{PutRequest, RangeRequest, WatchCreateRequest};
use mini_etcd_shared::client::{
    Access, Client, ClientConfig, Connection, DialError, Endpoint, Outcome, TlsTrouble, WatchItem,
    WatchStream,
};
use mini_etcd_shared::error::ClientError;

/// Longest time for one step of a test.
const STEP: Duration = Duration::from_secs(20);
/// Longer than any test waits.
const NEVER: Duration = Duration::from_secs(600);

fn config(endpoints: Vec<Endpoint>) -> ClientConfig {
    ClientConfig {
        dial_timeout: NEVER,
        command_timeout: Some(NEVER),
        ..ClientConfig::new(endpoints)
    }
}

fn client(endpoints: Vec<Endpoint>) -> Client {
    Client::new(config(endpoints)).unwrap()
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(STEP, future).await.expect("a step takes too long")
}

async fn until(mut holds: impl FnMut() -> bool) {
    within(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

async fn put(client: &Client) -> Outcome<()> {
    match within(client.put(PutRequest::default())).await {
        Outcome::Ok(_) => Outcome::Ok(()),
        Outcome::Failed(error) => Outcome::Failed(error),
        Outcome::Unknown(error) => Outcome::Unknown(error),
    }
}

fn watch(client: &Client) -> WatchStream {
    client.watch(WatchCreateRequest::default())
}

/// Where a watch comes to stand.
async fn created(watch: &mut WatchStream) -> String {
    loop {
        match within(watch.next()).await.unwrap() {
            WatchItem::Created { endpoint, .. } => return endpoint,
            WatchItem::Lost { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Servers that are no member, each by the way in which it is none.
async fn bad() -> Vec<(&'static str, Endpoint, Option<Served>)> {
    let mut all = vec![("dead", dead(), None)];
    for (name, served) in [
        ("silent", Served::silent().await),
        ("closing", Served::closing().await),
        ("HTTP/1", Served::saying(b"HTTP/1.1 400 Bad Request\r\n\r\n").await),
        ("TLS", Served::tls().await),
        ("an alert", Served::saying(&[0x15, 3, 1, 0, 2, 2, 70]).await),
        ("something else", Served::saying(b"SSH-2.0-OpenSSH_9.6\r\n").await),
        ("a black hole", Served::black_hole()),
    ] {
        all.push((name, served.endpoint(), Some(served)));
    }
    all
}

#[tokio::test]
async fn reads_writes_and_watches_pass_by_whoever_is_no_member() {
    let live = Live::start(1).await;
    let bad = bad().await;
    for (name, endpoint, _served) in &bad {
        for endpoints in
            [vec![endpoint.clone(), live.endpoint()], vec![live.endpoint(), endpoint.clone()]]
        {
            let client = client(endpoints);
            for _ in 0..3 {
                assert_eq!(put(&client).await, Outcome::Ok(()), "{name}");
                let read = within(client.range(RangeRequest::default())).await;
                assert!(matches!(read, Outcome::Ok(_)), "{name}: {read:?}");
            }
            assert_eq!(created(&mut watch(&client)).await, live.endpoint().as_str(), "{name}");
        }
    }
    let all: Vec<_> = bad.iter().map(|(_, endpoint, _)| endpoint.clone()).collect();
    let client = client(all.into_iter().chain([live.endpoint()]).collect());
    assert_eq!(put(&client).await, Outcome::Ok(()));
    assert_eq!(live.count("Put"), 3 * 2 * bad.len() + 1, "each write once");
}

#[tokio::test]
async fn whoever_is_no_member_is_named_as_what_it_is() {
    let config = ClientConfig { dial_timeout: Duration::from_millis(300), ..config(vec![dead()]) };
    for (name, endpoint, _served) in bad().await {
        let error = within(Connection::open(&endpoint, &config)).await.unwrap_err();
        let right = match name {
            "dead" => matches!(error, DialError::System(..)),
            "silent" => matches!(error, DialError::Silent(_)),
            "closing" => matches!(error, DialError::Closed),
            "HTTP/1" => matches!(error, DialError::Http1),
            "TLS" | "an alert" => matches!(error, DialError::Tls(TlsTrouble::Wanted)),
            "something else" => matches!(error, DialError::Foreign),
            _ => matches!(error, DialError::Unreachable(_)),
        };
        assert!(right, "{name}: {error:?}");
        let once = Client::new(ClientConfig {
            endpoints: vec![endpoint],
            wait_for_connection: false,
            ..config.clone()
        });
        let failed = put(&once.unwrap()).await;
        let Outcome::Failed(ClientError::NotConnected { reason, .. }) = failed else {
            panic!("{name}: {failed:?}")
        };
        assert_eq!(reason, error.to_string(), "{name}");
    }
}

#[tokio::test]
async fn a_write_that_nobody_took_is_known_not_to_have_run_and_says_who_was_there() {
    for (name, endpoint, _served) in bad().await {
        let hasty = Client::new(ClientConfig {
            command_timeout: Some(Duration::from_millis(200)),
            ..config(vec![endpoint])
        });
        let Outcome::Failed(error) = put(&hasty.unwrap()).await else { panic!("{name}") };
        assert!(matches!(error, ClientError::TimedOut { .. }), "{name}: {error:?}");
        assert!(error.did_not_run() && error.is_of_connection(), "{name}: {error:?}");
    }
}

/// Goal: a deadline that has passed is one, also where the answer would have come at once.
#[tokio::test]
async fn a_passed_deadline_sends_nothing() {
    let live = Live::start(1).await;
    let command_timeout = Some(Duration::ZERO);
    let late = ClientConfig { command_timeout, ..config(vec![live.endpoint()]) };
    let late = Client::new(late).unwrap();
    within(late.until_ready(1)).await;
    let Outcome::Failed(error) = put(&late).await else { panic!("it may have run") };
    assert!(error.did_not_run(), "{error:?}");
    assert_eq!(live.count("Put"), 0);
}

#[tokio::test]
async fn a_read_only_client_reads_and_sends_nothing_that_would_change_something() {
    let live = Live::start(1).await;
    let looks = ClientConfig { access: Access::ReadOnly, ..config(vec![live.endpoint()]) };
    let looks = Client::new(looks).unwrap();
    assert!(matches!(within(looks.range(RangeRequest::default())).await, Outcome::Ok(_)));
    // Settings that are made from its own stay so.
    let other = looks.with_config(looks.config().clone()).unwrap();
    for client in [looks, other] {
        assert_eq!(put(&client).await, Outcome::Failed(ClientError::ReadOnly));
    }
    assert_eq!((live.count("Range"), live.count("Put")), (1, 0));
}

#[tokio::test]
async fn a_write_goes_to_the_next_member_when_its_stream_was_surely_not_processed() {
    let live = Live::start(1).await;
    for (frames, processed) in
        [(REFUSED, false), (GOES_AWAY, false), (RESET, true), (GOES_AWAY_AFTER, true)]
    {
        let fickle = Served::answering(frames).await;
        let client = client(vec![fickle.endpoint(), live.endpoint()]);
        let before = live.count("Put");
        // Both are ready before anything is written, so that one of two writes goes to each.
        within(client.until_ready(2)).await;
        let mut unknown = 0;
        for _ in 0..2 {
            match put(&client).await {
                Outcome::Ok(()) => {}
                Outcome::Unknown(_) => unknown += 1,
                Outcome::Failed(error) => panic!("{frames:?}: {error:?}"),
            }
        }
        assert_eq!(unknown, usize::from(processed), "{frames:?}");
        assert_eq!(live.count("Put") - before, 2 - usize::from(processed), "{frames:?}");
    }
}

#[tokio::test]
async fn a_read_of_a_stopped_member_is_answered_by_another_and_writes_prefer_that_one() {
    let (one, two) = (Live::start(1).await, Live::start(2).await);
    let client = client(vec![one.endpoint(), two.endpoint()]);
    within(client.until_ready(2)).await;
    one.stop(true);
    for _ in 0..4 {
        let read = within(client.range(RangeRequest::default())).await;
        assert!(matches!(read, Outcome::Ok(_)), "{read:?}");
    }
    // It is known by now that it is silent.
    for _ in 0..4 {
        assert_eq!(put(&client).await, Outcome::Ok(()));
    }
    assert_eq!((one.count("Put"), two.count("Put")), (0, 4));
    assert_eq!(created(&mut watch(&client)).await, two.endpoint().as_str());
    one.stop(false);
    // It spoke again, and takes its share.
    within(async {
        while one.count("Put") == 0 {
            assert_eq!(put(&client).await, Outcome::Ok(()));
        }
    })
    .await;
}

#[tokio::test]
async fn a_watch_goes_on_elsewhere_when_its_member_is_stopped_or_gone() {
    let (one, two) = (Live::start(1).await, Live::start(2).await);
    let client = Client::new(ClientConfig {
        keepalive_time: Duration::from_millis(100),
        keepalive_timeout: Duration::from_millis(300),
        ..config(vec![one.endpoint(), two.endpoint()])
    });
    let client = client.unwrap();
    let mut watch = watch(&client);
    let at = created(&mut watch).await;
    let (first, second) = if at == one.endpoint().as_str() { (one, two) } else { (two, one) };
    first.stop(true);
    assert_eq!(created(&mut watch).await, second.endpoint().as_str());
    first.stop(false);
    let place = first.endpoint();
    drop(second);
    assert_eq!(created(&mut watch).await, place.as_str());
}

#[tokio::test]
async fn a_member_of_the_list_is_asked_when_the_given_one_is_gone() {
    let (given, other) = (Live::start(1).await, Live::start(2).await);
    let (silent, stranger) = (Served::silent().await, Live::start(9).await);
    let unresolved = "http://no-such-host.invalid:2379";
    let url = |endpoint: &Endpoint| format!("http://{endpoint}");
    given.lists(&[
        (1, &url(&dead())),
        (2, &url(&other.endpoint())),
        (3, &url(&silent.endpoint())),
        (4, &url(&stranger.endpoint())),
        (5, unresolved),
    ]);
    let client = Client::new(ClientConfig {
        learn_members: true,
        wait_for_connection: false,
        dial_timeout: STEP / 2,
        ..config(vec![given.endpoint()])
    })
    .unwrap();
    assert_eq!(put(&client).await, Outcome::Ok(()));
    until(|| stranger.count("Status") > 0).await;
    within(client.until_ready(2)).await;
    // While the given one is there, it alone is asked.
    let mut watch = watch(&client);
    assert_eq!(created(&mut watch).await, given.endpoint().as_str());
    for _ in 0..4 {
        assert_eq!(put(&client).await, Outcome::Ok(()));
    }
    assert_eq!((given.count("Put"), other.count("Put")), (5, 0));
    drop(given);
    assert_eq!(created(&mut watch).await, url(&other.endpoint()));
    assert_eq!(put(&client).await, Outcome::Ok(()));
    assert_eq!((other.count("Put"), stranger.count("Put")), (1, 0));
}

/// Goal: through a tunnel a list names what is somebody else's here. Method: the given endpoint is the member itself,
/// and its list names an address at which another server says that it is the same one.
#[tokio::test]
async fn an_address_of_a_member_that_is_reached_as_given_is_never_asked() {
    let (given, double) = (Live::start(1).await, Live::start(1).await);
    given.lists(&[(1, &format!("http://{}", double.endpoint()))]);
    let client = Client::new(ClientConfig {
        learn_members: true,
        wait_for_connection: false,
        ..config(vec![given.endpoint()])
    })
    .unwrap();
    assert_eq!(put(&client).await, Outcome::Ok(()));
    until(|| given.count("MemberList") > 0).await;
    drop(given);
    let failed = put(&client).await;
    assert!(!matches!(failed, Outcome::Ok(())), "{failed:?}");
    assert_eq!(double.count("Put") + double.count("Status"), 0);
}

/// A client that lasts, of the cluster of `ours`; `stranger` is of another one, and named as well.
async fn of_two_clusters(ours: &Live, stranger: &Live) -> Client {
    stranger.is_of(CLUSTER + 1);
    // Its answer comes second.
    stranger.stop(true);
    let client = Client::new(ClientConfig {
        learn_members: true,
        wait_for_connection: false,
        ..config(vec![ours.endpoint(), stranger.endpoint()])
    })
    .unwrap();
    assert_eq!(put(&client).await, Outcome::Ok(()));
    stranger.stop(false);
    until(|| stranger.count("Status") > 0).await;
    client
}

/// How many requests beyond the question who it is.
fn taken(stranger: &Live) -> usize {
    ["Put", "Range", "Watch", "MemberList"].iter().map(|method| stranger.count(method)).sum()
}

#[tokio::test]
async fn a_write_never_goes_to_another_cluster_than_the_one_that_answered_first() {
    let (ours, stranger) = (Live::start(1).await, Live::start(2).await);
    let client = of_two_clusters(&ours, &stranger).await;
    drop(ours);
    for _ in 0..3 {
        let failed = put(&client).await;
        assert!(!matches!(failed, Outcome::Ok(())), "{failed:?}");
    }
    assert_eq!(taken(&stranger), 0);
}

#[tokio::test]
async fn a_stopped_or_lost_member_is_replaced_by_one_of_its_cluster_and_not_by_who_was_named() {
    let (ours, other, stranger) =
        (Live::start(1).await, Live::start(3).await, Live::start(2).await);
    ours.lists(&[(3, &format!("http://{}", other.endpoint()))]);
    let client = of_two_clusters(&ours, &stranger).await;
    within(client.until_ready(2)).await;
    let mut watch = watch(&client);
    assert_eq!(created(&mut watch).await, ours.endpoint().as_str());
    ours.stop(true);
    assert!(matches!(within(client.range(RangeRequest::default())).await, Outcome::Ok(_)));
    drop(ours);
    assert_eq!(put(&client).await, Outcome::Ok(()));
    assert_eq!(created(&mut watch).await, format!("http://{}", other.endpoint()));
    assert_eq!((other.count("Put"), taken(&stranger)), (1, 0));
}

/// Goal: who asks once asks the first that answers, without asking first who that is, and holds to it from then on.
#[tokio::test]
async fn a_client_that_does_not_last_holds_to_the_cluster_of_its_first_answer() {
    let (one, two) = (Live::start(1).await, Live::start(2).await);
    two.is_of(CLUSTER + 1);
    let client = Client::new(ClientConfig {
        wait_for_connection: false,
        ..config(vec![one.endpoint(), two.endpoint()])
    })
    .unwrap();
    assert_eq!(put(&client).await, Outcome::Ok(()));
    let (ours, stranger) = if one.count("Put") == 1 { (one, two) } else { (two, one) };
    assert_eq!(ours.count("Status"), 0);
    for _ in 0..4 {
        assert_eq!(put(&client).await, Outcome::Ok(()));
    }
    drop(ours);
    let failed = put(&client).await;
    assert!(!matches!(failed, Outcome::Ok(())), "{failed:?}");
    assert_eq!(taken(&stranger), 0);
}

/// Goal: what stands between may lead one connection to several clusters. The write has run there, and that is said.
#[tokio::test]
async fn an_answer_of_another_cluster_does_not_count_and_ends_its_connection() {
    let live = Live::start(1).await;
    let client =
        Client::new(ClientConfig { wait_for_connection: false, ..config(vec![live.endpoint()]) })
            .unwrap();
    assert_eq!(put(&client).await, Outcome::Ok(()));
    assert_eq!(live.count("Status"), 0, "no question before the first");
    live.is_of(CLUSTER + 1);
    let Outcome::Unknown(error) = put(&client).await else { panic!("it may have run") };
    let words = "another cluster answers there: it says 4e, and this client talks to 4d";
    assert!(error.to_string().contains(words), "{error}");
    let Outcome::Failed(error) = put(&client).await else { panic!("it was not sent") };
    assert!(error.to_string().contains(words), "{error}");
    let read = within(client.range(RangeRequest::default())).await;
    assert!(matches!(read, Outcome::Failed(_)), "{read:?}");
    assert!(matches!(within(watch(&client).next()).await, Some(WatchItem::Lost { .. })));
    assert_eq!((live.count("Put"), taken(&live)), (2, 2));
}

#[tokio::test]
async fn a_unix_socket_and_a_name_with_several_addresses_are_dialled() {
    let live = Live::start(1).await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("member");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let address = live.served.address;
    let relay = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut member = tokio::net::TcpStream::connect(address).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut socket, &mut member).await;
    });
    // `localhost` may mean ::1 as well, where nobody listens.
    for text in [format!("unix:{}", path.display()), format!("localhost:{}", address.port())] {
        let client = client(vec![Endpoint::parse(&text).unwrap()]);
        assert_eq!(put(&client).await, Outcome::Ok(()), "{text}");
    }
    relay.abort();
}
