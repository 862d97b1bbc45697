//! `endpoint health`: checks whether each endpoint serves reads of the cluster.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use mini_etcd_proto::etcdserverpb::{AlarmRequest, AlarmType, RangeRequest};
use tokio::time::Instant;
use tonic::Code;

use super::endpoint::clients;
use super::spec::CommandSpec;
use super::{Input, Reply, Report, Request};
use crate::client::{Client, ClientConfig, Endpoint};
use crate::failure::{Failure, exit, words_of};
use crate::format::{Answer, Facts, Field, Message, Page, Table, Value, count_of};
use crate::text::{ANYTHING, duration};

/// Key that a health check reads; it need not exist.
const HEALTH_KEY: &[u8] = b"health";

/// `endpoint health`
pub(super) const ENDPOINT_HEALTH: CommandSpec = CommandSpec {
    group: "endpoint",
    long: "An endpoint is healthy when a linearizable read succeeds on it and no alarm is raised.",
    examples: &["endpoint health --cluster"],
    ..CommandSpec::new(
        "health",
        "Checks whether each endpoint serves reads of the cluster",
        |line| Ok(Box::new(EndpointHealth { cluster: line.switch("cluster") })),
    )
};

/// A check of each endpoint.
#[derive(Debug)]
pub struct EndpointHealth {
    cluster: bool,
}

impl Request for EndpointHealth {
    /// Asks all endpoints at once; they answer in the order in which they are done.
    fn run<'a>(self: Box<Self>, client: &'a Client, _input: &'a mut dyn Input) -> Reply<'a> {
        Box::pin(async move {
            let clients = match clients(client, self.cluster).await {
                Ok(clients) => clients,
                Err(failure) => return failure.into(),
            };
            let asked: FuturesUnordered<_> =
                clients.into_iter().map(|(endpoint, client)| health_of(endpoint, client)).collect();
            report(asked.collect().await)
        })
    }
}

impl EndpointHealth {
    /// Nobody is healthy for somebody who cannot log in.
    #[must_use]
    pub fn without_login(config: &ClientConfig, words: &str) -> Report {
        let health = |endpoint: &Endpoint| Health {
            endpoint: endpoint.as_str().to_owned(),
            took: Duration::ZERO,
            trouble: Some(words.to_owned()),
        };
        report(config.endpoints.iter().map(health).collect())
    }
}

fn report(answers: Vec<Health>) -> Report {
    let ill = answers.iter().any(|health| health.trouble.is_some());
    let failure = ill.then(|| Failure::new(exit::ERROR, "unhealthy cluster"));
    Report { failure, ..Report::of(answers) }
}

async fn health_of(endpoint: String, client: Result<Client, Failure>) -> Health {
    let start = Instant::now();
    let client = match client {
        Ok(client) => client,
        Err(failure) => {
            return Health { endpoint, took: start.elapsed(), trouble: Some(failure.text) };
        }
    };
    let request = RangeRequest { key: HEALTH_KEY.into(), ..RangeRequest::default() };
    let read = client.range(request).await.into_result();
    let took = start.elapsed();
    let trouble = match read {
        Err(error) if error.code() != Code::PermissionDenied => Some(words_of(&error)),
        // A server that refuses this key has answered, and that is what was asked.
        _ => alarms_of(&client).await,
    };
    Health { endpoint, took, trouble }
}

async fn alarms_of(client: &Client) -> Option<String> {
    let Ok(response) = client.alarm(AlarmRequest::default()).await.into_result() else {
        return Some("Unable to fetch the alarm list".to_owned());
    };
    if response.alarms.is_empty() {
        return None;
    }
    let names = response.alarms.iter().map(|alarm| match alarm.alarm() {
        AlarmType::Nospace => "NOSPACE ",
        AlarmType::Corrupt => "CORRUPT ",
        AlarmType::None => "UNKNOWN ",
    });
    Some(format!("Active Alarm(s): {}", names.collect::<String>()))
}

/// Whether one endpoint is healthy.
#[derive(Clone, Debug)]
struct Health {
    /// The endpoint as it was typed.
    endpoint: String,
    /// How long its read took.
    took: Duration,
    /// Why it is not; `None` when it is.
    trouble: Option<String>,
}

impl Health {
    /// How long its read took; empty when there was none.
    fn took(&self) -> String {
        if self.took.is_zero() { String::new() } else { duration(self.took) }
    }

    fn fields(&self) -> Message {
        let trouble = self.trouble.clone().unwrap_or_default();
        vec![
            Field::new("endpoint", "Endpoint", &self.endpoint),
            Field::new("health", "Health", self.trouble.is_none()).always(),
            Field::new("took", "Took", Value::Plain(self.took())).always(),
            Field::new("error", "Error", Value::Plain(trouble)),
            Field::blank(),
        ]
    }

    fn row(&self) -> Vec<String> {
        let healthy = self.trouble.is_none().to_string();
        let trouble = self.trouble.clone().unwrap_or_default();
        vec![self.endpoint.clone(), healthy, self.took(), trouble]
    }
}

impl Answer for Vec<Health> {
    fn shown(&self, _hex: bool) -> Value {
        Value::List(self.iter().map(Health::fields).collect())
    }

    fn simple(&self, page: &mut Page<'_>) {
        for Health { endpoint, took, trouble } in self {
            match trouble {
                None => {
                    let took = duration(*took);
                    page.line(&format!(
                        "{endpoint} is healthy: successfully committed proposal: took = {took}"
                    ));
                }
                Some(trouble) => page.error_line(&format!(
                    "{endpoint} is unhealthy: failed to commit proposal: {trouble}"
                )),
            }
        }
    }

    fn table(&self) -> Option<Table> {
        let head = &["ENDPOINT", "HEALTH", "TOOK", "ERROR"];
        Some(Table { head, rows: self.iter().map(Health::row).collect() })
    }

    fn facts(&self) -> Facts<'_> {
        Facts { count: count_of(self.len()), ..Facts::default() }
    }

    fn is_of_cluster(&self) -> bool {
        true
    }

    fn masked(&self, line: &str) -> String {
        let line = match line.split_once(" is ") {
            Some((_, rest)) => format!("{ANYTHING} is {rest}"),
            None => line.to_owned(),
        };
        match line.split_once("took = ") {
            Some((before, _)) => format!("{before}took = {ANYTHING}"),
            None => line,
        }
    }
}
