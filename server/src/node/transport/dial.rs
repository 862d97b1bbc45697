//! [`Dialer`]: the task that keeps a stream to one peer open and sends its outbox there.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, Stream, StreamExt as _};
use mini_etcd_proto::peerpb::{Batch, Hello, MembersAnswer, MembersRequest};
use mini_etcd_shared::types::MemberId;
use tokio::time::{Instant, sleep, timeout};
use tonic::Streaming;

use super::client::{AbortOnDrop, Client, Connector, DialError};
use super::hello::{Hellos, PROTOCOL, news};
use super::outbox::{OpenOutbox, Outbox};
use crate::config::PeerAddress;
use crate::fatal;
use crate::limits::{
    PEER_CONNECTION_SOUND_MIN, PEER_HELLO_TIMEOUT, PEER_REDIAL_PAUSE, PEER_ROUND_TRIP_PAUSE,
};
use crate::node::Inbox;
use crate::raft::Input;
use crate::repeats::{Say, TimedRepeats};

/// What the task works with.
pub(super) struct Dialer {
    pub id: MemberId,
    pub name: String,
    pub address: PeerAddress,
    pub connector: Connector,
    pub outbox: Arc<Outbox>,
    pub hellos: Arc<Hellos>,
    pub inbox: Arc<Inbox>,
    /// What was logged lately: a peer may take connections and end them as fast as they come.
    pub changes: TimedRepeats<&'static str>,
}

/// A stream whose hellos were exchanged. However it goes, its outbox is closed before Raft is told.
struct Open {
    client: Client,
    answers: Streaming<Hello>,
    _outbox: OpenOutbox,
    _connected: Connected,
    _driving: AbortOnDrop,
}

/// Raft takes the peer for connected until this is dropped.
struct Connected {
    id: MemberId,
    inbox: Arc<Inbox>,
}

impl Connected {
    fn new(id: MemberId, inbox: &Arc<Inbox>) -> Self {
        inbox.control(Input::PeerConnected { id });
        Self { id, inbox: inbox.clone() }
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.inbox.control(Input::PeerDisconnected { id: self.id });
    }
}

impl Dialer {
    /// Dials again and again, at once where something is seen of the peer. Says what is wrong once, not at each try.
    pub async fn run(self) {
        let (first, longest) = PEER_REDIAL_PAUSE;
        let mut pause = first;
        let mut said = String::new();
        loop {
            match self.open().await {
                Ok(open) => {
                    said.clear();
                    if self.stay(open).await {
                        // The next dial comes at once: a refusal is how a dead peer is told from a slow one.
                        pause = first;
                        continue;
                    }
                }
                Err(problem) => {
                    self.heed(&problem);
                    self.report(&problem, &mut said);
                }
            }
            self.hellos.wait_for(self.id, pause).await;
            pause = longest.min(pause * 2);
        }
    }

    /// Ends the process when it follows from `problem` that this member must not take part.
    fn heed(&self, problem: &DialError) {
        if let DialError::Hello(refused) = problem {
            refused.end_if_wrong_here();
        }
        let hellos = &self.hellos;
        let verdict = problem.verdict(hellos.identity().member_id);
        let end = verdict.and_then(|it| it.end(hellos.name(), &self.name, hellos.is_newborn()));
        if let Some((code, told)) = end {
            fatal::end(code, told);
        }
    }

    fn report(&self, problem: &DialError, said: &mut String) {
        if problem.is_refusal() {
            self.inbox.control(Input::PeerRefused { id: self.id });
        }
        let words = problem.to_string();
        if *said != words {
            let (peer, url) = (&self.name, self.address.url());
            tracing::warn!(%peer, %url, "cannot reach peer, will keep trying: {words}");
            *said = words;
        }
    }

    /// Connects and exchanges hellos.
    async fn open(&self) -> Result<Open, DialError> {
        let connecting = timeout(PEER_HELLO_TIMEOUT, self.connector.connect(&self.address));
        let (client, driving) = connecting.await.map_err(|_| DialError::Silent)??;
        let outbox = OpenOutbox::new(&self.outbox);
        let exchange =
            timeout(PEER_HELLO_TIMEOUT, self.exchange(client.clone(), outbox.connection));
        let (answers, hello) = exchange.await.unwrap_or(Err(DialError::Silent))?;
        self.inbox.control(news(self.id, self.hellos.identity().member_id, &hello));
        let connected = Connected::new(self.id, &self.inbox);
        Ok(Open { client, answers, _outbox: outbox, _connected: connected, _driving: driving })
    }

