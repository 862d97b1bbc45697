//! Goal: palette and REPL pane run the language through one session. Method: tables over `update`, snapshots over made-up
//! answers, and a console without a terminal on a real member and on one that stalls.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use mini_etcd_shared::complete::{Candidate, Completion};
use mini_etcd_shared::language::Span;
use mini_etcd_tui::console::{Attach, Effect, Msg, Overlay, State, Tier, update};
use mini_etcd_tui::engine::order::Order;
use mini_etcd_tui::engine::report::{Ended, Report};
use mini_etcd_tui::engine::request::{Answer, Trouble};
use mini_etcd_tui::engine::session::{LineKind, OutputLine, Prompt, RunEnded, SessionLine};
use mini_etcd_tui::profile::Profile;
use mini_etcd_tui::screens::repl::requests::Complete;
use mini_etcd_tui::widget::theme::Depth;

use crate::driver::{Driver, Member};
use crate::fake::{Fake, Mood};
use crate::screens::text;
use crate::support::{at, busy, ctrl, key, ran, refused, report, said, state, type_text};

fn pane(size: (u16, u16)) -> State {
    let mut state = state(size, Depth::Sixteen, false);
    busy(&mut state);
    key(&mut state, KeyCode::Char('5'));
    state
}

fn enter(state: &mut State, line: &str) -> Vec<Effect> {
    type_text(state, line);
    key(state, KeyCode::Enter)
}

fn scrollback(state: &State) -> Vec<String> {
    state.repl.scrollback.lines().map(|line| line.text.clone()).collect()
}

fn failed(run: u64, words: &str) -> Report {
    let prompt = Prompt { format: "simple".into(), ..Prompt::default() };
    let failed = Some(words.split('\n').map(str::to_owned).collect());
    Report::Ran(run, RunEnded { failed, took: Duration::from_millis(2), prompt })
}

#[test]
fn keys_are_typed_until_esc_and_then_lead_elsewhere() {
    let mut state = pane((120, 36));
    assert_eq!(type_text(&mut state, "q1:?"), []);
    assert_eq!(state.repl.entry.text(), "q1:?");
    ctrl(&mut state, 'c');
    assert!(state.repl.entry.is_empty(), "^c takes the line away");
    key(&mut state, KeyCode::Esc);
    key(&mut state, KeyCode::Char('1'));
    assert!(text(&state).contains("Members"));
    key(&mut state, KeyCode::Char('5'));
    assert!(state.repl.typing);
}

#[test]
fn a_run_ends_with_its_time_beside_its_line() {
    let mut state = pane((120, 36));
    assert_eq!(enter(&mut state, "get a"), [Effect::Engine(Order::Run(1, "get a".into()))]);
    assert_eq!(enter(&mut state, "get b"), [], "one at a time");
    report(&mut state, said(1, "a"));
    report(&mut state, said(7, "of a run that nobody waits for"));
    report(&mut state, ran(1));
    assert_eq!(scrollback(&state), ["etcd> get a", "a"]);
    let first = state.repl.scrollback.lines().next().unwrap();
    assert_eq!(first.note.as_deref(), Some("1.4ms"));
    assert_eq!(key(&mut state, KeyCode::Enter), [Effect::Engine(Order::Run(2, "get b".into()))]);
}

#[test]
fn what_a_run_says_after_it_was_given_up_is_dropped() {
    let mut state = pane((120, 36));
    enter(&mut state, "get a");
    assert_eq!(ctrl(&mut state, 'c'), [Effect::Engine(Order::Cancel(1))]);
    report(&mut state, said(1, "late"));
    report(&mut state, ran(1));
    let shown = scrollback(&state);
    assert_eq!(shown.len(), 2, "{shown:?}");
    assert!(shown[1].starts_with("given up"), "{shown:?}");
}

#[test]
fn a_statement_of_several_lines_waits_for_its_end() {
    let mut state = pane((120, 36));
    for line in ["txn if", "mod(\"a\") = \"1\"", "then", "put a b"] {
        assert_eq!(enter(&mut state, line), [], "{line}");
    }
    let whole = "txn if\nmod(\"a\") = \"1\"\nthen\nput a b\nend";
    assert_eq!(enter(&mut state, "end"), [Effect::Engine(Order::Run(1, whole.into()))]);
    assert_eq!(scrollback(&state)[1], "   .. mod(\"a\") = \"1\"");
    report(&mut state, ran(1));
    key(&mut state, KeyCode::Up);
    assert_eq!(state.repl.entry.text(), whole);
}

