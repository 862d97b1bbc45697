//! What is expected of a statement the next time: what came of it, as far as that holds in any cluster with these keys.

use mini_etcd_proto::etcdserverpb::RangeResponse;
use mini_etcd_proto::etcdserverpb::response_op::Response;
use mini_etcd_shared::error::code_name;
use mini_etcd_shared::exec::Answer;
use mini_etcd_shared::session::{Fickle, Outcome};

/// Bytes of a value that is expected to come again.
pub(crate) const VALUE_BYTES_MAX: usize = 1 << 10;

/// Conditions that held; never none.
pub(super) fn expectations(outcome: &Outcome, fickle: &Fickle) -> Vec<String> {
    if let Some(failure) = &outcome.failure {
        let code = failure.error.as_ref().map_or("", |error| code_name(error.code()));
        return vec![format!("error {code}").trim_end().to_owned()];
    }
    let mut held = match &outcome.answer {
        Some(Answer::Get { response, count_only, .. }) => {
            range(response, !count_only && !outcome.keys_only, fickle)
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
            held.extend(read.map(|read| range(read, true, fickle)).unwrap_or_default());
            held
        }
        Some(Answer::Put(response)) => {
            let before = response.prev_kv.as_ref().and_then(|kv| value(&kv.value, fickle));
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

fn range(response: &RangeResponse, values: bool, fickle: &Fickle) -> Vec<String> {
    let count = format!("count == {}", response.count);
    match response.kvs.as_slice() {
        [] if response.count == 0 && values => vec!["key absent".to_owned()],
        [only] if response.count == 1 => {
            let value = value(&only.value, fickle).filter(|_| values);
            value.into_iter().chain([count]).collect()
        }
        _ => vec![count],
    }
}

/// What a value is expected to be; `None` when it is long, or another one in every run.
fn value(bytes: &[u8], fickle: &Fickle) -> Option<String> {
    let short = Some(bytes).filter(|bytes| bytes.len() <= VALUE_BYTES_MAX)?;
    fickle.expected(short).map(|value| format!("value == {value}"))
}

#[cfg(test)]
mod tests {
    use mini_etcd_proto::etcdserverpb::PutResponse;
    use mini_etcd_proto::mvccpb::KeyValue;
    use mini_etcd_shared::language::{StatementKind, Variables, parse_input};

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
        let mut fickle = Fickle::default();
        let put = Outcome { answer: Some(Answer::Put(PutResponse::default())), ..got(&[]) };
        let statements = parse_input(b"put a b -> R").unwrap();
        let StatementKind::Run(run) = &statements[0].kind else { panic!("a command") };
        fickle.take(run, false, &put, &variables);
        let expected = |outcome: &Outcome| expectations(outcome, &fickle).join(", ");
        assert_eq!(expected(&got(&[b"v v"])), "value == 'v v', count == 1");
        assert_eq!(expected(&got(&[])), "key absent");
        assert_eq!(expected(&got(&[b"1", b"2"])), "count == 2");
        assert_eq!(expected(&got(&[b"\xff"])), "value == \"\\xff\", count == 1");
        assert_eq!(expected(&got(&[b"57"])), "value == \"$R\", count == 1");
        assert_eq!(expected(&got(&[b"/ci/r7k2/a"])), "count == 1");
        assert_eq!(expected(&got(&[b"at 57"])), "count == 1");
        assert_eq!(expected(&got(&[&[b'x'; VALUE_BYTES_MAX + 1]])), "count == 1");
        assert_eq!(expected(&Outcome { keys_only: true, ..got(&[]) }), "count == 0");
        assert_eq!(expected(&Outcome::default()), "ok");
    }
}
