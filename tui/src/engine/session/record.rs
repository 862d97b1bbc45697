//! `\record`: what is done, by lines and by keys, as a script with what came of it as expectations.
//!
//! * I1: what is written is accepted by the parser of scripts; what is not becomes a comment.
//! * I2: a line is in the file before the next one runs.
//! * I3: a file that is there is never written over.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mini_etcd_shared::command::{Target, Verb, exit};
use mini_etcd_shared::exec::{Answer, Failure};
use mini_etcd_shared::language::{
    Action, Lexer, Run, Span, Statement, StatementKind, parse_script, path_of, written,
};
use mini_etcd_shared::session::{Failed, Outcome, Reason};

use super::sink::Screen;
use crate::app::keyspace::ask::{Change, Question, Target as Keys};

/// Bytes of a value that is expected to come again.
const VALUE_BYTES_MAX: usize = 1 << 10;

/// Where what is done goes, when it is recorded.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Recording(Arc<Mutex<Option<Open>>>);

#[derive(Debug)]
struct Open {
    path: PathBuf,
    file: File,
    /// Why the file cannot be written any more; told when the recording is ended.
    broken: Option<String>,
}

impl Recording {
    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file, while it is written.
    pub(super) fn file(&self) -> Option<String> {
        self.lock()
            .as_ref()
            .map(|open| crate::widget::escape(open.path.as_os_str().as_encoded_bytes()))
    }

    /// Begins a file. I3
    pub(super) fn start(&self, file: &[u8]) -> Result<Vec<u8>, Failure> {
        let path = path_of(file);
        let mut open = self.lock();
        if let Some(open) = open.as_ref() {
            let text =
                format!("{} is being recorded already; \\record ends it", open.path.display());
            return Err(Failure::new(exit::ERROR, text));
        }
        let failed = |error: std::io::Error| {
            Failure::new(exit::IO, format!("{}: {error}; a new file is wanted", path.display()))
        };
        let mut file =
            OpenOptions::new().write(true).create_new(true).open(&path).map_err(failed)?;
        file.write_all(b"# What was done in the console, and what came of it.\n")
            .map_err(failed)?;
        let told = format!("recording to {}\n", path.display());
        *open = Some(Open { path, file, broken: None });
        Ok(told.into_bytes())
    }

    /// Ends the file.
    pub(super) fn stop(&self) -> Result<Vec<u8>, Failure> {
        let refuse = |code, text: String| Err(Failure::new(code, text));
        match self.lock().take() {
            None => refuse(exit::ERROR, "nothing is recorded; \\record FILE begins".to_owned()),
            Some(Open { path, broken: Some(why), .. }) => refuse(
                exit::IO,
                format!("{}: {why}; what came after that is missing", path.display()),
            ),
            Some(open) => Ok(format!("recorded in {}\n", open.path.display()).into_bytes()),
        }
    }

    fn append(&self, text: &str) {
        if let Some(open) = self.lock().as_mut().filter(|open| open.broken.is_none())
            && let Err(error) = open.file.write_all(format!("{text}\n").as_bytes())
        {
            open.broken = Some(error.to_string());
        }
    }

    fn is_on(&self) -> bool {
        self.lock().is_some()
    }

    /// Says what no script can say.
    pub(super) fn comment(&self, screen: &Screen, text: &str) {
        self.append(&commented(text));
        if let Some(why) = self.lock().as_ref().and_then(|open| open.broken.clone()) {
            screen.notice(&format!("the recording cannot be written: {why}"));
        }
    }

    /// A statement that has run.
    pub(super) fn statement(
        &self,
        statement: &Statement,
        source: &str,
        outcome: &Outcome,
        result: &Result<(), Failed>,
    ) {
        if self.is_on()
            && let Some(text) = script_of(statement, source, outcome, result)
        {
            self.append(&text);
        }
    }

    /// What was done by keys.
    pub(in crate::engine) fn keys(&self, commands: &[String]) {
        for command in commands {
            self.append(&format!("{command}\nexpect ok"));
        }
    }
}

/// What a question of the Keys screen does, as command lines; none for one that only reads.
pub(in crate::engine) fn commands_of(question: &Question) -> Vec<String> {
    match question {
        Question::Write(write) => {
            let key = written(&write.key);
            vec![match &write.change {
                Change::Value(value) | Change::Put(value, 0) => {
                    format!("put {key} {}", written(value))
                }
                // The lease is another one when the script runs.
                Change::Put(value, lease) => {
                    format!("put {key} {} # it had lease {lease:x}", written(value))
                }
                Change::Delete => format!("del {key}"),
            }]
        }
        Question::Delete(targets) => {
            let line = |target: &Keys| match target {
                Keys::Key(key) => format!("del {}", written(key)),
                Keys::Prefix(prefix) => format!("del {} --prefix", written(prefix)),
            };
            targets.iter().map(line).collect()
        }
        _ => Vec::new(),
    }
}

