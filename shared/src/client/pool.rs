//! The connections of one client: to every endpoint it knows, all dialled at once, each dialled anew when it ends.
//!
//! * I1: only a connection that is ready is handed out; once the cluster is known, only one to it.
//! * I2: an endpoint that was learned, and not given, is used only while no given one is ready.
//! * I3: the tasks end with the pool.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use mini_etcd_proto::etcdserverpb::MemberListRequest;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::connect::{Connection, DialError};
use super::learn::{self, Identity};
use super::{ClientConfig, Endpoint, Headers, Member};
use crate::error::ClientError;

/// First pause before an endpoint is dialled again; doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(25);
/// Longest pause while nobody waits for a connection.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Longest pause while a request waits for a connection.
const PAUSE_WANTED: Duration = Duration::from_millis(100);

/// What is known of an endpoint.
pub(super) struct Slot {
    /// Told from others that had the same endpoint before.
    id: u64,
    pub endpoint: Endpoint,
    /// Whether it was named by the user; otherwise the member that must answer there.
    pub learned: Option<Identity>,
    pub state: State,
    /// How many attempts to connect have failed.
    failures: u64,
}

pub(super) enum State {
    /// Not tried to the end yet.
    Dialing,
    Ready(Connection),
    Down(DialError),
}

impl Slot {
    fn new(id: u64, endpoint: &Endpoint, learned: Option<Identity>) -> Self {
        Self { id, endpoint: endpoint.clone(), learned, state: State::Dialing, failures: 0 }
    }

    pub fn ready(&self) -> Option<&Connection> {
        match &self.state {
            State::Ready(connection) if !connection.has_ended() && connection.is_ours() => {
                Some(connection)
            }
            _ => None,
        }
    }
}

pub(super) type Table = Vec<Slot>;

/// See the module.
pub(super) struct Pool {
    table: watch::Sender<Table>,
    /// The id of the next slot.
    next: AtomicU64,
    /// Wakes endpoints that pause: somebody waits.
    wanted: Arc<Notify>,
    headers: Headers,
    config: Arc<ClientConfig>,
    /// One task per slot, by its endpoint as typed; and the one that learns.
    tasks: Mutex<Option<JoinSet<()>>>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Pool {
    /// A pool that dials nothing until it is first asked.
    pub fn new(config: Arc<ClientConfig>, headers: Headers) -> Self {
        let mut slots = Table::new();
        for endpoint in &config.endpoints {
            // One that is given twice is dialled once.
            if !slots.iter().any(|slot| slot.endpoint.is_same_place(endpoint)) {
                slots.push(Slot::new(slots.len() as u64, endpoint, None));
            }
        }
        let next = AtomicU64::new(slots.len() as u64);
        let (table, _) = watch::channel(slots);
        Self { table, next, wanted: Arc::default(), headers, config, tasks: Mutex::new(None) }
    }

    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    pub fn subscribe(&self) -> watch::Receiver<Table> {
        self.table.subscribe()
    }

    /// Dials all that were given, the first time it is called.
    fn start(self: &Arc<Self>) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if tasks.is_some() {
            return;
        }
        let tasks = tasks.insert(JoinSet::new());
        for slot in self.table.borrow().iter() {
            tasks.spawn(keep(Keeper::of(self, slot)));
        }
        if self.config.learn_members {
            tasks.spawn(learn::run(Arc::downgrade(self)));
        }
    }

    /// Dials one that was learned.
    pub fn add(self: &Arc<Self>, endpoint: &Endpoint, identity: Identity) {
        let known = self.table.borrow().iter().any(|slot| slot.endpoint.is_same_place(endpoint));
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(tasks) = tasks.as_mut().filter(|_| !known) else { return };
        let slot = Slot::new(self.next.fetch_add(1, Ordering::Relaxed), endpoint, Some(identity));
        tasks.spawn(keep(Keeper::of(self, &slot)));
        self.table.send_modify(|table| table.push(slot));
    }

    /// Forgets the learned ones that are not to stay; their tasks end by themselves.
    pub fn retain_learned(&self, stays: impl Fn(&Endpoint, Identity) -> bool) {
        self.table.send_if_modified(|table| {
            let before = table.len();
            table.retain(|slot| slot.learned.is_none_or(|id| stays(&slot.endpoint, id)));
            table.len() != before
        });
    }

