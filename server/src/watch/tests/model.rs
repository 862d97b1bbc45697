//! The hub beside a naive fan-out: random watches, transactions, consumers that are slow or never read, values and
//! backlogs of any size, compactions, lost turns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::watch_create_request::FilterType;
use mini_etcd_proto::etcdserverpb::{WatchCreateRequest, WatchResponse};
use mini_etcd_proto::internalpb::Asker;
use mini_etcd_proto::mvccpb;
use mini_etcd_shared::types::KeyRange;
use proptest::prelude::*;
use prost::Message as _;

use super::store::{Change, Store};
use crate::mvcc::{Event, EventKind};
use crate::watch::held::Held;
use crate::watch::{Core, Kind, Pass, Popped, Response};

const KEYS: [&str; 4] = ["a", "b", "ba", "c"];
const RANGES: [(&str, &str); 6] =
    [("a", ""), ("b", ""), ("b", "c"), ("a", "\0"), ("ba", "\0"), ("a", "c")];

#[derive(Clone, Debug)]
enum Step {
    /// A turn of transactions; whether clients read while it is fanned out.
    Apply(Vec<Vec<(usize, bool)>>, bool),
    /// Many turns of one put, with a value of that many bytes.
    Burst(usize, u8, usize),
    /// Applied, never fanned out.
    Lost(usize),
    Create {
        stream: usize,
        range: usize,
        asked: Asked,
    },
    Cancel {
        stream: usize,
        id: i64,
    },
    Read {
        stream: usize,
        count: usize,
    },
    Compact {
        back: i64,
    },
    CatchUp,
    Begin,
    Finish {
        looks: usize,
    },
    Progress {
        stream: usize,
    },
    Tick {
        stream: usize,
    },
}

/// Fields of a request for a watch.
#[derive(Clone, Copy, Debug)]
struct Asked {
    /// Against the present revision.
    start: i64,
    id: i64,
    /// One bit for each option.
    options: u8,
}

fn step() -> impl Strategy<Value = Step> {
    let stream = 0..2usize;
    // -1 would be taken for the progress of the whole stream, here as with etcd.
    let id = prop_oneof![4 => 0..4i64, 1 => Just(-7)];
    let txn = proptest::collection::vec((0..KEYS.len(), any::<bool>()), 1..4);
    prop_oneof![
        6 => (proptest::collection::vec(txn, 1..4), any::<bool>())
            .prop_map(|(txns, read)| Step::Apply(txns, read)),
        2 => (0..KEYS.len(), 60..200u8).prop_map(|(key, count)| Step::Burst(key, count, 1)),
        // Queues that are full by bytes long before they are full by count.
        1 => (0..KEYS.len(), 1..20u8, prop_oneof![Just(20_000), Just(300_000)])
            .prop_map(|(key, count, size)| Step::Burst(key, count, size)),
        1 => (0..KEYS.len()).prop_map(Step::Lost),
        4 => (stream.clone(), 0..RANGES.len(), -100..8i64, id.clone(), any::<u8>()).prop_map(
            |(stream, range, start, id, options)| {
                let asked = Asked { start, id, options };
                Step::Create { stream, range, asked }
            }
        ),
        1 => (stream.clone(), id).prop_map(|(stream, id)| Step::Cancel { stream, id }),
        5 => (stream.clone(), 1..100usize)
            .prop_map(|(stream, count)| Step::Read { stream, count }),
        1 => (0..150i64).prop_map(|back| Step::Compact { back }),
        4 => Just(Step::CatchUp),
        3 => Just(Step::Begin),
        3 => (1..200usize).prop_map(|looks| Step::Finish { looks }),
        2 => stream.clone().prop_map(|stream| Step::Progress { stream }),
        1 => stream.prop_map(|stream| Step::Tick { stream }),
    ]
}

/// One watch as its client sees it.
struct Seen {
    request: WatchCreateRequest,
    /// First revision it must get.
    first: i64,
    created: bool,
    events: Vec<mvccpb::Event>,
    /// Pieces of a response whose last piece has not come.
    pieces: Vec<u8>,
    /// Last revision that was delivered or promised.
    reached: i64,
    header: i64,
    over: Option<Kind>,
}

