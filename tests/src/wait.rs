//! Waiting for a condition, never for time.

use std::future::Future;
use std::time::{Duration, Instant};

/// Pause between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks at `condition` until it holds or `deadline` has passed.
///
/// # Errors
/// The last reason why the condition did not hold, and what was waited for.
#[expect(clippy::disallowed_methods, reason = "tests wait on the wall clock")]
pub async fn eventually<T, F, Fut>(
    what: &str,
    deadline: Duration,
    mut condition: F,
) -> anyhow::Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = anyhow::Result<T>>,
{
    let start = Instant::now();
    loop {
        let reason = match condition().await {
            Ok(value) => return Ok(value),
            Err(reason) => reason,
        };
        if start.elapsed() > deadline {
            anyhow::bail!("{what}: not within {deadline:?}: {reason:#}");
        }
        tokio::time::sleep(PAUSE).await;
    }
}
