//! An encoded message in pieces: large rows are shared, the rest is copied into buffers of bounded size.
//!
//! A large answer is never in memory twice, nor in one piece, and gives its memory back while it is sent.

use bytes::Bytes;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};

use super::View;
use super::range::Pick;
use crate::error::RequestError;

/// Flag and length before a gRPC message.
pub(crate) const PREFIX_BYTES: usize = 5;

/// Bytes after which a buffer is closed.
const BUFFER_BYTES: usize = 256 << 10;
/// Bytes from which on a field is shared instead of copied.
const SHARED_BYTES_MIN: usize = 16 << 10;

/// A message being encoded; its fields must come in the order of their tags.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    closed: Vec<Bytes>,
    open: Vec<u8>,
    len: usize,
}

impl Pieces {
    /// A message of about `room` bytes behind the prefix of a gRPC message.
    pub(crate) fn framed(room: usize) -> Self {
        let mut open = Vec::with_capacity(PREFIX_BYTES + room);
        open.resize(PREFIX_BYTES, 0);
        Self { closed: Vec::new(), open, len: 0 }
    }

    /// A field that is a message; left out when there is none.
    pub(super) fn message(&mut self, tag: u32, message: Option<&impl Message>) {
        let Some(message) = message else { return };
        let len = message.encoded_len();
        self.head(tag, len);
        self.len += len;
        message.encode_raw(&mut self.open);
        self.close_if_full();
    }

    /// A field that is an encoded message.
    pub(crate) fn shared(&mut self, tag: u32, message: Bytes) {
        self.head(tag, message.len());
        self.push(message);
    }

    /// A field that is repeated: the versions that `picks` name, as they are stored.
    pub(super) fn rows(
        &mut self,
        tag: u32,
        view: &View,
        picks: &[Pick],
    ) -> Result<(), RequestError> {
        view.rows(picks, &mut |row| {
            self.shared(tag, row);
            Ok(())
        })
    }

    /// A field that is a message of pieces.
    pub(super) fn nested(&mut self, tag: u32, message: Self) {
        self.head(tag, message.len);
        for piece in message.into_pieces() {
            self.push(piece);
        }
    }

    /// A field that is a number; left out when it is 0.
    pub(super) fn number(&mut self, tag: u32, number: u64) {
        if number != 0 {
            let before = self.open.len();
            encode_key(tag, WireType::Varint, &mut self.open);
            encode_varint(number, &mut self.open);
            self.len += self.open.len() - before;
        }
    }

    fn head(&mut self, tag: u32, len: usize) {
        let before = self.open.len();
        encode_key(tag, WireType::LengthDelimited, &mut self.open);
        encode_varint(len as u64, &mut self.open);
        self.len += self.open.len() - before;
    }

    fn push(&mut self, bytes: Bytes) {
        self.len += bytes.len();
        if bytes.len() < SHARED_BYTES_MIN {
            self.open.extend_from_slice(&bytes);
            self.close_if_full();
        } else {
            self.close();
            self.closed.push(bytes);
        }
    }

    fn close_if_full(&mut self) {
        if self.open.len() >= BUFFER_BYTES {
            self.close();
        }
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.closed.push(std::mem::take(&mut self.open).into());
        }
    }

    /// Bytes of the message.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The message.
    pub(crate) fn into_pieces(mut self) -> Vec<Bytes> {
        self.close();
        self.closed
    }

    /// The message in one piece.
    pub(crate) fn into_bytes(self) -> Bytes {
        self.into_buffer().into()
    }

    /// The message in one piece, behind the prefix that [`Pieces::framed`] left room for.
    pub(crate) fn into_frame(self) -> Bytes {
        let len = u32::try_from(self.len).unwrap_or(u32::MAX).to_be_bytes();
        let mut frame = self.into_buffer();
        if let Some(prefix) = frame.get_mut(1..PREFIX_BYTES) {
            prefix.copy_from_slice(&len);
        }
        frame.into()
    }

    fn into_buffer(self) -> Vec<u8> {
        if self.closed.is_empty() {
            return self.open;
        }
        self.into_pieces().concat()
    }
}
