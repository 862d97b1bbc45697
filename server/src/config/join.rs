//! [`Join`]: how a program finds its place in a cluster that runs.

use std::collections::BTreeSet;

use mini_etcd_proto::internalpb::Member;
use mini_etcd_shared::types::{ClusterId, MemberId};

use super::{Cluster, PeerAddress};

/// What `--join`, or `--peers` with `--initial-cluster-state=existing`, says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// Members to ask, in this order.
    pub ask: Vec<PeerAddress>,
    /// Hosts among them that were typed without a name beside them.
    pub short: BTreeSet<String>,
    /// Where peers reach this member, where that was said.
    pub me: Option<PeerAddress>,
    /// Port that it listens on for peers.
    pub port: u16,
}

/// Why there is no place. For the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    /// Nobody added it.
    #[error(
        "the cluster does not wait for a member at {at}: \
         add it first, with mini-etcdctl member add {name} --peer-urls={at}"
    )]
    NotAdded { name: String, at: String },
    /// Several members that were added fit.
    #[error(
        "the cluster waits for {several} members with that port: say which one this is, \
         with --advertise-peer=HOST:PORT"
    )]
    Several { several: usize },
    /// The member is there, and ran with other data.
    #[error(
        "member {id} at {at} lost its data: it ran before; \
         remove it and add it again, with mini-etcdctl member remove {id}"
    )]
    Lost { id: MemberId, at: String },
}

impl Join {
    /// The place of this program, called `name`, among `members`.
    ///
    /// # Errors
    /// There is none, or it is taken.
    pub fn place(
        &self,
        name: &str,
        cluster: ClusterId,
        members: &[Member],
    ) -> Result<Cluster, NoPlace> {
        let address =
            |member: &Member| member.peer_urls.iter().find_map(|url| PeerAddress::of_url(url));
        let fits = |member: &&Member| {
            let Some(at) = address(member) else { return false };
            // One that ran is this one if it has its name: what it had is gone then.
            let waits = || member.client_urls.is_empty() || member.name == name;
            self.me.as_ref().map_or_else(|| at.port == self.port && waits(), |me| *me == at)
        };
        let fitting: Vec<&Member> = members.iter().filter(fits).collect();
        let at = match &self.me {
            Some(me) => me.url(),
            None => format!("http://HOST:{}", self.port),
        };
        match fitting[..] {
            [] => Err(NoPlace::NotAdded { name: name.to_owned(), at }),
            [me] if !me.client_urls.is_empty() => Err(NoPlace::Lost { id: MemberId(me.id), at }),
            [me] => Ok(Cluster::joined(cluster, (MemberId(me.id), name), members)),
            ref several => Err(NoPlace::Several { several: several.len() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: u64, url: &str, client_url: &str) -> Member {
        let client_urls = client_url.split_terminator(',').map(str::to_owned).collect();
        Member { id, peer_urls: vec![url.to_owned()], client_urls, ..Member::default() }
    }

    /// Goal: a program takes the place that was made for it and no other. Method: the table of who waits and what is known.
    #[test]
    fn a_place_is_found_by_address_or_by_port_and_never_taken_twice() {
        let (one, ran) = (member(1, "http://h1:2380", "http://h1:2379"), "http://h2:2379");
        let waits = |id, url| member(id, url, "");
        let place = |me: Option<&str>, members: &[Member]| {
            let me = me.map(|url| PeerAddress::of_url(url).unwrap());
            let join = Join { ask: Vec::new(), short: BTreeSet::new(), me, port: 2380 };
            let all: Vec<_> = [one.clone()].iter().chain(members).cloned().collect();
            join.place("n", ClusterId(9), &all).map(|cluster| cluster.me().0)
        };
        let (two, three) = (waits(2, "http://h2:2380"), waits(3, "http://h3:2380"));
        assert_eq!(place(None, std::slice::from_ref(&two)), Ok(2));
        assert_eq!(place(Some("http://h3:2380"), &[two.clone(), three.clone()]), Ok(3));
        assert_eq!(place(None, &[two, three]), Err(NoPlace::Several { several: 2 }));
        let elsewhere = waits(2, "http://h2:9");
        assert!(matches!(place(None, &[elsewhere]), Err(NoPlace::NotAdded { .. })));
        let taken = place(Some("http://h2:2380"), &[member(2, "http://h2:2380", ran)]);
        assert!(matches!(taken, Err(NoPlace::Lost { id: MemberId(2), .. })), "{taken:?}");
        let same_name = Member { name: "n".to_owned(), ..member(2, "http://h2:2380", ran) };
        let taken = place(None, &[same_name]);
        assert!(matches!(taken, Err(NoPlace::Lost { id: MemberId(2), .. })), "{taken:?}");
    }
}
