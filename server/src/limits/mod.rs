//! Every bound of the server, by name and unit. What is over a bound is refused with an error that names it.

mod peers;
mod users;

use std::time::Duration;

pub use peers::*;
pub use users::*;

/// Largest request in bytes, measured on the encoded command, if `--max-request-bytes` says nothing else; etcd's number.
pub const REQUEST_BYTES_MAX: usize = 1_572_864;

/// What `--max-request-bytes` may say at the most: where etcd begins to warn. Whatever a member is told, it takes entries of
/// this size from others.
pub const REQUEST_BYTES_CEILING: usize = 10 << 20;

/// Bytes that a gRPC message of a client may have on top of the largest request; etcd's number.
pub const GRPC_OVERHEAD_BYTES: usize = 524_288;

/// Most compares, or operations of one branch, in a transaction; etcd's `--max-txn-ops`.
pub const TXN_OPS_MAX: usize = 128;

/// How deep transactions may stand in one another; etcd has no limit. The decoder's is 100 messages in one another, two for
/// each transaction, and whoever reads the log has some around them: what is accepted must be readable there.
pub const TXN_DEPTH_MAX: usize = 40;

/// Longest a request waits for its result, but for two election timeouts; etcd's number.
pub const REQUEST_TIMEOUT_BASE: Duration = Duration::from_secs(5);

/// Longest a request waits for its result with etcd's election timeout, and for room whatever that is.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(7);

/// Members of which it is remembered, and told, what they acknowledged: more than any cluster has.
pub const ACKED_MAX: usize = 64;

/// Members that a member speaks with before its state lists them: as many as may come while it is away, and are not removed.
pub const STRANGERS_MAX: usize = 16;

/// Learners that a cluster may have: etcd's `--max-learners`.
pub const LEARNERS_MAX: usize = 1;

/// Longest time that a new member asks for its place in the cluster: one that was just asked for must get to whoever is asked.
pub const JOIN_TIMEOUT: Duration = Duration::from_secs(10);

/// What a removed member waits, at the longest, for its answers to be on their way.
pub const REMOVED_LINGER: Duration = Duration::from_millis(500);

/// One tick of Raft.
pub const TICK: Duration = Duration::from_millis(50);

/// Ticks between two heartbeats of a leader, if `--heartbeat-interval` says nothing else.
pub const HEARTBEAT_TICKS: usize = 2;

/// Least ticks without a leader before an election, if `--election-timeout` says nothing else.
pub const ELECTION_TICKS: usize = 20;

/// What they are at the least: from there to half as much again there must be room for members to differ.
pub const ELECTION_TICKS_LEAST: usize = 10;

/// Longest election timeout that may be asked for; etcd's.
pub const ELECTION_TIMEOUT_MAX: Duration = Duration::from_secs(50);

/// Ticks that a write of the log may take, if the shortest election timeout is not longer; then the member's disk counts as
/// stalled, and a leader hands over.
pub const DISK_STALL_TICKS: usize = 20;

/// Ticks between a strong hint that the leader died and the campaign of the first in line; the next waits two more.
pub const HINT_DELAY_TICKS: u64 = 1;

/// Ticks between two campaigns for one hint.
pub const HINT_RETRY_TICKS: u64 = 4;

/// Most campaigns for one hint; after that the usual timeout decides.
pub const HINT_ATTEMPTS_MAX: usize = 3;

/// Most bytes of entries in one append message.
pub const APPEND_BYTES_MAX: u64 = 1 << 20;

/// Most append messages on their way to one follower.
pub const APPENDS_IN_FLIGHT_MAX: usize = 128;

/// Most bytes proposed and not yet committed.
pub const UNCOMMITTED_BYTES_MAX: u64 = 64 << 20;

/// Most bytes of committed entries handed to apply at once.
pub const COMMITTED_BYTES_MAX: u64 = 8 << 20;

/// Most proposals of one turn that become one message.
pub const PROPOSALS_PER_TURN_MAX: usize = 1024;

/// Most proposals that wait for the Raft thread and a leader.
pub const PROPOSALS_WAITING_MAX: usize = 8192;

