//! What the commands about leases have in common.

use mini_etcd_proto::etcdserverpb::ResponseHeader;
use prost::Message as _;

use super::{CommandLine, Refusal};
use crate::failure::{Failure, exit};
use crate::format::Message;
use crate::text::parse_int;

pub use crate::text::lease_hex;

/// The only argument of a line, a lease id in hex.
pub(super) fn only_id(line: &CommandLine<'_>, usage: &str) -> Result<i64, Refusal> {
    let [id] = line.args() else { return Err(Refusal::bad_args(usage)) };
    parse_int(&String::from_utf8_lossy(id), 16).map_err(|error| {
        Refusal::bad_args(format!("bad lease ID arg ({error}), expecting ID in Hex"))
    })
}

/// The fields of a header, which stand beside those of the answer.
pub(super) fn header_fields(header: Option<&ResponseHeader>) -> Message {
    crate::format::header_fields(&header.copied().unwrap_or_default())
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
