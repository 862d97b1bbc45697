//! What clients did and saw.

use std::time::Duration;

use bytes::Bytes;

/// One version of a key as a client saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its value.
    pub value: Bytes,
    /// Revision that created the key.
    pub create_revision: i64,
    /// Revision that wrote this version.
    pub mod_revision: i64,
    /// Puts since the creation.
    pub version: i64,
}

/// What a client asked for. Values are unique in a run, so that each write can be found in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Write a key.
    Put(Bytes, Bytes),
    /// Read a key, linearizably.
    Get(Bytes),
    /// Read a key from the member's own state.
    GetStale(Bytes),
    /// Remove a key.
    Delete(Bytes),
    /// Write a key if its mod_revision is still this; else read it.
    CompareAndPut(Bytes, i64, Bytes),
}

impl Request {
    /// Whether it can change keys.
    #[must_use]
    pub fn writes(&self) -> bool {
        matches!(self, Self::Put(..) | Self::Delete(..) | Self::CompareAndPut(..))
    }

    /// The unique value it writes, if it writes one.
    #[must_use]
    pub fn value(&self) -> Option<&Bytes> {
        match self {
            Self::Put(_, value) | Self::CompareAndPut(_, _, value) => Some(value),
            Self::Get(_) | Self::GetStale(_) | Self::Delete(_) => None,
        }
    }
}

/// What a client was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A put happened.
    Put,
    /// A read found this.
    Got(Option<Version>),
    /// A removal removed so many keys.
    Deleted(i64),
    /// A compare-and-put wrote.
    Swapped,
    /// A compare-and-put found this instead.
    NotSwapped(Option<Version>),
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answered, at this revision.
    Ok(Answer, i64),
    /// Not answered, or by an error: it may have happened, may still happen, or never will.
    Unknown(String),
}

/// One operation of one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The client; it has one operation at a time.
    pub client: usize,
    /// When it was sent, since the start of the run.
    pub invoked: Duration,
    /// When the answer came, since the start of the run.
    pub returned: Duration,
    /// What was asked.
    pub request: Request,
    /// What came back.
    pub outcome: Outcome,
}
