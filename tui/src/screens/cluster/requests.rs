//! What the Cluster screen asks beside what the engine always asks: changes of the members, alarms, a backup.
//!
//! Work that goes on for long is [`upkeep`](super::upkeep)'s.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mini_etcd_proto::etcdserverpb::alarm_request::AlarmAction;
use mini_etcd_proto::etcdserverpb::{
    AlarmRequest, MemberAddRequest, MemberPromoteRequest, MemberRemoveRequest, MemberUpdateRequest,
    MoveLeaderRequest,
};
use mini_etcd_shared::client::{Client, ClientConfig, Endpoint, Outcome};
use mini_etcd_shared::command::{MAKE_ROOM, member_start_line, save_backup};
use mini_etcd_shared::error::ClientError;
use tokio::time::sleep;
use tonic::Code;

use crate::engine::fault;
use crate::engine::request::{Clients, Parts, Request, Trouble};

/// Time between two words on how far a backup is.
const TOLD_EVERY: Duration = Duration::from_millis(250);

/// Changes the members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeMembers {
    /// How.
    pub change: MemberChange,
    /// What to say when it is done.
    pub done: String,
}

/// A change of the members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberChange {
    /// Adds one.
    Add {
        /// What it is to be called when it is started.
        name: String,
        /// Where peers reach it.
        peer_urls: Vec<String>,
        /// It has no vote until it is promoted.
        learner: bool,
    },
    /// Gives a learner its vote.
    Promote(u64),
    /// Removes one.
    Remove(u64),
    /// Changes where peers reach one.
    Update(u64, Vec<String>),
    /// Hands leadership to `to`; `leader` is the endpoint of who leads, who is asked.
    Move {
        /// Where the leader is asked.
        leader: String,
        /// Who is to lead.
        to: u64,
    },
}

impl MemberChange {
    /// The command that does it.
    #[must_use]
    pub fn line(&self) -> String {
        match self {
            Self::Add { name, peer_urls, learner } => {
                let learner = if *learner { " --learner" } else { "" };
                format!("member add {name}{learner} --peer-urls={}", peer_urls.join(","))
            }
            Self::Promote(id) => format!("member promote {id:x}"),
            Self::Remove(id) => format!("member remove {id:x}"),
            Self::Update(id, urls) => {
                format!("member update {id:x} --peer-urls={}", urls.join(","))
            }
            Self::Move { to, .. } => format!("move-leader {to:x}"),
        }
    }
}

impl Request for ChangeMembers {
    /// Lines that say how to start what was added; none for anything else.
    type Answer = Vec<String>;

    async fn run(self, clients: Clients, _: Parts<Vec<String>>) -> Result<Vec<String>, Trouble> {
        let client = &clients.client;
        match self.change {
            MemberChange::Add { name, peer_urls, learner } => {
                let typed = peer_urls.join(",");
                let request = MemberAddRequest { peer_ur_ls: peer_urls, is_learner: learner };
                let answer = done(client.member_add(request).await)?;
                return Ok(member_start_line(&answer, &name, &typed));
            }
            MemberChange::Promote(id) => {
                done(client.member_promote(MemberPromoteRequest { id }).await).map(drop)?;
            }
            MemberChange::Remove(id) => {
                done(client.member_remove(MemberRemoveRequest { id }).await).map(drop)?;
            }
            MemberChange::Update(id, peer_ur_ls) => {
                let request = MemberUpdateRequest { id, peer_ur_ls };
                done(client.member_update(request).await).map(drop)?;
            }
            MemberChange::Move { leader, to } => {
                let leader = only(&clients, &leader, client.config().command_timeout)?;
                done(leader.move_leader(MoveLeaderRequest { target_id: to }).await).map(drop)?;
            }
        }
        Ok(Vec::new())
    }
}

/// Clears every alarm that is raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disarm;

impl Request for Disarm {
    /// How many were cleared.
    type Answer = u64;

    async fn run(self, clients: Clients, _: Parts<u64>) -> Result<u64, Trouble> {
        disarm(&clients.client, |_| true).await
    }
}

