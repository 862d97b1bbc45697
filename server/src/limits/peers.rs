//! Bounds of what members say to each other.

use std::time::Duration;

/// Peer URLs of one member.
pub const PEER_URLS_MAX: usize = 16;

/// Bytes of one peer URL.
pub const PEER_URL_BYTES_MAX: usize = 512;

/// How long a member that was removed is still spoken with, so that it hears of it and can tell its clients.
pub const PEER_REMOVED_LINGER: Duration = Duration::from_secs(1);

/// Most peer messages that wait for the Raft thread; more are dropped and counted.
pub const PEER_MESSAGES_WAITING_MAX: usize = 4096;

/// Most peer messages that wait for one connection; more are dropped and counted.
pub const PEER_SEND_QUEUE_MAX: usize = 1024;

/// Largest peer batch in bytes, on both ends.
pub const PEER_BATCH_BYTES_MAX: usize = 64 << 20;

/// Most peer messages that one turn of Raft takes.
pub const PEER_MESSAGES_PER_TURN_MAX: usize = 1024;

/// Largest batch of messages that is built for a peer, in bytes, if it is more than one message.
pub const PEER_SEND_BATCH_BYTES: usize = 2 << 20;

/// Bytes of messages that wait for one connection; more are dropped and counted.
pub const PEER_SEND_QUEUE_BYTES_MAX: usize = 64 << 20;

/// Longest a peer may take to connect and say hello.
pub const PEER_HELLO_TIMEOUT: Duration = Duration::from_secs(1);

/// Pause after the first failed dial of a peer, and the longest.
pub const PEER_REDIAL_PAUSE: (Duration, Duration) =
    (Duration::from_millis(20), Duration::from_millis(500));

/// Time for which a connection to a peer must have stood so that the next dial after its end comes at once: a leader that was
/// just started may be killed, too, and a peer that takes connections and ends them is dialed ten times a second at the most.
pub const PEER_CONNECTION_SOUND_MIN: Duration = Duration::from_millis(100);

/// Time between two signs of life asked of a quiet peer connection, and how long to wait for one.
pub const PEER_KEEP_ALIVE: Duration = Duration::from_secs(2);

/// Longest time that the answer to a promotion waits for a quorum to have heard of it.
pub const PROMOTION_HEARD_WAIT: Duration = Duration::from_secs(1);

/// Time between two measurements of the round trip to a peer, as in etcd.
pub const PEER_ROUND_TRIP_PAUSE: Duration = Duration::from_secs(4);
