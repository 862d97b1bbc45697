//! [`Tree`]: users with their roles and permissions, and roles with theirs, as rows.
//!
//! * I1: what is chosen stays chosen while it is there, whatever comes and goes around it.

use std::collections::BTreeSet;

use super::model::{Grant, Told};

/// Rows that are laid out; more are there when many users have many roles of many permissions.
pub(super) const ROWS_MAX: usize = 20_000;

/// What a row stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    /// All users.
    Users,
    /// A user.
    User(String),
    /// A role of a user.
    Held(String, String),
    /// A permission of a role of a user.
    HeldGrant(String, String, Grant),
    /// All roles.
    Roles,
    /// A role.
    Role(String),
    /// A permission of a role.
    RoleGrant(String, Grant),
}

impl Node {
    /// The user of the row.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::User(user) | Self::Held(user, _) | Self::HeldGrant(user, ..) => Some(user),
            _ => None,
        }
    }

    /// The role of the row.
    #[must_use]
    pub fn role(&self) -> Option<&str> {
        match self {
            Self::Held(_, role)
            | Self::HeldGrant(_, role, _)
            | Self::Role(role)
            | Self::RoleGrant(role, _) => Some(role),
            _ => None,
        }
    }

    /// The permission of the row.
    #[must_use]
    pub fn grant(&self) -> Option<&Grant> {
        match self {
            Self::HeldGrant(_, _, grant) | Self::RoleGrant(_, grant) => Some(grant),
            _ => None,
        }
    }

    /// Rows that it is in.
    #[must_use]
    pub fn depth(&self) -> usize {
        match self {
            Self::Users | Self::Roles => 0,
            Self::User(_) | Self::Role(_) => 1,
            Self::Held(..) | Self::RoleGrant(..) => 2,
            Self::HeldGrant(..) => 3,
        }
    }
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it stands for.
    pub node: Node,
    /// Whether it is open; `None` when nothing is in it.
    pub open: Option<bool>,
}

/// The rows in their order.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// The rows.
    rows: Vec<Row>,
    /// Those that are closed.
    closed: BTreeSet<Node>,
    /// Only users and roles whose name has this in it.
    pub filter: String,
    /// Not all rows are here.
    pub is_cut: bool,
}

impl Tree {
    /// The rows, users first.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Opens what is closed, or the other way round.
    pub fn toggle(&mut self, node: &Node) {
        if !self.closed.remove(node) {
            self.closed.insert(node.clone());
        }
    }

    /// Closes all users and roles; opens all when one of them is closed.
    pub fn fold_all(&mut self, told: &Told) {
        if std::mem::take(&mut self.closed).is_empty() {
            self.closed.extend(told.users.keys().cloned().map(Node::User));
            self.closed.extend(told.roles.keys().cloned().map(Node::Role));
        }
    }

    /// Lays the rows out anew.
    pub fn lay_out(&mut self, told: &Told) {
        self.rows.clear();
        let is_in = |name: &&String| name.to_lowercase().contains(&self.filter);
        let mut rows = Rows { rows: Vec::new(), closed: &self.closed };
        // Of who is told of nobody there is no row.
        let told_of = told.denied.is_none() || !told.users.is_empty();
        if told_of && rows.add(Node::Users, told.users.keys().any(|name| is_in(&name))) {
            for (user, roles) in told.users.iter().filter(|(user, _)| is_in(user)) {
                rows.user(told, user, roles);
            }
        }
        // Who is told of itself alone has its roles below its name.
        let shown = told.denied.is_none();
        if shown && rows.add(Node::Roles, told.roles.keys().any(|name| is_in(&name))) {
            for (role, grants) in told.roles.iter().filter(|(role, _)| is_in(role)) {
                if rows.add(Node::Role(role.clone()), !grants.is_empty()) {
                    for grant in grants {
                        rows.add(Node::RoleGrant(role.clone(), grant.clone()), false);
                    }
                }
            }
        }
        self.is_cut = rows.rows.len() >= ROWS_MAX;
        self.rows = rows.rows;
    }
}

