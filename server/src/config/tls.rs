//! [`TlsConfig`]: what clients and members are spoken to with, from etcd's flags.
//!
//! Clients and members share one listener unless `--listen-peer` is given, so each has its own certificate and authority there
//! (`docs/decisions.md`), and one without the other makes no sense.

use std::path::PathBuf;

use tokio_rustls::rustls::crypto::ring::ALL_CIPHER_SUITES;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ProtocolVersion, SupportedCipherSuite, SupportedProtocolVersion};

use super::Cluster;
use super::error::{ConfigError, SettingSource};
use super::layers::{Found, checked};

/// How a member speaks TLS; the default is not at all.
#[derive(Clone, Debug, Default)]
pub struct TlsConfig {
    /// With clients.
    pub clients: Option<TlsSide>,
    /// With other members.
    pub peers: Option<TlsSide>,
    pub protocol: TlsProtocol,
    /// The common name of a client's certificate is its user, as with etcd's `--client-cert-auth`.
    pub names_are_users: bool,
}

impl TlsConfig {
    /// There is a port that speaks TLS.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.clients.is_some() || self.peers.is_some()
    }
}

/// The files of one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSide {
    pub certificate: CertificateSource,
    /// Who speaks to this side shows a certificate of one of these authorities.
    pub authority: Option<PathBuf>,
    /// Certificates that are not accepted any more.
    pub revoked: Option<PathBuf>,
    pub allowed: AllowedNames,
}

/// Where this member's own certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    Files {
        certificate: PathBuf,
        key: PathBuf,
    },
    /// Made by this member and kept with its data.
    SelfSigned,
}

/// What a certificate of the right authority has to say beside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AllowedNames {
    #[default]
    Any,
    /// One of these is its common name.
    Common(Vec<String>),
    /// It is valid for one of these hosts.
    Hosts(Vec<String>),
}

/// Versions and cipher suites.
#[derive(Clone, Debug)]
pub struct TlsProtocol {
    pub versions: Vec<&'static SupportedProtocolVersion>,
    pub suites: Vec<SupportedCipherSuite>,
}

impl Default for TlsProtocol {
    fn default() -> Self {
        Self { versions: vec![&TLS12, &TLS13], suites: ALL_CIPHER_SUITES.to_vec() }
    }
}

/// The settings of one side by their names.
struct Names {
    certificate: &'static str,
    key: &'static str,
    authority: &'static str,
    auth: &'static str,
    hosts: &'static str,
    common: &'static str,
    revoked: &'static str,
    auto: &'static str,
}

const CLIENTS: Names = Names {
    certificate: "cert-file",
    key: "key-file",
    authority: "trusted-ca-file",
    auth: "client-cert-auth",
    hosts: "client-cert-allowed-hostname",
    common: "client-cert-allowed-cn",
    revoked: "client-crl-file",
    auto: "auto-tls",
};

const PEERS: Names = Names {
    certificate: "peer-cert-file",
    key: "peer-key-file",
    authority: "peer-trusted-ca-file",
    auth: "peer-client-cert-auth",
    hosts: "peer-cert-allowed-hostname",
    common: "peer-cert-allowed-cn",
    revoked: "peer-crl-file",
    auto: "peer-auto-tls",
};

/// Suites of TLS 1.2 that Go has and nobody should be offered.
const WEAK: [&str; 15] = [
    "TLS_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
];

/// Suites of TLS 1.3 as Go calls them, which it takes in a list of the older ones and offers anyway.
const NEWEST: [&str; 3] =
    ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];

/// The settings of peers or clients, certificate and the one for its own making first.
pub(super) fn names(is_peers: bool) -> [&'static str; 8] {
    let names = if is_peers { PEERS } else { CLIENTS };
    let Names { certificate, key, authority, auth, hosts, common, revoked, auto } = names;
    [certificate, auto, key, authority, auth, hosts, common, revoked]
}

