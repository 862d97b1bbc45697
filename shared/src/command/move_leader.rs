//! `move-leader`: hands leadership to another member.

use mini_etcd_proto::etcdserverpb::{MoveLeaderRequest, StatusRequest};

use super::endpoint::clients;
use super::member_change::without_fields;
use super::request::asks;
use super::spec::{Arg, ArgKind, CommandSpec, Effect};
use super::{CommandLine, Made, Refusal};
use crate::client::Client;
use crate::failure::{Failure, done, exit};
use crate::format::{Answer, Format, Page, Value};
use crate::text::{parse_uint, replaced};

/// `move-leader`
pub(super) const MOVE_LEADER: CommandSpec = CommandSpec {
    effect: Effect::Writes,
    args: &[Arg::needed("id", ArgKind::Value)],
    long: "One of --endpoints must be the leader, who is asked for it.",
    examples: &["move-leader 8e9e05c52164694d"],
    ..CommandSpec::new("move-leader", "Hands leadership to another member", made)
};

fn made(line: &CommandLine<'_>) -> Made {
    let [id] = line.args() else {
        return Err(Refusal::bad_args("move-leader command needs 1 argument"));
    };
    let target = parse_uint(&String::from_utf8_lossy(id), 16).map_err(Refusal::bad_args)?;
    Ok(asks(target, hand_over))
}

async fn hand_over(client: Client, target: u64) -> Result<Moved, Failure> {
    let mut endpoints = Vec::new();
    for (endpoint, client) in clients(&client, false).await? {
        let client = client?;
        let status = done(client.status(StatusRequest {}).await)?;
        let me = status.header.map_or(0, |header| header.member_id);
        if status.leader == me {
            done(client.move_leader(MoveLeaderRequest { target_id: target }).await)?;
            return Ok(Moved { from: me, to: target });
        }
        endpoints.push(endpoint);
    }
    let text = format!("no leader endpoint given at [{}]", endpoints.join(" "));
    Err(Failure::new(exit::BAD_ARGS, text))
}

/// Leadership went from one member to another.
#[derive(Debug)]
struct Moved {
    from: u64,
    to: u64,
}

impl Answer for Moved {
    fn shown(&self, _hex: bool) -> Value {
        Vec::new().into()
    }

    fn simple(&self, page: &mut Page<'_>) {
        page.line(&format!("Leadership transferred from {:x} to {:x}", self.from, self.to));
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(Vec::new())
    }

    fn format(&self, asked: Format) -> Result<Format, Failure> {
        without_fields(asked)
    }

    fn is_of_cluster(&self) -> bool {
        true
    }

    fn masked(&self, line: &str) -> String {
        replaced(&replaced(line, &format!("{:x}", self.from)), &format!("{:x}", self.to))
    }
}
