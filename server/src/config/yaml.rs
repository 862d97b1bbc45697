//! etcd's file: its keys are etcd's flags, those of TLS and of sockets in sections, and durations are numbers of
//! nanoseconds.

use std::path::Path;

use serde_yaml_ng::{Mapping, Value};

use super::error::{ConfigError, SettingSource};
use super::flags::{Effect, Flag, Kind, Program};
use super::layers::{Found, setting, settings};

/// The sections, with what the names of their flags begin with where clients and peers differ.
const SECTIONS: [(&str, &str, &str); 3] = [
    ("client-transport-security", "", "client-"),
    ("peer-transport-security", "peer-", "peer-"),
    ("socket-options", "socket-", "socket-"),
];

/// The section of which nothing but none is taken.
const DISCOVERY: &str = "discovery-config";

/// Keys of a section: the flag of a peer is `peer-` and this.
const KEYS: [&str; 10] = [
    "cert-file",
    "key-file",
    "client-cert-file",
    "client-key-file",
    "client-cert-auth",
    "trusted-ca-file",
    "auto-tls",
    "skip-client-san-verification",
    "reuse-address",
    "reuse-port",
];

/// Keys of a section whose flags begin with `client-` or `peer-` and this.
const NAME_KEYS: [(&str, &str); 3] = [
    ("allowed-cn", "cert-allowed-cn"),
    ("allowed-hostname", "cert-allowed-hostname"),
    ("crl-file", "crl-file"),
];

/// A key that is not called as its flag is.
const OTHER_KEY: (&str, &str) =
    ("experimental-snapshot-catch-up-entries", "experimental-snapshot-catchup-entries");

/// Everything that the file at `path` sets.
///
/// # Errors
/// It cannot be read, is no YAML, or has a key or a value that is none.
pub(super) fn read(path: &Path) -> Result<Found, ConfigError> {
    let refuse = |problem: String| ConfigError::File { path: path.to_owned(), problem };
    let text = std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
    let file: Option<Mapping> =
        serde_yaml_ng::from_str(&text).map_err(|error| refuse(error.to_string()))?;
    let mut found = Found::new();
    for (key, value) in file.unwrap_or_default() {
        let key = key_text(path, &key)?;
        let section = SECTIONS.into_iter().find(|(name, ..)| *name == key);
        let Some(section) = section else {
            if key == DISCOVERY {
                let is_none = mapping(&value).is_some_and(|inner| inner.is_empty());
                let value = if is_none { Value::Null } else { shown(&value).into() };
                set(&mut found, path, key, setting("discovery-endpoints"), &value)?;
                continue;
            }
            let name = if key == OTHER_KEY.0 { OTHER_KEY.1 } else { &key };
            let flag = setting(name).filter(|flag| flag.program != Program::Ours);
            set(&mut found, path, key, flag, &value)?;
            continue;
        };
        let Some(inner) = mapping(&value) else {
            let place = SettingSource::File(path.to_owned(), key);
            let accepted = format!("the keys {}", section_keys(section.0).join(", "));
            return Err(ConfigError::Value { place, value: shown(&value), accepted });
        };
        for (inner, value) in inner {
            let inner = key_text(path, &inner)?;
            let flag = in_section(section, &inner);
            set(&mut found, path, format!("{key}.{inner}"), flag, &value)?;
        }
    }
    Ok(found)
}

/// The flag of a key of a section.
fn in_section((_, plain, named): (&str, &str, &str), key: &str) -> Option<&'static Flag> {
    let long = NAME_KEYS.into_iter().find(|(short, _)| *short == key);
    match long {
        Some((_, long)) => setting(&format!("{named}{long}")),
        // Clients that the server is to itself have no prefix twice.
        None if KEYS.contains(&key) => setting(&format!("{plain}{key}")),
        None => None,
    }
}

/// Keys outside of the sections, of the settings that have an effect.
fn names() -> String {
    let names = settings()
        .filter(|flag| flag.program != Program::Ours && matches!(flag.effect, Effect::Applied));
    names.map(|flag| flag.name).collect::<Vec<_>>().join(", ")
}

fn section_keys(name: &str) -> Vec<&'static str> {
    let section = SECTIONS.into_iter().find(|section| section.0 == name);
    let is_there = |key: &&str| section.is_some_and(|section| in_section(section, key).is_some());
    KEYS.into_iter().chain(NAME_KEYS.map(|(short, _)| short)).filter(is_there).collect()
}

/// A section; one without keys is empty.
fn mapping(value: &Value) -> Option<Mapping> {
    match value {
        Value::Mapping(mapping) => Some(mapping.clone()),
        Value::Null => Some(Mapping::new()),
        _ => None,
    }
}

fn key_text(path: &Path, key: &Value) -> Result<String, ConfigError> {
    let text = key.as_str().map(str::to_owned);
    text.ok_or_else(|| {
        let place = SettingSource::File(path.to_owned(), shown(key));
        ConfigError::Unknown { place, accepted: names() }
    })
}

