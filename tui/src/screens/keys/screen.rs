//! The Keys screen as the frame sees it.

use std::time::Duration;

use crossterm::event::KeyEvent;

use super::load::look;
use super::travel::choose_version;
use super::{Pane, Wait, answer, bulk, change, load, search};
use crate::console::action::Scope;
use crate::console::deed::Deed;
use crate::console::msg::{Effect, Pace};
use crate::console::state::State;
use crate::console::{CommandLine, deed};
use crate::engine::request::{Answer, Ticket};
use crate::screens::{Motion, Screen, ScreenId};

/// The tree is read anew by itself, at most so often, while that takes few requests.
const REFRESH_EVERY: Duration = Duration::from_secs(2);
/// More requests than this are only made when somebody asks for it.
const REFRESH_REQUESTS_MAX: u32 = 8;

/// Lines that other things may take of a page, in a value, a difference and the tree: no page passes over a line unseen.
const BESIDE_VALUE: usize = 6;
const BESIDE_DIFF: usize = 12;
const BESIDE_TREE: usize = 8;

/// The Keys screen.
pub(crate) struct KeysScreen;

impl Screen for KeysScreen {
    fn id(&self) -> ScreenId {
        ScreenId::Keys
    }

    fn title(&self) -> &'static str {
        "Keys"
    }

    fn scope(&self) -> Scope {
        Scope::Keys
    }

    fn enter(&self, state: &mut State) -> Vec<Effect> {
        if state.keyspace.tree.revision == 0 && state.keyspace.coming.is_none() {
            return load::reload(state);
        }
        Vec::new()
    }

    fn command(&self, state: &State) -> Option<CommandLine> {
        change::command(state)
    }

    fn motion(&self, state: &mut State, motion: Motion) -> Vec<Effect> {
        let page = state.page();
        let diff_page = page.saturating_sub(BESIDE_DIFF);
        let keyspace = &mut state.keyspace;
        if keyspace.pane == Pane::Value {
            if let Some(conflict) = &mut keyspace.conflict {
                conflict.scroll = motion.apply(conflict.scroll, conflict.diff.len(), diff_page);
            } else if let Some(history) = &mut keyspace.history {
                // Steps choose a version, pages go through what it changed.
                if matches!(motion, Motion::Half(_) | Motion::Page(_)) {
                    history.scroll = motion.apply(history.scroll, history.diff.len(), diff_page);
                } else {
                    let chosen = motion.apply(history.chosen, history.versions.len(), page);
                    choose_version(history, chosen);
                    keyspace.shift = 0;
                }
            } else {
                let (value, page) = (&mut keyspace.value, page.saturating_sub(BESIDE_VALUE));
                value.scroll = motion.apply(value.scroll, value.lines.len(), page);
            }
            return Vec::new();
        }
        let page = page.saturating_sub(BESIDE_TREE);
        if let Some(graveyard) = &mut keyspace.graveyard {
            let rows = graveyard.graves.len() + 1;
            graveyard.chosen = motion.apply(graveyard.chosen, rows, page);
        } else {
            keyspace.chosen = motion.apply(keyspace.chosen, keyspace.tree.rows().len(), page);
            keyspace.remember_chosen();
        }
        look(state, false)
    }

    fn focus(&self, state: &mut State, _forward: bool) {
        let keyspace = &mut state.keyspace;
        keyspace.pane = if keyspace.pane == Pane::Tree { Pane::Value } else { Pane::Tree };
    }

    fn has_panes(&self) -> bool {
        true
    }

    fn takes_text(&self, state: &State) -> bool {
        state.keyspace.prompt.is_some() || state.keyspace.editor.is_some()
    }

    fn typed(&self, state: &mut State, key: KeyEvent) -> Vec<Effect> {
        if state.keyspace.prompt.is_some() {
            search::typed(state, key)
        } else {
            change::typed(state, key)
        }
    }

    fn pasted(&self, state: &mut State, text: &str) -> Vec<Effect> {
        if state.keyspace.prompt.is_some() {
            return search::pasted(state, text);
        }
        if let Some(editor) = &mut state.keyspace.editor {
            editor.leaving = false;
            editor.area.insert_str(text);
        }
        Vec::new()
    }

    fn back(&self, state: &mut State) -> Option<Vec<Effect>> {
        let keyspace = &mut state.keyspace;
        if keyspace.conflict.take().is_some() {
            return Some(load::reload(state));
        }
        if keyspace.history.is_some() {
            return Some(super::history(state));
        }
        if keyspace.pane == Pane::Value {
            (keyspace.pane, keyspace.zoom) = (Pane::Tree, false);
            return Some(Vec::new());
        }
        if let Some(graveyard) = &mut keyspace.graveyard {
            if !graveyard.marks.is_empty() {
                graveyard.marks.clear();
                return Some(Vec::new());
            }
            return Some(super::graveyard(state));
        }
        if !keyspace.filter.is_empty() {
            keyspace.filter.clear();
            let node = keyspace.tree.rows().get(keyspace.chosen).map(|row| row.node);
            keyspace.tree.set_filter("");
            let row = node.and_then(|node| keyspace.tree.row_of(node));
            keyspace.chosen = row.unwrap_or(0);
            return Some(look(state, false));
        }
        if !keyspace.marks.is_empty() {
            keyspace.marks.clear();
            return Some(Vec::new());
        }
        None
    }

    fn has_back(&self, state: &State) -> bool {
        let keyspace = &state.keyspace;
        keyspace.conflict.is_some()
            || keyspace.history.is_some()
            || keyspace.pane == Pane::Value
            || keyspace.graveyard.is_some()
            || !keyspace.filter.is_empty()
            || !keyspace.marks.is_empty()
    }

    fn cancel(&self, state: &mut State) -> Option<Vec<Effect>> {
        let keyspace = &mut state.keyspace;
        if !keyspace.is_reading() && keyspace.coming.is_none() {
            return None;
        }
        let written = |wait: &&Wait| matches!(wait, Wait::Write(..) | Wait::Bulk(..));
        let given_up: Vec<Wait> = keyspace.requests.running().filter(written).cloned().collect();
        if !given_up.is_empty() {
            let what = "a change was given up while it was under way".to_owned();
            let why = "it may have been done all the same".to_owned();
            state.toasts.error(state.now, what, why, "r reads the keys anew".to_owned());
        }
        let keyspace = &mut state.keyspace;
        for wait in &given_up {
            if let Wait::Write(_, doing) | Wait::Bulk(_, doing, _) = wait {
                let words = doing.words();
                keyspace.no_undo(format!("it was given up, and may have been done: {words}"));
            }
        }
        if !keyspace.value.here {
            // It is asked for again as soon as it is looked at again.
            keyspace.value.key = None;
        }
        keyspace.queue.clear();
        keyspace.coming = None;
        keyspace.strip.loading = false;
        if let Some(graveyard) = &mut keyspace.graveyard {
            graveyard.loading = false;
        }
        if let Some(history) = &mut keyspace.history
            && history.reached.is_none()
        {
            let from = history.versions.last().map_or(0, |version| version.revision);
            history.reached = Some(super::ask::Reached { from, wall: None });
        }
        keyspace.tree.stop_loading();
        let mut effects = keyspace.requests.forget();
        for wait in given_up {
            let deed = match &wait {
                Wait::Write(write, _) => Deed::not_made(write, "given up; it may have been done"),
                Wait::Bulk(bulk, ..) => Deed::given_up(bulk),
                _ => continue,
            };
            effects.extend(deed::note(state, deed));
        }
        Some(effects)
    }

    fn confirmed(&self, state: &mut State) -> Vec<Effect> {
        bulk::planned(state)
    }

    fn answered(&self, state: &mut State, ticket: Ticket, answer: Answer) -> Vec<Effect> {
        answer::take(state, ticket, answer)
    }

    /// Reads the tree anew when there is something newer and that is cheap.
    fn tick(&self, state: &mut State) -> Vec<Effect> {
        let keyspace = &state.keyspace;
        let (at, requests) = keyspace.refreshed;
        let shown = keyspace.tree.revision;
        let behind = state.cluster.newest().2 > shown;
        // Somebody who leads, and knows less than was read before that was said: the data was replaced.
        let leads = state.cluster.leader_sample().filter(|s| s.revision > 0 && s.at > at);
        let gone_back = leads.is_some_and(|sample| sample.revision < shown);
        let due = state.now.since(at) >= REFRESH_EVERY && requests <= REFRESH_REQUESTS_MAX;
        let idle = !keyspace.is_reading()
            && keyspace.coming.is_none()
            && keyspace.editor.is_none()
            && keyspace.prompt.is_none()
            && keyspace.conflict.is_none()
            && keyspace.graveyard.is_none()
            && keyspace.history.is_none()
            && state.overlays.is_empty();
        let live = keyspace.at.is_none() && state.pace == Pace::Focused;
        if live && idle && due && (behind || gone_back || shown == 0) {
            // A failure is not repeated faster than a success.
            state.keyspace.refreshed.0 = state.now;
            return load::reload(state);
        }
        Vec::new()
    }
}
