//! From flags to an exit code.

use std::io::{IsTerminal, stdin, stdout};
use std::path::Path;
use std::sync::Arc;

use mini_etcd_shared::client::{Access, Client, ClientConfig};
use mini_etcd_shared::error::ClientError;
use mini_etcd_shared::failure::{exit, words_of};
use mini_etcd_shared::format::Style;
use mini_etcd_shared::session::{Host, Options, Session, Sink};

use super::{Flags, batch, talk};
use crate::complaint;
use crate::connect::{ConnectError, Reach, USUAL};
use crate::script::{Servers, ServersError, run_name};

/// Runs the line editor, or the batch on standard input; answers the exit code.
#[must_use]
pub fn run(flags: &Flags) -> u8 {
    let interactive = stdin().is_terminal() && stdout().is_terminal();
    // I7
    let planned = if interactive { None } else { Some(batch::read(flags.bundled)) };
    let planned = match planned.transpose() {
        Ok(planned) => planned,
        Err((code, text)) => {
            say(&text);
            return code;
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&format!("cannot start: {error}"));
            return exit::ERROR;
        }
    };
    let code = runtime.block_on(async {
        let tmp = match tempfile::Builder::new().prefix("mini-etcd-repl-").tempdir() {
            Ok(tmp) => tmp,
            Err(error) => {
                say(&format!("no scratch directory: {error}"));
                return exit::IO;
            }
        };
        let (servers, reach) = match open(flags, interactive).await {
            Ok(opened) => opened,
            Err(error) => {
                say(&error.to_string());
                return error.exit();
            }
        };
        let setup = Setup { flags, reach: &reach, servers: &servers, tmp: tmp.path() };
        let code = match planned {
            Some(planned) => batch::run(&setup, &planned).await,
            None => talk::run(&setup).await,
        };
        servers.close().await;
        code
    });
    // The editor's thread may still wait for a key.
    runtime.shutdown_background();
    code
}

pub(super) fn say(text: &str) {
    complaint::say(&format!("mini-etcd-tui: {text}"));
}

/// What both ways of running need.
pub(super) struct Setup<'a> {
    pub flags: &'a Flags,
    /// Whom it asks at first, as whom and how.
    pub reach: &'a Reach,
    pub servers: &'a Servers,
    pub tmp: &'a Path,
}

impl Setup<'_> {
    /// A session whose output goes to `sink`.
    pub(super) fn session(
        &self,
        sink: Arc<dyn Sink>,
        host: Box<dyn Host>,
        allow_shell: bool,
    ) -> Session {
        let options = Options {
            run: run_name(),
            tmp: Some(self.tmp.to_owned()),
            style: Style { format: self.flags.format, hex: self.flags.hex },
            allow_shell,
            ..Options::default()
        };
        Session::new(self.servers.client.clone(), options, sink, host)
    }
}

/// Why there is nobody to talk to.
#[derive(Debug, thiserror::Error)]
enum OpenError {
    #[error("{0}")]
    Servers(#[from] ServersError),
    #[error("{0}")]
    Address(ClientError),
    #[error("{0}")]
    Connect(#[from] ConnectError),
    #[error("cannot log in: {}", words_of(.0))]
    Login(ClientError),
    #[error("{0}")]
    Silent(ClientError),
}

impl OpenError {
    fn exit(&self) -> u8 {
        match self {
            Self::Address(_)
            | Self::Connect(_)
            | Self::Servers(ServersError::Address(_) | ServersError::Connect(_)) => exit::BAD_ARGS,
            Self::Login(error) if error.unsent_reason().is_none() => exit::ERROR,
            _ => exit::NO_CONNECTION,
        }
    }
}

async fn open(flags: &Flags, interactive: bool) -> Result<(Servers, Reach), OpenError> {
    let reach = flags.connect.reach(Some(USUAL))?;
    let (mut servers, reach) = match flags.bundled {
        Some(count) => {
            let servers = Servers::bundled(usize::from(count)).await?;
            let reach = reach.bundled(servers.client.config().endpoints.clone());
            (servers, reach)
        }
        None => (Servers::unasked(client(&reach)?), reach),
    };
    let config = config(flags, &reach, interactive);
    servers.client = servers.client.with_config(config.clone()).map_err(OpenError::Address)?;
    let probe = ClientConfig { wait_for_connection: false, learn_members: false, ..config };
    let probe = servers.client.with_config(probe).map_err(OpenError::Address)?;
    if let Err(error) = greet(&reach, &probe).await {
        servers.close().await;
        return Err(error);
    }
    Ok((servers, reach))
}

/// How a prompt, or a batch, asks.
pub(super) fn config(flags: &Flags, reach: &Reach, interactive: bool) -> ClientConfig {
    ClientConfig {
        // A prompt says at once that nobody is there; a batch may be piped while a cluster elects its leader.
        wait_for_connection: !interactive,
        dial_timeout: flags.dial_timeout,
        command_timeout: Some(flags.command_timeout),
        access: Access::read_only(flags.read_only || reach.is_read_only()),
        ..reach.lasting()
    }
}

fn client(reach: &Reach) -> Result<Client, OpenError> {
    Client::new(reach.lasting()).map_err(OpenError::Address)
}

/// The first words: a login, or a question that any member answers.
async fn greet(reach: &Reach, client: &Client) -> Result<(), OpenError> {
    if reach.login.is_some() {
        return client.log_in().await.map_err(OpenError::Login);
    }
    let asked = client.status(mini_etcd_proto::etcdserverpb::StatusRequest {}).await;
    match asked.into_result() {
        Err(error) if error.is_passing() || error.unsent_reason().is_some() => {
            Err(OpenError::Silent(error))
        }
        Err(error @ ClientError::TimedOut { .. }) => Err(OpenError::Silent(error)),
        // Whoever refuses has answered.
        _ => Ok(()),
    }
}
