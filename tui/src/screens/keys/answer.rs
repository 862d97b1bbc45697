//! What the engine answers, taken in.

use super::ask::{Answer, Entry, Version};
use super::load::{look, swap};
use super::viewers::lines;
use super::{Keyspace, Wait, Which, bulk, change, travel};
use crate::console::msg::Effect;
use crate::console::state::State;
use crate::engine::request;
use crate::engine::request::{Ticket, Trouble};
use crate::widget::{escape, escape_name, grouped};

/// Takes in an answer; a late one finds nothing that waits for it.
pub(super) fn take(state: &mut State, ticket: Ticket, answer: request::Answer) -> Vec<Effect> {
    // Parts of long answers leave their request open.
    if let request::Answer::Keys(part) = &answer
        && is_part(part)
    {
        let Some(wait) = state.keyspace.requests.get(ticket).cloned() else { return Vec::new() };
        return match answer {
            request::Answer::Keys(part) => take_in(state, wait, part),
            _ => Vec::new(),
        };
    }
    let Some(wait) = state.keyspace.requests.close(ticket) else { return Vec::new() };
    let mut effects = match answer {
        request::Answer::Keys(answer) => take_in(state, wait, answer),
        request::Answer::Edited(text) => change::edited(state, wait, text),
        request::Answer::Failed(trouble) => fail(state, &wait, trouble),
        // To another screen.
        request::Answer::Watch(_) | request::Answer::Repl(_) => Vec::new(),
    };
    effects.extend(state.keyspace.work());
    if state.keyspace.has_come() {
        effects.extend(swap(state));
    }
    effects
}

fn is_part(answer: &Answer) -> bool {
    matches!(answer, Answer::History(_, None) | Answer::Found(_, _, false))
}

fn take_in(state: &mut State, wait: Wait, answer: Answer) -> Vec<Effect> {
    match (wait, answer) {
        (Wait::Page(dir, which), Answer::Children(page)) => {
            let mut effects = state.keyspace.take_page(dir, which, page);
            if which == Which::Shown {
                effects.extend(look(state, false));
            }
            return effects;
        }
        (Wait::Value(key), Answer::Value(entry)) => {
            let value = &mut state.keyspace.value;
            if value.key.as_ref() == Some(&key) {
                let viewer = value.viewer;
                value.lines = entry.as_ref().map_or_else(Vec::new, |e| lines(&e.value, viewer));
                value.scroll = value.scroll.min(value.lines.len().saturating_sub(1));
                (value.entry, value.here) = (entry, true);
            }
        }
        (Wait::Restore(old), Answer::Value(live)) => {
            return change::put_back(state, old, live.as_ref());
        }
        (Wait::Write(write, doing), Answer::Written(written)) => {
            return change::written(state, write, &doing, written);
        }
        (Wait::Preview(bulk, asked), Answer::Preview(found)) => {
            bulk::preview(state, bulk, &found, asked);
        }
        (Wait::Bulk(bulk, doing, asked), Answer::Changed(changed)) => {
            return bulk::changed(state, &bulk, &doing, asked, changed);
        }
        (Wait::History(key), Answer::History(versions, reached)) => {
            add_versions(state, &key, versions, reached);
        }
        (Wait::Changes, Answer::Changes(changes, reached)) => {
            travel::take_changes(state, &changes, reached);
        }
        (Wait::Histogram, Answer::Histogram(Some((slices, wall)))) => {
            let strip = &mut state.keyspace.strip;
            strip.wall = strip.wall.max(wall);
            strip.slices = slices;
        }
        (Wait::Graves, Answer::Graves { graves, alive, reached }) => {
            return travel::take_graves(state, graves, alive, reached);
        }
        (Wait::Find, Answer::Found(keys, looked, complete)) => {
            let matches = &mut state.keyspace.matches;
            matches.chosen = matches.chosen.min(keys.len().saturating_sub(1));
            (matches.keys, matches.looked, matches.complete) = (keys, looked, complete);
            return super::search::found(state);
        }
        // An answer to another question than was asked: a fault of ours that shows as a request without effect.
        _ => {}
    }
    Vec::new()
}

