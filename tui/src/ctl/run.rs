//! From arguments to an exit code.

use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use mini_etcd_shared::client::{Client, ClientConfig};
use mini_etcd_shared::command::{
    Check, CommandSpec, DOCTOR, Del, Effect, Elect, EndpointHealth, Lock, MakeMirror, Parsed,
    Refusal, Report, Request, SNAPSHOT_SAVE, SnapshotRestore, Target, Watch, parse_as, request_of,
    usage,
};
use mini_etcd_shared::failure::{Failure, exit, words_of};
use mini_etcd_shared::format::{Style, render};
use tokio::signal::unix::{SignalKind, signal};

use super::console::{Stdin, err, err_line, out};
use super::settings::Variables;
use super::{check, elect, lock, log, mirror, restore, settings, watch};

/// Exit code of a process that Ctrl-C ended, as the shell shows death by SIGINT.
pub(super) const INTERRUPTED: u8 = 130;
/// The same of SIGTERM.
const TERMINATED: u8 = 143;

/// Longest wait for what a command that was ended leaves behind to be removed.
const GIVE_UP_WITHIN: Duration = Duration::from_secs(5);

/// Pause before a range is deleted, in which Ctrl-C ends the process.
const SECOND_THOUGHT: Duration = Duration::from_secs(2);

