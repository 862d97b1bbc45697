//! [`run`]: the sample data of `--demo`, and the writer that keeps it alive.
//!
//! ```text
//! seed() ─▶ change(FIRST) ─▶ ... ─▶ a client of its own ─▶ the bundled members
//! ```
//!
//! * I1: what is written follows from the number of a change alone, so every demo has the same data.
//! * I2: it is bounded: the keys are a fixed set, a value has at most [`VALUE_BYTES_MAX`], and what lies further back
//!   than twice [`Pace::kept`] changes is compacted.
//! * I3: of the leases one is renewed for as long as the demo is alive, and made anew when it has ended all the same; the
//!   others live for hours. Where nothing is changed, nothing is renewed, and all of them live for hours.
//! * I4: nobody but the bundled members of a demo is written to: the caller gives a client that knows no others.
//!
//! It refuses nothing: what cannot be written, as while the quorum is lost, is left out. Tested here, against a real
//! member in `tests/console/demo.rs`, and in the real program in `tests/pty/demo.rs`.

use std::time::Duration;

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::{
    CompactionRequest, DeleteRangeRequest, LeaseGrantRequest, PutRequest,
};
use mini_etcd_shared::client::Client;
use mini_etcd_shared::error::ClientError;
use tokio::time::sleep;
use tonic::Code;

use crate::screens::auth::model::{Access, Grant, Keys};
use crate::screens::auth::requests::Change as UserChange;

/// Bytes that a value has at most.
pub const VALUE_BYTES_MAX: usize = 1024;
/// Number of the first change behind the seed, which has those before it.
const FIRST: u64 = 32;
/// Pause before the seed, which must be whole, is tried again.
const AGAIN: Duration = Duration::from_millis(200);

/// How much is written.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Time between two changes.
    pub every: Duration,
    /// So many of its changes stay in the history at the least.
    pub kept: u64,
    /// Changes before it ends; `None` for as long as it is let.
    pub changes: Option<usize>,
}

impl Pace {
    /// Two changes a second, with the history of more than an hour; in a console that only looks, the seed alone.
    #[must_use]
    pub fn of_console(read_only: bool) -> Self {
        let changes = read_only.then_some(0);
        Self { every: Duration::from_millis(500), kept: 10_000, changes }
    }
}

/// A change of one key; without a value it is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    key: String,
    value: Option<Bytes>,
}

/// A lease with the keys that hang on it.
struct Lease {
    id: i64,
    /// Seconds.
    ttl: i64,
    keys: &'static [&'static str],
}

/// The lease of who leads, which is renewed. I3
const LEADER: Lease = Lease { id: 0x7a11_0001, ttl: 60, keys: &["leaders/scheduler"] };
/// The leases that are not: a session, what is cached, and one that somebody forgot.
const LASTING: [Lease; 3] = [
    Lease { id: 0x7a11_0002, ttl: 4 * 3600, keys: &["sessions/5f1c"] },
    Lease { id: 0x7a11_0003, ttl: 8 * 3600, keys: &["assets/logo.png", "assets/visits"] },
    Lease { id: 0x7a11_0004, ttl: 6 * 3600, keys: &[] },
];
/// Changes from one renewal to the next: 8 seconds in a console.
const RENEW_EVERY: u64 = 16;

/// Writes the seed, and then changes a key now and then, until it is dropped.
pub async fn run(client: Client, pace: Pace) {
    for change in seed() {
        while write(&client, &change, 0).await.is_none() {
            sleep(AGAIN).await;
        }
    }
    let still = Lease { ttl: 12 * 3600, ..LEADER };
    let leader = if pace.changes == Some(0) { &still } else { &LEADER };
    for lease in LASTING.iter().chain([leader]) {
        while grant(&client, lease).await.is_none() {
            sleep(AGAIN).await;
        }
    }
    for change in users() {
        while !is_made(&client, &change).await {
            sleep(AGAIN).await;
        }
    }
    // I2: the revision up to which history goes next.
    let mut oldest = 0;
    for n in (FIRST..).take(pace.changes.unwrap_or(usize::MAX)) {
        sleep(pace.every).await;
        if n.is_multiple_of(RENEW_EVERY) {
            renew(&client, &LEADER).await;
        }
        let Some(revision) = write(&client, &change(n), 0).await else { continue };
        if n.is_multiple_of(pace.kept.max(1)) {
            if oldest > 0 {
                let request =
                    CompactionRequest { revision: oldest, ..CompactionRequest::default() };
                // Somebody may have compacted further.
                let _compacted = client.compact(request).await;
            }
            oldest = revision;
        }
    }
}

