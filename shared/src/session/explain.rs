//! What `\h` shows: help for whatever a line may begin with.

use super::{CommandOutcome, Session};
use crate::command::{TABLE, Target, help};
use crate::failure::{Failure, exit};
use crate::language::{EXTRAS, FILTERS, KEYWORDS, METAS, SessionCommand, session_command};

impl Session {
    pub(super) fn explain(&self, words: &[Vec<u8>]) -> Result<CommandOutcome, Failure> {
        if words.is_empty() {
            return Ok(CommandOutcome::printed(Self::overview()));
        }
        let mut target = Target::Root;
        for word in words {
            let text = String::from_utf8_lossy(word);
            if let Some(command) = session_command(&text) {
                let SessionCommand { name, short, .. } = command;
                return Ok(CommandOutcome::printed(format!(
                    "{name} {}\n  {short}\n",
                    command.usage()
                )));
            }
            if let Some((_, usage, short)) = KEYWORDS.iter().find(|(name, ..)| *name == text) {
                return Ok(CommandOutcome::printed(format!("{usage}\n  {short}\n")));
            }
            target = target.next(word).ok_or_else(|| {
                Failure::new(exit::ERROR, format!("no command {text}; \\h alone lists them"))
            })?;
        }
        Ok(CommandOutcome::printed(help(&self.options.program, target)))
    }

    /// Everything that a line may begin with.
    pub(super) fn overview() -> String {
        let commands =
            TABLE.iter().map(|spec| (format!("{} {}", spec.path(), spec.usage()), spec.short));
        let own = |commands: &'static [SessionCommand]| {
            commands.iter().map(|command| (command.line(), command.short))
        };
        let words = KEYWORDS.iter().map(|(_, usage, short)| ((*usage).to_owned(), *short));
        let filters = FILTERS.iter().map(|(_, usage, short)| (format!("| {usage}"), *short));
        let all: Vec<_> =
            commands.chain(own(EXTRAS)).chain(words).chain(filters).chain(own(METAS)).collect();
        let width = all.iter().map(|(usage, _)| usage.trim_end().len()).max().unwrap_or(0);
        let line =
            |(usage, short): &(String, &str)| format!("{:width$}  {short}\n", usage.trim_end());
        all.iter().map(line).collect()
    }
}