/// Most bytes of those proposals.
pub const PROPOSAL_BYTES_WAITING_MAX: usize = 64 << 20;

/// Most proposals given to a leader and without a result.
pub const PROPOSALS_IN_FLIGHT_MAX: usize = 32_768;

/// Most rounds for a read index under way at one member.
pub const READ_ROUNDS_MAX: usize = 2;

/// Time after which a round for a read index is begun again, as in etcd.
pub const READ_RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Most reads that wait for the Raft thread and a read index.
pub const READS_WAITING_MAX: usize = 65_536;

/// Shortest time to live of a lease in seconds with the default election timeout; less is raised to it, as in etcd.
pub const LEASE_TTL_MIN: i64 = 2;

/// Longest time to live of a lease in seconds, as in etcd.
pub const LEASE_TTL_MAX: i64 = 9_000_000_000;

/// Most expired leases whose revokes are on their way, as in etcd: thousands that expire at once leave room for writes.
pub const LEASE_REVOKES_IN_FLIGHT_MAX: usize = 16;

/// Leases that a leader looks at in one turn, whether they have ended or need a checkpoint; most of them were renewed
/// since.
pub const LEASES_LOOKED_AT_MAX: usize = 2048;

/// Pause before a revoke that failed is proposed again.
pub const LEASE_REVOKE_RETRY: Duration = Duration::from_secs(1);

/// Longest time between two looks at which leases expired, as in etcd.
pub const LEASE_LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Time between two checkpoints of a lease that lives longer than that, as in etcd.
pub const LEASE_CHECKPOINT_INTERVAL: Duration = Duration::from_secs(300);

/// Most leases of one checkpoint, as in etcd.
pub const LEASE_CHECKPOINTS_AT_ONCE_MAX: usize = 1000;

/// Most questions about leases that wait at one member; more are refused.
pub const LEASE_QUESTIONS_WAITING_MAX: usize = 65_536;

/// Most questions about leases that share one round for a read index, or one message to the leader.
pub const LEASE_QUESTIONS_AT_ONCE_MAX: usize = 1024;

/// Pause before a question about a lease is looked at again that could not be answered.
pub const LEASE_QUESTION_RETRY: Duration = Duration::from_millis(50);

/// Renewals of one stream that are asked for together, at the most: what came meanwhile.
pub const LEASE_RENEWALS_AT_ONCE_MAX: usize = 256;

/// How many times so many one stream has under way; more wait in the connection, which is cut when thousands do.
pub const LEASE_RENEWAL_BATCHES_MAX: usize = 64;

/// Bytes that a client may send on one connection before they are read. The HTTP/2 library cuts a connection on which so
/// many small messages wait that 256 bytes for each make half of this: some 35,000. A client may have thousands of leases, and
/// renews them in one go.
pub const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// Entries by which apply may lag behind commit before writes are refused, as in etcd.
pub const APPLY_LAG_MAX: u64 = 5000;

/// Entries handed to apply and not yet applied above which the rest stays in the log until apply catches up.
pub const APPLY_AHEAD_MAX: u64 = 2 * APPLY_LAG_MAX;

/// Bytes handed to apply and not yet applied above which the rest stays in the log until apply catches up.
pub const APPLY_AHEAD_BYTES_MAX: usize = 64 << 20;

/// Most entries of one apply batch.
pub const APPLY_BATCH_ENTRIES_MAX: usize = 512;

/// Bytes after which an apply batch is closed.
pub const APPLY_BATCH_BYTES_MAX: usize = 2 << 20;

/// Bytes of entries that the log keeps in memory behind the newest.
pub const LOG_TAIL_BYTES_MAX: usize = 32 << 20;

/// Entries that can go after which the log is cut, if `--snapshot-count` says nothing else; etcd's number.
pub const SNAPSHOT_COUNT: u64 = 10_000;

/// Bytes of entries beyond [`LOG_KEPT_BYTES`] after which the log is cut, however few they are.
pub const LOG_CUT_BYTES: usize = 16 << 20;

/// The newest entries that stay when the log is cut, for members that are a little behind; etcd's number.
pub const LOG_KEPT_ENTRIES: u64 = 5000;

