//! [`Answer`]: what a command answers. It says what it shows, and the formats show it without knowing which command it is of.

use std::fmt;

use bytes::Bytes;
use mini_etcd_proto::mvccpb::KeyValue;

use super::{Format, Message, Page, Value};
use crate::failure::Failure;

/// What servers answered to a command, unformatted.
pub trait Answer: fmt::Debug + Send + Sync {
    /// Its fields, or those of each endpoint. `hex` is `--hex` of `json`.
    fn shown(&self, hex: bool) -> Value;

    /// Writes its lines for people; by default the rows of its table.
    fn simple(&self, page: &mut Page<'_>) {
        for row in self.table().unwrap_or_default().rows {
            page.line(&row.join(", "));
        }
    }

    /// Its table, when it has one.
    fn table(&self) -> Option<Table> {
        None
    }

    /// The message as it was sent, when it is one.
    fn protobuf(&self) -> Option<Vec<u8>> {
        None
    }

    /// The lines of `jsonl`: its rows, or else the whole of it.
    fn rows(&self) -> Vec<Message> {
        match self.shown(false) {
            Value::List(list) => list,
            Value::Message(message) => {
                let rows = |field: &super::Field| match &field.value {
                    Value::Rows(rows) => Some(rows.clone()),
                    _ => None,
                };
                message.iter().find_map(rows).unwrap_or_else(|| vec![message])
            }
            _ => Vec::new(),
        }
    }

    /// The format that it is shown in when this one is asked for.
    ///
    /// # Errors
    /// When that would hide what its flags ask for.
    fn format(&self, asked: Format) -> Result<Format, Failure> {
        Ok(asked)
    }

    /// What variables and conditions tell of it.
    fn facts(&self) -> Facts<'_> {
        Facts::default()
    }

    /// What `->` stores; `None` for what it prints.
    ///
    /// # Errors
    /// When there is nothing to store.
    fn primary(&self) -> Result<Option<Bytes>, Failure> {
        Ok(None)
    }

    /// Whether what `->` stores of it is another one in every cluster.
    fn is_of_cluster(&self) -> bool {
        false
    }

    /// A line of `simple`, with `<*>` for what is another one in every cluster.
    fn masked(&self, line: &str) -> String {
        line.to_owned()
    }

    /// Conditions that hold of it in every cluster with the same keys. `value` writes the condition of a value, unless
    /// that is another one in every run.
    fn expected(&self, _value: &dyn Fn(&[u8]) -> Option<String>) -> Vec<String> {
        let count = self.facts().count;
        // A cluster may have more members than this one.
        let held =
            |count| if self.is_of_cluster() { ">= 1".to_owned() } else { format!("== {count}") };
        count.map(|count| format!("count {}", held(count))).into_iter().collect()
    }
}

/// What is told of an answer beside how it looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// Revision of the answer.
    pub rev: Option<i64>,
    /// How many keys, members or endpoints it is about.
    pub count: Option<i64>,
    /// How many keys were deleted, in a transaction by all its operations.
    pub deleted: Option<i64>,
    /// Whether a transaction's comparisons held.
    pub succeeded: Option<bool>,
    /// The first key that it shows; of a watch the last event's.
    pub first: Option<&'a KeyValue>,
}

/// Rows under a head.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Titles of the columns.
    pub head: &'static [&'static str],
    /// Cells.
    pub rows: Vec<Vec<String>>,
}

/// A length as a count.
pub(crate) fn count_of(length: usize) -> Option<i64> {
    i64::try_from(length).ok()
}
