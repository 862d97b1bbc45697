//! [`build`]: what was found of each setting, made into a [`Config`].

use std::path::Path;
use std::time::Duration;

use mini_etcd_shared::text::parse_duration;

use super::auto_compaction::Mode;
use super::error::{ConfigError, SettingSource};
use super::layers::{Found, Layers, checked};
use super::urls::{self, Urls};
use super::{
    AutoCompaction, Cluster, Config, DEFAULT_LISTEN, DEFAULT_LOG_LEVEL, DEFAULT_NAME, Join, Listen,
    Listener, LoggedRequests, Origins, Peer, PeerAddress, PortUse, Quota, RequestLogging, Serving,
    Timing,
};
use super::{auth_token, flags, tls};
use crate::limits;

/// Why times of Raft are not exactly what was said.
const TICKS: &str =
    "times are counted in ticks of 50 ms, and elections begin after 500 ms at the least";

/// A member as `layers` describes it.
pub(super) fn build(layers: Layers, stop_with_stdin: bool) -> Result<Config, ConfigError> {
    let is_etcd = layers.is_etcd_file || urls::are_there(&layers.found);
    let Layers { mut found, mut warnings, .. } = layers;
    for (ours, of_etcd) in urls::PAIRS {
        if let (Some((_, place)), Some((_, other))) = (found.get(ours), found.get(of_etcd)) {
            return Err(ConfigError::Twice { place: place.clone(), other: other.clone() });
        }
    }
    let name = name(&found)?;
    let typed = found.get("data").or(found.get("data-dir")).map(|(dir, _)| dir.into());
    let data = typed.unwrap_or_else(|| {
        if is_etcd { format!("{name}.etcd").into() } else { Path::new("data").join(&name) }
    });
    let Urls { listeners, advertise } =
        if is_etcd { urls::read(&mut found, &mut warnings)? } else { own(&found)? };
    let cluster = cluster(&found, &name)?;
    let is_existing = is_existing(&found)?;
    urls::compare(&found, &cluster, is_existing)?;
    let peers = listeners.iter().find(|listener| listener.of == PortUse::Peers);
    let here = peers.or(listeners.iter().find(|listener| listener.at.address().is_some()));
    let peer_port = here.and_then(|here| here.at.address()).map_or(0, Listen::port);
    warnings.extend((!is_etcd).then(|| elsewhere(&found, &cluster, peer_port)).flatten());
    if let Some((text, place)) = found.get("feature-gates") {
        warnings.extend(flags::gates(text).map_err(|accepted| ConfigError::Value {
            place: place.clone(),
            value: text.clone(),
            accepted,
        })?);
    }
    let timing = timing(&found, &mut warnings)?;
    let serving = serving(&found, &mut warnings)?;
    Ok(Config {
        tls: tls::build(&found, &cluster, peers.is_none(), &mut warnings)?,
        listeners,
        data,
        advertise,
        join: join(&found, &cluster, peer_port, (is_existing, is_etcd))?,
        force_new_cluster: tls::is_true(&found, "force-new-cluster")?,
        cluster,
        name,
        snapshot_count: snapshot_count(&found)?,
        auto_compaction: auto_compaction(&found)?,
        quota: quota(&found)?,
        token: auth_token::token(&found)?,
        token_ttl: auth_token::ttl(&found)?,
        bcrypt_cost: auth_token::bcrypt_cost(&found)?,
        origins: origins(&found)?,
        serving,
        timing,
        request_log: request_log(&found)?,
        log_level: log_level(&found)?,
        warnings,
        stop_with_stdin,
    })
}

fn name(found: &Found) -> Result<String, ConfigError> {
    let Some((name, place)) = found.get("name") else { return Ok(DEFAULT_NAME.to_owned()) };
    checked(name, place, "a name without spaces, commas and =", |name| {
        let fits =
            !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || ",=/".contains(c));
        fits.then(|| name.to_owned())
    })
}

/// Where a member listens that is started by our own flags.
fn own(found: &Found) -> Result<Urls, ConfigError> {
    let default_listen = (DEFAULT_LISTEN.to_owned(), SettingSource::Default("listen"));
    let (text, place) = found.get("listen").unwrap_or(&default_listen);
    let clients = checked(text, place, Listen::ACCEPTED, Listen::parse)?;
    let mut listeners = vec![Listener::new(clients, PortUse::Clients)];
    listeners.extend(urls::own(found, "listen-peer", PortUse::Peers)?);
    listeners.extend(urls::own(found, "listen-metrics", PortUse::Metrics)?);
    let advertise = urls::advertised(found, "advertise")?;
    Ok(Urls { listeners, advertise })
}

