//! What etcdctl 3.7 prints differently from 3.5.1, or has and 3.5.1 has not.
//!
//! Goal: `mini-etcdctl` prints what etcdctl 3.7.3 prints. Method: each line runs on an etcd 3.5.1 and on a mini-etcd, and
//! what it prints is compared with what etcdctl 3.7.3 printed there (`golden/etcdctl-3.7.3.txt`); numbers that are others in
//! each cluster are masked.
//!
//! Where `ETCDCTL37_BIN` names an etcdctl 3.7.3, that runs too, and must print what is recorded. The record is renewed by
//! `UPDATE_GOLDENFILES=1 ETCDCTL37_BIN=... cargo test --test oracle_ctl since37`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use mini_etcd_proto::etcdserverpb::alarm_request::AlarmAction;
use mini_etcd_proto::etcdserverpb::{AlarmRequest, AlarmType};
use mini_etcd_shared::client::{Client, ClientConfig, Endpoint};
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::process::{etcd_binary, workspace_binary};
use regex::Regex;

use crate::printed::{command, finish, raw};
use crate::seed;

/// Names an etcdctl 3.7.3.
pub const VARIABLE: &str = "ETCDCTL37_BIN";

/// `LIVE` stands for a server, `DEAD` for one that is not there; `MOD` for the revision that changed `dir/b` last.
const LINES: &[(&str, &str)] = &[
    ("LIVE", "get foo --hex -w fields"),
    ("LIVE", "get odd --prefix -w fields"),
    ("LIVE", "get dir/ --prefix --min-mod-rev MOD"),
    ("LIVE", "get dir/ --prefix --max-mod-rev MOD --keys-only"),
    ("LIVE", "get dir/ --prefix --min-create-rev MOD"),
    ("LIVE", "get dir/ --prefix --max-create-rev 1 -w fields"),
    ("LIVE", "get foo --min-mod-rev 5 --max-mod-rev 3"),
    ("LIVE", "get foo --min-create-rev 5 --max-create-rev 3"),
    ("LIVE", "get foo --min-mod-rev=-1"),
    ("LIVE", "get foo --min-mod-rev x"),
    ("LIVE", "get dir/ --prefix --keys-only --count-only"),
    ("LIVE", "get foo --stream=x"),
    ("LIVE", "get foo --max-recv-bytes 10"),
    ("LIVE", "get foo --max-recv-bytes=-1"),
    ("LIVE", "get foo --max-recv-bytes x"),
    ("LIVE", "put bound barbarbarbarbarbarbar --max-request-bytes 10"),
    ("LIVE", "put bound bar --max-request-bytes 0"),
    ("LIVE", "del never never2 --range"),
    ("LIVE", "del never never2"),
    ("LIVE", "del never --range"),
    ("LIVE", "member list"),
    ("LIVE", "member list --consistency l"),
    ("LIVE", "member list --consistency s"),
    ("LIVE", "member list -w json --hex"),
    ("LIVE", "member list -w fields"),
    ("LIVE", "member list -w fields --hex"),
    ("LIVE", "member list -w table"),
    ("LIVE", "endpoint status"),
    ("LIVE", "endpoint status -w json"),
    ("LIVE", "endpoint status -w fields"),
    ("LIVE", "endpoint status -w fields --hex"),
    ("LIVE", "endpoint status -w table"),
    ("LIVE", "endpoint status -w protobuf"),
    ("LIVE", "endpoint status --cluster"),
    ("LIVE", "endpoint --cluster status -w table"),
    ("DEAD", "endpoint status --command-timeout=300ms -w table"),
    ("DEAD", "endpoint status --command-timeout=300ms -w json"),
    ("DEAD,LIVE", "endpoint status --command-timeout=500ms"),
    ("LIVE", "endpoint hashkv"),
    ("LIVE", "endpoint hashkv -w json"),
    ("LIVE", "endpoint hashkv -w fields"),
    ("LIVE", "endpoint hashkv -w table"),
    ("DEAD", "endpoint hashkv --command-timeout=300ms -w table"),
    ("DEAD", "endpoint hashkv --command-timeout=300ms -w json"),
    ("DEAD,LIVE", "endpoint hashkv --command-timeout=500ms"),
    ("LIVE", "endpoint health -w table"),
    ("LIVE", "defrag"),
    ("LIVE", "defrag x"),
    ("LIVE", "defrag --cluster"),
    ("LIVE", "defrag -w json"),
    ("DEAD", "defrag --command-timeout=300ms"),
    ("DEAD,LIVE", "defrag --command-timeout=500ms"),
    ("LIVE", "version"),
    ("LIVE", "version extra -w bogus"),
    ("LIVE", "snapshot save"),
    ("LIVE", "snapshot save a b"),
    ("LIVE", "snapshot save /no/such/directory/a"),
    ("LIVE", "downgrade"),
    ("LIVE", "downgrade validate"),
    ("LIVE", "downgrade validate ''"),
    ("LIVE", "downgrade validate a b"),
    ("LIVE", "downgrade enable"),
    ("LIVE", "completion"),
    ("LIVE", "completion bash zsh"),
    ("LIVE", "lease grant 0 -w fields --hex"),
    ("LIVE", "lease list -w fields --hex"),
    ("LIVE", "role get root"),
    ("LIVE", "get"),
    ("LIVE", "get --bogus"),
    ("LIVE", "gett x"),
    ("LIVE", "help bogus"),
    ("LIVE", "lock"),
    ("LIVE", "lock x --bogus"),
    ("LIVE", "make-mirror"),
    ("LIVE", "make-mirror a b"),
    ("LIVE", "make-mirror a --rev x"),
    ("LIVE", "make-mirror a --rev=99999999999999999999"),
    ("LIVE", "make-mirror a --max-txn-ops x"),
    ("LIVE", "make-mirror a --max-txn-ops=-1"),
    ("LIVE", "make-mirror a --max-txn-ops=+1"),
    ("LIVE", "make-mirror a --max-txn-ops=1__0"),
    ("LIVE", "make-mirror a --max-txn-ops=99999999999999999999"),
    ("LIVE", "make-mirror a --no-dest-prefix=x"),
    ("LIVE", "make-mirror a --no-dest-prefix --dest-prefix b"),
    ("LIVE", "make-mirror a --dest-cert b"),
    ("LIVE", "make-mirror a --dest-cacert /no/such/file"),
    ("LIVE", "elect x"),
    ("LIVE", "check perf --load q"),
    ("LIVE", "check perf --load Large"),
    ("LIVE", "-w json check datascale --load="),
    ("LIVE", "check perf --load"),
    ("LIVE", "check perf --bogus"),
    ("LIVE", "check datascale --auto-compact=x"),
    ("LIVE", "check --load s"),
    ("LIVE", "check perf --prefix dir/"),
    ("LIVE", "check perf --load xLarge --prefix=odd x y"),
    ("LIVE", "check perf --prefix="),
    ("LIVE", "check datascale --load medium --prefix dir/"),
];

