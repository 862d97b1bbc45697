//! `help`: explains a command, by what the table says.

use std::fmt::Write;

use bytes::Bytes;

use super::request::Misfit;
use super::spec::{Arg, ArgKind, CommandSpec, Effect, Flag, ValueKind};
use super::table::{GLOBAL_FLAGS, GROUPS, TABLE};
use super::target::Target;
use super::{Report, Request};
use crate::failure::Failure;
use crate::format::{Answer, Field, Format, Page, Value};
use crate::version::{API_VERSION, ETCDCTL_VERSION};

/// `help`
pub const HELP: CommandSpec = CommandSpec {
    effect: Effect::Local,
    args: &[Arg::rest("command", ArgKind::Command)],
    examples: &["help get", "help endpoint status"],
    ..CommandSpec::new("help", "Explains a command", |line| Ok(Box::new(Help::of(line.args()))))
};

/// What is to be explained.
#[derive(Clone, Debug)]
pub struct Help {
    /// Where the words lead.
    pub target: Target,
    /// Words that lead nowhere.
    pub unknown: Option<String>,
}

impl Help {
    fn of(words: &[Bytes]) -> Self {
        match super::parse(words) {
            // Words behind the name of a command are passed over, as etcdctl does.
            Ok(parsed) if parsed.args.is_empty() || !matches!(parsed.target, Target::Root) => {
                Self { target: parsed.target, unknown: None }
            }
            _ => {
                let words: Vec<_> =
                    words.iter().map(|word| String::from_utf8_lossy(word)).collect();
                Self { target: Target::Root, unknown: Some(words.join(" ")) }
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
        let text = help(page.program, self.target);
        page.write(text.as_bytes());
    }

    fn format(&self, _asked: Format) -> Result<Format, Failure> {
        Ok(Format::Simple)
    }
}

/// The help for `target` of a program called `program`.
#[must_use]
pub fn help(program: &str, target: Target) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = match target {
        Target::Root => write_root(&mut out, program),
        Target::Group(group) => {
            let commands = TABLE.iter().filter(|spec| spec.group == group.name);
            write_head(
                &mut out,
                group.name,
                group.short,
                &format!("{program} {} <subcommand> [flags]", group.name),
            )
            .and_then(|()| {
                write_commands(&mut out, commands.map(|spec| (spec.name.to_owned(), spec.short)))
            })
            .and_then(|()| {
                write_flags(&mut out, "OPTIONS", group.flags.iter().chain(help_flag(target)))
            })
            .and_then(|()| write_flags(&mut out, "GLOBAL OPTIONS", GLOBAL_FLAGS))
        }
        Target::Command(spec) => write_command(&mut out, program, spec),
    };
    out
}

fn help_flag(target: Target) -> impl Iterator<Item = &'static Flag> {
    target.flags().filter(|flag| flag.name == "help")
}

fn write_head(out: &mut String, name: &str, short: &str, usage: &str) -> std::fmt::Result {
    write!(out, "NAME:\n\t{name} - {short}\n\nUSAGE:\n\t{usage}\n\n")
}

fn write_root(out: &mut String, program: &str) -> std::fmt::Result {
    write_head(out, program, "Command line for etcd clusters", &format!("{program} [flags]"))?;
    write!(out, "VERSION:\n\t{ETCDCTL_VERSION}\n\nAPI VERSION:\n\t{API_VERSION}\n\n")?;
    write_commands(out, TABLE.iter().map(|spec| (spec.path(), spec.short)))?;
    write_flags(out, "OPTIONS", GLOBAL_FLAGS.iter().chain(help_flag(Target::Root)))
}

fn write_command(out: &mut String, program: &str, spec: &'static CommandSpec) -> std::fmt::Result {
    let usage = [program, &spec.path(), "[options]", &spec.usage()].join(" ");
    write_head(out, &spec.path(), spec.short, usage.trim())?;
    if !spec.long.is_empty() {
        writeln!(out, "DESCRIPTION:")?;
        for line in spec.long.lines() {
            writeln!(out, "\t{line}")?;
        }
        writeln!(out)?;
    }
    writeln!(out, "EXAMPLES:")?;
    for example in spec.examples {
        writeln!(out, "\t{}", format!("{program} {example}").trim_start())?;
    }
    writeln!(out)?;
    let target = Target::Command(spec);
    let group = GROUPS.iter().find(|group| group.name == spec.group);
    let global = group.map_or(&[][..], |group| group.flags).iter().chain(GLOBAL_FLAGS);
    write_flags(out, "OPTIONS", spec.flags.iter().chain(help_flag(target)))?;
    write_flags(out, "GLOBAL OPTIONS", global)
}

fn write_commands<'a>(
    out: &mut String,
    commands: impl Iterator<Item = (String, &'a str)>,
) -> std::fmt::Result {
    let commands: Vec<_> = commands.collect();
    let width = commands.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    writeln!(out, "COMMANDS:")?;
    for (name, short) in commands {
        writeln!(out, "\t{name:width$}  {short}")?;
    }
    writeln!(out)
}

fn write_flags<'a>(
    out: &mut String,
    title: &str,
    flags: impl IntoIterator<Item = &'a Flag>,
) -> std::fmt::Result {
    let lines: Vec<_> = flags.into_iter().map(|flag| (flag_head(flag), flag.help)).collect();
    let width = lines.iter().map(|(head, _)| head.len()).max().unwrap_or(0);
    writeln!(out, "{title}:")?;
    for (head, text) in lines {
        writeln!(out, "  {head:width$}  {text}")?;
    }
    writeln!(out)
}

fn flag_head(flag: &Flag) -> String {
    let short = flag.short.map_or_else(|| "    ".to_owned(), |letter| format!("-{letter}, "));
    let default = match flag.value {
        ValueKind::Switch => format!("[={}]", flag.default),
        ValueKind::List => format!("=[{}]", flag.default),
        ValueKind::Int | ValueKind::Duration => format!("={}", flag.default),
        ValueKind::Text | ValueKind::Lease | ValueKind::Choice(_) => {
            format!("=\"{}\"", flag.default)
        }
    };
    format!("{short}--{}{default}", flag.name)
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