struct World {
    /// Streams that were woken and did not yet find their queue empty: nobody else reads.
    woken: BTreeSet<u64>,
    /// Bytes of events that each stream's connection has when it asks.
    unsent: Vec<usize>,
    store: Store,
    core: Core,
    reading: Option<(Pass, Store)>,
    streams: Vec<u64>,
    /// By stream and number; the last of a list is the one in use.
    seen: BTreeMap<(usize, i64), Vec<Seen>>,
    /// Creations and refusals that are not answered yet, by stream.
    asked: Vec<Vec<WatchCreateRequest>>,
}

impl World {
    fn new(budget: usize) -> Self {
        let mut core = Core::new(1, -1);
        core.held = Held::new(budget);
        let streams = vec![core.open(false), core.open(false)];
        let (seen, asked) = (BTreeMap::new(), vec![Vec::new(); 2]);
        let woken = BTreeSet::new();
        Self {
            woken,
            unsent: vec![0; 2],
            store: Store::new(),
            core,
            reading: None,
            streams,
            seen,
            asked,
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Apply(txns, read) => {
                let txns = txns.into_iter().map(|txn| {
                    // As etcd's rules have it: a key is changed once, or removed and then written.
                    let mut changes: Vec<Change> = Vec::new();
                    let mut used = BTreeMap::new();
                    for (key, put) in txn {
                        let state: &mut u8 = used.entry(key).or_default();
                        let fits = if put { *state < 2 } else { *state == 0 };
                        if fits {
                            *state = if put { 2 } else { 1 };
                            let key = KEYS[key].to_owned();
                            changes.push(if put {
                                Change::Put(key, "v".to_owned())
                            } else {
                                Change::Delete(key)
                            });
                        }
                    }
                    changes
                });
                self.apply(&txns.collect::<Vec<_>>(), read);
            }
            Step::Burst(key, count, size) => {
                for _ in 0..count {
                    self.apply(&[vec![Change::Put(KEYS[key].to_owned(), "w".repeat(size))]], false);
                }
            }
            Step::Lost(key) => {
                self.store.txn(&[Change::Put(KEYS[key].to_owned(), "l".to_owned())]);
                self.core.skipped(self.store.revision, self.store.compacted);
            }
            Step::Create { stream, range, asked } => self.create(stream, RANGES[range], asked),
            Step::Cancel { stream, id } => self.core.cancel(self.streams[stream], id),
            Step::Read { stream, count } => {
                for _ in 0..count {
                    if !self.read(stream) {
                        break;
                    }
                }
            }
            Step::Compact { back } => {
                self.store.compacted = self.store.compacted.max(self.store.revision - back);
                self.apply(&[], false);
            }
            Step::CatchUp => {
                let store = &self.store;
                self.core.catch_up(&mut |id| Ok(store.version(id)));
            }
            Step::Begin => {
                if let Some(pass) = self.core.next_pass() {
                    self.reading = Some((pass, self.store.clone()));
                }
            }
            Step::Finish { looks } => {
                if let Some((pass, store)) = self.reading.take() {
                    let history = store.history(pass.from(), 40, looks, &|key| pass.wants(key));
                    let passed = pass.finish(history, store.at(), &mut |id| Ok(store.version(id)));
                    self.core.passed(passed);
                }
            }
            Step::Progress { stream } => self.core.progress(self.streams[stream]),
            Step::Tick { stream } => self.core.tick(self.streams[stream]),
        }
        self.core.check();
        self.woken.extend(self.core.take_wakes());
    }

    fn apply(&mut self, txns: &[Vec<Change>], read: bool) {
        let events: Vec<Event> = txns.iter().flat_map(|txn| self.store.txn(txn)).collect();
        let store = &self.store;
        let mut versions = |id| Ok(store.version(id));
        let events = Arc::from(events);
        if !read {
            return self.core.applied(&events, store.revision, store.compacted, &mut versions);
        }
        self.core.begin_turn(&events, store.revision, store.compacted, &mut versions);
        while !self.core.fan_out(&mut 1) {
            self.core.check();
            self.woken.extend(self.core.take_wakes());
            for stream in 0..self.streams.len() {
                self.read(stream);
            }
        }
    }

