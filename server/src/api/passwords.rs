//! [`Passwords`]: hashes passwords on threads where nobody waits behind them, a few at a time.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bcrypt::Version;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::body::Held;
use super::results::elsewhere;
use crate::auth::cost_of;
use crate::error::RequestError;
use crate::limits::{
    BCRYPT_COST_COMPARED_MAX, PASSWORD_BYTES_MAX, PASSWORDS_AT_ONCE_MAX, PASSWORDS_WAITING_MAX,
    REQUEST_TIMEOUT,
};

/// Hashes passwords. A hash takes a processor for a twentieth of a second or more: on purpose, for who guesses.
pub(super) struct Passwords {
    /// Two to the power of so many rounds.
    cost: u32,
    turns: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

impl Passwords {
    /// At that cost, 4 to 31.
    pub(super) fn new(cost: u32) -> Self {
        let turns = Arc::new(Semaphore::new(PASSWORDS_AT_ONCE_MAX));
        Self { cost, turns, waiting: Arc::default() }
    }

    /// The hash of a password, as etcd's field for it has it.
    ///
    /// # Errors
    /// It is longer than bcrypt looks at; too many wait.
    pub(super) async fn hash(&self, password: String) -> Result<String, RequestError> {
        if password.len() > PASSWORD_BYTES_MAX {
            return Err(RequestError::PasswordTooLong);
        }
        let (turn, cost) = (self.turn().await?, self.cost);
        elsewhere(move || {
            let hashed = hashed(&password, cost)?;
            drop(turn);
            Ok(BASE64_STANDARD.encode(hashed))
        })
        .await
    }

    /// Whether a password is the one that was hashed. Without a hash it takes as long and is not: nobody learns from the time
    /// which users there are. One that costs more than a member lets itself be held for is no password's.
    ///
    /// # Errors
    /// Too many wait.
    pub(super) async fn is_right(
        &self,
        password: String,
        hash: Option<Bytes>,
    ) -> Result<bool, RequestError> {
        let (turn, cost) = (self.turn().await?, self.cost);
        let most = cost.max(BCRYPT_COST_COMPARED_MAX);
        if let Some(dear) = hash.as_deref().and_then(cost_of).filter(|cost| *cost > most) {
            tracing::warn!(
                cost = dear,
                most,
                "a login is refused: its password costs too much to compare"
            );
            return Ok(false);
        }
        elsewhere(move || {
            let hash = hash.as_deref().map(std::str::from_utf8);
            let is_right = match hash {
                Some(Ok(hash)) => bcrypt::verify(&password, hash).unwrap_or(false),
                _ => hashed(&password, cost).is_err(),
            };
            drop(turn);
            Ok(is_right)
        })
        .await
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, RequestError> {
        let mut waits = Held::none(&self.waiting);
        if !waits.add(1, PASSWORDS_WAITING_MAX) {
            return Err(RequestError::TooManyRequests);
        }
        let turn = timeout(REQUEST_TIMEOUT, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(RequestError::TooManyRequests) };
        Ok(turn)
    }
}

/// In the form that Go's bcrypt writes.
fn hashed(password: &str, cost: u32) -> Result<String, RequestError> {
    let parts = bcrypt::hash_with_result(password, cost);
    let parts = parts.map_err(|error| RequestError::Storage(error.to_string()))?;
    Ok(parts.format_for_version(Version::TwoA))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_right_for_its_own_hash_alone() {
        let passwords = Passwords::new(4);
        for password in ["", "pässword", &"x".repeat(72)] {
            let hash = passwords.hash(password.to_owned()).await.unwrap();
            let hash = Bytes::from(BASE64_STANDARD.decode(hash).unwrap());
            assert!(hash.starts_with(b"$2a$04$") && hash.len() == 60, "{hash:?}");
            let is_right = |it: &str| passwords.is_right(it.to_owned(), Some(hash.clone()));
            assert!(is_right(password).await.unwrap());
            assert!(!is_right("other").await.unwrap());
        }
        for hash in [None, Some(Bytes::new()), Some("no hash".into()), Some(vec![0xff].into())] {
            assert!(!passwords.is_right(String::new(), hash).await.unwrap());
        }
        let long = passwords.hash("x".repeat(73)).await;
        assert_eq!(long, Err(RequestError::PasswordTooLong));
    }

    #[tokio::test]
    async fn nobody_is_held_up_by_a_hash_that_costs_too_much() {
        let tail = "CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
        for cost in [17, 31] {
            let hash = Bytes::from(format!("$2a${cost}${tail}"));
            assert!(!Passwords::new(4).is_right("U*U".to_owned(), Some(hash)).await.unwrap());
        }
    }

    #[tokio::test]
    async fn a_hash_that_another_program_made_is_read() {
        let hash = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
        let passwords = Passwords::new(4);
        let of =
            |password: &str| passwords.is_right(password.to_owned(), Some(hash.as_bytes().into()));
        assert!(of("U*U").await.unwrap() && !of("U*V").await.unwrap());
    }
}
