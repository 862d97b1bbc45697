//! Members that are started as etcd: command lines, variables and files, and what comes of them.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use super::{Config, ConfigError, PortUse};

fn load_from(args: &[&str], variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
    Config::load(args.iter().map(OsString::from), variables)
}

fn load(args: &[&str]) -> Config {
    load_from(args, &[]).unwrap()
}

/// What a member listens at: the use, the address, and whether its URL asks for TLS.
fn listens(config: &Config) -> Vec<(PortUse, String, Option<bool>)> {
    let listeners = config.listeners.iter();
    listeners.map(|it| (it.of, it.at.to_string(), it.is_secure)).collect()
}

const ONE: [&str; 2] =
    ["--listen-client-urls=http://127.0.0.1:1", "--advertise-client-urls=http://127.0.0.1:1"];

#[test]
fn what_is_not_said_is_as_in_etcd_where_one_of_its_flags_is_given() {
    let config = load(&["--name=a", "--initial-cluster", "a=http://localhost:2380"]);
    assert_eq!(config.data, Path::new("a.etcd"));
    assert_eq!(config.advertise, ["http://localhost:2379"]);
    let wanted = [
        (PortUse::Clients, "localhost:2379".to_owned(), Some(false)),
        (PortUse::Peers, "localhost:2380".to_owned(), Some(false)),
    ];
    assert_eq!(listens(&config), wanted);
    assert_eq!(config.cluster.id().to_string(), "cdf818194e3a8c32");
    let ours = load(&["--name=a", "--initial-cluster-state=new", "--pre-vote"]);
    assert_eq!((listens(&ours).len(), ours.data.as_path()), (1, Path::new("data/a")));
}

#[test]
fn every_url_of_a_list_is_listened_at_and_schemes_say_where_tls_is() {
    let config = load(&[
        "--listen-client-urls=https://127.0.0.1:1,https://10.0.0.1:1,http://localhost:3",
        "--advertise-client-urls=https://b:1,https://a:1,https://b:1",
        "--listen-peer-urls=http://0.0.0.0:2",
        "--listen-metrics-urls=http://127.0.0.1:4,https://[::]:5",
        "--cert-file=c",
        "--key-file=k",
        "--peer-auto-tls",
    ]);
    let told = |of, at: &str, is_secure| (of, at.to_owned(), Some(is_secure));
    let wanted = [
        told(PortUse::Clients, "127.0.0.1:1", true),
        told(PortUse::Clients, "10.0.0.1:1", true),
        told(PortUse::Clients, "localhost:3", false),
        told(PortUse::Peers, ":2", false),
        told(PortUse::Metrics, "127.0.0.1:4", false),
        told(PortUse::Metrics, ":5", true),
    ];
    assert_eq!(listens(&config), wanted);
    assert_eq!(config.advertise, ["https://a:1", "https://b:1"]);
    assert!(config.tls.clients.is_some() && config.tls.peers.is_none());
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
    assert!(config.warnings[0].contains("--peer-cert-file"), "{:?}", config.warnings);
}

#[test]
fn a_socket_is_listened_at_beside_an_address() {
    let both = "--listen-client-urls=unix://s:1,http://127.0.0.1:1,unix:///run/e";
    let config = load(&[both, "--advertise-client-urls=unix://s:1,http://127.0.0.1:1"]);
    let clients: Vec<_> = listens(&config).into_iter().map(|(_, at, _)| at).take(3).collect();
    assert_eq!(clients, ["unix://s:1", "127.0.0.1:1", "unix:///run/e"]);
    assert_eq!(config.advertise, ["http://127.0.0.1:1", "unix://s:1"]);
}

#[test]
fn certificates_count_where_our_own_flags_leave_it_to_them_and_nowhere_https_is_plain() {
    let of_both = ["--cert-file=c", "--key-file=k", "--peer-auto-tls", "--data-dir=d"];
    let has = |more: &[&str]| {
        let tls = load(&[&of_both[..], more].concat()).tls;
        (tls.clients.is_some(), tls.peers.is_some())
    };
    assert_eq!(has(&["--listen=:7"]), (true, true));
    assert_eq!(has(&["--listen=:7", "--listen-metrics-urls=http://127.0.0.1:8"]), (true, true));
    assert_eq!(has(&["--listen=:7", "--listen-peer-urls=http://127.0.0.1:8"]), (true, false));
    assert_eq!(has(&["--listen-metrics=:8"]), (false, false));
    let https = ["--listen-client-urls=https://127.0.0.1:1", ONE[1], "--listen-metrics=:8"];
    assert!(load_from(&https, &[]).unwrap_err().to_string().contains("--cert-file"));
}