    fn create(&mut self, stream: usize, (key, end): (&'static str, &'static str), asked: Asked) {
        let Asked { start, id, options } = asked;
        let flag = |bit: u8| options & (1 << bit) != 0;
        let mut filters = Vec::new();
        if flag(0) && flag(1) {
            filters.push(FilterType::Noput.into());
        }
        if flag(0) && flag(2) {
            filters.push(FilterType::Nodelete.into());
        }
        let request = WatchCreateRequest {
            key: Bytes::from_static(key.as_bytes()),
            range_end: Bytes::from_static(end.as_bytes()),
            // A third begins now, the others around the present revision.
            start_revision: if flag(3) && flag(4) {
                0
            } else {
                (self.store.revision + start).max(1)
            },
            progress_notify: flag(5),
            prev_kv: flag(6),
            filters,
            watch_id: id,
            fragment: flag(7),
        };
        self.core.create(self.streams[stream], &request, Ok(Asker::default()));
        let first = match request.start_revision {
            0 => self.store.revision + 1,
            start => start,
        };
        // `first` is remembered in place of the start: the client learns it from "created".
        self.asked[stream].push(WatchCreateRequest { start_revision: first, ..request });
    }

    /// Reads as a client's task does: only when it was woken, until there is nothing.
    fn read(&mut self, stream: usize) -> bool {
        let id = self.streams[stream];
        if !self.woken.contains(&id) {
            return false;
        }
        match self.core.pop(id, self.unsent[stream]) {
            Popped::Response(response) => {
                // Some connections keep the response until the next one, or longer.
                let is_kept = response.revision % 2 == 1;
                self.unsent[stream] = if is_kept { response.event_bytes() } else { 0 };
                self.take(stream, &response);
            }
            Popped::Nothing => {
                self.woken.remove(&id);
                return false;
            }
            Popped::End(error) => panic!("the stream ended: {error}"),
        }
        true
    }

    fn take(&mut self, stream: usize, response: &Response) {
        let key = (stream, response.watch_id);
        if matches!(response.kind, Kind::Created | Kind::Refused(_)) {
            let request = self.asked[stream].remove(0);
            if response.kind == Kind::Created {
                assert!(request.watch_id == 0 || request.watch_id == response.watch_id);
                let seen = Seen {
                    first: request.start_revision,
                    created: true,
                    events: Vec::new(),
                    pieces: Vec::new(),
                    reached: request.start_revision - 1,
                    header: response.revision,
                    over: None,
                    request,
                };
                let all = self.seen.entry(key).or_default();
                let free = all.last().is_none_or(|last| last.over == Some(Kind::Canceled));
                assert!(free, "number {key:?} was given twice");
                all.push(seen);
            } else {
                assert_eq!(response.watch_id, -1);
            }
            return;
        }
        if response.watch_id == -1
            && response.kind == Kind::Progress
            && self.whole(stream, response)
        {
            return;
        }
        let apart = |(at, all): (&(usize, i64), &Vec<Seen>)| {
            at.0 != stream || *at == key || all.iter().all(|seen| seen.pieces.is_empty())
        };
        assert!(self.seen.iter().all(apart), "{response:?} between the pieces of another");
        let seen = self.seen.get_mut(&key).and_then(|all| all.last_mut());
        let seen = seen.unwrap_or_else(|| panic!("{response:?} for a watch never created"));
        assert!(seen.created);
        assert_ne!(seen.over, Some(Kind::Canceled), "{response:?} after the end");
        seen.take(&self.store, response);
    }

    /// Progress of the whole stream: as if each of its watches had got it.
    fn whole(&mut self, stream: usize, response: &Response) -> bool {
        let all = self.seen.iter_mut().filter(|((on, _), _)| *on == stream);
        for (_, seen) in all {
            let seen = seen.last_mut().unwrap();
            if seen.over.is_none() {
                seen.take(&self.store, response);
            }
        }
        true
    }

    /// Lets everything come to rest, with clients that read.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            self.run(Step::CatchUp);
            self.run(Step::Begin);
            self.run(Step::Finish { looks: 1000 });
            let read = (0..2).any(|stream| self.read(stream));
            while (0..2).any(|stream| self.read(stream)) {}
            if !read && !self.core.has_work() {
                return;
            }
        }
        panic!("it does not come to rest");
    }

    fn verdict(&self) {
        for ((stream, id), all) in &self.seen {
            for seen in all {
                let wanted = seen.wanted(&self.store, seen.first);
                assert!(seen.events.len() <= wanted.len());
                if seen.over.is_none() {
                    // Reliable: nothing is missing at the end.
                    assert_eq!(seen.events.len(), wanted.len(), "watch {id} of stream {stream}");
                }
                if let Some(Kind::Compacted(revision)) = seen.over {
                    assert!(revision <= self.store.compacted);
                }
            }
        }
        let counts = self.core.counts();
        assert_eq!((counts.pending_events, counts.slow), (0, 0));
        assert_eq!(self.core.held.bytes(), 0);
    }
}

