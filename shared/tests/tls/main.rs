//! A client that speaks TLS, against servers that are right and that are wrong in every way we know.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod doctor;
#[expect(dead_code, reason = "shared with other suites")]
mod secure;

use std::time::Duration;

use mini_etcd_shared::client::{
    Client, ClientConfig, Connection, DialError, Endpoint, Tls, TlsTrouble,
};
use mini_etcd_shared::error::ClientError;
use tokio::time::timeout;

use secure::{Authority, Manners, Pair, Secure, Then};

/// Names of a server that is reached here.
const HERE: &[&str] = &["localhost", "127.0.0.1"];

fn trusting(authority: &Authority) -> Tls {
    Tls { cacert: Some(authority.cert.clone()), ..Tls::default() }
}

fn with(tls: Tls, pair: &Pair) -> Tls {
    Tls { cert: Some(pair.cert.clone()), key: Some(pair.key.clone()), ..tls }
}

fn config(endpoint: &str, tls: &Tls) -> ClientConfig {
    ClientConfig { tls: tls.clone(), ..ClientConfig::new(vec![Endpoint::parse(endpoint).unwrap()]) }
}

async fn dial(endpoint: &str, tls: &Tls) -> Result<Connection, DialError> {
    let config = config(endpoint, tls);
    let opened = Connection::open(&config.endpoints[0], &config);
    timeout(Duration::from_secs(60), opened).await.unwrap()
}

async fn words(endpoint: &str, tls: &Tls) -> String {
    dial(endpoint, tls).await.map(|_| ()).unwrap_err().to_string()
}

#[tokio::test]
async fn a_server_is_reached_by_a_name_or_an_address_that_its_certificate_has() {
    let ours = Authority::new("our authority");
    let pair = ours.signs("server", HERE);
    let server = Secure::start(Manners::of(&pair)).await;
    let tls = trusting(&ours);
    let port = server.address.port();
    for endpoint in [format!("https://127.0.0.1:{port}"), format!("127.0.0.1:{port}")] {
        dial(&endpoint, &tls).await.unwrap();
    }
    // A name that has addresses of both kinds; the server listens at one of them.
    dial(&format!("https://localhost:{port}"), &tls).await.unwrap();
}

#[tokio::test]
async fn a_certificate_that_is_itself_trusted_is_taken_though_it_could_sign_others() {
    let dir = tempfile::tempdir().unwrap();
    let pair = Authority::self_signed(dir.path(), &["127.0.0.1"]);
    let server = Secure::start(Manners::of(&pair)).await;
    let port = server.address.port();
    let endpoint = format!("https://127.0.0.1:{port}");
    let tls = Tls { cacert: Some(pair.cert.clone()), ..Tls::default() };
    dial(&endpoint, &tls).await.unwrap();
    // For another name it is not good either.
    let said = words(&format!("https://localhost:{port}"), &tls).await;
    assert!(said.starts_with("its certificate"), "{said}");
    let other = Authority::new("another");
    let said = words(&endpoint, &trusting(&other)).await;
    assert_eq!(said, "its certificate, signed by itself (itself), is not trusted");
}

