//! [`TABLE`]: the commands, one file for each, from which parser, help, completion and reference pages are made.
//!
//! ```text
//! words (argv, or a lexer's) ─▶ parse (against TABLE) ─▶ Parsed ─▶ CommandSpec::request ─▶ dyn Request
//! dyn Request ─▶ run (Client) ─▶ Report with a dyn Answer ─▶ format
//! TABLE ─▶ help, completion, hints, docs
//! ```
//!
//! A file holds all that is to be said about its command: names, arguments and flags ([`CommandSpec`]), how they become a
//! request, how that is carried out ([`Request`]), and what it shows ([`Answer`](crate::format::Answer)).
//!
//! Invariants:
//! * I1: what a command takes is said once, in its [`CommandSpec`]; nothing else knows a flag's name or default
//!   but the code that reads its value, and a test compares the two.
//! * I2: arguments are bytes; a key that is not UTF-8 passes unchanged.
//! * I3: every refusal says what was wrong and what is accepted, with etcdctl's words and exit code where it has them.
//! * I4: an answer is what the servers said, unformatted; a report says all that went wrong, also when something else
//!   went well.
//!
//! It refuses to print, to read standard input by itself (see [`Input`]), and to end the process. Tested here and, against
//! etcdctl itself, in `tests/tests/oracle_ctl`.

mod alarm_disarm;
mod alarm_list;
mod auth;
mod auth_disable;
mod auth_enable;
mod auth_status;
mod check;
mod compaction;
mod completion;
mod completion_scripts;
mod defrag;
mod del;
mod doctor;
mod downgrade;
mod elect;
mod endpoint;
mod endpoint_hashkv;
mod endpoint_health;
mod endpoint_status;
mod get;
mod hashkv;
mod help;
mod input;
mod lease;
mod lease_grant;
mod lease_keep_alive;
mod lease_list;
mod lease_revoke;
mod lease_timetolive;
mod lock;
mod make_mirror;
mod manual;
mod member_add;
mod member_change;
mod member_list;
mod member_promote;
mod member_remove;
mod member_replace;
mod member_update;
mod move_leader;
mod options;
mod parse;
mod put;
mod ranges;
mod refusal;
mod replacement;
mod request;
mod role_add;
mod role_delete;
mod role_get;
mod role_grant_permission;
mod role_list;
mod role_revoke_permission;
mod snapshot_restore;
mod snapshot_save;
mod snapshot_status;
mod spec;
mod table;
mod target;
mod txn;
mod txn_lines;
mod user_add;
mod user_delete;
mod user_get;
mod user_grant_role;
mod user_list;
mod user_passwd;
mod user_revoke_role;
mod version;
mod watch;
mod words;

pub use alarm_disarm::MAKE_ROOM;
pub use auth_disable::AUTH_DISABLE;
pub use check::{Check, CheckLoad};
pub use compaction::COMPACTION;
pub use del::{DEL, Del};
pub use doctor::{DOCTOR, Doctor};
pub use elect::Elect;
pub use endpoint_health::EndpointHealth;
pub use get::{GET, Got};
pub use help::{HELP, Help, help, usage};
pub use input::{Input, Prompt};
pub use lease::lease_hex;
pub use lock::{Lock, SESSION_TTL};
pub use make_mirror::MakeMirror;
pub use member_add::member_start_line;
pub use member_change::check_peer_urls;
pub use parse::{Given, Parsed, Values, parse, parse_as, parse_for, parse_within};
pub(crate) use ranges::prefix_range;
pub use refusal::Refusal;
pub use request::{CommandLine, Made, Misfit, Reply, Report, Request, Scope, request_of};
pub use snapshot_restore::{SNAPSHOT_RESTORE, SnapshotRestore};
pub use snapshot_save::{SNAPSHOT_SAVE, save_backup};
pub use spec::{Arg, ArgKind, CommandSpec, Effect, Flag, Group, ValueKind};
pub use table::{GLOBAL_FLAGS, GROUPS, TABLE};
pub(crate) use target::SUGGEST_DISTANCE_MAX;
pub use target::{Grammar, Target, takes_next};
pub use txn::TXN;
pub use txn_lines::{compare_of, op_of_parsed, parse_compare, parse_op};
pub use watch::{WATCH, Watch};
pub use words::split_words;
