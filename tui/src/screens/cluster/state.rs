//! The cluster as the console knows it: members, what they last said, and what follows from it.
//!
//! ```text
//! engine ─▶ Report ─▶ Cluster ─▶ view
//! ```
//!
//! * I1: every number belongs to a [`Sample`] with its time of arrival; nothing is carried on as if it were fresh.
//! * I2: a field that a server does not offer stays `None` to the screen.
//! * I3: losing the way to a member is not the member's death: if others hear it, it counts for the quorum.
//!
//! What all of it says of the cluster as a whole is [`verdict`](super::verdict)'s.

use std::collections::BTreeMap;
use std::time::Duration;

use mini_etcd_shared::clock::Moment;

use super::leadership::Leadership;
use super::member::{Link, Member};
use super::rates::Rates;
use super::verdict::{Facts, Leading, Level, Standing, Stop, Verdict, verdict};
use crate::engine::sample::{AlarmKind, Denied, Fault, Listed, Peers, Progress, Proof, Sample};

/// Entries behind from which a member is called lagging.
pub const LAG_ENTRIES: u64 = 1000;
/// 99th percentile of syncs from which a disk is called slow.
pub const SYNC_SLOW_US: u64 = 100_000;
/// For so long a leader that is not heard any more is still believed in.
const LEADER_GRACE: Duration = Duration::from_millis(300);
/// After so long its followers would have another one.
const ELECTION_OVER: Duration = Duration::from_secs(6);
/// What was committed or read linearizably counts for this much longer than a sample does.
const PROOF_GRACE: Duration = Duration::from_millis(2500);
/// For so long a named leader may go without showing that it has a quorum.
const PROOF_WAIT: Duration = Duration::from_secs(5);
/// A member's word on its peers says nothing of now after this time.
const WORD_FRESH: Duration = Duration::from_secs(12);
/// A leader that tells of its followers calls those active that it heard within an election timeout, at the most this.
const ACTIVE_WITHIN: Duration = Duration::from_secs(3);
/// Round trips are smoothed over about this many samples.
const RTT_WEIGHT: u32 = 4;

/// What is wrong with a member, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Not heard yet.
    Connecting,
    /// All well.
    Ok,
    /// Heard, and knows no leader.
    NoLeader,
    /// Behind.
    Lagging,
    /// Its disk is slow.
    SlowDisk,
    /// It has raised an alarm.
    Alarm,
    /// The connection stands and nothing comes.
    Stale,
    /// Not heard from here, while others hear it.
    Unreachable,
    /// Never heard from here, and nobody says whether it lives.
    Unreached,
    /// Heard before and not any more, and nobody says whether it lives.
    Silent,
    /// Dead by evidence.
    Down,
    /// Added, and never started.
    Unstarted,
}

/// The cluster.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// Its number; 0 until known.
    pub id: u64,
    /// Its members, by name.
    pub members: Vec<Member>,
    /// Endpoints that have not told who is in the cluster, while nobody has.
    pub silent: Vec<(String, Fault)>,
    /// Numbers over the last two minutes.
    pub rates: Rates,
    /// Who led when.
    pub leadership: Leadership,
    /// The newest commit by which a rate was taken.
    pub(crate) last_commit: Option<(Moment, u64)>,
    /// Why keys are kept from this user: users are enabled.
    pub locked: Option<Denied>,
    /// The alarms that were told of, once any member was heard.
    pub(crate) alarms_told: Option<Vec<(AlarmKind, u64)>>,
    /// When this process was last found to have slept: what was heard before says nothing of now.
    pub(crate) woke: Moment,
}

impl Cluster {
    /// Takes over a member list; what is known of members that stay is kept.
    pub fn list(&mut self, id: u64, listed: Vec<Listed>) -> bool {
        let mut known: BTreeMap<u64, Member> =
            std::mem::take(&mut self.members).into_iter().map(|m| (m.listed.id, m)).collect();
        let mut changed = self.id != id || !self.silent.is_empty() || known.len() != listed.len();
        self.id = id;
        self.silent.clear();
        self.members = listed
            .into_iter()
            .map(|listed| {
                let known = known.remove(&listed.id);
                changed |= known.as_ref().is_none_or(|member| member.listed != listed);
                match known {
                    Some(member) => Member { listed, ..member },
                    None => Member::new(listed),
                }
            })
            .collect();
        self.members.sort_by_key(|member| (member.name(), member.listed.id));
        changed
    }

    /// A member by its number.
    #[must_use]
    pub fn member(&self, id: u64) -> Option<&Member> {
        self.members.iter().find(|member| member.listed.id == id)
    }

