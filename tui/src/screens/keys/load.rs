//! Pages of the tree, and the tree anew at another revision.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::lines::{Lines, Place};
use super::model::{Entry, Page};
use super::requests::{ReadHistory, ReadPage, ReadValue};
use super::tree::{LEVELS_MAX, ROOT, ROWS_MAX, RowKind, Tree};
use super::update::{failed, shown};
use super::{Coming, Keys, Msg, Pane, Which, folding};
use crate::console::{Context, Effect};
use crate::engine::request::Trouble;
use crate::screens::requests::REQUESTS_MAX;
use crate::widget::{escape, grouped};

/// Requests that are kept free for values and changes while pages are read.
const SPARE: usize = 8;
/// Nodes from which what is closed is forgotten.
const NODES_MAX: usize = 100_000;
/// Keys and directories that are marked at most.
const MARKS_MAX: usize = 10_000;

impl Keys {
    /// Wants a page of a directory.
    pub(super) fn want(&mut self, dir: u32, which: Which) -> Vec<Effect> {
        let tree = match which {
            Which::Shown => Some(&mut self.tree),
            Which::Coming => self.coming.as_mut().map(|coming| &mut coming.tree),
        };
        let Some(known) = tree.and_then(|tree| tree.dir_mut(dir)) else { return Vec::new() };
        if std::mem::replace(&mut known.loading, true) {
            return Vec::new();
        }
        self.queue.push_back((dir, which));
        self.work()
    }

    /// Asks for the pages that wait, as far as there is room.
    pub(super) fn work(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        while self.requests.len() < REQUESTS_MAX - SPARE {
            let Some((dir, which)) = self.queue.pop_front() else { break };
            let (tree, at) = match (which, &self.coming) {
                (Which::Shown, _) => (&self.tree, self.tree.revision),
                // The first page says which revision the others are of.
                (Which::Coming, Some(coming)) => {
                    let read = coming.tree.revision;
                    (&coming.tree, if read > 0 { read } else { coming.at })
                }
                (Which::Coming, None) => continue,
            };
            let next = tree.node(dir).and_then(|node| node.dir.as_ref()?.next.clone());
            let prefix = tree.dir_prefix(dir);
            let page = ReadPage {
                tree: which,
                dir,
                from: next.map_or_else(|| prefix.clone(), |(from, _)| from),
                prefix,
                separator: tree.separator.clone(),
                at,
            };
            effects.extend(self.requests.ask(page, Msg::Page));
        }
        effects
    }

    /// Takes in a page.
    pub(super) fn take_page(&mut self, dir: u32, which: Which, page: Page) -> Vec<Effect> {
        let mut effects = Vec::new();
        match which {
            Which::Shown => {
                self.tree.take(dir, page, &BTreeSet::new());
            }
            Which::Coming => {
                let Some(coming) = &mut self.coming else { return effects };
                coming.requests += page.requests;
                let opened = coming.tree.take(dir, page, &coming.open);
                for dir in opened {
                    effects.extend(self.want(dir, which));
                }
            }
        }
        effects.extend(self.work());
        effects
    }

    /// Remembers whether a directory is open, for every other revision, and sees to it that it is so in the tree that is
    /// on its way.
    fn remember(&mut self, dir: u32, open: bool) -> Vec<Effect> {
        let (key, prefix) = (self.tree.key(dir), self.tree.dir_prefix(dir));
        let note = |all: &mut BTreeSet<Bytes>| {
            if !open {
                all.remove(&prefix);
            } else if all.len() < ROWS_MAX {
                all.insert(prefix.clone());
            }
        };
        note(&mut self.opened);
        let Some(coming) = &mut self.coming else { return Vec::new() };
        if coming.tree.separator == self.tree.separator {
            note(&mut coming.open);
        }
        // In a tree of another prefix it may stand too deep.
        let alike = (&coming.tree.prefix, &coming.tree.separator)
            == (&self.tree.prefix, &self.tree.separator);
        let row = coming.tree.row_of_key(&key).filter(|_| alike);
        let same = row.and_then(|row| coming.tree.rows().get(row)).map(|row| row.node);
        match same.filter(|same| coming.tree.key(*same) == key) {
            Some(same) if coming.tree.set_open(same, open) => self.want(same, Which::Coming),
            _ => Vec::new(),
        }
    }

