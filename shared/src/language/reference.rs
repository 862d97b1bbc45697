//! The reference page, made from the tables.

use std::fmt::Write;

use super::{ALIASES, EXTRAS, FILTERS, KEYWORDS, METAS, MetaSpec, Operator};
use crate::command::{CommandSpec, Flag, GLOBAL_FLAGS, GROUPS, TABLE, ValueKind};

/// The reference in Markdown: every command, flag, keyword, builtin and meta command.
#[must_use]
pub fn reference() -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_all(&mut out);
    out
}

fn write_all(out: &mut String) -> std::fmt::Result {
    writeln!(out, "### Commands\n")?;
    for spec in TABLE {
        command(out, spec)?;
    }
    writeln!(out, "### Flags that every command takes\n")?;
    flags(out, GLOBAL_FLAGS)?;
    writeln!(out, "### Other names\n")?;
    for (alias, name) in ALIASES {
        writeln!(out, "* `{alias}` is `{name}`")?;
    }
    writeln!(out, "\n### Beside the commands\n")?;
    metas(out, EXTRAS)?;
    writeln!(out, "### Words that begin a line\n\n| line | |\n|---|---|")?;
    for (_, usage, short) in KEYWORDS {
        writeln!(out, "| `{usage}` | {short} |")?;
    }
    writeln!(out, "\n### Behind a pipe\n\n| builtin | |\n|---|---|")?;
    for (_, usage, short) in FILTERS {
        writeln!(out, "| `{usage}` | {short} |")?;
    }
    writeln!(out, "\n### About the session\n")?;
    metas(out, METAS)?;
    let operators: Vec<_> = Operator::ALL.iter().map(|(text, _)| format!("`{text}`")).collect();
    writeln!(out, "### Operators of conditions\n\n{}, or `absent`.", operators.join(" "))
}

fn command(out: &mut String, spec: &CommandSpec) -> std::fmt::Result {
    writeln!(out, "#### `{}`\n", format!("{} {}", spec.path(), spec.usage()).trim_end())?;
    writeln!(out, "{}.", spec.short)?;
    if !spec.long.is_empty() {
        writeln!(out, "{}", spec.long)?;
    }
    writeln!(out)?;
    let group = GROUPS.iter().find(|group| group.name == spec.group);
    let all: Vec<Flag> =
        spec.flags.iter().chain(group.map_or(&[][..], |group| group.flags)).copied().collect();
    flags(out, &all)?;
    writeln!(out, "```\n{}\n```\n", spec.examples.join("\n"))
}

fn flags(out: &mut String, flags: &[Flag]) -> std::fmt::Result {
    if flags.is_empty() {
        return Ok(());
    }
    writeln!(out, "| flag | default | |\n|---|---|---|")?;
    for flag in flags {
        let short = flag.short.map_or_else(String::new, |letter| format!("`-{letter}`, "));
        let value = match flag.value {
            ValueKind::Switch => "",
            ValueKind::Int => " N",
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
        writeln!(out, "| {short}`--{}{value}` | {default} | {help} |", flag.name)?;
    }
    writeln!(out)
}

fn metas(out: &mut String, metas: &[MetaSpec]) -> std::fmt::Result {
    writeln!(out, "| line | | example |\n|---|---|---|")?;
    for meta in metas {
        let usage = format!("{} {}", meta.name, meta.usage).replace('|', "\\|");
        writeln!(out, "| `{}` | {} | `{}` |", usage.trim_end(), meta.short, meta.example)?;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "<!-- reference: made from the tables; UPDATE_DOCS=1 cargo test -p mini-etcd-shared writes it -->\n";
    const END: &str = "<!-- end of the reference -->\n";

    /// Goal: the page tells what the program does. Method: its reference part is made anew and compared.
    #[test]
    fn the_page_holds_the_reference_as_it_is() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/repl.md");
        let page = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = page.split_once(BEGIN).unwrap();
        let (found, after) = rest.split_once(END).unwrap();
        let wanted = format!("\n{}\n", reference());
        if found != wanted && std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, format!("{before}{BEGIN}{wanted}{END}{after}")).unwrap();
            return;
        }
        assert!(found == wanted, "docs/repl.md is stale: UPDATE_DOCS=1 writes its reference anew");
    }
}
