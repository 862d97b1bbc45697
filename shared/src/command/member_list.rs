//! `member list`: lists the members.

use mini_etcd_proto::etcdserverpb::{
    Member, MemberListRequest, MemberListResponse, ResponseHeader,
};
use prost::Message as _;

use super::ranges::{CONSISTENCY, is_serializable};
use super::request::asks;
use super::spec::CommandSpec;
use crate::failure::done;
use crate::format::{Answer, Facts, Field, Message, Table, Value, count_of, header};
use crate::text::masked_columns;

/// `member list`
pub(super) const MEMBER_LIST: CommandSpec = CommandSpec {
    group: "member",
    flags: &[CONSISTENCY],
    long: "Columns: id, status, name, peer addresses, client addresses, is learner.",
    examples: &["member list -w table", "member list --consistency s"],
    ..CommandSpec::new("list", "Lists the members", |line| {
        let linearizable = !is_serializable(line)?;
        Ok(asks(MemberListRequest { linearizable }, |client, request| async move {
            done(client.member_list(request).await)
        }))
    })
};

pub(super) fn member(member: &Member, hex: bool) -> Message {
    vec![
        Field::new("ID", "ID", id(member.id, hex)),
        Field::new("name", "Name", &member.name),
        Field::new("peerURLs", "PeerURL", &member.peer_ur_ls),
        Field::new("clientURLs", "ClientURL", &member.client_ur_ls),
        Field::new("isLearner", "IsLearner", member.is_learner),
        Field::blank(),
    ]
}

/// An id; commands about members are the only ones whose JSON heeds `--hex`.
fn id(id: u64, hex: bool) -> Value {
    if hex { Value::Text(format!("{id:x}")) } else { Value::Id(id) }
}

/// The header of an answer about members.
pub(super) fn head(sent: Option<&ResponseHeader>, hex: bool) -> Field {
    let Some(it) = sent.filter(|_| hex) else { return header("header", sent) };
    let fields = vec![
        Field::in_json("cluster_id", id(it.cluster_id, hex)),
        Field::in_json("member_id", id(it.member_id, hex)),
        Field::in_json("revision", it.revision),
        Field::in_json("raft_term", it.raft_term),
    ];
    Field::in_json("header", fields)
}

fn row(member: &Member) -> Vec<String> {
    let status = if member.name.is_empty() { "unstarted" } else { "started" };
    vec![
        format!("{:x}", member.id),
        status.to_owned(),
        member.name.clone(),
        member.peer_ur_ls.join(","),
        member.client_ur_ls.join(","),
        member.is_learner.to_string(),
    ]
}

impl Answer for MemberListResponse {
    fn shown(&self, hex: bool) -> Value {
        let members = self.members.iter().map(|one| member(one, hex)).collect();
        vec![head(self.header.as_ref(), hex), Field::new("members", "", Value::Rows(members))]
            .into()
    }

    fn table(&self) -> Option<Table> {
        Some(Table {
            head: &["ID", "STATUS", "NAME", "PEER ADDRS", "CLIENT ADDRS", "IS LEARNER"],
            rows: self.members.iter().map(row).collect(),
        })
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(self.encode_to_vec())
    }

    fn facts(&self) -> Facts<'_> {
        let rev = self.header.as_ref().map(|header| header.revision);
        Facts { rev, count: count_of(self.members.len()), ..Facts::default() }
    }

    fn is_of_cluster(&self) -> bool {
        true
    }

    /// All but whether a member has started, its name, and whether it is a learner.
    fn masked(&self, line: &str) -> String {
        masked_columns(line, &[1, 2, 5])
    }
}
