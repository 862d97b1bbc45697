//! The console for etcd clusters.
//!
//! ```text
//! cli ─▶ event (the loop) ─▶ app::update ─▶ view ─▶ terminal
//!           ▲                     │
//!           └──── engine ◀────────┘ ─▶ bundled (members as child processes)
//! cli ─▶ script (`run`) ─▶ the session of mini_etcd_shared       mini-etcdctl ─▶ ctl
//! ```
//!
//! `theme` and `keymap` are data from `assets/`; `action` is what a person can do; `widget` draws small parts;
//! `record` writes what prompt and console do as a script.

// A standard error whose reader is gone must end nothing: `complaint` writes to it.
#![cfg_attr(not(test), deny(clippy::print_stderr))]

pub mod action;
pub mod app;
pub mod bundled;
pub mod cli;
mod clipboard;
mod complaint;
pub mod ctl;
mod editor;
pub mod engine;
pub mod event;
mod input;
pub mod keymap;
pub mod login;
mod record;
pub mod repl;
pub mod script;
mod signals;
pub mod terminal;
pub mod theme;
pub mod view;
pub mod widget;
