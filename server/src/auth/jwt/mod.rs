//! [`Jwt`]: tokens that say themselves who has logged in, signed with a key that the members share.
//!
//! ```text
//! --auth-token ─▶ keys: files to what ring takes ─▶ Jwt ─▶ Tokens
//!                                provider: the cryptography of jsonwebtoken, by ring
//! ```
//!
//! The claims are etcd's: `username`, `revision` (that of users and roles at the login) and `exp`. So a token of etcd is good
//! here and the other way round, and one that another program signs with the same key is good too.
//!
//! *Invariants.*
//! - I1: the method is the one of the settings. What a token says of its method is compared, never followed.
//! - I2: a key that does not fit its method, or a pair that does not belong together, is refused at the start.
//!
//! *Refuses* ES512, which ring does not have, and RSA keys of less than 2048 bits.
//!
//! Tested at the bottom of the files, and with processes and beside etcd in `tests/tests/auth/`.

mod keys;
mod provider;

use std::fmt;
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use serde_json::Number;

use crate::config::JwtSettings;
use crate::error::RequestError;
use crate::tls::TlsError;

/// The keys of tokens, and what makes a token a good one.
pub struct Jwt {
    method: Algorithm,
    /// None on a member that only verifies.
    signs: Option<EncodingKey>,
    verifies: DecodingKey,
    rules: Validation,
    ttl: Duration,
}

/// What a token says.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    username: String,
    revision: u64,
    /// When it ends, in seconds since 1970; never where it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exp: Option<Number>,
}

/// What a token that was verified says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verified {
    pub user: String,
    /// Revision of users and roles at the login.
    pub revision: u64,
    /// Time until it ends; none for one that does not.
    pub left: Option<Duration>,
}

impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwt").field("method", &self.method).finish_non_exhaustive()
    }
}

impl Jwt {
    /// Reads the keys.
    ///
    /// # Errors
    /// A file that cannot be read, or does not hold a key for the method (I2).
    pub fn open(settings: &JwtSettings) -> Result<Self, TlsError> {
        provider::install();
        let (signs, verifies) = keys::read(settings)?;
        let method = settings.method;
        let mut rules = Validation::new(method);
        // As in etcd: to the second, by `exp` and `nbf` where there are such.
        rules.leeway = 0;
        rules.validate_nbf = true;
        rules.validate_aud = false;
        rules.required_spec_claims.clear();
        let jwt = Self { method, signs, verifies, rules, ttl: settings.ttl };
        jwt.check_pair(settings)?;
        Ok(jwt)
    }

    /// Signs once and looks whether that can be verified.
    fn check_pair(&self, settings: &JwtSettings) -> Result<(), TlsError> {
        let Some(path) = settings.private.as_deref().filter(|_| self.signs.is_some()) else {
            return Ok(());
        };
        let token = self.sign("", 0).map_err(|error| TlsError::new(path, error))?;
        if self.verify(&token).is_some() {
            return Ok(());
        }
        let public = settings.public.as_deref().unwrap_or(path);
        let problem = format!("it is not the public key of {}", path.display());
        Err(TlsError::new(public, problem))
    }

    /// A token for a user who has logged in while users and roles were at `revision`.
    ///
    /// # Errors
    /// There is no key to sign with.
    pub(crate) fn sign(&self, user: &str, revision: u64) -> Result<String, RequestError> {
        let key = self.signs.as_ref().ok_or(RequestError::VerifyOnly)?;
        let ends = jsonwebtoken::get_current_timestamp().saturating_add(self.ttl.as_secs());
        let claims = Claims { username: user.to_owned(), revision, exp: Some(ends.into()) };
        let token = encode(&Header::new(self.method), &claims, key);
        token.map_err(|error| RequestError::Storage(format!("no token could be signed: {error}")))
    }

    /// What a token says; none when it is not one of this key, or not good at this time (I1).
    pub(super) fn verify(&self, token: &str) -> Option<Verified> {
        let found = decode::<Claims>(token, &self.verifies, &self.rules);
        let claims =
            found.inspect_err(|error| tracing::debug!(%error, "a token is refused")).ok()?;
        let Claims { username: user, revision, exp } = claims.claims;
        let now = Duration::from_secs(jsonwebtoken::get_current_timestamp());
        let left = exp.and_then(|exp| Duration::try_from_secs_f64(exp.as_f64()?).ok());
        Some(Verified { user, revision, left: left.map(|ends| ends.saturating_sub(now)) })
    }
}

#[cfg(test)]
mod tests;
