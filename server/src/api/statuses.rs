//! Statuses that the framework makes by itself, in the words that etcd's framework uses.

use std::time::Duration;

use http::HeaderMap;
use tonic::{Code, Status};

/// Prefix of the framework's words for a message over the limit.
const OVERSIZE: &str = "Error, decoded message length too large: found ";
/// Prefix of the framework's words for bytes that are no message.
const UNDECODABLE: &str = "failed to decode Protobuf message: ";
/// Prefix of the framework's words for a compression it does not know.
const COMPRESSED: &str = "Content is compressed with `";
/// Most of a decoder's words that is passed on.
const TAIL_BYTES: usize = 200;

/// The status as etcd would word it, or itself when it is no word of the framework's.
#[must_use]
pub fn translate(status: Status) -> Status {
    let message = status.message();
    if let Some(rest) = message.strip_prefix(OVERSIZE)
        && let Some((found, limit)) = rest.split_once(" bytes, the limit is: ")
    {
        let limit = limit.trim_end_matches(" bytes");
        return Status::resource_exhausted(format!(
            "grpc: received message larger than max ({found} vs. {limit})"
        ));
    }
    if let Some(reason) = message.strip_prefix(UNDECODABLE) {
        return Status::internal(format!("grpc: error unmarshalling request: {}", tail(reason)));
    }
    if let Some((encoding, _)) =
        message.strip_prefix(COMPRESSED).and_then(|rest| rest.split_once('`'))
    {
        return Status::unimplemented(format!(
            "grpc: Decompressor is not installed for grpc-encoding \"{encoding}\""
        ));
    }
    status
}

/// The end of a text that names every level of a nested message; a header must not grow with what clients send.
fn tail(text: &str) -> &str {
    let start = text.len().saturating_sub(TAIL_BYTES);
    (start..=text.len()).find_map(|start| text.get(start..)).unwrap_or_default()
}

/// Rewrites the status in headers or trailers, and tells its code; `None` when there is no status in them.
pub(super) fn translate_headers(headers: &mut HeaderMap) -> Option<Code> {
    let raw = headers.get("grpc-status")?;
    if raw == "0" {
        return Some(Code::Ok);
    }
    let status = Status::from_header_map(headers)?;
    let translated = translate(status.clone());
    if translated.message() != status.message() || translated.code() != status.code() {
        headers.remove("grpc-message");
        // A status that cannot be written stays as it was.
        let _ = translated.add_header(headers);
    }
    Some(translated.code())
}

/// The time that a client gives its call.
///
/// # Errors
/// Internal, for a value that is no time.
pub fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Status> {
    let Some(value) = headers.get("grpc-timeout") else { return Ok(None) };
    let parsed = value.to_str().ok().and_then(parse_timeout);
    parsed.map(Some).ok_or_else(|| {
        Status::internal(format!("malformed grpc-timeout: {}", value.as_bytes().escape_ascii()))
    })
}

fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frameworks_words_become_etcds() {
        for (from, code, to) in [
            (
                Status::out_of_range(
                    "Error, decoded message length too large: found 3000000 bytes, the limit is: 2097152 bytes",
                ),
                Code::ResourceExhausted,
                "grpc: received message larger than max (3000000 vs. 2097152)",
            ),
            (
                Status::unimplemented("Content is compressed with `gzip` which isn't supported"),
                Code::Unimplemented,
                "grpc: Decompressor is not installed for grpc-encoding \"gzip\"",
            ),
            (
                Status::internal("failed to decode Protobuf message: invalid tag value: 0"),
                Code::Internal,
                "grpc: error unmarshalling request: invalid tag value: 0",
            ),
            (
                Status::not_found("etcdserver: member not found"),
                Code::NotFound,
                "etcdserver: member not found",
            ),
        ] {
            let mut headers = HeaderMap::new();
            from.add_header(&mut headers).unwrap();
            assert_eq!(translate_headers(&mut headers), Some(code));
            let status = Status::from_header_map(&headers).unwrap();
            assert_eq!((status.code(), status.message()), (code, to));
        }
    }

    #[test]
    fn long_words_of_the_decoder_are_cut() {
        let words = format!("{UNDECODABLE}{}é recursion limit reached", "é: ".repeat(1000));
        let status = translate(Status::internal(words));
        assert!(status.message().len() < 300 && status.message().ends_with("limit reached"));
    }

    #[test]
    fn timeouts_are_read_in_every_unit_and_refused_when_malformed() {
        for (text, want) in [
            ("1H", Duration::from_secs(3600)),
            ("2M", Duration::from_secs(120)),
            ("7S", Duration::from_secs(7)),
            ("99999999m", Duration::from_millis(99_999_999)),
            ("5u", Duration::from_micros(5)),
            ("0n", Duration::ZERO),
        ] {
            assert_eq!(parse_timeout(text), Some(want), "{text}");
        }
        for text in ["", "S", "1", "1s", "-1S", "+1S", "123456789S", "1.5S", "1é"] {
            assert_eq!(parse_timeout(text), None, "{text}");
        }
    }
}