/// Grants a lease, and puts its keys as they are onto it; `None` when that may not have been done.
async fn grant(client: &Client, lease: &Lease) -> Option<()> {
    let Lease { id, ttl, keys } = *lease;
    match client.lease_grant(LeaseGrantRequest { id, ttl }).await.into_result() {
        // It was there already, when the answer to the one before was lost.
        Ok(_) | Err(ClientError::Refused { code: Code::FailedPrecondition, .. }) => {}
        Err(_) => return None,
    }
    for change in seed().iter().filter(|change| keys.contains(&change.key.as_str())) {
        write(client, change, id).await?;
    }
    Some(())
}

/// Users and roles of a shop, who do not count. Without a password, and without root, nobody can be locked out.
fn users() -> Vec<UserChange> {
    let roles = [
        ("config-reader", Access::Read, "config/"),
        ("deployer", Access::Both, "deploys/"),
        ("deployer", Access::Read, "services/"),
        ("service", Access::Write, "services/"),
        ("service", Access::Read, "config/"),
    ];
    let users = [
        ("ana", &["config-reader", "deployer"][..]),
        ("ci", &["deployer"]),
        ("guest", &[]),
        ("web", &["service"]),
    ];
    let mut changes = Vec::new();
    for (role, access, prefix) in roles {
        changes.push(UserChange::AddRole(role.to_owned()));
        let keys = Keys::prefix(prefix.as_bytes());
        changes.push(UserChange::GrantPermission(role.to_owned(), Grant { keys, access }));
    }
    for (user, roles) in users {
        changes.push(UserChange::AddUser(user.to_owned(), None));
        let grant = |role: &&str| UserChange::GrantRole(user.to_owned(), (*role).to_owned());
        changes.extend(roles.iter().map(grant));
    }
    changes
}

/// Makes a change of users; answers whether it is made.
async fn is_made(client: &Client, change: &UserChange) -> bool {
    match change.clone().make(client).await.into_result() {
        // It was there already.
        Ok(()) | Err(ClientError::Refused { code: Code::FailedPrecondition, .. }) => true,
        Err(_) => false,
    }
}

/// Renews a lease, or makes it anew.
async fn renew(client: &Client, lease: &Lease) {
    let renewed = client.lease_renew(lease.id).await.into_result();
    if renewed.is_ok_and(|answer| answer.ttl <= 0) {
        // The next time is as good.
        let _granted = grant(client, lease).await;
    }
}

/// Makes a change, with a lease or with none; answers its revision, `None` when it may not have been made.
async fn write(client: &Client, change: &Change, lease: i64) -> Option<i64> {
    let key = Bytes::copy_from_slice(change.key.as_bytes());
    let header = if let Some(value) = change.value.clone() {
        let request = PutRequest { key, value, lease, ..PutRequest::default() };
        client.put(request).await.into_result().ok()?.header
    } else {
        let request = DeleteRangeRequest { key, ..DeleteRangeRequest::default() };
        client.delete_range(request).await.into_result().ok()?.header
    };
    Some(header?.revision)
}

fn put(key: &str, value: impl Into<Bytes>) -> Change {
    Change { key: key.to_owned(), value: Some(value.into()) }
}

fn delete(key: &str) -> Change {
    Change { key: key.to_owned(), value: None }
}

