//! [`Outcome`]: what became of a call.

use crate::error::ClientError;

/// Whether a request changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It changes nothing: it may be sent as often as needed.
    Read,
    /// It changes something: it is sent again only when it provably did not run.
    Write,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome<T> {
    /// It was carried out.
    Ok(T),
    /// It was not carried out.
    Failed(ClientError),
    /// It may have been carried out.
    Unknown(ClientError),
}

impl<T> Outcome<T> {
    pub(super) fn of(kind: Kind, result: Result<T, ClientError>) -> Self {
        match result {
            Ok(value) => Self::Ok(value),
            Err(error) if kind == Kind::Read || error.did_not_run() => Self::Failed(error),
            Err(error) => Self::Unknown(error),
        }
    }

    /// The result alone, for those who do not ask whether a failed request may have run.
    ///
    /// # Errors
    /// When there is no result.
    pub fn into_result(self) -> Result<T, ClientError> {
        match self {
            Self::Ok(value) => Ok(value),
            Self::Failed(error) | Self::Unknown(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_without_answer_is_unknown_and_a_read_is_failed() {
        let broken = || ClientError::Broken { endpoint: "e".into(), reason: "reset".into() };
        assert!(matches!(Outcome::<()>::of(Kind::Write, Err(broken())), Outcome::Unknown(_)));
        assert!(matches!(Outcome::<()>::of(Kind::Read, Err(broken())), Outcome::Failed(_)));
    }
}