/// Clears the alarms of the kinds that `which` says, by their numbers; answers how many.
pub(super) async fn disarm(client: &Client, which: impl Fn(i32) -> bool) -> Result<u64, Trouble> {
    let listed = done(client.alarm(AlarmRequest::default()).await)?;
    let mut cleared = 0;
    for alarm in listed.alarms.into_iter().filter(|alarm| which(alarm.alarm)) {
        let action = AlarmAction::Deactivate.into();
        let request = AlarmRequest { action, member_id: alarm.member_id, alarm: alarm.alarm };
        cleared_one(client.alarm(request).await)?;
        cleared += 1;
    }
    Ok(cleared)
}

/// mini-etcd keeps NOSPACE while there is no room.
fn cleared_one<T>(outcome: Outcome<T>) -> Result<T, Trouble> {
    let is_full = matches!(
        outcome,
        Outcome::Failed(ClientError::Refused { code: Code::ResourceExhausted, .. })
    );
    let next = is_full.then(|| format!("{MAKE_ROOM}, then try again"));
    done(outcome).map_err(|trouble| Trouble { next: next.unwrap_or(trouble.next), ..trouble })
}

/// Saves a backup of one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaveBackup {
    /// Its name.
    pub member: String,
    /// Where it is asked.
    pub endpoint: String,
    /// Where the backup goes.
    pub path: PathBuf,
    /// What is there is replaced.
    pub replace: bool,
}

impl Request for SaveBackup {
    /// Bytes that have come so far; of the last answer, all of them.
    type Answer = u64;

    async fn run(self, clients: Clients, parts: Parts<u64>) -> Result<u64, Trouble> {
        let client = only(&clients, &self.endpoint, clients.client.config().command_timeout)?;
        let bytes = Arc::new(AtomicU64::new(0));
        let came = Arc::clone(&bytes);
        let count = move |more| {
            came.fetch_add(more, Ordering::Relaxed);
        };
        let tell = async {
            loop {
                sleep(TOLD_EVERY).await;
                parts.send(bytes.load(Ordering::Relaxed)).await;
            }
        };
        // Given up, the pieces end early, and who writes them removes what it has.
        let saved = tokio::select! {
            saved = save_backup(&client, self.path, self.replace, count) => saved,
            () = tell => Ok(()),
        };
        let failed = |failure: mini_etcd_shared::failure::Failure| Trouble {
            place: String::new(),
            why: failure.text,
            next: failure.hint.map(Into::into).unwrap_or_default(),
        };
        saved.map_err(failed)?;
        Ok(bytes.load(Ordering::Relaxed))
    }
}

/// A client that asks this member alone, and waits so long for an answer.
pub(super) fn only(
    clients: &Clients,
    endpoint: &str,
    within: Option<Duration>,
) -> Result<Client, Trouble> {
    let made = Endpoint::parse(endpoint).and_then(|endpoint| {
        clients.client.with_config(ClientConfig {
            endpoints: vec![endpoint],
            learn_members: false,
            command_timeout: within,
            ..clients.client.config().clone()
        })
    });
    made.map_err(|error| fault::of_client(&error, false))
}

/// What it answers, or why not.
pub(super) fn done<T>(outcome: Outcome<T>) -> Result<T, Trouble> {
    match outcome {
        Outcome::Ok(answer) => Ok(answer),
        Outcome::Failed(error) => Err(fault::of_client(&error, false)),
        Outcome::Unknown(error) => Err(fault::of_client(&error, true)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_that_stays_for_want_of_room_says_how_to_make_it() {
        let refused = |code| {
            let message = "etcdserver: mvcc: database space exceeded".to_owned();
            let refused = Outcome::<()>::Failed(ClientError::Refused { code, message });
            cleared_one(refused).unwrap_err()
        };
        let full = refused(Code::ResourceExhausted);
        assert!(full.why.contains("space exceeded"), "{full:?}");
        assert_eq!(full.next, "compact, or delete keys and compact, then try again");
        assert!(!refused(Code::PermissionDenied).next.contains("compact"));
    }
}
