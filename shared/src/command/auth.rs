//! What the commands about users and roles have in common.

use std::fmt;

use bytes::Bytes;
use futures::future::BoxFuture;
use mini_etcd_proto::etcdserverpb::{AuthRoleAddResponse, ResponseHeader};
use prost::Message as _;

use super::ranges::{FROM_KEY, PREFIX};
use super::spec::Flag;
use super::{CommandLine, Input, Refusal};
use crate::failure::{Failure, exit};
use crate::format::{Answer, Facts, Field, Format, Message, Page, Value, header, unsupported};
use crate::types::prefix_end;

/// End of a range that has none.
const OPEN_END: &[u8] = b"\0";

/// Flags of a permission's range.
pub(super) const PERMISSION_RANGE: &[Flag] = &[FROM_KEY, PREFIX];

/// A change of users or roles that was made.
#[derive(Debug)]
pub(super) struct Changed {
    /// What it was, for people.
    line: Vec<u8>,
    header: Option<ResponseHeader>,
}

impl Changed {
    pub(super) fn new(line: impl Into<Vec<u8>>, header: Option<ResponseHeader>) -> Self {
        Self { line: line.into(), header }
    }
}

impl Answer for Changed {
    fn shown(&self, _hex: bool) -> Value {
        vec![header("header", self.header.as_ref())].into()
    }

    fn simple(&self, page: &mut Page<'_>) {
        page.write(&self.line);
        page.write(b"\n");
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        // All of these answers have the one field.
        Some(AuthRoleAddResponse { header: self.header }.encode_to_vec())
    }

    fn facts(&self) -> Facts<'_> {
        facts(self.header.as_ref(), None)
    }
}

/// Whether the cluster asks for users from now on.
#[derive(Debug)]
pub(super) struct Switched(pub &'static str);

impl Answer for Switched {
    fn shown(&self, _hex: bool) -> Value {
        vec![Field::in_json("status", self.0)].into()
    }

    fn simple(&self, page: &mut Page<'_>) {
        page.line(self.0);
    }

    fn format(&self, asked: Format) -> Result<Format, Failure> {
        Ok(asked.or_simple())
    }
}

/// What is told of an answer with this header, about so many names.
pub(super) fn facts(header: Option<&ResponseHeader>, count: Option<i64>) -> Facts<'static> {
    Facts { rev: header.map(|header| header.revision), count, ..Facts::default() }
}

/// The format of an answer that etcdctl does not show as `fields`.
pub(super) fn but_fields(asked: Format) -> Result<Format, Failure> {
    if asked == Format::Fields { Err(unsupported("fields")) } else { Ok(asked) }
}

/// Each name as a line of `jsonl`.
pub(super) fn name_rows(names: &[String]) -> Vec<Message> {
    names.iter().map(|name| vec![Field::in_json("name", name)]).collect()
}

/// The only argument of a line, a name.
pub(super) fn only_name(line: &CommandLine<'_>, usage: &str) -> Result<String, Refusal> {
    let [name] = line.args() else { return Err(Refusal::bad_args(usage)) };
    name_of(name)
}

/// The only two arguments of a line, names both.
pub(super) fn two_names(line: &CommandLine<'_>, usage: &str) -> Result<[String; 2], Refusal> {
    let [first, second] = line.args() else { return Err(Refusal::bad_args(usage)) };
    Ok([name_of(first)?, name_of(second)?])
}

/// The name of a user or a role; the protocol has text for it.
pub(super) fn name_of(arg: &Bytes) -> Result<String, Refusal> {
    let name = str::from_utf8(arg).map_err(|_| {
        let shown = crate::text::quote(arg);
        Refusal::bad_args(format!("{shown} is no name: names of users and roles are UTF-8"))
    })?;
    Ok(name.to_owned())
}

/// The range of a permission: `args` are its key and perhaps its end.
pub(super) fn permission_range(
    line: &CommandLine<'_>,
    args: &[Bytes],
) -> Result<(Bytes, Bytes), Refusal> {
    let (prefix, from_key) = (line.switch("prefix"), line.switch("from-key"));
    let both = || Refusal::bad_args("--from-key and --prefix flags are mutually exclusive");
    let key = args.first().cloned().unwrap_or_default();
    if key.is_empty() {
        // No key is empty: the first of all is one zero byte. What else is given does not count for etcdctl either.
        let end = if prefix || from_key { OPEN_END } else { b"" };
        let first = Bytes::from_static(b"\0");
        return if prefix && from_key { Err(both()) } else { Ok((first, Bytes::from_static(end))) };
    }
    let unexpected =
        |flag| Refusal::bad_args(format!("unexpected endkey argument with --{flag} flag"));
    let end = match (args.get(1), prefix, from_key) {
        (Some(_), true, _) => return Err(unexpected("prefix")),
        (Some(_), _, true) => return Err(unexpected("from-key")),
        (Some(end), ..) => end.clone(),
        (None, true, true) => return Err(both()),
        (None, true, _) => prefix_end(&key),
        (None, _, true) => Bytes::from_static(OPEN_END),
        (None, ..) => Bytes::new(),
    };
    Ok((key, end))
}

/// A range as etcdctl shows it: its end is that of [`permission_range`].
pub(super) fn shown_range(key: &[u8], end: &[u8]) -> Vec<u8> {
    match end {
        b"" => key.to_vec(),
        OPEN_END => [b"[", key, b", <open ended>"].concat(),
        end => [b"[", key, b", ", end, b")"].concat(),
    }
}

/// A password; it is in no message and in no output.
#[derive(Clone, Default)]
pub(super) struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(crate::text::MASK)
    }
}

/// Where a password comes from.
#[derive(Clone, Debug)]
pub(super) enum Secret {
    /// The line has it.
    Given(Password),
    /// The first word of standard input.
    Read,
    /// Somebody types it twice.
    Asked,
}

impl Secret {
    /// What a line without a password says of it.
    pub(super) fn of(line: &CommandLine<'_>) -> Self {
        if line.switch("interactive") { Self::Asked } else { Self::Read }
    }

    /// The password for this user.
    pub(super) fn password<'a>(
        self,
        user: &'a str,
        input: &'a mut dyn Input,
    ) -> BoxFuture<'a, Result<String, Failure>> {
        Box::pin(async move {
            let refused = |text: &str| Failure::new(exit::BAD_ARGS, text);
            match self {
                Self::Given(password) => Ok(password.0),
                Self::Read => {
                    let line = input.given_password()?;
                    let text = String::from_utf8(line)
                        .map_err(|_| refused("a password is UTF-8, and this one is not"))?;
                    // A blank ends it, as for etcdctl.
                    Ok(text.split_ascii_whitespace().next().unwrap_or_default().to_owned())
                }
                Self::Asked => {
                    let first = input.ask_password(&format!("Password of {user}: ")).await?;
                    if first.is_empty() {
                        return Err(refused("empty password"));
                    }
                    let again = format!("Type password of {user} again for confirmation: ");
                    if input.ask_password(&again).await? != first {
                        return Err(refused("given passwords are different"));
                    }
                    Ok(first)
                }
            }
        })
    }
}
