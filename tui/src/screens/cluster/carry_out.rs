//! How the steps of an [`Upkeep`] are carried out, one after another.

use std::time::Duration;

use mini_etcd_proto::etcdserverpb::{
    AlarmType, CompactionRequest, DefragmentRequest, MoveLeaderRequest, RangeRequest,
    StatusRequest, StatusResponse,
};
use mini_etcd_shared::client::{Client, Outcome};
use mini_etcd_shared::command::MAKE_ROOM;
use mini_etcd_shared::error::ClientError;
use tokio::time::{Instant, sleep};
use tonic::Code;

use super::requests::{disarm, done, only};
use super::upkeep::{Said, Step, Target, Told, Upkeep};
use crate::engine::fault;
use crate::engine::request::{Clients, Parts, Request, Trouble};
use crate::widget::bytes;

/// A compaction or a defragmentation may take so long.
const LONG: Duration = Duration::from_secs(600);
/// An answer on how a member is may take so long.
const SHORT: Duration = Duration::from_secs(5);
/// A member has so long to be healthy again.
const HEALTHY_WITHIN: Duration = Duration::from_secs(60);
/// What is compacted is waited for so long: a server does not tell when it is done with it.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);
/// Time between two looks at a member.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks that must find the same space in use before a compaction is taken to be done.
const SETTLED_LOOKS: u32 = 3;
/// The part of a quota that must be free: one in so many.
const HEADROOM: u64 = 10;

impl Request for Upkeep {
    type Answer = Told;

    async fn run(self, clients: Clients, parts: Parts<Told>) -> Result<Told, Trouble> {
        let mut last = Told { step: 0, said: Said::Begun };
        for (step, what) in self.steps.iter().enumerate() {
            if step > 0 {
                parts.send(last).await;
            }
            parts.send(Told { step, said: Said::Begun }).await;
            let work = Work { clients: &clients, parts: &parts, step };
            let said = work.carry_out(what).await?;
            last = Told { step, said: Said::Done(said) };
        }
        Ok(last)
    }
}

/// A step that is under way.
struct Work<'a> {
    clients: &'a Clients,
    parts: &'a Parts<Told>,
    step: usize,
}

