//! [`Source`]: candidates that only the cluster knows.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use mini_etcd_proto::etcdserverpb::{
    AuthRoleListRequest, AuthUserListRequest, LeaseLeasesRequest, LeaseTimeToLiveRequest,
    MemberListRequest, RangeRequest,
};
use tokio::time::{Instant, timeout_at};

use super::Candidate;
use crate::client::Client;
use crate::command::lease_hex;
use crate::session::keys::{Level, SEPARATOR};

/// How long the cluster may take to answer: longer, and typing would falter.
pub const WITHIN: Duration = Duration::from_millis(150);
/// Names that one completion offers.
pub const KEYS_MAX: usize = 500;
/// Leases that are asked what is left of them: as many as are in sight.
const LEFT_MAX: usize = 8;
/// Listings that are kept.
const KEPT_MAX: usize = 64;

/// Keys that begin alike, up to the next separator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Whole keys, or the part of them up to the separator with which they end.
    pub names: Vec<Bytes>,
    /// There are more than these: there are too many, or time was up.
    pub more: bool,
}

/// Answers what only the cluster knows. Each answer comes within [`WITHIN`], if need be an empty one.
pub trait Source: Send + Sync {
    /// What continues `prefix`, up to the next separator.
    fn keys<'a>(&'a self, prefix: &'a [u8]) -> BoxFuture<'a, Listed>;
    /// The names of the members.
    fn members(&self) -> BoxFuture<'_, Vec<String>>;
    /// The names of the users.
    fn users(&self) -> BoxFuture<'_, Vec<String>>;
    /// The names of the roles.
    fn roles(&self) -> BoxFuture<'_, Vec<String>>;
    /// The leases whose ids begin so in hex, [`KEYS_MAX`] at most, with what is left of the first ones.
    fn leases<'a>(&'a self, typed: &'a [u8]) -> BoxFuture<'a, Vec<Candidate>>;
}

/// Knows nothing.
#[derive(Clone, Copy, Debug)]
pub struct NoSource;

impl Source for NoSource {
    fn keys<'a>(&'a self, _prefix: &'a [u8]) -> BoxFuture<'a, Listed> {
        Box::pin(async { Listed::default() })
    }

    fn members(&self) -> BoxFuture<'_, Vec<String>> {
        Box::pin(async { Vec::new() })
    }

    fn users(&self) -> BoxFuture<'_, Vec<String>> {
        Box::pin(async { Vec::new() })
    }

    fn roles(&self) -> BoxFuture<'_, Vec<String>> {
        Box::pin(async { Vec::new() })
    }

    fn leases<'a>(&'a self, _typed: &'a [u8]) -> BoxFuture<'a, Vec<Candidate>> {
        Box::pin(async { Vec::new() })
    }
}

/// Asks through a client, and keeps what it was told for as long as the revision stays.
#[derive(Debug)]
pub struct ClientSource {
    client: Mutex<Client>,
    kept: Mutex<VecDeque<Kept>>,
}

#[derive(Debug)]
struct Kept {
    prefix: Vec<u8>,
    revision: i64,
    listed: Listed,
}

impl ClientSource {
    /// A source that asks through `client`.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client: Mutex::new(client), kept: Mutex::default() }
    }

    /// Asks others from now on.
    pub fn set_client(&self, client: Client) {
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = client;
        self.lock().clear();
    }

    fn client(&self) -> Client {
        self.client.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self, prefix: &[u8], revision: Option<i64>) -> Option<Listed> {
        let kept = self.lock();
        let same = |kept: &&Kept| {
            kept.prefix == prefix && revision.is_none_or(|revision| kept.revision == revision)
        };
        kept.iter().find(same).map(|kept| kept.listed.clone())
    }

    fn keep(&self, prefix: &[u8], revision: i64, listed: &Listed) {
        let mut kept = self.lock();
        kept.retain(|kept| kept.prefix != prefix);
        kept.push_back(Kept { prefix: prefix.to_vec(), revision, listed: listed.clone() });
        if kept.len() > KEPT_MAX {
            kept.pop_front();
        }
    }

    async fn list(&self, prefix: &[u8]) -> Listed {
        let deadline = Instant::now() + WITHIN;
        let client = self.client();
        let dir = prefix.iter().rposition(|byte| *byte == SEPARATOR).map_or(0, |at| at + 1);
        let dir = prefix.get(..dir).unwrap_or_default();
        let mut level = Level::new(prefix, dir, KEYS_MAX);
        let whole = |level: &Level| Listed {
            names: level.names.iter().map(|name| [dir, name].concat().into()).collect(),
            more: level.more,
        };
        let mut revision = 0;
        loop {
            // A member that is cut off may answer: nothing is decided by it.
            let request = RangeRequest { serializable: true, ..level.request() };
            let page = match timeout_at(deadline, client.range(request)).await {
                Ok(outcome) => outcome.into_result().ok(),
                Err(_) => None,
            };
            // I3: time is up, or nobody answers. An older listing is better than a part of a new one.
            let Some(page) = page else {
                let kept = self.kept(prefix, None);
                return kept.unwrap_or_else(|| Listed { more: true, ..whole(&level) });
            };
            if revision == 0 {
                revision = page.header.map_or(0, |header| header.revision);
                if let Some(kept) = self.kept(prefix, Some(revision)) {
                    return kept;
                }
            }
            if !level.take(&page) {
                break;
            }
        }
        let listed = whole(&level);
        self.keep(prefix, revision, &listed);
        listed
    }
}

