//! [`Descriptors`]: divides the file descriptors that the system allows.
//!
//! ```text
//! limit = own + threads + peers + tables of log and state + clients + guests
//! ```
//!
//! Clients get what is left, so that no number of them can take a descriptor that the disk or a peer needs: a member
//! that cannot open a file ends. When members join, their share is taken from that of the clients, while the member runs.

use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::watch;

use super::StartError;
use crate::apply::Members;
use crate::http::{Capacity, Slots};
use crate::limits::{
    CONNECTION_GUESTS_MAX, CONNECTIONS_MAX, CONNECTIONS_MIN, CONNECTIONS_PER_PEER, DESCRIPTORS_FEW,
    DESCRIPTORS_OWN, DESCRIPTORS_PER_RPC_THREAD, DESCRIPTORS_TABLES_MAX, RPC_THREADS_MAX,
};

/// Databases of a member: log, state, and a state that is being staged or given up.
const DATABASES: usize = 3;

/// What the descriptors of a member are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Descriptors {
    /// Threads that serve connections.
    pub rpc_threads: usize,
    /// Tables that each database keeps open; as many again are left for compactions.
    pub tables_open: usize,
    /// For connections: of clients, of guests, and from and to peers.
    for_connections: usize,
    /// What may be open.
    limit: usize,
}

/// Raises the limit as far as this process may, as etcd's runtime does. Says nothing when the system refuses: the
/// limit in force is what counts.
pub fn raise() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// The limit in force.
pub(super) fn limit() -> usize {
    let current = getrlimit(Resource::Nofile).current;
    current.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

impl Descriptors {
    /// What `limit` is divided into, for a member with so many peers on a machine with so many processors. One that
    /// speaks TLS has a thread more.
    pub fn plan(
        limit: usize,
        processors: usize,
        peers: usize,
        is_tls: bool,
    ) -> Result<Self, StartError> {
        let most = if limit < DESCRIPTORS_FEW { 1 } else { RPC_THREADS_MAX };
        let rpc_threads = processors.clamp(1, most);
        // From each peer and to it.
        let of_peers = 2 * CONNECTIONS_PER_PEER * peers;
        let fixed = DESCRIPTORS_OWN
            + DESCRIPTORS_PER_RPC_THREAD * (rpc_threads + usize::from(is_tls))
            + of_peers;
        let left = limit.saturating_sub(fixed);
        let tables = DESCRIPTORS_TABLES_MAX.min(left / 2);
        let guests = CONNECTION_GUESTS_MAX.min((left - tables) / 4);
        let clients = CONNECTIONS_MAX.min(left - tables - guests);
        if clients < CONNECTIONS_MIN || guests == 0 || tables < 2 * DATABASES {
            let needed = fixed + (2 * CONNECTIONS_MIN + 1).max(4 * DATABASES);
            return Err(StartError::Descriptors { limit, needed });
        }
        let tables_open = (tables / 2 / DATABASES).max(1);
        Ok(Self { rpc_threads, tables_open, for_connections: left - tables + of_peers, limit })
    }

    /// Connections that may be open at one time with so many peers. Where the limit is too low for as many, clients have the
    /// least that there is, and the log says so.
    pub fn connections(&self, peers: usize) -> Capacity {
        let of_peers = 2 * CONNECTIONS_PER_PEER * peers;
        let left = self.for_connections.saturating_sub(of_peers);
        let guests = CONNECTION_GUESTS_MAX.min(left / 4).max(1);
        let clients = CONNECTIONS_MAX.min(left.saturating_sub(guests));
        if clients < CONNECTIONS_MIN {
            let (limit, members) = (self.limit, peers + 1);
            let needed =
                limit + CONNECTIONS_MIN - clients + of_peers.saturating_sub(self.for_connections);
            tracing::warn!(
                limit,
                needed,
                members,
                "the limit of open files is low for so many members: raise it"
            );
        }
        let clients = clients.max(CONNECTIONS_MIN);
        Capacity { clients, guests, peers: CONNECTIONS_PER_PEER * peers }
    }

    /// Has `slots` fit the members, as they change; runs until it is dropped.
    pub async fn follow(self, slots: Arc<Slots>, mut members: watch::Receiver<Arc<Members>>) {
        loop {
            let peers = members.borrow_and_update().by_id.len().saturating_sub(1);
            slots.resize(self.connections(peers));
            if members.changed().await.is_err() {
                // Apply ended, and the member with it.
                return std::future::pending().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_descriptors_together_are_within_the_limit() {
        for limit in (0..3000).chain([4096, 20_000, 1 << 20, usize::MAX]) {
            for peers in [0, 2, 4, 6] {
                let Ok(plan) = Descriptors::plan(limit, 4, peers, false) else {
                    assert!(limit < 90, "{limit} is enough for {peers} peers");
                    continue;
                };
                // Some join, and some are removed again.
                for peers in [peers, 0, peers.saturating_sub(2), peers + 1] {
                    let Capacity { clients, guests, peers: from_peers } = plan.connections(peers);
                    let fixed = DESCRIPTORS_OWN + DESCRIPTORS_PER_RPC_THREAD * plan.rpc_threads;
                    let to_peers = from_peers;
                    let tables = 2 * DATABASES * plan.tables_open;
                    let all = fixed + from_peers + to_peers + clients + guests + tables;
                    let is_least = clients == CONNECTIONS_MIN && guests == 1;
                    assert!(all <= limit || is_least, "{plan:?} of {limit} with {peers} peers");
                    assert!(clients >= CONNECTIONS_MIN && guests > 0 && from_peers >= peers);
                }
            }
        }
    }

    #[test]
    fn a_limit_that_is_enough_is_named_when_one_is_not() {
        for peers in [0, 2, 4] {
            let Err(StartError::Descriptors { needed, .. }) =
                Descriptors::plan(32, 4, peers, false)
            else {
                panic!("32 cannot be enough");
            };
            assert!(Descriptors::plan(needed, 4, peers, false).is_ok());
            assert!(Descriptors::plan(needed - 1, 4, peers, false).is_err());
        }
    }

    #[test]
    fn sixty_four_are_enough_for_three_members() {
        let plan = Descriptors::plan(64, 2, 2, false).unwrap();
        let connections = Capacity { clients: 7, guests: 2, peers: 4 };
        assert_eq!((plan.rpc_threads, plan.tables_open), (1, 1));
        assert_eq!(plan.connections(2), connections);
        let plenty = Descriptors::plan(20_000, 2, 2, false).unwrap();
        assert_eq!(plenty.connections(2).clients, CONNECTIONS_MAX);
    }

    #[test]
    fn a_member_that_joins_has_its_share_and_gives_it_back() {
        let plan = Descriptors::plan(100, 2, 0, false).unwrap();
        let (alone, three) = (plan.connections(0), plan.connections(2));
        assert_eq!((alone.peers, three.peers), (0, 2 * CONNECTIONS_PER_PEER));
        let of_all = |it: Capacity| it.clients + it.guests + 2 * it.peers;
        assert_eq!(of_all(alone), of_all(three));
        assert_eq!(plan.connections(0), alone);
    }
}
