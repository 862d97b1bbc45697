//! Which members there are, and how they become a cluster.

use super::Kind::{Bool, Duration, Number, Text};
use super::{Flag, etcd, new, old, old_3_4, ours};

const NO_DISCOVERY: &str = "there is no discovery: name the members in --initial-cluster";
const NOT_ASKED: &str = "it says how to discover, and nothing is discovered";
const NO_V2: &str = "etcd's API of version 2 does not exist here";
const NO_PROXY: &str = "there is no proxy of version 2";

pub(super) const FLAGS: &[Flag] = &[
    ours(
        "peers",
        Text("PEERS"),
        "All members, this one too: name:port or name=host:port, separated by commas",
    ),
    ours(
        "join",
        Text("ADDRESS"),
        "Member of a running cluster to ask for this one's place in it, which member add made; several by commas",
    ),
    ours(
        "advertise-peer",
        Text("ADDRESS"),
        "Where peers reach this member, HOST:PORT [default with --join: the added member with the port of --listen-peer]",
    ),
    etcd(
        "initial-cluster",
        Text("PEERS"),
        "All members as name=URL, separated by commas [default: this one alone, at --initial-advertise-peer-urls if it has a --name]",
    ),
    etcd(
        "initial-advertise-peer-urls",
        Text("URL"),
        "Where peers reach this member, as --initial-cluster says it [default: what that says]",
    ),
    etcd(
        "initial-cluster-state",
        Text("STATE"),
        "new, or existing to join the cluster that the others of --peers or --initial-cluster are in [default: new]",
    ),
    etcd(
        "initial-cluster-token",
        Text("TEXT"),
        "Makes another cluster of the same members; a member with data keeps its own [default: etcd-cluster]",
    ),
    etcd(
        "force-new-cluster",
        Bool,
        "The quorum is lost for good: go on alone with the data of this member, and remove all others",
    ),
    etcd("strict-reconfig-check", Bool, "Refuse changes of members that could lose the quorum")
        .ignored(&["true"], "such changes are always refused"),
    etcd("pre-vote", Bool, "Ask before an election whether it can be won")
        .ignored(&["true"], "members always ask"),
    old_3_4("next-cluster-version-compatible", Bool, "Take in members of the next version")
        .ignored(&["false"], "members of an etcd are never taken in"),
    new("max-learners", Number, "Learners that the cluster may have")
        .ignored(&["1"], "a cluster may have one learner"),
    etcd(
        "auto-compaction-mode",
        Text("MODE"),
        "How history is counted that the cluster gives up by itself: by time (periodic) or revision [default: periodic]",
    ),
    etcd(
        "auto-compaction-retention",
        Text("RETENTION"),
        "What stays of it: hours or a duration such as 30m, with revision a number of revisions; 0 for all [default: 0]",
    ),
    etcd("discovery", Text("URL"), "Service that knows the members").refused(&[""], NO_DISCOVERY),
    etcd("discovery-srv", Text("DOMAIN"), "Domain that names the members")
        .refused(&[""], NO_DISCOVERY),
    etcd("discovery-srv-name", Text("NAME"), "Part of the names in that domain")
        .ignored(&[""], NOT_ASKED),
    new("discovery-endpoints", Text("ADDRESSES"), "Cluster that knows the members")
        .refused(&[""], NO_DISCOVERY),
    new("discovery-token", Text("TOKEN"), "Name of this cluster there")
        .refused(&[""], NO_DISCOVERY),
    etcd("discovery-fallback", Text("WHAT"), "What to do when nothing is discovered")
        .ignored(&["exit", "proxy"], NOT_ASKED),
    etcd("discovery-proxy", Text("URL"), "Proxy to discover by").ignored(&[""], NOT_ASKED),
    new("discovery-dial-timeout", Duration, "Time to connect to it").ignored(&["2s"], NOT_ASKED),
    new("discovery-request-timeout", Duration, "Time for its answers").ignored(&["5s"], NOT_ASKED),
    new("discovery-keepalive-time", Duration, "Time between pings").ignored(&["2s"], NOT_ASKED),
    new("discovery-keepalive-timeout", Duration, "Time for their answers")
        .ignored(&["6s"], NOT_ASKED),
    new("discovery-insecure-transport", Bool, "Discover in plain text")
        .ignored(&["true"], NOT_ASKED),
    new("discovery-insecure-skip-tls-verify", Bool, "Discover from anybody")
        .ignored(&["false"], NOT_ASKED),
    new("discovery-cert", Text("FILE"), "Certificate to discover with").ignored(&[""], NOT_ASKED),
    new("discovery-key", Text("FILE"), "Its key").ignored(&[""], NOT_ASKED),
    new("discovery-cacert", Text("FILE"), "Authorities of the service").ignored(&[""], NOT_ASKED),
    new("discovery-user", Text("NAME"), "User to discover as").ignored(&[""], NOT_ASKED),
    new("discovery-password", Text("PASSWORD"), "Their password").ignored(&[""], NOT_ASKED),
    old("enable-v2", Bool, "Answer version 2").ignored(&["false"], NO_V2),
    old("experimental-enable-v2v3", Text("PREFIX"), "Answer version 2 from version 3")
        .ignored(&[""], NO_V2),
    etcd("v2-deprecation", Text("PHASE"), "How far version 2 is on its way out").ignored(
        &["not-yet", "write-only", "write-only-skip-check", "write-only-drop-data", "gone"],
        NO_V2,
    ),
    old("proxy", Text("MODE"), "Be a proxy of version 2").refused(&["", "off"], NO_PROXY),
    old("proxy-failure-wait", Number, "Rest of an endpoint that failed")
        .ignored(&["5000"], NO_PROXY),
    old("proxy-refresh-interval", Number, "Time between looks at the endpoints")
        .ignored(&["30000"], NO_PROXY),
    old("proxy-dial-timeout", Number, "Time to connect").ignored(&["1000"], NO_PROXY),
    old("proxy-write-timeout", Number, "Time to write").ignored(&["5000"], NO_PROXY),
    old("proxy-read-timeout", Number, "Time to read").ignored(&["0"], NO_PROXY),
];
