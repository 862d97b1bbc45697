//! Flags, variables and files, merged into what was found of each setting.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use mini_etcd_shared::text::parse_duration;

use super::build::build;
use super::error::{ConfigError, SettingSource};
use super::flags::{self, Arguments, Effect, Flag, Kind, Program};
use super::{Config, yaml};

/// Variables that name a file.
const CONFIG_VARIABLE: &str = "MINI_ETCD_CONFIG";
const ETCD_CONFIG_VARIABLE: &str = "ETCD_CONFIG_FILE";

/// Variables that are no settings of etcd either: its own images set the second one, and the third allows it to run on ARM.
const PASSED_OVER: [&str; 3] = [ETCD_CONFIG_VARIABLE, "ETCD_VERSION", "ETCD_UNSUPPORTED_ARCH"];

/// What is set before the others.
const BEFORE_OTHERS: [&str; 3] = ["config", "config-file", "stop-with-stdin"];

pub(super) type Found = BTreeMap<&'static str, (String, SettingSource)>;

/// What was found, and what the log is to say of it.
#[derive(Default)]
pub(super) struct Layers {
    pub found: Found,
    pub warnings: Vec<String>,
    /// Everything comes from a file of etcd.
    pub is_etcd_file: bool,
}

/// Every setting.
pub(super) fn settings() -> impl Iterator<Item = &'static Flag> {
    flags::all().filter(|flag| !BEFORE_OTHERS.contains(&flag.name))
}

/// The setting of this name.
pub(super) fn setting(name: &str) -> Option<&'static Flag> {
    settings().find(|flag| flag.name == name)
}

/// Names for who used one that does not exist: of the settings that have an effect.
fn accepted(shown: impl Fn(&Flag) -> String) -> String {
    let all = settings().filter(|flag| matches!(flag.effect, Effect::Applied));
    all.map(shown).collect::<Vec<_>>().join(", ")
}

