//! Flags, variables and file, merged into a [`Config`].

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::{CommandFactory, FromArgMatches, Parser};

use crate::limits;

use super::auth_token;
use super::auto_compaction::Mode;
use super::tls::{self, TlsFlags};
use super::{
    AutoCompaction, Cluster, Config, DEFAULT_LISTEN, DEFAULT_LOG_LEVEL, DEFAULT_NAME, Join, Listen,
    Origins, Peer, PeerAddress, PeersError, Quota,
};

/// The command line as it is typed.
#[derive(Debug, Parser)]
#[command(name = "mini-etcd", version, about = ABOUT, after_help = AFTER_HELP)]
struct Flags {
    /// Name of this member [default: default]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Directory of its data [default: data/NAME]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Where clients and peers connect, HOST:PORT or :PORT for every interface [default: 127.0.0.1:2379]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Where peers connect, if not at --listen
    #[arg(long, value_name = "ADDRESS")]
    listen_peer: Option<String>,
    /// Where metrics and health are served in addition
    #[arg(long, value_name = "ADDRESS")]
    listen_metrics: Option<String>,
    /// Client URL told to others [default: own entry of --peers, else the address of --listen]
    #[arg(long, value_name = "URL")]
    advertise: Option<String>,
    /// All members, this one too: name:port or name=host:port, separated by commas
    #[arg(long, value_name = "PEERS")]
    peers: Option<String>,
    /// Member of a running cluster to ask for this one's place in it, which member add made; several by commas
    #[arg(long, value_name = "ADDRESS")]
    join: Option<String>,
    /// Where peers reach this member, HOST:PORT [default with --join: the added member with the port of --listen-peer]
    #[arg(long, value_name = "ADDRESS")]
    advertise_peer: Option<String>,
    /// new, or existing to join the cluster that the others of --peers are in [default: new]
    #[arg(long, value_name = "STATE")]
    initial_cluster_state: Option<String>,
    /// The quorum is lost for good: go on alone with the data of this member, and remove all others
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    force_new_cluster: Option<String>,
    /// Entries that can go after which the Raft log is cut, or "never"; the newest 5000 stay [default: 10000]
    #[arg(long, value_name = "ENTRIES")]
    snapshot_count: Option<String>,
    /// How history is counted that the cluster gives up by itself: by time (periodic) or revision [default: periodic]
    #[arg(long, value_name = "MODE")]
    auto_compaction_mode: Option<String>,
    /// What stays of it: hours or a duration such as 30m, with revision a number of revisions; 0 for all [default: 0]
    #[arg(long, value_name = "RETENTION")]
    auto_compaction_retention: Option<String>,
    /// Bytes of keys and values, history included, beyond which writes are refused; negative for any [default: 2 GiB]
    #[arg(long, value_name = "BYTES", allow_negative_numbers = true)]
    quota_backend_bytes: Option<String>,
    /// What a login gives out: simple, or jwt,sign-method=METHOD,pub-key=FILE,priv-key=FILE,ttl=DURATION [default: simple]
    #[arg(long, value_name = "KIND")]
    auth_token: Option<String>,
    /// Seconds that a simple token lives after its last use [default: 300]
    #[arg(long, value_name = "SECONDS")]
    auth_token_ttl: Option<String>,
    /// What it costs to hash a password, 4 to 31; one more doubles it [default: 10]
    #[arg(long, value_name = "COST")]
    bcrypt_cost: Option<String>,
    /// Origins whose pages a browser lets call this member, separated by commas; * for all [default: *]
    #[arg(long, value_name = "ORIGINS")]
    cors: Option<String>,
    /// What to log: error, warn, info, debug, trace, or a tracing filter [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Settings in TOML, by the names of these options
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
    /// End when standard input ends.
    #[arg(long, hide = true)]
    stop_with_stdin: bool,
    #[command(flatten)]
    tls: TlsFlags,
}

const ABOUT: &str =
    "One member of a mini-etcd cluster: a replicated key-value store that speaks the etcd v3 API.";

