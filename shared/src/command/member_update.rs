//! `member update`: changes where peers reach a member.

use mini_etcd_proto::etcdserverpb::{MemberUpdateRequest, MemberUpdateResponse};
use prost::Message as _;

use super::member_change::{Changed, check_peer_urls, only_id, peer_urls};
use super::request::asks;
use super::spec::{Arg, ArgKind, CommandSpec, Effect, Flag, ValueKind};
use super::{CommandLine, Made};
use crate::client::Client;
use crate::failure::{Failure, done};

/// `member update`
pub(super) const MEMBER_UPDATE: CommandSpec = CommandSpec {
    group: "member",
    effect: Effect::Writes,
    args: &[Arg::needed("id", ArgKind::Value)],
    flags: &[Flag::new(
        "peer-urls",
        ValueKind::Text,
        "",
        "where peers reach it, separated by commas",
    )],
    long: "The others dial it there from then on. Client URLs a member publishes itself when it starts.",
    examples: &["member update 8e9e05c52164694d --peer-urls=http://10.0.0.7:2380"],
    ..CommandSpec::new("update", "Changes the peer URLs of a member", made)
};

fn made(line: &CommandLine<'_>) -> Made {
    let id = only_id(line)?;
    let request = MemberUpdateRequest { id, peer_ur_ls: peer_urls(line)? };
    Ok(asks(request, update))
}

async fn update(client: Client, request: MemberUpdateRequest) -> Result<Changed, Failure> {
    check_peer_urls(&request.peer_ur_ls)?;
    let id = request.id;
    let answer = done(client.member_update(request).await)?;
    let message = answer.encode_to_vec();
    let MemberUpdateResponse { header, members } = answer;
    Ok(Changed { id, what: "updated in", header, added: None, members, message, more: Vec::new() })
}