/// See [`Config::load`].
pub(super) fn load(
    args: impl IntoIterator<Item = OsString>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Config, ConfigError> {
    let arguments = flags::parse(args)?;
    let text = |(name, value): (OsString, OsString)| {
        let name = name.into_string().ok()?;
        Some((name, value.to_string_lossy().into_owned()))
    };
    let variables: Vec<_> = variables.into_iter().filter_map(text).collect();
    let typed = |name| flags::find(name).and_then(|flag| arguments.get(flag)).cloned();
    let from = |name: &str| {
        let set = variables.iter().find(|(set, value)| set == name && !value.is_empty());
        set.map(|(_, path)| path.clone())
    };
    let mut layers = Layers::default();
    let (own, of_etcd) = (typed("config"), typed("config-file"));
    if own.is_some() && of_etcd.is_some() {
        let (place, other) = (SettingSource::Flag("config"), SettingSource::Flag("config-file"));
        return Err(ConfigError::Twice { place, other });
    }
    let set = from(ETCD_CONFIG_VARIABLE);
    if own.is_some() && set.is_some() {
        let says = format!("variable {ETCD_CONFIG_VARIABLE} has no effect: there is --config");
        layers.warnings.push(says);
    }
    if let Some(path) = of_etcd.or_else(|| set.filter(|_| own.is_none())) {
        layers.only_etcd_file(Path::new(&path), &arguments, &variables)?;
    } else {
        layers.flags(&arguments);
        layers.variables(&variables)?;
        if let Some(path) = own.or_else(|| from(CONFIG_VARIABLE)) {
            layers.own_file(Path::new(&path))?;
        }
    }
    layers.settle()?;
    build(layers, typed("stop-with-stdin").is_some())
}

impl Layers {
    fn flags(&mut self, arguments: &Arguments) {
        for flag in settings() {
            if let Some(value) = arguments.get(flag) {
                self.found.insert(flag.name, (value.clone(), SettingSource::Flag(flag.name)));
            }
        }
    }

    /// Ours before those of etcd, in whatever order they come.
    fn variables(&mut self, variables: &[(String, String)]) -> Result<(), ConfigError> {
        for (name, value) in variables {
            if !name.starts_with("MINI_ETCD_") || name == CONFIG_VARIABLE {
                continue;
            }
            let place = SettingSource::Variable(name.clone());
            let Some(flag) = settings().find(|flag| flag.own_variable() == *name) else {
                if is_of_a_service(name) {
                    continue;
                }
                let accepted = format!("{}, {CONFIG_VARIABLE}", accepted(Flag::own_variable));
                return Err(ConfigError::Unknown { place, accepted });
            };
            self.found.entry(flag.name).or_insert_with(|| (value.clone(), place));
        }
        for (name, value) in variables {
            let is_passed_over = PASSED_OVER.contains(&name.as_str());
            if !name.starts_with("ETCD_") || is_passed_over {
                continue;
            }
            let known = settings().find(|flag| flag.etcd_variable().as_ref() == Some(name));
            let Some(flag) = known.filter(|_| !value.is_empty()) else {
                let what = if value.is_empty() { "is empty" } else { "is not known" };
                self.warnings.push(format!("variable {name} {what} and has no effect"));
                continue;
            };
            let place = SettingSource::Variable(name.clone());
            match self.found.get(flag.name) {
                None => {
                    self.found.insert(flag.name, (value.clone(), place));
                }
                // etcd refuses that too, equal values or not.
                Some((_, other @ SettingSource::Flag(_))) => {
                    return Err(ConfigError::Twice { place, other: other.clone() });
                }
                Some((_, other)) => {
                    self.warnings.push(format!("{place} has no effect: there is {other}"));
                }
            }
        }
        Ok(())
    }

    /// Our own file, in TOML.
    fn own_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let refuse = |problem: String| ConfigError::File { path: path.to_owned(), problem };
        let text = std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
        let table: toml::Table =
            text.parse().map_err(|error: toml::de::Error| refuse(error.to_string()))?;
        for (key, value) in table {
            let place = SettingSource::File(path.to_owned(), key.clone());
            let Some(flag) = setting(&key) else {
                let accepted = accepted(|flag| flag.name.to_owned());
                return Err(ConfigError::Unknown { place, accepted });
            };
            let value = text_of(&value).ok_or_else(|| ConfigError::Value {
                place: place.clone(),
                value: value.to_string(),
                accepted: "text, a number, true or false, or a list of texts".to_owned(),
            })?;
            self.found.entry(flag.name).or_insert((value, place));
        }
        Ok(())
    }

    /// etcd's file, beside which nothing else counts.
    fn only_etcd_file(
        &mut self,
        path: &Path,
        arguments: &Arguments,
        variables: &[(String, String)],
    ) -> Result<(), ConfigError> {
        self.is_etcd_file = true;
        self.found = yaml::read(path)?;
        let typed = settings().find(|flag| arguments.get(flag).is_some());
        let set = variables.iter().find(|(name, _)| {
            let is = |flag: &Flag| {
                flag.own_variable() == *name || flag.etcd_variable().as_ref() == Some(name)
            };
            settings().any(is)
        });
        let ignored = typed.map(|flag| format!("--{}", flag.name));
        if let Some(ignored) = ignored.or_else(|| set.map(|(name, _)| name.clone())) {
            let path = path.display();
            self.warnings.push(format!(
                "{path} is the whole configuration: {ignored} and all other flags and variables have no effect"
            ));
        }
        Ok(())
    }

    /// Leaves what has an effect, by its one name.
    fn settle(&mut self) -> Result<(), ConfigError> {
        for (name, (value, place)) in std::mem::take(&mut self.found) {
            let Some(flag) = setting(name) else { continue };
            let value = typed(flag, &value, &place)?;
            if value.is_empty() && is_nothing(flag, &place) {
                continue;
            }
            let target = match flag.effect {
                Effect::AliasOf(other) => setting(other).unwrap_or(flag),
                _ => flag,
            };
            let is_one_of =
                |fits: &[&str]| fits.iter().any(|fit| is_same(target.kind, fit, &value));
            match target.effect {
                Effect::Ignored(fits, why) => {
                    if !fits.is_empty() && !is_one_of(fits) {
                        self.warnings.push(format!("{place} has no effect: {why}"));
                    }
                }
                Effect::Refused(fits, why) if !is_one_of(fits) => {
                    return Err(ConfigError::Refused { place, value, why });
                }
                Effect::Refused(..) => {}
                Effect::Applied | Effect::AliasOf(_) => {
                    if let Some((_, other)) = self.found.get(target.name) {
                        return Err(ConfigError::Twice { place, other: other.clone() });
                    }
                    self.found.insert(target.name, (value, place));
                }
            }
        }
        Ok(())
    }
}

