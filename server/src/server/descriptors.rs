//! [`Descriptors`]: divides the file descriptors that the system allows.
//!
//! ```text
//! limit = own + threads + peers + tables of log and state + clients + guests
//! ```
//!
//! Clients get what is left, so that no number of them can take a descriptor that the disk or a peer needs: a member
//! that cannot open a file ends.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::StartError;
use crate::http::Capacity;
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
    pub connections: Capacity,
}

/// Raises the limit as far as this process may, as etcd's runtime does. Says nothing when the system refuses: the
/// limit in force is what counts.
pub(super) fn raise() {
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
        let connections = Capacity { clients, guests, peers: CONNECTIONS_PER_PEER * peers };
        Ok(Self { rpc_threads, tables_open, connections })
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
                let Capacity { clients, guests, peers: from_peers } = plan.connections;
                let fixed = DESCRIPTORS_OWN + DESCRIPTORS_PER_RPC_THREAD * plan.rpc_threads;
                let to_peers = from_peers;
                let tables = 2 * DATABASES * plan.tables_open;
                let all = fixed + from_peers + to_peers + clients + guests + tables;
                assert!(all <= limit, "{plan:?} of {limit}");
                assert!(clients >= CONNECTIONS_MIN && guests > 0 && from_peers >= peers);
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
        assert_eq!(plan, Descriptors { rpc_threads: 1, tables_open: 1, connections });
        assert_eq!(
            Descriptors::plan(20_000, 2, 2, false).unwrap().connections.clients,
            CONNECTIONS_MAX
        );
    }
}
