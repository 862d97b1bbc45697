//! What is spoken with clients and peers, and who may come in.

use super::Kind::{Bool, Number, Text};
use super::{Flag, etcd, new, old, ours};

const ONE_CERTIFICATE: &str = "both ends of a connection show the same certificate, which must be good for servers and clients";

pub(super) const TLS: &[Flag] = &[
    etcd(
        "cert-file",
        Text("FILE"),
        "Certificate shown to clients, with its chain, in PEM; read again when it changes, as all of these files are",
    ),
    etcd("key-file", Text("FILE"), "Its private key, in PEM"),
    etcd(
        "trusted-ca-file",
        Text("FILE"),
        "Authorities of clients, in PEM: each client has to show a certificate of one of them",
    ),
    etcd(
        "client-cert-auth",
        Bool,
        "The common name of a client's certificate is its user; needs --trusted-ca-file",
    ),
    etcd(
        "client-cert-allowed-hostname",
        Text("HOSTS"),
        "Hosts, one of which a client's certificate must be valid for, separated by commas",
    ),
    ours(
        "client-cert-allowed-cn",
        Text("NAMES"),
        "Common names, one of which a client's certificate must have, separated by commas",
    ),
    etcd(
        "client-crl-file",
        Text("FILE"),
        "Revoked certificates of clients: lists in PEM, or one in DER",
    ),
    etcd("auto-tls", Bool, "Show clients a certificate that this member makes for itself"),
    etcd("client-cert-file", Text("FILE"), "Certificate that the gateway shows to the server")
        .ignored(&[""], "the gateway makes no connection"),
    etcd("client-key-file", Text("FILE"), "Its private key")
        .ignored(&[""], "the gateway makes no connection"),
    etcd(
        "peer-cert-file",
        Text("FILE"),
        "Certificate shown to other members, by both ends of a connection",
    ),
    etcd("peer-key-file", Text("FILE"), "Its private key"),
    etcd(
        "peer-trusted-ca-file",
        Text("FILE"),
        "Authorities of members: who shows a certificate of one of them may speak as a member",
    ),
    etcd(
        "peer-client-cert-auth",
        Bool,
        "For etcd's command lines: members always show each other certificates",
    ),
    etcd("peer-client-cert-file", Text("FILE"), "Certificate shown to a member that is dialed")
        .ignored(&[""], ONE_CERTIFICATE),
    etcd("peer-client-key-file", Text("FILE"), "Its private key").ignored(&[""], ONE_CERTIFICATE),
    etcd(
        "peer-cert-allowed-hostname",
        Text("HOSTS"),
        "Hosts, one of which a member's certificate must be valid for, separated by commas",
    ),
    etcd(
        "peer-cert-allowed-cn",
        Text("NAMES"),
        "Common names, one of which a member's certificate must have, separated by commas",
    ),
    etcd("peer-crl-file", Text("FILE"), "Revoked certificates of members"),
    etcd(
        "peer-auto-tls",
        Bool,
        "Speak to other members with certificates that each makes for itself: nobody can read along, but anybody may speak",
    ),
    old("experimental-peer-skip-client-san-verification", Bool, "Take members from any address")
        .alias_of("peer-skip-client-san-verification"),
    new("peer-skip-client-san-verification", Bool, "Take members from any address")
        .ignored(&[], "addresses are not compared with certificates"),
    etcd("self-signed-cert-validity", Number, "Years that a certificate of its own making is good")
        .ignored(&["1"], "it is good for a year, and made anew before that"),
    new("tls-min-version", Text("VERSION"), "Oldest version: TLS1.2 or TLS1.3 [default: TLS1.2]"),
    new("tls-max-version", Text("VERSION"), "Newest version [default: TLS1.3]"),
    etcd(
        "cipher-suites",
        Text("SUITES"),
        "Cipher suites of TLS 1.2, separated by commas; those of TLS 1.3 are always offered [default: all that are safe]",
    ),
];

pub(super) const ACCESS: &[Flag] = &[
    etcd(
        "auth-token",
        Text("KIND"),
        "What a login gives out: simple, or jwt,sign-method=METHOD,pub-key=FILE,priv-key=FILE,ttl=DURATION [default: simple]",
    ),
    etcd(
        "auth-token-ttl",
        Text("SECONDS"),
        "Seconds that a simple token lives after its last use [default: 300]",
    ),
    etcd(
        "bcrypt-cost",
        Text("COST"),
        "What it costs to hash a password, 4 to 31; one more doubles it [default: 10]",
    ),
    etcd(
        "cors",
        Text("ORIGINS"),
        "Origins whose pages a browser lets call this member, separated by commas; * for all [default: *]",
    ),
    etcd("host-whitelist", Text("HOSTS"), "Hosts by which requests in plain text may call it")
        .refused(&["", "*"], "hosts are not compared: protect the port by TLS or a firewall"),
];