const AFTER_HELP: &str = "\
Every option has a variable MINI_ETCD_... (MINI_ETCD_LISTEN_PEER) and a line in the file of --config
(listen-peer = \"...\"). The command line wins over the environment, the environment over the file.
Exit codes: 0 stopped; 1 start or configuration; 2 usage; 70 disk error; 71 acknowledged log missing;
72 damaged data; 73 removed from the cluster; 74 state differs from the cluster.";

/// Settings that flags, variables and the file share (I1), beside those of TLS.
const SETTINGS: [&str; 20] = [
    "name",
    "data",
    "listen",
    "listen-peer",
    "listen-metrics",
    "advertise",
    "peers",
    "join",
    "advertise-peer",
    "initial-cluster-state",
    "force-new-cluster",
    "snapshot-count",
    "auto-compaction-mode",
    "auto-compaction-retention",
    "quota-backend-bytes",
    "auth-token",
    "auth-token-ttl",
    "bcrypt-cost",
    "cors",
    "log-level",
];

/// All of them.
fn settings() -> impl Iterator<Item = &'static str> {
    SETTINGS.into_iter().chain(tls::SETTINGS)
}

/// Start of every variable.
const PREFIX: &str = "MINI_ETCD_";

/// Variable that names the file.
const CONFIG_VARIABLE: &str = "MINI_ETCD_CONFIG";

/// Where a value was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingSource {
    /// A flag, by its name.
    Flag(&'static str),
    /// A variable of the environment.
    Variable(String),
    /// A key of the file.
    File(PathBuf, String),
    /// Nowhere: the default.
    Default(&'static str),
}

impl fmt::Display for SettingSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "--{name}"),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::File(path, key) => write!(f, "{}: {key}", path.display()),
            Self::Default(name) => write!(f, "default of --{name}"),
        }
    }
}

/// Why the settings are refused. All are for the person who starts the member.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The command line asks for help or does not parse; clap words it.
    #[error("{0}")]
    Usage(#[from] clap::Error),
    /// A value does not fit.
    #[error("{place}: {value:?} is not accepted: expected {accepted}")]
    Value { place: SettingSource, value: String, accepted: String },
    /// A list of peers that cannot be.
    #[error("{place}: {problem}")]
    Peers { place: SettingSource, problem: PeersError },
    /// A setting of TLS that does not fit the others.
    #[error("{place}: {problem}")]
    Tls { place: SettingSource, problem: String },
    /// A setting that does not exist.
    #[error("{place} is not a setting: expected one of {accepted}")]
    Unknown { place: SettingSource, accepted: String },
    /// The file cannot be read, or is no TOML.
    #[error("{path}: {problem}")]
    File {
        path: PathBuf,
        /// What is wrong, with its line.
        problem: String,
    },
}

impl ConfigError {
    /// Exit code: 2 when the command line is wrong, 1 when the environment or the file is; 0 after help.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(error) if !error.use_stderr() => 0,
            Self::Usage(_)
            | Self::Value { place: SettingSource::Flag(_), .. }
            | Self::Tls { place: SettingSource::Flag(_), .. }
            | Self::Peers { place: SettingSource::Flag(_) | SettingSource::Default(_), .. } => 2,
            _ => 1,
        }
    }
}

pub(super) type Found = BTreeMap<&'static str, (String, SettingSource)>;

/// See [`Config::load`].
pub(super) fn load(
    args: impl IntoIterator<Item = OsString>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Config, ConfigError> {
    let command = Flags::command().no_binary_name(true);
    let flags = Flags::from_arg_matches(&command.try_get_matches_from(args)?)?;
    let mut found = Found::new();
    let mut file = flags.config.clone();
    from_flags(&flags, &mut found);
    from_variables(variables, &mut found, &mut file)?;
    if let Some(path) = file {
        from_file(Path::new(&path), &mut found)?;
    }
    build(&found, flags.stop_with_stdin)
}

fn from_flags(flags: &Flags, found: &mut Found) {
    let values = [
        &flags.name,
        &flags.data,
        &flags.listen,
        &flags.listen_peer,
        &flags.listen_metrics,
        &flags.advertise,
        &flags.peers,
        &flags.join,
        &flags.advertise_peer,
        &flags.initial_cluster_state,
        &flags.force_new_cluster,
        &flags.snapshot_count,
        &flags.auto_compaction_mode,
        &flags.auto_compaction_retention,
        &flags.quota_backend_bytes,
        &flags.auth_token,
        &flags.auth_token_ttl,
        &flags.bcrypt_cost,
        &flags.cors,
        &flags.log_level,
    ];
    for (name, value) in settings().zip(values.into_iter().chain(flags.tls.values())) {
        if let Some(value) = value {
            found.insert(name, (value.clone(), SettingSource::Flag(name)));
        }
    }
}

fn from_variables(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    found: &mut Found,
    file: &mut Option<String>,
) -> Result<(), ConfigError> {
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        let value = value.to_string_lossy().into_owned();
        if name == CONFIG_VARIABLE {
            file.get_or_insert(value);
            continue;
        }
        let place = SettingSource::Variable(name.to_owned());
        let Some(setting) = settings().find(|setting| variable(setting) == name) else {
            let names: Vec<_> = settings().map(variable).collect();
            let accepted = format!("{}, {CONFIG_VARIABLE}", names.join(", "));
            return Err(ConfigError::Unknown { place, accepted });
        };
        found.entry(setting).or_insert((value, place));
    }
    Ok(())
}

