//! [`Upkeep`]: work on one member after another, in steps that are shown before they are done: defragment some, or
//! rescue a cluster whose space is used up.
//!
//! ```text
//! Cluster ─▶ defrag | rescue ─▶ steps ─▶ question ─▶ carry_out: Told of each step ─▶ Job
//! ```
//!
//! * I1: followers come before the leader; in a rescue the leader hands over before it is defragmented.
//! * I2: a member is defragmented only once the one before answers linearizable reads again.
//! * I3: a step that fails ends the work, and is not tried again; what was done stays done.
//! * I4: an alarm is cleared only once every member is known to have room.

use super::member::Member;
use super::state::Cluster;
use crate::engine::sample::{AlarmKind, Role, Source};

/// A member that is worked on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Where it is asked.
    pub endpoint: String,
    /// The quota that it told elsewhere than in `Status`, as etcd before 3.6 does, in bytes.
    pub quota: Option<u64>,
    /// Bytes that counted against it before, when they are known.
    pub before: Option<u64>,
    /// What is in use counts against its quota, as with mini-etcd; with etcd all that is on its disk does.
    pub by_use: bool,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// History before this revision is given up.
    Compact(i64),
    /// A follower gives space back.
    DefragFollower(Target),
    /// Who is thought to lead, or is the only one, gives space back.
    DefragLeader(Target),
    /// The first hands leadership to the second.
    HandOver(Target, Target),
    /// Who led before gives space back.
    DefragFormer(Target),
    /// Each has room; of the second ones nobody knows.
    Verify(Vec<Target>, Vec<String>),
    /// The alarms on space are cleared.
    Disarm,
}

impl Step {
    /// What is done.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Compact(revision) => {
                format!("compact at revision {revision}: older versions are given up")
            }
            Self::DefragFollower(target) => format!("defrag {}", target.name),
            Self::DefragLeader(target) => format!("defrag {}, the leader", target.name),
            Self::HandOver(from, to) => {
                format!("hand leadership from {} to {}", from.name, to.name)
            }
            Self::DefragFormer(target) => format!("defrag {}, which led before", target.name),
            Self::Verify(..) => "see that every member has room".to_owned(),
            Self::Disarm => "clear the alarm: writes are taken again".to_owned(),
        }
    }
}

/// Work in steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upkeep {
    /// What it is.
    pub title: String,
    /// Its steps, in order; never empty.
    pub steps: Vec<Step>,
}

/// What is said of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It is begun.
    Begun,
    /// What goes on.
    Now(&'static str),
    /// It is done, and what came of it.
    Done(String),
}

/// What is said of one of the steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Which, from 0.
    pub step: usize,
    /// What.
    pub said: Said,
}

impl Upkeep {
    /// One member is defragmented.
    ///
    /// # Errors
    /// Why not.
    pub fn of_one(cluster: &Cluster, id: u64) -> Result<Self, String> {
        let target = followers_first(cluster).into_iter().find(|target| target.id == id);
        let name = cluster.name(id);
        let Some(target) = target else {
            let learner = cluster.member(id).is_some_and(|member| member.listed.learner);
            let why = if learner { "a learner: it refuses to" } else { "not heard from here" };
            return Err(format!("{name} is {why}"));
        };
        let leads = cluster.leader() == Some(id);
        let step = if leads { Step::DefragLeader } else { Step::DefragFollower };
        Ok(Self { title: format!("defrag {name}"), steps: vec![step(target)] })
    }

    /// All that are heard are defragmented, the leader last. I1
    ///
    /// # Errors
    /// Why not.
    pub fn of_all(cluster: &Cluster) -> Result<Self, String> {
        let mut targets = followers_first(cluster);
        let last = targets.pop().ok_or("no voter is heard from here")?;
        if cluster.leader() != Some(last.id) {
            return Err("who leads is not heard from here".to_owned());
        }
        let mut steps: Vec<Step> = targets.into_iter().map(Step::DefragFollower).collect();
        steps.push(Step::DefragLeader(last));
        Ok(Self { title: "defrag all, the leader last".to_owned(), steps })
    }

