//! One command, from its words to its output.

use std::fs::File;
use std::process::Stdio;
use std::sync::Arc;

use mini_etcd_proto::etcdserverpb::request_op::Request;
use mini_etcd_proto::etcdserverpb::{RangeRequest, RequestOp, TxnRequest, WatchCreateRequest};
use tokio::io::AsyncWriteExt;

use super::background::{Background, Shown, news_of, text_of};
use super::engine::Session;
use super::filter::{apply, diff};
use super::{Emitted, Outcome, Reason, WatchNews, keys, settings};
use crate::client::{Access, Client, Endpoint};
use crate::command::{
    Effect, Grammar, Help, Input, Parsed, Prompt, Refusal, Report, Scope, TXN, Target, Watch,
    compare_of, help, op_of_parsed, parse_for, parse_within, request_of,
};
use crate::failure::{Failure, done, exit};
use crate::format::{Format, Style, printable, render};
use crate::language::{
    Action, EXTRAS, KEYWORDS, METAS, MetaSpec, Run, Txn, Word, parse_script, path_of,
};

/// How deep `\source` may go.
const SOURCES_MAX: usize = 8;
/// The signal of Ctrl-C.
const SIGINT: i32 = 2;
/// Bytes that a shell may print.
const SHELL_BYTES_MAX: usize = 64 << 20;

/// A session has no standard input.
struct Nothing;

impl Input for Nothing {
    fn line(&mut self) -> Option<Vec<u8>> {
        None
    }

    fn rest(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn prompt(&mut self, _prompt: Prompt) {}
}

impl Session {
    /// Runs the action of a line and puts its output through the pipes.
    pub(super) async fn perform(&mut self, run: &Run) -> Result<Outcome, Failure> {
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
            let piped = self.shell(shell, &outcome.out).await;
            self.host.lend(false);
            outcome.out = piped?;
        }
        if let Some(file) = run.redirect.as_ref().filter(|_| run.background.is_none()) {
            let path = path_of(&self.text(file)?);
            let written = std::fs::write(&path, &outcome.out);
            written.map_err(|error| io(&path, &error))?;
            outcome.out.clear();
        }
        Ok(outcome)
    }

    async fn act(&mut self, run: &Run) -> Result<Outcome, Failure> {
        match &run.action {
            Action::Command { target, words } => self.command(*target, words, run).await,
            Action::Txn(txn) => self.txn(txn).await,
            Action::List(prefix) => self.list(prefix.as_ref()).await,
            Action::Enter(to) => {
                let to = to.as_ref().map(|word| word.bytes(&self.variables)).transpose()?;
                self.scope = keys::entered(&self.scope, to.as_deref());
                Ok(Outcome::default())
            }
            Action::Where => {
                let shown = if self.scope.is_empty() { b"/" } else { self.scope.as_slice() };
                Ok(printed(format!("{}\n", printable(shown))))
            }
            Action::Meta { spec, args } => self.meta(spec, args).await,
        }
    }

    /// A command of the table.
    async fn command(
        &mut self,
        target: Target,
        words: &[Word],
        run: &Run,
    ) -> Result<Outcome, Failure> {
        let words = self.words_with(words);
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
            return Ok(printed(Self::overview()));
        }
        if let Some(report) = request.local() {
            // It asks nobody, so it does not matter how.
            return Ok(self.outcome(report, style));
        }
        let client = settings::client(&parsed, &self.client).await?;
        let report = request.run(&client, &mut Nothing).await;
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