impl Source for ClientSource {
    fn keys<'a>(&'a self, prefix: &'a [u8]) -> BoxFuture<'a, Listed> {
        Box::pin(self.list(prefix))
    }

    fn members(&self) -> BoxFuture<'_, Vec<String>> {
        Box::pin(async {
            let client = self.client();
            let request = MemberListRequest { linearizable: false };
            let asked = timeout_at(Instant::now() + WITHIN, client.member_list(request));
            let Ok(outcome) = asked.await else { return Vec::new() };
            let members = outcome.into_result().map(|answer| answer.members).unwrap_or_default();
            members.into_iter().map(|member| member.name).filter(|name| !name.is_empty()).collect()
        })
    }

    fn users(&self) -> BoxFuture<'_, Vec<String>> {
        Box::pin(async {
            let client = self.client();
            let asked =
                timeout_at(Instant::now() + WITHIN, client.user_list(AuthUserListRequest {}));
            let Ok(outcome) = asked.await else { return Vec::new() };
            outcome.into_result().map(|answer| answer.users).unwrap_or_default()
        })
    }

    fn roles(&self) -> BoxFuture<'_, Vec<String>> {
        Box::pin(async {
            let client = self.client();
            let asked =
                timeout_at(Instant::now() + WITHIN, client.role_list(AuthRoleListRequest {}));
            let Ok(outcome) = asked.await else { return Vec::new() };
            outcome.into_result().map(|answer| answer.roles).unwrap_or_default()
        })
    }

    fn leases<'a>(&'a self, typed: &'a [u8]) -> BoxFuture<'a, Vec<Candidate>> {
        Box::pin(async move {
            let deadline = Instant::now() + WITHIN;
            let client = self.client();
            let asked = timeout_at(deadline, client.lease_leases(LeaseLeasesRequest {}));
            let Ok(outcome) = asked.await else { return Vec::new() };
            let leases = outcome.into_result().map(|answer| answer.leases).unwrap_or_default();
            let begins = |id: i64| {
                // Who types an id leaves out the zeros in front.
                [lease_hex(id), format!("{id:x}")]
                    .iter()
                    .any(|hex| hex.as_bytes().starts_with(typed))
            };
            let mut ids: Vec<i64> = leases
                .iter()
                .map(|lease| lease.id)
                .filter(|id| begins(*id))
                .take(KEYS_MAX)
                .collect();
            ids.sort_unstable();
            let left = ids.iter().take(LEFT_MAX).map(|id| left(&client, *id, deadline));
            let left = futures::future::join_all(left).await;
            let notes = left.into_iter().chain(std::iter::repeat(String::new()));
            let candidate = |(id, note): (&i64, String)| Candidate::word(&lease_hex(*id), &note);
            ids.iter().zip(notes).map(candidate).collect()
        })
    }
}

/// What is left of a lease, in a few words; none when nobody tells in time.
async fn left(client: &Client, id: i64, deadline: Instant) -> String {
    let request = LeaseTimeToLiveRequest { id, keys: true };
    let Ok(outcome) = timeout_at(deadline, client.lease_time_to_live(request)).await else {
        return String::new();
    };
    outcome.into_result().map_or_else(
        |_| String::new(),
        |answer| {
            let keys = answer.keys.len();
            format!("{}s left, {keys} key{}", answer.ttl, if keys == 1 { "" } else { "s" })
        },
    )
}
