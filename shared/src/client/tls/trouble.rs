//! [`TlsTrouble`]: why two do not come to speak TLS, in words.

use std::io;

use tokio_rustls::rustls::{AlertDescription as Alert, CertificateError, Error, OtherError};

use super::TlsFileError;
use super::certificate::Date;
use super::own::Own;

/// Why a connection within TLS did not come about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsTrouble {
    /// It was asked in plain text, and speaks TLS.
    #[error("it speaks TLS, and was asked in plain text")]
    Wanted,
    /// It was asked by TLS, and speaks plain text.
    #[error("it speaks plain text, and was asked by TLS")]
    PlainText,
    /// Nobody whom this machine trusts has signed its certificate.
    #[error("its certificate, signed by {issuer}, is not trusted")]
    UnknownAuthority {
        /// Who has.
        issuer: String,
    },
    /// Its certificate is signed by its own key, and is not among the trusted ones.
    #[error("its certificate, signed by itself ({subject}), is not trusted")]
    OwnAuthority {
        /// Whose it is.
        subject: String,
    },
    /// Its time is over.
    #[error("its certificate expired on {until} (that of {subject})")]
    Expired {
        /// Whose it is.
        subject: String,
        /// Until when it was good.
        until: Date,
    },
    /// Its time is yet to come.
    #[error("its certificate is good from {from} on (that of {subject})")]
    TooEarly {
        /// Whose it is.
        subject: String,
        /// From when it is good.
        from: Date,
    },
    /// It is a server of another name.
    #[error("its certificate is for {}, not for {wanted}", listed(names))]
    OtherName {
        /// The name that was asked for.
        wanted: String,
        /// The names that it is for.
        names: Vec<String>,
    },
    /// Something else is wrong with its certificate.
    #[error("its certificate is refused: {0}")]
    Certificate(String),
    /// It wants the client to show a certificate, and there is none to show.
    #[error("it wants a client certificate{}", signed_by(of))]
    ClientWanted {
        /// The authorities that it takes certificates of, when it says so.
        of: Vec<String>,
    },
    /// It does not take the certificate that was shown.
    #[error("it refuses the client certificate of {shown}: it takes those{}{said}", signed_by(of))]
    ClientRefused {
        /// Whose was shown.
        shown: String,
        /// The authorities that it takes certificates of, when it says so.
        of: Vec<String>,
        /// What it said, after a comma.
        said: String,
    },
    /// It does not speak HTTP/2 within TLS.
    #[error("it speaks TLS, and no HTTP/2 within it (ALPN)")]
    Alpn,
    /// It and this client have no cipher, or no kind of key, in common.
    #[error("it has no cipher or kind of key in common with this client: it says HandshakeFailure")]
    NothingShared,
    /// There is no authority to trust.
    #[error("this machine trusts no authority")]
    NoAuthorities,
    /// One of the client's files cannot be used.
    #[error("{0}")]
    File(#[from] TlsFileError),
    /// Anything else.
    #[error("no TLS came about: {0}")]
    Handshake(String),
}

impl TlsTrouble {
    /// What to do about it.
    #[must_use]
    pub fn next(&self) -> &'static str {
        match self {
            Self::Wanted => "name it with https://, and its authority with --cacert FILE",
            Self::PlainText => "name it with http://, or leave out the flags for TLS",
            Self::UnknownAuthority { .. } | Self::OwnAuthority { .. } | Self::NoAuthorities => {
                "--cacert FILE names whom to trust"
            }
            Self::Expired { .. } => "renew it; or is the clock of this machine wrong?",
            Self::TooEarly { .. } => "is the clock of this machine wrong?",
            Self::OtherName { .. } => "name the endpoint as the certificate does, or renew that",
            Self::Certificate(_) | Self::Handshake(_) => "look at its log",
            Self::ClientWanted { .. } => "--cert FILE and --key FILE name one",
            Self::ClientRefused { .. } => {
                "is it expired, or of another authority? --cert FILE and --key FILE name another"
            }
            Self::NothingShared => {
                "has its certificate a key of P-521, as etcd --auto-tls makes it? P-256, P-384, Ed25519 and RSA are accepted"
            }
            Self::Alpn => "is it a proxy for pages? name a member of etcd",
            Self::File(_) => "correct --cacert, --cert or --key",
        }
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") }
}

fn signed_by(authorities: &[String]) -> String {
    if authorities.is_empty() {
        String::new()
    } else {
        format!(" signed by {}", authorities.join(" or "))
    }
}

/// What TLS says in an error of a socket; nothing when the other side ended the connection without a word.
pub(in crate::client) fn said(error: &io::Error) -> Option<Error> {
    error.get_ref()?.downcast_ref::<Error>().cloned()
}

/// Why a connection ended with this word of TLS, or without one.
pub(in crate::client) fn trouble_of(said: Option<&Error>, own: &Own) -> Option<TlsTrouble> {
    match said {
        Some(error) => Some(of_rustls(error, own)),
        // Whoever asks for a certificate and then hangs up did not like what it got; its word may be lost.
        None if own.was_asked() => Some(refused(own, None)),
        None => None,
    }
}

fn of_rustls(error: &Error, own: &Own) -> TlsTrouble {
    match error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(told))) => {
            let told: &(dyn std::error::Error + 'static) = told.as_ref();
            let trouble = told.downcast_ref::<TlsTrouble>().cloned();
            trouble.unwrap_or_else(|| TlsTrouble::Certificate(told.to_string()))
        }
        Error::InvalidCertificate(why) => TlsTrouble::Certificate(why.to_string()),
        // What begins with no record of TLS is none.
        Error::InvalidMessage(_) => TlsTrouble::PlainText,
        Error::AlertReceived(Alert::NoApplicationProtocol) | Error::NoApplicationProtocol => {
            TlsTrouble::Alpn
        }
        Error::AlertReceived(alert) if own.was_asked() => refused(own, Some(*alert)),
        Error::AlertReceived(Alert::HandshakeFailure) => TlsTrouble::NothingShared,
        Error::AlertReceived(alert) => TlsTrouble::Handshake(format!("it says {alert:?}")),
        other => TlsTrouble::Handshake(other.to_string()),
    }
}

fn refused(own: &Own, alert: Option<Alert>) -> TlsTrouble {
    let of = own.wanted().unwrap_or_default().to_vec();
    match own.name() {
        None => TlsTrouble::ClientWanted { of },
        Some(shown) => {
            let said = alert.map(|alert| format!(", and says {alert:?}")).unwrap_or_default();
            TlsTrouble::ClientRefused { shown, of, said }
        }
    }
}
