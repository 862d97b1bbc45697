//! The console for etcd clusters.
//!
//! ```text
//! cli ─▶ console: loop ─▶ update ─▶ screens ─▶ view ─▶ terminal        (drawn with widget)
//!                   ▲        │
//!                   └─ engine ◀─▶ bundled (members as child processes)
//! cli ─▶ script (`run`) ─▶ the session of mini_etcd_shared       mini-etcdctl ─▶ ctl
//! ```
//!
//! `console` is the frame around the screens; each of `screens` has its state, its views, its keys and its requests in
//! one folder; `widget` is what several of them draw with; `demo` is the sample data of `--demo`; `record` writes what
//! prompt and console do as a script.

// A standard error whose reader is gone must end nothing: `complaint` writes to it.
#![cfg_attr(not(test), deny(clippy::print_stderr))]

pub mod bundled;
pub mod cli;
mod complaint;
pub mod connect;
pub mod console;
pub mod ctl;
pub mod demo;
pub mod engine;
mod hidden;
pub mod password;
pub mod profile;
mod record;
pub mod repl;
pub mod screens;
pub mod script;
pub mod widget;