/// Bytes of entries that stay at the most. With [`LOG_CUT_BYTES`] no more than [`LOG_TAIL_BYTES_MAX`], so that a log that is
/// cut in time is in memory whole.
pub const LOG_KEPT_BYTES: usize = 16 << 20;

/// Entries that a member may lack for the log to be kept for it; one that lacks more gets a snapshot.
pub const LOG_WAIT_ENTRIES: u64 = 500_000;

/// Bytes of entries that a member may lack for the log to be kept for it. They are on disk; a snapshot that takes as long as
/// these entries took to come in has the log kept behind it.
pub const LOG_WAIT_BYTES: u64 = 256 << 20;

/// Ticks after which the log is not kept any longer for a member that is not heard of.
pub const LOG_WAIT_TICKS: u64 = 200;

/// Bytes of rows in one piece of a snapshot; one row may go over.
pub const SNAPSHOT_CHUNK_BYTES: usize = 64 << 10;

/// Bytes of rows that a restore writes together.
pub const RESTORE_BATCH_BYTES: usize = 512 << 10;

/// Pieces of a snapshot that wait between disk and connection, on either side.
pub const SNAPSHOT_CHUNKS_WAITING_MAX: usize = 2;

/// How many times as long as a piece of a snapshot took its sender rests after it while somebody writes.
pub const SNAPSHOT_REST_TIMES: u32 = 9;

/// The longest of such rests.
pub const SNAPSHOT_REST_MAX: Duration = Duration::from_millis(50);

/// Time without progress after which a snapshot on its way is given up.
pub const SNAPSHOT_STALL_TIMEOUT: Duration = Duration::from_secs(20);

/// Backups that a member makes at a time. Each takes a thread, and keeps what compactions take from the disk.
pub const BACKUPS_MAX: usize = 4;

/// Bytes of a piece of a backup, as in etcd.
pub const BACKUP_PIECE_BYTES: usize = 32 << 10;

/// Pieces of a backup that wait for the client.
pub const BACKUP_PIECES_WAITING_MAX: usize = 8;

/// Bytes of the users and roles of a backup, which are held in memory; beyond that it is refused.
pub const BACKUP_AUTH_BYTES_MAX: usize = 64 << 20;

/// Time after which a backup is given up whose client takes nothing.
pub const BACKUP_STALL_TIMEOUT: Duration = Duration::from_secs(600);

/// Ticks after which a snapshot is sent again that was lost, to anybody.
pub const SNAPSHOT_RETRY_TICKS: u64 = 20;

/// Ticks between two looks whether the log is to be cut.
pub const LOG_CUT_LOOK_TICKS: u64 = 20;

/// Bytes of the cache of values.
pub const VALUE_CACHE_BYTES_MAX: usize = 64 << 20;

/// Bytes of entries in one row of the log; a larger entry has a row of its own.
pub const LOG_ROW_BYTES_MAX: usize = 1 << 20;

/// Longest time between two syncs of the log guard.
pub const GUARD_SYNC_INTERVAL: Duration = Duration::from_millis(100);

/// Most watch responses that wait on one stream before its watches fall back to history, as in etcd.
pub const WATCH_STREAM_QUEUE_MAX: usize = 128;

/// Most revisions of one catch-up response, as in etcd.
pub const WATCH_CATCH_UP_REVISIONS_MAX: usize = 1000;

/// Most watches on one stream.
pub const WATCHES_PER_STREAM_MAX: usize = 100_000;

/// Time between two progress messages of an idle watch that asked for them; etcd's default.
pub const WATCH_PROGRESS_INTERVAL: Duration = Duration::from_secs(600);

/// Shortest such time, to which others are raised; etcd's.
pub const WATCH_PROGRESS_INTERVAL_MIN: Duration = Duration::from_millis(100);

/// Bytes of unary results being built or sent at one time, those of writes included; more wait, a write before it is proposed.
pub const RESULT_BYTES_IN_FLIGHT_MAX: usize = 512 << 20;

