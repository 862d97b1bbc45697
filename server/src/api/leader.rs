//! Streams that ask for a leader, by the metadata `hasleader`: they end when there is none for a while, as in etcd.

use std::time::Duration;

use mini_etcd_shared::types::MemberId;
use tokio::sync::watch;
use tokio::time::timeout;
use tonic::metadata::MetadataMap;

use crate::config::Timing;
use crate::limits;

/// Whether a call asks for a leader.
pub(in crate::api) fn requires_leader(metadata: &MetadataMap) -> bool {
    metadata.get_all("hasleader").iter().any(|value| value.as_bytes() == b"true")
}

/// Waits until no leader was known for a while. For ever once the member stops.
pub(super) async fn without_leader(timing: Timing, leader: watch::Receiver<MemberId>) {
    without_leader_for(timing.election_timeout() * limits::LEADERLESS_LOOKS, leader).await;
}

async fn without_leader_for(patience: Duration, mut leader: watch::Receiver<MemberId>) {
    let is_none = |leader: &MemberId| leader.0 == 0;
    loop {
        if leader.wait_for(is_none).await.is_err() {
            return std::future::pending().await;
        }
        if timeout(patience, leader.wait_for(|leader| !is_none(leader))).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn only_a_while_without_a_leader_counts() {
        let (leader, seen) = watch::channel(MemberId(7));
        let mut soon = Box::pin(without_leader_for(Duration::ZERO, seen.clone()));
        let mut late = Box::pin(without_leader_for(Duration::MAX, seen));
        for leads in [7, 0, 8, 0] {
            leader.send_replace(MemberId(leads));
            assert!((&mut late).now_or_never().is_none());
            if leads == 7 {
                assert!((&mut soon).now_or_never().is_none());
            }
        }
        soon.await;
        drop(leader);
        assert!(late.now_or_never().is_none(), "a member that stops is no cluster without leader");
    }
}
