//! The past: stepping through revisions, the strip of changes, versions of a key, the graveyard.

use bytes::Bytes;
use similar::{ChangeTag, TextDiff};

use super::lines::{Lines, Place};
use super::load::{look, reload_at};
use super::model::{Changes, Entry, Graves, Histogram, Reached, Version, Versions};
use super::requests::{ReadChanges, ReadGraves, ReadHistogram, ReadHistory};
use super::update::{failed, shown};
use super::viewers::{Viewer, lines};
use super::{DiffLine, Graveyard, History, Left, Msg, Pane, model};
use crate::console::replay::Replay;
use crate::console::{Context, Effect, replay};
use crate::engine::request::Trouble;
use crate::screens::keys::Keys;

/// Revisions with changes that are remembered.
const CHANGES_MAX: usize = 100_000;
/// Lines of a difference.
const DIFF_LINES_MAX: usize = 4_000;
/// Lines of either value that are compared: the worst case takes their product.
const COMPARED_LINES_MAX: usize = 1_000;
/// Windows that the graveyard reads by itself when it is opened.
const GRAVE_WINDOWS: i64 = 4;

/// Goes `by` steps through the revisions that changed something.
pub(crate) fn step(keys: &mut Keys, ctx: &mut Context, by: i64) -> Vec<Effect> {
    let here = keys.coming.as_ref().filter(|coming| coming.at > 0).map(|coming| coming.at);
    let here = here.or(keys.at).unwrap_or(keys.tree.revision);
    let known = &keys.strip.changes;
    let steps = usize::try_from(by.unsigned_abs()).unwrap_or(usize::MAX).saturating_sub(1);
    let to = if by < 0 {
        let covered = known.range(..here).nth_back(steps).map(|(revision, _)| *revision);
        covered.unwrap_or_else(|| {
            let first = known.range(..here).next().map_or(here, |(revision, _)| *revision);
            let passed = i64::try_from(known.range(..here).count()).unwrap_or(0);
            first.min(here).saturating_add(by).saturating_add(passed).max(1)
        })
    } else {
        known.range(here.saturating_add(1)..).nth(steps).map_or(i64::MAX, |(revision, _)| *revision)
    };
    let wall = keys.strip.wall.unwrap_or(1);
    if to < wall && here <= wall {
        let words =
            format!("revision {wall} is the first that is known: what was before is compacted");
        ctx.toasts.hint(ctx.now, words);
        return Vec::new();
    }
    if by > 0 && (to == i64::MAX || to >= keys.strip.to) {
        return go_live(keys, ctx);
    }
    go_to(keys, to.max(wall))
}

/// Goes to a revision.
pub(super) fn go_to(keys: &mut Keys, revision: i64) -> Vec<Effect> {
    let mut effects = Vec::new();
    effects.extend(graveyard_closed(keys));
    let strip = &keys.strip;
    if revision < strip.from.saturating_add(100) && strip.from > 1 && strip.wall.is_none() {
        effects.extend(read_changes(keys));
    }
    effects.extend(reload_at(keys, Some(revision)));
    effects
}

/// Back to what is.
pub(crate) fn go_live(keys: &mut Keys, _: &mut Context) -> Vec<Effect> {
    let mut effects = graveyard_closed(keys);
    keys.strip.asked = false;
    effects.extend(reload_at(keys, None));
    effects
}

/// Reads the next window of changes: the newest when what was read is behind, else the one before.
pub(super) fn read_changes(keys: &mut Keys) -> Vec<Effect> {
    let live = keys.tree.revision;
    if keys.strip.loading || keys.strip.denied || live == 0 {
        return Vec::new();
    }
    let to = if keys.at.is_none() && keys.strip.to < live {
        live
    } else if keys.strip.from > 1 && keys.strip.wall.is_none() {
        keys.strip.from.saturating_sub(1)
    } else {
        return Vec::new();
    };
    keys.strip.loading = true;
    keys.requests.ask(ReadChanges { to }, |_, changes| Msg::Changes(changes))
}

/// Asks how much changed when, over all revisions: once, and again on the way back from the past.
pub(super) fn read_histogram(keys: &mut Keys) -> Vec<Effect> {
    let live = keys.tree.revision;
    if live == 0
        || keys.at.is_some()
        || keys.strip.denied
        || std::mem::replace(&mut keys.strip.asked, true)
    {
        return Vec::new();
    }
    keys.requests.ask(ReadHistogram { to: live }, |_, counts| Msg::Histogram(counts))
}

