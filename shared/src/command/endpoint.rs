//! Asks every endpoint for itself.

use mini_etcd_proto::etcdserverpb::{Member, MemberListRequest, ResponseHeader};

use super::Report;
use super::spec::Flag;
use crate::client::{Client, ClientConfig, Endpoint, OneCluster};
use crate::failure::{Failure, done, exit};
use crate::format::{Answer, Facts, count_of};

/// The flag of all commands of the group.
pub(super) const FLAGS: &[Flag] =
    &[Flag::switch("cluster", "ask every member of the cluster instead of --endpoints")];

/// Clients, or why there is none, by the names of their endpoints.
pub(super) type Clients = Vec<(String, Result<Client, Failure>)>;

/// One client for each endpoint, either those given or every client address of the cluster.
pub(super) async fn clients(client: &Client, cluster: bool) -> Result<Clients, Failure> {
    let given = client.config().endpoints.iter();
    let names = if cluster {
        of_cluster(client).await?
    } else {
        given.map(|endpoint| endpoint.as_str().to_owned()).collect()
    };
    Ok(made(client, names))
}

/// An address that cannot be asked is the failure of that one alone, as with etcdctl.
fn made(client: &Client, names: Vec<String>) -> Clients {
    let one = |name: &str| {
        // Each says for itself which cluster it is of.
        client.with_config(ClientConfig {
            endpoints: vec![Endpoint::parse(name)?],
            learn_members: false,
            cluster: OneCluster::default(),
            ..client.config().clone()
        })
    };
    let made = names.into_iter().map(|name| {
        let client = one(&name).map_err(Failure::from);
        (name, client)
    });
    made.collect()
}

/// What the trouble of [`of_cluster`] begins with; etcdctl's words.
const CONTEXT: &str = "failed to fetch endpoints from etcd cluster member list";

async fn of_cluster(client: &Client) -> Result<Vec<String>, Failure> {
    let request = MemberListRequest { linearizable: true };
    let members = done(client.member_list(request).await).map_err(|mut failure| {
        failure.text = format!("{CONTEXT}: {}", failure.text);
        failure
    })?;
    addresses(&members.members)
}

/// Every client address of these members. One that was never started has none, and is passed over as by etcdctl; when
/// nobody has one, nobody can be asked, which etcdctl reports as success.
fn addresses(members: &[Member]) -> Result<Vec<String>, Failure> {
    let urls: Vec<String> =
        members.iter().flat_map(|member| &member.client_ur_ls).cloned().collect();
    if urls.is_empty() {
        let text = format!("{CONTEXT}: none of its {} members has a client URL yet", members.len());
        return Err(Failure::new(exit::ERROR, text));
    }
    Ok(urls)
}

/// Asks each endpoint in turn; reports the answers, a note for each failure, and the last failure.
pub(super) async fn each<T, F, Fut>(client: &Client, cluster: bool, what: &str, ask: F) -> Report
where
    F: Fn(String, Client) -> Fut,
    Fut: Future<Output = Result<T, Failure>>,
    Vec<T>: Answer + 'static,
{
    let asked = match clients(client, cluster).await {
        Ok(clients) => clients,
        Err(failure) => return failure.into(),
    };
    let (mut answers, mut notes, mut last) = (Vec::new(), Vec::new(), None);
    for (endpoint, client) in asked {
        let answer = match client {
            Ok(client) => ask(endpoint.clone(), client).await,
            Err(failure) => Err(failure),
        };
        match answer {
            Ok(answer) => answers.push(answer),
            Err(failure) => {
                notes.push(format!("Failed to get the {what} of endpoint {endpoint} ({failure})"));
                last = Some(failure);
            }
        }
    }
    Report { answer: Some(Box::new(answers)), notes, failure: last, again: None }
}

/// What there is to know of the answers of so many endpoints, the first of them with this header.
pub(super) fn facts_of(header: Option<&ResponseHeader>, answers: usize) -> Facts<'static> {
    let rev = header.map(|header| header.revision);
    Facts { rev, count: count_of(answers), ..Facts::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_with_nobody_to_ask_is_an_error() {
        let unstarted = Member { id: 7, ..Member::default() };
        let started = Member { client_ur_ls: vec!["http://h:1".to_owned()], ..Member::default() };
        let found = addresses(&[unstarted.clone(), started]).map_err(|failure| failure.text);
        assert_eq!(found.unwrap(), ["http://h:1"]);
        let failure = addresses(&[unstarted.clone(), unstarted]).unwrap_err();
        assert_eq!(failure.exit, exit::ERROR);
        assert!(failure.text.ends_with("none of its 2 members has a client URL yet"));
    }

    #[test]
    fn an_address_that_cannot_be_asked_does_not_keep_the_others_from_being_asked() {
        let urls = ["ftp://h:1", "http://h:2"].map(str::to_owned);
        let members = [Member { client_ur_ls: urls.to_vec(), ..Member::default() }];
        let found = addresses(&members).map_err(|failure| failure.text).unwrap();
        assert_eq!(found, urls);
        let config = ClientConfig::new(vec![Endpoint::parse("h:2").unwrap()]);
        let mut asked = made(&Client::new(config).unwrap(), found).into_iter();
        let refused = asked.next().unwrap().1.unwrap_err();
        assert!(refused.text.contains("unknown scheme ftp"), "{}", refused.text);
        assert!(asked.next().unwrap().1.is_ok());
    }
}
