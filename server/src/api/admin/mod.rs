//! `minietcd.admin.v1.Admin`: what the console asks beyond the etcd API.
//!
//! ```text
//! console ─▶ AdminService ─▶ status (live, again and again) | log (pages of the Raft log)
//! ```
//!
//! A member answers from what it knows itself; no call waits for others. Authentication is not built: no service has
//! any yet.

mod log;
mod status;

use std::time::Duration;

use futures::stream::{self, BoxStream};
use mini_etcd_proto::adminpb::admin_server::Admin;
use mini_etcd_proto::adminpb::{LogRequest, LogResponse, MemberStatus, WatchStatusRequest};
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::Host;
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
        Ok(Response::new(log::page(&self.host, &request.into_inner()).await?))
    }
}