/// Bytes of requests that wait for their turn among [`RESULT_BYTES_IN_FLIGHT_MAX`]; more are refused. They are decoded,
/// so that [`REQUEST_BYTES_IN_FLIGHT_MAX`] does not count them any more.
pub const REQUEST_BYTES_WAITING_MAX: usize = 64 << 20;

/// Largest unary result in bytes; a larger one is refused. All members must come to the same verdict on the answer
/// to a write, so they go by the sizes of versions in the index, which are rounded up by less than a sixteenth.
pub const RESULT_BYTES_MAX: usize = 256 << 20;

/// Addresses that a member listens at. Those beyond three take a descriptor each that would be a client's.
pub const LISTENERS_MAX: usize = 16;

/// Client connections at one time, where the limit of descriptors allows as many.
pub const CONNECTIONS_MAX: usize = 10_000;

/// Client connections at one time below which a member does not start: the limit of descriptors is too low.
pub const CONNECTIONS_MIN: usize = 4;

/// Connections beyond those of clients that may say hello as a peer or ask for a page, at the most.
pub const CONNECTION_GUESTS_MAX: usize = 64;

/// Time without a call after which a connection that has spoken may be closed to make room for another. Clients come
/// back at once, so this bounds how often each of too many of them does.
pub const CONNECTION_QUIET_MIN: Duration = Duration::from_secs(2);

/// Time for a connection to end by itself once it was told to.
pub const CONNECTION_LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// Time for a connection's first bytes.
pub const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(10);

/// TLS handshakes under way at one time. The oldest gives way to the next: a good one takes milliseconds.
pub const TLS_HANDSHAKES_MAX: usize = 256;

/// Time for a TLS handshake, from the first byte on.
pub const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Time between two looks at the files of TLS.
pub const TLS_RELOAD_INTERVAL: Duration = Duration::from_secs(2);

/// Largest file of TLS in bytes; lists of revoked certificates grow.
pub const TLS_FILE_BYTES_MAX: usize = 16 << 20;

/// Time between two lines of the log that say that a certificate ends soon.
pub const CERTIFICATE_ENDS_REPEAT: Duration = Duration::from_secs(24 * 3600);

/// Descriptors of a member beside connections, threads and tables: streams, locks, guard, journals, listeners, and
/// one connection at each listener that waits for its place, one that carries a snapshot.
pub const DESCRIPTORS_OWN: usize = 34;

/// Descriptors of one thread that serves connections.
pub const DESCRIPTORS_PER_RPC_THREAD: usize = 5;

/// Connections from and to one peer; each may be there twice for the time it takes to notice that the old one is gone.
pub const CONNECTIONS_PER_PEER: usize = 2;

/// Descriptors for tables of log and state, those under compaction included, at the most. With fewer it is half of what
/// is left for tables and connections.
pub const DESCRIPTORS_TABLES_MAX: usize = 512;

/// Limit of descriptors below which a single thread serves connections.
pub const DESCRIPTORS_FEW: usize = 256;

/// Room that must be there before the alarm of a full quota is cleared, if the largest message of a client is not larger and
/// a sixteenth of the quota not less: for a write of any size, lest the next one raise it again.
pub const QUOTA_ROOM_BYTES: u64 = 2 << 20;

/// Time that clearing this alarm waits for what a compaction gave up to leave the disk; less than clients wait.
pub const QUOTA_ROOM_WAIT: Duration = Duration::from_secs(3);

/// Time for a stopping server to hand leadership over and drain.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of unary requests received and not yet decoded, over all connections; a request over it is refused.
pub const REQUEST_BYTES_IN_FLIGHT_MAX: usize = 256 << 20;

/// How many times the largest message of a client one JSON object of the gateway may have in bytes: as much in base64, and
/// half as much for the rest.
pub const JSON_REQUEST_TIMES: usize = 2;

/// Bytes of large JSON answers and their messages that are made or wait for their clients; more are refused.
pub const JSON_BYTES_IN_FLIGHT_MAX: usize = 2 * RESULT_BYTES_MAX;

/// Calls in progress at one time, streams included; more are refused.
pub const CALLS_IN_FLIGHT_MAX: usize = 131_072;

/// Calls in progress at one time on one connection; the client is told to wait with more.
pub const CALLS_PER_CONNECTION_MAX: u32 = 16_384;

