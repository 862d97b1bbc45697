//! From flags and arguments to a request, with etcdctl's checks in etcdctl's order.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use mini_etcd_proto::etcdserverpb::{
    CompactionRequest, DeleteRangeRequest, PutRequest, RangeRequest, WatchCreateRequest,
};

use super::go;
use super::parse::{Parsed, Target};
use super::request::{Refusal, exit};
use super::spec::Verb;
use crate::text::quote;
use crate::types::prefix_end;

/// Every key: what a prefix or a lower bound of no bytes means.
const LOWEST: &[u8] = &[0];

/// A command that can be carried out.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Writes a key.
    Put {
        /// What to write.
        request: PutRequest,
        /// Whether the value is still to be read from standard input.
        value_from_input: bool,
    },
    /// Reads keys.
    Get(Get),
    /// Deletes keys.
    Del(DeleteRangeRequest),
    /// Runs a transaction from standard input.
    Txn {
        /// Whether to prompt.
        interactive: bool,
    },
    /// Forgets history.
    Compaction(CompactionRequest),
    /// Watches keys.
    Watch(Watch),
    /// Lists the members.
    MemberList,
    /// Prints the state of each endpoint.
    EndpointStatus {
        /// Ask every member.
        cluster: bool,
    },
    /// Checks each endpoint.
    EndpointHealth {
        /// Ask every member.
        cluster: bool,
    },
    /// Hashes the keys of each endpoint.
    EndpointHashKv {
        /// Ask every member.
        cluster: bool,
        /// Up to this revision.
        revision: i64,
    },
    /// Lists the alarms.
    AlarmList,
    /// Prints the version.
    Version,
    /// Explains.
    Help {
        /// What to explain.
        target: Target,
        /// Words that lead nowhere.
        unknown: Option<String>,
    },
}

/// A read, and what of it to show.
#[derive(Clone, Debug, PartialEq)]
pub struct Get {
    /// What to read.
    pub request: RangeRequest,
    /// Show values only.
    pub values_only: bool,
}

/// A watch, and what to do on each change.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    /// What to watch; `None` when lines of standard input will say.
    pub request: Option<WatchCreateRequest>,
    /// Read lines from standard input.
    pub interactive: bool,
    /// Program and arguments to run on each change; empty for none.
    pub program: Vec<Bytes>,
}

/// What the surroundings of a command line add to it.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Key that a watch without one takes (`ETCDCTL_WATCH_KEY`).
    pub watch_key: Option<Bytes>,
    /// Its range end (`ETCDCTL_WATCH_RANGE_END`).
    pub watch_range_end: Option<Bytes>,
}

impl Command {
    /// The command that a line stands for.
    ///
    /// # Errors
    /// When flags or arguments do not fit together.
    pub fn of(parsed: &Parsed, scope: &Scope) -> Result<Self, Refusal> {
        let spec = match parsed.target {
            target if parsed.help => return Ok(Self::Help { target, unknown: None }),
            target @ (Target::Root | Target::Group(_)) => {
                return Ok(Self::Help { target, unknown: None });
            }
            Target::Command(spec) => spec,
        };
        let line = Line { parsed };
        let cluster = line.switch("cluster");
        Ok(match spec.verb {
            Verb::Put => line.put()?,
            Verb::Get => Self::Get(line.get()?),
            Verb::Del => Self::Del(line.del()?),
            Verb::Txn if parsed.args.is_empty() => {
                Self::Txn { interactive: line.switch("interactive") }
            }
            Verb::Txn => return Err(Refusal::bad_args("txn command does not accept argument")),
            Verb::Compaction => Self::Compaction(line.compaction()?),
            Verb::Watch => Self::Watch(line.watch(scope)?),
            Verb::MemberList => Self::MemberList,
            Verb::EndpointStatus => Self::EndpointStatus { cluster },
            Verb::EndpointHealth => Self::EndpointHealth { cluster },
            Verb::EndpointHashKv => Self::EndpointHashKv { cluster, revision: line.int("rev") },
            Verb::AlarmList if parsed.args.is_empty() => Self::AlarmList,
            Verb::AlarmList => {
                return Err(Refusal::bad_args("alarm list command accepts no arguments"));
            }
            Verb::Version => Self::Version,
            Verb::Help => line.help(),
        })
    }
}

/// A line of one command, and its readers.
struct Line<'a> {
    parsed: &'a Parsed,
}

