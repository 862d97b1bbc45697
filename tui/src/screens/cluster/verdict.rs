//! The verdict on a cluster, from what is known of its voters and of its leader.
//!
//! ```text
//! Cluster ─▶ Facts ─▶ Verdict ─▶ header, Members panel, the question before a kill
//! ```
//!
//! * I1: evidence beats counting: who is not heard from here is not dead, and what answered a read has a quorum.
//! * I2: a member is dead only by evidence too: its process has ended, its place refuses, others say so, or it never started.
//! * I3: where the number of live voters is not known, its least and its most are said, and none is made up.
//! * I4: a learner neither counts for the quorum nor can it be missed.
//!
//! Pure: no clock, no state. Tested here over all combinations.

/// How a voter stands, by all that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Heard from here.
    Heard,
    /// Not heard from here, and heard by others.
    Vouched,
    /// Nobody has tried long enough to say.
    Waiting,
    /// Not reached from here, and nobody says whether it lives.
    Unreached,
    /// The connection stands, or stood, and nothing comes any more.
    Silent,
    /// Dead by evidence.
    Down,
    /// Added, and never started.
    Unstarted,
}

impl Standing {
    /// Whether it lives, when that is known.
    fn lives(self) -> Option<bool> {
        match self {
            Self::Heard | Self::Vouched => Some(true),
            Self::Waiting | Self::Unreached | Self::Silent => None,
            Self::Down | Self::Unstarted => Some(false),
        }
    }
}

/// What shows that somebody leads with a quorum behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leading {
    /// No member that is heard names a leader.
    #[default]
    Nobody,
    /// One is named; whether it has a quorum is being asked.
    Named,
    /// One is named, and nothing has been committed or read linearizably for too long.
    Unproven,
    /// One is named, and lately the commit index moved or a linearizable read was answered.
    Proven,
}

/// An alarm that keeps the cluster from working.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Writes are refused: a member has no space left.
    NoSpace,
    /// Reads and writes are refused: a member's data differs.
    Corrupt,
}

/// What a verdict is made of.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The voters.
    pub voters: Vec<Standing>,
    /// Whether somebody leads.
    pub leading: Leading,
    /// The alarm that stops writes, with the members that raised it as a subject: `n1 is`.
    pub stop: Option<(Stop, String)>,
    /// What else is wrong, in words.
    pub wrong: Vec<String>,
}

/// How the cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Not known yet.
    Unknown,
    /// All well.
    Ok,
    /// It works, as far as this console sees; it does not see everything.
    Partial,
    /// It works, and something is wrong.
    Degraded,
    /// It cannot accept writes.
    NoQuorum,
}

/// How the cluster is, in numbers and in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How bad.
    pub level: Level,
    /// In words.
    pub words: String,
    /// Voters that live, at the least.
    pub alive: usize,
    /// Voters that live, at the most.
    pub alive_most: usize,
    /// Voters there are.
    pub voters: usize,
}

impl Verdict {
    /// Voters that are needed.
    #[must_use]
    pub fn quorum(&self) -> usize {
        self.voters / 2 + 1
    }

    /// Live voters of all, as far as that is known: `3/3`, or `1-3/3`.
    #[must_use]
    pub fn count(&self) -> String {
        if self.alive == self.alive_most {
            format!("{}/{}", self.alive, self.voters)
        } else {
            format!("{}-{}/{}", self.alive, self.alive_most, self.voters)
        }
    }
}

/// The verdict.
#[must_use]
pub fn verdict(facts: &Facts) -> Verdict {
    let voters = facts.voters.len();
    let count = |wanted: &[Standing]| facts.voters.iter().filter(|v| wanted.contains(v)).count();
    let known = facts.voters.iter().filter(|v| v.lives() == Some(true)).count();
    let unknown = facts.voters.iter().filter(|v| v.lives().is_none()).count();
    let quorum = voters / 2 + 1;
    let heard = count(&[Standing::Heard]);
    let mut said = Verdict {
        level: Level::Unknown,
        words: String::new(),
        alive: known,
        alive_most: known + unknown,
        voters,
    };
    let say = |said: Verdict, level, words: String| Verdict { level, words, ..said };
    if heard == 0 && count(&[Standing::Waiting]) > 0 {
        return say(said, Level::Unknown, "connecting".into());
    }
    if said.alive_most < quorum {
        let words = format!("NO QUORUM, {known} of {voters} alive, {quorum} needed");
        return say(said, Level::NoQuorum, words);
    }
    if heard == 0 {
        return say(said, Level::NoQuorum, "nobody answers".into());
    }
    match facts.leading {
        Leading::Proven => {}
        Leading::Nobody if count(&[Standing::Waiting]) > 0 => {
            return say(said, Level::Unknown, "connecting".into());
        }
        Leading::Nobody => return say(said, Level::NoQuorum, without_leader(facts, known, quorum)),
        Leading::Named => {
            return say(said, Level::Unknown, "a leader is named, asking whether it serves".into());
        }
        Leading::Unproven => {
            let words = "NO ANSWER TO READS, although a leader is named".into();
            return say(said, Level::NoQuorum, words);
        }
    }
    // I1: a quorum has just answered, whoever of it is heard from here.
    said.alive = known.max(quorum);
    said.alive_most = said.alive_most.max(said.alive);
    let (level, words) = standing(facts, &said);
    say(said, level, words)
}

