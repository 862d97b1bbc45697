//! `watch`, on one line or on many.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::WatchResponse;
use mini_etcd_proto::mvccpb::Event;
use mini_etcd_shared::client::{Client, WatchItem, WatchStream};
use mini_etcd_shared::command::{Input, Scope, Watch, parse_as, request_of, split_words};
use mini_etcd_shared::error::ClientError;
use mini_etcd_shared::failure::{Failure, exit, words_of};
use mini_etcd_shared::format::{Format, Style, render};
use mini_etcd_shared::text::quote;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::console::{Stdin, err_line, out};
use super::log;
use super::program::run_to_its_end;

/// Lines of standard input that may wait.
const LINES_MAX: usize = 64;
/// Requests for progress that may wait until a watch stands.
const ASKS_MAX: usize = 64;

/// Runs a watch until the server, a program or the end of input ends it.
pub(super) async fn run(
    client: &Client,
    watch: Watch,
    style: Style,
    scope: &Scope,
) -> Result<u8, Failure> {
    if style.format == Format::Table {
        return Err(Failure::new(exit::BAD_FEATURE, "table not supported as output format"));
    }
    if watch.interactive {
        return interactive(client, style, scope).await;
    }
    let Some(request) = watch.request else {
        return Err(Failure::new(exit::BAD_ARGS, "bad number of arguments"));
    };
    follow(client.watch(request).require_leader(), watch.program, style, None).await
}

/// What another task wants of a watch: that it asks how far it is.
type Asks = mpsc::Receiver<()>;

async fn follow(
    mut stream: WatchStream,
    program: Vec<Bytes>,
    style: Style,
    mut asks: Option<Asks>,
) -> Result<u8, Failure> {
    let mut stands = false;
    loop {
        let item = tokio::select! {
            item = stream.next() => item,
            // Until the watch stands there is nobody to ask, and what is asked waits.
            Some(()) = next_ask(&mut asks), if stands => {
                if let Some(requester) = stream.requester() {
                    requester.progress().await;
                }
                continue;
            }
        };
        match item {
            None => return Err(Failure::new(exit::INTERRUPTED, "watch is canceled by the server")),
            Some(WatchItem::Created { .. }) => stands = true,
            Some(WatchItem::Events(response)) => {
                show(&response, style)?;
                for event in &response.events {
                    run_program(&program, &response, event).await?;
                }
            }
            Some(WatchItem::Progress(response)) => {
                let revision = response.header.as_ref().map_or(0, |header| header.revision);
                out(format!("progress notify: {revision}\n").as_bytes());
                show(&response, style)?;
            }
            Some(WatchItem::Lost { error, revision }) => {
                stands = false;
                let (reason, revision) = (error.to_string(), revision.to_string());
                let more = [("error", reason.as_str()), ("revision", revision.as_str())];
                err_line(&log::line("warn", "watch lost its connection and goes on", &more));
            }
            Some(WatchItem::Canceled(response)) => {
                err_line(&format!("watch was canceled ({})", reason_of(&response)));
                show(&response, style)?;
            }
            Some(WatchItem::Refused(error)) => {
                err_line(&format!("watch was canceled ({})", words_of(&error)));
            }
        }
    }
}

async fn next_ask(asks: &mut Option<Asks>) -> Option<()> {
    match asks {
        Some(asks) => asks.recv().await,
        None => std::future::pending().await,
    }
}

fn reason_of(response: &WatchResponse) -> String {
    let refused = |message: &str| {
        words_of(&ClientError::Refused {
            code: tonic::Code::FailedPrecondition,
            message: message.to_owned(),
        })
    };
    if response.compact_revision != 0 {
        refused("etcdserver: mvcc: required revision has been compacted")
    } else if response.created && !response.cancel_reason.is_empty() {
        // A watch that never stood ends with what the server says, without a code of its own.
        response.cancel_reason.clone()
    } else if response.cancel_reason.is_empty() {
        refused("etcdserver: mvcc: required revision is a future revision")
    } else {
        refused(&response.cancel_reason)
    }
}

