//! [`Agenda`]: which lease is to be looked at next.

use std::collections::BTreeSet;

use mini_etcd_shared::clock::Moment;

/// A moment in the life of a lease, and where the agenda lists it: then or earlier.
#[derive(Clone, Copy)]
pub(super) struct Due {
    pub at: Moment,
    listed: Moment,
}

/// Leases by the moment at which to look at each. A renewal puts a moment off, which costs nothing here: the lease stays
/// listed where it is, and is listed anew by whoever finds it there.
#[derive(Default)]
pub(super) struct Agenda {
    listed: BTreeSet<(Moment, i64)>,
}

impl Agenda {
    pub fn list(&mut self, id: i64, at: Moment) -> Due {
        self.listed.insert((at, id));
        Due { at, listed: at }
    }

    pub fn forget(&mut self, id: i64, due: Due) {
        self.listed.remove(&(due.listed, id));
    }

    /// Moves the moment of a lease.
    pub fn postpone(&mut self, id: i64, due: &mut Due, at: Moment) {
        due.at = at;
        if at < due.listed {
            self.forget(id, *due);
            *due = self.list(id, at);
        }
    }

    /// Moves the moment of a lease, which may have none before or after.
    pub fn plan(&mut self, id: i64, due: &mut Option<Due>, at: Option<Moment>) {
        match (&mut *due, at) {
            (Some(due), Some(at)) => self.postpone(id, due, at),
            (None, Some(at)) => *due = Some(self.list(id, at)),
            (_, None) => {
                if let Some(due) = due.take() {
                    self.forget(id, due);
                }
            }
        }
    }

    /// Takes the first lease off that is listed for `now` or before. Its moment may have been put off.
    pub fn pop(&mut self, now: Moment) -> Option<i64> {
        let (at, _) = self.listed.first()?;
        if *at > now { None } else { self.listed.pop_first().map(|(_, id)| id) }
    }

    /// When to look next.
    pub fn next(&self) -> Option<Moment> {
        self.listed.first().map(|(at, _)| *at)
    }

    pub fn clear(&mut self) {
        self.listed.clear();
    }
}
