//! As whom members are asked: one login for everything that watches the cluster.
//!
//! * I1: every call carries the token, once there is one.
//! * I2: who may not log in is asked for what is free all the same, and refused in the words of the login.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mini_etcd_shared::client::{Connection, Credentials, Headers, Wire, wants_login};
use tokio::time::Instant;
use tonic::{Response, Status};

use super::fault;
use crate::connect::Reach;

/// Time after which a login that was refused is tried again: each try costs the server a slow hash.
const LOGIN_AGAIN: Duration = Duration::from_secs(5);

/// The login of the engine. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Access {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    login: Option<Credentials>,
    headers: Headers,
    /// The login that was refused last.
    refused: Mutex<Option<(Status, Instant)>>,
    /// Held by who logs in, for the others to wait for.
    entering: tokio::sync::Mutex<()>,
}

impl Access {
    pub(crate) fn new(reach: &Reach) -> Self {
        let (login, headers) = (reach.login.clone(), Headers::of(reach.token.as_ref()));
        Self { inner: Arc::new(Inner { login, headers, ..Inner::default() }) }
    }

    fn refused(&self) -> MutexGuard<'_, Option<(Status, Instant)>> {
        self.inner.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks, logged in; once more when the server has forgotten the login. The caller bounds the time.
    pub(crate) async fn call<T, F>(
        &self,
        connection: &Connection,
        send: impl Fn(Wire) -> F,
    ) -> Result<T, Status>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        self.enter(connection).await;
        let wire = || Wire::new(connection.clone(), self.inner.headers.clone());
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
        let answer = self.inner.headers.log_in(connection, login).await;
        let mut refused = self.refused();
        match answer {
            Ok(()) => *refused = None,
            Err(status) if fault::refusal(&status).is_some() => {
                *refused = Some((status, Instant::now()));
            }
            // The call itself will say what is wrong.
            Err(_) => {}
        }
    }

    /// Whether there is nothing to log in for now.
    fn is_settled(&self) -> bool {
        let waits = self.refused().as_ref().is_some_and(|(_, at)| at.elapsed() < LOGIN_AGAIN);
        waits || self.inner.headers.is_settled()
    }

    /// Whether the server has forgotten a login that can be made anew, or wants one since users were turned on.
    fn forgets(&self, status: &Status) -> bool {
        let forgotten = self.inner.login.is_some() && wants_login(status.message());
        let had = self.inner.headers.is_settled();
        if forgotten {
            self.inner.headers.forget_login();
        }
        forgotten && had
    }

    /// I2
    fn explained(&self, status: Status) -> Status {
        let refused = self.refused().as_ref().map(|(status, _)| status.clone());
        refused.filter(|_| fault::refusal(&status).is_some()).unwrap_or(status)
    }
}
