//! [`examine`]: what lies between here and a member, layer by layer, up to the first that fails.
//!
//! ```text
//! endpoint ─▶ address ─▶ name ─▶ tcp ─▶ tls ─▶ http2 ─▶ login ─▶ status ─▶ read
//!             └─────────── examination ──────────────┘  └────── asked ───────┘
//! ```
//!
//! * I1: each layer has a deadline: up to HTTP/2 the dial timeout, behind it the command timeout.
//! * I2: nothing that is found holds a password, a token or a key.
//! * I3: a server that is not trusted is sent no request and no password.
//!
//! It refuses to judge by itself what the client judges: trust, names and first words are those of [`Connection`].
//! Tested in `shared/tests/tls/doctor.rs`, beside members in `tests/tests/doctor.rs`.
//!
//! [`Connection`]: super::Connection

mod asked;
mod examination;

use std::time::Duration;

use futures::future::join_all;

use super::{ClientConfig, Endpoint};
use examination::examined;

/// Most endpoints that are examined because a member list advertises them.
const ADVERTISED_MAX: usize = 64;

/// What has to work before the next can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// The endpoint can be read.
    Address,
    /// Its name has an address.
    Name,
    /// A connection comes about.
    Tcp,
    /// Both speak TLS, and trust each other; left out where it is not asked for.
    Tls,
    /// It speaks HTTP/2.
    Http2,
    /// It takes the user and the password, or wants none.
    Login,
    /// It says that it is a member that knows a leader, and that nothing is wrong with it.
    Status,
    /// It answers a linearizable read.
    Read,
}

impl Layer {
    /// Its name on screens and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Name => "name",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Http2 => "http2",
            Self::Login => "login",
            Self::Status => "status",
            Self::Read => "read",
        }
    }
}

/// One layer of one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerFound {
    /// Which.
    pub layer: Layer,
    /// How long it took, in whole microseconds.
    pub took: Duration,
    /// What was found, in words.
    pub found: String,
    /// What to do about it; `None` when the layer works.
    pub next: Option<String>,
    /// What to do before long, though it works.
    pub soon: Option<String>,
}

/// One endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// As it was given, or as it is advertised, without a login that stands in it.
    pub endpoint: String,
    /// The member whose list entry names it, when nobody gave it.
    pub advertised_by: Option<String>,
    /// Its layers, in order; the last one may have failed.
    pub findings: Vec<LayerFound>,
    /// The cluster that it says it is of.
    pub cluster: Option<u64>,
    /// The member that it says it is.
    pub member: Option<u64>,
    /// The members that it lists.
    pub lists: Vec<u64>,
    /// Members, and the client addresses that it says they have.
    pub advertises: Vec<(String, String)>,
}

impl Examined {
    fn new(endpoint: &str, advertised_by: Option<&str>) -> Self {
        Self {
            endpoint: without_login(endpoint),
            advertised_by: advertised_by.map(str::to_owned),
            findings: Vec::new(),
            cluster: None,
            member: None,
            lists: Vec::new(),
            advertises: Vec::new(),
        }
    }

    /// The layer that failed.
    #[must_use]
    pub fn trouble(&self) -> Option<&LayerFound> {
        self.findings.iter().find(|step| step.next.is_some())
    }

    /// What to do before long.
    #[must_use]
    pub fn soon(&self) -> Option<&str> {
        self.findings.iter().find_map(|step| step.soon.as_deref())
    }

    /// One line: that it is well, or which layer fails and what to do.
    #[must_use]
    pub fn verdict(&self) -> String {
        match self.trouble() {
            None => self.soon().map_or("well".to_owned(), |soon| format!("well, but {soon}")),
            Some(LayerFound { layer, next, .. }) => {
                format!("{} fails: {}", layer.name(), next.as_deref().unwrap_or_default())
            }
        }
    }
}

/// What was found of all endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnosis {
    /// Those that were given, in their order, then those that are advertised.
    pub endpoints: Vec<Examined>,
}

impl Diagnosis {
    fn failing(&self) -> impl Iterator<Item = &Examined> {
        self.endpoints.iter().filter(|one| one.trouble().is_some())
    }

    /// How many clusters they say they are of.
    fn clusters(&self) -> usize {
        let mut ids: Vec<u64> = self.endpoints.iter().filter_map(|one| one.cluster).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.len()
    }

    /// Two endpoints that say they are of one cluster, and neither lists the other.
    fn apart(&self) -> Option<(&Examined, &Examined)> {
        let lacks = |one: &Examined, other: &Examined| {
            other.member.is_some_and(|id| !one.lists.is_empty() && !one.lists.contains(&id))
        };
        let pairs = self.endpoints.iter().enumerate();
        let mut pairs = pairs.flat_map(|(at, one)| {
            self.endpoints.iter().skip(at + 1).map(move |other| (one, other))
        });
        pairs.find(|(one, other)| {
            one.cluster.is_some()
                && one.cluster == other.cluster
                && lacks(one, other)
                && lacks(other, one)
        })
    }

