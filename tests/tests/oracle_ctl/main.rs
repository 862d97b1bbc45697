//! `mini-etcdctl` beside etcdctl 3.5.1: the same command lines, on one etcd 3.5.1 server, must print the same, where
//! etcdctl 3.7 prints what 3.5.1 does. What 3.7 changed is held against what 3.7.3 printed (`since37`).
//!
//! Goal: byte-equal output, errors and exit codes. Method: every line of a long table runs with both programs,
//! each time on keys that both find in the same state; what cannot be equal (revisions between the two runs,
//! durations, log lines, help texts) is masked, and nothing else is.
//!
//! `ETCD_BIN` names etcd 3.5.1's server, `ETCDCTL_BIN` its etcdctl.

#![expect(clippy::expect_used, reason = "a test may say what it expects")]

mod client;
mod errors;
mod leases;
mod lines;
mod locks;
mod members;
mod mirror;
mod printed;
mod running;
mod since37;
mod users;

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::wait::eventually;
use rustix::process::{Pid, Signal, kill_process};

use errors::{ERRORS, LOGINS, WORDS};
use lines::{DEAD, EQUAL, HELP, LISTS, VARIABLES, WATCHES};
use printed::{
    Printed, command, finish, programs, run_line, since_3_7, text_of, without_last_columns,
    without_log_lines, without_raft_index,
};

/// Lines that leave the keys as the table expects them.
fn seed(binary: &Path, endpoint: &str) -> anyhow::Result<()> {
    for line in [
        "put foo bar",
        "put dir/a 1",
        "put dir/b 3",
        "put dir/c 2",
        "put dir/b 4",
        "put odd/\"\\xff\\x00\\u00e9\\t\" x",
        "put 'x y' z",
        "put json '<a&b>'",
    ] {
        ensure!(run_line(binary, endpoint, line, "")?.code == Some(0), "{line}");
    }
    // A key and a value of every kind of byte, through the grammar that can name them.
    let input = "\nput \"odd\\xff\\u00ad\\x7f\\u2028\" \"v\\xcc\\x81\\xf0\\x9f\\x98\\x80\\xc3(\\n\\\"\"\n\n\n";
    ensure!(run_line(binary, endpoint, "txn", input)?.code == Some(0), "odd bytes");
    Ok(())
}

#[tokio::test]
async fn every_line_prints_what_etcdctl_prints() -> anyhow::Result<()> {
    let [ours, theirs] = programs()?;
    let cluster = Cluster::start(Flavor::Etcd, 1).await?;
    let endpoint = cluster.member(0)?.address.clone();
    seed(&theirs, &endpoint)?;
    let mut different = Vec::new();
    for (line, input) in EQUAL {
        // Theirs runs twice: what it leaves behind is then there for ours as well.
        run_line(&theirs, &endpoint, line, input)?;
        let theirs = run_line(&theirs, &endpoint, line, input)?;
        let ours = run_line(&ours, &endpoint, line, input)?;
        let (ours, theirs) = (without_raft_index(ours), without_raft_index(theirs));
        if ours != theirs {
            different.push(format!("{line:?} {input:?}\n  ours   {ours:?}\n  theirs {theirs:?}"));
        }
    }
    ensure!(different.is_empty(), "{} lines differ:\n{}", different.len(), different.join("\n"));
    Ok(())
}

#[tokio::test]
async fn what_ends_in_help_ends_as_in_etcdctl() -> anyhow::Result<()> {
    let [ours, theirs] = programs()?;
    for line in HELP {
        let shown = |binary: &Path| finish(command(binary, None, line), "");
        ensure!(
            shown(&ours)? == shown(&theirs)?,
            "{line:?}: {:?} {:?}",
            shown(&ours)?,
            shown(&theirs)?
        );
    }
    Ok(())
}