    /// A member that is ready: one of `avoid` only when there is no other. Waits for one; without patience it fails as
    /// soon as every given endpoint was tried in vain.
    pub async fn ready(
        self: &Arc<Self>,
        turn: usize,
        avoid: &[Endpoint],
        patient: bool,
    ) -> Result<Member, ClientError> {
        self.start();
        let mut table = self.table.subscribe();
        let failures: Vec<u64> = given(&table.borrow()).map(|slot| slot.failures).collect();
        loop {
            {
                let table = table.borrow_and_update();
                if let Some(member) = self.choose(&table, turn, avoid) {
                    return Ok(member);
                }
                let all_failed =
                    given(&table).zip(&failures).all(|(slot, before)| slot.failures > *before);
                if !patient && all_failed {
                    let (endpoint, reason) = trouble(&table);
                    return Err(ClientError::NotConnected { endpoint, reason });
                }
            }
            self.wanted.notify_waiters();
            // Those who paused when they were woken dial now; those who pause later are woken by the next round.
            let _ = timeout(PAUSE_WANTED, table.changed()).await;
        }
    }

    /// Dials, and waits until so many endpoints are ready.
    pub async fn until_ready(self: &Arc<Self>, count: usize) {
        self.start();
        let enough =
            |table: &Table| table.iter().filter(|slot| slot.ready().is_some()).count() >= count;
        // The sender lives as long as the pool.
        let _ = self.table.subscribe().wait_for(enough).await;
    }

    /// Whether nothing was heard of a member since there were so many beats. Then others are preferred to it, and it is
    /// asked something, whose answer says that it is back. While the question is open, the connection is also probed.
    pub fn is_silent(&self, member: &Member, beats: u64) -> bool {
        let pulse = member.connection().pulse();
        if !pulse.is_silent_since(beats) {
            return false;
        }
        if pulse.note_silence() {
            let member = member.clone();
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(tasks) = tasks.as_mut() else { return true };
            while tasks.try_join_next().is_some() {}
            tasks.spawn(async move {
                let question = MemberListRequest { linearizable: false };
                // That it is answered is heard by the connection.
                let _heard = member.cluster().member_list(question).await;
            });
        }
        true
    }

    /// Another member than those of `avoid` that is ready and speaks.
    pub fn another(&self, turn: usize, avoid: &[Endpoint]) -> Option<Member> {
        let member = self.choose(&self.table.borrow(), turn, avoid)?;
        let fresh = !avoid.contains(member.endpoint()) && !member.connection().pulse().is_quiet();
        fresh.then_some(member)
    }

    fn choose(&self, table: &Table, turn: usize, avoid: &[Endpoint]) -> Option<Member> {
        let rank = |slot: &Slot, connection: &Connection| {
            let quiet = connection.pulse().is_quiet();
            (avoid.contains(&slot.endpoint), quiet, slot.learned.is_some())
        };
        let ready = || table.iter().filter_map(|slot| Some((slot, slot.ready()?)));
        let best = ready().map(|(slot, connection)| rank(slot, connection)).min()?;
        let equals = || ready().filter(|(slot, connection)| rank(slot, connection) == best);
        let (slot, connection) = equals().nth(turn % equals().count().max(1))?;
        let (endpoint, connection) = (slot.endpoint.clone(), connection.clone());
        let member = Member::new(endpoint, connection, self.headers.clone());
        Some(member.bounded(self.config.bounds))
    }

    /// The endpoint that is told about when none is ready, and what is wrong with it.
    pub fn trouble(&self) -> (String, String) {
        trouble(&self.table.borrow())
    }
}

fn given(table: &Table) -> impl Iterator<Item = &Slot> {
    table.iter().filter(|slot| slot.learned.is_none())
}

