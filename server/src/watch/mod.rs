//! Ordered fan-out of applied events.
//!
//! ```text
//! apply ─▶ publish ─▶ inbox ─▶ Core ─▶ queue of each stream ─▶ api::watch ─▶ client
//!          (apply thread)  │    ▲  │                  (the runtime of client RPC)
//!                          │    │  └─ Pass ─▶ View::history ─┐ (a blocking thread)
//!                          │    └──────────── Passed ────────┘
//! ```
//!
//! **Where the work is done.** [`Hub::publish`] costs the apply thread one lock and one push, however many watches
//! there are. Matching runs on the first of the threads that serve clients, so that a queue that is full is known at
//! once; a turn that concerns many watches goes out in pieces, between which that thread and the lock of all watches
//! are free for others. Each thread wakes the streams of its own connections, a few at a time. Readings of history run
//! on a blocking thread, one at a time, shared by all watches that need about the same part. The decisions are all in
//! [`Core`], which knows neither threads nor time; [`Hub`] is its shell.
//!
//! **How a watch moves.** *Live*: it is in the index and gets each apply turn as it comes, in one response with
//! whole revisions. Watches with the same range and options share one encoded body. *Lagging*: its start lies in
//! the past, or its stream's queue was full when an event came for it. It leaves the index and reads on from the
//! revision it is missing: from [`limits`](crate::limits) worth of recent turns in memory, or else from the store,
//! as its client takes what is queued. The step back to live is only made inside the core, where memory joins
//! the last reading of history to the next turn without a gap; a busy store cannot keep a watch from it.
//! *Over*: it lags and a compaction passed it.
//!
//! Invariants:
//! - I1. Turns come in order; a revision is fanned out once.
//! - I2. What is queued for a watch ascends by (revision, sub), without repetition and without a gap.
//! - I3. A response holds whole revisions, unless its watch asked for fragments; these are queued in one go.
//! - I4. A lagging watch is in exactly one of: ready, old, its stream's stalled ones, the pass under way.
//! - I5. Progress is only said of live watches, at the core's revision, behind all events of the same queue.
//! - I6. What a stream holds, in its queue and its connection, is bounded by count and by its share of one budget for
//!   all. Over that, one response is queued for a consumer that asks for it, and none behind one that it has not handed
//!   on to the last piece. What it has handed on counts until the connection is done with it, or the consumer asks in vain.
//! - I7. A stream whose queue is not empty has been woken, or stands in its thread's row of those to be, whatever else
//!   became of the turn that filled it.
//! - I8. A watch is only parked on a stream whose consumer is to ask again, because its queue is not empty or it was woken
//!   since it last asked in vain: asking is what moves the watch on.
//! - I9. A watch whose user may not read its keys any more gets nothing from then on, also of what was queued.
//!
//! It refuses to slow down apply or a neighbour for a slow client, and to drop events instead.
//! Tested by `testscripts/` (each row of etcd's watch rules), by a comparison with a naive fan-out (`tests/model.rs`)
//! and through gRPC in `api::watch`.

mod catch_up;
mod core;
mod frame;
mod groups;
mod held;
mod hub;
mod inbox;
mod index;
mod live;
mod progress;
mod recent;
mod response;
mod spec;
mod stream;
mod wakes;

pub use self::catch_up::{At, Pass, Passed};
pub use self::core::{Core, Popped, WatchCounts};
pub use self::hub::{Hub, WatchStream};
pub use self::response::{Kind, Response};
pub use self::spec::WatchRefusal;
pub use self::stream::StreamId;

#[cfg(test)]
mod tests;
