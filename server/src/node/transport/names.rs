//! [`Names`]: where the hosts of peers lead.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};

use crate::config::{Cluster, Peer};

/// Where typed hosts lead. Decided once, at the first start, and kept with the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// To what the network says.
    Network,
    /// Hosts of the short form all mean this machine.
    ThisMachine,
}

impl Names {
    /// The rule for `cluster`: when all hosts are of the short form and none of them `resolves`, all of them mean
    /// this machine.
    pub fn decide(cluster: &Cluster, resolves: impl Fn(&str) -> bool) -> Self {
        let mut peers = cluster.members().filter(|peer| peer.short).peekable();
        if peers.peek().is_none() || peers.any(|peer| resolves(&peer.host)) {
            return Self::Network;
        }
        Self::ThisMachine
    }

    /// Host to dial for `peer`.
    #[must_use]
    pub fn host(self, peer: &Peer) -> &str {
        if self == Self::ThisMachine && peer.short { "127.0.0.1" } else { &peer.host }
    }

    /// Address to dial for `peer`, if it needs no resolving.
    #[must_use]
    pub fn literal(self, peer: &Peer) -> Option<SocketAddr> {
        if self == Self::ThisMachine && peer.short {
            return Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), peer.port));
        }
        let ip: IpAddr = peer.host.parse().ok()?;
        Some(SocketAddr::new(ip, peer.port))
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
    fn names_mean_this_machine_only_when_none_resolves() {
        let short = Cluster::parse("n1:1,n2:2", "n1").unwrap();
        assert_eq!(Names::decide(&short, |_| false), Names::ThisMachine);
        assert_eq!(Names::decide(&short, |host| host == "n2"), Names::Network);
        let long = Cluster::parse("n1=h:1,n2=h:2", "n1").unwrap();
        assert_eq!(Names::decide(&long, |_| false), Names::Network);
        let mixed = Cluster::parse("n1:1,n2=10.0.0.1:2", "n1").unwrap();
        let names = Names::decide(&mixed, |_| false);
        let hosts: Vec<_> = ["n1", "n2"]
            .map(|name| {
                names.host(mixed.members().find(|peer| peer.name == name).unwrap()).to_owned()
            })
            .into();
        assert_eq!(hosts, ["127.0.0.1", "10.0.0.1"]);
    }
}