    /// A cluster that refuses writes for want of space takes them again.
    ///
    /// # Errors
    /// Why that is not begun.
    pub fn rescue(cluster: &Cluster) -> Result<Self, String> {
        if !cluster.alarms().any(|(kind, _)| *kind == AlarmKind::NoSpace) {
            return Err("no member has raised NOSPACE".to_owned());
        }
        if cluster.alarms().any(|(kind, _)| *kind == AlarmKind::Corrupt) {
            return Err("a member is corrupt: that comes first".to_owned());
        }
        let Self { steps: defrag, .. } = Self::of_all(cluster)?;
        let live = || cluster.members.iter().filter_map(|member| member.live());
        let revision = live().map(|sample| sample.revision).max().unwrap_or(0);
        let compacted = live().filter_map(|sample| sample.compacted).max();
        let mut steps = Vec::new();
        if compacted.is_none_or(|compacted| compacted < revision) {
            steps.push(Step::Compact(revision));
        }
        let first = defrag.iter().find_map(|step| match step {
            Step::DefragFollower(target) => Some(target.clone()),
            _ => None,
        });
        for step in defrag {
            match (step, &first) {
                (Step::DefragLeader(leader), Some(next)) => {
                    steps.push(Step::HandOver(leader.clone(), next.clone()));
                    steps.push(Step::DefragFormer(leader));
                }
                (step, _) => steps.push(step),
            }
        }
        let heard = cluster.members.iter().filter_map(|member| target(cluster, member.listed.id));
        let heard: Vec<Target> = heard.collect();
        let unheard =
            cluster.members.iter().filter(|one| !heard.iter().any(|of| of.id == one.listed.id));
        let unheard = unheard.map(Member::name).collect();
        steps.push(Step::Verify(heard, unheard));
        steps.push(Step::Disarm);
        Ok(Self { title: "rescue from NOSPACE".to_owned(), steps })
    }
}

/// A member that is heard.
fn target(cluster: &Cluster, id: u64) -> Option<Target> {
    let member = cluster.member(id)?;
    let sample = member.live()?;
    let by_use = sample.source == Source::Admin;
    Some(Target {
        id,
        name: member.name(),
        endpoint: member.listed.endpoint.clone(),
        quota: sample.quota,
        before: if by_use { sample.in_use } else { sample.allocated },
        by_use,
    })
}

/// The voters that are heard, the leader last. A learner refuses to defragment.
fn followers_first(cluster: &Cluster) -> Vec<Target> {
    let voters = cluster.members.iter().filter(|member| member.role() != Role::Learner);
    let mut targets: Vec<Target> =
        voters.filter_map(|member| target(cluster, member.listed.id)).collect();
    targets.sort_by_key(|target| cluster.leader() == Some(target.id));
    targets
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mini_etcd_shared::clock::Moment;

    use super::*;
    use crate::engine::sample::{Alarm, Listed, Sample};

    /// Three voters led by the first, of which the second has raised an alarm.
    fn cluster(voters: u64, learners: u64) -> Cluster {
        let mut cluster = Cluster::default();
        let listed = (1..=voters + learners).map(|id| Listed {
            id,
            name: format!("n{id}"),
            learner: id > voters,
            endpoint: format!("h{id}:2379"),
            ..Listed::default()
        });
        cluster.list(7, listed.collect());
        for id in 1..=voters + learners {
            let role = match id {
                1 => Role::Leader,
                id if id > voters => Role::Learner,
                _ => Role::Follower,
            };
            let alarms = vec![Alarm { member: 2, kind: AlarmKind::NoSpace }];
            let at = Moment(Duration::from_secs(1));
            let sample =
                Sample { at, role, leader: 1, term: 3, revision: 90, alarms, ..Sample::default() };
            cluster.hear(id, sample);
        }
        cluster
    }

    fn words(upkeep: &Upkeep) -> Vec<String> {
        upkeep.steps.iter().map(Step::words).collect()
    }

    #[test]
    fn a_rescue_defragments_followers_before_who_led() {
        let rescue = Upkeep::rescue(&cluster(3, 1)).unwrap();
        assert_eq!(
            words(&rescue),
            [
                "compact at revision 90: older versions are given up",
                "defrag n2",
                "defrag n3",
                "hand leadership from n1 to n2",
                "defrag n1, which led before",
                "see that every member has room",
                "clear the alarm: writes are taken again",
            ]
        );
        let alone = Upkeep::rescue(&cluster(1, 0)).unwrap();
        assert_eq!(words(&alone)[1..2], ["defrag n1, the leader"]);
        assert_eq!(alone.steps.len(), 4);
    }

    #[test]
    fn all_are_defragmented_with_the_leader_last_and_no_learner() {
        let all = Upkeep::of_all(&cluster(3, 1)).unwrap();
        assert_eq!(words(&all), ["defrag n2", "defrag n3", "defrag n1, the leader"]);
        assert!(Upkeep::of_one(&cluster(3, 1), 4).unwrap_err().contains("n4 is a learner"));
        assert_eq!(words(&Upkeep::of_one(&cluster(3, 1), 1).unwrap()), ["defrag n1, the leader"]);
    }

    #[test]
    fn no_rescue_without_its_alarm_or_from_damage() {
        let mut cluster = cluster(3, 0);
        for (kind, wanted) in [
            (AlarmKind::Corrupt, "a member is corrupt"),
            (AlarmKind::Other("X".into()), "no member has raised NOSPACE"),
        ] {
            for member in &mut cluster.members {
                let sample = member.sample.as_mut().unwrap();
                if kind != AlarmKind::Corrupt {
                    sample.alarms.clear();
                }
                sample.alarms.push(Alarm { member: 3, kind: kind.clone() });
            }
            assert!(Upkeep::rescue(&cluster).unwrap_err().contains(wanted));
        }
    }
}
