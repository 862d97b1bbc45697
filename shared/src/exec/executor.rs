//! The executor.

use mini_etcd_proto::etcdserverpb::{
    AlarmRequest, MemberListRequest, PutRequest, TxnRequest, WatchCreateRequest,
};

use super::input::section;
use super::{Answer, Failure, Input, Prompt, Report, endpoints};
use crate::client::{Client, Outcome, WatchStream};
use crate::command::{Command, exit, parse_compare, parse_op};

/// Carries out commands through one client.
#[derive(Clone, Debug)]
pub struct Executor {
    client: Client,
}

impl Executor {
    /// An executor on `client`.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Starts a watch; the caller reads it.
    #[must_use]
    pub fn watch(&self, request: WatchCreateRequest) -> WatchStream {
        self.client.watch(request).require_leader()
    }

    /// Carries out any command but a watch.
    pub async fn run(&self, command: Command, input: &mut dyn Input) -> Report {
        match command {
            Command::EndpointStatus { cluster } => endpoints::status(&self.client, cluster).await,
            Command::EndpointHealth { cluster } => endpoints::health(&self.client, cluster).await,
            Command::EndpointHashKv { cluster, revision } => {
                endpoints::hash_kv(&self.client, cluster, revision).await
            }
            other => self.run_single(other, input).await.map_or_else(Report::from, Report::of),
        }
    }

    async fn run_single(&self, command: Command, input: &mut dyn Input) -> Result<Answer, Failure> {
        let client = &self.client;
        Ok(match command {
            Command::Put { request, value_from_input } => {
                let request = if value_from_input { read_value(request, input)? } else { request };
                Answer::Put(done(client.put(request).await)?)
            }
            Command::Get(get) => Answer::Get {
                values_only: get.values_only,
                count_only: get.request.count_only,
                response: done(client.range(get.request).await)?,
            },
            Command::Del(request) => Answer::Del(done(client.delete_range(request).await)?),
            Command::Txn { interactive } => {
                let request = read_txn(interactive, input)?;
                Answer::Txn(done(client.txn(request).await)?)
            }
            Command::Compaction(request) => {
                let revision = request.revision;
                done(client.compact(request).await)?;
                Answer::Compaction(revision)
            }
            Command::MemberList => {
                let request = MemberListRequest { linearizable: true };
                Answer::MemberList(done(client.member_list(request).await)?)
            }
            Command::AlarmList => {
                Answer::AlarmList(done(client.alarm(AlarmRequest::default()).await)?)
            }
            Command::Version => Answer::Version,
            Command::Help { target, unknown: None } => Answer::Help(target),
            Command::Help { unknown: Some(words), .. } => {
                return Err(Failure::new(exit::ERROR, format!("no command {words:?}")));
            }
            Command::Watch(_)
            | Command::EndpointStatus { .. }
            | Command::EndpointHealth { .. }
            | Command::EndpointHashKv { .. } => {
                return Err(Failure::new(exit::ERROR, "this command answers more than once"));
            }
        })
    }
}

pub(super) fn done<T>(outcome: Outcome<T>) -> Result<T, Failure> {
    match outcome {
        Outcome::Ok(value) => Ok(value),
        Outcome::Failed(error) => Err(Failure::of(error, false)),
        Outcome::Unknown(error) => Err(Failure::of(error, true)),
    }
}

fn read_value(request: PutRequest, input: &mut dyn Input) -> Result<PutRequest, Failure> {
    let value = input.rest();
    if value.is_empty() {
        return Err(Failure::new(
            exit::BAD_ARGS,
            "put command needs 1 argument and input from stdin or 2 arguments",
        ));
    }
    Ok(PutRequest { value: value.into(), ..request })
}

fn read_txn(interactive: bool, input: &mut dyn Input) -> Result<TxnRequest, Failure> {
    let prompt = |prompt| interactive.then_some(prompt);
    Ok(TxnRequest {
        compare: section(input, prompt(Prompt::Compares), parse_compare)?,
        success: section(input, prompt(Prompt::Success), parse_op)?,
        failure: section(input, prompt(Prompt::Failure), parse_op)?,
    })
}
