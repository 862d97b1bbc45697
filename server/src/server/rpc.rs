//! The threads that serve connections.
//!
//! The first is the runtime that the member starts on: it also accepts, dials peers and moves watch events. The others
//! serve connections alone. Each is a single-threaded runtime with a proposer of its own, so that a request lives and
//! is completed on the thread of its connection, and no task ever moves.

use std::future::Future;
use std::io;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::api::stopped;
use crate::fatal;
use crate::node::Proposer;
use crate::watch::Hub;

/// Processors of this machine. There are no more threads than that, for a request costs the same on any of them.
pub(super) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// A runtime that lives on one thread.
pub(super) fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// A further thread.
pub(super) struct RpcThread {
    pub handle: JoinHandle<()>,
    /// Answered, or dropped, when all its connections have ended.
    pub ended: oneshot::Receiver<()>,
}

/// Starts a further thread that runs until `connections` ends, or until `cut` turns true.
pub(super) fn start(
    proposer: Proposer,
    hub: Hub,
    connections: impl Future<Output = ()> + Send + 'static,
    mut cut: watch::Receiver<bool>,
) -> io::Result<RpcThread> {
    let runtime = runtime()?;
    let (end, ended) = oneshot::channel();
    let handle = fatal::spawn("rpc", move || {
        runtime.block_on(async move {
            let mut tasks = requests(&proposer, &hub);
            tokio::select! {
                () = connections => {}
                () = stopped(&mut cut) => {}
            }
            tasks.shutdown().await;
        });
        runtime.shutdown_background();
        // Nobody need wait.
        let _ = end.send(());
    })?;
    Ok(RpcThread { handle, ended })
}

/// Starts the thread that makes TLS handshakes, until `work` ends.
pub(super) fn start_handshakes(
    work: impl Future<Output = ()> + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let runtime = runtime()?;
    fatal::spawn("tls", move || runtime.block_on(work))
}

/// What requests need on their thread: somebody who wakes Raft, somebody who completes them, and somebody who wakes
/// streams of watches.
pub(super) fn requests(proposer: &Proposer, hub: &Hub) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(fatal::task("rouse", proposer.clone().rouse()));
    tasks.spawn(fatal::task("complete", proposer.clone().complete()));
    tasks.spawn(fatal::task("wake", hub.clone().wake_streams()));
    tasks
}