/// The same on etcd 3.5.1 alone.
const ON_ETCD: &[&str] = &[
    "get foo --stream",
    "downgrade validate 3.4.0",
    "downgrade validate 3.4.0 -w json",
    "downgrade validate 3.4.0 -w fields",
    "downgrade validate 3.4.0 -w table",
    "downgrade validate x",
    "downgrade validate 3.3.0",
];

/// The same on mini-etcd alone.
const ON_OURS: &[&str] = &[
    "get foo --stream",
    "get dir/ --prefix --stream -w json",
    "get dir/ --prefix --stream --limit 2 -w fields",
    "get nothing --stream",
    "get dir/ --prefix --stream --count-only -w fields",
];

/// The same while an alarm is raised.
const ALARMED: &[&str] = &[
    "alarm list",
    "alarm list -w json",
    "alarm list -w fields",
    "alarm list -w fields --hex",
    "endpoint health -w table",
    "alarm disarm",
];

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle_ctl/golden/etcdctl-3.7.3.txt")
}

/// A server with keys, and what is masked of what programs say of it.
struct Bench {
    endpoint: String,
    /// Numbers that are others in each cluster, by what stands for them.
    names: Vec<(String, &'static str)>,
    modified: String,
    client: Client,
    member: u64,
    _cluster: Cluster,
}

impl Bench {
    async fn start(flavor: Flavor) -> anyhow::Result<Self> {
        let ctl = etcd_binary("ETCDCTL_BIN")?;
        let cluster = Cluster::start(flavor, 1).await?;
        let endpoint = cluster.member(0)?.address.clone();
        seed(&ctl, &endpoint)?;
        let said = |line: &str| -> anyhow::Result<serde_json::Value> {
            Ok(serde_json::from_str(&finish(command(&ctl, Some(&endpoint), line), "")?.out)?)
        };
        let list = said("member list -w json")?;
        let number = |place: &str| {
            list.pointer(place).and_then(serde_json::Value::as_u64).context("a number")
        };
        let (cluster_id, member) = (number("/header/cluster_id")?, number("/members/0/ID")?);
        let mut names = vec![(endpoint.clone(), "LIVE")];
        let word =
            |place: &str| list.pointer(place).and_then(serde_json::Value::as_str).context("a word");
        let peer = word("/members/0/peerURLs/0")?;
        names.push((peer.to_owned(), "PEER"));
        let name = word("/members/0/name")?;
        names.push((format!(" {name},"), " NAME,"));
        names.push((format!("\"{name}\""), "\"NAME\""));
        names.push((format!(" {name} "), " NAME "));
        for (id, name) in [(cluster_id, "CLUSTER"), (member, "MEMBER")] {
            names.extend([(id.to_string(), name), (format!("{id:x}"), name)]);
        }
        let changed = said("get dir/b -w json")?;
        let changed = changed.pointer("/kvs/0/mod_revision").context("a revision")?;
        let client = Client::new(ClientConfig::new(Endpoint::parse_list(&endpoint)?))?;
        Ok(Self {
            modified: changed.to_string(),
            endpoint,
            names,
            client,
            member,
            _cluster: cluster,
        })
    }

