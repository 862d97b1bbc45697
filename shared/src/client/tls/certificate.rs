//! [`Certificate`]: what a person wants to know of a certificate, read from its DER.
//!
//! Nothing is decided by it but what is said: whether a certificate is trusted is for rustls to find out.

use std::net::{Ipv4Addr, Ipv6Addr};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
const OCTETS: u8 = 0x04;
const UTC_TIME: u8 = 0x17;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const ORGANIZATION: &[u8] = &[0x55, 4, 10];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 29, 17];

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
pub struct Date {
    year: i64,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
}

impl std::fmt::Display for Date {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { year, month, day, hour, minute, .. } = self;
        write!(f, "{year}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
    }
}

impl Date {
    /// Seconds since 1970.
    #[must_use]
    pub fn seconds(&self) -> i64 {
        // Days since 1970-01-01 in the Gregorian calendar, with years that begin in March.
        let (month, day) = (i64::from(self.month), i64::from(self.day));
        let year = if month <= 2 { self.year - 1 } else { self.year };
        let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
        days * 86_400
            + i64::from(self.hour) * 3_600
            + i64::from(self.minute) * 60
            + i64::from(self.second)
    }

    fn read(tag: u8, text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let (year, rest) = if tag == UTC_TIME {
            let (year, rest) = text.split_at_checked(2)?;
            let year = year.parse::<i64>().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        } else {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        };
        let two = |at: usize| rest.get(at..at + 2)?.parse::<u8>().ok();
        let (month, day) = (two(0)?, two(2)?);
        let (hour, minute, second) = (two(4)?, two(6)?, two(8)?);
        let sound = (1..=12).contains(&month) && (1..=31).contains(&day);
        sound.then_some(Self { year, month, day, hour, minute, second })
    }
}

impl Certificate {
    /// Reads a certificate; `None` when it is none.
    #[must_use]
    pub fn parse(der: &[u8]) -> Option<Self> {
        let mut signed = Der(Der(der).expect(SEQUENCE)?);
        let mut body = Der(signed.expect(SEQUENCE)?);
        let (tag, _) = body.peek()?;
        if tag == VERSION {
            body.next()?;
        }
        let (_serial, _algorithm) = (body.next()?, body.next()?);
        let issuer = body.expect(SEQUENCE)?;
        let mut validity = Der(body.expect(SEQUENCE)?);
        let mut date = || validity.next().and_then(|(tag, text)| Date::read(tag, text));
        let (from, until) = (date()?, date()?);
        let subject = body.expect(SEQUENCE)?;
        let _key = body.next()?;
        let mut names = Vec::new();
        while let Some((tag, content)) = body.next() {
            if tag == EXTENSIONS {
                names = alternative_names(content).unwrap_or_default();
            }
        }
        let is_own = issuer == subject;
        let called = |name| called(name).unwrap_or_else(|| "somebody without a name".to_owned());
        Some(Self { subject: called(subject), issuer: called(issuer), is_own, from, until, names })
    }
}

/// What a distinguished name, with its tag, calls somebody.
pub(super) fn name_of(der: &[u8]) -> Option<String> {
    called(Der(der).expect(SEQUENCE)?)
}

/// The common name, or else the organization, or else whatever comes first.
fn called(name: &[u8]) -> Option<String> {
    let mut found: Vec<(&[u8], String)> = Vec::new();
    let mut sets = Der(name);
    while let Some(set) = sets.expect(SET) {
        let mut pair = Der(Der(set).expect(SEQUENCE)?);
        let kind = pair.expect(OID)?;
        let (_, text) = pair.next()?;
        // A name is shown on a terminal.
        let text = String::from_utf8_lossy(text).replace(char::is_control, "?");
        found.push((kind, text));
    }
    let of = |kind: &[u8]| found.iter().find(|(is, _)| *is == kind);
    let best = of(COMMON_NAME).or_else(|| of(ORGANIZATION)).or(found.first());
    best.map(|(_, text)| text.clone()).filter(|text| !text.is_empty())
}

fn alternative_names(extensions: &[u8]) -> Option<Vec<String>> {
    let mut all = Der(Der(extensions).expect(SEQUENCE)?);
    while let Some(extension) = all.expect(SEQUENCE) {
        let mut parts = Der(extension);
        if parts.expect(OID)? != ALTERNATIVE_NAMES {
            continue;
        }
        let value = std::iter::from_fn(|| parts.next()).find(|(tag, _)| *tag == OCTETS);
        let mut names = Der(Der(value?.1).expect(SEQUENCE)?);
        let names = std::iter::from_fn(|| names.next());
        return Some(names.filter_map(|(tag, name)| shown(tag, name)).take(NAMES_MAX).collect());
    }
    None
}

fn shown(tag: u8, name: &[u8]) -> Option<String> {
    match tag {
        DNS_NAME => Some(String::from_utf8_lossy(name).replace(char::is_control, "?")),
        IP_ADDRESS => {
            let four = <[u8; 4]>::try_from(name).map(|bytes| Ipv4Addr::from(bytes).to_string());
            let sixteen = || {
                let bytes = <[u8; 16]>::try_from(name).ok()?;
                Some(Ipv6Addr::from(bytes).to_string())
            };
            four.ok().or_else(sixteen)
        }
        _ => None,
    }
}

/// Elements one after the other.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn peek(&self) -> Option<(u8, &'a [u8])> {
        Some(self.split()?.0)
    }

    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (element, rest) = self.split()?;
        self.0 = rest;
        Some(element)
    }

    /// The content of the next element, when it has this tag.
    fn expect(&mut self, wanted: u8) -> Option<&'a [u8]> {
        let (tag, _) = self.peek()?;
        if tag != wanted {
            return None;
        }
        self.next().map(|(_, content)| content)
    }

    #[expect(clippy::type_complexity, reason = "an element, and what follows it")]
    fn split(&self) -> Option<((u8, &'a [u8]), &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match *first {
            short @ 0..=0x7f => (usize::from(short), rest),
            long @ 0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(long - 0x80))?;
                (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        Some(((*tag, content), rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
