//! Runs one command of a [`Session`]: from its words to the output behind its pipes.

use std::fs::File;
use std::sync::Arc;

use futures::future::BoxFuture;
use mini_etcd_proto::etcdserverpb::request_op::Request;
use mini_etcd_proto::etcdserverpb::{RangeRequest, RequestOp, TxnRequest, WatchCreateRequest};

use super::background::{Background, Shown, news_of, text_of};
use super::engine::Session;
use super::filter::apply;
use super::shell::through_shell;
use super::{CommandOutcome, Emitted, Host, Sink, WatchNews, keys, settings};
use crate::client::{Access, Client, Endpoint};
use crate::command::{
    Effect, Grammar, Help, Input, Parsed, Prompt, Refusal, Report, Scope, TXN, Target, Watch,
    compare_of, op_of_parsed, parse_for, parse_within, request_of,
};
use crate::failure::{Failure, done, exit};
use crate::format::{Style, render};
use crate::language::{Action, Run, Txn, Word, path_of};

/// A session has no standard input but the heredoc of a line.
struct Fed<'a> {
    heredoc: Option<Vec<u8>>,
    host: &'a mut dyn Host,
}

impl Input for Fed<'_> {
    fn line(&mut self) -> Option<Vec<u8>> {
        None
    }

    fn rest(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn prompt(&mut self, _prompt: Prompt) {}

    fn given_password(&mut self) -> Result<Vec<u8>, Failure> {
        self.heredoc.take().ok_or_else(|| {
            let text =
                "--interactive=false reads the password from a heredoc: <<END, a line with it, END";
            Failure::new(exit::BAD_ARGS, text)
        })
    }

    fn ask_password<'a>(&'a mut self, prompt: &'a str) -> BoxFuture<'a, Result<String, Failure>> {
        self.host.ask_password(prompt)
    }
}

impl Session {
    /// Runs the action of a line and puts its output through the pipes.
    pub(super) async fn perform(&mut self, run: &Run) -> Result<CommandOutcome, Failure> {
        if run.shell.is_some() && !self.options.allow_shell {
            let text = "a pipe into a shell is not allowed here; `run` and batches of `repl` take it with --allow-shell";
            return Err(Failure::new(exit::ERROR, text));
        }
        let mut outcome = self.act(run).await?;
        if outcome.failure.is_some() {
            return Ok(outcome);
        }
        for filter in &run.filters {
            outcome.out = apply(filter, &outcome.out, &self.variables)?;
        }
        if let Some(shell) = &run.shell {
            self.host.lend(true);
            let piped = through_shell(shell, &outcome.out, &self.variables).await;
            self.host.lend(false);
            outcome.out = piped?;
        }
        if let Some(file) = run.redirect.as_ref().filter(|_| run.background.is_none()) {
            let path = path_of(&self.text(file)?);
            let written = std::fs::write(&path, &outcome.out);
            written.map_err(|error| Failure::of_file(&path, &error))?;
            outcome.out.clear();
        }
        Ok(outcome)
    }

    async fn act(&mut self, run: &Run) -> Result<CommandOutcome, Failure> {
        match &run.action {
            Action::Command { target, words } => self.command(*target, words, run).await,
            Action::Txn(txn) => self.txn(txn).await,
            Action::Session { command, args } => self.own(command, args).await,
        }
    }