    /// What a program prints for a line, masked.
    fn said(&self, binary: &Path, endpoints: &str, line: &str) -> anyhow::Result<String> {
        let endpoints = endpoints.replace("DEAD", "127.0.0.1:1").replace("LIVE", &self.endpoint);
        let typed = line.replace("MOD", &self.modified);
        let printed = finish(command(binary, Some(&endpoints), &typed), "")?;
        let mut text = format!("code {:?}\n", printed.code);
        for (mark, said) in [(">", &printed.out), ("2>", &printed.err)] {
            let mut said = said.clone();
            for (number, name) in &self.names {
                said = said.replace(number, name);
            }
            for line in masked(&said)?.lines() {
                // Writing to a string does not fail.
                let _ = writeln!(text, "{mark} {line}");
            }
        }
        Ok(text)
    }

    async fn alarm(&self) -> anyhow::Result<()> {
        let request = AlarmRequest {
            action: AlarmAction::Activate.into(),
            member_id: self.member,
            alarm: AlarmType::Nospace.into(),
        };
        self.client.alarm(request).await.into_result()?;
        Ok(())
    }
}

/// Revisions, sizes, hashes and durations masked, and columns as narrow as they may be.
fn masked(text: &str) -> anyhow::Result<String> {
    let mut text = text.to_owned();
    for (pattern, stands) in [
        (r"took [0-9.]+(µs|ms|s)", "took TIME"),
        (r"│ +[0-9.]+(µs|ms|s) ", "│ TIME "),
        (r"[0-9.]+ [kM]?B\b", "SIZE"),
        (r"\b\d+%", "PART%"),
        (r"\b[0-9a-f]{16}\b", "LEASE"),
        (
            r#"(?i)("\w*(rev|revision|hash|hash_revision|index|raft_?term|size|sizeinuse|sizequota|id)" ?: ?)-?\d+"#,
            "${1}N",
        ),
        (r"(LIVE, )\d+(, \d+)?", "${1}N${2}"),
        (r"\b\d{2,}\b", "N"),
        (r"\\u00[0-9a-f]{2}|<[0-9a-f]{2}>", "BYTE"),
        ("─+", "─"),
        (" {2,}", " "),
    ] {
        text = Regex::new(pattern)?.replace_all(&text, stands).into_owned();
    }
    Ok(text)
}

/// Every line on both servers.
async fn all(binary: &Path, benches: &[(&str, &Bench)]) -> anyhow::Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    for (name, bench) in benches {
        let of_one = if *name == "etcd" { ON_ETCD } else { ON_OURS };
        let lines = LINES.iter().copied().chain(of_one.iter().map(|line| ("LIVE", *line)));
        for (endpoints, line) in lines {
            let said = bench.said(binary, endpoints, line)?;
            all.push((format!("## {name}: {endpoints} {line}"), said));
        }
        for line in ALARMED {
            bench.alarm().await?;
            let said = bench.said(binary, "LIVE", line)?;
            all.push((format!("## {name}: alarm: {line}"), said));
        }
    }
    Ok(all)
}

/// The recorded output by the heads of its lines.
fn recorded() -> anyhow::Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(golden()).context("the record")?;
    let mut all: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        if line.starts_with("## ") {
            all.push((line.to_owned(), String::new()));
        } else if let Some((_, said)) = all.last_mut() {
            said.push_str(line);
            said.push('\n');
        }
    }
    Ok(all)
}

fn compare(
    who: &str,
    said: &[(String, String)],
    wanted: &[(String, String)],
) -> anyhow::Result<()> {
    let heads =
        |all: &[(String, String)]| all.iter().map(|(head, _)| head.clone()).collect::<Vec<_>>();
    ensure!(heads(said) == heads(wanted), "the record has other lines: renew it");
    let differs = |((head, said), (_, wanted)): (&(String, String), &(String, String))| {
        (said != wanted).then(|| format!("{head}\n{who}:\n{said}recorded:\n{wanted}"))
    };
    let different: Vec<_> = said.iter().zip(wanted).filter_map(differs).collect();
    ensure!(different.is_empty(), "{} lines differ:\n{}", different.len(), different.join("\n"));
    Ok(())
}

