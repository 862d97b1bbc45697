//! [`Proposer`]: the handle by which services write and read; cheap to clone.
//!
//! Writes and reads go into the inbox of the Raft thread under a number; their tasks wait on a oneshot in the table
//! of waiters, which one task completes in batches ([`Proposer::complete`]). The deadlines are the driver's: every
//! number that went in comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use mini_etcd_proto::internalpb::{Asker, Command, ConfChange, Entry, EntryKind, command};
use mini_etcd_shared::types::{LogIndex, MemberId};
use tokio::sync::{Notify, oneshot, watch};

use super::completions::{Completion, Completions};
use super::inbox::Inbox;
use super::incarnation::Incarnation;
use super::shown::Shown;
use super::waiters::{Waiters, Written};
use crate::apply::{Identity, Published};
use crate::auth::Tokens;
use crate::config::{Serving, Timing};
use crate::error::RequestError;
use crate::limits::LOG_PAGE_BYTES_MAX;
use crate::raft::{Input, RaftStatus, admit_lag};

/// The way from a service to the log and back.
#[derive(Clone)]
pub struct Proposer {
    shared: Arc<ProposerShared>,
    /// Bytes of a command, at the most.
    request_bytes_max: usize,
    /// Longest a request waits for its result.
    patience: Duration,
}

struct ProposerShared {
    identity: Identity,
    incarnation: u64,
    inbox: Arc<Inbox>,
    shown: Arc<Shown>,
    completions: Arc<Completions>,
    thread: usize,
    /// A burst of requests is in the inbox, or begins to be.
    burst: Notify,
    waiters: Waiters,
    next: AtomicU64,
}

/// A piece of the Raft log.
#[derive(Clone, Debug)]
pub struct LogPage {
    pub first: LogIndex,
    pub last: LogIndex,
    /// The entries, by index.
    pub entries: Vec<Entry>,
}

impl Proposer {
    /// The handle of the rpc thread `thread` in this start of the member; each thread takes the numbers that are its
    /// own.
    #[must_use]
    pub fn new(
        identity: Identity,
        inbox: Arc<Inbox>,
        shown: Arc<Shown>,
        (completions, thread): (Arc<Completions>, usize),
        incarnation: Incarnation,
    ) -> Self {
        let Incarnation { number: incarnation, first } = incarnation;
        let own = first.next_multiple_of(completions.threads() as u64) + thread as u64;
        let (burst, waiters, next) = (Notify::new(), Waiters::default(), AtomicU64::new(own));
        let shared = ProposerShared {
            identity,
            incarnation,
            inbox,
            shown,
            completions,
            thread,
            burst,
            waiters,
            next,
        };
        Self {
            shared: Arc::new(shared),
            request_bytes_max: Serving::default().request_bytes_max,
            patience: Timing::default().request_timeout(),
        }
    }

    /// The same handle with other bounds than the defaults.
    #[must_use]
    pub fn bounded_by(self, serving: &Serving, timing: Timing) -> Self {
        let (request_bytes_max, patience) = (serving.request_bytes_max, timing.request_timeout());
        Self { request_bytes_max, patience, ..self }
    }

    /// Replicates what this member asks for itself, which needs no permission.
    ///
    /// # Errors
    /// As [`Proposer::write`].
    pub async fn write_as_member(
        &self,
        request: command::Request,
    ) -> Result<Written, RequestError> {
        self.write(Some(Asker { is_member: true, ..Asker::default() }), request).await
    }

    /// Replicates `request` on behalf of `asker`, and answers once its entry is applied here.
    ///
    /// # Errors
    /// Its result, when that is an error; or why its outcome is not known.
    pub async fn write(
        &self,
        asker: Option<Asker>,
        request: command::Request,
    ) -> Result<Written, RequestError> {
        let (origin, sequence, incarnation) = self.shared.origin();
        // What a member writes by itself has bounds of its own, and no client to be refused.
        let is_own = asker.as_ref().is_some_and(|it| it.is_member);
        let bytes_max =
            if is_own { Serving::default().request_bytes_max } else { self.request_bytes_max };
        let command = Command { origin, sequence, incarnation, request: Some(request), asker };
        self.propose(sequence, EntryKind::Normal, &command, bytes_max).await
    }

    /// Changes who is a member, and answers once that is applied here. One change of all is under way at a time; the leader
    /// decides whether it may be.
    ///
    /// # Errors
    /// The leader's refusal; or why its outcome is not known.
    pub async fn change_members(&self, change: ConfChange) -> Result<Written, RequestError> {
        let (origin, sequence, incarnation) = self.shared.origin();
        let change = ConfChange { origin, sequence, incarnation, ..change };
        self.propose(sequence, EntryKind::ConfChange, &change, self.request_bytes_max).await
    }

