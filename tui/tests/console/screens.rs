//! Goal: what a person sees, at the sizes that matter, with colours and without. Method: snapshots of a test terminal;
//! time is fixed, so nothing has to be masked.

use std::fmt::Write;

use crossterm::event::KeyCode;
use mini_etcd_tui::console::view::view;
use mini_etcd_tui::console::{Origin, State};
use mini_etcd_tui::engine::report::{Ended, Report};
use mini_etcd_tui::engine::sample::{Denied, Fault, Proof};
use mini_etcd_tui::screens::ScreenId;
use mini_etcd_tui::widget::theme::Depth;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Modifier};

use crate::support::{
    admin, at, busy, key, listed, moment, ran, refused, report, said, state, status, type_text,
};

pub fn drawn(state: &State) -> Terminal<TestBackend> {
    let (width, height) = state.ctx.size;
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let mut state = state.clone();
    terminal.draw(|frame| view(&mut state, frame)).unwrap();
    terminal
}

pub fn text(state: &State) -> String {
    drawn(state).backend().to_string()
}

/// Where each style begins, row by row.
pub fn styles(state: &State) -> String {
    let terminal = drawn(state);
    let buffer = terminal.backend().buffer();
    let mut said = String::new();
    for y in 0..buffer.area.height {
        let mut last = None;
        write!(said, "{y:>2}").unwrap();
        for x in 0..buffer.area.width {
            let cell = &buffer[(x, y)];
            let style = (cell.fg, cell.bg, cell.modifier);
            if last != Some(style) {
                last = Some(style);
                write!(said, " {x}:{}", name(style)).unwrap();
            }
        }
        said.push('\n');
    }
    said
}

fn name((fg, bg, modifier): (Color, Color, Modifier)) -> String {
    let mut said = if fg == Color::Reset { "-".to_owned() } else { fg.to_string() };
    if bg != Color::Reset {
        write!(said, "/{bg}").unwrap();
    }
    for (flag, _) in modifier.iter_names() {
        write!(said, "+{}", flag.to_lowercase()).unwrap();
    }
    said
}

fn cluster(size: (u16, u16), depth: Depth) -> State {
    let mut state = state(size, depth, false);
    busy(&mut state);
    state
}

#[test]
fn cluster_at_80x24() {
    insta::assert_snapshot!(text(&cluster((80, 24), Depth::Sixteen)));
}

#[test]
fn cluster_at_120x36() {
    insta::assert_snapshot!(text(&cluster((120, 36), Depth::Sixteen)));
}

#[test]
fn cluster_at_200x60() {
    insta::assert_snapshot!(text(&cluster((200, 60), Depth::Sixteen)));
}

#[test]
fn cluster_in_ascii() {
    let mut state = state((120, 36), Depth::None, true);
    busy(&mut state);
    let shown = text(&state);
    assert!(shown.is_ascii(), "{shown}");
    insta::assert_snapshot!(shown);
}

#[test]
fn colours_at_80x24() {
    insta::assert_snapshot!(styles(&cluster((80, 24), Depth::Sixteen)));
}

#[test]
fn no_colours_at_80x24() {
    let state = cluster((80, 24), Depth::None);
    let shown = styles(&state);
    insta::assert_snapshot!(shown);
    // What colour says is said without it too.
    assert_eq!(text(&state), text(&cluster((80, 24), Depth::Sixteen)));
}

#[test]
fn a_killed_leader() {
    let mut state = cluster((120, 36), Depth::Sixteen);
    let ended =
        Ended { name: "n2".into(), how: "signal: 9".into(), log: String::new(), killed: true };
    report(&mut state, Report::Ended(ended));
    report(&mut state, Report::Lost(2, refused()));
    at(&mut state, 122);
    insta::assert_snapshot!(text(&state));
}

