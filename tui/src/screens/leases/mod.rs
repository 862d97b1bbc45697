//! The Leases screen: a list of the leases, how long each has, and the keys that end with it.
//!
//! ```text
//! tick ─▶ look ─▶ ListLeases, ReadLeases (rows in sight), ReadLease (the chosen one) ─▶ List, Detail ─▶ view
//! keys ─▶ actions ─▶ GrantLease, RevokeLease, RenewLease
//! ```
//!
//! * I1: a list names ids alone, and each lease is asked about by itself: only those in sight are, and at a bounded rate
//!   (`requests`); all of them when somebody asks for that, with a way to give it up.
//! * I2: a lease is revoked after a question that names the keys that go with it, and only if they are still these.
//! * I3: it shows as unknown what nobody told: the time of a lease that was not asked about, and of one that this user
//!   may not read.
//! * I4: all of it is of one cluster: when another one answers it goes, and what is kept alive is left to end.
//! * I5: without a leader no lease ends and none is renewed, which is said.
//!
//! It refuses changes in a read-only console. Tested here by tables, in `tests/console/leases.rs` by snapshots and on a
//! real member, and in the real program in `tests/pty/leases.rs`.

pub(crate) mod actions;
pub mod model;
mod mouse;
pub mod requests;
mod screen;
mod update;
pub(crate) mod view;

use std::collections::BTreeMap;

use bytes::Bytes;
use mini_etcd_shared::clock::Moment;

use super::ScreenId;
use crate::console::Context;
use crate::engine::request::Trouble;
use crate::screens::requests::{Freshness, Requests};
use crate::widget::line::LineInput;
use model::{Answered, Histogram, Lease, List, Told};
use mouse::DrawnLeases;
use requests::{
    GrantLease, Listing, ReadLease, ReadLeases, RenewLease, Renewal, RevokeLease, Revoked,
};

/// Leases that are kept alive from here at most.
pub const KEPT_MAX: usize = 16;

/// The part of the screen that has the keyboard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pane {
    /// The list.
    #[default]
    List,
    /// The keys of the chosen lease.
    Keys,
}

/// What is being typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A part of an id.
    Filter,
    /// The time of a new lease, and its id.
    Grant,
}

/// The line at the bottom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// What for.
    pub ask: Ask,
    /// What is typed.
    pub line: LineInput,
    /// What to say about it.
    pub error: Option<String>,
}

/// The chosen lease in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// Which.
    pub id: i64,
    /// Its keys, as far as they are kept, and how many it has; `None` while they are read.
    pub keys: Option<(Vec<Bytes>, u64)>,
    /// When it was asked about.
    asked: Moment,
    /// Why its keys are not known.
    pub denied: Option<String>,
}

/// A lease that is kept alive from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// When it was renewed last.
    pub renewed: Option<Moment>,
    /// Why the last try failed.
    pub failed: Option<Trouble>,
}

/// What has come of a request.
#[derive(Clone, Debug)]
pub(crate) enum Msg {
    Listed(Result<Listing, Trouble>),
    /// Of the chosen lease.
    Read(ReadLease, Result<Told, Trouble>),
    /// Of rows, or of all that were not known.
    Told(ReadLeases, Result<Vec<Answered>, Trouble>),
    Granted(GrantLease, Result<(i64, i64), Trouble>),
    Revoked(RevokeLease, Result<Revoked, Trouble>),
    Renewed(RenewLease, Result<Renewal, Trouble>),
}

/// The Leases screen.
#[derive(Clone, Debug)]
pub struct Leases {
    /// The leases.
    pub list: List,
    /// When those that are known end.
    pub histogram: Histogram,
    /// The chosen row.
    pub chosen: usize,
    /// The first row in sight.
    top: usize,
    /// Which pane has the keyboard.
    pub pane: Pane,
    /// The chosen lease in full.
    pub detail: Option<Detail>,
    /// The chosen key of it.
    pub key: usize,
    /// The line at the bottom.
    pub prompt: Option<Prompt>,
    /// Those that are kept alive from here.
    pub kept: BTreeMap<i64, Kept>,
    /// Leases that a survey has yet to ask about, and had at its beginning.
    pub survey: Option<(usize, usize)>,
    /// How old the list is.
    pub fresh: Freshness,
    /// Why the leases in sight could not be asked about the last time.
    pub untold: Option<Trouble>,
    /// When the list was asked for last, and when rows were.
    asked: (Option<Moment>, Option<Moment>),
    /// Of this second the histogram is.
    counted: u64,
    /// The lease to choose once it is in the list: it was granted from here.
    wanted: Option<i64>,
    drawn: DrawnLeases,
    requests: Requests<Msg>,
}

impl Default for Leases {
    fn default() -> Self {
        Self {
            list: List::default(),
            histogram: Histogram::default(),
            chosen: 0,
            top: 0,
            pane: Pane::default(),
            detail: None,
            key: 0,
            prompt: None,
            kept: BTreeMap::new(),
            survey: None,
            fresh: Freshness::default(),
            untold: None,
            asked: (None, None),
            counted: 0,
            wanted: None,
            drawn: DrawnLeases::default(),
            requests: Requests::new(ScreenId::Leases.number()),
        }
    }
}

impl Leases {
    /// The chosen lease.
    #[must_use]
    pub fn chosen_id(&self) -> Option<i64> {
        self.list.rows().get(self.chosen).copied()
    }

    /// What is known of the chosen lease.
    #[must_use]
    pub fn chosen_lease(&self) -> Option<&Lease> {
        self.list.get(self.chosen_id()?)
    }

    /// The chosen key of the chosen lease, while its keys have the keyboard.
    #[must_use]
    pub fn chosen_key(&self) -> Option<&Bytes> {
        let (keys, _) = self.detail.as_ref()?.keys.as_ref().filter(|_| self.pane == Pane::Keys)?;
        keys.get(self.key)
    }

    /// Whether all that was asked for has come, but for what is kept alive.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.requests.len() == self.kept.len()
    }

    /// Chooses a row, and brings it in sight of so many rows.
    fn choose(&mut self, row: usize, page: usize) {
        self.chosen = row.min(self.list.rows().len().saturating_sub(1));
        self.top = self.top.min(self.chosen).max((self.chosen + 1).saturating_sub(page.max(1)));
    }

    /// Puts the rows in order anew; what is chosen stays chosen while it is there.
    fn lay_out(&mut self, ctx: &Context, change: impl FnOnce(&mut List)) {
        let chosen = self.wanted.or_else(|| self.chosen_id());
        change(&mut self.list);
        let row = chosen.and_then(|id| self.list.rows().iter().position(|row| *row == id));
        if row.is_some() {
            self.wanted = None;
        }
        self.choose(row.unwrap_or(self.chosen), view::rows(self, ctx));
        self.count(ctx, true);
    }

    /// Counts anew when the known ones end: once a second, or now.
    fn count(&mut self, ctx: &Context, now: bool) {
        let second = ctx.now.0.as_secs();
        if now || self.counted != second {
            self.counted = second;
            self.histogram = self.list.histogram(ctx.now);
        }
    }
}