impl Work<'_> {
    async fn now(&self, words: &'static str) {
        self.parts.send(Told { step: self.step, said: Said::Now(words) }).await;
    }

    fn ask(&self, target: &Target, within: Duration) -> Result<Client, Trouble> {
        only(self.clients, &target.endpoint, Some(within))
    }

    async fn carry_out(&self, step: &Step) -> Result<String, Trouble> {
        match step {
            Step::Compact(revision) => self.compact(*revision).await,
            Step::DefragFollower(target) => self.defrag(target, Some(false)).await,
            Step::DefragLeader(target) | Step::DefragFormer(target) => {
                self.defrag(target, None).await
            }
            Step::HandOver(from, to) => self.hand_over(from, to).await,
            Step::Verify(targets, unheard) => self.verify(targets, unheard).await,
            Step::Disarm => {
                let kind = i32::from(AlarmType::Nospace);
                let cleared = disarm(&self.clients.client, |alarm| alarm == kind).await?;
                Ok(format!("{cleared} cleared"))
            }
        }
    }

    async fn compact(&self, revision: i64) -> Result<String, Trouble> {
        let mut config = self.clients.client.config().clone();
        config.command_timeout = Some(LONG);
        let client = self.clients.client.with_config(config);
        let client = client.map_err(|error| fault::of_client(&error, false))?;
        match client.compact(CompactionRequest { revision, physical: true }).await {
            Outcome::Failed(ClientError::Refused { code: Code::OutOfRange, message })
                if message.contains("has been compacted") =>
            {
                Ok("it was compacted already".to_owned())
            }
            outcome => done(outcome).map(|_| String::new()),
        }
    }

    /// `leads`: it is done only if the member leads, or only if it does not.
    async fn defrag(&self, target: &Target, leads: Option<bool>) -> Result<String, Trouble> {
        let quick = self.ask(target, SHORT)?;
        let status = self.settled(&quick).await?;
        if leads.is_some_and(|leads| leads != (status.leader == target.id)) {
            return Err(trouble(
                target,
                "it leads now, and followers come first".to_owned(),
                "begin again: the order is made anew",
            ));
        }
        self.now("gives space back").await;
        let patient = self.ask(target, LONG)?;
        done(patient.defragment(DefragmentRequest {}).await).map_err(|error| at(target, error))?;
        self.now("waits until it is healthy").await;
        let after = self.healthy(target, &quick).await?;
        let size = |status: &StatusResponse| bytes(status.db_size.unsigned_abs());
        Ok(format!("{} before, {} now", size(&status), size(&after)))
    }

    /// How it is once what was compacted is gone: as much space is in use as the looks before found.
    async fn settled(&self, client: &Client) -> Result<StatusResponse, Trouble> {
        let ends = Instant::now() + SETTLED_WITHIN;
        let mut same = 0;
        let mut status = done(client.status(StatusRequest {}).await)?;
        while same < SETTLED_LOOKS && Instant::now() < ends {
            sleep(LOOK_EVERY).await;
            let next = done(client.status(StatusRequest {}).await)?;
            same = if next.db_size_in_use < status.db_size_in_use { 0 } else { same + 1 };
            status = next;
        }
        Ok(status)
    }

    /// Waits until it answers a linearizable read: it knows a leader, and has all that a quorum has. I2
    async fn healthy(&self, target: &Target, client: &Client) -> Result<StatusResponse, Trouble> {
        let ends = Instant::now() + HEALTHY_WITHIN;
        loop {
            let failed = match health(client).await {
                Ok(status) if status.leader != 0 => return Ok(status),
                Ok(_) => trouble(target, "it knows no leader".to_owned(), "look at its log"),
                Err(failed) => at(target, failed),
            };
            if Instant::now() > ends {
                return Err(failed);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn hand_over(&self, from: &Target, to: &Target) -> Result<String, Trouble> {
        let (old, new) = (self.ask(from, SHORT)?, self.ask(to, SHORT)?);
        self.healthy(to, &new).await?;
        let status = done(old.status(StatusRequest {}).await).map_err(|error| at(from, error))?;
        if status.leader != from.id {
            return Ok(format!("{} does not lead any more", from.name));
        }
        let asked = old.move_leader(MoveLeaderRequest { target_id: to.id }).await;
        done(asked).map_err(|error| at(from, error))?;
        self.now("waits until both follow it").await;
        let ends = Instant::now() + HEALTHY_WITHIN;
        loop {
            let leaders = [self.healthy(to, &new).await?, self.healthy(from, &old).await?];
            if leaders.iter().all(|status| status.leader != from.id) {
                return Ok(String::new());
            }
            if Instant::now() > ends {
                return Err(trouble(from, "it leads still".to_owned(), "look at its log"));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// I4
    async fn verify(&self, targets: &[Target], unheard: &[String]) -> Result<String, Trouble> {
        if let Some(name) = unheard.first() {
            return Err(Trouble {
                place: String::new(),
                why: format!("{name} is not heard from here: nobody knows whether it has room"),
                next: "start it or remove it, and begin again".to_owned(),
            });
        }
        let mut said = Vec::new();
        for target in targets {
            let status = self.ask(target, SHORT)?.status(StatusRequest {}).await;
            let status = done(status).map_err(|error| at(target, error))?;
            let told = u64::try_from(status.db_size_quota).ok().filter(|quota| *quota > 0);
            let size = if target.by_use { status.db_size_in_use } else { status.db_size };
            let size = size.unsigned_abs();
            match room(size, told.or(target.quota), target.before) {
                Ok(words) => said.push(format!("{} {words}", target.name)),
                Err(words) => return Err(trouble(target, words, &make_room(target))),
            }
        }
        Ok(said.join(", "))
    }
}

/// What to do where there is no room. etcd clears its alarm whenever it is asked; mini-etcd first looks whether there is room.
fn make_room(target: &Target) -> String {
    let alarm = if target.by_use {
        "is refused while the quota is used up"
    } else {
        "clears the alarm all the same"
    };
    format!("{MAKE_ROOM}, or raise --quota-backend-bytes, and begin again; D {alarm}")
}

/// Whether a member of so many bytes has room, in words. Without a quota, whether it has much more than before.
fn room(size: u64, quota: Option<u64>, before: Option<u64>) -> Result<String, String> {
    match (quota, before) {
        (Some(quota), _) => {
            let words = format!("has {} of {}", bytes(size), bytes(quota));
            if quota.saturating_sub(size) >= quota / HEADROOM { Ok(words) } else { Err(words) }
        }
        (None, Some(before)) => {
            let words =
                format!("has {}, {} before; its quota is not told", bytes(size), bytes(before));
            if before.saturating_sub(size) >= before / HEADROOM { Ok(words) } else { Err(words) }
        }
        (None, None) => Err("tells neither its quota nor its size".to_owned()),
    }
}

/// How it is, when it also answers a linearizable read. Who refuses to show the key has confirmed what it would show.
async fn health(client: &Client) -> Result<StatusResponse, Trouble> {
    let key = bytes::Bytes::from_static(b"health");
    match client.range(RangeRequest { key, ..RangeRequest::default() }).await {
        Outcome::Failed(ClientError::Refused {
            code: Code::PermissionDenied | Code::Unauthenticated,
            ..
        }) => {}
        outcome => {
            done(outcome)?;
        }
    }
    done(client.status(StatusRequest {}).await)
}

fn at(target: &Target, trouble: Trouble) -> Trouble {
    Trouble { place: target.name.clone(), ..trouble }
}

fn trouble(target: &Target, why: String, next: &str) -> Trouble {
    Trouble { place: target.name.clone(), why, next: next.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_room_the_alarm_goes_where_the_server_lets_it() {
        let next = |by_use| make_room(&Target { by_use, ..Target::default() });
        assert!(next(true).ends_with("begin again; D is refused while the quota is used up"));
        assert!(next(false).ends_with("begin again; D clears the alarm all the same"));
        assert!(next(true).contains("delete keys and compact, or raise"));
    }

    #[test]
    fn who_has_less_than_a_tenth_of_its_quota_has_no_room() {
        assert_eq!(room(90 << 20, Some(100 << 20), None).unwrap(), "has 90M of 100M");
        assert!(room(91 << 20, Some(100 << 20), None).is_err());
        assert!(room(u64::MAX, Some(100), None).is_err());
        // A quota that is not told: it has to have become smaller.
        assert!(room(50, None, Some(100)).is_ok_and(|words| words.contains("not told")));
        assert!(room(99, None, Some(100)).is_err());
        assert!(room(1, None, None).is_err());
    }
}
