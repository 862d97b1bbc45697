//! The keys as a tree: what was loaded, what is open, and the rows that this makes.
//!
//! * I1: names and nodes are numbers: a name that occurs in a thousand directories is kept once.
//! * I2: rows are made when the tree changes, never when it is drawn; at most [`ROWS_MAX`] of them.
//! * I3: a node may be a key and a directory; empty names, and the one before a leading separator, are kept.
//! * I4: the key of a node is its directory's prefix and its name; the prefix of a directory is its key and the
//!   separator. So every key stands at exactly one place.
//! * I5: directories are open at most [`LEVELS_MAX`] deep: what walks the tree needs no more stack than that.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use indexmap::IndexSet;

use super::model::{Meta, Page};

/// Rows that are open at most.
pub const ROWS_MAX: usize = 10_000;
/// Directories that are open inside each other at most.
pub const LEVELS_MAX: u16 = 100;
/// The root.
pub const ROOT: u32 = 0;

/// A name below a directory.
#[derive(Clone, Debug)]
pub struct Node {
    parent: u32,
    name: u32,
    /// The key, when it is one.
    pub key: Option<Meta>,
    /// The directory, when it is one.
    pub dir: Option<Dir>,
}

/// What is known of a directory.
#[derive(Clone, Debug, Default)]
pub struct Dir {
    /// Keys below it; `None` while it was not counted.
    pub keys: Option<u64>,
    /// Its children are shown.
    pub open: bool,
    /// Its children in the order of their keys.
    pub children: Vec<u32>,
    /// A page was asked for.
    pub loading: bool,
    /// At least one page has come.
    pub loaded: bool,
    /// Where the next page begins, and the keys from there on.
    pub next: Option<(Bytes, u64)>,
}

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it shows.
    pub kind: RowKind,
    /// The node, or the directory that has more.
    pub node: u32,
    /// How deep.
    pub depth: u16,
}

/// What a row shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// A node.
    Node,
    /// There is more in this directory.
    More,
    /// It is being read.
    Loading,
}

/// The tree.
#[derive(Clone, Debug)]
pub struct Tree {
    /// What all keys shown begin with.
    pub prefix: Bytes,
    /// What stands between names.
    pub separator: Bytes,
    /// The revision that was read; 0 while nothing has come.
    pub revision: i64,
    names: IndexSet<Bytes>,
    nodes: Vec<Node>,
    places: HashMap<(u32, u32), u32>,
    rows: Vec<Row>,
    /// How often the rows were made.
    layouts: u64,
    /// Rows were left out.
    pub full: bool,
    /// Only rows with this in their name, and what leads to them.
    filter: String,
}

impl Tree {
    /// A tree of which nothing is known.
    #[must_use]
    pub fn new(prefix: Bytes, separator: Bytes) -> Self {
        let root = Node {
            parent: ROOT,
            name: 0,
            key: None,
            dir: Some(Dir { open: true, ..Dir::default() }),
        };
        Self {
            prefix,
            separator,
            revision: 0,
            names: IndexSet::from([Bytes::new()]),
            nodes: vec![root],
            places: HashMap::new(),
            rows: Vec::new(),
            layouts: 0,
            full: false,
            filter: String::new(),
        }
    }

    /// The rows.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// How often the rows were made: what was made of them before is out of date.
    #[must_use]
    pub fn layouts(&self) -> u64 {
        self.layouts
    }

    /// A node.
    #[must_use]
    pub fn node(&self, id: u32) -> Option<&Node> {
        self.nodes.get(usize::try_from(id).ok()?)
    }

    fn node_mut(&mut self, id: u32) -> Option<&mut Node> {
        self.nodes.get_mut(usize::try_from(id).ok()?)
    }

    /// A directory.
    pub fn dir_mut(&mut self, id: u32) -> Option<&mut Dir> {
        self.node_mut(id)?.dir.as_mut()
    }

