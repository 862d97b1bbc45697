//! The sample data of a demo on a real member.

use std::time::Duration;

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::RangeRequest;
use mini_etcd_tui::demo::{Pace, run};

use crate::driver::{Member, client};

/// All keys with their values, and the revision of the answer.
async fn all(member: &Member, revision: i64) -> Result<(Vec<(Bytes, Bytes)>, i64), String> {
    let zero = Bytes::from_static(b"\0");
    let request =
        RangeRequest { key: zero.clone(), range_end: zero, revision, ..RangeRequest::default() };
    let answer = member.client().range(request).await.into_result();
    let answer = answer.map_err(|error| error.to_string())?;
    let pairs = answer.kvs.into_iter().map(|pair| (pair.key, pair.value)).collect();
    Ok((pairs, answer.header.unwrap().revision))
}

/// Goal: every demo has the same data, and its history does not grow for ever. Method: two members, and a pace that
/// keeps little.
#[tokio::test]
async fn two_demos_have_the_same_data_and_forget_what_lies_far_back() {
    let (one, other) = tokio::join!(Member::start(), Member::start());
    let pace = Pace { every: Duration::ZERO, kept: 40, changes: Some(150) };
    tokio::join!(run(client(&one.endpoint), pace), run(client(&other.endpoint), pace));
    let (data, newest) = all(&one, 0).await.unwrap();
    assert!(data.len() > 15, "{data:?}");
    assert_eq!(data, all(&other, 0).await.unwrap().0);
    assert!(all(&one, newest - 35).await.is_ok());
    let forgotten = all(&one, newest - 120).await.unwrap_err();
    assert!(forgotten.contains("compacted"), "{forgotten}");
}

#[tokio::test]
async fn a_console_that_only_looks_gets_the_seed_and_no_more() {
    let member = Member::start().await;
    run(client(&member.endpoint), Pace::of_console(true)).await;
    let (data, newest) = all(&member, 0).await.unwrap();
    assert!(data.iter().any(|(key, _)| key == "about-this-demo"));
    let latest = all(&member, 0).await.unwrap();
    assert_eq!((data, newest), latest);
}
