//! `mini-etcd-pressure`: what a load that asks for much memory does to a cluster and to everybody else.
//!
//! ```text
//! main ─▶ answers | streams | watches | crowd | hostile | replace     one kind of load each
//!   └──▶ other (a client on a thread of its own)             └──▶ members (memory, processor time, terms)
//! ```
//!
//! One other client puts and gets a small key, in turn, all the time. Shown are its latencies before and meanwhile,
//! the peak of each member's resident memory, who used the processor, and whether the leader changed. It judges
//! nothing.
//!
//! The clients of the load are not what is measured, but they need as much of the processor as the members. So they may
//! stand back (`--idle`): they run when nobody else wants to, which is the closest to machines of their own.

#![expect(clippy::disallowed_methods, reason = "a rate is measured on the wall clock")]

mod answers;
mod crowd;
mod hostile;
mod members;
mod other;
mod replace;
mod streams;
mod watches;
mod writers;

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use clap::{Args, Parser, Subcommand};
use mimalloc::MiMalloc;
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::wire::Dial;
use tokio::runtime::Runtime;

use members::Usage;
use other::{Latencies, Other};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Puts a cluster under a load that asks for much memory, and shows what that costs.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    load: Load,
}

#[derive(Debug, Args)]
struct Common {
    /// Sizes of the clusters.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 3])]
    sizes: Vec<usize>,
    /// Seconds of measuring without the load.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Let the load's clients run only when members and the other client do not want the processor (Linux, `chrt`).
    #[arg(long)]
    idle: bool,
    /// The program that `ETCD_BIN` names, instead of mini-etcd.
    #[arg(long)]
    etcd: bool,
}

#[derive(Debug, Subcommand)]
enum Load {
    /// Transactions of some fifty bytes whose answers have hundreds of megabytes, all at once.
    Answers(answers::Arguments),
    /// Watch streams that never read, opened one by one during puts of two gigabytes.
    Streams(streams::Arguments),
    /// Watches that are all read, under puts.
    Watches(watches::Arguments),
    /// Ten thousand connections, ten thousand watches and a hundred thousand leases.
    Crowd(crowd::Arguments),
    /// Clients that mean harm.
    Hostile(hostile::Arguments),
    /// A member that lost its disk is replaced, in a cluster with much in it.
    Replace(replace::Arguments),
}

/// What a load runs against.
struct Target {
    cluster: Cluster,
    leader: usize,
    /// Where the leader is.
    dial: Dial,
    other: Other,
}

impl Target {
    async fn start(flavor: Flavor, size: usize, tls: bool, other: Other) -> anyhow::Result<Self> {
        let cluster = if tls {
            Cluster::start_with_tls(flavor).await?
        } else {
            Cluster::start(flavor, size).await?
        };
        let leader = cluster.leader().await?;
        let dial = cluster.dial(leader)?;
        Ok(Self { cluster, leader, dial, other })
    }
}

/// What one phase of a load shows.
struct Phase {
    name: &'static str,
    /// What the load itself has to say; lines.
    said: Vec<String>,
    other: Latencies,
    usage: Usage,
    elapsed: Duration,
}

impl Phase {
    /// Runs a part of a load, with the other client beside it.
    async fn run(
        name: &'static str,
        target: &Target,
        load: impl Future<Output = anyhow::Result<Vec<String>>>,
    ) -> anyhow::Result<Self> {
        let other = target.other.start(&target.dial)?;
        let before = Usage::now(&target.cluster)?;
        let begun = Instant::now();
        let said = load.await?;
        let elapsed = begun.elapsed();
        let usage = Usage::now(&target.cluster)?.since(&before);
        Ok(Self { name, said, other: other.stop().await?, usage, elapsed })
    }

    #[expect(clippy::print_stdout, reason = "the table is the program's result")]
    fn show(&self) {
        println!("  {} ({:.1?}): {}", self.name, self.elapsed, self.usage);
        println!("    the other client: {}", self.other);
        for line in &self.said {
            println!("    {line}");
        }
    }
}

