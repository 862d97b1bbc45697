//! Carries out the commands that only the language has; those that only the program around can do are handed to it.

use super::filter::diff;
use super::{CommandOutcome, Reason, Session, keys};
use crate::failure::{Failure, exit};
use crate::format::{Format, readable_bytes};
use crate::language::{
    CD, DIFF, EXPLAIN, HISTORY, LS, PWD, SOURCE, SessionCommand, TIMING, WRITE_OUT, Word,
    parse_script, path_of,
};
use crate::text::{printable, quote};

/// How deep `\source` may go.
const SOURCES_MAX: usize = 8;

impl Session {
    pub(super) async fn own(
        &mut self,
        command: &'static SessionCommand,
        args: &[Word],
    ) -> Result<CommandOutcome, Failure> {
        let args = args.iter().map(|arg| arg.bytes(&self.variables));
        let args = args.collect::<Result<Vec<_>, _>>()?;
        let first = args.first().map_or(&[][..], Vec::as_slice);
        match *command {
            LS => self.list(first).await,
            CD => {
                self.scope = keys::entered(&self.scope, args.first().map(Vec::as_slice));
                Ok(CommandOutcome::default())
            }
            PWD => {
                let shown = if self.scope.is_empty() { b"/" } else { self.scope.as_slice() };
                Ok(CommandOutcome::printed(format!("{}\n", printable(shown))))
            }
            WRITE_OUT if args.is_empty() => {
                Ok(CommandOutcome::printed(format!("{}\n", self.options.style.format.name())))
            }
            WRITE_OUT => {
                let name = String::from_utf8_lossy(first);
                let format = Format::of_language(&name).ok_or_else(|| bad(command, &name))?;
                self.options.style.format = format;
                Ok(CommandOutcome::default())
            }
            TIMING => {
                self.timing = match first {
                    _ if args.is_empty() => !self.timing,
                    b"on" => true,
                    b"off" => false,
                    other => return Err(bad(command, &String::from_utf8_lossy(other))),
                };
                let now = if self.timing { "on" } else { "off" };
                Ok(CommandOutcome::printed(format!("timing is {now}\n")))
            }
            EXPLAIN => self.explain(&args),
            SOURCE => self.source(first).await,
            HISTORY => self.history(first).await,
            DIFF => self.diff(command, &args).await,
            _ => {
                let out = self.host.meta(command, args).await?;
                Ok(CommandOutcome { out, ..CommandOutcome::default() })
            }
        }
    }

    async fn list(&self, prefix: &[u8]) -> Result<CommandOutcome, Failure> {
        let prefix = keys::scoped(&self.scope, prefix);
        let level = keys::list(&self.client, &prefix).await?;
        let mut outcome = CommandOutcome::default();
        let lines = matches!(self.options.style.format, Format::JsonLines | Format::Json);
        for name in &level.names {
            if lines {
                let object = serde_json::json!({"name": readable_bytes(name)});
                outcome.out.extend_from_slice(object.to_string().as_bytes());
            } else {
                outcome.out.extend_from_slice(name);
            }
            outcome.out.push(b'\n');
        }
        if level.more {
            let text = format!("only the first {} names are shown\n", level.names.len());
            outcome.err.extend_from_slice(text.as_bytes());
        }
        Ok(outcome)
    }

    async fn source(&mut self, path: &[u8]) -> Result<CommandOutcome, Failure> {
        let path = path_of(path);
        let name = path.display();
        if self.depth >= SOURCES_MAX {
            let text = format!("{name}: more than {SOURCES_MAX} files inside each other");
            return Err(Failure::new(exit::ERROR, text));
        }
        let text = std::fs::read(&path).map_err(|error| Failure::of_file(&path, &error))?;
        let script = parse_script(&text)
            .map_err(|error| Failure::new(exit::INVALID_INPUT, format!("{name}:{error}")))?;
        self.depth += 1;
        let mut result = Ok(());
        for statement in &script.statements {
            result = self.run(statement).await;
            if result.is_err() {
                break;
            }
        }
        self.depth -= 1;
        match result {
            Ok(()) => Ok(CommandOutcome::default()),
            Err(failed) => {
                let text = format!("{name}:{}: {failed}", failed.line);
                let error = match &failed.reason {
                    Reason::Command(failure) => failure.error.clone(),
                    Reason::Mismatch(_) => None,
                };
                // Whether a change is in doubt stands in the text already.
                Err(Failure { error, ..Failure::new(failed.exit(), text) })
            }
        }
    }

    async fn history(&mut self, key: &[u8]) -> Result<CommandOutcome, Failure> {
        let key = keys::scoped(&self.scope, key);
        let mut out = String::new();
        for kv in keys::history(&self.client, &key).await? {
            let value = quote(&kv.value);
            let line = format!("{}  version {}  {value}\n", kv.mod_revision, kv.version);
            out.push_str(&line);
        }
        Ok(CommandOutcome::printed(out))
    }

    async fn diff(
        &mut self,
        command: &SessionCommand,
        words: &[Vec<u8>],
    ) -> Result<CommandOutcome, Failure> {
        let key = keys::scoped(&self.scope, words.first().map_or(&[][..], Vec::as_slice));
        let mut sides = Vec::new();
        for at in [1, 2] {
            let word = words.get(at).map_or(&b"@now"[..], Vec::as_slice);
            let text = String::from_utf8_lossy(word).into_owned();
            let revision = match text.strip_prefix('@') {
                Some("now") => 0,
                Some(digits) => digits.parse().map_err(|_| bad(command, &text))?,
                None => return Err(bad(command, &text)),
            };
            let kv = keys::at(&self.client, &key, revision).await?;
            let mut value = kv.map(|kv| kv.value.to_vec()).unwrap_or_default();
            if !value.is_empty() && !value.ends_with(b"\n") {
                value.push(b'\n');
            }
            sides.push((text, value));
        }
        match sides.as_slice() {
            [(old_name, old), (new_name, new)] => Ok(CommandOutcome {
                out: diff(old, new, (old_name, new_name)),
                ..CommandOutcome::default()
            }),
            _ => Ok(CommandOutcome::default()),
        }
    }
}

fn bad(command: &SessionCommand, word: &str) -> Failure {
    let text = format!("{word} is not accepted: {}", command.line());
    Failure::new(exit::BAD_ARGS, text)
}
