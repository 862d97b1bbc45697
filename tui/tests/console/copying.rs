//! Goal: what is chosen, and what was done last, is copied on every screen as a line that does the same when it is pasted;
//! and a watch in the palette is a tail. Method: tables over `update`, and a console without a terminal on a real member.

use crossterm::event::KeyCode;
use mini_etcd_tui::console::{Effect, Msg, State, update};
use mini_etcd_tui::engine::order::Order;
use mini_etcd_tui::screens::watch::requests::Follow;
use mini_etcd_tui::screens::watch::{Reach, Spec};
use mini_etcd_tui::widget::theme::Depth;

use crate::driver::{Driver, Member, put};
use crate::support::{busy, ctrl, key, state, type_text};

fn cluster() -> State {
    let mut state = state((120, 36), Depth::Sixteen, false);
    busy(&mut state);
    state
}

fn copied(effects: &[Effect]) -> String {
    let [Effect::Copy(line)] = effects else { panic!("{effects:?}") };
    String::from_utf8(line.clone()).unwrap()
}

fn palette(state: &mut State, line: &str) -> Vec<Effect> {
    key(state, KeyCode::Char(':'));
    type_text(state, line);
    key(state, KeyCode::Enter)
}

fn followed(effects: &[Effect]) -> Spec {
    let [Effect::Engine(Order::Ask(_, job))] = effects else { panic!("{effects:?}") };
    job.request::<Follow>().unwrap().spec.clone()
}

#[test]
fn a_member_is_copied_and_so_is_what_was_done_to_it() {
    let mut state = cluster();
    key(&mut state, KeyCode::Char('C'));
    assert!(!state.ctx.toasts.shown().is_empty(), "nothing was done yet");
    let status = "endpoint status --endpoints=127.0.0.1:23791 --write-out=table";
    assert_eq!(copied(&key(&mut state, KeyCode::Char('Y'))), status);
    assert_eq!(copied(&ctrl(&mut state, 'y')), format!("mini-etcdctl {status}"));
    key(&mut state, KeyCode::Enter);
    assert_eq!(copied(&key(&mut state, KeyCode::Char('Y'))), status, "beside its details");
    key(&mut state, KeyCode::Esc);
    key(&mut state, KeyCode::Char('x'));
    assert_eq!(copied(&key(&mut state, KeyCode::Char('C'))), "\\kill n1");
    key(&mut state, KeyCode::Char('r'));
    assert_eq!(copied(&key(&mut state, KeyCode::Char('C'))), "\\restart n1");
}

#[test]
fn a_watch_in_the_palette_is_a_tail_and_copied_it_is_the_same_watch() {
    let mut state = cluster();
    let line = r#"watch "/a\xff" --prefix --rev=7 --prev-kv"#;
    let spec = followed(&palette(&mut state, line));
    assert_eq!((&spec.key[..], spec.reach, spec.from), (&b"/a\xff"[..], Reach::Prefix, Some(7)));
    assert!(spec.previous && state.ctx.overlays.is_empty());
    assert_eq!(state.watch.list().len(), 1);
    assert_eq!(copied(&key(&mut state, KeyCode::Char('Y'))), line);
    assert_eq!(copied(&key(&mut state, KeyCode::Char('C'))), line);
    key(&mut state, KeyCode::Char(':'));
    update(&mut state, Msg::Paste(line.to_owned()));
    assert_eq!(followed(&key(&mut state, KeyCode::Enter)), spec);
    assert_eq!(state.repl.history.get(0), Some(line));
}

#[test]
fn a_line_of_the_pane_is_copied_and_piped_into_the_prompt_by_a_shell() {
    let mut state = cluster();
    key(&mut state, KeyCode::Char('5'));
    type_text(&mut state, "ls 'it'");
    key(&mut state, KeyCode::Enter);
    key(&mut state, KeyCode::Esc);
    assert_eq!(copied(&key(&mut state, KeyCode::Char('Y'))), "ls 'it'");
    let piped = copied(&ctrl(&mut state, 'y'));
    let wanted = r"printf '%s\n' 'ls '\''it'\''' | mini-etcd-tui repl --endpoints=127.0.0.1:23791,";
    assert!(piped.starts_with(wanted), "{piped}");
}

#[test]
fn what_a_tail_cannot_do_stays_in_the_palette_with_the_reason() {
    let mut state = cluster();
    assert_eq!(palette(&mut state, "watch a -w json"), []);
    let shown = state.repl.palette.output.clone().unwrap();
    assert!(shown.failed && shown.text[0].contains("--write-out"), "{shown:?}");
    assert_eq!(state.repl.palette.input(), "watch a -w json");
    ctrl(&mut state, 'c');
    let begun = |state: &mut State| palette(state, "watch a");
    key(&mut state, KeyCode::Esc);
    key(&mut state, KeyCode::Esc);
    for _ in 0..8 {
        followed(&begun(&mut state));
    }
    assert_eq!(begun(&mut state), []);
    assert!(state.repl.palette.output.as_ref().unwrap().text[0].contains("8 tails"));
    ctrl(&mut state, 'c');
    type_text(&mut state, "watch a & as w1");
    let run = Effect::Engine(Order::Run(1, "watch a & as w1".into()));
    assert_eq!(key(&mut state, KeyCode::Enter), [run], "that is the session's");
}

#[tokio::test]
async fn a_key_of_any_bytes_is_copied_pasted_and_read() {
    let member = Member::start().await;
    put(&member.client(), b"\xff 'k\x00$x", b"its value").await;
    let mut driver = Driver::keys(&member.endpoint).await;
    driver.type_text("Y");
    let Some(Effect::Copy(line)) = driver.wanted.pop() else { panic!("copied") };
    let line = String::from_utf8(line).unwrap();
    driver.press(KeyCode::Char(':'));
    driver.update(Msg::Paste(line.clone()));
    driver.press(KeyCode::Enter);
    driver.until("it has run", |state| state.repl.running.is_none()).await;
    let output = driver.state.repl.palette.output.clone().unwrap();
    assert!(!output.failed, "{line}: {output:?}");
    assert_eq!(output.text[1], "its value", "{line}");
}
