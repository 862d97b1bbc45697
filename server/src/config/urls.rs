//! etcd's flags for addresses: lists of URLs, whose schemes say where TLS is spoken.

use super::build::own_entry;
use super::error::{ConfigError, SettingSource};
use super::layers::{Found, checked};
use super::{Cluster, DEFAULT_NAME, Listen, Listener, PeerAddress, PortUse, tls};
use crate::limits::LISTENERS_MAX;

/// Our names of settings, and etcd's.
pub(super) const PAIRS: [(&str, &str); 7] = [
    ("data", "data-dir"),
    ("listen", "listen-client-urls"),
    ("listen-peer", "listen-peer-urls"),
    ("listen-metrics", "listen-metrics-urls"),
    ("advertise", "advertise-client-urls"),
    ("peers", "initial-cluster"),
    ("advertise-peer", "initial-advertise-peer-urls"),
];

/// Where etcd listens that was told nothing.
const CLIENTS: &str = "http://localhost:2379";
const PEERS: &str = "http://localhost:2380";

/// What listens, and what is told to others; nothing where that follows from what listens.
pub(super) struct Urls {
    pub listeners: Vec<Listener>,
    pub advertise: Vec<String>,
}

/// Whether a member is started as etcd: by one of etcd's flags for which we have another.
pub(super) fn are_there(found: &Found) -> bool {
    PAIRS.iter().any(|(_, of_etcd)| found.contains_key(of_etcd))
}

/// What etcd's flags say, with etcd's defaults. Settings of TLS that no URL asks for are taken out, with a warning, as
/// in etcd.
pub(super) fn read(found: &mut Found, warnings: &mut Vec<String>) -> Result<Urls, ConfigError> {
    let clients = own(found, "listen", PortUse::Clients)?;
    let shares = clients.is_some();
    let mut listeners = match clients {
        Some(clients) => vec![clients],
        None => listen(found, "listen-client-urls", Some(CLIENTS), PortUse::Clients)?,
    };
    listeners.extend(listen(found, "listen-client-http-urls", None, PortUse::Clients)?);
    listeners.extend(match own(found, "listen-peer", PortUse::Peers)? {
        Some(peers) => vec![peers],
        // Ours alone says that peers come to where clients do.
        None => listen(found, "listen-peer-urls", (!shares).then_some(PEERS), PortUse::Peers)?,
    });
    listeners.extend(match own(found, "listen-metrics", PortUse::Metrics)? {
        Some(metrics) => vec![metrics],
        None => listen(found, "listen-metrics-urls", None, PortUse::Metrics)?,
    });
    if listeners.len() > LISTENERS_MAX {
        let place = place_of(found, "listen-client-urls");
        let (value, accepted) =
            (listeners.len().to_string(), format!("{LISTENERS_MAX} addresses to listen at"));
        return Err(ConfigError::Value { place, value, accepted });
    }
    let is_address = |it: &Listener| it.of == PortUse::Clients && it.at.address().is_some();
    if !listeners.iter().any(is_address) {
        let place = place_of(found, "listen-client-urls");
        let needed = "a URL of http:// or https://";
        return Err(ConfigError::Alone { place, needed });
    }
    schemes(&listeners, found, warnings)?;
    let advertise = if found.contains_key("advertise") {
        advertised(found, "advertise")?
    } else if let Some((_, place)) = found.get("listen-client-urls")
        && !found.contains_key("advertise-client-urls")
    {
        return Err(ConfigError::Alone { place: place.clone(), needed: "--advertise-client-urls" });
    } else if shares && !found.contains_key("advertise-client-urls") {
        Vec::new()
    } else {
        match &advertised(found, "advertise-client-urls")?[..] {
            [] => vec![CLIENTS.to_owned()],
            urls => urls.to_vec(),
        }
    };
    Ok(Urls { listeners, advertise })
}