/// What was found, for a member of `cluster` where clients and peers share a port or not.
pub(super) fn build(
    found: &Found,
    cluster: &Cluster,
    is_shared: bool,
    warnings: &mut Vec<String>,
) -> Result<TlsConfig, ConfigError> {
    let clients = side(found, &CLIENTS, warnings)?;
    let peers = side(found, &PEERS, warnings)?;
    if let Some(side) = &peers {
        if side.authority.is_none() && side.certificate != CertificateSource::SelfSigned {
            return refuse(
                found,
                PEERS.certificate,
                "it needs --peer-trusted-ca-file: members show each other certificates",
            );
        }
        if side.authority.is_some() && side.certificate == CertificateSource::SelfSigned {
            return refuse(
                found,
                PEERS.auto,
                "nobody is verified with it: leave out --peer-trusted-ca-file",
            );
        }
    }
    let given = |names: &Names| {
        let auto = found.contains_key(names.auto) && !found.contains_key(names.certificate);
        if auto { names.auto } else { names.certificate }
    };
    if is_shared && peers.is_some() && clients.is_none() {
        let problem = "clients use the same port: it needs --cert-file or --auto-tls too, or members a port of their own by --listen-peer";
        return refuse(found, given(&PEERS), problem);
    }
    if is_shared && clients.is_some() && peers.is_none() && cluster.peers().next().is_some() {
        let problem = "members use the same port: it needs --peer-cert-file or --peer-auto-tls too, or members a port of their own by --listen-peer";
        return refuse(found, given(&CLIENTS), problem);
    }
    let own = cluster.member(cluster.me()).filter(|_| !cluster.typed().is_empty());
    if let Some(own) = own
        && own.address.is_tls != peers.is_some()
    {
        let problem = if own.address.is_tls {
            "this member's address begins with https://: it needs --peer-cert-file or --peer-auto-tls"
        } else {
            "with TLS between members, their addresses begin with https://"
        };
        let list = if found.contains_key("peers") { "peers" } else { "initial-cluster" };
        return refuse(found, list, problem);
    }
    let names_are_users = is_true(found, CLIENTS.auth)?;
    Ok(TlsConfig { clients, peers, protocol: protocol(found, warnings)?, names_are_users })
}

fn side(
    found: &Found,
    names: &Names,
    warnings: &mut Vec<String>,
) -> Result<Option<TlsSide>, ConfigError> {
    let path = |name| found.get(name).map(|(path, _)| PathBuf::from(path));
    let (certificate, key) = (path(names.certificate), path(names.key));
    let (authority, revoked) = (path(names.authority), path(names.revoked));
    let mut is_auto = is_true(found, names.auto)?;
    if is_auto && (certificate.is_some() || key.is_some()) {
        let place = place_of(found, names.auto);
        warnings.push(format!("{place} has no effect: a certificate is given beside it"));
        is_auto = false;
    }
    let certificate = match (certificate, key) {
        (Some(certificate), Some(key)) => CertificateSource::Files { certificate, key },
        (Some(_), None) => {
            return refuse(found, names.certificate, &format!("it needs --{}", names.key));
        }
        (None, Some(_)) => {
            return refuse(found, names.key, &format!("it needs --{}", names.certificate));
        }
        (None, None) if is_auto => CertificateSource::SelfSigned,
        (None, None) => {
            let alone = [names.authority, names.revoked, names.hosts, names.common];
            let alone = alone.into_iter().find(|name| found.contains_key(name));
            let alone = alone.or(is_true(found, names.auth)?.then_some(names.auth));
            let Some(alone) = alone else { return Ok(None) };
            return refuse(
                found,
                alone,
                &format!("it needs --{} and --{}", names.certificate, names.key),
            );
        }
    };
    let needy = [names.revoked, names.hosts, names.common];
    let needy = needy.into_iter().find(|name| found.contains_key(name));
    let needy = needy.or(is_true(found, names.auth)?.then_some(names.auth));
    if let Some(needy) = needy
        && authority.is_none()
        && !(needy == PEERS.auth && is_auto)
    {
        return refuse(found, needy, &format!("it needs --{}", names.authority));
    }
    let allowed = match (list(found, names.hosts)?, list(found, names.common)?) {
        (Some(_), Some(_)) => {
            return refuse(found, names.hosts, &format!("it excludes --{}", names.common));
        }
        (Some(hosts), None) => AllowedNames::Hosts(hosts),
        (None, Some(names)) => AllowedNames::Common(names),
        (None, None) => AllowedNames::Any,
    };
    Ok(Some(TlsSide { certificate, authority, revoked, allowed }))
}

fn refuse<T>(found: &Found, name: &'static str, problem: &str) -> Result<T, ConfigError> {
    Err(ConfigError::Tls { place: place_of(found, name), problem: problem.to_owned() })
}

fn place_of(found: &Found, name: &'static str) -> SettingSource {
    found.get(name).map_or(SettingSource::Flag(name), |(_, place)| place.clone())
}

fn flag(found: &Found, name: &str) -> Result<Option<bool>, ConfigError> {
    let Some((text, place)) = found.get(name) else { return Ok(None) };
    checked(text, place, "true or false", |text| text.parse().ok()).map(Some)
}

pub(super) fn is_true(found: &Found, name: &str) -> Result<bool, ConfigError> {
    Ok(flag(found, name)? == Some(true))
}

fn list(found: &Found, name: &str) -> Result<Option<Vec<String>>, ConfigError> {
    let Some((text, place)) = found.get(name) else { return Ok(None) };
    let split = |text: &str| {
        let items: Vec<_> = text.split(',').map(|item| item.trim().to_owned()).collect();
        (!items.iter().any(String::is_empty)).then_some(items)
    };
    checked(text, place, "names separated by commas", split).map(Some)
}

