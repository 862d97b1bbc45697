//! A client of an etcd cluster: stock etcd 3.4 and later, or mini-etcd.
//!
//! ```text
//! exec, console ─▶ Client ─▶ Pool: a connection to every endpoint, dialled at once ─▶ Member (one that is ready) ─▶ server
//! ```
//!
//! A request goes to a member whose HTTP/2 SETTINGS were seen, and to the next one when it provably was not processed:
//! it never left, its stream was refused, or the server went away before it. A read goes to a second member as well when
//! the first is silent.
//!
//! Invariants:
//! * I1: a request is sent again only when it is a read, or when it provably did not run.
//! * I2: a failure says whether the request may have run: [`Outcome::Failed`] did not, [`Outcome::Unknown`] may.
//! * I3: a [`WatchStream`] delivers each event of its range once and in order, over any number of reconnects,
//!   or ends with the reason; reconnects are reported. What it holds back is one revision at the most.
//! * I4: once an answer has named a cluster, no request goes to a server that has not said that it is of that cluster,
//!   and no answer of another one counts ([`OneCluster`]).
//!
//! It refuses to guess: a member that answered with an error is not asked again for a write. Tested in
//! `shared/tests/failover.rs` against servers that misbehave, in `tests/` against real ones.

mod admin;
mod backup;
mod calls;
mod cluster;
mod config;
mod connect;
mod doctor;
mod endpoint;
mod heard;
mod learn;
mod member;
mod outcome;
mod pool;
mod tls;
mod watch;

pub use admin::{Offered, further, older};
pub use backup::BackupStream;
pub use calls::Client;
pub use cluster::OneCluster;
pub use config::{Access, ClientConfig, Credentials, Token};
pub use connect::{Connection, DialError, SendError};
pub use doctor::{Diagnosis, Examined, Layer, LayerFound, examine};
pub use endpoint::Endpoint;
pub use member::{Headers, Member, MessageBounds, Wire, wants_login};
pub use outcome::{Kind, Outcome};
pub use tls::{Certificate, Socket, Tls, TlsFileError, TlsTrouble, Validity, Within, spoken};
pub use watch::{Patience, WatchItem, WatchRequester, WatchStream};
