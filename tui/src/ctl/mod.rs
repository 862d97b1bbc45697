//! `mini-etcdctl`: one command of the table per process.
//!
//! ```text
//! argv, ETCDCTL_* ─▶ command::parse ─▶ Request ─▶ Report ─▶ format ─▶ stdout, stderr, exit code
//! ```
//!
//! Invariants:
//! * I1: bytes and exit codes are those of etcdctl 3.7.3 (`docs/compat.md` lists what differs).
//! * I2: standard output carries answers only; all else goes to standard error, log lines as JSON like etcdctl's.
//!
//! It refuses SRV discovery by name until it exists. Tested in `tests/tests/oracle_ctl`.

mod check;
mod console;
mod elect;
mod lock;
mod log;
mod mirror;
mod password;
mod program;
mod restore;
mod run;
mod session;
mod settings;
mod watch;

pub use run::main;