/// The picture of README.md: what the new leader knows of the one that was killed is nothing, and not zero.
#[test]
fn a_killed_leader_in_the_readme() {
    let mut state = state((100, 24), Depth::Sixteen, false);
    report(&mut state, Report::Members(0xcafe, listed(3)));
    for id in 1..=3 {
        report(&mut state, Report::Started(format!("n{id}")));
    }
    for second in 1..=12 {
        at(&mut state, second);
        if second == 10 {
            let how = "signal: 9".to_owned();
            let ended = Ended { name: "n3".into(), how, log: String::new(), killed: true };
            report(&mut state, Report::Ended(ended));
            report(&mut state, Report::Lost(3, refused()));
        }
        let leader = if second < 10 { 3 } else { 1 };
        for id in (1..=3).filter(|id| second < 10 || *id != 3) {
            let mut sample = admin(id, leader, 120 + second * 10, second);
            sample.term = if second < 10 { 2 } else { 3 };
            for progress in sample.progress.iter_mut().flatten().filter(|p| p.member == 3) {
                (progress.matched, progress.active) = (0, false);
            }
            report(&mut state, Report::Sample(id, Box::new(sample)));
            let rtt = std::time::Duration::from_micros(1200 + id * 300);
            report(&mut state, Report::Rtt(id, moment(second), rtt));
        }
    }
    report(&mut state, Report::Proof(1, Proof { asked: moment(12), term: Some(3), refused: None }));
    state.ctx.toasts.acknowledge(moment(60));
    state.ctx.toasts.fade(moment(60));
    let shown = text(&state);
    assert!(shown.contains("n3   unheard   not heard since n1 leads"), "{shown}");
    assert!(!shown.contains("match 0"), "{shown}");
    insta::assert_snapshot!(shown);
}

#[test]
fn a_stock_etcd_offers_less_and_that_is_said() {
    let mut state = state((120, 36), Depth::Sixteen, false);
    state.ctx.origin = Origin::Endpoints(vec!["127.0.0.1:23791".into()]);
    report(&mut state, Report::Members(0xcafe, listed(3)));
    for second in 1..=60 {
        at(&mut state, second);
        for id in 1..=3 {
            let commit = 5000 + second * 10;
            report(&mut state, Report::Sample(id, Box::new(status(id, 1, commit, second))));
            report(
                &mut state,
                Report::Rtt(id, moment(second), std::time::Duration::from_micros(900)),
            );
        }
    }
    insta::assert_snapshot!(text(&state));
}

#[test]
fn nobody_answers() {
    let mut state = state((80, 24), Depth::Sixteen, false);
    state.ctx.origin = Origin::Endpoints(vec!["127.0.0.1:1".into()]);
    report(&mut state, Report::Silent(vec![("127.0.0.1:1".into(), refused())]));
    insta::assert_snapshot!(text(&state));
}

/// Goal: who answers and cannot be asked is not called nobody.
#[test]
fn what_answers_and_cannot_be_asked_is_called_what_it_is() {
    for (denied, words) in [
        (Denied::Tls, "a server answers, and no TLS comes about"),
        (Denied::Foreign, "something else than etcd answers"),
    ] {
        let mut state = state((80, 24), Depth::Sixteen, false);
        state.ctx.origin = Origin::Endpoints(vec!["127.0.0.1:1".into(), "127.0.0.1:2".into()]);
        let fault = Fault { denied: Some(denied), refused: false, ..refused() };
        let silent = vec![("127.0.0.1:1".into(), refused()), ("127.0.0.1:2".into(), fault)];
        report(&mut state, Report::Silent(silent));
        let shown = text(&state);
        assert!(shown.contains(&format!("verdict: {words}")), "{shown}");
        assert!(shown.contains("b starts a bundled server"), "{shown}");
        assert!(!shown.contains("nobody answers"), "{shown}");
    }
}

#[test]
fn the_list_of_actions_at_80x24() {
    let mut state = cluster((80, 24), Depth::Sixteen);
    key(&mut state, KeyCode::Char('2'));
    type_text(&mut state, ";revision");
    key(&mut state, KeyCode::Down);
    insta::assert_snapshot!(text(&state));
    type_text(&mut state, " xyzzy");
    assert!(text(&state).contains("no action has these words"));
}

