//! [`Request`]: a command that can be carried out, made of a line with etcdctl's checks in etcdctl's order.

#![expect(missing_docs, reason = "names that say all have no comment")]

use std::any::Any;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use mini_etcd_proto::etcdserverpb::request_op::Request as Operation;

use super::Input;
use super::help::Help;
use super::parse::Parsed;
use super::refusal::Refusal;
use super::target::Target;
use crate::client::Client;
use crate::failure::{Failure, exit};
use crate::format::Answer;

/// A command with its arguments.
pub trait Request: Any + fmt::Debug + Send + Sync {
    /// Carries it out. What goes on for as long as somebody looks, as a watch does, is left to them.
    fn run<'a>(self: Box<Self>, _client: &'a Client, _input: &'a mut dyn Input) -> Reply<'a> {
        let report = self.local();
        Box::pin(async {
            let refused =
                || Failure::new(exit::ERROR, "this command answers more than once").into();
            report.unwrap_or_else(refused)
        })
    }

    /// What it answers without a server.
    fn local(&self) -> Option<Report> {
        None
    }

    /// The same as an operation of a transaction.
    ///
    /// # Errors
    /// When it cannot be one.
    fn operation(&self) -> Result<Operation, Refusal> {
        Err(Refusal::new(exit::INVALID_INPUT, "a transaction does not do this"))
    }

    /// Where things stand when it is interrupted, and how to go on, for one that does its work in steps.
    fn pending(&self) -> Option<String> {
        None
    }

    /// Why no line of the language may be this, though `mini-etcdctl` takes it.
    fn misfit(&self) -> Option<Misfit> {
        None
    }
}

impl dyn Request {
    /// The request, when it is of this type.
    #[must_use]
    pub fn downcast<T: Request>(&self) -> Option<&T> {
        (self as &dyn Any).downcast_ref()
    }
}

/// What a line of the language has that it may not have.
#[derive(Debug)]
pub struct Misfit {
    /// What stands there; nothing when the line ends.
    pub found: Option<String>,
    pub expected: &'static str,
}

/// The result that a request comes to.
pub type Reply<'a> = BoxFuture<'a, Report>;

/// The result of a command.
#[derive(Debug)]
pub struct Report {
    /// What it answers; present beside a failure when part of it went well.
    pub answer: Option<Box<dyn Answer>>,
    /// Lines about parts that failed.
    pub notes: Vec<String>,
    /// Why the command as a whole failed.
    pub failure: Option<Failure>,
    /// What goes on after so long, for as long as somebody looks.
    pub again: Option<(Duration, Box<dyn Request>)>,
}

impl Report {
    #[must_use]
    pub fn of(answer: impl Answer + 'static) -> Self {
        Self { answer: Some(Box::new(answer)), notes: Vec::new(), failure: None, again: None }
    }
}

impl From<Failure> for Report {
    fn from(failure: Failure) -> Self {
        Self { answer: None, notes: Vec::new(), failure: Some(failure), again: None }
    }
}

impl<A: Answer + 'static> From<Result<A, Failure>> for Report {
    fn from(result: Result<A, Failure>) -> Self {
        result.map_or_else(Self::from, Self::of)
    }
}

/// What the surroundings of a command line add to it.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Key that a watch without one takes (`ETCDCTL_WATCH_KEY`).
    pub watch_key: Option<Bytes>,
    /// Its range end (`ETCDCTL_WATCH_RANGE_END`).
    pub watch_range_end: Option<Bytes>,
}

/// What a line makes of itself.
pub type Made = Result<Box<dyn Request>, Refusal>;

/// A request that needs nothing but a client.
struct Asked<R, F> {
    request: R,
    send: fn(Client, R) -> F,
}

/// A command that sends `request`, and answers what comes of it.
pub(super) fn asks<R, F>(request: R, send: fn(Client, R) -> F) -> Box<dyn Request>
where
    R: fmt::Debug + Send + Sync + 'static,
    F: Future<Output: Into<Report>> + Send + 'static,
{
    Box::new(Asked { request, send })
}

impl<R: fmt::Debug, F> fmt::Debug for Asked<R, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.request.fmt(f)
    }
}

