//! Runs one script: what comes before the tests, the tests, teardown.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mini_etcd_shared::language::{Golden, Span, Statement, StatementKind};
use mini_etcd_shared::session::{Emitted, Failed, Options, Ran, Reason, Session, Sink};
use tokio::time::Instant;

use super::Flags;
use super::bundled::RunHost;
use super::plan::Planned;
use super::report::{Failure, FileReport, Step, Stop, TestReport, Verdict};
use super::servers::Servers;
use super::stop::Stopper;

/// Bytes of output kept of one command.
const OUT_BYTES_MAX: usize = 64 << 10;
/// Commands of one test that are kept for reports; the last ones.
const STEPS_MAX: usize = 1_000;

const NOT_REACHED: &str = "not reached";
const NOT_ASKED: &str = "not asked for";

/// What all scripts of a run share.
pub(super) struct Runner<'a> {
    pub flags: &'a Flags,
    pub servers: &'a Servers,
    pub run: String,
    pub tmp: PathBuf,
    pub stopper: Stopper,
    /// Set once the run has to end.
    pub stop: Option<Stop>,
}

/// Where a script ended.
enum Ended {
    Failed(Failed),
    Stopped(Stop),
}

/// One script while it runs.
struct File<'a> {
    planned: &'a Planned,
    began: Instant,
    /// Is given each test as soon as it has ended.
    tell: &'a mut dyn FnMut(&TestReport),
    session: Session,
    steps: Arc<Steps>,
    report: FileReport,
}

impl Runner<'_> {
    /// Runs a script; answers its report, and its golden output when that is to be updated. Each test is given to
    /// `tell` as soon as it has ended.
    pub(super) async fn file(
        &mut self,
        planned: &Planned,
        tell: &mut dyn FnMut(&TestReport),
    ) -> (FileReport, Vec<(Golden, Vec<String>)>) {
        let mut file = self.prepare(planned, tell);
        if self.stop.is_some() {
            // Nothing of this script has begun, so there is nothing to tear down.
            file.skip_rest(None);
            return (file.report, Vec::new());
        }
        let aborted = self.body(&mut file).await;
        file.skip_rest(aborted);
        self.teardown(&mut file).await;
        file.report.assertions = file.session.assertions();
        file.report.elapsed = file.began.elapsed();
        let goldens = file.session.take_goldens();
        (file.report, goldens)
    }

    fn prepare<'p>(&self, planned: &'p Planned, tell: &'p mut dyn FnMut(&TestReport)) -> File<'p> {
        let steps = Arc::<Steps>::default();
        let options = Options {
            run: self.run.clone(),
            tmp: Some(self.tmp.clone()),
            allow_shell: self.flags.allow_shell,
            update: self.flags.update,
            ..Options::default()
        };
        let host =
            RunHost { bundled: self.servers.fleet.clone(), client: self.servers.client.clone() };
        let client = self.servers.client.clone();
        let mut session =
            Session::new(client, options, Arc::clone(&steps) as Arc<dyn Sink>, Box::new(host));
        for (name, value) in &self.flags.variables {
            session.set_variable(name, value.as_bytes());
        }
        let report = FileReport {
            file: planned.name(),
            tests: Vec::new(),
            outside: Vec::new(),
            teardown: None,
            elapsed: Duration::ZERO,
            assertions: 0,
        };
        File { planned, began: Instant::now(), tell, session, steps, report }
    }

    /// Everything but teardown, in order; answers why it ended before its end.
    async fn body(&mut self, file: &mut File<'_>) -> Option<Aborted> {
        let planned = file.planned;
        let whole = planned.is_one_test();
        for statement in &planned.script.statements {
            match &statement.kind {
                StatementKind::Teardown(_) => {}
                StatementKind::Test { name, body } => {
                    let name = planned.test_name(name);
                    if self.flags.only.as_ref().is_some_and(|only| !name.contains(only)) {
                        file.skip(name, NOT_ASKED);
                        continue;
                    }
                    let failed = self.test(file, name, body).await;
                    if self.stop.is_some() || (failed && !self.flags.keep_going) {
                        return Some(Aborted::Silent);
                    }
                }
                _ => {
                    let result = self.guarded(file, std::slice::from_ref(statement)).await;
                    if !whole {
                        file.report.outside.extend(file.steps.take(planned));
                    }
                    if let Err(ended) = result {
                        return Some(Aborted::By(file.failure(&ended)));
                    }
                }
            }
        }
        if whole {
            let steps = file.steps.take(planned);
            file.end(planned.whole(), Verdict::Passed, file.began.elapsed(), steps);
        }
        None
    }

    /// Runs a test; answers whether it failed.
    async fn test(&mut self, file: &mut File<'_>, name: String, body: &[Statement]) -> bool {
        let start = Instant::now();
        let result = self.guarded(file, body).await;
        // A watch belongs to the test that started it.
        file.session.cancel_all();
        let verdict = match &result {
            Ok(()) => Verdict::Passed,
            Err(ended) => Verdict::Failed(file.failure(ended)),
        };
        let steps = file.steps.take(file.planned);
        file.end(name, verdict, start.elapsed(), steps);
        result.is_err()
    }

    /// Runs statements until they are done, one fails, or the run has to end.
    async fn guarded(
        &mut self,
        file: &mut File<'_>,
        statements: &[Statement],
    ) -> Result<(), Ended> {
        if let Some(stop) = self.stop {
            return Err(Ended::Stopped(stop));
        }
        tokio::select! {
            biased;
            stop = self.stopper.stopped() => {
                self.stop = Some(stop);
                Err(Ended::Stopped(stop))
            }
            result = file.session.run_all(statements) => result.map_err(Ended::Failed),
        }
    }

    /// I2
    async fn teardown(&mut self, file: &mut File<'_>) {
        let stopped = self.stop.take();
        if stopped.is_some() {
            self.stopper.last_grace();
        }
        let planned = file.planned;
        for statement in &planned.script.statements {
            let StatementKind::Teardown(body) = &statement.kind else { continue };
            let result = self.guarded(file, body).await;
            file.report.outside.extend(file.steps.take(planned));
            if let Err(ended) = result {
                let failure = file.failure(&ended);
                file.report.teardown.get_or_insert(failure);
            }
        }
        file.session.cancel_all();
        self.stop = stopped.or(self.stop);
    }
}

