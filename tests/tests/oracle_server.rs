//! Stock etcdctl speaks to mini-etcd and to etcd, and must print the same.
//!
//! `ETCD_BIN` names etcd 3.5.1's server, `ETCDCTL_BIN` its etcdctl, `ETCDCTL34_BIN` the etcdctl of 3.4.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use mini_etcd_proto::adminpb::{DeletedRequest, KeyHistoryRequest, RevisionHistogramRequest};
use mini_etcd_shared::client::{Client, ClientConfig, Endpoint, Offered};
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::page::get;
use mini_etcd_tests::process::etcd_binary;
use mini_etcd_tests::wait::eventually;
use serde_json::Value;

/// What a command printed and how it ended.
#[derive(Debug, PartialEq, Eq)]
struct Printed {
    code: Option<i32>,
    out: String,
    err: String,
}

fn etcdctl(binary: &Path, endpoint: &str, line: &str, input: &str) -> anyhow::Result<Printed> {
    let mut child = Command::new(binary)
        .env("ETCDCTL_API", "3")
        .env_remove("ETCDCTL_BIN")
        .env_remove("ETCDCTL34_BIN")
        .arg(format!("--endpoints={endpoint}"))
        .args(line.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| binary.display().to_string())?;
    child.stdin.take().context("standard input")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    Ok(Printed {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).replace(endpoint, "ENDPOINT"),
        err: without_log_lines(
            &String::from_utf8_lossy(&output.stderr).replace(endpoint, "ENDPOINT"),
        ),
    })
}

/// Standard error without etcdctl's own log lines, which carry times and addresses.
fn without_log_lines(text: &str) -> String {
    text.lines()
        .filter(|line| !line.starts_with('{'))
        .fold(String::new(), |all, line| all + line + "\n")
}

/// Command lines that must print the same bytes whatever the server: no revision, id or time is in them.
/// `(line, standard input)`.
const LINES: &[(&str, &str)] = &[
    ("put foo bar", ""),
    ("put foo baz --prev-kv", ""),
    ("put empty --ignore-value=false -- ", ""),
    ("put from-stdin", "typed in\n"),
    ("get foo", ""),
    ("get absent", ""),
    ("put dir/a 1", ""),
    ("put dir/b 2", ""),
    ("put dir/c 3", ""),
    ("put dir/b 4", ""),
    ("get dir/ --prefix", ""),
    ("get dir/ --prefix --keys-only", ""),
    ("get dir/ --prefix --print-value-only", ""),
    ("get dir/ --prefix --limit=2", ""),
    ("get dir/ --prefix --order=DESCEND --sort-by=KEY", ""),
    ("get dir/ --prefix --order=DESCEND --sort-by=MODIFY", ""),
    ("get dir/ --prefix --sort-by=VALUE", ""),
    ("get dir/a dir/c", ""),
    ("get dir/b --from-key", ""),
    ("get dir/ --prefix --consistency=s", ""),
    ("get dir/ --prefix --hex", ""),
    ("put ignored x --lease=1234", ""),
    ("put absent-key --ignore-value", ""),
    ("put foo value --ignore-value", ""),
    ("get foo --rev=1000000", ""),
    ("del dir/a", ""),
    ("del dir/a", ""),
    ("del dir/ --prefix --prev-kv", ""),
    ("txn", "mod(\"foo\") > \"0\"\n\nput foo txn\nget foo\n\nget foo\n\n"),
    ("txn", "value(\"foo\") = \"nope\"\n\nput foo a\n\nget foo\ndel foo\n\n"),
    ("txn", "\nput same 1\nput same 2\n\n\n"),
    ("txn", "version(\"absent\") = \"0\"\n\nput a 1\nput b 2\nget --prefix a\n\n\n"),
    ("compaction 1000000", ""),
    ("compaction 0", ""),
    ("lease timetolive 1234", ""),
    ("lease timetolive 1234 --keys", ""),
    ("lease keep-alive 1234", ""),
    ("lease keep-alive --once 1234", ""),
    ("lease revoke 1234", ""),
    ("lease grant 9000000001", ""),
    ("lease grant x", ""),
    ("alarm list", ""),
    ("endpoint health -w fields --command-timeout=5s --no-such-flag", ""),
];

