//! One statement as a script has it.

use std::collections::BTreeSet;

use mini_etcd_shared::command::{Target, takes_next};
use mini_etcd_shared::language::{
    Action, Await, EDIT, EXPLAIN, Lexer, QUIT, RECORD, Run, SessionCommand, Span, Statement,
    StatementKind, TIMING, Word, full_name, parse_script, unset_variable,
};
use mini_etcd_shared::session::{CommandOutcome, Failed, Reason, Volatile};
use tonic::Code;

use super::edits::Edits;
use super::{again, expect, has_secret};

/// Commands that are about the front, or about how things look, and not about what is done.
const NOT_RECORDED: [SessionCommand; 5] = [RECORD, QUIT, EDIT, EXPLAIN, TIMING];
/// What may be missing at the end of a text: the empty lines of a transaction in three parts.
const ENDS: [&str; 3] = ["\n", "\n\n", "\n\n\n"];

/// How a statement ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Took<'a> {
    /// The session says so.
    Ended(&'a Result<(), Failed>),
    /// It was given up.
    GivenUp,
}

/// What is known when a statement has ended.
pub(super) struct Known<'a> {
    /// What became of its last command.
    pub outcome: &'a CommandOutcome,
    /// Of the script.
    pub begun: &'a Begun,
}

/// What later statements of a script may rest on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Begun {
    /// Variables that are set.
    pub variables: BTreeSet<String>,
    /// Watches in the background.
    pub watches: BTreeSet<String>,
    /// What is another one in every run.
    pub volatile: Volatile,
    /// The prefix that the session has, while the script has left it for what was done by keys.
    pub left: Option<Vec<u8>>,
    /// What ran last in the session did not run last in the script.
    pub lost: bool,
}

impl Begun {
    /// Takes in what a statement begins.
    pub(super) fn take(&mut self, other: Self) {
        self.variables.extend(other.variables);
        self.watches.extend(other.watches);
        self.lost = other.lost;
    }
}

/// A part of a script.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Recorded {
    /// Whole lines.
    pub text: String,
    /// What it begins.
    pub begins: Begun,
    /// Whether it says nothing to the parser.
    pub is_comment: bool,
}

/// A statement with what is expected of it; `None` for what a script does not want.
pub(super) fn script_of(
    statement: &Statement,
    source: &str,
    known: &Known<'_>,
    took: Took<'_>,
) -> Option<Recorded> {
    let source = source.trim_end();
    if let StatementKind::Run(run) = &statement.kind
        && let Action::Session { command, .. } = &run.action
        && NOT_RECORDED.contains(command)
    {
        return None;
    }
    // I5
    if has_secret(source) {
        let mut nothing = comment("not written down, for it names a user or a secret", "");
        nothing.begins.lost = true;
        return Some(nothing);
    }
    let asks = matches!(&statement.kind, StatementKind::Run(run) if asks_password(run));
    let why = why_not(statement, known.outcome, took);
    let made = match why.or(asks.then_some("a password was typed for it")) {
        Some(why) => Err(why.to_owned()),
        None => lines(statement, source, known),
    };
    let mut recorded = match made {
        Ok(text) => {
            let mut begins = Begun::default();
            begun_by(statement, &mut begins);
            Recorded { text, begins, is_comment: false }
        }
        Err(why) => comment(&why, source),
    };
    // A demand leaves what ran last as it was.
    recorded.begins.lost = match &statement.kind {
        StatementKind::Expect(_) | StatementKind::Set { .. } | StatementKind::Cancel(_) => {
            known.begun.lost
        }
        _ => recorded.is_comment,
    };
    Some(recorded)
}

/// Whether a person was asked for a password, of which a script knows none.
fn asks_password(run: &Run) -> bool {
    let Action::Command { target, words } = &run.action else { return false };
    let is_flag = |word: &Word| word.is("--no-password") || word.is("--interactive=false");
    ["user add", "user passwd"].contains(&target.path().as_str()) && !words.iter().any(is_flag)
}

