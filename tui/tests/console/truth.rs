//! Goal: the first screen says what is true of a cluster, whatever of it can be seen. Method: fake servers of which each
//! shows one situation, the console's engine, and the screen as text at 80x24.

use crossterm::event::KeyCode;
use mini_etcd_proto::adminpb::Progress;
use mini_etcd_proto::etcdserverpb::Member;
use mini_etcd_tui::console::Origin;

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
    console_as(running, None)
}

fn console_as(running: &Running, user: Option<&str>) -> Driver {
    let endpoint = running.address.to_string();
    let mut driver = Driver::start_as(&endpoint, user);
    driver.state.ctx.size = (80, 24);
    driver.state.ctx.origin = Origin::Endpoints(vec![endpoint]);
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
            "n1 is out of space, no write is taken; the way out:",
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

/// Two of four, in the words of etcd 3.7.3, whose protobuf text has two blanks; with the rows of four members there is
/// no room at 80x24 for everything.
#[tokio::test]
async fn members_that_are_full_are_named_by_etcd_3_7_too_and_the_way_out_is_not_cut() {
    let one = Fake::start(1, 9, Mood::Stock).await;
    let mut all = one.fake.members();
    all.extend([hidden(2), hidden(3), hidden(4)]);
    one.fake.set_members(all);
    one.fake.show(|shown| {
        "3.7.3".clone_into(&mut shown.version);
        let said = |id| format!("memberID:{id}  alarm:NOSPACE");
        shown.errors = vec![said(1), said(2)];
        shown.sizes = (2_818_048, 4_689_920, 4_194_304);
    });
    let mut driver = console(&one);
    let all_of_it = [
        "WRITES REFUSED, n1, n2 are out of space (NOSPACE)",
        "advice  n1, n2 are out of space, no write is taken; the way out:",
        "etcdctl compact 5; etcdctl defrag --cluster; etcdctl alarm disarm",
        "ALLOC/QUOTA",
        "4.4M / 4.0M",
    ];
    shows(&mut driver, &all_of_it).await;
    // Compacted and still full: what fills it is keys.
    one.fake.show(|shown| {
        shown.errors.clear();
        shown.sizes = (4_080_000, 4_280_000, 4_194_304);
        shown.metrics = Some("etcd_debugging_mvcc_compact_revision 5\n".into());
    });
    let advice = "advice  n1 uses 102% of its quota: delete keys and compact, or raise";
    shows(&mut driver, &[advice, "--quota-backend-bytes"]).await;
    // Keys that are deleted fill it until history is compacted again.
    one.fake.show(|shown| shown.errors = vec!["memberID:1  alarm:NOSPACE".into()]);
    let mut driver = console(&one);
    let next = "advice  delete keys and compact, or raise --quota-backend-bytes; etcdctl";
    shows(&mut driver, &["the way out:", next, "defrag --cluster; etcdctl alarm disarm"]).await;
}

#[tokio::test]
async fn users_that_are_enabled_are_told_of_and_are_no_lost_quorum() {
    let one = Fake::start(1, 9, Mood::Stock).await;
    one.fake.show(|shown| shown.locked = true);
    let mut driver = console(&one);
    let advice = "users are enabled, without a login no key is read or written";
    let next = "--user NAME:PASSWORD";
    shows(&mut driver, &["quorum 1/1", "login wanted", "OK, one member", advice, next]).await;
    // Later servers keep the member list too.
    let one = Fake::start(1, 9, Mood::Stock).await;
    one.fake.show(|shown| shown.list_locked = true);
    let mut driver = console(&one);
    let refused = "REFUSED, the member list wants a login";
    shows(&mut driver, &[refused, "user name is empty", next]).await;
    assert!(!text(&driver.state).contains("nobody answers"), "{}", text(&driver.state));
}

/// As etcd 3.7: with users enabled it keeps the member list and the status, too.
#[tokio::test]
async fn who_logs_in_sees_the_cluster_of_a_server_that_has_users() {
    let one = Fake::start(1, 9, Mood::Stock).await;
    one.fake.show(|shown| (shown.locked, shown.list_locked) = (true, true));
    let mut driver = console_as(&one, Some("root:right"));
    shows(&mut driver, &["quorum 1/1", "leader n1", "OK, one member", "● ok"]).await;
    assert!(!text(&driver.state).contains("login"), "{}", text(&driver.state));
    // Which cluster it is of it tells the screens, too, only to who has logged in.
    driver.press(KeyCode::Char('2'));
    driver.settle().await;
    assert_eq!(driver.state.keys.fresh.failed, None, "{}", text(&driver.state));
    let mut driver = console_as(&one, Some("root:wrong"));
    shows(&mut driver, &["REFUSED, authentication failed", "check name and password"]).await;
    // Earlier servers keep only the keys.
    let one = Fake::start(1, 9, Mood::Stock).await;
    one.fake.show(|shown| shown.locked = true);
    let mut driver = console_as(&one, Some("root:wrong"));
    shows(&mut driver, &["quorum 1/1", "login refused", "authentication failed"]).await;
}

#[tokio::test]
async fn a_learner_and_a_proxy_that_are_asked_alone_are_called_that() {
    let one = Fake::start(1, 9, Mood::Learner).await;
    let mut driver = console(&one);
    let verdict = "a learner answers, and tells no members";
    shows(&mut driver, &[verdict, "it is a learner", "name a voter's endpoint"]).await;
    assert!(!text(&driver.state).contains("nobody answers"), "{}", text(&driver.state));
    // As the proxy of etcd: it lists itself, without a number.
    let one = Fake::start(1, 9, Mood::Stock).await;
    let name = "proxy".to_owned();
    one.fake.set_members(vec![Member { name, ..Member::default() }]);
    let mut driver = console(&one);
    let verdict = "a proxy answers; what is behind it is not told";
    shows(&mut driver, &[verdict, "name the members themselves"]).await;
    assert!(!text(&driver.state).contains("quorum"), "{}", text(&driver.state));
}

#[tokio::test]
async fn a_member_that_advertises_what_cannot_be_asked_is_not_said_to_be_not_asked_yet() {
    let one = Fake::start(1, 9, Mood::Stock).await;
    let mut all = one.fake.members();
    let client_ur_ls = vec!["ftp://127.0.0.1:1".to_owned()];
    all.push(Member { id: 2, name: "n2".into(), client_ur_ls, ..Member::default() });
    one.fake.set_members(all);
    let mut driver = console(&one);
    shows(&mut driver, &["quorum stands, 1 unseen", "its address cannot be asked"]).await;
}

/// Behind a gateway another member answers than the one that was meant.
#[tokio::test]
async fn a_member_is_not_shown_with_what_another_says_at_the_same_place() {
    let (one, two) = (Fake::start(1, 9, Mood::Stock).await, Fake::start(2, 9, Mood::Stock).await);
    // Where member 1 is listed member 2 answers, and is listed itself where it is.
    let mut all = one.fake.members();
    all[0].client_ur_ls = vec![format!("http://{}", two.address)];
    two.fake.show(|shown| shown.leader = 1);
    one.fake.set_members([all.clone(), two.fake.members()].concat());
    two.fake.set_members([all, two.fake.members()].concat());
    let mut driver = console(&two);
    shows(&mut driver, &["other members answer there: a gateway", "n2   F     ● ok"]).await;
}

/// Goal: the first screen says what keeps TLS from coming about, and what to do; and where it comes about, it is as
/// without. Method: servers that show certificates, before a member that speaks plain text.
mod tls {
    use mini_etcd_shared::client::{Endpoint, Tls};
    use mini_etcd_tui::connect::Reach;

    use super::*;
    use crate::secure::{Authority, Manners, Pair, Secure, Then};

    const HERE: &[&str] = &["localhost", "127.0.0.1"];

    fn console(server: &Secure, tls: &Tls) -> Driver {
        let endpoint = format!("https://{}", server.address);
        let endpoints = vec![Endpoint::parse(&endpoint).unwrap()];
        let mut driver =
            Driver::start_to(Reach { endpoints, tls: tls.clone(), ..Reach::default() });
        driver.state.ctx.size = (80, 24);
        driver.state.ctx.origin = Origin::Endpoints(vec![endpoint]);
        driver
    }

    #[tokio::test]
    async fn what_keeps_tls_from_coming_about_is_told_on_the_first_screen() {
        let (ours, other) = (Authority::new("ours"), Authority::new("theirs"));
        let good = ours.signs("server", HERE);
        let tls = Tls { cacert: Some(ours.cert.clone()), ..Tls::default() };
        let of = |pair: &Pair| {
            let pair = pair.clone();
            async move { Secure::start(Manners::of(&pair)).await }
        };
        let wanting = Manners { clients: Some(&ours.cert), ..Manners::of(&good) };
        for (server, why, next) in [
            (of(&other.signs("server", HERE)).await, "signed by theirs", "--cacert FILE"),
            (
                of(&ours.signs_until("old", HERE, 2020)).await,
                "certificate expired on 2020",
                "renew it",
            ),
            (
                of(&ours.signs("far", &["far.example"])).await,
                "is for far.example",
                "name the endpoint",
            ),
            (Secure::plain().await, "it speaks plain text", "name it with http://"),
            (
                Secure::start(wanting).await,
                "it wants a client certificate",
                "--cert FILE and --key",
            ),
        ] {
            let mut driver = console(&server, &tls);
            let verdict = "a server answers, and no TLS comes about";
            shows(&mut driver, &[verdict, why, next]).await;
        }
    }

    /// The page of metrics and the members that are learned are asked the same way: what they tell is on the screen.
    #[tokio::test]
    async fn a_cluster_behind_tls_looks_like_any_other() {
        let ours = Authority::new("ours");
        let pair = ours.signs("server", HERE);
        let one = Fake::start(1, 9, Mood::Stock).await;
        let then = Then::Passes(one.address);
        let clients = Some(ours.cert.as_path());
        let front = Secure::start(Manners { clients, then, ..Manners::of(&pair) }).await;
        let two = Fake::start(2, 9, Mood::Stock).await;
        let then = Then::Passes(two.address);
        let behind = Secure::start(Manners { clients, then, ..Manners::of(&pair) }).await;
        let mut all: Vec<Member> = [&one, &two].iter().flat_map(|of| of.fake.members()).collect();
        all[0].client_ur_ls = vec![format!("https://{}", front.address)];
        all[1].client_ur_ls = vec![format!("https://{}", behind.address)];
        for running in [&one, &two] {
            running.fake.set_members(all.clone());
            running.fake.show(|shown| shown.leader = 1);
        }
        let client = ours.signs("client", &[]);
        let tls = Tls {
            cacert: Some(ours.cert.clone()),
            cert: Some(client.cert),
            key: Some(client.key),
            ..Tls::default()
        };
        let mut driver = console(&front, &tls);
        shows(&mut driver, &["etcd 3.5.1", "quorum 2/2"]).await;
    }
}
