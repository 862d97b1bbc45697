//! Everything that waits: it owns the clients and turns effects into reports.
//!
//! ```text
//! Order ─▶ engine ─┬─▶ directory: who is in the cluster ─▶ one follower per member ─┐
//!                   ├─▶ request: what screens ask for, one task each               │
//!                   ├─▶ session: palette and REPL pane, on a thread of its own       ├─▶ Inbox ─▶ Msg::Report
//!                   └─▶ bundled members                                              ┘
//! ```
//!
//! * I1: nothing here draws, and nothing that draws waits for this.
//! * I2: the inbox is bounded: of a member only its newest word is kept, of everything else a fixed number.
//! * I3: a server that stalls, resets, refuses or vanishes ends in a report, never in a wait without end.
//! * I4: a task that panics ends the console with the reason; it is not lost.
//! * I5: what screens ask reaches the cluster that they show, or nobody: effects come in the order in which the screen
//!   changed, and a client holds to one cluster ([`OneCluster`]).
//!
//! It refuses to guess: what a server does not offer stays `None`. Tested in `tests/console/engine.rs` against a fake server.

mod access;
mod directory;
mod elsewhere;
pub(crate) mod fault;
mod follow;
mod inbox;
pub(crate) mod metrics;
pub mod order;
pub mod report;
pub mod request;
pub mod sample;
mod sampler;
pub mod session;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mini_etcd_shared::client::{
    Access, Client, ClientConfig, Connection, DialError, Endpoint, OneCluster, Tls,
};
use mini_etcd_shared::clock::SystemClock;
use mini_etcd_shared::error::ClientError;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

pub use inbox::Inbox;
use order::Order;
use report::{Pace, Report};
use request::{Answer, Clients, Job, Reply, Ticket};

use crate::bundled::Fleet;
use crate::connect::Reach;
use crate::record::Recording;
use sample::Listed;

/// How long a connection may take to come about, and a question to be answered.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// A silent connection is probed after this time.
const PROBE_AFTER: Duration = Duration::from_secs(3);

/// What the engine starts with.
pub struct Setup {
    /// Where to ask first, as whom, and how.
    pub reach: Reach,
    /// Whether nothing may be changed.
    pub read_only: bool,
    /// Bundled members, when there are any.
    pub fleet: Option<Fleet>,
    /// Where somebody else was looked for before bundled members were started: told when it answers.
    pub instead_of: Vec<Endpoint>,
    /// What time it is.
    pub clock: SystemClock,
}

/// What all tasks of the engine share.
#[derive(Clone)]
struct Shared {
    inbox: Arc<Inbox>,
    clock: SystemClock,
    pace: watch::Receiver<Pace>,
    access: access::Access,
    fronts: Arc<directory::Fronts>,
    /// How members are asked that are asked by TLS.
    tls: Tls,
}

/// Who is in which cluster.
#[derive(Clone)]
struct Known {
    cluster: u64,
    members: Vec<Listed>,
}

/// A way to tell the engine what to do.
#[derive(Clone, Debug)]
pub struct Handle {
    effects: mpsc::UnboundedSender<Order>,
}

impl Handle {
    /// Has something done.
    pub fn send(&self, effect: Order) {
        // The engine is gone only when the console is ending.
        let _gone = self.effects.send(effect);
    }
}

/// Runs until `Order::Quit`; then stops the bundled members.
pub struct Engine {
    shared: Shared,
    pace: watch::Sender<Pace>,
    effects: mpsc::UnboundedReceiver<Order>,
    /// For what a session wants of the engine.
    own: mpsc::WeakUnboundedSender<Order>,
    listed: mpsc::Receiver<Known>,
    /// One task per member of a cluster, with the endpoint that it asks.
    followers: BTreeMap<(u64, u64), (String, AbortHandle)>,
    /// The session behind palette and pane, once it was used.
    session: Option<mpsc::Sender<session::Work>>,
    recording: Recording,
    asked: BTreeMap<Ticket, AbortHandle>,
    /// What screens ask through.
    clients: Option<Clients>,
    tasks: JoinSet<()>,
    config: ClientConfig,
    fleet: Option<Fleet>,
}