/// Why a script ended before its end.
enum Aborted {
    /// What failed outside of any test.
    By(Failure),
    /// A test, which has said it.
    Silent,
}

impl File<'_> {
    /// Reports the tests that were not reached. Why the script was aborted stands at the first of them.
    fn skip_rest(&mut self, aborted: Option<Aborted>) {
        let reported = self.report.tests.len();
        let mut reason = match aborted {
            Some(Aborted::By(failure)) => Some(failure),
            _ => None,
        };
        let names = self.planned.tests();
        for name in names.into_iter().skip(reported) {
            match reason.take() {
                Some(failure) => {
                    let steps = self.steps.take(self.planned);
                    let elapsed = self.began.elapsed();
                    self.end(name, Verdict::Failed(failure), elapsed, steps);
                }
                None => self.skip(name, NOT_REACHED),
            }
        }
        // Behind the last test: it counts like a failure of teardown.
        self.report.teardown = reason;
    }

    fn failure(&self, ended: &Ended) -> Failure {
        let file = &self.report.file;
        match ended {
            Ended::Stopped(stop) => {
                let (span, line) = self.session.at();
                Failure {
                    at: format!("{file}:{line}"),
                    command: self.planned.text(span),
                    expected: "the end of the test".to_owned(),
                    got: stop.text().to_owned(),
                    exit: stop.exit(),
                }
            }
            Ended::Failed(failed) => {
                let (expected, got) = match &failed.reason {
                    Reason::Mismatch(mismatch) => (mismatch.expected.clone(), mismatch.got.clone()),
                    Reason::Command(_) => ("ok".to_owned(), format!("error: {failed}")),
                };
                Failure {
                    at: format!("{file}:{}", failed.line),
                    command: self.planned.text(failed.span),
                    expected,
                    got,
                    exit: failed.exit(),
                }
            }
        }
    }

    fn skip(&mut self, name: String, why: &'static str) {
        self.end(name, Verdict::Skipped(why), Duration::ZERO, Vec::new());
    }

    fn end(&mut self, name: String, verdict: Verdict, elapsed: Duration, steps: Vec<Step>) {
        let test = TestReport { name, verdict, elapsed, steps };
        (self.tell)(&test);
        self.report.tests.push(test);
    }
}

/// Commands that have run since the last look.
#[derive(Default)]
struct Steps(Mutex<Vec<(Span, Step)>>);

impl Steps {
    fn lock(&self) -> MutexGuard<'_, Vec<(Span, Step)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, planned: &Planned) -> Vec<Step> {
        let with_text = |(span, step)| Step { command: planned.text(span), ..step };
        std::mem::take(&mut *self.lock()).into_iter().map(with_text).collect()
    }
}

impl Sink for Steps {
    fn emit(&self, _piece: Emitted<'_>) {}

    fn ran(&self, ran: Ran<'_>) {
        let outcome = ran.outcome;
        let facts = outcome.facts();
        let kept = outcome.out.get(..OUT_BYTES_MAX).unwrap_or(&outcome.out).to_vec();
        let step = Step {
            line: ran.line,
            command: String::new(),
            status: outcome.status(),
            elapsed: outcome.elapsed,
            rev: facts.rev,
            count: facts.count,
            dropped: outcome.out.len() - kept.len(),
            out: kept,
            err: outcome.err.clone(),
            error: outcome.failure.as_ref().map(ToString::to_string),
        };
        let mut steps = self.lock();
        steps.push((ran.span, step));
        if steps.len() > STEPS_MAX {
            steps.remove(0);
        }
    }
}
