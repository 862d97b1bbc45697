//! The prompt: asks for a line, runs it, asks again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mini_etcd_shared::client::Client;
use mini_etcd_shared::command::{Effect, Target};
use mini_etcd_shared::complete::{ClientSource, Context};
use mini_etcd_shared::failure::exit;
use mini_etcd_shared::language::{Action, SOURCE, Statement, StatementKind, parse_input};
use mini_etcd_shared::session::{Failed, Reason, Session, Sink};
use mini_etcd_shared::text::printable;
use rustix::process::Signal as Number;
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::edit::edit;
use super::editor::{Ask, Editor, Typed};
use super::helper::LineHelper;
use super::host::{Desk, ReplHost};
use super::link::Link;
use super::printer::Printer;
use super::screen::Screen;
use super::start::{Setup, config, say};
use super::tty::Tty;
use crate::connect::{Connect, Reach, USUAL};
use crate::hidden::Hidden;
use crate::profile::Profiles;
use crate::record::Took;
use crate::script::RunHost;

/// How much later than a shell's the same signal may come to us.
const OWN_SIGNAL_WITHIN: Duration = Duration::from_millis(200);

/// Runs the prompt until it is left; answers the exit code.
pub(super) async fn run(setup: &Setup<'_>) -> u8 {
    let talk = match Talk::new(setup) {
        Ok(talk) => talk,
        Err(error) => {
            say(&error.to_string());
            return exit::IO;
        }
    };
    talk.run().await
}

/// Why the prompt does not begin.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("the terminal: {0}")]
    Terminal(#[from] rustyline::error::ReadlineError),
    #[error("{0}")]
    System(#[from] std::io::Error),
}

struct Talk<'a> {
    setup: &'a Setup<'a>,
    session: Session,
    screen: Arc<Screen>,
    link: Arc<Link>,
    desk: Arc<Desk>,
    editor: Editor,
    source: Arc<ClientSource>,
    context: Arc<Mutex<Context>>,
    color: bool,
    /// Whom it asks, as whom and how.
    reach: Reach,
    /// It asks other members than the bundled ones.
    turned: bool,
    /// The last statement, for `\e`.
    last: String,
    tty: Arc<Tty>,
    /// Made anew before each line, so that Ctrl-C counts from the moment the line is sent.
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    /// Ctrl-\.
    quit: Signal,
    /// Ctrl-Z.
    stop: Signal,
    /// It goes on after a stop.
    continued: Signal,
}

/// What comes after a statement.
enum Next {
    Go,
    Leave,
    /// A signal.
    Killed(Number),
}

/// The exit code after a signal that ends the program, as shells have it.
fn killed_by(signal: Number) -> u8 {
    u8::try_from(128 + signal.as_raw()).unwrap_or(u8::MAX)
}

/// Why a statement is no longer waited for.
enum Halt {
    Done(Result<(), Failed>),
    Interrupted,
    Killed(Number),
}

