//! Clusters to look at.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use mini_etcd_shared::clock::Moment;
use mini_etcd_tui::console::keymap::Keymap;
use mini_etcd_tui::console::{Effect, Msg, Origin, Setup, State, update};
use mini_etcd_tui::engine::report::Report;
use mini_etcd_tui::engine::sample::Listed;
use mini_etcd_tui::engine::sample::{Fault, Progress, Role, Sample, Sending, Source};
use mini_etcd_tui::engine::session::{LineKind, OutputLine, Prompt, RunEnded, SessionLine};
use mini_etcd_tui::widget::theme::{Depth, Theme};
use mini_etcd_tui::widget::{Glyphs, Look};

/// A Monday, 12:04:31.
pub const WALL: u64 = 1_796_040_271;

pub fn state(size: (u16, u16), depth: Depth, ascii: bool) -> State {
    let theme = Theme::load("dark", depth, None).unwrap();
    let glyphs = if ascii { Glyphs::ascii() } else { Glyphs::unicode() };
    let look = Look { theme, glyphs };
    let mut state = State::new(Setup {
        look,
        keymap: Keymap::load(None).unwrap(),
        origin: Origin::Demo(3),
        read_only: false,
        user: None,
        profile: None,
        flags: Vec::new(),
        profiles: Vec::new(),
        size,
    });
    at(&mut state, 0);
    state
}

pub fn moment(seconds: u64) -> Moment {
    Moment(Duration::from_secs(seconds))
}

/// Time goes on to this second since the start.
pub fn at(state: &mut State, second: u64) {
    update(state, Msg::Tick(moment(second), WALL + second));
}

pub fn report(state: &mut State, report: Report) -> Vec<Effect> {
    update(state, Msg::Report(0, report))
}

pub fn key(state: &mut State, code: KeyCode) -> Vec<Effect> {
    update(state, Msg::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

pub fn ctrl(state: &mut State, character: char) -> Vec<Effect> {
    update(state, Msg::Key(KeyEvent::new(KeyCode::Char(character), KeyModifiers::CONTROL)))
}

pub fn type_text(state: &mut State, text: &str) -> Vec<Effect> {
    text.chars().flat_map(|character| key(state, KeyCode::Char(character))).collect()
}

/// A run says a line.
pub fn said(run: u64, text: &str) -> Report {
    let line = OutputLine::new(LineKind::Out, text);
    Report::Said(vec![SessionLine { run: Some(run), line }], 0)
}

/// A run has gone well.
pub fn ran(run: u64) -> Report {
    let prompt = Prompt { format: "simple".into(), ..Prompt::default() };
    Report::Ran(run, RunEnded { failed: None, took: Duration::from_micros(1400), prompt })
}

pub fn listed(count: u64) -> Vec<Listed> {
    (1..=count)
        .map(|n| Listed {
            id: n,
            name: format!("n{n}"),
            learner: n > 3,
            client_urls: vec![format!("http://127.0.0.1:2379{n}")],
            peer_urls: vec![format!("http://127.0.0.1:2380{n}")],
            endpoint: format!("127.0.0.1:2379{n}"),
        })
        .collect()
}

/// What member `id` of a cluster led by `leader` says, `commit` entries in.
pub fn admin(id: u64, leader: u64, commit: u64, second: u64) -> Sample {
    let progress = |member| Progress {
        member,
        matched: commit,
        next: commit + 1,
        sending: Sending::Replicate,
        in_flight: 2,
        active: true,
        behind_bytes: None,
    };
    let followers = (1..=3).filter(|member| *member != leader);
    Sample {
        at: moment(second),
        source: Source::Admin,
        cluster_id: 0xcafe,
        version: "0.1.0".into(),
        role: if id == leader { Role::Leader } else { Role::Follower },
        leader,
        term: 41,
        commit,
        applied: commit,
        log: Some((900, commit)),
        revision: i64::try_from(commit).unwrap(),
        compacted: Some(900),
        progress: (id == leader).then(|| followers.map(progress).collect()),
        put_p99_us: Some(6100),
        sync_p99_us: Some(3200 + id),
        in_use: Some(301 << 20),
        allocated: Some(412 << 20),
        quota: Some(2 << 30),
        log_bytes: Some(64 << 20),
        resident: Some(38 << 20),
        watchers: Some(40 + id),
        slow_watchers: Some(0),
        connections: Some(14 + id),
        keys: Some(12_000),
        uptime_s: Some(3600 + second),
        leader_changes: Some(3),
        ..Sample::default()
    }
}

/// What a stock etcd says.
pub fn status(id: u64, leader: u64, commit: u64, second: u64) -> Sample {
    Sample {
        at: moment(second),
        source: Source::Status,
        cluster_id: 0xcafe,
        version: "3.5.1".into(),
        role: if id == leader { Role::Leader } else { Role::Follower },
        leader,
        term: 41,
        commit,
        applied: commit,
        revision: 918,
        in_use: Some(301 << 20),
        allocated: Some(412 << 20),
        ..Sample::default()
    }
}

pub fn refused() -> Fault {
    Fault {
        words: "connection refused: nothing listens there".into(),
        next: "start the member, or check the port".into(),
        refused: true,
        denied: None,
    }
}

/// Two minutes of a cluster of three, in which n2 takes over from n1.
pub fn busy(state: &mut State) {
    report(state, Report::Members(0xcafe, listed(3)));
    for id in 1..=3 {
        report(state, Report::Started(format!("n{id}")));
    }
    for second in 1..=120 {
        at(state, second);
        let leader = if second < 70 { 1 } else { 2 };
        let wave = [0, 400, 900, 1700, 2100, 1200, 300];
        let commit: u64 =
            1_200_000 + (0..=second).map(|s| wave[usize::try_from(s % 7).unwrap()]).sum::<u64>();
        for id in 1..=3 {
            let mut sample = admin(id, leader, commit, second);
            sample.term = if second < 70 { 40 } else { 41 };
            sample.put_p99_us = Some(4000 + second % 9 * 900);
            report(state, Report::Sample(id, Box::new(sample)));
            report(state, Report::Rtt(id, moment(second), Duration::from_micros(700 + id * 110)));
        }
    }
}
