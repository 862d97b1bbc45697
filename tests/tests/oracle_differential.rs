//! A short differential run beside etcd (`mini_etcd_tests::differential`), and what of it `docs/compat.md` says.
//!
//! `ETCD_BIN` names etcd 3.5.1's server.

use std::collections::BTreeSet;
use std::path::Path;

use mini_etcd_tests::differential::deviations::{DEVIATIONS, UNSENT};
use mini_etcd_tests::differential::generate::Generator;
use mini_etcd_tests::differential::run;
use mini_etcd_tests::process::etcd_binary;

/// Steps of each seed.
const STEPS: usize = 3000;

async fn answers_are_the_same(seed: u64) -> anyhow::Result<()> {
    let outcome = run(&etcd_binary("ETCD_BIN")?, Generator::new(seed).take(STEPS)).await?;
    if let Some(difference) = outcome.difference {
        anyhow::bail!(
            "seed {seed}, {difference}\nthe fewest steps that show it: mini-etcd-differential --seed {seed} --requests {STEPS}"
        );
    }
    assert_eq!(outcome.steps, STEPS);
    // A run of nothing but refusals would compare nothing.
    let good = outcome.codes.get("Ok").copied().unwrap_or_default();
    assert!(good > STEPS / 4 && outcome.codes.len() > 20, "{:?}", outcome.codes);
    Ok(())
}

#[tokio::test]
async fn a_random_stream_of_requests_is_answered_as_by_etcd() -> anyhow::Result<()> {
    answers_are_the_same(1).await
}

#[tokio::test]
async fn another_random_stream_of_requests_is_answered_as_by_etcd() -> anyhow::Result<()> {
    answers_are_the_same(2).await
}

#[test]
fn what_may_differ_is_listed_for_users() -> anyhow::Result<()> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/compat.md");
    let page = std::fs::read_to_string(page)?;
    let section = page.split("\n## ").find(|section| section.starts_with("The differential run"));
    let rows = section.unwrap_or_default().lines().filter_map(|line| line.strip_prefix("| "));
    let listed: BTreeSet<_> =
        rows.filter_map(|row| row.split(" | ").next()).filter(|name| *name != "name").collect();
    let names = DEVIATIONS.iter().map(|it| it.name).chain(UNSENT.iter().map(|it| it.name));
    assert_eq!(listed, names.collect::<BTreeSet<_>>());
    Ok(())
}
