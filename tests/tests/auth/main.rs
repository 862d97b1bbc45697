//! Who may do what: every method as everybody, beside etcd where both have it; and what happens when rights change.

#[cfg(test)]
mod calls;
#[cfg(test)]
mod cases;
#[cfg(test)]
mod changes;
#[cfg(test)]
mod jwt;
#[cfg(test)]
mod people;
#[cfg(test)]
mod table;

use std::time::Duration;

/// Time for anything that is sure to happen.
const DEADLINE: Duration = Duration::from_secs(60);
