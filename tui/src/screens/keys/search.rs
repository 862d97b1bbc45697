//! The line at the bottom: filter, prefix, jump, revision, separator, a new key.

use bytes::Bytes;
use crossterm::event::{KeyCode, KeyEvent};
use mini_etcd_shared::text::unescape;

use super::load::{look, replace};
use super::model::Found;
use super::requests::FindKeys;
use super::tree::{RowKind, Tree};
use super::update::failed;
use super::{Ask, Matches, Msg, Prompt, change, travel};
use crate::console::deed;
use crate::console::deed::Deed;
use crate::console::msg::Effect;
use crate::console::state::State;
use crate::engine::request::Trouble;
use crate::widget::grouped;
use crate::widget::line::LineInput;

/// Opens the line.
pub(crate) fn prompt(state: &mut State, ask: Ask) -> Vec<Effect> {
    let keyspace = &mut state.keyspace;
    let mut line = LineInput::default();
    match ask {
        Ask::Filter => line.set(&keyspace.filter),
        Ask::Prefix => line.set(&super::viewers::raw(&keyspace.tree.prefix)),
        Ask::Separator => line.set(&super::viewers::raw(&keyspace.tree.separator)),
        Ask::Fuzzy => keyspace.matches = Matches::default(),
        Ask::Revision | Ask::NewKey => {}
    }
    keyspace.prompt = Some(Prompt { ask, line, error: None });
    if ask == Ask::Fuzzy { find(state) } else { Vec::new() }
}

/// A key typed into the line.
pub(super) fn typed(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let Some(prompt) = &mut state.keyspace.prompt else { return Vec::new() };
    let ask = prompt.ask;
    match key.code {
        KeyCode::Esc => {
            state.keyspace.prompt = None;
            if ask == Ask::Filter {
                set_filter(state, "");
            }
            return state.keyspace.requests.cancel::<FindKeys>(|_| true);
        }
        KeyCode::Enter => return enter(state),
        KeyCode::Up if ask == Ask::Fuzzy => choose(&mut state.keyspace.matches, -1),
        KeyCode::Down if ask == Ask::Fuzzy => choose(&mut state.keyspace.matches, 1),
        _ => {
            prompt.error = None;
            let before = prompt.line.text().to_owned();
            prompt.line.key(key);
            if prompt.line.text() != before {
                return changed(state);
            }
        }
    }
    Vec::new()
}

/// Text pasted into the line.
pub(super) fn pasted(state: &mut State, text: &str) -> Vec<Effect> {
    if let Some(prompt) = &mut state.keyspace.prompt {
        prompt.line.insert(text);
        return changed(state);
    }
    Vec::new()
}

fn choose(matches: &mut Matches, by: isize) {
    let last = matches.keys.len().saturating_sub(1);
    matches.chosen = matches.chosen.saturating_add_signed(by).min(last);
}

fn changed(state: &mut State) -> Vec<Effect> {
    let Some(prompt) = &state.keyspace.prompt else { return Vec::new() };
    match prompt.ask {
        Ask::Filter => {
            let text = prompt.line.text().to_owned();
            set_filter(state, &text);
            look(state, false)
        }
        Ask::Fuzzy => find(state),
        _ => Vec::new(),
    }
}

fn set_filter(state: &mut State, text: &str) {
    let keyspace = &mut state.keyspace;
    let node = keyspace.tree.rows().get(keyspace.chosen).map(|row| row.node);
    text.clone_into(&mut keyspace.filter);
    keyspace.tree.set_filter(text);
    let rows = keyspace.tree.rows();
    let stays = node.and_then(|node| rows.iter().position(|row| row.node == node));
    let first = rows.iter().position(|row| keyspace.tree.matches(row.node));
    keyspace.chosen = if text.is_empty() { stays } else { first.or(stays) }.unwrap_or(0);
    keyspace.remember_chosen();
}

/// Goes to the next row that the filter looks for, or to the one before.
pub(crate) fn next_match(state: &mut State, forward: bool) -> Vec<Effect> {
    let keyspace = &mut state.keyspace;
    let rows = keyspace.tree.rows();
    let is = |at: &usize| {
        rows.get(*at).is_some_and(|r| r.kind == RowKind::Node && keyspace.tree.matches(r.node))
    };
    let after = keyspace.chosen + 1;
    let found = if forward {
        (after..rows.len()).chain(0..after.min(rows.len())).find(is)
    } else {
        (0..keyspace.chosen).rev().chain((keyspace.chosen..rows.len()).rev()).find(is)
    };
    keyspace.chosen = found.unwrap_or(keyspace.chosen);
    keyspace.remember_chosen();
    look(state, false)
}

/// Looks for keys anew; what was looked for before is given up.
fn find(state: &mut State) -> Vec<Effect> {
    let keyspace = &mut state.keyspace;
    let mut effects = keyspace.requests.cancel::<FindKeys>(|_| true);
    let Some(prompt) = &keyspace.prompt else { return effects };
    let matches = &mut keyspace.matches;
    (matches.chosen, matches.complete) = (0, false);
    (matches.here, matches.go) = (false, false);
    if keyspace.tree.revision == 0 {
        return effects;
    }
    let find = FindKeys {
        prefix: keyspace.tree.prefix.clone(),
        at: keyspace.tree.revision,
        pattern: prompt.line.text().to_owned(),
    };
    effects.extend(keyspace.requests.ask(find, |_, found| Msg::Found(found)));
    effects
}

