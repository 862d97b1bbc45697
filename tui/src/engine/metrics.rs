//! What etcd tells on its page of metrics, at the address that clients use, and not in `Status`.
//!
//! Names and labels are those of etcd 3.4 to 3.7. What a server does not tell stays `None`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures::future::select_ok;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use mini_etcd_shared::client::{Endpoint, Socket, Tls, Within, spoken};
use mini_etcd_shared::clock::Moment;
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;

use super::ANSWER_WITHIN;
use super::sample::{Peer, Peers};

/// Time between two looks at the page; it has 160 KB.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Time to the second look: rates need two.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Bytes that a page may have.
const PAGE_BYTES_MAX: usize = 4 << 20;
/// The percentile that is shown of syncs.
const PERCENTILE: f64 = 0.99;

/// What a page tells, and what follows from two of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Metrics {
    /// When it was asked for.
    pub at: Moment,
    /// 99th percentile of log syncs since the look before, microseconds; 0 when there were none.
    pub sync_p99_us: Option<u64>,
    pub quota: Option<u64>,
    pub compacted: Option<i64>,
    pub resident: Option<u64>,
    pub watchers: Option<u64>,
    pub slow_watchers: Option<u64>,
    /// Calls that stay open.
    pub streams: Option<u64>,
    pub keys: Option<u64>,
    pub leader_changes: Option<u64>,
    /// Peers, whether they are connected, and whether anything came from them since the look before.
    pub peers: Peers,
    /// Bytes that came from peers, since the start of the server.
    received: BTreeMap<u64, u64>,
    /// Syncs that took at most so many microseconds, since the start of the server.
    syncs: BTreeMap<u64, u64>,
}

/// Reads the page of a server; `None` when there is none.
pub(crate) async fn fetch(endpoint: &Endpoint, tls: &Tls, at: Moment) -> Option<Metrics> {
    let page = timeout(ANSWER_WITHIN, page(endpoint, tls)).await.ok()??;
    let text = std::str::from_utf8(&page).ok()?;
    let parsed = parse(text);
    let peers = Peers { at, ..parsed.peers };
    Some(Metrics { at, peers, ..parsed })
}

async fn page(endpoint: &Endpoint, tls: &Tls) -> Option<Bytes> {
    let socket = if let Some(path) = endpoint.path() {
        spoken(UnixStream::connect(path).await.ok()?, endpoint, tls, Within::Http1).await
    } else {
        let addresses = lookup_host(endpoint.host_and_port()?).await.ok()?;
        spoken(connect(addresses).await?, endpoint, tls, Within::Http1).await
    };
    page_from(endpoint, socket.ok()?).await
}

/// A connection to one of the addresses of a name, all of which are tried beside each other: one that swallows what is
/// sent to it would take the time that the page has.
async fn connect(addresses: impl Iterator<Item = SocketAddr>) -> Option<TcpStream> {
    let tries: Vec<_> = addresses.map(|address| Box::pin(TcpStream::connect(address))).collect();
    if tries.is_empty() {
        return None;
    }
    select_ok(tries).await.ok().map(|(stream, _others)| stream)
}

async fn page_from(endpoint: &Endpoint, stream: Box<dyn Socket>) -> Option<Bytes> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let request = http::Request::get("/metrics")
        .header(http::header::HOST, endpoint.authority())
        .header(http::header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .ok()?;
    let answer = async move {
        let answer = sender.send_request(request).await.ok()?;
        let fine = answer.status().is_success();
        let body = Limited::new(answer.into_body(), PAGE_BYTES_MAX).collect().await.ok()?;
        fine.then(|| body.to_bytes())
    };
    let (_ended, page) = futures::join!(connection, answer);
    page
}

impl Metrics {
    /// With what has happened since the page before.
    pub(crate) fn since(self, before: Option<&Self>) -> Self {
        let Some(before) = before else { return self };
        let sync_p99_us = percentile(&before.syncs, &self.syncs);
        let bytes = |metrics: &Self, id| metrics.received.get(&id).copied().unwrap_or(0);
        // A counter that is smaller begins with a new process, later than the look before.
        let each = self.peers.each.iter();
        let each = each.map(|peer| Peer {
            spoke: bytes(&self, peer.member) != bytes(before, peer.member),
            ..*peer
        });
        let peers = Peers { from: Some(before.at), at: self.at, each: each.collect() };
        Self { sync_p99_us, peers, ..self }
    }
}

