//! One member of a mini-etcd cluster.
//!
//! ```text
//! client ─▶ api ─▶ node ─▶ raft ─▶ log ══fsync══▶ (commit) ─▶ apply ─▶ mvcc ─▶ watch ─▶ client
//!              ▲                                                 │
//!              └───────────── result of this very entry ◀────────┘
//! ```
//!
//! `node` is the threads and streams that run this line; everything in it that can be pure is. The order of the
//! modules, from the top: `server`, `http`, `api`, `node`, `raft`, `watch`, `backup`, `apply`, `auth`, `mvcc`, `lease`,
//! `log`, `storage`. Each imports only what stands below it, and what serves all:
//! `config`, `error`, `fatal`, `limits`, `metrics`, `output`, `repeats`, `tls`.

// A stream of the process may be broken or full: `output` alone writes to them.
#![cfg_attr(not(test), deny(clippy::print_stderr))]
// A name that says it all needs no sentence.
#![expect(missing_docs, reason = "a sentence that repeats a name says nothing")]

pub mod api;
pub mod apply;
pub mod auth;
pub mod backup;
pub mod config;
pub mod error;
pub mod fatal;
pub mod http;
pub mod lease;
pub mod limits;
pub mod log;
pub mod metrics;
pub mod mvcc;
pub mod node;
pub mod output;
pub mod raft;
pub mod repeats;
pub mod server;
pub mod storage;
pub mod tls;
pub mod watch;
