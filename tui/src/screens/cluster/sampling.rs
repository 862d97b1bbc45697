//! What a sample adds to the charts of the Cluster screen: rates, and who led when.

use mini_etcd_shared::clock::Moment;

use super::member::Member;
use super::state::Cluster;

impl Cluster {
    /// Notes rates and leadership after member `id` has said something at `at`.
    pub(crate) fn measure(&mut self, id: u64, at: Moment) {
        let second = at.0.as_secs();
        let (term, _, _) = self.newest();
        self.look(at);
        if let Some(lag) = self.lag(id) {
            self.rates.lag.note(second, count(lag));
        }
        let watchers: Option<u64> =
            self.members.iter().filter_map(Member::live).map(|s| s.watchers).sum();
        if let Some(watchers) = watchers {
            self.rates.watchers.note(second, count(watchers));
        }
        let sample = self.member(id).and_then(Member::live);
        let put = sample.and_then(|s| s.put_p99_us).filter(|us| *us > 0);
        let commit =
            sample.filter(|s| s.term == term && self.leader() == Some(id)).map(|s| s.commit);
        if let Some(us) = put {
            self.rates.put_p99.note(second, count(us));
        }
        let Some(commit) = commit else { return };
        if let Some((then, before)) = self.last_commit {
            let passed = at.since(then).as_secs_f64();
            if passed < 0.2 {
                return;
            }
            if passed < 10.0 && commit >= before {
                self.rates.commits.note(second, count(commit - before) / passed);
            }
        }
        self.last_commit = Some((at, commit));
    }

    /// Notes who leads now. Answers whether that is news.
    pub fn look(&mut self, now: Moment) -> bool {
        if !self.members.iter().any(|member| member.sample.is_some()) {
            return false;
        }
        let (term, _, _) = self.newest();
        let leader = self.leader();
        let seen = leader.and_then(|leader| self.seen_leading(leader, term));
        self.leadership.note(now, leader, term, seen)
    }
}

/// A count as the number of a chart.
#[expect(clippy::cast_precision_loss, reason = "a chart shows three digits")]
fn count(value: u64) -> f64 {
    value as f64
}
