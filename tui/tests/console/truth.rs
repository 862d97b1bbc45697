//! Goal: the first screen says what is true of a cluster, whatever of it can be seen. Method: fake servers of which each
//! shows one situation, the console's engine, and the screen as text at 80x24.

use mini_etcd_proto::adminpb::Progress;
use mini_etcd_proto::etcdserverpb::Member;
use mini_etcd_tui::app::Origin;

use crate::driver::Driver;
use crate::fake::{Fake, Mood, Running};
use crate::screens::text;

/// A member that tells its clients a name that nobody here can resolve.
fn hidden(id: u64) -> Member {
    Member {
        id,
        name: format!("n{id}"),
        client_ur_ls: vec![format!("http://n{id}.internal.invalid:2379")],
        ..Member::default()
    }
}

fn console(running: &Running) -> Driver {
    let endpoint = running.address.to_string();
    let mut driver = Driver::start(&endpoint);
    driver.state.size = (80, 24);
    driver.state.origin = Origin::Endpoints(vec![endpoint]);
    driver
}

/// Waits until the first screen shows all of this.
async fn shows(driver: &mut Driver, words: &[&str]) {
    let all = |shown: &str| words.iter().all(|word| shown.contains(word));
    driver.until(&format!("{words:?}"), |state| all(&text(state))).await;
}

#[tokio::test]
async fn a_member_that_was_added_and_never_started_is_not_alive() {
    let three = [
        Fake::start(1, 9, Mood::Stock).await,
        Fake::start(2, 9, Mood::Stock).await,
        Fake::start(3, 9, Mood::Stock).await,
    ];
    let mut all: Vec<Member> = three.iter().flat_map(|running| running.fake.members()).collect();
    let peer_ur_ls = vec!["http://127.0.0.1:2390".to_owned()];
    all.push(Member { id: 4, peer_ur_ls, ..Member::default() });
    for running in &three {
        running.fake.set_members(all.clone());
        running.fake.show(|shown| shown.leader = 2);
    }
    let mut driver = console(&three[0]);
    let verdict = "DEGRADED, 1 never started, none may fail";
    shows(
        &mut driver,
        &["etcd 3.5.1", "quorum 3/4", verdict, "unstarted", "http://127.0.0.1:2390"],
    )
    .await;
}

/// One of three, by its own address; the others are known by names that do not resolve here.
async fn tunnel(mood: Mood, leader: u64) -> Running {
    let one = Fake::start(1, 9, mood).await;
    let mut all = one.fake.members();
    all.extend([hidden(2), hidden(3)]);
    one.fake.set_members(all);
    one.fake.show(|shown| shown.leader = leader);
    one
}

#[tokio::test]
async fn through_a_tunnel_to_one_of_three_a_quorum_stands_while_reads_are_answered() {
    let one = tunnel(Mood::Stock, 0).await;
    // A follower whose leader is out of sight.
    one.fake.show(|shown| shown.leader = 2);
    let mut driver = console(&one);
    let verdict = "quorum stands, 1 heard by others, 1 unseen, 0-1 may fail";
    shows(&mut driver, &["quorum 2-3/3", "leader n2", verdict]).await;
    // The leader itself, of a server that tells nothing of its followers.
    let one = tunnel(Mood::Stock, 1).await;
    let mut driver = console(&one);
    let verdict = "quorum stands, 2 unseen, 0-1 may fail";
    shows(&mut driver, &["quorum 2-3/3", "leader n1", verdict, "its name does not resolve"]).await;
}