/// Takes in a window of changes.
pub(super) fn changes_read(
    keys: &mut Keys,
    ctx: &mut Context,
    changes: Result<(Vec<Changes>, Reached), Trouble>,
) -> Vec<Effect> {
    let strip = &mut keys.strip;
    strip.loading = false;
    let (changes, reached) = match changes {
        Ok(changes) => changes,
        Err(trouble) => return no_strip(keys, ctx, "cannot read what changed", trouble),
    };
    let last = changes.last().map_or(0, |changes| changes.revision);
    // A window that does not touch what is known begins the strip anew.
    if last > strip.to && reached.from > strip.to.saturating_add(1) && strip.to > 0 {
        strip.changes.clear();
        strip.from = 0;
    }
    strip.to = strip.to.max(last);
    strip.from = if strip.from == 0 { reached.from } else { strip.from.min(reached.from) };
    strip.wall = strip.wall.max(reached.wall);
    strip
        .changes
        .extend(changes.iter().map(|change| (change.revision, (change.puts, change.deletes))));
    while strip.changes.len() > CHANGES_MAX {
        strip.changes.pop_first();
        strip.from = strip.changes.first_key_value().map_or(strip.to, |(revision, _)| *revision);
    }
    Vec::new()
}

/// It is known how much changed when, or that the server does not tell.
pub(super) fn histogram_read(
    keys: &mut Keys,
    ctx: &mut Context,
    histogram: Result<Option<Histogram>, Trouble>,
) -> Vec<Effect> {
    match histogram {
        Ok(Some(Histogram { slices, wall })) => {
            let strip = &mut keys.strip;
            strip.wall = strip.wall.max(wall);
            strip.slices = slices;
            Vec::new()
        }
        Ok(None) => Vec::new(),
        Err(trouble) => no_strip(keys, ctx, "cannot read how much changed when", trouble),
    }
}

/// The strip is of all keys: to a user who may read some it is no error that there is none.
fn no_strip(keys: &mut Keys, ctx: &mut Context, what: &str, trouble: Trouble) -> Vec<Effect> {
    if trouble.why.contains("permission denied") {
        keys.strip.denied = true;
        return Vec::new();
    }
    failed(ctx, what.to_owned(), trouble)
}

/// Shows or hides the versions of the chosen key.
pub(crate) fn history(keys: &mut Keys, ctx: &mut Context) -> Vec<Effect> {
    keys.shift = 0;
    if keys.right.end_history() {
        keys.pane = Pane::Tree;
        return keys.requests.cancel::<ReadHistory>(|_| true);
    }
    let Some((key, _)) = keys.chosen_key() else { return Vec::new() };
    let mut effects = replay::done(ctx, Replay::history(&key));
    let at = keys.at.unwrap_or(0);
    keys.right.set_history(History {
        key: key.clone(),
        versions: Vec::new(),
        reached: None,
        chosen: 0,
        diff: Lines::default(),
        top: Place::default(),
    });
    keys.pane = Pane::Value;
    effects.extend(keys.requests.ask(ReadHistory { key, at }, Msg::Versions));
    effects
}

/// Versions of a key have come.
pub(super) fn versions_read(
    keys: &mut Keys,
    ctx: &mut Context,
    asked: &ReadHistory,
    read: Result<Versions, Trouble>,
) -> Vec<Effect> {
    let history = keys.right.history_mut();
    match read {
        Ok(Versions { versions, reached }) => {
            if let Some(history) = history.filter(|history| history.key == asked.key) {
                history.versions.extend(versions);
                history.reached = reached;
                compare(history);
            }
            Vec::new()
        }
        Err(trouble) => {
            if let Some(history) = history {
                history.end();
            }
            failed(ctx, format!("cannot read the history of {}", shown(&asked.key)), trouble)
        }
    }
}

impl History {
    /// Nothing more is read: it reaches as far as it has come.
    pub(super) fn end(&mut self) {
        let from = self.versions.last().map_or(0, |version| version.revision);
        self.reached = Some(Reached { from, wall: None });
    }
}

/// Reads older versions.
pub(super) fn more_history(keys: &mut Keys) -> Vec<Effect> {
    let Some(history) = keys.right.history_mut() else { return Vec::new() };
    let Some(reached) = history.reached.filter(|r| r.wall.is_none() && r.from > 1) else {
        return Vec::new();
    };
    history.reached = None;
    let older = ReadHistory { key: history.key.clone(), at: reached.from.saturating_sub(1) };
    keys.requests.ask(older, Msg::Versions)
}

/// Chooses a version, and shows what it changed.
pub(super) fn choose_version(history: &mut History, chosen: usize) {
    history.chosen = chosen;
    history.top = Place::default();
    compare(history);
}

/// What the chosen version changed.
pub(super) fn compare(history: &mut History) {
    let value = |at: usize| history.versions.get(at).and_then(Version::value);
    history.diff = difference(value(history.chosen + 1), value(history.chosen)).into();
}

/// The chosen version, when versions are shown and it is no delete.
pub(super) fn version_entry(keys: &Keys) -> Option<Entry> {
    let history = keys.right.history()?;
    history.versions.get(history.chosen)?.entry.clone()
}

