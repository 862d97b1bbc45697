//! A lock of short leases, for which clients fight while the leader of the cluster is killed again and again.
//!
//! Whoever holds the lock writes to a register, which takes a write only while its key of the lock exists (its fence). A holder
//! believes in its lock from the answer of `Lock` on, until it gives it back, or for as long after its last answered renewal was sent
//! as the lease lives. Nothing else is believed, so what is held against the cluster is what a careful client relies on:
//!
//! - at no time do two believe to hold the lock;
//! - no key of the lock goes while its holder's lease is believed to live;
//! - the register never goes back to an earlier holder, and has each answered write once.
//!
//! `TEST_LOCK_KILLS` sets how often the leader is killed, `TEST_LOCK_SEED` the choices.

#![expect(clippy::disallowed_methods, reason = "what a client believes depends on the real clock")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use mini_etcd_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::lease_client::LeaseClient;
use mini_etcd_proto::etcdserverpb::request_op::Request as OpRequest;
use mini_etcd_proto::etcdserverpb::response_op::Response as OpResponse;
use mini_etcd_proto::etcdserverpb::watch_client::WatchClient;
use mini_etcd_proto::etcdserverpb::watch_request::RequestUnion;
use mini_etcd_proto::etcdserverpb::{
    Compare, LeaseGrantRequest, LeaseKeepAliveRequest, LeaseRevokeRequest, PutRequest,
    RangeRequest, RequestOp, TxnRequest, WatchCreateRequest, WatchRequest,
};
use mini_etcd_proto::v3lockpb::lock_client::LockClient;
use mini_etcd_proto::v3lockpb::{LockRequest, UnlockRequest};
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::wait::eventually;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{sleep, sleep_until, timeout};
use tonic::transport::Channel;

/// Life of a lease in seconds: a failover on a busy machine is shorter, and little else.
const TTL: i64 = 3;
/// Pause between two renewals.
const RENEWAL: Duration = Duration::from_millis(300);
/// Longest that a call waits for its answer.
const CALL: Duration = Duration::from_secs(3);
/// Pause after an error, so that a dead member is not hammered.
const PAUSE: Duration = Duration::from_millis(20);
/// Longest time for something that is sure to happen.
const DEADLINE: Duration = Duration::from_secs(60);
/// Answered writes of a holder; of one that waits for a kill, those after it.
const WRITES: u64 = 3;
const LOCK: &str = "lock";
const REGISTER: &str = "register";

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .map_or(default, |text| text.parse().unwrap_or_else(|e| panic!("{name}: {e}")))
}

/// What a client believed.
#[derive(Clone, Debug)]
struct Holding {
    client: usize,
    /// Revision at which its key of the lock was created: its place in the queue, and its fence.
    token: i64,
    from: Instant,
    until: Instant,
    /// Numbers of its answered writes.
    written: Vec<u64>,
    /// The leader was killed meanwhile, and it wrote after that.
    outlived_a_kill: bool,
}

/// What clients and the one who kills share.
#[derive(Default)]
struct Ring {
    stop: watch::Sender<bool>,
    kills: AtomicU64,
    /// Token of a holder that goes on until the leader was killed; 0 for none.
    waits_for_kill: AtomicU64,
    /// Highest token that wrote.
    newest: AtomicU64,
    /// Who ignores its lease has seen another write.
    is_found_out: AtomicBool,
    violations: Mutex<Vec<String>>,
}

impl Ring {
    fn has_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    fn violated(&self, what: String) {
        self.violations.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }
}

/// A lease that is kept alive, and until when it is sure to live.
struct Session {
    lease: i64,
    good_until: Arc<Mutex<Instant>>,
    renewals: Option<AbortHandle>,
}

impl Session {
    async fn begin(channels: &[Channel], first: usize, renewed: bool) -> anyhow::Result<Self> {
        let sent = Instant::now();
        let channel = channels.get(first).context("a member")?.clone();
        let request = LeaseGrantRequest { id: 0, ttl: TTL };
        let answer = timeout(CALL, LeaseClient::new(channel).lease_grant(request)).await??;
        let (lease, ttl) = (answer.get_ref().id, answer.get_ref().ttl);
        let good_until = Arc::new(Mutex::new(sent + Duration::from_secs(ttl.try_into()?)));
        let renewals = renewed.then(|| {
            let task = renew(channels.to_vec(), first, lease, Arc::clone(&good_until));
            tokio::spawn(task).abort_handle()
        });
        Ok(Self { lease, good_until, renewals })
    }

