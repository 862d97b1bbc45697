//! Locks and elections, whose calls wait for others: each is brought to its end before the next step.

use std::time::Duration;

use anyhow::ensure;
use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use mini_etcd_proto::etcdserverpb::{
    DeleteRangeRequest, LeaseRevokeRequest, RangeRequest, RangeResponse,
};
use mini_etcd_proto::v3electionpb::{CampaignRequest, CampaignResponse, ResignRequest};
use mini_etcd_proto::v3lockpb::{LockRequest, LockResponse, UnlockRequest};
use prost::Message;

use super::Pair;
use super::call::{Answer, messages};
use super::normal::learn;
use super::outcome::Difference;
use super::run::Run;
use super::server::Server;
use super::step::{Step, request_text};
use crate::wait::eventually;

/// Longest that both servers may take to hold a call up.
const DEADLINE: Duration = Duration::from_secs(5);
/// From a key's being there to its server's waiting behind others.
const SETTLED: Duration = Duration::from_millis(50);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(3);

/// What becomes of a call.
enum End {
    /// It was answered.
    Answered(Box<Answer>),
    /// It waited behind somebody else, and was given up; its key, which began at that revision, is gone.
    GivenUp(i64),
    /// Neither within the deadline.
    Stuck(String),
}

/// Name and lease of a call of Lock or Campaign.
fn subject(path: &str, request: &Bytes) -> (Bytes, i64) {
    let request = request.clone();
    if path.ends_with("/Lock") {
        let it = LockRequest::decode(request).unwrap_or_default();
        (it.name, it.lease)
    } else {
        let it = CampaignRequest::decode(request).unwrap_or_default();
        (it.name, it.lease)
    }
}

/// Where the key of a call is, and the keys beside it.
fn places(path: &str, request: &Bytes) -> (Vec<u8>, Vec<u8>) {
    let (name, lease) = subject(path, request);
    let prefix = [&name[..], b"/"].concat();
    let own = [&prefix[..], format!("{lease:x}").as_bytes()].concat();
    (prefix, own)
}

/// Whether what becomes of a call that has to wait cannot be seen, or is not the same: its key is there already, behind
/// another; or users count, and etcd then lets the key of a call that is given up stay.
async fn is_unseen(server: &Server, path: &str, request: &Bytes, is_secured: bool) -> bool {
    let (prefix, own) = places(path, request);
    let keys = keys(server, &prefix).await;
    let is_behind = keys.iter().skip(1).any(|(key, _)| *key == own);
    is_behind || (is_secured && keys.iter().any(|(key, _)| *key != own))
}

/// Calls one server; a call that is held up is given up, and its key waited for until it is gone.
async fn call(server: &Server, path: &str, request: Bytes, token: &str) -> End {
    let (prefix, own) = places(path, &request);
    let start = tokio::time::Instant::now();
    let began = {
        let mut answer = std::pin::pin!(server.caller.call(path, vec![request], token, 1));
        loop {
            tokio::select! {
                answer = &mut answer => return End::Answered(Box::new(answer)),
                () = tokio::time::sleep(PAUSE) => (),
            }
            let keys = keys(server, &prefix).await;
            let mine = keys.iter().skip(1).find(|(key, _)| *key == own);
            if let Some((_, began)) = mine {
                // Given up before the server knows that its own key is there, it leaves the key. No call shows that, and the
                // number of watches, one of which it waits with, is behind by those that have just ended.
                tokio::time::sleep(SETTLED).await;
                break *began;
            }
            if start.elapsed() > DEADLINE {
                return End::Stuck(format!("does not end beside {keys:?}"));
            }
        }
    };
    let gone = eventually("the end of its key", DEADLINE, || async {
        ensure!(keys(server, &prefix).await.iter().all(|(key, _)| *key != own));
        Ok(())
    });
    if gone.await.is_ok() { End::GivenUp(began) } else { End::Stuck("its key stays".to_owned()) }
}

async fn delete(server: &Server, key: Vec<u8>) {
    let request = DeleteRangeRequest { key: key.into(), ..DeleteRangeRequest::default() };
    server.ask("/etcdserverpb.KV/DeleteRange", &request).await;
}

/// The keys below a name and where they began, oldest first.
async fn keys(server: &Server, prefix: &[u8]) -> Vec<(Vec<u8>, i64)> {
    let mut end = prefix.to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    let range = RangeRequest {
        key: prefix.to_vec().into(),
        range_end: end.into(),
        sort_order: SortOrder::Ascend.into(),
        sort_target: SortTarget::Create.into(),
        keys_only: true,
        ..RangeRequest::default()
    };
    let answer = server.ask("/etcdserverpb.KV/Range", &range).await;
    let bytes = answer.messages.first().cloned().unwrap_or_default();
    let kvs = RangeResponse::decode(bytes).unwrap_or_default().kvs;
    kvs.into_iter().map(|kv| (kv.key.to_vec(), kv.create_revision)).collect()
}

