//! Scripts before they run.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use mini_etcd_shared::failure::exit;
use mini_etcd_shared::language::{
    EDIT, ERRORS_MAX, KILL, QUIT, RECORD, RESTART, SOURCE, Script, SessionCommand, Span, Statement,
    StatementKind, SyntaxError, Word, check_script, session_commands, unset_variables,
};
use mini_etcd_shared::text::{masked, printable};

/// Bytes that a script may have.
const SCRIPT_BYTES_MAX: usize = 16 << 20;

/// A script, parsed.
pub(super) struct Planned {
    pub path: PathBuf,
    pub source: Vec<u8>,
    pub script: Script,
}

/// A script that cannot run.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlanError {
    /// It cannot be read.
    #[error("{0}: {1}")]
    Read(String, std::io::Error),
    /// It is too large.
    #[error("{0}: more than {SCRIPT_BYTES_MAX} bytes")]
    TooLarge(String),
    /// It does not follow the grammar.
    #[error("{0}")]
    Syntax(String),
}

impl PlanError {
    pub(super) fn exit(&self) -> u8 {
        match self {
            Self::Read(..) | Self::TooLarge(_) => exit::IO,
            Self::Syntax(_) => exit::INVALID_INPUT,
        }
    }
}

/// Syntax errors, each with its line; more than the bound are counted.
pub(crate) fn told(file: &str, source: &[u8], errors: &[SyntaxError]) -> String {
    let shown = errors
        .iter()
        .take(ERRORS_MAX)
        .map(|error| format!("{file}:{error}\n{}", error.shown(source)));
    let mut text = shown.collect::<Vec<_>>().join("\n");
    if errors.len() >= ERRORS_MAX {
        // Writing to a string does not fail.
        let _ = write!(text, "\nonly the first {ERRORS_MAX} errors are shown");
    }
    text
}

/// Meta commands that a script asks for, and that nobody does here.
pub(crate) fn not_offered(script: &Script, source: &[u8], bundled: Option<u8>) -> Vec<SyntaxError> {
    let refuse = |(command, args, span): (&SessionCommand, &[Word], Span)| {
        let refused =
            |found: String, expected: &str| Some(SyntaxError::new(source, span, found, expected));
        match (*command, bundled) {
            (KILL | RESTART, None) => {
                refused(format!("{} without bundled members", command.name), "--bundled N")
            }
            (KILL | RESTART, Some(count)) => {
                let name = args.first().and_then(Word::literal)?;
                let name = String::from_utf8_lossy(&name).into_owned();
                let known = (1..=count).any(|number| name == format!("n{number}"))
                    || (name == "leader" && *command == KILL);
                let expected = format!("n1 to n{count}, or leader for \\kill");
                if known { None } else { refused(format!("no member {name}"), &expected) }
            }
            (QUIT | EDIT | RECORD, _) => {
                refused(format!("{} is not offered here", command.name), "it at a prompt only")
            }
            _ => None,
        }
    };
    session_commands(&script.statements).into_iter().filter_map(refuse).collect()
}

/// Variables that nothing sets; `given` are set from outside. What `\source` may set is known when it has run.
pub(crate) fn set_nowhere(
    script: &Script,
    source: &[u8],
    given: &BTreeSet<String>,
) -> Vec<SyntaxError> {
    if session_commands(&script.statements).iter().any(|(command, ..)| **command == SOURCE) {
        return Vec::new();
    }
    let refuse = |(name, span): (String, Span)| {
        let expected =
            format!("`set {name} VALUE` or `-> {name}` in it, or for `run` --var {name}=VALUE");
        SyntaxError::new(source, span, format!("${name} is set nowhere"), expected)
    };
    unset_variables(script, given).into_iter().map(refuse).collect()
}

impl Planned {
    /// Reads and parses a file; `given` are the variables that come from outside, `bundled` how many members. I1
    pub(super) fn read(
        path: &Path,
        given: &BTreeSet<String>,
        bundled: Option<u8>,
    ) -> Result<Self, PlanError> {
        let file = path.display().to_string();
        let source = std::fs::read(path).map_err(|error| PlanError::Read(file.clone(), error))?;
        if source.len() > SCRIPT_BYTES_MAX {
            return Err(PlanError::TooLarge(file));
        }
        let syntax = |errors: &[SyntaxError]| PlanError::Syntax(told(&file, &source, errors));
        let script = check_script(&source).map_err(|errors| syntax(&errors))?;
        // I3: a script that was emptied by accident is no test that passed.
        if script.statements.is_empty() {
            let expected = "at least one command";
            return Err(syntax(&[SyntaxError::new(&source, Span::default(), "nothing", expected)]));
        }
        let mut errors = set_nowhere(&script, &source, given);
        errors.extend(not_offered(&script, &source, bundled));
        if !errors.is_empty() {
            errors.sort_by_key(|error| error.span.start);
            return Err(syntax(&errors));
        }
        Ok(Self { path: path.to_owned(), source, script })
    }

    /// The name that reports show.
    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Names of its tests in order; a file without tests is one test itself.
    pub(super) fn tests(&self) -> Vec<String> {
        let names: Vec<String> = self
            .script
            .statements
            .iter()
            .filter_map(|statement| match &statement.kind {
                StatementKind::Test { name, .. } => Some(self.test_name(name)),
                _ => None,
            })
            .collect();
        if names.is_empty() { vec![self.whole()] } else { names }
    }

    /// The name of a test, as far as it is known without running.
    pub(super) fn test_name(&self, name: &Word) -> String {
        match name.literal() {
            Some(text) => printable(&text),
            None => printable(name.span.of(&self.source)),
        }
    }

    /// The name of the file as a test.
    pub(super) fn whole(&self) -> String {
        self.path.file_name().map_or_else(|| self.name(), |name| printable(name.as_encoded_bytes()))
    }

    /// Whether a file without tests is a test as a whole.
    pub(super) fn is_one_test(&self) -> bool {
        let is_test = |s: &Statement| matches!(s.kind, StatementKind::Test { .. });
        !self.script.statements.iter().any(is_test)
    }

    /// A command as it was written, on one line, without passwords.
    pub(super) fn text(&self, span: Span) -> String {
        let text = masked(&String::from_utf8_lossy(span.of(&self.source)));
        let mut lines = text.split('\n');
        let first = printable(lines.next().unwrap_or_default().trim().as_bytes());
        if lines.next().is_some() { format!("{first} ...") } else { first }
    }
}
