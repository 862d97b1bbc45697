//! [`Caller`]: who asks. Built once where a call enters the router, and handed to every service.

use std::cmp::Ordering;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{Extensions, HeaderMap};
use mini_etcd_proto::internalpb::Asker;
use mini_etcd_shared::types::LogIndex;
use tonic::Request;

use super::methods::Rule;
use super::{CertificateName, Host};
use crate::apply::Published;
use crate::auth::{Auth, Holder, Permit};
use crate::error::RequestError;

/// What a call shows of who asks; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Caller(Option<Arc<Credentials>>);

#[derive(Debug, Default)]
struct Credentials {
    /// As a login gave it out.
    token: Option<String>,
    /// Common name of the certificate that the connection was opened with: the user where there is no token.
    certificate_name: Option<String>,
}

impl Caller {
    /// What the metadata and the connection of a call show.
    pub(super) fn read(headers: &HeaderMap, extensions: &Extensions) -> Self {
        let shown = headers.get("token").or_else(|| headers.get(http::header::AUTHORIZATION));
        let token = shown.map(|value| {
            let token = String::from_utf8_lossy(value.as_bytes());
            token.strip_prefix("Bearer ").unwrap_or(&token).to_owned()
        });
        let certificate_name = extensions.get::<CertificateName>().map(|name| name.0.to_string());
        if token.is_none() && certificate_name.is_none() {
            return Self(None);
        }
        Self(Some(Arc::new(Credentials { token, certificate_name })))
    }

    /// Who makes the call that carries `request`; nobody for a call from within.
    pub(super) fn of<T>(request: &Request<T>) -> Self {
        request.extensions().get::<Self>().cloned().unwrap_or_default()
    }

    fn token(&self) -> Option<&str> {
        self.0.as_ref()?.token.as_deref()
    }

    fn certificate_name(&self) -> Option<&str> {
        self.0.as_ref()?.certificate_name.as_deref()
    }

    /// Whether the token was given out by an entry that is not applied here.
    fn is_ahead_of(&self, applied: LogIndex) -> bool {
        let index = self.token().and_then(|token| token.rsplit_once('.')?.1.parse::<u64>().ok());
        index.is_some_and(|index| index > applied.0)
    }
}

/// Judges calls where they enter.
pub trait CallGate: Send + Sync {
    /// Whether a method of that rule may be called; none while the member does not know the caller's token yet.
    fn judge(&self, caller: &Caller, rule: Rule) -> Option<Result<(), RequestError>>;

    /// Whether callers are users.
    fn has_users(&self) -> bool;

    /// Name of the user that calls; empty where callers are none, or show nothing that is known.
    fn user(&self, caller: &Caller) -> String;

    /// Waits until the member knows what was acknowledged before.
    fn catch_up(&self) -> BoxFuture<'static, Result<(), RequestError>>;
}

impl CallGate for Host {
    fn judge(&self, caller: &Caller, rule: Rule) -> Option<Result<(), RequestError>> {
        if matches!(rule, Rule::Open | Rule::Peers) {
            return Some(Ok(()));
        }
        let state = self.published();
        if !state.auth.is_enabled() {
            return Some(Ok(()));
        }
        if caller.is_ahead_of(state.applied) || self.is_ahead(caller, &state.auth) {
            return None;
        }
        Some(match rule {
            Rule::Root => self.check_root(caller, &state),
            Rule::User => self.check_login(caller, &state),
            Rule::Open | Rule::Peers | Rule::Request => Ok(()),
        })
    }

    fn has_users(&self) -> bool {
        self.published().auth.is_enabled()
    }

    fn user(&self, caller: &Caller) -> String {
        let asker = self.asker(caller, &self.published().auth);
        asker.map(|asker| asker.user).unwrap_or_default()
    }

    fn catch_up(&self) -> BoxFuture<'static, Result<(), RequestError>> {
        let host = self.clone();
        async move { host.barrier().await.map(drop) }.boxed()
    }
}

