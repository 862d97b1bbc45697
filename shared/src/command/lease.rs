//! What the commands about leases have in common.

use mini_etcd_proto::etcdserverpb::ResponseHeader;
use prost::Message as _;

use super::{CommandLine, Refusal};
use crate::failure::{Failure, exit};
use crate::format::{Field, Message, Value};
use crate::text::parse_int;

/// The only argument of a line, a lease id in hex.
pub(super) fn only_id(line: &CommandLine<'_>, usage: &str) -> Result<i64, Refusal> {
    let [id] = line.args() else { return Err(Refusal::bad_args(usage)) };
    parse_int(&String::from_utf8_lossy(id), 16).map_err(|error| {
        Refusal::bad_args(format!("bad lease ID arg ({error}), expecting ID in Hex"))
    })
}

/// An id as etcdctl prints it: 16 places of hex, a sign among them.
#[must_use]
pub fn lease_hex(id: i64) -> String {
    if id < 0 { format!("-{:015x}", id.unsigned_abs()) } else { format!("{id:016x}") }
}

/// The fields of a header, which stand beside those of the answer.
pub(super) fn header_fields(header: Option<&ResponseHeader>) -> Message {
    let header = header.copied().unwrap_or_default();
    vec![
        Field::new("cluster_id", "ClusterID", Value::Id(header.cluster_id)),
        Field::new("member_id", "MemberID", Value::Id(header.member_id)),
        Field::new("revision", "Revision", header.revision),
        Field::new("raft_term", "RaftTerm", header.raft_term),
    ]
}

/// What etcdctl's `protobuf` has of these answers: the header.
pub(super) fn header_bytes(header: Option<&ResponseHeader>) -> Vec<u8> {
    header.copied().unwrap_or_default().encode_to_vec()
}

/// A failure as etcdctl ends with it here.
pub(super) fn disconnected(failure: Failure) -> Failure {
    Failure { exit: exit::NO_CONNECTION, ..failure }
}

/// A failure behind what was tried.
pub(super) fn while_doing(what: &str, failure: Failure) -> Failure {
    let text = format!("failed to {what} lease ({})", failure.text);
    Failure { text, ..failure }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_sixteen_places_with_its_sign() {
        for (id, shown) in [
            (0, "0000000000000000"),
            (0x1234, "0000000000001234"),
            (i64::MAX, "7fffffffffffffff"),
            (-1, "-000000000000001"),
            (i64::MIN, "-8000000000000000"),
        ] {
            assert_eq!(lease_hex(id), shown);
        }
    }
}