    /// How many rows the list at the left has, and the chosen one: of the tree, or of the graveyard with its last line.
    pub(super) fn list(&mut self) -> (usize, &mut usize) {
        match self.left.graveyard_mut() {
            Some(graveyard) => (graveyard.graves.len() + 1, &mut graveyard.chosen),
            None => (self.tree.rows().len(), &mut self.chosen),
        }
    }

    /// Remembers what is chosen, for every other revision.
    pub(super) fn remember_chosen(&mut self) {
        if let Some(row) = self.tree.rows().get(self.chosen) {
            self.wanted = self.tree.key(row.node);
        }
    }

    /// I2: whether the tree that comes is complete.
    pub(super) fn has_come(&self) -> bool {
        self.coming.is_some()
            && !self.requests.running::<ReadPage>().any(|page| page.tree == Which::Coming)
            && !self.queue.iter().any(|(_, which)| *which == Which::Coming)
    }
}

/// A page of a directory has come.
pub(super) fn page_read(
    keys: &mut Keys,
    ctx: &mut Context,
    asked: &ReadPage,
    page: Result<Page, Trouble>,
) -> Vec<Effect> {
    match page {
        Ok(page) => {
            let mut effects = keys.take_page(asked.dir, asked.tree, page);
            if asked.tree == Which::Shown {
                effects.extend(look(keys, false));
            }
            effects
        }
        Err(trouble) => {
            let (what, mut effects) = keys.give_page_up(asked, &trouble);
            // What a user may not read as a whole may be readable in part.
            let next = "F /prefix/ shows the keys below a prefix that this user may read; Auth (6) tells which";
            let denied = trouble.why.contains("permission denied");
            let next = if denied { next.to_owned() } else { trouble.next };
            effects.extend(failed(ctx, what, Trouble { next, ..trouble }));
            effects
        }
    }
}

impl Keys {
    /// Nothing waits for a page any more; answers the words for what was wanted.
    fn give_page_up(&mut self, asked: &ReadPage, trouble: &Trouble) -> (String, Vec<Effect>) {
        self.fresh.failed(trouble.clone());
        if asked.tree == Which::Shown {
            if let Some(dir) = self.tree.dir_mut(asked.dir) {
                dir.loading = false;
            }
            self.tree.lay_out();
            let what = format!("cannot read {}", shown(&self.tree.dir_prefix(asked.dir)));
            return (what, Vec::new());
        }
        let at = self.coming.take().map_or(0, |coming| coming.at);
        let effects = self.requests.cancel::<ReadPage>(|page| page.tree == Which::Coming);
        self.queue.retain(|(_, which)| *which == Which::Shown);
        let what = if at > 0 {
            format!("cannot show the keys at revision {}", grouped(at.unsigned_abs()))
        } else {
            "cannot read the keys".to_owned()
        };
        (what, effects)
    }
}

/// The value of the chosen key has come.
pub(super) fn value_read(
    keys: &mut Keys,
    ctx: &mut Context,
    asked: &ReadValue,
    read: Result<Option<Entry>, Trouble>,
) -> Vec<Effect> {
    let value = &mut keys.value;
    match read {
        Ok(_) if value.key.as_ref() != Some(&asked.key) => Vec::new(),
        Ok(entry) => {
            let viewer = value.viewer;
            let mut lines = entry.as_ref().map_or_else(Lines::default, |e| viewer.lines(&e.value));
            lines.keep_folds(&value.lines);
            value.lines = lines;
            value.top = value.lines.settled(value.top);
            value.chosen = value.lines.settled(value.chosen);
            (value.entry, value.here) = (entry, true);
            Vec::new()
        }
        Err(trouble) => {
            value.here = true;
            value.lines = vec![format!("(not read: {})", escape(trouble.why.as_bytes()))].into();
            failed(ctx, format!("cannot read {}", shown(&asked.key)), trouble)
        }
    }
}

/// Reads the tree anew: at the newest revision, or at the one that is looked at.
pub(crate) fn reload(keys: &mut Keys, _: &mut Context) -> Vec<Effect> {
    let at = keys.at;
    reload_at(keys, at)
}

/// Reads the tree anew at a revision (`None`: the newest).
pub(crate) fn reload_at(keys: &mut Keys, at: Option<i64>) -> Vec<Effect> {
    let tree = Tree::new(keys.tree.prefix.clone(), keys.tree.separator.clone());
    replace(keys, tree, at)
}

