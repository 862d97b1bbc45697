//! The Keys screen as the frame sees it.

use std::time::Duration;

use crossterm::event::KeyEvent;

use super::load::look;
use super::requests::{ChangeMany, WriteKey};
use super::travel::choose_version;
use super::update::update;
use super::{Pane, bulk, change, load, search};
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
        let writes: Vec<WriteKey> = keyspace.requests.running().cloned().collect();
        let bulks: Vec<ChangeMany> = keyspace.requests.running().cloned().collect();
        if keyspace.is_changing() {
            let what = "a change was given up while it was under way".to_owned();
            let why = "it may have been done all the same".to_owned();
            state.toasts.error(state.now, what, why, "r reads the keys anew".to_owned());
        }
        let keyspace = &mut state.keyspace;
        let doings = writes.iter().map(|w| &w.doing).chain(bulks.iter().map(|b| &b.doing));
        if let Some(doing) = doings.last() {
            let words = doing.words();
            keyspace.no_undo(format!("it was given up, and may have been done: {words}"));
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
            history.end();
        }
        keyspace.tree.stop_loading();
        let mut effects = keyspace.requests.forget();
        let not_made = |w: &WriteKey| Deed::not_made(&w.write, "given up; it may have been done");
        let given_up = |b: &ChangeMany| Deed::given_up(&b.bulk);
        for deed in writes.iter().map(not_made).chain(bulks.iter().map(given_up)) {
            effects.extend(deed::note(state, deed));
        }
        Some(effects)
    }

    fn confirmed(&self, state: &mut State) -> Vec<Effect> {
        bulk::planned(state)
    }

    fn answered(&self, state: &mut State, ticket: Ticket, answer: Answer) -> Vec<Effect> {
        let msg = state.keyspace.requests.take(ticket, answer);
        msg.map_or_else(Vec::new, |msg| update(state, msg))
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