/// Takes one value in; null is none.
fn set(
    found: &mut Found,
    path: &Path,
    key: String,
    flag: Option<&'static Flag>,
    value: &Value,
) -> Result<(), ConfigError> {
    let Some(flag) = flag else {
        let accepted = match key.split_once('.') {
            Some((section, _)) => section_keys(section).join(", "),
            None => format!("{}, {}", names(), SECTIONS.map(|(name, ..)| name).join(", ")),
        };
        return Err(ConfigError::Unknown {
            place: SettingSource::File(path.to_owned(), key),
            accepted,
        });
    };
    let place = SettingSource::File(path.to_owned(), key);
    if value.is_null() {
        return Ok(());
    }
    let (text, accepted) = match flag.kind {
        Kind::Bool => (truth(value).map(|truth| truth.to_string()), "true or false"),
        Kind::Number => (value.as_i64().map(|number| number.to_string()), "a whole number"),
        Kind::Duration => {
            (duration(value), "a whole number of nanoseconds, or a duration such as \"5s\"")
        }
        Kind::Text(_) => (text(value), "text, a number, or a list of texts"),
    };
    let text = text.ok_or_else(|| ConfigError::Value {
        place: place.clone(),
        value: shown(value),
        accepted: accepted.to_owned(),
    })?;
    if let Some((_, other)) = found.get(flag.name) {
        return Err(ConfigError::Twice { place, other: other.clone() });
    }
    found.insert(flag.name, (text, place));
    Ok(())
}

/// Truths of YAML 1.1, which etcd reads.
fn truth(value: &Value) -> Option<bool> {
    match value.as_str() {
        Some("yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y") => Some(true),
        Some("no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N") => Some(false),
        _ => value.as_bool(),
    }
}

fn duration(value: &Value) -> Option<String> {
    let nanoseconds = || value.as_u64().map(|number| format!("{number}ns"));
    value.as_str().map(str::to_owned).or_else(nanoseconds)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Sequence(items) => {
            let items: Option<Vec<_>> = items.iter().map(Value::as_str).collect();
            Some(items?.join(","))
        }
        _ => None,
    }
}

/// A value as an error shows it.
fn shown(value: &Value) -> String {
    serde_yaml_ng::to_string(value).unwrap_or_default().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn read_text(text: &str) -> Result<Found, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        read(file.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn keys_are_flags_and_sections_those_of_tls() {
        let text = "name: n\ndata-dir:\nsnapshot-count: 7\nlog-outputs: [stderr]\nenable-pprof: yes
watch-progress-notify-interval: 5000000000
client-transport-security:\n  cert-file: c\n  client-cert-auth: true\n  allowed-hostname: h
peer-transport-security:\n  cert-file: p\n  client-cert-auth: true\n  allowed-cn: x
socket-options:\n  reuse-port: false\n  reuse-address: true
experimental-snapshot-catch-up-entries: 5\ndiscovery-config:\n";
        let found = read_text(text).unwrap();
        let values: Vec<_> =
            found.iter().map(|(name, (value, _))| (*name, value.as_str())).collect();
        let wanted = [
            ("cert-file", "c"),
            ("client-cert-allowed-hostname", "h"),
            ("client-cert-auth", "true"),
            ("enable-pprof", "true"),
            ("experimental-snapshot-catchup-entries", "5"),
            ("log-outputs", "stderr"),
            ("name", "n"),
            ("peer-cert-allowed-cn", "x"),
            ("peer-cert-file", "p"),
            ("peer-client-cert-auth", "true"),
            ("snapshot-count", "7"),
            ("socket-reuse-address", "true"),
            ("socket-reuse-port", "false"),
            ("watch-progress-notify-interval", "5000000000ns"),
        ];
        assert_eq!(values, wanted);
        assert!(
            read_text("").unwrap().is_empty() && read_text("client-transport-security:").is_ok()
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_accepted() {
        for (text, place, accepted) in [
            ("nmae: n", ": nmae is not a setting", "name, data-dir"),
            ("data: d", ": data is not a setting", "data-dir"),
            (
                "client-transport-security:\n  cert: c",
                "client-transport-security.cert is",
                "cert-file",
            ),
            ("client-transport-security: 5", "client-transport-security", "cert-file"),
            (
                "client-transport-security:\n  reuse-port: true",
                "client-transport-security.reuse-port is",
                "cert-file",
            ),
            (
                "socket-options:\n  cert-file: c",
                "socket-options.cert-file is",
                "reuse-address, reuse-port",
            ),
            ("pre-vote: maybe", "pre-vote: \"maybe\"", "true or false"),
            ("heartbeat-interval: 100ms", "heartbeat-interval", "a whole number"),
            ("name: {a: b}", "name", "text"),
            ("5: x", "5 is not a setting", "name"),
            ("name: a\nname: b", "duplicate", "\"name\""),
            ("name: [a", "line 1", "expected"),
        ] {
            let error = read_text(text).unwrap_err();
            assert!(error.contains(place) && error.contains(accepted), "{text}: {error}");
        }
    }
}
