//! The line at the bottom: filter, prefix, jump, revision, separator, a new key.

use bytes::Bytes;
use crossterm::event::{KeyCode, KeyEvent};
use mini_etcd_shared::text::unescape;

use super::load::{look, replace};
use super::model::Found;
use super::requests::FindKeys;
use super::tree::{RowKind, Tree};
use super::update::failed;
use super::{Ask, Matches, Msg, Pane, Prompt, Right, edit, find, travel};
use crate::console::replay::Replay;
use crate::console::{Context, Effect, replay};
use crate::engine::request::Trouble;
use crate::screens::keys::Keys;
use crate::widget::grouped;
use crate::widget::line::LineInput;

/// Opens the line.
pub(crate) fn prompt(keys: &mut Keys, ask: Ask) -> Vec<Effect> {
    let mut line = LineInput::default();
    match ask {
        Ask::Filter => line.set(&keys.filter),
        Ask::Prefix => line.set(&super::viewers::raw(&keys.tree.prefix)),
        Ask::Separator => line.set(&super::viewers::raw(&keys.tree.separator)),
        Ask::Fuzzy => keys.matches = Matches::default(),
        Ask::Find => find::begin(keys),
        Ask::Revision | Ask::NewKey => {}
    }
    keys.prompt = Some(Prompt { ask, line, error: None });
    if ask == Ask::Fuzzy { find(keys) } else { Vec::new() }
}

/// A key typed into the line.
pub(super) fn typed(keys: &mut Keys, ctx: &mut Context, key: KeyEvent) -> Vec<Effect> {
    let Some(prompt) = &mut keys.prompt else { return Vec::new() };
    let ask = prompt.ask;
    match key.code {
        KeyCode::Esc => {
            keys.prompt = None;
            match ask {
                Ask::Filter => set_filter(keys, ""),
                Ask::Find => find::give_up(keys),
                _ => {}
            }
            return keys.requests.cancel::<FindKeys>(|_| true);
        }
        KeyCode::Enter if ask == Ask::Find => return find::keep(keys),
        KeyCode::Enter => return enter(keys, ctx),
        KeyCode::Up if ask == Ask::Fuzzy => choose(&mut keys.matches, -1),
        KeyCode::Down if ask == Ask::Fuzzy => choose(&mut keys.matches, 1),
        _ => {
            prompt.error = None;
            let before = prompt.line.text().to_owned();
            prompt.line.key(key);
            if prompt.line.text() != before {
                return changed(keys, ctx);
            }
        }
    }
    Vec::new()
}

/// Text pasted into the line.
pub(super) fn pasted(keys: &mut Keys, ctx: &Context, text: &str) -> Vec<Effect> {
    if let Some(prompt) = &mut keys.prompt {
        prompt.line.insert(text);
        return changed(keys, ctx);
    }
    Vec::new()
}

fn choose(matches: &mut Matches, by: isize) {
    let last = matches.keys.len().saturating_sub(1);
    matches.chosen = matches.chosen.saturating_add_signed(by).min(last);
}

fn changed(keys: &mut Keys, ctx: &Context) -> Vec<Effect> {
    let Some(prompt) = &keys.prompt else { return Vec::new() };
    match prompt.ask {
        Ask::Filter => {
            let text = prompt.line.text().to_owned();
            set_filter(keys, &text);
            look(keys, false)
        }
        Ask::Fuzzy => find(keys),
        Ask::Find => {
            let text = prompt.line.text().to_owned();
            find::typed(keys, ctx, &text);
            Vec::new()
        }
        _ => Vec::new(),
    }
}

fn set_filter(keys: &mut Keys, text: &str) {
    let node = keys.tree.rows().get(keys.chosen).map(|row| row.node);
    text.clone_into(&mut keys.filter);
    keys.tree.set_filter(text);
    let rows = keys.tree.rows();
    let stays = node.and_then(|node| rows.iter().position(|row| row.node == node));
    let first = rows.iter().position(|row| keys.tree.matches(row.node));
    keys.chosen = if text.is_empty() { stays } else { first.or(stays) }.unwrap_or(0);
    keys.remember_chosen();
}

/// Goes to the next row that the filter looks for, or to the one before.
pub(crate) fn next_match(keys: &mut Keys, forward: bool) -> Vec<Effect> {
    if keys.left.graveyard().is_some() {
        return Vec::new();
    }
    let rows = keys.tree.rows();
    let is = |at: &usize| {
        rows.get(*at).is_some_and(|r| r.kind == RowKind::Node && keys.tree.matches(r.node))
    };
    let after = keys.chosen + 1;
    let found = if forward {
        (after..rows.len()).chain(0..after.min(rows.len())).find(is)
    } else {
        (0..keys.chosen).rev().chain((keys.chosen..rows.len()).rev()).find(is)
    };
    keys.chosen = found.unwrap_or(keys.chosen);
    keys.remember_chosen();
    look(keys, false)
}

/// Looks for keys anew; what was looked for before is given up.
fn find(keys: &mut Keys) -> Vec<Effect> {
    let mut effects = keys.requests.cancel::<FindKeys>(|_| true);
    let Some(prompt) = &keys.prompt else { return effects };
    let matches = &mut keys.matches;
    (matches.chosen, matches.complete) = (0, false);
    (matches.here, matches.go) = (false, false);
    if keys.tree.revision == 0 {
        return effects;
    }
    let find = FindKeys {
        prefix: keys.tree.prefix.clone(),
        at: keys.tree.revision,
        pattern: prompt.line.text().to_owned(),
    };
    effects.extend(keys.requests.ask(find, |_, found| Msg::Found(found)));
    effects
}

