//! [`use_small_pages`] and [`give_back`]: what the member does not need stays with the system.
//!
//! mimalloc asks for huge pages, of which all 2 MB are resident as soon as one byte is written. A connection's buffers are mostly
//! empty: with small pages ten thousand connections take half the memory, and so does a member that idles (docs/performance.md).
//!
//! Free memory it gives back when it has been free for a second, but it looks only when a large block is freed. After a start or a
//! burst of writes that may not happen for long, and a third of what the member has would be of no use to anybody.

use std::hint::black_box;
use std::time::Duration;

use tokio::time::sleep;

/// Time between two looks: longer than memory must have been free.
const INTERVAL: Duration = Duration::from_secs(2);

/// A block that the allocator keeps among no others. Nobody writes to it, so it takes no memory.
const BLOCK_BYTES: usize = 8 << 20;

/// Has the memory that is written from now on in small pages. Where the system knows no others, that is so anyway.
pub(super) fn use_small_pages() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "huge pages are not turned off");
    }
}

/// Frees a large block now and then, for as long as the member runs.
pub(super) async fn give_back() {
    loop {
        sleep(INTERVAL).await;
        drop(black_box(Vec::<u8>::with_capacity(BLOCK_BYTES)));
    }
}
