//! The pages of a member: health in etcd's two styles, version, metrics.

use futures::FutureExt;
use futures::future::BoxFuture;
use http::StatusCode;
use mini_etcd_proto::etcdserverpb::AlarmType;
use mini_etcd_shared::version::{CLUSTER_VERSION, ETCD_VERSION, STORAGE_VERSION};

use super::probe::{Check, Group, report};
use super::site::{PLAIN, Page, Pages};
use crate::api::Host;
use crate::error::RequestError;
use crate::limits;

/// What is wrong with a member whose log does not get written.
const DISK_STALLED: &str = "DISK STALLED: a write of the log takes longer than a second";

/// The pages of a member.
pub struct MemberPages {
    host: Host,
}

impl MemberPages {
    /// The pages of `host`.
    #[must_use]
    pub fn new(host: Host) -> Self {
        Self { host }
    }

    async fn health(&self, query: &str) -> Page {
        let problem = self.unhealthy(query).await;
        let metrics = self.host.metrics();
        match &problem {
            None => metrics.health_successes.inc(),
            Some(_) => metrics.health_failures.inc(),
        };
        health_page(problem.as_deref())
    }

    /// What is wrong, in etcd's order: alarms, leader, a read.
    async fn unhealthy(&self, query: &str) -> Option<String> {
        let excluded: Vec<_> = values(query, "exclude").collect();
        let state = self.host.published();
        let alarms =
            state.alarms.raised.iter().map(|(_, alarm)| match AlarmType::try_from(*alarm) {
                Ok(alarm) => alarm.as_str_name(),
                Err(_) => "UNKNOWN",
            });
        for alarm in alarms {
            if !excluded.contains(&alarm) {
                return Some(format!("ALARM {alarm}"));
            }
        }
        if values(query, "serializable").next() == Some("true") {
            return None;
        }
        if self.host.is_disk_stalled() {
            return Some(DISK_STALLED.to_owned());
        }
        if !self.host.has_leader() {
            return Some("RAFT NO LEADER".to_owned());
        }
        self.linearizable_read().await.err().map(|error| format!("RANGE ERROR:{error}"))
    }

    async fn linearizable_read(&self) -> Result<(), RequestError> {
        let read = tokio::time::timeout(limits::REQUEST_TIMEOUT, self.host.barrier()).await;
        read.unwrap_or(Err(RequestError::Timeout)).map(drop)
    }

    async fn probe(&self, group: Group, only: Option<&str>, query: &str) -> Page {
        let excluded: Vec<_> = match only {
            Some(_) => Vec::new(),
            None => values(query, "exclude").collect(),
        };
        let mut results = Vec::new();
        for check in group.checks() {
            let is_wanted = only.is_none_or(|only| only == check.name());
            if is_wanted && !excluded.contains(&check.name()) {
                results.push((*check, self.check(*check).await));
            }
        }
        report(&results, has(query, "verbose"))
    }

    async fn check(&self, check: Check) -> Result<(), String> {
        match check {
            Check::DataCorruption => {
                let corrupt = i32::from(AlarmType::Corrupt);
                let alarms = &self.host.published().alarms.raised;
                if alarms.iter().any(|(_, alarm)| *alarm == corrupt) {
                    return Err("alarm activated: CORRUPT".to_owned());
                }
                Ok(())
            }
            // A read that waits for what is committed waits for the same disk: the answer would come too late.
            Check::DiskWrite | Check::LinearizableRead if self.host.is_disk_stalled() => {
                Err(DISK_STALLED.to_owned())
            }
            Check::LinearizableRead => {
                self.linearizable_read().await.map_err(|error| error.to_string())
            }
            Check::NonLearner if self.host.is_learner() => {
                Err("not supported for learner".to_owned())
            }
            // The published state can be read as long as the process is there.
            Check::SerializableRead | Check::NonLearner | Check::DiskWrite => Ok(()),
        }
    }
}

impl Pages for MemberPages {
    fn get<'a>(&'a self, path: &'a str, query: &'a str) -> Option<BoxFuture<'a, Page>> {
        let page = match path {
            "/health" => self.health(query).boxed(),
            "/version" => std::future::ready(version()).boxed(),
            "/metrics" => async { metrics(&self.host) }.boxed(),
            path => {
                let (group, only) = Group::by_path(path)?;
                self.probe(group, only, query).boxed()
            }
        };
        Some(page)
    }
}

fn health_page(problem: Option<&str>) -> Page {
    let status = if problem.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let end = if problem.is_none() { "" } else { "\n" };
    let health = problem.is_none().to_string();
    let reason = serde_json::Value::from(problem.unwrap_or_default());
    let text = format!("{{\"health\":\"{health}\",\"reason\":{reason}}}{end}");
    Page { status, content_type: PLAIN, text }
}

fn version() -> Page {
    let text = format!(
        "{{\"etcdserver\":\"{ETCD_VERSION}\",\"etcdcluster\":\"{CLUSTER_VERSION}\",\"storage\":\"{STORAGE_VERSION}\"}}"
    );
    Page { status: StatusCode::OK, content_type: "application/json", text }
}

fn metrics(host: &Host) -> Page {
    let text = host.metrics().expose(&host.facts());
    Page { status: StatusCode::OK, content_type: "text/plain; version=0.0.4; charset=utf-8", text }
}

/// Values of a query's parameter.
fn values<'a>(query: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .filter(move |(key, _)| *key == name)
        .map(|(_, value)| value)
}

fn has(query: &str, name: &str) -> bool {
    values(query, name).next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_worded_as_etcd_words_it() {
        let good = health_page(None);
        assert_eq!(
            (good.status.as_u16(), good.text.as_str()),
            (200, r#"{"health":"true","reason":""}"#)
        );
        let bad = health_page(Some("ALARM NOSPACE"));
        let text = "{\"health\":\"false\",\"reason\":\"ALARM NOSPACE\"}\n";
        assert_eq!((bad.status.as_u16(), bad.text.as_str()), (503, text));
    }

    #[test]
    fn the_version_is_three_plain_numbers() {
        let page: serde_json::Value = serde_json::from_str(&version().text).unwrap();
        for key in ["etcdserver", "etcdcluster", "storage"] {
            let parts: Vec<_> = page[key].as_str().unwrap().split('.').collect();
            assert!(parts.len() == 3 && parts.iter().all(|part| part.parse::<u32>().is_ok()));
        }
    }

    #[test]
    fn a_parameter_may_come_again_and_without_a_value() {
        let query = "exclude=a&verbose&exclude=b&x=exclude";
        assert_eq!(values(query, "exclude").collect::<Vec<_>>(), ["a", "b"]);
        assert!(has(query, "verbose") && !has(query, "serializable") && !has("", "verbose"));
    }
}
