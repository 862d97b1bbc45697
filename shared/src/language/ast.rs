//! [`Statement`]: what lines mean.

#![expect(missing_docs, reason = "names that say all have no comment")]

use std::time::Duration;

use tonic::Code;

use super::{SessionCommand, Span, Word};
use crate::command::{CommandSpec, Target};

/// One statement, or a block of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// Where it stands, from its first word to its last.
    pub span: Span,
    /// Its first line, from 1.
    pub line: usize,
    pub kind: StatementKind,
}

/// What a statement does.
#[derive(Clone, Debug, PartialEq)]
pub enum StatementKind {
    Run(Box<Run>),
    /// Demands something of what ran last.
    Expect(Expect),
    /// Waits for events of a background watch.
    Await(Await),
    Cancel(String),
    Set {
        name: String,
        value: Word,
    },
    Test {
        name: Word,
        body: Vec<Statement>,
    },
    /// What comes before the tests.
    Setup(Vec<Statement>),
    /// What comes behind them, whatever became of them.
    Teardown(Vec<Statement>),
    /// A block that runs several times.
    Repeat {
        times: u32,
        body: Vec<Statement>,
    },
    /// A block whose commands get more flags.
    With {
        flags: Vec<Word>,
        body: Vec<Statement>,
    },
    /// One of two blocks, by what ran last.
    If {
        condition: Condition,
        then: Vec<Statement>,
        otherwise: Vec<Statement>,
    },
}

impl StatementKind {
    /// The statements inside of it.
    #[must_use]
    pub fn inner(&self) -> Vec<&Statement> {
        match self {
            Self::Test { body, .. }
            | Self::Setup(body)
            | Self::Teardown(body)
            | Self::Repeat { body, .. }
            | Self::With { body, .. } => body.iter().collect(),
            Self::If { then, otherwise, .. } => then.iter().chain(otherwise).collect(),
            _ => Vec::new(),
        }
    }
}

/// A command with all that stands around it.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// `!`: it must fail.
    pub negated: bool,
    /// It is repeated until what is expected of it holds.
    pub eventually: Option<Eventually>,
    pub action: Action,
    /// Builtins that its output goes through, in order.
    pub filters: Vec<Filter>,
    /// What a shell does with the output then.
    pub shell: Option<String>,
    /// The file that the output goes to.
    pub redirect: Option<Word>,
    /// Name under which it goes on in the background.
    pub background: Option<String>,
    /// Variable that takes its primary result.
    pub capture: Option<String>,
    /// What it must print (scripts).
    pub golden: Option<Golden>,
    /// The `expect` lines right below it (scripts).
    pub expects: Vec<Expect>,
}

/// How long, and how often, a command is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eventually {
    pub within: Duration,
    pub every: Duration,
}

/// What runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// A command of the table.
    Command {
        target: Target,
        /// Flags and arguments, without the words that name it.
        words: Vec<Word>,
    },
    Txn(Txn),
    /// A command that only the language has.
    Session {
        command: &'static SessionCommand,
        args: Vec<Word>,
    },
}

/// A transaction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Txn {
    /// Flags for the command as a whole.
    pub flags: Vec<Word>,
    pub compares: Vec<Comparison>,
    /// What is done when all hold.
    pub success: Vec<Operation>,
    pub failure: Vec<Operation>,
}

/// `TARGET(KEY) OPERATOR VALUE`
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    pub target: String,
    pub key: Word,
    /// `=`, `!=`, `<` or `>`.
    pub operator: String,
    /// What it is compared with.
    pub value: Word,
    pub span: Span,
}

/// A `get`, `put` or `del` of a transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    pub command: &'static CommandSpec,
    pub words: Vec<Word>,
    pub span: Span,
}

/// What the output of a command is put through.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    Head(usize),
    Count,
    /// A part of each JSON document.
    Json(Path),
    Hex,
    Sort,
    /// What differs from a file.
    Diff(Word),
}

/// An `expect` line.
#[derive(Clone, Debug, PartialEq)]
pub struct Expect {
    pub condition: Condition,
    pub span: Span,
    pub line: usize,
}

/// `await ID events COUNT within TIME`
#[derive(Clone, Debug, PartialEq)]
pub struct Await {
    pub id: String,
    /// How many events it must have seen since it began.
    pub events: u64,
    pub within: Duration,
    /// What the events must look like (scripts).
    pub golden: Option<Golden>,
    /// The `expect` lines right below it (scripts).
    pub expects: Vec<Expect>,
}

/// A question about what ran last.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    Ok,
    Error {
        code: Option<Code>,
        matches: Option<Word>,
    },
    /// A part of the result passes a test.
    Holds {
        subject: Subject,
        test: Test,
    },
}

/// A part of a result.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// Value of the first key.
    Value,
    Count,
    Rev,
    Key,
    /// Lease of the first key, in hex.
    Lease,
    /// How many keys were deleted.
    Deleted,
    /// Whether a transaction's comparisons held.
    Succeeded,
    Elapsed,
    /// How many events a watch has seen.
    Events,
    /// A part of the answer as JSON.
    Json(Path),
    Exit,
}

impl Subject {
    /// All but a part of the JSON, with how they are written.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("count", Self::Count),
        ("deleted", Self::Deleted),
        ("elapsed", Self::Elapsed),
        ("events", Self::Events),
        ("exit", Self::Exit),
        ("key", Self::Key),
        ("lease", Self::Lease),
        ("rev", Self::Rev),
        ("succeeded", Self::Succeeded),
        ("value", Self::Value),
    ];

    /// How it is written.
    #[must_use]
    pub fn text(&self) -> String {
        if let Self::Json(path) = self {
            return format!("json {}", path.text);
        }
        let named = Self::ALL.iter().find(|(_, subject)| subject == self);
        named.map_or_else(String::new, |(name, _)| (*name).to_owned())
    }
}

/// A test of a part.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    Absent,
    /// It compares with a word.
    Compare {
        operator: Operator,
        word: Word,
    },
}

/// How a part is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// `~`
    Matches,
    /// `contains`
    Contains,
    /// `within`
    Within,
}

impl Operator {
    /// All, with how they are written.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("==", Self::Equal),
        ("!=", Self::NotEqual),
        ("<", Self::Less),
        ("<=", Self::AtMost),
        (">", Self::Greater),
        (">=", Self::AtLeast),
        ("~", Self::Matches),
        ("contains", Self::Contains),
        ("within", Self::Within),
    ];

    #[must_use]
    pub fn text(self) -> &'static str {
        Self::ALL.iter().find(|(_, operator)| *operator == self).map_or("", |(text, _)| text)
    }
}

/// A way into a JSON document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path {
    pub text: String,
    pub steps: Vec<Step>,
}

/// One step of a way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// To the field of this name.
    Field(String),
    /// To the item at this place.
    Item(usize),
}

/// A `----` block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Golden {
    pub lines: Vec<String>,
    /// Where they stand, each with its line feed.
    pub span: Span,
    /// Line of the `----`, from 1.
    pub line: usize,
    /// The blanks before the `----`, which each line may have too.
    pub indent: String,
}

/// A whole script.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    pub statements: Vec<Statement>,
}