impl<R, F> Request for Asked<R, F>
where
    R: fmt::Debug + Send + Sync + 'static,
    F: Future<Output: Into<Report>> + Send + 'static,
{
    fn run<'a>(self: Box<Self>, client: &'a Client, _input: &'a mut dyn Input) -> Reply<'a> {
        let sent = (self.send)(client.clone(), self.request);
        Box::pin(async { sent.await.into() })
    }
}

/// The request that a line stands for.
///
/// # Errors
/// When flags or arguments do not fit together.
pub fn request_of(parsed: &Parsed, scope: &Scope) -> Made {
    match parsed.target {
        Target::Command(spec) if !parsed.help => (spec.request)(&CommandLine { parsed, scope }),
        target => Ok(Box::new(Help { target, unknown: None, man: false })),
    }
}

/// A line of one command, and readers of what it gives.
#[derive(Debug)]
pub struct CommandLine<'a> {
    pub parsed: &'a Parsed,
    pub scope: &'a Scope,
}

impl CommandLine<'_> {
    /// Whether a switch is on.
    pub(super) fn switch(&self, name: &str) -> bool {
        self.parsed.flags.switch(self.parsed.target, name)
    }

    /// The number of a flag that takes no sign.
    pub(super) fn uint(&self, name: &str) -> u64 {
        self.parsed.flags.uint(self.parsed.target, name)
    }

    /// The number of a flag.
    pub(super) fn int(&self, name: &str) -> i64 {
        self.parsed.flags.int(self.parsed.target, name)
    }

    /// The text of a flag.
    pub(super) fn text(&self, name: &str) -> String {
        self.parsed.flags.text(self.parsed.target, name)
    }

    pub(super) fn args(&self) -> &[Bytes] {
        &self.parsed.args
    }

    pub(super) fn arg(&self, at: usize) -> Option<Bytes> {
        self.args().get(at).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Watch, parse, split_words};

    fn build(line: &str) -> Made {
        let words: Vec<Bytes> =
            split_words(line.as_bytes()).unwrap().into_iter().map(Bytes::from).collect();
        request_of(&parse(&words)?, &Scope::default())
    }

    fn range_of(line: &str) -> (Vec<u8>, Vec<u8>) {
        let request = build(line).unwrap();
        if let Some(watch) = request.downcast::<Watch>() {
            let request = watch.request.clone().unwrap();
            return (request.key.to_vec(), request.range_end.to_vec());
        }
        match request.operation() {
            Ok(Operation::RequestRange(get)) => (get.key.to_vec(), get.range_end.to_vec()),
            Ok(Operation::RequestDeleteRange(del)) => (del.key.to_vec(), del.range_end.to_vec()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn ranges_are_built_as_clients_build_them() {
        for (line, key, end) in [
            ("get a", &b"a"[..], &b""[..]),
            ("get a c", b"a", b"c"),
            ("get a c d", b"a", b"c"),
            ("get a --prefix", b"a", b"b"),
            ("get '' --prefix", b"\0", b"\0"),
            ("get a --from-key", b"a", b"\0"),
            ("get '' --from-key", b"\0", b"\0"),
            ("del a --prefix", b"a", b"b"),
            ("del a c", b"a", b"c"),
            ("watch a --prefix", b"a", b"b"),
            ("watch a c", b"a", b"c"),
            ("watch a b c", b"a", b""),
        ] {
            assert_eq!(range_of(line), (key.to_vec(), end.to_vec()), "{line}");
        }
    }

    #[test]
    fn every_refusal_has_etcdctls_words_and_code() {
        for (line, code, text) in [
            (
                "get",
                128,
                "get command needs one argument as key and an optional argument as range_end",
            ),
            (
                "del a b c",
                128,
                "del command needs one argument as key and an optional argument as range_end",
            ),
            (
                "get a --prefix --from-key",
                128,
                "`--prefix` and `--from-key` cannot be set at the same time, choose one",
            ),
            (
                "get a b --prefix",
                128,
                "too many arguments, only accept one argument when `--prefix` or `--from-key` is set",
            ),
            ("get a --order x", 4, "bad sort order x"),
            ("get a --sort-by x", 4, "bad sort target x"),
            ("get a --consistency x", 4, "unknown consistency flag \"x\""),
            ("put", 128, "put command needs 1 argument and input from stdin or 2 arguments"),
            (
                "put a b --ignore-value",
                128,
                "put command needs only 1 argument when 'ignore-value' is set",
            ),
            (
                "put a b --lease zz",
                128,
                "bad lease ID (strconv.ParseInt: parsing \"zz\": invalid syntax), expecting ID in Hex",
            ),
            ("compaction", 128, "compaction command needs 1 argument"),
            ("compaction x", 1, "strconv.ParseInt: parsing \"x\": invalid syntax"),
            ("txn x", 128, "txn command does not accept argument"),
            ("alarm disarm x", 128, "alarm disarm command accepts no arguments"),
            ("alarm list x", 128, "alarm list command accepts no arguments"),
            ("watch", 128, "bad number of arguments"),
            ("watch a b --prefix", 128, "`range_end` and `--prefix` are mutually exclusive"),
        ] {
            let refusal = build(line).unwrap_err();
            assert_eq!((refusal.exit, refusal.text.as_str()), (code, text), "{line}");
        }
    }

    #[test]
    fn the_variables_of_a_watch_stand_for_its_key() {
        let scope = Scope { watch_key: Some("k".into()), watch_range_end: Some("m".into()) };
        let of = |words: &[&'static str]| {
            let words: Vec<_> =
                words.iter().map(|word| Bytes::from_static(word.as_bytes())).collect();
            request_of(&parse(&words).unwrap(), &scope)
        };
        let made = of(&["watch", "--", "echo", "-x"]).unwrap();
        let watch = made.downcast::<Watch>().unwrap();
        assert_eq!(watch.program, ["echo", "-x"]);
        let request = watch.request.clone().unwrap();
        assert_eq!((request.key.as_ref(), request.range_end.as_ref()), (&b"k"[..], &b"m"[..]));
        assert!(of(&["watch", "k2"]).unwrap_err().text.contains("conflicting environment key"));
    }

    /// Method: every flag of every command set to a value other than its default must change what is built, so
    /// that no flag of the table is only documented.
    #[test]
    fn no_flag_is_without_effect() {
        use crate::command::{ArgKind, TABLE, ValueKind};
        // Its flags go together: tests/tests/oracle_backup has them.
        for spec in TABLE.iter().filter(|spec| spec.path() != "snapshot restore") {
            // The first too where it is optional: without it some commands go by something else.
            let needed = spec.args.iter().enumerate().filter(|(at, arg)| *at == 0 || !arg.optional);
            let args = needed.map(|(_, arg)| match arg.kind {
                ArgKind::Revision | ArgKind::Lease | ArgKind::Seconds | ArgKind::Value => {
                    " 7".to_owned()
                }
                ArgKind::OneOf(words) => format!(" {}", words[0]),
                _ => " k".to_owned(),
            });
            let args: String = args.collect();
            // Without it nothing is built.
            let urls = spec.flags.iter().any(|flag| flag.name == "peer-urls");
            let urls = if urls { " --peer-urls=http://h:1" } else { "" };
            // Some flags are for a learner alone.
            let learner = if spec.path() == "member add" { " --learner" } else { "" };
            let proposal = if spec.name == "elect" { " v" } else { "" };
            let bare = format!("{}{args}{urls}{proposal}", spec.path());
            for flag in spec.flags {
                // It takes the place of an argument: tested beside the command.
                if (spec.name, flag.name) == ("elect", "listen") {
                    continue;
                }
                let value = match flag.value {
                    ValueKind::Switch if flag.default == "true" => "false",
                    ValueKind::Switch => "true",
                    ValueKind::Choice(words) => words.last().unwrap(),
                    _ => "5",
                };
                let plain = match flag.name {
                    "promote-when-ready" => format!("{bare}{learner}"),
                    "range" => format!("{bare} m"),
                    "no-dest-prefix" => format!("{bare} --prefix=p"),
                    _ => bare.clone(),
                };
                let line = format!("{plain} --{}={value}", flag.name);
                let with = build(&line).unwrap_or_else(|refusal| panic!("{line}: {refusal:?}"));
                let (with, without) = (
                    format!("{with:?}"),
                    format!("{:?}", build(&plain).unwrap_or_else(|it| panic!("{plain}: {it:?}"))),
                );
                assert_ne!(with, without, "{plain} --{}", flag.name);
            }
        }
    }
}
