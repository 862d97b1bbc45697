//! The message itself.

use mini_etcd_proto::etcdserverpb::WatchResponse;
use prost::Message;

use crate::exec::Answer;

/// The encoded message; `None` when the command's answer is not one message.
pub(super) fn render(answer: &Answer) -> Option<Vec<u8>> {
    Some(match answer {
        Answer::Put(response) => response.encode_to_vec(),
        Answer::Get { response, .. } => response.encode_to_vec(),
        Answer::Del(response) => response.encode_to_vec(),
        Answer::Txn(response) => response.encode_to_vec(),
        Answer::MemberList(response) => response.encode_to_vec(),
        Answer::AlarmList(response) => response.encode_to_vec(),
        // What etcdctl's own client hands on.
        Answer::Watch(response) => WatchResponse {
            header: response.header,
            compact_revision: response.compact_revision,
            canceled: response.canceled,
            created: response.created,
            events: response.events.clone(),
            ..WatchResponse::default()
        }
        .encode_to_vec(),
        Answer::EndpointStatus(_)
        | Answer::EndpointHealth(_)
        | Answer::EndpointHashKv(_)
        | Answer::Compaction(_)
        | Answer::Version
        | Answer::Help(_) => return None,
    })
}