/// Reads another tree.
pub(super) fn replace(keys: &mut Keys, tree: Tree, at: Option<i64>) -> Vec<Effect> {
    let mut effects = keys.requests.cancel::<ReadPage>(|_| true);
    keys.queue.clear();
    keys.tree.stop_loading();
    let open = keys.opened.clone();
    let at = at.unwrap_or(0);
    keys.coming = Some(Coming { tree, open, key: None, jump: false, at, requests: 0 });
    effects.extend(keys.want(ROOT, Which::Coming));
    effects
}

/// I2: puts the tree that has come on screen.
pub(super) fn swap(keys: &mut Keys, ctx: &mut Context) -> Vec<Effect> {
    let now = ctx.now;
    let Some(coming) = keys.coming.take() else { return Vec::new() };
    // Pages of the tree before: their directories have other numbers now.
    let mut effects = keys.requests.cancel::<ReadPage>(|_| true);
    keys.queue.clear();
    keys.opened.extend(coming.open);
    if keys.wanted.is_empty() {
        // Nobody has chosen yet: the row that the keys are about is the one that is marked.
        keys.remember_chosen();
    }
    keys.tree = coming.tree;
    keys.drawn.forget();
    keys.at = (coming.at > 0).then_some(coming.at);
    keys.refreshed = (now, coming.requests);
    let filter = keys.filter.clone();
    keys.tree.set_filter(&filter);
    if let Some(key) = coming.key {
        keys.wanted = key;
    }
    let key = keys.wanted.clone();
    let placed = if coming.jump { keys.tree.place(&key) } else { None };
    keys.chosen = placed.or_else(|| keys.tree.row_of_key(&key)).unwrap_or(0);
    keys.fresh.came(now);
    if keys.at.is_none() {
        let revision = keys.tree.revision;
        super::leave::note_newest(keys, ctx, revision);
    }
    effects.extend(look(keys, true));
    if keys.strip.to < keys.tree.revision && keys.at.is_none() {
        effects.extend(super::travel::read_changes(keys));
    }
    effects.extend(super::travel::read_histogram(keys));
    effects
}

/// Opens what is chosen: a directory, a further page, a value.
pub(crate) fn open(keys: &mut Keys, ctx: &mut Context) -> Vec<Effect> {
    if let Some(graveyard) = keys.left.graveyard() {
        let more = graveyard.chosen >= graveyard.graves.len();
        return if more { super::travel::more_graves(keys) } else { focus_value(keys) };
    }
    if keys.pane == Pane::Value {
        let folds = keys.chosen_line().is_some();
        return if folds { folding::toggle(keys, ctx) } else { super::travel::more_history(keys) };
    }
    let Some(row) = keys.tree.rows().get(keys.chosen).copied() else { return Vec::new() };
    if row.kind != RowKind::Node {
        return keys.want(row.node, Which::Shown);
    }
    let Some(node) = keys.tree.node(row.node) else { return Vec::new() };
    let Some(dir) = &node.dir else { return focus_value(keys) };
    let opening = !dir.open;
    if opening && keys.tree.full {
        let hint = format!("{ROWS_MAX} rows are open: close some, or filter with F");
        ctx.toasts.hint(ctx.now, hint);
        return Vec::new();
    }
    if opening && row.depth >= LEVELS_MAX {
        let hint = format!("{LEVELS_MAX} levels are open: F shows the keys below a prefix alone");
        ctx.toasts.hint(ctx.now, hint);
        return Vec::new();
    }
    let mut effects = keys.remember(row.node, opening);
    if keys.tree.set_open(row.node, opening) {
        effects.extend(keys.want(row.node, Which::Shown));
        keys.tree.lay_out();
    }
    if keys.tree.len() > NODES_MAX {
        effects.extend(reload(keys, ctx));
    }
    effects
}

fn focus_value(keys: &mut Keys) -> Vec<Effect> {
    keys.pane = Pane::Value;
    Vec::new()
}

