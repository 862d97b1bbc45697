//! [`masked`]: command lines without their passwords.

/// Stands for what must not be shown.
pub const MASK: &str = "***";

/// What stands before a secret. After a name with a colon only the password is one.
const BEFORE: &[(&str, Kind)] = &[
    ("--auth-jwt-token", Kind::Password),
    ("--dest-password", Kind::Password),
    ("--dest-user", Kind::User),
    ("--new-user-password", Kind::Password),
    ("--password", Kind::Password),
    ("--user", Kind::User),
    ("ETCDCTL_AUTH_JWT_TOKEN", Kind::Password),
    ("ETCDCTL_PASSWORD", Kind::Password),
    ("ETCDCTL_USER", Kind::User),
];

/// Commands that set a password, by what follows `user`: on their lines a word may hold one behind a colon, and all of
/// a heredoc may.
const SETTERS: &[&str] = &["add", "passwd"];
/// Their flags that take no value.
const SETTER_SWITCHES: &[&str] = &["--interactive", "--no-password", "--hex", "--debug"];

/// What sets a variable.
const SET: &str = "set";
/// What may stand between words of a line.
const BLANKS: [char; 2] = [' ', '\t'];
/// Parts of the names of variables that hold a secret, in lower case.
const SECRET_PARTS: &[&str] = &["password", "passwd", "secret", "token"];
/// Words of such names, between underscores.
const SECRET_WORDS: &[&str] = &["pw", "pwd", "pass"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The whole word.
    Password,
    /// What stands behind the colon of `NAME:PASSWORD`.
    User,
}

/// A command line, or a text with several, as it may be shown, stored and reported: passwords become [`MASK`].
#[must_use]
pub fn masked(text: &str) -> String {
    masked_words(&without_new_passwords(text))
}

