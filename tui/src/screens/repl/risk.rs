//! What is at stake with a line, by what it does.

use bytes::Bytes;
use mini_etcd_shared::command::{AUTH_DISABLE, COMPACTION, DEL, Effect, Given, Target, parse_for};
use mini_etcd_shared::language::{Action, SOURCE, Statement, StatementKind, Word};

use crate::console::Tier;

/// How a line has to be confirmed, and what to say; `None` when it is simply done.
#[must_use]
pub fn of(statements: &[Statement]) -> Option<(Tier, String)> {
    // Of several, the first of the worst.
    statements.iter().rev().filter_map(of_one).max_by_key(rank)
}

/// Whether a statement changes keys.
pub(super) fn changes(statement: &Statement) -> bool {
    match &statement.kind {
        StatementKind::Run(run) => match &run.action {
            Action::Command { target: Target::Command(spec), .. } => {
                matches!(spec.effect, Effect::Writes | Effect::Destroys)
            }
            Action::Txn(txn) => {
                let operations = txn.success.iter().chain(&txn.failure);
                operations.into_iter().any(|operation| operation.command.effect != Effect::Reads)
            }
            Action::Session { command, .. } => **command == SOURCE,
            Action::Command { .. } => false,
        },
        StatementKind::Test { body, .. }
        | StatementKind::Setup(body)
        | StatementKind::Teardown(body)
        | StatementKind::Repeat { body, .. }
        | StatementKind::With { body, .. } => body.iter().any(changes),
        StatementKind::If { then, otherwise, .. } => then.iter().chain(otherwise).any(changes),
        StatementKind::Expect(_)
        | StatementKind::Await(_)
        | StatementKind::Cancel(_)
        | StatementKind::Set { .. } => false,
    }
}

fn rank(found: &(Tier, String)) -> u8 {
    u8::from(matches!(found.0, Tier::Shape(_)))
}

fn of_one(statement: &Statement) -> Option<(Tier, String)> {
    match &statement.kind {
        StatementKind::Run(run) => of_action(&run.action),
        StatementKind::Test { body, .. }
        | StatementKind::Setup(body)
        | StatementKind::Teardown(body)
        | StatementKind::Repeat { body, .. }
        // Its flags are those that every command takes: none of them makes a range.
        | StatementKind::With { body, .. } => of(body),
        StatementKind::If { then, otherwise, .. } => {
            [of(then), of(otherwise)].into_iter().flatten().max_by_key(rank)
        }
        StatementKind::Expect(_)
        | StatementKind::Await(_)
        | StatementKind::Cancel(_)
        | StatementKind::Set { .. } => None,
    }
}

fn loss(text: impl Into<String>) -> (Tier, String) {
    (Tier::Loss, text.into())
}

fn of_action(action: &Action) -> Option<(Tier, String)> {
    match action {
        Action::Command { target: Target::Command(spec), words } => match *spec {
            spec if *spec == DEL => delete(words),
            spec if *spec == AUTH_DISABLE => {
                let text = "Whoever reaches a member may do anything from then on.".to_owned();
                Some((Tier::Shape("disable".to_owned()), text))
            }
            spec if *spec == COMPACTION => Some(loss(
                "Versions older than that revision are gone for good; watches can no longer begin there.",
            )),
            spec if spec.effect == Effect::Destroys => Some(loss(format!(
                "{} takes something away that cannot be had again.",
                spec.path()
            ))),
            _ => None,
        },
        Action::Txn(txn) => {
            let operations = txn.success.iter().chain(&txn.failure);
            let deletes = || operations.clone().filter(|operation| *operation.command == DEL);
            deletes()
                .filter_map(|operation| delete(&operation.words))
                .max_by_key(rank)
                .or_else(|| deletes().next().map(|_| loss("The transaction deletes keys.")))
        }
        Action::Session { command, .. } if **command == SOURCE => {
            Some(loss("It runs every line of the file, whatever they do."))
        }
        _ => None,
    }
}

/// A `del`: one key is one write, and is told; a range is asked.
fn delete(words: &[Word]) -> Option<(Tier, String)> {
    let range = "It deletes a whole range of keys, however many are in it.";
    let target = Target::Command(&DEL);
    let given = words.iter().map(|word| {
        // What only a variable knows may be any key.
        let bytes = Bytes::from(word.literal().unwrap_or_else(|| b"$".to_vec()));
        if word.is_flag() { Given::plain(bytes) } else { Given::argument(bytes) }
    });
    let Ok(parsed) = parse_for(target, given.collect()) else { return Some(loss(range)) };
    let on = |name: &str| parsed.flags.switch(target, name);
    if parsed.args.len() < 2 && !on("prefix") && !on("from-key") {
        return None;
    }
    let first = parsed.args.first().map_or(&[][..], Bytes::as_ref);
    if [&b""[..], b"hex:", b"b64:"].contains(&first) {
        let text = "It deletes every key of the cluster.".to_owned();
        return Some((Tier::Shape("everything".to_owned()), text));
    }
    Some(loss(range))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mini_etcd_shared::language::parse_input;

    #[test]
    fn what_destroys_is_asked_by_how_much() {
        let everything = || Some(Tier::Shape("everything".into()));
        for (line, tier) in [
            ("get a --prefix", None),
            ("put a b", None),
            ("del a", None),
            ("del -- --prefix", None),
            ("del a '--prefix'", Some(Tier::Loss)),
            ("del a --prefix", Some(Tier::Loss)),
            ("delete a --prefix", Some(Tier::Loss)),
            ("del a z", Some(Tier::Loss)),
            ("del $K --prefix", Some(Tier::Loss)),
            ("del '' --prefix", everything()),
            ("del hex: --from-key", everything()),
            ("auth disable", Some(Tier::Shape("disable".into()))),
            ("auth enable", None),
            ("user delete a", Some(Tier::Loss)),
            ("compaction 5", Some(Tier::Loss)),
            ("comp 5", Some(Tier::Loss)),
            ("txn then put a b end", None),
            ("txn if mod(\"a\") = \"1\" then put a b else del a end", Some(Tier::Loss)),
            ("txn then del '' --prefix end", everything()),
            ("\\source x.ers", Some(Tier::Loss)),
            ("repeat 2\ndel a --prefix\nend", Some(Tier::Loss)),
            ("with --write-out=json\ndel a z\nend", Some(Tier::Loss)),
            ("get a\ncompaction 5", Some(Tier::Loss)),
        ] {
            let statements = parse_input(line.as_bytes()).expect(line);
            assert_eq!(of(&statements).map(|(tier, _)| tier), tier, "{line}");
        }
    }
}