async fn print_the_same(etcdctl_variable: &str, size: usize) -> anyhow::Result<()> {
    let binary = etcd_binary(etcdctl_variable)?;
    let ours = Cluster::start(Flavor::Mini, size).await?;
    let theirs = Cluster::start(Flavor::Etcd, size).await?;
    for (number, (line, input)) in LINES.iter().enumerate() {
        // Each line goes to the next member.
        let ours = etcdctl(&binary, &ours.member(number % size)?.address, line, input)?;
        let theirs = etcdctl(&binary, &theirs.member(number % size)?.address, line, input)?;
        assert_eq!(ours, theirs, "`etcdctl {line}` on mini-etcd and on etcd");
    }
    Ok(())
}

#[tokio::test]
async fn etcdctl_3_5_prints_the_same_on_one_member() -> anyhow::Result<()> {
    print_the_same("ETCDCTL_BIN", 1).await
}

#[tokio::test]
async fn etcdctl_3_5_prints_the_same_on_three_members() -> anyhow::Result<()> {
    print_the_same("ETCDCTL_BIN", 3).await
}

#[tokio::test]
async fn etcdctl_3_4_prints_the_same_on_one_member() -> anyhow::Result<()> {
    print_the_same("ETCDCTL34_BIN", 1).await
}

#[tokio::test]
async fn etcdctl_3_4_prints_the_same_on_three_members() -> anyhow::Result<()> {
    print_the_same("ETCDCTL34_BIN", 3).await
}

/// Goal: what carries ids and revisions is right by its own rule, with both releases of etcdctl, on every member.
async fn lists_and_states(etcdctl_variable: &str) -> anyhow::Result<()> {
    let binary = etcd_binary(etcdctl_variable)?;
    let cluster = Cluster::start(Flavor::Mini, 3).await?;
    let mut hashes = Vec::new();
    for index in 0..3 {
        let address = &cluster.member(index)?.address;
        let list = eventually("three started members", Duration::from_secs(20), || async {
            let list = etcdctl(&binary, address, "member list", "")?;
            let started = list.out.lines().filter(|line| line.contains(", started, n")).count();
            ensure!(started == 3 && list.out.matches("http://").count() == 6, "{list:?}");
            Ok(list)
        })
        .await?;
        ensure!(list.code == Some(0), "{list:?}");
        let health = etcdctl(&binary, address, "endpoint health", "")?;
        let said = format!("{}{}", health.out, health.err);
        ensure!(
            health.code == Some(0) && said.contains("is healthy: successfully committed"),
            "{health:?}"
        );
        let status = etcdctl(&binary, address, "endpoint status", "")?;
        let columns: Vec<&str> = status.out.trim_end().split(", ").collect();
        ensure!(status.code == Some(0) && columns.len() >= 9, "{status:?}");
        let hash = etcdctl(&binary, address, "endpoint hashkv", "")?;
        ensure!(hash.code == Some(0), "{hash:?}");
        hashes.push(hash.out);
    }
    ensure!(
        hashes.windows(2).all(|pair| pair.first() == pair.last()),
        "HashKV differs: {hashes:?}"
    );
    Ok(())
}

#[tokio::test]
async fn etcdctl_3_5_lists_members_and_states() -> anyhow::Result<()> {
    lists_and_states("ETCDCTL_BIN").await
}

#[tokio::test]
async fn etcdctl_3_4_lists_members_and_states() -> anyhow::Result<()> {
    lists_and_states("ETCDCTL34_BIN").await
}

