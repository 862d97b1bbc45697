//! Who is in the cluster, asked of everybody who may know.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use mini_etcd_proto::etcdserverpb::cluster_client::ClusterClient;
use mini_etcd_proto::etcdserverpb::{MemberListRequest, MemberListResponse};
use mini_etcd_shared::client::{Connection, Endpoint, OneCluster};
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};

use super::sample::Fault;
use super::{ANSWER_WITHIN, Known, Shared, dial, fault};
use crate::engine::report::{Pace, Report};
use crate::engine::sample::Listed;

/// Time between two looks while all is well, and while nobody answers.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const SEEK_EVERY: Duration = Duration::from_millis(300);

/// What is remembered from look to look.
struct Directory {
    shared: Shared,
    endpoints: Vec<Endpoint>,
    /// The cluster that screens ask at first.
    first: OneCluster,
    /// The cluster that is told about; 0 before the first answer.
    cluster: u64,
    /// Given endpoints that have answered as members of it.
    own: BTreeSet<String>,
    connections: BTreeMap<String, Connection>,
    /// Where a member answered under its own number, by the endpoint as typed or listed.
    reached: BTreeMap<u64, String>,
    /// Endpoints of another cluster that were told about.
    strangers: BTreeSet<String>,
    known: Vec<Listed>,
}

/// Asks again and again; tells who is there and where.
pub(crate) async fn run(
    shared: Shared,
    endpoints: Vec<Endpoint>,
    first: OneCluster,
    tell: mpsc::Sender<Known>,
) {
    let mut directory = Directory {
        shared,
        endpoints,
        first,
        cluster: 0,
        own: BTreeSet::new(),
        connections: BTreeMap::new(),
        reached: BTreeMap::new(),
        strangers: BTreeSet::new(),
        known: Vec::new(),
    };
    loop {
        let found = directory.look().await;
        let wait = if found { LOOK_EVERY } else { SEEK_EVERY };
        if found {
            let known = Known { cluster: directory.cluster, members: directory.known.clone() };
            if tell.send(known).await.is_err() {
                return;
            }
        }
        let blurred = *directory.shared.pace.borrow() == Pace::Blurred;
        tokio::select! {
            () = sleep(if blurred { wait * 4 } else { wait }) => {}
            () = directory.shared.fronts.news.notified() => {}
        }
    }
}

/// Places where several members answer, of which none is followed there.
#[derive(Default)]
pub(crate) struct Fronts {
    found: Mutex<BTreeSet<String>>,
    news: Notify,
}

