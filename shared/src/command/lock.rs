//! `lock`: holds a named lock for as long as it runs, or while a program does.

use bytes::Bytes;

use super::request::Misfit;
use super::spec::{Arg, ArgKind, CommandSpec, Effect, Flag, ValueKind};
use super::{CommandLine, Made, Refusal, Request};

/// Time to live of the lease of a session that asks for none, in seconds.
pub const SESSION_TTL: i64 = 60;

/// `lock`
pub(super) const LOCK: CommandSpec = CommandSpec {
    effect: Effect::Writes,
    args: &[Arg::needed("lockname", ArgKind::Key), Arg::rest("command", ArgKind::Program)],
    flags: &[Flag::new(
        "ttl",
        ValueKind::Int,
        "10",
        "seconds after which others have the lock when this command is gone",
    )],
    long: "Waits for the lock, prints its key and holds it until Ctrl-C; or runs <command> while it holds it, with ETCD_LOCK_KEY\nand ETCD_LOCK_REV in its environment, and ends with its exit code. Flags of <command> stand behind --.\nOnly mini-etcdctl does this.",
    examples: &["lock job", "lock job --ttl 30 -- make deploy"],
    ..CommandSpec::new("lock", "Holds a lock", made)
};

/// A lock to hold. Whoever runs it waits, for it ends with a signal or with a program.
#[derive(Clone, Debug)]
pub struct Lock {
    /// Its name.
    pub name: Bytes,
    /// Program and arguments to run under it; empty for none.
    pub program: Vec<Bytes>,
    /// Time to live of its lease in seconds, as it was given; 0 and less cannot be.
    pub ttl: i64,
}

fn made(line: &CommandLine<'_>) -> Made {
    let Some((name, program)) = line.args().split_first() else {
        return Err(Refusal::bad_args(
            "lock takes a lock name argument and an optional command to execute",
        ));
    };
    Ok(Box::new(Lock { name: name.clone(), program: program.to_vec(), ttl: line.int("ttl") }))
}

impl Request for Lock {
    fn misfit(&self) -> Option<Misfit> {
        let expected = "a command that ends; mini-etcdctl holds locks";
        Some(Misfit { found: Some("lock".to_owned()), expected })
    }
}
