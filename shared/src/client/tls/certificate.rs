//! [`Certificate`]: what a person wants to know of a certificate, read from its DER.
//!
//! Nothing is decided by it but what is said: whether a certificate is trusted is for rustls to find out.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{DateTime, Decode as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");

const HOUR_SECONDS: i64 = 60 * 60;
const DAY_SECONDS: i64 = 24 * HOUR_SECONDS;

/// Time before the end of a certificate from which on it ends soon, if it is not a third of its life.
const ENDS_SOON: Duration = Duration::from_secs(30 * 24 * 3600);

/// Names that are kept of a certificate.
const NAMES_MAX: usize = 16;

/// A certificate in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Whose it is: its common name, or what else it is called.
    pub subject: String,
    /// Who signed it, likewise.
    pub issuer: String,
    /// Whether it is signed by its own key, as far as the names say.
    pub is_own: bool,
    /// From when it is valid.
    pub from: Date,
    /// Until when it is valid.
    pub until: Date,
    /// Names and addresses of the servers that it is for.
    pub names: Vec<String>,
}

/// A point in time of a certificate, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(DateTime);

impl std::fmt::Display for Date {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (year, month, day) = (self.0.year(), self.0.month(), self.0.day());
        write!(f, "{year}-{month:02}-{day:02} {:02}:{:02} UTC", self.0.hour(), self.0.minutes())
    }
}

impl Date {
    /// Seconds since 1970.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        self.0.unix_duration().as_secs()
    }
}

impl Certificate {
    /// Reads a certificate; `None` when it is none.
    #[must_use]
    pub fn parse(der: &[u8]) -> Option<Self> {
        let certificate = CertificateInner::<Raw>::from_der(der).ok()?;
        let found = certificate.tbs_certificate();
        let (issuer, subject, validity) = (found.issuer(), found.subject(), found.validity());
        let names = found.get_extension::<SubjectAltName>().ok().flatten();
        let names = names.iter().flat_map(|(_, names)| &names.0).filter_map(shown);
        let called = |name| called(name).unwrap_or_else(|| "somebody without a name".to_owned());
        Some(Self {
            subject: called(subject),
            issuer: called(issuer),
            is_own: issuer == subject,
            from: Date(validity.not_before.to_date_time()),
            until: Date(validity.not_after.to_date_time()),
            names: names.take(NAMES_MAX).collect(),
        })
    }

    /// When it is valid.
    #[must_use]
    pub fn validity(&self) -> Validity {
        Validity { begins: self.from.0.unix_duration(), ends: self.until.0.unix_duration() }
    }
}

/// When a certificate is valid, in time since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub begins: Duration,
    /// The last one.
    pub ends: Duration,
}

impl Validity {
    /// Whether it is time for a new one: 30 days are left or fewer, or a third of its life where that is less.
    #[must_use]
    pub fn ends_soon(&self, now: Duration) -> bool {
        let whole = self.ends.saturating_sub(self.begins);
        self.ends.saturating_sub(now) <= ENDS_SOON.min(whole / 3)
    }

    /// The whole days that are left, or hours of the last day, in words; negative once it has ended.
    #[must_use]
    pub fn left(&self, now: Duration) -> String {
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let left = seconds(self.ends) - seconds(now);
        let (count, unit) = match left / DAY_SECONDS {
            0 => (left / HOUR_SECONDS, "hour"),
            days => (days, "day"),
        };
        let plural = if count.abs() == 1 { "" } else { "s" };
        format!("{count} {unit}{plural}")
    }
}

/// What a distinguished name, in DER, calls somebody.
pub(super) fn name_of(der: &[u8]) -> Option<String> {
    called(&Name::from_der(der).ok()?)
}

/// The common name, or else the organization, or else whatever comes first.
fn called(name: &Name) -> Option<String> {
    let of = |kind| name.iter().find(|attribute| attribute.oid == kind);
    let best = of(COMMON_NAME).or_else(|| of(ORGANIZATION)).or_else(|| name.iter().next())?;
    Some(printable(best.value.value())).filter(|text| !text.is_empty())
}

/// Text as it may be shown on a terminal.
fn printable(text: &[u8]) -> String {
    String::from_utf8_lossy(text).replace(char::is_control, "?")
}

fn shown(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(printable(name.as_bytes())),
        GeneralName::IpAddress(address) => {
            let address = address.as_bytes();
            let four = <[u8; 4]>::try_from(address).map(|bytes| Ipv4Addr::from(bytes).to_string());
            let sixteen = || {
                let bytes = <[u8; 16]>::try_from(address).ok()?;
                Some(Ipv6Addr::from(bytes).to_string())
            };
            four.ok().or_else(sixteen)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(days: u64) -> Duration {
        Duration::from_secs(days * 24 * 3600)
    }

    #[test]
    fn a_month_before_the_end_and_in_the_last_third_it_ends_soon() {
        let year = Validity { begins: day(1000), ends: day(1365) };
        assert!(!year.ends_soon(day(1334)));
        assert!(year.ends_soon(day(1336)) && year.ends_soon(day(1400)));
        let short = Validity { begins: day(1000), ends: day(1003) };
        assert!(!short.ends_soon(day(1001)) && short.ends_soon(day(1002)));
    }

    #[test]
    fn what_is_left_is_in_whole_days_and_in_hours_of_the_last_one() {
        let validity = Validity { begins: day(1000), ends: day(1010) };
        for (hours, left) in
            [(0, "10 days"), (47, "8 days"), (216, "1 day"), (217, "23 hours"), (240, "0 hours")]
        {
            assert_eq!(validity.left(day(1000) + Duration::from_secs(hours * 3600)), left);
        }
        for (hours, left) in [(1, "-1 hour"), (24, "-1 day"), (47, "-1 day"), (48, "-2 days")] {
            assert_eq!(validity.left(day(1010) + Duration::from_secs(hours * 3600)), left);
        }
    }

    #[test]
    fn a_certificate_tells_whose_it_is_who_signed_it_until_when_and_for_which_names() {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        let mut params = rcgen::CertificateParams::new(names.to_vec()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, "member\x1b one");
        params.not_before = rcgen::date_time_ymd(1999, 12, 31);
        params.not_after = rcgen::date_time_ymd(2051, 2, 3);
        let key = rcgen::KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap();
        let found = Certificate::parse(der.der()).unwrap();
        assert_eq!((found.subject.as_str(), found.is_own), ("member? one", true));
        assert_eq!(found.names, names);
        assert_eq!(found.from.to_string(), "1999-12-31 00:00 UTC");
        assert_eq!(found.until.to_string(), "2051-02-03 00:00 UTC");
        assert_eq!((found.from.seconds(), found.until.seconds()), (946_598_400, 2_558_995_200));
        for cut in 0..der.der().len() {
            // Whatever is cut off or broken ends in no certificate, not in a panic.
            let _none = Certificate::parse(&der.der()[..cut]);
        }
    }
}
