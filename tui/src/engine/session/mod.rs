//! The one session behind palette and pane, on a thread of its own.
//!
//! ```text
//! Order::Run, Order::Cancel ─▶ Work ─▶ Session ─▶ Screen (its sink) ─▶ Inbox ─▶ Report::Said, Report::Ran
//! Order::Password ◀─ whoever types ◀─ Report::Asked ◀─ Screen ◀─ Host::ask_password
//! ```
//!
//! * I1: what a run has to compute (a million keys as text) takes no time from the thread that draws.
//! * I2: a run is given up by dropping its future; the session goes on.
//! * I3: what is said is escaped, cut and bounded here, before it is anybody's to show.
//! * I4: it ends with the console, also in the middle of a run.
//!
//! It refuses a second run while one goes on, and pipes into a shell, whose errors would be written over the screen.
//! Tested in `tests/console/repl.rs`.

mod host;
mod output;
mod prompt;
mod sink;

use std::sync::Arc;
use std::time::Duration;

use mini_etcd_shared::client::{Client, ClientConfig};
use mini_etcd_shared::clock::{Clock, SystemClock};
use mini_etcd_shared::error::ClientError;
use mini_etcd_shared::language::{Statement, parse_input};
use mini_etcd_shared::session::{Failed, Options, Session};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Inbox;
use crate::engine::order::Order;
use crate::engine::report::Report;
use crate::password::Secret;
use crate::record::{Recording, Took};
use crate::script::run_name;
use crate::widget::escape_name;
use sink::{Screen, lines};

pub use output::{LINES_MAX, LineKind, OutputLine, SessionLine};
pub use prompt::{Prompt, RunEnded};

/// Work that may wait: the screen begins one run at a time.
const WORK_MAX: usize = 16;

/// What the session is to do.
pub(crate) enum Work {
    /// Run a text.
    Run(Run),
    /// Give up a run.
    Cancel(u64),
    /// The password that a run asked for; none when it is given up.
    Password(u64, Option<Secret>),
    /// Ask other servers from the next run on.
    Servers(Box<ClientConfig>),
}

/// A text to run.
pub(crate) struct Run {
    pub id: u64,
    pub text: String,
}

/// What the session's thread works with.
pub(crate) struct Place {
    pub inbox: Arc<Inbox>,
    pub clock: SystemClock,
    pub recording: Recording,
    /// To the engine, for what only it can do.
    pub effects: mpsc::WeakUnboundedSender<Order>,
    /// How members are asked.
    pub config: ClientConfig,
}

/// Starts the session's thread.
pub(crate) fn start(tasks: &mut JoinSet<()>, place: Place) -> mpsc::Sender<Work> {
    let (tell, work) = mpsc::channel(WORK_MAX);
    tasks.spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => runtime.block_on(serve(place, work)),
            Err(error) => place.inbox.event(Report::Trouble(
                "the prompt cannot run anything".to_owned(),
                error.to_string(),
                "is there a limit on open files or threads?".to_owned(),
            )),
        }
    });
    tell
}

async fn serve(mut place: Place, mut work: mpsc::Receiver<Work>) {
    let screen = Arc::new(Screen::new(Arc::clone(&place.inbox)));
    let mut session = None;
    while let Some(next) = work.recv().await {
        let run = match next {
            Work::Run(run) => run,
            // A run that is over cannot be given up, and asks for nothing.
            Work::Cancel(_) | Work::Password(..) => continue,
            Work::Servers(config) => {
                turn_to(*config, &mut place, &mut session);
                continue;
            }
        };
        let mut servers = None;
        let began = place.clock.now();
        screen.begin(Some(run.id));
        let result = match prepare(&mut session, &place, &screen) {
            Err(error) => Some(Err(error.to_string())),
            Ok(session) => {
                let mut running = Running { session, recording: &place.recording, screen: &screen };
                tokio::select! {
                    result = running.text(&run.text) => {
                        Some(result.map_err(|failed| failed.to_string()))
                    }
                    end = until_given_up(&mut work, (run.id, &screen), &place.inbox, &mut servers) => match end {
                        End::Cancelled => None,
                        End::Console => return,
                    },
                }
            }
        };
        screen.begin(None);
        if let Some(config) = servers {
            turn_to(config, &mut place, &mut session);
        }
        let Some(result) = result else {
            if let Some(session) = &mut session {
                Running { session, recording: &place.recording, screen: &screen }
                    .given_up(&run.text);
            }
            continue;
        };
        let failed = result.err().map(|words| lines(words.as_bytes()));
        let prompt = session.as_ref().map_or_else(Prompt::default, |s| prompt(s, &place.recording));
        let took = place.clock.now().since(began);
        place.inbox.ran(run.id, RunEnded { failed, took, prompt });
    }
}

