//! What a change of the members makes of the quorum, before it is made.
//!
//! * I1: who does not answer now counts as failed, as does a voter that has yet to be started.
//! * I2: what would leave fewer answering voters than a quorum is refused, with the reason.
//!
//! Pure. Tested here by a table, and over all small clusters.

use std::time::Duration;

use mini_etcd_shared::clock::Moment;

use super::member::Member;
use super::state::{Cluster, Health};

/// The voters of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Votes {
    /// How many there are.
    pub voters: usize,
    /// How many of them answer.
    pub answering: usize,
}

impl Votes {
    /// Voters that are needed.
    #[must_use]
    pub fn quorum(self) -> usize {
        self.voters / 2 + 1
    }

    /// How many of those that answer may fail; `None` without a quorum.
    #[must_use]
    pub fn spare(self) -> Option<usize> {
        self.answering.checked_sub(self.quorum())
    }

    fn words(self) -> String {
        let spare = match self.spare() {
            None => "NO QUORUM".to_owned(),
            Some(0) => "none may fail".to_owned(),
            Some(spare) => format!("{spare} may fail"),
        };
        let Self { voters, answering, .. } = self;
        let plural = if voters == 1 { "" } else { "s" };
        format!("{voters} voter{plural}, {answering} answering, quorum {}, {spare}", self.quorum())
    }
}

/// A change of the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new voter, which does not answer before it is started.
    AddVoter,
    /// A new learner.
    AddLearner,
    /// A learner gets its vote.
    Promote {
        /// It answers.
        answers: bool,
    },
    /// A member goes.
    Remove {
        /// It has a vote.
        votes: bool,
        /// It answers.
        answers: bool,
    },
    /// Another one leads.
    Move,
}

/// The voters before a change and after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WhatIf {
    /// Before.
    pub before: Votes,
    /// After.
    pub after: Votes,
    change: Change,
}

impl WhatIf {
    /// What that change makes of these.
    #[must_use]
    pub fn of(before: Votes, change: Change) -> Self {
        let Votes { voters, answering } = before;
        let after = match change {
            Change::AddVoter => Votes { voters: voters + 1, answering },
            Change::Promote { answers } => {
                Votes { voters: voters + 1, answering: answering + usize::from(answers) }
            }
            Change::Remove { votes: true, answers } => Votes {
                voters: voters.saturating_sub(1),
                answering: answering.saturating_sub(usize::from(answers)),
            },
            Change::AddLearner | Change::Remove { votes: false, .. } | Change::Move => before,
        };
        Self { before, after, change }
    }

    /// Why it is refused, if it is. I2
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let Self { before, after, change } = self;
        if before.spare().is_none() {
            let (answering, quorum) = (before.answering, before.quorum());
            return Some(format!(
                "{answering} of {} voters answer and {quorum} have to agree to it",
                before.voters
            ));
        }
        if after.voters == 0 {
            return Some("it is the only voter".to_owned());
        }
        let next = match change {
            Change::AddVoter => "; add it as a learner, and promote it when it is in sync",
            Change::Remove { .. } => "; start, or remove first, one that does not answer",
            _ => "",
        };
        after.spare().is_none().then(|| {
            format!(
                "{} of then {} voters would answer, and {} are needed{next}",
                after.answering,
                after.voters,
                after.quorum()
            )
        })
    }

    /// Both, a line each.
    #[must_use]
    pub fn words(&self) -> String {
        format!("now:  {}\nthen: {}", self.before.words(), self.after.words())
    }
}

impl Cluster {
    /// The voters, and how many of them answer, here or to each other. I1
    #[must_use]
    pub fn votes(&self, now: Moment, stale_after: Duration) -> Votes {
        let voters = || self.members.iter().filter(|member| !member.listed.learner);
        let answering = voters().filter(|member| self.answers(member, now, stale_after));
        Votes { voters: voters().count(), answering: answering.count() }
    }

    /// Whether a member answers, here or to the others.
    #[must_use]
    pub fn answers(&self, member: &Member, now: Moment, stale_after: Duration) -> bool {
        !matches!(
            self.health(member, now, stale_after),
            Health::Connecting
                | Health::Stale
                | Health::Unreached
                | Health::Silent
                | Health::Down
                | Health::Unstarted
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEAD: Change = Change::Remove { votes: true, answers: false };
    const LIVE: Change = Change::Remove { votes: true, answers: true };

    #[test]
    fn what_loses_the_quorum_is_refused_with_the_reason() {
        for (voters, answering, change, wanted) in [
            (3, 3, Change::AddVoter, None),
            (3, 3, LIVE, None),
            (3, 2, DEAD, None),
            (3, 2, LIVE, Some("1 of then 2 voters would answer, and 2 are needed; start")),
            (
                3,
                2,
                Change::AddVoter,
                Some("2 of then 4 voters would answer, and 3 are needed; add"),
            ),
            (3, 2, Change::AddLearner, None),
            (1, 1, Change::AddVoter, Some("add it as a learner")),
            (1, 1, Change::Promote { answers: true }, None),
            (1, 1, Change::Promote { answers: false }, Some("1 of then 2")),
            (1, 1, LIVE, Some("it is the only voter")),
            (2, 2, LIVE, None),
            (3, 1, DEAD, Some("1 of 3 voters answer and 2 have to agree to it")),
            (3, 1, Change::Move, Some("have to agree")),
            (3, 3, Change::Remove { votes: false, answers: false }, None),
        ] {
            let refusal = WhatIf::of(Votes { voters, answering }, change).refusal();
            match wanted {
                None => assert_eq!(refusal, None, "{voters} {answering} {change:?}"),
                Some(words) => {
                    let said = refusal.unwrap_or_default();
                    assert!(said.contains(words), "{voters} {answering} {change:?}: {said}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_refused_keeps_a_quorum() {
        let changes = [
            Change::AddVoter,
            Change::AddLearner,
            Change::Promote { answers: true },
            Change::Promote { answers: false },
            LIVE,
            DEAD,
            Change::Move,
        ];
        for voters in 1..8 {
            for answering in 0..=voters {
                for change in changes {
                    // There is nobody of that kind to remove.
                    if (change == LIVE && answering == 0) || (change == DEAD && answering == voters)
                    {
                        continue;
                    }
                    let what = WhatIf::of(Votes { voters, answering }, change);
                    let keeps = what.before.spare().is_some() && what.after.spare().is_some();
                    let some = what.after.voters > 0;
                    assert_eq!(what.refusal().is_none(), keeps && some, "{what:?}");
                }
            }
        }
    }

    #[test]
    fn both_are_said_in_numbers() {
        let what = WhatIf::of(Votes { voters: 3, answering: 3 }, LIVE);
        assert_eq!(
            what.words(),
            "now:  3 voters, 3 answering, quorum 2, 1 may fail\n\
             then: 2 voters, 2 answering, quorum 2, none may fail"
        );
    }
}
