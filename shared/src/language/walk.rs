//! [`unset_variables`]: what a script needs and gives, told from its text alone.

use std::collections::BTreeSet;

use super::{
    Action, Condition, Filter, Run, Script, SessionCommand, Span, Statement, StatementKind, Test,
    Word,
};

/// Variables that a session sets by itself.
pub const OWN_VARIABLES: &[&str] = &["RUN", "TMP", "rev", "count", "status", "elapsed_ms"];

/// The first variable of a script that nothing sets: neither the script, nor a session, nor `given`.
#[must_use]
pub fn unset_variable(script: &Script, given: &BTreeSet<String>) -> Option<(String, Span)> {
    unset_variables(script, given).into_iter().next()
}

/// Where variables stand that nothing sets, each of them once.
#[must_use]
pub fn unset_variables(script: &Script, given: &BTreeSet<String>) -> Vec<(String, Span)> {
    let mut walk = Walk::default();
    walk.all(&script.statements);
    let set = |name: &str| {
        walk.set.contains(name) || OWN_VARIABLES.contains(&name) || given.contains(name)
    };
    let mut unset: Vec<(String, Span)> = Vec::new();
    for (name, span) in &walk.needed {
        if !set(name) && !unset.iter().any(|(known, _)| known == name) {
            unset.push((name.clone(), *span));
        }
    }
    unset
}

/// The session's commands of statements and of the blocks in them, each with its arguments and where it stands.
#[must_use]
pub fn session_commands<'a>(
    statements: impl IntoIterator<Item = &'a Statement>,
) -> Vec<(&'static SessionCommand, &'a [Word], Span)> {
    let mut found = Vec::new();
    for statement in statements {
        if let StatementKind::Run(run) = &statement.kind
            && let Action::Session { command, args } = &run.action
        {
            found.push((*command, args.as_slice(), statement.span));
        }
        found.extend(session_commands(statement.kind.inner()));
    }
    found
}

/// Whether a command names this variable, with a fallback or without.
#[must_use]
pub fn uses(run: &Run, name: &str) -> bool {
    let mut walk = Walk::default();
    walk.run(run);
    walk.named.iter().any(|named| named == name)
}

#[derive(Default)]
struct Walk {
    /// Every variable that is named.
    named: BTreeSet<String>,
    set: BTreeSet<String>,
    needed: Vec<(String, Span)>,
}

impl Walk {
    fn all(&mut self, statements: &[Statement]) {
        for statement in statements {
            self.one(&statement.kind);
        }
    }

    fn one(&mut self, kind: &StatementKind) {
        match kind {
            StatementKind::Run(run) => self.run(run),
            StatementKind::Expect(expect) => self.condition(&expect.condition),
            StatementKind::Await(wait) => {
                for expect in &wait.expects {
                    self.condition(&expect.condition);
                }
            }
            StatementKind::Set { name, value } => {
                self.word(value);
                self.set.insert(name.clone());
            }
            StatementKind::With { flags, .. } => self.words(flags),
            StatementKind::If { condition, .. } => self.condition(condition),
            _ => {}
        }
        for statement in kind.inner() {
            self.one(&statement.kind);
        }
    }

    fn run(&mut self, run: &Run) {
        match &run.action {
            Action::Command { words, .. } | Action::Session { args: words, .. } => {
                self.words(words);
            }
            Action::Txn(txn) => {
                self.words(&txn.flags);
                for compare in &txn.compares {
                    self.word(&compare.key);
                    self.word(&compare.value);
                }
                for operation in txn.success.iter().chain(&txn.failure) {
                    self.words(&operation.words);
                }
            }
        }
        for filter in &run.filters {
            if let Filter::Diff(file) = filter {
                self.word(file);
            }
        }
        self.words(run.redirect.as_slice());
        for expect in &run.expects {
            self.condition(&expect.condition);
        }
        self.set.extend(run.capture.clone());
    }

    fn condition(&mut self, condition: &Condition) {
        match condition {
            Condition::Error { matches, .. } => self.words(matches.as_slice()),
            Condition::Holds { test: Test::Compare { word, .. }, .. } => self.word(word),
            Condition::Ok | Condition::Holds { test: Test::Absent, .. } => {}
        }
    }

    fn words(&mut self, words: &[Word]) {
        for word in words {
            self.word(word);
        }
    }

    fn word(&mut self, word: &Word) {
        self.named.extend(word.names().into_iter().map(ToOwned::to_owned));
        self.needed.extend(word.needs().into_iter().map(|(name, span)| (name.to_owned(), span)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::parse_script;

    #[test]
    fn a_variable_that_nothing_sets_is_found_wherever_it_stands() {
        let unset = |text: &str| {
            let script = parse_script(text.as_bytes()).unwrap();
            let given = BTreeSet::from(["G".to_owned()]);
            unset_variable(&script, &given).map(|(name, _)| name)
        };
        for text in [
            "get $X",
            "get \"a$X\"",
            "get a\nexpect value == $X",
            "txn if ver($X) = 1 then end",
            "txn then put a $X end",
            "test x\nif ok\nelse\nput a $X\nend\nend",
            "put a <<E\n$X\nE",
            "get ${Y:-$X}",
            "get a > $X",
        ] {
            assert_eq!(unset(text).as_deref(), Some("X"), "{text}");
        }
        for text in
            ["get $RUN$G", "set X a\nget $X", "put a b -> X\nget $X", "get ${X:-a}", "get '$X'"]
        {
            assert_eq!(unset(text), None, "{text}");
        }
    }
}