/// Why a run ends before its time.
enum End {
    Cancelled,
    Console,
}

async fn until_given_up(
    work: &mut mpsc::Receiver<Work>,
    (id, screen): (u64, &Screen),
    inbox: &Inbox,
    servers: &mut Option<ClientConfig>,
) -> End {
    loop {
        match work.recv().await {
            None => return End::Console,
            Some(Work::Cancel(run)) if run == id => return End::Cancelled,
            Some(Work::Password(run, secret)) if run == id => screen.answer(secret),
            Some(Work::Cancel(_) | Work::Password(..)) => {}
            Some(Work::Servers(config)) => *servers = Some(*config),
            Some(Work::Run(run)) => {
                let failed = Some(vec!["another command still runs".to_owned()]);
                let ended = RunEnded { failed, took: Duration::ZERO, prompt: Prompt::default() };
                inbox.ran(run.id, ended);
            }
        }
    }
}

/// Asks other servers from now on; what was begun at the ones before goes on there.
fn turn_to(config: ClientConfig, place: &mut Place, session: &mut Option<Session>) {
    place.config = config;
    let client = Client::new(place.config.clone());
    if let (Some(session), Ok(client)) = (session, client) {
        session.set_client(client);
    }
}

/// The session, made when it is first used.
fn prepare<'a>(
    session: &'a mut Option<Session>,
    place: &Place,
    screen: &Arc<Screen>,
) -> Result<&'a mut Session, ClientError> {
    match session {
        Some(session) => Ok(session),
        empty => {
            let client = Client::new(place.config.clone())?;
            let host = host::Console {
                recording: place.recording.clone(),
                effects: place.effects.clone(),
                screen: Arc::clone(screen),
            };
            let sink: Arc<Screen> = Arc::clone(screen);
            let options = Options { run: run_name(), ..Options::default() };
            Ok(empty.insert(Session::new(client, options, sink, Box::new(host))))
        }
    }
}

/// A text that runs, and is recorded.
struct Running<'a> {
    session: &'a mut Session,
    recording: &'a Recording,
    screen: &'a Screen,
}

impl Running<'_> {
    async fn text(&mut self, text: &str) -> Result<(), Failed> {
        // It was parsed before it was sent here.
        let statements = parse_input(text.as_bytes()).unwrap_or_default();
        for (at, statement) in statements.iter().enumerate() {
            let result = self.session.run(statement).await;
            self.record(statement, source(text, &statements, at), Took::Ended(&result));
            result?;
        }
        Ok(())
    }

    /// Records the statement that was running.
    fn given_up(&self, text: &str) {
        let statements = parse_input(text.as_bytes()).unwrap_or_default();
        let (span, _) = self.session.at();
        let begun = |statement: &Statement| statement.span.start <= span.start;
        if let Some(at) = statements.iter().rposition(begun)
            && let Some(statement) = statements.get(at)
        {
            self.record(statement, source(text, &statements, at), Took::GivenUp);
        }
    }

    fn record(&self, statement: &Statement, source: &str, took: Took<'_>) {
        if let Err(words) = self.recording.statement(statement, source, self.session, took) {
            self.screen.notice(&words);
        }
    }
}

/// What was typed of one of the statements, up to the next.
fn source<'a>(text: &'a str, statements: &[Statement], at: usize) -> &'a str {
    let start = statements.get(at).map_or(0, |statement| statement.span.start);
    let end = statements.get(at + 1).map_or(text.len(), |next| next.span.start);
    text.get(start..end).unwrap_or(text).trim_end()
}

fn prompt(session: &Session, recording: &Recording) -> Prompt {
    Prompt {
        scope: escape_name(session.scope()),
        format: session.style().format.name().to_owned(),
        timing: session.timing(),
        recording: recording.file(),
        watches: session.watches().map(|(id, _)| id.to_owned()).collect(),
        variables: session.variables().iter().map(|(name, _)| name.to_owned()).collect(),
        prefix: session.scope().to_vec(),
    }
}
