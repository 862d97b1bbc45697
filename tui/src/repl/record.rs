//! `\record`: what is run, as a script with expectations that `mini-etcd-tui run` takes.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use mini_etcd_shared::command::{Target, exit, takes_next};
use mini_etcd_shared::error::code_name;
use mini_etcd_shared::exec::{Answer, Failure};
use mini_etcd_shared::language::{
    ALIASES, Action, Lexer, Run, StatementKind, Word, parse_script, written,
};
use mini_etcd_shared::session::Outcome;

/// Bytes of a value that an expectation repeats.
const VALUE_BYTES_MAX: usize = 256;
/// Meta commands that are about the prompt and not about what is done.
const NOT_RECORDED: [&str; 4] = ["\\record", "\\q", "\\e", "\\h"];

/// A script that is being written.
#[derive(Debug)]
pub(super) struct Recorder {
    file: File,
    path: PathBuf,
    statements: usize,
}

/// How a statement ended.
pub(super) enum Ended<'a> {
    /// It ran, with this outcome of its last command.
    Ran(&'a Outcome),
    /// Ctrl-C, or an expectation that did not hold, or nobody was reached: it says nothing about the cluster.
    Not(&'a str),
}

impl Recorder {
    /// Begins a new file; one that exists is left as it is.
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        let refuse = |error| Failure::new(exit::IO, format!("{}: {error}", path.display()));
        let mut file = File::create_new(path).map_err(refuse)?;
        file.write_all(b"# Recorded at the prompt of mini-etcd-tui.\n").map_err(refuse)?;
        Ok(Self { file, path: path.to_owned(), statements: 0 })
    }

    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Ends the script; answers what to say.
    pub(super) fn end(self) -> Result<String, Failure> {
        let name = self.name();
        self.file.sync_all().map_err(|error| Failure::new(exit::IO, format!("{name}: {error}")))?;
        Ok(format!("{} statements in {name}\n", self.statements))
    }

    /// Writes a statement.
    pub(super) fn add(
        &mut self,
        text: &str,
        kind: &StatementKind,
        ended: &Ended<'_>,
    ) -> std::io::Result<()> {
        let Some(lines) = lines(text, kind, ended) else { return Ok(()) };
        self.statements += 1;
        self.file.write_all(lines.as_bytes())?;
        self.file.flush()
    }
}

/// A statement as it stands in a script, with what is expected of it.
fn lines(text: &str, kind: &StatementKind, ended: &Ended<'_>) -> Option<String> {
    let text = text.trim_end();
    let run = if let StatementKind::Run(run) = kind { Some(&**run) } else { None };
    if let Some(Run { action: Action::Meta { spec, .. }, .. }) = run
        && NOT_RECORDED.contains(&spec.name)
    {
        return None;
    }
    let outcome = match ended {
        Ended::Not(why) => return Some(comment(why, text)),
        Ended::Ran(outcome) => outcome,
    };
    let mut script = run.map_or_else(|| text.to_owned(), |run| spelled_out(text, run));
    let fails = run.is_some_and(|run| !run.negated) && outcome.failure.is_some();
    if fails {
        script.insert_str(0, "! ");
    }
    script.push('\n');
    for expectation in run.map(|run| expectations(run, outcome)).unwrap_or_default() {
        script.extend(["expect ", &expectation, "\n"]);
    }
    match parse_script(script.as_bytes()) {
        Ok(_) => Some(script),
        Err(error) => Some(comment(&format!("not for a script, {error}"), text)),
    }
}

fn comment(why: &str, text: &str) -> String {
    let why = why.lines().next().unwrap_or_default();
    let lines: Vec<String> = text.lines().map(|line| format!("#   {line}\n")).collect();
    format!("# {why}:\n{}", lines.concat())
}

/// The statement with the names of its commands in full, as scripts want them.
fn spelled_out(text: &str, run: &Run) -> String {
    if !matches!(run.action, Action::Command { .. } | Action::Txn(_)) {
        return text.to_owned();
    }
    let Ok(Some(line)) = Lexer::new(text.as_bytes()).line() else { return text.to_owned() };
    let mut out = String::new();
    let mut at = 0;
    for (word, name) in names(&line.words) {
        out.push_str(text.get(at..word.span.start).unwrap_or_default());
        out.push_str(name);
        at = word.span.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
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
                let full = ALIASES.iter().find(|(alias, _)| *alias == bare);
                let full = full.map_or(bare, |(_, name)| name);
                let Some(next) = target.next(full.as_bytes()) else { break };
                target = next;
                found.push((word, next.last_word()));
            }
        }
    }
    found
}

