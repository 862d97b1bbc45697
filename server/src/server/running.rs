//! A member that runs, and its end.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::{SetOnce, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::StartError;
use super::assemble::{Parts, assemble};
use super::data::Data;
use super::rpc;
use crate::config::Config;
use crate::limits::SHUTDOWN_TIMEOUT;
use crate::node::Inbox;
use crate::node::Proposer;
use crate::watch::Hub;

/// Longest wait for another leader during a stop.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(2);

/// Longest wait for requests that were begun.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);

/// Longest wait for connections to end.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// A member that runs in this process. [`Server::shutdown`] stops it in order; dropping it does the same and waits.
#[derive(Debug)]
pub struct Server {
    name: String,
    client_addr: SocketAddr,
    client_url: String,
    listed: Arc<SetOnce<()>>,
    stop: Option<oneshot::Sender<()>>,
    ended: Option<oneshot::Receiver<()>>,
    rpc: Option<JoinHandle<()>>,
}

/// What the thread of the runtime tells once the member listens.
pub(super) struct Started {
    pub client_addr: SocketAddr,
    pub client_url: String,
    pub listed: Arc<SetOnce<()>>,
}

/// What stops together.
pub(super) struct Running {
    /// Held for its lock: another process is told at once that the directory is in use.
    pub data: Data,
    /// One for each rpc thread; the first is this thread's.
    pub proposers: Vec<Proposer>,
    pub inbox: Arc<Inbox>,
    pub hub: Hub,
    /// Turns true when the port is to be closed: no more calls, and the end of connections once they are quiet.
    pub closing: watch::Sender<bool>,
    /// Turns true when streams are to end, those of peers included.
    pub ending: watch::Sender<bool>,
    /// Turns true when connections of other threads are not waited for any longer.
    pub cutting: watch::Sender<bool>,
    /// Ends with the last connection of the last thread.
    pub serving: JoinSet<()>,
    /// Dialers, publication and the completion of requests.
    pub tasks: JoinSet<()>,
    pub threads: Vec<JoinHandle<()>>,
}

impl Server {
    /// Starts a member; it listens when this returns. Blocks: opening a large directory takes a while.
    ///
    /// # Errors
    /// What keeps it from starting.
    pub fn start(config: &Config) -> Result<Self, StartError> {
        let (report, started) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let config = config.clone();
        let name = config.name.clone();
        let rpc = thread::Builder::new()
            .name("rpc".to_owned())
            .spawn(move || {
                serve(&config, &report, stopped);
                // Nobody need wait.
                let _ = end.send(());
            })
            .map_err(StartError::Thread)?;
        let gone = || StartError::Thread(std::io::Error::other("the rpc thread ended"));
        let Started { client_addr, client_url, listed } = started.recv().map_err(|_| gone())??;
        let (stop, ended, rpc) = (Some(stop), Some(ended), Some(rpc));
        Ok(Self { name, client_addr, client_url, listed, stop, ended, rpc })
    }

    /// Name of the member.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where clients reach it, with the port that was really taken.
    #[must_use]
    pub fn client_addr(&self) -> SocketAddr {
        self.client_addr
    }

    /// URL for a client on this machine.
    #[must_use]
    pub fn client_url(&self) -> &str {
        &self.client_url
    }

    /// Waits until the cluster lists the member with the address of its clients, and it reads and writes for them.
    pub async fn ready(&self) {
        self.listed.wait().await;
    }

    /// Hands leadership over, finishes what was begun and stops.
    pub async fn shutdown(mut self) {
        self.stop.take();
        if let Some(ended) = self.ended.take() {
            // An error means that the thread is gone, which is what was asked for.
            let _ = ended.await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(rpc) = self.rpc.take() {
            // A panic there was reported there.
            let _ = rpc.join();
        }
    }
}

/// The life of the thread that carries the runtime.
fn serve(
    config: &Config,
    report: &mpsc::Sender<Result<Started, StartError>>,
    stopped: oneshot::Receiver<()>,
) {
    // Who started it may be gone already.
    let runtime = match rpc::runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = report.send(Err(StartError::Thread(error)));
            return;
        }
    };
    runtime.block_on(async {
        let Parts { started, running } = match assemble(config).await {
            Ok(parts) => parts,
            Err(error) => {
                let _ = report.send(Err(error));
                return;
            }
        };
        let _ = report.send(Ok(started));
        // An error means that the handle was dropped.
        let _ = stopped.await;
        if timeout(SHUTDOWN_TIMEOUT, running.stop()).await.is_err() {
            tracing::warn!("the stop took too long and is cut short");
        }
    });
    runtime.shutdown_background();
}

impl Running {
    async fn stop(mut self) {
        self.hand_over().await;
        // Nobody listens any more when an error comes of it.
        let _ = self.closing.send(true);
        // IMPORTANT: what is under way needs the peers to come to its end, so their streams end after it.
        let finished = async {
            for proposer in &self.proposers {
                proposer.finished().await;
            }
        };
        if timeout(FINISH_TIMEOUT, finished).await.is_err() {
            tracing::warn!("requests are under way and get no answer");
        }
        let _ = self.ending.send(true);
        self.hub.stop();
        let drained = async { while self.serving.join_next().await.is_some() {} };
        if timeout(DRAIN_TIMEOUT, drained).await.is_err() {
            tracing::warn!("clients are cut off");
            self.serving.abort_all();
            let _ = self.cutting.send(true);
        }
        self.inbox.stop();
        let threads = self.threads;
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                // A panic there ended the process.
                let _ = thread.join();
            }
        });
        let _ = joined.await;
        self.tasks.shutdown().await;
        drop(self.data);
    }

    async fn hand_over(&self) {
        let Some(proposer) = self.proposers.first() else { return };
        let status = proposer.status();
        if !status.leads() || status.voters.len() < 2 {
            return;
        }
        match proposer.move_leader(None, HAND_OVER_TIMEOUT).await {
            Ok(()) => tracing::info!("leadership is handed over"),
            Err(error) => tracing::warn!("leadership is not handed over: {error}"),
        }
    }
}
