//! What is known of one member at one moment, whoever told it.
//!
//! A field that a server does not offer is `None`. It is shown as not offered, never as zero.

use mini_etcd_shared::clock::Moment;

/// A member as the member list names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Its number.
    pub id: u64,
    /// Its name; empty until it has started once.
    pub name: String,
    /// Listens without a vote.
    pub learner: bool,
    /// Where clients reach it.
    pub client_urls: Vec<String>,
    /// Where its peers reach it.
    pub peer_urls: Vec<String>,
    /// Where this console reaches it; empty when nowhere is known.
    pub endpoint: String,
}

/// What a member is in its cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Not known.
    #[default]
    Unknown,
    /// Follows.
    Follower,
    /// Asks for votes.
    Candidate,
    /// Leads.
    Leader,
    /// Listens without a vote.
    Learner,
}

/// Who told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The admin stream of mini-etcd.
    Admin,
    /// `Status` of the etcd API, asked again and again.
    #[default]
    Status,
}

impl Source {
    /// The server that tells this way.
    #[must_use]
    pub fn server(self) -> &'static str {
        match self {
            Self::Admin => "mini-etcd",
            Self::Status => "etcd",
        }
    }
}

/// How a leader sends to a follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// One message at a time, until it answers.
    Probe,
    /// Pipelined.
    Replicate,
    /// A snapshot.
    Snapshot,
}

/// A follower as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The follower.
    pub member: u64,
    /// Highest index known to be in its log.
    pub matched: u64,
    /// Next index to send.
    pub next: u64,
    /// How it is sent.
    pub sending: Sending,
    /// Messages on their way.
    pub in_flight: u32,
    /// It answered within the last election timeout.
    pub active: bool,
    /// Bytes of log it has yet to get, when that is known.
    pub behind_bytes: Option<u64>,
}

/// A member at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// When it arrived.
    pub at: Moment,
    /// Who told.
    pub source: Source,
    /// The cluster.
    pub cluster_id: u64,
    /// Version of the server.
    pub version: String,
    /// What it is.
    pub role: Role,
    /// Who leads; 0 for nobody.
    pub leader: u64,
    /// Current term.
    pub term: u64,
    /// Commit index.
    pub commit: u64,
    /// Applied index.
    pub applied: u64,
    /// First and last index of the log.
    pub log: Option<(u64, u64)>,
    /// Current revision.
    pub revision: i64,
    /// Compacted revision; -1 for never.
    pub compacted: Option<i64>,
    /// Followers, when it leads and tells.
    pub progress: Option<Vec<Progress>>,
    /// 99th percentile of the writes it answered in the last interval, microseconds; 0 when there were none.
    pub put_p99_us: Option<u64>,
    /// 99th percentile of its log syncs in the last interval, microseconds; 0 when there were none.
    pub sync_p99_us: Option<u64>,
    /// Bytes of data in use.
    pub in_use: Option<u64>,
    /// Bytes of data on disk.
    pub allocated: Option<u64>,
    /// Bytes the data may take.
    pub quota: Option<u64>,
    /// Bytes of log on disk.
    pub log_bytes: Option<u64>,
    /// Resident memory of the process.
    pub resident: Option<u64>,
    /// Open watches.
    pub watchers: Option<u64>,
    /// Of these, the ones that are catching up.
    pub slow_watchers: Option<u64>,
    /// Open client connections.
    pub connections: Option<u64>,
    /// Live keys.
    pub keys: Option<u64>,
    /// Seconds since the start of the process.
    pub uptime_s: Option<u64>,
    /// Leaders it has seen.
    pub leader_changes: Option<u64>,
    /// Calls of clients that stay open (watches, leases kept alive), where connections are not told.
    pub streams: Option<u64>,
    /// What it hears of its peers.
    pub peers: Option<Peers>,
    /// Raised alarms. Every member tells those of all.
    pub alarms: Vec<Alarm>,
    /// What else it complains of, in its words.
    pub complaints: Vec<String>,
}

/// A linearizable read that was answered, or refused to this user after a quorum had confirmed its index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// When it was asked.
    pub asked: Moment,
    /// The term in which it was answered; a refusal does not tell it.
    pub term: Option<u64>,
    /// Why it was refused to this user, when it was.
    pub refused: Option<Denied>,
}

/// What a member hears of its peers, by two looks at its counters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peers {
    /// When the counters were read before: what was counted since came later than this.
    pub from: Option<Moment>,
    /// When they were read.
    pub at: Moment,
    /// Each peer that it tells of.
    pub each: Vec<Peer>,
}

/// A peer as a member hears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Which member.
    pub member: u64,
    /// The connection stands. It stands with a process that is stopped, too.
    pub connected: bool,
    /// Something came from it between the two looks. Idle followers say nothing to each other.
    pub spoke: bool,
}

/// A raised alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Whose it is; 0 when that is not told.
    pub member: u64,
    /// What it is about.
    pub kind: AlarmKind,
}

/// What an alarm is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlarmKind {
    /// The member has used up its quota: the cluster refuses writes.
    NoSpace,
    /// The member's data differs from the others': the cluster refuses reads and writes.
    Corrupt,
    /// Anything else, as the server names it.
    Other(String),
}

impl AlarmKind {
    /// The kind by the name that servers give it.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name {
            "NOSPACE" => Self::NoSpace,
            "CORRUPT" => Self::Corrupt,
            other => Self::Other(other.to_owned()),
        }
    }

    /// As servers name it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::NoSpace => "NOSPACE",
            Self::Corrupt => "CORRUPT",
            Self::Other(name) => name,
        }
    }
}

impl Sample {
    /// Whether a person would see a difference; the time it arrived and the uptime do not count.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        let plain = |sample: &Self| Self {
            at: Moment::default(),
            uptime_s: None,
            peers: sample.peers.clone().map(|peers| Peers { each: peers.each, ..Peers::default() }),
            ..sample.clone()
        };
        plain(self) == plain(other)
    }
}

/// Why nothing is heard from a place, in plain words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What happened.
    pub words: String,
    /// What to do about it.
    pub next: String,
    /// The host is there and says that nothing listens: what listened there before has ended.
    pub refused: bool,
    /// It answers, and does not tell what was asked; why.
    pub denied: Option<Denied>,
}

/// Why a server that answers does not tell what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// It wants a login.
    Login,
    /// The name or the password is wrong.
    Password,
    /// The user may not do this.
    Rights,
    /// It is a learner: it answers hardly anything.
    Learner,
    /// It is a proxy, which keeps to itself what is behind it.
    Proxy,
    /// No TLS comes about with it.
    Tls,
    /// It is no etcd.
    Foreign,
}

impl Denied {
    /// What to do about it.
    #[must_use]
    pub fn next(self) -> &'static str {
        match self {
            Self::Login => "start the console again with --user NAME:PASSWORD, or ETCDCTL_USER",
            Self::Password => "check name and password: --user NAME:PASSWORD, or ETCDCTL_USER",
            Self::Rights => {
                "the Auth screen (6) explains it; as another user: --user NAME:PASSWORD"
            }
            Self::Learner => "name a voter's endpoint",
            Self::Proxy => "name the members themselves; the keys are read through it",
            Self::Tls => "name it with https:// or http://, and its authority with --cacert FILE",
            Self::Foreign => "look at what listens on that port",
        }
    }

    /// Whether it is an etcd that was understood, so that its keys may be read all the same.
    #[must_use]
    pub fn is_understood(self) -> bool {
        !matches!(self, Self::Tls | Self::Foreign)
    }
}
