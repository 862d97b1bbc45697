//! The counters and gauges of mini-etcd beside those of etcd, action by action.
//!
//! Goal: a name of etcd's counts here what it counts there. Method: the same actions on a member of each; after each
//! action, what changed under every name that both show must have changed alike. Names that may differ stand in
//! [`names`] with the reason, as do those that only etcd has, so that none is forgotten.
//!
//! `ETCD_BIN` names etcd's server.

mod actions;
mod names;
mod samples;
mod side;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::ensure;
use mini_etcd_tests::cluster::Flavor;
use mini_etcd_tests::wait::eventually;

use actions::ACTIONS;
use names::{DIFFERENT, LEFT_OUT, is_of_etcd};
use samples::{Samples, differences};
use side::Side;

/// Time for what an action counts to be counted on both sides.
const DEADLINE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn every_action_changes_what_it_changes_in_etcd() -> anyhow::Result<()> {
    let mut ours = Side::start(Flavor::Mini).await?;
    let mut theirs = Side::start(Flavor::Etcd).await?;
    let mut before = (ours.samples().await?, theirs.samples().await?);
    let mut found = Vec::new();
    for (name, act) in ACTIONS {
        let answers = (act(&mut ours).await?, act(&mut theirs).await?);
        if answers.0 != answers.1 {
            found.push(format!("{name}: ours answers {}, etcd {}", answers.0, answers.1));
        }
        let alike = eventually(name, DEADLINE, || async {
            let after = (ours.samples().await?, theirs.samples().await?);
            let different = differences(name, &before.0, &after.0, &before.1, &after.1);
            ensure!(different.is_empty(), "{}", different.join("; "));
            Ok(after)
        });
        before = match alike.await {
            Ok(after) => after,
            Err(reason) => {
                found.push(format!("{reason:#}"));
                (ours.samples().await?, theirs.samples().await?)
            }
        };
    }
    assert!(found.is_empty(), "{} actions differ:\n{}", found.len(), found.join("\n"));
    Ok(())
}

#[tokio::test]
async fn every_name_of_etcds_has_its_type_or_a_reason() -> anyhow::Result<()> {
    let kinds = async |flavor: Flavor| {
        let mut side = Side::start(flavor).await?;
        let mut kinds = BTreeMap::new();
        // A family without samples is not shown, so some are shown after one action only.
        for (_, act) in ACTIONS {
            act(&mut side).await?;
            kinds.append(&mut side.samples().await?.kinds);
        }
        anyhow::Ok(kinds)
    };
    let (ours, theirs) = (kinds(Flavor::Mini).await?, kinds(Flavor::Etcd).await?);
    let mut found = Vec::new();
    for (name, kind) in theirs.iter().filter(|(name, _)| is_of_etcd(name)) {
        let is_left_out = LEFT_OUT.iter().any(|(left, _)| name.starts_with(left));
        match ours.get(name) {
            Some(own) if own != kind => found.push(format!("{name} is a {kind}, here a {own}")),
            Some(_) if is_left_out => {
                found.push(format!("{name} is shown and said to be left out"));
            }
            None if !is_left_out => found.push(format!("{name} is missing")),
            _ => {}
        }
    }
    for (name, _) in DIFFERENT {
        if !ours.contains_key(*name) {
            found.push(format!("{name} is said to differ and is not shown"));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}

#[test]
fn a_change_that_differs_is_found() {
    let page = |puts: u64, watchers: u64| {
        Samples::parse(&format!(
            "# TYPE etcd_mvcc_put_total counter\netcd_mvcc_put_total {puts}\n\
             # TYPE etcd_debugging_mvcc_watcher_total gauge\n\
             etcd_debugging_mvcc_watcher_total {watchers}\n"
        ))
    };
    let found = |ours: (u64, u64), theirs: (u64, u64)| {
        differences(
            "",
            &page(5, 2),
            &page(5 + ours.0, 2 - ours.1),
            &page(0, 9),
            &page(theirs.0, 9 - theirs.1),
        )
    };
    assert!(found((3, 1), (3, 1)).is_empty());
    assert_eq!(found((2, 1), (3, 1)), ["etcd_mvcc_put_total: ours +2, etcd +3"]);
    assert_eq!(found((0, 1), (1, 1)), ["etcd_mvcc_put_total: ours +0, etcd +1"]);
    assert_eq!(found((1, 0), (1, 2)), ["etcd_debugging_mvcc_watcher_total: ours +0, etcd -2"]);
}