/// A statement as a script has it; `None` for what a script does not want. I1
fn script_of(
    statement: &Statement,
    source: &str,
    outcome: &Outcome,
    result: &Result<(), Failed>,
) -> Option<String> {
    if let Err(Failed { reason: Reason::Mismatch(_), .. }) = result {
        return Some(commented(&format!("did not hold: {source}")));
    }
    let (text, expects) = match &statement.kind {
        StatementKind::Run(run) => {
            if matches!(&run.action, Action::Meta { spec, .. } if spec.name != "\\source") {
                return None;
            }
            (exact(run, source), expectations(run, outcome))
        }
        _ => (source.to_owned(), Vec::new()),
    };
    let whole = [std::slice::from_ref(&text), expects.as_slice()].concat().join("\n");
    let accepted = |text: &String| parse_script(text.as_bytes()).is_ok();
    [whole, text].into_iter().find(accepted).or_else(|| Some(commented(source)))
}

fn commented(text: &str) -> String {
    text.split('\n').map(|line| format!("# {line}")).collect::<Vec<_>>().join("\n")
}

/// The line with its command's name written out: a script takes no beginnings of names.
fn exact(run: &Run, source: &str) -> String {
    let target = match &run.action {
        Action::Command { target, .. } => *target,
        Action::Txn(_) => Target::Command(mini_etcd_shared::command::command(Verb::Txn)),
        _ => return source.to_owned(),
    };
    let path = target.path();
    let Ok(Some(line)) = Lexer::new(source.as_bytes()).line() else { return source.to_owned() };
    let before = usize::from(run.negated)
        + run.eventually.map_or(0, |_| {
            let every = line.words.iter().take(6).any(|word| word.is("every"));
            if every { 4 } else { 2 }
        });
    let names = path.split(' ').count();
    let words = line.words.iter().skip(before).take(names);
    let span = words.map(|word| word.span).reduce(Span::to);
    let Some(span) = span else { return source.to_owned() };
    match (source.get(..span.start), source.get(span.end..)) {
        (Some(head), Some(tail)) => format!("{head}{path}{tail}"),
        _ => source.to_owned(),
    }
}

/// What came of a command, as what is expected of it the next time.
fn expectations(run: &Run, outcome: &Outcome) -> Vec<String> {
    if run.negated || run.background.is_some() {
        return Vec::new();
    }
    if outcome.failure.is_some() {
        return vec!["expect error".to_owned()];
    }
    match &outcome.answer {
        Some(Answer::Get { count_only, response, .. }) => {
            let mut expects = vec![format!("expect count == {}", response.count)];
            if let ([kv], false) = (response.kvs.as_slice(), *count_only || outcome.keys_only)
                && kv.value.len() <= VALUE_BYTES_MAX
            {
                expects.push(format!("expect value == {}", written(&kv.value)));
            }
            expects
        }
        Some(Answer::Del(response)) => vec![format!("expect deleted == {}", response.deleted)],
        Some(Answer::Txn(response)) => vec![format!("expect succeeded == {}", response.succeeded)],
        _ => vec!["expect ok".to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mini_etcd_shared::language::parse_input;

    fn recorded(text: &str, outcome: &Outcome) -> Option<String> {
        let statements = parse_input(text.as_bytes()).unwrap();
        script_of(&statements[0], text, outcome, &Ok(()))
    }

    #[test]
    fn names_are_written_out_and_what_came_is_expected() {
        let failed =
            Outcome { failure: Some(Failure::new(exit::ERROR, "no")), ..Outcome::default() };
        for (typed, outcome, script) in [
            ("mem l", &Outcome::default(), "member list\nexpect ok"),
            ("comp 5", &failed, "compaction 5\nexpect error"),
            ("! comp 5", &failed, "! compaction 5"),
            ("put a 'b\nc'", &Outcome::default(), "put a 'b\nc'\nexpect ok"),
            ("wat a & as w1", &Outcome::default(), "watch a & as w1"),
            ("set X 1", &Outcome::default(), "set X 1"),
            ("cd /a", &Outcome::default(), "cd /a\nexpect ok"),
            ("repeat 2\ncomp 5\nend", &Outcome::default(), "# repeat 2\n# comp 5\n# end"),
        ] {
            assert_eq!(recorded(typed, outcome).as_deref(), Some(script), "{typed}");
        }
        assert_eq!(recorded("\\timing", &Outcome::default()), None);
    }

    #[test]
    fn what_is_done_by_keys_is_written_as_commands_that_read_back() {
        use crate::app::keyspace::ask::Write;
        let key = bytes::Bytes::from_static(b"\xff 'k");
        let write = |change| Question::Write(Write { key: key.clone(), expected: 1, change });
        let all = [
            write(Change::Value("two\nlines".into())),
            write(Change::Put("v".into(), 0x7f)),
            write(Change::Delete),
            Question::Delete(vec![Keys::Key("a".into()), Keys::Prefix("".into())]),
        ];
        let commands: Vec<String> = all.iter().flat_map(commands_of).collect();
        assert_eq!(commands.len(), 5);
        for command in commands {
            parse_script(format!("{command}\nexpect ok").as_bytes()).expect(&command);
        }
        assert_eq!(commands_of(&Question::Value(key, 0)), Vec::<String>::new());
    }

    #[test]
    fn a_file_that_is_there_is_not_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.ers");
        let name = path.as_os_str().as_encoded_bytes();
        let recording = Recording::default();
        assert!(recording.stop().is_err());
        recording.start(name).unwrap();
        assert!(recording.start(b"other").is_err());
        recording.keys(&["put a b".to_owned()]);
        recording.stop().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.ends_with("put a b\nexpect ok\n"), "{text}");
        assert!(recording.start(name).is_err());
    }
}
