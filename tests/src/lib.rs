//! What sees mini-etcd from outside.
//!
//! ```text
//! process ─▶ cluster ─▶ workload ─▶ history ─▶ check
//!                 ├──▶ load, fan_out (rates and latencies beside etcd)
//!                 └──▶ differential (the same requests to an etcd and a mini-etcd)
//! ```
//!
//! *What this is.* The harness of the process tests: members as real processes on ports that the system picks,
//! killed and restarted for real; what clients saw, recorded; and a checker that holds it against the log of the
//! cluster. `sim` is the other half: the same sequencers in one thread, with no process at all.
//!
//! *What it refuses.* It never waits for time to pass, only for a condition with a deadline ([`wait::eventually`]),
//! and it never skips: a program that a suite needs and does not find is an error that says how to get it.

pub mod backup;
pub mod check;
pub mod cluster;
pub mod differential;
pub mod disk;
pub mod dump;
pub mod fan_out;
pub mod history;
pub mod load;
pub mod network;
pub mod page;
pub mod process;
pub mod sim;
pub mod tls;
pub mod usage;
pub mod wait;
pub mod wire;
pub mod workload;
