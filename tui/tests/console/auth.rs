//! Goal: what a person sees of the Auth screen and does on it, and what it asks for. Method: snapshots of a test terminal
//! over answers that are made up, tables of keys, and a real member with users on.

use bytes::Bytes;
use crossterm::event::{KeyCode, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use mini_etcd_proto::etcdserverpb::PutRequest;
use mini_etcd_shared::types::prefix_end;
use mini_etcd_tui::console::view::view;
use mini_etcd_tui::console::{Effect, Msg, State, update};
use mini_etcd_tui::engine::order::Order;
use mini_etcd_tui::engine::report::Report;
use mini_etcd_tui::engine::request::{Answer, Job, Ticket, Trouble};
use mini_etcd_tui::password::Secret;
use mini_etcd_tui::screens::auth::Pane;
use mini_etcd_tui::screens::auth::model::{Access, Grant, Keys, Told};
use mini_etcd_tui::screens::auth::requests::{Change, ReadUsers};
use mini_etcd_tui::screens::auth::tree::Node;
use mini_etcd_tui::widget::theme::Depth;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::driver::{Driver, Member, Stock};
use crate::passwords::with_password;
use crate::screens::text;
use crate::support::{WALL, busy, key, listed, moment, report, state};

const DENIED: &str = "etcdserver: permission denied";

fn keys(key: &str, end: &str) -> Keys {
    let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    Keys { key: bytes(key), end: bytes(end) }
}

fn prefix(access: Access, key: &str) -> Grant {
    let key = Bytes::copy_from_slice(key.as_bytes());
    Grant { access, keys: Keys { end: prefix_end(&key), key } }
}

/// A shop's users.
fn told() -> Told {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let users = [
        ("alice", names(&["config-reader", "deployer"])),
        ("backup", names(&["all-reader"])),
        ("carol", Vec::new()),
        ("root", names(&["root"])),
    ];
    let roles = [
        ("all-reader", vec![Grant { access: Access::Read, keys: keys("\0", "\0") }]),
        ("config-reader", vec![prefix(Access::Read, "/config/")]),
        (
            "deployer",
            vec![
                prefix(Access::Both, "/deploys/"),
                Grant { access: Access::Write, keys: keys("/config/version", "") },
                Grant { access: Access::Read, keys: keys("/services/a", "/services/k") },
            ],
        ),
        ("idle", Vec::new()),
        ("root", Vec::new()),
    ];
    Told {
        enabled: true,
        revision: Some(12),
        users: users.map(|(name, roles)| (name.to_owned(), roles)).into(),
        roles: roles.map(|(name, grants)| (name.to_owned(), grants)).into(),
        ..Told::default()
    }
}

/// What a user without the role root is told.
fn own() -> Told {
    let mut told = told();
    told.users.retain(|name, _| name == "alice");
    told.roles.retain(|name, _| ["config-reader", "deployer"].contains(&&**name));
    Told { denied: Some(DENIED.to_owned()), ..told }
}

fn asked(effects: Vec<Effect>) -> Vec<(Ticket, Job)> {
    let ask = |effect| match effect {
        Effect::Engine(Order::Ask(ticket, job)) => Some((ticket, job)),
        _ => None,
    };
    effects.into_iter().filter_map(ask).collect()
}

/// Answers what is asked with what is told; answers the changes among it.
fn serve(state: &mut State, effects: Vec<Effect>, told: &Told) -> Vec<Change> {
    let mut open = asked(effects);
    let mut changes = Vec::new();
    while let Some((ticket, job)) = open.pop() {
        let answer = if let Some(change) = job.request::<Change>() {
            changes.push(change.clone());
            Answer::of(())
        } else {
            let read: &ReadUsers = job.request().expect("a read");
            let new = read.since.is_none_or(|since| Some(since.1) != told.revision);
            Answer::of(new.then(|| told.clone()))
        };
        open.extend(asked(report(state, Report::Answer(ticket, answer))));
    }
    changes
}

/// Presses keys, `\n` for Enter and `\x1b` for Esc; answers the changes.
fn press(state: &mut State, text: &str) -> Vec<Change> {
    let mut changes = Vec::new();
    for character in text.chars() {
        let code = match character {
            '\n' => KeyCode::Enter,
            '\x1b' => KeyCode::Esc,
            other => KeyCode::Char(other),
        };
        let effects = key(state, code);
        let told = state.auth.told.clone().unwrap_or_else(told);
        changes.extend(serve(state, effects, &told));
    }
    changes
}

/// The screen over a server that tells this, as this user.
fn shows(size: (u16, u16), ascii: bool, told: &Told, user: Option<&str>) -> State {
    let mut state = state(size, Depth::Sixteen, ascii);
    busy(&mut state);
    state.ctx.user = user.map(str::to_owned);
    let effects = key(&mut state, KeyCode::Char('6'));
    serve(&mut state, effects, told);
    state
}

/// The screen as root, with a user chosen.
fn auth(size: (u16, u16)) -> State {
    let mut state = shows(size, false, &told(), Some("root"));
    press(&mut state, "j");
    state
}

fn choose(state: &mut State, node: &Node) {
    press(state, "g");
    while state.auth.chosen_node() != Some(node) {
        let before = state.auth.chosen;
        press(state, "j");
        assert!(state.auth.chosen > before, "no {node:?}");
    }
}

#[test]
fn auth_at_120x36() {
    insta::assert_snapshot!(text(&auth((120, 36))));
}

#[test]
fn auth_at_80x24() {
    insta::assert_snapshot!(text(&auth((80, 24))));
}

#[test]
fn auth_at_200x60() {
    insta::assert_snapshot!(text(&auth((200, 60))));
}

#[test]
fn auth_in_ascii() {
    let mut state = shows((120, 36), true, &told(), Some("root"));
    press(&mut state, "j");
    let shown = text(&state);
    assert!(shown.is_ascii(), "{shown}");
    insta::assert_snapshot!(shown);
}

#[test]
fn why_a_user_may_not() {
    let mut state = auth((120, 36));
    press(&mut state, "ewrite /config/app.json\n");
    insta::assert_snapshot!(text(&state));
}

#[test]
fn who_may_list_nothing() {
    insta::assert_snapshot!(text(&shows((80, 24), false, &own(), Some("alice"))));
}

#[test]
fn no_user_yet() {
    let told = Told { revision: Some(1), ..Told::default() };
    insta::assert_snapshot!(text(&shows((80, 24), false, &told, None)));
}

#[test]
fn a_question_before_users_are_turned_off() {
    let mut state = auth((80, 24));
    press(&mut state, "E");
    insta::assert_snapshot!(text(&state));
}

#[test]
fn every_size_is_drawn() {
    let mut state = auth((80, 24));
    press(&mut state, "ereadwrite /config/ --prefix\n");
    for pane in [Pane::Tree, Pane::Facts] {
        state.auth.pane = pane;
        for (width, height) in (58..210).step_by(7).flat_map(|w| (14..60).map(move |h| (w, h))) {
            update(&mut state, Msg::Resize(width, height));
            let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
            terminal.draw(|frame| view(&mut state, frame)).unwrap();
        }
    }
}

/// Goal: what is asked is answered, whoever it is about. Method: questions, and the words of their answers.
#[test]
fn why_somebody_may_do_something_or_not_is_told() {
    let off = Told { enabled: false, ..told() };
    for (told, question, words) in [
        (
            &told(),
            "alice read /config/a",
            &["YES", "role config-reader: read /config/ (prefix)"][..],
        ),
        (&told(), "alice write /config/a", &["NO", "No role of alice permits to write /config/a."]),
        (&told(), "alice write /config/a", &["Closest: role config-reader", "and not write."]),
        (&told(), "alice read /x", &["NO", "Would do: role all-reader"]),
        (&told(), "alice read /config/ /deploys0", &["NO", "to read /config0 on."]),
        (&told(), "carol read /x", &["NO", "It has no permission at all."]),
        (&told(), "backup read '' --prefix", &["YES", "role all-reader: read every key"]),
        (&told(), "root write /x", &["YES", "It has the role root"]),
        (&told(), "dave read /x", &["NO", "There is no user dave."]),
        (&off, "carol write /x", &["YES: users are off", "With users on, no:"]),
        (&off, "alice read /config/a", &["YES: users are off", "With users on, too:"]),
        (&own(), "bob read /x", &["Only a user with the role root is told what bob may"]),
        (&own(), "alice read /config/a", &["YES", "role config-reader"]),
    ] {
        let mut state = shows((120, 36), false, told, None);
        press(&mut state, &format!("e{question}\n"));
        let shown = text(&state);
        for words in words {
            assert!(shown.contains(words), "{question}: {words}\n{shown}");
        }
        press(&mut state, "\x1b");
        assert_eq!((&state.auth.question, state.auth.pane), (&None, Pane::Tree));
    }
}

#[test]
fn what_is_typed_wrong_is_said_and_stays_to_be_corrected() {
    let mut state = auth((120, 36));
    press(&mut state, "esee /a\n");
    let shown = text(&state);
    assert!(shown.contains("\"see\" is none of read, write, readwrite"), "{shown}");
    assert!(shown.contains("may: alice see /a"), "{shown}");
    press(&mut state, "\x1bnalice\n");
    assert!(text(&state).contains("there is a user alice already"), "{}", text(&state));
    press(&mut state, "\x1bnc:d\n");
    assert!(text(&state).contains("a name without a colon"), "{}", text(&state));
}

/// Goal: a password is asked for twice, and seen nowhere. Method: all ways through the question, and pictures of the
/// screen and of the state.
#[test]
fn a_password_is_typed_twice_and_hidden() {
    let hidden = |state: &State| {
        assert!(!text(state).contains("tulip"), "{}", text(state));
        assert!(!format!("{:?}", state.auth).contains("tulip"));
    };
    let mut state = auth((120, 36));
    assert_eq!(press(&mut state, "ndave\ntulip"), []);
    hidden(&state);
    assert!(text(&state).contains("password of dave:"), "{}", text(&state));
    assert_eq!(press(&mut state, "\ntulips\n"), [], "another one");
    assert!(text(&state).contains("the two are different"), "{}", text(&state));
    assert_eq!(press(&mut state, "tulip\n"), []);
    assert!(text(&state).contains("password of dave, again:"), "{}", text(&state));
    update(&mut state, Msg::Paste("tulip\nmore".to_owned()));
    hidden(&state);
    let secret = Secret::new("tulip".to_owned());
    assert_eq!(press(&mut state, "\n"), [Change::AddUser("dave".to_owned(), Some(secret.clone()))]);
    hidden(&state);
    assert!(text(&state).contains("dave was added"), "{}", text(&state));
    let copied = key(&mut state, KeyCode::Char('C'));
    assert_eq!(copied, [Effect::Copy(b"user add dave".to_vec())]);
    assert_eq!(press(&mut state, "nerin\n\n"), [Change::AddUser("erin".to_owned(), None)]);
    choose(&mut state, &Node::User("carol".to_owned()));
    assert_eq!(press(&mut state, "p\n"), []);
    assert!(text(&state).contains("a password is not empty"), "{}", text(&state));
    let changed = press(&mut state, "tulip\ntulip\n");
    assert_eq!(changed, [Change::SetPassword("carol".to_owned(), secret)]);
    assert_eq!(press(&mut state, "ptul\x1b"), [], "given up");
    assert!(state.auth.prompt.is_none());
}

/// Goal: each key of a change does what the row says. Method: a table of rows and keys.
#[test]
fn what_is_chosen_is_given_more_and_taken_away() {
    let own = |text: &str| text.to_owned();
    let user = || Node::User(own("alice"));
    let config = prefix(Access::Read, "/config/");
    let held = || Node::Held(own("alice"), own("deployer"));
    let role = || Node::Role(own("idle"));
    let grant = || Node::RoleGrant(own("config-reader"), prefix(Access::Read, "/config/"));
    let given = Grant { access: Access::Write, keys: keys("a", "c") };
    for (node, keys, change) in [
        (user(), "aidle\n", Change::GrantRole(own("alice"), own("idle"))),
        (user(), "dy", Change::DeleteUser(own("alice"))),
        (held(), "dy", Change::RevokeRole(own("alice"), own("deployer"))),
        (held(), "awrite a c\n", Change::GrantPermission(own("deployer"), given.clone())),
        (role(), "awrite a c\n", Change::GrantPermission(own("idle"), given)),
        (role(), "dy", Change::DeleteRole(own("idle"))),
        (grant(), "dy", Change::RevokePermission(own("config-reader"), config)),
        (Node::Roles, "Nnew\n", Change::AddRole(own("new"))),
        (Node::Users, "Edisable\n", Change::Disable),
    ] {
        let mut state = auth((120, 36));
        choose(&mut state, &node);
        assert_eq!(press(&mut state, keys), [change], "{node:?} {keys}");
        assert!(!state.ctx.is_covered() && state.auth.prompt.is_none());
    }
    let mut state = auth((120, 36));
    for keys in ["dn", "d\n\x1b", "Eyes\n", "E\n", "a\x1b"] {
        assert_eq!(press(&mut state, keys), [], "{keys}");
        assert!(!state.ctx.is_covered(), "{keys}");
    }
}

#[test]
fn before_users_are_turned_on_it_is_said_what_that_does_to_this_console() {
    let off = Told { enabled: false, ..told() };
    let mut state = shows((120, 36), false, &off, None);
    assert!(text(&state).contains("users are off, no login"), "{}", text(&state));
    assert_eq!(press(&mut state, "E"), []);
    let shown = text(&state);
    assert!(shown.contains("This console has no login"), "{shown}");
    assert!(!shown.contains("It will be refused"), "{shown}");
    assert_eq!(press(&mut state, "y"), [Change::Enable]);
    let mut rootless = off;
    rootless.users.remove("root");
    let mut state = shows((120, 36), false, &rootless, Some("alice"));
    press(&mut state, "E");
    let shown = text(&state);
    assert!(shown.contains("It will be refused: first there has to be"), "{shown}");
    assert!(!shown.contains("no login"), "{shown}");
}

#[test]
fn a_refusal_is_told_in_the_words_of_the_server() {
    let mut state = auth((120, 36));
    press(&mut state, "Nnew");
    let open = asked(key(&mut state, KeyCode::Enter));
    let why = "etcdserver: role name already exists".to_owned();
    let next = "a on that role gives it a permission".to_owned();
    let failed = Answer::failed(Trouble { place: String::new(), why, next });
    report(&mut state, Report::Answer(open[0].0, failed));
    let shown = text(&state);
    for words in ["the role new was not added", "role name already exists", "a on that role"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
}

#[test]
fn a_console_that_only_looks_and_who_is_told_of_itself_alone_are_offered_no_change() {
    let mut state = auth((120, 36));
    state.ctx.read_only = true;
    for code in ['n', 'N', 'a', 'p', 'd', 'E'] {
        assert_eq!(key(&mut state, KeyCode::Char(code)), [], "{code}");
        assert!(state.auth.prompt.is_none() && !state.ctx.is_covered(), "{code}");
    }
    let shown = text(&state);
    assert!(shown.contains("read-only: nothing is changed from here"), "{shown}");
    for shown in [shown, text(&shows((120, 36), false, &own(), Some("alice")))] {
        for word in ["n add user", "N add role", "a add", "p password", "d delete", "E turn"] {
            assert!(!shown.contains(word), "{word}: {shown}");
        }
        assert!(shown.contains("e explain"), "{shown}");
    }
}

/// Goal: a look costs one call while nothing changes. Method: what is asked as time goes on.
#[test]
fn users_are_read_anew_only_when_their_revision_is_another_one() {
    let mut state = auth((120, 36));
    let effects = update(&mut state, Msg::Tick(moment(123), WALL + 123));
    let open = asked(effects);
    assert_eq!(open[0].1.request::<ReadUsers>().unwrap().since, Some((true, 12)));
    report(&mut state, Report::Answer(open[0].0, Answer::of(None::<Told>)));
    assert!(state.auth.told.is_some() && state.auth.is_settled());
    let open = asked(key(&mut state, KeyCode::Char('r')));
    assert_eq!(open[0].1.request::<ReadUsers>().unwrap().since, None, "somebody wants it anew");
}

#[test]
fn what_could_not_be_read_is_said_and_what_was_read_stays() {
    let failed = || {
        let why = "no answer within 2s".to_owned();
        Answer::failed(Trouble { place: "h:1".to_owned(), why, next: "is it paused?".to_owned() })
    };
    let mut state = auth((120, 36));
    let open = asked(update(&mut state, Msg::Tick(moment(130), WALL + 130)));
    report(&mut state, Report::Answer(open[0].0, failed()));
    let shown = text(&state);
    for words in ["not told for", "h:1: no answer within 2s", "is it paused?", "alice"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
}

#[test]
fn rows_are_folded_and_filtered_and_what_is_chosen_stays() {
    let mut state = auth((120, 36));
    let rows = |state: &State| state.auth.tree.rows().len();
    let all = rows(&state);
    press(&mut state, "\n");
    assert_eq!(
        (rows(&state), state.auth.chosen_node()),
        (all - 6, Some(&Node::User("alice".into())))
    );
    press(&mut state, "\n/ali");
    assert!(rows(&state) < all && text(&state).contains("name has ali"), "{}", text(&state));
    press(&mut state, "\n");
    assert_eq!(state.auth.chosen_node(), Some(&Node::User("alice".into())));
    press(&mut state, "\x1b");
    assert_eq!(rows(&state), all);
    press(&mut state, "Z");
    assert_eq!(rows(&state), 2 + 4 + 5);
    press(&mut state, "Z");
    assert_eq!(rows(&state), all);
    assert_eq!(key(&mut state, KeyCode::Char('y')), [Effect::Copy(b"alice".to_vec())]);
    let copied = key(&mut state, KeyCode::Char('Y'));
    assert_eq!(copied, [Effect::Copy(b"user get alice --detail".to_vec())]);
}

#[test]
fn nothing_of_one_cluster_stays_when_another_one_answers() {
    let mut state = auth((120, 36));
    press(&mut state, "eread /a\n");
    report(&mut state, Report::Members(0xbeef, listed(3)));
    assert!(state.auth.told.is_none() && state.auth.question.is_none());
    assert!(text(&state).contains("asking for users and roles"), "{}", text(&state));
}

#[test]
fn a_click_chooses_a_row_and_a_second_one_closes_it() {
    let mut state = auth((120, 36));
    let mut terminal = Terminal::new(TestBackend::new(120, 36)).unwrap();
    terminal.draw(|frame| view(&mut state, frame)).unwrap();
    let cells = terminal.backend().buffer().content.chunks(120);
    let lines: Vec<String> =
        cells.map(|line| line.iter().map(ratatui::buffer::Cell::symbol).collect()).collect();
    let row = lines.iter().position(|line| line.contains("backup")).unwrap();
    let click = |state: &mut State| {
        let (kind, row) = (MouseEventKind::Down(MouseButton::Left), u16::try_from(row).unwrap());
        let event = MouseEvent { kind, column: 8, row, modifiers: KeyModifiers::NONE };
        update(state, Msg::Mouse(event))
    };
    click(&mut state);
    assert_eq!(state.auth.chosen_node(), Some(&Node::User("backup".into())));
    let before = state.auth.tree.rows().len();
    click(&mut state);
    assert_eq!(state.auth.tree.rows().len(), before - 2);
}

/// Who has not the role root sees what it may do itself, and that is so.
async fn asks_as_alice(endpoint: &str) {
    let mut alice = Driver::start_as(endpoint, Some("alice:alicepw"));
    alice.state.ctx.user = Some("alice".into());
    alice.press(KeyCode::Char('6'));
    let own = |state: &State| text(state).contains("alice may not list users and roles");
    alice.until("herself", own).await;
    assert!(text(&alice.state).contains("permission denied"), "{}", text(&alice.state));
    for (question, answer, key) in
        [("read /config/a", "YES", "/config/a"), ("write /x", "NO", "/x")]
    {
        alice.type_text("e");
        alice.type_text(question);
        alice.press(KeyCode::Enter);
        assert!(text(&alice.state).contains(answer), "{}", text(&alice.state));
        alice.press(KeyCode::Esc);
        // And so it is.
        let line = if answer == "YES" { format!("get {key}") } else { format!("put {key} v") };
        alice.press(KeyCode::Char(':'));
        alice.type_text(&line);
        alice.press(KeyCode::Enter);
        alice.until("an answer", |state| state.repl.running.is_none()).await;
        let said = text(&alice.state);
        assert!(said.contains(if answer == "YES" { " ok " } else { " failed " }), "{said}");
        assert_eq!(said.contains("Auth screen (6)"), answer == "NO", "{said}");
        alice.press(KeyCode::Esc);
        alice.press(KeyCode::Esc);
    }
}

/// Goal: all of it works on servers. Method: a member, and the same as an etcd, without the admin service: users are made
/// by keys and by lines, turned on, asked about as root and as one without rights, and turned off.
#[tokio::test]
async fn users_are_made_turned_on_explained_and_turned_off_on_a_server() {
    for stock in [false, true] {
        let member = Member::start().await;
        let proxy = Stock::before(&member).await;
        let endpoint = if stock { &proxy.endpoint } else { &member.endpoint };
        let mut driver = Driver::start(endpoint);
        driver.until("who leads", |state| state.ctx.cluster.leader().is_some()).await;
        // In the pane: the password goes to the run, and is in no history.
        driver.press(KeyCode::Char('5'));
        with_password(&mut driver, "user add root", "rootpw").await;
        assert!(text(&driver.state).contains("User root created"), "{}", text(&driver.state));
        assert!(!format!("{:?}", driver.state).contains("rootpw"));
        driver.press(KeyCode::Esc);
        driver.press(KeyCode::Char('6'));
        let has = |node: Node| move |state: &State| state.auth.chosen_node() == Some(&node);
        driver.until("root", |state| text(state).contains("root  no role")).await;
        driver.type_text("jaroot");
        driver.press(KeyCode::Enter);
        driver.until("a role", has(Node::Held("root".into(), "root".into()))).await;
        driver.type_text("Nreaders");
        driver.press(KeyCode::Enter);
        driver.until("another", has(Node::Role("readers".into()))).await;
        driver.type_text("aread /config/ --prefix");
        driver.press(KeyCode::Enter);
        driver.until("a permission", |state| text(state).contains("/config/ (prefix)")).await;
        driver.type_text("nalice");
        for word in ["", "alicepw", "alicepw"] {
            driver.type_text(word);
            driver.press(KeyCode::Enter);
        }
        driver.until("alice", has(Node::User("alice".into()))).await;
        driver.type_text("areaders");
        driver.press(KeyCode::Enter);
        driver.until("her role", has(Node::Held("alice".into(), "readers".into()))).await;
        driver.type_text("E");
        assert!(text(&driver.state).contains("no login"), "{}", text(&driver.state));
        driver.type_text("y");
        let nobody = |state: &State| text(state).contains("without a login nobody is told");
        driver.until("users that count", nobody).await;
        assert!(text(&driver.state).contains("user name is empty"), "{}", text(&driver.state));

        let mut root = Driver::start_as(endpoint, Some("root:rootpw"));
        root.state.ctx.user = Some("root".into());
        root.press(KeyCode::Char('6'));
        root.until("all", |state| text(state).contains("logged in as root (root)")).await;
        assert!(text(&root.state).contains("alice"), "{}", text(&root.state));

        asks_as_alice(endpoint).await;

        root.type_text("Edisable");
        root.press(KeyCode::Enter);
        root.until("no users", |state| text(state).contains("users are off, logged in")).await;
        let put = PutRequest { key: "open".into(), ..PutRequest::default() };
        member.client().put(put).await.into_result().unwrap();
    }
}