impl Seen {
    /// What a naive fan-out would have sent from revision `from` on.
    fn wanted<'a>(&self, store: &'a Store, from: i64) -> Vec<&'a Event> {
        let range = KeyRange::new(self.request.key.clone(), self.request.range_end.clone());
        let drops = |kind: FilterType| self.request.filters.contains(&kind.into());
        let events = store.events.iter().filter(|event| event.id.revision.0 >= from);
        let events = events.filter(|event| range.contains(&event.key));
        events
            .filter(|event| match event.kind {
                EventKind::Put => !drops(FilterType::Noput),
                EventKind::Delete => !drops(FilterType::Nodelete),
            })
            .collect()
    }

    fn take(&mut self, store: &Store, response: &Response) {
        match &response.kind {
            Kind::Events { fragment } => {
                assert!(!fragment || self.request.fragment, "pieces that nobody asked for");
                self.pieces.extend(response.event_fields().flatten());
                if *fragment {
                    return;
                }
                self.events(store, response);
            }
            Kind::Progress => {
                // Bookmarkable: everything up to the revision came before.
                let wanted = self.wanted(store, self.first);
                let told = wanted.iter().filter(|event| event.id.revision.0 <= response.revision);
                assert_eq!(self.events.len(), told.count(), "progress {}", response.revision);
                assert!(response.revision >= self.reached);
                assert!(response.revision >= self.header);
                self.reached = response.revision;
            }
            Kind::Compacted(_) => {
                assert_eq!(response.revision, 0);
                assert_eq!(self.over, None);
                self.over = Some(response.kind.clone());
                return;
            }
            Kind::Canceled => self.over = Some(Kind::Canceled),
            Kind::Created | Kind::Refused(_) | Kind::Withdrawn(_) => unreachable!("handled before"),
        }
        assert!(response.revision >= self.header, "the header went back: {response:?}");
        self.header = response.revision;
    }

    fn events(&mut self, store: &Store, response: &Response) {
        let fields = std::mem::take(&mut self.pieces);
        let events = WatchResponse::decode(fields.as_slice()).unwrap().events;
        assert!(!events.is_empty(), "a response without anything");
        assert_eq!(self.over, None);
        let all = self.wanted(store, self.first);
        // Ordered, unique, reliable: exactly the next events of the naive fan-out.
        let wanted = &all[self.events.len()..][..events.len()];
        for (event, wanted) in events.iter().zip(wanted) {
            let kv = event.kv.as_ref().unwrap();
            assert_eq!(kv.encode_to_vec(), wanted.kv.to_vec());
            assert_eq!(event.r#type == 1, wanted.kind == EventKind::Delete);
            let prev = wanted.prev.filter(|_| self.request.prev_kv);
            let prev = prev.and_then(|id| store.version(id));
            let may_miss = kv.mod_revision <= store.compacted;
            assert!(event.prev_kv == prev || (may_miss && event.prev_kv.is_none()));
        }
        // Atomic: neither end of the response is inside a revision.
        let revision = |event: &mvccpb::Event| event.kv.as_ref().unwrap().mod_revision;
        let (first, last) = (revision(&events[0]), revision(&events[events.len() - 1]));
        assert!(first > self.reached, "{first} after {}", self.reached);
        assert!(response.revision >= last);
        let next = all.get(self.events.len() + events.len());
        assert!(next.is_none_or(|next| next.id.revision.0 > last), "revision {last} is split");
        self.reached = last;
        self.events.extend(events);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    /// Goal: ordered, unique, reliable, atomic, bookmarkable, whatever the clients and the store do. Method: the
    /// store's list of events, filtered, is what each watch must have seen, response by response.
    #[test]
    fn the_hub_agrees_with_a_naive_fan_out(
        steps in proptest::collection::vec(step(), 1..80),
        // Plenty, or less than one response.
        budget in prop_oneof![Just(crate::limits::WATCH_BYTES_MAX), Just(0)],
    ) {
        let mut world = World::new(budget);
        for step in steps {
            world.run(step);
        }
        world.settle();
        world.verdict();
    }
}

/// One stream with one watch from the first revision, before `count` puts of `size` bytes. Reads until nothing more
/// comes by itself, as a client does that is only woken.
fn backlog(budget: usize, count: usize, size: usize, fragment: bool, live: bool) {
    let mut world = World::new(budget);
    let puts = |world: &mut World| {
        for _ in 0..count {
            world.apply(&[vec![Change::Put("a".to_owned(), "v".repeat(size))]], false);
        }
    };
    let options = u8::from(fragment) << 7;
    if live {
        world.create(0, ("a", ""), Asked { start: 1, id: 0, options });
        puts(&mut world);
    } else {
        puts(&mut world);
        let start = 2 - world.store.revision;
        world.create(0, ("a", ""), Asked { start, id: 0, options });
    }
    world.woken.extend(world.core.take_wakes());
    world.settle();
    world.verdict();
    assert_eq!(world.seen[&(0, 0)][0].events.len(), count);
}

/// Goal: the size of a backlog decides nothing but the time it takes. Method: from 1 kB to beyond every bound, by few
/// large values and by many small ones.
#[test]
fn a_watch_delivers_a_backlog_of_any_size() {
    for (count, size) in [(1, 1000), (60, 100_000), (5000, 1000), (24, 1 << 20), (100, 1 << 20)] {
        for fragment in [false, true] {
            for live in [false, true] {
                backlog(crate::limits::WATCH_BYTES_MAX, count, size, fragment, live);
            }
        }
    }
}

/// Goal: a stream that is read goes on, however little memory is left. Method: no budget, and connections of which each
/// second one still has its event, larger than what a stream may then hold, when it asks for more.
#[test]
fn a_stream_goes_on_whatever_its_connection_has_yet_to_send() {
    for live in [false, true] {
        backlog(0, 6, 100_000, false, live);
    }
}

/// Goal: the past comes as etcd groups it: in one response where nothing asks for pieces, as etcd's own tests of
/// pieces want it. Method: ten revisions of 1 MiB.
#[test]
fn ten_large_revisions_of_the_past_are_one_response() {
    let mut core = Core::new(1, -1);
    let mut store = Store::new();
    for _ in 0..10 {
        let events: Arc<[Event]> =
            store.txn(&[Change::Put("a".to_owned(), "v".repeat(1 << 20))]).into();
        core.applied(&events, store.revision, -1, &mut |_| Ok(None));
    }
    let stream = core.open(false);
    let key = Bytes::from_static(b"a");
    core.create(
        stream,
        &WatchCreateRequest { key, start_revision: 1, ..Default::default() },
        Ok(Asker::default()),
    );
    core.catch_up(&mut |_| Ok(None));
    let pass = core.next_pass().unwrap();
    let history = store.history(pass.from(), 1000, 1000, &|_| true);
    core.passed(pass.finish(history, store.at(), &mut |_| Ok(None)));
    assert!(matches!(core.pop(stream, 0), Popped::Response(r) if r.kind == Kind::Created));
    assert!(matches!(core.pop(stream, 0), Popped::Response(r) if r.event_count() == 10));
    assert_eq!(core.pop(stream, 0), Popped::Nothing);
}

/// Goal: a turn for many watches is handed out in pieces, and nothing is said of it before all have it. Method: ten
/// watches on a stream each, three at a time.
#[test]
fn a_turn_goes_out_in_pieces_and_the_core_stands_still_until_all_have_it() {
    let (mut core, mut store) = (Core::new(1, -1), Store::new());
    let key = Bytes::from_static(b"a");
    let streams: Vec<_> = (0..10).map(|_| core.open(false)).collect();
    for stream in &streams {
        core.create(
            *stream,
            &WatchCreateRequest { key: key.clone(), ..Default::default() },
            Ok(Asker::default()),
        );
        assert!(matches!(core.pop(*stream, 0), Popped::Response(r) if r.kind == Kind::Created));
        assert_eq!(core.pop(*stream, 0), Popped::Nothing);
    }
    core.take_wakes();
    let events: Arc<[Event]> = store.txn(&[Change::Put("a".to_owned(), "v".to_owned())]).into();
    core.begin_turn(&events, store.revision, -1, &mut |_| Ok(None));
    let mut woken = Vec::new();
    for last in [3, 6, 9, 10] {
        assert_eq!(core.revision(), 1);
        assert_eq!(core.fan_out(&mut 3), last == 10);
        woken.extend(core.take_wakes());
        assert_eq!(woken, streams[..last]);
        assert!(
            matches!(core.pop(streams[last - 1], 0), Popped::Response(r) if r.event_count() == 1)
        );
    }
    assert_eq!(core.revision(), store.revision);
}