fn cluster(found: &Found, name: &str) -> Result<Cluster, ConfigError> {
    let own = urls::own_list(found, name);
    let listed = urls::initial_cluster(found)?.or(found.get("peers")).or(own.as_ref());
    let cluster = match listed {
        None => Cluster::alone(name),
        Some((text, place)) => Cluster::parse(text, name)
            .map_err(|problem| ConfigError::Peers { place: place.clone(), problem })?,
    };
    let token = found.get("initial-cluster-token");
    Ok(token.map_or_else(|| cluster.clone(), |(token, _)| cluster.with_token(token)))
}

fn snapshot_count(found: &Found) -> Result<Option<u64>, ConfigError> {
    match found.get("snapshot-count") {
        None => Ok(Some(limits::SNAPSHOT_COUNT)),
        Some((text, _)) if text == "never" => Ok(None),
        Some((text, place)) => {
            let accepted = "a number of entries, 0 for the default, or never";
            let count = checked(text, place, accepted, |text| text.parse().ok())?;
            Ok(Some(if count == 0 { limits::SNAPSHOT_COUNT } else { count }))
        }
    }
}

fn log_level(found: &Found) -> Result<String, ConfigError> {
    let Some((text, place)) = found.get("log-level") else {
        return Ok(DEFAULT_LOG_LEVEL.to_owned());
    };
    // Levels of etcd above an error.
    if ["panic", "dpanic", "fatal"].contains(&text.as_str()) {
        return Ok("error".to_owned());
    }
    checked(text, place, "error, warn, info, debug, trace or a filter", |text| {
        text.parse::<tracing_subscriber::EnvFilter>().ok().map(|_| text.to_owned())
    })
}

/// Heartbeats and elections. They are counted in ticks, so the log says where that is not what was asked for.
fn timing(found: &Found, warnings: &mut Vec<String>) -> Result<Timing, ConfigError> {
    let read = |name: &str| match found.get(name) {
        None => Ok(None),
        Some((text, place)) => {
            let accepted = "a number of milliseconds";
            checked(text, place, accepted, |text| text.parse::<u64>().ok()).map(Some)
        }
    };
    let (heartbeat, election) = (read("heartbeat-interval")?, read("election-timeout")?);
    let timing = Timing::new(heartbeat, election).map_err(ConfigError::Timing)?;
    let asked = [
        ("heartbeat-interval", heartbeat, timing.heartbeat_interval()),
        ("election-timeout", election, timing.election_timeout()),
    ];
    for (name, asked, is) in asked {
        if let Some((_, place)) = found.get(name)
            && asked.is_some_and(|asked| u128::from(asked) != is.as_millis())
        {
            warnings.push(format!("{place} is taken as {} ms: {TICKS}", is.as_millis()));
        }
    }
    Ok(timing)
}

fn serving(found: &Found, warnings: &mut Vec<String>) -> Result<Serving, ConfigError> {
    let mut serving = Serving::default();
    if let Some((text, place)) = found.get("max-request-bytes") {
        let accepted = "a number of bytes, 1 at least";
        let bytes: usize =
            checked(text, place, accepted, |text| text.parse().ok().filter(|it| *it > 0))?;
        serving.request_bytes_max = bytes.min(limits::REQUEST_BYTES_CEILING);
        if serving.request_bytes_max < bytes {
            warnings.push(format!(
                "{place} is taken as {}, which is never exceeded",
                serving.request_bytes_max
            ));
        }
    }
    if let Some((text, place)) = found.get("max-txn-ops") {
        let accepted = "a number of operations, 1 at least";
        serving.txn_ops_max =
            checked(text, place, accepted, |text| text.parse().ok().filter(|it| *it > 0))?;
    }
    if let Some((text, place)) = found.get("max-concurrent-streams") {
        let accepted = "a number of calls, 1 at least";
        let calls: u32 =
            checked(text, place, accepted, |text| text.parse().ok().filter(|it| *it > 0))?;
        serving.calls_max = calls.min(limits::CALLS_PER_CONNECTION_MAX);
    }
    let duration = |name, least, accepted| duration(found, name, (least, accepted));
    let accepted = "a duration, or 0 for the usual one";
    if let Some(interval) = duration("watch-progress-notify-interval", Duration::ZERO, accepted)?
        && !interval.is_zero()
    {
        serving.progress_interval = interval.max(limits::WATCH_PROGRESS_INTERVAL_MIN);
        if let Some((_, place)) = found.get("watch-progress-notify-interval")
            && serving.progress_interval > interval
        {
            warnings.push(format!("{place} is taken as 100ms, the shortest"));
        }
    }
    if let Some(interval) = duration("grpc-keepalive-interval", Duration::ZERO, "a duration, or 0")?
    {
        serving.ping_interval = Some(interval).filter(|it| !it.is_zero());
    }
    let least = Duration::from_millis(1);
    if let Some(timeout) = duration("grpc-keepalive-timeout", least, "a duration, 1ms at least")? {
        serving.ping_timeout = timeout;
    }
    Ok(serving)
}