/// Goal: whoever has to mend it reads which layer fails, and who is named in it. Method: one server for each way.
#[tokio::test]
async fn what_is_wrong_with_a_server_is_told_in_words() {
    let ours = Authority::new("our authority");
    let other = Authority::new("another authority");
    let good = ours.signs("server", HERE);
    let tls = trusting(&ours);
    let serve = |pair: &Pair| {
        let pair = pair.clone();
        async move { Secure::start(Manners::of(&pair)).await }
    };
    let at = |server: &Secure| format!("https://{}", server.address);

    let server = serve(&other.signs("server", HERE)).await;
    let said = words(&at(&server), &tls).await;
    assert_eq!(said, "its certificate, signed by another authority, is not trusted");
    // Whoever says so takes anybody.
    dial(&at(&server), &Tls { skip_verify: true, ..Tls::default() }).await.unwrap();

    let server = serve(&ours.signs_until("server", HERE, 2020)).await;
    let said = words(&at(&server), &tls).await;
    let until = "its certificate expired on 2020-01-01 00:00 UTC (that of server)";
    assert_eq!(said, until);

    let server = serve(&ours.signs("server", &["elsewhere.example", "10.0.0.1"])).await;
    let said = words(&at(&server), &tls).await;
    let names = "its certificate is for elsewhere.example, 10.0.0.1, not for 127.0.0.1";
    assert_eq!(said, names);

    let server = Secure::plain().await;
    let error = dial(&at(&server), &tls).await.map(|_| ()).unwrap_err();
    assert_eq!(error, DialError::Tls(TlsTrouble::PlainText));
    dial(&server.address.to_string(), &Tls::default()).await.unwrap();

    let server = serve(&good).await;
    let error = dial(&format!("http://{}", server.address), &tls).await.map(|_| ()).unwrap_err();
    assert_eq!(error, DialError::Tls(TlsTrouble::Wanted));

    for (alpn, then) in [(&[b"http/1.1" as &[u8]] as &[_], Then::Http1), (&[], Then::Http1)] {
        let server = Secure::start(Manners { alpn, then, ..Manners::of(&good) }).await;
        let error = dial(&at(&server), &tls).await.map(|_| ()).unwrap_err();
        assert_eq!(error, DialError::Tls(TlsTrouble::Alpn), "{alpn:?}");
    }
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_says_of_whom_and_gets_it() {
    let ours = Authority::new("our authority");
    let other = Authority::new("another authority");
    let pair = ours.signs("server", HERE);
    let manners = Manners { clients: Some(&ours.cert), ..Manners::of(&pair) };
    let server = Secure::start(manners).await;
    let endpoint = format!("https://{}", server.address);
    let tls = trusting(&ours);
    let said = words(&endpoint, &tls).await;
    assert_eq!(said, "it wants a client certificate signed by our authority");
    let stranger = with(tls.clone(), &other.signs("somebody", &[]));
    let said = words(&endpoint, &stranger).await;
    let begins =
        "it refuses the client certificate of somebody: it takes those signed by our authority";
    assert!(said.starts_with(begins), "{said}");
    assert_eq!((tls.user(), stranger.user()), (None, Some("somebody".to_owned())));
    dial(&endpoint, &with(tls, &ours.signs("somebody", &[]))).await.unwrap();
}

/// Goal: a certificate that is renewed counts at the next connection. Method: the file is replaced by what is needed.
#[tokio::test]
async fn files_are_read_anew_at_each_connection() {
    let ours = Authority::new("our authority");
    let other = Authority::new("another authority");
    let pair = ours.signs("server", HERE);
    let server = Secure::start(Manners::of(&pair)).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.crt");
    std::fs::copy(&other.cert, &file).unwrap();
    let tls = Tls { cacert: Some(file.clone()), ..Tls::default() };
    let endpoint = format!("https://{}", server.address);
    assert!(words(&endpoint, &tls).await.contains("not trusted"));
    std::fs::copy(&ours.cert, &file).unwrap();
    dial(&endpoint, &tls).await.unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(words(&endpoint, &tls).await.ends_with("ca.crt: no such file or directory"));
}

#[tokio::test]
async fn a_call_that_finds_nobody_says_what_is_wrong_with_tls() {
    let ours = Authority::new("our authority");
    let pair = ours.signs("server", &["elsewhere.example"]);
    let server = Secure::start(Manners::of(&pair)).await;
    let hasty = ClientConfig {
        wait_for_connection: false,
        ..config(&format!("https://{}", server.address), &trusting(&ours))
    };
    let client = Client::new(hasty).unwrap();
    let asked = client.status(mini_etcd_proto::etcdserverpb::StatusRequest {}).await;
    let Err(ClientError::NotConnected { reason, .. }) = asked.into_result() else { panic!() };
    assert!(reason.contains("is for elsewhere.example"), "{reason}");
}
