//! [`AuthToken`]: the tokens that logins give out, as etcd's flags say it; and what passwords cost.

use std::path::PathBuf;
use std::time::Duration;

use jsonwebtoken::{Algorithm, AlgorithmFamily};
use mini_etcd_shared::text::parse_duration;

use super::error::ConfigError;
use super::layers::{Found, checked};
use crate::limits;

/// What a login gives out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthToken {
    /// Random letters that the members keep.
    Simple,
    /// A signed text.
    Jwt(JwtSettings),
}

/// How tokens are signed and verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtSettings {
    /// The method, for both.
    pub method: Algorithm,
    /// File of the key to verify with; none where the private one tells it.
    pub public: Option<PathBuf>,
    /// File of the key to sign with, or of the secret; none on a member that only verifies.
    pub private: Option<PathBuf>,
    /// How long a token is good, a second at least.
    pub ttl: Duration,
}

impl AuthToken {
    const ACCEPTED: &str = "simple, or jwt,sign-method=METHOD,pub-key=FILE,priv-key=FILE,ttl=DURATION \
        with METHOD one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA and one key file at \
        least, or one of HS256, HS384, HS512 and the secret as priv-key; each option once, ttl 1s at least, 5m \
        where it is not said";

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(',');
        match parts.next()? {
            "simple" => parts.next().is_none().then_some(Self::Simple),
            "jwt" => JwtSettings::parse(parts).map(Self::Jwt),
            _ => None,
        }
    }
}

impl JwtSettings {
    fn parse<'a>(options: impl Iterator<Item = &'a str>) -> Option<Self> {
        let (mut method, mut public, mut private, mut ttl) = (None, None, None, None);
        for option in options {
            let (name, value) = option.split_once('=')?;
            let slot = match name {
                "sign-method" => &mut method,
                "pub-key" => &mut public,
                "priv-key" => &mut private,
                "ttl" => &mut ttl,
                _ => return None,
            };
            if value.is_empty() || slot.replace(value).is_some() {
                return None;
            }
        }
        let ttl = match ttl {
            None => limits::JWT_TTL,
            // A negative one would count as none.
            Some(text) => parse_duration(text).ok().filter(|it| *it >= Duration::from_secs(1))?,
        };
        let method: Algorithm = method?.parse().ok()?;
        let is_secret = method.family() == AlgorithmFamily::Hmac;
        let has_key = private.is_some() || (public.is_some() && !is_secret);
        let (public, private) = (public.map(PathBuf::from), private.map(PathBuf::from));
        has_key.then_some(Self { method, public, private, ttl })
    }
}

pub(super) fn token(found: &Found) -> Result<AuthToken, ConfigError> {
    let Some((text, place)) = found.get("auth-token") else { return Ok(AuthToken::Simple) };
    checked(text, place, AuthToken::ACCEPTED, AuthToken::parse)
}

pub(super) fn ttl(found: &Found) -> Result<Duration, ConfigError> {
    let Some((text, place)) = found.get("auth-token-ttl") else {
        return Ok(limits::AUTH_TOKEN_TTL);
    };
    checked(text, place, "a number of seconds, 1 at least", |text| {
        text.parse::<u32>().ok().filter(|it| *it > 0).map(|it| Duration::from_secs(it.into()))
    })
}

pub(super) fn bcrypt_cost(found: &Found) -> Result<u32, ConfigError> {
    let Some((text, place)) = found.get("bcrypt-cost") else {
        return Ok(limits::BCRYPT_COST);
    };
    let accepted = "a number from 4 to 31";
    checked(text, place, accepted, |text| text.parse().ok().filter(|it| (4..=31).contains(it)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_what_etcds_flag_says() {
        assert_eq!(AuthToken::parse("simple"), Some(AuthToken::Simple));
        let whole = "jwt,pub-key=p,priv-key=q,sign-method=RS256,ttl=10m";
        let Some(AuthToken::Jwt(jwt)) = AuthToken::parse(whole) else { panic!("{whole}") };
        assert_eq!((jwt.method, jwt.ttl), (Algorithm::RS256, Duration::from_secs(600)));
        assert_eq!((jwt.public, jwt.private), (Some("p".into()), Some("q".into())));
        let verifies = AuthToken::parse("jwt,sign-method=EdDSA,pub-key=p");
        assert!(matches!(verifies, Some(AuthToken::Jwt(jwt)) if jwt.ttl == limits::JWT_TTL));
        for method in ["HS256", "HS512", "PS384", "ES384"] {
            let text = format!("jwt,priv-key=q,sign-method={method}");
            assert!(AuthToken::parse(&text).is_some(), "{text}");
        }
    }

    #[test]
    fn what_is_no_kind_of_token_is_refused() {
        for text in [
            "",
            "foo",
            "simple,ttl=1m",
            "jwt",
            "jwt,sign-method=RS256",
            "jwt,pub-key=p",
            "jwt,pub-key=p,sign-method=none",
            "jwt,pub-key=p,sign-method=ES512",
            "jwt,pub-key=p,sign-method=HS256",
            "jwt,pub-key=p,sign-method=RS256,ttl=x",
            "jwt,pub-key=p,sign-method=RS256,ttl=0",
            "jwt,pub-key=p,sign-method=RS256,ttl=1m,ttl=2m",
            "jwt,pub-key=p,sign-method=RS256,other=1",
            "jwt,pub-key,sign-method=RS256",
            "jwt,pub-key=,sign-method=RS256",
        ] {
            assert_eq!(AuthToken::parse(text), None, "{text}");
        }
    }
}