    /// Whether every endpoint is well, and all are of one cluster.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.failing().next().is_none() && self.clusters() <= 1 && self.apart().is_none()
    }

    /// One line for all of them.
    #[must_use]
    pub fn verdict(&self) -> String {
        let all = self.endpoints.len();
        let failing: Vec<_> = self.failing().map(|one| one.endpoint.as_str()).collect();
        // Worse than any layer that fails: what is written to one is not in the other.
        if let Some((one, other)) = self.apart() {
            let (one, other) = (&one.endpoint, &other.endpoint);
            return format!(
                "{one} and {other} have the number of one cluster, and neither lists the other: \
                 stop the one that began anew"
            );
        }
        match (failing.len(), self.clusters()) {
            (0, 0 | 1) => {
                let soon = self.endpoints.iter().find_map(Examined::soon);
                let soon = soon.map(|soon| format!(", but {soon}")).unwrap_or_default();
                format!("endpoints that are well: {all} of {all}{soon}")
            }
            (0, clusters) => format!("the endpoints are of {clusters} clusters: name those of one"),
            (some, _) => format!("endpoints that fail: {some} of {all} ({})", failing.join(", ")),
        }
    }
}

/// Examines these endpoints, all at once, and with `advertised` then those that their member lists name beside them.
pub async fn examine(given: &[String], advertised: bool, config: &ClientConfig) -> Diagnosis {
    let first = given.iter().map(|text| examined(text, None, config));
    let mut endpoints = join_all(first).await;
    if advertised {
        let more = others(given, &endpoints);
        let more = more.iter().map(|(member, url)| examined(url, Some(member.as_str()), config));
        endpoints.extend(join_all(more).await);
    }
    Diagnosis { endpoints }
}

/// What is advertised and was not given, each once, with the member that has it.
fn others(given: &[String], found: &[Examined]) -> Vec<(String, String)> {
    let mut others: Vec<(String, String)> = Vec::new();
    for (member, url) in found.iter().flat_map(|one| &one.advertises) {
        let mut known = given.iter().chain(others.iter().map(|(_, url)| url));
        if others.len() < ADVERTISED_MAX && !known.any(|other| is_same(other, url)) {
            others.push((member.clone(), url.clone()));
        }
    }
    others
}

/// An endpoint as it may be shown: a name and a password before its host count for nothing, and are hidden (I2).
fn without_login(text: &str) -> String {
    let is_path = text.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("unix"));
    match text.rsplit_once('@').filter(|_| !is_path) {
        None => text.to_owned(),
        Some((before, place)) => match before.split_once("://") {
            Some((scheme, _)) => format!("{scheme}://***@{place}"),
            None => format!("***@{place}"),
        },
    }
}

fn is_same(one: &str, other: &str) -> bool {
    Endpoint::parse(one).map_or(one == other, |one| one.leads_where(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_cluster(endpoint: &str, cluster: u64, advertises: &[(&str, &str)]) -> Examined {
        let own = |(member, url): &(&str, &str)| ((*member).to_owned(), (*url).to_owned());
        let advertises = advertises.iter().map(own).collect();
        Examined { cluster: Some(cluster), advertises, ..Examined::new(endpoint, None) }
    }

    #[tokio::test]
    async fn a_password_in_an_endpoint_is_not_shown() {
        for text in ["http://a:secret@h.invalid:1", "a:secret@h.invalid", "ftp://a:secret@h:1"] {
            let config = ClientConfig::new(Vec::new());
            let found = examine(&[text.to_owned()], true, &config).await;
            assert!(!format!("{found:?}{}", found.verdict()).contains("secret"), "{found:?}");
        }
        assert_eq!(without_login("http://a:b@h:1"), "http://***@h:1");
        assert_eq!(without_login("unix:///tmp/a@b"), "unix:///tmp/a@b");
    }

    #[test]
    fn endpoints_of_two_clusters_are_not_well() {
        let pair = |one, other| Diagnosis {
            endpoints: vec![of_cluster("a:1", one, &[]), of_cluster("b:1", other, &[])],
        };
        assert!(pair(1, 1).is_well());
        assert!(!pair(1, 2).is_well());
        let words = "the endpoints are of 2 clusters: name those of one";
        assert_eq!(pair(1, 2).verdict(), words);
    }

    #[test]
    fn two_that_do_not_list_each_other_are_not_one_cluster() {
        let of = |endpoint, member, lists: &[u64]| Examined {
            member: Some(member),
            lists: lists.to_vec(),
            ..of_cluster(endpoint, 1, &[])
        };
        let pair = |one: &[u64], other: &[u64]| Diagnosis {
            endpoints: vec![of("a:1", 1, one), of("b:1", 2, other)],
        };
        assert!(pair(&[1, 2], &[1, 2]).is_well());
        assert!(pair(&[1], &[1, 2]).is_well(), "one of them may be behind");
        assert!(pair(&[], &[2]).is_well(), "it does not tell");
        let split = pair(&[1, 3], &[2]);
        assert!(!split.is_well() && split.verdict().contains("neither lists the other"));
    }

    #[test]
    fn each_advertised_place_that_was_not_given_is_examined_once() {
        let list = [("n1", "http://a:1"), ("n2", "http://b:1"), ("n2", "https://B.example:1")];
        let found = [of_cluster("a:1", 1, &list), of_cluster("b:2", 1, &list)];
        let given = ["a:1", "b:2"].map(str::to_owned);
        let own = |(member, url): &(&str, &str)| ((*member).to_owned(), (*url).to_owned());
        let expected: Vec<_> = list.iter().skip(1).map(own).collect();
        assert_eq!(others(&given, &found), expected);
        let many: Vec<String> = (0..100).map(|port| format!("http://m:{}", port + 1)).collect();
        let many: Vec<_> = many.iter().map(|url| ("m", url.as_str())).collect();
        assert_eq!(others(&given, &[of_cluster("a:1", 1, &many)]).len(), ADVERTISED_MAX);
    }
}
