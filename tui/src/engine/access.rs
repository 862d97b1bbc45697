//! As whom members are asked: one login for everything that watches the cluster.
//!
//! * I1: every call carries the token, once there is one.
//! * I2: who may not log in is asked for what is free all the same, and refused in the words of the login.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mini_etcd_proto::etcdserverpb::AuthenticateRequest;
use mini_etcd_proto::etcdserverpb::auth_client::AuthClient;
use mini_etcd_shared::client::{Connection, Credentials};
use tokio::time::Instant;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status};

use super::fault;

/// Time after which a login that was refused is tried again: each try costs the server a slow hash.
const LOGIN_AGAIN: Duration = Duration::from_secs(5);

/// What calls are sent through.
pub(super) type Wire = InterceptedService<Connection, Access>;

/// The login of the engine. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Access {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    login: Option<Credentials>,
    state: Mutex<State>,
    /// Held by who logs in, for the others to wait for.
    entering: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    token: Option<MetadataValue<Ascii>>,
    /// The server has no users.
    open: bool,
    refused: Option<(Status, Instant)>,
}

impl Access {
    pub(super) fn new(login: Option<Credentials>) -> Self {
        Self { inner: Arc::new(Inner { login, ..Inner::default() }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks, logged in; once more when the server has forgotten the login. The caller bounds the time.
    pub(super) async fn call<T, F>(
        &self,
        connection: &Connection,
        send: impl Fn(Wire) -> F,
    ) -> Result<T, Status>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        self.enter(connection).await;
        let wire = || InterceptedService::new(connection.clone(), self.clone());
        let mut answer = send(wire()).await;
        if answer.as_ref().is_err_and(|status| self.forgets(status)) {
            self.enter(connection).await;
            answer = send(wire()).await;
        }
        answer.map(Response::into_inner).map_err(|status| self.explained(status))
    }

    async fn enter(&self, connection: &Connection) {
        let Some(login) = &self.inner.login else { return };
        if self.is_settled() {
            return;
        }
        let _alone = self.inner.entering.lock().await;
        if self.is_settled() {
            return;
        }
        let (name, password) = (login.name.clone(), login.password.clone());
        let request = AuthenticateRequest { name, password };
        let answer = AuthClient::new(connection.clone()).authenticate(request).await;
        let mut state = self.state();
        match answer {
            Ok(answer) => {
                state.token = answer.into_inner().token.parse().ok();
                state.refused = None;
            }
            Err(status) if status.message().contains("authentication is not enabled") => {
                (state.open, state.refused) = (true, None);
            }
            Err(status) if fault::refusal(&status).is_some() => {
                state.refused = Some((status, Instant::now()));
            }
            // The call itself will say what is wrong.
            Err(_) => {}
        }
    }

    /// Whether there is nothing to log in for now.
    fn is_settled(&self) -> bool {
        let state = self.state();
        let waits = state.refused.as_ref().is_some_and(|(_, at)| at.elapsed() < LOGIN_AGAIN);
        state.token.is_some() || state.open || waits
    }

    /// Whether the server has forgotten a login that can be made anew, or wants one since users were turned on.
    fn forgets(&self, status: &Status) -> bool {
        let message = status.message();
        let forgotten =
            message.contains("invalid auth token") || message.contains("user name is empty");
        let mut state = self.state();
        let had = state.token.is_some() || state.open;
        if forgotten {
            (state.token, state.open) = (None, false);
        }
        forgotten && had && self.inner.login.is_some()
    }

    /// I2
    fn explained(&self, status: Status) -> Status {
        let refused = self.state().refused.as_ref().map(|(status, _)| status.clone());
        refused.filter(|_| fault::refusal(&status).is_some()).unwrap_or(status)
    }
}

impl Interceptor for Access {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = self.state().token.as_ref() {
            request.metadata_mut().insert("token", token.clone());
        }
        Ok(request)
    }
}