impl Run {
    /// Lock or Campaign of both servers.
    pub(super) async fn acquire(
        &mut self,
        path: &'static str,
        request: &Bytes,
        user: &'static str,
    ) -> Option<Difference> {
        let requests = self.requests(path, request);
        // Etcd takes back what it wrote for a user who may not read it; here it is not written.
        if self.is_secured && user != "root" {
            return None;
        }
        if is_unseen(&self.servers.etcd, path, &requests.etcd, self.is_secured).await {
            return None;
        }
        let tokens = self.tokens(user);
        let (_, etcd_place) = places(path, &requests.etcd);
        let (_, mini_place) = places(path, &requests.mini);
        let (etcd, mini) = tokio::join!(
            call(&self.servers.etcd, path, requests.etcd, &tokens.etcd),
            call(&self.servers.mini, path, requests.mini, &tokens.mini),
        );
        match (etcd, mini) {
            (End::Answered(etcd), End::Answered(mini)) => {
                let (_, lease) = subject(path, request);
                if lease == 0 {
                    self.learn_lease(path, Pair { etcd: &*etcd, mini: &*mini });
                }
                let answers = Pair { etcd: *etcd, mini: *mini };
                let is_won = answers.etcd.messages.len() == 1;
                if !is_won {
                    // A place that was there and is lost by that is given up behind the answer. To take it away meanwhile
                    // changes nothing else.
                    tokio::join!(
                        delete(&self.servers.etcd, etcd_place),
                        delete(&self.servers.mini, mini_place),
                    );
                }
                // The head of the answer may be from before the last change.
                self.look_at_revision().await;
                let difference = self.judge(path, Some(request), &answers);
                self.names.campaign = self.names.newest().0;
                if is_won && lease == 0 && difference.is_none() {
                    return self.release(path, &answers, user).await;
                }
                difference
            }
            (End::GivenUp(etcd), End::GivenUp(mini)) => {
                self.names.seen(etcd, mini);
                self.look_at_revision().await;
                None
            }
            (etcd, mini) => {
                let said = |end: &End| match end {
                    End::Answered(answer) => format!("answered: {:?}", answer.status),
                    End::GivenUp(_) => "held up".to_owned(),
                    End::Stuck(why) => why.clone(),
                };
                let asked = request_text(path, request);
                Some(Difference { asked, ..Difference::new(path, said(&etcd), said(&mini)) })
            }
        }
    }

    /// The leases that both servers drew for a call without one.
    fn learn_lease(&mut self, path: &str, answers: Pair<&Answer>) {
        let lease = |answer: &Answer| {
            let bytes = answer.messages.first()?.clone();
            let key = if path.ends_with("/Lock") {
                LockResponse::decode(bytes).ok()?.key
            } else {
                CampaignResponse::decode(bytes).ok()?.leader?.key
            };
            let hex = key.rsplit(|byte| *byte == b'/').next()?;
            i64::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()
        };
        if let (Some(etcd), Some(mini)) = (lease(answers.etcd), lease(answers.mini)) {
            self.names.drawn(etcd, mini);
        }
    }

    /// Gives up what was won with a lease that ends by itself in a minute.
    async fn release(
        &mut self,
        path: &str,
        answers: &Pair<Answer>,
        user: &'static str,
    ) -> Option<Difference> {
        let first = |answer: &Answer| answer.messages.first().cloned().unwrap_or_default();
        let tokens = self.tokens(user);
        let (method, of) = if path.ends_with("/Lock") {
            let unlock = |answer: &Answer| {
                let key = LockResponse::decode(first(answer)).unwrap_or_default().key;
                UnlockRequest { key }.encode_to_vec()
            };
            (
                "/v3lockpb.Lock/Unlock",
                Pair { etcd: unlock(&answers.etcd), mini: unlock(&answers.mini) },
            )
        } else {
            let resign = |answer: &Answer| {
                let leader = CampaignResponse::decode(first(answer)).unwrap_or_default().leader;
                ResignRequest { leader }.encode_to_vec()
            };
            (
                "/v3electionpb.Election/Resign",
                Pair { etcd: resign(&answers.etcd), mini: resign(&answers.mini) },
            )
        };
        let (etcd, mini) = tokio::join!(
            self.servers.etcd.caller.call(method, vec![of.etcd.into()], &tokens.etcd, 1),
            self.servers.mini.caller.call(method, vec![of.mini.into()], &tokens.mini, 1),
        );
        let difference = self.judge(method, None, &Pair { etcd, mini });
        if difference.is_some() {
            return difference;
        }
        let revoke = LeaseRevokeRequest { id: super::names::DRAWN };
        let revoke = Step::call("/etcdserverpb.Lease/LeaseRevoke", &revoke).by(user);
        Box::pin(self.step(&revoke)).await
    }

    /// Election.Observe, whose first answer comes only when there is a leader.
    pub(super) async fn observe(
        &mut self,
        path: &'static str,
        request: &Bytes,
        user: &'static str,
    ) -> Option<Difference> {
        let leader = "/v3electionpb.Election/Leader";
        let answers = self.ask_both(leader, std::slice::from_ref(request), user, usize::MAX).await;
        let is_led = answers.etcd.messages.len() == 1;
        let difference = self.judge(leader, Some(request), &answers);
        if difference.is_some() || !is_led {
            return difference;
        }
        let answers = self.ask_both(path, std::slice::from_ref(request), user, 1).await;
        self.judge(path, Some(request), &answers)
    }

    /// Learns the revision that both servers are at.
    pub(super) async fn look_at_revision(&mut self) {
        let range = RangeRequest { key: "revision".into(), ..RangeRequest::default() };
        let path = "/etcdserverpb.KV/Range";
        let (etcd, mini) =
            tokio::join!(self.servers.etcd.ask(path, &range), self.servers.mini.ask(path, &range));
        if let Some((_, output)) = messages(path) {
            learn(&mut self.names, &output, Pair { etcd: &etcd, mini: &mini });
        }
    }
}
