//! [`MemberPages`]: health in etcd's two styles, version, metrics.

use std::future::{Future, ready};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use mini_etcd_proto::etcdserverpb::AlarmType;
use mini_etcd_shared::version::{CLUSTER_VERSION, ETCD_VERSION, STORAGE_VERSION};
use tonic::body::Body;

use super::probe::{Check, Group, report};
use super::site::{HttpHandler, PLAIN, Page, Route, TextPage, route};
use super::vars;
use crate::api::Host;
use crate::error::RequestError;

/// What is wrong with a member whose log does not get written.
const DISK_STALLED: &str = "DISK STALLED: a write of the log takes longer than a second";

/// The pages of a member. They are open to all, as in etcd, and none shows a key.
static ROUTES: &[Route<Host>] = &[
    get("/health", |host, request| Some(text(health(host.clone(), uri(request))))),
    get("/version", |_, _| Some(text(ready(version())))),
    get("/metrics", |host, _| {
        let host = host.clone();
        Some(text(async move { metrics(&host) }))
    }),
    get("/debug/vars", |host, _| {
        let host = host.clone();
        Some(text(async move { vars::page(&host) }))
    }),
    get("/debug/pprof/", |_, _| Some(text(ready(no_profiles())))),
    get("/livez", probe),
    get("/livez/", probe),
    get("/readyz", probe),
    get("/readyz/", probe),
];

/// Serves what is not gRPC at a member.
pub struct MemberPages {
    host: Host,
}

impl MemberPages {
    /// The pages of `host`.
    #[must_use]
    pub fn new(host: Host) -> Self {
        Self { host }
    }
}

impl HttpHandler for MemberPages {
    fn call(&self, request: Request<Incoming>) -> BoxFuture<'static, Response<Body>> {
        route(ROUTES, &self.host, request)
    }
}

const fn get(path: &'static str, page: Page<Host>) -> Route<Host> {
    Route { path, method: Method::GET, page }
}

fn text(
    page: impl Future<Output = TextPage> + Send + 'static,
) -> BoxFuture<'static, Response<Body>> {
    page.map(Response::from).boxed()
}

fn uri(request: Request<Incoming>) -> Uri {
    request.into_parts().0.uri
}

async fn health(host: Host, uri: Uri) -> TextPage {
    let problem = unhealthy(&host, query(&uri)).await;
    let metrics = host.metrics();
    match &problem {
        None => metrics.health_successes.inc(),
        Some(_) => metrics.health_failures.inc(),
    };
    health_page(problem.as_deref())
}

/// What is wrong, in etcd's order: alarms, leader, a read.
async fn unhealthy(host: &Host, query: &str) -> Option<String> {
    let excluded: Vec<_> = values(query, "exclude").collect();
    let state = host.published();
    let alarms = state.alarms.raised.iter().map(|(_, alarm)| match AlarmType::try_from(*alarm) {
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
    if host.is_disk_stalled() {
        return Some(DISK_STALLED.to_owned());
    }
    if let Some(doubt) = host.doubt() {
        return Some(doubt);
    }
    if !host.has_leader() {
        return Some("RAFT NO LEADER".to_owned());
    }
    linearizable_read(host).await.err().map(|error| format!("RANGE ERROR:{error}"))
}

async fn linearizable_read(host: &Host) -> Result<(), RequestError> {
    let read = tokio::time::timeout(host.timing().request_timeout(), host.barrier()).await;
    read.unwrap_or(Err(RequestError::Timeout)).map(drop)
}

/// Answers for a group of checks, or for one of them that the path names.
fn probe(host: &Host, request: Request<Incoming>) -> Option<BoxFuture<'static, Response<Body>>> {
    let (host, uri) = (host.clone(), uri(request));
    let (group, only) = Group::by_path(uri.path())?;
    Some(text(async move {
        let query = query(&uri);
        let excluded: Vec<_> = values(query, "exclude").collect();
        let mut results = Vec::new();
        for check in group.checks() {
            let is_wanted = match only {
                Some(only) => only == *check,
                None => !excluded.contains(&check.name()),
            };
            if is_wanted {
                results.push((*check, run(&host, *check).await));
            }
        }
        report(&results, has(query, "verbose"))
    }))
}

async fn run(host: &Host, check: Check) -> Result<(), String> {
    match check {
        Check::DataCorruption => {
            let corrupt = i32::from(AlarmType::Corrupt);
            let alarms = &host.published().alarms.raised;
            if alarms.iter().any(|(_, alarm)| *alarm == corrupt) {
                return Err("alarm activated: CORRUPT".to_owned());
            }
            Ok(())
        }
        // A read that waits for what is committed waits for the same disk: the answer would come too late.
        Check::DiskWrite | Check::LinearizableRead if host.is_disk_stalled() => {
            Err(DISK_STALLED.to_owned())
        }
        Check::LinearizableRead => match host.doubt() {
            Some(doubt) => Err(doubt),
            None => linearizable_read(host).await.map_err(|error| error.to_string()),
        },
        Check::NonLearner if host.is_learner() => Err("not supported for learner".to_owned()),
        // The published state can be read as long as the process is there.
        Check::SerializableRead | Check::NonLearner | Check::DiskWrite => Ok(()),
    }
}

fn health_page(problem: Option<&str>) -> TextPage {
    let status = if problem.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let end = if problem.is_none() { "" } else { "\n" };
    let health = problem.is_none().to_string();
    let reason = serde_json::Value::from(problem.unwrap_or_default());
    let text = format!("{{\"health\":\"{health}\",\"reason\":{reason}}}{end}");
    TextPage { status, content_type: PLAIN, text }
}

fn version() -> TextPage {
    let text = format!(
        "{{\"etcdserver\":\"{ETCD_VERSION}\",\"etcdcluster\":\"{CLUSTER_VERSION}\",\"storage\":\"{STORAGE_VERSION}\"}}"
    );
    TextPage { status: StatusCode::OK, content_type: "application/json", text }
}

/// What stands where Go keeps its profiles.
fn no_profiles() -> TextPage {
    let text =
        "there are no profiles of Go here: perf record -g -p PID makes one of this program\n";
    TextPage { status: StatusCode::NOT_FOUND, content_type: PLAIN, text: text.to_owned() }
}

fn metrics(host: &Host) -> TextPage {
    let text = host.metrics().expose(&host.facts());
    TextPage {
        status: StatusCode::OK,
        content_type: "text/plain; version=0.0.4; charset=utf-8",
        text,
    }
}

fn query(uri: &Uri) -> &str {
    uri.query().unwrap_or_default()
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
