//! Measurements by gRPC method, under the names of the common Go middleware.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mini_etcd_shared::error::CODES;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tonic::Code;

use super::durations::Durations;
use super::handles::Metrics;
use super::requests::{Requests, labels};

type Labels = Vec<(&'static str, &'static str)>;
type VersionLabels = [(&'static str, String); 2];

/// Client versions that are told apart (I2); what comes after them counts as "other".
const CLIENT_VERSIONS_MAX: usize = 32;

#[derive(Clone, Debug, Default)]
pub(super) struct Methods {
    started: Family<Labels, Counter>,
    handled: Family<Labels, Counter>,
    /// Of all calls, and of those that failed.
    requests: Requests,
    received: Family<Labels, Counter>,
    sent: Family<Labels, Counter>,
    clients: Family<VersionLabels, Counter>,
    seen: Arc<Mutex<Vec<Client>>>,
}

#[derive(Debug)]
struct Client {
    streams: bool,
    version: String,
    requests: Counter,
}

/// Handles of one method.
#[derive(Clone, Debug)]
pub struct Method {
    /// Calls ended, by their code.
    handled: Arc<[Counter]>,
    handling: Durations,
    /// Of those that failed.
    failing: Durations,
    /// Calls begun.
    pub started: Counter,
    /// Messages received.
    pub received: Counter,
    /// Messages sent.
    pub sent: Counter,
}

impl Methods {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let methods = Self::default();
        let grpc = registry.sub_registry_with_prefix("grpc_server");
        grpc.register("started", "Calls begun", methods.started.clone());
        grpc.register("handled", "Calls ended, by their code", methods.handled.clone());
        let handling = methods.requests.all.clone();
        grpc.register("handling_seconds", "Time from a call's begin to its end", handling);
        grpc.register("msg_received", "Messages received", methods.received.clone());
        grpc.register("msg_sent", "Messages sent", methods.sent.clone());
        registry.register_collector(Box::new(methods.requests.clone()));
        registry.sub_registry_with_prefix("etcd_server").register(
            "client_requests",
            "Requests by kind and by the version that the client states",
            methods.clients.clone(),
        );
        methods
    }
}

impl Metrics {
    /// Handles of a method; `kind` is `unary`, `server_stream` or `bidi_stream`.
    #[must_use]
    pub fn method(&self, service: &'static str, name: &'static str, kind: &'static str) -> Method {
        let labels = labels(service, name, kind);
        let of = &self.methods;
        // All of them, as in etcd: a rate of failures is 0 before the first one, not unknown.
        let handled = CODES.iter().map(|(code, _)| {
            let labels = [labels.as_slice(), &[("grpc_code", *code)]].concat();
            of.handled.get_or_create_owned(&labels)
        });
        Method {
            handled: handled.collect(),
            started: of.started.get_or_create_owned(&labels),
            handling: of.requests.all.get_or_create_owned(&labels),
            failing: of.requests.failed.get_or_create_owned(&labels),
            received: of.received.get_or_create_owned(&labels),
            sent: of.sent.get_or_create_owned(&labels),
        }
    }

    /// Counts requests of clients that state `version`.
    #[must_use]
    pub fn client(&self, streams: bool, version: &str) -> Counter {
        let mut seen = self.methods.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let known = |client: &&Client| client.streams == streams && client.version == version;
        if let Some(client) = seen.iter().find(known) {
            return client.requests.clone();
        }
        let kind = if streams { "stream" } else { "unary" };
        let full = seen.len() >= CLIENT_VERSIONS_MAX;
        let shown = if full { "other" } else { version };
        let labels = [("type", kind.to_string()), ("client_api_version", shown.to_string())];
        let requests = self.methods.clients.get_or_create_owned(&labels);
        if !full {
            let (version, requests) = (version.to_string(), requests.clone());
            seen.push(Client { streams, version, requests });
        }
        requests
    }
}

impl Method {
    /// A call ended with `code` and took so long.
    pub fn handled(&self, code: Code, took: Duration) {
        self.handling.observe(took);
        if code != Code::Ok {
            self.failing.observe(took);
        }
        let known = CODES.iter().position(|(_, known)| *known == code);
        if let Some(handled) = known.and_then(|place| self.handled.get(place)) {
            handled.inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Facts;

    #[test]
    fn a_call_counts_under_its_method_and_code() {
        let metrics = Metrics::new();
        let method = metrics.method("etcdserverpb.KV", "Put", "unary");
        method.started.inc();
        method.handled(Code::Ok, Duration::from_micros(500));
        method.handled(Code::ResourceExhausted, Duration::ZERO);
        let text = metrics.expose(&Facts::default());
        for line in [
            r#"grpc_server_started_total{grpc_service="etcdserverpb.KV",grpc_method="Put",grpc_type="unary"} 1"#,
            r#"grpc_server_handled_total{grpc_service="etcdserverpb.KV",grpc_method="Put",grpc_type="unary",grpc_code="ResourceExhausted"} 1"#,
            r#"grpc_server_handling_seconds_bucket{le="0.001",grpc_service="etcdserverpb.KV",grpc_method="Put",grpc_type="unary"} 2"#,
        ] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn versions_that_clients_invent_do_not_grow_the_metrics() {
        let metrics = Metrics::new();
        for number in 0..1000 {
            metrics.client(false, &number.to_string()).inc();
            metrics.client(false, "0").inc();
        }
        let text = metrics.expose(&Facts::default());
        let lines: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("etcd_server_client_requests_total"))
            .collect();
        assert_eq!(lines.len(), CLIENT_VERSIONS_MAX + 1, "{lines:?}");
        assert!(lines.iter().any(|line| line.ends_with(r#"version="0"} 1001"#)), "{lines:?}");
    }
}
