//! `mini-etcdctl`: one command of the table per process.
//!
//! ```text
//! argv, ETCDCTL_* ─▶ command::parse ─▶ Request ─▶ Report ─▶ format ─▶ stdout, stderr, exit code
//! ```
//!
//! Invariants:
//! * I1: bytes and exit codes are those of etcdctl 3.5.1 (`docs/compat.md` lists what differs).
//! * I2: standard output carries answers only; all else goes to standard error, log lines as JSON like etcdctl's.
//!
//! It refuses TLS and SRV discovery by name until they exist. Tested in `tests/tests/oracle_ctl`.

mod console;
mod log;
mod password;
mod restore;
mod run;
mod settings;
mod watch;

pub use run::main;
