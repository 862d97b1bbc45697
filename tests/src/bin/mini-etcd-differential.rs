//! `mini-etcd-differential`: the same random requests to an etcd and to a mini-etcd, and the first one that they answer
//! differently, with the fewest requests before it that show it.

#![expect(clippy::print_stdout, reason = "what it finds is the program's result")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use mini_etcd_tests::differential::generate::Generator;
use mini_etcd_tests::differential::shrink::shrink;
use mini_etcd_tests::differential::{Step, run};

/// Steps before a difference that are shown when the fewest are not searched for.
const SHOWN: usize = 20;

/// Sends the same random requests to an etcd and to a mini-etcd, and compares the answers.
#[derive(Debug, Parser)]
struct Arguments {
    /// The etcd.
    #[arg(long, env = "ETCD_BIN")]
    etcd: PathBuf,
    /// Of the first run; each further run has the next one.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Requests in all.
    #[arg(long, default_value_t = 10_000)]
    requests: usize,
    /// Requests of a run, for which both servers are started anew.
    #[arg(long, default_value_t = 20_000)]
    run: usize,
    /// Differences after which it ends; each kind counts once.
    #[arg(long, default_value_t = 1)]
    differences: usize,
    /// Leaves out the search for the fewest requests.
    #[arg(long)]
    whole: bool,
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::disallowed_methods, reason = "its own speed is shown")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let start = Instant::now();
    let (mut done, mut seed, mut kinds) = (0, arguments.seed, BTreeSet::new());
    let (mut passed_over, mut codes) = (BTreeMap::new(), BTreeMap::new());
    while done < arguments.requests && kinds.len() < arguments.differences {
        let count = arguments.run.min(arguments.requests - done);
        let all: Vec<Step> = Generator::new(seed).take(count).collect();
        let mut rest = &*all;
        while !rest.is_empty() && kinds.len() < arguments.differences {
            let outcome = run(&arguments.etcd, rest.iter().cloned()).await?;
            for (name, count) in outcome.passed_over {
                *passed_over.entry(name).or_insert(0) += count;
            }
            for (code, count) in outcome.codes {
                *codes.entry(code).or_insert(0) += count;
            }
            let Some(difference) = outcome.difference else { break };
            // What follows is tried with servers that the difference has not driven apart.
            let (steps, behind) = rest.split_at((difference.step + 1).min(rest.len()));
            rest = behind;
            if !kinds.insert(difference.kind()) {
                continue;
            }
            println!("\nseed {seed}, step {}:\n{difference}", all.len() - rest.len() - 1);
            if arguments.whole {
                println!("the steps before it:");
                let first = steps.len().saturating_sub(SHOWN);
                for step in steps.iter().skip(first) {
                    println!("  {step}");
                }
            } else {
                let (steps, difference) = shrink(&arguments.etcd, steps, difference).await?;
                println!("the fewest steps:");
                for step in steps {
                    println!("  {step}");
                }
                println!("{difference}");
            }
        }
        done += count;
        println!("seed {seed} done, {done} requests, {:.0?}", start.elapsed());
        seed += 1;
    }
    println!("\n{done} requests, {} kinds of differences", kinds.len());
    println!("passed over: {passed_over:#?}\nanswers: {codes:#?}");
    anyhow::ensure!(kinds.is_empty(), "the answers differ");
    Ok(())
}
