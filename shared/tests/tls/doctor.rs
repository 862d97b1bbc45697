//! What the doctor says of servers that fail at each layer up to HTTP/2, and of one that is silent behind it.

use std::time::{Duration, SystemTime};

use mini_etcd_shared::client::{Examined, Layer, LayerFound, Tls, examine};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::secure::{Authority, Manners, Pair, Secure, Then};
use crate::{HERE, config, trusting, with};

/// Examines one endpoint, whatever it is. Nobody has to wait long for who says nothing.
async fn examined(endpoint: &str, tls: &Tls) -> Examined {
    let mut config = config("127.0.0.1:1", tls);
    config.dial_timeout = Duration::from_secs(1);
    config.command_timeout = Some(Duration::from_secs(1));
    let mut found = examine(&[endpoint.to_owned()], true, &config).await;
    assert_eq!(found.endpoints.len(), 1, "{found:?}");
    found.endpoints.remove(0)
}

/// The layer that fails, which is the last.
async fn trouble(endpoint: &str, tls: &Tls) -> LayerFound {
    let found = examined(endpoint, tls).await;
    assert_eq!(found.trouble(), found.findings.last(), "{found:?}");
    found.trouble().unwrap().clone()
}

async fn fails(endpoint: &str, tls: &Tls, layer: Layer, words: &str) {
    let step = trouble(endpoint, tls).await;
    assert!(step.layer == layer && step.found.contains(words), "{endpoint}: {step:?}");
}

#[tokio::test]
async fn what_is_no_endpoint_and_what_has_no_address_fails_before_anything_is_sent() {
    let plain = Tls::default();
    fails("ftp://h:1", &plain, Layer::Address, "unknown scheme ftp").await;
    fails("nobody.invalid:1", &plain, Layer::Name, "does not resolve").await;
}

#[tokio::test]
async fn a_closed_port_fails_at_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let step = trouble(&address, &Tls::default()).await;
    assert_eq!(step.layer, Layer::Tcp);
    assert!(step.next.as_ref().unwrap().contains("nobody listens there"), "{step:?}");
}

/// Method: a listener whose queue is full; the system answers no further attempt.
#[tokio::test]
async fn who_does_not_answer_the_attempt_to_connect_fails_at_tcp() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(taken) = timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
        waiting.push(taken.unwrap());
    }
    let step = trouble(&address.to_string(), &Tls::default()).await;
    assert_eq!(step.layer, Layer::Tcp);
    assert!(step.found.contains("no answer within 1s to the attempt to connect"), "{step:?}");
    assert!(step.next.as_ref().unwrap().contains("--dial-timeout"), "{step:?}");
}

#[tokio::test]
async fn who_takes_connections_and_says_nothing_fails_where_it_should_speak() {
    // The system takes connections in its place.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let plain = Tls::default();
    fails(&address.to_string(), &plain, Layer::Http2, "says nothing").await;
    let ours = Authority::new("our authority");
    fails(&format!("https://{address}"), &trusting(&ours), Layer::Tls, "says nothing").await;
}

#[tokio::test]
async fn who_speaks_something_else_than_it_is_asked_in_is_told_apart() {
    let ours = Authority::new("our authority");
    let pair = ours.signs("server", HERE);
    let tls = trusting(&ours);
    let plain = Secure::plain().await;
    fails(&format!("https://{}", plain.address), &tls, Layer::Tls, "speaks plain text").await;
    let secure = Secure::start(Manners::of(&pair)).await;
    let bare = Tls::default();
    fails(&secure.address.to_string(), &bare, Layer::Tls, "it speaks TLS").await;
    let page = Secure::speaking(Then::Http1).await;
    fails(&page.address.to_string(), &bare, Layer::Http2, "HTTP/1").await;
    let page = Secure::speaking(Then::Page).await;
    fails(&page.address.to_string(), &bare, Layer::Http2, "no gRPC within it").await;
    let manners = Manners { alpn: &[b"http/1.1"], then: Then::Http1, ..Manners::of(&pair) };
    let page = Secure::start(manners).await;
    fails(&format!("https://{}", page.address), &tls, Layer::Http2, "ALPN").await;
}