#[test]
fn our_own_names_may_stand_beside_those_of_etcd_but_not_beside_the_same_one() {
    let config = load(&["--listen=:7", "--data-dir=d", "--advertise-client-urls=http://a:7"]);
    assert_eq!(listens(&config), [(PortUse::Clients, ":7".to_owned(), None)]);
    assert_eq!(config.advertise, ["http://a:7"]);
    for args in [
        ["--data=d", "--data-dir=d"],
        ["--peers=default=localhost:2380", "--initial-cluster=default=http://localhost:2380"],
        ["--watch-progress-notify-interval=1s", "--experimental-watch-progress-notify-interval=1s"],
    ] {
        let error = load_from(&args, &[]).unwrap_err();
        assert!(matches!(error, ConfigError::Twice { .. }), "{args:?}: {error}");
        assert_eq!(error.exit_code(), 2);
    }
}

#[test]
fn what_has_no_effect_is_said_once_and_what_is_so_anyway_not() {
    for (flag, warnings) in [
        ("--pre-vote", 0),
        ("--pre-vote=0", 1),
        ("--wal-dir=w", 1),
        ("--wal-dir=", 0),
        ("--max-wals=5", 0),
        ("--max-wals=0", 1),
        ("--heartbeat-interval=100", 0),
        ("--election-timeout=5000", 0),
        ("--election-timeout=5020", 1),
        ("--heartbeat-interval=10", 1),
        ("--experimental-memory-mlock", 1),
        ("--warning-apply-duration=0.1s", 0),
        ("--experimental-warning-apply-duration=1s", 1),
        ("--metrics=extensive", 0),
        ("--log-outputs=stdout", 1),
        ("--feature-gates=InitialCorruptCheck=true,LeaseCheckpoint=true", 1),
        ("--v2-deprecation=gone", 0),
        ("--logger=zap", 0),
        ("--proxy=off", 0),
        ("--enable-v2", 1),
        ("--enable-v2=false", 0),
        ("--discovery-fallback=proxy", 0),
        ("--unsafe-no-fsync", 1),
        ("--max-request-bytes=10485760", 0),
        ("--max-request-bytes=33554432", 1),
        ("--watch-progress-notify-interval=0", 0),
        ("--watch-progress-notify-interval=100ms", 0),
        ("--watch-progress-notify-interval=10ms", 1),
    ] {
        let found = load(&[flag]).warnings;
        assert_eq!(found.len(), warnings, "{flag}: {found:?}");
        let name = flag.split('=').next().unwrap();
        let names_it = |warning: &String| warning.contains(name) || flag.contains("gates");
        assert!(found.iter().all(names_it), "{flag}: {found:?}");
    }
}

/// As in etcd, a name of its own makes a cluster of what the member says of itself; `default` does not.
#[test]
fn a_name_and_an_address_without_a_list_are_a_cluster_of_one() {
    let args = ["--name=a", "--initial-advertise-peer-urls=http://10.0.0.1:7"];
    let config = load(&args);
    assert_eq!(config.cluster.peer_url(), "http://10.0.0.1:7");
    let listed = load(&[&args[..], &["--initial-cluster=a=http://10.0.0.1:7"]].concat());
    assert_eq!(config.cluster.id(), listed.cluster.id());
    let secure = load(&[
        "--name=a",
        "--initial-advertise-peer-urls=https://a.example:7",
        "--listen-peer-urls=https://127.0.0.1:7",
        "--peer-auto-tls",
    ]);
    assert_eq!(secure.cluster.peer_url(), "https://a.example:7");
    let token = load(&[&args[..], &["--initial-cluster-token=t"]].concat());
    assert_ne!(config.cluster.id(), token.cluster.id());
    are_refused(&[(&args[1..], "--initial-advertise-peer-urls", "http://localhost:2380")]);
}

/// Flags of releases between those that `tests/tests/oracle_flags` holds the table against: the last ones of 3.4, 3.5 and 3.6.
#[test]
fn flags_that_came_and_went_are_known() {
    for (flag, warnings) in [
        ("--debug", 1),
        ("--log-output=stderr", 0),
        ("--log-package-levels=etcdserver=WARNING", 1),
        ("--experimental-backend-bbolt-freelist-type=map", 0),
        ("--next-cluster-version-compatible", 1),
        ("--experimental-compact-hash-check-enabled=true", 1),
        ("--experimental-compact-hash-check-time=1m", 0),
        ("--experimental-compaction-sleep-interval=10ms", 0),
        ("--experimental-distributed-tracing-sampling-rate=100", 1),
        ("--experimental-enable-lease-checkpoint-persist", 0),
        ("--experimental-snapshot-catchup-entries=5000", 0),
        ("--experimental-stop-grpc-service-on-defrag=true", 1),
        ("--experimental-warning-unary-request-duration=1s", 0),
    ] {
        let config = load_from(&[flag], &[]).unwrap_or_else(|error| panic!("{flag}: {error}"));
        assert_eq!(config.warnings.len(), warnings, "{flag}: {:?}", config.warnings);
    }
}

