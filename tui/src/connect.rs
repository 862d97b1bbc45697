//! Whom to ask, as whom, and how: the flags and variables that all programs of the console share.
//!
//! What a flag says goes before what a profile says. With a profile, variables do not count: they are about another
//! cluster. A password that nobody gives is asked for at the terminal.

use std::fmt;
use std::path::PathBuf;

use clap::Args;
use mini_etcd_shared::client::{ClientConfig, Credentials, Endpoint, Tls, TlsFileError, Token};
use mini_etcd_shared::error::ClientError;

use crate::complaint;
use crate::password::{self, NoPassword};
use crate::profile::{Profile, ProfileError, Profiles};

/// Where a server is looked for when none is named.
pub(crate) const USUAL: &str = "127.0.0.1:2379";

/// Flags that say whom to ask, as whom, and how.
#[derive(Clone, Default, Args)]
pub struct Connect {
    /// Profile of ~/.config/mini-etcd/config.toml, which says what no flag says [env: ETCDCTL_PROFILE]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Members to ask, separated by commas; https:// asks by TLS [env: ETCDCTL_ENDPOINTS]
    #[arg(long, visible_alias = "endpoint", value_delimiter = ',', value_name = "HOST:PORT")]
    endpoints: Vec<String>,
    /// Name to log in with, and its password behind a colon; without one it is asked for [env: ETCDCTL_USER]
    #[arg(long, value_name = "NAME[:PASSWORD]")]
    user: Option<String>,
    /// Password of --user [env: ETCDCTL_PASSWORD]
    #[arg(long)]
    password: Option<String>,
    /// Token to show instead of logging in as --user [env: ETCDCTL_AUTH_JWT_TOKEN]
    #[arg(long, value_name = "TOKEN")]
    auth_jwt_token: Option<String>,
    /// Certificates of the authorities to trust, instead of those of this machine [env: ETCDCTL_CACERT]
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// Certificate to show to servers that want one [env: ETCDCTL_CERT]
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Key of --cert [env: ETCDCTL_KEY]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// =false asks endpoints without a scheme by TLS, also when no file is given [env: ETCDCTL_INSECURE_TRANSPORT]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    insecure_transport: Option<bool>,
    /// Do not look whose certificate a server shows: anybody may answer [env: ETCDCTL_INSECURE_SKIP_TLS_VERIFY]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    insecure_skip_tls_verify: Option<bool>,
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}

/// Whom to ask, as whom, and how.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Members to ask; empty when none are named.
    pub endpoints: Vec<Endpoint>,
    /// How TLS is spoken.
    pub tls: Tls,
    /// As whom to log in.
    pub login: Option<Credentials>,
    /// What to show instead.
    pub token: Option<Token>,
    /// The profile that says so.
    pub profile: Option<Profile>,
}

