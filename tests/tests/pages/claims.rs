//! What the pages claim and a program can check: flags, exit codes, bounds, names of metrics and of files.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::ensure;
use mini_etcd_server::{fatal, limits};
use mini_etcd_shared::command::{GLOBAL_FLAGS, TABLE};
use mini_etcd_shared::failure::exit;
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::page as served;
use mini_etcd_tests::process::workspace_binary;
use regex::Regex;

use crate::blocks::page;

const PAGES: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "docs/compat.md",
    "docs/console.md",
    "docs/decisions.md",
    "docs/flags.md",
    "docs/format.md",
    "docs/performance.md",
    "docs/recipes.md",
    "docs/reliability.md",
    "docs/repl.md",
];

/// Flags of other programs that the pages speak of.
const OTHERS: &[&str] = &[
    // etcd and etcdctl.
    "--endpoint",
    "--etcd",
    "--listen-client-http-urls",
    "--listen-metrics-urls",
    "--unfreeze",
    // cargo.
    "--bin",
    "--bins",
    "--example",
    "--features",
    "--lib",
    "--nocapture",
    "--release",
    "--test",
    "--workspace",
];

fn all(pattern: &str, text: &str) -> BTreeSet<String> {
    let pattern = Regex::new(pattern).expect("a pattern of this file");
    pattern.captures_iter(text).map(|found| found[1].to_owned()).collect()
}

/// A page without its pictures, and without the reference that is made from the table of commands.
fn by_hand(name: &str) -> anyhow::Result<String> {
    let picture = Regex::new(r"(?s)<!-- snapshot: .*?\n```\n.*?\n```\n")?;
    let text = picture.replace_all(&page(name)?, "").into_owned();
    let (before, behind) = text.split_once("<!-- reference").unwrap_or((&text, ""));
    let (_, behind) = behind.split_once("<!-- end of the reference").unwrap_or_default();
    Ok(format!("{before}{behind}"))
}

/// The flags that a program's help lists.
fn flags(program: &str, words: &[&str]) -> anyhow::Result<BTreeSet<String>> {
    let output = Command::new(workspace_binary(program)?).args(words).arg("--help").output()?;
    let help = String::from_utf8(output.stdout)?;
    let found = all(r"(?m)^ +(?:-\w, )?(--[a-z][a-z-]+)", &help);
    ensure!(found.len() > 2, "{program} {words:?} --help lists no flags:\n{help}");
    Ok(found)
}

/// Goal: no flag is named that no program takes. Method: every `--word` of every page among the flags of all programs.
#[test]
fn every_flag_of_the_pages_is_taken_by_a_program() -> anyhow::Result<()> {
    let mut known: BTreeSet<String> = OTHERS.iter().map(|flag| (*flag).to_owned()).collect();
    for (program, words) in [
        ("mini-etcd", &[][..]),
        ("mini-etcd-tui", &[]),
        ("mini-etcd-tui", &["run"]),
        ("mini-etcd-tui", &["repl"]),
        ("mini-etcd-bench", &[]),
        ("mini-etcd-pressure", &[]),
        ("mini-etcd-pressure", &["answers"]),
        ("mini-etcd-pressure", &["streams"]),
        ("mini-etcd-pressure", &["watches"]),
        ("mini-etcd-pressure", &["crowd"]),
        ("mini-etcd-pressure", &["hostile"]),
        ("mini-etcd-pressure", &["replace"]),
        ("mini-etcd-outages", &[]),
        ("mini-etcd-instructions", &[]),
    ] {
        known.extend(flags(program, words)?);
    }
    let of_commands = TABLE.iter().flat_map(|command| command.flags).chain(GLOBAL_FLAGS);
    known.extend(of_commands.map(|flag| format!("--{}", flag.name)));
    // Flags without an effect are not in the help. The page is held against the table by its own test.
    known.extend(all(r"(?m)^\| `(--[a-z][a-z0-9-]+)` \|", &page("docs/flags.md")?));
    // Another name of `--demo`, and one that is wrong on purpose.
    known.extend(["--bundled", "--prefx"].map(str::to_owned));
    let mut wrong = Vec::new();
    for name in PAGES {
        let text = by_hand(name)?;
        let used = all(r"(?:^|[\s`(])(--[a-z][a-z0-9-]+)", &text);
        wrong.extend(used.difference(&known).map(|flag| format!("{name}: {flag}")));
    }
    assert!(wrong.is_empty(), "no program takes\n{}", wrong.join("\n"));
    Ok(())
}

