//! The sample data of a demo on a real member.

use std::time::Duration;

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::{
    AuthUserGetRequest, AuthUserListRequest, LeaseLeasesRequest, LeaseTimeToLiveRequest,
    RangeRequest,
};
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

/// The leases by their ids: seconds granted, and keys.
async fn leases(member: &Member) -> Vec<(i64, i64, Vec<Bytes>)> {
    let client = member.client();
    let listed = client.lease_leases(LeaseLeasesRequest {}).await.into_result().unwrap();
    let mut leases = Vec::new();
    for lease in listed.leases {
        let request = LeaseTimeToLiveRequest { id: lease.id, keys: true };
        let told = client.lease_time_to_live(request).await.into_result().unwrap();
        leases.push((told.id, told.granted_ttl, told.keys));
    }
    leases.sort();
    leases
}

/// The users with their roles.
async fn users(member: &Member) -> Vec<(String, Vec<String>)> {
    let client = member.client();
    let listed = client.user_list(AuthUserListRequest {}).await.into_result().unwrap();
    let mut users = Vec::new();
    for name in listed.users {
        let request = AuthUserGetRequest { name: name.clone() };
        users.push((name, client.user_get(request).await.into_result().unwrap().roles));
    }
    users
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
    let leases = (leases(&one).await, leases(&other).await);
    assert_eq!(leases.0, leases.1);
    assert_eq!(leases.0.len(), 4);
    assert_eq!(leases.0[0].1, 60, "the one that is renewed");
    assert_eq!(leases.0[0].2, ["leaders/scheduler"]);
    assert!(leases.0.iter().any(|(_, _, keys)| keys.is_empty()), "an orphan");
    let users = (users(&one).await, users(&other).await);
    assert_eq!(users.0, users.1);
    assert_eq!(users.0[0], ("ana".to_owned(), vec!["config-reader".to_owned(), "deployer".into()]));
    assert!(users.0.iter().any(|(_, roles)| roles.is_empty()), "one without a role");
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
    let leases = leases(&member).await;
    assert!(leases.len() == 4 && leases.iter().all(|(_, ttl, _)| *ttl > 3600), "{leases:?}");
    let latest = all(&member, 0).await.unwrap();
    assert_eq!((data, newest), latest);
}
