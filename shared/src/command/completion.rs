//! `completion`: prints the script with which a shell completes command lines.

use super::completion_scripts::{bash, fish, zsh};
use super::spec::{Arg, ArgKind, CommandSpec, Effect};
use super::target::Target;
use super::{CommandLine, Made, Refusal, Report, Request};
use crate::failure::{Failure, exit};
use crate::format::{Answer, Field, Format, Page, Value};
use crate::text::quote;

/// The shells.
const SHELLS: &[&str] = &["bash", "fish", "zsh"];

/// `completion`
pub(super) const COMPLETION: CommandSpec = CommandSpec {
    effect: Effect::Local,
    args: &[Arg::needed("shell", ArgKind::OneOf(SHELLS))],
    long: "bash: source <(mini-etcdctl completion bash), in ~/.bashrc\nzsh:  mini-etcdctl completion zsh > \"${fpath[1]}/_mini-etcdctl\", once\nfish: mini-etcdctl completion fish > ~/.config/fish/completions/mini-etcdctl.fish, once",
    examples: &["completion bash", "completion fish"],
    shell: true,
    ..CommandSpec::new("completion", "Prints the script that completes lines in a shell", made)
};

fn made(line: &CommandLine<'_>) -> Made {
    let refuse = |text: String| Refusal {
        help: Some(Target::Command(&COMPLETION)),
        ..Refusal::new(exit::ERROR, text)
    };
    let [shell] = line.args() else {
        let given = line.args().len();
        return Err(refuse(format!("accepts 1 arg(s), received {given}")));
    };
    let script = match shell.as_ref() {
        b"bash" => bash,
        b"fish" => fish,
        b"zsh" => zsh,
        other => {
            let other = quote(other);
            return Err(refuse(format!(
                "invalid argument {other} for \"completion\": accepted are {}",
                SHELLS.join(", ")
            )));
        }
    };
    Ok(Box::new(Completion(script)))
}

/// A script, by the name of the program.
#[derive(Clone, Debug)]
struct Completion(fn(&str) -> String);

impl Request for Completion {
    fn local(&self) -> Option<Report> {
        Some(Report::of(self.clone()))
    }
}

impl Answer for Completion {
    fn shown(&self, _hex: bool) -> Value {
        vec![Field::in_json("script", &self.0("mini-etcdctl"))].into()
    }

    fn simple(&self, page: &mut Page<'_>) {
        let program = if page.program.is_empty() { "mini-etcdctl" } else { page.program };
        page.write(self.0(program).as_bytes());
    }

    fn format(&self, asked: Format) -> Result<Format, Failure> {
        Ok(asked.or_simple())
    }
}
