//! Messages to bytes and back.

use bytes::BufMut as _;
use mini_etcd_proto::etcdserverpb::{ResponseHeader, WatchRequest, WatchResponse};
use prost::Message as _;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use crate::apply::Identity;
use crate::watch::{Kind, Response};

use super::CurrentTerm;

/// First size of a stream's send buffer; it grows on demand. Most streams are idle.
const BUFFER_BYTES: usize = 1024;
/// Bytes after which the buffer is handed to the connection.
const BUFFER_YIELD_BYTES: usize = 32 * 1024;

/// Encodes responses in the name of one member, decodes requests.
#[derive(Clone)]
pub struct WatchCodec {
    identity: Identity,
    term: CurrentTerm,
}

impl WatchCodec {
    /// A codec for this member.
    #[must_use]
    pub fn new(identity: Identity, term: CurrentTerm) -> Self {
        Self { identity, term }
    }

    /// Everything of a response but its events.
    fn head(&self, response: &Response) -> WatchResponse {
        let header = ResponseHeader {
            cluster_id: self.identity.cluster_id.0,
            member_id: self.identity.member_id.0,
            revision: response.revision,
            raft_term: (self.term)().0,
        };
        let watch_id = response.watch_id;
        let head = WatchResponse { header: Some(header), watch_id, ..WatchResponse::default() };
        match &response.kind {
            Kind::Created => WatchResponse { created: true, ..head },
            Kind::Refused(reason) => WatchResponse {
                created: true,
                canceled: true,
                cancel_reason: reason.clone(),
                ..head
            },
            Kind::Canceled => WatchResponse { canceled: true, ..head },
            Kind::Compacted(revision) => {
                WatchResponse { canceled: true, compact_revision: *revision, ..head }
            }
            Kind::Events { fragment } => WatchResponse { fragment: *fragment, ..head },
            Kind::Progress => head,
        }
    }
}

impl Codec for WatchCodec {
    type Encode = Response;
    type Decode = WatchRequest;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        self.clone()
    }

    fn decoder(&mut self) -> Self {
        self.clone()
    }
}

impl Encoder for WatchCodec {
    type Item = Response;
    type Error = Status;

    fn encode(&mut self, response: Response, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        let head = self.head(&response);
        buffer.reserve(head.encoded_len() + response.event_bytes());
        head.encode_raw(buffer);
        // `events` is the last field, so that this is the very encoding of the whole message.
        for field in response.event_fields() {
            buffer.put_slice(field);
        }
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER_BYTES, BUFFER_YIELD_BYTES)
    }
}

impl Decoder for WatchCodec {
    type Item = WatchRequest;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<WatchRequest>, Status> {
        let request = WatchRequest::decode(buffer);
        request.map(Some).map_err(|error| Status::internal(error.to_string()))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER_BYTES, BUFFER_YIELD_BYTES)
    }
}
