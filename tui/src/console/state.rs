//! Everything the screen is drawn from.

use std::collections::BTreeMap;
use std::time::Duration;

use mini_etcd_shared::clock::Moment;

use super::action::Scope;
use super::deed::Deed;
use super::keymap::Keymap;
use super::msg::{Effect, Pace};
use super::palette::Palette;
use super::toast::Toasts;
use crate::engine::sample::Denied;
use crate::screens::cluster::Cluster;
use crate::screens::cluster::member::Member;
use crate::screens::keys::Keyspace;
use crate::screens::repl::Repl;
use crate::screens::watch::Tails;
use crate::screens::{ScreenId, screen};
use crate::widget::Look;

/// Difference to the wall clock from which it was set meanwhile.
const CLOCK_SET: Duration = Duration::from_millis(1500);
/// Connections that broke while the process slept are found and made anew within this time.
const WAKING: Duration = Duration::from_secs(8);

/// For so long the header says that another cluster has taken the place of the one before.
pub(crate) const REPLACED_SHOWN: Duration = Duration::from_secs(60);

/// Which servers the console looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The ones that were named.
    Endpoints(Vec<String>),
    /// Bundled members on temporary data.
    Demo(usize),
    /// A bundled server on temporary data, because nobody answered at these.
    StandIn(Vec<String>),
}

/// A bundled member as a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bundled {
    /// It runs.
    Running,
    /// It was killed from here.
    Killed,
    /// It ended by itself.
    Ended,
}

/// What lies over the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overlay {
    /// The keys, from this line on.
    Help(u16),
    /// Everything about one member.
    Member(u64),
    /// What happened to the cluster, from this line on.
    Events(u16),
    /// A question.
    Confirm(Box<Confirm>),
    /// The palette.
    Palette,
}

/// How much is at stake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Something is lost: wants `y`.
    Loss,
    /// The shape of the cluster changes: wants this word to be typed.
    Shape(String),
}

/// A question before something is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirm {
    /// How much is at stake.
    pub tier: Tier,
    /// What would be done, in the words of the key.
    pub title: String,
    /// What it would mean.
    pub text: String,
    /// What to do on yes.
    pub effect: Effect,
    /// What was typed so far.
    pub typed: String,
}

/// Why the screen should be drawn again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Redraw {
    /// It need not be.
    #[default]
    No,
    /// Numbers changed: soon.
    Data,
    /// Somebody did something: now.
    Input,
}

/// What a console starts with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How it looks.
    pub look: Look,
    /// Its keys.
    pub keymap: Keymap,
    /// What it looks at.
    pub origin: Origin,
    /// Whether nothing may be changed.
    pub read_only: bool,
    /// Width and height of the terminal.
    pub size: (u16, u16),
}

/// The console.
#[derive(Clone, Debug)]
pub struct State {
    /// Now.
    pub now: Moment,
    /// Seconds of the wall clock.
    pub wall: u64,
    /// The wall clock when [`now`](Self::now) was zero, so that a moment has one time whenever it is looked at.
    base: Option<Duration>,
    /// When the process was last found to have slept.
    pub woke: Option<Moment>,
    /// Width and height of the terminal.
    pub size: (u16, u16),
    /// How it looks.
    pub look: Look,
    /// Its keys.
    pub keymap: Keymap,
    /// What it looks at.
    pub origin: Origin,
    /// Whether nothing may be changed.
    pub read_only: bool,
    /// The screen on top.
    pub screen: ScreenId,
    /// The Keys screen.
    pub keyspace: Keyspace,
    /// What it knows.
    pub cluster: Cluster,
    /// Bundled members by name.
    pub bundled: BTreeMap<String, Bundled>,
    /// Somebody answers where a bundled server stands in for it.
    pub elsewhere: bool,
    /// The chosen member.
    pub chosen: usize,
    /// The Watch screen.
    pub watch: Tails,
    /// What lies over the screen, topmost last.
    pub overlays: Vec<Overlay>,
    /// The palette, also while it is closed.
    pub palette: Palette,
    /// The REPL pane, and what the palette shares with it.
    pub repl: Repl,
    /// Short messages.
    pub toasts: Toasts,
    /// How often members are asked.
    pub pace: Pace,
    /// Whether the screen should be drawn again.
    pub redraw: Redraw,
    /// When `q` was pressed for the first time.
    pub leaving: Option<Moment>,
    /// Reports of any other generation are dropped.
    pub generation: u64,
    /// Number of the last run.
    pub runs: u64,
    /// What was done last by keys.
    pub done: Option<Deed>,
    /// When another cluster took the place of the one before.
    pub replaced: Option<Moment>,
}