/// Goal: no failure is taken for success, and none changes anything. Method: each line of the table must fail with both
/// programs in the same way, and the revision of the store stays.
#[tokio::test]
async fn every_error_ends_as_in_etcdctl_and_changes_nothing() -> anyhow::Result<()> {
    let [ours, theirs] = programs()?;
    let cluster = Cluster::start(Flavor::Etcd, 1).await?;
    let endpoint = cluster.member(0)?.address.clone();
    seed(&theirs, &endpoint)?;
    let mut before = finish(command(&theirs, Some(&endpoint), "get foo -w json"), "")?.out;
    let mut different = Vec::new();
    let mut changed = Vec::new();
    for (line, input) in ERRORS {
        let run = |binary: &Path| run_line(binary, &endpoint, line, input);
        let (their, our) = (run(&theirs)?, run(&ours)?);
        if our != their || their.code == Some(0) {
            different.push(format!("{line:?} {input:?}\n  ours   {our:?}\n  theirs {their:?}"));
        }
        let after = finish(command(&theirs, Some(&endpoint), "get foo -w json"), "")?.out;
        if after != before {
            changed.push((line, input));
            before = after;
        }
    }
    ensure!(different.is_empty(), "{} lines differ:\n{}", different.len(), different.join("\n"));
    ensure!(changed.is_empty(), "these lines changed something: {changed:?}");
    Ok(())
}

/// Goal: a transaction's line means what it means to etcdctl. Method: each line runs with both programs, and the key
/// that it writes is read back.
#[tokio::test]
async fn the_words_of_a_transaction_are_etcdctls() -> anyhow::Result<()> {
    let [ours, theirs] = programs()?;
    let cluster = Cluster::start(Flavor::Etcd, 1).await?;
    let endpoint = cluster.member(0)?.address.clone();
    let mut different = Vec::new();
    for line in WORDS {
        let run = |binary: &Path| -> anyhow::Result<_> {
            run_line(&theirs, &endpoint, "del '' --from-key", "")?;
            run_line(&theirs, &endpoint, "put p before", "")?;
            let printed = run_line(binary, &endpoint, "txn", &format!("\n{line}\n\n\n"))?;
            Ok((printed, run_line(&theirs, &endpoint, "get '' --from-key -w json", "")?))
        };
        let (theirs, ours) = (run(&theirs)?, run(&ours)?);
        if ours != theirs {
            different.push(format!("{line:?}\n  ours   {ours:?}\n  theirs {theirs:?}"));
        }
    }
    ensure!(different.is_empty(), "{} lines differ:\n{}", different.len(), different.join("\n"));
    Ok(())
}

#[tokio::test]
async fn a_login_that_fails_ends_as_in_etcdctl() -> anyhow::Result<()> {
    let [ours, theirs] = programs()?;
    let cluster = Cluster::start(Flavor::Etcd, 1).await?;
    let endpoint = cluster.member(0)?.address.clone();
    for line in [
        "put foo bar",
        "user add root:right",
        "user add guest:pw",
        "user grant-role root root",
        "auth enable",
    ] {
        let printed = finish(command(&theirs, Some(&endpoint), line), "")?;
        ensure!(printed.code == Some(0), "{line}: {printed:?}");
    }
    let mut different = Vec::new();
    for line in LOGINS {
        let run = |binary: &Path| run_line(binary, &endpoint, line, "\n\n\n");
        let (theirs, ours) = (run(&theirs)?, run(&ours)?);
        if ours != theirs {
            different.push(format!("{line:?}\n  ours   {ours:?}\n  theirs {theirs:?}"));
        }
    }
    ensure!(different.is_empty(), "{} lines differ:\n{}", different.len(), different.join("\n"));
    Ok(())
}

/// Method: no server is there, and the file neither: that is what is said.
#[test]
fn a_backup_is_looked_at_without_a_server_also_by_a_user() -> anyhow::Result<()> {
    let ours = programs()?[0].clone();
    for line in ["snapshot status /no/file --user a:b", "hashkv /no/file --user a:b"] {
        let printed = finish(command(&ours, Some("127.0.0.1:1"), line), "")?;
        ensure!(printed.code == Some(1), "{line}: {printed:?}");
        ensure!(printed.err == "Error: stat /no/file: no such file or directory", "{printed:?}");
    }
    Ok(())
}