    /// Nodes that are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether nothing was loaded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.len() <= 1
    }

    /// The name of a node, without what stands before it.
    #[must_use]
    pub fn name(&self, id: u32) -> &[u8] {
        let name = self.node(id).and_then(|node| usize::try_from(node.name).ok());
        name.and_then(|name| self.names.get_index(name)).map_or(&[], |name| name)
    }

    /// Directories that a node is in, the root apart.
    fn depth(&self, mut id: u32) -> u16 {
        let mut depth: u16 = 0;
        while self.parent(id) != ROOT {
            id = self.parent(id);
            depth = depth.saturating_add(1);
        }
        depth
    }

    /// The directory that a node is in.
    #[must_use]
    pub fn parent(&self, id: u32) -> u32 {
        self.node(id).map_or(ROOT, |node| node.parent)
    }

    /// I4: the key of a node.
    #[must_use]
    pub fn key(&self, id: u32) -> Bytes {
        if id == ROOT {
            return self.prefix.clone();
        }
        let mut key = self.dir_prefix(self.parent(id)).to_vec();
        key.extend_from_slice(self.name(id));
        key.into()
    }

    /// I4: what all keys below a directory begin with.
    #[must_use]
    pub fn dir_prefix(&self, id: u32) -> Bytes {
        let key = self.key(id);
        if id == ROOT { key } else { [&key[..], &self.separator[..]].concat().into() }
    }

    /// Takes in a page of a directory, and opens what was open before.
    pub fn take(&mut self, dir: u32, page: Page, open: &BTreeSet<Bytes>) -> Vec<u32> {
        self.revision = page.revision;
        let mut opened = Vec::new();
        // The children of the root stand at 0.
        let deep = dir != ROOT && self.depth(dir) + 1 >= LEVELS_MAX;
        for child in page.children {
            let id = self.child(dir, &child.name);
            let key = self.key(id);
            let inside: Bytes = [&key[..], &self.separator[..]].concat().into();
            let Some(node) = self.node_mut(id) else { continue };
            node.key = child.key.or(node.key);
            if child.below.is_some() {
                let known = node.dir.get_or_insert_with(Dir::default);
                known.keys = child.below;
                if !known.open && !deep && open.contains(&inside) {
                    known.open = true;
                    opened.push(id);
                }
            }
        }
        if let Some(known) = self.dir_mut(dir) {
            known.loading = false;
            known.loaded = true;
            known.next = page.next.map(|next| (next, page.left));
        }
        self.lay_out();
        opened
    }

    /// Shows a key whose page was not loaded, so that it can be chosen. Its directories must be loaded.
    pub fn place(&mut self, key: &Bytes) -> Option<usize> {
        let parent = self.row_of_key(key);
        let exact = parent.and_then(|row| self.rows.get(row));
        if exact.is_some_and(|row| self.key(row.node) == *key) {
            return parent;
        }
        let dir = exact.map_or(ROOT, |row| row.node);
        let prefix = self.dir_prefix(dir);
        let rest = key
            .strip_prefix(&prefix[..])
            .filter(|rest| position(rest, &self.separator).is_none())?;
        let id = self.child(dir, rest);
        self.node_mut(id)?.key.get_or_insert_with(Meta::default);
        self.lay_out();
        self.row_of(id)
    }

    /// The node of that name; made when it is new.
    fn child(&mut self, dir: u32, name: &[u8]) -> u32 {
        let name = match self.names.get_index_of(name) {
            Some(at) => at,
            // A copy: what it was read from is a page of names.
            None => self.names.insert_full(Bytes::copy_from_slice(name)).0,
        };
        let name = u32::try_from(name).unwrap_or(u32::MAX);
        if let Some(id) = self.places.get(&(dir, name)) {
            return *id;
        }
        let id = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        self.nodes.push(Node { parent: dir, name, key: None, dir: None });
        self.places.insert((dir, name), id);
        if let Some(known) = self.dir_mut(dir) {
            known.children.push(id);
        }
        id
    }

    /// Pages that were under way are not any more.
    pub fn stop_loading(&mut self) {
        for dir in self.nodes.iter_mut().filter_map(|node| node.dir.as_mut()) {
            dir.loading = false;
        }
        self.lay_out();
    }

    /// Shows or hides the children of a directory. Answers whether they have to be read.
    pub fn set_open(&mut self, id: u32, open: bool) -> bool {
        let Some(dir) = self.dir_mut(id) else { return false };
        dir.open = open;
        let read = open && !dir.loaded && !dir.loading;
        self.lay_out();
        read
    }

    /// Shows only rows with this in their name, and what leads to them; all for an empty text.
    pub fn set_filter(&mut self, filter: &str) {
        self.filter = filter.to_lowercase();
        self.lay_out();
    }

    /// Whether a row is one that the filter looks for.
    #[must_use]
    pub fn matches(&self, id: u32) -> bool {
        !self.filter.is_empty()
            && crate::widget::escape_name(self.name(id)).to_lowercase().contains(&self.filter)
    }

    /// I2: makes the rows anew.
    pub fn lay_out(&mut self) {
        self.layouts += 1;
        let mut rows = std::mem::take(&mut self.rows);
        rows.clear();
        self.full = false;
        self.full = !self.lay_out_dir(ROOT, 0, &mut rows);
        self.rows = rows;
    }

    /// Adds the rows of a directory; answers whether all of them had room.
    fn lay_out_dir(&self, id: u32, depth: u16, rows: &mut Vec<Row>) -> bool {
        let Some(dir) = self.node(id).and_then(|node| node.dir.as_ref()) else { return true };
        for child in &dir.children {
            if rows.len() >= ROWS_MAX {
                return false;
            }
            let before = rows.len();
            rows.push(Row { kind: RowKind::Node, node: *child, depth });
            let open = self.node(*child).and_then(|n| n.dir.as_ref()).is_some_and(|d| d.open);
            if open && !self.lay_out_dir(*child, depth.saturating_add(1), rows) {
                return false;
            }
            let shows = rows.len() > before + 1 || self.matches(*child);
            if !self.filter.is_empty() && !shows {
                rows.truncate(before);
            }
        }
        if dir.loading {
            rows.push(Row { kind: RowKind::Loading, node: id, depth });
        } else if dir.next.is_some() {
            rows.push(Row { kind: RowKind::More, node: id, depth });
        }
        true
    }

    /// The row of a node.
    #[must_use]
    pub fn row_of(&self, id: u32) -> Option<usize> {
        self.rows.iter().position(|row| row.node == id && row.kind == RowKind::Node)
    }

    /// The row that shows a key, or the nearest directory that holds it.
    #[must_use]
    pub fn row_of_key(&self, key: &[u8]) -> Option<usize> {
        let mut best = None;
        for (at, row) in self.rows.iter().enumerate().filter(|(_, r)| r.kind == RowKind::Node) {
            let Some(node) = self.node(row.node) else { continue };
            if key.ends_with(self.name(row.node)) && self.key(row.node) == key {
                return Some(at);
            }
            if node.dir.is_some() && key.starts_with(&self.dir_prefix(row.node)) {
                best = Some(at);
            }
        }
        best
    }
}