/// Goal: a page that describes a program describes all its flags.
#[test]
fn every_flag_of_a_program_is_on_its_page() -> anyhow::Result<()> {
    let mut missing = Vec::new();
    for (program, words, name) in [
        ("mini-etcd", &[][..], "docs/flags.md"),
        ("mini-etcd-tui", &[], "docs/console.md"),
        ("mini-etcd-tui", &["run"], "docs/repl.md"),
        ("mini-etcd-tui", &["repl"], "docs/repl.md"),
    ] {
        let text = by_hand(name)?;
        let lacks = flags(program, words)?.into_iter();
        let lacks = lacks.filter(|flag| !["--help", "--version"].contains(&flag.as_str()));
        let lacks = lacks.filter(|flag| !text.contains(flag.as_str()));
        missing.extend(lacks.map(|flag| format!("{name}: {flag} of {program} {words:?}")));
    }
    assert!(missing.is_empty(), "not described:\n{}", missing.join("\n"));
    Ok(())
}

/// Goal: the tables of exit codes have every code and no other.
#[test]
fn exit_codes_of_the_pages_are_those_of_the_programs() -> anyhow::Result<()> {
    let table = |name: &str, head: &str| -> anyhow::Result<Vec<u8>> {
        let text = page(name)?;
        let (_, rows) = text.split_once(head).ok_or_else(|| anyhow::anyhow!("{name}: {head}"))?;
        let rows = rows.lines().skip(1).take_while(|row| row.starts_with('|'));
        let code = |row: &str| row.split('|').nth(1).map(|cell| cell.trim().parse());
        Ok(rows.filter_map(code).collect::<Result<_, _>>()?)
    };
    let server = [fatal::DISK, fatal::LOG_MISSING, fatal::DAMAGED, fatal::REMOVED];
    let server = [&[0, 1, 2][..], &server, &[fatal::STATE_DIFFERS]].concat();
    assert_eq!(table("README.md", "| exit code of `mini-etcd` | meaning |\n")?, server);
    let help = Command::new(workspace_binary("mini-etcd")?).arg("--help").output()?;
    let help = String::from_utf8(help.stdout)?;
    let (_, codes) = help.split_once("Exit codes:").unwrap_or_default();
    let codes: Vec<u8> = codes.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert_eq!(codes, server, "{help}");
    let run = [0, exit::ERROR, exit::NO_CONNECTION, exit::INVALID_INPUT, exit::INTERRUPTED];
    let run = [&run[..], &[exit::IO, exit::TIMEOUT, exit::BAD_ARGS]].concat();
    assert_eq!(table("docs/repl.md", "| exit code | |\n")?, run);
    Ok(())
}