/// The listener of one of our own flags.
pub(super) fn own(
    found: &Found,
    name: &'static str,
    of: PortUse,
) -> Result<Option<Listener>, ConfigError> {
    let Some((text, place)) = found.get(name) else { return Ok(None) };
    let at = checked(text, place, Listen::ACCEPTED, Listen::parse)?;
    Ok(Some(Listener::new(at, of)))
}

/// Listeners of a list of URLs, in its order.
fn listen(
    found: &Found,
    name: &'static str,
    default: Option<&str>,
    of: PortUse,
) -> Result<Vec<Listener>, ConfigError> {
    let default = default.map(|url| (url.to_owned(), SettingSource::Default(name)));
    let Some((text, place)) = found.get(name).or(default.as_ref()) else { return Ok(Vec::new()) };
    let mut listeners: Vec<Listener> = Vec::new();
    for url in text.split(',').map(str::trim) {
        let listener = listener(url, of).map_err(|accepted| ConfigError::Value {
            place: place.clone(),
            value: url.to_owned(),
            accepted: accepted.to_owned(),
        })?;
        if !listeners.contains(&listener) {
            listeners.push(listener);
        }
    }
    Ok(listeners)
}

/// The listener of a URL, or what is accepted in its place.
fn listener(url: &str, of: PortUse) -> Result<Listener, &'static str> {
    if let Some(path) = url.strip_prefix("unix://") {
        return match of {
            PortUse::Clients if !path.is_empty() => Ok(Listener::socket(path.into())),
            _ => Err("http:// or https://: sockets of the file system are for clients"),
        };
    }
    let is_secure = url.starts_with("https://");
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let at = rest.and_then(Listen::parse);
    let at = at.ok_or("http://IP:PORT or https://IP:PORT, without a path")?;
    match at.host() {
        // Go listens at both families then.
        "0.0.0.0" | "::" => Ok(Listener::by_scheme(Listen::everywhere(at.port()), of, is_secure)),
        host if host == "localhost" || host.parse::<std::net::IpAddr>().is_ok() => {
            Ok(Listener::by_scheme(at, of, is_secure))
        }
        _ => Err("an IP address or localhost to listen at, not the name of a host"),
    }
}

/// Where a setting was found.
fn place_of(found: &Found, name: &'static str) -> SettingSource {
    found.get(name).map_or(SettingSource::Default(name), |(_, place)| place.clone())
}

/// Sees to it that TLS is spoken where a URL says so, and nowhere else.
fn schemes(
    listeners: &[Listener],
    found: &mut Found,
    warnings: &mut Vec<String>,
) -> Result<(), ConfigError> {
    for (is_peers, flag) in [(false, "listen-client-urls"), (true, "listen-peer-urls")] {
        let here = || listeners.iter().filter(|it| (it.of == PortUse::Peers) == is_peers);
        let is_secure = here().any(|listener| listener.is_secure == Some(true));
        let place = place_of(found, flag);
        let refuse = |problem: &str| {
            Err(ConfigError::Tls { place: place.clone(), problem: problem.to_owned() })
        };
        if is_peers && is_secure && here().any(|listener| listener.is_secure == Some(false)) {
            return refuse("peers speak TLS at all of the URLs, or at none");
        }
        let names = tls::names(is_peers);
        let has_certificate = found.contains_key(names[0]) || tls::is_true(found, names[1])?;
        if is_secure && !has_certificate {
            return refuse(if is_peers {
                "https:// needs --peer-cert-file and --peer-key-file, or --peer-auto-tls"
            } else {
                "https:// needs --cert-file and --key-file, or --auto-tls"
            });
        }
        // Our own flags leave it to the certificates.
        let of = if is_peers { PortUse::Peers } else { PortUse::Clients };
        let by_url = here().filter(|it| it.of == of).all(|it| it.is_secure.is_some());
        if !is_secure && by_url && here().next().is_some() {
            if has_certificate {
                let begins = "no URL to listen at begins with https://";
                warnings.push(format!(
                    "--{} and what belongs to it have no effect: {begins}",
                    names[0]
                ));
            }
            found.retain(|name, _| !names.contains(name));
        }
    }
    Ok(())
}

