//! Members that are started by etcd's flags, variables and files: they start where etcd does, and tell etcdctl the same.
//!
//! `ETCD_BIN` names etcd 3.5.1's server, `ETCDCTL_BIN` its etcdctl, `ETCD37_BIN`, where it is set, etcd 3.7's server.

mod beside;
mod effects;
mod launch;
mod published;