/// There are matches: goes to the chosen one, if Enter waits for that.
pub(super) fn found(state: &mut State, found: Result<Found, Trouble>) -> Vec<Effect> {
    let Found { keys, looked, complete } = match found {
        Ok(found) => found,
        Err(trouble) => return failed(state, "cannot look through the keys".to_owned(), trouble),
    };
    let matches = &mut state.keyspace.matches;
    matches.chosen = matches.chosen.min(keys.len().saturating_sub(1));
    (matches.keys, matches.looked, matches.complete) = (keys, looked, complete);
    matches.here |= !matches.keys.is_empty() || matches.complete;
    if matches.here && matches.go { enter(state) } else { Vec::new() }
}

fn enter(state: &mut State) -> Vec<Effect> {
    let fuzzy = state.keyspace.prompt.as_ref().is_some_and(|prompt| prompt.ask == Ask::Fuzzy);
    let looking = state.keyspace.requests.running::<FindKeys>().next().is_some();
    if fuzzy && looking && !state.keyspace.matches.here {
        state.keyspace.matches.go = true;
        return Vec::new();
    }
    let Some(prompt) = state.keyspace.prompt.take() else { return Vec::new() };
    let text = prompt.line.text().to_owned();
    let bytes = match prompt.ask {
        Ask::Prefix | Ask::Separator | Ask::NewKey => unescape(&text).map(Bytes::from),
        Ask::Filter | Ask::Fuzzy | Ask::Revision => Ok(Bytes::new()),
    };
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(error) => {
            let error = Some(error.to_string());
            state.keyspace.prompt = Some(Prompt { error, ..prompt });
            return Vec::new();
        }
    };
    match prompt.ask {
        Ask::Filter => look(state, false),
        Ask::Prefix => {
            let separator = state.keyspace.tree.separator.clone();
            show(state, bytes, separator)
        }
        Ask::Separator => {
            let prefix = state.keyspace.tree.prefix.clone();
            state.keyspace.opened.clear();
            show(state, prefix, bytes)
        }
        Ask::Fuzzy => {
            let matches = &state.keyspace.matches;
            let key = matches.keys.get(matches.chosen).cloned();
            let mut effects = state.keyspace.requests.cancel::<FindKeys>(|_| true);
            if let Some(key) = key {
                let at = state.keyspace.at;
                effects.extend(deed::done(state, Deed::jump(&key, at)));
                effects.extend(jump(state, &key));
            }
            effects
        }
        Ask::Revision => {
            let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
            let newest = state.cluster.newest().2.max(state.keyspace.tree.revision);
            match digits.parse::<i64>() {
                Ok(revision) if (1..=newest).contains(&revision) => {
                    let looked = Deed::travel(&state.keyspace.tree.prefix, revision);
                    let mut effects = deed::done(state, looked);
                    effects.extend(travel::go_to(state, revision));
                    effects
                }
                _ => {
                    let newest = grouped(newest.unsigned_abs());
                    let error = format!("a revision is a number from 1 to {newest}");
                    state.keyspace.prompt = Some(Prompt { error: Some(error), ..prompt });
                    Vec::new()
                }
            }
        }
        Ask::NewKey => {
            if bytes.is_empty() {
                let error = Some("a key has at least one byte".to_owned());
                state.keyspace.prompt = Some(Prompt { error, ..prompt });
            } else {
                change::begin_new(state, bytes);
            }
            Vec::new()
        }
    }
}

/// Shows the keys of another prefix, or by another separator.
fn show(state: &mut State, prefix: Bytes, separator: Bytes) -> Vec<Effect> {
    let at = state.keyspace.at;
    state.keyspace.marks.clear();
    let mut effects = travel::graveyard_closed(state);
    effects.extend(replace(&mut state.keyspace, Tree::new(prefix, separator), at));
    effects
}

/// Opens the directories that lead to a key, and chooses it.
fn jump(state: &mut State, key: &Bytes) -> Vec<Effect> {
    let at = state.keyspace.at;
    let mut effects = travel::graveyard_closed(state);
    effects.extend(super::reload_at(state, at));
    lead_to(state, key);
    if let Some(coming) = &mut state.keyspace.coming {
        coming.jump = true;
    }
    effects
}

/// The tree that comes opens what leads to a key, and chooses it.
pub(super) fn lead_to(state: &mut State, key: &Bytes) {
    let keyspace = &mut state.keyspace;
    let Some(coming) = &mut keyspace.coming else { return };
    coming.key = Some(key.clone());
    let (prefix, separator) = (&coming.tree.prefix, &coming.tree.separator);
    if separator.is_empty() || !key.starts_with(prefix) {
        return;
    }
    let mut from = prefix.len();
    while let Some(at) = key
        .get(from..)
        .and_then(|rest| rest.windows(separator.len()).position(|window| window == separator))
    {
        from += at + separator.len();
        coming.open.insert(key.slice(..from));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_raw_is_the_same_bytes_when_it_is_typed() {
        for bytes in [&b"/a/\xff\x00\n\\x"[..], "日本\t".as_bytes(), b""] {
            let typed = crate::screens::keys::viewers::raw(bytes);
            assert_eq!(unescape(&typed).as_deref(), Ok(bytes));
        }
    }
}