/// Name of the program that was called, for help and refusals.
pub(super) fn program() -> String {
    let path = std::env::args_os().next().map(std::path::PathBuf::from);
    let name = path.as_deref().and_then(std::path::Path::file_name);
    name.map_or_else(|| "mini-etcdctl".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Runs the command that the process's arguments name.
#[must_use]
pub fn main() -> ExitCode {
    let words: Vec<Bytes> =
        std::env::args_os().skip(1).map(|word| Bytes::from(word.into_vec())).collect();
    let variables = Variables::of_process();
    let code = match parse_as(&program(), &words) {
        Ok(parsed) => run(parsed, &variables),
        Err(refusal) => refuse_line(&refusal),
    };
    ExitCode::from(code)
}

/// A line that does not parse: the reason and how the command is called, on standard error.
fn refuse_line(refusal: &Refusal) -> u8 {
    err_line(&format!("Error: {refusal}"));
    match refusal.help {
        Some(target) => err_line(&usage(&program(), target)),
        None => refusal.hint.iter().for_each(|hint| err_line(hint)),
    }
    refusal.exit
}

fn run(mut parsed: Parsed, variables: &Variables) -> u8 {
    let request = match request_of(&parsed, &variables.scope()) {
        Ok(request) => request,
        Err(refusal) if refusal.help.is_some() => return refuse_line(&refusal),
        Err(refusal) => return fail(&refusal.into()),
    };
    if let Some(report) = request.local() {
        return show(report, Style::default());
    }
    match connect_and_run(&mut parsed, variables, request) {
        Ok(code) => code,
        Err(failure) => fail(&failure),
    }
}

fn connect_and_run(
    parsed: &mut Parsed,
    variables: &Variables,
    request: Box<dyn Request>,
) -> Result<u8, Failure> {
    let settings = settings::read(parsed, variables)?;
    if let Some(restore) = request.downcast::<SnapshotRestore>() {
        return Ok(show(restore::run(restore), settings.style));
    }
    if let Some(warning) = request.downcast::<Del>().and_then(Del::warning) {
        err_line(warning);
        std::thread::sleep(SECOND_THOUGHT);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(exit::ERROR, format!("cannot start: {error}")))?;
    let logs_in = logs_in_first(parsed.target);
    let code = runtime.block_on(async {
        // What lasts goes on elsewhere; what asks once is asked where it was told to.
        let config = ClientConfig { learn_members: lasts(&*request), ..settings.client.clone() };
        let client =
            Client::new(config).map_err(|error| Failure::new(exit::ERROR, error.to_string()))?;
        if logs_in && let Err(error) = client.log_in().await {
            let words = words_of(&error);
            if request.downcast::<EndpointHealth>().is_some() {
                let report = EndpointHealth::without_login(&settings.client, &words);
                return Ok(show(report, settings.style));
            }
            // The code that etcdctl has for a client that cannot be made.
            return Err(Failure::new(exit::NO_CONNECTION, words));
        }
        perform(request, &client, settings.style, variables).await
    });
    if matches!(code, Ok(INTERRUPTED | TERMINATED)) {
        // A thread that writes a file removes what is not whole of it, unless the disk hangs.
        runtime.shutdown_timeout(GIVE_UP_WITHIN);
    } else {
        // A thread that still waits for standard input must not keep the process.
        runtime.shutdown_background();
    }
    code
}

/// Whether a request goes on until it is ended.
fn lasts(request: &dyn Request) -> bool {
    request.downcast::<Watch>().is_some()
        || request.downcast::<Lock>().is_some()
        || request.downcast::<Elect>().is_some()
        || request.downcast::<MakeMirror>().is_some()
}

/// Carries a request out by whoever has its kind; answers the exit code.
async fn perform(
    request: Box<dyn Request>,
    client: &Client,
    style: Style,
    variables: &Variables,
) -> Result<u8, Failure> {
    if let Some(watch) = request.downcast::<Watch>() {
        watch::run(client, watch.clone(), style, &variables.scope()).await
    } else if let Some(lock) = request.downcast::<Lock>() {
        lock::run(client, lock, style).await
    } else if let Some(elect) = request.downcast::<Elect>() {
        elect::run(client, elect, style).await
    } else if let Some(mirror) = request.downcast::<MakeMirror>() {
        mirror::run(client, mirror).await
    } else if let Some(check) = request.downcast::<Check>() {
        check::run(client, check).await
    } else {
        Ok(go_on(request, client, style).await)
    }
}

/// Whether a login that fails ends the command before it begins, with the exit code of a client that cannot be made.
fn logs_in_first(target: Target) -> bool {
    // The doctor looks at the login itself, whatever keeps a backup from being saved has one code, and what is local asks
    // nobody.
    let later = |spec: &CommandSpec| {
        spec.effect == Effect::Local || *spec == DOCTOR || *spec == SNAPSHOT_SAVE
    };
    !matches!(target, Target::Command(spec) if later(spec))
}

/// Carries a request out, and what goes on after it, and prints each report; answers the last exit code.
async fn go_on(mut request: Box<dyn Request>, client: &Client, style: Style) -> u8 {
    let mut stdin = Stdin::default();
    let mut wait = Duration::ZERO;
    loop {
        let pending = request.pending();
        let step = async {
            tokio::time::sleep(wait).await;
            request.run(client, &mut stdin).await
        };
        let mut report = tokio::select! {
            report = step => report,
            (stands, code) = interrupted(pending) => {
                err_line(&format!("interrupted: {stands}"));
                return code;
            }
        };
        let again = report.again.take();
        let code = show(report, style);
        match again {
            Some(next) if code == 0 => (wait, request) = next,
            _ => return code,
        }
    }
}

/// Waits for Ctrl-C or SIGTERM, where there is something to be said then; without it the process ends as any other. Answers the
/// exit code too.
async fn interrupted(pending: Option<String>) -> (String, u8) {
    let signals = pending.and_then(|stands| {
        let [interrupt, terminate] = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
        Some((stands, interrupt.ok()?, terminate.ok()?))
    });
    let Some((stands, mut interrupt, mut terminate)) = signals else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => (stands, INTERRUPTED),
        _ = terminate.recv() => (stands, TERMINATED),
    }
}

/// Prints a report; answers its exit code.
fn show(report: Report, style: Style) -> u8 {
    log_connection(report.failure.as_ref());
    for note in &report.notes {
        err_line(note);
    }
    if let Some(answer) = &report.answer {
        match render(answer.as_ref(), style, &program()) {
            Ok(rendered) => {
                out(&rendered.out);
                err(&rendered.err);
            }
            Err(failure) => return fail(&failure),
        }
    }
    report.failure.map_or(0, |failure| fail(&failure))
}

/// Says what etcdctl's "context deadline exceeded" does not: why nobody was reached.
fn log_connection(failure: Option<&Failure>) {
    let Some(error) = failure.and_then(|failure| failure.error.as_ref()) else { return };
    if let Some(reason) = error.unsent_reason() {
        err_line(&log::line("warn", "no connection", &[("error", &reason)]));
    }
}

/// Prints a failure; answers its exit code.
pub(super) fn fail(failure: &Failure) -> u8 {
    // Beside etcdctl's words, not in them: scripts compare those.
    if let Some(hint) = failure.hint.as_deref() {
        err_line(&log::line("warn", "refused", &[("error", hint)]));
    }
    if !failure.text.is_empty() {
        err_line(&format!("Error: {failure}"));
    }
    failure.exit
}
