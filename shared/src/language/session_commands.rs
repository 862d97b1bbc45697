//! [`SessionCommand`]: commands that only the language has, each said once: its arguments, help and completion.
//!
//! What they do stands in `session` (or with the program around it, for those that end, edit, record, kill and restart).

#![expect(missing_docs, reason = "names that say all have no comment")]

use crate::command::{Arg, ArgKind};

/// A command about the session instead of the cluster, or one that `mini-etcdctl` does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionCommand {
    /// Its name; `\` is a part of it.
    pub name: &'static str,
    /// What it takes, in order.
    pub args: &'static [Arg],
    /// One line, without a full stop.
    pub short: &'static str,
    /// A line that shows it.
    pub example: &'static str,
}

impl SessionCommand {
    const fn new(
        name: &'static str,
        args: &'static [Arg],
        short: &'static str,
        example: &'static str,
    ) -> Self {
        Self { name, args, short, example }
    }

    /// What it takes, as help shows it.
    #[must_use]
    pub fn usage(&self) -> String {
        let shown = self
            .args
            .iter()
            .map(|arg| if arg.optional { format!("[{}]", arg.name) } else { arg.name.to_owned() });
        shown.collect::<Vec<_>>().join(" ")
    }

    /// Name and usage.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{} {}", self.name, self.usage()).trim_end().to_owned()
    }
}

pub const LS: SessionCommand = SessionCommand::new(
    "ls",
    &[Arg::optional("PREFIX", ArgKind::Key)],
    "Lists one level of keys: what follows PREFIX up to the next '/'",
    "ls /config/",
);
pub const CD: SessionCommand = SessionCommand::new(
    "cd",
    &[Arg::optional("PREFIX", ArgKind::Key)],
    "Puts PREFIX before every key that does not begin with '/'; '..' goes up, none goes home",
    "cd /config/web",
);
pub const PWD: SessionCommand =
    SessionCommand::new("pwd", &[], "Prints the prefix that `cd` has set", "pwd");
pub const DIFF: SessionCommand = SessionCommand::new(
    "\\diff",
    &[
        Arg::needed("KEY", ArgKind::Key),
        Arg::needed("@REV1", ArgKind::OneOf(&["@now"])),
        Arg::optional("@REV2", ArgKind::OneOf(&["@now"])),
    ],
    "Shows how a value changed between two revisions; @now is the newest",
    "\\diff /config/web @17 @now",
);
pub const EDIT: SessionCommand =
    SessionCommand::new("\\e", &[], "Opens the last line in $EDITOR", "\\e");
pub const EXPLAIN: SessionCommand = SessionCommand::new(
    "\\h",
    &[Arg::rest("COMMAND", ArgKind::FirstWord)],
    "Explains a command; alone, lists all",
    "\\h get",
);
pub const HISTORY: SessionCommand = SessionCommand::new(
    "\\history",
    &[Arg::needed("KEY", ArgKind::Key)],
    "Shows the versions of a key since it was last created",
    "\\history /config/web",
);
pub const KILL: SessionCommand = SessionCommand::new(
    "\\kill",
    &[Arg::needed("leader|NAME", ArgKind::Member)],
    "Kills a bundled member with SIGKILL",
    "\\kill leader",
);
pub const PROFILE: SessionCommand = SessionCommand::new(
    "\\profile",
    &[Arg::optional("NAME", ArgKind::Profile)],
    "Turns to the servers of a profile of config.toml; alone, lists the profiles",
    "\\profile",
);
pub const QUIT: SessionCommand = SessionCommand::new("\\q", &[], "Leaves", "\\q");
pub const RECORD: SessionCommand = SessionCommand::new(
    "\\record",
    &[Arg::optional("FILE", ArgKind::File)],
    "Writes what is run to a script; alone, ends that",
    "\\record s.ers",
);
pub const RESTART: SessionCommand = SessionCommand::new(
    "\\restart",
    &[Arg::needed("NAME", ArgKind::Member)],
    "Starts a bundled member that was killed",
    "\\restart n1",
);
pub const SOURCE: SessionCommand = SessionCommand::new(
    "\\source",
    &[Arg::needed("FILE", ArgKind::File)],
    "Runs the lines of a file",
    "\\source setup.ers",
);
pub const TIMING: SessionCommand = SessionCommand::new(
    "\\timing",
    &[Arg::optional("on|off", ArgKind::OneOf(&["on", "off"]))],
    "Says how long each command took",
    "\\timing on",
);
pub const WRITE_OUT: SessionCommand = SessionCommand::new(
    "\\w",
    &[Arg::optional(
        "simple|json|jsonl|fields|table",
        ArgKind::OneOf(&["simple", "json", "jsonl", "fields", "table"]),
    )],
    "Sets the output format; alone, prints it",
    "\\w jsonl",
);

/// Commands about keys.
pub const EXTRAS: &[SessionCommand] = &[LS, CD, PWD];

/// Commands about the session, by name.
pub const METAS: &[SessionCommand] = &[
    DIFF, EDIT, EXPLAIN, HISTORY, KILL, PROFILE, QUIT, RECORD, RESTART, SOURCE, TIMING, WRITE_OUT,
];

/// The one of this name.
#[must_use]
pub fn session_command(name: &str) -> Option<&'static SessionCommand> {
    EXTRAS.iter().chain(METAS).find(|command| command.name == name)
}