    async fn propose(
        &self,
        sequence: u64,
        kind: EntryKind,
        content: &impl prost::Message,
        bytes_max: usize,
    ) -> Result<Written, RequestError> {
        let shared = &*self.shared;
        admit_lag(shared.shown.status.load().commit, self.applied())?;
        if content.encoded_len() > bytes_max {
            return Err(RequestError::RequestTooLarge);
        }
        let data = Bytes::from(content.encode_to_vec());
        let (waiter, result) = oneshot::channel();
        let waits = shared.waiters.write(sequence, waiter)?;
        shared.inbox.propose(Input::Propose { sequence, kind, data })?;
        shared.burst.notify_one();
        let result = result.await.unwrap_or(Err(RequestError::Stopped));
        if result.is_ok() {
            waits.end();
        }
        result
    }

    /// The state at or after everything that was acknowledged before this call.
    ///
    /// # Errors
    /// No read index was to be had in time.
    pub async fn barrier(&self) -> Result<Arc<Published>, RequestError> {
        let shared = &*self.shared;
        // IMPORTANT: where it stands first, then what is applied; the other way round a write between the two is missed.
        let alone = shared.shown.status.load().read_index_alone();
        if let Some(index) = alone {
            let published = self.published();
            if published.applied >= index {
                return Ok(published);
            }
        }
        let id = shared.number();
        let (waiter, result) = oneshot::channel();
        let waits = shared.waiters.read(id, waiter)?;
        shared.inbox.read(id)?;
        shared.burst.notify_one();
        result.await.unwrap_or(Err(RequestError::Stopped))?;
        waits.end();
        Ok(self.published())
    }

    /// The state as this member knows it.
    #[must_use]
    pub fn published(&self) -> Arc<Published> {
        self.shared.shown.published.load_full()
    }

    /// Which token is whose, as this member knows it.
    #[must_use]
    pub fn tokens(&self) -> &Tokens {
        &self.shared.shown.tokens
    }

    /// Where this member stands in Raft.
    #[must_use]
    pub fn status(&self) -> Arc<RaftStatus> {
        self.shared.shown.status.load_full()
    }

