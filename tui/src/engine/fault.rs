//! Why a call failed, in the words of someone who has to do something about it.

use std::error::Error;
use std::io;

use mini_etcd_shared::client::{DialError, SendError};
use mini_etcd_shared::error::ClientError;
use tonic::{Code, Status};

use super::request::Trouble;
use super::sample::{Denied, Fault};

/// The fault behind a failed call.
pub(crate) fn of_status(status: &Status) -> Fault {
    if let Some(fault) = of_source(status.source()) {
        return fault;
    }
    let message = status.message();
    if message.contains("reading a body from connection") || message.contains("connection closed") {
        return ended();
    }
    if message.contains("rpc not supported for learner") {
        let words = "it is a learner: it does not tell who is in the cluster";
        return not_told(words, Denied::Learner);
    }
    if let Some(denied) = refusal(status) {
        let said = fault(&format!("it refuses: {message}"), denied.next());
        return Fault { denied: Some(denied), ..said };
    }
    match status.code() {
        Code::Unimplemented => not_told("it speaks gRPC and not the etcd API", Denied::Foreign),
        Code::DeadlineExceeded | Code::Cancelled => no_answer(),
        Code::Unavailable => fault(&format!("it is not available: {message}"), "look at its log"),
        Code::Unknown | Code::Internal
            if message.contains("h2") || message.contains("transport") =>
        {
            foreign()
        }
        code => fault(&format!("it answers {code:?}: {message}"), "look at its log"),
    }
}

/// Why a server refuses what this user asks, having understood it. etcd looks at the rights only after the read has
/// its index, so that a refused read shows a quorum too.
pub(crate) fn refusal(status: &Status) -> Option<Denied> {
    of_words(status.code(), status.message())
}

fn of_words(code: Code, message: &str) -> Option<Denied> {
    match code {
        Code::InvalidArgument if message.contains("user name is empty") => Some(Denied::Login),
        Code::InvalidArgument if message.contains("authentication failed") => {
            Some(Denied::Password)
        }
        Code::PermissionDenied => Some(Denied::Rights),
        Code::Unauthenticated => Some(Denied::Login),
        _ => None,
    }
}

/// The fault behind a connection that did not come about.
pub(crate) fn of_dial(error: &DialError) -> Fault {
    match error {
        DialError::Resolve(_) => {
            fault("its name does not resolve", "check the name, or give an address")
        }
        DialError::System(kind, words) => of_kind(*kind).unwrap_or_else(|| {
            fault(&format!("cannot connect: {words}"), "check the endpoint's name and port")
        }),
        DialError::Tls(trouble) => {
            Fault { next: trouble.next().to_owned(), ..not_told(&trouble.to_string(), Denied::Tls) }
        }
        DialError::Http1 | DialError::Foreign => foreign(),
        DialError::Unreachable(_) | DialError::Silent(_) => no_answer(),
        DialError::Closed | DialError::Ended => ended(),
        DialError::Stranger => fault("another member answers there", "check the endpoint"),
        DialError::Denied(words) => {
            let said = format!("it refuses: {words}");
            not_told(&said, of_words(Code::InvalidArgument, words).unwrap_or(Denied::Login))
        }
        DialError::OtherCluster { .. } | DialError::Nameless => other_cluster(),
    }
}

/// The fault behind answers of another cluster.
pub(crate) fn other_cluster() -> Fault {
    fault("another cluster answers there", "was its data replaced, or does it listen elsewhere?")
}

/// Why a call of a screen failed. `unknown`: what it would have written may be written all the same.
pub(crate) fn of_client(error: &ClientError, unknown: bool) -> Trouble {
    let (place, why, next) = match error {
        ClientError::BadEndpoint { text, reason } => {
            (text.clone(), reason.clone(), "name the members as host:port")
        }
        ClientError::NotConnected { endpoint, reason } => {
            (endpoint.clone(), plain(reason), "the Cluster screen shows who answers")
        }
        ClientError::Broken { endpoint, reason } => {
            let why = format!("the connection was lost: {}", plain(reason));
            (endpoint.clone(), why, "try it again")
        }
        ClientError::TimedOut { endpoint, after, reason, .. } => {
            let why = reason.clone().unwrap_or_else(|| format!("no answer within {after:?}"));
            (endpoint.clone(), why, "is it paused, overloaded, or behind a firewall?")
        }
        ClientError::ReadOnly => {
            (String::new(), error.to_string(), "start the console without --read-only")
        }
        ClientError::Refused { code, message } => {
            let next = of_words(*code, message).map_or("", Denied::next);
            (String::new(), message.clone(), next)
        }
    };
    let next = if unknown { "it may have been done all the same: look first" } else { next };
    Trouble { place, why, next: next.to_owned() }
}

