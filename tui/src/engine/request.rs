//! [`Request`]: what is asked of a server, as a value, and how the engine runs it.
//!
//! ```text
//! Order::Ask(Ticket, Job) ─▶ engine ─▶ Request::run ─▶ Report::Answer(Ticket, Answer)
//! ```
//!
//! * I1: a request ends in an answer that closes it, or is given up by who asked; a failure is an answer too.
//! * I2: parts of a long answer wait for the screen to take them: a stream never outruns it, and nothing is dropped.
//!
//! The types of request and answer are known where a request is made and where it is run; what lies between, effects,
//! reports and the engine, carries them erased.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use mini_etcd_shared::client::Client;
use mini_etcd_shared::complete::ClientSource;

use super::Inbox;

/// Something that a screen asks a server for.
pub trait Request: Clone + fmt::Debug + PartialEq + Send + Sync + 'static {
    /// What is answered: once, or in parts.
    type Answer: Clone + Send + Sync + 'static;

    /// Finds the answer, or its last part.
    fn run(
        self,
        clients: Clients,
        parts: Parts<Self::Answer>,
    ) -> impl Future<Output = Result<Self::Answer, Trouble>> + Send;
}

/// Names one request: who asked, and a number that is never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket {
    /// The number of the screen that asked; 0 for the frame around them.
    pub screen: u8,
    /// The number of the request.
    pub id: u64,
}

/// Why something could not be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Where: a member's endpoint, a file. Empty when the words say it.
    pub place: String,
    /// Why.
    pub why: String,
    /// What to do next.
    pub next: String,
}

/// What requests are run with: a client of the cluster that is shown, and what requests of it keep for later ones.
#[derive(Clone)]
pub struct Clients {
    /// Finds the members of the cluster by itself.
    pub client: Client,
    /// What completion keeps of it.
    pub names: Arc<ClientSource>,
    kept: Arc<Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>>,
}

impl Clients {
    pub(super) fn new(client: Client) -> Self {
        let names = Arc::new(ClientSource::new(client.clone()));
        Self { client, names, kept: Arc::default() }
    }

    /// The one value of a type that requests to this cluster share.
    pub(crate) fn kept<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let value = kept.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(T::default()));
        Arc::clone(value).downcast().unwrap_or_default()
    }
}

/// An answer, or a part of one, without its type.
#[derive(Clone)]
pub struct Answer {
    value: Result<Arc<dyn Any + Send + Sync>, Trouble>,
    /// Nothing follows.
    pub(crate) last: bool,
}

impl Answer {
    /// The answer, or its last part.
    pub fn of<A: Send + Sync + 'static>(answer: A) -> Self {
        Self { value: Ok(Arc::new(answer)), last: true }
    }

    /// A part that others follow.
    pub fn part<A: Send + Sync + 'static>(part: A) -> Self {
        Self { last: false, ..Self::of(part) }
    }

    /// There is none.
    #[must_use]
    pub fn failed(trouble: Trouble) -> Self {
        Self { value: Err(trouble), last: true }
    }

    /// Why there is none.
    #[must_use]
    pub fn trouble(&self) -> Option<&Trouble> {
        self.value.as_ref().err()
    }

    /// With its type; `None` when it answers a request of another type.
    pub(crate) fn typed<A: Clone + Send + Sync + 'static>(self) -> Option<Result<A, Trouble>> {
        match self.value {
            Ok(value) => value.downcast().ok().map(|value| Ok(Arc::unwrap_or_clone(value))),
            Err(trouble) => Some(Err(trouble)),
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.as_ref().map(|_| "an answer");
        f.debug_struct("Answer").field("value", &value).field("last", &self.last).finish()
    }
}

/// Where the answer to one request goes.
#[derive(Clone)]
pub(super) struct Reply {
    inbox: Arc<Inbox>,
    ticket: Ticket,
}

impl Reply {
    pub(super) fn new(inbox: Arc<Inbox>, ticket: Ticket) -> Self {
        Self { inbox, ticket }
    }

    pub(super) fn done(&self, answer: Answer) {
        self.inbox.answer(self.ticket, answer);
    }
}

/// Where parts of a long answer go.
pub struct Parts<A> {
    reply: Reply,
    answer: PhantomData<fn(A)>,
}

impl<A: Send + Sync + 'static> Parts<A> {
    /// Tells a part; waits while too many are on their way. I2
    pub async fn send(&self, part: A) {
        self.reply.inbox.part(self.reply.ticket, Answer::part(part)).await;
    }
}

/// A request without its type.
#[derive(Clone)]
pub struct Job(Arc<dyn Erased>);

trait Erased: fmt::Debug + Send + Sync {
    fn run(&self, clients: Clients, reply: Reply) -> BoxFuture<'static, ()>;
    fn is(&self, other: &dyn Any) -> bool;
    fn any(&self) -> &dyn Any;
}

impl<R: Request> Erased for R {
    fn run(&self, clients: Clients, reply: Reply) -> BoxFuture<'static, ()> {
        let parts = Parts { reply: reply.clone(), answer: PhantomData };
        let answer = self.clone().run(clients, parts);
        let told = answer.map(move |answer| match answer {
            Ok(answer) => reply.done(Answer::of(answer)),
            Err(trouble) => reply.done(Answer::failed(trouble)),
        });
        told.boxed()
    }

    fn is(&self, other: &dyn Any) -> bool {
        other.downcast_ref::<R>() == Some(self)
    }

    fn any(&self) -> &dyn Any {
        self
    }
}

impl Job {
    /// Of a request.
    pub fn new<R: Request>(request: R) -> Self {
        Self(Arc::new(request))
    }

    /// The request, when it is of this type.
    #[must_use]
    pub fn request<R: Request>(&self) -> Option<&R> {
        self.0.any().downcast_ref()
    }

    pub(super) fn run(&self, clients: Clients, reply: Reply) -> BoxFuture<'static, ()> {
        self.0.run(clients, reply)
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq for Job {
    fn eq(&self, other: &Self) -> bool {
        self.0.is(other.0.any())
    }
}

impl Eq for Job {}