/// There is a quorum, and it leads.
fn standing(facts: &Facts, said: &Verdict) -> (Level, String) {
    let quorum = said.quorum();
    let (least, most) = (said.alive - quorum, said.alive_most - quorum);
    let spare = match (least, most) {
        (0, 0) => "none may fail".to_owned(),
        (least, most) if least == most => format!("{least} may fail"),
        (least, most) => format!("{least}-{most} may fail"),
    };
    let mut wrong = lost(&facts.voters);
    wrong.extend(facts.wrong.iter().cloned());
    let unseen = unseen(&facts.voters);
    if let Some((stop, who)) = &facts.stop {
        let words = match stop {
            Stop::NoSpace => format!("WRITES REFUSED, {who} out of space (NOSPACE)"),
            Stop::Corrupt => format!("READS AND WRITES REFUSED, {who} corrupt (CORRUPT)"),
        };
        return (Level::NoQuorum, words);
    }
    if !wrong.is_empty() {
        wrong.extend(unseen);
        return (Level::Degraded, format!("DEGRADED, {}, {spare}", wrong.join(", ")));
    }
    if !unseen.is_empty() {
        return (Level::Partial, format!("quorum stands, {}, {spare}", unseen.join(", ")));
    }
    if said.voters == 1 {
        return (Level::Ok, format!("OK, one member, {spare}"));
    }
    (Level::Ok, format!("quorum OK, {spare}"))
}

fn without_leader(facts: &Facts, known: usize, quorum: usize) -> String {
    let unseen = [unseen(&facts.voters), lost(&facts.voters)].concat();
    if known >= quorum {
        return "NO LEADER, an election is due".to_owned();
    }
    format!("NO LEADER, {}", unseen.join(", "))
}

/// Voters that are lost, in words.
fn lost(voters: &[Standing]) -> Vec<String> {
    named(
        voters,
        &[
            (Standing::Down, "down"),
            (Standing::Unstarted, "never started"),
            (Standing::Silent, "silent"),
        ],
    )
}

/// Voters of which this console knows little, in words.
fn unseen(voters: &[Standing]) -> Vec<String> {
    named(
        voters,
        &[
            (Standing::Vouched, "heard by others"),
            (Standing::Unreached, "unseen"),
            (Standing::Waiting, "not asked yet"),
        ],
    )
}

