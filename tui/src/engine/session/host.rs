//! Meta commands that only the console can carry out.

use std::sync::Arc;

use futures::future::BoxFuture;
use mini_etcd_shared::failure::{Failure, exit};
use mini_etcd_shared::language::{EDIT, KILL, PROFILE, QUIT, RECORD, RESTART, SessionCommand};
use mini_etcd_shared::session::Host;
use tokio::sync::mpsc;

use super::sink::Screen;
use crate::engine::order::Order;
use crate::password::Secret;
use crate::record::Recording;

/// The console around a session.
pub(crate) struct Console {
    pub recording: Recording,
    pub effects: mpsc::WeakUnboundedSender<Order>,
    pub screen: Arc<Screen>,
}

impl Host for Console {
    fn meta<'a>(
        &'a mut self,
        command: &'static SessionCommand,
        args: Vec<Vec<u8>>,
    ) -> BoxFuture<'a, Result<Vec<u8>, Failure>> {
        let result = self.carry_out(command, &args);
        Box::pin(async { result })
    }

    fn ask_password<'a>(&'a mut self, prompt: &'a str) -> BoxFuture<'a, Result<String, Failure>> {
        Box::pin(async move {
            let typed = self.screen.ask(prompt).await;
            let given_up = || Failure::new(exit::ERROR, "no password was given");
            typed.map(Secret::reveal).ok_or_else(given_up)
        })
    }
}

impl Console {
    fn carry_out(&self, command: &SessionCommand, args: &[Vec<u8>]) -> Result<Vec<u8>, Failure> {
        let refuse = |text: String| Err(Failure::new(exit::ERROR, text));
        match (*command, args.first()) {
            (RECORD, file) => self.recording.meta(file.map(Vec::as_slice)),
            (RESTART, Some(name)) => {
                let name = String::from_utf8_lossy(name).into_owned();
                if let Some(effects) = self.effects.upgrade() {
                    // The engine is gone only when the console is ending.
                    let _gone = effects.send(Order::Restart(name));
                }
                Ok(Vec::new())
            }
            (PROFILE, None) => crate::profile::listed(),
            (KILL | QUIT | EDIT | PROFILE, _) => {
                refuse(format!("{} stands alone on its line here", command.name))
            }
            _ => refuse(format!("{} is not offered in the console", command.name)),
        }
    }
}
