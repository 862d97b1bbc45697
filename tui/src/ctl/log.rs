//! Log lines as etcdctl writes them: one JSON object each.

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use crate::widget::rfc3339;

/// One line of `level` with a message and more.
#[expect(
    clippy::disallowed_methods,
    reason = "a command line tool has no clock to share with a simulation"
)]
pub(super) fn line(level: &str, message: &str, more: &[(&str, &str)]) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut object = Map::new();
    object.insert("level".to_owned(), json!(level));
    let time = rfc3339(now.as_secs());
    let time = format!("{}.{:06}Z", time.trim_end_matches('Z'), now.subsec_micros());
    object.insert("ts".to_owned(), json!(time));
    object.insert("msg".to_owned(), json!(message));
    for (name, value) in more {
        object.insert((*name).to_owned(), json!(value));
    }
    Value::Object(object).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_time_as_etcdctl_writes_it() {
        let line: Value = serde_json::from_str(&line("warn", "m", &[("k", "v")])).unwrap();
        let time = line["ts"].as_str().unwrap();
        assert!(time.len() == "2026-11-30T04:03:26.460356Z".len(), "{time}");
        assert!(time.ends_with('Z') && time.get(10..11) == Some("T"), "{time}");
        assert_eq!(
            (&line["level"], &line["msg"], &line["k"]),
            (&json!("warn"), &json!("m"), &json!("v"))
        );
    }
}