fn protocol(found: &Found, warnings: &mut Vec<String>) -> Result<TlsProtocol, ConfigError> {
    let version = |name: &str| {
        let Some((text, place)) = found.get(name) else { return Ok(None) };
        checked(text, place, "TLS1.2 or TLS1.3", |text| match text {
            "" => Some(None),
            "TLS1.2" => Some(Some(&TLS12)),
            "TLS1.3" => Some(Some(&TLS13)),
            _ => None,
        })
    };
    let least = version("tls-min-version")?.unwrap_or(&TLS12);
    let most = version("tls-max-version")?.unwrap_or(&TLS13);
    let number = |version: &SupportedProtocolVersion| u16::from(version.version);
    let within = |version: &&&'static SupportedProtocolVersion| {
        (number(least)..=number(most)).contains(&number(version))
    };
    let versions: Vec<_> = [&TLS12, &TLS13].iter().filter(within).copied().collect();
    if versions.is_empty() {
        return refuse(found, "tls-max-version", "it is older than --tls-min-version");
    }
    let mut suites = ALL_CIPHER_SUITES.to_vec();
    if let Some(names) = list(found, "cipher-suites")? {
        if versions == [&TLS13] {
            return refuse(found, "cipher-suites", "with TLS 1.3 alone they cannot be chosen");
        }
        suites = chosen(found, &names, warnings)?;
    }
    Ok(TlsProtocol { versions, suites })
}

/// The suites of these names, and those of TLS 1.3, which are always offered.
fn chosen(
    found: &Found,
    names: &[String],
    warnings: &mut Vec<String>,
) -> Result<Vec<SupportedCipherSuite>, ConfigError> {
    let is_newest =
        |suite: &SupportedCipherSuite| suite.version().version == ProtocolVersion::TLSv1_3;
    let of_old: Vec<_> =
        ALL_CIPHER_SUITES.iter().filter(|suite| !is_newest(suite)).map(name_of).collect();
    // Go knows some by a shorter name.
    let is = |suite: &str, name: &str| {
        suite.strip_prefix(name).is_some_and(|rest| ["", "_SHA256"].contains(&rest))
    };
    let is_offered = |name: &str| of_old.iter().any(|suite| is(suite, name));
    let is_known = |name: &str| is_offered(name) || WEAK.contains(&name) || NEWEST.contains(&name);
    let unknown = names.iter().find(|name| !is_known(name));
    // One that is left out leaves something else to speak by.
    let wrong = unknown.or(names.first().filter(|_| !names.iter().any(|name| is_offered(name))));
    if let Some(wrong) = wrong {
        let accepted = of_old.join(", ");
        let problem = format!("{wrong:?} is not offered: expected some of {accepted}");
        return refuse(found, "cipher-suites", &problem);
    }
    let weak: Vec<_> = names.iter().map(String::as_str).filter(|it| WEAK.contains(it)).collect();
    if !weak.is_empty() {
        let (place, weak) = (place_of(found, "cipher-suites"), weak.join(", "));
        warnings.push(format!("{place} is taken without {weak}: no forward secrecy or no AEAD"));
    }
    let mut suites = ALL_CIPHER_SUITES.to_vec();
    suites.retain(|suite| is_newest(suite) || names.iter().any(|name| is(&name_of(suite), name)));
    Ok(suites)
}