fn named(voters: &[Standing], words: &[(Standing, &str)]) -> Vec<String> {
    let count = |wanted| voters.iter().filter(|standing| **standing == wanted).count();
    let counted = words.iter().map(|(standing, word)| (count(*standing), word));
    counted.filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screens::cluster::verdict::Standing::{
        Down, Heard, Silent, Unreached, Unstarted, Vouched, Waiting,
    };

    const ALL: [Standing; 7] = [Heard, Vouched, Waiting, Unreached, Silent, Down, Unstarted];

    fn of(voters: &[Standing], leading: Leading) -> Verdict {
        verdict(&Facts { voters: voters.to_vec(), leading, ..Facts::default() })
    }

    type Case = (&'static [Standing], Leading, &'static str, Level, &'static str);

    /// The cases that people meet, the smallest of each kind: how many live, how bad it is, and the words.
    const CASES: &[Case] = &[
        (&[Heard], Leading::Proven, "1/1", Level::Ok, "OK, one member, none may fail"),
        (&[Heard, Heard], Leading::Proven, "2/2", Level::Ok, "quorum OK, none may fail"),
        (&[Heard; 3], Leading::Proven, "3/3", Level::Ok, "quorum OK, 1 may fail"),
        (&[Heard; 5], Leading::Proven, "5/5", Level::Ok, "quorum OK, 2 may fail"),
        // A member that was added and never started is no member that lives.
        (
            &[Heard, Heard, Heard, Unstarted],
            Leading::Proven,
            "3/4",
            Level::Degraded,
            "DEGRADED, 1 never started, none may fail",
        ),
        (
            &[Heard, Unstarted],
            Leading::Nobody,
            "1/2",
            Level::NoQuorum,
            "NO QUORUM, 1 of 2 alive, 2 needed",
        ),
        // A tunnel to one of three.
        (
            &[Heard, Unreached, Unreached],
            Leading::Proven,
            "2-3/3",
            Level::Partial,
            "quorum stands, 2 unseen, 0-1 may fail",
        ),
        (
            &[Heard, Vouched, Vouched],
            Leading::Proven,
            "3/3",
            Level::Partial,
            "quorum stands, 2 heard by others, 1 may fail",
        ),
        (
            &[Heard, Vouched, Down],
            Leading::Proven,
            "2/3",
            Level::Degraded,
            "DEGRADED, 1 down, 1 heard by others, none may fail",
        ),
        (
            &[Heard, Unreached, Unreached],
            Leading::Nobody,
            "1-3/3",
            Level::NoQuorum,
            "NO LEADER, 2 unseen",
        ),
        (
            &[Heard, Unreached, Unreached],
            Leading::Unproven,
            "1-3/3",
            Level::NoQuorum,
            "NO ANSWER TO READS, although a leader is named",
        ),
        (
            &[Heard, Unreached, Unreached],
            Leading::Named,
            "1-3/3",
            Level::Unknown,
            "a leader is named, asking whether it serves",
        ),
        (&[Heard, Waiting, Waiting], Leading::Nobody, "1-3/3", Level::Unknown, "connecting"),
        (&[Unreached, Waiting, Waiting], Leading::Nobody, "0-3/3", Level::Unknown, "connecting"),
        (&[Unreached; 3], Leading::Nobody, "0-3/3", Level::NoQuorum, "nobody answers"),
        (
            &[Heard, Down, Down],
            Leading::Proven,
            "1/3",
            Level::NoQuorum,
            "NO QUORUM, 1 of 3 alive, 2 needed",
        ),
        (
            &[Heard, Heard, Down],
            Leading::Nobody,
            "2/3",
            Level::NoQuorum,
            "NO LEADER, an election is due",
        ),
        (
            &[Heard, Heard, Silent],
            Leading::Proven,
            "2-3/3",
            Level::Degraded,
            "DEGRADED, 1 silent, 0-1 may fail",
        ),
    ];

    #[test]
    fn the_verdict_says_what_is_true() {
        for (voters, leading, count, level, words) in CASES {
            let said = of(voters, *leading);
            let shown = (said.count(), said.level, said.words);
            let wanted = ((*count).to_owned(), *level, (*words).to_owned());
            assert_eq!(shown, wanted, "{voters:?} {leading:?}");
        }
    }

    #[test]
    fn what_stops_writes_is_said_before_everything_else() {
        let full = Facts {
            voters: vec![Heard, Down, Heard],
            leading: Leading::Proven,
            stop: Some((Stop::NoSpace, "n1, n2 are".into())),
            ..Facts::default()
        };
        let said = verdict(&full);
        assert_eq!(said.words, "WRITES REFUSED, n1, n2 are out of space (NOSPACE)");
        assert_eq!((said.level, said.count().as_str()), (Level::NoQuorum, "2/3"));
    }

    /// Every multiset of standings up to five voters, with every kind of evidence.
    #[test]
    fn no_verdict_contradicts_what_is_known() {
        let mut groups: Vec<Vec<Standing>> = vec![Vec::new()];
        let mut all = Vec::new();
        for _ in 0..5 {
            groups = groups
                .iter()
                .flat_map(|group| {
                    let last = group.last().copied().unwrap_or(Heard);
                    let next = ALL.into_iter().filter(move |next| *next >= last);
                    next.map(|next| [group.as_slice(), &[next]].concat())
                })
                .collect();
            all.extend(groups.clone());
        }
        assert_eq!(all.len(), 7 + 28 + 84 + 210 + 462);
        for voters in &all {
            for leading in [Leading::Nobody, Leading::Named, Leading::Unproven, Leading::Proven] {
                check(voters, leading);
            }
        }
    }

    fn check(voters: &[Standing], leading: Leading) {
        let said = of(voters, leading);
        let context = format!("{voters:?} {leading:?}: {said:?}");
        let dead = voters.iter().filter(|v| matches!(v, Down | Unstarted)).count();
        let alive = voters.iter().filter(|v| matches!(v, Heard | Vouched)).count();
        let quorum = voters.len() / 2 + 1;
        assert!(!said.words.is_empty() && said.alive <= said.alive_most, "{context}");
        // I2: nobody dead is counted, nobody alive is left out.
        assert!(said.alive_most <= voters.len() - dead, "{context}");
        assert!(said.alive >= alive, "{context}");
        let works = matches!(said.level, Level::Ok | Level::Partial | Level::Degraded);
        // I1: who answers with a quorum is never called without one, unless the dead forbid it.
        let heard = voters.contains(&Heard);
        let can = voters.len() - dead >= quorum;
        assert_eq!(works, heard && can && leading == Leading::Proven, "{context}");
        if works {
            assert!(said.alive >= quorum, "{context}");
            assert!(said.words.contains("may fail"), "{context}");
        }
        // All is well only when all are heard.
        let all = voters.iter().all(|v| *v == Heard);
        assert_eq!(said.level == Level::Ok, works && all, "{context}");
        // I3: a number is exact only where every voter is known.
        let known = voters.iter().all(|v| v.lives().is_some());
        assert!(!known || said.alive == said.alive_most, "{context}");
    }
}