#[test]
fn help_over_the_screen() {
    let mut state = cluster((80, 24), Depth::Sixteen);
    key(&mut state, KeyCode::Char('?'));
    insta::assert_snapshot!("help_at_80x24", text(&state));
    state.ctx.size = (120, 76);
    insta::assert_snapshot!("help_at_120x76", text(&state));
}

#[test]
fn a_member_in_full() {
    let mut state = cluster((120, 36), Depth::Sixteen);
    key(&mut state, KeyCode::Enter);
    insta::assert_snapshot!(text(&state));
}

#[test]
fn a_question_before_the_quorum_is_lost() {
    let mut state = cluster((80, 24), Depth::Sixteen);
    for id in [2, 3] {
        let ended =
            Ended { name: format!("n{id}"), how: String::new(), log: String::new(), killed: true };
        report(&mut state, Report::Ended(ended));
        report(&mut state, Report::Lost(id, refused()));
    }
    at(&mut state, 130);
    key(&mut state, KeyCode::Char('x'));
    insta::assert_snapshot!(text(&state));
}

#[test]
fn the_palette_with_an_answer() {
    let mut state = cluster((80, 24), Depth::Sixteen);
    key(&mut state, KeyCode::Char(':'));
    type_text(&mut state, "get a --prefix");
    key(&mut state, KeyCode::Enter);
    for n in 0..40 {
        report(&mut state, said(1, &format!("line {n}")));
    }
    report(&mut state, ran(1));
    for _ in 0..3 {
        key(&mut state, KeyCode::PageDown);
    }
    type_text(&mut state, "del a");
    insta::assert_snapshot!(text(&state));
}

#[test]
fn at_80_columns_every_tab_has_its_name_and_the_origin_is_whole() {
    let mut state = cluster((80, 24), Depth::Sixteen);
    let usual = || vec!["127.0.0.1:2379".to_owned()];
    for (origin, elsewhere, words) in [
        (Origin::Demo(3), false, "bundled, temporary data"),
        (Origin::Demo(1), false, "bundled, temporary data"),
        (Origin::StandIn(usual()), false, " nobody at 127.0.0.1:2379 "),
        (Origin::StandIn(usual()), true, "127.0.0.1:2379 answers: o "),
        (Origin::Endpoints(usual()), false, "127.0.0.1:2379"),
    ] {
        state.ctx.origin = origin;
        state.cluster.elsewhere = elsewhere;
        let shown = text(&state);
        for part in ["1 Cluster", "2 Keys", "3 Watch", "4 Leases", "5 REPL", "6 Auth", words] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }
}

#[test]
fn minus_goes_to_the_screen_before() {
    let mut state = cluster((80, 24), Depth::Sixteen);
    key(&mut state, KeyCode::Char('-'));
    assert_eq!(state.ctx.screen, ScreenId::Cluster);
    key(&mut state, KeyCode::Char('3'));
    key(&mut state, KeyCode::Char('2'));
    for expected in [ScreenId::Watch, ScreenId::Keys, ScreenId::Watch] {
        key(&mut state, KeyCode::Char('-'));
        assert_eq!(state.ctx.screen, expected);
    }
}

#[test]
fn too_small_is_said_in_one_line() {
    let state = cluster((59, 15), Depth::Sixteen);
    let shown = text(&state);
    assert!(shown.contains("mini-etcd needs 60x16, this is 59x15"), "{shown}");
    let smallest = text(&cluster((60, 16), Depth::Sixteen));
    assert!(smallest.contains("Members") && smallest.contains("n3"), "{smallest}");
}

#[test]
fn at_80x24_every_panel_is_there_and_no_name_or_state_is_cut() {
    let shown = text(&cluster((80, 24), Depth::Sixteen));
    for part in [
        "Members",
        "Raft progress",
        "Rates",
        "Leadership",
        "quorum 3/3",
        "leader n2",
        "term 41",
        "verdict",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
}
