//! `help`: explains a command, by what the table says.

use std::fmt::Write;

use bytes::Bytes;

use super::manual::manual;
use super::request::Misfit;
use super::spec::{Arg, ArgKind, CommandSpec, Effect, Flag, ValueKind};
use super::table::{GROUPS, TABLE};
use super::target::{HELP_FLAG, Target};
use super::{Report, Request};
use crate::failure::Failure;
use crate::format::{Answer, Field, Format, Page, Value};

/// `help`
pub const HELP: CommandSpec = CommandSpec {
    effect: Effect::Local,
    args: &[Arg::rest("command", ArgKind::Command)],
    flags: &[Flag::switch("man", "write the manual page of all commands, for man(1)")],
    examples: &["help get", "help endpoint status", "help --man"],
    ..CommandSpec::new("help", "Explains a command", |line| {
        Ok(Box::new(Help { man: line.switch("man"), ..Help::of(line.args()) }))
    })
};

/// What is to be explained.
#[derive(Clone, Debug)]
pub struct Help {
    /// Where the words lead.
    pub target: Target,
    /// Words that lead nowhere.
    pub unknown: Option<String>,
    /// The manual page instead.
    pub man: bool,
}

impl Help {
    fn of(words: &[Bytes]) -> Self {
        match super::parse(words) {
            // Words behind the name of a command are passed over, as etcdctl does.
            Ok(parsed) if parsed.args.is_empty() || !matches!(parsed.target, Target::Root) => {
                Self { target: parsed.target, unknown: None, man: false }
            }
            _ => {
                let words: Vec<_> =
                    words.iter().map(|word| String::from_utf8_lossy(word)).collect();
                Self { target: Target::Root, unknown: Some(words.join(" ")), man: false }
            }
        }
    }
}

impl Request for Help {
    fn local(&self) -> Option<Report> {
        let unknown = self.unknown.iter();
        let notes = unknown.map(|words| format!("Unknown help topic [`{words}`]")).collect();
        Some(Report { notes, ..Report::of(self.clone()) })
    }

    fn misfit(&self) -> Option<Misfit> {
        let topic = self.unknown.as_ref()?;
        let expected = "a command; `help` alone lists them";
        Some(Misfit { found: Some(format!("no command {topic:?}")), expected })
    }
}

impl Answer for Help {
    fn shown(&self, _hex: bool) -> Value {
        vec![Field::in_json("help", &help("", self.target))].into()
    }

    fn simple(&self, page: &mut Page<'_>) {
        if self.man {
            return page.write(manual(page.program).as_bytes());
        }
        match self.unknown {
            None => page.write(help(page.program, self.target).as_bytes()),
            // etcdctl has it beside the complaint.
            Some(_) => page.error_line(usage(page.program, self.target).trim_end()),
        }
    }

    fn format(&self, _asked: Format) -> Result<Format, Failure> {
        Ok(Format::Simple)
    }
}

/// The help for `target` of a program called `program`.
#[must_use]
pub fn help(program: &str, target: Target) -> String {
    let about = match target {
        Target::Root => "Command line for etcd clusters",
        Target::Group(group) => group.short,
        Target::Command(CommandSpec { long: "", short, .. }) => short,
        Target::Command(spec) => &format!("{}.\n{}", spec.short, spec.long),
    };
    let called = |words: &str| format!("{program} {words}").trim_start().to_owned();
    let more = match target {
        Target::Command(_) => String::new(),
        _ => format!(
            "Use \"{}\" for more information about a command.\n",
            called(format!("{} [command] --help", target.path()).trim_start())
        ),
    };
    let options = called("options");
    let usage = usage(program, target);
    format!(
        "{about}\n\n{usage}\n{more}Use \"{options}\" for a list of the flags that every command takes.\n"
    )
}

/// How `target` is called, and its own flags: what is shown with a line that does not parse.
#[must_use]
pub fn usage(program: &str, target: Target) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_usage(&mut out, program, target);
    out
}