fn comment(why: &str, source: &str) -> Recorded {
    let mut text = format!("# {}\n", why.lines().next().unwrap_or_default());
    if !source.is_empty() {
        text.insert(text.len() - 1, ':');
        text.extend(source.lines().map(|line| format!("#   {line}\n")));
    }
    Recorded { text, begins: Begun::default(), is_comment: true }
}

/// Why how it ended says nothing about the next time.
fn why_not(
    statement: &Statement,
    outcome: &CommandOutcome,
    took: Took<'_>,
) -> Option<&'static str> {
    let Took::Ended(result) = took else { return Some("given up") };
    let single = matches!(&statement.kind, StatementKind::Run(run) if run.eventually.is_none());
    match result {
        Err(Failed { reason: Reason::Mismatch(_), .. }) => return Some("did not hold"),
        // Of a block that failed, something else may have been done before.
        Err(_) if !single => return Some("failed"),
        _ => {}
    }
    let failure = outcome.failure.as_ref().filter(|_| single)?;
    let error = failure.error.as_ref();
    if error.is_some_and(|error| error.unsent_reason().is_some()) {
        return Some("nobody answered");
    }
    if failure.unknown {
        return Some("nobody knows whether it was done");
    }
    let passing = [Code::Unavailable, Code::DeadlineExceeded, Code::Cancelled];
    error.filter(|error| passing.contains(&error.code())).map(|_| "no answer came")
}

/// The statement as the parser of scripts takes it. I1
fn lines(statement: &Statement, source: &str, known: &Known<'_>) -> Result<String, String> {
    let mut edits = Edits::default();
    let shift = statement.span.start;
    spell_out(std::slice::from_ref(statement), source, shift, &mut edits);
    let mut moved = Edits::default();
    let mut before = String::new();
    let mut expects = Vec::new();
    let mut negate = false;
    match &statement.kind {
        StatementKind::Run(run) => {
            before = again::of_run(run, known.outcome, &mut moved)?;
            expects = expect::expectations(known.outcome, &known.begun.volatile);
            negate = !run.negated && known.outcome.failure.is_some();
        }
        StatementKind::Expect(_) | StatementKind::If { .. } if known.begun.lost => {
            return Err("what it speaks of is not in this script".to_owned());
        }
        StatementKind::Expect(expect) => again::of_condition(&expect.condition)?,
        StatementKind::Cancel(id) | StatementKind::Await(Await { id, .. })
            if !known.begun.watches.contains(id) =>
        {
            return Err(format!("{id} was not begun in this script"));
        }
        kind => nested(kind, &mut moved)?,
    }
    edits.shifted(moved, shift);
    let text = edits.apply(source);
    let sign = if negate { "! " } else { "" };
    let expects: Vec<String> = expects.iter().map(|held| format!("expect {held}\n")).collect();
    let expects = expects.concat();
    let tries = ENDS.iter().map(|end| format!("{before}{sign}{text}{end}{expects}"));
    let bare = ENDS.iter().map(|end| format!("{before}{sign}{text}{end}"));
    let mut first = None;
    for script in tries.chain(bare) {
        match parse_script(script.as_bytes()) {
            Ok(parsed) => {
                return match unset_variable(&parsed, &known.begun.variables) {
                    None => Ok(script),
                    Some((name, _)) => Err(format!("${name} is not set in this script")),
                };
            }
            Err(error) => first = first.or(Some(format!("not for a script, {error}"))),
        }
    }
    Err(first.unwrap_or_default())
}

/// What stands in a block has no outcome of its own: it is taken to have gone well.
fn nested(kind: &StatementKind, edits: &mut Edits) -> Result<(), String> {
    for statement in kind.inner() {
        again::of_nested(&statement.kind, &CommandOutcome::default(), edits)?;
        nested(&statement.kind, edits)?;
    }
    Ok(())
}

fn begun_by(statement: &Statement, begun: &mut Begun) {
    match &statement.kind {
        StatementKind::Run(run) => {
            begun.variables.extend(run.capture.clone());
            begun.watches.extend(run.background.clone());
        }
        StatementKind::Set { name, .. } => {
            begun.variables.insert(name.clone());
        }
        kind => kind.inner().into_iter().for_each(|one| begun_by(one, begun)),
    }
}