    fn good_until(&self) -> Instant {
        *self.good_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_good(&self) -> bool {
        Instant::now() < self.good_until()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.renewals.iter().for_each(AbortHandle::abort);
    }
}

/// Renews a lease through whoever answers.
async fn renew(
    channels: Vec<Channel>,
    first: usize,
    id: i64,
    good_until: Arc<Mutex<Instant>>,
) -> anyhow::Result<()> {
    for channel in channels.iter().cycle().skip(first) {
        let mut client = LeaseClient::new(channel.clone());
        loop {
            let sent = Instant::now();
            let renewed = timeout(CALL, async {
                let requests = futures::stream::iter([LeaseKeepAliveRequest { id }]);
                let mut answers = client.lease_keep_alive(requests).await?.into_inner();
                anyhow::Ok(answers.message().await?.context("an answer")?.ttl)
            });
            match renewed.await {
                Ok(Ok(ttl)) if ttl > 0 => {
                    let until = sent + Duration::from_secs(ttl.try_into()?);
                    *good_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
                    sleep(RENEWAL).await;
                }
                // It is over.
                Ok(Ok(_)) => return Ok(()),
                _ => break,
            }
        }
        back_off().await;
    }
    bail!("no member")
}

/// How a client sees its lease.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// It believes in its lock for as long as its lease is sure to live.
    Careful,
    /// It renews nothing and believes until somebody else has written: the planted fault.
    Blind,
}

struct Client {
    number: usize,
    manner: Manner,
    channels: Vec<Channel>,
    rng: StdRng,
    ring: Arc<Ring>,
    holdings: Vec<Holding>,
}

impl Client {
    fn any(&mut self) -> usize {
        self.rng.random_range(0..self.channels.len())
    }

    fn channel(&mut self) -> anyhow::Result<Channel> {
        let any = self.any();
        Ok(self.channels.get(any).context("a member")?.clone())
    }

    async fn run(mut self) -> Vec<Holding> {
        while !self.ring.has_stopped() {
            if self.round().await.is_err() {
                back_off().await;
            }
        }
        self.holdings
    }

    /// One lease, and the lock once. A lease whose call for the lock failed is not used again: a member that lost
    /// its client takes the key back whenever it notices.
    async fn round(&mut self) -> anyhow::Result<()> {
        let first = self.any();
        let session = Session::begin(&self.channels, first, self.manner == Manner::Careful).await?;
        let request = LockRequest { name: LOCK.into(), lease: session.lease };
        let mut locks = LockClient::new(self.channel()?);
        let key = tokio::select! {
            answer = locks.lock(request) => answer?.into_inner().key,
            () = over(&session, &self.ring) => bail!("the lease ended in the queue"),
        };
        let from = Instant::now();
        let get = RangeRequest { key: key.clone(), ..RangeRequest::default() };
        let found = timeout(CALL, KvClient::new(self.channel()?).range(get)).await??.into_inner();
        let token = found.kvs.first().context("its lease ended")?.create_revision;
        if !session.is_good() {
            bail!("its lease may have ended");
        }
        let mut holding = Holding {
            client: self.number,
            token,
            from,
            until: from,
            written: Vec::new(),
            outlived_a_kill: false,
        };
        self.hold(&session, &key, &mut holding).await;
        // Who is careful stops to believe no later than now.
        let until = session.good_until().min(Instant::now());
        holding.until = if self.manner == Manner::Careful { until } else { Instant::now() };
        self.holdings.push(holding);
        // Some walk away: their lease must give the lock to the next one.
        if self.rng.random_bool(0.8) {
            let unlock = UnlockRequest { key };
            timeout(CALL, LockClient::new(self.channel()?).unlock(unlock)).await??;
            let revoke = LeaseRevokeRequest { id: session.lease };
            timeout(CALL, LeaseClient::new(self.channel()?).lease_revoke(revoke)).await??;
        }
        Ok(())
    }

    /// Writes for as long as it believes: a few times, or until the leader was killed and then a few times.
    async fn hold(&mut self, session: &Session, key: &[u8], holding: &mut Holding) {
        let ring = Arc::clone(&self.ring);
        let waits_for_kill = self.manner == Manner::Careful && self.rng.random_bool(0.5);
        let kills = || ring.kills.load(Ordering::Relaxed);
        let token = holding.token.unsigned_abs();
        let (begun, mut after_kill) = (kills(), 0);
        for number in 0.. {
            let believes = match self.manner {
                Manner::Careful => session.is_good(),
                Manner::Blind => ring.newest.load(Ordering::Relaxed) <= token,
            };
            if !believes || ring.has_stopped() {
                break;
            }
            let was_killed = kills() > begun;
            match self.write(key, holding, number).await {
                Ok(true) => {
                    holding.written.push(number);
                    ring.newest.fetch_max(token, Ordering::Relaxed);
                    after_kill += u64::from(was_killed);
                }
                Ok(false) if self.manner == Manner::Blind => back_off().await,
                Ok(false) => {
                    if session.is_good() {
                        let who = (holding.client, holding.token);
                        ring.violated(format!("the key of {who:?} went before its lease"));
                    }
                    break;
                }
                Err(_) => {
                    back_off().await;
                    continue;
                }
            }
            if waits_for_kill && !was_killed {
                ring.waits_for_kill.store(token, Ordering::Relaxed);
            }
            let enough = if waits_for_kill { after_kill } else { number + 1 };
            if enough >= WRITES && self.manner == Manner::Careful {
                break;
            }
        }
        let _ =
            ring.waits_for_kill.compare_exchange(token, 0, Ordering::Relaxed, Ordering::Relaxed);
        holding.outlived_a_kill = after_kill > 0;
        if ring.newest.load(Ordering::Relaxed) > token {
            ring.is_found_out.store(true, Ordering::Relaxed);
        }
    }

