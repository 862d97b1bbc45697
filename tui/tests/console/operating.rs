//! Goal: what a person does to a cluster from its screen, what is asked first, and what is refused. Method: pictures and
//! keys over a cluster that is made up, and a real member.

use crossterm::event::KeyCode;
use mini_etcd_tui::console::{Effect, Overlay, State, Tier};
use mini_etcd_tui::engine::order::Order;
use mini_etcd_tui::engine::report::Report;
use mini_etcd_tui::engine::request::{Answer, Job, Ticket, Trouble};
use mini_etcd_tui::engine::sample::{Alarm, AlarmKind};
use mini_etcd_tui::screens::ScreenId;
use mini_etcd_tui::screens::cluster::job::Stage;
use mini_etcd_tui::screens::cluster::requests::{ChangeMembers, Disarm, MemberChange};
use mini_etcd_tui::screens::cluster::upkeep::{Said, Told, Upkeep};
use mini_etcd_tui::widget::theme::Depth;

use crate::driver::{Driver, Member};
use crate::screens::text;
use crate::support::{admin, at, busy, ctrl, key, listed, refused, report, state, type_text};

fn cluster(size: (u16, u16)) -> State {
    let mut state = state(size, Depth::Sixteen, false);
    busy(&mut state);
    state
}

/// The same with n1 out of space.
fn full(size: (u16, u16)) -> State {
    let mut state = cluster(size);
    for id in 1..=3 {
        let mut sample = admin(id, 2, 1_310_000, 120);
        sample.alarms = vec![Alarm { member: 1, kind: AlarmKind::NoSpace }];
        report(&mut state, Report::Sample(id, Box::new(sample)));
    }
    state
}

fn asked(effects: Vec<Effect>) -> (Ticket, Job) {
    let ask = |effect| match effect {
        Effect::Engine(Order::Ask(ticket, job)) => Some((ticket, job)),
        _ => None,
    };
    effects.into_iter().find_map(ask).expect("nothing is asked")
}

fn enter(state: &mut State) -> Vec<Effect> {
    key(state, KeyCode::Enter)
}

#[test]
fn a_question_before_a_member_is_removed() {
    let mut state = cluster((120, 36));
    type_text(&mut state, "jd");
    insta::assert_snapshot!(text(&state));
    // Another name, and Enter alone, are no yes.
    type_text(&mut state, "n1");
    assert!(enter(&mut state).is_empty() && state.ctx.overlays.is_empty());
    type_text(&mut state, "dn2");
    let (_, job) = asked(enter(&mut state));
    let change = &job.request::<ChangeMembers>().unwrap().change;
    assert_eq!(*change, MemberChange::Remove(2));
}

#[test]
fn what_would_lose_the_quorum_is_refused() {
    let mut state = cluster((120, 36));
    report(&mut state, Report::Lost(3, refused()));
    type_text(&mut state, "d");
    assert!(state.ctx.overlays.is_empty());
    let shown = text(&state);
    assert!(shown.contains("n1 is not removed"), "{shown}");
    assert!(shown.contains("1 of then 2 voters would answer, and 2 are needed"), "{shown}");
    // A voter more would need a third one that answers.
    type_text(&mut state, "An4 http://127.0.0.1:9");
    enter(&mut state);
    assert!(state.ctx.overlays.is_empty());
    assert!(text(&state).contains("2 of then 4 voters would answer"), "{}", text(&state));
    key(&mut state, KeyCode::Esc);
    // Who does not answer may go.
    type_text(&mut state, "jjd");
    assert!(matches!(state.ctx.overlays.last(), Some(Overlay::Confirm(_))));
}