/// Bytes that one connection is read in one turn of its thread, give or take one read.
pub const CONNECTION_TURN_BYTES: usize = 64 << 10;

/// Bytes of the first turns, until calls were answered.
pub const CONNECTION_TURN_BYTES_FIRST: usize = 2 << 10;

/// Bytes of a turn, at the least, of a connection whose calls are given up as soon as they are begun.
pub const CONNECTION_TURN_BYTES_MIN: usize = 512;

/// Milliseconds for which a connection is not read, at the most, between turns whose calls were given up before their
/// messages came.
pub const CALLS_GIVEN_UP_PAUSE_MS_MAX: u64 = 100;

/// Such turns in a row after which the connection is ended, two seconds of pauses.
pub const CALLS_GIVEN_UP_TURNS_MAX: u32 = 25;

/// Bytes that one connection is sent in one turn of its thread, give or take one write. Small enough that a call between
/// large answers does not wait long, large enough that those do not notice.
pub const CONNECTION_TURN_BYTES_SENT: usize = 128 << 10;

/// Bytes that a connection has to say and its socket has not taken yet: the largest segment of TCP. More would save no
/// work, and is held for a client that does not read.
pub const CONNECTION_GATHERED_MAX: usize = 64 << 10;

/// Calls that were cancelled before their connection's turn came to begin them. A stream takes 28 bytes at the least to
/// open and cancel, so that [`CONNECTION_TURN_BYTES`] hold fewer: nobody ever meets this bound, but memory has it.
pub const CALLS_CANCELLED_PER_TURN_MAX: usize = 4096;

/// Errors of streams on one connection, over its life, after which it is ended. A client that is right makes some by
/// sending to a stream that was just refused; one that makes many and reads none of the answers costs memory.
pub const STREAM_ERRORS_PER_CONNECTION_MAX: usize = 16_384;

/// Time after which an idle HTTP/2 connection is asked whether it still lives.
pub const CONNECTION_PING_INTERVAL: Duration = Duration::from_secs(60);

/// Time for the answer to that question.
pub const CONNECTION_PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Connections that the kernel may hold until they are accepted.
pub const ACCEPT_BACKLOG: i32 = 1024;

/// Threads that read the rows of the state at a start.
pub const LOAD_THREADS_MAX: usize = 4;

/// Rows up to which a transaction or its conditions are read by the thread that received them.
pub const INLINE_ROWS_MAX: i64 = 50;

/// Keys up to which the thread that received a range looks up what it takes: some 20 us of work.
pub const INLINE_KEYS_MAX: i64 = 512;

/// Reads of the disk up to which that thread also reads the rows; a scan of rows that lie close together is one, and an
/// answer has at most [`INLINE_RESULT_BYTES_MAX`]. More goes to a reading thread, so that nothing waits behind it.
pub const INLINE_READS_MAX: usize = 8;

/// Bytes up to which a result is sent without drawing on [`RESULT_BYTES_IN_FLIGHT_MAX`].
pub const INLINE_RESULT_BYTES_MAX: usize = 64 << 10;

/// Bytes of answers that wait for their clients to read them, over all connections, beside those that draw on
/// [`RESULT_BYTES_IN_FLIGHT_MAX`]. A connection that has such answers may always have one.
pub const UNREAD_BYTES_MAX: usize = 256 << 20;

/// One connection may have this part of what is left of [`UNREAD_BYTES_MAX`].
pub const UNREAD_CONNECTION_SHARE: usize = 16;

/// Bytes of unread answers of one connection while there is plenty. Its calls wait with more.
pub const UNREAD_CONNECTION_BYTES_MAX: usize = 4 << 20;

/// Bytes of unread answers that one connection may have when nothing is left.
pub const UNREAD_CONNECTION_BYTES_MIN: usize = INLINE_RESULT_BYTES_MAX;

/// Bytes up to which an answer counts as a call in progress and not by its size: there are at most
/// [`CALLS_IN_FLIGHT_MAX`] of them.
pub const UNCOUNTED_ANSWER_BYTES_MAX: usize = 1 << 10;

