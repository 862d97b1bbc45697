//! Answers whose rows are read by whoever sends them.
//!
//! Apply names the versions that an answer takes, at the very point of the entry where it takes them, and no more:
//! the other members need no answer, and apply does not stall over the rows of a large one. A version never changes
//! and the state of the commit has it, whatever a later compaction takes away, so the rows can be read at leisure.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::{RangeRequest, ResponseHeader};

use super::View;
use super::pieces::Pieces;
use super::range::{Bound, FIELD_BYTES, Pick, Selection};
use crate::error::RequestError;

/// Bytes of a header, at most.
const HEADER_BYTES: usize = 48;

/// An answer to a put, a removal, a range or a transaction; see the module.
#[derive(Clone, Debug)]
pub struct Answer {
    pub(super) body: Body,
    /// Has the rows; none until the entry is committed.
    pub(super) view: Option<View>,
}

/// What an answer has.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Body {
    Range(Option<ResponseHeader>, Selection),
    /// To a put: the version before.
    Put(Option<ResponseHeader>, Option<Pick>),
    /// To a removal: the number of keys, and their versions.
    Removal(Option<ResponseHeader>, i64, Vec<Pick>),
    /// To a transaction: its verdict, and the answers to its operations.
    Txn(Option<ResponseHeader>, bool, Vec<Self>),
}

impl Answer {
    /// Of an entry that is not committed yet.
    pub(super) fn uncommitted(body: Body) -> Self {
        Self { body, view: None }
    }

    /// From here on the rows can be read.
    pub(crate) fn committed(&mut self, view: &View) {
        self.view = Some(view.unpinned());
    }

    /// The header: the revision, until whoever answers the client adds the rest.
    #[must_use]
    pub fn header(&self) -> Option<&ResponseHeader> {
        match &self.body {
            Body::Range(header, _)
            | Body::Put(header, _)
            | Body::Removal(header, _, _)
            | Body::Txn(header, _, _) => header.as_ref(),
        }
    }

    /// Replaces the header.
    pub fn set_header(&mut self, new: ResponseHeader) {
        match &mut self.body {
            Body::Range(header, _)
            | Body::Put(header, _)
            | Body::Removal(header, _, _)
            | Body::Txn(header, _, _) => *header = Some(new),
        }
    }

    /// Memory that it takes to build the answer, at most.
    #[must_use]
    pub fn space(&self) -> usize {
        self.body.space()
    }

    /// The encoded answer, in one piece.
    ///
    /// # Errors
    /// A failing disk.
    pub fn encode(&self) -> Result<Bytes, RequestError> {
        Ok(self.pieces()?.into_bytes())
    }

    /// The encoded answer.
    ///
    /// # Errors
    /// A failing disk.
    pub(crate) fn pieces(&self) -> Result<Pieces, RequestError> {
        self.body.encode(self.view()?, Pieces::default())
    }

    /// The encoded answer in one piece, behind the prefix of a gRPC message.
    ///
    /// # Errors
    /// A failing disk.
    pub(crate) fn frame(&self) -> Result<Bytes, RequestError> {
        Ok(self.body.encode(self.view()?, Pieces::framed(self.space()))?.into_frame())
    }

    /// Reads of the disk that it takes to encode the answer, as far as that is known without any.
    ///
    /// # Errors
    /// The entry is not committed.
    pub(crate) fn disk_reads(&self) -> Result<usize, RequestError> {
        Ok(self.body.disk_reads(self.view()?))
    }

    fn view(&self) -> Result<&View, RequestError> {
        let early = || RequestError::Storage("an answer was read before its commit".to_owned());
        self.view.as_ref().ok_or_else(early)
    }
}

impl Body {
    fn space(&self) -> usize {
        let rows = match self {
            Self::Range(_, selection) => selection.space(),
            Self::Put(_, prev) => Pick::sum(prev.as_slice()),
            Self::Removal(_, _, prev) => Bound::of(prev.len(), Pick::sum(prev), 1).space,
            Self::Txn(_, _, ops) => ops.iter().map(Self::space).fold(0, usize::saturating_add),
        };
        rows.saturating_add(HEADER_BYTES + 2 * FIELD_BYTES)
    }

    fn disk_reads(&self, view: &View) -> usize {
        match self {
            Self::Range(_, selection) => view.disk_reads(selection.picks()),
            Self::Put(_, prev) => view.disk_reads(prev.as_slice()),
            Self::Removal(_, _, prev) => view.disk_reads(prev),
            Self::Txn(_, _, ops) => ops.iter().map(|op| op.disk_reads(view)).sum(),
        }
    }

    fn encode(&self, view: &View, mut pieces: Pieces) -> Result<Pieces, RequestError> {
        match self {
            Self::Range(header, selection) => {
                return selection.encode(header.as_ref(), view, pieces);
            }
            Self::Put(header, prev) => {
                pieces.message(1, header.as_ref());
                pieces.rows(2, view, prev.as_slice())?;
            }
            Self::Removal(header, deleted, prev) => {
                pieces.message(1, header.as_ref());
                pieces.number(2, deleted.cast_unsigned());
                pieces.rows(3, view, prev)?;
            }
            Self::Txn(header, succeeded, ops) => {
                pieces.message(1, header.as_ref());
                pieces.number(2, (*succeeded).into());
                for op in ops {
                    let mut wrapped = Pieces::default();
                    wrapped.nested(op.tag(), op.encode(view, Pieces::default())?);
                    pieces.nested(3, wrapped);
                }
            }
        }
        Ok(pieces)
    }

    /// Field of `ResponseOp`.
    fn tag(&self) -> u32 {
        match self {
            Self::Range(..) => 1,
            Self::Put(..) => 2,
            Self::Removal(..) => 3,
            Self::Txn(..) => 4,
        }
    }
}

impl View {
    /// The answer to a range, with its rows by name. The request must have passed validation: the key is not empty.
    ///
    /// # Errors
    /// A revision that is compacted or not there yet.
    pub fn select(&self, request: &RangeRequest) -> Result<Answer, RequestError> {
        let body = Body::Range(None, self.selection(request)?);
        Ok(Answer { body, view: Some(self.unpinned()) })
    }

    /// What a range takes.
    pub(super) fn selection(&self, request: &RangeRequest) -> Result<Selection, RequestError> {
        let at = self.resolve(request.revision)?;
        self.kept(at, Ok(self.source(at).select(request)))
    }
}