    /// Which member of which cluster this is.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.shared.identity
    }

    /// Hands leadership to `to`; answers when it leads.
    ///
    /// # Errors
    /// This member does not lead, `to` cannot, or it took too long.
    pub async fn transfer_leader(&self, to: MemberId) -> Result<(), RequestError> {
        let status = self.status();
        if !status.leads() {
            return Err(RequestError::NotLeader);
        }
        if to == self.identity().member_id {
            return Ok(());
        }
        if !status.voters.contains(&to) {
            return Err(RequestError::BadLeaderTransferee);
        }
        self.move_leader(Some(to), self.patience).await
    }

    /// Hands leadership to `to`, or to whoever is furthest, and waits until somebody else leads.
    pub(crate) async fn move_leader(
        &self,
        to: Option<MemberId>,
        patience: Duration,
    ) -> Result<(), RequestError> {
        let me = self.identity().member_id;
        let mut leader = self.shared.shown.leader.subscribe();
        self.shared.inbox.control(Input::TransferLeader { to });
        let moved =
            leader.wait_for(|leader| to.map_or(*leader != me && leader.0 != 0, |to| *leader == to));
        match tokio::time::timeout(patience, moved).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(RequestError::Stopped),
            Err(_) => Err(RequestError::LeaderTransferTimeout),
        }
    }

    /// Follows who leads; 0 for nobody.
    #[must_use]
    pub fn leader_changes(&self) -> watch::Receiver<MemberId> {
        self.shared.shown.leader.subscribe()
    }

    /// Waits until history up to `revision` is off the disk.
    pub async fn compaction_finished(&self, revision: i64) {
        let mut compacted = self.shared.shown.compacted.subscribe();
        // An error means that the member stops, and then nobody hears the answer.
        let _ = compacted.wait_for(|finished| *finished >= revision).await;
    }

    /// Gives the space back to the file system that removed rows take, and waits for it.
    ///
    /// # Errors
    /// The disk has no room for it.
    pub async fn defragment(&self) -> Result<(), RequestError> {
        self.shared.shown.defragmenter.defragment().await
    }

    /// At most `limit` entries from `first` on; from the first there is when `first` is before it.
    ///
    /// # Errors
    /// The disk refused.
    pub fn log_page(&self, first: LogIndex, limit: usize) -> Result<LogPage, RequestError> {
        let log = self.shared.shown.log.load();
        let low = first.max(log.first());
        let high = LogIndex(low.0.saturating_add(limit as u64).min(log.last().0 + 1));
        let entries = if low < high {
            log.entries(low, high, LOG_PAGE_BYTES_MAX)
                .map_err(|error| RequestError::Storage(error.to_string()))?
        } else {
            Vec::new()
        };
        Ok(LogPage { first: log.first(), last: log.last(), entries })
    }

    /// Waits until nobody waits for a result.
    pub(crate) async fn finished(&self) {
        /// Pause between two looks. This is for the end of a member, which comes once.
        const PAUSE: Duration = Duration::from_millis(2);
        while !self.shared.waiters.is_empty() {
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Wakes the Raft thread once for each burst of requests; runs until it is dropped, on the runtime of the services.
    ///
    /// The runtime polls this task after all that were ready when the first request of a burst woke it, so the burst
    /// is whole by then.
    pub(crate) async fn rouse(self) {
        loop {
            self.shared.burst.notified().await;
            self.shared.inbox.rouse();
        }
    }

    /// Completes waiters as results come in; runs until the member stops, on the runtime of the services.
    pub(crate) async fn complete(self) {
        let shared = &*self.shared;
        loop {
            for completion in shared.completions.take(shared.thread).await {
                let is_last = matches!(completion, Completion::Stopped);
                shared.waiters.complete(completion);
                if is_last {
                    return;
                }
            }
        }
    }

    fn applied(&self) -> LogIndex {
        self.shared.shown.published.load().applied
    }
}

impl ProposerShared {
    /// Member, number and start of a request that begins now.
    fn origin(&self) -> (u64, u64, u64) {
        (self.identity.member_id.0, self.number(), self.incarnation)
    }

    fn number(&self) -> u64 {
        self.next.fetch_add(self.completions.threads() as u64, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use arc_swap::ArcSwap;
    use mini_etcd_proto::etcdserverpb::PutRequest;
    use mini_etcd_proto::internalpb::ConfState;
    use mini_etcd_shared::types::{ClusterId, Term};

    use super::*;
    use crate::apply::{Applier, Birth, EntryResponse, EntryResult};
    use crate::auth::TokenKind;
    use crate::log::{LogStore, MemoryGuard};
    use crate::node::{Defragmenter, Heed};
    use crate::raft::Admission;
    use crate::storage::MemoryEngine;

    const ME: MemberId = MemberId(1);

    struct Rig {
        proposer: Proposer,
        inbox: Arc<Inbox>,
        completions: Arc<Completions>,
    }

    fn rig() -> Rig {
        let identity = Identity { cluster_id: ClusterId(9), member_id: ME };
        let (index, term) = (LogIndex::BIRTH, Term(1));
        let birth = Birth { index, term, conf_state: ConfState::default(), members: Vec::new() };
        let published = Applier::create(MemoryEngine::new(), identity, &birth).unwrap().published();
        let clock = mini_etcd_shared::clock::SystemClock::new();
        let (engine, guard) = (MemoryEngine::new(), MemoryGuard::default());
        let (_, log) = LogStore::create(engine, guard, clock.clone(), (index, term)).unwrap();
        let shown = Arc::new(Shown {
            members: watch::Sender::new(Arc::clone(&published.members)),
            published: ArcSwap::new(published),
            status: ArcSwap::default(),
            log: ArcSwap::from_pointee(log.reader),
            leader: watch::Sender::new(MemberId(0)),
            compacted: watch::Sender::new(-1),
            defragmenter: Defragmenter::default(),
            tokens: Tokens::new(TokenKind::Simple(Duration::ZERO), clock),
        });
        let (inbox, completions) = (Arc::<Inbox>::default(), Arc::new(Completions::new(1)));
        let returns = (completions.clone(), 0);
        let proposer =
            Proposer::new(identity, inbox.clone(), shown, returns, Incarnation::new(5 << 41));
        Rig { proposer, inbox, completions }
    }

    fn put(bytes: usize) -> command::Request {
        command::Request::Put(PutRequest { value: vec![0; bytes].into(), ..PutRequest::default() })
    }

    impl Rig {
        /// Numbers of what waits in the inbox, in order.
        fn taken(&self) -> Vec<u64> {
            let mut inputs = Vec::new();
            let _ = self.inbox.take(Duration::ZERO, Heed::ALL, Admission::default(), &mut inputs);
            let number = |input: &Input| match input {
                Input::Propose { sequence, .. } => *sequence,
                Input::Read { id } => *id,
                _ => 0,
            };
            inputs.iter().map(number).collect()
        }

        fn waiting(&self) -> (usize, usize) {
            self.proposer.shared.waiters.counts()
        }
    }

    fn result(sequence: u64, outcome: Result<EntryResponse, RequestError>) -> EntryResult {
        EntryResult {
            index: LogIndex(7),
            term: Term(2),
            origin: ME,
            incarnation: 5 << 41,
            sequence,
            outcome,
        }
    }

    /// Polls once.
    fn begin<T>(task: std::pin::Pin<&mut impl Future<Output = T>>) -> Option<T> {
        match task.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn everybody_gets_the_result_of_their_own_number() {
        let rig = rig();
        let completer = tokio::spawn(rig.proposer.clone().complete());
        let mut first = pin!(rig.proposer.write(None, put(1)));
        let mut second = pin!(rig.proposer.write(None, put(1)));
        let mut read = pin!(rig.proposer.barrier());
        assert!(begin(first.as_mut()).is_none() && begin(second.as_mut()).is_none());
        assert!(begin(read.as_mut()).is_none());
        let numbers = rig.taken();
        assert_eq!(numbers, [5 << 40, (5 << 40) + 1, (5 << 40) + 2]);
        let answer = EntryResponse::Published;
        rig.completions.push(Completion::Applied(vec![
            result(numbers[1], Err(RequestError::KeyNotFound)),
            result(numbers[0], Ok(answer.clone())),
            result(77, Ok(answer.clone())),
        ]));
        rig.completions.push(Completion::ReadsReady(vec![numbers[2]]));
        assert_eq!(second.await.unwrap_err(), RequestError::KeyNotFound);
        let written = first.await.unwrap();
        assert_eq!(written.index, LogIndex(7));
        assert_eq!(read.await.unwrap().applied, LogIndex::BIRTH);
        rig.completions.push(Completion::Stopped);
        completer.await.unwrap();
        assert_eq!(rig.waiting(), (0, 0));
        assert_eq!(rig.proposer.write(None, put(1)).await.unwrap_err(), RequestError::Stopped);
    }

    #[tokio::test]
    async fn a_sole_voter_reads_at_once_unless_it_has_to_apply_more() {
        let rig = rig();
        let stands = |commit| RaftStatus {
            role: crate::raft::Role::Leader,
            commit,
            committed_in_term: true,
            voters: vec![ME],
            ..RaftStatus::default()
        };
        rig.proposer.shared.shown.status.store(Arc::new(stands(LogIndex::BIRTH)));
        let mut read = pin!(rig.proposer.barrier());
        let published = begin(read.as_mut()).expect("no round").unwrap();
        assert_eq!(published.applied, LogIndex::BIRTH);
        rig.proposer.shared.shown.status.store(Arc::new(stands(LogIndex(LogIndex::BIRTH.0 + 1))));
        let mut read = pin!(rig.proposer.barrier());
        assert!(begin(read.as_mut()).is_none());
        assert_eq!(rig.waiting(), (0, 1));
    }

    #[tokio::test]
    async fn who_goes_away_or_is_refused_leaves_no_waiter() {
        let rig = rig();
        {
            let mut gone = pin!(rig.proposer.write(None, put(1)));
            let mut read = pin!(rig.proposer.barrier());
            assert!(begin(gone.as_mut()).is_none() && begin(read.as_mut()).is_none());
            assert_eq!(rig.waiting(), (1, 1));
        }
        assert_eq!(rig.waiting(), (0, 0));
        let refused =
            rig.proposer.write(None, put(Serving::default().request_bytes_max)).await.unwrap_err();
        assert_eq!(refused, RequestError::RequestTooLarge);
        rig.inbox.stop();
        assert_eq!(rig.proposer.write(None, put(1)).await.unwrap_err(), RequestError::Stopped);
        assert_eq!(rig.waiting(), (0, 0));
    }

    #[tokio::test]
    async fn what_a_member_writes_itself_is_not_held_to_the_bound_of_its_clients() {
        let rig = rig();
        let serving = Serving { request_bytes_max: 1, ..Serving::default() };
        let proposer = rig.proposer.clone().bounded_by(&serving, Timing::default());
        let refused = proposer.write(None, put(1)).await.unwrap_err();
        assert_eq!(refused, RequestError::RequestTooLarge);
        let mut own = pin!(proposer.write_as_member(put(1)));
        assert!(begin(own.as_mut()).is_none());
        assert_eq!(rig.waiting(), (1, 0));
    }
}