/// Goal: stock etcdctl watches history and live events of mini-etcd as of etcd.
async fn watches(etcdctl_variable: &str) -> anyhow::Result<()> {
    let binary = etcd_binary(etcdctl_variable)?;
    let mut seen = Vec::new();
    for flavor in [Flavor::Mini, Flavor::Etcd] {
        let cluster = Cluster::start(flavor, 3).await?;
        let address = &cluster.member(1)?.address;
        for line in ["put w/1 a", "put w/2 b", "del w/1"] {
            etcdctl(&binary, address, line, "")?;
        }
        let out = cluster.dir().join("watch.out");
        let mut watch = Command::new(&binary)
            .env("ETCDCTL_API", "3")
            .env_remove("ETCDCTL_BIN")
            .env_remove("ETCDCTL34_BIN")
            .arg(format!("--endpoints={}", cluster.member(2)?.address))
            .args(["watch", "w/", "--prefix", "--rev=2", "--prev-kv"])
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(&out)?)
            .stderr(Stdio::null())
            .spawn()?;
        let wanted = |count: usize| {
            let out = &out;
            eventually("events", Duration::from_secs(20), move || async move {
                let text = std::fs::read_to_string(out)?;
                let events =
                    text.lines().filter(|line| *line == "PUT" || *line == "DELETE").count();
                ensure!(events == count, "{events} of {count} events: {text}");
                Ok(text)
            })
        };
        wanted(3).await?;
        for line in ["put w/3 c", "put w/3 d", "del w/ --prefix"] {
            etcdctl(&binary, address, line, "")?;
        }
        let text = wanted(7).await;
        watch.kill()?;
        watch.wait()?;
        seen.push(text?);
    }
    assert_eq!(seen.first(), seen.get(1), "the watch on mini-etcd and on etcd");
    Ok(())
}

#[tokio::test]
async fn etcdctl_3_5_watches() -> anyhow::Result<()> {
    watches("ETCDCTL_BIN").await
}

#[tokio::test]
async fn etcdctl_3_4_watches() -> anyhow::Result<()> {
    watches("ETCDCTL34_BIN").await
}

/// Goal: what only mini-etcd offers is told from what failed. Method: the calls of the admin service on etcd.
#[tokio::test]
async fn etcd_does_not_offer_what_is_ours_alone() -> anyhow::Result<()> {
    let cluster = Cluster::start(Flavor::Etcd, 1).await?;
    let endpoint = Endpoint::parse(&cluster.member(0)?.address)?;
    let client = Client::new(ClientConfig::new(vec![endpoint]))?;
    let key = KeyHistoryRequest { key: "k".into(), ..KeyHistoryRequest::default() };
    ensure!(client.key_history(key).await? == Offered::No);
    ensure!(client.deleted(DeletedRequest::default()).await? == Offered::No);
    let histogram = RevisionHistogramRequest::default();
    ensure!(client.revision_histogram(histogram).await? == Offered::No);
    Ok(())
}

/// Goal: who reads etcd's variables finds them. Method: the page on both programs; each name of ours is one of etcd's, with the
/// same kind of value, and of Raft there is all.
#[tokio::test]
async fn variables_are_those_of_etcd() -> anyhow::Result<()> {
    let mut pages = Vec::new();
    for flavor in [Flavor::Mini, Flavor::Etcd] {
        let cluster = Cluster::start(flavor, 1).await?;
        let page = get(&cluster.member(0)?.address, "/debug/vars").await?;
        pages.push(serde_json::from_str::<Value>(&page).context(page)?);
    }
    let [ours, theirs] = pages.as_slice() else { bail!("two pages") };
    let names = |page: &Value| page.as_object().map(|it| it.keys().cloned().collect::<Vec<_>>());
    ensure!(names(ours) == names(theirs), "{ours}");
    let (ours, theirs) = (&ours["raft.status"], &theirs["raft.status"]);
    ensure!(names(ours) == names(theirs), "{ours}");
    for name in names(ours).unwrap_or_default() {
        let same = std::mem::discriminant(&ours[&name]) == std::mem::discriminant(&theirs[&name]);
        ensure!(same, "{name}: {ours}");
    }
    ensure!(ours["raftState"] == "StateLeader" && ours["lead"] == ours["id"], "{ours}");
    Ok(())
}