fn show(response: &WatchResponse, style: Style) -> Result<(), Failure> {
    out(&render(response, style, "")?.out);
    Ok(())
}

/// Runs the program for one change, with the change in its environment.
async fn run_program(
    program: &[Bytes],
    response: &WatchResponse,
    event: &Event,
) -> Result<(), Failure> {
    if program.is_empty() {
        return Ok(());
    }
    let revision = response.header.as_ref().map_or(0, |header| header.revision);
    let kv = event.kv.clone().unwrap_or_default();
    let environment = [
        ("ETCD_WATCH_REVISION", revision.to_string()),
        ("ETCD_WATCH_EVENT_TYPE", quote(event.r#type().as_str_name().as_bytes())),
        ("ETCD_WATCH_KEY", quote(&kv.key)),
        ("ETCD_WATCH_VALUE", quote(&kv.value)),
    ];
    let environment = environment.map(|(name, value)| (name, value.into()));
    let Err(trouble) = run_to_its_end(program, &environment).await else { return Ok(()) };
    let shown: Vec<_> = program.iter().map(|word| quote(word)).collect();
    err_line(&format!("command [{}] error ({trouble})", shown.join(" ")));
    Err(Failure::new(exit::ERROR, ""))
}

/// Reads `watch` and `progress` lines; each watch runs beside the others.
async fn interactive(client: &Client, style: Style, scope: &Scope) -> Result<u8, Failure> {
    let mut lines = lines_of_input();
    let (ended, mut ends) = mpsc::channel::<Failure>(1);
    let mut asked: Vec<mpsc::Sender<()>> = Vec::new();
    loop {
        let line = tokio::select! {
            line = lines.recv() => line,
            Some(failure) = ends.recv() => return Err(failure),
        };
        let Some(line) = line else {
            return Err(Failure::new(exit::INVALID_INPUT, "error reading watch request line: EOF"));
        };
        let shown = String::from_utf8_lossy(&line).into_owned();
        let words = split_words(&line).map_err(Failure::from)?;
        let words: Vec<Bytes> = words.into_iter().map(Bytes::from).collect();
        match words.first().map(Bytes::as_ref) {
            None => err_line(&format!("Invalid command: {shown} (watch and progress supported)")),
            Some(b"progress") => {
                // What has no room is answered with what waits: the answers are one number.
                asked.retain(|ask| !matches!(ask.try_send(()), Err(TrySendError::Closed(()))));
            }
            Some(b"watch") if words.len() < 2 && scope.watch_key.is_none() => {
                err_line(&format!("Invalid command {shown} (command type or key is not provided)"));
            }
            Some(b"watch") => {
                let parsed = parse_as(&super::run::program(), &words)
                    .map_err(|refusal| Failure::new(exit::BAD_ARGS, refusal.text))?;
                let made = match request_of(&parsed, scope) {
                    Ok(made) => made,
                    // The lines behind it may be right.
                    Err(refusal) if parsed.flags.is_given("prefix") => {
                        err_line(&format!("Invalid command {shown} ({refusal})"));
                        continue;
                    }
                    Err(refusal) => return Err(Failure::new(exit::BAD_ARGS, refusal.text)),
                };
                let Some(Watch { request: Some(request), program, .. }) =
                    made.downcast::<Watch>().cloned()
                else {
                    continue;
                };
                let (ask, asks) = mpsc::channel(ASKS_MAX);
                asked.push(ask);
                let stream = client.watch(request).require_leader();
                let ended = ended.clone();
                tokio::spawn(async move {
                    if let Err(failure) = follow(stream, program, style, Some(asks)).await
                        && failure.exit == exit::ERROR
                    {
                        let _ = ended.send(failure).await;
                    }
                });
            }
            Some(_) => err_line(&format!("Invalid command {shown} (only support watch)")),
        }
    }
}

/// Lines of standard input, read on a thread of their own because such a read cannot be given up.
fn lines_of_input() -> mpsc::Receiver<Vec<u8>> {
    let (sender, lines) = mpsc::channel(LINES_MAX);
    std::thread::spawn(move || {
        while let Some(mut line) = Stdin::default().line() {
            line.pop();
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}