impl<'a> Talk<'a> {
    fn new(setup: &'a Setup<'a>) -> Result<Self, StartError> {
        let client = setup.servers.client.clone();
        let color = setup.flags.color.on();
        let source = Arc::new(ClientSource::new(client.clone()));
        let context = Arc::<Mutex<Context>>::default();
        let (editor, print) = Editor::start(LineHelper {
            runtime: Handle::current(),
            source: Arc::clone(&source),
            context: Arc::clone(&context),
            color,
        })?;
        let screen = Arc::new(Screen::new(Printer::start(print)?, color));
        let desk = Arc::<Desk>::default();
        let rest = RunHost { bundled: setup.servers.fleet.clone(), client };
        // The signals that would end it while the terminal is its own are taken first.
        let (interrupt, terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let (hangup, quit) = (signal(SignalKind::hangup())?, signal(SignalKind::quit())?);
        let stop = signal(SignalKind::from_raw(Number::TSTP.as_raw()))?;
        let continued = signal(SignalKind::from_raw(Number::CONT.as_raw()))?;
        let tty = Arc::new(Tty::take()?);
        let host = ReplHost {
            desk: Arc::clone(&desk),
            rest,
            tty: Arc::clone(&tty),
            hidden: Hidden::default(),
        };
        let sink = Arc::clone(&screen) as Arc<dyn Sink>;
        Ok(Self {
            setup,
            session: setup.session(sink, Box::new(host), true),
            link: Arc::new(Link::new(Arc::clone(&screen))),
            screen,
            desk,
            editor,
            source,
            context,
            color,
            reach: setup.reach.clone(),
            turned: false,
            last: String::new(),
            tty,
            interrupt,
            terminate,
            hangup,
            quit,
            stop,
            continued,
        })
    }

    async fn run(mut self) -> u8 {
        self.screen.notice("\\h lists commands, Tab completes, Ctrl-D leaves");
        let mut initial = (String::new(), String::new());
        loop {
            self.prepare();
            if let Ok(interrupt) = signal(SignalKind::interrupt()) {
                self.interrupt = interrupt;
            }
            let ask = self.ask(std::mem::take(&mut initial));
            let typed = match self.typed(ask).await {
                Ok(typed) => typed,
                Err(signal) => {
                    self.tty.give_back();
                    return killed_by(signal);
                }
            };
            let next = match typed {
                Typed::Line(line) => {
                    let next = self.text(&line).await;
                    let asked = self.desk.take();
                    if asked.edit {
                        initial.0 = self.edit(&self.last.clone()).await;
                    } else if !line.trim().is_empty() {
                        self.last = line;
                    }
                    if let Some(name) = asked.profile {
                        self.turn_to(&name);
                    }
                    if asked.quit { Next::Leave } else { next }
                }
                Typed::Edit(line) => {
                    initial.0 = self.edit(&line).await;
                    Next::Go
                }
                Typed::Stopped(left, right) => {
                    self.tty.suspend();
                    initial = (left, right);
                    Next::Go
                }
                Typed::Dropped => Next::Go,
                Typed::End => Next::Leave,
                Typed::Gone(why) => {
                    say(&why);
                    return exit::IO;
                }
            };
            match next {
                Next::Go => {}
                Next::Leave => return self.leave(),
                Next::Killed(signal) => {
                    self.tty.give_back();
                    return killed_by(signal);
                }
            }
        }
    }

    /// Asks for a line; fails with the signal that ends the program.
    async fn typed(&mut self, ask: Ask) -> Result<Typed, Number> {
        let asked = self.editor.ask(ask);
        tokio::pin!(asked);
        loop {
            tokio::select! {
                typed = &mut asked => return Ok(typed),
                _ = self.terminate.recv() => return Err(Number::TERM),
                _ = self.hangup.recv() => return Err(Number::HUP),
                _ = self.quit.recv() => return Err(Number::QUIT),
                _ = self.stop.recv() => self.tty.suspend(),
                _ = self.continued.recv() => self.tty.continued(true),
            }
        }
    }

    /// Brings what the editor's helper knows up to date, and the session to a connection that works.
    fn prepare(&mut self) {
        self.renew();
        let mut context = self.context.lock().unwrap_or_else(PoisonError::into_inner);
        context.variables =
            self.session.variables().iter().map(|(name, _)| name.to_owned()).collect();
        context.watches = self.session.watches().map(|(id, _)| id.to_owned()).collect();
        context.profiles = Profiles::read().map(|all| all.names()).unwrap_or_default();
        context.scope = self.session.scope().to_vec();
    }

    fn renew(&mut self) {
        if let Some(client) = self.link.fresh() {
            self.source.set_client(client.clone());
            self.session.set_client(client);
        }
    }

    /// The prompt: cluster, prefix, and what is special.
    fn ask(&self, initial: (String, String)) -> Ask {
        let endpoint = self.reach.endpoints.first();
        let cluster = match (&self.reach.profile, self.setup.flags.bundled) {
            (Some(profile), _) if profile.production => format!("PRODUCTION {}", profile.name),
            (Some(profile), _) => profile.name.clone(),
            (None, Some(count)) if !self.turned => format!("bundled-{count}"),
            (None, _) => endpoint.map(ToString::to_string).unwrap_or_default(),
        };
        let scope = printable(self.session.scope());
        let mut prompt = printable(cluster.as_bytes());
        if !scope.is_empty() {
            prompt.push(' ');
            prompt.push_str(&scope);
        }
        let flags = [
            ("ro", self.setup.flags.read_only || self.reach.is_read_only()),
            ("rec", self.desk.recording.file().is_some()),
            ("lost", self.link.is_lost()),
        ];
        let flags: Vec<_> = flags.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect();
        let shown =
            if flags.is_empty() { String::new() } else { format!(" ({})", flags.join(", ")) };
        let styled = if self.color {
            format!("\x1b[1;34m{prompt}\x1b[0m\x1b[33m{shown}\x1b[0m> ")
        } else {
            format!("{prompt}{shown}> ")
        };
        Ask { prompt: format!("{prompt}{shown}> "), styled, initial }
    }

    /// Runs all that was typed.
    async fn text(&mut self, text: &str) -> Next {
        let statements = match parse_input(text.as_bytes()) {
            Ok(statements) => statements,
            Err(error) => {
                self.screen.error(&format!("{}\n{error}", error.shown(text.as_bytes())));
                return Next::Go;
            }
        };
        if let Some(name) = self.reach.production()
            && statements.iter().any(|statement| may_write(&statement.kind))
            && !self.means_it(&name).await
        {
            return Next::Go;
        }
        for (at, statement) in statements.iter().enumerate() {
            let end = statements.get(at + 1).map_or(text.len(), |next| next.span.start);
            let own = text.get(statement.span.start..end).unwrap_or_default();
            match self.statement(statement, own).await {
                Ok(()) => {}
                Err(next) => return next,
            }
        }
        Next::Go
    }

    /// Asks once more before production is changed.
    async fn means_it(&mut self, name: &str) -> bool {
        let prompt = format!("this changes production: type {name} to do it> ");
        let styled = prompt.clone();
        let ask = Ask { prompt, styled, initial: (String::new(), String::new()) };
        let meant = matches!(self.typed(ask).await, Ok(Typed::Line(line)) if line.trim() == name);
        if !meant {
            self.screen.notice("nothing was done");
        }
        meant
    }

    /// Asks the servers of a profile from now on; what was begun goes on where it was begun.
    fn turn_to(&mut self, name: &str) {
        // It may ask for a password.
        self.tty.lend();
        let reach = Connect::of_profile(name).reach(Some(USUAL));
        self.tty.take_back();
        let turned = reach.map_err(|error| error.to_string()).and_then(|reach| {
            let client = Client::new(config(self.setup.flags, &reach, true));
            Ok((reach, client.map_err(|error| error.to_string())?))
        });
        match turned {
            Ok((reach, client)) => {
                self.source.set_client(client.clone());
                self.session.set_client(client);
                (self.reach, self.turned) = (reach, true);
            }
            Err(words) => self.screen.error(&words),
        }
    }

    /// Runs a statement; answers what comes next when the rest of the text does not.
    async fn statement(&mut self, statement: &Statement, text: &str) -> Result<(), Next> {
        self.renew();
        let result = match self.halt(statement).await {
            Halt::Done(result) => result,
            Halt::Interrupted => {
                // I4: the request is dropped with its future.
                let more = if may_write(&statement.kind) {
                    ": what was under way may have been done all the same"
                } else {
                    ""
                };
                self.screen.notice(&format!("\ninterrupted{more}"));
                self.record(statement, text, Took::GivenUp);
                return Err(Next::Go);
            }
            Halt::Killed(signal) => return Err(Next::Killed(signal)),
        };
        self.record(statement, text, Took::Ended(&result));
        result.map_err(|failed| {
            self.failed(&failed);
            Next::Go
        })
    }

    /// Runs a statement as long as nothing stops that.
    async fn halt(&mut self, statement: &Statement) -> Halt {
        let mut running = self.session.run(statement);
        let halt = loop {
            tokio::select! {
                // A shell behind a pipe hears of Ctrl-C too: that it has ended by it is no news.
                biased;
                _ = self.interrupt.recv() => break Halt::Interrupted,
                _ = self.terminate.recv() => break Halt::Killed(Number::TERM),
                _ = self.hangup.recv() => break Halt::Killed(Number::HUP),
                _ = self.quit.recv() => break Halt::Killed(Number::QUIT),
                _ = self.stop.recv() => self.tty.suspend(),
                _ = self.continued.recv() => self.tty.continued(false),
                result = &mut running => break Halt::Done(result),
            }
        };
        drop(running);
        let halt = match halt {
            Halt::Done(Err(failed)) if failed.exit() == exit::INTERRUPTED => {
                // A shell that Ctrl-C has ended may be heard of before the signal that is ours.
                let own = tokio::time::timeout(OWN_SIGNAL_WITHIN, self.interrupt.recv()).await;
                if own.is_ok() { Halt::Interrupted } else { Halt::Done(Err(failed)) }
            }
            halt => halt,
        };
        // A shell may have been dropped with it.
        self.tty.take_back();
        halt
    }

    fn failed(&mut self, failed: &Failed) {
        let error = match &failed.reason {
            Reason::Command(failure) => failure.error.as_ref(),
            Reason::Mismatch(_) => None,
        };
        // A command that asks every member has said it of each of them.
        let told = error.is_some_and(|error| {
            String::from_utf8_lossy(&self.session.last().err).contains(&error.to_string())
        });
        if !told {
            self.screen.error(&failed.to_string());
        }
        if error.is_some_and(|error| error.unsent_reason().is_some()) {
            self.link.lost(self.session.client().clone());
        }
    }

    fn record(&self, statement: &Statement, text: &str, took: Took<'_>) {
        let recorded = self.desk.recording.statement(statement, text, &self.session, took);
        if let Err(words) = recorded {
            self.screen.error(&words);
        }
    }

    /// Lets a person edit a statement; answers what stands at the next prompt.
    async fn edit(&self, text: &str) -> String {
        self.tty.lend();
        let edited = edit(text, self.setup.tmp).await;
        self.tty.take_back();
        match edited {
            Ok(edited) => edited,
            Err(error) => {
                self.screen.error(&error.to_string());
                text.to_owned()
            }
        }
    }

    fn leave(&mut self) -> u8 {
        self.session.cancel_all();
        match self.desk.recording.end() {
            Some(Ok(text)) => self.screen.notice(&text),
            Some(Err(failure)) => {
                self.screen.error(&failure.to_string());
                return exit::IO;
            }
            None => {}
        }
        0
    }
}

/// Whether a statement may change the cluster.
fn may_write(kind: &StatementKind) -> bool {
    match kind {
        StatementKind::Run(run) => match &run.action {
            Action::Command { target: Target::Command(spec), .. } => {
                matches!(spec.effect, Effect::Writes | Effect::Destroys)
            }
            Action::Txn(_) => true,
            Action::Session { command, .. } => **command == SOURCE,
            Action::Command { .. } => false,
        },
        StatementKind::Await(_) | StatementKind::Expect(_) => false,
        _ => true,
    }
}
