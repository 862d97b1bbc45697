//! What the commands that change the members have in common: ids, peer URLs, and [`Changed`], their answer.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::{Member, ResponseHeader};

use super::member_list::{head, member};
use super::{CommandLine, Refusal};
use crate::failure::{Failure, exit};
use crate::format::{Answer, Facts, Field, Format, Page, Value, count_of};
use crate::text::{parse_uint, quote, replaced};

/// The first argument, a member's id in hex.
pub(super) fn id_of(line: &CommandLine<'_>) -> Result<u64, Refusal> {
    let Some(id) = line.arg(0) else {
        return Err(Refusal::bad_args("member ID is not provided"));
    };
    parse_uint(&String::from_utf8_lossy(&id), 16).map_err(|error| {
        Refusal::bad_args(format!("bad member ID arg ({error}), expecting ID in Hex"))
    })
}

/// The only argument, a member's id in hex.
pub(super) fn only_id(line: &CommandLine<'_>) -> Result<u64, Refusal> {
    if line.args().len() > 1 {
        return Err(Refusal::bad_args("member ID is not provided"));
    }
    id_of(line)
}

/// The URLs of `--peer-urls`.
pub(super) fn peer_urls(line: &CommandLine<'_>) -> Result<Vec<String>, Refusal> {
    let typed = line.text("peer-urls");
    if typed.is_empty() {
        return Err(Refusal::bad_args("member peer urls not provided"));
    }
    Ok(typed.split(',').map(str::to_owned).collect())
}

/// Whether each is a URL of a peer, in etcdctl's words, which looks before it asks.
///
/// # Errors
/// What the first that is none lacks.
pub fn check_peer_urls(urls: &[String]) -> Result<(), Failure> {
    for url in urls.iter().map(|url| url.trim()) {
        let refuse = |what: String| Err(Failure::new(exit::ERROR, what));
        let scheme = url
            .split_once("://")
            .filter(|(scheme, _)| ["http", "https", "unix", "unixs"].contains(scheme));
        let Some((_, rest)) = scheme else {
            return refuse(format!("URL scheme must be http, https, unix, or unixs: {url}"));
        };
        let (address, path) = rest.split_once('/').map_or((rest, None), |(a, p)| (a, Some(p)));
        match address.rsplit_once(':') {
            Some((_, port)) if !port.bytes().all(|byte| byte.is_ascii_digit()) => {
                let (url, port) = (quote(url.as_bytes()), quote(format!(":{port}").as_bytes()));
                return refuse(format!("parse {url}: invalid port {port} after host"));
            }
            Some(_) => {}
            None => {
                return refuse(format!("URL address does not have the form \"host:port\": {url}"));
            }
        }
        if path.is_some() {
            return refuse(format!("URL must not contain a path: {url}"));
        }
    }
    Ok(())
}

/// A change of the members that was made.
#[derive(Debug)]
pub(super) struct Changed {
    pub id: u64,
    /// What became of the member, as in "removed from".
    pub what: &'static str,
    pub header: Option<ResponseHeader>,
    /// The member that was added.
    pub added: Option<Member>,
    /// All of them after that.
    pub members: Vec<Member>,
    /// The message as it was sent.
    pub message: Vec<u8>,
    /// Lines of `simple` behind the first.
    pub more: Vec<String>,
}

impl Answer for Changed {
    fn shown(&self, hex: bool) -> Value {
        let mut shown = vec![head(self.header.as_ref(), hex)];
        let added = self.added.as_ref();
        shown.extend(added.map(|added| Field::new("member", "", member(added, hex))));
        let members = self.members.iter().map(|one| member(one, hex)).collect();
        shown.push(Field::new("members", "", Value::Rows(members)));
        shown.into()
    }

    fn simple(&self, page: &mut Page<'_>) {
        let cluster = self.header.map_or(0, |header| header.cluster_id);
        page.line(&format!("Member {:16x} {} cluster {cluster:16x}", self.id, self.what));
        self.more.iter().for_each(|line| page.line(line));
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(self.message.clone())
    }

    fn format(&self, asked: Format) -> Result<Format, Failure> {
        without_fields(asked)
    }

    fn facts(&self) -> Facts<'_> {
        let rev = self.header.as_ref().map(|header| header.revision);
        Facts { rev, count: count_of(self.members.len()), ..Facts::default() }
    }

    /// The member's id, as other commands take it.
    fn primary(&self) -> Result<Option<Bytes>, Failure> {
        Ok(Some(format!("{:x}", self.id).into()))
    }

    fn is_of_cluster(&self) -> bool {
        true
    }

    fn masked(&self, line: &str) -> String {
        let cluster = self.header.map_or(0, |header| header.cluster_id);
        replaced(&replaced(line, &format!("{:16x}", self.id)), &format!("{cluster:16x}"))
    }
}

/// Everything but `fields`, which etcdctl refuses here.
pub(super) fn without_fields(asked: Format) -> Result<Format, Failure> {
    if asked == Format::Fields {
        return Err(Failure::new(exit::BAD_FEATURE, "fields not supported as output format"));
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_peer_url_is_refused_in_etcdctls_words() {
        for (url, says) in [
            ("x", "URL scheme must be http, https, unix, or unixs: x"),
            ("ftp://a:1", "URL scheme must be http, https, unix, or unixs: ftp://a:1"),
            ("http://a", "URL address does not have the form \"host:port\": http://a"),
            ("http://a:1/p", "URL must not contain a path: http://a:1/p"),
            ("http://a:b", "parse \"http://a:b\": invalid port \":b\" after host"),
        ] {
            assert_eq!(check_peer_urls(&[url.to_owned()]).unwrap_err().text, says);
        }
        check_peer_urls(&["http://a:1".to_owned(), " https://[::1]:2".to_owned()])
            .map_err(|failure| failure.text)
            .unwrap();
    }
}
