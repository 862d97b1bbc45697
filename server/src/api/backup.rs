//! [`Backups`]: `Maintenance.Snapshot`, a backup in pieces as its client takes them.
//!
//! Each is made on a reading thread from one published state; what waits for the client is a few pieces.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use mini_etcd_proto::etcdserverpb::SnapshotResponse;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};
use tonic::Status;

use crate::apply::Published;
use crate::backup::{BackupError, BackupSource};
use crate::error::RequestError;
use crate::limits::{
    BACKUP_PIECE_BYTES, BACKUP_PIECES_WAITING_MAX, BACKUP_STALL_TIMEOUT, BACKUPS_MAX,
};
use crate::metrics::Durations;

type Piece = Result<SnapshotResponse, Status>;

/// The backups that are being made.
pub(super) struct Backups {
    places: Arc<Semaphore>,
}

impl Default for Backups {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(BACKUPS_MAX)) }
    }
}

impl Backups {
    /// Begins a backup of this state, whose time goes to `took` when its client has taken all of it.
    ///
    /// # Errors
    /// As many as a member makes at a time are under way.
    pub fn start(
        &self,
        published: &Published,
        took: &Durations,
    ) -> Result<BoxStream<'static, Piece>, RequestError> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| RequestError::TooManyRequests)?;
        let source = BackupSource::new(published);
        let (sender, pieces) = mpsc::channel(BACKUP_PIECES_WAITING_MAX);
        let client = Client { pieces: sender, runtime: Handle::current() };
        let (begun, took) = (Instant::now(), took.clone());
        spawn_blocking(move || {
            if make(&source, &client) {
                took.observe(begun.elapsed());
            }
            drop(place);
        });
        let pieces = stream::unfold(pieces, |mut pieces| async move {
            let piece = pieces.recv().await?;
            Some((piece, pieces))
        });
        Ok(pieces.boxed())
    }
}

/// Makes a backup, until it is whole or nobody takes it; answers whether it is whole.
fn make(source: &BackupSource, client: &Client) -> bool {
    let made = send(source, client);
    let is_whole = made.is_ok();
    match made {
        Ok(()) | Err(BackupError::Gone) => {}
        Err(error) => {
            tracing::warn!(%error, "the state cannot be read for a backup");
            // Nobody may be left to be told.
            let _ = client.send(Err(RequestError::Storage(error.to_string()).into()));
        }
    }
    is_whole
}

fn send(source: &BackupSource, client: &Client) -> Result<(), BackupError> {
    let layout = source.layout()?;
    let mut pieces = Pieces {
        client,
        waiting: Vec::with_capacity(BACKUP_PIECE_BYTES),
        remaining: layout.bytes(),
        sum: Sha256::new(),
    };
    pieces.add(&layout.head())?;
    source.load(&mut |page| pieces.add(page))?;
    pieces.finish()
}

/// Cuts pages into pieces.
struct Pieces<'a> {
    client: &'a Client,
    waiting: Vec<u8>,
    /// Bytes of what was not sent yet.
    remaining: u64,
    sum: Sha256,
}

impl Pieces<'_> {
    fn add(&mut self, mut bytes: &[u8]) -> Result<(), BackupError> {
        while !bytes.is_empty() {
            let room = BACKUP_PIECE_BYTES - self.waiting.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.waiting.extend_from_slice(now);
            bytes = later;
            if self.waiting.len() == BACKUP_PIECE_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), BackupError> {
        let next = Vec::with_capacity(BACKUP_PIECE_BYTES);
        let blob = std::mem::replace(&mut self.waiting, next);
        self.sum.update(&blob);
        self.remaining = self.remaining.saturating_sub(blob.len() as u64);
        self.send(blob)
    }

    /// Sends what is left, and the sum behind it.
    fn finish(mut self) -> Result<(), BackupError> {
        if !self.waiting.is_empty() {
            self.flush()?;
        }
        let sum = self.sum.finalize_reset().to_vec();
        self.send(sum)
    }

    fn send(&self, blob: Vec<u8>) -> Result<(), BackupError> {
        // The data is of a version that says nothing of itself.
        let (remaining_bytes, version) = (self.remaining, String::new());
        let piece = SnapshotResponse { header: None, remaining_bytes, blob: blob.into(), version };
        self.client.send(Ok(piece))
    }
}

/// Who takes the pieces.
struct Client {
    pieces: mpsc::Sender<Piece>,
    runtime: Handle,
}

impl Client {
    /// Waits until there is room, but not for ever.
    fn send(&self, piece: Piece) -> Result<(), BackupError> {
        let piece = match self.pieces.try_send(piece) {
            Ok(()) => return Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(BackupError::Gone),
            Err(mpsc::error::TrySendError::Full(piece)) => piece,
        };
        let sent = async { timeout(BACKUP_STALL_TIMEOUT, self.pieces.send(piece)).await };
        match self.runtime.block_on(sent) {
            Ok(Ok(())) => Ok(()),
            _ => Err(BackupError::Gone),
        }
    }
}
