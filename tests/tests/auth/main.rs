//! Who may do what: every method as everybody, beside etcd where both have it; and what happens when rights change.

mod calls;
mod cases;
mod changes;
mod people;
mod table;

use std::time::Duration;

/// Time for anything that is sure to happen.
const DEADLINE: Duration = Duration::from_secs(60);
