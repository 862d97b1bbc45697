//! [`Tokens`]: which token is whose, in the memory of one member.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mini_etcd_shared::clock::{Clock, Moment, SystemClock};

use super::TokenChange;
use crate::limits::{AUTH_TOKENS_MAX, AUTH_TOKENS_SWEEP};

/// The tokens that were given out and have not ended. Each use makes one live on.
#[derive(Debug)]
pub struct Tokens<C = SystemClock> {
    ttl: Duration,
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
    user: String,
    ends: Moment,
}

impl<C: Clock> Tokens<C> {
    /// None yet; a token lives for `ttl` after its last use.
    #[must_use]
    pub fn new(ttl: Duration, clock: C) -> Self {
        Self { ttl, clock, table: Mutex::default() }
    }

    /// Takes over what entries meant for tokens, in their order.
    pub(crate) fn take(&self, changes: &[TokenChange]) {
        if changes.is_empty() {
            return;
        }
        let now = self.clock.now();
        let mut table = self.lock();
        for change in changes {
            match change {
                TokenChange::Given { token, user } => {
                    table.make_room(now);
                    let held = Held { user: user.clone(), ends: now.after(self.ttl) };
                    table.by_token.insert(token.clone(), held);
                }
                TokenChange::Ended { user } => table.by_token.retain(|_, held| held.user != *user),
                TokenChange::AllEnded => table.by_token.clear(),
            }
        }
    }

    /// Whose a token is; it lives on from now. None for one that was not given out, or has ended.
    #[must_use]
    pub fn user(&self, token: &str) -> Option<String> {
        let now = self.clock.now();
        let mut table = self.lock();
        let held = table.by_token.get_mut(token).filter(|held| now < held.ends)?;
        held.ends = now.after(self.ttl);
        Some(held.user.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn make_room(&mut self, now: Moment) {
        if now.since(self.swept) >= AUTH_TOKENS_SWEEP {
            self.swept = now;
            self.by_token.retain(|_, held| now < held.ends);
        }
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

    fn given(token: &str, user: &str) -> TokenChange {
        TokenChange::Given { token: token.to_owned(), user: user.to_owned() }
    }

    #[test]
    fn a_token_lives_on_from_its_last_use() {
        let clock = ByHand::default();
        let tokens = Tokens::new(Duration::from_secs(300), clock.clone());
        tokens.take(&[given("a.1", "alice"), given("b.2", "bob")]);
        clock.pass(299);
        assert_eq!(tokens.user("a.1").as_deref(), Some("alice"));
        clock.pass(299);
        assert_eq!(tokens.user("a.1").as_deref(), Some("alice"));
        assert_eq!(tokens.user("b.2"), None);
        clock.pass(300);
        assert_eq!(tokens.user("a.1"), None);
        tokens.take(&[given("c.3", "carol")]);
        assert_eq!(tokens.lock().by_token.len(), 1, "what has ended is not kept");
    }

    #[test]
    fn tokens_end_with_their_user_or_all_at_once() {
        let tokens = Tokens::new(Duration::from_secs(300), ByHand::default());
        tokens.take(&[given("a.1", "alice"), given("a.2", "alice"), given("b.3", "bob")]);
        tokens.take(&[TokenChange::Ended { user: "alice".to_owned() }]);
        let users = ["a.1", "a.2", "b.3"].map(|token| tokens.user(token));
        assert_eq!(users, [None, None, Some("bob".to_owned())]);
        tokens.take(&[TokenChange::AllEnded, given("c.4", "carol")]);
        assert_eq!((tokens.user("b.3"), tokens.user("c.4")), (None, Some("carol".to_owned())));
    }

    #[test]
    fn the_one_that_ends_first_makes_room() {
        let clock = ByHand::default();
        let tokens = Tokens::new(Duration::from_secs(300), clock.clone());
        tokens.take(&[given("old.1", "alice")]);
        clock.pass(1);
        for index in 0..AUTH_TOKENS_MAX {
            tokens.take(&[given(&format!("x.{index}"), "bob")]);
        }
        assert_eq!(tokens.user("old.1"), None);
        assert_eq!(tokens.lock().by_token.len(), AUTH_TOKENS_MAX);
    }
}