#[test]
fn a_member_is_added_and_what_starts_it_is_shown() {
    let mut state = cluster((80, 24));
    type_text(&mut state, "an4");
    enter(&mut state);
    assert!(text(&state).contains("a name and peer URLs: n4 http"), "{}", text(&state));
    type_text(&mut state, " http://127.0.0.1:23804");
    assert!(enter(&mut state).is_empty());
    let (ticket, job) = asked(type_text(&mut state, "y"));
    let change = &job.request::<ChangeMembers>().unwrap().change;
    assert_eq!(change.line(), "member add n4 --learner --peer-urls=http://127.0.0.1:23804");
    let lines = ["start it: mini-etcd --name n4", "ETCD_NAME=\"n4\""].map(str::to_owned);
    report(&mut state, Report::Answer(ticket, Answer::of(lines.to_vec())));
    insta::assert_snapshot!(text(&state));
    key(&mut state, KeyCode::Esc);
    assert_eq!(state.cluster.job, None);
}

#[test]
fn leadership_goes_to_the_chosen_member() {
    let mut state = cluster((120, 36));
    // n2 leads.
    type_text(&mut state, "jm");
    assert!(state.ctx.overlays.is_empty() && text(&state).contains("it leads already"));
    type_text(&mut state, "jm");
    let (_, job) = asked(type_text(&mut state, "y"));
    let wanted = MemberChange::Move { leader: "127.0.0.1:23792".to_owned(), to: 3 };
    assert_eq!(job.request::<ChangeMembers>().unwrap().change, wanted);
}

#[test]
fn a_learner_that_is_not_in_sync_is_told_how_far_it_is() {
    let mut state = cluster((120, 36));
    report(&mut state, Report::Members(0xcafe, listed(4)));
    let mut sample = admin(4, 2, 600_000, 120);
    sample.progress = None;
    report(&mut state, Report::Sample(4, Box::new(sample)));
    type_text(&mut state, "GP");
    let (ticket, _) = asked(type_text(&mut state, "y"));
    let why = "etcdserver: can only promote a learner member which is in sync with leader";
    let trouble = Trouble { place: String::new(), why: why.to_owned(), next: String::new() };
    report(&mut state, Report::Answer(ticket, Answer::failed(trouble)));
    let shown = text(&state);
    assert!(
        shown.contains("sync with leader")
            && shown.contains("It has 45 % of the entries; 90 % are needed"),
        "{shown}"
    );
}

#[test]
fn a_rescue_shows_its_steps_goes_on_elsewhere_and_is_stopped() {
    let mut state = full((120, 36));
    type_text(&mut state, "R");
    insta::assert_snapshot!(text(&state));
    type_text(&mut state, "rescue");
    let (ticket, job) = asked(enter(&mut state));
    let steps = job.request::<Upkeep>().unwrap().steps.len();
    let tell = |state: &mut State, step, said| {
        report(state, Report::Answer(ticket, Answer::part(Told { step, said })))
    };
    tell(&mut state, 0, Said::Begun);
    at(&mut state, 123);
    tell(&mut state, 0, Said::Done(String::new()));
    // On another screen it goes on.
    type_text(&mut state, "2");
    tell(&mut state, 1, Said::Begun);
    tell(&mut state, 1, Said::Now("gives space back"));
    at(&mut state, 125);
    type_text(&mut state, "1");
    insta::assert_snapshot!(text(&state));
    // One job at a time.
    assert!(type_text(&mut state, "F").is_empty() && state.ctx.overlays.is_empty());
    let effects = ctrl(&mut state, 'c');
    assert!(effects.contains(&Effect::Engine(Order::Drop(ticket))), "{effects:?}");
    let job = state.cluster.job.as_ref().unwrap();
    assert!(job.over && job.steps.len() == steps);
    assert!(matches!(&job.steps[0].1, Stage::Done(..)));
    assert!(matches!(&job.steps[1].1, Stage::Failed(why) if why.starts_with("stopped after 2.0s")));
    assert!(job.steps[2..].iter().all(|(_, stage)| *stage == Stage::Waits));
}

