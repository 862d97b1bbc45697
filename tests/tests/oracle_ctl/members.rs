//! Changes of the members beside etcdctl: each program makes its own, and ids and ports are masked.

use std::path::Path;

use anyhow::{Context, ensure};
use mini_etcd_tests::cluster::{Cluster, Flavor};

use crate::printed::{Printed, programs, run_line};

/// What is done with a learner that never starts: `URL` is another one in each round, `ID` the one that it got.
const ROUND: &[&str] = &[
    "member add l1 --learner --peer-urls=URL",
    "member list",
    "member promote ID",
    "member promote LEADER",
    "member add l2 --learner --peer-urls=http://127.0.0.1:9",
    "move-leader ID",
    "move-leader LEADER",
    "member update LEADER --peer-urls=URL",
    "member remove ID",
    "member remove ID",
    "member remove LEADER",
];

/// Tries of a line that etcd loses.
const TRIES: usize = 5;

/// Member ids of a list.
fn ids(ctl: &Path, endpoint: &str, status: &str) -> anyhow::Result<String> {
    let listed = run_line(ctl, endpoint, "member list", "")?.out;
    let of_status = |line: &&str| line.contains(&format!(", {status}, "));
    let line = listed.lines().find(of_status).map(str::to_owned).unwrap_or_default();
    Ok(line.split(',').next().unwrap_or_default().to_owned())
}

fn round(
    (ctl, list): (&Path, &Path),
    endpoint: &str,
    format: &str,
    url: &str,
) -> anyhow::Result<Vec<(String, Printed)>> {
    let leader = ids(list, endpoint, "started")?;
    let mut printed = Vec::new();
    let mut id = String::new();
    for line in ROUND {
        let typed = line.replace("URL", url).replace("LEADER", &leader).replace("ID", &id);
        let run = || run_line(ctl, endpoint, &format!("{typed} -w {format}"), "");
        let mut done = run()?;
        // etcd loses a change that comes while the one before is not applied yet.
        for _ in 0..TRIES {
            if !done.err.contains("context deadline exceeded") {
                break;
            }
            done = run()?;
        }
        if line.contains("add l1") && id.is_empty() {
            id = ids(list, endpoint, "unstarted")?;
            ensure!(!id.is_empty() || format == "fields", "{done:?}");
        }
        let number = u64::from_str_radix(&id, 16).unwrap_or_default();
        for text in [&mut done.out, &mut done.err] {
            *text = text.replace(url, "URL");
            if number != 0 {
                *text = text.replace(&format!("{number:16x}"), "ID").replace(&id, "ID");
                *text = text.replace(&number.to_string(), "ID");
            }
        }
        // etcdctl 3.5.1 does not say that it is a learner.
        done.out = done.out.replace(" added as learner to ", " added to ");
        // Members are listed by their ids, which are drawn.
        let mut pieces: Vec<_> = done.out.split(&['{', '}', ',', '"', ' ', '\n']).collect();
        pieces.sort_unstable();
        done.out = pieces.join(" ");
        // The one line that is ours.
        let own = |line: &&str| !line.starts_with("start it: ");
        done.err = done.err.lines().filter(own).collect::<Vec<_>>().join("\n");
        printed.push(((*line).to_owned(), done));
    }
    // What is refused by the format may have been done all the same.
    let left = ids(list, endpoint, "unstarted")?;
    if !left.is_empty() {
        run_line(list, endpoint, &format!("member remove {left}"), "")?;
    }
    Ok(printed)
}

#[tokio::test]
async fn changes_of_the_members_show_as_in_etcdctl() -> anyhow::Result<()> {
    let [ours, theirs] = programs()?;
    let cluster = Cluster::start(Flavor::Etcd, 1).await?;
    let endpoint = cluster.member(0)?.address.clone();
    let mut different = Vec::new();
    for (number, format) in ["simple", "json", "table"].into_iter().enumerate() {
        let url = |program: usize| format!("http://127.0.0.1:{}", 1001 + 2 * number + program);
        let our = round((&ours, &theirs), &endpoint, format, &url(0)).context(format)?;
        let their = round((&theirs, &theirs), &endpoint, format, &url(1)).context(format)?;
        for ((line, our), (_, their)) in our.into_iter().zip(their) {
            if our != their {
                let line = format!("{line:?} {format}");
                different.push(format!("{line}\n  ours   {our:?}\n  theirs {their:?}"));
            }
        }
    }
    ensure!(different.is_empty(), "{} lines differ:\n{}", different.len(), different.join("\n"));
    Ok(())
}
