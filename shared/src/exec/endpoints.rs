//! Commands that ask every endpoint for itself.

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use mini_etcd_proto::etcdserverpb::{
    AlarmRequest, AlarmType, HashKvRequest, Member, MemberListRequest, RangeRequest, StatusRequest,
};
use tokio::time::Instant;
use tonic::Code;

use super::executor::done;
use super::{Answer, Failure, Hashed, Health, Report, Status, words_of};
use crate::client::{Client, ClientConfig, Endpoint, OneCluster};
use crate::command::exit;
use crate::error::ClientError;

/// Key that a health check reads; it need not exist.
const HEALTH_KEY: &[u8] = b"health";

/// One client for each endpoint, either those given or every client address of the cluster.
async fn clients(client: &Client, cluster: bool) -> Result<Vec<(String, Client)>, Failure> {
    let endpoints =
        if cluster { of_cluster(client).await? } else { client.config().endpoints.clone() };
    let config = client.config();
    let one = |endpoint: Endpoint| {
        let name = endpoint.as_str().to_owned();
        // Each says for itself which cluster it is of.
        let config = ClientConfig {
            endpoints: vec![endpoint],
            learn_members: false,
            cluster: OneCluster::default(),
            ..config.clone()
        };
        Ok((name, client.with_config(config)?))
    };
    endpoints
        .into_iter()
        .map(one)
        .collect::<Result<_, ClientError>>()
        .map_err(|error| Failure::of(error, false))
}

/// What the trouble of [`of_cluster`] begins with; etcdctl's words.
const CONTEXT: &str = "failed to fetch endpoints from etcd cluster member list";

async fn of_cluster(client: &Client) -> Result<Vec<Endpoint>, Failure> {
    let request = MemberListRequest { linearizable: true };
    let members = done(client.member_list(request).await).map_err(|mut failure| {
        failure.text = format!("{CONTEXT}: {}", failure.text);
        failure
    })?;
    addresses(&members.members)
}

/// Every client address of these members. One that was never started has none, and is passed over as by etcdctl; when
/// nobody has one, nobody can be asked, which etcdctl reports as success.
fn addresses(members: &[Member]) -> Result<Vec<Endpoint>, Failure> {
    let urls = members.iter().flat_map(|member| &member.client_ur_ls);
    let parse = |url: &String| Endpoint::parse(url).map_err(|error| Failure::of(error, false));
    let endpoints = urls.map(parse).collect::<Result<Vec<_>, _>>()?;
    if endpoints.is_empty() {
        let text = format!("{CONTEXT}: none of its {} members has a client URL yet", members.len());
        return Err(Failure::new(exit::ERROR, text));
    }
    Ok(endpoints)
}

/// Asks each endpoint in turn; collects the answers, a note for each failure, and the last failure.
async fn each<T, F, Fut>(
    client: &Client,
    cluster: bool,
    what: &str,
    ask: F,
) -> Result<(Vec<T>, Vec<String>, Option<Failure>), Failure>
where
    F: Fn(String, Client) -> Fut,
    Fut: Future<Output = Result<T, Failure>>,
{
    let (mut answers, mut notes, mut last) = (Vec::new(), Vec::new(), None);
    for (endpoint, client) in clients(client, cluster).await? {
        match ask(endpoint.clone(), client).await {
            Ok(answer) => answers.push(answer),
            Err(failure) => {
                notes.push(format!("Failed to get the {what} of endpoint {endpoint} ({failure})"));
                last = Some(failure);
            }
        }
    }
    Ok((answers, notes, last))
}

pub(super) async fn status(client: &Client, cluster: bool) -> Report {
    let asked = each(client, cluster, "status", |endpoint, client| async move {
        let response = done(client.status(StatusRequest {}).await)?;
        Ok(Status { endpoint, response })
    });
    match asked.await {
        Err(failure) => failure.into(),
        Ok((answers, notes, last)) => Report {
            answer: Some(Answer::EndpointStatus(answers)),
            notes,
            // etcdctl leaves it at the notes.
            failure: last.map(|last| Failure { text: String::new(), ..last }),
        },
    }
}

pub(super) async fn hash_kv(client: &Client, cluster: bool, revision: i64) -> Report {
    let asked = each(client, cluster, "hash", |endpoint, client| async move {
        let response = done(client.hash_kv(HashKvRequest { revision }).await)?;
        Ok(Hashed { endpoint, response })
    });
    match asked.await {
        Err(failure) => failure.into(),
        Ok((answers, notes, failure)) => {
            Report { answer: Some(Answer::EndpointHashKv(answers)), notes, failure }
        }
    }
}

/// Asks all endpoints at once; they answer in the order in which they are done.
pub(super) async fn health(client: &Client, cluster: bool) -> Report {
    let clients = match clients(client, cluster).await {
        Ok(clients) => clients,
        Err(failure) => return failure.into(),
    };
    let asked: FuturesUnordered<_> =
        clients.into_iter().map(|(endpoint, client)| health_of(endpoint, client)).collect();
    let answers: Vec<Health> = asked.collect().await;
    let ill = answers.iter().any(|health| health.trouble.is_some());
    Report {
        answer: Some(Answer::EndpointHealth(answers)),
        notes: Vec::new(),
        failure: ill.then(|| Failure::new(exit::ERROR, "unhealthy cluster")),
    }
}

async fn health_of(endpoint: String, client: Client) -> Health {
    let start = Instant::now();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_with_nobody_to_ask_is_an_error() {
        let unstarted = Member { id: 7, ..Member::default() };
        let started = Member { client_ur_ls: vec!["http://h:1".to_owned()], ..Member::default() };
        let found = addresses(&[unstarted.clone(), started]).map_err(|failure| failure.text);
        let names =
            found.unwrap().iter().map(|found| found.as_str().to_owned()).collect::<Vec<_>>();
        assert_eq!(names.len(), 1, "{names:?}");
        let failure = addresses(&[unstarted.clone(), unstarted]).unwrap_err();
        assert_eq!(failure.exit, exit::ERROR);
        assert!(failure.text.ends_with("none of its 2 members has a client URL yet"));
    }
}
