//! Calls that find a member by themselves.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mini_etcd_proto::etcdserverpb::{
    AlarmRequest, AlarmResponse, AuthenticateRequest, CompactionRequest, CompactionResponse,
    DeleteRangeRequest, DeleteRangeResponse, HashKvRequest, HashKvResponse, MemberListRequest,
    MemberListResponse, PutRequest, PutResponse, RangeRequest, RangeResponse, StatusRequest,
    StatusResponse, TxnRequest, TxnResponse, WatchCreateRequest, request_op::Request,
};
use tonic::{Response, Status};

use super::{ClientConfig, Headers, Kind, Member, Outcome, WatchStream};
use crate::error::ClientError;

/// Pause before the members are asked for another round.
const ROUND_PAUSE: Duration = Duration::from_millis(25);

/// A client of one cluster. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    members: Arc<[Member]>,
    headers: Headers,
    turn: Arc<AtomicUsize>,
    config: Arc<ClientConfig>,
}

impl Client {
    /// A client; nothing is dialled before the first call.
    ///
    /// # Errors
    /// When there is no endpoint, or one that cannot be dialled.
    pub fn new(config: ClientConfig) -> Result<Self, ClientError> {
        Self::with_headers(config, Headers::default())
    }

    fn with_headers(config: ClientConfig, headers: Headers) -> Result<Self, ClientError> {
        if config.endpoints.is_empty() {
            return Err(ClientError::BadEndpoint {
                text: String::new(),
                reason: "at least one endpoint is needed".to_owned(),
            });
        }
        let members: Result<Vec<_>, _> = config
            .endpoints
            .iter()
            .map(|endpoint| Member::new(endpoint.clone(), headers.clone(), &config))
            .collect();
        Ok(Self {
            members: members?.into(),
            headers,
            turn: Arc::new(AtomicUsize::new(0)),
            config: Arc::new(config),
        })
    }

    /// A client with other settings that shares this one's login.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn with_config(&self, config: ClientConfig) -> Result<Self, ClientError> {
        Self::with_headers(config, self.headers.clone())
    }

    /// The members, in the order of the endpoints.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The settings it was made with.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// The member that the next call asks first; each call moves on by one.
    #[must_use]
    pub fn pick(&self) -> Member {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.at(turn)
    }

    #[expect(clippy::expect_used, reason = "the constructor refuses an empty list of endpoints")]
    fn at(&self, turn: usize) -> Member {
        self.members.iter().cycle().nth(turn % self.members.len()).expect("never empty").clone()
    }

    /// Logs in, and sends the token with every later request. A server without auth is taken as it is.
    ///
    /// # Errors
    /// When the server refuses name or password, or does not answer.
    pub async fn login(&self, name: &str, password: &str) -> Result<(), ClientError> {
        let request = AuthenticateRequest { name: name.to_owned(), password: password.to_owned() };
        let answer = self
            .call(Kind::Read, |member| {
                let request = request.clone();
                async move { member.auth().authenticate(request).await }
            })
            .await
            .into_result();
        match answer {
            Ok(answer) => self.headers.set_token(&answer.token),
            Err(ClientError::Refused { message, .. })
                if message == "etcdserver: authentication is not enabled" =>
            {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Runs `send` on a member, and on the next one where invariant I1 allows it, until the command timeout.
    pub async fn call<T, F, Fut>(&self, kind: Kind, send: F) -> Outcome<T>
    where
        F: Fn(Member) -> Fut,
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        let mut seen = Seen::default();
        let attempts = self.attempts(kind, &send, &mut seen);
        let result = match self.config.command_timeout {
            None => attempts.await,
            Some(after) => match tokio::time::timeout(after, attempts).await {
                Ok(result) => result,
                Err(_) => Err(ClientError::TimedOut {
                    endpoint: seen.endpoint,
                    after,
                    unsent: seen.unsent,
                    reason: seen.reason,
                }),
            },
        };
        Outcome::of(kind, result)
    }

    async fn attempts<T, F, Fut>(
        &self,
        kind: Kind,
        send: &F,
        seen: &mut Seen,
    ) -> Result<T, ClientError>
    where
        F: Fn(Member) -> Fut,
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        for attempt in 0.. {
            if attempt > 0 && attempt % self.members.len() == 0 {
                tokio::time::sleep(ROUND_PAUSE).await;
            }
            let member = self.at(first.wrapping_add(attempt));
            member.endpoint().as_str().clone_into(&mut seen.endpoint);
            seen.unsent = false;
            let error = match send(member).await {
                Ok(response) => return Ok(response.into_inner()),
                Err(status) => ClientError::of(&seen.endpoint, &status),
            };
            tracing::debug!(endpoint = seen.endpoint, %error, attempt, "call failed");
            // I1: what was sent and is no read is never sent again.
            seen.unsent = error.unsent_reason().is_some();
            let again = seen.unsent || (kind == Kind::Read && error.is_passing());
            let patient = self.config.wait_for_connection || attempt + 1 < self.members.len();
            if !again || (seen.unsent && !patient) {
                return Err(error);
            }
            seen.reason = match error {
                ClientError::NotConnected { reason, .. } | ClientError::Broken { reason, .. } => {
                    Some(reason)
                }
                _ => None,
            };
        }
        unreachable!("the loop has no end of its own")
    }

    /// Watches; see [`WatchStream`].
    #[must_use]
    pub fn watch(&self, request: WatchCreateRequest) -> WatchStream {
        WatchStream::new(self.clone(), request)
    }
}

