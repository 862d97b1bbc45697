//! What is expected of a statement the next time: what came of it, as far as that holds in any cluster with these keys.

use mini_etcd_proto::etcdserverpb::RangeResponse;
use mini_etcd_proto::etcdserverpb::response_op::Response;
use mini_etcd_shared::error::code_name;
use mini_etcd_shared::exec::Answer;
use mini_etcd_shared::language::{OWN_VARIABLES, Variables, written};
use mini_etcd_shared::session::Outcome;

/// Bytes of a value that is expected to come again.
pub(crate) const VALUE_BYTES_MAX: usize = 1 << 10;

/// Conditions that held; never none.
pub(super) fn expectations(outcome: &Outcome, variables: &Variables) -> Vec<String> {
    if let Some(failure) = &outcome.failure {
        let code = failure.error.as_ref().map_or("", |error| code_name(error.code()));
        return vec![format!("error {code}").trim_end().to_owned()];
    }
    let mut held = match &outcome.answer {
        Some(Answer::Get { response, count_only, .. }) => {
            range(response, !count_only && !outcome.keys_only, variables)
        }
        Some(Answer::Del(response)) => vec![format!("deleted == {}", response.deleted)],
        Some(Answer::Txn(response)) => {
            let mut held = vec![format!("succeeded == {}", response.succeeded)];
            let mut parts = response.responses.iter().filter_map(|op| op.response.as_ref());
            if parts.clone().any(|part| matches!(part, Response::ResponseDeleteRange(_))) {
                held.extend(outcome.deleted().map(|deleted| format!("deleted == {deleted}")));
            }
            let read = parts.find_map(|part| match part {
                Response::ResponseRange(response) => Some(response),
                _ => None,
            });
            held.extend(read.map(|read| range(read, true, variables)).unwrap_or_default());
            held
        }
        Some(Answer::Put(response)) => {
            let before = response.prev_kv.as_ref().and_then(|kv| value(&kv.value, variables));
            before.into_iter().collect()
        }
        // As many as the cluster has, which may be another one.
        Some(
            Answer::MemberList(_)
            | Answer::EndpointStatus(_)
            | Answer::EndpointHealth(_)
            | Answer::EndpointHashKv(_),
        ) => vec!["count >= 1".to_owned()],
        Some(Answer::AlarmList(response)) => vec![format!("count == {}", response.alarms.len())],
        _ => Vec::new(),
    };
    if held.is_empty() {
        held.push("ok".to_owned());
    }
    held
}

fn range(response: &RangeResponse, values: bool, variables: &Variables) -> Vec<String> {
    let count = format!("count == {}", response.count);
    match response.kvs.as_slice() {
        [] if response.count == 0 && values => vec!["key absent".to_owned()],
        [only] if response.count == 1 => {
            let value = value(&only.value, variables).filter(|_| values);
            value.into_iter().chain([count]).collect()
        }
        _ => vec![count],
    }
}

/// What a value is expected to be; `None` when it is long, or another one in every run.
fn value(bytes: &[u8], variables: &Variables) -> Option<String> {
    if bytes.len() > VALUE_BYTES_MAX {
        return None;
    }
    let of_this_run = |name| {
        variables
            .get(name)
            .is_some_and(|own| !own.is_empty() && bytes.windows(own.len()).any(|part| part == own))
    };
    if of_this_run("RUN") || of_this_run("TMP") {
        return None;
    }
    // A number that was stored, such as a revision, is another one the next time.
    let number = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    let stored = variables
        .iter()
        .find(|(name, value)| number && *value == bytes && !OWN_VARIABLES.contains(name));
    Some(match stored {
        Some((name, _)) => format!("value == \"${name}\""),
        None => format!("value == {}", written(bytes)),
    })
}

#[cfg(test)]
mod tests {
    use mini_etcd_proto::mvccpb::KeyValue;

    use super::*;

    fn got(values: &[&[u8]]) -> Outcome {
        let kvs: Vec<_> = values
            .iter()
            .map(|value| KeyValue { value: value.to_vec().into(), ..KeyValue::default() })
            .collect();
        let count = i64::try_from(kvs.len()).unwrap();
        let response = RangeResponse { kvs, count, ..RangeResponse::default() };
        let answer = Answer::Get { response, values_only: false, count_only: false };
        Outcome { answer: Some(answer), ..Outcome::default() }
    }

    #[test]
    fn what_came_is_expected_and_what_is_of_this_run_is_not() {
        let mut variables = Variables::default();
        variables.set("RUN", "r7k2");
        variables.set("R", "57");
        variables.set("rev", "58");
        let expected = |outcome: &Outcome| expectations(outcome, &variables).join(", ");
        assert_eq!(expected(&got(&[b"v v"])), "value == 'v v', count == 1");
        assert_eq!(expected(&got(&[])), "key absent");
        assert_eq!(expected(&got(&[b"1", b"2"])), "count == 2");
        assert_eq!(expected(&got(&[b"\xff"])), "value == \"\\xff\", count == 1");
        assert_eq!(expected(&got(&[b"57"])), "value == \"$R\", count == 1");
        assert_eq!(expected(&got(&[b"/ci/r7k2/a"])), "count == 1");
        assert_eq!(expected(&got(&[&[b'x'; VALUE_BYTES_MAX + 1]])), "count == 1");
        assert_eq!(expected(&Outcome { keys_only: true, ..got(&[]) }), "count == 0");
        assert_eq!(expected(&Outcome::default()), "ok");
    }
}
