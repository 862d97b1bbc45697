//! `minietcd.admin.v1.Admin`: what the console asks beyond the etcd API.
//!
//! ```text
//! console ─▶ AdminService ─▶ status (live, again and again)
//!                         ├─▶ log (pages of the Raft log)
//!                         └─▶ check ─▶ past ─▶ View (versions of a key, counts over revisions, removed keys)
//! ```
//!
//! Invariants:
//! - I1: a member answers from what it has applied; no call waits for another member, or holds apply up.
//! - I2: every answer is bounded, in entries, in bytes and in what is looked at for it, and says how to go on.
//! - I3: what is wrong with a request is named, with what is accepted.
//!
//! What shows keys or the log is for root while permissions count, the status for who has logged in: `methods` says so. What
//! passwords hash to is shown to nobody.
//!
//! Tested at the bottom of each file, the reads of the past in `apply::tests`, all of it from outside in
//! `tests/tests/admin.rs`.

mod check;
mod log;
mod past;
mod status;

use std::time::Duration;

use futures::stream::{self, BoxStream};
use mini_etcd_proto::adminpb::admin_server::Admin;
use mini_etcd_proto::adminpb::{
    DeletedRequest, DeletedResponse, KeyHistoryRequest, KeyHistoryResponse, LogRequest,
    LogResponse, MemberStatus, RevisionHistogramRequest, RevisionHistogramResponse,
    WatchStatusRequest,
};
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::Host;
use super::results::elsewhere;
use super::unread::Unread;
use crate::limits;
use status::{Readings, status};

/// Interval of clients that leave it to us.
const INTERVAL_DEFAULT: Duration = Duration::from_secs(1);

/// The service of a member.
#[derive(Clone)]
pub struct AdminService {
    host: Host,
}

impl AdminService {
    /// The service of a member.
    #[must_use]
    pub fn new(host: Host) -> Self {
        Self { host }
    }
}

#[tonic::async_trait]
impl Admin for AdminService {
    type WatchStream = BoxStream<'static, Result<MemberStatus, Status>>;

    async fn watch(
        &self,
        request: Request<WatchStatusRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let interval = match request.into_inner().interval_ms {
            0 => INTERVAL_DEFAULT,
            ms => Duration::from_millis(ms.into()).max(limits::STATUS_INTERVAL_MIN),
        };
        let host = self.host.clone();
        let begin = (Instant::now(), Readings::take(&host));
        let answers = stream::unfold(begin, move |(due, before)| {
            let host = host.clone();
            async move {
                tokio::time::sleep_until(due).await;
                let now = Readings::take(&host);
                let answer = status(&host, &now, &before);
                // A client that reads late gets no burst of answers.
                Some((Ok(answer), ((due + interval).max(Instant::now()), now)))
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn log(&self, request: Request<LogRequest>) -> Result<Response<LogResponse>, Status> {
        let unread = Unread::of(&request);
        Ok(log::page(&self.host, &unread, &request.into_inner()).await?)
    }

    async fn key_history(
        &self,
        request: Request<KeyHistoryRequest>,
    ) -> Result<Response<KeyHistoryResponse>, Status> {
        let unread = Unread::of(&request);
        let asked = check::key_history(request.into_inner())?;
        let state = self.host.published();
        let page = move || past::key_history(&state.view, &asked);
        Ok(self.host.results().page(&unread, limits::ADMIN_PAGE_BYTES_MAX, page).await?)
    }

    async fn revision_histogram(
        &self,
        request: Request<RevisionHistogramRequest>,
    ) -> Result<Response<RevisionHistogramResponse>, Status> {
        let (window, from) = check::histogram(request.into_inner())?;
        let state = self.host.published();
        let answer = elsewhere(move || past::histogram(&state.view, &window, from)).await?;
        Ok(Response::new(answer))
    }

    async fn deleted(
        &self,
        request: Request<DeletedRequest>,
    ) -> Result<Response<DeletedResponse>, Status> {
        let unread = Unread::of(&request);
        let asked = check::deleted(request.into_inner())?;
        let state = self.host.published();
        let page = move || past::deleted(&state.view, &asked);
        Ok(self.host.results().page(&unread, limits::ADMIN_PAGE_BYTES_MAX, page).await?)
    }
}