/// Has the names of commands in full, as scripts want them.
fn spell_out(statements: &[Statement], source: &str, shift: usize, edits: &mut Edits) {
    for statement in statements {
        match &statement.kind {
            StatementKind::Run(run) => {
                let at = statement.span.start.saturating_sub(shift);
                spell_out_run(run, source, at, edits);
            }
            kind => kind.inner().into_iter().for_each(|one| {
                spell_out(std::slice::from_ref(one), source, shift, edits);
            }),
        }
    }
}

fn spell_out_run(run: &Run, source: &str, at: usize, edits: &mut Edits) {
    if !matches!(run.action, Action::Command { .. } | Action::Txn(_)) {
        return;
    }
    let Some(text) = source.get(at..) else { return };
    let Ok(Some(line)) = Lexer::new(text.as_bytes()).line() else { return };
    for (word, name) in names(&line.words) {
        let Span { start, end } = word.span;
        edits.replace(Span { start: start + at, end: end + at }, name);
    }
}

/// The words that name the command, with their full names.
fn names(words: &[Word]) -> Vec<(&Word, &'static str)> {
    let mut found = Vec::new();
    let mut target = Target::Root;
    let mut skip = 0;
    for word in words {
        if skip > 0 {
            skip -= 1;
            continue;
        }
        if matches!(target, Target::Command(_)) {
            break;
        }
        let Some(bare) = word.bare() else { break };
        match bare {
            "!" => {}
            "eventually" | "every" => skip = 1,
            _ if word.is_flag() => skip = usize::from(takes_next(target, bare)),
            _ => {
                let Some(next) = target.next(full_name(bare).as_bytes()) else { break };
                target = next;
                found.push((word, next.last_word()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use mini_etcd_proto::etcdserverpb::{ResponseHeader, TxnResponse};
    use mini_etcd_shared::error::ClientError;
    use mini_etcd_shared::failure::Failure;
    use mini_etcd_shared::language::parse_input;

    use super::*;

    fn recorded(text: &str, outcome: &CommandOutcome) -> String {
        let statements = parse_input(text.as_bytes()).unwrap();
        let known = Known { outcome, begun: &Begun::default() };
        let result = Ok(());
        let found = script_of(&statements[0], text, &known, Took::Ended(&result));
        found.map(|recorded| recorded.text).unwrap_or_default()
    }

    fn failed(code: Code) -> CommandOutcome {
        let error = ClientError::Refused { code, message: "etcdserver: no".to_owned() };
        let failure = Failure { error: Some(error), ..Failure::new(1, "no") };
        CommandOutcome { failure: Some(failure), ..CommandOutcome::default() }
    }

    fn txn(succeeded: bool) -> CommandOutcome {
        let header = Some(ResponseHeader { revision: 58, ..ResponseHeader::default() });
        let response = TxnResponse { header, succeeded, ..TxnResponse::default() };
        CommandOutcome { answer: Some(std::sync::Arc::new(response)), ..CommandOutcome::default() }
    }

    #[test]
    fn names_are_written_out_and_each_statement_expects_something() {
        let fine = CommandOutcome::default();
        for (typed, script) in [
            ("mem l", "member list\nexpect ok\n"),
            ("endp sta", "endpoint status\nexpect ok\n"),
            ("range k", "get k\nexpect ok\n"),
            ("delete -w json k", "del -w json k\nexpect ok\n"),
            ("put a 'b\nc'", "put a 'b\nc'\nexpect ok\n"),
            ("wat a & as w1", "watch a & as w1\nexpect ok\n"),
            ("set X 1", "set X 1\n"),
            ("cd /a", "cd /a\nexpect ok\n"),
            ("\\w json", "\\w json\nexpect ok\n"),
            ("\\kill n1", "\\kill n1\nexpect ok\n"),
            ("repeat 2\nrange a\nend", "repeat 2\nget a\nend\n"),
            (
                "if ok\nmem l\nelse\nendp hea\nend",
                "if ok\nmember list\nelse\nendpoint health\nend\n",
            ),
            (
                "txn\nversion(\"k\") = \"0\"\n\nput k v\n\n\n",
                "txn\nversion(\"k\") = \"0\"\n\nput k v\n\n\nexpect ok\n",
            ),
            ("put k <<E\nline\nE", "put k <<E\nline\nE\nexpect ok\n"),
            ("get k # why", "get k # why\nexpect ok\n"),
            ("\\timing", ""),
            ("\\record", ""),
        ] {
            assert_eq!(recorded(typed, &fine), script, "{typed}");
        }
    }

    #[test]
    fn what_failed_is_expected_to_fail_again_unless_nobody_knows() {
        let invalid = failed(Code::InvalidArgument);
        assert_eq!(recorded("put '' v", &invalid), "! put '' v\nexpect error InvalidArgument\n");
        assert_eq!(recorded("! put '' v", &invalid), "! put '' v\nexpect error InvalidArgument\n");
        let behind = failed(Code::OutOfRange);
        assert_eq!(recorded("comp 9", &behind), "! compaction 9\nexpect error OutOfRange\n");
        let silent = failed(Code::Unavailable);
        assert_eq!(recorded("put a b", &silent), "# no answer came:\n#   put a b\n");
    }

    #[test]
    fn what_cannot_hold_again_is_not_written() {
        let fine = CommandOutcome::default();
        for (typed, script) in [
            ("get a --rev 57", "# the revision is that of this cluster:\n#   get a --rev 57\n"),
            ("get a --rev=0", "get a --rev=0\nexpect ok\n"),
            ("comp 57", "# the revision is that of this cluster:\n#   comp 57\n"),
            ("expect rev == 57", "# the revision is that of this cluster:\n#   expect rev == 57\n"),
            ("expect rev > 1", "expect rev > 1\n"),
            ("watch a --rev=57 & as w", "watch a --rev=1 & as w\nexpect ok\n"),
            ("put a b --lease=7f3a", "put a b\nexpect ok\n"),
            ("get --endpoints 127.0.0.1:2379 a", "get a\nexpect ok\n"),
            ("\\diff a @57", "# its revision is that of this cluster:\n#   \\diff a @57\n"),
            ("get a --user root:secret", "# not written down, for it names a user or a secret\n"),
            ("set PASSWORD secret", "# not written down, for it names a user or a secret\n"),
            ("cancel w1", "# w1 was not begun in this script:\n#   cancel w1\n"),
            ("get $R", "# $R is not set in this script:\n#   get $R\n"),
        ] {
            assert_eq!(recorded(typed, &fine), script, "{typed}");
        }
    }

    #[test]
    fn a_revision_that_was_compared_is_read_before_it_is_compared_again() {
        let typed = "txn if mod(\"a b\") = \"57\" and version(c) = 0 then put 'a b' x end";
        let script = "get 'a b' -w json | json .kvs[0].mod_revision -> SEEN_REV\nexpect count == 1\n\
            txn if mod(\"a b\") = \"$SEEN_REV\" and version(c) = 0 then put 'a b' x end\n\
            expect succeeded == true\n";
        assert_eq!(recorded(typed, &txn(true)), script);
        let same = "txn if mod(a) = 57 then put a x end";
        let never = "txn if mod(a) = \"9223372036854775807\" then put a x end";
        assert_eq!(recorded(same, &txn(false)), format!("{never}\nexpect succeeded == false\n"));
        let order = "txn if mod(a) < 57 then put a x end";
        let why = "# the mod 57 is that of this cluster";
        assert_eq!(recorded(order, &txn(true)), format!("{why}:\n#   {order}\n"));
    }

    #[test]
    fn what_was_given_up_is_a_comment() {
        let statements = parse_input(b"watch k").unwrap();
        let outcome = CommandOutcome::default();
        let begun = Begun::default();
        let known = Known { outcome: &outcome, begun: &begun };
        let found = script_of(&statements[0], "watch k", &known, Took::GivenUp).unwrap();
        assert_eq!((found.text.as_str(), found.is_comment), ("# given up:\n#   watch k\n", true));
    }
}
