//! The connection: that it is lost is said once, and that it is back. I5

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mini_etcd_proto::etcdserverpb::StatusRequest;
use mini_etcd_shared::client::{Client, ClientConfig};
use mini_etcd_shared::text::duration;
use tokio::time::Instant;

use super::screen::Screen;

/// Pause before the first new try; each is twice as long as the one before.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// For so long a cluster that answers may go without a leader before that is said.
const ELECTION_WITHIN: Duration = Duration::from_secs(3);
/// How long a try may take.
const TRY_WITHIN: Duration = Duration::from_secs(2);

/// What is known of the connection.
pub(super) struct Link {
    screen: Arc<Screen>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    lost: bool,
    /// A client whose connections are new.
    fresh: Option<Client>,
}

impl Link {
    pub(super) fn new(screen: Arc<Screen>) -> Self {
        Self { screen, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody answers.
    pub(super) fn is_lost(&self) -> bool {
        self.lock().lost
    }

    /// A client to go on with, once the connection is back.
    pub(super) fn fresh(&self) -> Option<Client> {
        self.lock().fresh.take()
    }

    /// A request has not reached anybody: looks for a server in the background.
    pub(super) fn lost(self: &Arc<Self>, client: Client) {
        if std::mem::replace(&mut self.lock().lost, true) {
            return;
        }
        self.screen
            .notice("nobody answers; trying again in the background, and saying when it works");
        tokio::spawn(Arc::clone(self).search(client));
    }

    async fn search(self: Arc<Self>, client: Client) {
        let start = Instant::now();
        let config = ClientConfig {
            wait_for_connection: false,
            command_timeout: Some(TRY_WITHIN),
            ..client.config().clone()
        };
        let mut pause = PAUSE_MIN;
        let mut answered = None;
        loop {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
            // New connections: one that has failed waits before it dials again.
            let Ok(probe) = client.with_config(config.clone()) else { continue };
            let Ok(status) = probe.status(StatusRequest {}).await.into_result() else { continue };
            // After a restart there is no leader for a moment, and that is no news.
            let first = *answered.get_or_insert_with(Instant::now);
            if status.leader == 0 && first.elapsed() < ELECTION_WITHIN {
                continue;
            }
            let mut state = self.lock();
            state.lost = false;
            state.fresh = client.with_config(client.config().clone()).ok();
            drop(state);
            let after = Duration::from_millis(
                u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
            );
            // Somebody answers: that is not yet somebody who serves.
            let rest = if status.leader == 0 {
                "; the cluster has no leader: writes and linearizable reads wait"
            } else {
                ""
            };
            self.screen.above(&format!("connected again after {}{rest}", duration(after)));
            return;
        }
    }
}
