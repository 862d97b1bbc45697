//! What helps while a line is typed: completion, hints, colours, and whether it is whole.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use mini_etcd_shared::complete::{ClientSource, Context, MarkKind, complete, danger, hint, marks};
use mini_etcd_shared::language::parse_input;
use rustyline::completion::{Completer, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hint, Hinter};
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context as LineContext, Helper, Result};
use tokio::runtime::Handle;

const PLAIN: &str = "\x1b[0m";

/// Helps while a line is typed.
pub(super) struct LineHelper {
    pub runtime: Handle,
    pub source: Arc<ClientSource>,
    pub context: Arc<Mutex<Context>>,
    pub color: bool,
}

impl LineHelper {
    fn context(&self) -> Context {
        self.context.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Completer for LineHelper {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &LineContext<'_>) -> Result<(usize, Vec<Pair>)> {
        let context = self.context();
        // I1: it has a deadline. The runtime waits for this line, so it is free to carry it out.
        let found = self.runtime.block_on(complete(line.as_bytes(), pos, &context, &*self.source));
        let followed = line.as_bytes().get(pos).is_some_and(|byte| *byte != b'\n');
        let pairs = found.candidates.into_iter().map(|candidate| {
            let blank = if candidate.ends && !followed { " " } else { "" };
            Pair { replacement: candidate.text + blank, display: candidate.shown }
        });
        Ok((found.span.start, pairs.collect()))
    }
}

/// What is shown behind the cursor.
pub(super) struct LineHint {
    shown: String,
    insert: Option<String>,
}

impl Hint for LineHint {
    fn display(&self) -> &str {
        &self.shown
    }

    fn completion(&self) -> Option<&str> {
        self.insert.as_deref()
    }
}

impl Hinter for LineHelper {
    type Hint = LineHint;

    fn hint(&self, line: &str, pos: usize, _: &LineContext<'_>) -> Option<LineHint> {
        if pos < line.len() || line.is_empty() {
            return None;
        }
        let found = hint(line.as_bytes(), &self.context());
        let (mut shown, insert) =
            found.map_or_else(Default::default, |hint| (hint.shown, hint.insert));
        if let Some(why) = danger(line.as_bytes()) {
            shown.push_str("   ! ");
            shown.push_str(why);
        }
        (!shown.is_empty()).then_some(LineHint { shown, insert })
    }
}

fn color_of(kind: MarkKind) -> &'static str {
    match kind {
        MarkKind::Command => "\x1b[1m",
        MarkKind::Unknown => "\x1b[31m",
        MarkKind::Danger => "\x1b[1;31m",
        MarkKind::Flag => "\x1b[36m",
        MarkKind::Quoted => "\x1b[32m",
        MarkKind::Variable => "\x1b[33m",
        MarkKind::Operator => "\x1b[35m",
        MarkKind::Comment => "\x1b[2m",
    }
}

impl Highlighter for LineHelper {
    fn highlight<'l>(&self, line: &'l str, _pos: usize) -> Cow<'l, str> {
        if !self.color {
            return Cow::Borrowed(line);
        }
        let mut out = String::with_capacity(line.len() * 2);
        let mut at = 0;
        for mark in marks(line.as_bytes()) {
            let plain = line.get(at..mark.span.start);
            let (Some(plain), Some(text)) = (plain, line.get(mark.span.start..mark.span.end))
            else {
                continue;
            };
            out.push_str(plain);
            out.push_str(color_of(mark.kind));
            out.push_str(text);
            out.push_str(PLAIN);
            at = mark.span.end;
        }
        out.push_str(line.get(at..).unwrap_or_default());
        Cow::Owned(out)
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        if !self.color {
            return Cow::Borrowed(hint);
        }
        match hint.split_once("   ! ") {
            None => Cow::Owned(format!("\x1b[2m{hint}{PLAIN}")),
            Some((rest, why)) => {
                Cow::Owned(format!("\x1b[2m{rest}{PLAIN}\x1b[31m   ! {why}{PLAIN}"))
            }
        }
    }

    fn highlight_char(&self, _line: &str, _pos: usize, kind: CmdKind) -> bool {
        self.color && kind != CmdKind::MoveCursor
    }
}

impl Validator for LineHelper {
    fn validate(&self, ctx: &mut ValidationContext<'_>) -> Result<ValidationResult> {
        let open = parse_input(ctx.input().as_bytes()).is_err_and(|error| error.incomplete);
        Ok(if open { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}

impl Helper for LineHelper {}