fn add_versions(
    state: &mut State,
    key: &[u8],
    versions: Vec<Version>,
    reached: Option<super::ask::Reached>,
) {
    if let Some(history) = state.keyspace.history.as_mut().filter(|h| h.key == key) {
        history.versions.extend(versions);
        history.reached = reached;
        travel::compare(history);
    }
}

/// What could not be done is told; what is on screen stays.
fn fail(state: &mut State, wait: &Wait, trouble: Trouble) -> Vec<Effect> {
    let now = state.now;
    let keyspace = &mut state.keyspace;
    let (what, effects) = give_up(keyspace, wait, &trouble);
    let what = if trouble.place.is_empty() { what } else { format!("{what} at {}", trouble.place) };
    let next = match trouble.next {
        // What a user may not read as a whole may be readable in part.
        _ if matches!(wait, Wait::Page(..)) && trouble.why.contains("permission denied") => {
            "F /prefix/ shows the keys below a prefix that this user may read".to_owned()
        }
        next if next.is_empty() => "r reads again".to_owned(),
        next => next,
    };
    state.toasts.error(now, what, trouble.why, next);
    effects
}

/// Nothing waits for it any more; answers the words for what was wanted.
fn give_up(keyspace: &mut Keyspace, wait: &Wait, trouble: &Trouble) -> (String, Vec<Effect>) {
    let mut effects = Vec::new();
    let what = match wait {
        Wait::Page(dir, Which::Shown) => {
            if let Some(dir) = keyspace.tree.dir_mut(*dir) {
                dir.loading = false;
            }
            keyspace.tree.lay_out();
            keyspace.fresh.failed(trouble.clone());
            format!("cannot read {}", shown(&keyspace.tree.dir_prefix(*dir)))
        }
        Wait::Page(_, Which::Coming) => {
            keyspace.fresh.failed(trouble.clone());
            let at = keyspace.coming.take().map_or(0, |coming| coming.at);
            effects.extend(keyspace.requests.cancel(|w| matches!(w, Wait::Page(_, Which::Coming))));
            keyspace.queue.retain(|(_, which)| *which == Which::Shown);
            if at > 0 {
                format!("cannot show the keys at revision {}", grouped(at.unsigned_abs()))
            } else {
                "cannot read the keys".to_owned()
            }
        }
        Wait::Value(key) => {
            keyspace.value.here = true;
            keyspace.value.lines = vec![format!("(not read: {})", escape(trouble.why.as_bytes()))];
            format!("cannot read {}", shown(key))
        }
        Wait::Write(_, doing) | Wait::Bulk(_, doing, _) => format!("could not {}", doing.words()),
        Wait::History(key) => {
            if let Some(history) = keyspace.history.as_mut() {
                let from = history.versions.last().map_or(0, |version| version.revision);
                history.reached = Some(super::ask::Reached { from, wall: None });
            }
            format!("cannot read the history of {}", shown(key))
        }
        Wait::Changes => {
            keyspace.strip.loading = false;
            "cannot read what changed".to_owned()
        }
        Wait::Graves => {
            if let Some(graveyard) = &mut keyspace.graveyard {
                graveyard.loading = false;
            }
            "cannot read what was deleted".to_owned()
        }
        Wait::Restore(Entry { key, .. }) => format!("could not put {} back", shown(key)),
        Wait::Edit(Entry { key, .. }) => format!("could not edit {}", shown(key)),
        Wait::Preview(..) => "cannot count what would be changed".to_owned(),
        Wait::Histogram => "cannot read how much changed when".to_owned(),
        Wait::Find => "cannot look through the keys".to_owned(),
    };
    (what, effects)
}

fn shown(key: &[u8]) -> String {
    if key.is_empty() { "the keys".to_owned() } else { escape_name(key) }
}