/// The lines of two values, as the viewer that fits shows them.
pub(super) fn difference(before: Option<&Bytes>, after: Option<&Bytes>) -> Vec<DiffLine> {
    let text = |value: Option<&Bytes>| {
        let mut lines = value.map_or_else(Vec::new, |value| lines(value, Viewer::Auto));
        if lines.len() > COMPARED_LINES_MAX {
            let left = lines.len() - COMPARED_LINES_MAX;
            lines.truncate(COMPARED_LINES_MAX);
            lines.push(format!("({left} more lines are not compared)"));
        }
        lines.push(String::new());
        lines.join("\n")
    };
    let same_bytes = before == after;
    let (before, after) = (text(before), text(after));
    let diff = TextDiff::from_lines(before.as_str(), after.as_str());
    let line = |change: similar::Change<&str>| DiffLine {
        sign: match change.tag() {
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
            ChangeTag::Equal => ' ',
        },
        text: change.value().trim_end_matches('\n').to_owned(),
    };
    let mut made: Vec<DiffLine> = diff.iter_all_changes().take(DIFF_LINES_MAX).map(line).collect();
    // A viewer may show two values alike; that they differ is said all the same.
    if !same_bytes && made.iter().all(|line| line.sign == ' ') {
        let text = "(the bytes differ, not what is shown of them)".to_owned();
        made.insert(0, DiffLine { sign: '+', text });
    }
    made
}

/// Shows or hides the keys that were deleted.
pub(crate) fn graveyard(keys: &mut Keys, _: &mut Context) -> Vec<Effect> {
    if keys.left.graveyard().is_some() {
        let mut effects = graveyard_closed(keys);
        effects.extend(look(keys, false));
        return effects;
    }
    if keys.tree.revision == 0 {
        return Vec::new();
    }
    keys.left = Left::Graveyard(Graveyard::default());
    keys.pane = Pane::Tree;
    more_graves(keys)
}

/// Closes the graveyard.
pub(super) fn graveyard_closed(keys: &mut Keys) -> Vec<Effect> {
    if matches!(std::mem::take(&mut keys.left), Left::Tree) {
        return Vec::new();
    }
    keys.requests.cancel::<ReadGraves>(|_| true)
}

/// Reads the next window of deletes, further back.
pub(super) fn more_graves(keys: &mut Keys) -> Vec<Effect> {
    // Live, it is as of now and not as of the tree, which may be a moment old.
    let (prefix, revision) = (keys.tree.prefix.clone(), keys.at.unwrap_or(0));
    let Some(graveyard) = keys.left.graveyard_mut() else { return Vec::new() };
    let to = match graveyard.reached {
        None => revision,
        Some(Reached { wall: None, from }) if from > 1 => from.saturating_sub(1),
        Some(_) => return Vec::new(),
    };
    if std::mem::replace(&mut graveyard.loading, true) {
        return Vec::new();
    }
    keys.requests.ask(ReadGraves { prefix, to }, |_, graves| Msg::Graves(graves))
}

/// Takes in a window of deletes.
pub(super) fn graves_read(
    keys: &mut Keys,
    ctx: &mut Context,
    read: Result<Graves, Trouble>,
) -> Vec<Effect> {
    let revision = keys.tree.revision;
    if let Some(graveyard) = keys.left.graveyard_mut() {
        graveyard.loading = false;
    }
    let Graves { graves, alive, reached } = match read {
        Ok(graves) => graves,
        Err(trouble) => {
            return failed(ctx, "cannot read what was deleted".to_owned(), trouble);
        }
    };
    let Some(graveyard) = keys.left.graveyard_mut() else { return Vec::new() };
    // Windows come newest first: the first word on a key is the last that was said.
    for grave in graves {
        if graveyard.seen.insert(grave.key.clone()) {
            graveyard.graves.push(grave);
        }
    }
    graveyard.seen.extend(alive);
    graveyard.reached = Some(reached);
    let far = revision.saturating_sub(reached.from) >= GRAVE_WINDOWS * model::WINDOW_REVISIONS;
    let mut effects = look(keys, false);
    if !far {
        effects.extend(more_graves(keys));
    }
    effects
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(before: &'static str, after: &'static str) -> Vec<String> {
        let diff = difference(Some(&before.into()), Some(&after.into()));
        diff.iter().map(|line| format!("{}{}", line.sign, line.text)).collect()
    }

    #[test]
    fn lines_that_differ_are_marked_and_alike_values_of_other_bytes_are_told_apart() {
        assert_eq!(shown("a\nb", "a\nc"), [" a", "-b", "+c"]);
        assert_eq!(shown("{\"a\":1}", "{\"a\":2}")[1..3], ["-  \"a\": 1", "+  \"a\": 2"]);
        let alike = shown("{\"a\":1}", "{\"a\": 1}");
        assert!(alike[0].starts_with("+(the bytes differ"), "{alike:?}");
        assert!(shown("a", "a").iter().all(|line| line.starts_with(' ')));
    }

    #[test]
    fn a_comparison_is_bounded() {
        let long = Bytes::from("x\n".repeat(COMPARED_LINES_MAX * 3));
        let diff = difference(None, Some(&long));
        assert_eq!(diff.len(), COMPARED_LINES_MAX + 1);
        assert!(diff.last().unwrap().text.contains("2000 more lines"), "{:?}", diff.last());
    }
}
