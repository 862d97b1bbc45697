//! The JSON gateway: beside etcd, against hostile input, as streams, with users and within TLS.

#[cfg(all(test, feature = "oracle"))]
mod beside;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod http;
#[cfg(all(test, feature = "oracle"))]
mod normal;
#[cfg(test)]
mod secure;
#[cfg(test)]
mod streams;

use std::time::Duration;

/// Time for anything that is sure to happen.
const DEADLINE: Duration = Duration::from_secs(60);
