//! Goal: what a person sees of the Keys screen, at the sizes that matter. Method: snapshots of a test terminal over
//! answers that are made up.

use base64::Engine;
use bytes::Bytes;
use crossterm::event::KeyCode;
use mini_etcd_tui::console::{Effect, Msg, Origin, State, update};
use mini_etcd_tui::engine::order::Order;
use mini_etcd_tui::engine::report::Report;
use mini_etcd_tui::engine::request::{Answer, Job, Ticket};
use mini_etcd_tui::screens::keys::model::{
    Changed, Changes, Child, Entry, Found, Grave, Graves, Histogram, Meta, Page, Preview, Reached,
    Version, Versions, Written,
};
use mini_etcd_tui::screens::keys::requests::{
    ChangeMany, CountBulk, FindKeys, ReadChanges, ReadGraves, ReadHistogram, ReadHistory, ReadPage,
    ReadValue, WriteKey,
};
use mini_etcd_tui::screens::keys::tree::{ROOT, Tree};
use mini_etcd_tui::widget::theme::Depth;

use crate::screens::{styles, text};
use crate::support::{WALL, admin, busy, ctrl, key, moment, report, state, type_text};

fn meta(version: i64) -> Meta {
    Meta {
        create: 880_120,
        modified: 917_940,
        version,
        lease: if version == 4 { 0x7f3a } else { 0 },
    }
}

pub fn leaf(name: &'static str, version: i64) -> Child {
    Child { name: name.into(), key: Some(meta(version)), below: None }
}

pub fn dir(name: &'static str, below: u64) -> Child {
    Child { name: name.into(), key: None, below: Some(below) }
}