impl Fronts {
    fn found(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another member than the expected one has answered there.
    pub(crate) fn note(&self, endpoint: &Endpoint) {
        if self.found().insert(endpoint.to_string()) {
            self.news.notify_one();
        }
    }
}

impl Directory {
    /// Asks everybody at once. Answers whether anybody told.
    async fn look(&mut self) -> bool {
        let asked = self.everybody();
        let answers = join_all(asked.iter().map(|endpoint| {
            let standing = self.connections.get(endpoint.as_str());
            let standing = standing.filter(|connection| !connection.has_ended());
            ask(&self.shared, endpoint, standing.cloned())
        }))
        .await;
        let mut told: Vec<(&Endpoint, MemberListResponse)> = Vec::new();
        let mut faults: Vec<(String, Fault)> = Vec::new();
        for (endpoint, (connection, answer)) in asked.iter().zip(answers) {
            if let Some(connection) = connection {
                self.connections.insert(endpoint.as_str().to_owned(), connection);
            }
            match answer {
                // The proxy of etcd lists itself, without a number.
                Ok(list) if list.members.iter().any(|m| m.id == 0) => {
                    faults.push((endpoint.to_string(), fault::proxy()));
                }
                Ok(list) if !list.members.is_empty() => told.push((endpoint, list)),
                Ok(_) => faults.push((endpoint.to_string(), fault::no_answer())),
                Err(fault) => faults.push((endpoint.to_string(), fault)),
            }
        }
        let Some((_, first)) = told.first() else {
            self.shared.inbox.silent(faults);
            return false;
        };
        let first = cluster_of(first);
        self.settle(first, &told);
        let cluster = self.cluster;
        self.sort_out(cluster, &mut told, &mut faults);
        // Of those who told, the one furthest ahead knows best.
        let newest = told
            .iter()
            .max_by_key(|(_, list)| list.header.as_ref().map(|h| (h.raft_term, h.revision)));
        let Some((_, list)) = newest else {
            self.shared.inbox.silent(faults);
            return false;
        };
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

    /// Which cluster it is: the one that answered first, until nobody of it answers and where one of its members was
    /// given, another cluster answers: then that one has taken its place. An endpoint that was never of the cluster is
    /// left out, whoever else is silent.
    fn settle(&mut self, first: u64, told: &[(&Endpoint, MemberListResponse)]) {
        if self.cluster == 0 {
            self.cluster = self.first.settle(first);
        }
        if told.iter().any(|(_, list)| cluster_of(list) == self.cluster) {
            return;
        }
        let replaced = told
            .iter()
            .find(|(endpoint, list)| self.own.contains(endpoint.as_str()) && cluster_of(list) != 0);
        if let Some((_, list)) = replaced {
            self.cluster = cluster_of(list);
            self.own.clear();
            self.reached.clear();
            self.strangers.clear();
            self.known.clear();
        }
    }

    /// Notes who answered where, and drops who belongs to another cluster.
    fn sort_out(
        &mut self,
        cluster: u64,
        told: &mut Vec<(&Endpoint, MemberListResponse)>,
        faults: &mut Vec<(String, Fault)>,
    ) {
        told.retain(|(endpoint, list)| {
            let header = list.header.unwrap_or_default();
            if header.cluster_id == cluster {
                // At its own address a member is asked rather than where others answer, too.
                let fronts = self.shared.fronts.found();
                let known = self.reached.get(&header.member_id);
                if known.is_none_or(|at| fronts.contains(at)) {
                    self.reached.insert(header.member_id, endpoint.to_string());
                }
                if self.endpoints.contains(endpoint) {
                    self.own.insert(endpoint.to_string());
                }
                return true;
            }
            self.reached.retain(|_, at| at != endpoint.as_str());
            faults.push((endpoint.to_string(), fault::other_cluster()));
            if self.strangers.insert(endpoint.to_string()) {
                let what = format!("{endpoint} belongs to another cluster");
                let why = format!("it says {:x}, the others say {cluster:x}", header.cluster_id);
                let next = "it is left out; name the endpoints of one cluster".to_owned();
                self.shared.inbox.event(Report::Trouble(what, why, next));
            }
            false
        });
    }

    fn listed(&self, member: &mini_etcd_proto::etcdserverpb::Member) -> Listed {
        let listed = member.client_ur_ls.first().cloned();
        let fronts = self.shared.fronts.found();
        let reached = self.reached.get(&member.id).filter(|at| !fronts.contains(*at));
        Listed {
            id: member.id,
            name: member.name.clone(),
            learner: member.is_learner,
            client_urls: member.client_ur_ls.clone(),
            peer_urls: member.peer_ur_ls.clone(),
            endpoint: reached.cloned().or(listed).unwrap_or_default(),
        }
    }
}

fn cluster_of(list: &MemberListResponse) -> u64 {
    list.header.map_or(0, |header| header.cluster_id)
}

/// Asks over a connection that stands, or a new one, which is given back.
async fn ask(
    shared: &Shared,
    endpoint: &Endpoint,
    standing: Option<Connection>,
) -> (Option<Connection>, Result<MemberListResponse, Fault>) {
    let connection = match standing {
        Some(connection) => connection,
        // Whoever answers says for itself which cluster it is of.
        None => match dial(endpoint, &shared.tls, OneCluster::default()).await {
            Ok(connection) => connection,
            Err(error) => return (None, Err(fault::of_dial(&error))),
        },
    };
    let asked = shared.access.call(&connection, |wire| async move {
        ClusterClient::new(wire).member_list(MemberListRequest { linearizable: false }).await
    });
    let answer = match timeout(ANSWER_WITHIN, asked).await {
        Ok(Ok(list)) => Ok(list),
        Ok(Err(status)) => Err(fault::of_status(&status)),
        Err(_) => Err(fault::no_answer()),
    };
    (Some(connection), answer)
}
