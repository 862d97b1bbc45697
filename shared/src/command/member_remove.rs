//! `member remove`: removes a member.

use mini_etcd_proto::etcdserverpb::{MemberRemoveRequest, MemberRemoveResponse};
use prost::Message as _;

use super::member_change::{Changed, only_id};
use super::request::asks;
use super::spec::{Arg, ArgKind, CommandSpec, Effect};
use super::{CommandLine, Made};
use crate::failure::done;

/// `member remove`
pub(super) const MEMBER_REMOVE: CommandSpec = CommandSpec {
    group: "member",
    effect: Effect::Destroys,
    args: &[Arg::needed("id", ArgKind::Value)],
    long: "It stops, and its id is never used again: to have it back, delete its directory and add it anew.\nRefused while too few of the others would be left, or answer.",
    examples: &["member remove 8e9e05c52164694d"],
    ..CommandSpec::new("remove", "Removes a member from the cluster", made)
};

fn made(line: &CommandLine<'_>) -> Made {
    let id = only_id(line)?;
    Ok(asks(MemberRemoveRequest { id }, |client, request| async move {
        done(client.member_remove(request).await).map(|answer| changed(request.id, answer))
    }))
}

fn changed(id: u64, answer: MemberRemoveResponse) -> Changed {
    let message = answer.encode_to_vec();
    let MemberRemoveResponse { header, members } = answer;
    Changed { id, what: "removed from", header, added: None, members, message, more: Vec::new() }
}
