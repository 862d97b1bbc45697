//! Commands as lines to copy: for the prompt, and for a shell.
//!
//! ```text
//! screen ─▶ CommandLine ─┬─▶ language: palette, REPL, scripts (quoted by `language::written`)
//!                        └─▶ shell: mini-etcdctl, or a pipe into the prompt where that cannot say it
//! ```
//!
//! * I1: what is copied reads back as the same bytes, whatever they are.

use std::fmt::Write;

use bytes::Bytes;
use mini_etcd_shared::language::written;

/// A command that somebody may want to run elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    name: String,
    args: Vec<Bytes>,
    flags: Vec<String>,
    /// Whether `mini-etcdctl` has it.
    of_table: bool,
}

impl CommandLine {
    /// A command of the table, without arguments.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { of_table: true, ..Self::line(name) }
    }

    /// What only the language has: a meta command, or a line as it was typed.
    #[must_use]
    pub fn line(text: &str) -> Self {
        Self { name: text.to_owned(), args: Vec::new(), flags: Vec::new(), of_table: false }
    }

    /// With another argument.
    #[must_use]
    pub fn arg(mut self, arg: &Bytes) -> Self {
        self.args.push(arg.clone());
        self
    }

    /// With another flag, which has nothing to quote.
    #[must_use]
    pub fn flag(mut self, flag: impl Into<String>) -> Self {
        self.flags.push(flag.into());
        self
    }

    /// Its arguments.
    #[must_use]
    pub fn args(&self) -> &[Bytes] {
        &self.args
    }

    /// As a line of the language.
    #[must_use]
    pub fn language(&self) -> String {
        let args = self.args.iter().map(|arg| written(arg));
        let words = std::iter::once(self.name.clone()).chain(args).chain(self.flags.clone());
        words.collect::<Vec<_>>().join(" ")
    }

    /// As a line of a shell, with the flags that lead to the servers.
    #[must_use]
    pub fn shell(&self, leading: &[String]) -> String {
        // A shell's arguments end at a zero byte.
        if !self.of_table || self.args.iter().any(|arg| arg.contains(&0)) {
            return piped(&self.language(), leading);
        }
        let mut words = vec!["mini-etcdctl".to_owned()];
        let own = self.flags.iter().any(|flag| flag.starts_with("--endpoints"));
        let leading = leading.iter().filter(|flag| !own || !flag.starts_with("--endpoints"));
        words.extend(leading.map(|flag| shell_word(flag.as_bytes())));
        words.push(self.name.clone());
        let args = self.args.iter().map(|arg| shell_word(arg));
        let flags = self.flags.iter().map(|flag| shell_word(flag.as_bytes()));
        if self.args.iter().any(|arg| arg.starts_with(b"-")) {
            words.extend(flags.chain(std::iter::once("--".to_owned())).chain(args));
        } else {
            words.extend(args.chain(flags));
        }
        words.join(" ")
    }
}

/// A line of the language for a shell: the prompt reads it.
fn piped(line: &str, leading: &[String]) -> String {
    let words = std::iter::once("mini-etcd-tui repl".to_owned());
    let leading = leading.iter().map(|flag| shell_word(flag.as_bytes()));
    let repl = words.chain(leading).collect::<Vec<_>>().join(" ");
    format!("printf '%s\\n' {} | {repl}", shell_word(line.as_bytes()))
}

/// A word as a shell takes it, byte for byte.
fn shell_word(bytes: &[u8]) -> String {
    let bare = |b: &u8| b.is_ascii_alphanumeric() || b"/._:@%+,=-".contains(b);
    if !bytes.is_empty() && bytes.iter().all(bare) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    if let Ok(text) = str::from_utf8(bytes)
        && !text.chars().any(char::is_control)
    {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let mut word = "$'".to_owned();
    for byte in bytes {
        match byte {
            b'\'' | b'\\' => word.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => word.push(char::from(*byte)),
            byte => {
                // Writing to a string cannot fail.
                let _written = write!(word, "\\x{byte:02x}");
            }
        }
    }
    word.push('\'');
    word
}

#[cfg(test)]
mod tests {
    use super::*;
    use mini_etcd_shared::language::{Action, StatementKind, Variables, parse_input};

    #[test]
    fn a_copied_word_is_the_same_bytes_to_a_shell() {
        assert_eq!(shell_word(b"/a/b"), "/a/b");
        assert_eq!(shell_word(b"it's"), r"'it'\''s'");
        assert_eq!(shell_word("é $x".as_bytes()), "'é $x'");
        assert_eq!(shell_word(b"\xff\n'x"), r"$'\xff\x0a\'x'");
        assert_eq!(shell_word(b""), "''");
    }

    #[test]
    fn a_copied_line_is_the_same_bytes_to_the_prompt() {
        for key in [&b"/a/b"[..], b"it's $x", b"\xff\x00\n\"", b"--prefix", b"hex:61", b"put", b""]
        {
            let key = Bytes::copy_from_slice(key);
            let line = CommandLine::new("get").arg(&key).flag("--rev=5").language();
            let statements = parse_input(line.as_bytes()).expect(&line);
            let StatementKind::Run(run) = &statements[0].kind else { panic!("{line}") };
            let Action::Command { words, .. } = &run.action else { panic!("{line}") };
            assert_eq!(words[0].bytes(&Variables::default()).unwrap(), key, "{line}");
            assert!(!words[0].is_flag() && words[1].is_flag(), "{line}");
        }
    }

    #[test]
    fn flags_stand_before_an_argument_that_looks_like_one() {
        let to = |endpoints: &str| [format!("--endpoints={endpoints}")];
        let get = |key: &'static [u8]| CommandLine::new("get").arg(&Bytes::from_static(key));
        assert_eq!(
            get(b"-x").flag("--prefix").shell(&to("a:1,b:2")),
            "mini-etcdctl --endpoints=a:1,b:2 get --prefix -- -x"
        );
        assert_eq!(get(b"k").flag("--prefix").shell(&[]), "mini-etcdctl get k --prefix");
        assert_eq!(
            get(b"\x00'").shell(&to("a:1")),
            r#"printf '%s\n' 'get "\x00'\''"' | mini-etcd-tui repl --endpoints=a:1"#
        );
        assert_eq!(
            CommandLine::line("\\kill n1").shell(&[]),
            r"printf '%s\n' '\kill n1' | mini-etcd-tui repl"
        );
    }
}
