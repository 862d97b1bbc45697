//! `member promote`: gives a learner its vote.

use mini_etcd_proto::etcdserverpb::{MemberPromoteRequest, MemberPromoteResponse};
use prost::Message as _;

use super::member_change::{Changed, only_id};
use super::request::asks;
use super::spec::{Arg, ArgKind, CommandSpec, Effect};
use super::{CommandLine, Made};
use crate::failure::done;

/// `member promote`
pub(super) const MEMBER_PROMOTE: CommandSpec = CommandSpec {
    group: "member",
    effect: Effect::Writes,
    args: &[Arg::needed("id", ArgKind::Value)],
    long: "Refused until the learner has caught up: try again then.",
    examples: &["member promote 8e9e05c52164694d"],
    ..CommandSpec::new("promote", "Gives a learner its vote", made)
};

fn made(line: &CommandLine<'_>) -> Made {
    let id = only_id(line)?;
    Ok(asks(MemberPromoteRequest { id }, |client, request| async move {
        done(client.member_promote(request).await).map(|answer| changed(request.id, answer))
    }))
}

fn changed(id: u64, answer: MemberPromoteResponse) -> Changed {
    let message = answer.encode_to_vec();
    let MemberPromoteResponse { header, members } = answer;
    Changed { id, what: "promoted in", header, added: None, members, message, more: Vec::new() }
}
