//! What requests about the past must look like. Pure; whether a revision is there is for the view to say.

use std::fmt::Display;

use bytes::Bytes;
use mini_etcd_proto::adminpb::{DeletedRequest, KeyHistoryRequest, RevisionHistogramRequest};
use mini_etcd_shared::types::{KeyRange, Revision};

use crate::error::RequestError;
use crate::limits::{ADMIN_PAGE_ENTRIES_MAX, HISTOGRAM_SLICES_MAX};
use crate::mvcc::{IndexMark, RowId, Window};

/// Entries of a page, or slices, for clients that leave it to us.
const DEFAULT: usize = 100;
/// Bytes of a version's name at the head of `resume`; the key follows.
const ID_BYTES: usize = 12;

/// A checked request for the versions of a key.
#[derive(Debug)]
pub(super) struct KeyHistory {
    pub(super) key: Bytes,
    pub(super) limit: usize,
    pub(super) below: Option<RowId>,
    pub(super) values: bool,
}

/// A checked request for removed keys.
#[derive(Debug)]
pub(super) struct Deleted {
    pub(super) range: KeyRange,
    pub(super) from_key: Bytes,
    pub(super) limit: usize,
    pub(super) revision: i64,
}

fn refusal(field: &'static str, given: impl Display, accepted: impl Into<String>) -> RequestError {
    RequestError::InvalidField { field, given: given.to_string(), accepted: accepted.into() }
}

fn count(field: &'static str, given: u32, most: usize) -> Result<usize, RequestError> {
    match usize::try_from(given) {
        Ok(0) => Ok(DEFAULT),
        Ok(count) if count <= most => Ok(count),
        _ => Err(refusal(field, given, format!("at most {most}, or 0 for {DEFAULT}"))),
    }
}

fn revision(field: &'static str, given: i64) -> Result<i64, RequestError> {
    if given >= 0 { Ok(given) } else { Err(refusal(field, given, "a revision, or 0 to leave it")) }
}

/// A range as etcd's requests name it, and every key where they name none.
fn range(key: Bytes, range_end: Bytes) -> Result<KeyRange, RequestError> {
    match (key.is_empty(), range_end.is_empty()) {
        (true, true) => Ok(KeyRange::all()),
        (true, false) => Err(refusal("key", "empty", "a key, or range_end empty too for all keys")),
        _ => Ok(KeyRange::new(key, range_end)),
    }
}

/// Checks a request for the versions of a key.
pub(super) fn key_history(request: KeyHistoryRequest) -> Result<KeyHistory, RequestError> {
    if request.key.is_empty() {
        return Err(RequestError::EmptyKey);
    }
    let limit = count("limit", request.limit, ADMIN_PAGE_ENTRIES_MAX)?;
    let before = revision("before_revision", request.before_revision)?;
    let sub = request.before_sub;
    if before == 0 && sub != 0 {
        return Err(refusal("before_sub", sub, "0, or before_revision with it"));
    }
    let below = (before > 0).then_some(RowId { revision: Revision(before), sub });
    Ok(KeyHistory { key: request.key, limit, below, values: request.values })
}

/// Checks a request for removed keys.
pub(super) fn deleted(request: DeletedRequest) -> Result<Deleted, RequestError> {
    Ok(Deleted {
        range: range(request.key, request.range_end)?,
        from_key: request.from_key,
        limit: count("limit", request.limit, ADMIN_PAGE_ENTRIES_MAX)?,
        revision: revision("revision", request.revision)?,
    })
}

/// Checks a request for a histogram: what to count, and from where on.
pub(super) fn histogram(
    request: RevisionHistogramRequest,
) -> Result<(Window, Option<IndexMark>), RequestError> {
    let range = range(request.key, request.range_end)?;
    let slices = count("slices", request.slices, HISTOGRAM_SLICES_MAX)?;
    let first = revision("from_revision", request.from_revision)?;
    let last = revision("to_revision", request.to_revision)?;
    if last > 0 && first > last {
        return Err(refusal("from_revision", first, format!("at most to_revision, {last}")));
    }
    let window = Window { range, first, last, slices };
    if request.resume.is_empty() {
        return Ok((window, None));
    }
    if first == 0 || last == 0 {
        let both = "from_revision and to_revision must be those of the answer that it came with";
        return Err(refusal("resume", "given", both));
    }
    Ok((window, Some(mark_of(&request.resume)?)))
}

/// Where to go on, for the client to give back.
pub(super) fn resume_of(mark: &IndexMark) -> Bytes {
    [mark.id.key().as_slice(), &mark.key].concat().into()
}

fn mark_of(resume: &[u8]) -> Result<IndexMark, RequestError> {
    let parts = resume.split_at_checked(ID_BYTES).filter(|(_, key)| !key.is_empty());
    let mark =
        parts.and_then(|(id, key)| Some(IndexMark { id: RowId::parse(id)?, key: key.into() }));
    let given = || format!("{} bytes of something else", resume.len());
    mark.ok_or_else(|| refusal("resume", given(), "the resume of an answer, unchanged"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named_with_what_is_accepted() {
        let words = |result: Result<(), RequestError>| result.unwrap_err().to_string();
        let key = || Bytes::from("k");
        let history = |request: KeyHistoryRequest| words(key_history(request).map(|_| ()));
        let limit = KeyHistoryRequest { key: key(), limit: 1001, ..Default::default() };
        assert_eq!(history(limit), "mini-etcd: limit is 1001: at most 1000, or 0 for 100");
        let sub = KeyHistoryRequest { key: key(), before_sub: 3, ..Default::default() };
        assert_eq!(history(sub), "mini-etcd: before_sub is 3: 0, or before_revision with it");
        assert_eq!(history(KeyHistoryRequest::default()), "etcdserver: key is not provided");
        let below = DeletedRequest { revision: -1, ..Default::default() };
        assert_eq!(
            words(deleted(below).map(|_| ())),
            "mini-etcd: revision is -1: a revision, or 0 to leave it"
        );
        let end = DeletedRequest { range_end: key(), ..Default::default() };
        assert_eq!(
            words(deleted(end).map(|_| ())),
            "mini-etcd: key is empty: a key, or range_end empty too for all keys"
        );
    }

    #[test]
    fn a_histogram_goes_on_only_with_its_window_and_its_mark() {
        let words = |request: RevisionHistogramRequest| {
            histogram(request).map(|_| ()).unwrap_err().to_string()
        };
        let window = RevisionHistogramRequest {
            from_revision: 2,
            to_revision: 9,
            ..RevisionHistogramRequest::default()
        };
        let mark = IndexMark { key: b"\0key".as_slice().into(), id: RowId::FIRST };
        let resume = resume_of(&mark);
        let again = RevisionHistogramRequest { resume: resume.clone(), ..window.clone() };
        assert_eq!(histogram(again).unwrap().1, Some(mark));
        let alone = RevisionHistogramRequest { resume, ..Default::default() };
        assert!(words(alone).contains("must be those of the answer"));
        for resume in ["x", "123456789012"] {
            let cut = RevisionHistogramRequest { resume: resume.into(), ..window.clone() };
            assert!(words(cut).contains("the resume of an answer, unchanged"));
        }
        let turned = RevisionHistogramRequest { to_revision: 1, ..window };
        assert_eq!(words(turned), "mini-etcd: from_revision is 2: at most to_revision, 1");
    }
}
