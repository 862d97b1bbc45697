//! [`Outbox`]: messages that wait for the connection to one peer.

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use mini_etcd_proto::peerpb::{Batch, Message};
use mini_etcd_shared::types::MemberId;
use tokio::sync::Notify;

use crate::limits::{PEER_SEND_BATCH_BYTES, PEER_SEND_QUEUE_BYTES_MAX, PEER_SEND_QUEUE_MAX};
use crate::metrics::PeerMetrics;
use crate::node::Inbox;
use crate::node::inbox::weight;
use crate::raft::{Input, Outbound};

/// Where messages for peers go in. Never blocks.
#[derive(Clone)]
pub(crate) struct Outgoing {
    outboxes: Arc<ArcSwap<Outboxes>>,
    inbox: Arc<Inbox>,
}

/// The outbox of each peer.
pub(super) type Outboxes = BTreeMap<MemberId, Arc<Outbox>>;

impl Outgoing {
    /// For the peers that `outboxes` has at the time.
    pub(super) fn new(outboxes: Arc<ArcSwap<Outboxes>>, inbox: Arc<Inbox>) -> Self {
        Self { outboxes, inbox }
    }

    /// Whether messages for `peer` are kept.
    #[cfg(test)]
    pub fn is_open(&self, peer: MemberId) -> bool {
        self.outboxes.load().get(&peer).is_some_and(|outbox| outbox.lock().connection.is_some())
    }

    /// Sends messages, those for one peer in order.
    pub fn send(&self, messages: Vec<Outbound>) {
        if messages.is_empty() {
            return;
        }
        let mut by_peer: BTreeMap<MemberId, Vec<Message>> = BTreeMap::new();
        for Outbound { to, body } in messages {
            by_peer.entry(to).or_default().push(Message { body: Some(body) });
        }
        let outboxes = self.outboxes.load();
        for (to, messages) in by_peer {
            let Some(outbox) = outboxes.get(&to) else { continue };
            if outbox.push(messages) == Pushed::FirstDropped {
                self.inbox.control(Input::PeerUnreachable { id: to });
            }
        }
    }
}

/// A connection that takes messages from an outbox, until this is dropped.
pub(super) struct OpenOutbox {
    outbox: Arc<Outbox>,
    /// Its number.
    pub connection: u64,
}

impl OpenOutbox {
    /// Begins a connection.
    pub fn new(outbox: &Arc<Outbox>) -> Self {
        Self { outbox: outbox.clone(), connection: outbox.open() }
    }
}

impl Drop for OpenOutbox {
    fn drop(&mut self) {
        self.outbox.close(self.connection);
    }
}

/// Messages for one peer, in order.
pub(super) struct Outbox {
    state: Mutex<State>,
    wake: Notify,
    pub metrics: PeerMetrics,
}

#[derive(Default)]
struct State {
    /// Number of the connection that takes messages; what is pushed while there is none is dropped.
    connection: Option<u64>,
    connections: u64,
    waiting: VecDeque<Message>,
    bytes: usize,
    /// Messages were dropped since the queue was last empty.
    dropping: bool,
}

/// What became of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// They wait, or were dropped like others before.
    Quietly,
    /// Some were dropped, as the first ones of a full queue.
    FirstDropped,
}

impl Outbox {
    pub fn new(metrics: PeerMetrics) -> Self {
        Self { state: Mutex::default(), wake: Notify::new(), metrics }
    }

    pub fn push(&self, messages: Vec<Message>) -> Pushed {
        let mut state = self.lock();
        if state.connection.is_none() {
            self.metrics.send_failures.inc_by(messages.len() as u64);
            return Pushed::Quietly;
        }
        let was_empty = state.waiting.is_empty();
        let mut pushed = Pushed::Quietly;
        for message in messages {
            let bytes = bytes_of(&message);
            let full = state.waiting.len() >= PEER_SEND_QUEUE_MAX
                || state.bytes + bytes > PEER_SEND_QUEUE_BYTES_MAX;
            if full {
                self.metrics.send_failures.inc();
                if !mem::replace(&mut state.dropping, true) {
                    pushed = Pushed::FirstDropped;
                }
                continue;
            }
            state.bytes += bytes;
            state.waiting.push_back(message);
        }
        drop(state);
        if was_empty {
            self.wake.notify_one();
        }
        pushed
    }

