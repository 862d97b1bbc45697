//! Client and output style of one line, as its flags say.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;

use crate::client::{Client, ClientConfig, Credentials, Endpoint, OneCluster, Tls, Token};
use crate::command::{DOCTOR, Given, Parsed, Target};
use crate::error::ClientError;
use crate::failure::{Failure, exit, words_of};
use crate::format::{Format, Style};
use crate::language::{ExpandError, Variables, Word};
use crate::text::parse_duration;

/// The words of a command once their variables are known. I1 of `language`: only what is written as a flag is one.
///
/// # Errors
/// A variable that is not set, and what else keeps a word from having bytes.
pub fn given(words: &[Word], variables: &Variables) -> Result<Vec<Given>, ExpandError> {
    let mut flags_end = false;
    let mut given = Vec::with_capacity(words.len());
    for word in words {
        let flag = word.is_flag() && !flags_end;
        flags_end |= word.is("--");
        given.push(if flag {
            Given::plain(Bytes::from(word.text(variables)?))
        } else {
            Given::argument(Bytes::from(word.bytes(variables)?))
        });
    }
    Ok(given)
}

/// How a line's answer looks: as its flags say, else as the session does.
pub(super) fn style(parsed: &Parsed, session: Style) -> Result<Style, Failure> {
    let format = match parsed.flags.given("write-out") {
        None => session.format,
        Some(name) => Format::of_language(name).ok_or_else(|| {
            let accepted = "accepted are simple, json, jsonl, fields, table and protobuf";
            Failure::new(exit::BAD_FEATURE, format!("unsupported output format {name}; {accepted}"))
        })?,
    };
    let hex = if parsed.flags.is_given("hex") {
        parsed.flags.switch(parsed.target, "hex")
    } else {
        session.hex
    };
    Ok(Style { format, hex })
}

/// The client for a line: the session's, unless its flags ask for other servers, times or users.
pub(super) async fn client(parsed: &Parsed, session: &Client) -> Result<Client, Failure> {
    let mut config = session.config().clone();
    let given = |name: &str| parsed.flags.given(name);
    let time = |name: &str| given(name).map(|text| parse_duration(text).unwrap_or_default());
    let mut changed = false;
    if let Some(list) = given("endpoints") {
        config.endpoints = Endpoint::parse_list(list)
            .map_err(|error| Failure::new(exit::BAD_ARGS, error.to_string()))?;
        config.cluster = OneCluster::default();
        changed = true;
    }
    for (name, slot) in times(&mut config) {
        if let Some(time) = time(name) {
            *slot = time;
            changed = true;
        }
    }
    if let Some(time) = time("command-timeout") {
        config.command_timeout = Some(time);
        changed = true;
    }
    if given("discovery-srv").is_some_and(|value| !value.is_empty()) {
        let words = "--discovery-srv: discovery by SRV records is not supported yet";
        return Err(Failure::new(exit::BAD_ARGS, words));
    }
    if given("profile").is_some_and(|value| !value.is_empty()) {
        let words = "--profile: a line has none of its own; \\profile NAME turns to one";
        return Err(Failure::new(exit::BAD_ARGS, words));
    }
    let tls = tls(parsed, &config.tls);
    if tls != config.tls {
        tls.check().map_err(|error| Failure::new(exit::BAD_ARGS, error.to_string()))?;
        config.tls = tls;
        changed = true;
    }
    let refused = |error: ClientError| Failure::new(exit::ERROR, words_of(&error));
    if let Some(token) = given("auth-jwt-token").filter(|token| !token.is_empty()) {
        let token = Some(Token::parse(token).ok_or_else(no_token)?);
        // Waiting makes no other token of it: who is refused is told at once.
        config = ClientConfig { token, login: None, wait_for_connection: false, ..config };
        return Client::new(config).map_err(refused);
    }
    let user = given("user").unwrap_or_default();
    if !changed && user.is_empty() {
        return Ok(session.clone());
    }
    if user.is_empty() {
        return session.with_config(config).map_err(refused);
    }
    let (name, password) = match user.split_once(':') {
        Some(pair) => pair,
        None => (user, given("password").unwrap_or_default()),
    };
    // A login of its own: the session's others keep theirs.
    let login = Credentials { name: name.to_owned(), password: password.to_owned() };
    let client =
        Client::new(ClientConfig { login: Some(login), token: None, ..config }).map_err(refused)?;
    // Whether the login works is a part of what the doctor looks at.
    if parsed.target != Target::Command(&DOCTOR) {
        client.log_in().await.map_err(refused)?;
    }
    Ok(client)
}

/// What is said of a token that no header may have.
#[must_use]
pub fn no_token() -> Failure {
    Failure::new(exit::BAD_ARGS, "--auth-jwt-token: it is no token: letters, digits, - _ and . are")
}

fn times(config: &mut ClientConfig) -> [(&'static str, &mut Duration); 3] {
    [
        ("dial-timeout", &mut config.dial_timeout),
        ("keepalive-time", &mut config.keepalive_time),
        ("keepalive-timeout", &mut config.keepalive_timeout),
    ]
}

/// How a line speaks TLS: as the session does, but for what it says itself.
fn tls(parsed: &Parsed, session: &Tls) -> Tls {
    let switch =
        |name: &str| parsed.flags.is_given(name).then(|| parsed.flags.switch(parsed.target, name));
    let file = |name: &str, kept: &Option<PathBuf>| match parsed.flags.given(name) {
        None => kept.clone(),
        Some(file) => Some(PathBuf::from(file)).filter(|file| !file.as_os_str().is_empty()),
    };
    Tls {
        cacert: file("cacert", &session.cacert),
        cert: file("cert", &session.cert),
        key: file("key", &session.key),
        skip_verify: switch("insecure-skip-tls-verify").unwrap_or(session.skip_verify),
        always: switch("insecure-transport").map_or(session.always, |plain| !plain),
    }
}
