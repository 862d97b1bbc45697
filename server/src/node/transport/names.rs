//! [`LocalNames`]: hosts of `--peers` and `--join` that mean this machine, so that members can be tried out under names alone.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};

use crate::config::{Cluster, Join, PeerAddress};

/// Host names that mean this machine. Decided at the first start, and kept with the data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LocalNames(BTreeSet<String>);

impl LocalNames {
    /// All hosts of the short form in `cluster`.
    pub fn of(cluster: &Cluster) -> Self {
        let short = cluster.members().filter(|peer| peer.short);
        Self(short.map(|peer| peer.address.host.clone()).collect())
    }

    /// The rule for `cluster`: all hosts of the short form when none of them `resolves`, else none.
    pub fn decide(cluster: &Cluster, resolves: impl Fn(&str) -> bool) -> Self {
        Self::of(cluster).unless_known(resolves)
    }

    /// The same rule for the hosts that a member asks which joins.
    pub fn asked(join: &Join, resolves: impl Fn(&str) -> bool) -> Self {
        Self(join.short.clone()).unless_known(resolves)
    }

    fn unless_known(self, resolves: impl Fn(&str) -> bool) -> Self {
        if self.0.iter().any(|host| resolves(host)) { Self::default() } else { self }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `host` means this machine.
    pub fn contains(&self, host: &str) -> bool {
        self.0.contains(host)
    }

    /// Address to dial, if it needs no resolving.
    pub fn literal(&self, address: &PeerAddress) -> Option<SocketAddr> {
        let local = || self.contains(&address.host).then_some(Ipv4Addr::LOCALHOST.into());
        let ip: IpAddr = local().or_else(|| address.host.parse().ok())?;
        Some(SocketAddr::new(ip, address.port))
    }
}

/// Whether the network knows `host`. May wait for a name server.
pub(crate) fn resolves(host: &str) -> bool {
    let found: io::Result<_> = (host, 0).to_socket_addrs();
    found.is_ok_and(|mut addresses| addresses.next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_to_ask_follow_the_rule_of_peers() {
        let short = ["n1", "n2"].map(str::to_owned).into();
        let join = Join { ask: Vec::new(), short, me: None, port: 1 };
        assert!(LocalNames::asked(&join, |_| false).contains("n2"));
        assert!(LocalNames::asked(&join, |host| host == "n1").is_empty());
    }

    #[test]
    fn names_mean_this_machine_only_when_none_resolves() {
        let short = Cluster::parse("n1:1,n2:2", "n1").unwrap();
        assert_eq!(LocalNames::decide(&short, |_| false), LocalNames::of(&short));
        assert!(LocalNames::decide(&short, |host| host == "n2").is_empty());
        let long = Cluster::parse("n1=h:1,n2=h:2", "n1").unwrap();
        assert!(LocalNames::decide(&long, |_| false).is_empty());
        let mixed = Cluster::parse("n1:1,n2=10.0.0.1:2,n3=n3:3", "n1").unwrap();
        let names = LocalNames::decide(&mixed, |_| false);
        let dialed = |name: &str| {
            let peer = mixed.members().find(|peer| peer.name == name).unwrap();
            names.literal(&peer.address).map(|address| address.to_string())
        };
        assert_eq!(dialed("n1").unwrap(), "127.0.0.1:1");
        assert_eq!(dialed("n2").unwrap(), "10.0.0.1:2");
        assert_eq!(dialed("n3"), None, "a host that was typed is looked up");
    }
}