/// What a demo begins with: several versions of some keys, and some that are deleted again.
fn seed() -> Vec<Change> {
    let mut changes = vec![
        put("about-this-demo", ABOUT),
        put("assets/logo.png", LOGO),
        put("assets/visits", 1_234_567_u64.to_be_bytes().to_vec()),
        put("config/flags/dark-mode", "on"),
        put("leaders/scheduler", "scheduler-2"),
        put("registry/deployments/default/web", DEPLOYMENT),
    ];
    changes.extend((0..5).map(app));
    changes.extend((0..4).map(gateway));
    changes.extend((0..3).map(flag));
    changes.extend((0..INSTANCES.len() as u64).map(beat));
    changes.extend((0..4).map(deploy));
    let sessions = ["5f1c", "77e0", "9ab3", "c204"].map(|name| format!("sessions/{name}"));
    let user = |n: usize| format!("{{\"user\": \"user-{n}\", \"cart\": {}}}", n * 3);
    changes.extend(sessions.iter().enumerate().map(|(n, key)| put(key, user(n))));
    changes.extend(sessions.iter().skip(1).map(|key| delete(key)));
    changes.extend([put("jobs/reindex", "queued"), delete("jobs/reindex"), job(1)]);
    changes
}

/// The change of this number: mostly heartbeats, now and then a deploy's progress, a job or the configuration.
fn change(n: u64) -> Change {
    let round = n / 16;
    match n % 16 {
        3 | 11 => deploy(n / 8),
        7 => job(round),
        15 => match round % 3 {
            0 => app(round / 3),
            1 => gateway(round / 3),
            _ => flag(round / 3),
        },
        _ => beat(n),
    }
}

/// The services that say that they live: name and address. Their number has no divisor in common with the 16 of a round.
const INSTANCES: [(&str, &str); 7] = [
    ("cart", "10.0.1.11:8080"),
    ("cart", "10.0.2.11:8080"),
    ("checkout", "10.0.1.12:8080"),
    ("checkout", "10.0.2.12:8080"),
    ("payments", "10.0.1.13:8443"),
    ("search", "10.0.1.14:9200"),
    ("search", "10.0.2.14:9200"),
];

fn beat(n: u64) -> Change {
    let at = usize::try_from(n).unwrap_or_default() % INSTANCES.len();
    let (service, address) = INSTANCES.get(at).copied().unwrap_or_default();
    let value = format!(
        "{{\"id\": \"{service}-{at}\", \"version\": \"1.{}.2\", \"beat\": {n}, \"load\": 0.{:02}}}",
        at % 3 + 3,
        scattered(n) % 90 + 10,
    );
    put(&format!("services/{service}/{address}"), value)
}

/// Ten steps of a deploy, and then the next version's.
fn deploy(step: u64) -> Change {
    let (version, done) = (step / 11 % 100, step % 11);
    let state = if done < 10 { "rolling" } else { "done" };
    let value = format!(
        "{{\"service\": \"checkout\", \"version\": \"1.5.{version}\", \"state\": \"{state}\", \"percent\": {}}}",
        done * 10,
    );
    put("deploys/checkout", value)
}

/// A job that comes and goes.
fn job(round: u64) -> Change {
    const KEY: &str = "jobs/nightly-report";
    if round.is_multiple_of(2) {
        delete(KEY)
    } else {
        put(KEY, format!("running, attempt {}", round % 8))
    }
}

fn app(version: u64) -> Change {
    let value = format!(
        "{{\n  \"name\": \"shop\",\n  \"currency\": \"EUR\",\n  \"database\": {{\n    \"host\": \"db.internal\",\n    \
         \"pool_size\": {},\n    \"timeout_ms\": {}\n  }},\n  \"regions\": [\"eu-west\", \"eu-north\"]\n}}\n",
        8 + version % 5 * 4,
        1500 + scattered(version) % 8 * 250,
    );
    put("config/shop/app.json", value)
}

