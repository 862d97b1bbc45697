//! The scripts of `completion`, made from the table.
//!
//! Each walks over the words before the cursor, passes flags and their values over, and so finds the command that they
//! name; then it offers what may follow: commands, the flags of this command, or the words that a value is one of.

use std::collections::BTreeSet;

use super::spec::{ArgKind, Flag, ValueKind};
use super::target::Target;

/// Something that may follow.
struct Offer {
    text: String,
    about: &'static str,
}

/// Every command and group, the root first.
fn targets() -> Vec<Target> {
    let mut all = vec![Target::Root];
    let mut at = 0;
    while let Some(target) = all.get(at) {
        all.extend(target.children());
        at += 1;
    }
    all
}

/// What may stand behind the words of `target`, flags aside.
fn words(target: Target) -> Vec<Offer> {
    let children = target.children().into_iter().map(|child| {
        let about = match child {
            Target::Command(spec) => spec.short,
            Target::Group(group) => group.short,
            Target::Root => "",
        };
        Offer { text: child.last_word().to_owned(), about }
    });
    let first = match target {
        Target::Command(spec) => spec.args.first().map(|arg| arg.kind),
        _ => None,
    };
    let of_argument = match first {
        Some(ArgKind::OneOf(words)) => words,
        _ => &[],
    };
    let of_argument = of_argument.iter().map(|word| Offer { text: (*word).to_owned(), about: "" });
    children.chain(of_argument).collect()
}

fn flags(target: Target) -> Vec<&'static Flag> {
    target.flags().collect()
}

/// Every name of every flag whose value is the next word.
fn flags_with_values() -> String {
    let all = targets().into_iter().flat_map(flags);
    let with_value = all.filter(|flag| flag.value != ValueKind::Switch);
    let names = with_value.flat_map(|flag| {
        [flag.short.map(|letter| format!("-{letter}")), Some(format!("--{}", flag.name))]
    });
    let names: BTreeSet<String> = names.flatten().collect();
    names.into_iter().collect::<Vec<_>>().join("|")
}

/// The flags whose value is one of some words, and these.
fn choices() -> Vec<(String, String)> {
    let mut seen = BTreeSet::new();
    let mut choices = Vec::new();
    for flag in targets().into_iter().flat_map(flags) {
        let ValueKind::Choice(words) = flag.value else { continue };
        if seen.insert(flag.name) {
            let short = flag.short.map_or_else(String::new, |letter| format!("-{letter}|"));
            choices.push((format!("{short}--{}", flag.name), words.join(" ")));
        }
    }
    choices
}

/// Every path of words that leads to a command or to a group, as a pattern of a shell.
fn paths() -> String {
    let paths = targets().into_iter().map(|target| target.path());
    let paths = paths.filter(|path| !path.is_empty()).map(|path| format!("\"{path}\""));
    paths.collect::<Vec<_>>().join("|")
}

/// A name that functions of a shell may have.
fn identifier(program: &str) -> String {
    program.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// `text` between single quotes.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The part of bash's and zsh's scripts that finds the command: `found` holds it, and `flag` the flag whose value the
/// cursor is on. `WORDS` stands for the words between the program and the cursor.
const WALK: &str = r#"  local found='' flag='' word
  for word in WORDS; do
    if [[ -n $flag ]]; then
      if [[ $word != '=' ]]; then flag=''; fi
      continue
    fi
    case "$word" in
      VALUES) flag=$word ;;
      -*) ;;
      *)
        case "${found:+$found }$word" in
          PATHS) found="${found:+$found }$word" ;;
        esac ;;
    esac
  done
"#;

fn walk(words: &str) -> String {
    WALK.replace("WORDS", words).replace("VALUES", &flags_with_values()).replace("PATHS", &paths())
}

/// For bash.
pub(super) fn bash(program: &str) -> String {
    let name = identifier(program);
    let walk = walk("\"${COMP_WORDS[@]:1:COMP_CWORD-1}\"");
    let choices = choices().into_iter();
    let choices: Vec<String> =
        choices.map(|(flag, words)| format!("    {flag}) words='{words}' ;;\n")).collect();
    let offers: Vec<String> = targets()
        .into_iter()
        .map(|target| {
            let words = words(target).into_iter().map(|offer| offer.text);
            let flags = flags(target).into_iter().map(|flag| format!("--{}", flag.name));
            let join = |words: Vec<String>| words.join(" ");
            let (words, flags) = (join(words.collect()), join(flags.collect()));
            format!("    {}) words='{words}'; flags='{flags}' ;;\n", quoted(&target.path()))
        })
        .collect();
    let (choices, offers) = (choices.concat(), offers.concat());
    format!(
        r#"# Completion of {program} for bash.
_{name}() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} words='' flags=''
  COMPREPLY=()
{walk}  if [[ $cur == '=' ]]; then cur=''; fi
  case "$flag" in
    '') ;;
{choices}    *) return ;;
  esac
  if [[ -n $flag ]]; then COMPREPLY=($(compgen -W "$words" -- "$cur")); return; fi
  case "$found" in
{offers}  esac
  if [[ $cur == -* ]]; then words=$flags; fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}}
complete -o default -F _{name} {program}
"#
    )
}

