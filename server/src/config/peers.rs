//! [`Cluster`]: the members that `--peers` names, their addresses, and the numbers that follow from them.
//!
//! Numbers follow etcd's rule over the peer URLs, so that the same list gives the same cluster on every member,
//! whatever its order.

use std::collections::BTreeMap;
use std::fmt;

use mini_etcd_proto::internalpb::{ConfState, Member};
use mini_etcd_shared::types::{ClusterId, MemberId};
use sha1::{Digest, Sha1};

use crate::limits::{PEER_URL_BYTES_MAX, PEER_URLS_MAX};

/// Part of every number, as etcd's `--initial-cluster-token`, unless a restore was told another.
pub const DEFAULT_TOKEN: &str = "etcd-cluster";

/// Peer URL of a member that was given no peers; etcd's default.
const ALONE_HOST: &str = "localhost";
const ALONE_PORT: u16 = 2380;

/// A member as `--peers` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its number.
    pub id: MemberId,
    pub name: String,
    /// Where it listens for peers.
    pub address: PeerAddress,
    /// Typed as `name:port`, so that the name is the host.
    pub short: bool,
}

/// Where a member listens for its peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddress {
    /// It speaks TLS: its URL begins with `https`.
    pub is_tls: bool,
    /// A name or an IP address, without brackets.
    pub host: String,
    /// Not 0.
    pub port: u16,
}

impl PeerAddress {
    /// The address in `HOST:PORT`, with `https://`, with `http://` or with neither.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let secure = text.strip_prefix("https://");
        let is_tls = secure.is_some();
        let text = secure.or_else(|| text.strip_prefix("http://")).unwrap_or(text);
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok().filter(|port| *port != 0)?;
        Some(Self { is_tls, host: host_of(host)?, port })
    }

    /// The address of a peer URL; none when it is no `http://HOST:PORT` or `https://HOST:PORT`.
    #[must_use]
    pub fn of_url(url: &str) -> Option<Self> {
        url.contains("://").then(|| Self::parse(url))?
    }

    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{self}")
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl Peer {
    fn new(name: String, address: PeerAddress, short: bool, token: &str) -> Self {
        Self { id: member_id(&[&address.url()], token), name, address, short }
    }

    /// Its item of the list.
    fn typed(&self) -> String {
        let scheme = if self.address.is_tls { "https://" } else { "" };
        let address = format!("{scheme}{}", self.address);
        if self.short { address } else { format!("{}={address}", self.name) }
    }
}

/// A list of peers that cannot be. All are for the person who typed it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeersError {
    /// An item that is none.
    #[error(
        "{item:?} is not accepted: expected name:port or name=host:port, with https:// before the host for TLS"
    )]
    Item { item: String },
    /// A name that stands twice.
    #[error("the name {name:?} stands twice: a member has one name and one address")]
    NameTwice { name: String },
    /// An address that stands twice.
    #[error("the address {url} stands twice")]
    AddressTwice { url: String },
    /// This member is not in the list.
    #[error("--name {name:?} is not in the list of peers: expected one of {names}")]
    NotNamed { name: String, names: String },
}

/// The members of a new cluster, and which of them this one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    me: MemberId,
    id: ClusterId,
    members: BTreeMap<MemberId, Peer>,
    /// The list as typed, in order of the members' numbers.
    typed: String,
    token: String,
    /// It ran before this member was added to it.
    joined: bool,
}

impl Cluster {
    /// The cluster of one member that was given no peers.
    #[must_use]
    pub fn alone(name: &str) -> Self {
        Self::alone_with(name, DEFAULT_TOKEN)
    }

    fn alone_with(name: &str, token: &str) -> Self {
        let address = PeerAddress { is_tls: false, host: ALONE_HOST.to_owned(), port: ALONE_PORT };
        let peer = Peer::new(name.to_owned(), address, false, token);
        let (me, id) = (peer.id, cluster_id([peer.id]));
        let members = BTreeMap::from([(me, peer)]);
        Self { me, id, members, typed: String::new(), token: token.to_owned(), joined: false }
    }