#[tokio::test]
async fn variables_count_as_in_etcdctl() -> anyhow::Result<()> {
    let [ours, theirs] = programs()?;
    let cluster = Cluster::start(Flavor::Etcd, 1).await?;
    let endpoint = cluster.member(0)?.address.clone();
    seed(&theirs, &endpoint)?;
    for (variables, line) in VARIABLES {
        let run = |binary: &Path| {
            let mut command = command(binary, None, line);
            command.env("ETCDCTL_ENDPOINTS", &endpoint).envs(variables.iter().copied());
            finish(command, "")
        };
        let (mut ours, mut theirs) = (run(&ours)?, run(&theirs)?);
        // Flags that etcdctl has since 3.6 and 3.7.
        let new =
            ["ETCDCTL_AUTH_JWT_TOKEN=", "ETCDCTL_MAX_RECV_BYTES=", "ETCDCTL_MAX_REQUEST_BYTES="];
        let old = |line: &&str| !new.iter().any(|new| line.starts_with(new));
        ours.err = ours.err.lines().filter(old).collect::<Vec<_>>().join("\n");
        // Ours says which value it ignores; etcdctl ignores it in silence.
        if variables.contains(&("ETCDCTL_HEX", "x")) {
            theirs.err = "log: ETCDCTL_HEX fatal=false".to_owned();
        }
        ensure!(ours == theirs, "{variables:?} {line}\n{ours:?}\n{theirs:?}");
    }
    Ok(())
}

#[tokio::test]
async fn lists_of_endpoints_are_read_as_by_etcdctl() -> anyhow::Result<()> {
    let [ours, theirs] = programs()?;
    let cluster = Cluster::start(Flavor::Etcd, 1).await?;
    let address = cluster.member(0)?.address.clone();
    seed(&theirs, &address)?;
    for (endpoints, line) in LISTS {
        let line = format!("{} {line}", endpoints.replace("LIVE", &address));
        let run = |binary: &Path| -> anyhow::Result<_> {
            let mut printed = finish(command(binary, None, &line), "")?;
            printed.out = printed::mask(&printed.out);
            Ok(without_raft_index(without_last_columns(printed)))
        };
        let (theirs, ours) = (run(&theirs)?, run(&ours)?);
        ensure!(ours == theirs, "{line}\n{ours:?}\n{theirs:?}");
    }
    // etcdctl waits for the empty address first.
    let code = |binary: &Path| -> anyhow::Result<_> {
        Ok(finish(command(binary, None, "--endpoints=, --command-timeout=300ms get foo"), "")?.code)
    };
    ensure!(code(&ours)? == code(&theirs)?, "the code of a list of commas");
    Ok(())
}

#[tokio::test]
async fn a_dead_endpoint_is_told_as_etcdctl_tells_it() -> anyhow::Result<()> {
    let [ours, theirs] = programs()?;
    let cluster = Cluster::start(Flavor::Etcd, 1).await?;
    let live = cluster.member(0)?.address.clone();
    for (endpoints, line) in DEAD {
        // Nobody can listen on port 1 without being root's own tcpmux.
        let endpoints = endpoints.replace("DEAD", "127.0.0.1:1").replace("LIVE", &live);
        let run = |binary: &Path| -> anyhow::Result<_> {
            let printed = run_line(binary, &endpoints, line, "")?;
            Ok(without_raft_index(without_last_columns(printed)))
        };
        let (theirs, ours) = (run(&theirs)?, run(&ours)?);
        ensure!(ours == theirs, "{line}\n{ours:?}\n{theirs:?}");
    }
    Ok(())
}

