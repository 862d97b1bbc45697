//! What apply and mvcc promise, tested through the applier: scripts, a model, restarts, hashes.

mod answers;
mod auth;
mod counts;
mod fixture;
mod hash;
mod model;
mod past;
mod properties;
mod read_txn;
mod rows;
mod script;
mod snapshot;
mod state;