#[test]
fn what_cannot_be_parsed_is_pointed_at_and_stays_to_be_mended() {
    let mut state = pane((120, 36));
    assert_eq!(enter(&mut state, "put a"), []);
    assert!(state.repl.entry.error[1].contains('^'), "{:?}", state.repl.entry.error);
    assert_eq!(state.repl.entry.text(), "put a");
    assert_eq!(enter(&mut state, " b"), [Effect::Engine(Order::Run(1, "put a b".into()))]);
}

#[test]
fn what_loses_something_is_asked_in_pane_and_palette() {
    let asks = |state: &State| match state.ctx.overlays.last() {
        Some(Overlay::Confirm(confirm)) => Some(confirm.tier.clone()),
        _ => None,
    };
    for palette in [false, true] {
        let mut state = pane((120, 36));
        if palette {
            key(&mut state, KeyCode::Esc);
            key(&mut state, KeyCode::Char(':'));
        }
        assert_eq!(enter(&mut state, "del a --prefix"), []);
        assert_eq!(asks(&state), Some(Tier::Loss));
        key(&mut state, KeyCode::Char('n'));
        assert_eq!(enter(&mut state, "txn then del a end"), []);
        assert_eq!(asks(&state), Some(Tier::Loss));
        let run = Effect::Engine(Order::Run(1, "txn then del a end".into()));
        assert_eq!(key(&mut state, KeyCode::Char('y')), [run]);
        assert_eq!(state.repl.palette.output.is_some(), palette);
        report(&mut state, ran(1));
        enter(&mut state, "del '' --prefix");
        assert_eq!(asks(&state), Some(Tier::Shape("everything".into())));
    }
}