impl Line<'_> {
    fn switch(&self, name: &str) -> bool {
        self.parsed.flags.switch(self.parsed.target, name)
    }

    fn int(&self, name: &str) -> i64 {
        self.parsed.flags.int(self.parsed.target, name)
    }

    fn text(&self, name: &str) -> String {
        self.parsed.flags.text(self.parsed.target, name)
    }

    fn arg(&self, at: usize) -> Option<Bytes> {
        self.parsed.args.get(at).cloned()
    }

    fn put(&self) -> Result<Command, Refusal> {
        const USAGE: &str = "put command needs 1 argument and input from stdin or 2 arguments";
        let key = self.arg(0).ok_or_else(|| Refusal::bad_args(USAGE))?;
        let ignore_value = self.switch("ignore-value");
        if ignore_value && self.parsed.args.len() > 1 {
            return Err(Refusal::bad_args(
                "put command needs only 1 argument when 'ignore-value' is set",
            ));
        }
        let lease = go::parse_int(&self.text("lease"), 16).map_err(|error| {
            Refusal::bad_args(format!("bad lease ID ({error}), expecting ID in Hex"))
        })?;
        let value = self.arg(1);
        Ok(Command::Put {
            value_from_input: value.is_none() && !ignore_value,
            request: PutRequest {
                key,
                value: value.unwrap_or_default(),
                lease,
                prev_kv: self.switch("prev-kv"),
                ignore_value,
                ignore_lease: self.switch("ignore-lease"),
            },
        })
    }

    fn get(&self) -> Result<Get, Refusal> {
        self.some_key("get")?;
        self.one_way_to_range()?;
        let serializable = match self.text("consistency").as_str() {
            "l" => false,
            "s" => true,
            other => {
                let other = quote(other.as_bytes());
                return Err(bad_feature(format!("unknown consistency flag {other}")));
            }
        };
        let (key, range_end) = self.range()?;
        let (sort_order, sort_target) = self.sorting()?;
        Ok(Get {
            values_only: self.switch("print-value-only"),
            request: RangeRequest {
                key,
                range_end,
                limit: self.int("limit"),
                revision: self.int("rev").max(0),
                sort_order: sort_order.into(),
                sort_target: sort_target.into(),
                serializable,
                keys_only: self.switch("keys-only"),
                count_only: self.switch("count-only"),
                ..RangeRequest::default()
            },
        })
    }

    fn sorting(&self) -> Result<(SortOrder, SortTarget), Refusal> {
        let order = self.text("order");
        let order = match order.to_uppercase().as_str() {
            "" => SortOrder::None,
            "ASCEND" => SortOrder::Ascend,
            "DESCEND" => SortOrder::Descend,
            _ => return Err(bad_feature(format!("bad sort order {order}"))),
        };
        let target = self.text("sort-by");
        let target = match target.to_uppercase().as_str() {
            "" | "KEY" => SortTarget::Key,
            "CREATE" => SortTarget::Create,
            "MODIFY" => SortTarget::Mod,
            "VALUE" => SortTarget::Value,
            "VERSION" => SortTarget::Version,
            _ => return Err(bad_feature(format!("bad sort target {target}"))),
        };
        match (order, target) {
            // The order in which servers answer anyway.
            (SortOrder::Ascend, SortTarget::Key) => Ok((SortOrder::None, target)),
            _ => Ok((order, target)),
        }
    }

    fn del(&self) -> Result<DeleteRangeRequest, Refusal> {
        self.some_key("del")?;
        if self.parsed.args.len() > 2 {
            return Err(needs_key("del"));
        }
        self.one_way_to_range()?;
        let (key, range_end) = self.range()?;
        Ok(DeleteRangeRequest { key, range_end, prev_kv: self.switch("prev-kv") })
    }

    fn some_key(&self, command: &str) -> Result<(), Refusal> {
        if self.parsed.args.is_empty() { Err(needs_key(command)) } else { Ok(()) }
    }

    fn one_way_to_range(&self) -> Result<(), Refusal> {
        if self.switch("prefix") && self.switch("from-key") {
            return Err(Refusal::bad_args(
                "`--prefix` and `--from-key` cannot be set at the same time, choose one",
            ));
        }
        Ok(())
    }

    fn range(&self) -> Result<(Bytes, Bytes), Refusal> {
        let key = self.arg(0).unwrap_or_default();
        let (prefix, from_key) = (self.switch("prefix"), self.switch("from-key"));
        if (prefix || from_key) && self.parsed.args.len() > 1 {
            return Err(Refusal::bad_args(
                "too many arguments, only accept one argument when `--prefix` or `--from-key` is set",
            ));
        }
        Ok(match (prefix, from_key) {
            (true, _) => prefix_range(key),
            (_, true) if key.is_empty() => (LOWEST.into(), LOWEST.into()),
            (_, true) => (key, LOWEST.into()),
            _ => (key, self.arg(1).unwrap_or_default()),
        })
    }

    fn compaction(&self) -> Result<CompactionRequest, Refusal> {
        let [revision] = self.parsed.args.as_slice() else {
            return Err(Refusal::bad_args("compaction command needs 1 argument"));
        };
        let revision = go::parse_int(&String::from_utf8_lossy(revision), 10)
            .map_err(|error| Refusal::new(exit::ERROR, error))?;
        Ok(CompactionRequest { revision, physical: self.switch("physical") })
    }

    /// The key stands on the line or in a variable, never in both; what follows `--` is a program.
    fn watch(&self, scope: &Scope) -> Result<Watch, Refusal> {
        let interactive = self.switch("interactive");
        let before = self.parsed.dash.unwrap_or(self.parsed.args.len());
        let (keys, program) = self.parsed.args.split_at(before);
        if self.parsed.dash.is_some() && program.is_empty() {
            return Err(Refusal::bad_args(
                "bad number of arguments (found separator --, but no commands)",
            ));
        }
        let watch = |request| Watch { request, interactive, program: program.to_vec() };
        if interactive && keys.is_empty() {
            return Ok(watch(None));
        }
        let (key, range_end) = match (keys, &scope.watch_key) {
            ([], None) => return Err(Refusal::bad_args("bad number of arguments")),
            ([], Some(key)) => (key.clone(), scope.watch_range_end.clone()),
            (_, Some(_)) => {
                return Err(Refusal::bad_args(
                    "bad number of arguments (found conflicting environment key)",
                ));
            }
            ([key, end], None) => (key.clone(), Some(end.clone())),
            ([key, ..], None) => (key.clone(), None),
        };
        let prefix = self.switch("prefix");
        if prefix && range_end.is_some() {
            return Err(Refusal::bad_args("`range_end` and `--prefix` are mutually exclusive"));
        }
        let (key, range_end) =
            if prefix { prefix_range(key) } else { (key, range_end.unwrap_or_default()) };
        Ok(watch(Some(WatchCreateRequest {
            key,
            range_end,
            start_revision: self.int("rev"),
            progress_notify: self.switch("progress-notify"),
            prev_kv: self.switch("prev-kv"),
            ..WatchCreateRequest::default()
        })))
    }

    fn help(&self) -> Command {
        let words = &self.parsed.args;
        match super::parse(words) {
            // Words behind the name of a command are passed over, as etcdctl does.
            Ok(parsed) if parsed.args.is_empty() || !matches!(parsed.target, Target::Root) => {
                Command::Help { target: parsed.target, unknown: None }
            }
            _ => {
                let words: Vec<_> =
                    words.iter().map(|word| String::from_utf8_lossy(word)).collect();
                Command::Help { target: Target::Root, unknown: Some(words.join(" ")) }
            }
        }
    }
}