/// Command lines, and what their refusals say.
type Refusals<'a> = &'a [(&'a [&'a str], &'a str, &'a str)];

fn are_refused(cases: Refusals<'_>) {
    for (args, place, words) in cases {
        let error = load_from(args, &[]).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.exit_code(), 2, "{args:?}: {text}");
        assert!(text.contains(place) && text.contains(words), "{args:?}: {text}");
    }
}

#[test]
fn what_would_do_harm_unheeded_is_refused_and_so_is_a_value_of_another_kind() {
    are_refused(&[
        (&["--proxy=on"], "--proxy: \"on\"", "proxy"),
        (&["--discovery=http://a"], "--discovery:", "--initial-cluster"),
        (&["--host-whitelist=a"], "--host-whitelist", "TLS"),
        (&["--logger=capnslog"], "--logger", "zap"),
        (&["--pre-vote=maybe"], "--pre-vote: \"maybe\"", "true or false"),
        (&["--heartbeat-interval=100ms"], "--heartbeat-interval", "a whole number"),
        (&["--grpc-keepalive-timeout=5"], "--grpc-keepalive-timeout", "5s"),
        (&["--feature-gates=Bogus=true"], "--feature-gates", "InitialCorruptCheck"),
    ]);
}

#[test]
fn addresses_that_cannot_be_are_refused_with_what_is_accepted() {
    are_refused(&[
        (
            &["--listen-client-urls=http://a.example:1", ONE[1]],
            "--listen-client-urls",
            "IP address",
        ),
        (&["--listen-client-urls=http://:1", ONE[1]], "--listen-client-urls", "IP address"),
        (
            &["--listen-client-urls=http://127.0.0.1:1/", ONE[1]],
            "--listen-client-urls",
            "without a path",
        ),
        (&["--listen-client-urls=127.0.0.1:1", ONE[1]], "--listen-client-urls", "http://IP:PORT"),
        (&["--listen-client-urls=unix://s:1", ONE[1]], "--listen-client-urls", "http://"),
        (&["--listen-peer-urls=unix://s:1"], "--listen-peer-urls", "are for clients"),
        (&[ONE[0]], "--listen-client-urls", "--advertise-client-urls"),
        (
            &["--listen-client-urls=https://127.0.0.1:1", ONE[1]],
            "--listen-client-urls",
            "--cert-file",
        ),
        (&["--listen-peer-urls=https://127.0.0.1:1"], "--listen-peer-urls", "--peer-cert-file"),
        (&["--name=b", "--initial-cluster=a=http://h:1"], "--initial-cluster", "\"b\""),
        (&["--initial-cluster=a:1"], "--initial-cluster", "NAME=http://HOST:PORT"),
        (
            &["--initial-cluster=default=http://h:1,default=http://h:2"],
            "--initial-cluster",
            "twice",
        ),
        (
            &[
                "--initial-cluster=default=http://10.0.0.1:1",
                "--initial-advertise-peer-urls=http://10.0.0.2:1",
            ],
            "--initial-advertise-peer-urls",
            "http://10.0.0.1:1",
        ),
        (
            &["--initial-advertise-peer-urls=http://127.0.0.1:9"],
            "--initial-advertise-peer-urls",
            "http://localhost:2380",
        ),
        (&["--watch-progress-notify-interval=-1s"], "--watch-progress-notify-interval", "or 0"),
        (&["--advertise-client-urls=http://:1"], "--advertise-client-urls", "http://HOST:PORT"),
    ]);
}

#[test]
fn variables_of_etcd_count_after_ours_and_never_beside_a_flag() {
    let set = [("ETCD_NAME", "e"), ("ETCD_MAX_TXN_OPS", "7"), ("MINI_ETCD_NAME", "m")];
    let config = load_from(&[], &set).unwrap();
    assert_eq!((config.name.as_str(), config.serving.txn_ops_max), ("m", 7));
    assert_eq!(
        config.warnings,
        ["variable ETCD_NAME has no effect: there is variable MINI_ETCD_NAME"]
    );
    let shadowed = load_from(&["--name=e"], &[("ETCD_NAME", "e")]).unwrap_err();
    assert!(matches!(shadowed, ConfigError::Twice { .. }), "{shadowed}");
    let unknown = [
        ("ETCD_BOGUS", "1"),
        ("ETCD_NAME", ""),
        ("ETCD_VERSION", "3"),
        ("ETCD_UNSUPPORTED_ARCH", "arm64"),
        ("ETCD_DATA", "d"),
    ];
    let warnings = load_from(&[], &unknown).unwrap().warnings;
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    let wrong = load_from(&[], &[("ETCD_PRE_VOTE", "maybe")]).unwrap_err();
    assert_eq!(wrong.exit_code(), 1);
    assert!(wrong.to_string().contains("variable ETCD_PRE_VOTE"), "{wrong}");
}