    /// Begins a connection: from now on messages are kept, for it alone. Returns its number.
    fn open(&self) -> u64 {
        let mut state = self.lock();
        state.connections += 1;
        state.connection = Some(state.connections);
        state.clear();
        state.connections
    }

    /// Ends the connection with this number and drops what waited for it.
    fn close(&self, connection: u64) {
        let mut state = self.lock();
        if state.connection == Some(connection) {
            state.connection = None;
            state.clear();
        }
        drop(state);
        self.wake.notify_one();
    }

    /// The next messages of a connection, as one frame; none once the connection is over.
    pub async fn next(&self, connection: u64) -> Option<Batch> {
        loop {
            {
                let mut state = self.lock();
                if state.connection != Some(connection) {
                    return None;
                }
                if !state.waiting.is_empty() {
                    return Some(state.batch());
                }
            }
            self.wake.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn clear(&mut self) {
        self.waiting.clear();
        self.bytes = 0;
        self.dropping = false;
    }

    fn batch(&mut self) -> Batch {
        let mut messages = Vec::new();
        let mut bytes = 0;
        while let Some(message) = self.waiting.front() {
            bytes += bytes_of(message);
            if !messages.is_empty() && bytes > PEER_SEND_BATCH_BYTES {
                break;
            }
            messages.extend(self.waiting.pop_front());
        }
        self.bytes -= messages.iter().map(bytes_of).sum::<usize>();
        self.dropping &= !self.waiting.is_empty();
        Batch { hello: None, messages }
    }
}

fn bytes_of(message: &Message) -> usize {
    message.body.as_ref().map_or(0, weight)
}

#[cfg(test)]
mod tests {
    use mini_etcd_proto::peerpb::ReadBarrier;
    use mini_etcd_proto::peerpb::message::Body;

    use super::*;
    use crate::metrics::Metrics;

    fn messages(rounds: std::ops::Range<u64>) -> Vec<Message> {
        let message = |round| Message { body: Some(Body::ReadBarrier(ReadBarrier { round })) };
        rounds.map(message).collect()
    }

    fn outbox() -> Outbox {
        Outbox::new(Metrics::new().peer(MemberId(1)))
    }

    #[tokio::test]
    async fn what_waited_for_a_broken_connection_is_not_sent_on_the_next() {
        let outbox = outbox();
        outbox.push(messages(0..1));
        let first = outbox.open();
        outbox.push(messages(1..3));
        outbox.close(first);
        outbox.push(messages(3..4));
        let second = outbox.open();
        outbox.push(messages(4..6));
        assert_eq!(outbox.next(first).await, None);
        assert_eq!(outbox.next(second).await.unwrap().messages, messages(4..6));
        assert_eq!(outbox.metrics.send_failures.get(), 2);
    }

    #[tokio::test]
    async fn a_full_queue_drops_and_says_so_once() {
        let outbox = outbox();
        let connection = outbox.open();
        let max = PEER_SEND_QUEUE_MAX as u64;
        assert_eq!(outbox.push(messages(0..max)), Pushed::Quietly);
        assert_eq!(outbox.push(messages(0..2)), Pushed::FirstDropped);
        assert_eq!(outbox.push(messages(0..2)), Pushed::Quietly);
        assert_eq!(outbox.metrics.send_failures.get(), 4);
        assert_eq!(outbox.next(connection).await.unwrap().messages, messages(0..max));
        assert_eq!(outbox.push(messages(0..max + 1)), Pushed::FirstDropped);
    }
}
