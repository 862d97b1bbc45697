//! [`Member`]: one endpoint with a connection that is ready, and the stubs of every service on it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};

use mini_etcd_proto::adminpb::admin_client::AdminClient;
use mini_etcd_proto::etcdserverpb::AuthenticateRequest;
use mini_etcd_proto::etcdserverpb::auth_client::AuthClient;
use mini_etcd_proto::etcdserverpb::cluster_client::ClusterClient;
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::lease_client::LeaseClient;
use mini_etcd_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use mini_etcd_proto::etcdserverpb::watch_client::WatchClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Status};

use super::{Connection, Credentials, Endpoint, Token};
use crate::error::ClientError;

/// What the stubs send through.
pub type Wire = InterceptedService<Connection, Headers>;

/// How long messages may be, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageBounds {
    /// Of a request; a longer one is not sent.
    pub request: usize,
    /// Of an answer; a longer one is not taken.
    pub answer: usize,
}

impl Default for MessageBounds {
    /// Requests are bounded by servers; answers of any size are taken, as etcdctl does.
    fn default() -> Self {
        Self { request: usize::MAX, answer: (1 << 31) - 1 }
    }
}

/// How a server says that it has no users.
const NO_AUTH: &str = "etcdserver: authentication is not enabled";
/// How a server says that a user may not do what was asked.
pub(super) const NOT_ALLOWED: &str = "etcdserver: permission denied";
/// How a server says that it does not know the token, because it was restarted or the token has expired, or that it
/// wants one since users were turned on; or that users or rights have changed since the login.
const NO_LOGIN: &[&str] = &[
    "etcdserver: invalid auth token",
    "etcdserver: user name is empty",
    "etcdserver: revision of auth store is old",
    // etcd 3.5.1 says so of a write.
    "auth: revision in header is old",
];

/// Whether a server's words mean that it does not know the login, or wants one: a new one helps.
#[must_use]
pub fn wants_login(message: &str) -> bool {
    NO_LOGIN.contains(&message)
}

/// Metadata of every request: the token of a logged-in user.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    token: Arc<RwLock<Option<MetadataValue<Ascii>>>>,
    /// The server takes requests without a login.
    open: Arc<AtomicBool>,
}

impl Headers {
    /// Those of who has a token, or of who has none yet.
    #[must_use]
    pub fn of(token: Option<&Token>) -> Self {
        let token = Arc::new(RwLock::new(token.map(Token::value)));
        Self { token, ..Self::default() }
    }

    /// Logs in over a connection, for all that is sent with these headers. A server without users is taken as it is.
    ///
    /// # Errors
    /// When the server refuses name or password, or does not answer.
    pub async fn log_in(&self, connection: &Connection, login: &Credentials) -> Result<(), Status> {
        let (name, password) = (login.name.clone(), login.password.clone());
        let request = AuthenticateRequest { name, password };
        match AuthClient::new(connection.clone()).authenticate(request).await {
            Ok(answer) => self
                .set_token(&answer.into_inner().token)
                .map_err(|error| Status::internal(error.to_string())),
            Err(status) if status.message() == NO_AUTH => {
                self.open.store(true, Ordering::Release);
                Ok(())
            }
            Err(status) => Err(status),
        }
    }

    fn set_token(&self, token: &str) -> Result<(), ClientError> {
        let value = token.parse().map_err(|_| ClientError::Refused {
            code: tonic::Code::Internal,
            message: "the server's token is not a legal header".to_owned(),
        })?;
        *self.token.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(value);
        Ok(())
    }

    /// Whether the server has said that no login is needed.
    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Whether a login was made, or is not needed.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let token = self.token.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        token.is_some() || self.is_open()
    }

    /// Has the next request log in again.
    pub fn forget_login(&self) {
        self.open.store(false, Ordering::Release);
        *self.token.write().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
    }
}

impl Interceptor for Headers {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let token = self.token.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(token) = token.as_ref() {
            request.metadata_mut().insert("token", token.clone());
        }
        Ok(request)
    }
}

/// One endpoint, connected. Its requests fail once the connection has ended.
#[derive(Clone, Debug)]
pub struct Member {
    endpoint: Endpoint,
    connection: Connection,
    headers: Headers,
    bounds: MessageBounds,
}

macro_rules! stub {
    ($(#[$doc:meta])* $name:ident, $client:ident) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(&self) -> $client<Wire> {
            $client::with_interceptor(self.connection.clone(), self.headers.clone())
                .max_decoding_message_size(self.bounds.answer)
        }
    };
}

impl Member {
    pub(super) fn new(endpoint: Endpoint, connection: Connection, headers: Headers) -> Self {
        Self { endpoint, connection, headers, bounds: MessageBounds::default() }
    }

    /// The same with other bounds.
    pub(super) fn bounded(self, bounds: MessageBounds) -> Self {
        Self { bounds, ..self }
    }

    pub(super) fn headers(&self) -> &Headers {
        &self.headers
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Its address.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    stub!(
        /// Keys and values.
        kv,
        KvClient
    );
    stub!(
        /// Watches.
        watch,
        WatchClient
    );
    stub!(
        /// Leases.
        lease,
        LeaseClient
    );
    stub!(
        /// Membership.
        cluster,
        ClusterClient
    );
    stub!(
        /// Status, hashes, alarms.
        maintenance,
        MaintenanceClient
    );
    stub!(
        /// Users and roles.
        auth,
        AuthClient
    );
    stub!(
        /// What only mini-etcd offers; stock etcd answers `Unimplemented`.
        admin,
        AdminClient
    );
}
