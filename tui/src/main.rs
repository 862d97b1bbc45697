//! `mini-etcd-tui`: flags, and one call.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Bundled members run in this program; see `mini-etcd` for why they want it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    mini_etcd_tui::cli::main(std::env::args_os())
}