/// Client URLs that are told to others, in order.
pub(super) fn advertised(found: &Found, name: &str) -> Result<Vec<String>, ConfigError> {
    let Some((text, place)) = found.get(name) else { return Ok(Vec::new()) };
    let accepted = "http://HOST:PORT, https://HOST:PORT or unix://PATH";
    let mut urls = text
        .split(',')
        .map(|url| checked(url.trim(), place, accepted, client_url))
        .collect::<Result<Vec<_>, _>>()?;
    urls.sort_unstable();
    urls.dedup();
    Ok(urls)
}

/// A client URL as `MemberList` shows it.
fn client_url(text: &str) -> Option<String> {
    if text.strip_prefix("unix://").is_some_and(|path| !path.is_empty()) {
        return Some(text.to_owned());
    }
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let address = Listen::parse(rest?)?;
    (address.port() != 0 && !address.host().is_empty()).then(|| text.to_owned())
}

/// `--initial-cluster`, whose items are names and URLs.
pub(super) fn initial_cluster(
    found: &Found,
) -> Result<Option<&(String, SettingSource)>, ConfigError> {
    let Some(listed) = found.get("initial-cluster") else { return Ok(None) };
    let (text, place) = listed;
    let is_item = |item: &str| {
        let url = item.split_once('=').map(|(_, url)| url);
        url.is_some_and(|url| PeerAddress::of_url(url).is_some())
    };
    let accepted = "NAME=http://HOST:PORT or NAME=https://HOST:PORT for each member, by commas";
    checked(text, place, accepted, |text| {
        text.split(',').all(|item| is_item(item.trim())).then_some(Some(listed))
    })
}

/// The list of a member that says its name and where peers reach it, and names no others: itself, as in etcd, which
/// does the same unless the name is the default one.
pub(super) fn own_list(found: &Found, name: &str) -> Option<(String, SettingSource)> {
    let (url, place) = found.get("initial-advertise-peer-urls")?;
    let is_said = name != DEFAULT_NAME && !found.contains_key("join");
    let address = PeerAddress::of_url(url.trim()).filter(|_| is_said)?;
    Some((format!("{name}={}", address.url()), place.clone()))
}

/// `--initial-advertise-peer-urls` against what the list says of this member, as etcd compares them at a first start.
/// Names are not looked up: one may stand for any address.
pub(super) fn compare(
    found: &Found,
    cluster: &Cluster,
    is_existing: bool,
) -> Result<(), ConfigError> {
    let Some((text, place)) = found.get("initial-advertise-peer-urls") else { return Ok(()) };
    let address = PeerAddress::of_url(text.trim());
    let one = "one URL, http://HOST:PORT or https://HOST:PORT";
    let address = checked(text, place, one, |_| address)?;
    if is_existing || found.contains_key("join") {
        return Ok(());
    }
    let own = cluster.member(cluster.me()).map(|own| &own.address);
    let is_same = own.is_none_or(|own| {
        (own.is_tls, own.port) == (address.is_tls, address.port)
            && is_same_host(&own.host, &address.host)
    });
    let listed = own_entry(cluster).map_or(
        "of this member without --initial-cluster",
        |_| "of this member by --initial-cluster",
    );
    let accepted = format!("{}, the URL {listed}", cluster.peer_url());
    checked(text, place, &accepted, |_| is_same.then_some(()))
}

fn is_same_host(one: &str, other: &str) -> bool {
    let is_here = |host: &str| ["localhost", "127.0.0.1", "::1"].contains(&host);
    let is_name = |host: &str| host.parse::<std::net::IpAddr>().is_err() && !is_here(host);
    one == other
        || is_here(one) && is_here(other)
        || is_name(one) != is_name(other) && !is_here(one) && !is_here(other)
}
