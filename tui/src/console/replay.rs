//! [`Replay`]: what was done by keys, on any screen, as the line that says it, and as statements that do it again elsewhere.
//!
//! ```text
//! change is answered, member is killed, tail is begun ─▶ done ─┬─▶ Context::done ─▶ copied
//!                                                              └─▶ Effect::Engine(Order::Note) ─▶ Recording
//! ```
//!
//! * I1: a change that was guarded is guarded in the statements too, by a revision that is read anew.
//! * I2: what is only looked at is noted when somebody asked for it by name: a jump, a history, a tail, a revision.
//! * I3: the prefix that `cd` has set in the session does not count for what was done by keys.
//!
//! It refuses to note how the screen looks: filters, viewers, marks, pauses.

use bytes::Bytes;
use mini_etcd_shared::command::lease_hex;
use mini_etcd_shared::language::written;

use super::command_line::CommandLine;
use super::context::Context;
use super::msg::Effect;
use super::spec::Spec;
use crate::engine::order::Order;
use crate::record::{SEEN, VALUE_BYTES_MAX, seen};
use crate::screens::keys::model::{Batch, Bulk, Change, Changed, Entry, Target, Write};

/// Single keys of one transaction; etcd takes 128 operations by default.
pub(crate) const KEYS_PER_TXN: usize = 100;

/// Something that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// The line that says it.
    line: String,
    /// Statements that do it again, with what is expected of them.
    script: String,
    /// The keys that it names.
    keys: Vec<Bytes>,
}

/// Notes what was done.
pub(crate) fn done(ctx: &mut Context, replay: Replay) -> Vec<Effect> {
    ctx.done = Some(replay.clone());
    note(ctx, replay)
}

/// Writes it down, when that is wanted.
pub(crate) fn note(ctx: &Context, replay: Replay) -> Vec<Effect> {
    let prompt = &ctx.prompt;
    if prompt.recording.is_none() {
        return Vec::new();
    }
    // I3
    let counts = !prompt.prefix.is_empty() && replay.keys.iter().any(|key| !key.starts_with(b"/"));
    let scope = counts.then(|| prompt.prefix.clone());
    vec![Effect::Engine(Order::Note { script: replay.script, scope })]
}

