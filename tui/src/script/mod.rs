//! `mini-etcd-tui run`: scripts of the language, with expectations, for people and for CI.
//!
//! ```text
//! FILE ─▶ plan (parsed whole) ─▶ runner ─▶ session ─▶ servers (named, or bundled)
//!                                   └─▶ report ─▶ TAP on standard output; JUnit, JSON in files
//! ```
//!
//! Invariants:
//! * I1: nothing is sent before every file is parsed and every variable of it has a source.
//! * I2: teardown runs whatever became of the rest: a failure, the end of the time, an interrupt.
//! * I3: a run that did not reach a server, or that ran no test it was asked for, is never green.
//! * I4: the exit code says the worst that happened; `exit_code` is the only place that knows which is worse.
//! * I5: standard output holds the report only, without colours, with bytes that any terminal can show.
//!
//! It refuses to start servers unless `--bundled` asks for them, and shells unless `--allow-shell` does. Tested in
//! `tui/tests/script`, and by the scripts of `assets/scripts` on bundled members and, in `tests/`, on stock etcd.

mod bundled;
mod flags;
mod json;
mod junit;
mod plan;
mod report;
mod runner;
mod servers;
mod start;
mod stop;
mod tap;
mod update;

pub(crate) use bundled::RunHost;
pub use flags::Flags;
pub(crate) use plan::{not_offered, set_nowhere, told};
pub(crate) use report::Stop;
pub(crate) use servers::{Servers, ServersError};
pub use start::run;
pub(crate) use start::run_name;
pub(crate) use stop::Stopper;
