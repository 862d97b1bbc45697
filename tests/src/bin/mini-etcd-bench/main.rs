//! `mini-etcd-bench`: mini-etcd beside etcd in the same run on the same machine, as ratios.
//!
//! ```text
//! main ─▶ requests (puts, gets, events) | large (ranges, memory, restart of many keys) ─▶ table
//!                              └──────────────┴──▶ rounds ─▶ side
//! ```
//!
//! `ETCD_BIN` names etcd's server, `--beside` more of them. The clusters stand beside each other and get the load in
//! turn, round by round, so that a machine that speeds up or slows down moves all sides. A round in which others used
//! the processors is measured again.

#![expect(clippy::print_stdout, reason = "the table is the program's result")]

mod large;
mod requests;
mod rounds;
mod side;
mod table;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use mimalloc::MiMalloc;
use mini_etcd_tests::load::{Kind, Load};
use mini_etcd_tests::process::etcd_binary;

use side::Program;
use table::Table;

/// The load shares its processors with what it measures, on all sides: what it does not use is theirs.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Measures mini-etcd and etcd side by side, and prints one table.
#[derive(Debug, Parser)]
struct Arguments {
    /// What to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = What::all())]
    rows: Vec<What>,
    /// Sizes of the clusters for puts and gets; the other rows have one member.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 3])]
    sizes: Vec<usize>,
    /// Clients at the same time, for puts and gets.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64, 256])]
    clients: Vec<usize>,
    /// Connections they share.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Bytes of a value.
    #[arg(long, default_value_t = 256)]
    value_bytes: usize,
    /// Keys there are, for puts, gets and events.
    #[arg(long, default_value_t = 10_000)]
    keys: u64,
    /// Keys there are, for ranges, memory and restart.
    #[arg(long, default_value_t = 1_000_000)]
    many_keys: u64,
    /// Clients that read ranges.
    #[arg(long, default_value_t = 16)]
    range_clients: usize,
    /// Watchers, and the numbers of clients that write what they watch.
    #[arg(long, default_value_t = 100)]
    watchers: usize,
    #[arg(long, value_delimiter = ',', default_values_t = [8, 32])]
    writers: Vec<usize>,
    /// Seconds of one measurement.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Measurements of each row on each side.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Share of the machine that others may use in a round that counts.
    #[arg(long, default_value_t = 0.05)]
    others_max: f64,
    /// Another etcd's server to measure as well; may be given again.
    #[arg(long)]
    beside: Vec<PathBuf>,
    /// Measure mini-etcd alone.
    #[arg(long)]
    alone: bool,
    /// Fail when a ratio of rates of puts or linearizable gets beside the first etcd is below this.
    #[arg(long, default_value_t = 0.0)]
    at_least: f64,
}

/// A group of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Writes of random keys.
    Put,
    /// Linearizable reads of random keys.
    Get,
    /// Reads of random keys from a member's own state.
    Stale,
    /// Events to many watchers.
    Watch,
    /// Many keys, written in their order: how fast, memory, ranges, restart after SIGKILL.
    Ordered,
    /// Many keys, written in another order than theirs: ranges.
    Scattered,
}

impl What {
    fn all() -> Vec<Self> {
        Self::value_variants().to_vec()
    }
}

impl Arguments {
    fn load(&self, kind: Kind, clients: usize) -> Load {
        Load {
            kind,
            clients,
            connections: self.connections.min(clients),
            value_bytes: self.value_bytes,
            keys: self.keys,
            scattered: false,
            duration: Duration::from_secs(self.seconds),
        }
    }

    fn programs(&self) -> anyhow::Result<Vec<Program>> {
        let mut programs = vec![Program::Mini];
        if !self.alone {
            programs.push(Program::etcd(etcd_binary("ETCD_BIN")?)?);
        }
        for path in &self.beside {
            programs.push(Program::etcd(path.clone())?);
        }
        Ok(programs)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let programs = arguments.programs()?;
    let mut table = Table::default();
    Table::head(&arguments);
    requests::measure(&arguments, &programs, &mut table).await?;
    large::measure(&arguments, &programs, &mut table).await?;
    table.foot();
    let lowest = table.lowest();
    anyhow::ensure!(
        lowest >= arguments.at_least,
        "a ratio of {lowest:.2} is below {}",
        arguments.at_least
    );
    Ok(())
}
