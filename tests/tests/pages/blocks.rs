//! The blocks of a page, and the steps of a block.

use std::ops::Range;
use std::path::Path;

use anyhow::Context;
use mini_etcd_shared::language::parse_input;

/// What a shell's prompt is on the pages.
pub const SHELL: &str = "$";

/// What stands between two fences.
#[derive(Debug)]
pub struct Block {
    /// Its lines, among those of the page.
    pub lines: Range<usize>,
    pub text: Vec<String>,
}

/// Something typed, and what it must print.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// What it is typed behind: `$`, or what the REPL shows.
    pub prompt: String,
    pub input: String,
    pub output: Vec<String>,
}

impl Step {
    /// The step as it stands on a page.
    pub fn lines(&self) -> Vec<String> {
        let mut input = self.input.split('\n');
        let first = input.next().unwrap_or_default();
        let mark = if self.prompt == SHELL { "" } else { ">" };
        let mut lines = vec![format!("{}{mark} {first}", self.prompt).trim_end().to_owned()];
        let more = if self.prompt == SHELL { "> " } else { "" };
        lines.extend(input.map(|line| format!("{more}{line}").trim_end().to_owned()));
        lines.extend(self.output.iter().cloned());
        lines
    }
}

/// A page of the tree.
pub fn page(name: &str) -> anyhow::Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    std::fs::read_to_string(path).context(name.to_owned())
}

/// The blocks of a page that are fenced so.
pub fn blocks(page: &str, fence: &str) -> Vec<Block> {
    let opening = format!("```{fence}");
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (at, line) in page.lines().enumerate() {
        match open.as_mut() {
            None if line == opening => {
                open = Some(Block { lines: at + 1..at + 1, text: Vec::new() });
            }
            None => {}
            Some(_) if line == "```" => blocks.extend(open.take()),
            Some(block) => {
                block.lines.end = at + 1;
                block.text.push(line.to_owned());
            }
        }
    }
    blocks
}

/// Prompt and input of a line that has a prompt.
pub fn typed(line: &str) -> Option<(&str, &str)> {
    if let Some(input) = line.strip_prefix("$ ") {
        return Some((SHELL, input));
    }
    let (prompt, input) = line.split_once('>')?;
    let number = prompt.strip_prefix("bundled-")?;
    number.starts_with(|first: char| first.is_ascii_digit()).then_some(())?;
    Some((prompt, input.strip_prefix(' ').unwrap_or(input)))
}

/// The steps of a block. A statement or command may go on in the next lines; in a shell these begin with `>`.
pub fn steps(lines: &[String]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in lines {
        if let Some((prompt, input)) = typed(line) {
            steps.push(Step { prompt: prompt.into(), input: input.into(), output: Vec::new() });
            continue;
        }
        let Some(step) = steps.last_mut() else { continue };
        let more = match step.prompt.as_str() {
            _ if !step.output.is_empty() => None,
            SHELL => line.strip_prefix("> ").or((line == ">").then_some("")),
            _ => is_open(&step.input).then_some(line.as_str()),
        };
        match more {
            Some(more) => {
                step.input.push('\n');
                step.input.push_str(more);
            }
            None => step.output.push(line.clone()),
        }
    }
    steps
}

/// Whether more lines belong to what was typed.
fn is_open(input: &str) -> bool {
    parse_input(input.as_bytes()).is_err_and(|error| error.incomplete)
}
