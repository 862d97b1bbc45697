//! [`Tokens`]: which token is whose, in the memory of one member.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mini_etcd_shared::clock::{Clock, Moment, SystemClock};

use super::{Jwt, TokenChange};
use crate::config::{AuthToken, Config};
use crate::limits::{AUTH_TOKENS_MAX, AUTH_TOKENS_SWEEP, JWT_VERIFIED_FOR};
use crate::tls::TlsError;

/// What a login gives out.
#[derive(Clone, Debug)]
pub enum TokenKind {
    /// Random letters, good for so long after their last use.
    Simple(Duration),
    /// A signed text, which says until when it is good.
    Jwt(Arc<Jwt>),
}

impl TokenKind {
    /// As the settings say; reads the keys.
    ///
    /// # Errors
    /// A key that cannot be used.
    pub fn open(config: &Config) -> Result<Self, TlsError> {
        Ok(match &config.token {
            AuthToken::Simple => Self::Simple(config.token_ttl),
            AuthToken::Jwt(settings) => Self::Jwt(Arc::new(Jwt::open(settings)?)),
        })
    }
}

/// Whose a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Name of the user.
    pub user: String,
    /// The revision of users and roles at the login, where the token says it: it is good at no other.
    pub revision: Option<u64>,
}

/// The simple tokens that were given out and have not ended, each of which lives on with each use; or the signed ones that were
/// verified lately.
#[derive(Debug)]
pub struct Tokens<C = SystemClock> {
    kind: TokenKind,
    clock: C,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    by_token: BTreeMap<String, Held>,
    swept: Moment,
}

#[derive(Debug)]
struct Held {
    holder: Holder,
    ends: Moment,
}

impl<C: Clock> Tokens<C> {
    /// None yet.
    #[must_use]
    pub fn new(kind: TokenKind, clock: C) -> Self {
        Self { kind, clock, table: Mutex::default() }
    }

    /// What signs tokens; none where they are simple.
    #[must_use]
    pub fn jwt(&self) -> Option<&Arc<Jwt>> {
        match &self.kind {
            TokenKind::Simple(_) => None,
            TokenKind::Jwt(jwt) => Some(jwt),
        }
    }

    /// Takes over what entries meant for tokens, in their order.
    pub(crate) fn take(&self, changes: &[TokenChange]) {
        // What is signed is not taken back: it ends with its revision.
        let TokenKind::Simple(ttl) = self.kind else { return };
        if changes.is_empty() {
            return;
        }
        let now = self.clock.now();
        let mut table = self.lock();
        for change in changes {
            match change {
                TokenChange::Given { token, user } => {
                    let holder = Holder { user: user.clone(), revision: None };
                    table.sweep(now);
                    table.make_room();
                    let held = Held { holder, ends: now.after(ttl) };
                    table.by_token.insert(token.clone(), held);
                }
                TokenChange::Ended { user } => {
                    table.by_token.retain(|_, held| held.holder.user != *user);
                }
                TokenChange::AllEnded => table.by_token.clear(),
            }
        }
    }