fn runtime() -> anyhow::Result<Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

#[expect(clippy::print_stdout, reason = "the table is the program's result")]
fn main() -> anyhow::Result<()> {
    let Arguments { common, load } = Arguments::parse();
    let flavor = if common.etcd { Flavor::Etcd } else { Flavor::Mini };
    let (runtime, other) = (runtime()?, Other::new()?);
    if matches!(load, Load::Replace(_)) {
        let large = common.sizes.iter().all(|size| *size >= 3);
        ensure!(large, "a member is replaced in a cluster of three or more: --sizes 3");
    }
    let tls = match &load {
        Load::Crowd(arguments) => arguments.tls,
        Load::Hostile(arguments) => arguments.tls,
        _ => false,
    };
    ensure!(!tls || common.sizes == [1], "with --tls there is one member: --sizes 1");
    for &size in &common.sizes {
        // Members have the priority of the thread that starts them, so the load has another one.
        let mut target = runtime.block_on(Target::start(flavor, size, tls, other.clone()))?;
        println!("{flavor:?}, members: {size}, load of the machine: {}", members::machine_load()?);
        thread::scope(|scope| {
            let (common, load, target) = (&common, &load, &mut target);
            let measuring = scope.spawn(move || stand_back_and_measure(common, load, target));
            measuring.join().map_err(|_| anyhow!("the load panicked"))?
        })?;
    }
    Ok(())
}

fn stand_back_and_measure(common: &Common, load: &Load, target: &mut Target) -> anyhow::Result<()> {
    if common.idle {
        // Niceness is not enough: whoever is nice still keeps a processor for the rest of a time slice.
        let thread = rustix::thread::gettid().to_string();
        let status = Command::new("chrt").args(["--idle", "--pid", "0", &thread]).status();
        ensure!(status.context("chrt")?.success(), "chrt does not let the load stand back");
    }
    runtime()?.block_on(measure(common, load, target))
}

#[expect(clippy::print_stdout, reason = "the table is the program's result")]
async fn measure(common: &Common, load: &Load, target: &mut Target) -> anyhow::Result<()> {
    if let Load::Answers(arguments) = load {
        answers::fill(target, arguments).await?;
    }
    let term = members::status(&target.cluster, target.leader).await?.raft_term;
    let quiet = Phase::run("before", target, async {
        tokio::time::sleep(Duration::from_secs(common.seconds)).await;
        Ok(Vec::new())
    });
    let quiet = quiet.await?;
    quiet.show();
    let measured = match load {
        Load::Answers(arguments) => answers::run(target, arguments).await,
        Load::Streams(arguments) => streams::run(target, arguments).await,
        Load::Watches(arguments) => watches::run(target, arguments).await,
        Load::Crowd(arguments) => crowd::run(target, arguments).await,
        Load::Hostile(arguments) => hostile::run(target, arguments).await,
        Load::Replace(arguments) => replace::run(target, arguments).await,
    };
    let phases = measured.with_context(|| members::last_words(&target.cluster))?;
    for (place, phase) in phases.iter().enumerate() {
        phase.show();
        let times = phase.other.beside(&quiet.other);
        print!("    p99 of the other client: {times:.1} times that of {}", quiet.name);
        // What comes first, if more comes, is the part of the load that is no matter of memory.
        match phases.first().filter(|_| place > 0) {
            Some(first) => {
                let times = phase.other.beside(&first.other);
                println!(", {times:.1} times that of {}", first.name);
            }
            None => println!(),
        }
    }
    for line in members::peaks(&target.cluster, target.leader)? {
        println!("  {line}");
    }
    let leader = target.cluster.leader().await?;
    let now = members::status(&target.cluster, leader).await?.raft_term;
    println!("  term: {term} before, {now} after");
    Ok(())
}
