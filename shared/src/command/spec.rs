//! [`CommandSpec`]: everything that parser, help, completion and documentation say about a command.

#![expect(missing_docs, reason = "names that say all have no comment")]

use super::refusal::Refusal;
use super::request::{CommandLine, Request};

/// What a command does to the cluster; consoles ask before the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// None: it asks no server.
    Local,
    Reads,
    Writes,
    /// It takes something away that cannot be had again.
    Destroys,
}

/// What a flag's value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// None needed; `=false` turns it off.
    Switch,
    Int,
    /// A number without a sign.
    Uint,
    Text,
    /// A duration such as `1m30s`.
    Duration,
    List,
    /// A lease id in hex.
    Lease,
    Choice(&'static [&'static str]),
}

/// A flag.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    pub name: &'static str,
    /// Letter for the short form.
    pub short: Option<char>,
    /// Second name; accepted, not shown.
    pub alias: Option<&'static str>,
    pub value: ValueKind,
    /// Value when it is not given, as text.
    pub default: &'static str,
    pub help: &'static str,
}

impl Flag {
    /// A flag that is on or off.
    #[must_use]
    pub const fn switch(name: &'static str, help: &'static str) -> Self {
        Self::new(name, ValueKind::Switch, "false", help)
    }

    /// A flag with a value.
    #[must_use]
    pub const fn new(
        name: &'static str,
        value: ValueKind,
        default: &'static str,
        help: &'static str,
    ) -> Self {
        Self { name, short: None, alias: None, value, default, help }
    }

    /// The same flag with a short form.
    #[must_use]
    pub const fn short(mut self, letter: char) -> Self {
        self.short = Some(letter);
        self
    }

    /// The same flag with a second name.
    #[must_use]
    pub const fn alias(mut self, name: &'static str) -> Self {
        self.alias = Some(name);
        self
    }
}

/// What an argument stands for; completion asks the cluster by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgKind {
    Key,
    /// The first key beyond a range.
    RangeEnd,
    Value,
    Revision,
    /// A lease id in hex.
    Lease,
    /// A number of seconds.
    Seconds,
    /// Where a member listens.
    Endpoint,
    /// The name of a command.
    Command,
    /// A program and its arguments.
    Program,
    /// A file of this machine.
    File,
    /// The name of a member.
    Member,
    /// The name of a profile.
    Profile,
    /// The name of a user.
    User,
    /// The name of a role.
    Role,
    /// Whatever a line may begin with.
    FirstWord,
    /// One of these words, or what only the session knows.
    OneOf(&'static [&'static str]),
}

/// A positional argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arg {
    /// Name as help shows it.
    pub name: &'static str,
    pub kind: ArgKind,
    /// Whether it may be left out.
    pub optional: bool,
    /// Whether it takes all that follows.
    pub rest: bool,
}

impl Arg {
    /// An argument that must be there.
    #[must_use]
    pub const fn needed(name: &'static str, kind: ArgKind) -> Self {
        Self { name, kind, optional: false, rest: false }
    }

    /// An argument that may be left out.
    #[must_use]
    pub const fn optional(name: &'static str, kind: ArgKind) -> Self {
        Self { name, kind, optional: true, rest: false }
    }

    #[must_use]
    pub const fn rest(name: &'static str, kind: ArgKind) -> Self {
        Self { name, kind, optional: true, rest: true }
    }
}

/// One command: everything there is to say about it.
#[derive(Clone, Copy, Debug)]
pub struct CommandSpec {
    /// The group it belongs to, such as `endpoint`; empty for none.
    pub group: &'static str,
    /// Its name within the group.
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    /// What it does to the cluster.
    pub effect: Effect,
    pub args: &'static [Arg],
    /// Its own flags, by name.
    pub flags: &'static [Flag],
    /// One line, without a full stop.
    pub short: &'static str,
    /// Paragraphs; empty when the line says it all.
    pub long: &'static str,
    /// Command lines, without the program's name.
    pub examples: &'static [&'static str],
    /// Whether a transaction may have it as an operation.
    pub operation: bool,
    /// Whether a heredoc of its line is its standard input, and no argument.
    pub input: bool,
    /// Whether only a shell has use for it: a prompt does not offer it, and takes no beginning of its name for it.
    pub shell: bool,
    /// What a line of it asks for.
    pub request: fn(&CommandLine<'_>) -> Result<Box<dyn Request>, Refusal>,
}

impl PartialEq for CommandSpec {
    fn eq(&self, other: &Self) -> bool {
        (self.group, self.name) == (other.group, other.name)
    }
}

/// Commands that share a first word.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    pub name: &'static str,
    pub short: &'static str,
    /// Flags that each of its commands takes.
    pub flags: &'static [Flag],
}

impl CommandSpec {
    /// A command that reads and takes nothing, to be filled in.
    pub(super) const fn new(
        name: &'static str,
        short: &'static str,
        request: fn(&CommandLine<'_>) -> Result<Box<dyn Request>, Refusal>,
    ) -> Self {
        Self {
            group: "",
            name,
            aliases: &[],
            effect: Effect::Reads,
            args: &[],
            flags: &[],
            short,
            long: "",
            examples: &[],
            operation: false,
            input: false,
            shell: false,
            request,
        }
    }

    /// Group and name, as they are typed.
    #[must_use]
    pub fn path(&self) -> String {
        if self.group.is_empty() {
            self.name.to_owned()
        } else {
            format!("{} {}", self.group, self.name)
        }
    }

    /// The arguments as help shows them, such as `<key> [range_end]`.
    #[must_use]
    pub fn usage(&self) -> String {
        let shown = self.args.iter().map(|arg| {
            let dots = if arg.rest { "..." } else { "" };
            if arg.optional {
                format!("[{}{dots}]", arg.name)
            } else {
                format!("<{}{dots}>", arg.name)
            }
        });
        shown.collect::<Vec<_>>().join(" ")
    }
}
