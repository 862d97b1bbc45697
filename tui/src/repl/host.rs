//! What the prompt does for a session: leave, edit, record; and what `run` does, to bundled members.

use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use mini_etcd_shared::failure::{Failure, exit};
use mini_etcd_shared::language::{EDIT, PROFILE, QUIT, RECORD, SessionCommand};
use mini_etcd_shared::session::Host;

use super::tty::Tty;
use crate::hidden::Hidden;
use crate::record::Recording;
use crate::script::RunHost;

/// What was asked for and is done once the statement has ended.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub quit: bool,
    pub edit: bool,
    /// The profile to turn to.
    pub profile: Option<String>,
}

/// Shared by the host, which is asked, and the loop, which does it.
#[derive(Debug, Default)]
pub(super) struct Desk {
    asked: Mutex<Asked>,
    pub recording: Recording,
}

impl Desk {
    /// What was asked for since the last time.
    pub(super) fn take(&self) -> Asked {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

pub(super) struct ReplHost {
    pub desk: Arc<Desk>,
    pub rest: RunHost,
    pub tty: Arc<Tty>,
    pub hidden: Hidden,
}

impl Host for ReplHost {
    fn meta<'a>(
        &'a mut self,
        command: &'static SessionCommand,
        args: Vec<Vec<u8>>,
    ) -> BoxFuture<'a, Result<Vec<u8>, Failure>> {
        let own = match *command {
            QUIT => {
                self.desk.asked.lock().unwrap_or_else(PoisonError::into_inner).quit = true;
                Ok(Vec::new())
            }
            EDIT => {
                self.desk.asked.lock().unwrap_or_else(PoisonError::into_inner).edit = true;
                Ok(Vec::new())
            }
            PROFILE => match args.first() {
                None => crate::profile::listed(),
                Some(name) => {
                    let name = String::from_utf8_lossy(name).into_owned();
                    let mut asked = self.desk.asked.lock().unwrap_or_else(PoisonError::into_inner);
                    asked.profile = Some(name);
                    Ok(Vec::new())
                }
            },
            RECORD => self.desk.recording.meta(args.first().map(Vec::as_slice)),
            _ => return self.rest.meta(command, args),
        };
        Box::pin(async { own })
    }

    fn ask_password<'a>(&'a mut self, prompt: &'a str) -> BoxFuture<'a, Result<String, Failure>> {
        // While a command runs, the terminal shows nothing that is typed.
        Box::pin(async move {
            let typed = self.hidden.ask(prompt).await;
            typed.map_err(|error| Failure::new(exit::IO, format!("the terminal: {error}")))
        })
    }

    fn lend(&mut self, begins: bool) {
        if begins { self.tty.lend() } else { self.tty.take_back() }
    }
}