    /// A command of the table.
    async fn command(
        &mut self,
        target: Target,
        words: &[Word],
        run: &Run,
    ) -> Result<CommandOutcome, Failure> {
        let mut words = self.words_with(words);
        let heredoc = target.takes_input().then(|| take_heredoc(&mut words)).flatten();
        let heredoc = heredoc.map(|word| self.text(&word)).transpose()?;
        let mut parsed =
            parse_for(target, settings::given(&words, &self.variables)?).map_err(refused)?;
        keys::scope_arguments(&self.scope, &mut parsed);
        let style = settings::style(&parsed, self.options.style)?;
        if let Target::Command(spec) = target {
            self.allow(spec.effect)?;
        }
        let request = request_of(&parsed, &Scope::default()).map_err(refused)?;
        if let Some(watch) = request.downcast::<Watch>() {
            return self.watch(watch, &parsed, style, run).await;
        }
        if matches!(request.downcast::<Help>(), Some(Help { target: Target::Root, .. })) {
            return Ok(CommandOutcome::printed(Self::overview()));
        }
        if let Some(report) = request.local() {
            // It asks nobody, so it does not matter how.
            return Ok(self.outcome(report, style));
        }
        let client = settings::client(&parsed, &self.client).await?;
        let fed = &mut Fed { heredoc, host: self.host.as_mut() };
        let mut report = request.run(&client, fed).await;
        // What is done in steps is told step by step: the last one is what it comes to.
        while let Some((wait, next)) = report.again.take().filter(|_| report.failure.is_none()) {
            let mut pending = Pending { text: next.pending(), sink: &*self.sink };
            let step = self.outcome(report, style);
            self.sink.emit(Emitted::Err(&step.err));
            self.sink.emit(Emitted::Out(&step.out));
            tokio::time::sleep(wait).await;
            let fed = &mut Fed { heredoc: None, host: self.host.as_mut() };
            report = next.run(&client, fed).await;
            pending.text = None;
        }
        Ok(self.outcome(report, style))
    }

    /// Refuses what would change the cluster, when its client only reads: before anything of the line is done.
    fn allow(&self, effect: Effect) -> Result<(), Failure> {
        let read_only = self.client.config().access == Access::ReadOnly;
        if read_only && matches!(effect, Effect::Writes | Effect::Destroys) {
            let text = "this would change the cluster, and the session is read-only";
            return Err(Failure::new(exit::ERROR, text));
        }
        Ok(())
    }

    fn outcome(&self, report: Report, style: Style) -> CommandOutcome {
        let mut outcome = CommandOutcome {
            failure: report.failure,
            format: style.format,
            ..CommandOutcome::default()
        };
        for note in report.notes {
            outcome.err.extend_from_slice(note.as_bytes());
            outcome.err.push(b'\n');
        }
        if let Some(answer) = &report.answer {
            match render(answer.as_ref(), style, &self.options.program) {
                Ok(rendered) => {
                    outcome.out = rendered.out;
                    outcome.err.extend(rendered.err);
                }
                Err(failure) => outcome.failure = outcome.failure.or(Some(failure)),
            }
        }
        outcome.answer = report.answer.map(Arc::from);
        outcome
    }

    /// A transaction that is written out.
    async fn txn(&mut self, txn: &Txn) -> Result<CommandOutcome, Failure> {
        let target = Target::Command(&TXN);
        let flags = self.words_with(&txn.flags);
        let parsed =
            parse_for(target, settings::given(&flags, &self.variables)?).map_err(refused)?;
        let style = settings::style(&parsed, self.options.style)?;
        let mut request = TxnRequest::default();
        for compare in &txn.compares {
            let key = self.key(&compare.key)?;
            let value = compare.value.bytes(&self.variables)?;
            let shown = format!("{}({})", compare.target, crate::text::quote(&key));
            let operator = compare.operator.as_bytes();
            request.compare.push(compare_of(&compare.target, &key, operator, &value, &shown)?);
        }
        for (operations, requests) in
            [(&txn.success, &mut request.success), (&txn.failure, &mut request.failure)]
        {
            for operation in operations {
                let target = Target::Command(operation.command);
                let given = settings::given(&operation.words, &self.variables)?;
                let mut parsed =
                    parse_within(Grammar::Operation, target, given).map_err(refused)?;
                keys::scope_arguments(&self.scope, &mut parsed);
                requests.push(op_of_parsed(&parsed).map_err(refused)?);
            }
        }
        let reads = |op: &RequestOp| matches!(op.request, Some(Request::RequestRange(_)));
        if !request.success.iter().chain(&request.failure).all(reads) {
            self.allow(Effect::Writes)?;
        }
        let client = settings::client(&parsed, &self.client).await?;
        Ok(self.outcome(done(client.txn(request).await).into(), style))
    }

