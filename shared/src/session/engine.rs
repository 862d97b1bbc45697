//! [`Session`]: runs statements, and remembers what stays between them.

#![expect(missing_docs, reason = "names that say all have no comment")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use mini_etcd_proto::etcdserverpb::WatchResponse;
use tokio::time::Instant;

use super::background::Background;
use super::evaluate::evaluate;
use super::golden::{Printed, lines_of, matches, merged};
use super::outcome::status_of;
use super::{CommandOutcome, Emitted, Failed, Host, Mismatch, Ran, Reason, Seen, Sink, Volatile};
use crate::client::{Client, Endpoint};
use crate::failure::{Failure, exit};
use crate::format::{Style, render};
use crate::language::{
    Await, Condition, Expect, Golden, Run, Span, Statement, StatementKind, Subject, Variables,
    Word, uses,
};

/// Background watches at one time.
const WATCHES_MAX: usize = 64;

/// How a session begins.
#[derive(Clone, Debug)]
pub struct Options {
    /// Prefix of this run, `$RUN`.
    pub run: String,
    /// Scratch directory, `$TMP`.
    pub tmp: Option<PathBuf>,
    pub style: Style,
    /// Whether pipes may end in a shell.
    pub allow_shell: bool,
    /// What help calls the program.
    pub program: String,
    /// How long a watch may take to stand.
    pub watch_within: Duration,
    /// Whether golden output is collected instead of compared.
    pub update: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            run: "run".to_owned(),
            tmp: None,
            style: Style::default(),
            allow_shell: false,
            program: String::new(),
            watch_within: Duration::from_secs(5),
            update: false,
        }
    }
}

/// Runs statements one after the other, and remembers what stays between them.
pub struct Session {
    pub(super) client: Client,
    pub(super) options: Options,
    pub(super) sink: Arc<dyn Sink>,
    pub(super) host: Box<dyn Host>,
    pub(super) variables: Variables,
    pub(super) scope: Vec<u8>,
    pub(super) timing: bool,
    pub(super) watches: BTreeMap<String, Background>,
    /// Flags of the `with` blocks that are open, outermost first.
    pub(super) with: Vec<Vec<Word>>,
    pub(super) depth: usize,
    last: CommandOutcome,
    goldens: Vec<(Golden, Vec<String>)>,
    /// What is another one in every run.
    volatile: Volatile,
    assertions: usize,
    /// The command or `await` that began last.
    at: (Span, usize),
}

impl Session {
    #[must_use]
    pub fn new(client: Client, options: Options, sink: Arc<dyn Sink>, host: Box<dyn Host>) -> Self {
        let mut variables = Variables::default();
        variables.set("RUN", options.run.as_bytes());
        if let Some(tmp) = &options.tmp {
            variables.set("TMP", tmp.as_os_str().as_encoded_bytes());
        }
        Self {
            client,
            options,
            sink,
            host,
            variables,
            scope: Vec::new(),
            timing: false,
            watches: BTreeMap::new(),
            with: Vec::new(),
            depth: 0,
            last: CommandOutcome::default(),
            goldens: Vec::new(),
            volatile: Volatile::default(),
            assertions: 0,
            at: (Span::default(), 0),
        }
    }

    #[must_use]
    pub fn last(&self) -> &CommandOutcome {
        &self.last
    }

    #[must_use]
    pub fn variables(&self) -> &Variables {
        &self.variables
    }

    pub fn set_variable(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.variables.set(name, value);
    }

    /// The prefix that `cd` has set, for the prompt.
    #[must_use]
    pub fn scope(&self) -> &[u8] {
        &self.scope
    }

    #[must_use]
    pub fn style(&self) -> Style {
        self.options.style
    }

    pub fn set_style(&mut self, style: Style) {
        self.options.style = style;
    }

    /// Whether each command's time is told.
    #[must_use]
    pub fn timing(&self) -> bool {
        self.timing
    }

    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Goes to other servers; watches and variables stay as they are.
    pub fn set_client(&mut self, client: Client) {
        self.client = client;
    }

    /// The watches in the background, and what they have seen.
    pub fn watches(&self) -> impl Iterator<Item = (&str, Seen)> {
        self.watches.iter().map(|(id, watch)| (id.as_str(), watch.seen()))
    }