impl Engine {
    /// An engine that does nothing until it runs, and the way to tell it what to do.
    #[must_use]
    pub fn new(setup: Setup) -> (Self, Handle, Arc<Inbox>) {
        let (effects, received) = mpsc::unbounded_channel();
        let (pace, paced) = watch::channel(Pace::default());
        let inbox = Arc::new(Inbox::default());
        let access = access::Access::new(&setup.reach);
        let shared = Shared {
            inbox: Arc::clone(&inbox),
            clock: setup.clock,
            pace: paced,
            access,
            fronts: Arc::default(),
            tls: setup.reach.tls.clone(),
        };
        let (tell, listed) = mpsc::channel(1);
        let mut tasks = JoinSet::new();
        let config =
            ClientConfig { access: Access::read_only(setup.read_only), ..config(&setup.reach) };
        // What the screens ask, and what they show of the members, is of one cluster.
        let cluster = config.cluster.clone();
        tasks.spawn(directory::run(shared.clone(), setup.reach.endpoints, cluster, tell));
        if !setup.instead_of.is_empty() {
            tasks.spawn(elsewhere::run(shared.clone(), setup.instead_of));
        }
        let engine = Self {
            shared,
            pace,
            effects: received,
            own: effects.downgrade(),
            listed,
            followers: BTreeMap::new(),
            session: None,
            recording: Recording::default(),
            asked: BTreeMap::new(),
            clients: None,
            tasks,
            config,
            fleet: setup.fleet,
        };
        (engine, Handle { effects }, inbox)
    }

    /// Runs. Answers where logs of bundled members stay, when they do.
    pub async fn run(mut self) -> Option<PathBuf> {
        if let Some(fleet) = &mut self.fleet {
            fleet.start_all(&self.shared.inbox);
        }
        loop {
            tokio::select! {
                effect = self.effects.recv() => match effect {
                    None | Some(Order::Quit) => break,
                    Some(effect) => self.carry_out(effect),
                },
                Some(listed) = self.listed.recv() => self.follow(&listed),
                Some(ended) = self.tasks.join_next() => {
                    if let Err(error) = ended && let Ok(panic) = error.try_into_panic() {
                        // I4: the hook has restored the terminal; the task that waits for this one ends with it.
                        std::panic::resume_unwind(panic);
                    }
                }
            }
        }
        self.tasks.abort_all();
        match self.fleet {
            Some(fleet) => fleet.stop().await,
            None => None,
        }
    }

    fn carry_out(&mut self, effect: Order) {
        match effect {
            Order::Run(run, text) => self.run_text(run, text),
            Order::Cancel(run) => self.work(session::Work::Cancel(run)),
            Order::Password(run, secret) => self.work(session::Work::Password(run, secret)),
            Order::Ask(ticket, job) => self.ask(ticket, job),
            Order::Drop(ticket) => {
                if let Some(task) = self.asked.remove(&ticket) {
                    task.abort();
                }
            }
            Order::Kill(name) => {
                if let Some(fleet) = &mut self.fleet {
                    fleet.kill(&name);
                }
            }
            Order::Restart(name) => {
                if let Some(fleet) = &mut self.fleet {
                    fleet.start(&name, &self.shared.inbox);
                }
            }
            Order::Note { script, scope } => {
                if let Err(words) = self.recording.deed(&script, scope) {
                    let next = "\\record FILE begins another one".to_owned();
                    let what = "the recording has ended".to_owned();
                    self.shared.inbox.event(Report::Trouble(what, words, next));
                }
            }
            Order::Pace(pace) => {
                self.pace.send_replace(pace);
            }
            Order::Cluster(cluster) => self.hold_to(cluster),
            // The loop has ended by it.
            Order::Quit => {}
        }
    }

    /// Begins to find an answer. The screens bound how many are under way.
    fn ask(&mut self, ticket: Ticket, job: Job) {
        let clients = self.clients();
        let reply = Reply::new(Arc::clone(&self.shared.inbox), ticket);
        let task = self.tasks.spawn(async move {
            match clients {
                Ok(clients) => job.run(clients, reply).await,
                Err(error) => reply.done(Answer::failed(fault::of_client(&error, false))),
            }
        });
        self.asked.insert(ticket, task);
        self.asked.retain(|_, task| !task.is_finished());
    }

