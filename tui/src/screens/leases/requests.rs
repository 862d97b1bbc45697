//! What the Leases screen asks: which leases there are, what is left of some of them, and the changes.
//!
//! * I1: at most [`AT_ONCE`] leases are asked about at a time, and of many at most [`BATCH_MAX`] each [`BATCH_EVERY`]:
//!   etcd has no call that tells of more than one.
//! * I2: a lease is revoked only while it has no other keys than those that were asked about.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use mini_etcd_proto::etcdserverpb::{
    LeaseGrantRequest, LeaseLeasesRequest, LeaseRevokeRequest, LeaseTimeToLiveRequest,
};
use mini_etcd_shared::client::{Client, ClientConfig, Endpoint, Outcome};
use mini_etcd_shared::error::ClientError;
use tokio::time::sleep;
use tonic::Code;

use super::model::{Answered, Told};
use crate::engine::fault;
use crate::engine::request::{Clients, Parts, Request, Trouble};

/// Leases that are asked about at once. I1
const AT_ONCE: usize = 8;
/// Leases of one batch. I1
pub(super) const BATCH_MAX: usize = 64;
/// Time from one batch to the next, at the least. I1
const BATCH_EVERY: Duration = Duration::from_millis(250);
/// Time after which a renewal that failed is tried again.
const RENEW_AGAIN: Duration = Duration::from_secs(1);
/// Keys of the chosen lease that are kept to be shown.
pub(super) const KEYS_MAX: usize = 1000;
/// Leases that are kept of a list.
pub(super) const LEASES_MAX: usize = 200_000;

/// Asks which leases there are. The leader is asked first: it alone knows which ends first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListLeases {
    /// Who leads, and where it is asked.
    pub leader: Option<(u64, String)>,
}

/// The leases there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Their ids, [`LEASES_MAX`] at most.
    pub ids: Vec<i64>,
    /// There are so many more.
    pub more: u64,
    /// The leader told, so that the one that ends first stands first.
    pub in_order: bool,
}

impl Request for ListLeases {
    type Answer = Listing;

    async fn run(self, clients: Clients, _: Parts<Listing>) -> Result<Listing, Trouble> {
        let first = self.leader.as_ref().and_then(|(_, endpoint)| of_leader(&clients, endpoint));
        let mut answer = None;
        if let Some(leader) = first {
            answer = leader.lease_leases(LeaseLeasesRequest {}).await.into_result().ok();
        }
        let answer = if let Some(answer) = answer {
            answer
        } else {
            let listed = clients.client.lease_leases(LeaseLeasesRequest {}).await;
            listed.into_result().map_err(|error| trouble(&error, false))?
        };
        let told_by = answer.header.map(|header| header.member_id);
        let leader = self.leader.map(|(id, _)| id);
        let all = answer.leases.len();
        let ids = answer.leases.into_iter().take(LEASES_MAX).map(|lease| lease.id).collect();
        Ok(Listing {
            ids,
            more: u64::try_from(all.saturating_sub(LEASES_MAX)).unwrap_or(u64::MAX),
            in_order: told_by.is_some() && told_by == leader,
        })
    }
}

/// The client that asks the leader, and where.
#[derive(Default)]
struct Leader(Mutex<Option<(String, Client)>>);

/// A client of this member alone, which is kept from one list to the next.
fn of_leader(clients: &Clients, endpoint: &str) -> Option<Client> {
    let kept = clients.kept::<Leader>();
    let mut kept = kept.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, client)) = kept.as_ref().filter(|(at, _)| at == endpoint) {
        return Some(client.clone());
    }
    let endpoints = vec![Endpoint::parse(endpoint).ok()?];
    let config =
        ClientConfig { endpoints, learn_members: false, ..clients.client.config().clone() };
    let client = clients.client.with_config(config).ok()?;
    *kept = Some((endpoint.to_owned(), client.clone()));
    Some(client)
}

/// Asks what is left of the chosen lease, and which keys it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadLease {
    /// The lease.
    pub id: i64,
    /// It is read to be revoked.
    pub revoke: bool,
}

impl Request for ReadLease {
    type Answer = Told;

    async fn run(self, clients: Clients, _: Parts<Told>) -> Result<Told, Trouble> {
        read(&clients.client, self.id, KEYS_MAX).await
    }
}

/// Asks what is left of some leases, a batch of them at a time. Answers in parts, one for each batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadLeases {
    /// The leases.
    pub ids: Arc<[i64]>,
    /// All that are not known are read because somebody wants to see them all.
    pub survey: bool,
}

impl Request for ReadLeases {
    type Answer = Vec<Answered>;

    async fn run(
        self,
        clients: Clients,
        parts: Parts<Vec<Answered>>,
    ) -> Result<Vec<Answered>, Trouble> {
        let mut batches = self.ids.chunks(BATCH_MAX).peekable();
        while let Some(batch) = batches.next() {
            let one = |id: i64| {
                let client = &clients.client;
                async move { read(client, id, 0).await.map(|told| Answered { id, told }) }
            };
            let answers: Vec<Result<Answered, Trouble>> = stream::iter(batch.iter().copied())
                .map(one)
                .buffer_unordered(AT_ONCE)
                .collect()
                .await;
            let mut told = Vec::with_capacity(answers.len());
            let mut failed = None;
            for answer in answers {
                match answer {
                    Ok(answered) => told.push(answered),
                    Err(trouble) => failed = Some(trouble),
                }
            }
            if let Some(trouble) = failed {
                parts.send(told).await;
                return Err(trouble);
            }
            if batches.peek().is_none() {
                return Ok(told);
            }
            parts.send(told).await;
            sleep(BATCH_EVERY).await;
        }
        Ok(Vec::new())
    }
}

