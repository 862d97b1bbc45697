//! What the Keys screen does, as command lines.

use mini_etcd_shared::language::written;

use crate::app::keyspace::ask::{Change, Question, Target as Keys};

/// What a question of the Keys screen does, as command lines; none for one that only reads.
pub(in crate::engine) fn of(question: &Question) -> Vec<String> {
    match question {
        Question::Write(write) => {
            let key = written(&write.key);
            vec![match &write.change {
                Change::Value(value) | Change::Put(value, 0) => {
                    format!("put {key} {}", written(value))
                }
                // The lease is another one when the script runs.
                Change::Put(value, lease) => {
                    format!("put {key} {} # it had lease {lease:x}", written(value))
                }
                Change::Delete => format!("del {key}"),
            }]
        }
        Question::Delete(targets) => {
            let line = |target: &Keys| match target {
                Keys::Key(key) => format!("del {}", written(key)),
                Keys::Prefix(prefix) => format!("del {} --prefix", written(prefix)),
            };
            targets.iter().map(line).collect()
        }
        _ => Vec::new(),
    }
}
