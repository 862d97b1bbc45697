//! A short differential run beside etcd (`mini_etcd_tests::differential`), and what of it `docs/compat.md` says.
//!
//! `ETCD_BIN` names etcd 3.5.1's server.

use std::collections::BTreeSet;
use std::path::Path;

use mini_etcd_proto::authpb::{Permission, permission};
use mini_etcd_proto::etcdserverpb as pb;
use mini_etcd_proto::etcdserverpb::watch_request::RequestUnion;
use mini_etcd_tests::differential::deviations::{DEVIATIONS, SILENCED, UNSENT};
use mini_etcd_tests::differential::generate::Generator;
use mini_etcd_tests::differential::{Step, run};
use mini_etcd_tests::process::etcd_binary;
use prost::Message as _;

/// Steps of each seed.
const STEPS: usize = 3000;

async fn answers_are_the_same(seed: u64) -> anyhow::Result<()> {
    let outcome = run(&etcd_binary("ETCD_BIN")?, Generator::new(seed).take(STEPS)).await?;
    if let Some(difference) = outcome.difference {
        anyhow::bail!(
            "seed {seed}, {difference}\nthe fewest steps that show it: mini-etcd-differential --seed {seed} --requests {STEPS}"
        );
    }
    assert_eq!(outcome.steps, STEPS);
    // A run of nothing but refusals would compare nothing.
    let good = outcome.codes.get("Ok").copied().unwrap_or_default();
    assert!(good > STEPS / 4 && outcome.codes.len() > 20, "{:?}", outcome.codes);
    Ok(())
}

#[tokio::test]
async fn a_random_stream_of_requests_is_answered_as_by_etcd() -> anyhow::Result<()> {
    answers_are_the_same(1).await
}

#[tokio::test]
async fn another_random_stream_of_requests_is_answered_as_by_etcd() -> anyhow::Result<()> {
    answers_are_the_same(2).await
}

/// Users count from here on, and alice may read and write "a" alone.
fn secured() -> Vec<Step> {
    let mut steps = Vec::new();
    for name in ["root", "alice"] {
        let (name, password) = (name.to_owned(), name.to_owned());
        let user = pb::AuthUserAddRequest { name, password, ..pb::AuthUserAddRequest::default() };
        steps.push(Step::call("/etcdserverpb.Auth/UserAdd", &user));
    }
    let role = pb::AuthRoleAddRequest { name: "r".to_owned() };
    steps.push(Step::call("/etcdserverpb.Auth/RoleAdd", &role));
    let both = i32::from(permission::Type::Readwrite);
    let perm = Some(Permission { perm_type: both, key: "a".into(), ..Permission::default() });
    let grant = pb::AuthRoleGrantPermissionRequest { name: "r".to_owned(), perm };
    steps.push(Step::call("/etcdserverpb.Auth/RoleGrantPermission", &grant));
    for (user, role) in [("root", "root"), ("alice", "r")] {
        let grant = pb::AuthUserGrantRoleRequest { user: user.to_owned(), role: role.to_owned() };
        steps.push(Step::call("/etcdserverpb.Auth/UserGrantRole", &grant));
    }
    steps.push(Step::call("/etcdserverpb.Auth/AuthEnable", &pb::AuthEnableRequest {}));
    let (name, password) = ("alice".to_owned(), "alice".to_owned());
    let login = pb::AuthenticateRequest { name, password };
    steps.push(Step::call("/etcdserverpb.Auth/Authenticate", &login));
    steps
}

/// Alice's watch of a key, on one stream.
fn watch(key: &'static str, watch_id: i64) -> Step {
    let create = pb::WatchCreateRequest { key: key.into(), watch_id, ..Default::default() };
    let request_union = Some(RequestUnion::CreateRequest(create));
    let message = pb::WatchRequest { request_union }.encode_to_vec().into();
    Step::Watch { stream: 0, message, user: "alice" }
}

/// Goal: of what a refusal silences in etcd 3.5.1 the run says its name, and goes on. Method: watches 0 and 7 of a key, one that
/// is refused with the number 0, a put, the end of watch 0, another put.
#[tokio::test]
async fn a_watch_that_a_refusal_silences_is_passed_over() -> anyhow::Result<()> {
    let put = || {
        let put = pb::PutRequest { key: "a".into(), ..pb::PutRequest::default() };
        Step::call("/etcdserverpb.KV/Put", &put).by("alice")
    };
    let cancel = RequestUnion::CancelRequest(pb::WatchCancelRequest { watch_id: 0 });
    let message = pb::WatchRequest { request_union: Some(cancel) }.encode_to_vec().into();
    let cancel = Step::Watch { stream: 0, message, user: "alice" };
    let steps = [watch("a", 0), watch("a", 7), put(), watch("b", 0), put(), Step::Compare];
    let steps = secured().into_iter().chain(steps).chain([cancel, put(), Step::Compare]);
    let outcome = run(&etcd_binary("ETCD_BIN")?, steps).await?;
    if let Some(difference) = outcome.difference {
        anyhow::bail!("{difference}");
    }
    assert_eq!(outcome.passed_over.into_iter().collect::<Vec<_>>(), [(SILENCED, 1)]);
    Ok(())
}

#[test]
fn what_may_differ_is_listed_for_users() -> anyhow::Result<()> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/compat.md");
    let page = std::fs::read_to_string(page)?;
    let section = page.split("\n## ").find(|section| section.starts_with("The differential run"));
    let rows = section.unwrap_or_default().lines().filter_map(|line| line.strip_prefix("| "));
    let listed: BTreeSet<_> =
        rows.filter_map(|row| row.split(" | ").next()).filter(|name| *name != "name").collect();
    let names = DEVIATIONS.iter().map(|it| it.name).chain(UNSENT.iter().map(|it| it.name));
    assert_eq!(listed, names.chain([SILENCED]).collect::<BTreeSet<_>>());
    Ok(())
}