fn gateway(version: u64) -> Change {
    let value = format!(
        "listen: 0.0.0.0:443\nroutes:\n  - path: /cart\n    service: cart\n    weight: 100\n  - path: /checkout\n    \
         service: checkout\n    weight: {}\nretries: {}\n",
        100 - version % 5 * 20,
        version % 3 + 1,
    );
    put("config/shop/gateway.yaml", value)
}

fn flag(version: u64) -> Change {
    let values = ["off", "10%", "50%", "on"];
    let at = usize::try_from(version).unwrap_or_default() % values.len();
    put("config/flags/new-checkout", values.get(at).copied().unwrap_or_default())
}

/// A number that looks random and is the same for the same `n`, by splitmix64.
fn scattered(n: u64) -> u64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const ABOUT: &str = "\
Sample data of --demo, on bundled members; it goes with
the console, which changes it twice a second: heartbeats
below services/, a deploy's progress in deploys/, a job
that comes and goes in jobs/, and now and then config/.
--read-only leaves it as it was at the start, and --empty
starts without it.
";

const DEPLOYMENT: &str = r#"{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"web","namespace":"default","labels":{"app":"web"}},"spec":{"replicas":3,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"web","image":"nginx:1.27","ports":[{"containerPort":80}]}]}}},"status":{"readyReplicas":3}}"#;

/// A picture of one pixel.
const LOGO: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\
\0\0\0\rIDATx\xdac\xfc\xcf\xc0P\x0f\0\x04\x85\x01\x80\x84\xa9\x8c!\0\0\0\0IEND\xaeB`\x82";

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// Goal: the data does not grow. Method: a fortnight of changes.
    #[test]
    fn the_keys_are_a_fixed_set_and_values_are_short() {
        let seeded: BTreeSet<String> = seed().into_iter().map(|change| change.key).collect();
        for n in FIRST..2 * 86_400 * 14 {
            let change = change(n);
            assert!(seeded.contains(&change.key), "{n}: {change:?}");
            assert!(change.value.is_none_or(|value| value.len() <= VALUE_BYTES_MAX), "{n}");
        }
        assert!(seed().iter().flat_map(|c| &c.value).all(|value| value.len() <= VALUE_BYTES_MAX));
    }

    #[test]
    fn the_seed_has_histories_graves_and_values_of_every_kind() {
        let mut writes = BTreeMap::<String, usize>::new();
        let mut last = BTreeMap::new();
        for change in seed() {
            *writes.entry(change.key.clone()).or_default() += 1;
            last.insert(change.key, change.value);
        }
        assert!(writes.values().filter(|count| **count >= 3).count() >= 3, "{writes:?}");
        assert!(last.values().filter(|value| value.is_none()).count() >= 3);
        let text = |key: &str| String::from_utf8(last[key].as_ref().unwrap().to_vec()).unwrap();
        for key in ["config/shop/app.json", "deploys/checkout", "registry/deployments/default/web"]
        {
            serde_json::from_str::<serde_json::Value>(&text(key)).expect(key);
        }
        let yaml = text("config/shop/gateway.yaml");
        assert!(serde_yaml_ng::from_str::<serde_yaml_ng::Value>(&yaml).unwrap().is_mapping());
        assert!(std::str::from_utf8(last["assets/logo.png"].as_ref().unwrap()).is_err());
    }

    #[test]
    fn every_service_beats_and_the_job_comes_and_goes() {
        let changes: Vec<Change> = (FIRST..200).map(change).collect();
        let beats: BTreeSet<&str> = changes.iter().map(|change| change.key.as_str()).collect();
        assert_eq!(
            beats.iter().filter(|key| key.starts_with("services/")).count(),
            INSTANCES.len()
        );
        let jobs = changes.iter().filter(|change| change.key.starts_with("jobs/"));
        let jobs: Vec<bool> = jobs.map(|change| change.value.is_some()).collect();
        assert!(jobs.windows(2).all(|pair| pair[0] != pair[1]), "{jobs:?}");
    }
}