#[tokio::test]
async fn alarms_show_as_in_etcdctl() -> anyhow::Result<()> {
    use mini_etcd_proto::etcdserverpb::{
        AlarmRequest, AlarmType, MemberListRequest, alarm_request::AlarmAction,
    };
    use mini_etcd_shared::client::{Client, ClientConfig, Endpoint};
    let [ours, theirs] = programs()?;
    let cluster = Cluster::start(Flavor::Etcd, 1).await?;
    let endpoint = cluster.member(0)?.address.clone();
    let client = Client::new(ClientConfig::new(Endpoint::parse_list(&endpoint)?))?;
    let list = client.member_list(MemberListRequest::default()).await.into_result()?;
    let member = list.members.first().context("a member")?.id;
    for alarm in [AlarmType::Nospace, AlarmType::Corrupt] {
        let request = AlarmRequest {
            action: AlarmAction::Activate.into(),
            member_id: member,
            alarm: alarm.into(),
        };
        client.alarm(request).await.into_result()?;
        for line in [
            "alarm list",
            "alarm list -w json",
            "alarm list -w fields",
            "alarm list -w protobuf",
            "endpoint health",
            "endpoint health -w json",
            "endpoint health -w fields",
            "put foo bar",
        ] {
            let (theirs, ours) =
                (run_line(&theirs, &endpoint, line, "")?, run_line(&ours, &endpoint, line, "")?);
            let (theirs, ours) = (without_raft_index(theirs), without_raft_index(ours));
            ensure!(ours == theirs, "{line}\n{ours:?}\n{theirs:?}");
        }
        // One at a time: etcd lists several in any order.
        for line in ["alarm disarm", "alarm disarm -w json", "alarm disarm -w protobuf"] {
            let run = async |binary: &Path| {
                client.alarm(request).await.into_result()?;
                run_line(binary, &endpoint, line, "")
            };
            let (theirs, ours) = (run(&theirs).await?, run(&ours).await?);
            ensure!(ours == theirs, "{line}\n{ours:?}\n{theirs:?}");
        }
    }
    Ok(())
}

/// Lines that change a key each time, each on a key of its own for each program.
#[tokio::test]
async fn deletes_and_compactions_print_what_etcdctl_prints() -> anyhow::Result<()> {
    let [ours, theirs] = programs()?;
    let cluster = Cluster::start(Flavor::Etcd, 1).await?;
    let endpoint = cluster.member(0)?.address.clone();
    let mut printed = Vec::new();
    for binary in [&ours, &theirs] {
        let mut all = Vec::new();
        // What the harness wrote while the server came up.
        run_line(&theirs, &endpoint, "del '' --prefix", "")?;
        for flags in [
            "",
            "--prev-kv",
            "--prev-kv -w json",
            "-w json",
            "--prev-kv -w fields",
            "-w fields",
            "--prev-kv --hex",
        ] {
            seed(&theirs, &endpoint)?;
            for line in [
                "del dir/ --prefix",
                "del foo",
                "del odd --prefix",
                "del json y",
                "del dir/ --from-key",
                "del '' --prefix",
            ] {
                // Else ours warns, and waits for two seconds.
                let range = if *binary == ours && line == "del json y" { "--range" } else { "" };
                all.push(run_line(binary, &endpoint, &format!("{line} {flags} {range}"), "")?);
            }
        }
        let status = finish(command(&theirs, Some(&endpoint), "get x -w json"), "")?.out;
        let revision = status.split("\"revision\":").nth(1).context("revision")?;
        let revision: i64 =
            revision.chars().take_while(char::is_ascii_digit).collect::<String>().parse()?;
        for (back, flags) in [(3, ""), (2, "--physical"), (1, "-w json"), (1, ""), (9, "")] {
            all.push(run_line(
                binary,
                &endpoint,
                &format!("compaction {} {flags}", revision - back),
                "",
            )?);
        }
        for line in [
            format!("get foo --rev {}", revision - 5),
            format!("endpoint hashkv --rev {}", revision - 5),
        ] {
            all.push(run_line(binary, &endpoint, &line, "")?);
        }
        printed.push(all);
    }
    ensure!(printed[0].len() == printed[1].len());
    for (ours, theirs) in printed[0].iter().zip(&printed[1]) {
        ensure!(ours == theirs, "\n{ours:?}\n{theirs:?}");
    }
    Ok(())
}

