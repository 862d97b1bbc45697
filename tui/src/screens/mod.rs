//! The screens: which there are, and what the frame asks of each.
//!
//! ```text
//! keys, motions, answers, ticks ─▶ SCREENS[state.screen] ─▶ its state and update ─▶ its view
//! ```
//!
//! A screen is one folder: state and update, `view`, `actions` (its keys), `requests` (what it asks servers for). Its
//! state is a field of [`State`]. It refuses nothing: what a screen has no use for does nothing.

pub mod cluster;
pub mod keys;
pub mod repl;
pub mod watch;

use crossterm::event::KeyEvent;

use crate::console::CommandLine;
use crate::console::action::Scope;
use crate::console::msg::Effect;
use crate::console::state::State;
use crate::engine::request::{Answer, Ticket};
use cluster::screen::ClusterScreen;
use keys::KeysScreen;
use repl::ReplScreen;
use watch::WatchScreen;

/// A screen, in the order of the tabs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ScreenId {
    /// Members, progress, rates, leadership.
    #[default]
    Cluster,
    /// The keys as a tree, and their history.
    Keys,
    /// Tails of what changes.
    Watch,
    /// The prompt of the language.
    Repl,
}

impl ScreenId {
    /// The digit that leads to it.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Cluster => 1,
            Self::Keys => 2,
            Self::Watch => 3,
            Self::Repl => 5,
        }
    }
}

/// A move in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// Rows.
    Step(isize),
    /// Halves of a page.
    Half(isize),
    /// Pages.
    Page(isize),
    /// To the first row.
    Start,
    /// To the last row.
    End,
}

impl Motion {
    /// The row to go to, from row `from` of `of`, with `page` rows to a page.
    #[must_use]
    pub fn apply(self, from: usize, of: usize, page: usize) -> usize {
        let page = isize::try_from(page.max(2)).unwrap_or(2);
        let by = match self {
            Self::Step(by) => by,
            Self::Half(by) => by * (page / 2),
            Self::Page(by) => by * page,
            Self::Start => isize::MIN,
            Self::End => isize::MAX,
        };
        from.saturating_add_signed(by).min(of.saturating_sub(1))
    }
}

/// What the frame asks of a screen. All of it works on the screen's own part of the state.
pub trait Screen: Sync {
    /// Which it is.
    fn id(&self) -> ScreenId;
    /// Its name in the tabs.
    fn title(&self) -> &'static str;
    /// The scope of its keys.
    fn scope(&self) -> Scope;
    /// It is gone to.
    fn enter(&self, _state: &mut State) -> Vec<Effect> {
        Vec::new()
    }
    /// It is left for another one; what it asks for may go on.
    fn leave(&self, _state: &mut State) -> Vec<Effect> {
        Vec::new()
    }
    /// The command that says what is chosen on it.
    fn command(&self, _state: &State) -> Option<CommandLine> {
        None
    }
    /// Its list, or the pane that has the keyboard, is moved in.
    fn motion(&self, state: &mut State, motion: Motion) -> Vec<Effect>;
    /// The next pane (or the one before) gets the keyboard.
    fn focus(&self, _state: &mut State, _forward: bool) {}
    /// Whether it has panes to go to.
    fn has_panes(&self) -> bool {
        false
    }
    /// Whether keys are typed into it rather than looked up.
    fn takes_text(&self, _state: &State) -> bool {
        false
    }
    /// A key is typed into it.
    fn typed(&self, _state: &mut State, _key: KeyEvent) -> Vec<Effect> {
        Vec::new()
    }
    /// Text is pasted into it.
    fn pasted(&self, _state: &mut State, _text: &str) -> Vec<Effect> {
        Vec::new()
    }
    /// Esc: one level back. `None` when there is nothing to go back from.
    fn back(&self, _state: &mut State) -> Option<Vec<Effect>> {
        None
    }
    /// Whether Esc has something to go back from.
    fn has_back(&self, _state: &State) -> bool {
        false
    }
    /// `^c`: gives up what runs. `None` when nothing does.
    fn cancel(&self, _state: &mut State) -> Option<Vec<Effect>> {
        None
    }
    /// A question of its own was answered with yes.
    fn confirmed(&self, _state: &mut State) -> Vec<Effect> {
        Vec::new()
    }
    /// The engine answers. A late answer is the screen's to drop, by its [`crate::engine::request::Requests`].
    fn answered(&self, _state: &mut State, _ticket: Ticket, _answer: Answer) -> Vec<Effect> {
        Vec::new()
    }
    /// Time went on, while it is on top.
    fn tick(&self, _state: &mut State) -> Vec<Effect> {
        Vec::new()
    }
}

/// All screens, in the order of the tabs.
pub static SCREENS: &[&dyn Screen] = &[&ClusterScreen, &KeysScreen, &WatchScreen, &ReplScreen];

/// The screen of that id; the first one for an id that no screen has.
#[must_use]
pub fn screen(id: ScreenId) -> &'static dyn Screen {
    SCREENS.iter().copied().find(|screen| screen.id() == id).unwrap_or(&ClusterScreen)
}

/// Goes to a screen; what lies over the one before goes away.
pub fn go_to(state: &mut State, id: ScreenId) -> Vec<Effect> {
    state.overlays.clear();
    if state.screen == id || !SCREENS.iter().any(|screen| screen.id() == id) {
        return Vec::new();
    }
    let mut effects = screen(state.screen).leave(state);
    state.screen = id;
    effects.extend(screen(id).enter(state));
    effects
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn motions_stay_inside_the_list() {
        assert_eq!(Motion::Step(1).apply(0, 0, 10), 0);
        assert_eq!(Motion::Step(-1).apply(0, 5, 10), 0);
        assert_eq!(Motion::Page(1).apply(0, 5, 10), 4);
        assert_eq!(Motion::Half(1).apply(0, 50, 10), 5);
        assert_eq!(Motion::End.apply(3, 50, 10), 49);
        assert_eq!(Motion::Start.apply(3, 50, 10), 0);
    }
}