/// The last attempt of a call.
#[derive(Default)]
struct Seen {
    endpoint: String,
    /// Whether it failed before anything was sent; not while something is under way.
    unsent: bool,
    /// Why the attempt before the one under way had no connection.
    reason: Option<String>,
}

macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident($service:ident, $kind:expr, $request:ident) -> $response:ident;)*) => {
        impl Client {
            $(
                $(#[$doc])*
                pub async fn $name(&self, request: $request) -> Outcome<$response> {
                    let kind: fn(&$request) -> Kind = $kind;
                    self.call(kind(&request), |member| {
                        let request = request.clone();
                        async move { member.$service().$name(request).await }
                    })
                    .await
                }
            )*
        }
    };
}

calls! {
    /// Reads keys.
    range(kv, |_| Kind::Read, RangeRequest) -> RangeResponse;
    /// Writes a key.
    put(kv, |_| Kind::Write, PutRequest) -> PutResponse;
    /// Deletes keys.
    delete_range(kv, |_| Kind::Write, DeleteRangeRequest) -> DeleteRangeResponse;
    /// Runs a transaction.
    txn(kv, kind_of_txn, TxnRequest) -> TxnResponse;
    /// Forgets history.
    compact(kv, |_| Kind::Write, CompactionRequest) -> CompactionResponse;
    /// Lists the members.
    member_list(cluster, |_| Kind::Read, MemberListRequest) -> MemberListResponse;
    /// Lists, raises or lowers alarms.
    alarm(maintenance, |request| if request.action == 0 { Kind::Read } else { Kind::Write }, AlarmRequest) -> AlarmResponse;
    /// State of whichever member answers.
    status(maintenance, |_| Kind::Read, StatusRequest) -> StatusResponse;
    /// Hash of the keys of whichever member answers.
    hash_kv(maintenance, |_| Kind::Read, HashKvRequest) -> HashKvResponse;
}

/// A transaction of nothing but reads is a read.
fn kind_of_txn(request: &TxnRequest) -> Kind {
    let ops = || request.success.iter().chain(&request.failure);
    let reads = ops().all(|op| match &op.request {
        Some(Request::RequestRange(_)) => true,
        Some(Request::RequestTxn(inner)) => kind_of_txn(inner) == Kind::Read,
        _ => false,
    });
    if reads { Kind::Read } else { Kind::Write }
}

#[cfg(test)]
mod tests {
    use super::super::Endpoint;
    use super::*;

    /// Goal: a call that ends while it dials anew is one without a connection, but no proof. Method: the first attempt
    /// finds nobody, the second never ends.
    #[tokio::test]
    async fn a_call_that_ends_while_it_tries_again_still_says_that_nobody_was_there() {
        let config = ClientConfig {
            command_timeout: Some(Duration::from_millis(300)),
            wait_for_connection: true,
            ..ClientConfig::new(vec![Endpoint::parse("127.0.0.1:1").unwrap()])
        };
        let client = Client::new(config).unwrap();
        let attempts = AtomicUsize::new(0);
        let outcome = client.call(Kind::Write, |member| {
            let is_first = attempts.fetch_add(1, Ordering::Relaxed) == 0;
            async move {
                if !is_first {
                    std::future::pending::<()>().await;
                }
                member.kv().put(PutRequest::default()).await
            }
        });
        let Outcome::Unknown(error) = outcome.await else { panic!("it may have been sent") };
        assert!(error.is_of_connection() && !error.did_not_run(), "{error:?}");
    }
}
