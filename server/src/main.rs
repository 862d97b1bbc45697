//! `mini-etcd`: flags, and one call.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A member answers some tens of thousands of requests a second, each of a dozen small allocations; the system's
/// allocator took a tenth of its time (docs/performance.md).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    mini_etcd_server::server::main_with_args(std::env::args_os().skip(1))
}
