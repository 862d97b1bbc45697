//! `/debug/vars`: a few facts of the process as one JSON object, by the names that Go's `expvar` has them under in etcd.

use http::StatusCode;
use mini_etcd_shared::types::MemberId;
use serde_json::{Map, Value, json};

use super::site::TextPage;
use crate::api::Host;
use crate::metrics::{open_files_max, resident_bytes};
use crate::raft::{ProgressState, RaftStatus, Role};

/// The page of a member. Who reads memory there finds what the system knows under the one name of Go's that means the same.
pub(super) fn page(host: &Host) -> TextPage {
    let me = host.member_id();
    let vars = [
        ("cmdline", std::env::args().collect()),
        ("file_descriptor_limit", json!(open_files_max().unwrap_or_default())),
        ("memstats", json!({ "Sys": resident_bytes().unwrap_or_default() })),
        ("raft.status", raft_status(me, &host.status())),
    ];
    let lines = vars.map(|(name, value)| format!("{}: {value}", Value::from(name)));
    TextPage {
        status: StatusCode::OK,
        content_type: "application/json; charset=utf-8",
        text: format!("{{\n{}\n}}\n", lines.join(",\n")),
    }
}

/// Where a member stands, in the words of etcd's Raft.
fn raft_status(me: MemberId, status: &RaftStatus) -> Value {
    let role = match status.role {
        Role::Follower => "StateFollower",
        Role::PreCandidate => "StatePreCandidate",
        Role::Candidate => "StateCandidate",
        Role::Leader => "StateLeader",
    };
    let progress = |matched: u64, next: u64, state: ProgressState| {
        let state = match state {
            ProgressState::Probe => "StateProbe",
            ProgressState::Replicate => "StateReplicate",
            ProgressState::Snapshot => "StateSnapshot",
        };
        json!({ "match": matched, "next": next, "state": state })
    };
    let mut of_all = Map::new();
    if status.leads() {
        let (last, own) = (status.last.0, ProgressState::Replicate);
        of_all.insert(me.to_string(), progress(status.persisted.0, last + 1, own));
        for peer in &status.progress {
            let (matched, next) = (peer.match_index.0, peer.next_index.0);
            of_all.insert(peer.id.to_string(), progress(matched, next, peer.state));
        }
    }
    json!({
        "id": me.to_string(),
        "term": status.term.0,
        "vote": status.vote.to_string(),
        "commit": status.commit.0,
        "lead": status.leader.to_string(),
        "raftState": role,
        "applied": status.applied.0,
        "progress": of_all,
        "leadtransferee": status.transferring_to.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use mini_etcd_shared::types::{LogIndex, Term};

    use super::*;
    use crate::raft::PeerProgress;

    #[test]
    fn a_leader_tells_of_itself_and_its_followers_and_others_of_nobody() {
        let follower = PeerProgress {
            id: MemberId(0xb),
            match_index: LogIndex(7),
            next_index: LogIndex(8),
            state: ProgressState::Snapshot,
            ..PeerProgress::default()
        };
        let mut status = RaftStatus {
            role: Role::Leader,
            leader: MemberId(0xa),
            term: Term(2),
            last: LogIndex(9),
            persisted: LogIndex(9),
            progress: vec![follower],
            ..RaftStatus::default()
        };
        let told = raft_status(MemberId(0xa), &status);
        let want = json!({
            "a": { "match": 9, "next": 10, "state": "StateReplicate" },
            "b": { "match": 7, "next": 8, "state": "StateSnapshot" },
        });
        assert_eq!(told["progress"], want);
        assert_eq!((&told["lead"], &told["leadtransferee"]), (&json!("a"), &json!("0")));
        status.role = Role::Follower;
        assert_eq!(raft_status(MemberId(0xb), &status)["progress"], json!({}));
    }
}
