//! [`Load`]: many clients that put keys, each one after another, when it is their turn.

use std::cell::RefCell;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use mini_etcd_proto::etcdserverpb::PutRequest;
use mini_etcd_shared::client::Client;
use mini_etcd_shared::command::{Check, CheckLoad};
use mini_etcd_shared::failure::{Failure, done};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use super::figures::Figures;
use super::pace::Pace;
use super::progress::Progress;
use crate::ctl::session::Stop;

/// How long puts are made at a pace.
const RUN: Duration = Duration::from_secs(60);
/// Pause of whoever gives turns at a pace.
const TICK: Duration = Duration::from_millis(1);
/// Pause between two looks at how far the puts are.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How much is written.
pub(super) struct Size {
    /// Clients at the same time, each with connections of its own and one put under way.
    pub clients: usize,
    /// Puts a second, in a check of speed.
    pub per_second: u32,
    /// Keys in all, in a check of memory.
    pub keys: usize,
}

impl Size {
    /// etcdctl's sizes.
    pub fn of(load: CheckLoad) -> Self {
        let (clients, per_second, keys) = match load {
            CheckLoad::Small => (50, 150, 10_000),
            CheckLoad::Medium => (200, 1000, 100_000),
            CheckLoad::Large => (500, 8000, 1_000_000),
            CheckLoad::ExtraLarge => (1000, 15_000, 3_000_000),
        };
        Self { clients, per_second, keys }
    }
}

/// See the module.
pub(super) struct Load {
    clients: Vec<Client>,
    prefix: Bytes,
    /// Bytes of a key behind the prefix.
    key_bytes: usize,
    value: Bytes,
    /// Puts whose turn has come.
    turns: Semaphore,
    figures: RefCell<Figures>,
}

impl Load {
    /// Clients that share a login and nothing else; nothing is sent yet.
    pub fn new(
        client: &Client,
        check: &Check,
        size: &Size,
        (key_bytes, value_bytes): (usize, usize),
    ) -> Result<Self, Failure> {
        let clients = (0..size.clients).map(|_| client.with_config(client.config().clone()));
        Ok(Self {
            clients: clients.collect::<Result<_, _>>()?,
            prefix: check.prefix.clone(),
            key_bytes,
            value: vec![0; value_bytes].into(),
            turns: Semaphore::new(0),
            figures: RefCell::default(),
        })
    }

    /// Dials, so that what a connection takes is not counted. Who does not come about now may do so later.
    pub async fn connect(&self) {
        let all = join_all(self.clients.iter().map(|client| client.until_ready(1)));
        let within = self.clients.first().map_or(Duration::ZERO, |one| one.config().dial_timeout);
        let _ = timeout(within, all).await;
    }

    /// Puts keys for as long as turns are given, and then waits for those under way; answers whether nobody asked to stop
    /// before.
    pub async fn run(&self, giving: impl Future<Output = ()>, stop: &mut Stop) -> bool {
        let given = async {
            let is_whole = tokio::select! {
                () = giving => true,
                () = stop.asked() => false,
            };
            self.turns.close();
            is_whole
        };
        let work = join_all(self.clients.iter().map(|client| self.work(client)));
        let (is_whole, _) = futures::join!(given, work);
        is_whole
    }

    async fn work(&self, client: &Client) {
        while let Ok(turn) = self.turns.acquire().await {
            turn.forget();
            let key = key(&self.prefix, self.key_bytes);
            let put = PutRequest { key, value: self.value.clone(), ..PutRequest::default() };
            let begun = Instant::now();
            let answer = done(client.put(put).await);
            let took = begun.elapsed();
            let mut figures = self.figures.borrow_mut();
            match answer {
                Ok(_) => figures.answer(took),
                Err(failure) => figures.failure(failure.text),
            }
        }
    }

    /// Gives turns, so many a second, for a minute. No more wait than there are clients.
    pub async fn paced(&self, per_second: u32) {
        let mut pace = Pace::new(per_second);
        let mut progress = Progress::new();
        let begun = Instant::now();
        let mut last = begun;
        loop {
            sleep(TICK).await;
            let now = Instant::now();
            let since = now - begun;
            if since >= RUN {
                return;
            }
            let room = self.clients.len().saturating_sub(self.turns.available_permits());
            self.turns.add_permits(pace.after(now - last, room));
            last = now;
            progress.show(|| format!("{} / {} s", since.as_secs(), RUN.as_secs()));
        }
    }

    /// Gives so many turns, and waits until all are taken.
    pub async fn counted(&self, keys: usize) {
        let mut progress = Progress::new();
        self.turns.add_permits(keys);
        loop {
            let left = self.turns.available_permits();
            if left == 0 {
                return;
            }
            progress.show(|| format!("{} / {keys} keys", keys - left));
            sleep(LOOK_EVERY).await;
        }
    }

    /// What became of the puts.
    pub fn into_figures(self) -> Figures {
        self.figures.into_inner()
    }
}

/// A key that nobody has: the prefix, a random number, and zeros.
fn key(prefix: &[u8], bytes: usize) -> Bytes {
    let number: u64 = rand::random();
    let mut key = [prefix, &number.to_be_bytes()].concat();
    key.resize(prefix.len() + bytes, 0);
    key.into()
}
