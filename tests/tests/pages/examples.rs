//! The examples of `mini-etcdctl help COMMAND`: each is run word for word, in an order in which it works.
//!
//! What stands for something of the reader's own (an id, the address of another machine) is replaced by what there is here. A
//! command that has no end is run until it has done what it is for.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use mini_etcd_proto::etcdserverpb::{LeaseGrantRequest, MemberListRequest, PutRequest};
use mini_etcd_shared::client::{Client, ClientConfig, Endpoint};
use mini_etcd_shared::command::{CommandSpec, TABLE, split_words};
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::process::{Process, workspace_binary};
use mini_etcd_tests::wait::eventually;
use rustix::process::Signal;

use self::How::{As, Ends, Held, Reads, Refused};

/// Time for whatever an example does.
const DEADLINE: Duration = Duration::from_secs(60);
/// The lease of the examples.
const LEASE: i64 = 0x694d_5765_fc71_500b;
/// The member of the examples.
const MEMBER: &str = "8e9e05c52164694d";
/// Revisions that there are before the examples begin, so that theirs are there.
const REVISIONS: usize = 1400;
/// How an example about the keys of a check looks for them.
const CHECKED: &str = "get / --prefix --keys-only --limit 1";

/// How an example goes.
enum How {
    /// It ends well.
    Ends,
    /// It ends well, with this on standard input.
    Reads(&'static str),
    /// It ends well, when it is run as this user.
    As(&'static str),
    /// A member says no: it has no version to go back to.
    Refused(&'static str),
    /// It has no end: another line is run until that, or the example, prints these words.
    Held(&'static str, &'static str),
}

/// Lines on a member alone, with another cluster beside it; what is no example prepares one.
const ALONE: &[(&str, How)] = &[
    ("help get", Ends),
    ("help endpoint status", Ends),
    ("help --man", Ends),
    ("options", Ends),
    ("version", Ends),
    ("completion bash", Ends),
    ("completion fish", Ends),
    ("put foo bar", Ends),
    ("put foo -- -1", Ends),
    ("get foo", Ends),
    ("put /jobs/1 a", Ends),
    ("put /jobs/2 b", Ends),
    ("put /jobs/3 c", Ends),
    ("get --prefix /jobs/ --keys-only", Ends),
    ("get --prefix /jobs/ --min-mod-rev 17 -w json", Ends),
    ("lease grant 60", Ends),
    ("lease list", Ends),
    ("put foo --lease 694d5765fc71500b bar", Ends),
    ("lease timetolive 694d5765fc71500b --keys", Ends),
    ("lease keep-alive --once 694d5765fc71500b", Ends),
    ("lease revoke 694d5765fc71500b", Ends),
    ("watch foo", Held("put foo news", "news")),
    ("watch --prefix /jobs/ --rev 17 --prev-kv", Held("version", "PUT")),
    ("watch foo -- sh -c 'echo $ETCD_WATCH_VALUE'", Held("put foo news", "\"news\"")),
    ("txn", Reads("value(\"foo\") = \"news\"\n\nput foo bar\n\nget foo\n\n")),
    ("txn -i", Reads("value(\"foo\") = \"bar\"\n\nput foo bar\n\nget foo\n\n")),
    ("lock job", Held("version", "job/")),
    ("lock job --ttl 30 -- make deploy", Ends),
    ("elect leader node1", Held("version", "node1")),
    ("put leader/1 node1", Ends),
    ("elect -l leader", Held("version", "node1")),
    ("make-mirror other:2379", Held("get --endpoints other:2379 /jobs/1", "/jobs/1")),
    (
        "make-mirror other:2379 --prefix /jobs/ --dest-prefix /copy/jobs/",
        Held("get --endpoints other:2379 /copy/jobs/1", "/copy/jobs/1"),
    ),
    ("endpoint health --cluster", Ends),
    ("endpoint status -w table", Ends),
    ("endpoint status --cluster -w json", Ends),
    ("endpoint hashkv --cluster", Ends),
    ("endpoint hashkv --rev 100 -w table", Ends),
    ("doctor", Ends),
    ("doctor https://10.0.0.1:2379 -w table", Ends),
    ("doctor --advertised=false", Ends),
    ("member list -w table", Ends),
    ("member list --consistency s", Ends),
    ("snapshot save backup.db", Ends),
    ("snapshot status backup.db -w table", Ends),
    ("hashkv backup.db", Ends),
    ("hashkv backup.db --rev 100 -w json", Ends),
    ("snapshot restore backup.db --dry-run", Ends),
    (
        "snapshot restore backup.db --name n1 --initial-cluster n1=http://10.0.0.1:2380,n2=http://10.0.0.2:2380 --data-dir n1.data",
        Ends,
    ),
    ("alarm list", Ends),
    ("alarm disarm", Ends),
    ("defrag", Ends),
    ("defrag --cluster --command-timeout 60s", Ends),
    ("compaction 1234", Ends),
    ("compaction --physical 1300", Ends),
    ("downgrade validate 3.6.0", Refused("downgrade")),
    ("downgrade enable 3.6.0", Refused("downgrade")),
    ("downgrade cancel", Ends),
    ("del foo", Ends),
    ("del --range /jobs/1 /jobs/3", Ends),
    ("del --prefix /jobs/ --prev-kv", Ends),
    ("del / --prefix", Ends),
    ("check perf", Held(CHECKED, "/etcdctl-check-perf/")),
    ("check datascale", Held(CHECKED, "/etcdctl-check-datascale/")),
    ("check datascale --load s --prefix /check/ --auto-compact", Held(CHECKED, "/check/")),
    ("check perf --load m --prefix /check/ --auto-compact --auto-defrag", Held(CHECKED, "/check/")),
    ("role add readers", Ends),
    ("role add writers", Ends),
    ("role list", Ends),
    ("role grant-permission readers read /config/ --prefix", Ends),
    ("role grant-permission writers readwrite a c", Ends),
    ("role get readers", Ends),
    ("user add alice", Reads("secret\nsecret\n")),
    ("user add backup --no-password", Ends),
    ("user list", Ends),
    ("user grant-role alice readers", Ends),
    ("user get alice", Ends),
    ("user get alice --detail", Ends),
    ("user passwd alice", Reads("other\nother\n")),
    ("user revoke-role alice readers", Ends),
    ("role revoke-permission readers /config/ --prefix", Ends),
    ("user delete alice", Ends),
    ("role delete readers", Ends),
    ("user add root:secret", Ends),
    ("auth status", Ends),
    ("auth enable", Ends),
    ("auth disable", As("root:secret")),
];

/// Examples about members, which [`examples_about_members_do_what_they_say`] runs.
const OF_MEMBERS: &[&str] = &[
    "move-leader 8e9e05c52164694d",
    "member add n4 --learner --peer-urls=http://10.0.0.4:2380",
    "member update 8e9e05c52164694d --peer-urls=http://10.0.0.7:2380",
    "member remove 8e9e05c52164694d",
    "member promote 8e9e05c52164694d",
    "member replace n3",
    "member replace n3 --peer-urls=http://10.0.0.4:2380",
];

/// Where examples run.
struct Bench {
    dir: tempfile::TempDir,
    endpoints: String,
    /// What stands in an example, and what is there instead.
    instead: Vec<(&'static str, String)>,
}

impl Bench {
    fn new(endpoints: &str, instead: &[(&'static str, String)]) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        Ok(Self { dir, endpoints: endpoints.to_owned(), instead: instead.to_vec() })
    }

    fn command(&self, line: &str) -> anyhow::Result<Command> {
        let line =
            self.instead.iter().fold(line.to_owned(), |line, (from, to)| line.replace(from, to));
        let words = split_words(line.as_bytes())?.into_iter().map(String::from_utf8);
        let path = format!("{}:{}", self.dir.path().display(), std::env::var("PATH")?);
        let mut command = Command::new(workspace_binary("mini-etcdctl")?);
        if !line.contains("--endpoints") {
            command.arg(format!("--endpoints={}", self.endpoints));
        }
        command
            .args(words.collect::<Result<Vec<_>, _>>()?)
            .current_dir(self.dir.path())
            .env("PATH", path)
            .stdin(Stdio::null());
        Ok(command)
    }

    /// Exit code and all that is printed.
    fn run(&self, command: &mut Command, input: &str) -> anyhow::Result<(Option<i32>, String)> {
        let file = self.dir.path().join("input");
        std::fs::write(&file, input)?;
        let output = command.stdin(std::fs::File::open(&file)?).output()?;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status.code(), String::from_utf8_lossy(&said).into_owned()))
    }

    async fn example(&self, line: &str, how: &How) -> anyhow::Result<()> {
        let (input, code, words) = match how {
            Ends | As(_) => ("", 0, ""),
            Reads(input) => (*input, 0, ""),
            Refused(words) => ("", 1, *words),
            Held(other, words) => return self.held(line, other, words).await,
        };
        let mut command = self.command(line)?;
        if let As(user) = how {
            command.env("ETCDCTL_USER", user);
        }
        let (ended, said) = self.run(&mut command, input)?;
        ensure!(ended == Some(code) && said.contains(words), "{ended:?}: {said}");
        Ok(())
    }

    /// Runs an example until it, or the other line, prints the words; then it is interrupted.
    async fn held(&self, line: &str, other: &str, words: &str) -> anyhow::Result<()> {
        let mut example =
            Process::start(line, &mut self.command(line)?, &self.dir.path().join("stderr"))?;
        let printed = || async {
            let (_, other) = self.run(&mut self.command(other)?, "")?;
            let mut all = other;
            while let Ok(line) = example.line(Duration::ZERO) {
                all.push_str(&line);
            }
            ensure!(all.contains(words), "it printed {all:?}, {}", example.errors());
            Ok(())
        };
        eventually(words, DEADLINE, printed).await?;
        example.signal(Signal::INT)?;
        example.wait(DEADLINE)?;
        Ok(())
    }
}

fn client(endpoints: &str) -> anyhow::Result<Client> {
    Ok(Client::new(ClientConfig::new(Endpoint::parse_list(endpoints)?))?)
}

/// Goal: no example of a command's help is only words. Method: the tables of this file have each of them and no other that
/// would be one.
#[test]
fn every_command_has_an_example_and_every_example_is_run() {
    let without: Vec<_> =
        TABLE.iter().filter(|spec| spec.examples.is_empty()).map(CommandSpec::path).collect();
    assert!(without.is_empty(), "no example: {without:?}");
    let all: BTreeSet<&str> = TABLE.iter().flat_map(|spec| spec.examples).copied().collect();
    let run = ALONE.iter().map(|(line, _)| *line).chain(OF_MEMBERS.iter().copied());
    let run: BTreeSet<&str> = run.collect();
    let missing: Vec<_> = all.difference(&run).collect();
    assert!(missing.is_empty(), "these are not run: {missing:?}");
}

#[tokio::test]
async fn examples_about_keys_and_users_do_what_they_say() -> anyhow::Result<()> {
    let (cluster, other) =
        futures::future::try_join(Cluster::start(Flavor::Mini, 1), Cluster::start(Flavor::Mini, 1))
            .await?;
    let endpoint = cluster.member(0)?.address.clone();
    let instead = [
        ("other:2379", other.member(0)?.address.clone()),
        ("https://10.0.0.1:2379", endpoint.clone()),
    ];
    let bench = Bench::new(&endpoint, &instead)?;
    deploys(&bench.dir.path().join("make"))?;
    let client = client(&endpoint)?;
    for _ in 0..REVISIONS / 100 {
        let puts = (0..100).map(|_| async {
            let key = "revision".into();
            client.put(PutRequest { key, ..PutRequest::default() }).await.into_result()
        });
        futures::future::try_join_all(puts).await?;
    }
    client.lease_grant(LeaseGrantRequest { id: LEASE, ttl: 600 }).await.into_result()?;
    for (line, how) in ALONE {
        bench.example(line, how).await.with_context(|| format!("mini-etcdctl {line}"))?;
    }
    Ok(())
}

/// A program of this name that succeeds.
fn deploys(make: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(make, "#!/bin/sh\nexit 0\n")?;
    Ok(std::fs::set_permissions(make, std::fs::Permissions::from_mode(0o755))?)
}

/// The id of a member, in hex: of the one of this name, or of the one that was never started.
async fn id(endpoints: &str, name: &str) -> anyhow::Result<String> {
    let request = MemberListRequest { linearizable: true };
    let list = client(endpoints)?.member_list(request).await.into_result()?;
    let found = list.members.iter().find(|member| member.name == name);
    Ok(format!("{:x}", found.context("no such member")?.id))
}

#[tokio::test]
async fn examples_about_members_do_what_they_say() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(Flavor::Mini, 3).await?;
    let [leads, adds, updates, removes, promotes, replaces, moves] = OF_MEMBERS else {
        bail!("an example more")
    };
    let endpoints = cluster.addresses().join(",");
    let leader = cluster.leader().await?;
    let follower = cluster.member((leader + 1) % 3)?.name.clone();
    let follower = [(MEMBER, id(&endpoints, &follower).await?)];
    Bench::new(&endpoints, &follower)?.example(leads, &Ends).await.context(*leads)?;

    // One that is never started, and goes again.
    let none = Bench::new(&endpoints, &[])?;
    none.example(adds, &Ends).await.context(*adds)?;
    let added = Bench::new(&endpoints, &[(MEMBER, id(&endpoints, "").await?)])?;
    for line in [updates, removes] {
        added.example(line, &Ends).await.context(*line)?;
    }

    // One that is started, and votes.
    let new = cluster.add(0)?;
    let url = format!("http://{}", cluster.member(new)?.address);
    let added = Bench::new(&endpoints, &[("http://10.0.0.4:2380", url)])?;
    added.example(adds, &Ends).await.context(*adds)?;
    cluster.restart(new)?;
    let votes = || async {
        let joined = Bench::new(&endpoints, &[(MEMBER, id(&endpoints, "n4").await?)])?;
        joined.example(promotes, &Ends).await
    };
    eventually(promotes, DEADLINE, votes).await?;

    // n3 is lost, and comes back where it was; then it is lost again, and comes back elsewhere.
    cluster.kill(2)?;
    cluster.leader().await?;
    let others = [0, 1, new].map(|index| cluster.addresses().swap_remove(index)).join(",");
    let bench = Bench::new(&others, &[])?;
    let mut here = starts(&bench, replaces)?;
    cluster.renew(2, 0)?;
    cluster.restart(2)?;
    ends(&mut here).with_context(|| (*replaces).to_owned())?;
    cluster.kill(2)?;
    cluster.leader().await?;
    let elsewhere = cluster.add(0)?;
    for (flag, is_on) in [("--name=n5", false), ("--name=n3", true)] {
        cluster.flag(elsewhere, flag, is_on)?;
    }
    let url = format!("http://{}", cluster.member(elsewhere)?.address);
    let bench = Bench::new(&others, &[("http://10.0.0.4:2380", url)])?;
    let mut there = starts(&bench, moves)?;
    cluster.restart(elsewhere)?;
    ends(&mut there).with_context(|| (*moves).to_owned())
}

/// Runs an example up to where the new member is to be started.
fn starts(bench: &Bench, line: &str) -> anyhow::Result<Process> {
    let errors = bench.dir.path().join("stderr");
    let example = Process::start(line, &mut bench.command(line)?, &errors)?;
    while !example.line(DEADLINE).context(line.to_owned())?.contains("start it: ") {}
    Ok(example)
}

fn ends(example: &mut Process) -> anyhow::Result<()> {
    let ended = example.wait(DEADLINE)?;
    ensure!(ended.success(), "{ended}: {}", example.errors());
    Ok(())
}