    /// The cluster that `--peers` describes, of which `name` is this member.
    ///
    /// # Errors
    /// An item that is none, a name or address that stands twice, or `name` missing.
    pub fn parse(text: &str, name: &str) -> Result<Self, PeersError> {
        Self::parse_with(text, name, DEFAULT_TOKEN)
    }

    fn parse_with(text: &str, name: &str, token: &str) -> Result<Self, PeersError> {
        let mut members = BTreeMap::new();
        let mut me = None;
        for item in text.split(',').map(str::trim) {
            let peer = parse_item(item, token)?;
            if members.values().any(|other: &Peer| other.name == peer.name) {
                return Err(PeersError::NameTwice { name: peer.name });
            }
            if peer.name == name {
                me = Some(peer.id);
            }
            if let Some(other) = members.insert(peer.id, peer) {
                return Err(PeersError::AddressTwice { url: other.address.url() });
            }
        }
        let Some(me) = me else {
            let names: Vec<_> = text.split(',').map(|item| name_of(item.trim())).collect();
            return Err(PeersError::NotNamed { name: name.to_owned(), names: names.join(", ") });
        };
        let typed: Vec<_> = members.values().map(Peer::typed).collect();
        let (id, typed) = (cluster_id(members.keys().copied()), typed.join(","));
        Ok(Self { me, id, members, typed, token: token.to_owned(), joined: false })
    }

    /// The same members with the numbers that they have under `token`.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        // Numbers of one that joined were told to it.
        if self.joined {
            return self.clone();
        }
        if self.typed.is_empty() {
            return Self::alone_with(self.name(), token);
        }
        // What was accepted once is accepted again.
        Self::parse_with(&self.typed, self.name(), token).unwrap_or_else(|_| self.clone())
    }

    /// What its numbers were made with beside the addresses.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// A cluster that runs, as this member, called `name`, is told of it when it joins. Members without an address of a peer are
    /// left out.
    #[must_use]
    pub fn joined(id: ClusterId, (me, name): (MemberId, &str), members: &[Member]) -> Self {
        let peer = |member: &Member| {
            let address = member.peer_urls.iter().find_map(|url| PeerAddress::of_url(url))?;
            let is_me = member.id == me.0;
            let name = if is_me { name } else { &member.name }.to_owned();
            let short = name == address.host;
            Some((MemberId(member.id), Peer { id: MemberId(member.id), name, address, short }))
        };
        let members: BTreeMap<_, _> = members.iter().filter_map(peer).collect();
        let typed: Vec<_> = members.values().map(Peer::typed).collect();
        let token = DEFAULT_TOKEN.to_owned();
        Self { me, id, typed: typed.join(","), members, token, joined: true }
    }

    /// Whether the cluster ran before this member was added to it: then its state comes from the others.
    #[must_use]
    pub fn is_joined(&self) -> bool {
        self.joined
    }

    /// The list that [`Cluster::parse`] takes; empty for [`Cluster::alone`].
    #[must_use]
    pub fn typed(&self) -> &str {
        &self.typed
    }

    /// This member's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.member(self.me).map_or("", |me| &me.name)
    }

    /// Peer URL of this member.
    #[must_use]
    pub fn peer_url(&self) -> String {
        self.member(self.me).map_or_else(String::new, |me| me.address.url())
    }

    /// This member's number.
    #[must_use]
    pub fn me(&self) -> MemberId {
        self.me
    }

    /// The cluster's number.
    #[must_use]
    pub fn id(&self) -> ClusterId {
        self.id
    }

    /// The member with this number.
    #[must_use]
    pub fn member(&self, id: MemberId) -> Option<&Peer> {
        self.members.get(&id)
    }

    /// All members by number.
    pub fn members(&self) -> impl Iterator<Item = &Peer> {
        self.members.values()
    }

    /// The other members by number.
    pub fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.members.values().filter(|peer| peer.id != self.me)
    }

    /// The voters that a new cluster begins with.
    #[must_use]
    pub fn conf_state(&self) -> ConfState {
        // One that joins learns from the cluster's state who votes.
        let born = self.members.keys().filter(|_| !self.joined);
        ConfState { voters: born.map(|id| id.0).collect(), ..ConfState::default() }
    }

    /// The members as a new cluster stores them, the same bytes on every member. Client URLs are missing: each
    /// member publishes its own once it runs.
    #[must_use]
    pub fn birth_members(&self) -> Vec<Member> {
        let member = |peer: &Peer| Member {
            id: peer.id.0,
            name: peer.name.clone(),
            peer_urls: vec![peer.address.url()],
            ..Member::default()
        };
        self.members().map(member).collect()
    }
}

