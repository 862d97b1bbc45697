//! Goal: no key, paste, report or size makes the console panic. Method: random sequences of them, drawn after each.

use std::time::Duration;

use bytes::Bytes;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use mini_etcd_tui::console::view::view;
use mini_etcd_tui::console::{Msg, update};
use mini_etcd_tui::engine::report::{Ended, Report};
use mini_etcd_tui::engine::request::{Answer, Ticket, Trouble};
use mini_etcd_tui::engine::sample::Sample;
use mini_etcd_tui::engine::session::{LineKind, OutputLine, Prompt, RunEnded, SessionLine};
use mini_etcd_tui::screens::ScreenId;
use mini_etcd_tui::screens::keys::model::{
    Batch, Changed, Changes, Child, Entry, Found, Grave, Graves, Histogram, Meta, Page, Preview,
    Reached, Slice, Stop, Target, Version, Versions, Written,
};
use mini_etcd_tui::widget::theme::Depth;
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::support::{WALL, admin, busy, listed, moment, refused, state, status};

fn any_key() -> impl Strategy<Value = KeyEvent> {
    let codes = prop_oneof![
        8 => any::<char>().prop_map(KeyCode::Char),
        8 => "[jkgGqx:r?yn12 lhEeduRvFf/|zYNtTBH{}\\[\\]]".prop_map(|text| KeyCode::Char(text.chars().next().unwrap())),
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
            let line = |text| SessionLine {
                run: Some(run).filter(|run| *run > 0),
                line: OutputLine::new(LineKind::Out, text),
            };
            Report::Said(text.into_iter().map(line).collect(), run)
        }),
        (0..5_u64, ".{0,80}").prop_map(|(run, scope)| {
            let prompt = Prompt { scope, ..Prompt::default() };
            let failed = (run % 2 == 0).then(|| vec!["no".to_owned()]);
            let took = Duration::from_millis(run);
            Report::Ran(run, RunEnded { failed, took, prompt })
        }),
        ("\\PC{0,80}", ".{0,300}").prop_map(|(what, why)| Report::Trouble(
            what,
            why,
            "next".into()
        )),
    ]
}

fn any_bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from),
        "[ab/]{0,6}".prop_map(Bytes::from),
        Just(Bytes::from_static(b"{\"a\":[1,{}]}")),
        Just(Bytes::from_static(b"k8s\0\x0a\x02\x0a\x00")),
    ]
}

fn any_entry() -> impl Strategy<Value = Entry> {
    (any_bytes(), any_bytes(), any::<[i64; 4]>()).prop_map(|(key, value, n)| {
        let meta = Meta { create: n[0], modified: n[1], version: n[2], lease: n[3] };
        Entry { key, meta, value }
    })
}

fn any_reached() -> impl Strategy<Value = Reached> {
    (any::<i64>(), any::<Option<i64>>()).prop_map(|(from, wall)| Reached { from, wall })
}

fn any_page() -> impl Strategy<Value = Page> {
    let child = (any_bytes(), any::<bool>(), any::<Option<u64>>())
        .prop_map(|(name, key, below)| Child { name, key: key.then(Meta::default), below });
    let children = prop::collection::vec(child, 0..40);
    (any::<i64>(), children, prop::option::of(any_bytes()), any::<u64>()).prop_map(
        |(revision, children, next, left)| Page { revision, children, next, left, requests: 1 },
    )
}

fn any_changed() -> impl Strategy<Value = Changed> {
    let target =
        prop_oneof![any_bytes().prop_map(Target::Key), any_bytes().prop_map(Target::Prefix)];
    let targets = prop::collection::vec(target, 0..4);
    let batch =
        (targets.clone(), any::<i64>()).prop_map(|(targets, revision)| Batch { targets, revision });
    let stopped = prop_oneof![
        Just(None),
        targets.prop_map(|left| Some(Stop::Changed(left))),
        any_bytes().prop_map(|key| Some(Stop::LeaseGone(key))),
    ];
    (prop::collection::vec(batch, 0..4), any::<[u64; 2]>(), stopped)
        .prop_map(|(batches, [count, kept], stopped)| Changed { batches, count, kept, stopped })
}