    fn member_mut(&mut self, id: u64) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.listed.id == id)
    }

    /// Name of a member, or its number.
    #[must_use]
    pub fn name(&self, id: u64) -> String {
        self.member(id).map_or_else(|| format!("{id:x}"), Member::name)
    }

    /// Name of a member that answered at an endpoint, or the endpoint.
    #[must_use]
    pub fn name_at(&self, id: u64, endpoint: &str) -> String {
        let at = || self.members.iter().find(|member| member.listed.endpoint == endpoint);
        self.member(id).or_else(at).map_or_else(|| endpoint.to_owned(), Member::name)
    }

    /// Takes over what a member says. Answers whether a person would see a difference.
    pub fn hear(&mut self, id: u64, sample: Sample) -> bool {
        let Some(member) = self.member_mut(id) else { return false };
        let news = member.link != Link::Live
            || member.sample.as_ref().is_none_or(|old| !old.says_the_same(&sample));
        if member.link != Link::Live {
            member.heard_since = sample.at;
        }
        // It moved at some time after the sample before: no later moment is shown.
        let moved = member.sample.as_ref().filter(|old| old.commit < sample.commit);
        if let Some(old) = moved.filter(|old| sample.leader != 0 && old.term == sample.term) {
            member.proof = member.proof.max(Some((old.at, Some(sample.term))));
        }
        member.link = Link::Live;
        member.ended = false;
        member.heard_at.clone_from(&member.listed.endpoint);
        member.before = member.sample.as_ref().map(|old| (old.at, old.commit));
        let at = sample.at;
        member.sample = Some(sample);
        self.measure(id, at);
        news
    }

    /// Takes over a round trip.
    pub fn timed(&mut self, id: u64, at: Moment, rtt: Duration) {
        let Some(member) = self.member_mut(id) else { return };
        member.rtt =
            Some(member.rtt.map_or(rtt, |old| (old * (RTT_WEIGHT - 1) + rtt) / RTT_WEIGHT));
        self.rates.rtt.note(at.0.as_secs(), rtt.as_secs_f64() * 1e6);
    }

    /// A member has answered a linearizable read. Answers whether that changes the verdict.
    pub fn proved(&mut self, id: u64, proof: Proof, now: Moment, stale_after: Duration) -> bool {
        let before = (self.leading(now, stale_after), self.locked);
        // Whoever may not read the one key that is asked for may read others.
        self.locked = proof.refused.filter(|denied| *denied != Denied::Rights);
        let Some(member) = self.member_mut(id) else { return false };
        member.proof = member.proof.max(Some((proof.asked, proof.term)));
        before != (self.leading(now, stale_after), self.locked)
    }

    /// The way to a member is lost. Answers whether that is news.
    pub fn lose(&mut self, id: u64, fault: Fault, now: Moment) -> bool {
        let Some(member) = self.member_mut(id) else { return false };
        let (news, since) = match &member.link {
            Link::Down(old, since) => (*old != fault, *since),
            _ => (true, now),
        };
        member.link = Link::Down(fault, since);
        member.rtt = None;
        news
    }

    /// Whether the loss of a member was told.
    pub fn told(&mut self, id: u64, told: bool) {
        if let Some(member) = self.member_mut(id) {
            member.told = told;
        }
    }

    /// The process of the member of that name is known to have ended, or to run.
    pub fn process(&mut self, name: &str, ended: bool) {
        for member in self.members.iter_mut().filter(|member| member.listed.name == name) {
            member.ended = ended;
        }
    }

    /// Who leads, by the newest term that a member that is heard knows of.
    #[must_use]
    pub fn leader(&self) -> Option<u64> {
        let newest =
            self.members.iter().filter_map(Member::live).max_by_key(|s| (s.term, s.leader))?;
        let named = newest.leader;
        let lives = self.unheard_for(named) < LEADER_GRACE || self.is_led_by(named);
        let ended = self.member(named).is_some_and(|member| member.ended);
        (named != 0 && lives && !ended).then_some(named)
    }

    /// Whether a leader that others name and this console does not hear still leads.
    ///
    /// IMPORTANT: followers go on naming a leader that has died until their timeout, and they rightly go on for ever
    /// naming one that only this console does not hear. Which it is shows after an election would be over, or when a
    /// read that was asked after the loss is answered in the leader's term: its successor answers reads before all have
    /// named it. Who was never heard was not lost.
    fn is_led_by(&self, named: u64) -> bool {
        let Some(member) = self.member(named) else { return true };
        match &member.link {
            Link::Down(_, since) if member.sample.is_some() => {
                self.proof_in(self.newest().0) > Some(*since)
                    || self.unheard_for(named) > ELECTION_OVER
            }
            _ => true,
        }
    }

    /// When a member that is heard was last seen to have a quorum behind it.
    fn newest_proof(&self) -> Option<Moment> {
        self.proofs().map(|(at, _)| at).max()
    }

    /// When a member that is heard was last seen to have the quorum of a leader of that term behind it.
    fn proof_in(&self, term: u64) -> Option<Moment> {
        self.proofs().filter(|(_, of)| *of == Some(term)).map(|(at, _)| at).max()
    }

    fn proofs(&self) -> impl Iterator<Item = (Moment, Option<u64>)> {
        self.members.iter().filter(|m| m.link == Link::Live).filter_map(|m| m.proof)
    }

    /// When that leader was last seen to lead in that term: by its own word, or by what a quorum answered.
    pub(crate) fn seen_leading(&self, id: u64, term: u64) -> Option<Moment> {
        let own = self.member(id).and_then(|member| member.sample.as_ref());
        let own = own.filter(|s| (s.leader, s.term) == (id, term)).map(|s| s.at);
        let named = || {
            let live = self.members.iter().filter_map(Member::live);
            live.filter(|s| (s.leader, s.term) == (id, term)).map(|s| s.at).max()
        };
        own.max(self.proof_in(term)).or_else(named)
    }

    fn unheard_for(&self, id: u64) -> Duration {
        let newest = self.members.iter().filter_map(|m| m.sample.as_ref()).map(|s| s.at).max();
        match self.member(id).map(|member| &member.link) {
            Some(Link::Down(_, since)) => newest.unwrap_or_default().since(*since),
            _ => Duration::ZERO,
        }
    }

    /// What others say of a member since that moment: whether they hear it. Nothing when they show neither.
    fn vouched(&self, id: u64, since: Moment, now: Moment) -> Option<bool> {
        if self.leader() == Some(id) && self.is_led_by(id) {
            return Some(true);
        }
        let leads = self.leader_sample().filter(|sample| sample.at >= since);
        if let Some(progress) = leads.and_then(|sample| sample.progress.as_ref()) {
            let active = progress.iter().find(|progress| progress.member == id).map(|p| p.active);
            let at = leads.map_or(since, |sample| sample.at);
            // What was active may have been so just before it was lost.
            return active.filter(|active| !active || at.since(since) >= ACTIVE_WITHIN);
        }
        let said = self.members.iter().filter_map(Member::live).filter_map(|s| s.peers.as_ref());
        let said: Vec<&Peers> =
            said.filter(|peers| peers.at >= since && now.since(peers.at) <= WORD_FRESH).collect();
        let of = |peers: &&Peers| peers.each.iter().find(|peer| peer.member == id).copied();
        let after = said.iter().filter(|peers| peers.from.is_some_and(|from| from >= since));
        if after.filter_map(of).any(|peer| peer.spoke) {
            return Some(true);
        }
        // A connection that stands shows nothing: a process that is stopped keeps its own.
        let connected = said.iter().filter_map(of).map(|peer| peer.connected);
        connected.reduce(|one, other| one || other).filter(|connected| !connected)
    }

    /// What the members are: `etcd 3.5.1`, all versions where they differ.
    #[must_use]
    pub fn servers(&self) -> Option<String> {
        let mut kinds: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for sample in self.members.iter().filter_map(|member| member.sample.as_ref()) {
            let versions = kinds.entry(sample.source.server()).or_default();
            if !sample.version.is_empty() && !versions.contains(&sample.version.as_str()) {
                versions.push(&sample.version);
            }
        }
        let said = kinds.into_iter().map(|(kind, mut versions)| {
            versions.sort_unstable();
            [&[kind][..], &[&versions.join("/")]].concat().join(" ")
        });
        let said: Vec<String> = said.collect();
        (!said.is_empty()).then(|| said.join(", "))
    }

    /// What the leader last said, while it is heard.
    #[must_use]
    pub fn leader_sample(&self) -> Option<&Sample> {
        self.leader().and_then(|id| self.member(id)).and_then(Member::live)
    }

    /// Newest term, commit index and revision that a member that is heard knows of.
    #[must_use]
    pub fn newest(&self) -> (u64, u64, i64) {
        self.members.iter().filter_map(Member::live).fold(
            (0, 0, 0),
            |(term, commit, revision), s| {
                (term.max(s.term), commit.max(s.commit), revision.max(s.revision))
            },
        )
    }

    /// A follower as the leader sees it.
    #[must_use]
    pub fn progress(&self, id: u64) -> Option<&Progress> {
        self.leader_sample()?.progress.as_ref()?.iter().find(|progress| progress.member == id)
    }

    /// Entries by which a member is behind the cluster.
    ///
    /// By the leader's account where it gives one; otherwise by comparing commit indexes at the same moment.
    /// To it comes what the member has not applied yet.
    #[must_use]
    pub fn lag(&self, id: u64) -> Option<u64> {
        let member = self.member(id)?;
        let sample = member.live()?;
        let unapplied = sample.commit.saturating_sub(sample.applied);
        let leader = self.leader().and_then(|id| self.member(id))?;
        let unreplicated = match (self.progress(id), self.leader_sample()) {
            _ if leader.listed.id == id => 0,
            (Some(progress), Some(leads)) => leads.commit.saturating_sub(progress.matched),
            _ => leader.commit_at(sample.at).saturating_sub(sample.commit),
        };
        Some(unapplied.max(unreplicated))
    }

    /// Whether none of its members is heard any more.
    #[must_use]
    pub fn is_unheard(&self, now: Moment, stale_after: Duration) -> bool {
        let heard = |member| of(self.health(member, now, stale_after)) == Standing::Heard;
        let waiting = |member| self.health(member, now, stale_after) == Health::Connecting;
        !self.members.is_empty() && !self.members.iter().any(|m| heard(m) || waiting(m))
    }

    /// What is wrong with a member.
    #[must_use]
    pub fn health(&self, member: &Member, now: Moment, stale_after: Duration) -> Health {
        let id = member.listed.id;
        match (&member.link, &member.sample) {
            (Link::Down(..), _) if member.ended => Health::Down,
            (Link::Down(_, since), _) => match self.vouched(id, *since, now) {
                Some(true) => Health::Unreachable,
                Some(false) => Health::Down,
                None if member.is_refused() => Health::Down,
                None if member.sample.is_some() => Health::Silent,
                None => Health::Unreached,
            },
            (Link::Connecting, _) if member.is_unstarted() => Health::Unstarted,
            // Without an address there is nobody to ask.
            (Link::Connecting, _) if member.listed.endpoint.is_empty() => {
                match self.vouched(id, Moment::default(), now) {
                    Some(true) => Health::Unreachable,
                    _ => Health::Unreached,
                }
            }
            (Link::Connecting, _) | (_, None) => Health::Connecting,
            (Link::Live, Some(sample)) if now.since(sample.at) > stale_after => Health::Stale,
            (Link::Live, Some(sample)) if sample.leader == 0 => Health::NoLeader,
            (Link::Live, _) if self.alarms().any(|(_, of)| of == id) => Health::Alarm,
            (Link::Live, Some(sample)) if !sample.complaints.is_empty() => Health::Alarm,
            (Link::Live, _) if self.lag(id).is_some_and(|lag| lag > LAG_ENTRIES) => Health::Lagging,
            (Link::Live, Some(sample))
                if sample.sync_p99_us.is_some_and(|us| us > SYNC_SLOW_US) =>
            {
                Health::SlowDisk
            }
            (Link::Live, Some(_)) => Health::Ok,
        }
    }

    /// Raised alarms, each once, with the member whose it is.
    pub fn alarms(&self) -> impl Iterator<Item = (&AlarmKind, u64)> {
        let said = self.members.iter().filter_map(Member::live).flat_map(|sample| &sample.alarms);
        let mut seen: Vec<(&AlarmKind, u64)> = Vec::new();
        for alarm in said.map(|alarm| (&alarm.kind, alarm.member)) {
            if !seen.contains(&alarm) {
                seen.push(alarm);
            }
        }
        seen.into_iter()
    }

    /// The alarm that stops writes, and whose it is.
    #[must_use]
    pub fn stop(&self) -> Option<(Stop, Vec<u64>)> {
        let stops = self.alarms().filter_map(|(kind, member)| match kind {
            AlarmKind::NoSpace => Some((Stop::NoSpace, member)),
            AlarmKind::Corrupt => Some((Stop::Corrupt, member)),
            AlarmKind::Other(_) => None,
        });
        let stops: Vec<(Stop, u64)> = stops.collect();
        let worst = stops.iter().map(|(stop, _)| *stop).max()?;
        let of = stops.iter().filter(|(stop, _)| *stop == worst);
        Some((worst, of.map(|(_, member)| *member).collect()))
    }

    /// Members as the subject of a sentence: `n1 is`, `n1, n2 are`.
    #[must_use]
    pub fn subject(&self, members: &[u64]) -> String {
        let names: Vec<String> = members.iter().map(|id| self.name(*id)).collect();
        format!("{} {}", names.join(", "), if names.len() == 1 { "is" } else { "are" })
    }

    /// Why somebody who answers refuses to tell who is in the cluster.
    #[must_use]
    pub fn denied(&self) -> Option<Denied> {
        self.silent.iter().find_map(|(_, fault)| fault.denied)
    }

    /// How the cluster is.
    #[must_use]
    pub fn verdict(&self, now: Moment, stale_after: Duration) -> Verdict {
        let health: Vec<(bool, Health)> = self
            .members
            .iter()
            .map(|member| (member.listed.learner, self.health(member, now, stale_after)))
            .collect();
        let voters: Vec<Standing> =
            health.iter().filter(|(learner, _)| !learner).map(|(_, health)| of(*health)).collect();
        if voters.is_empty() {
            let (level, words) = match self.denied() {
                _ if self.silent.is_empty() => (Level::Unknown, "looking for the cluster"),
                Some(Denied::Login) => (Level::Unknown, "REFUSED, the member list wants a login"),
                Some(Denied::Password) => (Level::Unknown, "REFUSED, authentication failed"),
                Some(Denied::Rights) => (Level::Unknown, "REFUSED, permission denied"),
                Some(Denied::Learner) => {
                    (Level::Unknown, "a learner answers, and tells no members")
                }
                Some(Denied::Proxy) => {
                    (Level::Unknown, "a proxy answers; what is behind it is not told")
                }
                Some(Denied::Tls) => (Level::Unknown, "a server answers, and no TLS comes about"),
                Some(Denied::Foreign) => (Level::Unknown, "something else than etcd answers"),
                None => (Level::NoQuorum, "nobody answers"),
            };
            return Verdict { level, words: words.into(), alive: 0, alive_most: 0, voters: 0 };
        }
        let leading = self.leading(now, stale_after);
        let stop = self.stop().map(|(stop, members)| (stop, self.subject(&members)));
        verdict(&Facts { voters, leading, stop, wrong: complaints(&health) })
    }

    /// Whether somebody leads, and what shows it.
    fn leading(&self, now: Moment, stale_after: Duration) -> Leading {
        if self.leader().is_none() {
            return Leading::Nobody;
        }
        let proof = self.newest_proof();
        if proof.is_some_and(|at| now.since(at) <= stale_after + PROOF_GRACE) {
            return Leading::Proven;
        }
        let heard = self.members.iter().filter(|member| member.live().is_some());
        let since = heard.map(|member| member.heard_since).max().max(proof).max(Some(self.woke));
        let waited = now.since(since.unwrap_or_default());
        if waited <= PROOF_WAIT { Leading::Named } else { Leading::Unproven }
    }
}