/// A member as the requests of one caller use it.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) host: Host,
    pub(super) caller: Caller,
}

impl Host {
    /// Whether the caller's token was signed at a revision of users and roles that this member does not know yet.
    fn is_ahead(&self, caller: &Caller, auth: &Auth) -> bool {
        let holder = caller.token().and_then(|token| self.proposer().tokens().holder(token));
        holder.and_then(|holder| holder.revision).is_some_and(|it| it > auth.revision())
    }

    /// On whose behalf a call is carried out. While permissions do not count nobody is asked, as in etcd.
    ///
    /// # Errors
    /// A token that is not known, or was signed at another revision of users and roles.
    pub(super) fn asker(&self, caller: &Caller, auth: &Auth) -> Result<Asker, RequestError> {
        if !auth.is_enabled() {
            return Ok(Asker::default());
        }
        let user = match (caller.token(), caller.certificate_name()) {
            (Some(token), _) => {
                let holder = self.proposer().tokens().holder(token);
                let Holder { user, revision } = holder.ok_or(RequestError::InvalidAuthToken)?;
                match revision.map(|revision| revision.cmp(&auth.revision())) {
                    None | Some(Ordering::Equal) => user,
                    Some(Ordering::Less) => return Err(RequestError::AuthOldRevision),
                    Some(Ordering::Greater) => return Err(RequestError::InvalidAuthToken),
                }
            }
            (None, name) => name.unwrap_or_default().to_owned(),
        };
        Ok(Asker { user, auth_revision: auth.revision(), is_member: false })
    }

    /// What the caller may do with the keys of a state.
    ///
    /// # Errors
    /// It is not known, or is nobody.
    pub(super) fn permit<'a>(
        &self,
        caller: &Caller,
        state: &'a Published,
    ) -> Result<Permit<'a>, RequestError> {
        state.auth.permit(&self.asker(caller, &state.auth)?)
    }

    /// # Errors
    /// The caller has not logged in.
    pub(super) fn check_login(
        &self,
        caller: &Caller,
        state: &Published,
    ) -> Result<(), RequestError> {
        state.auth.check_login(&self.asker(caller, &state.auth)?)
    }

    /// # Errors
    /// The caller may not manage the cluster.
    pub(super) fn check_root(
        &self,
        caller: &Caller,
        state: &Published,
    ) -> Result<(), RequestError> {
        state.auth.check_root(&self.asker(caller, &state.auth)?)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn caller(headers: &[(&'static str, &'static str)]) -> Caller {
        let headers = headers.iter().map(|(name, value)| {
            (http::HeaderName::from_static(name), HeaderValue::from_static(value))
        });
        let headers: HeaderMap = headers.collect();
        let mut extensions = Extensions::new();
        extensions.insert(CertificateName("from a certificate".into()));
        Caller::read(&headers, &extensions)
    }

    #[test]
    fn a_token_comes_before_authorization_and_that_before_a_certificate() {
        let both = caller(&[("authorization", "b.2"), ("token", "a.1")]);
        assert_eq!(both.token(), Some("a.1"));
        assert_eq!(both.certificate_name(), Some("from a certificate"));
        assert_eq!(caller(&[("authorization", "Bearer b.2")]).token(), Some("b.2"));
        assert_eq!(caller(&[("token", "Bearer b.2")]).token(), Some("b.2"));
        assert_eq!(caller(&[]).token(), None);
    }

    #[test]
    fn the_end_of_a_token_is_the_entry_that_gave_it_out() {
        let token = caller(&[("token", "abc.7")]);
        assert!(token.is_ahead_of(LogIndex(6)) && !token.is_ahead_of(LogIndex(7)));
        assert!(!caller(&[("token", "abc")]).is_ahead_of(LogIndex(0)));
        assert!(!caller(&[("token", "abc.x")]).is_ahead_of(LogIndex(0)));
    }
}
