//! Log lines as etcdctl writes them: one JSON object each.

use std::time::SystemTime;

use serde_json::{Map, Value, json};

/// One line of `level` with a message and more.
#[expect(
    clippy::disallowed_methods,
    reason = "a command line tool has no clock to share with a simulation"
)]
pub(super) fn line(level: &str, message: &str, more: &[(&str, &str)]) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut object = Map::new();
    object.insert("level".to_owned(), json!(level));
    object.insert("ts".to_owned(), json!(now.as_secs_f64()));
    object.insert("msg".to_owned(), json!(message));
    for (name, value) in more {
        object.insert((*name).to_owned(), json!(value));
    }
    Value::Object(object).to_string()
}