fn write_usage(out: &mut String, program: &str, target: Target) -> std::fmt::Result {
    let words = match target {
        Target::Root => format!("{program} [command]"),
        Target::Group(group) => format!("{program} {} [command]", group.name),
        Target::Command(spec) => {
            let all = [program, &spec.path(), &spec.usage(), "[flags]"];
            let some = all.into_iter().filter(|words| !words.is_empty());
            some.collect::<Vec<_>>().join(" ")
        }
    };
    writeln!(out, "Usage:\n  {}", words.trim())?;
    let (own, group): (&[Flag], &[Flag]) = match target {
        Target::Root => {
            let mut all: Vec<_> = TABLE.iter().map(|spec| (spec.path(), spec.short)).collect();
            all.sort();
            write_commands(out, &all)?;
            return Ok(());
        }
        Target::Group(group) => {
            let commands = TABLE.iter().filter(|spec| spec.group == group.name);
            let commands: Vec<_> =
                commands.map(|spec| (spec.name.to_owned(), spec.short)).collect();
            write_commands(out, &commands)?;
            (group.flags, &[])
        }
        Target::Command(spec) => {
            writeln!(out, "\nExamples:")?;
            for example in spec.examples {
                writeln!(out, "  {}", format!("{program} {example}").trim_start())?;
            }
            let group = GROUPS.iter().find(|group| group.name == spec.group);
            (spec.flags, group.map_or(&[], |group| group.flags))
        }
    };
    writeln!(out, "\nFlags:")?;
    let mut own: Vec<_> = own.iter().chain([&HELP_FLAG]).collect();
    own.sort_by_key(|flag| flag.name);
    write_flags(out, &own)?;
    if !group.is_empty() {
        writeln!(out, "\nGlobal Flags:")?;
        write_flags(out, &group.iter().collect::<Vec<_>>())?;
    }
    Ok(())
}

fn write_commands(out: &mut String, commands: &[(String, &str)]) -> std::fmt::Result {
    let width = commands.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    writeln!(out, "\nAvailable Commands:")?;
    for (name, short) in commands {
        writeln!(out, "  {name:width$}  {short}")?;
    }
    Ok(())
}

pub(super) fn write_flags(out: &mut String, flags: &[&Flag]) -> std::fmt::Result {
    let lines: Vec<_> = flags.iter().map(|flag| (flag_head(flag), flag_text(flag))).collect();
    let width = lines.iter().map(|(head, _)| head.len()).max().unwrap_or(0);
    for (head, text) in lines {
        writeln!(out, "  {head:width$}   {text}")?;
    }
    Ok(())
}

/// The flag and the kind of its value, in the words of etcdctl's help.
pub(super) fn flag_head(flag: &Flag) -> String {
    let short = flag.short.map_or_else(|| "    ".to_owned(), |letter| format!("-{letter}, "));
    let kind = match flag.value {
        ValueKind::Switch => "",
        ValueKind::Int => " int",
        ValueKind::Uint => " uint",
        ValueKind::Duration => " duration",
        ValueKind::List => " strings",
        ValueKind::Text | ValueKind::Lease | ValueKind::Choice(_) => " string",
    };
    format!("{short}--{}{kind}", flag.name)
}

/// What the flag does, and its default where that is not the empty one.
pub(super) fn flag_text(flag: &Flag) -> String {
    let (help, default) = (flag.help, flag.default);
    match flag.value {
        ValueKind::Switch if default == "false" => help.to_owned(),
        ValueKind::Int | ValueKind::Uint if default == "0" => help.to_owned(),
        _ if default.is_empty() => help.to_owned(),
        ValueKind::Switch | ValueKind::Int | ValueKind::Uint | ValueKind::Duration => {
            format!("{help} (default {default})")
        }
        ValueKind::List => format!("{help} (default [{default}])"),
        ValueKind::Text | ValueKind::Lease | ValueKind::Choice(_) => {
            format!("{help} (default \"{default}\")")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{GET, Scope, request_of};

    #[test]
    fn help_shows_the_whole_entry() {
        insta::assert_snapshot!(help("mini-etcdctl", Target::Command(&GET)));
        insta::assert_snapshot!(help("mini-etcdctl", Target::Root));
    }

    #[test]
    fn every_example_of_the_table_parses() {
        for spec in TABLE {
            for example in spec.examples {
                let words: Vec<_> = crate::command::split_words(example.as_bytes())
                    .unwrap()
                    .into_iter()
                    .map(bytes::Bytes::from)
                    .collect();
                let parsed = crate::command::parse(&words).unwrap();
                assert_eq!(parsed.target, Target::Command(spec), "{example}");
                request_of(&parsed, &Scope::default()).unwrap();
            }
        }
    }
}