fn parse(page: &str) -> Metrics {
    let mut metrics = Metrics::default();
    let (mut begun, mut over) = (None, 0.0);
    for line in page.lines() {
        let Some((series, value)) = line.rsplit_once(' ') else { continue };
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let Ok(value) = value.parse::<f64>() else { continue };
        let whole = || Some(whole(value));
        match name {
            "etcd_disk_wal_fsync_duration_seconds_bucket" => {
                // The last bucket has no bound.
                let bound = label(labels, "le").and_then(|le| le.parse::<f64>().ok());
                let bound = bound.map_or(u64::MAX, |seconds| self::whole(seconds * 1e6));
                metrics.syncs.insert(bound, self::whole(value));
            }
            "etcd_server_quota_backend_bytes" => metrics.quota = whole().filter(|bytes| *bytes > 0),
            "etcd_debugging_mvcc_compact_revision" => {
                // etcd counts "never" as -1 or 0.
                let revision = i64::try_from(self::whole(value)).unwrap_or(i64::MAX);
                metrics.compacted = Some(if revision > 0 { revision } else { -1 });
            }
            "process_resident_memory_bytes" => metrics.resident = whole(),
            "etcd_debugging_mvcc_watcher_total" => metrics.watchers = whole(),
            "etcd_debugging_mvcc_slow_watcher_total" => metrics.slow_watchers = whole(),
            "etcd_debugging_mvcc_keys_total" => metrics.keys = whole(),
            "etcd_server_leader_changes_seen_total" => metrics.leader_changes = whole(),
            "etcd_network_active_peers" => {
                let peer = member(labels, "Remote");
                metrics.peers.each.extend(peer.map(|member| Peer {
                    member,
                    connected: value > 0.0,
                    spoke: false,
                }));
            }
            "etcd_network_peer_received_bytes_total" => {
                let from = member(labels, "From");
                metrics.received.extend(from.map(|from| (from, self::whole(value))));
            }
            "grpc_server_started_total" if stays_open(labels) => {
                *begun.get_or_insert(0.0) += value;
            }
            "grpc_server_handled_total" if stays_open(labels) => over += value,
            _ => {}
        }
    }
    metrics.streams = begun.map(|begun| whole(begun - over));
    metrics
}

fn stays_open(labels: &str) -> bool {
    label(labels, "grpc_type") == Some("bidi_stream")
}

fn member(labels: &str, name: &str) -> Option<u64> {
    label(labels, name).and_then(|id| u64::from_str_radix(id, 16).ok())
}

fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = labels.split_once(&format!("{name}=\""))?;
    rest.split('"').next()
}

/// The percentile of what came between two pages, between the bounds of its bucket in proportion.
fn percentile(before: &BTreeMap<u64, u64>, after: &BTreeMap<u64, u64>) -> Option<u64> {
    let new =
        |bound: &u64, count: &u64| count.saturating_sub(before.get(bound).copied().unwrap_or(0));
    let total = after.iter().next_back().map(|(bound, count)| new(bound, count))?;
    if total == 0 {
        return Some(0);
    }
    let rank = PERCENTILE * float(total);
    let (mut below, mut counted) = (0, 0);
    for (bound, count) in after {
        let count = new(bound, count);
        if float(count) >= rank {
            // Of the last bucket only the lower bound is known.
            if *bound == u64::MAX {
                return Some(below);
            }
            let part = (rank - float(counted)) / float(count.saturating_sub(counted).max(1));
            return Some(below + whole(float(bound - below) * part));
        }
        (below, counted) = (*bound, count);
    }
    Some(below)
}