    async fn exchange(
        &self,
        mut client: Client,
        connection: u64,
    ) -> Result<(Streaming<Hello>, Hello), DialError> {
        let frames = self.frames(connection);
        let answer = client.stream(frames).await.map_err(Box::new)?;
        let mut answers = answer.into_inner();
        let hello = answers.message().await.map_err(Box::new)?.ok_or(DialError::Ended)?;
        self.hellos.check(&hello, Some(self.id))?;
        Ok((answers, hello))
    }

    /// The hello, then what comes into the outbox.
    fn frames(&self, connection: u64) -> impl Stream<Item = Batch> + Send + use<> {
        let peer = self.id;
        let hello = self.hellos.to(peer);
        let state = (self.outbox.clone(), self.hellos.clone(), hello.clone());
        let messages = stream::unfold(state, move |(outbox, hellos, mut said)| async move {
            let mut batch = outbox.next(connection).await?;
            batch.hello = hellos.more(peer, &said);
            said = batch.hello.clone().unwrap_or(said);
            outbox.metrics.sent_bytes.inc_by(prost::Message::encoded_len(&batch) as u64);
            Some((batch, (outbox, hellos, said)))
        });
        stream::once(async move { Batch { hello: Some(hello), messages: Vec::new() } })
            .chain(messages)
    }

    /// Asks the peer something small now and then, for the time that it takes. Does not end.
    async fn measure(&self, mut client: Client) {
        loop {
            let begun = Instant::now();
            // Who does not answer is found out by the stream.
            if client.members(MembersRequest { protocol: PROTOCOL }).await.is_ok() {
                self.outbox.metrics.round_trip.observe(begun.elapsed());
            }
            sleep(PEER_ROUND_TRIP_PAUSE).await;
        }
    }

    /// Waits until the connection breaks, and measures its round trips meanwhile; says whether it stood for a while. The peer says
    /// nothing on its stream after its hello.
    async fn stay(&self, mut open: Open) -> bool {
        let began = Instant::now();
        let peer = &self.name;
        if let Some(Say { more }) = self.changes.say("connected") {
            tracing::info!(%peer, more, "connected to peer");
        }
        let measuring = self.measure(open.client);
        tokio::select! {
            () = async { while let Ok(Some(_)) = open.answers.message().await {} } => {}
            () = measuring => {}
        }
        if let Some(Say { more }) = self.changes.say("lost") {
            tracing::warn!(%peer, more, "lost the connection to peer");
        }
        began.elapsed() >= PEER_CONNECTION_SOUND_MIN
    }
}

/// Asks who is in the cluster. For a program that is to become a member.
pub(crate) async fn ask_for_members(
    address: &PeerAddress,
    connector: &Connector,
    patience: Duration,
) -> Result<MembersAnswer, DialError> {
    let ask = async {
        let (mut client, _driving) = connector.connect(address).await?;
        let request = MembersRequest { protocol: PROTOCOL };
        Ok(client.members(request).await.map_err(Box::new)?.into_inner())
    };
    timeout(patience, ask).await.unwrap_or(Err(DialError::Silent))
}

/// Says hello to a peer once and returns its answer. For the question before the first start.
pub(super) async fn say_hello(
    address: &PeerAddress,
    connector: &Connector,
    hello: Hello,
    patience: Duration,
) -> Result<Hello, DialError> {
    let ask = async {
        let (mut client, _driving) = connector.connect(address).await?;
        let frame = Batch { hello: Some(hello), messages: Vec::new() };
        let frames = stream::once(async { frame }).chain(stream::pending());
        let answer = client.stream(frames).await.map_err(Box::new)?;
        answer.into_inner().message().await.map_err(Box::new)?.ok_or(DialError::Ended)
    };
    timeout(patience, ask).await.unwrap_or(Err(DialError::Silent))
}