#[tokio::test]
async fn what_3_7_changed_prints_as_etcdctl_3_7_3_printed_it() -> anyhow::Result<()> {
    let (etcd, ours) = (Bench::start(Flavor::Etcd).await?, Bench::start(Flavor::Mini).await?);
    let benches = [("etcd", &etcd), ("mini-etcd", &ours)];
    if std::env::var_os(VARIABLE).is_some() {
        let said = all(&etcd_binary(VARIABLE)?, &benches).await?;
        if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
            let text: Vec<_> = said.iter().map(|(head, said)| format!("{head}\n{said}")).collect();
            std::fs::write(golden(), text.concat())?;
        }
        compare("etcdctl 3.7.3", &said, &recorded()?)?;
    } else {
        eprintln!(
            "{VARIABLE} is not set: etcdctl 3.7.3 itself is not run, its record is compared with"
        );
    }
    compare("mini-etcdctl", &all(&workspace_binary("mini-etcdctl")?, &benches).await?, &recorded()?)
}

/// The flags that a help text lists, with their short forms, what they take, and their defaults.
fn flags_in(help: &str) -> anyhow::Result<Vec<String>> {
    let flag = Regex::new(
        r"(?m)^  (-\w, |    )(--[a-z-]+(?: (?:string|strings|int|uint|duration))?) .*?(\(default [^)]*\))?$",
    )?;
    let mut flags: Vec<_> = flag
        .captures_iter(help)
        .map(|found| {
            let default = found.get(3).map_or("", |default| default.as_str());
            format!("{}{} {default}", &found[1], &found[2]).trim().to_owned()
        })
        .collect();
    flags.sort();
    Ok(flags)
}

/// Goal: whoever types what etcdctl 3.7.3 takes is understood. Method: the flags in its help for each command are
/// recorded, and ours are looked for.
#[test]
fn every_command_of_etcdctl_3_7_3_has_its_flags_and_defaults() -> anyhow::Result<()> {
    let record = golden().with_file_name("flags-3.7.3.txt");
    let shown = |binary: &Path, line: &str| -> anyhow::Result<Vec<String>> {
        flags_in(&raw(command(binary, None, line), "")?.out)
    };
    if std::env::var_os(VARIABLE).is_some() {
        let theirs = etcd_binary(VARIABLE)?;
        let mut text = String::new();
        for path in commands_in(&theirs)? {
            // Writing to a string does not fail.
            let _ =
                writeln!(text, "{path}: {}", shown(&theirs, &format!("{path} --help"))?.join("; "));
        }
        let _ = writeln!(text, "options: {}", shown(&theirs, "options")?.join("; "));
        if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
            std::fs::write(&record, &text)?;
        }
        ensure!(text == std::fs::read_to_string(&record)?, "the record is stale:\n{text}");
    } else {
        eprintln!(
            "{VARIABLE} is not set: etcdctl 3.7.3 itself is not asked, its record is compared with"
        );
    }
    let ours = workspace_binary("mini-etcdctl")?;
    let mut compared = 0;
    for line in std::fs::read_to_string(&record)?.lines() {
        let (path, wanted) = line.split_once(": ").context("a line of the record")?;
        let asked = if path == "options" { path.to_owned() } else { format!("{path} --help") };
        let has = shown(&ours, &asked)?;
        for flag in wanted.split("; ").filter(|flag| !flag.is_empty()) {
            ensure!(has.iter().any(|has| has == flag), "{path} lacks {flag:?}; it has {has:?}");
        }
        compared += 1;
    }
    ensure!(compared > 40, "the record has {compared} commands");
    Ok(())
}

/// The commands in the help of etcdctl, group by group.
fn commands_in(binary: &Path) -> anyhow::Result<Vec<String>> {
    let name = Regex::new(r"(?m)^  ([a-z][a-z-]+) +[A-Za-z]")?;
    let below = |path: &str, mark: &str| -> anyhow::Result<Vec<String>> {
        let help = raw(command(binary, None, &format!("{path} --help")), "")?.out;
        let listed = help.split(mark).nth(1).unwrap_or_default();
        let listed = listed.split("\nFlags:").next().unwrap_or_default();
        Ok(name.captures_iter(listed).map(|found| found[1].to_owned()).collect())
    };
    let mut all = Vec::new();
    for first in below("", "Key-value commands")? {
        let inner = below(&first, "Available Commands:")?;
        match first.as_str() {
            "help" | "options" => {}
            _ if inner.is_empty() => all.push(first),
            _ => all.extend(inner.iter().map(|name| format!("{first} {name}"))),
        }
    }
    Ok(all)
}
