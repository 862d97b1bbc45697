//! What of a statement cannot hold in another cluster, and what stands there instead. I4

use mini_etcd_shared::command::{COMPACTION, TXN, Target, WATCH, takes_next};
use mini_etcd_shared::language::{
    Action, Comparison, Condition, DIFF, Operator, Run, Span, StatementKind, Subject, Test, Txn,
    Word, written,
};
use mini_etcd_shared::session::{CommandOutcome, is_of_cluster};

use super::edits::Edits;

/// Takes the revision of a key for the comparison behind it.
pub(crate) const SEEN: &str = "SEEN_REV";

/// A revision that no key has.
const NEVER: i64 = i64::MAX;

/// Changes of the text, and lines before it; or why it cannot stand in a script.
pub(super) type Verdict = Result<String, String>;

/// Looks at a command that has run, and ended so.
pub(super) fn of_run(run: &Run, outcome: &CommandOutcome, edits: &mut Edits) -> Verdict {
    let failed = outcome.failure.is_some();
    match &run.action {
        Action::Command { target, words } => {
            flags(*target, words, failed, edits)?;
            if *target == Target::Command(&COMPACTION) && !failed {
                let mut numbers = words.iter().filter(|word| !word.is_flag());
                numbers.try_for_each(of_revision)?;
            }
            Ok(String::new())
        }
        Action::Txn(txn) => {
            flags(Target::Command(&TXN), &txn.flags, failed, edits)?;
            for operation in txn.success.iter().chain(&txn.failure) {
                flags(Target::Command(operation.command), &operation.words, failed, edits)?;
            }
            transaction(txn, outcome, edits)
        }
        Action::Session { command, args } if **command == DIFF && !failed => {
            args.iter().try_for_each(|word| match word.literal().as_deref() {
                Some([b'@', digits @ ..]) if digits != b"now" => Err(of_cluster("its revision")),
                _ => Ok(()),
            })?;
            Ok(String::new())
        }
        Action::Session { .. } => Ok(String::new()),
    }
}

/// Looks at a demand that somebody typed.
pub(super) fn of_condition(condition: &Condition) -> Result<(), String> {
    let Condition::Holds { subject, test: Test::Compare { operator, word } } = condition else {
        return Ok(());
    };
    // What only a variable knows is known anew the next time.
    let Some(wanted) = word.literal() else { return Ok(()) };
    let at_least = matches!(operator, Operator::Greater | Operator::AtLeast);
    match subject {
        Subject::Rev if at_least && matches!(wanted.as_slice(), b"0" | b"1") => Ok(()),
        Subject::Rev => Err(of_cluster("the revision")),
        Subject::Lease => Err(of_cluster("the lease")),
        Subject::Json(path) if is_of_cluster(&path.text) => Err(of_cluster("the number")),
        _ => Ok(()),
    }
}

fn of_cluster(what: &str) -> String {
    format!("{what} is that of this cluster")
}

fn of_revision(word: &Word) -> Result<(), String> {
    match word.literal() {
        Some(digits) if digits != b"0" => Err(of_cluster("the revision")),
        _ => Ok(()),
    }
}

/// Endpoints and leases go, a watch begins at the first revision, and any other revision is too much.
fn flags(target: Target, words: &[Word], failed: bool, edits: &mut Edits) -> Result<(), String> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word.is("--") {
            break;
        }
        let Some(flag) = word.is_flag().then(|| flag_name(word)).flatten() else { continue };
        let value = if takes_next(target, &flag) { words.next() } else { None };
        let last = value.map_or(word.span, |value| value.span);
        // With the blank before it.
        let whole = Span { start: word.span.start.saturating_sub(1), end: last.end };
        match flag.split('=').next().unwrap_or_default() {
            "--endpoints" => edits.replace(whole, ""),
            "--lease" if !failed => edits.replace(whole, ""),
            "--rev" if !failed => {
                let zero = match value {
                    Some(value) => value.literal().is_none_or(|digits| digits == b"0"),
                    None => flag == "--rev=0" || flag == "--rev=",
                };
                let watches = target == Target::Command(&WATCH);
                match (zero, watches) {
                    (true, _) => {}
                    (false, true) => {
                        let all = Span { start: word.span.start, end: last.end };
                        edits.replace(all, "--rev=1");
                    }
                    (false, false) => return Err(of_cluster("the revision")),
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// A flag as it is written, up to the first variable in it.
fn flag_name(word: &Word) -> Option<String> {
    String::from_utf8(word.bare_start().to_vec()).ok()
}

/// A revision that was compared, and was right, is read again before it is compared again.
fn transaction(txn: &Txn, outcome: &CommandOutcome, edits: &mut Edits) -> Verdict {
    let mut before = String::new();
    for (at, compare) in txn.compares.iter().enumerate() {
        let field = match compare.target.as_str() {
            "mod" | "m" => "mod_revision",
            "create" | "c" => "create_revision",
            "lease" => "lease",
            _ => continue,
        };
        let fixed = compare.value.literal().filter(|digits| digits != b"0");
        let Some(fixed) = fixed else { continue };
        if compare.operator == "=" && outcome.facts().succeeded == Some(false) {
            // Here it was not this one; elsewhere it might be.
            edits.replace(compare.value.span, format!("\"{NEVER}\""));
            continue;
        }
        let (Some(key), true) = (plain(&compare.key), is_right(compare, outcome)) else {
            let number = String::from_utf8_lossy(&fixed).into_owned();
            return Err(of_cluster(&format!("the {} {number}", compare.target)));
        };
        if field == "lease" {
            return Err(of_cluster("the lease"));
        }
        let name = if at == 0 { SEEN.to_owned() } else { format!("{SEEN}_{at}") };
        before.push_str(&seen(&written(&key), field, &name));
        edits.replace(compare.value.span, format!("\"${name}\""));
    }
    Ok(before)
}

/// The bytes of a key that neither a variable nor a file nor digits stand for.
fn plain(key: &Word) -> Option<Vec<u8>> {
    let prefixed =
        [&b"hex:"[..], b"b64:", b"file:"].iter().any(|p| key.bare_start().starts_with(p));
    key.literal().filter(|_| !prefixed)
}

fn is_right(compare: &Comparison, outcome: &CommandOutcome) -> bool {
    compare.operator == "=" && outcome.facts().succeeded == Some(true)
}

/// The line that stores a revision of a key.
pub(crate) fn seen(key: &str, field: &str, name: &str) -> String {
    format!("get {key} -w json | json .kvs[0].{field} -> {name}\nexpect count == 1\n")
}

/// Looks at what stands in a block: there is nothing before which a line could stand.
pub(super) fn of_nested(
    kind: &StatementKind,
    outcome: &CommandOutcome,
    edits: &mut Edits,
) -> Verdict {
    match kind {
        StatementKind::Run(run) => match of_run(run, outcome, edits)? {
            before if before.is_empty() => Ok(before),
            _ => Err(of_cluster("the revision")),
        },
        StatementKind::Expect(expect) => {
            of_condition(&expect.condition)?;
            Ok(String::new())
        }
        _ => Ok(String::new()),
    }
}