#[test]
fn a_step_that_fails_ends_the_job_with_the_reason() {
    let mut state = full((120, 36));
    type_text(&mut state, "Fy");
    assert!(state.cluster.job.is_some());
    let mut state = full((120, 36));
    type_text(&mut state, "F");
    let (ticket, _) = asked(type_text(&mut state, "y"));
    let trouble = Trouble { place: "n1".into(), why: "no answer".into(), next: String::new() };
    report(&mut state, Report::Answer(ticket, Answer::failed(trouble)));
    let shown = text(&state);
    assert!(shown.contains("n1: no answer") && shown.contains("ended early"), "{shown}");
}

#[test]
fn alarms_are_cleared_by_their_name() {
    let mut state = full((120, 36));
    type_text(&mut state, "D");
    let Some(Overlay::Confirm(confirm)) = state.ctx.overlays.last() else { panic!() };
    assert_eq!(confirm.tier, Tier::Shape("NOSPACE".to_owned()));
    type_text(&mut state, "NOSPACE");
    let (_, job) = asked(enter(&mut state));
    assert_eq!(job.request::<Disarm>(), Some(&Disarm));
}

#[test]
fn a_read_only_console_does_nothing_to_a_cluster() {
    let mut state = full((120, 36));
    state.ctx.read_only = true;
    for key in ["a", "A", "P", "d", "u", "m", "R", "D", "f", "F", "s"] {
        let effects = type_text(&mut state, key);
        let asks = effects.iter().any(|effect| matches!(effect, Effect::Engine(_)));
        assert!(!asks && state.ctx.overlays.is_empty(), "{key}");
        assert_eq!((&state.cluster.prompt, &state.cluster.job), (&None, &None), "{key}");
    }
    assert!(text(&state).contains("read-only: nothing is changed from here"));
    assert!(!text(&state).contains("rescue"));
}

/// Whether the job is over, and went well.
fn is_done(state: &State) -> bool {
    let job = state.cluster.job.as_ref();
    job.is_some_and(|job| job.over && job.steps.iter().all(|(_, s)| matches!(s, Stage::Done(..))))
}

#[tokio::test]
async fn a_real_member_is_defragmented_saved_and_gets_a_learner() {
    let member = Member::start().await;
    let mut driver = Driver::start(&member.endpoint);
    let heard = |state: &State| {
        state.chosen_member().is_some_and(|member| member.live().is_some())
            && state.ctx.cluster.leader().is_some()
    };
    driver.until("the member is heard", heard).await;
    driver.type_text("fy");
    driver.until("it is defragmented", is_done).await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("b.db");
    driver.press(KeyCode::Esc);
    driver.type_text(&format!("s{}", path.display()));
    driver.press(KeyCode::Enter);
    driver.until("it is saved", is_done).await;
    let names = std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!((names, std::fs::metadata(&path).unwrap().len() % 512), (1, 32));
    // What is there is asked about.
    driver.press(KeyCode::Esc);
    driver.type_text(&format!("s{}", path.display()));
    driver.press(KeyCode::Enter);
    assert!(text(&driver.state).contains("replace "), "{}", text(&driver.state));
    driver.type_text("n");
    driver.type_text("an2 http://127.0.0.1:9");
    driver.press(KeyCode::Enter);
    driver.type_text("y");
    let added = |state: &State| {
        let notes = state.cluster.job.as_ref().map_or(0, |job| job.notes.len());
        notes > 0 && state.ctx.cluster.members.len() == 2
    };
    driver.until("a learner is there", added).await;
    assert!(text(&driver.state).contains("start it: mini-etcd --name n2"));
    // It goes again by its number, for it has no name.
    let learner = driver.state.ctx.cluster.members.iter().position(|m| m.listed.learner).unwrap();
    driver.type_text(if learner == 0 { "g" } else { "G" });
    let name = driver.state.chosen_member().unwrap().name();
    driver.type_text(&format!("d{name}"));
    driver.press(KeyCode::Enter);
    driver.until("it is gone", |state| state.ctx.cluster.members.len() == 1).await;
    assert_eq!(driver.state.ctx.screen, ScreenId::Cluster);
}
