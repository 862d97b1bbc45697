//! [`HelloRefused`]: why a peer is not listened to, and [`Verdict`]: what that means for the one who is refused.

use mini_etcd_shared::types::{ClusterId, LogIndex, MemberId};

use super::hello::PROTOCOL;
use crate::fatal;

/// Why a peer is not listened to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(crate) enum HelloRefused {
    #[error(
        "it belongs to cluster {found}, this is a member of cluster {cluster}: compare --peers"
    )]
    Cluster { found: ClusterId, cluster: ClusterId },
    #[error("member {found} answers there, not {expected}: compare --peers")]
    Member { found: MemberId, expected: MemberId },
    #[error("member {found} is not in this cluster: compare --peers")]
    Unknown { found: MemberId },
    #[error("member {found} was removed from this cluster")]
    Removed { found: MemberId },
    #[error("member {meant} is not at this address any more")]
    Meant { meant: MemberId },
    #[error(
        "it speaks protocol {found}, this member speaks {PROTOCOL}: use one version of mini-etcd"
    )]
    Protocol { found: u32 },
    /// The peer is right and this member is not: it must not take part any more.
    #[error(
        "{name} lost its data: {peer} has seen its log reach index {seen}; replace it with \
         `mini-etcdctl member replace {name}`, asked of a member with data, and start it with --join"
    )]
    Lost { name: String, peer: String, seen: LogIndex },
    /// The same of the one who speaks, when it means another member than this one and so gets no hello that would tell it.
    #[error("member {found} lost its data: its log was seen to reach further than its birth")]
    Wiped { found: MemberId },
    /// Both have data, of two beginnings, and here the members have changed in a way that the speaker's data does not know of.
    #[error(
        "the data of member {found} come from another beginning of this cluster, which goes on with other members"
    )]
    Outgrown { found: MemberId },
    /// A majority began anew without one of the two, or a directory of an earlier cluster came back. Which of them the
    /// cluster goes on with, the one that knows a leader can tell.
    #[error(
        "the data of {peer} and of {name} come from two beginnings of this cluster: \
         what one of them acknowledged the other never had"
    )]
    Lineage { name: String, peer: String },
    /// The same, and it is the peer who is with the cluster.
    #[error(
        "the cluster that {peer} is with began anew without the data of {name}, \
         or the directory of {name} is left over from an earlier cluster"
    )]
    Astray { name: String, peer: String },
}

impl HelloRefused {
    /// Ends the process when it is this member that must not take part.
    pub fn end_if_wrong_here(&self) {
        match self {
            Self::Lost { .. } => fatal::end(fatal::LOG_MISSING, self),
            Self::Astray { .. } => fatal::end(fatal::STATE_DIFFERS, self),
            _ => {}
        }
    }

    /// What the one who is refused is to be told in a way that a program understands, and who that is.
    pub fn verdict(&self) -> Option<(Verdict, MemberId)> {
        match self {
            Self::Removed { found } => Some((Verdict::Removed, *found)),
            Self::Unknown { found } => Some((Verdict::Unlisted, *found)),
            Self::Wiped { found } => Some((Verdict::Wiped, *found)),
            Self::Outgrown { found } => Some((Verdict::Outgrown, *found)),
            _ => None,
        }
    }
}

/// A refusal that may end the one who is refused. It travels as metadata beside the words, with the id of that member: a proxy
/// in between may refuse too, but not like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It was removed.
    Removed,
    /// The cluster of that id does not list it, and does not know that it was removed either.
    Unlisted,
    /// It had data once.
    Wiped,
    /// Its data come from another beginning, and the cluster that refuses it has a leader.
    Outgrown,
}

impl Verdict {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Removed, Self::Unlisted, Self::Wiped, Self::Outgrown];

    /// Key of the metadata.
    pub fn key(self) -> &'static str {
        match self {
            Self::Removed => "mini-etcd-removed",
            Self::Unlisted => "mini-etcd-unlisted",
            Self::Wiped => "mini-etcd-wiped",
            Self::Outgrown => "mini-etcd-outgrown",
        }
    }

    /// How `name` ends when `peer` says that; none when it need not. One that has data may be newer than what the peer knows, and
    /// one that was born with the cluster, and has none yet, would found another beside it.
    pub fn end(self, name: &str, peer: &str, is_newborn: bool) -> Option<(u8, String)> {
        match self {
            Self::Removed => {
                let told = "this member was removed from the cluster, as its peers say";
                Some((fatal::REMOVED, told.to_owned()))
            }
            Self::Unlisted if is_newborn => {
                let told = format!(
                    "the cluster lives at the address of {peer} already, and {name} is none of its members"
                );
                Some((fatal::REMOVED, told))
            }
            Self::Wiped if is_newborn => {
                let (name, peer) = (name.to_owned(), peer.to_owned());
                let lost = HelloRefused::Lost { name, peer, seen: LogIndex(LogIndex::BIRTH.0 + 1) };
                Some((fatal::LOG_MISSING, lost.to_string()))
            }
            Self::Outgrown => {
                let told = format!(
                    "two clusters of this id take writes: the one at the address of {peer} has a leader and goes on \
                     without {name}, whose data come from another beginning"
                );
                Some((fatal::STATE_DIFFERS, told))
            }
            Self::Unlisted | Self::Wiped => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_has_nothing_ends_for_want_of_a_place() {
        let code = |verdict: Verdict, is_newborn| {
            verdict.end("n1", "n3", is_newborn).map(|(code, _)| code)
        };
        for (verdict, newborn, grown) in [
            (Verdict::Removed, Some(fatal::REMOVED), Some(fatal::REMOVED)),
            (Verdict::Unlisted, Some(fatal::REMOVED), None),
            (Verdict::Wiped, Some(fatal::LOG_MISSING), None),
            (Verdict::Outgrown, Some(fatal::STATE_DIFFERS), Some(fatal::STATE_DIFFERS)),
        ] {
            assert_eq!(
                (code(verdict, true), code(verdict, false)),
                (newborn, grown),
                "{verdict:?}"
            );
        }
        let (_, told) = Verdict::Wiped.end("n1", "n3", true).unwrap();
        assert!(told.contains("`mini-etcdctl member replace n1`"), "{told}");
    }

    #[test]
    fn each_verdict_has_a_key_of_its_own() {
        let keys: std::collections::BTreeSet<_> = Verdict::ALL.iter().map(|it| it.key()).collect();
        assert_eq!(keys.len(), Verdict::ALL.len());
    }
}