/// Variable of a setting.
fn variable(setting: &str) -> String {
    format!("{PREFIX}{}", setting.replace('-', "_").to_ascii_uppercase())
}

fn from_file(path: &Path, found: &mut Found) -> Result<(), ConfigError> {
    let refuse = |problem: String| ConfigError::File { path: path.to_owned(), problem };
    let text = std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
    let table: toml::Table =
        text.parse().map_err(|error: toml::de::Error| refuse(error.to_string()))?;
    for (key, value) in table {
        let place = SettingSource::File(path.to_owned(), key.clone());
        let Some(setting) = settings().find(|setting| *setting == key) else {
            let accepted = settings().collect::<Vec<_>>().join(", ");
            return Err(ConfigError::Unknown { place, accepted });
        };
        let value = text_of(&value).ok_or_else(|| ConfigError::Value {
            place: place.clone(),
            value: value.to_string(),
            accepted: "text, a number, true or false, or a list of texts".to_owned(),
        })?;
        found.entry(setting).or_insert((value, place));
    }
    Ok(())
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

fn build(found: &Found, stop_with_stdin: bool) -> Result<Config, ConfigError> {
    let name = match found.get("name") {
        None => DEFAULT_NAME.to_owned(),
        Some((name, place)) => {
            checked(name, place, "a name without spaces, commas and =", |name| {
                let fits = !name.is_empty()
                    && !name.contains(|c: char| c.is_whitespace() || ",=/".contains(c));
                fits.then(|| name.to_owned())
            })?
        }
    };
    let data =
        found.get("data").map_or_else(|| Path::new("data").join(&name), |(dir, _)| dir.into());
    let listen = |setting| {
        let Some((text, place)) = found.get(setting) else { return Ok(None) };
        checked(text, place, Listen::ACCEPTED, Listen::parse).map(Some)
    };
    let default_listen = (DEFAULT_LISTEN.to_owned(), SettingSource::Default("listen"));
    let (text, place) = found.get("listen").unwrap_or(&default_listen);
    let cluster = match found.get("peers") {
        None => Cluster::alone(&name),
        Some((text, place)) => Cluster::parse(text, &name)
            .map_err(|problem| ConfigError::Peers { place: place.clone(), problem })?,
    };
    let advertise = match found.get("advertise") {
        None => None,
        Some((text, place)) => {
            Some(checked(text, place, "http://HOST:PORT or https://HOST:PORT", client_url)?)
        }
    };
    let snapshot_count = match found.get("snapshot-count") {
        None => Some(limits::SNAPSHOT_COUNT),
        Some((text, _)) if text == "never" => None,
        Some((text, place)) => {
            let accepted = "a number of entries, 1 at least, or never";
            Some(checked(text, place, accepted, |text| text.parse().ok().filter(|it| *it > 0))?)
        }
    };
    let log_level = match found.get("log-level") {
        None => DEFAULT_LOG_LEVEL.to_owned(),
        Some((text, place)) => {
            checked(text, place, "error, warn, info, debug, trace or a filter", |text| {
                text.parse::<tracing_subscriber::EnvFilter>().ok().map(|_| text.to_owned())
            })?
        }
    };
    let (clients, peers) =
        (checked(text, place, Listen::ACCEPTED, Listen::parse)?, listen("listen-peer")?);
    let peer_port = peers.as_ref().unwrap_or(&clients).port();
    Ok(Config {
        listen: clients,
        listen_peer: peers,
        listen_metrics: listen("listen-metrics")?,
        name,
        data,
        advertise,
        join: join(found, &cluster, peer_port)?,
        force_new_cluster: tls::is_true(found, "force-new-cluster")?,
        tls: tls::build(found, &cluster)?,
        cluster,
        snapshot_count,
        auto_compaction: auto_compaction(found)?,
        quota: quota(found)?,
        token: auth_token::token(found)?,
        token_ttl: auth_token::ttl(found)?,
        bcrypt_cost: auth_token::bcrypt_cost(found)?,
        origins: origins(found)?,
        log_level,
        stop_with_stdin,
    })
}

/// How this member joins a cluster, if it is to.
fn join(found: &Found, cluster: &Cluster, port: u16) -> Result<Option<Join>, ConfigError> {
    let accepted = "HOST:PORT or http://HOST:PORT";
    let existing = match found.get("initial-cluster-state") {
        None => None,
        Some((text, place)) => {
            let is_existing = checked(text, place, "new or existing", |text| match text {
                "new" => Some(false),
                "existing" => Some(true),
                _ => None,
            })?;
            is_existing.then_some((text, place))
        }
    };
    let me = match found.get("advertise-peer") {
        None => None,
        Some((text, place)) => Some(checked(text, place, accepted, PeerAddress::parse)?),
    };
    if let Some((text, place)) = found.get("join") {
        let all =
            |text: &str| text.split(',').map(|item| PeerAddress::parse(item.trim())).collect();
        let ask = checked(text, place, accepted, all)?;
        let me = me.or_else(|| Some(own_entry(cluster)?.address.clone()));
        return Ok(Some(Join { ask, me, port }));
    }
    let Some((text, place)) = existing else { return Ok(None) };
    let ask: Vec<_> = cluster.peers().map(|peer| peer.address.clone()).collect();
    let accepted = "new, or existing with the other members in --peers, or with --join";
    let me = me.or_else(|| Some(own_entry(cluster)?.address.clone()));
    let join = Join { ask, me, port };
    checked(text, place, accepted, |_| (!join.ask.is_empty()).then(|| Some(join.clone())))
}

/// What `--peers` says of this member, where it was given.
fn own_entry(cluster: &Cluster) -> Option<&Peer> {
    cluster.member(cluster.me()).filter(|_| !cluster.typed().is_empty())
}

fn quota(found: &Found) -> Result<Quota, ConfigError> {
    let Some((text, place)) = found.get("quota-backend-bytes") else { return Ok(Quota::DEFAULT) };
    checked(text, place, Quota::ACCEPTED, Quota::parse)
}

fn origins(found: &Found) -> Result<Origins, ConfigError> {
    let Some((text, place)) = found.get("cors") else { return Ok(Origins::Any) };
    checked(text, place, Origins::ACCEPTED, Origins::parse)
}

fn auto_compaction(found: &Found) -> Result<AutoCompaction, ConfigError> {
    let mode = match found.get("auto-compaction-mode") {
        None => Mode::Periodic,
        Some((text, place)) => checked(text, place, Mode::ACCEPTED, Mode::parse)?,
    };
    let Some((text, place)) = found.get("auto-compaction-retention") else {
        return Ok(AutoCompaction::Off);
    };
    checked(text, place, mode.accepted(), |text| AutoCompaction::parse(mode, text))
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

/// A client URL as `MemberList` shows it.
fn client_url(text: &str) -> Option<String> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let address = Listen::parse(rest?)?;
    (address.port() != 0 && !text.contains("//:")).then(|| text.to_owned())
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
        assert_eq!(config.listen.to_string(), ":2");
        assert_eq!(config.data, Path::new("d"));
        assert_eq!(config.log_level, "info");
    }

    #[test]
    fn without_settings_a_member_is_etcd_s_default_one() {
        let config = load_from(&[], &[("ETCD_NAME", "ignored"), ("HOME", "/")]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:2379");
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
            (&["--snapshot-count=0"], &[], 2, "--snapshot-count: \"0\"", "never"),
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