/// Whether Kubernetes may have set a variable for a service that is called `mini-etcd`: every container of its namespace
/// gets those.
fn is_of_a_service(name: &str) -> bool {
    let is_port = |rest: &str| {
        let (number, more) = rest.split_once('_').unwrap_or((rest, ""));
        number.parse::<u16>().is_ok()
            && ["TCP", "UDP", "SCTP"].iter().any(|protocol| more.starts_with(protocol))
    };
    let Some(rest) = name.strip_prefix("MINI_ETCD_") else { return false };
    ["PORT", "SERVICE_HOST", "SERVICE_PORT"].contains(&rest)
        || rest.starts_with("SERVICE_PORT_")
        || rest.strip_prefix("PORT_").is_some_and(is_port)
}

/// Whether an empty text is the same as none, as in etcd. A file that was typed and is empty is a variable of a script
/// that was not set.
fn is_nothing(flag: &Flag, place: &SettingSource) -> bool {
    let is_typed_file = flag.name.ends_with("-file") && matches!(place, SettingSource::Flag(_));
    flag.program != Program::Ours && !is_typed_file
}

/// The value, if it is of the flag's kind.
fn typed(flag: &Flag, value: &str, place: &SettingSource) -> Result<String, ConfigError> {
    match flag.kind {
        Kind::Bool => checked(value, place, "true or false", |text| {
            go_bool(text).map(|truth| truth.to_string())
        }),
        Kind::Number => checked(value, place, "a whole number", |text| {
            text.parse::<i64>().ok().map(|number| number.to_string())
        }),
        Kind::Duration => checked(value, place, "a duration such as 5s or 1m30s", |text| {
            parse_duration(text).ok().map(|_| text.to_owned())
        }),
        Kind::Text(_) => Ok(value.to_owned()),
    }
}

fn is_same(kind: Kind, one: &str, other: &str) -> bool {
    let durations = || (parse_duration(one).ok(), parse_duration(other).ok());
    one == other || kind == Kind::Duration && matches!(durations(), (Some(a), Some(b)) if a == b)
}

/// Reads a truth as Go does.
pub(super) fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Text of a TOML value: text itself, or a list of texts joined by commas.
fn text_of(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(truth) => Some(truth.to_string()),
        toml::Value::Array(items) => {
            let items: Option<Vec<_>> = items.iter().map(toml::Value::as_str).collect();
            Some(items?.join(","))
        }
        _ => None,
    }
}

