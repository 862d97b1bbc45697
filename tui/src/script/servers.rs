//! The servers of a run: named ones, or bundled members.

use std::sync::Arc;
use std::time::Duration;

use mini_etcd_proto::etcdserverpb::{MemberListRequest, RangeRequest, StatusRequest};
use mini_etcd_shared::client::{Access, Client, ClientConfig, Endpoint};
use mini_etcd_shared::error::ClientError;
use mini_etcd_shared::failure::words_of;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Flags;
use crate::bundled::Fleet;
use crate::connect::{ConnectError, Reach, USUAL};
use crate::engine::Inbox;
use crate::{bundled, complaint};

/// How long bundled members may take to answer.
const START_WITHIN: Duration = Duration::from_secs(30);
/// Pause between two looks at a member that is starting.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// The servers.
pub(crate) struct Servers {
    pub client: Client,
    /// Id of the cluster, in hex.
    pub cluster: String,
    pub fleet: Option<Arc<Bundled>>,
}

/// Bundled members, shared with the commands that kill and restart them.
pub(crate) struct Bundled {
    pub fleet: Mutex<Option<Fleet>>,
    pub inbox: Arc<Inbox>,
    pub endpoints: Vec<Endpoint>,
}

/// No servers.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServersError {
    /// What was typed is no address.
    #[error("{0}")]
    Address(ClientError),
    /// What was said of whom to ask makes no sense.
    #[error("{0}")]
    Connect(#[from] ConnectError),
    /// The server does not take the user.
    #[error("cannot log in: {}", words_of(.0))]
    Login(ClientError),
    /// Nobody answers. I3
    #[error("{}", silent(.0))]
    Silent(ClientError),
    /// The members cannot be started.
    #[error("cannot start bundled members: {0}")]
    Start(std::io::Error),
    /// They do not answer.
    #[error("bundled members did not answer within {START_WITHIN:?}: {0}")]
    Slow(ClientError),
}

/// What does not speak of the connection itself gets words that do.
fn silent(error: &ClientError) -> String {
    if error.is_of_connection() { error.to_string() } else { format!("no connection: {error}") }
}

impl Servers {
    /// Connects to what the flags name, or starts what they ask for.
    pub(super) async fn open(flags: &Flags) -> Result<Self, ServersError> {
        match flags.bundled {
            Some(count) => Self::bundled(usize::from(count)).await,
            None => Self::named(&flags.connect.reach(Some(USUAL))?).await,
        }
    }

    async fn named(reach: &Reach) -> Result<Self, ServersError> {
        let config =
            ClientConfig { access: Access::read_only(reach.is_read_only()), ..reach.lasting() };
        let client = Client::new(config.clone()).map_err(ServersError::Address)?;
        let probe = ClientConfig { wait_for_connection: false, learn_members: false, ..config };
        let probe = client.with_config(probe).map_err(ServersError::Address)?;
        probe.log_in().await.map_err(|error| match error {
            ClientError::Refused { .. } => ServersError::Login(error),
            error => ServersError::Silent(error),
        })?;
        let cluster = cluster(&probe).await.map_err(ServersError::Silent)?;
        Ok(Self { client, cluster, fleet: None })
    }

    /// A client of servers that nobody has asked yet.
    pub(crate) fn unasked(client: Client) -> Self {
        Self { client, cluster: String::new(), fleet: None }
    }

    /// Starts members, and waits until each serves.
    pub(crate) async fn bundled(count: usize) -> Result<Self, ServersError> {
        let mut fleet = Fleet::demo(count).map_err(ServersError::Start)?;
        let endpoints = fleet.endpoints();
        let inbox = Arc::new(Inbox::default());
        fleet.start_all(&inbox);
        let fleet = Mutex::new(Some(fleet));
        let fleet = Arc::new(Bundled { fleet, inbox, endpoints: endpoints.clone() });
        let client =
            Client::new(ClientConfig::new(endpoints.clone())).map_err(ServersError::Address)?;
        let mut answered = String::new();
        for endpoint in endpoints {
            answered = match ready(&client, endpoint, START_WITHIN).await {
                Ok(cluster) => cluster,
                Err(error) => {
                    fleet.stop().await;
                    return Err(ServersError::Slow(error));
                }
            };
        }
        Ok(Self { client, cluster: answered, fleet: Some(fleet) })
    }

    /// Stops what was started.
    pub(crate) async fn close(self) {
        if let Some(fleet) = self.fleet {
            fleet.stop().await;
        }
    }
}

impl Bundled {
    async fn stop(&self) {
        if let Some(fleet) = self.fleet.lock().await.take()
            && let Some(logs) = fleet.stop().await
        {
            complaint::say(&bundled::logs_stay(&logs));
        }
    }
}

/// The id of the cluster, from whichever member answers.
async fn cluster(client: &Client) -> Result<String, ClientError> {
    let status = client.status(StatusRequest {}).await.into_result()?;
    Ok(status.header.map(|header| format!("{:x}", header.cluster_id)).unwrap_or_default())
}

/// Waits until one member serves a linearizable read, and the cluster knows where clients find it: `--cluster` asks those.
pub(super) async fn ready(
    client: &Client,
    endpoint: Endpoint,
    within: Duration,
) -> Result<String, ClientError> {
    let config = ClientConfig {
        endpoints: vec![endpoint],
        wait_for_connection: false,
        learn_members: false,
        ..client.config().clone()
    };
    let until = Instant::now() + within;
    loop {
        // A new client for each look: a channel that has failed waits before it dials again.
        let one = client.with_config(config.clone())?;
        let read = RangeRequest { key: "ready".into(), ..RangeRequest::default() };
        let late = Instant::now() > until;
        match one.range(read).await.into_result() {
            Ok(_) if late || is_listed(&one).await => return cluster(&one).await,
            Err(error) if late => return Err(error),
            _ => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

/// Whether the member that `client` asks has told the cluster its addresses.
async fn is_listed(client: &Client) -> bool {
    let asked = client.member_list(MemberListRequest { linearizable: true }).await;
    asked.into_result().is_ok_and(|list| {
        let own = list.header.map_or(0, |header| header.member_id);
        list.members.iter().any(|member| member.id == own && !member.client_ur_ls.is_empty())
    })
}