fn value() -> Bytes {
    Bytes::from_static(br#"{"connect_ms":250,"read_ms":4000,"name":"\u00fcber"}"#)
}

/// A pod as an API server stores it.
fn pod() -> Bytes {
    let samples = include_str!("../../../assets/kubernetes/samples.txt");
    let stored = samples.lines().next().unwrap().strip_prefix("--- ").unwrap();
    base64::engine::general_purpose::STANDARD.decode(stored).unwrap().into()
}

fn preview() -> Preview {
    let first = vec!["/config/a".into(), "/config/b".into()];
    Preview { count: 1204, first, revision: 918_442, kept: 0 }
}

/// What a server with a few keys answers.
pub fn answer(job: &Job) -> Answer {
    let old = |version, value: &'static [u8], revision| {
        let meta = Meta { modified: revision, ..meta(version) };
        let entry = Entry { key: "/config/web/timeout".into(), meta, value: value.into() };
        Version { revision, entry: Some(entry) }
    };
    if let Some(asked) = job.request::<ReadPage>() {
        Answer::of(page(asked))
    } else if let Some(ReadValue { key, .. }) = job.request() {
        let value = if key.starts_with(b"/registry/") { pod() } else { value() };
        Answer::of(Some(Entry { key: key.clone(), meta: meta(4), value }))
    } else if let Some(ReadChanges { to }) = job.request() {
        let changes = (0..400).map(|n| Changes {
            revision: to - 4000 + n * 10,
            puts: u32::try_from(n * 7 % 13).unwrap(),
            deletes: u32::from(n % 90 == 3),
        });
        let changes: Vec<Changes> = changes.collect();
        Answer::of((changes, Reached { from: to - 4999, wall: None }))
    } else if job.request::<ReadHistogram>().is_some() {
        Answer::of(None::<Histogram>)
    } else if job.request::<ReadHistory>().is_some() {
        let versions = vec![
            old(4, br#"{"connect_ms":250,"read_ms":4000}"#, 917_940),
            old(3, br#"{"connect_ms":250,"read_ms":1500}"#, 901_201),
            old(2, br#"{"connect_ms":250}"#, 890_014),
            old(1, b"{}", 880_120),
            Version { revision: 880_017, entry: None },
        ];
        let reached = Some(Reached { from: 880_000, wall: Some(880_000) });
        Answer::of(Versions { versions, reached })
    } else if job.request::<ReadGraves>().is_some() {
        let grave = Grave { key: "/config/web/old-flag".into(), deleted: 917_112 };
        let reached = Reached { from: 900_000, wall: Some(900_000) };
        Answer::of(Graves { graves: vec![grave], alive: Vec::new(), reached })
    } else if job.request::<FindKeys>().is_some() {
        let keys = ["/config/web/timeout", "/config/api/timeouts"].map(Bytes::from);
        Answer::of(Found { keys: keys.to_vec(), looked: 412_883, complete: true })
    } else if job.request::<CountBulk>().is_some() {
        Answer::of(preview())
    } else if let Some(WriteKey { write, .. }) = job.request() {
        // Somebody was faster.
        let theirs = Bytes::from_static(br#"{"connect_ms":500,"read_ms":4000}"#);
        let meta = Meta { modified: 918_443, ..meta(5) };
        let theirs = Entry { key: write.key.clone(), meta, value: theirs };
        Answer::of(Written::Conflict(Some(theirs)))
    } else {
        assert!(job.request::<ChangeMany>().is_some(), "{job:?}");
        Answer::of(Changed::default())
    }
}

fn page(asked: &ReadPage) -> Page {
    let revision = if asked.at > 0 { asked.at } else { 918_442 };
    let page = |children, next: Option<&'static str>| Page {
        revision,
        children,
        next: next.map(Bytes::from),
        left: if next.is_some() { 411_160 } else { 0 },
        requests: 1,
    };
    match &asked.prefix[..] {
        // Nothing was there at the beginning.
        _ if asked.at == 1 => page(vec![], None),
        b"" => page(vec![dir("", 412_883), leaf("bad\u{1}", 1)], None),
        b"/" => page(vec![dir("config", 1204), dir("locks", 19), dir("registry", 411_660)], None),
        b"/config/" => page(vec![dir("web", 3)], None),
        b"/registry/" => page(vec![leaf("pods", 2), dir("", 3)], Some("/registry/q")),
        _ => page(vec![dir("limits", 6), leaf("banner", 12), leaf("timeout", 4)], None),
    }
}

/// Answers what is asked until nothing is.
pub fn serve(state: &mut State, effects: Vec<Effect>) {
    let mut asked: Vec<(Ticket, Job)> = Vec::new();
    let take = |effects: Vec<Effect>, asked: &mut Vec<(Ticket, Job)>| {
        for effect in effects {
            if let Effect::Engine(Order::Ask(ticket, job)) = effect {
                asked.push((ticket, job));
            }
        }
    };
    take(effects, &mut asked);
    while let Some((ticket, job)) = asked.pop() {
        let effects = report(state, Report::Answer(ticket, answer(&job)));
        take(effects, &mut asked);
    }
}

pub fn press(state: &mut State, text: &str) {
    for character in text.chars() {
        let code = if character == '\n' { KeyCode::Enter } else { KeyCode::Char(character) };
        let effects = key(state, code);
        serve(state, effects);
    }
}

/// The Keys screen with /config/web/timeout chosen.
pub fn keys(size: (u16, u16), depth: Depth, ascii: bool) -> State {
    let mut state = state(size, depth, ascii);
    busy(&mut state);
    state.ctx.origin = Origin::Endpoints(vec!["127.0.0.1:23791".into()]);
    press(&mut state, "2\nj\nj\njjj");
    state
}

#[test]
fn keys_at_80x24() {
    insta::assert_snapshot!(text(&keys((80, 24), Depth::Sixteen, false)));
}

/// Goal: data that was put back to an older state is not shown as it was before.
#[test]
fn a_leader_that_has_less_than_is_shown_makes_the_keys_read_anew() {
    let mut state = keys((80, 24), Depth::Sixteen, false);
    let shown = u64::try_from(state.keys.tree.revision).unwrap();
    assert!(shown > 5);
    let mut tick_after = |commit: u64, second: u64| {
        for id in 1..=3 {
            let sample = admin(id, 2, commit, second);
            report(&mut state, Report::Sample(id, Box::new(sample)));
        }
        update(&mut state, Msg::Tick(moment(second), WALL + second))
    };
    assert_eq!(tick_after(shown, 124), []);
    let effects = tick_after(5, 127);
    let [Effect::Engine(Order::Ask(_, job))] = &effects[..] else { panic!("{effects:?}") };
    let page = job.request::<ReadPage>().unwrap();
    assert_eq!((page.at, page.from.len()), (0, 0));
}

#[test]
fn keys_at_120x36() {
    insta::assert_snapshot!(text(&keys((120, 36), Depth::Sixteen, false)));
}

#[test]
fn keys_in_ascii() {
    let shown = text(&keys((120, 36), Depth::None, true));
    assert!(shown.replace('\u{fc}', "u").is_ascii(), "{shown}");
    insta::assert_snapshot!(shown);
}

/// The line of the screen that has this text.
fn line_with<'a>(shown: &'a str, part: &str) -> &'a str {
    shown.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{part}:\n{shown}"))
}

#[test]
fn a_chosen_row_is_in_sight_however_deep_it_stands_and_its_facts_too() {
    let mut state = keys((80, 24), Depth::Sixteen, false);
    let (open, at) = ((1..=60).map(|n| "d/".repeat(n).into()).collect(), 918_442);
    let mut below = ROOT;
    state.keys.tree = Tree::new(Bytes::new(), "/".into());
    for level in 0..60 {
        let children = vec![if level == 59 { leaf("the-leaf", 7) } else { dir("d", 1) }];
        state.keys.tree.take(below, Page { revision: at, children, ..Page::default() }, &open);
        below = state.keys.tree.rows().last().unwrap().node;
    }
    state.keys.chosen = 59;
    let shown = text(&state);
    let line = line_with(&shown, "the-leaf");
    assert!(
        line.contains('▸') && line.trim_end_matches(['│', '"']).trim_end().ends_with("v7"),
        "{line}"
    );
    // Above it stand its directories, up to the edge.
    assert!(line_with(&shown, "▾ d/").find("▾ d/") < line.find("the-leaf"), "{shown}");
}

#[test]
fn a_directory_that_is_open_is_shown_so_also_when_nothing_of_it_could_be_read() {
    let mut state = keys((80, 24), Depth::Sixteen, false);
    let page = Page { revision: 918_442, children: vec![dir("dir", 1)], ..Page::default() };
    state.keys.tree = Tree::new(Bytes::new(), "/".into());
    state.keys.tree.take(ROOT, page, &std::collections::BTreeSet::new());
    state.keys.chosen = 0;
    assert!(text(&state).contains("▸▸ dir/"), "{}", text(&state));
    let node = state.keys.tree.rows()[0].node;
    assert!(state.keys.tree.set_open(node, true), "it is to be read");
    assert!(text(&state).contains("▸▾ dir/"), "{}", text(&state));
}

#[test]
fn a_name_without_room_is_cut_with_a_mark_before_its_facts() {
    let mut state = keys((80, 24), Depth::Sixteen, false);
    let name = "a-name-".repeat(40);
    let child = Child { name: name.into(), key: Some(meta(12)), below: None };
    let page = Page { revision: 918_442, children: vec![child], ..Page::default() };
    state.keys.tree = Tree::new(Bytes::new(), "/".into());
    state.keys.tree.take(ROOT, page, &std::collections::BTreeSet::new());
    state.keys.chosen = 0;
    let shown = text(&state);
    let line = line_with(&shown, "a-name-a-name-");
    assert!(line.contains("…  v12 │"), "{line}");
}

#[test]
fn keys_without_colours() {
    let state = keys((80, 24), Depth::None, false);
    insta::assert_snapshot!(styles(&state));
    assert_eq!(text(&state), text(&keys((80, 24), Depth::Sixteen, false)));
}

#[test]
fn time_travel_says_that_editing_is_off() {
    let mut state = keys((120, 36), Depth::Sixteen, false);
    press(&mut state, "t918000\n");
    assert_eq!(state.keys.at, Some(918_000));
    press(&mut state, "e");
    insta::assert_snapshot!(text(&state));
    press(&mut state, "[");
    assert_eq!(state.keys.at, Some(917_992), "the change before");
    press(&mut state, "{");
    assert_eq!(state.keys.at, Some(916_992), "a hundred changes back");
    press(&mut state, "]T");
    assert_eq!(state.keys.at, None);
    // What was open and chosen is so again.
    assert_eq!(state.keys.value.key.as_deref(), Some(&b"/config/web/timeout"[..]));
}

#[test]
fn a_past_without_keys_offers_no_key_that_editing_would_need() {
    let mut state = keys((120, 36), Depth::Sixteen, false);
    press(&mut state, "t1\n");
    assert_eq!(state.keys.at, Some(1));
    let shown = text(&state);
    assert!(shown.contains("there were no keys here"), "{shown}");
    assert!(!shown.contains("n makes one"), "{shown}");
}

#[test]
fn the_history_shows_what_each_version_changed() {
    let mut state = keys((120, 36), Depth::Sixteen, false);
    press(&mut state, "H");
    insta::assert_snapshot!(text(&state));
}

#[test]
fn the_graveyard_at_80x24() {
    let mut state = keys((80, 24), Depth::Sixteen, false);
    press(&mut state, "B");
    insta::assert_snapshot!(text(&state));
}

#[test]
fn a_jump_shows_its_matches() {
    let mut state = keys((80, 24), Depth::Sixteen, false);
    press(&mut state, "ftimeout");
    insta::assert_snapshot!(text(&state));
}

#[test]
fn a_value_has_the_screen_at_80x24() {
    let mut state = keys((80, 24), Depth::Sixteen, false);
    press(&mut state, "\nvvvvv");
    insta::assert_snapshot!(text(&state));
}

#[test]
fn the_editor_in_place() {
    let mut state = keys((80, 24), Depth::Sixteen, false);
    press(&mut state, "E");
    type_text(&mut state, "new ");
    insta::assert_snapshot!(text(&state));
}

#[test]
fn a_change_that_came_too_late_is_shown_beside_the_other_one() {
    let mut state = keys((80, 24), Depth::Sixteen, false);
    press(&mut state, "E");
    type_text(&mut state, "new ");
    let effects = ctrl(&mut state, 's');
    serve(&mut state, effects);
    insta::assert_snapshot!(text(&state));
}

#[test]
fn a_directory_is_asked_about_before_it_is_deleted() {
    let mut state = keys((80, 24), Depth::Sixteen, false);
    press(&mut state, "kkkkd");
    insta::assert_snapshot!(text(&state));
}

#[test]
fn a_kubernetes_object_is_shown_as_kubectl_shows_it() {
    let mut state = keys((120, 36), Depth::Sixteen, false);
    press(&mut state, "jj\nj");
    insta::assert_snapshot!(text(&state));
}

#[test]
fn a_kubernetes_object_is_folded_and_stays_so_when_it_is_read_anew() {
    let mut state = keys((120, 36), Depth::Sixteen, false);
    press(&mut state, "jj\nj\nZjj\njjjj");
    let shown = text(&state);
    insta::assert_snapshot!(shown);
    press(&mut state, "r");
    assert_eq!(text(&state), shown);
}

#[test]
fn a_filter_shows_what_was_loaded_and_has_a_text_in_its_name() {
    let mut state = keys((80, 24), Depth::Sixteen, false);
    press(&mut state, "/time");
    insta::assert_snapshot!(text(&state));
}

#[test]
fn help_lists_the_keys_of_the_screen() {
    let mut state = keys((120, 60), Depth::Sixteen, false);
    press(&mut state, "?");
    insta::assert_snapshot!(text(&state));
}

#[test]
fn a_change_that_is_given_up_may_have_been_done_and_that_is_said() {
    let mut state = keys((80, 24), Depth::Sixteen, false);
    assert_eq!(key(&mut state, KeyCode::Char('d')), [], "it asks first");
    let asked = key(&mut state, KeyCode::Char('y'));
    assert!(matches!(asked.as_slice(), [Effect::Engine(Order::Ask(..))]), "{asked:?}");
    assert!(matches!(ctrl(&mut state, 'c').as_slice(), [Effect::Engine(Order::Drop(_))]));
    let toasts = state.ctx.toasts.shown();
    assert!(toasts.iter().any(|toast| toast.why.contains("may have been done")), "{toasts:?}");
}

#[test]
fn a_grave_is_copied_as_the_command_that_still_reads_it() {
    let mut state = keys((80, 24), Depth::Sixteen, false);
    press(&mut state, "B");
    let copied = key(&mut state, KeyCode::Char('Y'));
    let [Effect::Copy(line)] = copied.as_slice() else { panic!("{copied:?}") };
    let line = String::from_utf8_lossy(line);
    assert_eq!(line, "get /config/web/old-flag --rev=917111");
}

/// Goal: what terminals draw in different widths or directions never reaches one, wherever it is typed. Method: every
/// place that takes text on this screen, and every cell of what is drawn.
#[test]
fn what_is_typed_reaches_no_terminal_that_would_draw_it_in_another_way() {
    let typed = "a\u{202e}\u{1f1e9}\u{1f1ea}\u{2764}\u{fe0f}";
    for open in ["/", "F", "f", "|", "n", "E", ":"] {
        let mut state = keys((120, 36), Depth::Sixteen, false);
        press(&mut state, open);
        type_text(&mut state, typed);
        let shown = text(&state);
        let odd = |c: &char| *c != '\n' && !mini_etcd_shared::text::is_drawn(*c);
        assert_eq!(shown.chars().find(odd), None, "{open}\n{shown}");
        // The editor marks the cell, all others say what it is.
        let said = shown.contains(r"a\u{202e}\u{1f1e9}\u{1f1ea}");
        assert!(said || open == "E", "{open}\n{shown}");
    }
}