/// What was said of whom to ask makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// What was typed is no address.
    #[error("{0}")]
    Address(#[from] ClientError),
    /// Who is to log in has no password.
    #[error("{0}")]
    Password(#[from] NoPassword),
    /// What is to be shown is no token.
    #[error("--auth-jwt-token: it is no token: letters, digits, - _ and . are")]
    Token,
    /// A file of certificates or keys cannot be used.
    #[error("{0}")]
    File(#[from] TlsFileError),
    /// A profile makes no sense, or there is none of that name.
    #[error("{0}")]
    Profile(#[from] ProfileError),
    /// A variable has a value that is none of its own.
    #[error("{0}={1}: expected true or false")]
    Variable(&'static str, String),
}

impl Connect {
    /// What is said in all, with the endpoints of `usual` when none are named. Asks for a password that is missing.
    ///
    /// # Errors
    /// What makes no sense.
    pub fn reach(&self, usual: Option<&str>) -> Result<Reach, ConnectError> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let profile = match self.profile.clone().or_else(|| variable("ETCDCTL_PROFILE")) {
            Some(name) => Some(profile(&name)?),
            None => None,
        };
        self.settled(&variable, profile, usual)
    }

    /// What a profile alone says.
    #[must_use]
    pub fn of_profile(name: &str) -> Self {
        Self { profile: Some(name.to_owned()), ..Self::default() }
    }

    fn settled(
        &self,
        variable: &dyn Fn(&str) -> Option<String>,
        profile: Option<Profile>,
        usual: Option<&str>,
    ) -> Result<Reach, ConnectError> {
        let variable = |name: &str| if profile.is_some() { None } else { variable(name) };
        let of = profile.clone().unwrap_or_default();
        let joined = |list: &[String]| (!list.is_empty()).then(|| list.join(","));
        let list = joined(&self.endpoints).or_else(|| joined(&of.endpoints));
        let list = list.or_else(|| variable("ETCDCTL_ENDPOINTS"));
        let list = list.or_else(|| usual.map(str::to_owned)).unwrap_or_default();
        let endpoints = Endpoint::parse_list(&list)?;
        let file = |given: &Option<PathBuf>, of: Option<PathBuf>, name: &str| {
            let given = given.clone().or(of).or_else(|| variable(name).map(PathBuf::from));
            given.filter(|file| !file.as_os_str().is_empty())
        };
        let switch = |given: Option<bool>, name: &'static str, default: bool| match given {
            Some(given) => Ok(given),
            None => match variable(name) {
                None => Ok(default),
                Some(text) => text.parse().map_err(|_| ConnectError::Variable(name, text)),
            },
        };
        let plain = switch(self.insecure_transport, "ETCDCTL_INSECURE_TRANSPORT", true)?;
        let skip = "ETCDCTL_INSECURE_SKIP_TLS_VERIFY";
        let tls = Tls {
            cacert: file(&self.cacert, of.cacert, "ETCDCTL_CACERT"),
            cert: file(&self.cert, of.cert, "ETCDCTL_CERT"),
            key: file(&self.key, of.key, "ETCDCTL_KEY"),
            skip_verify: switch(self.insecure_skip_tls_verify, skip, of.insecure_skip_tls_verify)?,
            always: !plain,
        };
        tls.check()?;
        let token = match self.auth_jwt_token.clone().or_else(|| variable("ETCDCTL_AUTH_JWT_TOKEN"))
        {
            Some(text) if !text.is_empty() => Some(Token::parse(&text).ok_or(ConnectError::Token)?),
            _ => None,
        };
        if token.is_some() {
            return Ok(Reach { endpoints, tls, login: None, token, profile });
        }
        let user = self.user.clone().or(of.user).or_else(|| variable("ETCDCTL_USER"));
        let password = self.password.clone().or_else(|| variable("ETCDCTL_PASSWORD"));
        // The command knows the password of the profile's user, and of nobody else.
        let password = match &profile {
            Some(profile) if password.is_none() && self.user.is_none() => profile.password()?,
            _ => password,
        };
        let login = password::credentials(&user.unwrap_or_default(), password.as_deref())?;
        Ok(Reach { endpoints, tls, login, token, profile })
    }
}

/// The profile of this name; says what is to be said of its file.
///
/// # Errors
/// When there is none, or the file makes no sense.
pub(crate) fn profile(name: &str) -> Result<Profile, ProfileError> {
    let profiles = Profiles::read()?;
    if let Some(warning) = &profiles.warning {
        complaint::say(warning);
    }
    profiles.get(name)
}

impl Reach {
    /// As whom servers know the console: the name that it logs in with, or that of its certificate.
    #[must_use]
    pub fn user(&self) -> Option<String> {
        self.login.as_ref().map(|login| login.name.clone()).or_else(|| self.tls.user())
    }

    /// The same ways to these members.
    #[must_use]
    pub fn at(&self, endpoints: Vec<Endpoint>) -> Self {
        Self { endpoints, ..self.clone() }
    }

    /// Members of this very program: they speak plain text.
    #[must_use]
    pub fn bundled(&self, endpoints: Vec<Endpoint>) -> Self {
        Self { endpoints, tls: Tls::default(), profile: None, ..self.clone() }
    }

    /// Flags that lead there, beside the endpoints; a password is none of them.
    #[must_use]
    pub fn flags(&self) -> Vec<String> {
        if let Some(profile) = &self.profile {
            return vec![format!("--profile={}", profile.name)];
        }
        let file = |name: &str, file: &Option<PathBuf>| {
            file.as_ref().map(|file| format!("--{name}={}", file.display()))
        };
        let on = |flag: &str, on: bool| on.then(|| flag.to_owned());
        [
            file("cacert", &self.tls.cacert),
            file("cert", &self.tls.cert),
            file("key", &self.tls.key),
            on("--insecure-skip-tls-verify", self.tls.skip_verify),
            on("--insecure-transport=false", self.tls.always),
            self.login.as_ref().map(|login| format!("--user={}", login.name)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Whether its profile forbids to change anything.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.profile.as_ref().is_some_and(|profile| profile.read_only)
    }

    /// The name of the profile, when what changes something is asked once more.
    #[must_use]
    pub fn production(&self) -> Option<String> {
        let profile = self.profile.as_ref().filter(|profile| profile.production);
        profile.map(|profile| profile.name.clone())
    }

    /// The settings of a client that stays: it finds the cluster's other members, and logs in again.
    #[must_use]
    pub fn lasting(&self) -> ClientConfig {
        ClientConfig {
            learn_members: true,
            tls: self.tls.clone(),
            login: self.login.clone(),
            token: self.token.clone(),
            ..ClientConfig::new(self.endpoints.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        connect: Connect,
    }

    fn reach(args: &[&str], variables: &[(&str, &str)]) -> Result<Reach, ConnectError> {
        let parsed = Program::try_parse_from(std::iter::once(&"x").chain(args)).unwrap();
        let variable = |name: &str| {
            let found = variables.iter().find(|(is, _)| *is == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        parsed.connect.settled(&variable, None, Some("u:1"))
    }

    /// Goal: credentials of one cluster never go to another. Method: a profile that says little, and variables that say all.
    #[test]
    fn a_profile_goes_behind_flags_and_keeps_variables_out() {
        let parsed = Program::try_parse_from(["x", "--endpoints", "f:1"]).unwrap();
        let variable = |_: &str| Some("of-another-cluster:1".to_owned());
        let profile = Profile {
            endpoints: vec!["p:1".to_owned(), "p:2".to_owned()],
            user: Some("u:pw".to_owned()),
            ..Profile::default()
        };
        let found = parsed.connect.settled(&variable, Some(profile.clone()), None).unwrap();
        assert_eq!((found.endpoints[0].as_str(), &found.tls), ("f:1", &Tls::default()));
        assert_eq!(found.login.unwrap().name, "u");
        let found = Connect::default().settled(&variable, Some(profile), None).unwrap();
        assert_eq!(found.endpoints.len(), 2);
        let bare = Connect::default().settled(&variable, Some(Profile::default()), Some("u:1"));
        let bare = bare.unwrap();
        assert_eq!((bare.endpoints[0].as_str(), bare.login), ("u:1", None));
    }

    #[test]
    fn a_flag_goes_before_a_variable_and_both_before_the_usual_place() {
        let asked = |args: &[&str], variables: &[(&str, &str)]| {
            let found = reach(args, variables).unwrap().endpoints;
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let variables = [("ETCDCTL_ENDPOINTS", "a:1,b:2")];
        assert_eq!(
            asked(&["--endpoints", "c:3,d:4", "--endpoint=e:5"], &variables),
            ["c:3", "d:4", "e:5"]
        );
        assert_eq!(asked(&[], &variables), ["a:1", "b:2"]);
        assert_eq!(asked(&[], &[]), ["u:1"]);
    }

    #[test]
    fn tls_is_told_by_flags_and_variables() {
        let tls = |args: &[&str], variables: &[(&str, &str)]| reach(args, variables).map(|r| r.tls);
        assert_eq!(tls(&[], &[]).unwrap(), Tls::default());
        assert!(tls(&["--insecure-transport=false"], &[]).unwrap().always);
        assert!(tls(&["--insecure-skip-tls-verify"], &[]).unwrap().skip_verify);
        let skip = [("ETCDCTL_INSECURE_SKIP_TLS_VERIFY", "true")];
        assert!(tls(&[], &skip).unwrap().skip_verify);
        assert!(!tls(&["--insecure-skip-tls-verify=false"], &skip).unwrap().skip_verify);
        let said = tls(&[], &[("ETCDCTL_INSECURE_TRANSPORT", "no")]).unwrap_err().to_string();
        assert_eq!(said, "ETCDCTL_INSECURE_TRANSPORT=no: expected true or false");
        let said = tls(&[], &[("ETCDCTL_CACERT", "/nowhere/ca.crt")]).unwrap_err().to_string();
        assert_eq!(said, "open /nowhere/ca.crt: no such file or directory");
    }

    #[test]
    fn a_token_goes_before_a_user_and_nobody_is_asked_for_a_password() {
        let variables = [("ETCDCTL_AUTH_JWT_TOKEN", "v.v.v"), ("ETCDCTL_USER", "a")];
        let found = |args: &[&str]| {
            let found = reach(args, &variables).unwrap();
            (found.login, found.token)
        };
        assert_eq!(found(&[]), (None, Token::parse("v.v.v")));
        assert_eq!(found(&["--auth-jwt-token=f.f.f"]), (None, Token::parse("f.f.f")));
        let said = reach(&["--auth-jwt-token=a\nb"], &[]).unwrap_err().to_string();
        assert!(said.starts_with("--auth-jwt-token: it is no token"), "{said}");
        let shown = format!("{:?}", Token::parse("secret"));
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn a_user_may_come_from_a_flag_and_the_password_from_a_variable() {
        let variables = [("ETCDCTL_USER", "a:b"), ("ETCDCTL_PASSWORD", "c")];
        let login = |args: &[&str]| {
            let found = reach(args, &variables).unwrap().login.unwrap();
            (found.name, found.password)
        };
        assert_eq!(login(&[]), ("a".to_owned(), "b".to_owned()));
        assert_eq!(login(&["--user", "d"]), ("d".to_owned(), "c".to_owned()));
        assert_eq!(login(&["--user", "d", "--password", "e"]), ("d".to_owned(), "e".to_owned()));
    }
}