/// How a voter of that health stands.
fn of(health: Health) -> Standing {
    match health {
        Health::Connecting => Standing::Waiting,
        Health::Stale | Health::Silent => Standing::Silent,
        Health::Unreachable => Standing::Vouched,
        Health::Unreached => Standing::Unreached,
        Health::Down => Standing::Down,
        Health::Unstarted => Standing::Unstarted,
        Health::Ok | Health::NoLeader | Health::Lagging | Health::SlowDisk | Health::Alarm => {
            Standing::Heard
        }
    }
}

/// What is wrong beside lost voters, in words.
fn complaints(health: &[(bool, Health)]) -> Vec<String> {
    let words = [
        (Health::NoLeader, "without a leader"),
        (Health::Alarm, "with an alarm"),
        (Health::Lagging, "lagging"),
        (Health::SlowDisk, "slow disk"),
    ];
    let mut said = Vec::new();
    for (kind, word) in words {
        let times = health
            .iter()
            .filter(|(learner, health)| *health == kind && !(*learner && kind == Health::Lagging));
        match times.count() {
            0 => {}
            n if kind == Health::SlowDisk && n > 1 => said.push(format!("{n} slow disks")),
            n => said.push(format!("{n} {word}")),
        }
    }
    let lost = |health| {
        matches!(health, Health::Down | Health::Stale | Health::Silent | Health::Unstarted)
    };
    match health.iter().filter(|(learner, health)| *learner && lost(*health)).count() {
        0 => {}
        1 => said.push("1 learner away".to_owned()),
        n => said.push(format!("{n} learners away")),
    }
    said
}