/// Runs a watch until it has said all, or has ended.
async fn watch_line(
    binary: &Path,
    endpoint: &str,
    (line, input, lines): (&str, &str, usize),
) -> anyhow::Result<Printed> {
    let dir = tempfile::tempdir()?;
    let (out, err) = (dir.path().join("out"), dir.path().join("err"));
    let mut command = command(binary, Some(endpoint), line);
    command.stdout(std::fs::File::create(&out)?).stderr(std::fs::File::create(&err)?);
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take();
    if let Some(stdin) = &mut stdin {
        stdin.write_all(input.trim_end_matches('+').as_bytes())?;
    }
    let stdin = stdin.filter(|_| input.ends_with('+'));
    let child = std::cell::RefCell::new(child);
    let said_all = || async {
        let ended = child.borrow_mut().try_wait()?.is_some();
        let text = std::fs::read(&out)?;
        let said = text.split(|byte| *byte == b'\n').count() - 1;
        ensure!(ended || (lines > 0 && said >= lines), "{}", text_of(&text));
        Ok(())
    };
    eventually("all that a watch has to say", Duration::from_secs(20), said_all).await?;
    if child.borrow_mut().try_wait()?.is_none() {
        let pid = Pid::from_raw(child.borrow().id().cast_signed());
        kill_process(pid.context("a child has a number")?, Signal::INT)?;
    }
    let ends = || async { child.borrow_mut().try_wait()?.context("it goes on") };
    let ended =
        eventually("the end after SIGINT, which nohup ignores", Duration::from_secs(20), ends);
    let status = match ended.await {
        Ok(status) => status,
        Err(error) => {
            child.borrow_mut().kill()?;
            return Err(error);
        }
    };
    drop(stdin);
    Ok(since_3_7(Printed {
        code: status.code(),
        signal: status.signal(),
        out: text_of(&std::fs::read(&out)?),
        err: without_log_lines(&text_of(&std::fs::read(&err)?)),
    }))
}

#[tokio::test]
async fn watches_print_what_etcdctl_prints() -> anyhow::Result<()> {
    let [ours, theirs] = programs()?;
    let cluster = Cluster::start(Flavor::Etcd, 1).await?;
    let endpoint = cluster.member(0)?.address.clone();
    let steps = [("put first x", ""), ("put first y", ""), ("compaction 3", "")];
    let history = [
        ("put w/1 a", ""),
        ("put w/2 b", ""),
        ("put w/2", "c \"quoted\""),
        ("del w/1", ""),
        ("txn", "\nput w/2 d\nput w/3 e\n\n\n"),
    ];
    for (line, input) in steps {
        ensure!(finish(command(&theirs, Some(&endpoint), line), input)?.code == Some(0), "{line}");
    }
    let now = finish(command(&theirs, Some(&endpoint), "get x -w json"), "")?.out;
    let now = now.split("\"revision\":").nth(1).context("a revision")?;
    let now: String = now.chars().take_while(char::is_ascii_digit).collect();
    let first = (now.parse::<i64>()? + 1).to_string();
    for (line, input) in history {
        ensure!(finish(command(&theirs, Some(&endpoint), line), input)?.code == Some(0), "{line}");
    }
    let mut different = Vec::new();
    for (line, input, lines) in WATCHES {
        let fill = |text: &str| text.replace("REV", &first).replace("OLD", "1");
        let (line, input) =
            (fill(line).replace(&format!("WATCH_{first}ISION"), "WATCH_REVISION"), fill(input));
        let theirs =
            watch_line(&theirs, &endpoint, (&line, &input, *lines)).await.context(line.clone())?;
        let ours =
            watch_line(&ours, &endpoint, (&line, &input, *lines)).await.context(line.clone())?;
        if ours != theirs {
            different.push(format!("{line:?} {input:?}\n  ours   {ours:?}\n  theirs {theirs:?}"));
        }
    }
    ensure!(different.is_empty(), "{} watches differ:\n{}", different.len(), different.join("\n"));
    Ok(())
}