/// For zsh.
pub(super) fn zsh(program: &str) -> String {
    let name = identifier(program);
    let walk = walk("\"${(@)words[2,CURRENT-1]}\"");
    let choices = choices().into_iter();
    let choices: Vec<String> = choices
        .map(|(flag, words)| format!("    {flag}) compadd -- {words}; return ;;\n"))
        .collect();
    let described =
        |text: &str, about: &str| quoted(&format!("{}:{about}", text.replace(':', "\\:")));
    let offers: Vec<String> = targets()
        .into_iter()
        .map(|target| {
            let words: Vec<_> =
                words(target).iter().map(|offer| described(&offer.text, offer.about)).collect();
            let flags = flags(target).into_iter();
            let flags: Vec<_> =
                flags.map(|flag| described(&format!("--{}", flag.name), flag.help)).collect();
            let (words, flags) = (words.join(" "), flags.join(" "));
            format!("    {}) offers=({words}); flags=({flags}) ;;\n", quoted(&target.path()))
        })
        .collect();
    let (choices, offers) = (choices.concat(), offers.concat());
    format!(
        r#"#compdef {program}
# Completion of {program} for zsh.
_{name}() {{
  local -a offers flags
{walk}  case "$flag" in
    '') ;;
{choices}    *) _files; return ;;
  esac
  case "$found" in
{offers}  esac
  if [[ ${{words[CURRENT]}} == -* ]]; then offers=("${{flags[@]}}"); fi
  if (( ${{#offers}} )); then _describe '{program}' offers; else _files; fi
}}
if [[ ${{funcstack[1]}} == _{name} ]]; then _{name} "$@"; else compdef _{name} {program}; fi
"#
    )
}

/// For fish.
pub(super) fn fish(program: &str) -> String {
    let name = identifier(program);
    let values = flags_with_values().replace('|', " ");
    let paths = paths().replace('|', " ");
    let mut lines = Vec::new();
    for target in targets() {
        let at = format!("complete -c {program} -n '__{name}_at \"{}\"'", target.path());
        for offer in words(target) {
            let about = quoted(offer.about);
            lines.push(format!("{at} -f -a {} -d {about}\n", offer.text));
        }
        for flag in flags(target) {
            let short = flag.short.map_or_else(String::new, |letter| format!(" -s {letter}"));
            let value = match flag.value {
                ValueKind::Switch => String::new(),
                ValueKind::Choice(words) => format!(" -x -a {}", quoted(&words.join(" "))),
                _ => " -r".to_owned(),
            };
            let about = quoted(flag.help);
            lines.push(format!("{at}{short} -l {}{value} -d {about}\n", flag.name));
        }
    }
    let lines = lines.concat();
    format!(
        r#"# Completion of {program} for fish.
function __{name}_at --description 'Whether the line names this command'
  set -l path ''
  set -l skip 0
  for word in (commandline -opc)[2..-1]
    if test $skip = 1
      set skip 0
      continue
    end
    if contains -- $word {values}
      set skip 1
    else if not string match -q -- '-*' $word
      set -l longer (string trim -- "$found $word")
      if contains -- $longer {paths}
        set path $longer
      end
    end
  end
  test "$found" = "$argv[1]"
end
{lines}"#
    )
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// What bash offers for a line whose last word is under the cursor.
    fn offered(line: &[&str]) -> Vec<String> {
        let words = line.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        let script = format!(
            "{}\nCOMP_WORDS=(etcdctl {words})\nCOMP_CWORD={}\n_etcdctl\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
            bash("etcdctl"),
            line.len()
        );
        let output = Command::new("bash").args(["--norc", "-c", &script]).output().unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn bash_completes_commands_flags_and_values() {
        assert_eq!(offered(&["memb"]), ["member"]);
        assert_eq!(offered(&["--endpoints", "a:1", "member", "li"]), ["list"]);
        assert_eq!(offered(&["member", "list", "--cons"]), ["--consistency"]);
        assert_eq!(offered(&["get", "x", "--order", "D"]), ["DESCEND"]);
        assert_eq!(offered(&["get", "--order", "=", "D"]), ["DESCEND"]);
        assert_eq!(offered(&["get", "x", "-w", "js"]), ["json"]);
        assert_eq!(offered(&["completion", "z"]), ["zsh"]);
        assert!(offered(&["get", "--endpoints", "f"]).is_empty());
    }

    /// The shells that are on the machine take their scripts.
    #[test]
    fn every_shell_that_is_there_takes_its_script() {
        for (shell, script) in
            [("bash", bash("etcdctl")), ("zsh", zsh("etcdctl")), ("fish", fish("etcdctl"))]
        {
            let started =
                Command::new(shell).args(["-n", "/dev/stdin"]).stdin(Stdio::piped()).spawn();
            let Ok(mut child) = started else {
                // Only bash is sure to be there.
                assert_ne!(shell, "bash");
                continue;
            };
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), script.as_bytes()).unwrap();
            assert!(child.wait().unwrap().success(), "{shell}");
        }
    }

    #[test]
    fn every_command_and_flag_is_in_every_script() {
        for script in [bash("p"), zsh("p"), fish("p")] {
            for target in targets() {
                assert!(script.contains(&target.path()), "{}", target.path());
                for flag in flags(target) {
                    assert!(script.contains(flag.name), "{}: {}", target.path(), flag.name);
                }
            }
        }
    }
}
