//! A member of the cluster, and what is known of it.

use std::time::Duration;

use mini_etcd_shared::clock::Moment;

use crate::engine::sample::{Fault, Listed, Role, Sample};

/// How a member stands with this console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// Not heard yet.
    Connecting,
    /// Heard.
    Live,
    /// Not heard any more, and why; since when.
    Down(Fault, Moment),
}

/// A member with what is known of it.
#[derive(Clone, Debug)]
pub struct Member {
    /// As the member list names it.
    pub listed: Listed,
    /// How it stands with this console.
    pub link: Link,
    /// What it last said.
    pub sample: Option<Sample>,
    /// What it said before that, to interpolate.
    pub(crate) before: Option<(Moment, u64)>,
    /// Round trip.
    pub rtt: Option<Duration>,
    /// Its process is known to have ended.
    pub ended: bool,
    /// That it is not heard any more was told, so that its return is news.
    pub told: bool,
    /// Where it was heard last.
    pub(crate) heard_at: String,
    /// Since when it is heard.
    pub(crate) heard_since: Moment,
    /// When it was last seen to have a quorum behind it: its commit index moved, or it answered a linearizable read.
    /// In which term, where that was told.
    pub(crate) proof: Option<(Moment, Option<u64>)>,
}

impl Member {
    pub(crate) fn new(listed: Listed) -> Self {
        Self {
            listed,
            link: Link::Connecting,
            sample: None,
            before: None,
            rtt: None,
            ended: false,
            told: false,
            heard_at: String::new(),
            heard_since: Moment::default(),
            proof: None,
        }
    }

    /// Whether it was added and has never started: it tells its name and its address when it does.
    #[must_use]
    pub fn is_unstarted(&self) -> bool {
        self.listed.name.is_empty() && self.listed.client_urls.is_empty() && self.sample.is_none()
    }

    /// Whether its place refuses. That shows a death only if the member was heard there.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        let refused = matches!(&self.link, Link::Down(fault, _) if fault.refused);
        refused && self.heard_at == self.listed.endpoint
    }

    /// What to call it.
    #[must_use]
    pub fn name(&self) -> String {
        if self.listed.name.is_empty() {
            format!("{:x}", self.listed.id)
        } else {
            crate::widget::escape_name(self.listed.name.as_bytes())
        }
    }

    /// What it last said, while it is heard.
    #[must_use]
    pub fn live(&self) -> Option<&Sample> {
        self.sample.as_ref().filter(|_| self.link == Link::Live)
    }

    /// Age of what it last said.
    #[must_use]
    pub fn age(&self, now: Moment) -> Option<Duration> {
        self.sample.as_ref().map(|sample| now.since(sample.at))
    }

    /// Commit index at a moment between its last two samples.
    pub(crate) fn commit_at(&self, at: Moment) -> u64 {
        let Some(sample) = &self.sample else { return 0 };
        let Some((then, before)) = self.before.filter(|(then, _)| *then < at && at < sample.at)
        else {
            let earlier = self.before.filter(|(then, _)| at <= *then).map(|(_, commit)| commit);
            return earlier.unwrap_or(sample.commit);
        };
        let span = sample.at.since(then).as_millis().max(1);
        let part =
            u128::from(sample.commit.saturating_sub(before)) * at.since(then).as_millis() / span;
        before + u64::try_from(part).unwrap_or(0)
    }

    /// The role to show: the member list knows learners that do not say so themselves.
    #[must_use]
    pub fn role(&self) -> Role {
        match self.sample.as_ref().map(|sample| sample.role) {
            _ if self.listed.learner => Role::Learner,
            Some(role) if self.link == Link::Live => role,
            _ => Role::Unknown,
        }
    }
}
