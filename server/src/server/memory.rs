//! [`give_back`]: lets the allocator return free memory to the system.
//!
//! mimalloc does so when memory has been free for a second, but looks only when a large block is freed. After a start or a
//! burst of writes that may not happen for long, and a third of what the member has would be of no use to anybody.

use std::hint::black_box;
use std::time::Duration;

use tokio::time::sleep;

/// Time between two looks: longer than memory must have been free.
const INTERVAL: Duration = Duration::from_secs(2);

/// A block that the allocator keeps among no others. Nobody writes to it, so it takes no memory.
const BLOCK_BYTES: usize = 8 << 20;

/// Frees a large block now and then, for as long as the member runs.
pub(super) async fn give_back() {
    loop {
        sleep(INTERVAL).await;
        drop(black_box(Vec::<u8>::with_capacity(BLOCK_BYTES)));
    }
}
