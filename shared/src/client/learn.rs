//! Learns the other members of the cluster, to call them too.
//!
//! A member list names where members believe that they are reached, which from here may lead nowhere, or to somebody
//! else: a tunnel's far end says `localhost`. So an address from a list is used only for a member that no given endpoint
//! reaches, only when the member that answers there says that it is the one, and only while no given endpoint is ready.

use std::collections::BTreeMap;
use std::sync::Weak;
use std::time::Duration;

use mini_etcd_proto::etcdserverpb::{MemberListRequest, MemberListResponse, StatusRequest};
use tokio::time::{sleep, timeout};
use tonic::{Code, Status};

use super::connect::DialError;
use super::member::wants_login;
use super::pool::{Pool, Table};
use super::{Credentials, Endpoint, Member};

/// Time between two looks at the list of members.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// The same while members of the list have no address yet: they are being started.
const LOOK_SOON: Duration = Duration::from_secs(1);
/// How long a member may take to tell the list.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Addresses that are learned at the most: more than any cluster has.
const LEARNED_MAX: usize = 32;

/// Which member must answer at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    cluster: u64,
    member: u64,
}

/// Learns again and again, until the pool is gone.
pub(super) async fn run(pool: Weak<Pool>) {
    // The member that answers at a given endpoint, also when it is away now.
    let mut reached: BTreeMap<String, u64> = BTreeMap::new();
    loop {
        let Some(mut table) = pool.upgrade().map(|pool| pool.subscribe()) else { return };
        if table.wait_for(|table| !given_and_ready(table).is_empty()).await.is_err() {
            return;
        }
        let known = given_and_ready(&table.borrow_and_update());
        let Some(members) = pool.upgrade().map(|pool| members(&pool, &known)) else { return };
        let mut lists = Vec::new();
        for member in members {
            if let Some(list) = list(&member, ANSWER_WITHIN).await {
                let id = list.header.unwrap_or_default().member_id;
                reached.insert(member.endpoint().as_str().to_owned(), id);
                lists.push(list);
            }
        }
        let Some(pool) = pool.upgrade() else { return };
        let complete = take(&pool, &reached, &lists);
        drop(pool);
        let pause = if complete { LOOK_EVERY } else { LOOK_SOON };
        let change = async {
            let _changed = table.wait_for(|table| given_and_ready(table) != known).await;
        };
        // Who comes and goes again and again is no reason to look more often than this.
        if timeout(pause, change).await.is_ok() {
            sleep(LOOK_SOON).await;
        }
    }
}

fn given_and_ready(table: &Table) -> Vec<Endpoint> {
    let ready = table.iter().filter(|slot| slot.learned.is_none() && slot.ready().is_some());
    ready.map(|slot| slot.endpoint.clone()).collect()
}

fn members(pool: &Pool, known: &[Endpoint]) -> Vec<Member> {
    let table = pool.subscribe();
    let table = table.borrow();
    let ready = table.iter().filter(|slot| known.contains(&slot.endpoint));
    ready
        .filter_map(|slot| {
            let connection = slot.ready()?.clone();
            Some(Member::new(slot.endpoint.clone(), connection, pool.headers().clone()))
        })
        .collect()
}

async fn list(member: &Member, within: Duration) -> Option<MemberListResponse> {
    let mut cluster = member.cluster();
    let asked = cluster.member_list(MemberListRequest { linearizable: false });
    Some(timeout(within, asked).await.ok()?.ok()?.into_inner())
}

/// Takes over what the member furthest ahead says. Answers whether everybody in it has an address.
fn take(
    pool: &std::sync::Arc<Pool>,
    reached: &BTreeMap<String, u64>,
    lists: &[MemberListResponse],
) -> bool {
    let ahead = |list: &&MemberListResponse| list.header.map(|h| (h.raft_term, h.revision));
    let Some(list) = lists.iter().max_by_key(ahead) else { return false };
    let cluster = list.header.unwrap_or_default().cluster_id;
    let wanted: Vec<(Endpoint, Identity)> = list
        .members
        .iter()
        .filter(|member| !reached.values().any(|id| *id == member.id))
        .flat_map(|member| {
            let identity = Identity { cluster, member: member.id };
            let urls = member.client_ur_ls.iter();
            urls.filter_map(move |url| Some((Endpoint::parse(url).ok()?, identity)))
        })
        .take(LEARNED_MAX)
        .collect();
    pool.retain_learned(|endpoint, identity| {
        wanted.iter().any(|(wanted, id)| wanted == endpoint && *id == identity)
    });
    for (endpoint, identity) in wanted {
        pool.add(&endpoint, identity);
    }
    list.members.iter().all(|member| !member.client_ur_ls.is_empty())
}

/// Whether a member answers, and refuses this user.
fn is_denial(status: &Status) -> bool {
    matches!(status.code(), Code::PermissionDenied | Code::Unauthenticated)
        || wants_login(status.message())
}

/// Whether whoever answers may be asked more: it is of the client's cluster, and the member that is expected, if one is.
/// A server that refuses to say is taken while no cluster is known.
///
/// etcd 3.7 with users says who it is only to who has logged in.
pub(super) async fn verify(
    member: &Member,
    expected: Option<Identity>,
    login: Option<&Credentials>,
    within: Duration,
) -> Result<(), DialError> {
    let status = || async {
        let asked = timeout(within, member.maintenance().status(StatusRequest {})).await;
        asked.map_err(|_| DialError::Silent(within))
    };
    let mut answer = status().await?;
    if let (Err(refused), Some(login)) = (&answer, login)
        && wants_login(refused.message())
    {
        let asked = timeout(within, member.headers().log_in(member.connection(), login)).await;
        let logged_in = asked.map_err(|_| DialError::Silent(within))?;
        logged_in.map_err(|status| DialError::Denied(status.message().to_owned()))?;
        answer = status().await?;
    }
    let refused = answer.as_ref().err().filter(|status| is_denial(status));
    let refused = refused.map(|status| status.message().to_owned());
    let connection = member.connection();
    if let Some(foreign) = connection.foreign() {
        return Err(foreign);
    }
    if let Some(expected) = expected {
        let header = answer.ok().and_then(|status| status.into_inner().header).unwrap_or_default();
        let found = Identity { cluster: header.cluster_id, member: header.member_id };
        return if found == expected { Ok(()) } else { Err(DialError::Stranger) };
    }
    match (connection.is_ours(), connection.has_ended()) {
        (true, _) => Ok(()),
        (false, true) => Err(DialError::Ended),
        (false, false) => Err(refused.map_or(DialError::Nameless, DialError::Denied)),
    }
}