#[tokio::test]
async fn members_out_of_sight_are_alive_by_the_word_of_those_in_sight() {
    let line = |id, connected, bytes| {
        format!("etcd_network_active_peers{{Local=\"1\",Remote=\"{id}\"}} {connected}\n")
            + &format!("etcd_network_peer_received_bytes_total{{From=\"{id}\"}} {bytes}\n")
    };
    let one = tunnel(Mood::Stock, 1).await;
    one.fake.show(|shown| shown.metrics = Some(line(2, 1, "GROWS") + &line(3, 1, "GROWS")));
    let mut driver = console(&one);
    let verdict = "quorum stands, 2 heard by others, 1 may fail";
    shows(&mut driver, &["quorum 3/3", verdict, "unheard"]).await;
    let one = tunnel(Mood::Stock, 1).await;
    one.fake.show(|shown| shown.metrics = Some(line(2, 1, "GROWS") + &line(3, 0, "801")));
    let mut driver = console(&one);
    let verdict = "DEGRADED, 1 down, 1 heard by others, none may fail";
    shows(&mut driver, &["quorum 2/3", verdict]).await;
    // A connection that stands, and from which nothing comes, tells nothing.
    let one = tunnel(Mood::Stock, 1).await;
    one.fake.show(|shown| shown.metrics = Some(line(2, 1, "GROWS") + &line(3, 1, "801")));
    let mut driver = console(&one);
    let unknown = "quorum stands, 1 heard by others, 1 unseen, 0-1 may fail";
    shows(&mut driver, &["quorum 2-3/3", unknown]).await;
    // The admin stream of mini-etcd tells the same.
    let one = tunnel(Mood::Mini, 1).await;
    let follower = |id| Progress { member_id: id, recently_active: id == 2, ..Progress::default() };
    one.fake.show(|shown| shown.progress = vec![follower(2), follower(3)]);
    let mut driver = console(&one);
    shows(&mut driver, &["mini-etcd 0.1.0", "quorum 2/3", verdict]).await;
}

#[tokio::test]
async fn without_a_leader_one_of_three_is_not_called_a_quorum() {
    let one = tunnel(Mood::Stock, 0).await;
    one.fake.show(|shown| shown.reads = false);
    let mut driver = console(&one);
    shows(&mut driver, &["quorum 1-3/3", "no leader", "NO LEADER, 2 unseen"]).await;
}

#[tokio::test]
async fn a_leader_that_is_named_and_answers_no_read_is_not_believed() {
    let one = tunnel(Mood::Stock, 1).await;
    one.fake.show(|shown| shown.reads = false);
    let mut driver = console(&one);
    shows(&mut driver, &["a leader is named, asking whether it serves"]).await;
}

#[tokio::test]
async fn a_full_member_is_named_with_what_it_means_and_what_to_do() {
    let one = Fake::start(1, 9, Mood::Stock).await;
    one.fake.show(|shown| shown.errors = vec!["memberID:1 alarm:NOSPACE ".into()]);
    let mut driver = console(&one);
    shows(
        &mut driver,
        &[
            "writes refused",
            "WRITES REFUSED, n1 is out of space (NOSPACE)",
            "n1 has used up its quota: the cluster refuses every write",
            "etcdctl compact 5; etcdctl defrag --cluster; etcdctl alarm disarm",
        ],
    )
    .await;
    assert!(!text(&driver.state).contains("memberID"), "{}", text(&driver.state));
    let one = Fake::start(1, 9, Mood::Stock).await;
    one.fake.show(|shown| shown.errors = vec!["memberID:1 alarm:CORRUPT ".into()]);
    let mut driver = console(&one);
    shows(&mut driver, &["READS AND WRITES REFUSED, n1 is corrupt", "endpoint hashkv"]).await;
}

#[tokio::test]
async fn users_that_are_enabled_are_told_of_and_are_no_lost_quorum() {
    let one = Fake::start(1, 9, Mood::Stock).await;
    one.fake.show(|shown| shown.locked = true);
    let mut driver = console(&one);
    let advice = "users are enabled: without a login no key is read or written";
    shows(&mut driver, &["quorum 1/1", "login wanted", "OK, one member", advice]).await;
    // Later servers keep the member list too.
    let one = Fake::start(1, 9, Mood::Stock).await;
    one.fake.show(|shown| shown.list_locked = true);
    let mut driver = console(&one);
    shows(&mut driver, &["REFUSED, the member list wants a login", "user name is empty"]).await;
    assert!(!text(&driver.state).contains("nobody answers"), "{}", text(&driver.state));
}