/// The first endpoint that failed, those first that somebody can do something about.
fn trouble(table: &Table) -> (String, String) {
    let telling = |slot: &Slot| match &slot.state {
        State::Down(DialError::Tls(_) | DialError::Http1 | DialError::Foreign) => 0,
        State::Down(_) => 1,
        State::Dialing | State::Ready(_) => 2,
    };
    let Some(slot) = given(table).min_by_key(|slot| telling(slot)) else {
        return Default::default();
    };
    let reason = match &slot.state {
        State::Down(error) => error.to_string(),
        State::Dialing | State::Ready(_) => "it did not answer yet".to_owned(),
    };
    (slot.endpoint.as_str().to_owned(), reason)
}

/// Keeps the connection to one endpoint.
struct Keeper {
    pool: Weak<Pool>,
    config: Arc<ClientConfig>,
    headers: Headers,
    wanted: Arc<Notify>,
    slot: u64,
    endpoint: Endpoint,
    identity: Option<Identity>,
}

impl Keeper {
    fn of(pool: &Arc<Pool>, slot: &Slot) -> Self {
        Self {
            pool: Arc::downgrade(pool),
            config: Arc::clone(&pool.config),
            headers: pool.headers.clone(),
            wanted: Arc::clone(&pool.wanted),
            slot: slot.id,
            endpoint: slot.endpoint.clone(),
            identity: slot.learned,
        }
    }

    async fn dial(&self) -> Result<Connection, DialError> {
        let connection = Connection::open(&self.endpoint, &self.config).await?;
        // While nothing is known, a client that lasts asks before it chooses; one that asks once has no time for it.
        let choice = self.config.learn_members && self.config.endpoints.len() > 1;
        if choice || self.identity.is_some() || self.config.cluster.known().is_some() {
            self.verify(&connection).await?;
        }
        Ok(connection)
    }

    /// Asks who is there; fails when that is not who may be asked more.
    async fn verify(&self, connection: &Connection) -> Result<(), DialError> {
        let member = Member::new(self.endpoint.clone(), connection.clone(), self.headers.clone());
        let login = self.config.login.as_ref();
        learn::verify(&member, self.identity, login, self.config.dial_timeout).await
    }

    /// Waits until the connection has ended, or is not one to the cluster. One that was made before the cluster was
    /// known is asked as soon as that is.
    async fn attend(&self, connection: &Connection) -> DialError {
        loop {
            tokio::select! {
                () = connection.ended() => {
                    return connection.foreign().unwrap_or(DialError::Ended);
                }
                () = connection.is_doubted() => {}
            }
            if let Err(error) = self.verify(connection).await {
                return error;
            }
            // Whoever waits looks again.
            if !self.note(State::Ready(connection.clone())) {
                return DialError::Ended;
            }
        }
    }

    /// Notes the state; false when nobody wants to know any more.
    fn note(&self, state: State) -> bool {
        let Some(pool) = self.pool.upgrade() else { return false };
        let mut state = Some(state);
        pool.table.send_if_modified(|table| {
            let slot = table.iter_mut().find(|slot| slot.id == self.slot);
            let (Some(slot), Some(state)) = (slot, state.take()) else { return false };
            let failed = matches!(&state, State::Down(error) if *error != DialError::Ended);
            slot.failures += u64::from(failed);
            slot.state = state;
            true
        });
        // Left over: there was no slot.
        state.is_none()
    }
}

async fn keep(keeper: Keeper) {
    let mut pause = PAUSE_MIN;
    loop {
        let began = Instant::now();
        let failed = match keeper.dial().await {
            Err(error) => error,
            Ok(connection) => {
                if !keeper.note(State::Ready(connection.clone())) {
                    return;
                }
                let ended = keeper.attend(&connection).await;
                // A server that takes connections and ends them at once is not dialled faster than one that is gone.
                if began.elapsed() > PAUSE_MAX {
                    pause = PAUSE_MIN;
                }
                ended
            }
        };
        tracing::debug!(endpoint = %keeper.endpoint, error = %failed, "no connection");
        if !keeper.note(State::Down(failed)) {
            return;
        }
        let now = Instant::now();
        tokio::select! {
            () = sleep_until(now + pause) => pause = (pause * 2).min(PAUSE_MAX),
            () = keeper.wanted.notified() => {
                pause = (pause * 2).min(PAUSE_WANTED);
                sleep(PAUSE_MIN.saturating_sub(now.elapsed())).await;
            }
        }
    }
}
