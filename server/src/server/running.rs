//! [`Server`]: a member that runs in this process, and its end.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::StartError;
use super::disk::OpenedDisk;
use super::rpc;
use super::serving::{ServingListeners, Started, listen};
use super::threads::RunningThreads;
use crate::auth::TokenKind;
use crate::config::Config;
use crate::fatal;
use crate::limits::SHUTDOWN_TIMEOUT;

/// A member that runs in this process. [`Server::shutdown`] stops it in order; dropping it does the same and waits.
#[derive(Debug)]
pub struct Server {
    name: String,
    started: Started,
    stop: Option<oneshot::Sender<()>>,
    ended: Option<oneshot::Receiver<()>>,
    rpc: Option<JoinHandle<()>>,
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
        let rpc = fatal::spawn("rpc", move || {
            serve(&config, &report, stopped);
            // Nobody need wait.
            let _ = end.send(());
        })
        .map_err(StartError::Thread)?;
        let gone = || StartError::Thread(std::io::Error::other("the rpc thread ended"));
        let started = started.recv().map_err(|_| gone())??;
        let (stop, ended, rpc) = (Some(stop), Some(ended), Some(rpc));
        Ok(Self { name, started, stop, ended, rpc })
    }

    /// Name of the member.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where clients reach it, with the port that was really taken.
    #[must_use]
    pub fn client_addr(&self) -> SocketAddr {
        self.started.client_addr
    }

    /// URL for a client on this machine.
    #[must_use]
    pub fn client_url(&self) -> &str {
        &self.started.client_url
    }

    /// Waits until the cluster lists the member with the address of its clients, and it reads and writes for them.
    pub async fn ready(&self) {
        self.started.listed.wait().await;
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
            // A panic there ended the process.
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
        let (serving, threads) = match start(config).await {
            Ok(running) => running,
            Err(error) => {
                let _ = report.send(Err(error));
                return;
            }
        };
        let _ = report.send(Ok(serving.started.clone()));
        // An error means that the handle was dropped.
        let _ = stopped.await;
        if timeout(SHUTDOWN_TIMEOUT, serving.stop(threads)).await.is_err() {
            tracing::warn!("the stop took too long and is cut short");
        }
    });
    runtime.shutdown_background();
}

/// From a directory to a member that answers: each step begins what the next stands on.
async fn start(config: &Config) -> Result<(ServingListeners, RunningThreads), StartError> {
    let kind = TokenKind::open(config)?;
    let disk = OpenedDisk::open(config).await?;
    let ports = listen(config)?;
    let (threads, to_peers) = RunningThreads::start(disk, config, kind)?;
    let serving = ServingListeners::start(config, ports, &threads, to_peers);
    Ok((serving.map_err(StartError::Thread)?, threads))
}
