//! [`manual`]: the manual page of `mini-etcdctl`, made from the table.

use std::fmt::Write;

use super::help::{flag_head, flag_text};
use super::spec::{CommandSpec, Flag};
use super::table::{GLOBAL_FLAGS, GROUPS, TABLE};

/// The page in the language of man(1), for a program of this name.
pub(super) fn manual(program: &str) -> String {
    let program = if program.is_empty() { "mini-etcdctl" } else { program };
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_manual(&mut out, program);
    out
}

fn write_manual(out: &mut String, program: &str) -> std::fmt::Result {
    let name = shown(program);
    writeln!(
        out,
        ".TH {} 1\n.SH NAME\n{name} \\- command line for etcd clusters",
        name.to_uppercase()
    )?;
    writeln!(out, ".SH SYNOPSIS\n.B {name}\n.I command\n[flags]\n.SH COMMANDS")?;
    for spec in TABLE {
        write_command(out, &name, spec)?;
    }
    writeln!(out, ".SH OPTIONS\nEvery command takes these.")?;
    write_flags(out, GLOBAL_FLAGS)?;
    writeln!(
        out,
        ".SH ENVIRONMENT\nA variable ETCDCTL_FLAG, such as ETCDCTL_ENDPOINTS, says what no flag says.\n\
         .SH EXIT STATUS\n0 when all went well, 1 when something failed, 2 without a connection, 3 for input that \
         does not follow the grammar, 4 for a format or value that is not supported, 5 when a server ended a watch, \
         6 for a file that cannot be read or written, 128 for arguments that do not fit."
    )
}

fn write_command(out: &mut String, program: &str, spec: &CommandSpec) -> std::fmt::Result {
    let usage = format!("{} {}", spec.path(), spec.usage());
    writeln!(out, ".SS {}\n{}.", shown(usage.trim_end()), shown(spec.short))?;
    for line in spec.long.lines() {
        writeln!(out, "{}", shown(line))?;
    }
    let group = GROUPS.iter().find(|group| group.name == spec.group);
    write_flags(out, spec.flags)?;
    write_flags(out, group.map_or(&[], |group| group.flags))?;
    writeln!(out, ".PP\nExamples:\n.nf")?;
    for example in spec.examples {
        writeln!(out, "    {program} {}", shown(example))?;
    }
    writeln!(out, ".fi")
}

fn write_flags(out: &mut String, flags: &[Flag]) -> std::fmt::Result {
    for flag in flags {
        let (head, text) = (flag_head(flag), flag_text(flag));
        writeln!(out, ".TP\n.B {}\n{}", shown(head.trim_start()), shown(&text))?;
    }
    Ok(())
}

/// Text that stands as it is: a backslash and a dash would be read as something else, and so would a dot in front.
fn shown(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_every_flag_is_on_the_page() {
        let page = manual("mini-etcdctl");
        for spec in TABLE {
            assert!(page.contains(&format!(".SS {}", shown(&spec.path()))), "{}", spec.path());
            for flag in spec.flags.iter().chain(GLOBAL_FLAGS) {
                assert!(page.contains(&shown(&format!("--{}", flag.name))), "{}", flag.name);
            }
        }
        // Requests of man(1) are the only lines with a dot in front.
        let known = [".TH", ".SH", ".SS", ".TP", ".PP", ".nf", ".fi", ".B", ".I"];
        let request = |line: &&str| line.starts_with('.');
        for line in page.lines().filter(request) {
            let name = line.split(' ').next().unwrap();
            assert!(known.contains(&name), "{line}");
        }
    }
}
