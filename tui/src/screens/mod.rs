//! The screens: which there are, and what the frame asks of each.
//!
//! ```text
//! keys, motions, answers, ticks ─▶ State::top_mut ─▶ &mut dyn Screen, &mut Context ─▶ Screen::view
//! ```
//!
//! A screen is one folder: state and update, `view`, `actions` (its keys), `requests` (what it asks servers for). It
//! sees its own state and the [`Context`], and never another screen: what another one has to do it wishes. It refuses nothing: what a screen has no use for does nothing.
//!
//! Which screens there are stands in one table, `screens!` below. Whoever needs one thing for each of them takes it from
//! there by a macro of its own: [`ScreenId`] here, the fields of `State`, the tables of actions.

pub mod auth;
pub mod cluster;
pub mod keys;
pub mod leases;
pub mod repl;
pub mod requests;
pub mod watch;

use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::Rect;

use crate::console::{CommandLine, Context, Effect, Mouse, Plan};
use crate::engine::request::{Answer, Ticket};

/// All screens, in the order of the tabs. A row has the folder, which is also the
/// field of `State` and the section of the keymap, the type of its state, its variant of [`ScreenId`], the digit that leads
/// to it, its name in the tabs, and what the help says of the digit.
macro_rules! screens {
    ($macro:ident) => {
        $macro! {
            /// Members, progress, rates, leadership.
            cluster::ClusterScreen, Cluster, 1, "Cluster", "the Cluster screen";
            /// The keys as a tree, and their history.
            keys::Keys, Keys, 2, "Keys", "the Keys screen";
            /// Tails of what changes.
            watch::Watch, Watch, 3, "Watch", "the Watch screen";
            /// The leases, and the keys that end with them.
            leases::Leases, Leases, 4, "Leases", "the Leases screen";
            /// The prompt of the language, and the palette, which has the same session.
            repl::Repl, Repl, 5, "REPL", "the REPL: a prompt with all that was answered";
            /// Users, roles, and what these may do.
            auth::Auth, Auth, 6, "Auth", "the Auth screen: users, roles, and why somebody may do something or may not";
        }
    };
}
pub(crate) use screens;

macro_rules! ids {
    ($($(#[$doc:meta])* $module:ident::$screen:ident, $id:ident, $number:literal, $title:literal, $help:literal;)*) => {
        /// A screen, in the order of the tabs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum ScreenId { $($(#[$doc])* $id,)* }

        /// All screens, in the order of the tabs.
        pub static SCREENS: &[ScreenId] = &[$(ScreenId::$id),*];

        impl ScreenId {
            /// The digit that leads to it.
            #[must_use]
            pub fn number(self) -> u8 {
                match self { $(Self::$id => $number,)* }
            }

            /// Its name in the tabs.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$id => $title,)* }
            }

            /// As the keymap names its keys.
            #[must_use]
            pub fn scope_name(self) -> &'static str {
                match self { $(Self::$id => stringify!($module),)* }
            }

            /// As the help overlay heads its keys.
            #[must_use]
            pub fn scope_title(self) -> &'static str {
                match self { $(Self::$id => concat!($title, " screen"),)* }
            }

            /// As the keymap names the action that goes to it.
            #[must_use]
            pub fn action_name(self) -> &'static str {
                match self { $(Self::$id => concat!("screen-", $number),)* }
            }

            /// What that action does.
            #[must_use]
            pub fn help(self) -> &'static str {
                match self { $(Self::$id => $help,)* }
            }
        }
    };
}
screens!(ids);

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
        from.saturating_add_signed(self.rows(page)).min(of.saturating_sub(1))
    }

    /// The rows that it moves, with `page` rows to a page; to the first and the last by the least and the largest number.
    #[must_use]
    pub fn rows(self, page: usize) -> isize {
        let page = isize::try_from(page.max(2)).unwrap_or(2);
        match self {
            Self::Step(by) => by,
            Self::Half(by) => by * (page / 2),
            Self::Page(by) => by * page,
            Self::Start => isize::MIN,
            Self::End => isize::MAX,
        }
    }
}

/// What the frame asks of a screen, which sees its own state and the [`Context`].
pub trait Screen {
    /// Draws it, and remembers at most what of it was drawn where; a line that is typed covers `bottom`, the line of
    /// the footer.
    fn view(&mut self, ctx: &Context, frame: &mut Frame<'_>, area: Rect, bottom: Rect);
    /// It is gone to.
    fn enter(&mut self, _ctx: &mut Context) -> Vec<Effect> {
        Vec::new()
    }
    /// Another cluster answers: drops all that was of the one before, and what was asked of it. What people should know
    /// to have ended goes into `ended`.
    fn leave(&mut self, _ctx: &mut Context, _ended: &mut Vec<String>) -> Vec<Effect> {
        Vec::new()
    }
    /// It is on top, and that other cluster can be asked from here on.
    fn begin_anew(&mut self, _ctx: &mut Context) -> Vec<Effect> {
        Vec::new()
    }
    /// The command that says what is chosen on it.
    fn command(&self, _ctx: &Context) -> Option<CommandLine> {
        None
    }
    /// Its list, or the pane that has the keyboard, is moved in.
    fn motion(&mut self, ctx: &mut Context, motion: Motion) -> Vec<Effect>;
    /// The next pane (or the one before) gets the keyboard.
    fn focus(&mut self, _forward: bool) {}
    /// Whether it has panes to go to.
    fn has_panes(&self) -> bool {
        false
    }
    /// Whether keys are typed into it rather than looked up.
    fn takes_text(&self) -> bool {
        false
    }
    /// Whether its actions are offered: nothing of its own lies over what they act on.
    fn offers_actions(&self) -> bool {
        true
    }
    /// Whether its actions count also while something lies over the screen that does not take keys itself.
    fn acts_covered(&self) -> bool {
        false
    }
    /// A key is typed into it.
    fn typed(&mut self, _ctx: &mut Context, _key: KeyEvent) -> Vec<Effect> {
        Vec::new()
    }
    /// Text is pasted into it.
    fn pasted(&mut self, _ctx: &mut Context, _text: &str) -> Vec<Effect> {
        Vec::new()
    }
    /// A click or a turn of the wheel, somewhere in the frame and not on a tab; nothing of the frame's lies over it.
    fn mouse(&mut self, _ctx: &mut Context, _event: Mouse) -> Vec<Effect> {
        Vec::new()
    }
    /// Esc: one level back. `None` when there is nothing to go back from.
    fn back(&mut self, _ctx: &mut Context) -> Option<Vec<Effect>> {
        None
    }
    /// Whether Esc has something to go back from.
    fn has_back(&self) -> bool {
        false
    }
    /// `^c`: gives up what runs. `None` when nothing does.
    fn cancel(&mut self, _ctx: &mut Context) -> Option<Vec<Effect>> {
        None
    }
    /// A question of its own was answered with yes: what that question carries is done.
    fn confirmed(&mut self, _ctx: &mut Context, _plan: &Plan) -> Vec<Effect> {
        Vec::new()
    }
    /// The engine answers. A late answer is the screen's to drop, by its [`requests::Requests`].
    fn answered(&mut self, _ctx: &mut Context, _: Ticket, _: Answer) -> Vec<Effect> {
        Vec::new()
    }
    /// Time went on, while it is on top.
    fn tick(&mut self, _ctx: &mut Context) -> Vec<Effect> {
        Vec::new()
    }
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
