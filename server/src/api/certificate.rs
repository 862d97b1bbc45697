//! [`CertificateName`]: who a connection's certificate says its client is.

use std::sync::Arc;

/// The common name of the certificate that a client has shown, verified by its authority. An extension of each request of a
/// connection where there is one and names are users (`--client-cert-auth`); of no request of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateName(pub Arc<str>);