/// Time in which a client must read some of a large result; one that reads nothing loses it, and others get its space.
pub const RESULT_STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Shortest time between two answers of the live status.
pub const STATUS_INTERVAL_MIN: Duration = Duration::from_millis(100);

/// Most entries of one page of the log.
pub const LOG_PAGE_ENTRIES_MAX: usize = 1000;

/// Most versions or removed keys of one page.
pub const ADMIN_PAGE_ENTRIES_MAX: usize = 1000;

/// Bytes of keys and values in one page of versions, removed keys or the log, if it is more than one. Below the 4 MiB that
/// many clients take at most, whatever comes with each entry.
pub const ADMIN_PAGE_BYTES_MAX: usize = 2 << 20;

/// Bytes of rows after which no further row is read for such a page.
pub const ADMIN_READ_BYTES_MAX: usize = 16 << 20;

/// Most versions or keys that one histogram, or one page of removed keys, looks at in the index.
pub const ADMIN_LOOKS_MAX: usize = 1 << 20;

/// Most slices of a histogram.
pub const HISTOGRAM_SLICES_MAX: usize = 1000;

/// Most rows that one look into history reads.
pub const HISTORY_ROWS_MAX: usize = 20_000;

/// Bytes of changes after which one look into history ends.
pub const HISTORY_BYTES_MAX: usize = 16 << 20;

/// Waits of a millisecond that collecting dead versions grants to readers of an older state.
pub const COLLECT_WAITS_MAX: u32 = 5000;

/// Bytes that wait on one watch stream before its watches fall back to history, while there is plenty of
/// [`WATCH_BYTES_MAX`]; one response may go over.
pub const WATCH_STREAM_BYTES_MAX: usize = 4 << 20;

/// Bytes of events that all watch streams hold together, in their queues and their connections. What does not fit is
/// read from history when its stream drains.
pub const WATCH_BYTES_MAX: usize = 256 << 20;

/// One stream may queue this part of what is left of [`WATCH_BYTES_MAX`].
pub const WATCH_STREAM_SHARE: usize = 16;

/// Bytes that one stream may hold when nothing is left; a response that its consumer asks for may go over.
pub const WATCH_STREAM_BYTES_MIN: usize = 64 << 10;

/// Bytes after which a response about the past takes no further revision; tests of etcd's clients take ten of 1 MiB.
pub const WATCH_PAST_RESPONSE_BYTES: usize = 16 << 20;

/// Answers to a watch client's own requests that may wait before no further request of it is read, as in etcd.
pub const WATCH_CONTROL_QUEUE_MAX: usize = 16;

/// Bytes after which a response about what is applied now takes no further revision. Far enough below the 4 MiB that
/// many clients take at most, so that only a single large revision can exceed those.
pub const WATCH_RESPONSE_BYTES: usize = 1 << 20;

/// Most watches that share one reading of history, as in etcd.
pub const WATCH_CATCH_UP_WATCHES_MAX: usize = 512;

/// Most events of the recent past that are kept in memory for watches that fell behind.
pub const WATCH_RECENT_EVENTS_MAX: usize = 4096;

/// Most bytes of those events.
pub const WATCH_RECENT_BYTES_MAX: usize = 8 << 20;

/// Bytes of applied events that may wait for the fan-out; beyond, watches read them from history.
pub const WATCH_INBOX_BYTES_MAX: usize = 32 << 20;

/// Watches that get a turn before the lock of all watches and the thread are free for others again. To queue one response
/// takes up to 1 us, so that a small call waits a tenth of a millisecond for them.
pub const WATCH_FAN_OUT_AT_ONCE: usize = 128;

/// Watch streams that a thread wakes before it looks at its sockets again. One takes some 10 us to send an event of
/// 1 kB, so that a small call waits a tenth of a millisecond for them.
pub const WATCH_WAKES_AT_ONCE: usize = 8;

/// Times in a row that a member without leader is looked at before streams that ask for one are ended; the time
/// between two looks is the shortest election timeout.
pub const LEADERLESS_LOOKS: u32 = 3;

/// Most entries that one sync takes along, if they are of more than one write.
pub const LOG_BATCH_ENTRIES_MAX: usize = 4096;

