//! Who is in the cluster, asked of everybody who may know.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use mini_etcd_proto::etcdserverpb::cluster_client::ClusterClient;
use mini_etcd_proto::etcdserverpb::{MemberListRequest, MemberListResponse};
use mini_etcd_shared::client::{Connection, Endpoint};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::{ANSWER_WITHIN, Shared, dial, fault};
use crate::app::cluster::Listed;
use crate::app::sample::Fault;
use crate::app::{Pace, Report};

/// Time between two looks while all is well, and while nobody answers.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const SEEK_EVERY: Duration = Duration::from_millis(300);

/// What is remembered from look to look.
struct Directory {
    shared: Shared,
    endpoints: Vec<Endpoint>,
    connections: BTreeMap<String, Connection>,
    /// Where a member answered under its own number, by the endpoint as typed or listed.
    reached: BTreeMap<u64, String>,
    /// Endpoints of another cluster that were told about.
    strangers: BTreeSet<String>,
    known: Vec<Listed>,
}

/// Asks again and again; tells who is there and where.
pub(super) async fn run(shared: Shared, endpoints: Vec<Endpoint>, tell: mpsc::Sender<Vec<Listed>>) {
    let mut directory = Directory {
        shared,
        endpoints,
        connections: BTreeMap::new(),
        reached: BTreeMap::new(),
        strangers: BTreeSet::new(),
        known: Vec::new(),
    };
    loop {
        let found = directory.look().await;
        let wait = if found { LOOK_EVERY } else { SEEK_EVERY };
        if found && tell.send(directory.known.clone()).await.is_err() {
            return;
        }
        let blurred = *directory.shared.pace.borrow() == Pace::Blurred;
        sleep(if blurred { wait * 4 } else { wait }).await;
    }
}

impl Directory {
    /// Asks everybody at once. Answers whether anybody told.
    async fn look(&mut self) -> bool {
        let asked = self.everybody();
        let answers = join_all(asked.iter().map(|endpoint| {
            let standing = self.connections.get(endpoint.as_str());
            ask(endpoint, standing.filter(|connection| !connection.has_ended()).cloned())
        }))
        .await;
        let mut told: Vec<(&Endpoint, MemberListResponse)> = Vec::new();
        let mut faults: Vec<(String, Fault)> = Vec::new();
        for (endpoint, (connection, answer)) in asked.iter().zip(answers) {
            if let Some(connection) = connection {
                self.connections.insert(endpoint.as_str().to_owned(), connection);
            }
            match answer {
                Ok(list) if !list.members.is_empty() => told.push((endpoint, list)),
                Ok(_) => faults.push((endpoint.to_string(), fault::no_answer())),
                Err(fault) => faults.push((endpoint.to_string(), fault)),
            }
        }
        let Some((_, first)) = told.first() else {
            self.shared.inbox.silent(faults);
            return false;
        };
        let cluster = first.header.as_ref().map_or(0, |header| header.cluster_id);
        self.sort_out(cluster, &mut told);
        // Of those who told, the one furthest ahead knows best.
        let newest = told
            .iter()
            .max_by_key(|(_, list)| list.header.as_ref().map(|h| (h.raft_term, h.revision)));
        let Some((_, list)) = newest else { return false };
        self.known = list.members.iter().map(|member| self.listed(member)).collect();
        self.shared.inbox.members(cluster, self.known.clone());
        true
    }

    /// The endpoints given and, beyond them, the ones that members are known under.
    fn everybody(&self) -> Vec<Endpoint> {
        let mut all = self.endpoints.clone();
        let known = self.known.iter().filter_map(|member| Endpoint::parse(&member.endpoint).ok());
        for endpoint in known {
            if !all.iter().any(|other| other.is_same_place(&endpoint)) {
                all.push(endpoint);
            }
        }
        all
    }

    /// Notes who answered where, and drops who belongs to another cluster.
    fn sort_out(&mut self, cluster: u64, told: &mut Vec<(&Endpoint, MemberListResponse)>) {
        told.retain(|(endpoint, list)| {
            let header = list.header.unwrap_or_default();
            let ours = header.cluster_id == cluster;
            if ours {
                self.reached.entry(header.member_id).or_insert_with(|| endpoint.to_string());
            } else if self.strangers.insert(endpoint.to_string()) {
                let what = format!("{endpoint} belongs to another cluster");
                let why = format!("it says {:x}, the others say {cluster:x}", header.cluster_id);
                let next = "it is left out; name the endpoints of one cluster".to_owned();
                self.shared.inbox.event(Report::Trouble(what, why, next));
            }
            ours
        });
    }

    fn listed(&self, member: &mini_etcd_proto::etcdserverpb::Member) -> Listed {
        let listed = member.client_ur_ls.first().cloned();
        Listed {
            id: member.id,
            name: member.name.clone(),
            learner: member.is_learner,
            client_urls: member.client_ur_ls.clone(),
            peer_urls: member.peer_ur_ls.clone(),
            endpoint: self.reached.get(&member.id).cloned().or(listed).unwrap_or_default(),
        }
    }
}

/// Asks over a connection that stands, or a new one, which is given back.
async fn ask(
    endpoint: &Endpoint,
    standing: Option<Connection>,
) -> (Option<Connection>, Result<MemberListResponse, Fault>) {
    let connection = match standing {
        Some(connection) => connection,
        None => match dial(endpoint).await {
            Ok(connection) => connection,
            Err(error) => return (None, Err(fault::of_dial(&error))),
        },
    };
    let mut client = ClusterClient::new(connection.clone());
    let asked = client.member_list(MemberListRequest { linearizable: false });
    let answer = match timeout(ANSWER_WITHIN, asked).await {
        Ok(Ok(list)) => Ok(list.into_inner()),
        Ok(Err(status)) => Err(fault::of_status(&status)),
        Err(_) => Err(fault::no_answer()),
    };
    (Some(connection), answer)
}