/// Method: the alert of a server of Go that has a key of P-521 alone.
#[tokio::test]
async fn who_shares_no_kind_of_key_fails_at_tls_and_those_that_are_accepted_are_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _hello = socket.read(&mut [0; 4096]).await;
            let _sent = socket.write_all(&[21, 3, 3, 0, 2, 2, 40]).await;
        }
    });
    let step = trouble(&endpoint, &Tls { skip_verify: true, ..Tls::default() }).await;
    assert!(step.layer == Layer::Tls && step.found.contains("HandshakeFailure"), "{step:?}");
    assert!(step.next.as_ref().unwrap().contains("P-256"), "{step:?}");
    server.abort();
}

/// Goal: whoever has to mend a certificate reads which one is shown. Method: one server for each way, which wants a
/// certificate of the client too.
#[tokio::test]
async fn a_certificate_that_is_refused_is_shown() {
    let ours = Authority::new("our authority");
    let other = Authority::new("another authority");
    let tls = trusting(&ours);
    let wrong: [(Pair, &str, &str); 3] = [
        (other.signs("server", HERE), "not trusted", "--cacert"),
        (ours.signs_until("server", HERE, 2020), "expired on 2020-01-01", "renew"),
        (ours.signs("server", &["elsewhere.example"]), "not for 127.0.0.1", "name the endpoint"),
    ];
    for (pair, words, next) in wrong {
        let manners = Manners { clients: Some(&ours.cert), ..Manners::of(&pair) };
        let server = Secure::start(manners).await;
        let step = trouble(&format!("https://{}", server.address), &tls).await;
        assert_eq!(step.layer, Layer::Tls);
        assert!(step.found.contains(words), "{step:?}");
        assert!(step.found.contains("it shows a certificate of server for "), "{step:?}");
        assert!(step.next.as_ref().unwrap().contains(next), "{step:?}");
    }
}

/// Method: certificates of a year and of six days that end before and behind the time to renew them, by an hour.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the time of a certificate is the wall clock's")]
async fn a_certificate_that_ends_soon_is_to_be_renewed() {
    let ours = Authority::new("our authority");
    for (life, left, soon_left) in [
        (365 * 24, 30 * 24 - 1, Some("29 days")),
        (365 * 24, 30 * 24 + 1, None),
        (6 * 24, 2 * 24 - 1, Some("1 day")),
        (6 * 24, 2 * 24 + 1, None),
    ] {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let end = SystemTime::now() + hours(left);
        let pair = ours.signs_within("server", HERE, (end - hours(life), end));
        let server = Secure::start(Manners::of(&pair)).await;
        let found = examined(&format!("https://{}", server.address), &trusting(&ours)).await;
        let Some(soon_left) = soon_left else {
            assert_eq!(found.soon(), None);
            continue;
        };
        let soon = found.soon().unwrap();
        assert!(soon.starts_with("renew the certificate of server, valid until "), "{soon}");
        assert!(soon.ends_with(&format!("({soon_left})")), "{soon}");
    }
}

#[tokio::test]
async fn a_client_certificate_that_is_missing_fails_at_tls() {
    let ours = Authority::new("our authority");
    let pair = ours.signs("server", HERE);
    let clients = Some(ours.cert.as_path());
    let manners = Manners { clients, then: Then::Silence, ..Manners::of(&pair) };
    let server = Secure::start(manners).await;
    let endpoint = format!("https://{}", server.address);
    let tls = trusting(&ours);
    fails(&endpoint, &tls, Layer::Tls, "it wants a client certificate").await;
    let found = examined(&endpoint, &with(tls, &ours.signs("somebody", &[]))).await;
    let handshake = found.findings.iter().find(|step| step.layer == Layer::Tls).unwrap();
    let gets = "it asks for a client certificate, and gets that of somebody";
    assert!(handshake.found.contains(gets), "{handshake:?}");
    assert!(handshake.found.contains("signed by our authority, until 2049-01-01"), "{handshake:?}");
    let silent = found.trouble().unwrap();
    assert_eq!(silent.layer, Layer::Status);
    assert!(silent.found.contains("no answer within 1s"), "{silent:?}");
}

#[tokio::test]
async fn all_that_is_given_is_examined() {
    let config = config("127.0.0.1:1", &Tls::default());
    let given = ["ftp://h:1", "h"].map(str::to_owned);
    let found = examine(&given, true, &config).await;
    let seen: Vec<_> = found.endpoints.iter().map(|one| one.endpoint.as_str()).collect();
    assert_eq!(seen, given);
    assert_eq!(found.verdict(), "endpoints that fail: 2 of 2 (ftp://h:1, h)");
}
