//! The table: each row a request, each column somebody who asks.

use mini_etcd_proto::etcdserverpb::StatusRequest;
use mini_etcd_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use mini_etcd_tests::cluster::{Cluster, Flavor};
use tonic::{Code, Status};

use super::calls::ask;
use super::cases::{CASES, Rule};
#[cfg(feature = "oracle")]
use super::cases::{OTHERWISE, OTHERWISE_3_5};
use super::jwt::Keys;
use super::people::{PEOPLE, settle};

/// What a program answers.
struct Answers {
    /// As it tells it.
    #[cfg_attr(not(feature = "oracle"), expect(dead_code, reason = "etcd's alone matters"))]
    version: String,
    table: Vec<(&'static str, Vec<String>)>,
}

/// What a login gives out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tokens {
    Simple,
    Signed,
}

/// The answer to each request, in the words of its status.
async fn answers(flavor: Flavor, tokens: Tokens) -> anyhow::Result<Answers> {
    let keys = Keys::new()?;
    let flags = match tokens {
        Tokens::Simple => Vec::new(),
        Tokens::Signed => keys.flags(""),
    };
    let cluster = Cluster::start_of_with_flags(flavor, 1, &flags).await?;
    let channel = cluster.channel(0)?;
    let status = MaintenanceClient::new(channel.clone()).status(StatusRequest {}).await?;
    let version = status.into_inner().version;
    let people = settle(&channel).await?;
    let mut table = Vec::new();
    for (case, _) in CASES {
        let mut row = Vec::new();
        for person in &people {
            // What is signed is of a revision, and rows before this one may have changed it.
            let fresh = if tokens == Tokens::Signed { Some(person.again().await?) } else { None };
            row.push(told(ask(case, fresh.as_ref().unwrap_or(person)).await));
        }
        table.push((*case, row));
    }
    Ok(Answers { version, table })
}

pub fn told(answer: Result<(), Status>) -> String {
    match answer {
        Ok(()) => "ok".to_owned(),
        Err(status) => format!("{:?}: {}", status.code(), status.message()),
    }
}

/// Columns in which two rows differ.
fn differences(case: &str, one: &[String], other: &[String]) -> Vec<String> {
    let columns = PEOPLE.iter().zip(one.iter().zip(other));
    let different = columns.filter(|(_, (one, other))| one != other);
    different.map(|(who, (one, other))| format!("{case}, {who}: {one} | {other}")).collect()
}

/// A method that an older etcd has not.
fn is_unknown(row: &[String]) -> bool {
    row.iter().all(|answer| answer.starts_with(&format!("{:?}", Code::Unimplemented)))
}

#[tokio::test]
async fn each_method_answers_each_caller_by_its_rule() {
    by_its_rule(Tokens::Simple).await;
}

#[tokio::test]
async fn each_method_answers_who_shows_a_signed_token_by_its_rule() {
    by_its_rule(Tokens::Signed).await;
}

async fn by_its_rule(tokens: Tokens) {
    let table = answers(Flavor::Mini, tokens).await.unwrap().table;
    let mut wrong = Vec::new();
    for ((case, row), (_, rule)) in table.iter().zip(CASES) {
        wrong.extend(differences(case, row, &rule.expected()));
    }
    assert!(wrong.is_empty(), "answer | rule\n{}", wrong.join("\n"));
}

/// What etcd answers otherwise, on purpose, stands beside the cases, and in docs/compat.md.
#[cfg(feature = "oracle")]
#[tokio::test]
async fn etcd_answers_each_caller_the_same() {
    beside_etcd(Tokens::Simple).await;
}

#[cfg(feature = "oracle")]
#[tokio::test]
async fn etcd_answers_who_shows_a_signed_token_the_same() {
    beside_etcd(Tokens::Signed).await;
}

#[cfg(feature = "oracle")]
async fn beside_etcd(tokens: Tokens) {
    let ours = answers(Flavor::Mini, tokens).await.unwrap();
    let theirs = answers(Flavor::Etcd, tokens).await.unwrap();
    let old = if theirs.version.starts_with("3.5.") { OTHERWISE_3_5 } else { &[] };
    let mut wrong = Vec::new();
    for ((case, ours), (_, theirs)) in ours.table.iter().zip(&theirs.table) {
        let is_otherwise = OTHERWISE.contains(case) || old.contains(case);
        if is_unknown(theirs) || is_otherwise {
            continue;
        }
        wrong.extend(differences(case, ours, theirs));
    }
    assert!(wrong.is_empty(), "ours | etcd's\n{}", wrong.join("\n"));
}

/// Goal: nobody adds a method and forgets who may call it. Method: the table of methods, read as text, since it is the
/// server's own.
#[test]
fn each_method_has_a_row() {
    let methods = concat!(env!("CARGO_MANIFEST_DIR"), "/../server/src/api/methods.rs");
    let text = std::fs::read_to_string(methods).unwrap();
    let (mut service, mut missing) = (String::new(), Vec::new());
    for line in text.lines().skip_while(|line| !line.contains("SERVICES")) {
        let quoted: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
        for name in quoted {
            if let Some((_, name)) = name.rsplit_once('.') {
                name.clone_into(&mut service);
                continue;
            }
            let row = format!("{service}/{name}");
            if !line.contains("Peers") && !CASES.iter().any(|(case, _)| is_of(case, &row)) {
                missing.push(row);
            }
        }
    }
    assert!(missing.is_empty(), "methods without a row: {missing:?}");
    assert!(CASES.iter().any(|(_, rule)| *rule == Rule::Open));
}

fn is_of(case: &str, method: &str) -> bool {
    case.strip_prefix(method).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}