pub(super) fn checked<T>(
    text: &str,
    place: &SettingSource,
    accepted: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, ConfigError> {
    parse(text).ok_or_else(|| ConfigError::Value {
        place: place.clone(),
        value: text.to_owned(),
        accepted: accepted.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], u8, &'a str, &'a str);

    fn load_from(args: &[&str], variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let args = args.iter().map(OsString::from);
        load(args, variables.iter().map(|(name, value)| (name.into(), value.into())))
    }

    #[test]
    fn flag_beats_variable_beats_file_beats_default() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "name = 'f'\nlisten = ':3'\ndata = 'd'").unwrap();
        let path = file.path().to_str().unwrap();
        let variables =
            [("MINI_ETCD_NAME", "v"), ("MINI_ETCD_LISTEN", ":2"), ("MINI_ETCD_CONFIG", path)];
        let config = load_from(&["--name=c"], &variables).unwrap();
        assert_eq!(config.name, "c");
        assert_eq!(config.listeners[0].at.to_string(), ":2");
        assert_eq!(config.data, Path::new("d"));
        assert_eq!(config.log_level, "info");
    }

    #[test]
    fn without_settings_a_member_is_etcd_s_default_one() {
        let config = load_from(&[], &[("ETCDCTL_API", "3"), ("HOME", "/")]).unwrap();
        assert_eq!(config.listeners[0].at.to_string(), "127.0.0.1:2379");
        assert_eq!(config.data, Path::new("data/default"));
        assert_eq!(config.cluster.me().to_string(), "8e9e05c52164694d");
    }

    #[test]
    fn refusals_name_the_place_and_what_is_accepted() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "listne = ':3'").unwrap();
        let in_file = format!("--config={}", file.path().display());
        let cases: [Case<'_>; 12] = [
            (&["--listen=x"], &[], 2, "--listen: \"x\"", "HOST:PORT"),
            (&["--listne=x"], &[], 2, "--listne", "--listen"),
            (&[], &[("MINI_ETCD_LISTEN", "y")], 1, "variable MINI_ETCD_LISTEN: \"y\"", "HOST:PORT"),
            (&[], &[("MINI_ETCD_LISTNE", "y")], 1, "variable MINI_ETCD_LISTNE", "MINI_ETCD_LISTEN"),
            (&[&in_file], &[], 1, "listne is not a setting", "listen-peer"),
            (&["--config=/nonexistent"], &[], 1, "/nonexistent", "No such file"),
            (&["--snapshot-count=-1"], &[], 2, "--snapshot-count: \"-1\"", "never"),
            (&["--advertise=n1:2379"], &[], 2, "--advertise", "http://HOST:PORT"),
            (&["--quota-backend-bytes=2G"], &[], 2, "--quota-backend-bytes", "0 for 2 GiB"),
            (&["--cors=a.example"], &[], 2, "--cors: \"a.example\"", "https://example.com"),
            (&["--auto-compaction-mode=x"], &[], 2, "--auto-compaction-mode", "or revision"),
            (
                &["--auto-compaction-mode=revision", "--auto-compaction-retention=5m"],
                &[],
                2,
                "--auto-compaction-retention: \"5m\"",
                "a number of revisions",
            ),
        ];
        for (args, variables, code, place, accepted) in cases {
            let error = load_from(args, variables).unwrap_err();
            let text = error.to_string();
            assert_eq!(error.exit_code(), code, "{text}");
            assert!(text.contains(place) && text.contains(accepted), "{text}");
        }
    }

    #[test]
    fn variables_of_a_service_of_kubernetes_are_no_settings() {
        let service = [
            ("MINI_ETCD_SERVICE_HOST", "10.96.0.7"),
            ("MINI_ETCD_SERVICE_PORT", "2379"),
            ("MINI_ETCD_SERVICE_PORT_CLIENT", "2379"),
            ("MINI_ETCD_PORT", "tcp://10.96.0.7:2379"),
            ("MINI_ETCD_PORT_2379_TCP", "tcp://10.96.0.7:2379"),
            ("MINI_ETCD_PORT_2379_TCP_ADDR", "10.96.0.7"),
        ];
        assert!(load_from(&[], &service).unwrap().warnings.is_empty());
        for name in ["MINI_ETCD_PORT_2379", "MINI_ETCD_PORTS", "MINI_ETCD_PORT_A_TCP"] {
            assert!(load_from(&[], &[(name, "1")]).is_err(), "{name}");
        }
    }

    #[test]
    fn a_port_that_the_peers_do_not_look_at_is_told_and_no_more() {
        let peers = "--peers=n1=localhost:1,n2=localhost:2";
        for (args, is_told) in [
            (&["--listen=:1"][..], false),
            (&["--listen=:3"], true),
            (&["--listen=:0"], false),
            (&["--listen=:3", "--listen-peer=:1"], false),
            (&["--listen=:1", "--listen-peer=:3"], true),
            // The port is said by what reaches it from outside.
            (&["--listen=:3", "--advertise-peer=n1:1", "--initial-cluster-state=existing"], false),
            (&["--listen-peer-urls=http://127.0.0.1:3"], false),
        ] {
            let config = load_from(&[&["--name=n1", peers], args].concat(), &[]).unwrap();
            let said = config.warnings.join("; ");
            assert_eq!(said.contains("port 3"), is_told, "{args:?}: {said}");
            assert!(!is_told || said.contains("n1 at localhost:1, by --peers"), "{said}");
        }
    }

    #[test]
    fn help_is_no_failure() {
        assert_eq!(load_from(&["--help"], &[]).unwrap_err().exit_code(), 0);
    }

    #[test]
    fn a_list_in_the_file_is_joined() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "peers = ['a:1', 'b:2']\nname = 'b'").unwrap();
        let config = load_from(&[&format!("--config={}", file.path().display())], &[]).unwrap();
        assert_eq!(config.cluster.peers().count(), 1);
    }
}
