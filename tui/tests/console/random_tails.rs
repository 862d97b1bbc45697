//! Goal: the Watch screen takes whatever comes, in any order and size. Method: random keys, news and sizes, each drawn.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use mini_etcd_tui::console::view::view;
use mini_etcd_tui::console::{Effect, Msg, update};
use mini_etcd_tui::engine::order::Order;
use mini_etcd_tui::screens::watch::{Before, News};
use mini_etcd_tui::widget::theme::Depth;
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::random::any_mouse;
use crate::support::state;
use crate::tails::{begin, del, lost, put, revision, stands, tell, version};

fn any_news() -> impl Strategy<Value = News> {
    let event = ("[a-e]{0,3}", any::<bool>(), ".{0,40}").prop_map(|(key, gone, value)| {
        let known = Before::Known(version(1, "{\"a\": [1, 2]}", 7, 3));
        if gone { del(5, &key, known) } else { put(5, &key, 2, Some("{}"), &value) }
    });
    let revisions = prop::collection::vec(prop::collection::vec(event, 1..5), 1..8);
    prop_oneof![
        6 => (0..1000_i64, revisions).prop_map(|(from, list)| {
            let list = (from..).zip(list).map(|(number, events)| revision(number, events));
            News::Revisions(list.collect(), from + 10)
        }),
        1 => (0..1000_i64, 0..1000_i64).prop_map(|(from, server)| stands(from, server, 2)),
        1 => Just(lost()),
        1 => any::<i64>().prop_map(News::Progress),
        1 => (1..500_i64, 500..1000_i64).prop_map(|(from, to)| News::Compacted(from, to)),
        1 => Just(News::Ended("no".into())),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    News(News),
    Msg(Msg),
}

/// A step of somebody who plays with the Watch screen.
fn any_step() -> impl Strategy<Value = Step> {
    let codes = prop_oneof![
        12 => "[jkgGpc=/F.wnNrxabd ]".prop_map(|text| KeyCode::Char(text.chars().next().unwrap())),
        6 => prop::sample::select(vec![
            KeyCode::Enter, KeyCode::Esc, KeyCode::Tab, KeyCode::BackTab, KeyCode::Up, KeyCode::Down,
            KeyCode::PageUp, KeyCode::PageDown, KeyCode::Backspace,
        ]),
        1 => any::<char>().prop_map(KeyCode::Char),
    ];
    prop_oneof![
        8 => codes.prop_map(|code| Step::Msg(Msg::Key(KeyEvent::new(code, KeyModifiers::NONE)))),
        8 => any_news().prop_map(Step::News),
        4 => any_mouse().prop_map(Step::Msg),
        1 => (1..300_u16, 1..100_u16).prop_map(|(width, height)| Step::Msg(Msg::Resize(width, height))),
        1 => any::<String>().prop_map(|text| Step::Msg(Msg::Paste(text))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn random_keys_news_and_sizes_never_panic(steps in prop::collection::vec(any_step(), 1..120)) {
        let mut state = state((120, 36), Depth::Sixteen, false);
        let mut tickets = vec![begin(&mut state)];
        let mut terminal = Terminal::new(TestBackend::new(120, 36)).unwrap();
        for (at, step) in steps.into_iter().enumerate() {
            let effects = match step {
                Step::News(news) => {
                    tell(&mut state, tickets[at % tickets.len()], news);
                    Vec::new()
                }
                Step::Msg(msg) => {
                    if let Msg::Resize(width, height) = msg {
                        terminal.backend_mut().resize(width, height);
                    }
                    update(&mut state, msg)
                }
            };
            tickets.extend(effects.into_iter().filter_map(|effect| match effect {
                Effect::Engine(Order::Ask(ticket, _)) => Some(ticket),
                _ => None,
            }));
            terminal.draw(|frame| view(&mut state, frame)).unwrap();
        }
    }
}