/// The name of a suite as etcd has it.
fn name_of(suite: &SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::config::Config;

    fn load(args: &[&str]) -> Result<TlsConfig, String> {
        let config = Config::load(args.iter().map(OsString::from), []);
        config.map(|config| config.tls).map_err(|error| error.to_string())
    }

    const CLIENT: [&str; 2] = ["--cert-file=c", "--key-file=k"];
    const PEER: [&str; 3] = ["--peer-cert-file=c", "--peer-key-file=k", "--peer-trusted-ca-file=a"];

    #[test]
    fn etcd_s_flags_describe_both_sides() {
        assert!(!load(&[]).unwrap().is_on());
        let more = ["--trusted-ca-file=a", "--client-cert-auth=true", "--client-crl-file=r"];
        let both = [&CLIENT[..], &PEER, &more, &["--peer-client-cert-auth"]].concat();
        let tls = load(&both).unwrap();
        assert!(tls.names_are_users);
        let clients = tls.clients.unwrap();
        assert_eq!(clients.authority, Some("a".into()));
        assert_eq!(clients.revoked, Some("r".into()));
        let (certificate, key) = ("c".into(), "k".into());
        let files = CertificateSource::Files { certificate, key };
        assert_eq!(tls.peers.unwrap().certificate, files);
        let auto =
            ["--auto-tls", "--peer-auto-tls", "--name=a", "--peers=https://a:1,b=https://c:2"];
        assert_eq!(load(&auto).unwrap().peers.unwrap().certificate, CertificateSource::SelfSigned);
    }

    #[test]
    fn versions_and_suites_are_chosen_by_etcd_s_names() {
        let newest = load(&["--tls-min-version=TLS1.3"]).unwrap().protocol;
        assert_eq!(newest.versions, [&TLS13]);
        let oldest = load(&["--tls-max-version=TLS1.2"]).unwrap().protocol;
        assert_eq!(oldest.versions, [&TLS12]);
        let name = "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305";
        let chosen = load(&[&format!("--cipher-suites={name}")]).unwrap().protocol;
        let of_old: Vec<_> = chosen.suites.iter().map(name_of).collect();
        let of_old: Vec<_> = of_old.iter().filter(|suite| !suite.starts_with("TLS13")).collect();
        assert_eq!(of_old, [&format!("{name}_SHA256")]);
        assert!(chosen.suites.len() > 1);
    }

    /// Goal: a list made for Go serves here without what is weak in it, and a certificate counts more than one that the
    /// member would make, as in etcd.
    #[test]
    fn what_is_weak_or_needless_is_left_out_with_a_warning() {
        let strong = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
        let whole = format!(
            "--cipher-suites=TLS_RSA_WITH_AES_256_GCM_SHA384,{strong},TLS_AES_128_GCM_SHA256"
        );
        let load = |args: &[&str]| Config::load(args.iter().map(OsString::from), []).unwrap();
        let config = load(&[&whole]);
        let of_old: Vec<_> = config.tls.protocol.suites.iter().map(name_of).collect();
        let of_old: Vec<_> = of_old.iter().filter(|suite| !suite.starts_with("TLS13")).collect();
        assert_eq!(of_old, [strong]);
        assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
        assert!(config.warnings[0].contains("without TLS_RSA_WITH_AES_256_GCM_SHA384:"));
        let config = load(&[&CLIENT[..], &["--auto-tls"]].concat());
        let clients = config.tls.clients.unwrap();
        assert!(matches!(clients.certificate, CertificateSource::Files { .. }));
        assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
        assert!(config.warnings[0].contains("--auto-tls"), "{:?}", config.warnings);
    }

    #[test]
    fn what_does_not_fit_together_is_named() {
        let of = |more: &[&'static str]| [&CLIENT[..], more].concat();
        for (args, place, words) in [
            (vec!["--cert-file=c"], "--cert-file", "needs --key-file"),
            (vec!["--key-file=c"], "--key-file", "needs --cert-file"),
            (vec!["--trusted-ca-file=c"], "--trusted-ca-file", "needs --cert-file"),
            (of(&["--client-cert-auth"]), "--client-cert-auth", "needs --trusted-ca-file"),
            (of(&["--client-cert-auth=x"]), "--client-cert-auth", "true or false"),
            (of(&["--client-crl-file=r"]), "--client-crl-file", "needs --trusted-ca-file"),
            (of(&PEER[..2]), "--peer-cert-file", "needs --peer-trusted-ca-file"),
            (PEER.to_vec(), "--peer-cert-file", "needs --cert-file"),
            (of(&["--peer-auto-tls", "--peer-trusted-ca-file=a"]), "--peer-auto-tls", "verified"),
            (
                of(&["--name=a", "--peers=a=h:1,b=h:2"]),
                "--cert-file",
                "needs --peer-cert-file or --peer-auto-tls",
            ),
            (
                [&PEER[..], &of(&["--name=a", "--peers=a=h:1,b=h:2"])].concat(),
                "--peers",
                "begin with https://",
            ),
            (vec!["--name=a", "--peers=a=https://h:1"], "--peers", "needs --peer-cert-file"),
            (
                of(&[
                    "--trusted-ca-file=a",
                    "--client-cert-allowed-cn=x",
                    "--client-cert-allowed-hostname=y",
                ]),
                "--client-cert-allowed-hostname",
                "excludes --client-cert-allowed-cn",
            ),
            (vec!["--tls-min-version=TLS1.1"], "--tls-min-version", "TLS1.2 or TLS1.3"),
            (
                vec!["--tls-min-version=TLS1.3", "--tls-max-version=TLS1.2"],
                "--tls-max-version",
                "older",
            ),
            (vec!["--cipher-suites=TLS_RSA"], "--cipher-suites", "TLS_ECDHE_ECDSA_WITH_AES"),
            (
                vec!["--cipher-suites=TLS_RSA_WITH_AES_128_GCM_SHA256,TLS_AES_128_GCM_SHA256"],
                "--cipher-suites",
                "TLS_ECDHE_ECDSA_WITH_AES",
            ),
        ] {
            let text = load(&args).unwrap_err();
            assert!(text.contains(place) && text.contains(words), "{args:?}: {text}");
        }
    }
}