    /// A client of the endpoints given, which finds the other members by itself; made when it is first used.
    fn clients(&mut self) -> Result<Clients, ClientError> {
        if let Some(clients) = &self.clients {
            return Ok(clients.clone());
        }
        let clients = Clients::new(Client::new(self.config.clone())?);
        Ok(self.clients.insert(clients).clone())
    }

    fn run_text(&mut self, id: u64, text: String) {
        self.work(session::Work::Run(session::Run { id, text }));
    }

    fn work(&mut self, work: session::Work) {
        let (shared, recording, own) = (&self.shared, &self.recording, &self.own);
        let config = &self.config;
        let tasks = &mut self.tasks;
        let session = self.session.get_or_insert_with(|| {
            let place = session::Place {
                inbox: Arc::clone(&shared.inbox),
                clock: shared.clock.clone(),
                recording: recording.clone(),
                effects: own.clone(),
                config: config.clone(),
            };
            session::start(tasks, place)
        });
        // The screen begins one run at a time, so that there is room unless the thread has ended.
        if session.try_send(work).is_err() {
            self.shared.inbox.event(Report::Trouble(
                "the prompt does not take commands".to_owned(),
                "it is stuck, or could not be started".to_owned(),
                "leave the console and start it again".to_owned(),
            ));
        }
    }

    /// Sees to it that every member has its follower, at the endpoint where it is reached.
    fn follow(&mut self, known: &Known) {
        let cluster = known.cluster;
        let reached: Vec<_> =
            known.members.iter().filter(|member| !member.endpoint.is_empty()).collect();
        self.followers.retain(|(of, id), (endpoint, task)| {
            let stays = *of == cluster && reached.iter().any(|m| m.listed_at(*id, endpoint));
            if !stays {
                task.abort();
            }
            stays
        });
        for member in reached {
            let endpoint = match Endpoint::parse(&member.endpoint) {
                Ok(endpoint) => endpoint,
                Err(error) => {
                    let fault = fault::of_address(&error);
                    self.shared.inbox.lost(member.id, fault);
                    continue;
                }
            };
            let shared = self.shared.clone();
            self.followers.entry((cluster, member.id)).or_insert_with(|| {
                let task = self.tasks.spawn(follow::run(shared, cluster, member.id, endpoint));
                (member.endpoint.clone(), task)
            });
        }
    }

    /// The screens show another cluster from now on: what they ask from now on is asked of that one alone, and what they
    /// asked before, of the other one alone.
    fn hold_to(&mut self, cluster: u64) {
        if self.config.cluster.known() == Some(cluster) {
            return;
        }
        self.config.cluster = OneCluster::of(cluster);
        self.clients = None;
        if self.session.is_some() {
            self.work(session::Work::Servers(Box::new(self.config.clone())));
        }
    }
}

impl Listed {
    fn listed_at(&self, id: u64, endpoint: &str) -> bool {
        self.id == id && self.endpoint == endpoint
    }
}

/// How members are asked. Somebody waits: a cluster that is not there is told at once.
fn config(reach: &Reach) -> ClientConfig {
    ClientConfig {
        dial_timeout: ANSWER_WITHIN,
        wait_for_connection: false,
        keepalive_time: PROBE_AFTER,
        ..reach.lasting()
    }
}

/// A connection of its own to one member, which is probed also while nothing is asked.
async fn dial(
    endpoint: &Endpoint,
    tls: &Tls,
    cluster: OneCluster,
) -> Result<Connection, DialError> {
    let reach = Reach { endpoints: vec![endpoint.clone()], tls: tls.clone(), ..Reach::default() };
    let config = ClientConfig {
        cluster,
        keepalive_timeout: ANSWER_WITHIN,
        keepalive_while_idle: true,
        ..config(&reach)
    };
    Connection::open(endpoint, &config).await
}
