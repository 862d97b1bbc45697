//! What a certificate says of itself.

use mini_etcd_shared::client::Validity;
use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::Decode as _;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::name::DirectoryString;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

fn decode(certificate: &CertificateDer<'_>) -> Result<CertificateInner<Raw>, String> {
    CertificateInner::from_der(certificate).map_err(|error| error.to_string())
}

pub(super) fn validity(certificate: &CertificateDer<'_>) -> Result<Validity, String> {
    let decoded = decode(certificate)?;
    let validity = decoded.tbs_certificate().validity();
    let (begins, ends) = (&validity.not_before, &validity.not_after);
    Ok(Validity { begins: begins.to_unix_duration(), ends: ends.to_unix_duration() })
}

/// The common name of a certificate's subject; of several the last one, as in Go. None when it has none, or no text.
#[must_use]
pub fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let decoded = decode(certificate).ok()?;
    let names = decoded.tbs_certificate().subject().iter();
    let last = names.filter(|attribute| attribute.oid == COMMON_NAME).last()?;
    let name = String::from(DirectoryString::try_from(&last.value).ok()?);
    (!name.is_empty()).then_some(name)
}