/// Goal: a bound that a page names is the program's. Method: the words of the page, made from the constants.
#[test]
fn bounds_of_the_pages_are_those_of_the_server() -> anyhow::Result<()> {
    let mib = |bytes: usize| format!("{} MiB", bytes >> 20);
    let seconds = |time: std::time::Duration| format!("{} s", time.as_secs());
    let timing = mini_etcd_server::config::Timing::default();
    let compat = [
        format!("a unary result over {}", mib(limits::RESULT_BYTES_MAX)),
        format!("over the limit of {}", limits::RESULT_BYTES_MAX),
        format!("more than {} of large results", mib(limits::RESULT_BYTES_IN_FLIGHT_MAX)),
        format!("after {} ResourceExhausted", seconds(limits::REQUEST_TIMEOUT)),
        format!("when {} of requests wait", mib(limits::REQUEST_BYTES_WAITING_MAX)),
        format!("a large result for {}", seconds(limits::RESULT_STALL_TIMEOUT)),
        format!("answers of up to {} KiB", limits::INLINE_RESULT_BYTES_MAX >> 10),
        format!("over {} for a connection", mib(limits::UNREAD_CONNECTION_BYTES_MAX)),
        format!("{} together", mib(limits::UNREAD_BYTES_MAX)),
        format!("transactions more than {} deep", limits::TXN_DEPTH_MAX),
        format!("| {}; more wait at the client", limits::CALLS_PER_CONNECTION_MAX),
        format!("is served {} KiB at a time", limits::CONNECTION_TURN_BYTES >> 10),
        format!("at most {}, and never a descriptor", limits::CONNECTIONS_MAX),
        format!("for longest ({} at the least)", seconds(limits::CONNECTION_QUIET_MIN)),
        format!("closed after {}", seconds(limits::FIRST_BYTE_TIMEOUT)),
        format!("pinged every {}", seconds(limits::CONNECTION_PING_INTERVAL)),
        format!("every {} ms at most", limits::STATUS_INTERVAL_MIN.as_millis()),
        format!("{} entries, {}", limits::LOG_PAGE_ENTRIES_MAX, mib(limits::ADMIN_PAGE_BYTES_MAX)),
        format!("pages of {} versions", limits::ADMIN_PAGE_ENTRIES_MAX),
        format!("{} of rows read", mib(limits::ADMIN_READ_BYTES_MAX)),
        format!("{} slices", limits::HISTOGRAM_SLICES_MAX),
        format!("after {} ResourceExhausted, `etcdserver: mvcc", seconds(limits::QUOTA_ROOM_WAIT)),
        format!("{} MiB, or a sixteenth", limits::QUOTA_ROOM_BYTES >> 20),
        format!("few large ones are cut at {}", mib(limits::LOG_CUT_BYTES)),
    ];
    let decisions = [
        format!("one budget of {}", mib(limits::WATCH_BYTES_MAX)),
        format!("{} at most: those", mib(limits::WATCH_STREAM_BYTES_MAX)),
        format!("{} to {} ticks", timing.election_ticks_min(), timing.election_ticks_max()),
        format!("ticks of {} ms", limits::TICK.as_millis()),
        format!("responses of about {}", mib(limits::WATCH_RESPONSE_BYTES)),
        format!("no more than {} stay", mib(limits::LOG_KEPT_BYTES)),
        format!("and {} more are reason", mib(limits::LOG_CUT_BYTES)),
    ];
    let format = [
        format!("a write of more than {} is split", mib(limits::LOG_ROW_BYTES_MAX)),
        format!("{} ms after a write", limits::GUARD_SYNC_INTERVAL.as_millis()),
        format!("nothing was applied for {} ms", limits::STATE_SYNC_INTERVAL.as_millis()),
    ];
    let mut wrong = Vec::new();
    for (name, claims) in [
        ("docs/compat.md", &compat[..]),
        ("docs/decisions.md", &decisions),
        ("docs/format.md", &format),
    ] {
        let text = page(name)?.replace('\n', " ");
        let missing = claims.iter().filter(|claim| !text.contains(claim.as_str()));
        wrong.extend(missing.map(|claim| format!("{name} does not say: {claim}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// Goal: a page names no metric that nothing shows. Method: the names of the pages among those of a running member.
#[tokio::test]
async fn metrics_of_the_pages_are_shown_by_a_member() -> anyhow::Result<()> {
    // What compat.md says to be left out, and what a member without peers has not.
    const NOT_SHOWN: &[&str] = &[
        "etcd_disk_backend_commit_duration_seconds",
        "etcd_network_active_peers",
        "mini_etcd_log_waits_for_entries",
    ];
    let cluster = Cluster::start(Flavor::Mini, 1).await?;
    let address = cluster.addresses().into_iter().next().unwrap_or_default();
    let shown = served::get(&address, "/metrics").await?;
    let mut wrong = Vec::new();
    for name in PAGES {
        let used = all(r"`((?:mini_etcd|etcd|grpc)_[a-z_]+)\*?", &page(name)?);
        let missing = used.iter().filter(|metric| !NOT_SHOWN.contains(&metric.as_str()));
        let missing = missing.filter(|metric| !shown.contains(&format!("\n# TYPE {metric}")));
        wrong.extend(missing.map(|metric| format!("{name}: {metric}")));
    }
    assert!(wrong.is_empty(), "no member shows\n{}", wrong.join("\n"));
    Ok(())
}

/// Goal: a page leads to what is there. Method: every source file and test target that it names exists.
#[test]
fn files_and_tests_that_the_pages_name_are_there() -> anyhow::Result<()> {
    const FROM: &[&str] = &["", "server/src", "tests/tests/oracle_metrics"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut wrong = Vec::new();
    for name in PAGES {
        let text = page(name)?;
        for file in all(r"`((?:[a-z_.-]+/)*[a-z_]+\.(?:rs|proto))`", &text) {
            let there = FROM.iter().any(|from| root.join(from).join(&file).is_file());
            if !there && file != "mod.rs" {
                wrong.push(format!("{name}: {file}"));
            }
        }
        for test in all(r"--test ([a-z_]+)", &text) {
            let places = ["tests/tests", "tui/tests", "shared/tests", "server/tests"];
            let there = places.iter().any(|place| {
                let place = root.join(place);
                place.join(format!("{test}.rs")).is_file() || place.join(&test).is_dir()
            });
            if !there {
                wrong.push(format!("{name}: --test {test}"));
            }
        }
    }
    assert!(wrong.is_empty(), "not there:\n{}", wrong.join("\n"));
    Ok(())
}