fn any_answer() -> impl Strategy<Value = Answer> {
    let version = (any::<i64>(), prop::option::of(any_entry()))
        .prop_map(|(revision, entry)| Version { revision, entry });
    let change = any::<(i64, u32, u32)>().prop_map(|(revision, puts, deletes)| Changes {
        revision,
        puts,
        deletes,
    });
    let grave = (any_bytes(), any::<i64>()).prop_map(|(key, deleted)| Grave { key, deleted });
    prop_oneof![
        12 => any_page().prop_map(Answer::of),
        6 => prop::option::of(any_entry()).prop_map(Answer::of),
        2 => prop::option::of(any_entry()).prop_map(|e| Answer::of(Written::Conflict(e))),
        2 => (any::<i64>(), prop::option::of(any_entry()))
            .prop_map(|(at, e)| Answer::of(Written::Done(at, e))),
        2 => (any::<[u64; 2]>(), prop::collection::vec(any_bytes(), 0..8), any::<i64>()).prop_map(
            |([count, kept], first, revision)| {
                Answer::of(Preview { count, kept, first, revision })
            }
        ),
        2 => any_changed().prop_map(Answer::of),
        4 => (prop::collection::vec(version, 0..8), prop::option::of(any_reached())).prop_map(
            |(versions, reached)| match reached {
                Some(_) => Answer::of(Versions { versions, reached }),
                None => Answer::part(Versions { versions, reached }),
            }
        ),
        4 => (prop::collection::vec(change, 0..50), any_reached()).prop_map(Answer::of),
        2 => (prop::collection::vec(any::<[i64; 2]>(), 0..9), any::<Option<i64>>()).prop_map(
            |(slices, wall)| {
                let slice =
                    |[first, last]: [i64; 2]| Slice { first, last, puts: 3, deletes: 1 };
                let slices = slices.into_iter().map(slice).collect();
                Answer::of(Some(Histogram { slices, wall }))
            }
        ),
        4 => (prop::collection::vec(grave, 0..50), any_reached()).prop_map(|(graves, reached)| {
            Answer::of(Graves { graves, alive: Vec::new(), reached })
        }),
        2 => (prop::collection::vec(any_bytes(), 0..50), any::<u64>(), any::<bool>()).prop_map(
            |(keys, looked, complete)| {
                let found = Found { keys, looked, complete };
                if complete { Answer::of(found) } else { Answer::part(found) }
            }
        ),
        5 => prop::collection::vec(any::<u8>(), 0..80).prop_map(Answer::of),
        5 => ".{0,80}".prop_map(|why| Answer::failed(Trouble {
            place: "127.0.0.1:1".into(),
            why,
            next: String::new()
        })),
    ]
}

pub fn any_mouse() -> impl Strategy<Value = Msg> {
    let kind = prop::sample::select(vec![
        MouseEventKind::Down(MouseButton::Left),
        MouseEventKind::Up(MouseButton::Left),
        MouseEventKind::Down(MouseButton::Right),
        MouseEventKind::ScrollUp,
        MouseEventKind::ScrollDown,
    ]);
    let place = prop_oneof![8 => (0..140_u16, 0..40_u16), 1 => any::<(u16, u16)>()];
    (kind, place).prop_map(|(kind, (column, row))| {
        Msg::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })
    })
}

fn any_msg() -> impl Strategy<Value = Msg> {
    prop_oneof![
        4 => any_mouse(),
        6 => any_key().prop_map(Msg::Key),
        4 => any_report().prop_map(|report| Msg::Report(0, report)),
        6 => (0..36_u64, any_answer()).prop_map(|(id, answer)| {
            let ticket = Ticket { screen: ScreenId::Keys.number(), id };
            Msg::Report(0, Report::Answer(ticket, answer))
        }),
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
            let screen = if ascii { '2' } else { '5' };
            update(&mut state, Msg::Key(KeyEvent::new(KeyCode::Char(screen), KeyModifiers::NONE)));
        }
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        for message in messages {
            if let Msg::Resize(width, height) = message {
                terminal.backend_mut().resize(width, height);
            }
            update(&mut state, message);
            terminal.draw(|frame| view(&mut state, frame)).unwrap();
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
        terminal.draw(|frame| view(&mut state, frame)).unwrap();
    }
}
