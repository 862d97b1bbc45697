//! docs/repl.md: each block in a fresh directory, on members of its own.
//!
//! `$ mini-etcd-tui repl ...` is typed in a terminal and so are the lines below it; a block that begins with the prompt of the
//! REPL has it on one bundled member. Any other `$` line runs in a shell. A script of the page, fenced as `ers` with its
//! name in a comment on top, lies in the directory.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use mini_etcd_shared::language::parse_script;

use crate::blocks::{Block, SHELL, Step, blocks, page, steps, typed};
use crate::mask::{is_news, masked};
use crate::prompt::Prompt;
use crate::readme::shell;

const PAGE: &str = "docs/repl.md";
/// How long news of the background may take before a step is wrong, and before it is written anew.
const NEWS_WITHIN: Duration = Duration::from_secs(10);
const NEWS_WITHIN_WHEN_WRITTEN: Duration = Duration::from_millis(500);
/// Blocks that run at a time.
const AT_A_TIME: usize = 4;

/// One block, run.
struct Running<'a> {
    dir: &'a Path,
    prompt: Option<Prompt>,
    /// Of the last command of the shell.
    code: i32,
    /// Whether the page is written anew.
    update: bool,
}

impl Running<'_> {
    /// The step as it went.
    fn step(&mut self, step: &Step) -> anyhow::Result<Step> {
        if step.prompt != SHELL {
            return self.typed(step);
        }
        self.leave()?;
        let output = if step.input.contains("mini-etcd-tui repl") {
            self.prompt.insert(Prompt::start(&step.input, self.dir)?).greeting.clone()
        } else {
            self.shell(&step.input)?
        };
        Ok(Step { output, ..step.clone() })
    }

    /// What a command of the shell prints, on both outputs.
    fn shell(&mut self, command: &str) -> anyhow::Result<Vec<String>> {
        let command = format!("exec 2>&1; (exit {}); {command}", self.code);
        let output = shell(&command, self.dir)?.env_remove("ETCDCTL_ENDPOINTS").output()?;
        self.code = output.status.code().context("a signal")?;
        Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
    }

    /// A statement at the prompt.
    fn typed(&mut self, step: &Step) -> anyhow::Result<Step> {
        if self.prompt.is_none() {
            self.prompt = Some(Prompt::start("mini-etcd-tui repl --bundled 1", self.dir)?);
        }
        let prompt = self.prompt.as_mut().context("a prompt")?;
        let (shown, _) = prompt.shown();
        let wanted = masked(&step.output);
        // Answers stand above the next prompt; only news come later.
        let quiet = match (self.update, wanted.iter().any(|line| is_news(line))) {
            (true, _) => NEWS_WITHIN_WHEN_WRITTEN,
            (false, true) => NEWS_WITHIN,
            (false, false) => Duration::ZERO,
        };
        let output = prompt.types(&step.input, quiet, |output| masked(output) == wanted)?;
        Ok(Step { prompt: shown, output, ..step.clone() })
    }

    fn leave(&mut self) -> anyhow::Result<()> {
        self.prompt.take().map_or(Ok(()), |mut prompt| prompt.leaves())
    }
}

/// The steps of a block as they go.
fn run(block: &Block, scripts: &[Block], update: bool) -> anyhow::Result<Vec<Step>> {
    let dir = tempfile::tempdir()?;
    for script in scripts {
        let name = script.text.first().and_then(|line| line.strip_prefix("# "));
        let name = name.context("a script begins with its name")?;
        std::fs::write(dir.path().join(name), script.text.join("\n") + "\n")?;
    }
    let mut running = Running { dir: dir.path(), prompt: None, code: 0, update };
    let steps = steps(&block.text);
    let went = steps
        .iter()
        .map(|step| running.step(step).with_context(|| format!("{}> {}", step.prompt, step.input)));
    let went = went.collect::<anyhow::Result<Vec<_>>>()?;
    running.leave()?;
    Ok(went)
}

#[test]
fn every_script_follows_the_grammar() -> anyhow::Result<()> {
    for script in blocks(&page(PAGE)?, "ers") {
        let text = script.text.join("\n") + "\n";
        parse_script(text.as_bytes()).with_context(|| text.clone())?;
    }
    Ok(())
}

/// Whether a step went as it stands on the page. A connection that is lost may be back a moment sooner or later.
fn is_same(stands: &Step, went: &Step) -> bool {
    let prompt = |step: &Step| step.prompt.replace(" (lost)", "");
    prompt(stands) == prompt(went) && masked(&stands.output) == masked(&went.output)
}

/// What is wrong with a step.
fn shown(block: &Block, stands: &Step, went: &Step) -> String {
    let line = block.lines.start + 1;
    let [stands, went] = [stands, went].map(|step| step.lines().join("\n"));
    format!("in the block at line {line}:\n{stands}\nwas\n{went}\n\n")
}

/// Goal: what the page shows is what the program prints. Method: every block is typed and compared.
#[test]
fn every_example_prints_what_it_shows() -> anyhow::Result<()> {
    let text = page(PAGE)?;
    let (blocks, scripts) = (blocks(&text, "console"), blocks(&text, "ers"));
    let typed = text.lines().filter(|line| typed(line).is_some()).count();
    let in_blocks: usize = blocks.iter().map(|block| steps(&block.text).len()).sum();
    ensure!(
        in_blocks > 0 && in_blocks == typed,
        "{PAGE} has prompts outside of its `console` blocks"
    );
    let update = std::env::var_os("UPDATE_DOCS").is_some();
    let mut went = Vec::new();
    for some in blocks.chunks(AT_A_TIME) {
        went.extend(std::thread::scope(|scope| {
            let scripts = &scripts;
            let start = |block| scope.spawn(move || run(block, scripts, update));
            let running: Vec<_> = some.iter().map(start).collect();
            let ended = running.into_iter().map(|thread| thread.join().expect("a block"));
            ended.collect::<anyhow::Result<Vec<_>>>()
        })?);
    }
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut wrong = String::new();
    // From the end, so that what is written does not move what is to be written.
    for (block, went) in blocks.iter().zip(&went).rev() {
        let stands = steps(&block.text);
        let differ = stands.iter().zip(went).filter(|(stands, went)| !is_same(stands, went));
        let differ: Vec<_> = differ.map(|(stands, went)| shown(block, stands, went)).collect();
        if !differ.is_empty() {
            wrong.insert_str(0, &differ.concat());
            lines.splice(block.lines.clone(), went.iter().flat_map(Step::lines));
        }
    }
    if update {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(PAGE);
        std::fs::write(path, lines.join("\n") + "\n")?;
        return Ok(());
    }
    ensure!(wrong.is_empty(), "{PAGE} is stale; UPDATE_DOCS=1 writes it anew.\n{wrong}");
    Ok(())
}
