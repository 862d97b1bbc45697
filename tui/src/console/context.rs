//! [`Context`]: what every screen sees beside its own state, and what it acts through.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mini_etcd_shared::clock::Moment;

use super::msg::Effect;
use super::overlays::ActionList;
use super::replay::Replay;
use super::spec::Spec;
use super::toast::Toasts;
use crate::engine::report::Pace;
use crate::engine::request::Trouble;
use crate::engine::sample::Denied;
use crate::engine::session::Prompt;
use crate::profile::Profile;
use crate::screens::ScreenId;
use crate::screens::cluster::Cluster;
use crate::screens::cluster::member::Link;
use crate::widget::Look;

/// Difference to the wall clock from which it was set meanwhile.
const CLOCK_SET: Duration = Duration::from_millis(1500);
/// Connections that broke while the process slept are found and made anew within this time.
const WAKING: Duration = Duration::from_secs(8);

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
    /// What can be done here.
    Actions(ActionList),
    /// The keys, from this line on.
    Help(u16),
    /// Everything about one member.
    Member(u64),
    /// What happened to the cluster, from this line on.
    Events(u16),
    /// Which layer of a connection fails, from this line on.
    Doctor(u16),
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

/// What is done on yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Yes {
    /// This.
    Do(Effect),
    /// A run of this text.
    Run(String),
    /// What the screen that asked has planned.
    Planned(ScreenId, Plan),
}

/// What a screen does on yes, as a type of its own. The question carries it, so that a yes does what that question says,
/// whatever else is asked about.
#[derive(Clone)]
pub struct Plan(Arc<dyn Any + Send + Sync>);

impl Plan {
    pub(crate) fn new<T: Any + Send + Sync>(plan: T) -> Self {
        Self(Arc::new(plan))
    }

    /// The plan, when it is of this type.
    pub(crate) fn of<T: Any + Clone>(&self) -> Option<T> {
        self.0.downcast_ref().cloned()
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan").finish_non_exhaustive()
    }
}

impl PartialEq for Plan {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Plan {}

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
    pub yes: Yes,
    /// What was typed so far.
    pub typed: String,
    /// It was answered with yes once, and is asked again.
    pub again: bool,
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

/// What a screen wants that another one, or the frame, has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A tail of this, on the Watch screen; by this line of the palette.
    Follow(Spec, String),
    /// This bundled member is killed, as by its key.
    Kill(String),
    /// The keys are changed by a command, this one.
    Changes(String),
    /// This key is shown on the Keys screen, as it is now.
    ShowKey(Bytes),
}

/// What every screen sees beside its own state, and what it acts through.
#[derive(Clone, Debug)]
pub struct Context {
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
    /// What it looks at.
    pub origin: Origin,
    /// Whether nothing may be changed.
    pub read_only: bool,
    /// As whom servers know it, if they do.
    pub user: Option<String>,
    /// The profile that it looks by.
    pub profile: Option<Profile>,
    /// Flags that lead where it looks, beside its endpoints.
    pub flags: Vec<String>,
    /// The names of all profiles.
    pub profiles: Vec<String>,
    /// How often members are asked.
    pub pace: Pace,
    /// What is known of the cluster.
    pub cluster: Cluster,
    /// Bundled members by name.
    pub bundled: BTreeMap<String, Bundled>,
    /// How the session of palette and pane is.
    pub prompt: Prompt,
    /// The screen on top.
    pub screen: ScreenId,
    /// What lies over it, topmost last.
    pub overlays: Vec<Overlay>,
    /// Short messages.
    pub toasts: Toasts,
    /// What was done last by keys.
    pub done: Option<Replay>,
    /// Whether the screen should be drawn again.
    pub redraw: Redraw,
    /// What others have to do.
    pub(super) wishes: Vec<Wish>,
    /// An answer is taken in while the keys are meant for something else than the screen that asked.
    pub(super) busy: bool,
}