#[expect(clippy::cast_precision_loss, reason = "counts of a page that are shown with three digits")]
fn float(value: u64) -> f64 {
    value as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "floats saturate, and what is below zero counts as nothing"
)]
fn whole(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

    use super::*;

    const PAGE: &str = "\
# HELP etcd_server_quota_backend_bytes Current backend storage quota size in bytes.
etcd_server_quota_backend_bytes 2.147483648e+09
etcd_debugging_mvcc_compact_revision -1
etcd_debugging_mvcc_watcher_total 7
etcd_debugging_mvcc_slow_watcher_total 1
etcd_network_active_peers{Local=\"ce43\",Remote=\"79038a63fe07ddf1\"} 1
etcd_network_active_peers{Local=\"ce43\",Remote=\"8e242b5e6b5eb83\"} 0
grpc_server_started_total{grpc_method=\"Watch\",grpc_service=\"x\",grpc_type=\"bidi_stream\"} 5
grpc_server_started_total{grpc_method=\"Put\",grpc_service=\"x\",grpc_type=\"unary\"} 90
grpc_server_handled_total{grpc_code=\"OK\",grpc_method=\"Watch\",grpc_type=\"bidi_stream\"} 2
etcd_disk_wal_fsync_duration_seconds_bucket{le=\"0.001\"} 10
etcd_disk_wal_fsync_duration_seconds_bucket{le=\"0.002\"} 10
etcd_disk_wal_fsync_duration_seconds_bucket{le=\"+Inf\"} 10
process_resident_memory_bytes 3.7576704e+07
";

    /// Answers one request with the page.
    async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut request = [0; 512];
        let length = stream.read(&mut request).await.unwrap();
        assert!(request[..length].starts_with(b"GET /metrics HTTP/1.1\r\n"));
        let answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{PAGE}");
        stream.write_all(answer.as_bytes()).await.unwrap();
    }

    /// Goal: the page is read wherever the member is reached. Method: a socket in the file system; and a name whose first
    /// address swallows everything, which a listener does that has as many waiting as it may.
    #[tokio::test]
    async fn the_page_is_read_from_sockets_of_the_file_system_and_beside_addresses_that_are_silent()
    {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("etcd");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let endpoint = Endpoint::parse(&format!("unix://{}", path.display())).unwrap();
        let server = async { serve(listener.accept().await.unwrap().0).await };
        let tls = Tls::default();
        let (metrics, ()) = tokio::join!(fetch(&endpoint, &tls, Moment::default()), server);
        assert_eq!(metrics.unwrap().watchers, Some(7));

        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let silent = socket.listen(1).unwrap();
        let silent = (silent.local_addr().unwrap(), silent);
        let mut waiting = Vec::new();
        while let Ok(stream) =
            timeout(Duration::from_millis(50), TcpStream::connect(silent.0)).await
        {
            waiting.push(stream.unwrap());
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let heard = listener.local_addr().unwrap();
        let stream = connect([silent.0, heard].into_iter()).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), heard);
    }

    #[test]
    fn a_page_of_etcd_tells_quota_watches_streams_and_peers() {
        let metrics = parse(PAGE);
        assert_eq!((metrics.quota, metrics.compacted), (Some(2 << 30), Some(-1)));
        assert_eq!((metrics.watchers, metrics.slow_watchers), (Some(7), Some(1)));
        assert_eq!((metrics.streams, metrics.resident), (Some(3), Some(37_576_704)));
        let peers = metrics.peers.each.iter().map(|peer| (peer.member, peer.connected));
        let told = [(0x7903_8a63_fe07_ddf1, true), (0x08e2_42b5_e6b5_eb83, false)];
        assert_eq!(peers.collect::<Vec<_>>(), told);
        assert_eq!(metrics.keys, None);
    }

    /// Goal: all columns of the Cluster screen have something with every etcd. Method: two pages of each, recorded from a
    /// member of three with two watches, and trimmed to what is read.
    #[test]
    fn recorded_pages_of_every_etcd_tell_all_that_is_shown() {
        for (pages, sync_p99_us, resident) in [
            (include_str!("pages/etcd-3.5.1.txt"), 3789, 34_578_432),
            (include_str!("pages/etcd-3.6.5.txt"), 3894, 37_437_440),
            (include_str!("pages/etcd-3.7.3.txt"), 28_639, 33_804_288),
        ] {
            let (first, second) = pages.split_once("# The second look.\n").unwrap();
            let first = parse(first);
            assert_eq!((first.compacted, first.sync_p99_us), (Some(-1), None));
            let second = parse(second).since(Some(&first));
            assert_eq!(second.sync_p99_us, Some(sync_p99_us));
            assert_eq!((second.streams, second.watchers), (Some(2), Some(2)));
            assert_eq!((second.slow_watchers, second.keys), (Some(0), Some(20)));
            assert_eq!((second.quota, second.compacted), (Some(2 << 30), Some(30)));
            assert_eq!((second.leader_changes, second.resident), (Some(1), Some(resident)));
            let heard = second.peers.each.iter().map(|peer| (peer.connected, peer.spoke));
            let heard: Vec<_> = heard.collect();
            assert!(heard.len() == 2 && heard.contains(&(true, true)), "{heard:?}");
        }
    }

    /// As etcd 3.7.3 tells of two peers that it is connected with, of which one is stopped.
    #[test]
    fn a_peer_is_heard_only_while_bytes_come_from_it() {
        let page = |of_first: u64| {
            let active =
                |id| format!("etcd_network_active_peers{{Local=\"1\",Remote=\"{id}\"}} 1\n");
            let bytes = |id, value| {
                format!("etcd_network_peer_received_bytes_total{{From=\"{id}\"}} {value}\n")
            };
            let peers = active("dbcb1d01ac8746d9") + &active("98b2db2f351f9f72");
            let received = bytes("dbcb1d01ac8746d9", of_first) + &bytes("98b2db2f351f9f72", 801);
            parse(&(peers + &received + &bytes("0", 8)))
        };
        let spoke = |metrics: &Metrics| {
            metrics.peers.each.iter().map(|peer| peer.spoke).collect::<Vec<_>>()
        };
        let first = page(665);
        assert_eq!(spoke(&first), [false, false], "one look tells nothing");
        let second = page(1290).since(Some(&first));
        assert_eq!(spoke(&second), [true, false]);
        assert_eq!(second.peers.from, Some(first.at));
        let restarted = page(12).since(Some(&second));
        assert_eq!(spoke(&restarted), [true, false]);
    }

    #[test]
    fn the_percentile_is_of_what_came_between_two_pages() {
        let first = parse(PAGE);
        assert_eq!(first.sync_p99_us, None, "one page tells no rate");
        assert_eq!(first.clone().since(Some(&first)).sync_p99_us, Some(0));
        let later = PAGE
            .replace("le=\"0.002\"} 10", "le=\"0.002\"} 110")
            .replace("le=\"+Inf\"} 10", "le=\"+Inf\"} 110");
        assert_eq!(parse(&later).since(Some(&first)).sync_p99_us, Some(1990));
        let slow = PAGE.replace("le=\"+Inf\"} 10", "le=\"+Inf\"} 110");
        assert_eq!(parse(&slow).since(Some(&first)).sync_p99_us, Some(2000));
    }
}