    async fn watch(
        &mut self,
        watch: &Watch,
        parsed: &Parsed,
        style: Style,
        run: &Run,
    ) -> Result<CommandOutcome, Failure> {
        let Some(request) = watch.request.clone() else {
            return Err(Failure::new(exit::BAD_ARGS, "watch needs a key"));
        };
        let client = settings::client(parsed, &self.client).await?;
        let file = match &run.redirect {
            None => None,
            Some(word) => {
                let path = path_of(&self.text(word)?);
                Some(File::create(&path).map_err(|error| Failure::of_file(&path, &error))?)
            }
        };
        let Some(id) = &run.background else {
            return self.follow(&client, request, style).await;
        };
        self.room_for_watch(id)?;
        let request = behind_all_that_is(&client, request).await;
        let shown = Shown { id: id.clone(), style, sink: Arc::clone(&self.sink), file };
        let stream = client.watch(request).require_leader();
        let endpoints = &client.config().endpoints;
        let asked: Vec<_> = endpoints.iter().map(Endpoint::as_str).collect();
        let within = self.options.watch_within;
        let started = Background::start(stream, shown, asked.join(", "), within).await?;
        self.watches.insert(id.clone(), started);
        Ok(CommandOutcome::default())
    }

    /// A watch that is waited for: it ends when the server ends it, or when the future is dropped.
    async fn follow(
        &self,
        client: &Client,
        request: WatchCreateRequest,
        style: Style,
    ) -> Result<CommandOutcome, Failure> {
        let mut stream = client.watch(request).require_leader();
        while let Some(item) = stream.next().await {
            let news = news_of(item);
            match &news {
                WatchNews::Events(_) => self.sink.emit(Emitted::Out(&text_of(&news, style))),
                WatchNews::Progress(revision) => {
                    self.sink.emit(Emitted::Notice(&format!("progress notify: {revision}")));
                }
                WatchNews::Lost { reason, revision } => {
                    let text =
                        format!("connection lost, the watch goes on at {revision}: {reason}");
                    self.sink.emit(Emitted::Notice(&text));
                }
                WatchNews::Standing { .. } => {}
                WatchNews::Ended(reason) => {
                    return Err(Failure::new(exit::INTERRUPTED, reason.clone()));
                }
            }
        }
        Err(Failure::new(exit::INTERRUPTED, "the server ended the watch"))
    }
}

/// Says where things stand when a command that is done in steps is dropped before its end.
struct Pending<'a> {
    text: Option<String>,
    sink: &'a dyn Sink,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if let Some(text) = &self.text {
            self.sink.emit(Emitted::Notice(text));
        }
    }
}

/// A watch that begins now begins behind everything that was acknowledged before, also on a member that lags.
async fn behind_all_that_is(client: &Client, request: WatchCreateRequest) -> WatchCreateRequest {
    if request.start_revision != 0 {
        return request;
    }
    let read =
        RangeRequest { key: request.key.clone(), count_only: true, ..RangeRequest::default() };
    // Whoever may not read may still watch; then the member's own now has to do.
    let now = client.range(read).await.into_result().ok();
    let now = now.and_then(|response| response.header).map_or(-1, |header| header.revision);
    WatchCreateRequest { start_revision: now + 1, ..request }
}

/// Takes the heredoc out of a line that has one.
fn take_heredoc(words: &mut Vec<Word>) -> Option<Word> {
    let at = words.iter().position(Word::is_heredoc)?;
    Some(words.remove(at))
}

fn refused(refusal: Refusal) -> Failure {
    let mut failure = Failure::from(refusal.clone());
    if let Some(hint) = refusal.hint {
        failure.text = format!("{}: {hint}", failure.text);
    }
    failure
}
