//! Bytes to requests. What answers them is written by [`WatchBody`](super::body::WatchBody).

use std::convert::Infallible;

use mini_etcd_proto::etcdserverpb::WatchRequest;
use prost::Message as _;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// First size of a stream's receive buffer; it grows on demand. Most streams are idle.
const BUFFER_BYTES: usize = 1024;

/// Decodes requests, and encodes nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestCodec;

impl Codec for RequestCodec {
    type Encode = Infallible;
    type Decode = WatchRequest;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for RequestCodec {
    type Item = Infallible;
    type Error = Status;

    fn encode(&mut self, never: Infallible, _buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        match never {}
    }

    fn buffer_settings(&self) -> BufferSettings {
        // It allocates what it is told to at once.
        BufferSettings::new(0, 1)
    }
}

impl Decoder for RequestCodec {
    type Item = WatchRequest;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<WatchRequest>, Status> {
        let request = WatchRequest::decode(buffer);
        request.map(Some).map_err(|error| Status::internal(error.to_string()))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER_BYTES, BUFFER_BYTES)
    }
}