fn name_of(item: &str) -> &str {
    let short = || {
        let address = item.split_once("://").map_or(item, |(_, address)| address);
        address.rsplit_once(':').map_or(address, |(name, _)| name)
    };
    item.split_once('=').map_or_else(short, |(name, _)| name)
}

fn parse_item(item: &str, token: &str) -> Result<Peer, PeersError> {
    let refuse = || PeersError::Item { item: item.to_owned() };
    let (name, address) =
        item.split_once('=').map_or((None, item), |(name, address)| (Some(name), address));
    let address = PeerAddress::parse(address).ok_or_else(refuse)?;
    let fits =
        |name: &str| !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '/');
    let short = name.is_none();
    let name = name.unwrap_or(&address.host).to_owned();
    if fits(&name) { Ok(Peer::new(name, address, short, token)) } else { Err(refuse()) }
}

/// The host in `text`: a name, an IPv4 address, or an IPv6 address in brackets.
fn host_of(text: &str) -> Option<String> {
    if let Some(rest) = text.strip_prefix('[') {
        let ip: std::net::Ipv6Addr = rest.strip_suffix(']')?.parse().ok()?;
        return Some(ip.to_string());
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    (!text.is_empty() && text.chars().all(fits)).then(|| text.to_owned())
}

/// Number of a member with these peer URLs: the first bytes of a SHA-1 over the sorted URLs and the token.
fn member_id(urls: &[&str], token: &str) -> MemberId {
    let mut urls = urls.to_vec();
    urls.sort_unstable();
    let mut hash = Sha1::new();
    for url in urls {
        hash.update(url);
    }
    hash.update(token);
    MemberId(head(&hash.finalize()))
}

/// Number of a member with these peer URLs that is added to a cluster that runs. Drawn, as in etcd, so that another one follows
/// when a member is added again.
#[must_use]
pub fn added_member_id(urls: &[String], drawn: u64) -> u64 {
    let urls: Vec<_> = urls.iter().map(String::as_str).collect();
    member_id(&urls, &drawn.to_string()).0
}

/// The peer URLs of a member, in order, if each is `http://HOST:PORT` or `https://HOST:PORT` and there is one at least.
#[must_use]
pub fn checked_urls(urls: &[String]) -> Option<Vec<String>> {
    let is_url = |url: &str| {
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        url.len() <= PEER_URL_BYTES_MAX && rest.and_then(PeerAddress::parse).is_some()
    };
    let mut urls: Vec<_> = urls.iter().map(|url| url.trim().to_owned()).collect();
    let fit = (1..=PEER_URLS_MAX).contains(&urls.len()) && urls.iter().all(|url| is_url(url));
    urls.sort_unstable();
    fit.then_some(urls)
}

/// Number of a cluster with these members: the first bytes of a SHA-1 over the sorted numbers.
fn cluster_id(members: impl IntoIterator<Item = MemberId>) -> ClusterId {
    let mut ids: Vec<_> = members.into_iter().map(|id| id.0).collect();
    ids.sort_unstable();
    let mut hash = Sha1::new();
    for id in ids {
        hash.update(id.to_be_bytes());
    }
    ClusterId(head(&hash.finalize()))
}

/// The first 8 bytes as a number.
fn head(hash: &[u8]) -> u64 {
    hash.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn numbers_are_those_of_etcd() {
        // Known values of etcd's own defaults, and of a cluster that etcd 3.5.1 was started with.
        let alone = Cluster::alone("default");
        assert_eq!(alone.me().to_string(), "8e9e05c52164694d");
        assert_eq!(alone.id().to_string(), "cdf818194e3a8c32");
    }

    #[test]
    fn a_token_makes_another_cluster_of_the_same_members() {
        for cluster in [Cluster::alone("n1"), Cluster::parse("n1:1,n2:2", "n1").unwrap()] {
            let other = cluster.with_token("t");
            assert_ne!((other.id(), other.me()), (cluster.id(), cluster.me()));
            let names =
                |it: &Cluster| it.members().map(|one| one.name.clone()).collect::<BTreeSet<_>>();
            assert_eq!((other.name(), names(&other)), (cluster.name(), names(&cluster)));
            assert_eq!(other.with_token(DEFAULT_TOKEN), cluster);
        }
    }

    #[test]
    fn the_order_of_the_list_changes_nothing() {
        let one = Cluster::parse("n1:2380,n2:2381,n3:2382", "n1").unwrap();
        let other = Cluster::parse("n3:2382, n1:2380 ,n2:2381", "n1").unwrap();
        assert_eq!(one, other);
        assert_eq!(Cluster::parse(one.typed(), "n1").as_ref(), Ok(&one));
        assert_eq!(one.conf_state().voters.len(), 3);
        assert!(one.conf_state().voters.is_sorted());
    }

    #[test]
    fn short_and_long_forms_name_the_same_member() {
        let short = Cluster::parse("n1:2380", "n1").unwrap();
        let long = Cluster::parse("n1=n1:2380", "n1").unwrap();
        let url = Cluster::parse("n1=http://n1:2380", "n1").unwrap();
        assert_eq!(short.me(), long.me());
        assert_eq!(url, long);
        assert_eq!(short.member(short.me()).unwrap().address.url(), "http://n1:2380");
        let secure = Cluster::parse("https://n1:2380", "n1").unwrap();
        let long = Cluster::parse("n1=https://n1:2380", "n1").unwrap();
        assert_eq!(secure.me(), long.me());
        assert_ne!(secure.me(), short.me());
        assert_eq!(Cluster::parse(secure.typed(), "n1").as_ref(), Ok(&secure));
        assert_eq!(Cluster::parse(long.typed(), "n1").as_ref(), Ok(&long));
        assert_eq!(long.member(long.me()).unwrap().address.url(), "https://n1:2380");
        let six = Cluster::parse("a=[::1]:7", "a").unwrap();
        assert_eq!(six.member(six.me()).unwrap().address.url(), "http://[::1]:7");
    }

    #[test]
    fn peer_urls_are_a_scheme_a_host_and_a_port() {
        let check = |urls: &[&str]| {
            checked_urls(&urls.iter().map(|url| (*url).to_owned()).collect::<Vec<_>>())
        };
        let good = check(&["http://b:2", " https://a:1"]).unwrap();
        assert_eq!(good, ["http://b:2", "https://a:1"]);
        for bad in ["", "a:1", "http://a", "http://a:1/", "http://a:1/p", "ftp://a:1", "http://:1"]
        {
            assert_eq!(check(&[bad]), None, "{bad}");
        }
        assert_eq!(check(&[]), None);
        assert_ne!(added_member_id(&good, 1), added_member_id(&good, 2));
    }

    #[test]
    fn lists_that_cannot_be_are_refused() {
        let item = |item: &str| PeersError::Item { item: item.to_owned() };
        for (text, error) in [
            ("", item("")),
            ("n1", item("n1")),
            ("n1:", item("n1:")),
            ("n1:0", item("n1:0")),
            ("n1:99999", item("n1:99999")),
            (":2380", item(":2380")),
            ("n1:2380,", item("")),
            ("=h:1", item("=h:1")),
            ("n1=h", item("n1=h")),
            ("n1=http://h:1/path", item("n1=http://h:1/path")),
            ("n1=::1:5", item("n1=::1:5")),
            ("n1=ftp://h:1", item("n1=ftp://h:1")),
            ("n1=https://h", item("n1=https://h")),
            ("n1:1,n1:2", PeersError::NameTwice { name: "n1".to_owned() }),
            ("n1=h:1,n2=h:1", PeersError::AddressTwice { url: "http://h:1".to_owned() }),
            (
                "n2:1,n3=h:1",
                PeersError::NotNamed { name: "n1".to_owned(), names: "n2, n3".to_owned() },
            ),
        ] {
            assert_eq!(Cluster::parse(text, "n1"), Err(error), "{text}");
        }
    }
}
