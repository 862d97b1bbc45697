//! [`update`]: takes in what has come of requests.

use super::Msg;
use super::load::swap;
use super::{bulk, change, load, search, travel};
use crate::console::msg::Effect;
use crate::console::state::State;
use crate::engine::request::Trouble;
use crate::widget::escape_name;

/// Takes in what has come of a request.
pub(super) fn update(state: &mut State, msg: Msg) -> Vec<Effect> {
    let mut effects = match msg {
        Msg::Page(asked, page) => load::page_read(state, &asked, page),
        Msg::Value(asked, value) => load::value_read(state, &asked, value),
        Msg::Live(asked, live) => change::live_read(state, asked, live),
        Msg::Edited(asked, text) => change::edited(state, asked, text),
        Msg::Written(asked, written) => change::written(state, asked, written),
        Msg::Counted(asked, found) => bulk::counted(state, asked, found),
        Msg::Changed(asked, changed) => bulk::changed(state, &asked, changed),
        Msg::Versions(asked, versions) => travel::versions_read(state, &asked, versions),
        Msg::Changes(changes) => travel::changes_read(state, changes),
        Msg::Histogram(histogram) => travel::histogram_read(state, histogram),
        Msg::Graves(graves) => travel::graves_read(state, graves),
        Msg::Found(found) => search::found(state, found),
    };
    effects.extend(state.keyspace.work());
    if state.keyspace.has_come() {
        effects.extend(swap(state));
    }
    effects
}

/// What could not be done is told; what is on screen stays.
pub(super) fn failed(state: &mut State, what: String, trouble: Trouble) -> Vec<Effect> {
    let what = if trouble.place.is_empty() { what } else { format!("{what} at {}", trouble.place) };
    let next = if trouble.next.is_empty() { "r reads again".to_owned() } else { trouble.next };
    state.toasts.error(state.now, what, trouble.why, next);
    Vec::new()
}

pub(super) fn shown(key: &[u8]) -> String {
    if key.is_empty() { "the keys".to_owned() } else { escape_name(key) }
}
