//! The end of a process that must not go on: one line that says what to do, and an exit code.
//!
//! Nothing is acknowledged after a failure of the disk or a broken promise of the log (`docs/decisions.md`, D4), so
//! there is no way back from here: threads end the process instead of returning an error that somebody might
//! survive.

use std::any::Any;
use std::fmt::Display;
use std::panic::{self, AssertUnwindSafe};
use std::thread::{self, JoinHandle};

use futures::FutureExt as _;

use crate::output::{self, Stream};

/// The disk failed, or the program met a state that cannot be.
pub const DISK: u8 = 70;
/// An acknowledged part of the log is gone.
pub const LOG_MISSING: u8 = 71;
/// What is on disk is not what was written.
pub const DAMAGED: u8 = 72;
/// The member was removed from the cluster.
pub const REMOVED: u8 = 73;
/// The member's data is not that of its cluster.
pub const STATE_DIFFERS: u8 = 74;

/// The one line: the problem, and what to do about it where the problem does not say so itself.
#[must_use]
pub fn line(code: u8, problem: impl Display) -> String {
    let problem = problem.to_string();
    let advice = match code {
        DISK => "look at the disk and its free space, then start the member again",
        LOG_MISSING | DAMAGED if says_what_to_do(&problem) => {
            return format!("mini-etcd: {problem}");
        }
        LOG_MISSING => {
            "remove this member from the cluster and add it again with an empty directory"
        }
        DAMAGED => {
            "check the disk, then remove this member and add it again with an empty directory"
        }
        REMOVED => {
            "delete its directory; to use it again, add it as a new member with `mini-etcdctl member add`, \
             unless its new place is made already, and start it with --join and an empty directory"
        }
        STATE_DIFFERS => {
            "if the others lost their data, keep this directory: it has what they lost; \
             otherwise remove this member and add it again with an empty directory"
        }
        _ => "correct this and start the member again",
    };
    format!("mini-etcd: {problem}: {advice}")
}

fn says_what_to_do(problem: &str) -> bool {
    ["add it", "replace it"].iter().any(|words| problem.contains(words))
}

/// Ends the process with `code` after one line about `problem` and what to do; also when nobody takes that line.
pub fn end(code: u8, problem: impl Display) -> ! {
    output::say(Stream::Error, line(code, problem));
    std::process::exit(i32::from(code))
}

/// Starts a thread of the member. A panic in it ends the process: what it owned cannot be trusted any more.
///
/// # Errors
/// The machine refuses another thread.
pub fn spawn(
    name: &'static str,
    body: impl FnOnce() + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        panic::catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| failed(name, &*panic));
    })
}

/// Work of the member that a runtime carries beside the requests. A panic in it ends the process too: it would be missing
/// from then on, and nobody would know.
pub async fn task<T>(name: &'static str, work: impl Future<Output = T>) -> T {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| failed(name, &*panic))
}

fn failed(name: &str, panic: &(dyn Any + Send)) -> ! {
    end(DISK, format_args!("{name} failed: {}", words(panic)))
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Names to the process that this test starts what is to panic there.
    const PANICS: &str = "MINI_ETCD_TEST_PANICS";

    /// Goal: neither a thread nor a task of the member can go missing. Method: this test again, in a process that is to end.
    #[test]
    fn a_panic_in_a_thread_or_a_task_of_the_member_ends_the_process() {
        let body = || panic!("on purpose");
        match std::env::var(PANICS).as_deref() {
            Ok("thread") => drop(spawn("apply", body).unwrap().join()),
            Ok(_) => {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime
                    .block_on(async { tokio::spawn(task("accept", async move { body() })).await })
                    .unwrap();
            }
            Err(_) => {
                let name =
                    "fatal::tests::a_panic_in_a_thread_or_a_task_of_the_member_ends_the_process";
                for (what, told) in [("thread", "apply"), ("task", "accept")] {
                    let mut again = Command::new(std::env::current_exe().unwrap());
                    let ended =
                        again.args(["--exact", name, "--nocapture"]).env(PANICS, what).output();
                    let ended = ended.unwrap();
                    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
                    assert_eq!(ended.status.code(), Some(i32::from(DISK)), "{what}: {said}");
                    assert!(said.contains(&format!("{told} failed: on purpose")), "{what}: {said}");
                }
            }
        }
    }

    #[test]
    fn what_to_do_is_said_once() {
        let told = line(LOG_MISSING, "n2 lost its data; replace it");
        assert_eq!(told, "mini-etcd: n2 lost its data; replace it");
        assert!(line(REMOVED, "n2 was removed").ends_with("with --join and an empty directory"));
        assert!(line(LOG_MISSING, "no log").ends_with("add it again with an empty directory"));
        assert!(line(1, "in use").ends_with("start the member again"));
    }
}
