//! Goal: no key, paste, report or size makes the console panic. Method: random sequences of them, drawn after each.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use mini_etcd_tui::app::palette::Output;
use mini_etcd_tui::app::sample::Sample;
use mini_etcd_tui::app::{Ended, Msg, Report, update};
use mini_etcd_tui::theme::Depth;
use mini_etcd_tui::view::view;
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::support::{WALL, admin, busy, listed, moment, refused, state, status};

fn any_key() -> impl Strategy<Value = KeyEvent> {
    let codes = prop_oneof![
        8 => any::<char>().prop_map(KeyCode::Char),
        8 => "[jkgGqx:r?yn1 ]".prop_map(|text| KeyCode::Char(text.chars().next().unwrap())),
        4 => prop::sample::select(vec![
            KeyCode::Enter, KeyCode::Esc, KeyCode::Tab, KeyCode::BackTab, KeyCode::Up, KeyCode::Down, KeyCode::Left,
            KeyCode::Right, KeyCode::Home, KeyCode::End, KeyCode::PageUp, KeyCode::PageDown, KeyCode::Backspace,
            KeyCode::Delete, KeyCode::F(1), KeyCode::Null,
        ]),
    ];
    let held = prop_oneof![4 => Just(KeyModifiers::NONE), 1 => Just(KeyModifiers::CONTROL), 1 => Just(KeyModifiers::ALT)];
    (codes, held).prop_map(|(code, held)| KeyEvent::new(code, held))
}

fn wild(sample: Sample, numbers: [u64; 4]) -> Sample {
    let [commit, applied, quota, leader] = numbers;
    Sample {
        commit,
        applied,
        quota: Some(quota),
        allocated: Some(applied),
        leader,
        term: quota,
        ..sample
    }
}

fn any_report() -> impl Strategy<Value = Report> {
    let id = 0..6_u64;
    prop_oneof![
        (0..8_u64).prop_map(|count| Report::Members(0xcafe, listed(count))),
        (id.clone(), any::<[u64; 4]>())
            .prop_map(|(id, n)| Report::Sample(id, Box::new(wild(admin(id, 1, 5, 1), n)))),
        (id.clone(), any::<[u64; 4]>())
            .prop_map(|(id, n)| Report::Sample(id, Box::new(wild(status(id, 1, 5, 1), n)))),
        id.clone().prop_map(|id| Report::Lost(id, refused())),
        (id.clone(), any::<u32>()).prop_map(|(id, us)| {
            Report::Rtt(id, moment(u64::from(us % 1000)), Duration::from_micros(us.into()))
        }),
        Just(Report::Silent(vec![("a:1".into(), refused())])),
        (id.clone(), any::<bool>()).prop_map(|(id, killed)| {
            let name = format!("n{id}");
            Report::Ended(Ended {
                name,
                how: "exit status: 72".into(),
                log: "/tmp/x.log".into(),
                killed,
            })
        }),
        id.clone().prop_map(|id| Report::Started(format!("n{id}"))),
        (0..5_u64, prop::collection::vec(".{0,200}", 0..60)).prop_map(|(run, text)| {
            Report::Ran(
                run,
                Output { line: "get x".into(), text, failed: run % 2 == 0, note: "1ms".into() },
            )
        }),
        ("\\PC{0,80}", ".{0,300}").prop_map(|(what, why)| Report::Trouble(
            what,
            why,
            "next".into()
        )),
    ]
}

fn any_msg() -> impl Strategy<Value = Msg> {
    prop_oneof![
        6 => any_key().prop_map(Msg::Key),
        4 => any_report().prop_map(|report| Msg::Report(0, report)),
        2 => (1..300_u16, 1..100_u16).prop_map(|(width, height)| Msg::Resize(width, height)),
        1 => any::<String>().prop_map(Msg::Paste),
        1 => any::<bool>().prop_map(Msg::Focus),
        1 => (0..100_000_u64).prop_map(|second| Msg::Tick(moment(second), WALL + second)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn random_keys_reports_and_sizes_never_panic(
        began_busy: bool, ascii: bool, messages in prop::collection::vec(any_msg(), 1..60)
    ) {
        let mut state = state((80, 24), Depth::Sixteen, ascii);
        if began_busy {
            busy(&mut state);
        }
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        for message in messages {
            if let Msg::Resize(width, height) = message {
                terminal.backend_mut().resize(width, height);
            }
            update(&mut state, message);
            terminal.draw(|frame| view(&state, frame)).unwrap();
        }
    }
}

#[test]
fn every_size_up_to_a_large_one_is_drawn() {
    let mut state = state((1, 1), Depth::None, false);
    busy(&mut state);
    update(&mut state, Msg::Key(KeyEvent::new(KeyCode::Char('?'), KeyModifiers::NONE)));
    for (width, height) in
        (1..300).step_by(7).flat_map(|w| (1..100).step_by(5).map(move |h| (w, h)))
    {
        update(&mut state, Msg::Resize(width, height));
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| view(&state, frame)).unwrap();
    }
}