fn duration(
    found: &Found,
    name: &str,
    (least, accepted): (Duration, &str),
) -> Result<Option<Duration>, ConfigError> {
    let Some((text, place)) = found.get(name) else { return Ok(None) };
    let read = |text: &str| parse_duration(text).ok().filter(|_| !text.starts_with('-'));
    checked(text, place, accepted, |text| read(text).filter(|it| *it >= least)).map(Some)
}

fn request_log(found: &Found) -> Result<RequestLogging, ConfigError> {
    let mut log = RequestLogging::default();
    if let Some((text, place)) = found.get("request-log") {
        log.which = checked(text, place, LoggedRequests::ACCEPTED, LoggedRequests::parse)?;
    }
    if let Some((text, place)) = found.get("request-log-sample") {
        let accepted = "a number of requests, 1 at least";
        log.one_of = checked(text, place, accepted, |text| text.parse().ok().filter(|it| *it > 0))?;
    }
    let least = (Duration::ZERO, "a duration");
    if let Some(slow) = duration(found, "warning-unary-request-duration", least)? {
        log.slow = slow;
    }
    Ok(log)
}

fn is_existing(found: &Found) -> Result<bool, ConfigError> {
    let Some((text, place)) = found.get("initial-cluster-state") else { return Ok(false) };
    checked(text, place, "new or existing", |text| match text {
        "new" => Some(false),
        "existing" => Some(true),
        _ => None,
    })
}

/// How this member joins a cluster, if it is to.
fn join(
    found: &Found,
    cluster: &Cluster,
    port: u16,
    (is_existing, is_etcd): (bool, bool),
) -> Result<Option<Join>, ConfigError> {
    let accepted = "HOST:PORT or http://HOST:PORT";
    let me = match found.get("advertise-peer") {
        None => None,
        Some((text, place)) => Some(checked(text, place, accepted, PeerAddress::parse)?),
    };
    let me = me.or_else(|| Some(own_entry(cluster)?.address.clone()));
    if let Some((text, place)) = found.get("join") {
        let all =
            |text: &str| text.split(',').map(|item| PeerAddress::parse(item.trim())).collect();
        let ask: Vec<PeerAddress> = checked(text, place, accepted, all)?;
        let short = ask.iter().map(|address| address.host.clone()).collect();
        return Ok(Some(Join { ask, short, me, port }));
    }
    let Some((text, place)) = found.get("initial-cluster-state").filter(|_| is_existing) else {
        return Ok(None);
    };
    let ask: Vec<_> = cluster.peers().map(|peer| peer.address.clone()).collect();
    let accepted = "new, or existing with the other members in --peers, or with --join";
    let short = cluster.members().filter(|peer| peer.short);
    let short = short.map(|peer| peer.address.host.clone()).collect();
    let join = Join { ask, short, me, port };
    // etcd says it to members that run, too, and one with data does not ask.
    let fits = is_etcd || !join.ask.is_empty();
    checked(text, place, accepted, |_| fits.then_some(Some(join)))
}

/// What is to be said where the own entry of the peers has another port than the one that is listened on: something in between
/// may map it, so it is no error. etcd's flags say both on purpose.
fn elsewhere(found: &Found, cluster: &Cluster, port: u16) -> Option<String> {
    let (_, place) = found.get("peers")?;
    let me = own_entry(cluster).filter(|me| port != 0 && me.address.port != port)?;
    // Of one that joins the list is what it asks by.
    let is_said = ["advertise-peer", "join"].iter().any(|name| found.contains_key(*name));
    let (name, address) = (&me.name, &me.address);
    (!is_said).then(|| {
        format!(
            "peers look for {name} at {address}, by {place}, and it listens for them on port {port}: \
             that works only where something maps the one to the other"
        )
    })
}

/// What the list of members says of this one, where there is a list.
pub(super) fn own_entry(cluster: &Cluster) -> Option<&Peer> {
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
