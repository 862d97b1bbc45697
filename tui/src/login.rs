//! As whom to talk to a cluster.

use std::fmt;

use clap::Args;
use mini_etcd_shared::client::{ClientConfig, Credentials, Endpoint};
use mini_etcd_shared::error::ClientError;

/// Flags that name a user.
#[derive(Clone, Default, Args)]
pub struct Login {
    /// Name to log in with, and its password behind a colon
    #[arg(long, env = "ETCDCTL_USER", hide_env_values = true, value_name = "NAME[:PASSWORD]")]
    user: Option<String>,
    /// Password of --user
    #[arg(long, env = "ETCDCTL_PASSWORD", hide_env_values = true)]
    password: Option<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").finish_non_exhaustive()
    }
}

/// A name without a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--user needs a password: --user NAME:PASSWORD, --password or ETCDCTL_PASSWORD")]
pub struct NoPassword;

impl Login {
    /// The user and the password; none when nobody is named.
    ///
    /// # Errors
    /// When there is a name alone.
    pub fn credentials(&self) -> Result<Option<Credentials>, NoPassword> {
        let Some(user) = self.user.as_deref().filter(|user| !user.is_empty()) else {
            return Ok(None);
        };
        let (name, password) = match (user.split_once(':'), self.password.as_deref()) {
            (Some(pair), _) => pair,
            (None, Some(password)) if !password.is_empty() => (user, password),
            (None, _) => return Err(NoPassword),
        };
        let credentials = Credentials { name: name.to_owned(), password: password.to_owned() };
        Ok((!name.is_empty()).then_some(credentials))
    }
}

/// The endpoints of a flag that may be given several times, each a list.
///
/// # Errors
/// When one is none.
pub(crate) fn endpoints(given: &[String]) -> Result<Vec<Endpoint>, ClientError> {
    Endpoint::parse_list(&given.join(","))
}

/// The settings of a client that stays: it finds the cluster's other members, and logs in again.
pub(crate) fn lasting(endpoints: Vec<Endpoint>, login: Option<Credentials>) -> ClientConfig {
    ClientConfig { learn_members: true, login, ..ClientConfig::new(endpoints) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_a_password_behind_a_colon_or_of_its_own() {
        let of = |user: Option<&str>, password: Option<&str>| {
            let own = |text: Option<&str>| text.map(str::to_owned);
            Login { user: own(user), password: own(password) }.credentials()
        };
        let pair = |found: Result<Option<Credentials>, NoPassword>| {
            found.map(|found| found.map(|found| (found.name, found.password)))
        };
        let is = |name: &str, password: &str| Ok(Some((name.to_owned(), password.to_owned())));
        assert_eq!(pair(of(Some("a:b:c"), None)), is("a", "b:c"));
        assert_eq!(pair(of(Some("a"), Some("b"))), is("a", "b"));
        assert_eq!(pair(of(Some("a:b"), Some("c"))), is("a", "b"));
        assert_eq!(pair(of(None, Some("b"))), Ok(None));
        assert_eq!(pair(of(Some(""), None)), Ok(None));
        assert_eq!(pair(of(Some("a"), None)), Err(NoPassword));
        let shown = format!("{:?}", Login { user: Some("a:b".into()), password: None });
        assert!(!shown.contains('a') || !shown.contains(":b"), "{shown}");
    }
}
