//! What apply and mvcc promise, tested through the applier: scripts, a model, restarts, hashes.

mod fixture;
mod hash;
mod model;
mod past;
mod properties;
mod script;
mod state;