    /// Writes to the register if its key of the lock is there still, and looks at what was there before.
    async fn write(&mut self, key: &[u8], holding: &Holding, number: u64) -> anyhow::Result<bool> {
        let fence = Compare {
            result: CompareResult::Equal.into(),
            target: CompareTarget::Create.into(),
            key: key.to_vec().into(),
            target_union: Some(TargetUnion::CreateRevision(holding.token)),
            ..Compare::default()
        };
        let value = format!("{} {} {number}", holding.token, holding.client);
        let get = RangeRequest { key: REGISTER.into(), ..RangeRequest::default() };
        let put = PutRequest { key: REGISTER.into(), value: value.into(), ..PutRequest::default() };
        let both = [OpRequest::RequestRange(get), OpRequest::RequestPut(put)];
        let success = both.map(|request| RequestOp { request: Some(request) }).to_vec();
        let txn = TxnRequest { compare: vec![fence], success, failure: Vec::new() };
        let answer = timeout(CALL, KvClient::new(self.channel()?).txn(txn)).await??.into_inner();
        if let Some(OpResponse::ResponseRange(before)) =
            answer.responses.into_iter().next().and_then(|first| first.response)
            && let Some(kv) = before.kvs.first()
            && parse(&kv.value)?.0 > holding.token
        {
            self.ring.violated(format!("{} wrote over {:?}", holding.token, kv.value));
        }
        Ok(answer.succeeded)
    }
}

/// Token, client and number of a value.
fn parse(value: &[u8]) -> anyhow::Result<(i64, usize, u64)> {
    let text = std::str::from_utf8(value)?;
    let mut words = text.split(' ');
    let mut next = || words.next().with_context(|| text.to_owned());
    Ok((next()?.parse()?, next()?.parse()?, next()?.parse()?))
}

/// What a client does after an error: it waits for nothing that is looked at.
async fn back_off() {
    sleep(PAUSE).await;
}

