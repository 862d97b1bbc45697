//! [`path_in`]: follows a path into JSON; it takes the names of our readable form, of etcdctl's JSON and of the gateway's alike.

use serde_json::{Map, Value};

use crate::language::{Path, Step};

/// Names that are told when a way leads nowhere.
const NAMES_MAX: usize = 20;

/// Objects around the answer of an operation, by the name that each form has for them.
const OPERATIONS: &[(&str, &[&str])] = &[
    ("get", &["responserange", "range"]),
    ("put", &["responseput"]),
    ("del", &["responsedeleterange", "deleterange"]),
    ("txn", &["responsetxn"]),
];
/// Objects that only some forms have around others.
const AROUND: &[&str] = &["Response", "Status", "HashKV", "kv"];

/// A way that leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no {path}: {place} has {has}")]
pub struct Missing {
    /// The way.
    pub path: String,
    /// How far it leads.
    pub place: String,
    /// What is there.
    pub has: String,
}

/// What a path leads to. A step into a text that is JSON itself goes into that.
///
/// # Errors
/// How far it leads, and what is there.
pub fn path_in(document: &Value, path: &Path) -> Result<Value, Missing> {
    let mut at = document.clone();
    let mut place = String::new();
    for step in &path.steps {
        if let Value::String(text) = &at
            && let Ok(inner) = serde_json::from_str(text)
        {
            at = inner;
        }
        let next = match step {
            Step::Field(name) => field(&at, name),
            Step::Item(index) => at.get(index),
        };
        let Some(next) = next else {
            let place = if place.is_empty() { "the answer".to_owned() } else { place };
            return Err(Missing { path: path.text.clone(), place, has: names(&at) });
        };
        at = next.clone();
        match step {
            Step::Field(name) => {
                place.push('.');
                place.push_str(name);
            }
            Step::Item(index) => {
                place.push('[');
                place.push_str(&index.to_string());
                place.push(']');
            }
        }
    }
    Ok(at)
}

/// The field of this name, or of the same name in another form.
fn field<'a>(at: &'a Value, name: &str) -> Option<&'a Value> {
    let object = at.as_object()?;
    if let Some(found) = object.get(name) {
        return Some(found);
    }
    let wanted = plain(name);
    if let Some((_, found)) = object.iter().find(|(known, _)| plain(known) == wanted) {
        return Some(found);
    }
    // A form that does not have this object around what it holds.
    let stays = match name {
        "Response" => wrapped(object).is_some(),
        "Status" | "HashKV" => object.contains_key("endpoint"),
        "kv" => object.contains_key("key"),
        _ => false,
    };
    if stays {
        return Some(at);
    }
    field(wrapped(object)?, name)
}

/// A name without what the forms write differently: `clientURLs`, `client_urls`; `isLearner`, `learner`.
fn plain(name: &str) -> String {
    let lower: String = name.chars().filter(|c| *c != '_').collect::<String>().to_lowercase();
    let alike = OPERATIONS.iter().find(|(_, names)| names.contains(&lower.as_str()));
    if let Some((short, _)) = alike {
        return (*short).to_owned();
    }
    match lower.as_str() {
        "islearner" => "learner".to_owned(),
        _ => lower,
    }
}

/// What stands in an object that holds nothing but one other.
fn wrapped(object: &Map<String, Value>) -> Option<&Value> {
    let mut fields = object.iter();
    let (name, inner) = fields.next()?;
    let is_operation = OPERATIONS.iter().any(|(short, _)| *short == plain(name));
    let around = AROUND.contains(&name.as_str()) || is_operation;
    (fields.next().is_none() && around).then_some(inner)
}

fn names(at: &Value) -> String {
    match at {
        Value::Object(object) if object.is_empty() => "no fields".to_owned(),
        Value::Object(object) => {
            let mut names: Vec<_> = object.keys().take(NAMES_MAX).map(String::as_str).collect();
            if object.len() > NAMES_MAX {
                names.push("...");
            }
            names.join(", ")
        }
        Value::Array(items) => match items.len() {
            0 => "no items".to_owned(),
            1 => "one item, [0]".to_owned(),
            count => format!("{count} items, [0] to [{}]", count - 1),
        },
        Value::String(_) => "a text".to_owned(),
        Value::Null => "nothing".to_owned(),
        other => format!("{other}, which has no parts"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::language::{Filter, StatementKind, parse_input};

    fn found(document: &Value, path: &str) -> Result<Value, String> {
        let statements = parse_input(format!("get k | json {path}").as_bytes()).unwrap();
        let StatementKind::Run(run) = &statements[0].kind else { panic!() };
        let Filter::Json(path) = &run.filters[0] else { panic!() };
        path_in(document, path).map_err(|missing| missing.to_string())
    }

    #[test]
    fn a_path_takes_the_names_of_every_form() {
        let ours = json!({"responses": [{"get": {"kvs": [{"key": "a"}], "count": 1}}]});
        let theirs = json!({"responses":
            [{"Response": {"response_range": {"kvs": [{"key": "a"}], "count": 1}}}]});
        for document in [&ours, &theirs] {
            for path in [
                ".responses[0].kvs[0].key",
                ".responses[0].get.kvs[0].key",
                ".responses[0].response_range.kvs[0].key",
                ".responses[0].Response.response_range.kvs[0].key",
                ".responses[0].Response.ResponseRange.kvs[0].key",
            ] {
                assert_eq!(found(document, path), Ok(json!("a")), "{document} {path}");
            }
        }
        for (document, path, value) in [
            (
                json!({"members": [{"id": "1f", "client_urls": ["u"]}]}),
                ".members[0].clientURLs[0]",
                json!("u"),
            ),
            (json!({"members": [{"ID": 7}]}), ".members[0].id", json!(7)),
            (json!({"learner": true}), ".isLearner", json!(true)),
            (json!([{"endpoint": "e", "raft_index": 5}]), "[0].Status.raftIndex", json!(5)),
            (
                json!([{"Endpoint": "e", "Status": {"raftIndex": 5}}]),
                "[0].Status.raft_index",
                json!(5),
            ),
            (json!({"Events": [{"kv": {"key": "a"}}]}), ".events[0].kv.key", json!("a")),
            (json!({"events": [{"key": "a", "type": "PUT"}]}), ".Events[0].kv.key", json!("a")),
            (json!({"kvs": [{"value": "{\"a\":[1]}"}]}), ".kvs[0].value.a[0]", json!(1)),
        ] {
            assert_eq!(found(&document, path), Ok(value), "{document} {path}");
        }
    }

    #[test]
    fn a_path_that_leads_nowhere_names_what_is_there() {
        let document = json!({"kvs": [{"key": "a", "value": "b"}], "count": 1});
        for (path, words) in [
            (".kv", "there is no .kv: the answer has count, kvs"),
            (".kvs[3]", "there is no .kvs[3]: .kvs has one item, [0]"),
            (".kvs[0].lease", "there is no .kvs[0].lease: .kvs[0] has key, value"),
            (".kvs[0].key.a", "there is no .kvs[0].key.a: .kvs[0].key has a text"),
            (".count.a", "there is no .count.a: .count has 1, which has no parts"),
        ] {
            let refused =
                found(&document, path).map_err(|words| words.replace("kvs, count", "count, kvs"));
            assert_eq!(refused, Err(words.to_owned()));
        }
    }
}
