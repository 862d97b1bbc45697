//! `lock`, until a signal or the end of a program.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use bytes::Bytes;
use mini_etcd_shared::client::Client;
use mini_etcd_shared::command::{Lock, SESSION_TTL};
use mini_etcd_shared::failure::{Failure, done, exit};
use mini_etcd_shared::format::Style;

use super::console::err_line;
use super::log;
use super::program::run_to_its_end;
use super::session::{Held, Session, Stop, given_up, only, show};

/// Holds the lock; answers the exit code.
pub(super) async fn run(client: &Client, lock: &Lock, style: Style) -> Result<u8, Failure> {
    let mut stop = Stop::new()?;
    let mut session = Session::start(client, ttl(lock.ttl)).await?;
    let ended = hold(client, lock, style, (&mut session, &mut stop)).await;
    session.end().await;
    ended.map(|()| 0)
}

/// The time to live that a session has when this is asked for; what it cannot have is said in etcdctl's words.
fn ttl(asked: i64) -> i64 {
    if asked > 0 {
        return asked;
    }
    let words = "WithTTL(): TTL should be > 0, preserving current TTL";
    err_line(&log::line("warn", words, &[("current-session-ttl", &SESSION_TTL.to_string())]));
    SESSION_TTL
}

async fn hold(
    client: &Client,
    lock: &Lock,
    style: Style,
    (session, stop): (&mut Session, &mut Stop),
) -> Result<(), Failure> {
    let nothing = Bytes::new();
    let held = tokio::select! {
        held = session.acquire(&lock.name, &nothing) => held?,
        () = stop.asked() => return Err(given_up()),
    };
    if !lock.program.is_empty() {
        return run_under(lock, &held, session).await;
    }
    let key = done(client.range(only(&held.key)).await)?;
    if key.kvs.is_empty() {
        return Err(Failure::new(exit::ERROR, "lock lost on init"));
    }
    show(key, style)?;
    tokio::select! {
        () = stop.asked() => Ok(()),
        () = session.lost() => Err(Failure::new(exit::ERROR, "session expired")),
    }
}

/// Runs the program while the lock is held. It runs on when the lock is lost, but that is said.
async fn run_under(lock: &Lock, held: &Held, session: &mut Session) -> Result<(), Failure> {
    let environment = [
        ("ETCD_LOCK_KEY", OsStr::from_bytes(&held.key).to_owned()),
        ("ETCD_LOCK_REV", held.revision.to_string().into()),
    ];
    let mut program = std::pin::pin!(run_to_its_end(&lock.program, &environment));
    tokio::select! {
        ended = &mut program => ended,
        () = session.lost() => {
            err_line(&log::line("warn", "the lock is lost, and the program still runs", &[]));
            program.await
        }
    }
}