fn masked_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, before, kind)) = next(rest) {
        let behind = at + before.len();
        let (head, tail) = rest.split_at(behind);
        out.push_str(head);
        rest = tail;
        // A flag inside of quotes ends with them.
        let open = text_before(head, before).filter(|quote| !tail.starts_with(*quote));
        let Some(value) = value_at(tail) else { continue };
        let (gap, tail) = tail.split_at(value);
        let (word, tail) = tail.split_at(word_length(tail, open));
        out.push_str(gap);
        match (kind, word.split_once(':')) {
            (Kind::Password, _) if word.is_empty() => {}
            (Kind::Password, _) => out.push_str(MASK),
            (Kind::User, Some((name, _))) => {
                out.push_str(name.trim_start_matches(['"', '\'']));
                out.push(':');
                out.push_str(MASK);
            }
            (Kind::User, None) => out.push_str(word),
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// The same without the passwords that [`SETTERS`] set.
fn without_new_passwords(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // The end of the heredoc that holds a password.
    let mut tag: Option<&str> = None;
    for line in text.split_inclusive('\n') {
        match tag {
            Some(end) if line.trim() == end => tag = None,
            Some(_) => {
                out.push_str(MASK);
                out.push_str(if line.ends_with('\n') { "\n" } else { "" });
                continue;
            }
            None => {}
        }
        let words = words_of(line);
        let Some(arguments) = setter(&words) else {
            out.push_str(line);
            continue;
        };
        let mut at = 0;
        let mut is_value = false;
        for (start, word) in words.iter().skip(arguments) {
            out.push_str(line.get(at..*start).unwrap_or_default());
            at = start + word.len();
            if let Some(name) = word.strip_prefix("<<") {
                tag = Some(name.trim_matches(['"', '\'']));
            }
            let is_flag = word.starts_with('-');
            match word.split_once(':') {
                Some((name, _)) if !is_flag && !is_value => {
                    out.push_str(name.trim_start_matches(['"', '\'']));
                    out.push(':');
                    out.push_str(MASK);
                }
                _ => out.push_str(word),
            }
            is_value = is_flag && !word.contains('=') && !SETTER_SWITCHES.contains(word);
        }
        out.push_str(line.get(at..).unwrap_or_default());
    }
    out
}

/// The words of a line with their places, quotes included.
fn words_of(line: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(gap) = line.get(at..).and_then(|rest| rest.find(|c: char| !c.is_whitespace())) {
        at += gap;
        let rest = line.get(at..).unwrap_or_default();
        let word = rest.get(..word_length(rest, None)).unwrap_or(rest);
        words.push((at, word));
        at += word.len();
    }
    words
}

/// Where the arguments of one of the [`SETTERS`] begin. At the start of a line its words may be cut short, as prompts
/// take them.
fn setter(words: &[(usize, &str)]) -> Option<usize> {
    (0..words.len()).find_map(|at| {
        let bare = |at: usize| words.get(at).map(|(_, word)| word.trim_start_matches(['"', '\'']));
        let first = at == 0 || bare(at - 1).is_some_and(|before| before.ends_with([';', '!']));
        let is = |word: &str, name: &str| {
            word == name || (first && !word.is_empty() && name.starts_with(word))
        };
        if !is(bare(at)?, "user") {
            return None;
        }
        for next in at + 1..words.len() {
            let (word, before) = (bare(next)?, bare(next - 1)?);
            if SETTERS.iter().any(|setter| is(word, setter)) {
                return Some(next + 1);
            }
            // Flags may stand there, with their values.
            if !word.starts_with('-') && !before.starts_with('-') {
                return None;
            }
        }
        None
    })
}

fn next(text: &str) -> Option<(usize, &str, Kind)> {
    let found = BEFORE.iter().filter_map(|(before, kind)| {
        text.match_indices(before)
            .map(|(at, _)| at)
            .find(|at| starts_word(text, *at))
            .map(|at| (at, *before, *kind))
    });
    found.chain(secret_variable(text)).min_by_key(|(at, ..)| *at)
}

/// Where a variable is set whose name says that it holds a secret.
fn secret_variable(text: &str) -> Option<(usize, &str, Kind)> {
    let mut sets = text.match_indices(SET).map(|(at, _)| at).filter(|at| starts_word(text, *at));
    sets.find_map(|at| {
        let behind = text.get(at + SET.len()..)?;
        let name = behind.trim_start_matches(BLANKS);
        let end = name.find(|c: char| !is_of_name(c)).unwrap_or(name.len());
        let name_at = text.len() - name.len();
        let secret = name_at > at + SET.len() && is_secret(name.get(..end)?);
        secret.then_some((at, text.get(at..name_at + end)?, Kind::Password))
    })
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Whether a variable of this name holds a secret.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_PARTS.iter().any(|part| name.contains(part))
        || name.split('_').any(|word| SECRET_WORDS.contains(&word))
}

/// The quote that stands right before the name of a flag.
fn text_before(head: &str, name: &str) -> Option<char> {
    let before = head.strip_suffix(name)?.chars().next_back();
    before.filter(|c| ['"', '\''].contains(c))
}

fn starts_word(text: &str, at: usize) -> bool {
    let before = text.get(..at).and_then(|before| before.chars().next_back());
    before.is_none_or(|c| !c.is_alphanumeric() && c != '-' && c != '_')
}

/// Where the value begins behind the name of its flag; nothing when another name goes on there.
fn value_at(tail: &str) -> Option<usize> {
    let quote = usize::from(tail.starts_with(['"', '\'']));
    let behind = tail.get(quote..)?;
    if let Some(value) = behind.strip_prefix('=') {
        return Some(tail.len() - value.len());
    }
    let mut at = behind;
    loop {
        at = match at.strip_prefix("\\\n") {
            Some(next) => next,
            None => match at.strip_prefix([' ', '\t']) {
                Some(next) => next,
                None => break,
            },
        };
    }
    (at.len() < behind.len()).then_some(tail.len() - at.len())
}

/// How long the word is that begins here, its quotes included; one without end takes the rest of its line.
fn word_length(text: &str, open: Option<char>) -> usize {
    let mut quote = open;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match quote {
            _ if escaped => escaped = false,
            None if c.is_whitespace() => return at,
            None if c == '"' || c == '\'' => quote = Some(c),
            Some(quoted) if c == quoted && open.is_some() => return at + c.len_utf8(),
            Some(quoted) if c == quoted => quote = None,
            Some('\'') | None => {}
            Some(_) => escaped = c == '\\',
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_masked_wherever_a_line_has_it() {
        for (line, shown) in [
            ("get k --user root:secret", "get k --user root:***"),
            ("get k --user=root:secret -w json", "get k --user=root:*** -w json"),
            ("get --password secret --user root k", "get --password *** --user root k"),
            ("get k --password=secret", "get k --password=***"),
            (
                "make-mirror h --dest-user=a:secret --dest-password secret",
                "make-mirror h --dest-user=a:*** --dest-password ***",
            ),
            ("get k --password 'se cret' x", "get k --password *** x"),
            ("get k --user \"root:se\\\" cret\" x", "get k --user root:*** x"),
            ("get k --user 'root:se cret", "get k --user root:***"),
            ("get k --password \\\n  secret\nget b", "get k --password \\\n  ***\nget b"),
            ("get k --user root:a:b", "get k --user root:***"),
            ("--user a:b get k --user c:d", "--user a:*** get k --user c:***"),
            ("with --user root:secret", "with --user root:***"),
            ("user add root:secret", "user add root:***"),
            ("user add --interactive=false root:secret", "user add --interactive=false root:***"),
            ("user --hex  add 'root:se cret' -w json", "user --hex  add root:*** -w json"),
            ("us a root:secret", "us a root:***"),
            ("! user add root:secret", "! user add root:***"),
            ("get a; u ad root:secret", "get a; u ad root:***"),
            ("user add --endpoints h:1 root", "user add --endpoints h:1 root"),
            ("user add root <<E\nsecret\nE\nget a", "user add root <<E\n***\nE\nget a"),
            (
                "user passwd a --interactive=false <<'E'\nsecret",
                "user passwd a --interactive=false <<'E'\n***",
            ),
            ("user passwd root", "user passwd root"),
            ("user get a:b", "user get a:b"),
            ("put k 'u a b:c'", "put k 'u a b:c'"),
            ("user add root --new-user-password=secret", "user add root --new-user-password=***"),
            ("ETCDCTL_PASSWORD=secret", "ETCDCTL_PASSWORD=***"),
            ("get k --auth-jwt-token=a.b.c -w json", "get k --auth-jwt-token=*** -w json"),
            ("ETCDCTL_AUTH_JWT_TOKEN=a.b.c", "ETCDCTL_AUTH_JWT_TOKEN=***"),
            ("ETCDCTL_USER=root:secret", "ETCDCTL_USER=root:***"),
            ("get k '--password=secret' x", "get k '--password=*** x"),
            ("get k --password", "get k --password"),
            ("get k --password=", "get k --password="),
            ("get k --user root", "get k --user root"),
            ("put --username x:y", "put --username x:y"),
            ("put a b:c", "put a b:c"),
            ("é --password é", "é --password ***"),
            ("set PASSWORD secret", "set PASSWORD ***"),
            ("set  db_pw 'se cret'; put a $db_pw", "set  db_pw *** put a $db_pw"),
            ("set ROOT_PASSWD \"se\ncret\"", "set ROOT_PASSWD ***"),
            ("put a b\nset\tApiToken secret", "put a b\nset\tApiToken ***"),
            ("set CLIENT_SECRET a\nset x y", "set CLIENT_SECRET ***\nset x y"),
            ("set PW", "set PW"),
            ("set name value", "set name value"),
            ("set pwned value", "set pwned value"),
            ("offset password 3", "offset password 3"),
            ("put k $PW", "put k $PW"),
        ] {
            assert_eq!(masked(line), shown, "{line}");
        }
    }

    #[test]
    fn what_is_masked_stays_masked() {
        for line in
            ["get k --user root:secret", "get k --password 'a b'", "--user=a:b --password=c"]
        {
            let once = masked(line);
            assert_eq!(masked(&once), once);
            assert!(!once.contains("secret") && !once.contains("a b"), "{once}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_line_makes_the_mask_panic(line in r#"(--user|--password|[= :'"é\\x\n]){0,16}"#) {
            let _ = masked(&line);
        }
    }
}