/// Closes the chosen directory, or goes to the one that the chosen row is in; beside the tree, goes left.
pub(crate) fn close(keys: &mut Keys, _: &mut Context) -> Vec<Effect> {
    if keys.pane == Pane::Value {
        if !super::sideways::left(keys) {
            keys.pane = Pane::Tree;
        }
        return Vec::new();
    }
    if keys.left.graveyard().is_some() {
        return Vec::new();
    }
    let Some(row) = keys.tree.rows().get(keys.chosen).copied() else { return Vec::new() };
    let mut effects = Vec::new();
    let open = keys.tree.node(row.node).and_then(|n| n.dir.as_ref()).is_some_and(|d| d.open);
    let to = if row.kind == RowKind::Node && open {
        row.node
    } else if row.kind == RowKind::Node {
        keys.tree.parent(row.node)
    } else {
        row.node
    };
    if open && row.kind == RowKind::Node {
        keys.tree.set_open(row.node, false);
        effects.extend(keys.remember(row.node, false));
    }
    keys.chosen = keys.tree.row_of(to).unwrap_or(keys.chosen);
    keys.remember_chosen();
    effects.extend(look(keys, false));
    effects
}

/// Sees to it that the chosen key's value is on its way; `anew` also when it is the key that is shown.
pub(super) fn look(keys: &mut Keys, anew: bool) -> Vec<Effect> {
    let rows = keys.tree.rows().len();
    keys.chosen = keys.chosen.min(rows.saturating_sub(1));
    let chosen = keys.chosen_key();
    let same = chosen.as_ref().map(|(key, _)| key) == keys.value.key.as_ref();
    if same && !anew {
        return Vec::new();
    }
    let mut effects = keys.requests.cancel::<ReadValue>(|_| true);
    if !same {
        keys.value.key = chosen.as_ref().map(|(key, _)| key.clone());
        (keys.value.entry, keys.value.here) = (None, false);
        keys.value.lines = Lines::default();
        (keys.value.top, keys.value.chosen, keys.shift) = (Place::default(), Place::default(), 0);
        if keys.right.end_history() {
            effects.extend(keys.requests.cancel::<ReadHistory>(|_| true));
        }
    }
    if let Some((key, at)) = chosen {
        effects.extend(keys.requests.ask(ReadValue { key, at }, Msg::Value));
    }
    effects
}

/// Marks the chosen key or directory, or takes its mark away.
pub(crate) fn mark(keys: &mut Keys, _: &mut Context) -> Vec<Effect> {
    if keys.pane == Pane::Value {
        return Vec::new();
    }
    if let Some(graveyard) = keys.left.graveyard_mut() {
        let Some(grave) = graveyard.graves.get(graveyard.chosen) else { return Vec::new() };
        if graveyard.marks.remove(&grave.key).is_none() && graveyard.marks.len() < MARKS_MAX {
            graveyard.marks.insert(grave.key.clone(), grave.deleted);
        }
        graveyard.chosen += 1;
        return look(keys, false);
    }
    let Some(target) = keys.chosen_target() else { return Vec::new() };
    if !keys.marks.remove(&target) && keys.marks.len() < MARKS_MAX {
        keys.marks.insert(target);
    }
    keys.chosen = (keys.chosen + 1).min(keys.tree.rows().len().saturating_sub(1));
    keys.remember_chosen();
    look(keys, false)
}

/// Marks all that the graveyard shows, or takes all marks away.
pub(crate) fn mark_all(keys: &mut Keys, ctx: &mut Context) -> Vec<Effect> {
    let Some(graveyard) = keys.left.graveyard_mut() else {
        ctx.toasts.hint(ctx.now, "marks all keys of the graveyard: B goes there");
        return Vec::new();
    };
    let all = graveyard.graves.len().min(MARKS_MAX);
    if graveyard.marks.len() < all {
        let marks = graveyard.graves.iter().take(MARKS_MAX);
        graveyard.marks = marks.map(|grave| (grave.key.clone(), grave.deleted)).collect();
    } else {
        graveyard.marks.clear();
    }
    Vec::new()
}

/// Shows the value by the next viewer.
pub(crate) fn next_viewer(keys: &mut Keys, _: &mut Context) -> Vec<Effect> {
    keys.shift = 0;
    let value = &mut keys.value;
    value.viewer = value.viewer.next();
    (value.top, value.chosen) = (Place::default(), Place::default());
    if let Some(entry) = &value.entry {
        value.lines = value.viewer.lines(&entry.value);
    }
    Vec::new()
}