#[test]
fn the_console_does_itself_what_only_it_can() {
    let mut state = pane((120, 36));
    assert_eq!(enter(&mut state, "\\q"), [Effect::Quit]);
    assert_eq!(enter(&mut state, "\\kill n1"), [Effect::Engine(Order::Kill("n1".into()))]);
    let ended = Ended { name: "n1".into(), how: String::new(), log: String::new(), killed: true };
    report(&mut state, Report::Ended(ended));
    report(&mut state, Report::Lost(1, refused()));
    assert_eq!(enter(&mut state, "\\kill leader"), [], "the quorum would go: asked first");
    assert!(matches!(state.ctx.overlays.last(), Some(Overlay::Confirm(_))));
    key(&mut state, KeyCode::Esc);
    let effects = enter(&mut state, "\\e");
    let [Effect::Edit { ticket, text, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(text, b"\\kill leader");
    let edited = Answer::of(b"get a\nget b\n".to_vec());
    report(&mut state, Report::Answer(*ticket, edited));
    assert_eq!(state.repl.entry.text(), "get a\nget b");
}

#[test]
fn a_profile_is_turned_to_and_completed_by_name() {
    let mut state = pane((120, 36));
    state.ctx.profiles = vec!["dev".to_owned(), "prod".to_owned()];
    for line in ["\\profile prod", "profile prod"] {
        let turned = Effect::Attach(Attach::Profile("prod".to_owned()));
        assert_eq!(enter(&mut state, line), [turned], "{line}");
    }
    type_text(&mut state, "\\profile p");
    key(&mut state, KeyCode::Tab);
    assert_eq!(state.repl.entry.text().trim_end(), "\\profile prod");
}

/// Goal: nobody changes production in passing. Method: what loses something is asked twice, what changes something once,
/// and both name the profile.
#[test]
fn production_is_asked_once_more() {
    let mut state = pane((120, 36));
    let production = true;
    state.ctx.profile = Some(Profile { name: "shop".into(), production, ..Profile::default() });
    assert!(text(&state).contains("PRODUCTION shop"), "{}", text(&state));
    for line in ["del a --prefix", "put a b"] {
        assert_eq!(enter(&mut state, line), [], "{line}");
        assert_eq!(key(&mut state, KeyCode::Char('y')), [], "{line}");
        let Some(Overlay::Confirm(again)) = state.ctx.overlays.last() else { panic!("{line}") };
        assert_eq!(again.tier, Tier::Shape("shop".into()));
        type_text(&mut state, "ship");
        assert_eq!(key(&mut state, KeyCode::Enter), [], "{line}: another name is no yes");
        assert!(state.ctx.overlays.is_empty());
    }
    enter(&mut state, "put a b");
    key(&mut state, KeyCode::Char('y'));
    type_text(&mut state, "shop");
    let done = key(&mut state, KeyCode::Enter);
    assert_eq!(done, [Effect::Engine(Order::Run(1, "put a b".into()))]);
    assert_eq!(state.repl.running.as_ref().map(|running| running.text.as_str()), Some("put a b"));
}

#[test]
fn keys_are_completed_by_the_cluster_unless_something_else_was_typed_meanwhile() {
    let mut state = pane((120, 36));
    type_text(&mut state, "get /con");
    let effects = key(&mut state, KeyCode::Tab);
    let [Effect::Engine(Order::Ask(ticket, job))] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    let question = job.request::<Complete>().unwrap();
    assert_eq!((question.text.as_str(), question.at), ("get /con", 8));
    let found = |text: &str| Completion {
        span: Span { start: 4, end: 8 },
        candidates: vec![Candidate::bytes(text.as_bytes(), false)],
        more: false,
    };
    let ticket = *ticket;
    let answer = Report::Answer(ticket, Answer::of(found("/config/")));
    report(&mut state, answer.clone());
    assert_eq!(state.repl.entry.text(), "get /config/");
    report(&mut state, answer);
    assert_eq!(state.repl.entry.text(), "get /config/", "answered twice");
    let effects = key(&mut state, KeyCode::Tab);
    let [Effect::Engine(Order::Ask(ticket, _))] = effects.as_slice() else { panic!("{effects:?}") };
    type_text(&mut state, "x");
    report(&mut state, Report::Answer(*ticket, Answer::of(found("/late"))));
    assert_eq!(state.repl.entry.text(), "get /config/x");
    let effects = key(&mut state, KeyCode::Tab);
    let [Effect::Engine(Order::Ask(ticket, _))] = effects.as_slice() else { panic!("{effects:?}") };
    let trouble = Trouble { place: "a:1".into(), why: "gone".into(), next: String::new() };
    report(&mut state, Report::Answer(*ticket, Answer::failed(trouble)));
    assert!(!state.ctx.toasts.shown().is_empty());
}

/// A pane in which much has happened.
fn used(size: (u16, u16)) -> State {
    let mut state = pane(size);
    enter(&mut state, "get /config/ --prefix --keys-only --limit 2");
    report(&mut state, said(1, "/config/web/banner"));
    report(&mut state, said(1, "/config/web/timeout"));
    report(&mut state, ran(1));
    enter(&mut state, "compaction 99999999");
    key(&mut state, KeyCode::Char('y'));
    report(&mut state, failed(2, "etcdserver: mvcc: required revision is a future revision"));
    enter(&mut state, "watch /config/ --prefix & as w1");
    let watch = |kind, text: &str| SessionLine { run: None, line: OutputLine::new(kind, text) };
    let begun = watch(LineKind::Notice, "[w1] watching from revision 918443 on 127.0.0.1:2379");
    report(&mut state, Report::Said(vec![begun], 0));
    let prompt = Prompt {
        scope: "/config/".into(),
        format: "table".into(),
        timing: true,
        recording: Some("s.ers".into()),
        watches: vec!["w1".into()],
        ..Prompt::default()
    };
    let took = Duration::from_micros(900);
    report(&mut state, Report::Ran(3, RunEnded { failed: None, took, prompt }));
    let event = "[w1] PUT /config/web/timeout ".to_owned() + &"long ".repeat(30);
    report(&mut state, Report::Said(vec![watch(LineKind::Watch, &event)], 12));
    state
}

#[test]
fn the_pane_at_80x24() {
    let mut state = used((80, 24));
    enter(&mut state, "txn if mod(\"a\") = \"1\"");
    enter(&mut state, "then");
    insta::assert_snapshot!(text(&state));
}

#[test]
fn the_pane_at_120x36_with_candidates() {
    let mut state = used((120, 36));
    type_text(&mut state, "endpoint h");
    key(&mut state, KeyCode::Tab);
    key(&mut state, KeyCode::Tab);
    insta::assert_snapshot!(text(&state));
}

#[test]
fn the_pane_while_something_runs() {
    let mut state = used((80, 24));
    enter(&mut state, "get /slow");
    at(&mut state, 123);
    insta::assert_snapshot!(text(&state));
}

#[test]
fn the_palette_points_at_what_is_wrong() {
    let mut state = state((80, 24), Depth::Sixteen, false);
    busy(&mut state);
    key(&mut state, KeyCode::Char(':'));
    enter(&mut state, "put a b --lese=1");
    insta::assert_snapshot!(text(&state));
}

/// Types a line into what lies on top and waits until it has run.
async fn run(driver: &mut Driver, line: &str) {
    driver.type_text(line);
    driver.press(KeyCode::Enter);
    if matches!(driver.state.ctx.overlays.last(), Some(Overlay::Confirm(_))) {
        driver.press(KeyCode::Char('y'));
    }
    driver.until(line, |state| state.repl.running.is_none()).await;
}

fn shows(state: &State, line: &str) -> bool {
    state.repl.scrollback.lines().any(|shown| shown.text == line)
}

#[tokio::test]
async fn pane_and_palette_are_one_session_on_a_real_member() {
    let member = Member::start().await;
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("done.ers");
    let mut driver = Driver::start(&member.endpoint);
    driver.press(KeyCode::Char('5'));
    run(&mut driver, &format!("\\record {}", script.display())).await;
    assert!(driver.state.ctx.prompt.recording.is_some());
    run(&mut driver, "put /a/k \"one\\ttwo\"").await;
    run(&mut driver, "watch /a --prefix & as w1").await;
    assert_eq!(driver.state.ctx.prompt.watches, ["w1"]);
    run(&mut driver, "cd /a/").await;
    assert_eq!(driver.state.ctx.prompt.scope, "/a/");
    driver.press(KeyCode::Esc);
    driver.press(KeyCode::Char(':'));
    run(&mut driver, "get k").await;
    let output = driver.state.repl.palette.output.clone().unwrap();
    assert_eq!((output.text, output.failed), (vec!["/a/k".into(), "one    two".into()], false));
    run(&mut driver, "txn if value(\"k\") = \"x\" then put k y else get k end").await;
    assert_eq!(driver.state.repl.palette.output.as_ref().unwrap().text[0], "FAILURE");
    run(&mut driver, "put k \"\\x1b[31m\\xff\"").await;
    driver.until("the event", |state| shows(state, "[w1] \\x1b[31m\\xff")).await;
    run(&mut driver, "del k --prefix").await;
    run(&mut driver, "get nothing | count -> N").await;
    run(&mut driver, "get k --lease 1").await;
    assert!(driver.state.repl.palette.output.as_ref().unwrap().failed);
    driver.press(KeyCode::Esc);
    driver.press(KeyCode::Esc);
    driver.press(KeyCode::Char('5'));
    driver.press(KeyCode::Char('i'));
    ctrl(&mut driver.state, 'c');
    run(&mut driver, "\\record").await;
    let recorded = std::fs::read_to_string(&script).unwrap();
    for part in [
        "put /a/k \"one\\ttwo\"\nexpect ok\n",
        "watch /a --prefix & as w1\nexpect ok\n",
        "cd /a/\n",
        "get k\nexpect value == \"one\\ttwo\"\nexpect count == 1\n",
        "else get k end\nexpect succeeded == false\n",
        "del k --prefix\nexpect deleted == 1\n",
    ] {
        assert!(recorded.contains(part), "{part}\n{recorded}");
    }
    mini_etcd_shared::language::parse_script(recorded.as_bytes()).unwrap();
    runs_as_a_script(&member, &script);
}

/// The recorded script, run by the program.
fn runs_as_a_script(member: &Member, script: &std::path::Path) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_mini-etcd-tui"))
        .arg("run")
        .arg(format!("--endpoints={}", member.endpoint))
        .arg(script)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn what_is_done_by_keys_is_recorded_too() {
    let member = Member::start().await;
    crate::driver::put(&member.client(), b"k", b"v").await;
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("done.ers");
    let mut driver = Driver::start(&member.endpoint);
    driver.press(KeyCode::Char('5'));
    run(&mut driver, &format!("\\record {}", script.display())).await;
    driver.press(KeyCode::Esc);
    driver.press(KeyCode::Char('2'));
    driver.settle().await;
    driver.press(KeyCode::Char('d'));
    driver.press(KeyCode::Char('y'));
    driver.settle().await;
    driver.until("deleted", |state| !state.ctx.toasts.shown().is_empty()).await;
    driver.press(KeyCode::Char('5'));
    run(&mut driver, "\\record").await;
    let recorded = std::fs::read_to_string(&script).unwrap();
    let guarded = "expect value == v\ntxn if mod(k) = \"$SEEN_REV\" then del k end\n";
    assert!(recorded.contains(guarded), "{recorded}");
}

#[tokio::test]
async fn a_command_on_a_stalled_member_is_given_up_and_the_session_goes_on() {
    let running = Fake::start(1, 7, Mood::Stalls).await;
    let mut driver = Driver::start(&running.address.to_string());
    driver.press(KeyCode::Char('5'));
    driver.type_text("get a --command-timeout 10m");
    driver.press(KeyCode::Enter);
    assert!(driver.state.repl.running.is_some());
    driver.update(Msg::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
    assert_eq!(driver.state.repl.running, None);
    run(&mut driver, "cd /x/").await;
    assert_eq!(driver.state.ctx.prompt.scope, "/x/");
    let late = update(&mut driver.state, Msg::Report(0, said(1, "late")));
    assert_eq!(late, []);
    assert!(!shows(&driver.state, "late"));
}
