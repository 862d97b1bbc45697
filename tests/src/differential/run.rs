//! [`Run`]: two fresh servers, and the steps that both get.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context as _;
use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::watch_request::RequestUnion;
use mini_etcd_proto::etcdserverpb::{
    self as pb, AuthenticateResponse, LeaseGrantResponse, StatusRequest, StatusResponse,
    WatchRequest,
};
use prost::Message;
use prost_reflect::DynamicMessage;

use super::call::{Answer, SILENCE, messages, only_reads};
use super::deviations::{Asked, Exchange, SILENCED, Version, deviation, unsent, watch_start};
use super::names::Names;
use super::normal::{learn, normal};
use super::outcome::{Difference, Outcome};
use super::server::{Server, first};
use super::step::{Step, request_text};
use super::watches::{Await, Watches};
use super::{Pair, Side};
use crate::cluster::Cluster;
use crate::process::workspace_binary;

/// Reads that are asked at the same time, at most.
const TOGETHER: usize = 16;
const WATCH: &str = "/etcdserverpb.Watch/Watch";

/// Two servers, and what is known of them.
pub struct Run {
    pub(super) servers: Pair<Server>,
    pub(super) names: Names,
    version: Version,
    /// Etcd's revision that was compacted last.
    compacted: i64,
    pub(super) is_secured: bool,
    /// Member and kind of each.
    alarms: BTreeSet<(u64, i32)>,
    watches: Watches,
    passed_over: BTreeMap<&'static str, usize>,
    codes: BTreeMap<String, usize>,
}

/// Starts both servers anew and gives them the steps, up to the first difference.
///
/// # Errors
/// When one cannot be started, or ends.
pub async fn run(etcd: &Path, steps: impl IntoIterator<Item = Step>) -> anyhow::Result<Outcome> {
    let mut run = Run::start(etcd).await?;
    let mut steps = steps.into_iter().enumerate().peekable();
    let mut done = 0;
    while let Some((number, step)) = steps.next() {
        let mut together = vec![step];
        while let Some((_, next)) = steps.peek()
            && together.len() < TOGETHER
            && together.iter().chain([next]).all(can_be_asked_together)
        {
            together.extend(steps.next().map(|(_, step)| step));
        }
        done += together.len();
        let found = match &*together {
            [one] => run.step(one).await.map(|it| (0, it)),
            several => run.reads(several).await,
        };
        if let Some((place, difference)) = found {
            run.still_there()?;
            let user = together.get(place).map_or("", Step::user);
            let difference = Difference { step: number + place, user, ..difference };
            return Ok(run.outcome(done, Some(difference)));
        }
    }
    let difference = run.step(&Step::Compare).await.map(|it| Difference { step: done, ..it });
    run.still_there()?;
    Ok(run.outcome(done, difference))
}

fn can_be_asked_together(step: &Step) -> bool {
    matches!(step, Step::Call { path, .. } if only_reads(path))
}

impl Run {
    async fn start(etcd: &Path) -> anyhow::Result<Self> {
        let flags = ["--bcrypt-cost=4", "--auth-token-ttl=86400"].map(str::to_owned);
        let mini = workspace_binary("mini-etcd")?;
        let (etcd, mini) = tokio::join!(
            Cluster::start_etcd_with_flags(etcd, 1, &flags),
            // By etcd's flags, so that it has a peer URL of its own.
            Cluster::start_etcd_with_flags(&mini, 1, &flags),
        );
        let servers = Pair { etcd: Server::new(etcd?)?, mini: Server::new(mini?)? };
        let status = servers.etcd.ask("/etcdserverpb.Maintenance/Status", &StatusRequest {}).await;
        let status: StatusResponse = first(&status)?;
        let mut numbers = status.version.split('.').map_while(|part| part.parse().ok());
        let version = numbers.next().zip(numbers.next()).context(status.version.clone())?;
        let (etcd, mini) = (servers.etcd.facts().await?, servers.mini.facts().await?);
        let members = Pair { etcd: etcd.1, mini: mini.1 };
        let names = Names::new((etcd.0, mini.0), members, Pair { etcd: etcd.2, mini: mini.2 });
        Ok(Self {
            servers,
            names,
            version,
            compacted: -1,
            is_secured: false,
            alarms: BTreeSet::new(),
            watches: Watches::default(),
            passed_over: BTreeMap::new(),
            codes: BTreeMap::new(),
        })
    }

