//! Goal: a command that asks for a password gets it in palette and pane, hidden, and nobody else does. Method: keys, and a
//! real member that is told.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use mini_etcd_proto::etcdserverpb::AuthUserListRequest;
use mini_etcd_tui::console::{Effect, Msg, State};
use mini_etcd_tui::engine::order::Order;
use mini_etcd_tui::engine::report::Report;
use mini_etcd_tui::password::Secret;
use mini_etcd_tui::widget::theme::Depth;

use crate::driver::{Driver, Member};
use crate::screens::text;
use crate::support::{busy, key, report, state, type_text};

/// Types a line into the pane, which asks for a password twice.
pub async fn with_password(driver: &mut Driver, line: &str, password: &str) {
    let asks = |state: &State| text(state).contains("typed hidden");
    driver.type_text(line);
    driver.press(KeyCode::Enter);
    for again in ["Password of", "again for confirmation"] {
        driver.until("a question", |state| asks(state) && text(state).contains(again)).await;
        driver.type_text(password);
        assert!(!text(&driver.state).contains(password), "{}", text(&driver.state));
        driver.press(KeyCode::Enter);
    }
    driver.until("its end", |state| state.repl.running.is_none()).await;
}

#[tokio::test]
async fn a_password_that_is_given_up_ends_the_command_and_the_next_line_runs() {
    let member = Member::start().await;
    let mut driver = Driver::start(&member.endpoint);
    driver.until("who leads", |state| state.ctx.cluster.leader().is_some()).await;
    driver.press(KeyCode::Char(':'));
    driver.type_text("user add alice");
    driver.press(KeyCode::Enter);
    driver.until("a question", |state| text(state).contains("typed hidden")).await;
    driver.type_text("tulip");
    driver.press(KeyCode::Esc);
    driver.until("its end", |state| state.repl.running.is_none()).await;
    assert!(text(&driver.state).contains("no password was given"), "{}", text(&driver.state));
    // What is under way is given up by its own key, too.
    driver.type_text("user add bob");
    driver.press(KeyCode::Enter);
    driver.until("a question", |state| text(state).contains("typed hidden")).await;
    driver.update(Msg::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
    assert!(driver.state.repl.running.is_none());
    driver.type_text("user add carol --no-password");
    driver.press(KeyCode::Enter);
    driver.until("its end", |state| state.repl.running.is_none()).await;
    let listed = member.client().user_list(AuthUserListRequest {}).await.into_result().unwrap();
    assert_eq!(listed.users, ["carol"]);
}

#[test]
fn a_command_that_asks_for_a_password_elsewhere_says_where_it_is_typed() {
    let mut state = state((120, 36), Depth::Sixteen, false);
    busy(&mut state);
    key(&mut state, KeyCode::Char(':'));
    type_text(&mut state, "user add alice");
    key(&mut state, KeyCode::Enter);
    key(&mut state, KeyCode::Esc);
    key(&mut state, KeyCode::Esc);
    report(&mut state, Report::Asked(1, "Password of alice: ".to_owned()));
    assert!(text(&state).contains("user add alice asks for a password"), "{}", text(&state));
    key(&mut state, KeyCode::Char(':'));
    assert!(text(&state).contains("Password of alice:   typed hidden"), "{}", text(&state));
    type_text(&mut state, "tulip");
    let secret = Secret::new("tulip".to_owned());
    assert_eq!(key(&mut state, KeyCode::Enter), [Effect::Engine(Order::Password(1, Some(secret)))]);
    assert!(!format!("{state:?}").contains("tulip"));
}

/// Goal: a recording knows no password, and says why the line is no statement of it. Method: the file.
#[tokio::test]
async fn a_recording_has_no_password_and_says_that_one_was_typed() {
    let member = Member::start().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("done.ers");
    let mut driver = Driver::start(&member.endpoint);
    driver.until("who leads", |state| state.ctx.cluster.leader().is_some()).await;
    driver.press(KeyCode::Char('5'));
    for line in [format!("\\record {}", file.display()), "put a b".to_owned()] {
        driver.type_text(&line);
        driver.press(KeyCode::Enter);
        driver.until("its end", |state| state.repl.running.is_none()).await;
    }
    with_password(&mut driver, "user add alice", "tulip").await;
    driver.type_text("\\record");
    driver.press(KeyCode::Enter);
    driver.until("its end", |state| state.repl.running.is_none()).await;
    let recorded = std::fs::read_to_string(&file).unwrap();
    assert!(
        recorded.contains("# a password was typed for it:\n#   user add alice\n"),
        "{recorded}"
    );
    assert!(!recorded.contains("tulip"), "{recorded}");
}