/// Where `separator` stands in `name`.
fn position(name: &[u8], separator: &[u8]) -> Option<usize> {
    if separator.is_empty() {
        return None;
    }
    name.windows(separator.len()).position(|window| window == separator)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screens::keys::model::Child;

    fn leaf(name: &'static str) -> Child {
        Child { name: name.into(), key: Some(Meta::default()), below: None }
    }

    fn dir(name: &'static str, below: u64) -> Child {
        Child { name: name.into(), key: None, below: Some(below) }
    }

    fn page(children: Vec<Child>) -> Page {
        Page { revision: 7, children, ..Page::default() }
    }

    fn shown(tree: &Tree) -> Vec<String> {
        let row = |row: &Row| {
            let kind = if row.kind == RowKind::Node { "" } else { "..." };
            let name = String::from_utf8_lossy(tree.name(row.node)).into_owned();
            format!("{}{kind}{name}", " ".repeat(row.depth.into()))
        };
        tree.rows().iter().map(row).collect()
    }

    #[test]
    fn a_name_that_is_a_key_and_a_directory_is_one_row() {
        let mut tree = Tree::new("/x/".into(), "/".into());
        let children = vec![leaf("a"), leaf("a!"), dir("a", 3), dir("", 1)];
        tree.take(ROOT, page(children), &BTreeSet::new());
        assert_eq!(shown(&tree), ["a", "a!", ""]);
        let a = tree.rows()[0].node;
        assert!(tree.node(a).unwrap().key.is_some() && tree.node(a).unwrap().dir.is_some());
        assert_eq!(tree.key(a), "/x/a");
        assert_eq!(tree.dir_prefix(a), "/x/a/");
        let empty = tree.rows()[2].node;
        assert_eq!(tree.dir_prefix(empty), "/x//");
    }

    #[test]
    fn what_was_open_is_opened_again_and_a_page_that_is_not_the_last_says_so() {
        let mut tree = Tree::new(Bytes::new(), "::".into());
        let open = BTreeSet::from([Bytes::from("a::")]);
        assert_eq!(tree.take(ROOT, page(vec![dir("a", 2), dir("b", 1)]), &open).len(), 1);
        let a = tree.rows()[0].node;
        let next = Some(Bytes::from("a::z"));
        tree.take(a, Page { next, left: 9, ..page(vec![leaf("x")]) }, &open);
        assert_eq!(shown(&tree), ["a", " x", " ...a", "b"]);
        assert!(!tree.set_open(a, false));
        assert_eq!(shown(&tree), ["a", "b"]);
    }

    #[test]
    fn a_filter_keeps_what_leads_to_a_match() {
        let mut tree = Tree::new(Bytes::new(), "/".into());
        let open = BTreeSet::from([Bytes::from("a/")]);
        tree.take(ROOT, page(vec![dir("a", 2), leaf("b")]), &open);
        let a = tree.rows()[0].node;
        tree.take(a, page(vec![leaf("Needle"), leaf("hay")]), &open);
        tree.set_filter("needle");
        assert_eq!(shown(&tree), ["a", " Needle"]);
        tree.set_filter("");
        assert_eq!(tree.rows().len(), 4);
    }

    #[test]
    fn directories_are_open_only_so_deep() {
        let mut tree = Tree::new(Bytes::new(), "/".into());
        let path = |levels: u16| Bytes::from("d/".repeat(levels.into()));
        let open: BTreeSet<Bytes> = (1..=LEVELS_MAX + 5).map(path).collect();
        let mut dir = ROOT;
        for level in 0..=LEVELS_MAX {
            let opened = tree.take(dir, page(vec![self::dir("d", 1)]), &open);
            assert_eq!(opened.is_empty(), level == LEVELS_MAX, "{level}");
            dir = tree.rows().last().unwrap().node;
        }
        assert_eq!(tree.rows().len(), usize::from(LEVELS_MAX) + 1);
        assert_eq!(tree.rows().last().unwrap().depth, LEVELS_MAX);
    }

    #[test]
    fn open_rows_are_bounded() {
        let mut tree = Tree::new(Bytes::new(), "/".into());
        for n in 0..ROWS_MAX + 10 {
            tree.child(ROOT, n.to_string().as_bytes());
        }
        tree.lay_out();
        assert_eq!(tree.rows().len(), ROWS_MAX);
        assert!(tree.full);
    }
}