impl Replay {
    /// The lines of the language that say it.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.line
    }

    /// Statements that do it again.
    #[must_use]
    pub fn script(&self) -> &str {
        &self.script
    }

    /// The keys that it names.
    #[must_use]
    pub fn keys(&self) -> &[Bytes] {
        &self.keys
    }

    fn simple(line: impl Into<String>, expect: &str) -> Self {
        let line = line.into();
        Self { script: format!("{line}\nexpect {expect}"), line, keys: Vec::new() }
    }

    /// A read of something that no other cluster has.
    fn unrepeatable(command: &CommandLine, why: &str) -> Self {
        let line = command.language();
        let script = format!("# {why}:\n#   {line}");
        Self { script, line, keys: command.args().to_vec() }
    }

    /// A guarded change of one key, which was like `before`. I1
    pub(crate) fn write(write: &Write, before: Option<&Entry>) -> Self {
        let key = written(&write.key);
        let guard = |revision: &str| match write.expected {
            0 => format!("version({key}) = \"0\""),
            _ => format!("mod({key}) = \"{revision}\""),
        };
        let txn = |revision: &str, operation: &str| {
            format!("txn if {} then {operation} end", guard(revision))
        };
        let mut script = Vec::new();
        let (operation, again) = match &write.change {
            Change::Value(value) => {
                let keep = if write.expected == 0 { "" } else { " --ignore-lease" };
                let put = format!("put {key} {}{keep}", written(value));
                (put.clone(), put)
            }
            Change::Put(value, 0) => {
                let put = format!("put {key} {}", written(value));
                (put.clone(), put)
            }
            Change::Put(value, lease) => {
                script.push(format!("# with lease {lease:x}, which no other cluster has"));
                let put = format!("put {key} {}", written(value));
                (format!("{put} --lease={lease:x}"), put)
            }
            Change::Delete => (format!("del {key}"), format!("del {key}")),
        };
        if write.expected != 0 {
            script.push(seen(&key, "mod_revision", SEEN).trim_end().to_owned());
            let value = before.map(|before| &before.value);
            if let Some(value) = value.filter(|value| value.len() <= VALUE_BYTES_MAX) {
                script.push(format!("expect value == {}", written(value)));
            }
        }
        script.push(txn(&format!("${SEEN}"), &again));
        script.push("expect succeeded == true".to_owned());
        if write.change == Change::Delete {
            script.push("expect deleted == 1".to_owned());
        }
        let line = txn(&write.expected.to_string(), &operation);
        Self { line, script: script.join("\n"), keys: vec![write.key.clone()] }
    }

    /// A guarded change that was not made, or of which nobody knows whether it was.
    pub(crate) fn not_made(write: &Write, why: &str) -> Self {
        let made = Self::write(write, None);
        let script = format!("# {why}:\n#   {}", made.line);
        Self { script, ..made }
    }

    /// A delete of many, which took so many keys.
    pub(crate) fn delete(targets: &[Target], count: u64) -> Self {
        let del = |target: &Target| match target {
            Target::Key(key) => format!("del {}", written(key)),
            Target::Prefix(prefix) => format!("del {} --prefix", written(prefix)),
        };
        let chunks = targets.chunks(KEYS_PER_TXN).map(|chunk| match chunk {
            [one] => del(one),
            many => {
                let all: Vec<String> = many.iter().map(del).collect();
                format!("txn then {} end", all.join(" ; "))
            }
        });
        let lines: Vec<String> = chunks.collect();
        let script = match lines.as_slice() {
            [line] => format!("{line}\nexpect deleted == {count}"),
            many => {
                let lines: Vec<String> =
                    many.iter().map(|line| format!("{line}\nexpect deleted >= 0")).collect();
                lines.join("\n")
            }
        };
        let keys = targets.iter().map(|target| match target {
            Target::Key(key) | Target::Prefix(key) => key.clone(),
        });
        Self { line: lines.join("\n"), script, keys: keys.collect() }
    }

    /// A change of many, as far as it came.
    pub(crate) fn bulk(bulk: &Bulk, changed: &Changed) -> Self {
        let batches = &changed.batches;
        match bulk {
            Bulk::Delete { .. } => {
                let targets: Vec<Target> =
                    batches.iter().flat_map(|batch| batch.targets.iter().cloned()).collect();
                Self::delete(&targets, changed.count)
            }
            Bulk::PutBack { .. } => Self::put_back(bulk, changed.count),
            Bulk::TakeAway(_) => Self::take_away(batches),
        }
    }

    /// Keys that were put back: the reads that say what they were.
    fn put_back(bulk: &Bulk, count: u64) -> Self {
        let batches = if let Bulk::PutBack { batches, .. } = bulk { &batches[..] } else { &[] };
        let get = |target: &Target, revision: i64| {
            let at = format!("--rev={revision}");
            match target {
                Target::Key(key) => CommandLine::new("get").arg(key).flag(&at),
                Target::Prefix(key) => CommandLine::new("get").arg(key).flag("--prefix").flag(&at),
            }
        };
        let all = batches.iter().flat_map(|batch| {
            batch.targets.iter().map(|target| get(target, batch.revision).language())
        });
        let lines: Vec<String> = all.take(KEYS_PER_TXN).collect();
        let shown: String = lines.iter().flat_map(|line| ["\n#   ", line]).collect();
        let why = "keys put back as they were, at a revision that is of this cluster";
        let script = format!("# {count} {why}:{shown}");
        Self { line: lines.join("\n"), script, keys: Vec::new() }
    }

    /// Keys that were deleted because they had been put back: each guarded. I1
    fn take_away(batches: &[Batch]) -> Self {
        let all = batches.iter().flat_map(|batch| {
            batch.targets.iter().map(|target| {
                let (Target::Key(key) | Target::Prefix(key)) = target;
                let (key, expected) = (key.clone(), batch.revision);
                Self::write(&Write { key, expected, change: Change::Delete }, None)
            })
        });
        let all: Vec<Self> = all.take(KEYS_PER_TXN).collect();
        let join = |part: fn(&Self) -> &str| all.iter().map(part).collect::<Vec<_>>().join("\n");
        Self {
            line: join(|replay| &replay.line),
            script: join(|replay| &replay.script),
            keys: all.iter().flat_map(|replay| replay.keys.iter().cloned()).collect(),
        }
    }

    /// A change of many of which nobody knows whether it was made.
    pub(crate) fn given_up(bulk: &Bulk) -> Self {
        let made = match bulk {
            Bulk::Delete { targets, .. } => Self::delete(targets, 0),
            Bulk::PutBack { .. } => Self::put_back(bulk, 0),
            Bulk::TakeAway(batches) => Self::take_away(batches),
        };
        let lines = made.line.lines().map(|line| format!("\n#   {line}")).collect::<Vec<_>>();
        Self { script: format!("# given up; it may have been done:{}", lines.concat()), ..made }
    }

    /// A jump to a key that is there.
    pub(crate) fn jump(key: &Bytes, at: Option<i64>) -> Self {
        let get = CommandLine::new("get").arg(key);
        match at {
            Some(at) => Self::at_revision(get, at),
            None => Self { keys: vec![key.clone()], ..Self::simple(get.language(), "count == 1") },
        }
    }

    /// A look at all keys below a prefix, at a revision.
    pub(crate) fn travel(prefix: &Bytes, at: i64) -> Self {
        let get = CommandLine::new("get").arg(prefix).flag("--prefix").flag("--keys-only");
        Self::at_revision(get, at)
    }

    fn at_revision(get: CommandLine, at: i64) -> Self {
        Self::unrepeatable(
            &get.flag(format!("--rev={at}")),
            "looked at, at a revision that is of this cluster",
        )
    }

    /// The versions of a key.
    pub(crate) fn history(key: &Bytes) -> Self {
        let line = CommandLine::line("\\history").arg(key).language();
        Self { keys: vec![key.clone()], ..Self::simple(line, "ok") }
    }

    /// A tail: in a script it goes on in the background, from the first revision on or from now on.
    pub(crate) fn tail(name: &str, spec: &Spec) -> Self {
        let from = spec.from.map(|_| 1);
        let watch = Spec { from, ..spec.clone() }.command().language();
        let keys = spec.command().args().to_vec();
        let again = Self::simple(format!("{watch} & as {name}"), "ok");
        Self { line: spec.command().language(), keys, ..again }
    }

    /// A lease was granted for so many seconds; with an id other than 0, for which the language has no word.
    pub(crate) fn grant(ttl: i64, id: i64) -> Self {
        let granted = Self::simple(format!("lease grant {ttl}"), "ok");
        if id == 0 {
            return granted;
        }
        let script = format!("# with the id {}\n{}", lease_hex(id), granted.script);
        Self { script, ..granted }
    }

    /// Something was done to a lease by a command of the group.
    pub(crate) fn lease(command: &str, id: i64) -> Self {
        let command = CommandLine::line(&format!("lease {command} {}", lease_hex(id)));
        Self::unrepeatable(&command, "a lease that no other cluster has")
    }

    /// Users or roles were changed by a command, which names these keys.
    pub(crate) fn users(command: &CommandLine, keys: Vec<Bytes>) -> Self {
        Self { keys, ..Self::simple(command.language(), "ok") }
    }

    /// A password was typed for a command, which a script would have to be told.
    pub(crate) fn password(command: &CommandLine) -> Self {
        Self { keys: Vec::new(), ..Self::unrepeatable(command, "a password was typed for it") }
    }

    /// Something that was done to the members.
    pub(crate) fn cluster(line: impl Into<String>) -> Self {
        let command = CommandLine::line(&line.into());
        Self::unrepeatable(&command, "of members that no other cluster has")
    }

    /// A bundled member was killed.
    pub(crate) fn kill(name: &str) -> Self {
        Self::simple(format!("\\kill {}", written(name.as_bytes())), "ok")
    }

    /// A bundled member was started again.
    pub(crate) fn restart(name: &str) -> Self {
        Self::simple(format!("\\restart {}", written(name.as_bytes())), "ok")
    }
}

