//! The versions that the programs report.

/// Version of etcd whose behaviour the server follows; what `Status` and `/version` report.
///
/// Plain `MAJOR.MINOR.PATCH`: clients parse each part as a number.
pub const ETCD_VERSION: &str = "3.6.14";

/// Cluster version that goes with [`ETCD_VERSION`].
pub const CLUSTER_VERSION: &str = "3.6.0";

/// Version of the stored data that goes with [`ETCD_VERSION`].
pub const STORAGE_VERSION: &str = "3.6.0";

/// Version of etcdctl whose output `mini-etcdctl` prints byte for byte.
pub const ETCDCTL_VERSION: &str = "3.7.3";

/// Version of the API in etcdctl's words.
pub const API_VERSION: &str = "3.7";

/// Version of mini-etcd itself.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
