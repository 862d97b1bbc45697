//! `etcd_server_request_duration_seconds`: durations of calls by the kinds that etcd tells apart.
//!
//! It is made when it is asked for, of what the methods count anyway: a call that succeeds is measured once.

use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::family::Family;

use super::durations::Durations;

type Labels = Vec<(&'static str, &'static str)>;

/// Service and method, and what etcd calls such a request.
const KINDS: &[(&str, &str, &str)] = &[
    ("etcdserverpb.KV", "Range", "Range"),
    ("etcdserverpb.KV", "Put", "Put"),
    ("etcdserverpb.KV", "DeleteRange", "DeleteRange"),
    ("etcdserverpb.KV", "Txn", "Txn"),
    ("etcdserverpb.KV", "Compact", "Compaction"),
    ("etcdserverpb.Lease", "LeaseGrant", "LeaseGrant"),
    ("etcdserverpb.Lease", "LeaseRevoke", "LeaseRevoke"),
    ("etcdserverpb.Maintenance", "Alarm", "Alarm"),
    ("etcdserverpb.Auth", "AuthEnable", "AuthEnable"),
    ("etcdserverpb.Auth", "AuthDisable", "AuthDisable"),
    ("etcdserverpb.Auth", "AuthStatus", "AuthStatus"),
    ("etcdserverpb.Auth", "Authenticate", "Authenticate"),
    ("etcdserverpb.Auth", "UserAdd", "AuthUserAdd"),
    ("etcdserverpb.Auth", "UserDelete", "AuthUserDelete"),
    ("etcdserverpb.Auth", "UserGet", "AuthUserGet"),
    ("etcdserverpb.Auth", "UserList", "AuthUserList"),
    ("etcdserverpb.Auth", "UserChangePassword", "AuthUserChangePassword"),
    ("etcdserverpb.Auth", "UserGrantRole", "AuthUserGrantRole"),
    ("etcdserverpb.Auth", "UserRevokeRole", "AuthUserRevokeRole"),
    ("etcdserverpb.Auth", "RoleAdd", "AuthRoleAdd"),
    ("etcdserverpb.Auth", "RoleDelete", "AuthRoleDelete"),
    ("etcdserverpb.Auth", "RoleGet", "AuthRoleGet"),
    ("etcdserverpb.Auth", "RoleList", "AuthRoleList"),
    ("etcdserverpb.Auth", "RoleGrantPermission", "AuthRoleGrantPermission"),
    ("etcdserverpb.Auth", "RoleRevokePermission", "AuthRoleRevokePermission"),
];

/// Durations of all calls, and of those that failed, by the labels of a method.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests {
    pub(super) all: Family<Labels, Durations>,
    pub(super) failed: Family<Labels, Durations>,
}

impl Collector for Requests {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let (name, help) = ("etcd_server_request_duration_seconds", "Time of requests by kind");
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (service, method, kind) in KINDS {
            let labels = labels(service, method, "unary");
            // Nothing is made here for a method that nobody serves.
            let (Some(all), Some(failed)) = (self.all.get(&labels), self.failed.get(&labels))
            else {
                continue;
            };
            // What failed first: a call that ends in between must not be less than nothing.
            let failed = failed.read();
            let succeeded = all.read().without(&failed);
            for (success, reading) in [("true", succeeded), ("false", failed)] {
                if reading.count() > 0 {
                    let labels = [("type", *kind), ("success", success)];
                    all.encode_reading(&reading, &mut family.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }
}

/// The labels of a method, as the common Go middleware has them.
pub(super) fn labels(service: &'static str, method: &'static str, kind: &'static str) -> Labels {
    vec![("grpc_service", service), ("grpc_method", method), ("grpc_type", kind)]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tonic::Code;

    use crate::metrics::{Facts, Metrics};

    #[test]
    fn requests_are_told_apart_by_kind_and_success() {
        let metrics = Metrics::new();
        let unused = metrics.method("etcdserverpb.KV", "Range", "unary");
        let method = metrics.method("etcdserverpb.KV", "Compact", "unary");
        method.handled(Code::Ok, Duration::from_micros(500));
        method.handled(Code::Ok, Duration::from_micros(1500));
        method.handled(Code::OutOfRange, Duration::from_micros(250));
        let text = metrics.expose(&Facts::default());
        let name = "etcd_server_request_duration_seconds";
        for line in [
            format!("# TYPE {name} histogram"),
            format!(r#"{name}_bucket{{le="0.001",type="Compaction",success="true"}} 1"#),
            format!(r#"{name}_count{{type="Compaction",success="true"}} 2"#),
            format!(r#"{name}_sum{{type="Compaction",success="true"}} 0.002"#),
            format!(r#"{name}_count{{type="Compaction",success="false"}} 1"#),
        ] {
            assert!(text.contains(&line), "{line}\n{text}");
        }
        assert!(!text.contains("type=\"Range\""), "what was never asked for is not there");
        drop(unused);
    }
}
