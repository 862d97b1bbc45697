//! Tests of the core as a whole: scripts by topic, and a comparison with a naive fan-out.

mod model;
mod permissions;
mod scripts;
mod store;