/// A file as etcd's documentation has it: every key, most of them empty.
const SAMPLE: &str = "\
name: 'default'
data-dir:
wal-dir:
snapshot-count: 10000
heartbeat-interval: 100
election-timeout: 1000
quota-backend-bytes: 0
listen-peer-urls: http://localhost:2380
listen-client-urls: http://localhost:2379
max-snapshots: 5
max-wals: 5
cors:
initial-advertise-peer-urls: http://localhost:2380
advertise-client-urls: http://localhost:2379
discovery:
discovery-fallback: 'proxy'
discovery-proxy:
discovery-srv:
initial-cluster:
initial-cluster-token: 'etcd-cluster'
initial-cluster-state: 'new'
strict-reconfig-check: false
enable-v2: true
enable-pprof: true
proxy: 'off'
proxy-failure-wait: 5000
proxy-refresh-interval: 30000
proxy-dial-timeout: 1000
proxy-write-timeout: 5000
proxy-read-timeout: 0
client-transport-security:
  cert-file:
  key-file:
  client-cert-auth: false
  trusted-ca-file:
  auto-tls: false
peer-transport-security:
  cert-file:
  key-file:
  client-cert-auth: false
  trusted-ca-file:
  auto-tls: false
self-signed-cert-validity: 1
log-level: debug
logger: zap
log-outputs: [stderr]
force-new-cluster: false
auto-compaction-mode: periodic
auto-compaction-retention: \"1\"
cipher-suites: [
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
]
tls-min-version: 'TLS1.2'
tls-max-version: 'TLS1.3'
";

#[test]
fn a_file_of_etcd_is_the_whole_configuration() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(SAMPLE.as_bytes()).unwrap();
    let path = file.path().to_str().unwrap();
    let config = load(&["--config-file", path]);
    assert_eq!(config.data, Path::new("default.etcd"));
    assert_eq!(config.log_level, "debug");
    // strict-reconfig-check, enable-v2 and enable-pprof.
    assert_eq!(config.warnings.len(), 3, "{:?}", config.warnings);
    let beside = [("ETCD_CONFIG_FILE", path), ("ETCD_NAME", "e"), ("MINI_ETCD_DATA", "d")];
    let config = load_from(&["--snapshot-count=5"], &beside).unwrap();
    assert_eq!(
        (config.name.as_str(), config.data.as_path()),
        ("default", Path::new("default.etcd"))
    );
    assert_eq!(config.snapshot_count, Some(10_000));
    let says = config.warnings.iter().find(|warning| warning.contains("whole configuration"));
    assert!(says.is_some_and(|says| says.contains("--snapshot-count")), "{:?}", config.warnings);
    let own = tempfile::NamedTempFile::new().unwrap();
    let own = load_from(&["--config", own.path().to_str().unwrap()], &beside[..1]).unwrap();
    assert_eq!((own.data.as_path(), own.warnings.len()), (Path::new("data/default"), 1));
    let discovers = "discovery-config:\n  token: t\n";
    std::fs::write(path, discovers).unwrap();
    let refused = load_from(&["--config-file", path], &[]).unwrap_err().to_string();
    assert!(
        refused.contains("discovery-config") && refused.contains("--initial-cluster"),
        "{refused}"
    );
    assert!(load_from(&["--config-file=/nonexistent"], &[]).unwrap_err().exit_code() == 1);
    assert!(load_from(&["--config-file=a", "--config=b"], &[]).unwrap_err().exit_code() == 2);
}

#[test]
fn no_count_between_snapshots_is_the_default_one() {
    assert_eq!(load(&["--snapshot-count=0"]).snapshot_count, Some(10_000));
}

#[test]
fn no_interval_of_progress_is_the_usual_one_and_a_short_one_is_raised_as_in_etcd() {
    for (text, expected_ms) in [("0", 600_000), ("0s", 600_000), ("10ms", 100), ("150ms", 150)] {
        let serving = load(&[&format!("--watch-progress-notify-interval={text}")]).serving;
        assert_eq!(serving.progress_interval, Duration::from_millis(expected_ms), "{text}");
    }
}

#[test]
fn what_clients_are_given_is_as_etcd_s_flags_say() {
    let serving = load(&[
        "--max-txn-ops=5",
        "--max-concurrent-streams=100000",
        "--experimental-watch-progress-notify-interval=5s",
        "--grpc-keepalive-interval=0s",
        "--grpc-keepalive-timeout=3s",
    ])
    .serving;
    assert_eq!((serving.txn_ops_max, serving.calls_max), (5, 16_384));
    assert_eq!(serving.progress_interval, Duration::from_secs(5));
    assert_eq!((serving.ping_interval, serving.ping_timeout), (None, Duration::from_secs(3)));
}
