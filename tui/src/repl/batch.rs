//! Statements from a pipe: no prompt, no colours, an exit code.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mini_etcd_shared::failure::exit;
use mini_etcd_shared::language::{Script, StatementKind, SyntaxError, check_script};
use mini_etcd_shared::session::{Emitted, Failed, Session, Sink};
use mini_etcd_shared::text::printable;

use super::screen::{lines_of, news};
use super::start::{Setup, say};
use crate::script::{RunHost, Stop, Stopper, not_offered, set_nowhere, told};

/// Bytes that a batch may have.
const BATCH_BYTES_MAX: u64 = 64 << 20;

/// Reads all of standard input; answers why not with an exit code. I7
pub(super) fn read(bundled: Option<u8>) -> Result<Script, (u8, String)> {
    let mut source = Vec::new();
    let read = std::io::stdin().lock().take(BATCH_BYTES_MAX + 1).read_to_end(&mut source);
    read.map_err(|error| (exit::IO, format!("standard input: {error}")))?;
    if u64::try_from(source.len()).unwrap_or(u64::MAX) > BATCH_BYTES_MAX {
        let text = format!("standard input: more than {BATCH_BYTES_MAX} bytes");
        return Err((exit::IO, text));
    }
    let refused =
        |errors: &[SyntaxError]| (exit::INVALID_INPUT, told("standard input", &source, errors));
    let script = check_script(&source).map_err(|errors| refused(&errors))?;
    let mut errors = set_nowhere(&script, &source, &BTreeSet::new());
    errors.extend(not_offered(&script, &source, bundled));
    if errors.is_empty() {
        return Ok(script);
    }
    errors.sort_by_key(|error| error.span.start);
    Err(refused(&errors))
}

/// Runs a batch; answers its exit code.
pub(super) async fn run(setup: &Setup<'_>, script: &Script) -> u8 {
    let mut stopper = match Stopper::new(setup.flags.timeout) {
        Ok(stopper) => stopper,
        Err(error) => {
            say(&format!("cannot wait for signals: {error}"));
            return exit::ERROR;
        }
    };
    let plain =
        Arc::new(Plain { terminal: std::io::stdout().is_terminal(), gone: AtomicBool::new(false) });
    let host =
        RunHost { bundled: setup.servers.fleet.clone(), client: setup.servers.client.clone() };
    let sink = Arc::clone(&plain) as Arc<dyn Sink>;
    let mut session = setup.session(sink, Box::new(host), setup.flags.allow_shell);
    let mut code = 0;
    let is_teardown = |kind: &StatementKind| matches!(kind, StatementKind::Teardown(_));
    for statement in script.statements.iter().filter(|s| !is_teardown(&s.kind)) {
        let result = tokio::select! {
            result = session.run(statement) => result,
            stop = stopper.stopped() => {
                code = stopped(stop);
                break;
            }
        };
        if let Err(failed) = result {
            code = tell(&failed);
            break;
        }
        if plain.gone.load(Ordering::Relaxed) {
            say("standard output cannot be written any more");
            code = exit::IO;
            break;
        }
    }
    let teardown = teardown(&mut session, script, &mut stopper).await;
    if code == 0 { teardown } else { code }
}

/// Runs what is to run whatever became of the rest.
async fn teardown(session: &mut Session, script: &Script, stopper: &mut Stopper) -> u8 {
    let mut code = 0;
    stopper.last_grace();
    for statement in &script.statements {
        if let StatementKind::Teardown(body) = &statement.kind {
            let result = tokio::select! {
                result = session.run_all(body) => result,
                stop = stopper.stopped() => return stopped(stop),
            };
            if let Err(failed) = result {
                code = tell(&failed);
            }
        }
    }
    code
}

fn stopped(stop: Stop) -> u8 {
    match stop {
        Stop::Interrupted => {
            say("interrupted");
            exit::INTERRUPTED
        }
        Stop::TimedOut => {
            say("out of time");
            exit::TIMEOUT
        }
    }
}

fn tell(failed: &Failed) -> u8 {
    let text = failed.to_string();
    say(&format!("line {}: {}", failed.line, lines_of(text.as_bytes())));
    failed.exit()
}

/// Answers to standard output, all else to standard error.
struct Plain {
    terminal: bool,
    /// Nobody reads standard output any more.
    gone: AtomicBool,
}

impl Plain {
    fn out(&self, bytes: &[u8]) {
        let mut out = std::io::stdout().lock();
        let written = if self.terminal {
            out.write_all(lines_of(bytes).as_bytes())
        } else {
            out.write_all(bytes)
        };
        if written.and_then(|()| out.flush()).is_err() {
            self.gone.store(true, Ordering::Relaxed);
        }
    }
}

impl Sink for Plain {
    fn emit(&self, piece: Emitted<'_>) {
        match piece {
            Emitted::Out(bytes) => self.out(bytes),
            Emitted::Err(bytes) => {
                // What cannot be said is no reason to end.
                let _closed = std::io::stderr().lock().write_all(bytes);
            }
            Emitted::Notice(text) => say(&printable(text.as_bytes())),
            Emitted::Watch { id, news: of, text } => {
                if !text.is_empty() {
                    self.out(text);
                } else if let Some(line) = news(id, of) {
                    say(&line);
                }
            }
        }
    }
}