/// What held of the outcome, and will hold again in a cluster with the same keys.
fn expectations(run: &Run, outcome: &Outcome) -> Vec<String> {
    if run.eventually.is_some() {
        return Vec::new();
    }
    if let Some(failure) = &outcome.failure {
        let code = failure.error.as_ref().map_or("", |error| code_name(error.code()));
        return vec![format!("error {code}").trim_end().to_owned()];
    }
    match &outcome.answer {
        Some(Answer::Get { response, count_only, .. }) => match response.kvs.as_slice() {
            [] if !count_only => vec!["key absent".to_owned()],
            [only] if !outcome.keys_only && is_short(&only.value) && response.count == 1 => {
                vec![format!("value == {}", literal(&only.value))]
            }
            _ => vec![format!("count == {}", response.count)],
        },
        Some(Answer::Del(response)) => vec![format!("deleted == {}", response.deleted)],
        Some(Answer::Txn(response)) => vec![format!("succeeded == {}", response.succeeded)],
        _ => Vec::new(),
    }
}

fn is_short(value: &[u8]) -> bool {
    value.len() <= VALUE_BYTES_MAX
}

/// A value as a word; quoted, so that it is never an operator.
fn literal(value: &[u8]) -> String {
    written(value)
}

#[cfg(test)]
mod tests {
    use mini_etcd_proto::etcdserverpb::{DeleteRangeResponse, RangeResponse};
    use mini_etcd_proto::mvccpb::KeyValue;
    use mini_etcd_shared::language::parse_input;

    use super::*;

    fn recorded(text: &str, outcome: &Outcome) -> String {
        let statements = parse_input(text.as_bytes()).unwrap();
        lines(text, &statements[0].kind, &Ended::Ran(outcome)).unwrap_or_default()
    }

    fn got(values: &[&[u8]]) -> Outcome {
        let kvs: Vec<_> = values
            .iter()
            .map(|value| KeyValue { value: value.to_vec().into(), ..KeyValue::default() })
            .collect();
        let count = i64::try_from(kvs.len()).unwrap();
        let response = RangeResponse { kvs, count, ..RangeResponse::default() };
        let answer = Answer::Get { response, values_only: false, count_only: false };
        Outcome { answer: Some(answer), ..Outcome::default() }
    }

    #[test]
    fn names_are_spelled_out_and_results_become_expectations() {
        assert_eq!(recorded("g k", &got(&[b"v v"])), "get k\nexpect value == 'v v'\n");
        assert_eq!(
            recorded("range /a --prefix", &got(&[b"1", b"2"])),
            "get /a --prefix\nexpect count == 2\n"
        );
        assert_eq!(recorded("get k", &got(&[])), "get k\nexpect key absent\n");
        assert_eq!(recorded("get k", &got(&[b"\xff"])), "get k\nexpect value == \"\\xff\"\n");
        let deleted = Answer::Del(DeleteRangeResponse { deleted: 3, ..Default::default() });
        let outcome = Outcome { answer: Some(deleted), ..Outcome::default() };
        assert_eq!(recorded("delete -w json k", &outcome), "del -w json k\nexpect deleted == 3\n");
        assert_eq!(recorded("endp sta", &Outcome::default()), "endpoint status\n");
    }

    #[test]
    fn failures_are_expected_to_fail_again() {
        let error = mini_etcd_shared::error::ClientError::Refused {
            code: tonic::Code::InvalidArgument,
            message: "etcdserver: key is not provided".to_owned(),
        };
        let failure = Failure { error: Some(error), ..Failure::new(1, "no") };
        let outcome = Outcome { failure: Some(failure), ..Outcome::default() };
        assert_eq!(recorded("put '' v", &outcome), "! put '' v\nexpect error InvalidArgument\n");
    }

    #[test]
    fn what_says_nothing_about_the_cluster_is_a_comment_or_nothing() {
        let statements = parse_input(b"watch k").unwrap();
        let text = lines("watch k", &statements[0].kind, &Ended::Not("interrupted")).unwrap();
        assert_eq!(text, "# interrupted:\n#   watch k\n");
        assert_eq!(recorded("\\q", &Outcome::default()), "");
    }
}
