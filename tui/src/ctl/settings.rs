//! Global flags and `ETCDCTL_*` variables.

use std::path::PathBuf;

use bytes::Bytes;
use mini_etcd_shared::client::{Access, ClientConfig, Endpoint, MessageBounds, Tls, Token};
use mini_etcd_shared::command::{Flag, GLOBAL_FLAGS, Parsed, Scope, ValueKind};
use mini_etcd_shared::failure::{Failure, exit};
use mini_etcd_shared::format::{Format, Style};
use mini_etcd_shared::session::no_token;
use mini_etcd_shared::text::{masked, parse_duration};

use super::console::err_line;
use super::log;
use crate::connect::profile;
use crate::password::credentials;
use crate::profile::Profile;

/// What every variable of ours begins with.
const PREFIX: &str = "ETCDCTL_";
/// Longest request that is sent where nothing is said about it: 2 MiB.
const REQUEST_BYTES_MAX: usize = 2 << 20;
/// Flags that a profile speaks about.
const REACH: &[&str] = &[
    "auth-jwt-token",
    "cacert",
    "cert",
    "endpoints",
    "insecure-skip-tls-verify",
    "insecure-transport",
    "key",
    "password",
    "profile",
    "user",
];
/// Variables that are read, but stand for no flag.
const OTHER: &[&str] = &["ETCDCTL_API", "ETCDCTL_WATCH_KEY", "ETCDCTL_WATCH_RANGE_END"];

/// How to connect, and how to show answers.
pub(super) struct Settings {
    pub client: ClientConfig,
    pub style: Style,
}

/// The `ETCDCTL_*` variables that are set.
pub(super) struct Variables(Vec<(String, Vec<u8>)>);

impl Variables {
    pub(super) fn of_process() -> Self {
        use std::os::unix::ffi::OsStringExt;
        let ours = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            name.starts_with(PREFIX).then(|| (name, value.into_vec()))
        });
        let mut ours: Vec<_> = ours.collect();
        ours.sort();
        Self(ours)
    }

    fn get(&self, name: &str) -> Option<&[u8]> {
        let found = self.0.iter().find(|(set, value)| set == name && !value.is_empty());
        found.map(|(_, value)| value.as_slice())
    }

    /// What they add to a watch.
    pub(super) fn scope(&self) -> Scope {
        let bytes = |name| self.get(name).map(Bytes::copy_from_slice);
        Scope {
            watch_key: bytes("ETCDCTL_WATCH_KEY"),
            watch_range_end: bytes("ETCDCTL_WATCH_RANGE_END"),
        }
    }

    /// Adds them to what the line gives; one given twice is fatal, as for etcdctl.
    fn add_to(&self, parsed: &mut Parsed, profile: Option<&Profile>) -> Result<(), Failure> {
        if let Some(version) = self.get("ETCDCTL_API").filter(|version| *version != b"3") {
            let version = String::from_utf8_lossy(version);
            return Err(Failure::new(
                exit::ERROR,
                format!("ETCDCTL_API={version} is not supported, only 3 is"),
            ));
        }
        for flag in GLOBAL_FLAGS {
            // They are about another cluster than the profile.
            if profile.is_some() && REACH.contains(&flag.name) {
                continue;
            }
            let name = variable_of(flag);
            let Some(value) = self.get(&name) else { continue };
            if parsed.flags.is_given(flag.name) {
                err_line(&log::line(
                    "fatal",
                    "conflicting environment variable is shadowed by corresponding command-line flag \
                     (either unset environment variable or disable flag))",
                    &[("environment-variable", &name)],
                ));
                return Err(Failure::new(exit::ERROR, ""));
            }
            // A value that does not fit is ignored, as etcdctl does; but it is said.
            if let Err(error) = parsed.flags.set(flag, &String::from_utf8_lossy(value)) {
                err_line(&log::line(
                    "warn",
                    "ignored environment variable",
                    &[("environment-variable", &name), ("error", &error)],
                ));
            }
        }
        self.warn_of_unknown();
        Ok(())
    }

    fn warn_of_unknown(&self) {
        for (name, value) in &self.0 {
            let known = GLOBAL_FLAGS.iter().any(|flag| variable_of(flag) == *name);
            if (known && !value.is_empty()) || OTHER.contains(&name.as_str()) {
                continue;
            }
            let shown = masked(&format!("{name}={}", String::from_utf8_lossy(value)));
            err_line(&log::line(
                "warn",
                "unrecognized environment variable",
                &[("environment-variable", &shown)],
            ));
        }
    }
}

fn variable_of(flag: &Flag) -> String {
    format!("{PREFIX}{}", flag.name.to_uppercase().replace('-', "_"))
}

