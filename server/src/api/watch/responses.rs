//! One call of Watch: its requests taken, its responses one by one.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream as _;
use mini_etcd_proto::etcdserverpb::WatchRequest;
use tokio::time::{Instant, Sleep, sleep};
use tonic::{Status, Streaming};

use super::AskedBy;
use crate::api::Caller;
use crate::watch::{Response, WatchStream};

/// Reads the client's requests and yields what is to be sent, until the client goes or the server ends it.
pub struct Responses {
    /// None after the client ended its half.
    requests: Option<Streaming<WatchRequest>>,
    stream: WatchStream,
    caller: Caller,
    asked_by: AskedBy,
    /// Time between progress messages.
    progress: Duration,
    /// None until a watch asks for progress messages.
    tick: Option<Pin<Box<Sleep>>>,
    over: bool,
}

impl Responses {
    pub(super) fn new(
        requests: Streaming<WatchRequest>,
        stream: WatchStream,
        (caller, asked_by): (Caller, AskedBy),
        progress: Duration,
    ) -> Self {
        let requests = Some(requests);
        Self { requests, stream, caller, asked_by, progress, tick: None, over: false }
    }

    /// Takes requests as long as there are some and answers to earlier ones do not pile up.
    fn take_requests(&mut self, context: &mut Context<'_>) -> Result<(), Status> {
        while self.stream.takes_requests() {
            let Some(requests) = &mut self.requests else { break };
            match Pin::new(requests).poll_next(context) {
                Poll::Pending => break,
                Poll::Ready(None) => self.requests = None,
                Poll::Ready(Some(request)) => {
                    self.stream.request(&request?, || (self.asked_by)(&self.caller));
                }
            }
        }
        Ok(())
    }

    fn tick(&mut self, context: &mut Context<'_>) {
        if !self.stream.wants_ticks() {
            self.tick = None;
            return;
        }
        let progress = self.progress;
        let tick = self.tick.get_or_insert_with(|| Box::pin(sleep(progress)));
        while tick.as_mut().poll(context).is_ready() {
            tick.as_mut().reset(Instant::now() + progress);
            self.stream.tick();
        }
    }

    /// The next response, for a connection that still has events of `unsent` bytes; none after the end.
    pub(super) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        unsent: usize,
    ) -> Poll<Option<Result<Response, Status>>> {
        if self.over {
            return Poll::Ready(None);
        }
        if let Err(status) = self.take_requests(context) {
            self.over = true;
            return Poll::Ready(Some(Err(status)));
        }
        self.tick(context);
        self.stream.poll_next(context, unsent).map(|next| {
            Some(next.map_err(|error| {
                self.over = true;
                error.into()
            }))
        })
    }
}