/// What the system says of a connection, without its numbers.
fn plain(reason: &str) -> String {
    if reason.contains("Connection refused") {
        "connection refused: nothing listens there".to_owned()
    } else if reason.contains("Connection reset") || reason.contains("Broken pipe") {
        ended().words
    } else {
        reason.to_owned()
    }
}

/// It did not answer in time.
pub(crate) fn no_answer() -> Fault {
    fault("no answer in time", "is it paused, overloaded, or behind a firewall?")
}

/// It ended the stream. Why, nobody knows from here.
pub(crate) fn ended() -> Fault {
    fault("it closed the connection", "")
}

/// It speaks, and not as etcd does.
fn foreign() -> Fault {
    not_told("something else than etcd answers there", Denied::Foreign)
}

/// It does not tell who is behind it.
pub(crate) fn proxy() -> Fault {
    not_told("a proxy answers; what is behind it is not told", Denied::Proxy)
}

/// Another member answers where this one was asked.
pub(crate) fn front() -> Fault {
    fault("other members answer there: a gateway", "its own address is asked")
}

/// An address that cannot be asked.
pub(crate) fn of_address(error: &ClientError) -> Fault {
    fault(&format!("its address cannot be asked: {error}"), "correct what it advertises")
}

fn not_told(words: &str, denied: Denied) -> Fault {
    Fault { denied: Some(denied), ..fault(words, denied.next()) }
}

fn fault(words: &str, next: &str) -> Fault {
    Fault { words: words.to_owned(), next: next.to_owned(), refused: false, denied: None }
}

fn of_source(mut source: Option<&(dyn Error + 'static)>) -> Option<Fault> {
    while let Some(error) = source {
        if let Some(found) =
            error.downcast_ref::<io::Error>().and_then(|error| of_kind(error.kind()))
        {
            return Some(found);
        }
        let text = error.to_string();
        if text.contains("failed to lookup address") || text.contains("dns error") {
            return Some(fault("its name does not resolve", "check the name, or give an address"));
        }
        match error.downcast_ref() {
            Some(SendError::OtherCluster { .. }) => return Some(other_cluster()),
            Some(SendError::Unsent(_)) => return Some(ended()),
            Some(SendError::Lost(_)) | None => {}
        }
        if text.contains("keep-alive timed out") || text.contains("deadline has elapsed") {
            return Some(no_answer());
        }
        source = error.source();
    }
    None
}

fn of_kind(kind: io::ErrorKind) -> Option<Fault> {
    match kind {
        io::ErrorKind::ConnectionRefused => {
            let words = "connection refused: nothing listens there";
            Some(Fault { refused: true, ..fault(words, "start the member, or check the port") })
        }
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => Some(ended()),
        io::ErrorKind::TimedOut => Some(no_answer()),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            Some(fault("no way to that host", "check the network between here and there"))
        }
        io::ErrorKind::PermissionDenied => {
            Some(fault("this machine does not let the console connect", "check its firewall"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_connection_is_told_in_plain_words() {
        let refused = DialError::from(io::Error::from(io::ErrorKind::ConnectionRefused));
        let fault = of_dial(&refused);
        assert!(fault.words.starts_with("connection refused"), "{fault:?}");
        assert!(fault.next.contains("start the member"), "{fault:?}");
    }

    #[test]
    fn what_a_client_could_not_do_is_told_without_numbers_of_the_system() {
        let trouble = |reason: &str| {
            let (endpoint, reason) = ("h:1".to_owned(), reason.to_owned());
            of_client(&ClientError::NotConnected { endpoint, reason }, false).why
        };
        assert!(trouble("Connection refused (os error 111)").ends_with("nothing listens there"));
        assert_eq!(trouble("Connection reset by peer (os error 104)"), ended().words);
        assert_eq!(trouble("something else"), "something else");
    }

    #[test]
    fn a_status_names_what_the_server_said() {
        assert_eq!(of_status(&Status::deadline_exceeded("x")), no_answer());
        let denied = of_status(&Status::permission_denied("etcdserver: permission denied"));
        assert!(denied.words.contains("permission denied"));
        assert_eq!(denied.denied, Some(Denied::Rights));
        let failed = "etcdserver: authentication failed, invalid user ID or password";
        let failed = of_status(&Status::invalid_argument(failed));
        assert_eq!(failed.denied, Some(Denied::Password));
        let empty = of_status(&Status::invalid_argument("etcdserver: user name is empty"));
        assert_eq!(empty.denied, Some(Denied::Login));
        assert!(empty.next.contains("--user NAME:PASSWORD"), "{empty:?}");
    }
}