/// Takes up what the profile of a line says, where no flag says it.
fn take_profile(parsed: &mut Parsed, variables: &Variables) -> Result<Option<Profile>, Failure> {
    let given = |name: &str| parsed.flags.is_given(name);
    let name = match parsed.flags.text(parsed.target, "profile") {
        none if none.is_empty() => variables.get("ETCDCTL_PROFILE").map(String::from_utf8_lossy),
        name => Some(name.into()),
    };
    let profile = match name {
        Some(name) => Some(profile(&name).map_err(|error| bad(error.to_string()))?),
        None => None,
    };
    if let Some(profile) = &profile {
        let own_user = given("user") || given("auth-jwt-token");
        let mut says = said_by(profile);
        if !own_user && !given("password") {
            let password = profile.password().map_err(|error| bad(error.to_string()))?;
            says.extend(password.map(|password| ("password", password)));
        }
        for flag in GLOBAL_FLAGS {
            let said = says.iter().find(|(name, _)| *name == flag.name);
            if let Some((_, value)) = said.filter(|_| !parsed.flags.is_given(flag.name)) {
                parsed.flags.set(flag, value).map_err(bad)?;
            }
        }
    }
    Ok(profile)
}

/// Reads the settings of a line and its variables.
pub(super) fn read(parsed: &mut Parsed, variables: &Variables) -> Result<Settings, Failure> {
    let profile = take_profile(parsed, variables)?;
    variables.add_to(parsed, profile.as_ref())?;
    let text = |name: &str| parsed.flags.text(parsed.target, name);
    let switch = |name: &str| parsed.flags.switch(parsed.target, name);
    if switch("debug") {
        print_settings(parsed);
    }
    let format = Format::of(&text("write-out"))
        .ok_or_else(|| Failure::new(exit::BAD_FEATURE, "unsupported output format"))?;
    if !text("discovery-srv").is_empty() {
        let words = "--discovery-srv: discovery by SRV records is not supported yet";
        return Err(Failure::new(exit::BAD_ARGS, words));
    }
    let duration = |name: &str| parse_duration(&text(name)).unwrap_or_default();
    let list = text("endpoints");
    let endpoints = Endpoint::parse_list(&list)
        .map_err(|error| Failure::new(exit::ERROR, error.to_string()))?;
    if endpoints.is_empty() {
        // etcdctl dials the empty address until its time is over; the code is the same.
        let exit = if list.is_empty() { exit::NO_CONNECTION } else { exit::ERROR };
        return Err(Failure::new(exit, "etcdclient: no available endpoints"));
    }
    let mut client = ClientConfig::new(endpoints);
    // Without a bound of its own, a dial ends with the command.
    client.dial_timeout = match duration("dial-timeout") {
        none if none.is_zero() => duration("command-timeout"),
        bound => bound,
    };
    client.command_timeout = Some(duration("command-timeout"));
    client.keepalive_timeout = duration("keepalive-timeout");
    // Servers end connections that are probed more often.
    client.keepalive_time = duration("keepalive-time").max(client.keepalive_time);
    let file = |name: &str| Some(PathBuf::from(text(name))).filter(|f| !f.as_os_str().is_empty());
    client.bounds = MessageBounds {
        request: bytes(parsed.flags.int(parsed.target, "max-request-bytes"), REQUEST_BYTES_MAX),
        answer: bytes(
            parsed.flags.int(parsed.target, "max-recv-bytes"),
            MessageBounds::default().answer,
        ),
    };
    client.tls = Tls {
        cacert: file("cacert"),
        cert: file("cert"),
        key: file("key"),
        skip_verify: switch("insecure-skip-tls-verify"),
        always: !switch("insecure-transport"),
    };
    client.tls.check().map_err(|error| bad(error.to_string()))?;
    let token = Some(text("auth-jwt-token")).filter(|token| !token.is_empty());
    client.token = match token {
        Some(token) => Some(Token::parse(&token).ok_or_else(no_token)?),
        None => None,
    };
    let login = match client.token {
        // As for etcdctl, it goes before a user.
        Some(_) => Ok(None),
        None => credentials(&text("user"), Some(&text("password"))),
    };
    let read_only = profile.is_some_and(|profile| profile.read_only);
    client.access = Access::read_only(read_only);
    client.login = login.map_err(|error| bad(error.to_string()))?;
    Ok(Settings { client, style: Style { format, hex: switch("hex") } })
}

/// A bound as it was given; 0 and less are for the default.
fn bytes(given: i64, default: usize) -> usize {
    usize::try_from(given).ok().filter(|bytes| *bytes > 0).unwrap_or(default)
}

fn bad(words: String) -> Failure {
    Failure::new(exit::BAD_ARGS, words)
}

/// What a profile says, by the flags that say it.
fn said_by(profile: &Profile) -> Vec<(&'static str, String)> {
    let file = |file: &Option<PathBuf>| file.as_ref().map(|file| file.display().to_string());
    let endpoints = profile.endpoints.join(",");
    [
        ("cacert", file(&profile.cacert)),
        ("cert", file(&profile.cert)),
        ("key", file(&profile.key)),
        ("endpoints", Some(endpoints).filter(|list| !list.is_empty())),
        ("insecure-skip-tls-verify", profile.insecure_skip_tls_verify.then(|| "true".to_owned())),
        ("user", profile.user.clone()),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

fn print_settings(parsed: &Parsed) {
    for flag in GLOBAL_FLAGS {
        let value = parsed.flags.text(parsed.target, flag.name);
        // etcdctl has no profile.
        if flag.name == "profile" && value.is_empty() {
            continue;
        }
        let value = if flag.value == ValueKind::List { format!("[{value}]") } else { value };
        err_line(&masked(&format!("{}={value}", variable_of(flag))));
    }
}
