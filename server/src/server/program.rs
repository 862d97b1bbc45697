//! The program around a member: flags in, exit code out.

use std::backtrace::Backtrace;
use std::ffi::OsString;
use std::io;
use std::panic;
use std::pin::pin;
use std::process::ExitCode;

use tokio::io::AsyncReadExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use super::{Server, StartError, descriptors, memory, notify};
use crate::config::{Config, ConfigError};
use crate::fatal;
use crate::output::{self, LogLines, Stream};

/// The program `mini-etcd`, for `args` without the program's name. The console's hidden `serve` calls it with
/// `--stop-with-stdin` in front.
pub fn main_with_args(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let config = match Config::load(args, std::env::vars_os()) {
        Ok(config) => config,
        Err(ConfigError::Usage(usage)) => {
            // A closed output is nobody's failure.
            let _ = usage.print();
            return ExitCode::from(ConfigError::Usage(usage).exit_code());
        }
        Err(error) => return refuse(&error.into()),
    };
    if let Err(error) = start_logging(&config.log_level) {
        return refuse(&StartError::Thread(error));
    }
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    descriptors::raise();
    memory::use_small_pages();
    match run(&config) {
        Ok(()) => {
            output::flush();
            ExitCode::SUCCESS
        }
        Err(error) => refuse(&error),
    }
}

fn refuse(error: &StartError) -> ExitCode {
    let code = error.exit_code();
    output::say(Stream::Error, fatal::line(code, error));
    ExitCode::from(code)
}

fn run(config: &Config) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(StartError::Thread)?;
    // Before the start, so that no signal is lost while it goes on.
    let end = {
        let _inside = runtime.enter();
        Ends::new(config.stop_with_stdin).map_err(StartError::Thread)?
    };
    let server = Server::start(config)?;
    runtime.block_on(async {
        let mut end = pin!(end.wait());
        let why = tokio::select! {
            why = &mut end => why,
            () = server.ready() => {
                announce(&server);
                end.await
            }
        };
        tracing::info!("stopping: {why}");
        server.shutdown().await;
    });
    // A reader of standard input may still wait for its next byte.
    runtime.shutdown_background();
    Ok(())
}

/// Tells whoever started the program that the member answers, and where.
fn announce(server: &Server) {
    let line = format!("mini-etcd {} answers at {}", server.name(), server.client_url());
    output::say(Stream::Out, line);
    notify::ready(std::env::var_os("NOTIFY_SOCKET"));
}

/// What ends the program.
struct Ends {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    input: Option<JoinHandle<()>>,
}

impl Ends {
    fn new(with_stdin: bool) -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            input: with_stdin.then(|| tokio::spawn(input_ends())),
        })
    }

    async fn wait(mut self) -> &'static str {
        let input = async {
            match self.input {
                Some(input) => {
                    let _ = input.await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => "asked to terminate",
            _ = self.interrupt.recv() => "interrupted",
            () = input => "standard input ended",
        }
    }
}

async fn input_ends() {
    let mut input = tokio::io::stdin();
    let mut bytes = [0; 512];
    while input.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
}

fn start_logging(filter: &str) -> io::Result<()> {
    let filter = tracing_subscriber::EnvFilter::new(filter);
    let lines = LogLines::to_standard_error()?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines);
    // Somebody else's logging is as good as ours.
    let _ = subscriber.log_internal_errors(false).with_ansi(false).try_init();
    // The usual hook writes to standard error, which may hold the thread before the process can end.
    panic::set_hook(Box::new(|panic| tracing::error!("{panic}\n{}", Backtrace::capture())));
    Ok(())
}