fn prefix_range(key: Bytes) -> (Bytes, Bytes) {
    if key.is_empty() {
        return (LOWEST.into(), LOWEST.into());
    }
    let end = prefix_end(&key);
    (key, end)
}

fn needs_key(command: &str) -> Refusal {
    Refusal::bad_args(format!(
        "{command} command needs one argument as key and an optional argument as range_end"
    ))
}

fn bad_feature(text: String) -> Refusal {
    Refusal::new(exit::BAD_FEATURE, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{parse, split_words};

    fn build(line: &str) -> Result<Command, Refusal> {
        let words: Vec<Bytes> =
            split_words(line.as_bytes()).unwrap().into_iter().map(Bytes::from).collect();
        Command::of(&parse(&words)?, &Scope::default())
    }

    fn range_of(line: &str) -> (Vec<u8>, Vec<u8>) {
        match build(line).unwrap() {
            Command::Get(get) => (get.request.key.to_vec(), get.request.range_end.to_vec()),
            Command::Del(del) => (del.key.to_vec(), del.range_end.to_vec()),
            Command::Watch(watch) => {
                let request = watch.request.unwrap();
                (request.key.to_vec(), request.range_end.to_vec())
            }
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
            Command::of(&parse(&words).unwrap(), &scope)
        };
        let Ok(Command::Watch(watch)) = of(&["watch", "--", "echo", "-x"]) else { panic!() };
        assert_eq!(watch.program, ["echo", "-x"]);
        let request = watch.request.unwrap();
        assert_eq!((request.key.as_ref(), request.range_end.as_ref()), (&b"k"[..], &b"m"[..]));
        assert!(of(&["watch", "k2"]).unwrap_err().text.contains("conflicting environment key"));
    }

    /// Method: every flag of every command set to a value other than its default must change what is built, so
    /// that no flag of the table is only documented.
    #[test]
    fn no_flag_is_without_effect() {
        use crate::command::{Effect, TABLE, ValueKind};
        for spec in TABLE.iter().filter(|spec| spec.effect != Effect::Local) {
            let args = match spec.verb {
                Verb::Get | Verb::Del | Verb::Put | Verb::Watch => " k",
                Verb::Compaction => " 7",
                _ => "",
            };
            let plain = format!("{}{args}", spec.path());
            for flag in spec.flags {
                let value = match flag.value {
                    ValueKind::Switch => "true",
                    ValueKind::Choice(words) => words.last().unwrap(),
                    _ => "5",
                };
                let with = build(&format!("{plain} --{}={value}", flag.name)).unwrap();
                assert_ne!(with, build(&plain).unwrap(), "{plain} --{}", flag.name);
            }
        }
    }
}