    fn outcome(self, steps: usize, difference: Option<Difference>) -> Outcome {
        let Self { version, passed_over, codes, .. } = self;
        Outcome { version, steps, passed_over, codes, difference }
    }

    fn still_there(&mut self) -> anyhow::Result<()> {
        for (name, server) in
            [("etcd", &mut self.servers.etcd), ("mini-etcd", &mut self.servers.mini)]
        {
            let errors = server.cluster.member(0)?.errors();
            anyhow::ensure!(server.cluster.is_running(0), "{name} has ended; it said:\n{errors}");
        }
        Ok(())
    }

    fn unsent(&self, path: &str, request: &Bytes, user: &str) -> Option<&'static str> {
        let Self { version, is_secured, compacted, ref alarms, .. } = *self;
        let start = watch_start(path, request).map(|it| self.names.revision(it));
        let is_from_compacted = start == Some(compacted);
        unsent(&Asked { version, is_secured, is_from_compacted, alarms, user, path, request })
    }

    fn pass_over(&mut self, name: &'static str) {
        *self.passed_over.entry(name).or_default() += 1;
    }

    /// Carries one step out on both servers.
    pub(super) async fn step(&mut self, step: &Step) -> Option<Difference> {
        match step {
            Step::Call { path, messages, user } => {
                let request = messages.first()?;
                if let Some(name) = self.unsent(path, request, user) {
                    self.pass_over(name);
                    return None;
                }
                self.before(path).await.or(match path.rsplit('/').next() {
                    Some("Lock" | "Campaign") if self.knows_root() => {
                        self.acquire(path, request, user).await
                    }
                    Some("Lock" | "Campaign") => None,
                    Some("Observe") => self.observe(path, request, user).await,
                    _ => {
                        let answers = self.ask_both(path, messages, user, usize::MAX).await;
                        let difference = self.judge(path, Some(request), &answers);
                        self.after(path, request, &answers);
                        difference
                    }
                })
            }
            Step::Watch { stream, message, user } => self.watch(*stream, message, user).await,
            Step::Close { stream } => {
                let difference = self.compare().await;
                self.watches.close(*stream);
                difference
            }
            Step::Compare => self.compare().await,
        }
    }

    /// Carries reads out at the same time.
    async fn reads(&mut self, steps: &[Step]) -> Option<(usize, Difference)> {
        let asked = steps.iter().map(async |step| match step {
            Step::Call { path, messages, user } => {
                let request = messages.first()?;
                if let Some(name) = self.unsent(path, request, user) {
                    return Some((path, request, Err(name)));
                }
                let answers = self.ask_both(path, messages, user, usize::MAX).await;
                Some((path, request, Ok(answers)))
            }
            _ => None,
        });
        let answers = futures::future::join_all(asked).await;
        for (place, answer) in answers.into_iter().enumerate() {
            match answer {
                None => (),
                Some((_, _, Err(name))) => self.pass_over(name),
                Some((path, request, Ok(answers))) => {
                    if let Some(difference) = self.judge(path, Some(request), &answers) {
                        return Some((place, difference));
                    }
                }
            }
        }
        None
    }

    /// Whether the run itself may look at the keys.
    fn knows_root(&self) -> bool {
        !self.is_secured || !self.servers.etcd.token("root").is_empty()
    }

    /// What must be over before some calls.
    async fn before(&mut self, path: &str) -> Option<Difference> {
        let method = path.rsplit('/').next().unwrap_or_default();
        if path.starts_with("/etcdserverpb.Cluster/") && method != "MemberList" {
            // Etcd loses a change of members right behind another one. This goes through its log and changes nothing.
            let list = pb::AlarmRequest::default();
            self.servers.etcd.ask("/etcdserverpb.Maintenance/Alarm", &list).await;
        }
        if self.watches.is_empty() {
            return None;
        }
        // A watch that is still behind may be ended by it.
        if method == "Compact" {
            let difference = self.compare().await;
            return difference.or(self.settle(None).await);
        }
        // Watches of those who lose a right go on in etcd.
        if path.starts_with("/etcdserverpb.Auth/") && !only_reads(path) && method != "Authenticate"
        {
            let difference = self.compare().await;
            self.watches.close_all();
            return difference;
        }
        None
    }

    /// What follows for the run from good answers.
    fn after(&mut self, path: &str, request: &Bytes, answers: &Pair<Answer>) {
        let (Some(etcd), Some(mini)) =
            (answers.etcd.messages.first(), answers.mini.messages.first())
        else {
            return;
        };
        match path.rsplit('/').next().unwrap_or_default() {
            "Compact" => {
                let revision =
                    pb::CompactionRequest::decode(request.clone()).map_or(0, |it| it.revision);
                self.compacted = self.names.revision(revision);
            }
            "Alarm" => {
                let alarm = pb::AlarmRequest::decode(request.clone()).unwrap_or_default();
                let key = (alarm.member_id, alarm.alarm);
                match alarm.action {
                    1 => drop(self.alarms.insert(key)),
                    2 => drop(self.alarms.remove(&key)),
                    _ => (),
                }
            }
            method @ ("AuthEnable" | "AuthDisable") => {
                self.is_secured = method == "AuthEnable";
                self.servers.etcd.is_secured = self.is_secured;
                self.servers.mini.is_secured = self.is_secured;
            }
            "Authenticate" => {
                let name =
                    pb::AuthenticateRequest::decode(request.clone()).unwrap_or_default().name;
                let token = |bytes: &Bytes| {
                    AuthenticateResponse::decode(bytes.clone()).unwrap_or_default().token
                };
                if let Some(user) = super::generate::USERS.iter().find(|user| **user == name) {
                    self.servers.etcd.tokens.insert(user, token(etcd));
                    self.servers.mini.tokens.insert(user, token(mini));
                }
            }
            _ => (),
        }
    }

    /// A message as each server gets it.
    pub(super) fn requests(&self, path: &str, message: &Bytes) -> Pair<Bytes> {
        let own = |side: Side| {
            let (input, _) = messages(path)?;
            let mut message = DynamicMessage::decode(input, message.clone()).ok()?;
            self.names.outward_all(side, &mut message);
            Some(Bytes::from(message.encode_to_vec()))
        };
        Pair { etcd: Side::Etcd, mini: Side::Mini }
            .map(|_, side| own(side).unwrap_or_else(|| message.clone()))
    }

    /// What somebody shows to each server.
    pub(super) fn tokens(&self, user: &str) -> Pair<String> {
        // Up to 3.5 a token counts also where users do not.
        let user = if self.is_secured || self.version >= (3, 6) { user } else { "" };
        Pair { etcd: self.servers.etcd.token(user), mini: self.servers.mini.token(user) }
    }

    /// A call of both servers.
    pub(super) async fn ask_both(
        &self,
        path: &str,
        messages: &[Bytes],
        user: &str,
        most: usize,
    ) -> Pair<Answer> {
        let (mut to_etcd, mut to_mini) = (Vec::new(), Vec::new());
        for message in messages {
            let requests = self.requests(path, message);
            to_etcd.push(requests.etcd);
            to_mini.push(requests.mini);
        }
        let tokens = self.tokens(user);
        let (etcd, mini) = tokio::join!(
            self.servers.etcd.caller.call(path, to_etcd, &tokens.etcd, most),
            self.servers.mini.caller.call(path, to_mini, &tokens.mini, most),
        );
        Pair { etcd, mini }
    }

    /// Learns from two answers, and compares them.
    pub(super) fn judge(
        &mut self,
        path: &str,
        request: Option<&Bytes>,
        answers: &Pair<Answer>,
    ) -> Option<Difference> {
        let silent = |answer: &Answer| answer.status.message() == SILENCE;
        if silent(&answers.etcd) || silent(&answers.mini) {
            let said = |answer: &Answer| format!("{:?}", answer.status);
            return Some(Difference::new(path, said(&answers.etcd), said(&answers.mini)));
        }
        let Some((_, output)) = messages(path) else {
            return Some(Difference::new(path, "no such method".to_owned(), String::new()));
        };
        learn(&mut self.names, &output, answers.as_ref());
        if path.ends_with("/LeaseGrant") {
            self.learn_drawn(request, answers);
        }
        let [etcd, mini] = [(Side::Etcd, &answers.etcd), (Side::Mini, &answers.mini)]
            .map(|(side, answer)| normal(&self.names, side, (path, request), &output, answer));
        let code = format!("{:?} {}", etcd.code, etcd.words);
        *self.codes.entry(code.trim_end().to_owned()).or_default() += 1;
        if etcd == mini {
            return None;
        }
        let (etcd_text, mini_text) = (etcd.text(), mini.text());
        if etcd_text == mini_text {
            return None;
        }
        let nothing = Bytes::new();
        let exchange = Exchange {
            version: self.version,
            path,
            request: request.unwrap_or(&nothing),
            etcd: &etcd,
            mini: &mini,
        };
        if let Some(name) = deviation(&exchange) {
            self.pass_over(name);
            return None;
        }
        let asked = request.map(|request| request_text(path, &self.requests(path, request).etcd));
        let difference = Difference::new(path, etcd_text, mini_text);
        Some(Difference { asked: asked.unwrap_or_default(), ..difference })
    }

    /// A grant that names no lease has both servers draw one.
    fn learn_drawn(&mut self, request: Option<&Bytes>, answers: &Pair<Answer>) {
        let asked = request.and_then(|it| pb::LeaseGrantRequest::decode(it.clone()).ok());
        if asked.is_none_or(|asked| asked.id != 0) {
            return;
        }
        let id = |answer: &Answer| first::<LeaseGrantResponse>(answer).map(|it| it.id);
        if let (Ok(etcd), Ok(mini)) = (id(&answers.etcd), id(&answers.mini)) {
            self.names.drawn(etcd, mini);
        }
    }

    async fn watch(&mut self, stream: u8, message: &Bytes, user: &str) -> Option<Difference> {
        if let Some(name) = self.unsent(WATCH, message, user) {
            self.pass_over(name);
            return None;
        }
        if !self.watches.is_open(stream) {
            let tokens = self.tokens(user);
            let callers = Pair { etcd: &self.servers.etcd.caller, mini: &self.servers.mini.caller };
            let tokens = Pair { etcd: &*tokens.etcd, mini: &*tokens.mini };
            self.watches.open(stream, callers, tokens, self.version);
        }
        let union = WatchRequest::decode(message.clone()).ok()?.request_union;
        let answer = match &union {
            Some(RequestUnion::CreateRequest(create)) => {
                // A refusal silences etcd's watch of that number: what came before is compared first.
                if self.version < (3, 6)
                    && self.watches.has(stream, create.watch_id)
                    && let Some(difference) = self.compare().await
                {
                    return Some(difference);
                }
                let start = self.names.revision(create.start_revision);
                self.watches.starts(stream, start, self.names.newest().0);
                let is_behind = start > 0 && start < self.compacted;
                if is_behind { Await::CreatedAndCanceled } else { Await::Created }
            }
            Some(RequestUnion::CancelRequest(cancel))
                if self.watches.has(stream, cancel.watch_id) =>
            {
                if let Some(difference) = self.settle(Some(stream)).await {
                    return Some(difference);
                }
                Await::Canceled(cancel.watch_id)
            }
            Some(RequestUnion::ProgressRequest(_)) => {
                // Only where every watch has reached its start, and has nothing to catch up with, does each etcd answer.
                if !self.watches.has_begun(stream, self.names.newest().0) {
                    return None;
                }
                if let Some(difference) = self.compare().await {
                    return Some(difference);
                }
                Await::Progress
            }
            _ => Await::Nothing,
        };
        let requests = self.requests(WATCH, message);
        let silenced = self.watches.silenced();
        let sent = self.watches.send(&self.names, stream, requests, answer).await;
        if self.watches.silenced() > silenced {
            self.pass_over(SILENCED);
        }
        sent.err().map(|words| Difference::new(WATCH, words, String::new()))
    }

    async fn settle(&mut self, stream: Option<u8>) -> Option<Difference> {
        let settled = self.watches.settle(&self.servers.etcd, stream).await;
        settled.err().map(|error| Difference::new(WATCH, format!("{error:#}"), String::new()))
    }

    async fn compare(&mut self) -> Option<Difference> {
        let compared = self.watches.compare(&self.names).await;
        compared.err().map(|words| Difference::new(WATCH, words, String::new()))
    }
}
