//! The layers behind HTTP/2: what a member answers.

use std::time::Duration;

use mini_etcd_proto::etcdserverpb::{
    AuthStatusRequest, Member as Listed, MemberListRequest, RangeRequest, StatusRequest,
    StatusResponse,
};
use tokio::time::timeout;
use tonic::{Code, Response, Status};

use super::Layer;
use super::examination::{Examination, Fault, ITS_LOG};
use crate::client::member::NOT_ALLOWED;
use crate::client::{Connection, Credentials, Endpoint, Headers, Member, wants_login};

/// How long an answer may take when the command may take as long as it likes.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Key that is read; it need not exist.
const READ_KEY: &[u8] = b"health";
/// How the words of an etcd server begin, also when it has no leader to ask.
const OF_ETCD: &str = "etcdserver: ";
/// How the library begins what it says of an answer that is no gRPC.
const NO_GRPC: &str = "grpc-status header missing";

/// What to do when nothing is agreed on.
const NO_LEADER: &str =
    "more than half of the voting members must run and reach each other: examine the others";

impl Examination<'_> {
    pub(super) async fn ask(
        &mut self,
        endpoint: Endpoint,
        connection: Connection,
    ) -> Result<(), Fault> {
        let headers = Headers::of(self.config.token.as_ref());
        let member = Member::new(endpoint, connection, headers);
        self.login(&member).await?;
        let status = self.status(&member).await?;
        self.read(&member, &status).await
    }

    /// How long an answer may take.
    fn patience(&self) -> Duration {
        self.config.command_timeout.unwrap_or(ANSWER_WITHIN)
    }

    /// How long an answer may take that nothing depends on.
    fn short(&self) -> Duration {
        self.patience().min(self.config.dial_timeout)
    }

    async fn login(&mut self, member: &Member) -> Result<(), Fault> {
        match &self.config.login {
            Some(login) => self.logged_in(member, login).await,
            None => self.without_login(member).await,
        }
    }

    async fn logged_in(&mut self, member: &Member, login: &Credentials) -> Result<(), Fault> {
        let (name, after) = (&login.name, self.patience());
        let headers = member.headers();
        match timeout(after, headers.log_in(member.connection(), login)).await {
            Err(_) => return Err(Fault::new(Layer::Login, silent(after), NO_LEADER)),
            Ok(Err(status)) if status.code() == Code::InvalidArgument => {
                let found = format!("{name}: {}", status.message());
                return Err(Fault::new(Layer::Login, found, "correct --user and --password"));
            }
            Ok(Err(status)) => return Err(self.refused(Layer::Login, &status)),
            Ok(Ok(())) => {}
        }
        if headers.is_open() {
            self.works(Layer::Login, "users are off: nobody has to log in");
        } else {
            self.works(Layer::Login, format!("users are on, logged in as {name}"));
        }
        Ok(())
    }

    /// Asks whether users are on. Some do not tell, and then what is asked later may show it.
    async fn without_login(&mut self, member: &Member) -> Result<(), Fault> {
        let mut stub = member.auth();
        let answer = within(self.short(), stub.auth_status(AuthStatusRequest {})).await;
        let shown = match (&self.config.token, &self.config.tls.cert) {
            (Some(_), _) => "a token is shown",
            (None, Some(_)) => "no user is given, and a certificate that may name one",
            (None, None) => "no user is given",
        };
        let words = match answer {
            Some(Ok(answer)) if answer.enabled => format!("users are on; {shown}"),
            Some(Ok(_)) => "users are off: nobody has to log in".to_owned(),
            Some(Err(status)) if wants_login(status.message()) => {
                return Err(self.refused(Layer::Login, &status));
            }
            // Only who is known may be told that it has no rights.
            Some(Err(status)) if status.message() == NOT_ALLOWED => {
                let by = if self.config.token.is_some() { "token" } else { "certificate" };
                format!("users are on, and the {by} names one")
            }
            None | Some(Err(_)) => format!("{shown}; it does not tell whether users are on"),
        };
        self.works(Layer::Login, words);
        Ok(())
    }

    async fn status(&mut self, member: &Member) -> Result<StatusResponse, Fault> {
        let (mut stub, mut list) = (member.maintenance(), member.cluster());
        let after = self.patience();
        let (answer, list) = tokio::join!(
            within(after, stub.status(StatusRequest {})),
            within(self.short(), list.member_list(MemberListRequest { linearizable: false })),
        );
        let hangs = || Fault::new(Layer::Status, silent(after), "does it hang? look at its log");
        let status = answer.ok_or_else(hangs)?;
        let status = status.map_err(|status| self.refused(Layer::Status, &status))?;
        // Whoever does not tell its members advertises nothing.
        let members = list.and_then(Result::ok).map(|list| list.members).unwrap_or_default();
        let called = |id: u64| match members.iter().find(|member| member.id == id) {
            Some(member) if !member.name.is_empty() => format!("{} ({id:x})", member.name),
            _ => format!("{id:x}"),
        };
        self.found.advertises = advertised(&members);
        let header = status.header.unwrap_or_default();
        self.found.cluster = Some(header.cluster_id).filter(|id| *id != 0);
        self.found.member = Some(header.member_id).filter(|id| *id != 0);
        self.found.lists = members.iter().map(|member| member.id).collect();
        let role = match status.leader {
            _ if status.is_learner => "learner".to_owned(),
            0 => "without a leader".to_owned(),
            leader if leader == header.member_id => "leader".to_owned(),
            leader => format!("follower of {}", called(leader)),
        };
        let (version, term) = (&status.version, status.raft_term);
        let own = called(header.member_id);
        let words = format!("version {version}, member {own}, {role}, term {term}");
        let fault = |found: String, next: String| Err(Fault::new(Layer::Status, found, next));
        if status.leader == 0 {
            return fault(words, NO_LEADER.to_owned());
        }
        if !status.errors.is_empty() {
            let found = format!("{words}, errors: {}", status.errors.join(", "));
            let next =
                "`alarm list` names alarms, and `alarm disarm` ends them once their cause is gone";
            return fault(found, next.to_owned());
        }
        let here = |urls: &[String]| urls.iter().any(|url| self.is_here(member.endpoint(), url));
        let of_peers = members.iter().find(|found| here(&found.peer_ur_ls));
        if let Some(found) = of_peers.filter(|found| !here(&found.client_ur_ls)) {
            let next = format!("name its address for clients: {}", found.client_ur_ls.join(", "));
            return fault(format!("{words}; it is the port for peers of {}", found.name), next);
        }
        self.works(Layer::Status, words);
        Ok(status)
    }

    async fn read(&mut self, member: &Member, status: &StatusResponse) -> Result<(), Fault> {
        if status.is_learner {
            self.works(Layer::Read, "not asked: a learner answers no linearizable read");
            return Ok(());
        }
        let after = self.patience();
        let request = RangeRequest { key: READ_KEY.into(), ..RangeRequest::default() };
        match within(after, member.kv().range(request)).await {
            None => return Err(Fault::new(Layer::Read, silent(after), NO_LEADER)),
            Some(Ok(_)) => self.works(Layer::Read, "a linearizable read is answered"),
            Some(Err(status)) if status.message() == NOT_ALLOWED => {
                let words = "answered: this user may not read the key health, which is fine";
                self.works(Layer::Read, words);
            }
            Some(Err(status)) => return Err(self.refused(Layer::Read, &status)),
        }
        Ok(())
    }

    /// What a refusal shows to fail, which may be a layer before.
    fn refused(&self, layer: Layer, status: &Status) -> Fault {
        let words = status.message();
        if wants_login(words) {
            let next = match (&self.config.token, &self.config.login) {
                (Some(_), _) => "users are on: --auth-jwt-token takes a token that is still good",
                (None, Some(_)) => "users or rights have changed meanwhile: try it again",
                (None, None) => "users are on: --user NAME and --password log in",
            };
            return Fault::new(Layer::Login, words, next);
        }
        if words.starts_with(NO_GRPC) {
            let found = format!("it speaks HTTP/2 and no gRPC within it: {words}");
            let next = "is it a page or a proxy? name the port for clients of a member";
            return Fault::new(Layer::Http2, found, next);
        }
        let next = match status.code() {
            Code::Unimplemented => "it is no member of etcd: name the port for clients of one",
            Code::Unavailable | Code::DeadlineExceeded if words.starts_with(OF_ETCD) => NO_LEADER,
            _ => ITS_LOG,
        };
        Fault::new(layer, words, next)
    }
}

/// The answer, unless it takes longer.
async fn within<T>(
    after: Duration,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Option<Result<T, Status>> {
    timeout(after, call).await.ok().map(|answer| answer.map(Response::into_inner))
}

fn silent(after: Duration) -> String {
    format!("no answer within {after:?}")
}

/// Members and their client addresses.
fn advertised(members: &[Listed]) -> Vec<(String, String)> {
    let of = |member: &Listed| -> Vec<(String, String)> {
        let urls = member.client_ur_ls.iter();
        urls.map(|url| (member.name.clone(), url.clone())).collect()
    };
    members.iter().flat_map(of).collect()
}
