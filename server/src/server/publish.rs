//! Publishes where clients reach this member.

use std::sync::Arc;
use std::time::Duration;

use mini_etcd_proto::internalpb::{PublishRequest, command};
use mini_etcd_shared::types::{LogIndex, MemberId};
use tokio::sync::SetOnce;
use tokio::time::sleep;

use crate::node::Proposer;

/// Pause before a publication that failed is tried again.
const PAUSE: Duration = Duration::from_millis(200);

/// Publishes name and client URLs through Raft, unless the cluster has them already. Tries until it succeeds, and then
/// sets `listed`. A member that comes back to where it was is listed without asking anybody.
///
/// IMPORTANT: only a member that applied something publishes. Peers take a published member for one that has a log,
/// and refuse it when it comes back without (`node::transport`, I4).
pub(super) async fn publish(
    proposer: Proposer,
    name: String,
    client_urls: Vec<String>,
    listed: Arc<SetOnce<()>>,
) {
    published(proposer, name, client_urls).await;
    // Nobody else sets it.
    let _ = listed.set(());
}

async fn published(proposer: Proposer, name: String, urls: Vec<String>) {
    let me = proposer.identity().member_id;
    let mut leader = proposer.leader_changes();
    loop {
        let published = proposer.published();
        let known = published.members.by_id.get(&me.0);
        if known.is_some_and(|member| member.name == name && member.client_urls == urls) {
            return;
        }
        if leader.wait_for(|leader| *leader != MemberId(0)).await.is_err() {
            return std::future::pending().await;
        }
        if published.applied <= LogIndex::BIRTH {
            sleep(PAUSE / 10).await;
            continue;
        }
        let request =
            PublishRequest { member_id: me.0, name: name.clone(), client_urls: urls.clone() };
        match proposer.write_as_member(command::Request::Publish(request)).await {
            Ok(_) => return,
            Err(error) => tracing::debug!("client URLs not published yet: {error}"),
        }
        sleep(PAUSE).await;
    }
}
