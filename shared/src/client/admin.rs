//! What only mini-etcd offers: the past of a key, of the revisions, and the removed keys.
//!
//! Every call says apart "this server does not offer it" (stock etcd answers `Unimplemented`) and what it answered:
//! whoever shows it must not show nothing as zero.

use mini_etcd_proto::adminpb::{
    DeletedRequest, DeletedResponse, KeyHistoryRequest, KeyHistoryResponse, MemberStatus,
    RevisionHistogramRequest, RevisionHistogramResponse, WatchStatusRequest,
};
use tonic::{Code, Response, Status};

use super::{Client, Kind, Member, Outcome};
use crate::error::ClientError;

/// Most answers of which one histogram is put together: far more than 2 GiB of the smallest rows give.
const HISTOGRAM_PARTS_MAX: usize = 1000;

/// An answer of a server that may not have the call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Offered<T> {
    /// It has it, and answered.
    Yes(T),
    /// It does not have it.
    No,
}

impl<T> Offered<T> {
    /// The answer, if there is one.
    #[must_use]
    pub fn answer(self) -> Option<T> {
        match self {
            Self::Yes(answer) => Some(answer),
            Self::No => None,
        }
    }

    fn of(outcome: Outcome<T>) -> Result<Self, ClientError> {
        match outcome.into_result() {
            Ok(answer) => Ok(Self::Yes(answer)),
            Err(ClientError::Refused { code: Code::Unimplemented, .. }) => Ok(Self::No),
            Err(error) => Err(error),
        }
    }
}

impl Client {
    /// The state of whichever member answers, as of now.
    ///
    /// # Errors
    /// As for any read.
    pub async fn member_status(&self) -> Result<Offered<MemberStatus>, ClientError> {
        let send = |member: Member| async move {
            let request = WatchStatusRequest { interval_ms: 0 };
            let mut stream = member.admin().watch(request).await?.into_inner();
            let first = stream.message().await?;
            first.map(Response::new).ok_or_else(|| Status::unavailable("the stream ended"))
        };
        Offered::of(self.call(Kind::Read, send).await)
    }

    /// A page of the versions of a key, newest first, across its removals. [`older`] is the request for the next.
    ///
    /// # Errors
    /// As for any read. `OutOfRange` when a compaction passed the member's state meanwhile: ask again.
    pub async fn key_history(
        &self,
        request: KeyHistoryRequest,
    ) -> Result<Offered<KeyHistoryResponse>, ClientError> {
        let send = |member: Member| {
            let request = request.clone();
            async move { member.admin().key_history(request).await }
        };
        Offered::of(self.call(Kind::Read, send).await)
    }

    /// Counts of puts and removals over revisions, whole: one member is asked until everything is counted.
    ///
    /// # Errors
    /// As for any read. `OutOfRange` when `from_revision` is compacted, or gets compacted meanwhile, or when the
    /// member has not come to `to_revision` yet.
    pub async fn revision_histogram(
        &self,
        request: RevisionHistogramRequest,
    ) -> Result<Offered<RevisionHistogramResponse>, ClientError> {
        let send = |member: Member| whole_histogram(member, request.clone());
        Offered::of(self.call(Kind::Read, send).await)
    }

    /// A page of the keys that were removed and do not exist, in key order. [`further`] is the request for the next.
    ///
    /// # Errors
    /// As for any read. `OutOfRange` when the revision is compacted or not there yet.
    pub async fn deleted(
        &self,
        request: DeletedRequest,
    ) -> Result<Offered<DeletedResponse>, ClientError> {
        let send = |member: Member| {
            let request = request.clone();
            async move { member.admin().deleted(request).await }
        };
        Offered::of(self.call(Kind::Read, send).await)
    }
}

/// The request for the page behind `answer`; none when it was the last one.
#[must_use]
pub fn older(
    request: &KeyHistoryRequest,
    answer: &KeyHistoryResponse,
) -> Option<KeyHistoryRequest> {
    answer.more.then(|| KeyHistoryRequest {
        before_revision: answer.next_revision,
        before_sub: answer.next_sub,
        ..request.clone()
    })
}

/// The request for the page behind `answer`, at the same revision; none when it was the last one.
#[must_use]
pub fn further(request: &DeletedRequest, answer: &DeletedResponse) -> Option<DeletedRequest> {
    (!answer.next_key.is_empty()).then(|| DeletedRequest {
        from_key: answer.next_key.clone(),
        revision: answer.revision,
        ..request.clone()
    })
}

async fn whole_histogram(
    member: Member,
    request: RevisionHistogramRequest,
) -> Result<Response<RevisionHistogramResponse>, Status> {
    let mut admin = member.admin();
    let mut whole = admin.revision_histogram(request.clone()).await?;
    for _ in 1..HISTOGRAM_PARTS_MAX {
        let sum = whole.get_mut();
        if sum.resume.is_empty() {
            return Ok(whole);
        }
        let rest = RevisionHistogramRequest {
            from_revision: sum.from_revision,
            to_revision: sum.to_revision,
            resume: std::mem::take(&mut sum.resume),
            ..request.clone()
        };
        let part = admin.revision_histogram(rest).await?.into_inner();
        add(sum, part);
    }
    Err(Status::internal(format!("no end of the histogram after {HISTOGRAM_PARTS_MAX} answers")))
}

/// Adds the counts of a later answer.
fn add(sum: &mut RevisionHistogramResponse, part: RevisionHistogramResponse) {
    for (slice, more) in sum.slices.iter_mut().zip(part.slices) {
        slice.puts = slice.puts.saturating_add(more.puts);
        slice.deletes = slice.deletes.saturating_add(more.deletes);
    }
    sum.resume = part.resume;
}

#[cfg(test)]
mod tests {
    use mini_etcd_proto::adminpb::RevisionSlice;

    use super::*;

    #[test]
    fn a_server_without_the_call_is_told_from_one_that_fails() {
        let refused = |code: Code| {
            let error = ClientError::Refused { code, message: "x".to_owned() };
            Offered::of(Outcome::<()>::Failed(error))
        };
        assert_eq!(refused(Code::Unimplemented), Ok(Offered::No));
        assert_eq!(refused(Code::OutOfRange).unwrap_err().code(), Code::OutOfRange);
        assert_eq!(Offered::of(Outcome::Ok(1)).map(Offered::answer), Ok(Some(1)));
    }

    #[test]
    fn parts_of_a_histogram_add_up() {
        let part = |puts, resume: &'static str| RevisionHistogramResponse {
            slices: vec![RevisionSlice { puts, deletes: 1, ..RevisionSlice::default() }],
            resume: resume.into(),
            ..RevisionHistogramResponse::default()
        };
        let mut sum = part(2, "more");
        add(&mut sum, part(3, ""));
        let slice = sum.slices.first().map(|slice| (slice.puts, slice.deletes));
        assert_eq!((slice, sum.resume.is_empty()), (Some((5, 2)), true));
    }
}
