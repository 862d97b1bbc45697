//! [`find_place`]: a program without data asks a running cluster which of its members it is.

use std::time::Duration;

use mini_etcd_shared::types::ClusterId;
use tokio::time::{Instant, sleep};

use super::StartError;
use crate::config::{Cluster, Config, Join, NoPlace};
use crate::limits::{JOIN_TIMEOUT, PEER_HELLO_TIMEOUT};
use crate::node::transport::{Connector, LocalNames, ask_for_members, resolves};
use crate::tls::Tls;

/// Pause between two rounds of questions.
const PAUSE: Duration = Duration::from_millis(200);

/// Asks the members that `join` names, for a while: one that is behind does not know yet who was added.
///
/// # Errors
/// Nobody knows this member, nobody answers, or it ran already with data that is gone.
pub(super) async fn find_place(
    config: &Config,
    join: &Join,
    tls: &Tls,
) -> Result<Cluster, StartError> {
    if join.ask.is_empty() {
        let problem =
            "there is no data, and no other member in --initial-cluster to ask for the cluster"
                .to_owned();
        return Err(StartError::Join { problem });
    }
    let begun = Instant::now();
    loop {
        // Anew each time: whoever knows the names may have been away.
        let names = LocalNames::asked(join, resolves);
        let connector = Connector { names, tls: tls.clone() };
        let mut problem = None;
        for address in &join.ask {
            let answer = match ask_for_members(address, &connector, PEER_HELLO_TIMEOUT).await {
                Ok(answer) => answer,
                Err(error) => {
                    let unanswered = format!("cannot join by {address}: {error}");
                    problem.get_or_insert(StartError::Join { problem: unanswered });
                    continue;
                }
            };
            match join.place(&config.name, ClusterId(answer.cluster_id), &answer.members) {
                Ok(cluster) => return Ok(cluster),
                Err(lost @ NoPlace::Lost { .. }) => {
                    return Err(StartError::Lost { detail: lost.to_string() });
                }
                Err(error) => problem = Some(StartError::Join { problem: error.to_string() }),
            }
        }
        if let Some(problem) = problem.filter(|_| begun.elapsed() >= JOIN_TIMEOUT) {
            return Err(problem);
        }
        sleep(PAUSE).await;
    }
}
