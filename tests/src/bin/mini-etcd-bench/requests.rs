//! Puts, gets and events: few keys, clusters of each size.

use mini_etcd_tests::fan_out::Watchers;
use mini_etcd_tests::load::{Kind, Load, fill, run};

use super::rounds;
use super::side::{Program, Side};
use super::table::{Row, Table};
use super::{Arguments, What};

/// Adds the rows that are asked for.
pub async fn measure(
    arguments: &Arguments,
    programs: &[Program],
    table: &mut Table,
) -> anyhow::Result<()> {
    let kinds = [
        (What::Put, Kind::Put, "put"),
        (What::Get, Kind::Get, "linearizable get"),
        (What::Stale, Kind::GetStale, "serializable get"),
    ];
    let kinds: Vec<_> =
        kinds.into_iter().filter(|(what, ..)| arguments.rows.contains(what)).collect();
    for &size in &arguments.sizes {
        if kinds.is_empty() {
            break;
        }
        let sides = Side::start_all(programs, size).await?;
        for side in &sides {
            fill(&side.cluster.member(0)?.address, &arguments.load(Kind::Put, 64)).await?;
        }
        for (what, kind, name) in &kinds {
            for &clients in &arguments.clients {
                let load = arguments.load(*kind, clients);
                let row = Row { what: name, members: size, clients };
                let judged = *what != What::Stale;
                warm_up(&load, &sides).await?;
                let rounds = rounds::measure(arguments, &sides, async |_, side| {
                    run(&load, &side.cluster.addresses()).await
                });
                table.rates(&row, &sides, &rounds.await?, judged)?;
            }
        }
    }
    if arguments.rows.contains(&What::Watch) {
        watch(arguments, programs, table).await?;
    }
    Ok(())
}

async fn warm_up(load: &Load, sides: &[Side]) -> anyhow::Result<()> {
    let second = Load { duration: std::time::Duration::from_secs(1), ..load.clone() };
    for side in sides {
        run(&second, &side.cluster.addresses()).await?;
    }
    Ok(())
}

async fn watch(
    arguments: &Arguments,
    programs: &[Program],
    table: &mut Table,
) -> anyhow::Result<()> {
    let sides = Side::start_all(programs, 1).await?;
    let what = format!("event to {} watchers", arguments.watchers);
    for &clients in &arguments.writers {
        let load = arguments.load(Kind::Put, clients);
        let mut watchers = Vec::new();
        for side in &sides {
            let addresses = side.cluster.addresses();
            watchers.push(Watchers::open(arguments.watchers, &load, &addresses).await?);
        }
        let row = Row { what: &what, members: 1, clients };
        let rounds = rounds::measure(arguments, &sides, async |at, side| {
            let watchers = watchers.get_mut(at).ok_or_else(|| anyhow::anyhow!("no watchers"))?;
            watchers.run(&load, &side.cluster.addresses()).await
        });
        table.rates(&row, &sides, &rounds.await?, false)?;
    }
    Ok(())
}
