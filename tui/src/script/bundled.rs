//! `\kill` and `\restart`: what a script does to bundled members.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use mini_etcd_proto::etcdserverpb::StatusRequest;
use mini_etcd_shared::client::{Client, ClientConfig, Endpoint};
use mini_etcd_shared::failure::{Failure, exit, words_of};
use mini_etcd_shared::language::{KILL, RESTART, SessionCommand};
use mini_etcd_shared::session::Host;
use tokio::time::timeout;

use super::servers::{Bundled, ready};
use crate::engine::report::Report;

/// How long a member may take to die, and the search for a leader to end.
const KILL_WITHIN: Duration = Duration::from_secs(10);
/// How long a member may take to serve again.
const RESTART_WITHIN: Duration = Duration::from_secs(30);
/// Pause between two rounds of asking who leads.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What `run` can do for a session.
pub(crate) struct RunHost {
    pub bundled: Option<Arc<Bundled>>,
    pub client: Client,
}

impl Host for RunHost {
    fn meta<'a>(
        &'a mut self,
        command: &'static SessionCommand,
        args: Vec<Vec<u8>>,
    ) -> BoxFuture<'a, Result<Vec<u8>, Failure>> {
        Box::pin(self.carry_out(command, args))
    }
}

fn refuse<T>(text: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::new(exit::ERROR, text))
}

impl RunHost {
    async fn carry_out(
        &mut self,
        command: &'static SessionCommand,
        args: Vec<Vec<u8>>,
    ) -> Result<Vec<u8>, Failure> {
        let kill = match *command {
            KILL => true,
            RESTART => false,
            other => return refuse(format!("{} is not offered here", other.name)),
        };
        let Some(bundled) = &self.bundled else {
            return refuse(format!(
                "{} is for bundled members: run with --bundled N",
                command.name
            ));
        };
        let word = args.first().map(|word| String::from_utf8_lossy(word).into_owned());
        let word = word.unwrap_or_default();
        let place = match word.as_str() {
            "leader" if kill => leader(&self.client, &bundled.endpoints).await?,
            name => place_of(name, bundled.endpoints.len())?,
        };
        let name = name_of(place);
        if kill {
            end(bundled, &name).await?;
        } else {
            let mut fleet = bundled.fleet.lock().await;
            if let Some(fleet) = fleet.as_mut() {
                fleet.start(&name, &bundled.inbox);
            }
            drop(fleet);
            let Some(endpoint) = bundled.endpoints.get(place) else { return refuse("no endpoint") };
            ready(&self.client, endpoint.clone(), RESTART_WITHIN)
                .await
                .map_err(|error| Failure::new(exit::ERROR, words_of(&error)))?;
        }
        Ok(format!("{name}\n").into_bytes())
    }
}

/// Kills a member, and waits until it is gone.
async fn end(bundled: &Bundled, name: &str) -> Result<(), Failure> {
    // What was reported before is about earlier ends.
    drop(bundled.inbox.take());
    if let Some(fleet) = bundled.fleet.lock().await.as_mut() {
        fleet.kill(name);
    }
    let gone = async {
        loop {
            let ended = |report: &Report| matches!(report, Report::Ended(e) if e.name == name);
            if bundled.inbox.take().iter().any(ended) {
                return;
            }
            bundled.inbox.ready().await;
        }
    };
    match timeout(KILL_WITHIN, gone).await {
        Ok(()) => Ok(()),
        Err(_) => refuse(format!("{name} does not run, or did not end within {KILL_WITHIN:?}")),
    }
}

fn name_of(place: usize) -> String {
    format!("n{}", place + 1)
}

fn place_of(name: &str, count: usize) -> Result<usize, Failure> {
    let place = (0..count).find(|place| name_of(*place) == name);
    match place {
        Some(place) => Ok(place),
        None => refuse(format!("no member {name}: there are n1 to n{count}")),
    }
}

/// The place of the member that says that it leads.
async fn leader(client: &Client, endpoints: &[Endpoint]) -> Result<usize, Failure> {
    let search = async {
        loop {
            for (place, endpoint) in endpoints.iter().enumerate() {
                let config = ClientConfig {
                    endpoints: vec![endpoint.clone()],
                    wait_for_connection: false,
                    ..client.config().clone()
                };
                let Ok(one) = client.with_config(config) else { continue };
                let Ok(status) = one.status(StatusRequest {}).await.into_result() else { continue };
                let own = status.header.map_or(0, |header| header.member_id);
                if own != 0 && own == status.leader {
                    return place;
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    match timeout(KILL_WITHIN, search).await {
        Ok(place) => Ok(place),
        Err(_) => refuse(format!("no member leads within {KILL_WITHIN:?}")),
    }
}