    /// Ends a watch in the background; answers whether there was one.
    pub fn cancel(&mut self, id: &str) -> bool {
        self.watches.remove(id).is_some()
    }

    pub fn cancel_all(&mut self) {
        self.watches.clear();
    }

    /// Where the command stands that began last, and its line: the one that was running when a future was dropped.
    #[must_use]
    pub fn at(&self) -> (Span, usize) {
        self.at
    }

    /// How many expectations have been judged.
    #[must_use]
    pub fn assertions(&self) -> usize {
        self.assertions
    }

    /// Golden blocks with what was printed instead, when the options ask for that.
    pub fn take_goldens(&mut self) -> Vec<(Golden, Vec<String>)> {
        std::mem::take(&mut self.goldens)
    }

    /// Runs one statement with all that is in it. To cancel, drop the future.
    ///
    /// # Errors
    /// The first of its commands that failed without being expected to, or an expectation that does not hold.
    pub fn run<'a>(&'a mut self, statement: &'a Statement) -> BoxFuture<'a, Result<(), Failed>> {
        Box::pin(self.statement(statement))
    }

    /// Runs statements one after the other, up to the first that fails.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub async fn run_all(&mut self, statements: &[Statement]) -> Result<(), Failed> {
        for statement in statements {
            self.run(statement).await?;
        }
        Ok(())
    }

    /// Whether a condition holds of what ran last.
    ///
    /// # Errors
    /// When it cannot be told.
    pub fn holds(&self, condition: &Condition) -> Result<bool, Failure> {
        Ok(evaluate(condition, &self.last, &self.variables)?.is_ok())
    }

    async fn statement(&mut self, statement: &Statement) -> Result<(), Failed> {
        // I7: what waits for nothing would otherwise keep everything else waiting, the key that ends it included.
        tokio::task::yield_now().await;
        let (span, line) = (statement.span, statement.line);
        if let StatementKind::Run(_) | StatementKind::Await(_) = &statement.kind
            && self.depth == 0
        {
            self.at = (span, line);
        }
        let command = |failure| Failed { span, line, reason: Reason::Command(Box::new(failure)) };
        match &statement.kind {
            StatementKind::Run(run) => self.run_command(run, span, line).await,
            StatementKind::Expect(expect) => {
                self.assertions += 1;
                self.expect(expect).map_err(|reason| Failed {
                    span: expect.span,
                    line: expect.line,
                    reason,
                })
            }
            StatementKind::Await(wait) => self.wait(wait, span, line).await,
            StatementKind::Cancel(id) if self.cancel(id) => Ok(()),
            StatementKind::Cancel(id) => Err(command(no_watch(id))),
            StatementKind::Set { name, value } => {
                let bytes = value.bytes(&self.variables).map_err(|e| command(e.into()))?;
                for own in
                    value.names().into_iter().filter(|name| ["rev", "elapsed_ms"].contains(name))
                {
                    self.volatile.hold(self.variables.get(own).unwrap_or_default());
                }
                self.variables.set(name, bytes);
                Ok(())
            }
            StatementKind::Test { body, .. }
            | StatementKind::Setup(body)
            | StatementKind::Teardown(body) => self.run_all(body).await,
            StatementKind::Repeat { times, body } => {
                for _ in 0..*times {
                    self.run_all(body).await?;
                }
                Ok(())
            }
            StatementKind::With { flags, body } => {
                self.with.push(flags.clone());
                let result = self.run_all(body).await;
                self.with.pop();
                result
            }
            StatementKind::If { condition, then, otherwise } => {
                let branch = if self.holds(condition).map_err(command)? { then } else { otherwise };
                self.run_all(branch).await
            }
        }
    }

    fn expect(&self, expect: &Expect) -> Result<(), Reason> {
        match evaluate(&expect.condition, &self.last, &self.variables) {
            Err(failure) => Err(Reason::Command(Box::new(failure))),
            Ok(Ok(())) => Ok(()),
            Ok(Err((expected, got))) => {
                Err(Reason::Mismatch(Mismatch { expected, got, line: expect.line }))
            }
        }
    }

    /// Runs a command, again and again when it is to succeed eventually.
    async fn run_command(&mut self, run: &Run, span: Span, line: usize) -> Result<(), Failed> {
        let start = Instant::now();
        loop {
            self.once(run).await;
            let verdict = self.verdict(run);
            let elapsed = start.elapsed();
            let again = run.eventually.filter(|times| verdict.is_err() && elapsed < times.within);
            let Some(times) = again else {
                self.show();
                self.assertions += run.expects.len()
                    + usize::from(run.golden.is_some())
                    + usize::from(run.negated);
                return verdict.map_err(|reason| Failed {
                    span,
                    line: match &reason {
                        Reason::Mismatch(mismatch) => mismatch.line.max(line),
                        Reason::Command(_) => line,
                    },
                    reason: within(reason, run, elapsed),
                });
            };
            let left = times.within.saturating_sub(elapsed);
            tokio::time::sleep(times.every.min(left)).await;
        }
    }

    /// Runs a command once, and remembers what became of it.
    async fn once(&mut self, run: &Run) {
        let start = Instant::now();
        let uses_rev = uses(run, "rev");
        if uses(run, "elapsed_ms") {
            self.volatile.hold(self.variables.get("elapsed_ms").unwrap_or_default());
        }
        let mut outcome = match self.perform(run).await {
            Ok(outcome) => outcome,
            Err(failure) => CommandOutcome::failed(failure),
        };
        outcome.elapsed = start.elapsed();
        self.remember(outcome);
        if self.last.failure.is_none()
            && let Some(name) = &run.capture
        {
            let piped = !run.filters.is_empty() || run.shell.is_some();
            match self.last.primary(piped) {
                Ok(value) => self.variables.set(name, value),
                Err(failure) => self.last.failure = Some(failure),
            }
        }
        self.volatile.take(run, uses_rev, &self.last, &self.variables);
    }

    /// I1
    fn remember(&mut self, outcome: CommandOutcome) {
        let (status, facts) = (outcome.status(), outcome.facts());
        self.variables.set("status", status.to_string());
        self.variables.set("rev", facts.rev.unwrap_or(0).to_string());
        self.variables.set("count", facts.count.unwrap_or(0).to_string());
        self.variables.set("elapsed_ms", outcome.elapsed.as_millis().to_string());
        self.last = outcome;
    }

    /// I5: what the last try printed, and how long it took.
    fn show(&self) {
        if !self.last.out.is_empty() {
            self.sink.emit(Emitted::Out(&self.last.out));
        }
        if !self.last.err.is_empty() {
            self.sink.emit(Emitted::Err(&self.last.err));
        }
        if self.timing {
            let took = crate::text::duration(self.last.elapsed);
            self.sink.emit(Emitted::Notice(&format!("took {took}")));
        }
        self.tell();
    }

    /// Lines of a file that is run by `\source` count as part of that command.
    fn tell(&self) {
        let (span, line) = self.at;
        self.sink.ran(Ran { span, line, outcome: &self.last });
    }

    fn verdict(&mut self, run: &Run) -> Result<(), Reason> {
        let asks_for_error = run.expects.iter().any(|expect| {
            matches!(
                &expect.condition,
                Condition::Error { .. } | Condition::Holds { subject: Subject::Exit, .. }
            )
        });
        match &self.last.failure {
            None if run.negated => {
                return Err(Reason::Mismatch(Mismatch {
                    expected: "a failure".to_owned(),
                    got: "ok".to_owned(),
                    line: 0,
                }));
            }
            Some(failure) if !run.negated && !asks_for_error => {
                return Err(Reason::Command(Box::new(failure.clone())));
            }
            _ => {}
        }
        run.expects.iter().try_for_each(|expect| self.expect(expect))?;
        self.golden(run.golden.as_ref(), Some(run))
    }

    /// Compares golden output, or collects it with `<*>` for what is another one in every run.
    fn golden(&mut self, golden: Option<&Golden>, run: Option<&Run>) -> Result<(), Reason> {
        let Some(golden) = golden else { return Ok(()) };
        let printed = lines_of(&self.last.out);
        if self.options.update {
            let endpoints = &self.client.config().endpoints;
            let masked = Printed {
                run,
                outcome: &self.last,
                volatile: &self.volatile,
                endpoints: endpoints.iter().map(Endpoint::as_str).collect(),
            }
            .masked(&printed);
            self.goldens.push((golden.clone(), merged(&golden.lines, &printed, &masked)));
            return Ok(());
        }
        let same = golden.lines.len() == printed.len()
            && golden.lines.iter().zip(&printed).all(|(wanted, line)| matches(wanted, line));
        if same {
            return Ok(());
        }
        let shown = |lines: &[String]| format!("output\n{}", lines.join("\n"));
        let (expected, got) = (shown(&golden.lines), shown(&printed));
        Err(Reason::Mismatch(Mismatch { expected, got, line: golden.line }))
    }

    async fn wait(&mut self, wait: &Await, span: Span, line: usize) -> Result<(), Failed> {
        let failed = |reason| Failed { span, line, reason };
        let start = Instant::now();
        let Some(watch) = self.watches.get(&wait.id) else {
            return Err(failed(Reason::Command(Box::new(no_watch(&wait.id)))));
        };
        let seen = watch.wait(wait.events, wait.within).await;
        self.assertions += 1 + wait.expects.len() + usize::from(wait.golden.is_some());
        let enough = seen.events >= wait.events;
        let summary = seen.summary();
        let style = self.options.style;
        let response = WatchResponse { events: seen.kept.into(), ..seen.last.unwrap_or_default() };
        let rendered =
            render(&response, style, "").or_else(|_| render(&response, Style::default(), ""));
        let mut outcome = CommandOutcome {
            events: Some(seen.events),
            elapsed: start.elapsed(),
            out: rendered.map(|rendered| rendered.out).unwrap_or_default(),
            answer: Some(Arc::new(response)),
            format: style.format,
            ..CommandOutcome::default()
        };
        if !enough {
            outcome.failure = Some(Failure::new(exit::ERROR, format!("got {summary}")));
        }
        self.remember(outcome);
        self.tell();
        if !enough {
            let expected = format!("{{ events: {} }} within {:?}", wait.events, wait.within);
            return Err(failed(Reason::Mismatch(Mismatch { expected, got: summary, line })));
        }
        for expect in &wait.expects {
            self.expect(expect).map_err(|reason| Failed { span, line: expect.line, reason })?;
        }
        self.golden(wait.golden.as_ref(), None).map_err(failed)
    }

    /// The flags of the open `with` blocks, before those of the line itself.
    pub(super) fn words_with(&self, words: &[Word]) -> Vec<Word> {
        self.with.iter().flatten().chain(words).cloned().collect()
    }

    /// What a word holds, as text.
    pub(super) fn text(&self, word: &Word) -> Result<Vec<u8>, Failure> {
        word.text(&self.variables).map_err(Failure::from)
    }

    /// A key with the scope before it.
    pub(super) fn key(&self, word: &Word) -> Result<Bytes, Failure> {
        Ok(super::keys::scoped(&self.scope, &word.bytes(&self.variables)?))
    }

    pub(super) fn room_for_watch(&self, id: &str) -> Result<(), Failure> {
        if self.watches.contains_key(id) {
            let text = format!("there is a watch {id} already; `cancel {id}` ends it");
            return Err(Failure::new(exit::ERROR, text));
        }
        if self.watches.len() >= WATCHES_MAX {
            let text = format!("there are {WATCHES_MAX} watches already; `cancel ID` ends one");
            return Err(Failure::new(exit::ERROR, text));
        }
        Ok(())
    }
}

fn no_watch(id: &str) -> Failure {
    Failure::new(exit::ERROR, format!("there is no watch {id}; `watch KEY & as {id}` starts one"))
}

/// Says how long it was tried.
fn within(reason: Reason, run: &Run, elapsed: Duration) -> Reason {
    let Some(times) = run.eventually else { return reason };
    let tried = format!("within {:?} (tried for {elapsed:.1?})", times.within);
    match reason {
        Reason::Mismatch(mismatch) => Reason::Mismatch(Mismatch {
            expected: format!("{} {tried}", mismatch.expected),
            ..mismatch
        }),
        Reason::Command(failure) => {
            let status = status_of(&failure);
            let text = format!("{}, {tried}", failure.text);
            Reason::Command(Box::new(Failure { text, exit: status, ..*failure }))
        }
    }
}
