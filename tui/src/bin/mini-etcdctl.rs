//! `mini-etcdctl`: one command of the table per process.

use std::process::ExitCode;

fn main() -> ExitCode {
    mini_etcd_tui::ctl::main()
}
