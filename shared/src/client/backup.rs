//! [`BackupStream`]: a backup of a member, in pieces.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::{SnapshotRequest, SnapshotResponse};
use tonic::Streaming;

use super::{Client, Endpoint, Kind, Outcome};
use crate::error::ClientError;

/// A backup that is on its way. Dropping it ends it.
#[derive(Debug)]
pub struct BackupStream {
    endpoint: Endpoint,
    pieces: Streaming<SnapshotResponse>,
}

impl Client {
    /// Asks whichever member answers for a backup. The command timeout bounds how long it takes to begin, not how long it
    /// takes.
    pub async fn backup(&self) -> Outcome<BackupStream> {
        self.call(Kind::Read, |member| async move {
            let answer = member.maintenance().snapshot(SnapshotRequest {}).await?;
            let endpoint = member.endpoint().clone();
            Ok(answer.map(|pieces| BackupStream { endpoint, pieces }))
        })
        .await
    }
}

impl BackupStream {
    /// The next piece; none behind the last, which is the SHA-256 of those before.
    ///
    /// # Errors
    /// Why there is no more.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        let piece = self.pieces.message().await;
        let piece = piece.map_err(|status| ClientError::of(self.endpoint.as_str(), &status))?;
        Ok(piece.map(|piece| piece.blob))
    }
}