    fn outcome(&self, report: Report, style: Style) -> Outcome {
        let mut outcome =
            Outcome { failure: report.failure, format: style.format, ..Outcome::default() };
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
    async fn txn(&mut self, txn: &Txn) -> Result<Outcome, Failure> {
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
    ) -> Result<Outcome, Failure> {
        let Some(request) = watch.request.clone() else {
            return Err(Failure::new(exit::BAD_ARGS, "watch needs a key"));
        };
        let client = settings::client(parsed, &self.client).await?;
        let file = match &run.redirect {
            None => None,
            Some(word) => {
                let path = path_of(&self.text(word)?);
                Some(File::create(&path).map_err(|error| io(&path, &error))?)
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
        Ok(Outcome::default())
    }

    /// A watch that is waited for: it ends when the server ends it, or when the future is dropped.
    async fn follow(
        &self,
        client: &Client,
        request: WatchCreateRequest,
        style: Style,
    ) -> Result<Outcome, Failure> {
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

    async fn list(&mut self, prefix: Option<&Word>) -> Result<Outcome, Failure> {
        let prefix = match prefix {
            Some(word) => self.key(word)?.to_vec(),
            None => self.scope.clone(),
        };
        let level = keys::list(&self.client, &prefix).await?;
        let mut outcome = Outcome::default();
        let lines = matches!(self.options.style.format, Format::JsonLines | Format::Json);
        for name in &level.names {
            if lines {
                let object = serde_json::json!({"name": crate::format::readable_bytes(name)});
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

    /// The output of a shell that reads `input`, with our variables in its environment.
    async fn shell(&self, line: &str, input: &[u8]) -> Result<Vec<u8>, Failure> {
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::process::ExitStatusExt;
        let failed = |error: std::io::Error| Failure::new(exit::IO, format!("sh: {error}"));
        let variables = self.variables.iter().map(|(name, value)| {
            let value: Vec<u8> = value.iter().copied().filter(|byte| *byte != 0).collect();
            (name.to_owned(), std::ffi::OsStr::from_bytes(&value).to_owned())
        });
        let mut child = tokio::process::Command::new("sh")
            .arg("-c")
            .arg(line)
            .envs(variables)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let stdin = child.stdin.take();
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A shell that does not read all of it is no failure.
                let _ = stdin.write_all(input).await;
            }
        };
        let ((), output) = tokio::join!(feed, child.wait_with_output());
        let output = output.map_err(failed)?;
        // Ctrl-C reaches it as well as us, and whoever is first is the one that is heard.
        if output.status.signal() == Some(SIGINT) {
            return Err(Failure::new(exit::INTERRUPTED, "interrupted"));
        }
        if !output.status.success() {
            return Err(Failure::new(exit::ERROR, format!("sh: {}", output.status)));
        }
        if output.stdout.len() > SHELL_BYTES_MAX {
            return Err(Failure::new(exit::IO, format!("sh: more than {SHELL_BYTES_MAX} bytes")));
        }
        Ok(output.stdout)
    }

    async fn meta(&mut self, spec: &'static MetaSpec, args: &[Word]) -> Result<Outcome, Failure> {
        let mut words = Vec::with_capacity(args.len());
        for arg in args {
            words.push(arg.bytes(&self.variables)?);
        }
        let text = |at: usize| words.get(at).map(|word| String::from_utf8_lossy(word).into_owned());
        match spec.name {
            "\\w" => match text(0) {
                None => Ok(printed(format!("{}\n", self.options.style.format.name()))),
                Some(name) => {
                    let format = Format::of_language(&name).ok_or_else(|| bad(spec, &name))?;
                    self.options.style.format = format;
                    Ok(Outcome::default())
                }
            },
            "\\timing" => {
                self.timing = match text(0).as_deref() {
                    None => !self.timing,
                    Some("on") => true,
                    Some("off") => false,
                    Some(other) => return Err(bad(spec, other)),
                };
                Ok(printed(format!("timing is {}\n", if self.timing { "on" } else { "off" })))
            }
            "\\h" => self.explain(&words),
            "\\source" => self.source(words.first().map_or(&[][..], Vec::as_slice)).await,
            "\\history" => self.history(words.first().map_or(&[][..], Vec::as_slice)).await,
            "\\diff" => self.diff(spec, &words).await,
            _ => {
                let out = self.host.meta(spec, words).await?;
                Ok(Outcome { out, ..Outcome::default() })
            }
        }
    }

    fn explain(&self, words: &[Vec<u8>]) -> Result<Outcome, Failure> {
        if words.is_empty() {
            return Ok(printed(Self::overview()));
        }
        let mut target = Target::Root;
        for word in words {
            let text = String::from_utf8_lossy(word);
            let own = EXTRAS.iter().chain(METAS).find(|meta| meta.name == text);
            if let Some(meta) = own {
                return Ok(printed(format!("{} {}\n  {}\n", meta.name, meta.usage, meta.short)));
            }
            if let Some((_, usage, short)) = KEYWORDS.iter().find(|(name, ..)| *name == text) {
                return Ok(printed(format!("{usage}\n  {short}\n")));
            }
            target = target.next(word).ok_or_else(|| {
                Failure::new(exit::ERROR, format!("no command {text}; \\h alone lists them"))
            })?;
        }
        Ok(printed(help(&self.options.program, target)))
    }

    /// Everything that a line may begin with.
    fn overview() -> String {
        let commands = crate::command::TABLE
            .iter()
            .map(|spec| (format!("{} {}", spec.path(), spec.usage()), spec.short));
        let own = EXTRAS.iter().map(|meta| (format!("{} {}", meta.name, meta.usage), meta.short));
        let words = KEYWORDS.iter().map(|(_, usage, short)| ((*usage).to_owned(), *short));
        let meta = METAS.iter().map(|meta| (format!("{} {}", meta.name, meta.usage), meta.short));
        let filters =
            crate::language::FILTERS.iter().map(|(_, usage, short)| (format!("| {usage}"), *short));
        let all: Vec<_> = commands.chain(own).chain(words).chain(filters).chain(meta).collect();
        let width = all.iter().map(|(usage, _)| usage.trim_end().len()).max().unwrap_or(0);
        let line =
            |(usage, short): &(String, &str)| format!("{:width$}  {short}\n", usage.trim_end());
        all.iter().map(line).collect()
    }

    async fn source(&mut self, path: &[u8]) -> Result<Outcome, Failure> {
        let path = path_of(path);
        let name = path.display();
        if self.depth >= SOURCES_MAX {
            let text = format!("{name}: more than {SOURCES_MAX} files inside each other");
            return Err(Failure::new(exit::ERROR, text));
        }
        let text = std::fs::read(&path).map_err(|error| io(&path, &error))?;
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
            Ok(()) => Ok(Outcome::default()),
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

    async fn history(&mut self, key: &[u8]) -> Result<Outcome, Failure> {
        let key = keys::scoped(&self.scope, key);
        let mut out = String::new();
        for kv in keys::history(&self.client, &key).await? {
            let value = crate::text::quote(&kv.value);
            let line = format!("{}  version {}  {value}\n", kv.mod_revision, kv.version);
            out.push_str(&line);
        }
        Ok(printed(out))
    }

    async fn diff(
        &mut self,
        spec: &'static MetaSpec,
        words: &[Vec<u8>],
    ) -> Result<Outcome, Failure> {
        let key = keys::scoped(&self.scope, words.first().map_or(&[][..], Vec::as_slice));
        let mut sides = Vec::new();
        for at in [1, 2] {
            let word = words.get(at).map_or(&b"@now"[..], Vec::as_slice);
            let text = String::from_utf8_lossy(word).into_owned();
            let revision = match text.strip_prefix('@') {
                Some("now") => 0,
                Some(digits) => digits.parse().map_err(|_| bad(spec, &text))?,
                None => return Err(bad(spec, &text)),
            };
            let kv = keys::at(&self.client, &key, revision).await?;
            let mut value = kv.map(|kv| kv.value.to_vec()).unwrap_or_default();
            if !value.is_empty() && !value.ends_with(b"\n") {
                value.push(b'\n');
            }
            sides.push((text, value));
        }
        match sides.as_slice() {
            [(old_name, old), (new_name, new)] => {
                Ok(Outcome { out: diff(old, new, (old_name, new_name)), ..Outcome::default() })
            }
            _ => Ok(Outcome::default()),
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

fn printed(text: String) -> Outcome {
    Outcome { out: text.into_bytes(), ..Outcome::default() }
}

fn bad(spec: &MetaSpec, word: &str) -> Failure {
    let text = format!("{word} is not accepted: {} {}", spec.name, spec.usage);
    Failure::new(exit::BAD_ARGS, text)
}

fn io(path: &std::path::Path, error: &std::io::Error) -> Failure {
    Failure::new(exit::IO, format!("{}: {error}", path.display()))
}

fn refused(refusal: Refusal) -> Failure {
    let mut failure = Failure::from(refusal.clone());
    if let Some(hint) = refusal.hint {
        failure.text = format!("{}: {hint}", failure.text);
    }
    failure
}