impl Context {
    pub(super) fn new(look: Look, origin: Origin, read_only: bool, size: (u16, u16)) -> Self {
        Self {
            now: Moment::default(),
            wall: 0,
            base: None,
            woke: None,
            size,
            look,
            origin,
            read_only,
            user: None,
            profile: None,
            flags: Vec::new(),
            profiles: Vec::new(),
            pace: Pace::default(),
            cluster: Cluster::default(),
            bundled: BTreeMap::new(),
            prompt: Prompt { format: "simple".to_owned(), ..Prompt::default() },
            screen: ScreenId::Cluster,
            overlays: Vec::new(),
            toasts: Toasts::default(),
            done: None,
            redraw: Redraw::Input,
            wishes: Vec::new(),
            busy: false,
        }
    }

    /// Whether the console only looks, which it then says.
    pub(crate) fn refuses_changes(&mut self) -> bool {
        if self.read_only {
            self.toasts.hint(self.now, "read-only: nothing is changed from here");
        }
        self.read_only
    }

    /// Says what could not be done; what is on screen stays.
    pub(crate) fn failed(&mut self, what: String, trouble: Trouble) {
        let Trouble { place, why, next } = trouble;
        let what = if place.is_empty() { what } else { format!("{what} at {place}") };
        self.toasts.error(self.now, what, why, next);
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

    /// Rows that a page of a screen's list moves.
    #[must_use]
    pub fn page(&self) -> usize {
        usize::from(self.size.1.saturating_sub(8).max(2))
    }

    /// Age from which an answer is called stale.
    #[must_use]
    pub fn stale_after(&self) -> Duration {
        self.pace.stale_after()
    }

    /// Whether nobody that could be used answers at what was named, so that a bundled server may stand in for it.
    #[must_use]
    pub fn may_stand_in(&self) -> bool {
        let silent = self.cluster.members.is_empty() && !self.cluster.silent.is_empty();
        matches!(self.origin, Origin::Endpoints(_))
            && !self.cluster.denied().is_some_and(Denied::is_understood)
            && (silent || self.cluster.is_unheard(self.now, self.stale_after()))
    }

    /// Whether a place that was named, or a member, does not answer, and nobody knows why: a bundled one that has ended
    /// is not missed.
    #[must_use]
    pub fn misses_somebody(&self) -> bool {
        let ended = |name| self.bundled.get(&name).is_some_and(|of| *of != Bundled::Running);
        let mut members = self.cluster.members.iter();
        !self.cluster.silent.is_empty()
            || members.any(|member| matches!(member.link, Link::Down(..)) && !ended(member.name()))
    }

    /// Asks for a new drawing.
    pub fn dirty(&mut self, why: Redraw) {
        self.redraw = self.redraw.max(why);
    }

    /// Whether something lies over the screen.
    #[must_use]
    pub fn is_covered(&self) -> bool {
        !self.overlays.is_empty()
    }

    /// Asks before something is done. A question that comes by an answer, while the keys are meant for something else, is
    /// not asked, which is said: no key of that is a yes.
    pub(crate) fn confirm(&mut self, tier: Tier, title: String, text: String, yes: Yes) {
        if self.busy {
            let what = format!("{title}: not asked, for something else was begun meanwhile");
            self.toasts.info(self.now, what, "the same key asks again");
            return;
        }
        // It is in sight before another key is taken in.
        self.dirty(Redraw::Input);
        let confirm = Confirm { tier, title, text, yes, typed: String::new(), again: false };
        self.overlays.push(Overlay::Confirm(Box::new(confirm)));
    }

    /// What a screen asked about is not there any more.
    pub(crate) fn withdraw(&mut self, screen: ScreenId) {
        self.overlays.retain(|overlay| {
            !matches!(overlay, Overlay::Confirm(confirm)
                if matches!(confirm.yes, Yes::Planned(asked, _) if asked == screen))
        });
    }

    /// The profile's name, when it is one of production: then what is asked is asked twice.
    pub(crate) fn production(&self) -> Option<&str> {
        let profile = self.profile.as_ref().filter(|profile| profile.production);
        profile.map(|profile| profile.name.as_str())
    }

    /// Wants something of another screen, or of the frame.
    pub(crate) fn wish(&mut self, wish: Wish) {
        self.wishes.push(wish);
    }
}