    /// Whose a token is; a simple one lives on from now. None for one that was not given out, or has ended.
    #[must_use]
    pub fn holder(&self, token: &str) -> Option<Holder> {
        let now = self.clock.now();
        if let Some(held) = self.lock().by_token.get_mut(token).filter(|held| now < held.ends) {
            if let TokenKind::Simple(ttl) = self.kind {
                held.ends = now.after(ttl);
            }
            return Some(held.holder.clone());
        }
        // Not while others wait for the table.
        let verified = self.jwt()?.verify(token)?;
        let holder = Holder { user: verified.user, revision: Some(verified.revision) };
        let good = verified.left.unwrap_or(JWT_VERIFIED_FOR).min(JWT_VERIFIED_FOR);
        let held = Held { holder: holder.clone(), ends: now.after(good) };
        let mut table = self.lock();
        table.sweep(now);
        // One that finds no room is verified again.
        if table.by_token.len() < AUTH_TOKENS_MAX {
            table.by_token.insert(token.to_owned(), held);
        }
        drop(table);
        Some(holder)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn sweep(&mut self, now: Moment) {
        if now.since(self.swept) >= AUTH_TOKENS_SWEEP {
            self.swept = now;
            self.by_token.retain(|_, held| now < held.ends);
        }
    }

    fn make_room(&mut self) {
        if self.by_token.len() >= AUTH_TOKENS_MAX {
            let first = self.by_token.iter().min_by_key(|(_, held)| held.ends);
            if let Some(token) = first.map(|(token, _)| token.clone()) {
                self.by_token.remove(&token);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct ByHand(Arc<Mutex<Moment>>);

    impl Clock for ByHand {
        fn now(&self) -> Moment {
            *self.0.lock().unwrap()
        }
    }

    impl ByHand {
        fn pass(&self, seconds: u64) {
            let mut now = self.0.lock().unwrap();
            *now = now.after(Duration::from_secs(seconds));
        }
    }

    fn simple(clock: &ByHand) -> Tokens<ByHand> {
        Tokens::new(TokenKind::Simple(Duration::from_secs(300)), clock.clone())
    }

    fn user(tokens: &Tokens<ByHand>, token: &str) -> Option<String> {
        tokens.holder(token).map(|holder| holder.user)
    }

    fn given(token: &str, user: &str) -> TokenChange {
        TokenChange::Given { token: token.to_owned(), user: user.to_owned() }
    }

    #[test]
    fn a_token_lives_on_from_its_last_use() {
        let clock = ByHand::default();
        let tokens = simple(&clock);
        tokens.take(&[given("a.1", "alice"), given("b.2", "bob")]);
        clock.pass(299);
        assert_eq!(user(&tokens, "a.1").as_deref(), Some("alice"));
        clock.pass(299);
        assert_eq!(user(&tokens, "a.1").as_deref(), Some("alice"));
        assert_eq!(user(&tokens, "b.2"), None);
        clock.pass(300);
        assert_eq!(user(&tokens, "a.1"), None);
        tokens.take(&[given("c.3", "carol")]);
        assert_eq!(tokens.lock().by_token.len(), 1, "what has ended is not kept");
    }

    /// Goal: a signed token is verified once in a while, and nothing but its end and its revision ends it. Method: what is kept.
    #[test]
    fn a_signed_token_is_kept_for_a_while_once_it_was_verified() {
        let secret = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(secret.path(), "secret").unwrap();
        let (method, ttl) = (jsonwebtoken::Algorithm::HS256, Duration::from_secs(3600));
        let private = Some(secret.path().to_owned());
        let settings = crate::config::JwtSettings { method, public: None, private, ttl };
        let jwt = Arc::new(Jwt::open(&settings).unwrap());
        let clock = ByHand::default();
        let tokens = Tokens::new(TokenKind::Jwt(Arc::clone(&jwt)), clock.clone());
        let token = jwt.sign("alice", 7).unwrap();
        let holder = Holder { user: "alice".to_owned(), revision: Some(7) };
        assert_eq!(tokens.holder("abcdefghijklmnop.7"), None);
        assert_eq!(tokens.holder(&token).as_ref(), Some(&holder));
        tokens.take(&[TokenChange::AllEnded, given("a.1", "bob")]);
        assert_eq!(user(&tokens, "a.1"), None);
        assert_eq!(tokens.lock().by_token.len(), 1);
        clock.pass(JWT_VERIFIED_FOR.as_secs() - 1);
        assert_eq!(tokens.holder(&token).as_ref(), Some(&holder));
        clock.pass(1);
        assert_eq!(tokens.holder(&jwt.sign("bob", 7).unwrap()).unwrap().user, "bob");
        assert_eq!(tokens.lock().by_token.len(), 1, "use makes it live no longer");
        assert_eq!(tokens.holder(&token), Some(holder));
    }

    #[test]
    fn tokens_end_with_their_user_or_all_at_once() {
        let tokens = simple(&ByHand::default());
        tokens.take(&[given("a.1", "alice"), given("a.2", "alice"), given("b.3", "bob")]);
        tokens.take(&[TokenChange::Ended { user: "alice".to_owned() }]);
        let users = ["a.1", "a.2", "b.3"].map(|token| user(&tokens, token));
        assert_eq!(users, [None, None, Some("bob".to_owned())]);
        tokens.take(&[TokenChange::AllEnded, given("c.4", "carol")]);
        assert_eq!((user(&tokens, "b.3"), user(&tokens, "c.4")), (None, Some("carol".to_owned())));
    }

    #[test]
    fn the_one_that_ends_first_makes_room() {
        let clock = ByHand::default();
        let tokens = simple(&clock);
        tokens.take(&[given("old.1", "alice")]);
        clock.pass(1);
        for index in 0..AUTH_TOKENS_MAX {
            tokens.take(&[given(&format!("x.{index}"), "bob")]);
        }
        assert_eq!(user(&tokens, "old.1"), None);
        assert_eq!(tokens.lock().by_token.len(), AUTH_TOKENS_MAX);
    }
}