/// Asks about one lease, and keeps so many of its keys.
async fn read(client: &Client, id: i64, keys: usize) -> Result<Told, Trouble> {
    let request = LeaseTimeToLiveRequest { id, keys: true };
    let answer = match client.lease_time_to_live(request).await.into_result() {
        Ok(answer) => answer,
        Err(ClientError::Refused { code: Code::NotFound, .. }) => return Ok(Told::Gone),
        Err(ClientError::Refused { code: Code::PermissionDenied, message }) => {
            return Ok(Told::Denied(message));
        }
        Err(error) => return Err(trouble(&error, false)),
    };
    let Ok(left) = u64::try_from(answer.ttl) else { return Ok(Told::Gone) };
    // etcd names them in another order each time.
    let mut all = answer.keys;
    all.sort_unstable();
    Ok(Told::Lease {
        granted: u64::try_from(answer.granted_ttl).unwrap_or(0),
        left,
        count: u64::try_from(all.len()).unwrap_or(u64::MAX),
        keys: all.into_iter().take(keys).map(|key| Bytes::copy_from_slice(&key)).collect(),
    })
}

/// Grants a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantLease {
    /// Its id; 0 for one that the server draws.
    pub id: i64,
    /// Seconds that it lives.
    pub ttl: i64,
}

impl Request for GrantLease {
    /// Its id, and the seconds that it lives, of which the server has a least.
    type Answer = (i64, i64);

    async fn run(self, clients: Clients, _: Parts<(i64, i64)>) -> Result<(i64, i64), Trouble> {
        let Self { id, ttl } = self;
        let granted = clients.client.lease_grant(LeaseGrantRequest { id, ttl }).await;
        done(granted).map(|answer| (answer.id, answer.ttl))
    }
}

/// Ends a lease, while it has no other keys than these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokeLease {
    /// The lease.
    pub id: i64,
    /// How many keys go with it, and the first of them.
    pub count: u64,
    /// The first of them.
    pub keys: Vec<Bytes>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// It has ended, and its keys are gone.
    Done,
    /// It was not there any more.
    Gone,
    /// It has other keys than those that were asked about: this is how it is.
    Met(Told),
}

impl Request for RevokeLease {
    type Answer = Revoked;

    async fn run(self, clients: Clients, _: Parts<Revoked>) -> Result<Revoked, Trouble> {
        // I2
        match read(&clients.client, self.id, KEYS_MAX).await? {
            Told::Gone => return Ok(Revoked::Gone),
            Told::Lease { count, ref keys, .. } if count == self.count && *keys == self.keys => {}
            told => return Ok(Revoked::Met(told)),
        }
        match clients.client.lease_revoke(LeaseRevokeRequest { id: self.id }).await {
            Outcome::Failed(ClientError::Refused { code: Code::NotFound, .. }) => Ok(Revoked::Gone),
            outcome => done(outcome).map(|_| Revoked::Done),
        }
    }
}

/// Renews a lease: once, or again and again until it is given up or the lease is gone. Each renewal is a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenewLease {
    /// The lease.
    pub id: i64,
    /// Once.
    pub once: bool,
}

/// What a renewal came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// It lives so many seconds from now on.
    For(u64),
    /// It is not there any more.
    Gone,
    /// It was not renewed; it is tried again.
    Failed(Trouble),
}

impl Request for RenewLease {
    type Answer = Renewal;

    async fn run(self, clients: Clients, parts: Parts<Renewal>) -> Result<Renewal, Trouble> {
        loop {
            let (told, pause) = match clients.client.lease_renew(self.id).await.into_result() {
                Ok(answer) => match u64::try_from(answer.ttl) {
                    Ok(ttl @ 1..) => (Renewal::For(ttl), Duration::from_secs(ttl) / 3),
                    _ => return Ok(Renewal::Gone),
                },
                Err(ClientError::Refused { code: Code::NotFound, .. }) => return Ok(Renewal::Gone),
                Err(error) if self.once || is_lasting(error.code()) => {
                    return Err(trouble(&error, false));
                }
                Err(error) => (Renewal::Failed(trouble(&error, false)), RENEW_AGAIN),
            };
            if self.once {
                return Ok(told);
            }
            parts.send(told).await;
            sleep(pause).await;
        }
    }
}

/// Whether a later try would come to the same.
fn is_lasting(code: Code) -> bool {
    matches!(
        code,
        Code::PermissionDenied
            | Code::InvalidArgument
            | Code::Unimplemented
            | Code::Unauthenticated
            | Code::FailedPrecondition
    )
}

fn done<T>(outcome: Outcome<T>) -> Result<T, Trouble> {
    match outcome {
        Outcome::Ok(answer) => Ok(answer),
        Outcome::Failed(error) => Err(trouble(&error, false)),
        Outcome::Unknown(error) => Err(trouble(&error, true)),
    }
}

fn trouble(error: &ClientError, unknown: bool) -> Trouble {
    if error.code() == Code::Unimplemented {
        return Trouble {
            place: String::new(),
            why: "this server has no leases".to_owned(),
            next: String::new(),
        };
    }
    fault::of_client(error, unknown)
}
