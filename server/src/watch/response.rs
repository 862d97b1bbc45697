//! What leaves on a stream.

use bytes::Bytes;

use super::frame::Body;

/// One response of a stream, but for the parts of the header that name the member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Revision of the header.
    pub revision: i64,
    /// The watch; -1 for the whole stream, or for none.
    pub watch_id: i64,
    /// What it is.
    pub kind: Kind,
    pub(crate) body: Body,
}

/// What a response is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A watch was created.
    Created,
    /// A watch was not created, for this reason.
    Refused(String),
    /// A watch ended because its client asked for that.
    Canceled,
    /// A watch ended because its user may not read its keys any more, for this reason.
    Withdrawn(String),
    /// A watch ended because history before this revision is given up.
    Compacted(i64),
    /// Events; more of the same response follow when `fragment` is set.
    Events {
        /// Whether this is not the last piece.
        fragment: bool,
    },
    /// Everything up to the revision was delivered.
    Progress,
}

impl Response {
    pub(crate) fn control(watch_id: i64, revision: i64, kind: Kind) -> Self {
        Self { revision, watch_id, kind, body: Body::empty() }
    }

    #[must_use]
    pub fn event_bytes(&self) -> usize {
        self.body.bytes()
    }

    /// Number of events.
    #[must_use]
    pub fn event_count(&self) -> usize {
        self.body.frames().len()
    }

    /// Number of events for which the version before was looked for.
    pub(crate) fn prev_reads(&self) -> u64 {
        self.body.frames().iter().map(|frame| u64::from(frame.prev_read)).sum()
    }

    /// The encoded field of the event at a place, shared by all who get it.
    #[must_use]
    pub fn event(&self, place: usize) -> Option<&Bytes> {
        self.body.frames().get(place).map(|frame| &frame.bytes)
    }

    /// The encoded fields of the events, in order.
    #[cfg(test)]
    pub(crate) fn event_fields(&self) -> impl Iterator<Item = &[u8]> {
        self.body.frames().iter().map(|frame| frame.bytes.as_ref())
    }
}
