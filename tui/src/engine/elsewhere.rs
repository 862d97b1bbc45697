//! Whether somebody answers where a bundled server stands in for it.

use std::time::Duration;

use mini_etcd_proto::etcdserverpb::StatusRequest;
use mini_etcd_shared::client::{Client, ClientConfig, Endpoint};
use tokio::time::sleep;

use super::{ANSWER_WITHIN, Shared};
use crate::engine::report::{Pace, Report};

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks again and again; tells when that changes.
pub(crate) async fn run(shared: Shared, endpoints: Vec<Endpoint>) {
    let mut config = ClientConfig::new(endpoints);
    config.dial_timeout = ANSWER_WITHIN;
    config.command_timeout = Some(ANSWER_WITHIN);
    config.wait_for_connection = false;
    let mut answered = false;
    loop {
        // A new client for each look: a channel that has failed waits before it dials again.
        let answers = match Client::new(config.clone()) {
            Ok(client) => match client.status(StatusRequest {}).await.into_result() {
                Ok(_) => true,
                // Who refuses is there.
                Err(error) => !error.is_of_connection(),
            },
            Err(_) => false,
        };
        if std::mem::replace(&mut answered, answers) != answers {
            shared.inbox.event(Report::Elsewhere(answers));
        }
        let blurred = *shared.pace.borrow() == Pace::Blurred;
        sleep(if blurred { LOOK_EVERY * 4 } else { LOOK_EVERY }).await;
    }
}