/// Bytes of entries after which one write of the log is closed.
pub const LOG_BATCH_BYTES_MAX: usize = 1 << 20;

/// Writes of the log on their way above which no proposals are taken.
pub const LOG_TASKS_WAITING_MAX: u64 = 64;

/// Most entries that the Raft thread writes or applies itself.
pub const INLINE_ENTRIES_MAX: usize = 64;

/// Most bytes of them.
pub const INLINE_BYTES_MAX: usize = 64 << 10;

/// Longest that such work may have taken lately for the Raft thread to do it itself. To wake a thread for it, and to be
/// woken, takes a tenth of that; heartbeats and reads wait for it.
pub const INLINE_WORK_MAX: Duration = Duration::from_millis(1);

/// Time between two looks of the stand-in at what the Raft thread does itself. What takes longer than two looks leaves
/// Raft to the stand-in, long before another member misses a heartbeat.
pub const STAND_IN_LOOK: Duration = Duration::from_millis(25);

/// Looks without anything to see after which the stand-in sleeps.
pub const STAND_IN_QUIET_LOOKS: u32 = 20;

/// Time between two looks at the size of a database on disk.
pub const DISK_MEASURE_INTERVAL: Duration = Duration::from_secs(1);

/// How many times what is in them the tables of the state may take, and bytes beyond that, before space is given back without
/// being asked: tables that hold little but removed rows and do not grow are never merged otherwise.
pub const TABLES_TIMES_MAX: u64 = 4;
/// See [`TABLES_TIMES_MAX`].
pub const TABLES_BYTES_MIN: u64 = 16 << 20;

/// Shortest time between two times that space is given back without being asked.
pub const AUTO_DEFRAGMENT_PAUSE: Duration = Duration::from_secs(60);

/// Quiet time after which what was applied is synced.
pub const STATE_SYNC_INTERVAL: Duration = Duration::from_millis(500);

/// Compactions whose hashes are kept for comparison; etcd's number.
pub const COMPACTION_HASHES_MAX: usize = 10;

/// Most rows of given-up history that are removed at once; etcd's batch.
pub const COLLECT_ROWS_MAX: usize = 1000;

/// Pause between two removals; etcd's.
pub const COLLECT_PAUSE: Duration = Duration::from_millis(10);

/// Most rows of given-up history that are removed at once where there is always something to apply, which waits for it.
pub const COLLECT_ROWS_BUSY_MAX: usize = 500;

/// Pause between two such removals. Both together remove more than is written by what has to be synced.
pub const COLLECT_PAUSE_BUSY: Duration = Duration::from_millis(10);

/// Bytes of entries in one page of the log.
pub const LOG_PAGE_BYTES_MAX: u64 = ADMIN_PAGE_BYTES_MAX as u64;

/// Most threads that serve connections.
pub const RPC_THREADS_MAX: usize = 4;

/// Log lines that wait to be written; more are dropped and counted.
pub const LOG_LINES_WAITING_MAX: usize = 8192;

/// Bytes of those lines.
pub const LOG_BYTES_WAITING_MAX: usize = 4 << 20;

/// Time from which on a call counts as slow in the log of requests; etcd's `--warning-unary-request-duration`.
pub const SLOW_REQUEST: Duration = Duration::from_millis(300);

/// Bytes of a request that the log of requests looks at.
pub const REQUEST_LOG_PREFIX_BYTES: usize = 4096;

/// Bytes of a key in a line of that log.
pub const REQUEST_LOG_KEY_BYTES_MAX: usize = 256;

/// Operations of a transaction in a line of that log.
pub const REQUEST_LOG_OPERATIONS_MAX: usize = 16;

/// Time for which a log line that somebody else can cause again and again is not said a second time.
pub const LOG_REPEAT_INTERVAL: Duration = Duration::from_secs(30);

/// Most kinds of such lines at one place of the program in that time; lines of further kinds are only counted.
pub const LOG_REPEAT_KINDS_MAX: usize = 64;

/// Longest that a process on its way out waits for one of its streams.
pub const OUTPUT_TIMEOUT: Duration = Duration::from_millis(500);
