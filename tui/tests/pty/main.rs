//! Goal: the real program in a real terminal: it starts, shows the cluster, obeys keys, and gives the terminal back.
//! Method: a pseudo-terminal whose screen a terminal emulator keeps; every step waits for what must be seen, with a
//! deadline, and answers the questions a terminal is asked.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and its deadlines are those of the real clock"
)]

mod auth;
mod bundled;
#[expect(dead_code, reason = "shared with other suites")]
#[path = "../../../shared/tests/tls/secure.rs"]
mod certificates;
mod cluster;
mod console;
mod demo;
mod faults;
mod keys;
mod leases;
mod lines;
mod member;
mod mouse;
mod program;
mod proxy;
mod random;
mod secure;
mod tails;