/// There are matches: goes to the chosen one, if Enter waits for that.
pub(super) fn found(
    keys: &mut Keys,
    ctx: &mut Context,
    found: Result<Found, Trouble>,
) -> Vec<Effect> {
    let Found { keys: best, looked, complete } = match found {
        Ok(found) => found,
        Err(trouble) => {
            return failed(ctx, "cannot look through the keys".to_owned(), trouble);
        }
    };
    let matches = &mut keys.matches;
    matches.chosen = matches.chosen.min(best.len().saturating_sub(1));
    (matches.keys, matches.looked, matches.complete) = (best, looked, complete);
    matches.here |= !matches.keys.is_empty() || matches.complete;
    if matches.here && matches.go { enter(keys, ctx) } else { Vec::new() }
}

fn enter(keys: &mut Keys, ctx: &mut Context) -> Vec<Effect> {
    let fuzzy = keys.prompt.as_ref().is_some_and(|prompt| prompt.ask == Ask::Fuzzy);
    let looking = keys.requests.running::<FindKeys>().next().is_some();
    if fuzzy && looking && !keys.matches.here {
        keys.matches.go = true;
        return Vec::new();
    }
    let Some(prompt) = keys.prompt.take() else { return Vec::new() };
    let text = prompt.line.text().to_owned();
    let bytes = match prompt.ask {
        Ask::Prefix | Ask::Separator | Ask::NewKey => unescape(&text).map(Bytes::from),
        Ask::Filter | Ask::Find | Ask::Fuzzy | Ask::Revision => Ok(Bytes::new()),
    };
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(error) => {
            let error = Some(error.to_string());
            keys.prompt = Some(Prompt { error, ..prompt });
            return Vec::new();
        }
    };
    match prompt.ask {
        Ask::Filter | Ask::Find => look(keys, false),
        Ask::Prefix => {
            let separator = keys.tree.separator.clone();
            show(keys, bytes, separator)
        }
        Ask::Separator => {
            let prefix = keys.tree.prefix.clone();
            keys.opened.clear();
            show(keys, prefix, bytes)
        }
        Ask::Fuzzy => {
            let matches = &keys.matches;
            let key = matches.keys.get(matches.chosen).cloned();
            let mut effects = keys.requests.cancel::<FindKeys>(|_| true);
            if let Some(key) = key {
                let at = keys.at;
                effects.extend(replay::done(ctx, Replay::jump(&key, at)));
                effects.extend(jump(keys, &key));
            }
            effects
        }
        Ask::Revision => {
            let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
            let newest = ctx.cluster.newest().2.max(keys.tree.revision);
            match digits.parse::<i64>() {
                Ok(revision) if (1..=newest).contains(&revision) => {
                    let looked = Replay::travel(&keys.tree.prefix, revision);
                    let mut effects = replay::done(ctx, looked);
                    effects.extend(travel::go_to(keys, revision));
                    effects
                }
                _ => {
                    let newest = grouped(newest.unsigned_abs());
                    let error = format!("a revision is a number from 1 to {newest}");
                    keys.prompt = Some(Prompt { error: Some(error), ..prompt });
                    Vec::new()
                }
            }
        }
        Ask::NewKey => {
            if bytes.is_empty() {
                let error = Some("a key has at least one byte".to_owned());
                keys.prompt = Some(Prompt { error, ..prompt });
            } else {
                edit::begin_new(keys, bytes);
            }
            Vec::new()
        }
    }
}

/// Shows the keys of another prefix, or by another separator.
fn show(keys: &mut Keys, prefix: Bytes, separator: Bytes) -> Vec<Effect> {
    let at = keys.at;
    keys.marks.clear();
    let mut effects = travel::graveyard_closed(keys);
    effects.extend(replace(keys, Tree::new(prefix, separator), at));
    effects
}

/// Opens the directories that lead to a key, and chooses it.
fn jump(keys: &mut Keys, key: &Bytes) -> Vec<Effect> {
    let at = keys.at;
    let mut effects = travel::graveyard_closed(keys);
    effects.extend(super::reload_at(keys, at));
    lead_to(keys, key);
    if let Some(coming) = &mut keys.coming {
        coming.jump = true;
    }
    effects
}

/// Shows a key as it is now, whatever was shown before; a change that is not saved is not left for it.
pub(crate) fn show_key(keys: &mut Keys, ctx: &mut Context, key: &Bytes) -> Vec<Effect> {
    if matches!(keys.right, Right::Editor(_) | Right::Conflict(_)) {
        ctx.toasts.hint(ctx.now, "a change is not saved here: ^s or Esc first");
        return Vec::new();
    }
    (keys.prompt, keys.at, keys.pane, keys.zoom) = (None, None, Pane::Tree, false);
    keys.filter.clear();
    if !key.starts_with(&keys.tree.prefix) {
        let separator = keys.tree.separator.clone();
        keys.tree = Tree::new(Bytes::new(), separator);
    }
    jump(keys, key)
}

/// The tree that comes opens what leads to a key, and chooses it.
pub(super) fn lead_to(keys: &mut Keys, key: &Bytes) {
    let Some(coming) = &mut keys.coming else { return };
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