#[cfg(test)]
mod tests {
    use mini_etcd_shared::language::{parse_input, parse_script};

    use super::*;
    use crate::screens::keys::model::Meta;

    fn key() -> Bytes {
        Bytes::from_static(b"\xff 'k)")
    }

    fn write(expected: i64, change: Change) -> Replay {
        let before = Entry { key: key(), meta: Meta::default(), value: "old".into() };
        let before = Some(before).filter(|_| expected != 0);
        Replay::write(&Write { key: key(), expected, change }, before.as_ref())
    }

    #[test]
    fn a_guarded_change_is_guarded_when_it_is_done_again() {
        let edit = write(57, Change::Value("two\nlines".into()));
        let (k, v) = (r#""\xff 'k)""#, r#""two\nlines""#);
        assert_eq!(
            edit.line,
            format!("txn if mod({k}) = \"57\" then put {k} {v} --ignore-lease end")
        );
        assert_eq!(
            edit.script,
            format!(
                "get {k} -w json | json .kvs[0].mod_revision -> SEEN_REV\nexpect count == 1\n\
                 expect value == old\n\
                 txn if mod({k}) = \"$SEEN_REV\" then put {k} {v} --ignore-lease end\n\
                 expect succeeded == true"
            )
        );
        let new = write(0, Change::Value("v".into()));
        assert_eq!(new.line, format!("txn if version({k}) = \"0\" then put {k} v end"));
        let back = write(0, Change::Put("v".into(), 0x7f));
        assert!(back.line.ends_with("put \"\\xff 'k)\" v --lease=7f end"), "{}", back.line);
        assert!(!back.script.contains("--lease"), "{}", back.script);
        assert!(write(57, Change::Delete).script.ends_with("\nexpect deleted == 1"));
    }

    #[test]
    fn all_that_is_done_by_keys_reads_back() {
        let many: Vec<Target> = (0..101).map(|n| Target::Key(format!("k{n}").into())).collect();
        let all = [
            write(57, Change::Delete),
            write(57, Change::Put("-x".into(), 3)),
            Replay::not_made(&Write { key: key(), expected: 4, change: Change::Delete }, "no"),
            Replay::delete(&[Target::Prefix("".into())], 3),
            Replay::delete(&[Target::Key("put".into()), Target::Prefix("-a".into())], 3),
            Replay::delete(&many, 101),
            Replay::jump(&key(), None),
            Replay::jump(&key(), Some(5)),
            Replay::travel(&key(), 5),
            Replay::history(&key()),
            Replay::tail("tail1", &Spec { key: key(), from: Some(7), ..Spec::default() }),
            Replay::grant(60, 0),
            Replay::grant(60, 0x7f3a),
            Replay::lease("revoke", 0x7f3a),
            Replay::lease("keep-alive --once", 0x7f3a),
            Replay::cluster("member add n4 --learner --peer-urls=http://a:1"),
            Replay::kill("n1"),
            Replay::restart("n1"),
        ];
        for replay in all {
            parse_script(replay.script.as_bytes()).expect(&replay.script);
            parse_input(replay.line.as_bytes()).expect(&replay.line);
        }
    }
}
