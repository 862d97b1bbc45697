//! Leases that are there: each line on a lease of its own, with what is left of it masked.

use std::path::Path;

use anyhow::{Context, ensure};
use mini_etcd_tests::cluster::{Cluster, Flavor};

use crate::printed::{Printed, programs, run_line};

/// `LEASE` stands for a lease on which a key hangs: of several, etcd tells in no order.
const LINES: &[&str] = &[
    "lease timetolive LEASE",
    "lease timetolive LEASE --keys",
    "lease timetolive LEASE --keys --hex",
    "lease timetolive LEASE -w json",
    "lease timetolive LEASE --keys -w json",
    "lease timetolive LEASE --keys -w fields",
    "lease timetolive LEASE --keys -w protobuf",
    "lease timetolive LEASE --keys -w table",
    "lease list",
    "lease list -w json",
    "lease list -w fields",
    "lease list -w protobuf",
    "lease keep-alive --once LEASE",
    "lease keep-alive --once LEASE -w json",
    "lease keep-alive --once LEASE -w fields",
    "lease keep-alive --once LEASE -w protobuf",
    "lease keep-alive --once LEASE -w table",
    "put leased/1 again --lease=LEASE",
    "get leased/1 -w fields",
];

const GRANTS: &[&str] = &[
    "lease grant 5000",
    "lease grant 5000 -w json",
    "lease grant 5000 -w fields",
    "lease grant 5000 -w protobuf",
    "lease grant 5000 -w table",
    "lease grant 0",
    "lease grant -- -7",
    "lease grant 9000000000",
];

const REVOKES: &[&str] =
    &["lease revoke LEASE", "lease revoke LEASE -w json", "lease revoke LEASE -w fields"];

/// The same with every number of more than three digits as `#`: ids, what is left, revisions.
fn masked(mut printed: Printed) -> Printed {
    let is_digit = |c: char| c.is_ascii_hexdigit();
    let mut out = String::new();
    let mut rest = printed.out.as_str();
    while let Some(at) = rest.find(is_digit) {
        let (before, from) = rest.split_at(at);
        let (number, after) = from.split_at(from.find(|c| !is_digit(c)).unwrap_or(from.len()));
        out.push_str(before);
        out.push_str(if number.len() > 3 && number.contains(|c: char| c.is_ascii_digit()) {
            "#"
        } else {
            number
        });
        rest = after;
    }
    printed.out = out + rest;
    printed
}

/// A lease with a key.
fn granted(theirs: &Path, endpoint: &str) -> anyhow::Result<String> {
    let printed = run_line(theirs, endpoint, "lease grant 5000", "")?;
    let id = printed.out.split(' ').nth(1).context("an id")?.to_owned();
    let put = run_line(theirs, endpoint, &format!("put leased/1 v --lease={id}"), "")?;
    ensure!(put.code == Some(0), "{put:?}");
    Ok(id)
}

#[tokio::test]
async fn leases_show_as_in_etcdctl() -> anyhow::Result<()> {
    let [ours, theirs] = programs()?;
    let cluster = Cluster::start(Flavor::Etcd, 1).await?;
    let endpoint = cluster.member(0)?.address.clone();
    let lease = granted(&theirs, &endpoint)?;
    let mut different = Vec::new();
    let mut compare = |line: &str, [ours, theirs]: [Printed; 2]| {
        let (ours, theirs) = (masked(ours), masked(theirs));
        if ours != theirs {
            different.push(format!("{line:?}\n  ours   {ours:?}\n  theirs {theirs:?}"));
        }
    };
    for line in LINES {
        let line = line.replace("LEASE", &lease);
        let run = |binary: &Path| run_line(binary, &endpoint, &line, "");
        compare(&line, [run(&ours)?, run(&theirs)?]);
    }
    for line in REVOKES {
        let run = |binary: &Path| {
            let lease = granted(&theirs, &endpoint)?;
            run_line(binary, &endpoint, &line.replace("LEASE", &lease), "")
        };
        compare(line, [run(&ours)?, run(&theirs)?]);
    }
    for line in GRANTS {
        let run = |binary: &Path| run_line(binary, &endpoint, line, "");
        compare(line, [run(&ours)?, run(&theirs)?]);
    }
    ensure!(different.is_empty(), "{} lines differ:\n{}", different.len(), different.join("\n"));
    Ok(())
}
