//! Messages as JSON, by protobuf's own mapping as etcd sets it: names of fields as in the `.proto` files, 64-bit numbers as
//! text, bytes in base64, what is default left out; camelCase, plain numbers and unknown names are read too.

use bytes::Bytes;
use prost::Message as _;
use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::{Deserializer, Serializer};
use tonic::Status;

use crate::error::RequestError;
use crate::limits::INLINE_RESULT_BYTES_MAX;

/// The message that the first value of `json` is; what follows it is not looked at, as in etcd.
///
/// # Errors
/// Invalid argument, with the place in the text.
pub(super) async fn read(of: &MessageDescriptor, json: Bytes) -> Result<Bytes, Status> {
    let of = of.clone();
    elsewhere(json.len(), move || {
        let mut reader = Deserializer::from_slice(&json);
        let options = DeserializeOptions::new().deny_unknown_fields(false);
        let message = DynamicMessage::deserialize_with_options(of, &mut reader, &options);
        let message = message.map_err(|error| {
            // etcd's word for a text that ends too early.
            let words =
                if error.is_eof() { "unexpected EOF".to_owned() } else { error.to_string() };
            Status::invalid_argument(words)
        })?;
        Ok(message.encode_to_vec().into())
    })
    .await
}

/// The JSON of a message, between `before` and `after`.
pub(super) async fn write(
    of: &MessageDescriptor,
    message: Bytes,
    (before, after): (&'static str, &'static str),
) -> Result<Bytes, Status> {
    let of = of.clone();
    elsewhere(message.len(), move || {
        let mut text = Vec::with_capacity(before.len() + message.len() * 2 + after.len());
        text.extend_from_slice(before.as_bytes());
        let message = DynamicMessage::decode(of, message);
        let message = message.map_err(|error| Status::internal(error.to_string()))?;
        let options = SerializeOptions::new().use_proto_field_name(true);
        let written = message.serialize_with_options(&mut Serializer::new(&mut text), &options);
        written.map_err(|error| Status::internal(error.to_string()))?;
        text.extend_from_slice(after.as_bytes());
        Ok(text.into())
    })
    .await
}

/// Runs `work` on so many bytes: here when they are few, else on a thread of its own.
async fn elsewhere<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> Result<T, Status> + Send + 'static,
) -> Result<T, Status> {
    if bytes <= INLINE_RESULT_BYTES_MAX {
        return work();
    }
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(RequestError::Stopped.into()))
}

#[cfg(test)]
mod tests {
    use mini_etcd_proto::etcdserverpb::compare::TargetUnion;
    use mini_etcd_proto::etcdserverpb::{
        AlarmMember, AlarmResponse, PutRequest, RangeRequest, ResponseHeader, TxnRequest,
    };

    use super::super::routes::find;
    use super::*;

    async fn read_as<M: prost::Message + Default>(path: &str, json: &str) -> Result<M, Status> {
        let json = Bytes::copy_from_slice(json.as_bytes());
        let message = read(&find(path).unwrap().input, json).await?;
        Ok(M::decode(message).unwrap())
    }

    #[tokio::test]
    async fn names_numbers_enums_and_bytes_are_read_in_all_their_spellings() {
        let want = RangeRequest {
            key: Bytes::from_static(&[0xff, 0xef]),
            range_end: Bytes::from_static(b"foo"),
            limit: 2,
            sort_order: 1,
            keys_only: true,
            ..RangeRequest::default()
        };
        for json in [
            r#"{"key":"/+8=","range_end":"Zm9v","limit":"2","sort_order":"ASCEND","keys_only":true}"#,
            r#"{"key":"_-8","rangeEnd":"Zm9v","limit":2,"sortOrder":1,"keysOnly":true,"new":[{}]}"#,
            r#" {"key":"/+8","rangeEnd":"Zm9v","limit":2.0,"sortOrder":"ASCEND","keysOnly":true,"revision":null} x"#,
        ] {
            assert_eq!(
                read_as::<RangeRequest>("/v3/kv/range", json).await.unwrap(),
                want,
                "{json}"
            );
        }
        let txn = r#"{"compare":[{"key":"Zm9v","target":"VERSION","version":"0","result":"EQUAL"}],
            "success":[{"requestPut":{"key":"Zm9v"}},{"request_range":{}}]}"#;
        let txn: TxnRequest = read_as("/v3/kv/txn", txn).await.unwrap();
        assert_eq!(txn.compare[0].target_union, Some(TargetUnion::Version(0)));
        assert_eq!(txn.success.len(), 2);
    }

    #[tokio::test]
    async fn what_is_no_such_message_is_refused_with_its_place() {
        for (json, words) in [
            (r#"{"key":"Zm9v""#, "unexpected EOF"),
            (r#"{"key":"!!"}"#, "invalid base64"),
            (r#"{"key":5}"#, "base64"),
            (r#"{"lease":"x"}"#, "invalid digit"),
            (r#"{"lease":1.5}"#, "expected integer"),
            (r#"{"lease":"9223372036854775808"}"#, "too large"),
            (r#"{"prev_kv":"true"}"#, "boolean"),
            ("[]", "a map"),
            ("null", "a map"),
            ("x", "expected value at line 1 column 1"),
        ] {
            let error = read_as::<PutRequest>("/v3/kv/put", json).await.unwrap_err();
            assert_eq!(error.code(), tonic::Code::InvalidArgument);
            assert!(error.message().contains(words), "{json}: {}", error.message());
        }
        let deep = r#"{"success":[{"request_txn":"#.repeat(5000);
        let error = read_as::<TxnRequest>("/v3/kv/txn", &deep).await.unwrap_err();
        assert!(error.message().contains("recursion limit"), "{}", error.message());
    }

    #[tokio::test]
    async fn what_is_default_is_left_out_and_unknown_enums_are_numbers() {
        let member = AlarmMember { member_id: 1, alarm: 9 };
        let named = AlarmMember { member_id: u64::MAX, alarm: 1 };
        let alarms = vec![member, named, AlarmMember::default()];
        let response = AlarmResponse { header: Some(ResponseHeader::default()), alarms };
        let output = &find("/v3/maintenance/alarm").unwrap().output;
        let json = write(output, response.encode_to_vec().into(), ("<", ">")).await.unwrap();
        let want = r#"<{"header":{},"alarms":[{"memberID":"1","alarm":9},{"memberID":"18446744073709551615","alarm":"NOSPACE"},{}]}>"#;
        assert_eq!(json, want);
    }
}
