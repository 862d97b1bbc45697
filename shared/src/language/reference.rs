//! [`reference`](reference()): the reference page, made from the tables.

use std::fmt::Write;

use super::{ALIASES, EXTRAS, FILTERS, KEYWORDS, METAS, Operator, SessionCommand};
use crate::command::{CommandSpec, Flag, GLOBAL_FLAGS, GROUPS, TABLE, ValueKind};

/// A part of the reference below its own heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its heading, a line of Markdown.
    pub heading: String,
    /// What the tables say.
    pub text: String,
    /// How lines begin, or go on, that the examples below it must have.
    pub shown: Vec<String>,
}

/// The reference in Markdown: every command, flag, keyword, builtin and meta command. Examples and what they print
/// stand on the page alone.
#[must_use]
pub fn reference() -> Vec<Section> {
    let mut sections = vec![section("### Commands", String::new(), [])];
    sections.extend(TABLE.iter().map(command));
    sections.push(section("### Flags that every command takes", flags(GLOBAL_FLAGS), []));
    let names = ALIASES.iter().map(|(alias, name)| format!("* `{alias}` is `{name}`\n"));
    let typed = ALIASES.iter().map(|(alias, _)| format!("> {alias}"));
    sections.push(section("### Other names", names.collect(), typed));
    sections.push(metas("### Beside the commands", EXTRAS));
    let words = rows("| line | |", KEYWORDS);
    // They stand at the prompt or in a script.
    let typed = KEYWORDS.iter().map(|(name, ..)| (*name).to_owned());
    sections.push(section("### Words that begin a line", words, typed));
    let typed = FILTERS.iter().map(|(name, ..)| format!(" | {name}"));
    sections.push(section("### Behind a pipe", rows("| builtin | |", FILTERS), typed));
    sections.push(metas("### About the session", METAS));
    let operators: Vec<_> = Operator::ALL.iter().map(|(text, _)| format!("`{text}`")).collect();
    let operators = format!("{}, or `absent`.\n", operators.join(" "));
    sections.push(section("### Operators of conditions", operators, []));
    sections
}

fn section(heading: &str, text: String, shown: impl IntoIterator<Item = String>) -> Section {
    Section { heading: heading.to_owned(), text, shown: shown.into_iter().collect() }
}

fn rows(title: &str, rows: &[(&str, &str, &str)]) -> String {
    let rows = rows.iter().map(|(_, usage, short)| format!("| `{usage}` | {short} |\n"));
    format!("{title}\n|---|---|\n{}", rows.collect::<String>())
}

fn command(spec: &CommandSpec) -> Section {
    let heading = format!("#### `{}`", format!("{} {}", spec.path(), spec.usage()).trim_end());
    let mut text = format!("{}.\n", spec.short);
    if !spec.long.is_empty() {
        text.push_str(spec.long);
        text.push('\n');
    }
    let group = GROUPS.iter().find(|group| group.name == spec.group);
    let all: Vec<Flag> =
        spec.flags.iter().chain(group.map_or(&[][..], |group| group.flags)).copied().collect();
    if !all.is_empty() {
        text.push('\n');
        text.push_str(&flags(&all));
    }
    section(&heading, text, [format!("> {}", spec.path())])
}

fn flags(flags: &[Flag]) -> String {
    let mut out = "| flag | default | |\n|---|---|---|\n".to_owned();
    for flag in flags {
        let short = flag.short.map_or_else(String::new, |letter| format!("`-{letter}`, "));
        let value = match flag.value {
            ValueKind::Switch => "",
            ValueKind::Int | ValueKind::Uint => " N",
            ValueKind::Text => " TEXT",
            ValueKind::Duration => " TIME",
            ValueKind::List => " A,B",
            ValueKind::Lease => " ID",
            ValueKind::Choice(_) => " WORD",
        };
        let default = match flag.value {
            ValueKind::Switch if flag.default == "false" => String::new(),
            _ if flag.default.is_empty() => String::new(),
            _ => format!("`{}`", flag.default),
        };
        let help = flag.help.replace('|', "\\|");
        // Writing to a string does not fail.
        let _ = writeln!(out, "| {short}`--{}{value}` | {default} | {help} |", flag.name);
    }
    out
}

fn metas(heading: &str, metas: &[SessionCommand]) -> Section {
    let mut text = "| line | |\n|---|---|\n".to_owned();
    for meta in metas {
        let usage = meta.line().replace('|', "\\|");
        // Writing to a string does not fail.
        let _ = writeln!(text, "| `{}` | {} |", usage, meta.short);
    }
    section(heading, text, metas.iter().map(|meta| format!("> {}", meta.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "<!-- reference: made from the tables; UPDATE_DOCS=1 cargo test -p mini-etcd-shared writes it -->\n";
    const END: &str = "<!-- end of the reference -->\n";

    /// The examples that the page has below a heading: all from the first fence of their kind up to the next heading.
    fn examples<'a>(page: &'a str, heading: &str) -> &'a str {
        let Some((_, rest)) = page.split_once(&format!("\n{heading}\n")) else { return "" };
        let next = ["\n### ", "\n#### "].iter().filter_map(|mark| rest.find(mark)).min();
        let own = rest.get(..next.unwrap_or(rest.len())).unwrap_or_default();
        let fences = ["\n```console\n", "\n```ers\n"];
        let first = fences.iter().filter_map(|fence| own.find(fence)).min();
        first.and_then(|at| own.get(at..)).unwrap_or_default().trim()
    }

    /// Goal: the page tells what the program does. Method: its reference part is made anew and compared, examples aside:
    /// that each command has one is looked at here, and `tests/tests/pages` runs them.
    #[test]
    fn the_page_holds_the_reference_as_it_is() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/repl.md");
        let page = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = page.split_once(BEGIN).unwrap();
        let (found, after) = rest.split_once(END).unwrap();
        let mut wanted = String::from("\n");
        let mut missing = Vec::new();
        for section in reference() {
            let examples = examples(found, &section.heading);
            for part in [section.heading.as_str(), section.text.trim_end(), examples] {
                if !part.is_empty() {
                    wanted.push_str(part);
                    wanted.push_str("\n\n");
                }
            }
            let shows = |begin: &String| examples.lines().any(|line| shows(line, begin));
            let lacks = section.shown.iter().filter(|begin| !shows(begin));
            missing.extend(lacks.map(|begin| format!("{}: {begin}", section.heading)));
        }
        if found != wanted && std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, format!("{before}{BEGIN}{wanted}{END}{after}")).unwrap();
            return;
        }
        assert!(found == wanted, "docs/repl.md is stale: UPDATE_DOCS=1 writes its reference anew");
        assert!(missing.is_empty(), "docs/repl.md has no example of\n{}", missing.join("\n"));
    }

    /// Whether a line of an example has what is to be shown: behind a prompt or a pipe, or as its own first word.
    fn shows(line: &str, wanted: &str) -> bool {
        let whole = |rest: &str| rest.is_empty() || rest.starts_with(' ');
        let typed = line.split_once("> ").map_or(line, |(_, typed)| typed).trim_start();
        line.match_indices(wanted).any(|(at, _)| whole(line.get(at + wanted.len()..).unwrap_or("")))
            && (wanted.starts_with([' ', '>']) || typed.starts_with(wanted))
    }
}