impl State {
    /// A console that knows nothing yet.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        Self {
            now: Moment::default(),
            wall: 0,
            base: None,
            woke: None,
            size: setup.size,
            look: setup.look,
            keymap: setup.keymap,
            origin: setup.origin,
            read_only: setup.read_only,
            screen: ScreenId::default(),
            keyspace: Keyspace::default(),
            cluster: Cluster::default(),
            bundled: BTreeMap::new(),
            elsewhere: false,
            chosen: 0,
            watch: Tails::default(),
            overlays: Vec::new(),
            palette: Palette::default(),
            repl: Repl::default(),
            toasts: Toasts::default(),
            pace: Pace::default(),
            redraw: Redraw::Input,
            leaving: None,
            generation: 0,
            runs: 0,
            done: None,
            replaced: None,
        }
    }

    /// Time went on.
    pub(crate) fn time(&mut self, now: Moment, wall: u64) {
        // A console that was stopped heard nothing meanwhile, and what it lost by that is no news.
        if self.now != Moment::default() && now.since(self.now) > self.stale_after() {
            self.wake(now);
        }
        self.now = self.now.max(now);
        self.wall = wall;
        let told = Duration::from_secs(wall).saturating_sub(now.0);
        // The second that is told is up to one old, so the latest of all is right, unless the clock was set.
        let base = self.base.filter(|base| base.abs_diff(told) < CLOCK_SET);
        self.base = Some(base.map_or(told, |base| base.max(told)));
    }

    /// The process has slept until now.
    pub(crate) fn wake(&mut self, now: Moment) {
        self.woke = Some(now);
        self.cluster.woke = now;
    }

    /// Whether the process woke so lately that what it does not hear says nothing.
    pub(crate) fn is_waking(&self) -> bool {
        self.woke.is_some_and(|woke| self.now.since(woke) < WAKING)
    }

    /// The second of the wall clock at a moment.
    #[must_use]
    pub fn wall_at(&self, at: Moment) -> u64 {
        (self.base.unwrap_or_default() + at.0).as_secs()
    }

    /// The screen's scope of keys.
    #[must_use]
    pub fn scope(&self) -> Scope {
        screen(self.screen).scope()
    }

    /// Rows that a page of a screen's list moves.
    #[must_use]
    pub fn page(&self) -> usize {
        usize::from(self.size.1.saturating_sub(8).max(2))
    }

    /// The chosen member.
    #[must_use]
    pub fn chosen_member(&self) -> Option<&Member> {
        self.cluster.members.get(self.chosen)
    }

    /// The chosen member as a bundled process, with its name.
    #[must_use]
    pub fn chosen_bundled(&self) -> Option<(String, Bundled)> {
        let name = self.chosen_member()?.name();
        self.bundled.get(&name).map(|state| (name, *state))
    }

    /// Whether nobody that could be used answers at what was named, so that a bundled server may stand in for it.
    #[must_use]
    pub fn may_stand_in(&self) -> bool {
        let silent = self.cluster.members.is_empty() && !self.cluster.silent.is_empty();
        matches!(self.origin, Origin::Endpoints(_))
            && !self.cluster.denied().is_some_and(Denied::is_understood)
            && (silent || self.cluster.is_unheard(self.now, self.stale_after()))
    }

    /// Age from which an answer is called stale.
    #[must_use]
    pub fn stale_after(&self) -> Duration {
        self.pace.stale_after()
    }

    /// Asks for a new drawing.
    pub fn dirty(&mut self, why: Redraw) {
        self.redraw = self.redraw.max(why);
    }
}