/// Rows that are laid out.
struct Rows<'a> {
    rows: Vec<Row>,
    closed: &'a BTreeSet<Node>,
}

impl Rows<'_> {
    /// Adds a row; answers whether there are rows in it, and it is open.
    fn add(&mut self, node: Node, has_more: bool) -> bool {
        if self.rows.len() >= ROWS_MAX {
            return false;
        }
        let open = has_more.then(|| !self.closed.contains(&node));
        self.rows.push(Row { node, open });
        open == Some(true)
    }

    fn user(&mut self, told: &Told, user: &str, roles: &[String]) {
        if !self.add(Node::User(user.to_owned()), !roles.is_empty()) {
            return;
        }
        for role in roles {
            let grants = told.roles.get(role).map(Vec::as_slice).unwrap_or_default();
            if self.add(Node::Held(user.to_owned(), role.clone()), !grants.is_empty()) {
                for grant in grants {
                    let (user, role) = (user.to_owned(), role.clone());
                    self.add(Node::HeldGrant(user, role, grant.clone()), false);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screens::auth::model::{Access, Keys};

    fn told() -> Told {
        let grant = Grant { keys: Keys { key: "k".into(), end: "".into() }, access: Access::Read };
        Told {
            users: [
                ("alice".to_owned(), vec!["readers".to_owned()]),
                ("Bob".to_owned(), Vec::new()),
            ]
            .into(),
            roles: [("readers".to_owned(), vec![grant]), ("idle".to_owned(), Vec::new())].into(),
            ..Told::default()
        }
    }

    /// A line for each row, as deep as it stands.
    fn shown(tree: &Tree) -> Vec<String> {
        let name = |node: &Node| match node {
            Node::Users => "users".to_owned(),
            Node::Roles => "roles".to_owned(),
            node if node.grant().is_some() => "k".to_owned(),
            Node::User(name) | Node::Role(name) | Node::Held(_, name) => name.clone(),
            node => panic!("{node:?}"),
        };
        let line = |row: &Row| {
            let sign = row.open.map_or("", |open| if open { "-" } else { "+" });
            format!("{}{sign}{}", " ".repeat(row.node.depth()), name(&row.node))
        };
        tree.rows().iter().map(line).collect()
    }

    #[test]
    fn users_have_roles_and_roles_have_permissions() {
        let (told, mut tree) = (told(), Tree::default());
        tree.lay_out(&told);
        let all = [
            "-users",
            " Bob",
            " -alice",
            "  -readers",
            "   k",
            "-roles",
            " idle",
            " -readers",
            "  k",
        ];
        assert_eq!(shown(&tree), all);
        tree.toggle(&Node::User("alice".to_owned()));
        tree.toggle(&Node::Roles);
        tree.lay_out(&told);
        assert_eq!(shown(&tree), ["-users", " Bob", " +alice", "+roles"]);
        tree.fold_all(&told);
        tree.lay_out(&told);
        assert_eq!(shown(&tree), all);
        tree.fold_all(&told);
        tree.lay_out(&told);
        assert_eq!(shown(&tree), ["-users", " Bob", " +alice", "-roles", " idle", " +readers"]);
    }

    #[test]
    fn a_filter_leaves_what_has_it_and_who_is_told_of_itself_alone_has_no_list_of_roles() {
        let (mut told, mut tree) = (told(), Tree::default());
        "bo".clone_into(&mut tree.filter);
        tree.lay_out(&told);
        assert_eq!(shown(&tree), ["-users", " Bob", "roles"]);
        tree.filter.clear();
        told.denied = Some("etcdserver: permission denied".to_owned());
        tree.lay_out(&told);
        assert_eq!(shown(&tree), ["-users", " Bob", " -alice", "  -readers", "   k"]);
    }

    #[test]
    fn what_is_laid_out_is_bounded() {
        let (mut told, mut tree) = (told(), Tree::default());
        told.users = (0..ROWS_MAX).map(|n| (n.to_string(), Vec::new())).collect();
        tree.lay_out(&told);
        assert_eq!((tree.rows().len(), tree.is_cut), (ROWS_MAX, true));
    }
}