/// Ends when a lease may have ended, or everything does.
async fn over(session: &Session, ring: &Ring) {
    let mut stop = ring.stop.subscribe();
    while session.is_good() {
        tokio::select! {
            () = sleep_until(session.good_until().into()) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

fn start(
    channels: &[Channel],
    manners: &[Manner],
    seed: u64,
) -> (Arc<Ring>, Vec<JoinHandle<Vec<Holding>>>) {
    let ring = Arc::<Ring>::default();
    let client = |(number, manner): (usize, &Manner)| Client {
        number,
        manner: *manner,
        channels: channels.to_vec(),
        rng: StdRng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(number as u64)),
        ring: Arc::clone(&ring),
        holdings: Vec::new(),
    };
    let clients = manners.iter().enumerate().map(client).map(|it| tokio::spawn(it.run())).collect();
    (ring, clients)
}

/// What all believed and wrote, and what of it cannot be.
async fn end(
    ring: &Ring,
    clients: Vec<JoinHandle<Vec<Holding>>>,
    channel: Channel,
) -> anyhow::Result<(Vec<Holding>, Vec<String>)> {
    ring.stop.send_replace(true);
    let mut holdings = Vec::new();
    for client in clients {
        holdings.extend(timeout(DEADLINE, client).await??);
    }
    holdings.sort_by_key(|holding| holding.from);
    let mut violations =
        std::mem::take(&mut *ring.violations.lock().unwrap_or_else(PoisonError::into_inner));
    let mut latest: Option<&Holding> = None;
    for holding in &holdings {
        if let Some(other) = latest.filter(|other| other.until > holding.from) {
            violations.push(format!("two hold the lock: {other:?} and {holding:?}"));
        }
        latest = latest.filter(|other| other.until > holding.until).or(Some(holding));
    }
    let register = history(channel).await?;
    for pair in register.windows(2) {
        if let [one, other] = pair
            && (one.0 > other.0 || one == other)
        {
            violations.push(format!("the register has {other:?} after {one:?}"));
        }
    }
    let mut wrote = BTreeMap::<_, u32>::new();
    for write in &register {
        *wrote.entry(*write).or_default() += 1;
    }
    for holding in &holdings {
        for number in &holding.written {
            let times = wrote.get(&(holding.token, holding.client, *number));
            if times != Some(&1) {
                violations.push(format!("write {number} of {holding:?} is there {times:?} times"));
            }
        }
    }
    Ok((holdings, violations))
}

/// All writes to the register, in order.
async fn history(channel: Channel) -> anyhow::Result<Vec<(i64, usize, u64)>> {
    let get = RangeRequest { key: REGISTER.into(), ..RangeRequest::default() };
    let found = KvClient::new(channel.clone()).range(get).await?.into_inner();
    let last = found.kvs.first().context("nobody wrote")?.mod_revision;
    let create = WatchCreateRequest {
        key: REGISTER.into(),
        start_revision: 1,
        ..WatchCreateRequest::default()
    };
    let request = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
    let requests =
        futures::StreamExt::chain(futures::stream::iter([request]), futures::stream::pending());
    let mut watch = WatchClient::new(channel).watch(requests).await?.into_inner();
    let (mut writes, mut seen) = (Vec::new(), 0);
    while seen < last {
        let response = timeout(DEADLINE, watch.message()).await??.context("the watch ended")?;
        for kv in response.events.into_iter().filter_map(|event| event.kv) {
            writes.push(parse(&kv.value)?);
            seen = kv.mod_revision;
        }
    }
    Ok(writes)
}

/// Answers what was seen.
async fn fight(flavor: Flavor, kills: u64) -> anyhow::Result<String> {
    let seed = setting("TEST_LOCK_SEED", 1);
    let mut cluster = Cluster::start(flavor, 3).await?;
    let channels = (0..3).map(|index| cluster.channel(index)).collect::<Result<Vec<_>, _>>()?;
    let (ring, clients) = start(&channels, &[Manner::Careful; 6], seed);
    for kill in 1..=kills {
        // A holder that has written waits for it.
        eventually("a holder", DEADLINE, || async {
            ensure!(ring.waits_for_kill.load(Ordering::Relaxed) > 0, "nobody holds the lock");
            Ok(())
        })
        .await?;
        let leader = cluster.leader().await?;
        cluster.kill(leader)?;
        ring.waits_for_kill.store(0, Ordering::Relaxed);
        ring.kills.store(kill, Ordering::Relaxed);
        cluster.restart(leader)?;
    }
    cluster.wait_ready().await?;
    let (holdings, violations) = end(&ring, clients, cluster.channel(0)?).await?;
    let through = holdings.iter().filter(|holding| holding.outlived_a_kill).count();
    let writes: usize = holdings.iter().map(|holding| holding.written.len()).sum();
    let held = holdings.len();
    assert!(violations.is_empty(), "seed {seed}: {}", violations.join("\n"));
    // A busy machine is without a leader for longer than some leases live; then nothing is shown.
    assert!(through as u64 * 4 >= kills, "too few held the lock through a kill: {through}");
    Ok(format!(
        "seed {seed}: {kills} kills, {held} times held, {through} of them through a kill, {writes} writes"
    ))
}

/// Goal: nobody has a lock that another has, whichever leader dies while it is held, and no lease ends early.
#[tokio::test]
async fn no_two_hold_a_lock_while_leaders_are_killed() -> anyhow::Result<()> {
    println!("{}", fight(Flavor::Mini, setting("TEST_LOCK_KILLS", 4)).await?);
    Ok(())
}

#[cfg(feature = "oracle")]
#[tokio::test]
async fn no_two_hold_a_lock_of_etcds_while_leaders_are_killed() -> anyhow::Result<()> {
    println!("{}", fight(Flavor::Etcd, 2).await?);
    Ok(())
}

/// Goal: the proof can fail, and the register's fence is what then protects it. Method: one of three ignores its lease, and
/// tries to write for as long as nobody else did.
#[tokio::test]
async fn a_client_that_ignores_its_lease_is_found_out_and_kept_from_the_register()
-> anyhow::Result<()> {
    let cluster = Cluster::start(Flavor::Mini, 1).await?;
    let manners = [Manner::Blind, Manner::Careful, Manner::Careful];
    let (ring, clients) = start(&[cluster.channel(0)?], &manners, 1);
    eventually("somebody else writes meanwhile", DEADLINE, || async {
        ensure!(ring.is_found_out.load(Ordering::Relaxed), "nobody does");
        Ok(())
    })
    .await?;
    let (_, violations) = end(&ring, clients, cluster.channel(0)?).await?;
    assert!(!violations.is_empty(), "the fault was not seen");
    for violation in violations {
        assert!(violation.starts_with("two hold the lock"), "{violation}");
    }
    Ok(())
}
