//! What differs from run to run, and nothing else: two outputs are the same when they are so behind their masks.

use std::sync::LazyLock;

use regex::Regex;

/// What is taken out, and what stands for it. docs/repl.md tells the reader.
const MASKS: &[(&str, &str)] = &[
    // A drawn id is padded, and members stand in the order of their ids.
    (r"^Member +([0-9a-f])", "Member ${1}"),
    (r#"^(ETCD_INITIAL_CLUSTER=").*"$"#, "${1}MEMBERS"),
    // Ids of members, clusters and runs.
    (r"\b[0-9a-f]{13,16}\b", "ID"),
    (r"\b[0-9]{15,20}\b", "ID"),
    (r"\bRUN=r[0-9a-z]+", "RUN=NAME"),
    // Ports that the system gave.
    (r"127\.0\.0\.1:[0-9]{4,5}\b", "127.0.0.1:PORT"),
    // Times that something took.
    (r"\b[0-9]+(\.[0-9]+)?(ns|us|µs|ms|s)\b", "TIME"),
    // How the connection to a killed member breaks is the system's matter.
    (r"(connection to 127.0.0.1:PORT lost: ).*", "${1}WHY"),
    (r"(no connection to 127.0.0.1:PORT: ).*", "${1}WHY"),
    // Hash of a backup, which has the addresses of its members.
    (r"^[0-9a-f]{1,8}, ([0-9]+, [0-9]+, [0-9]+ .?B, ?[0-9.]*)$", "HASH, ${1}"),
    // What the store takes on disk.
    (r"\b[0-9]+ kB\b", "SIZE"),
    (r#"("DBSize" : )[0-9]+"#, "${1}SIZE"),
];

static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let rule = |(pattern, by): &(&str, &'static str)| {
        (Regex::new(pattern).expect("a pattern of the table"), *by)
    };
    MASKS.iter().map(rule).collect()
});

/// An output without what differs from run to run. News of what goes on in the background come when they come: they are
/// put behind the rest.
pub fn masked(lines: &[String]) -> Vec<String> {
    let mask = |line: &String| {
        let rules = RULES.iter();
        let masked =
            rules.fold(line.clone(), |line, (rule, by)| rule.replace_all(&line, *by).into_owned());
        // The columns of a table are as wide as what was masked.
        match line.chars().next() {
            Some('┌' | '├' | '└') => masked.replace('─', ""),
            Some('│') => masked.replace(' ', ""),
            _ => masked,
        }
    };
    let mut lines: Vec<_> = lines.iter().map(mask).collect();
    lines.sort_by(|one, other| source(one).cmp(source(other)));
    lines
}

/// Whether a line tells of what goes on in the background.
pub fn is_news(line: &str) -> bool {
    !source(line).is_empty()
}

/// Where a line comes from: a watch, the connection, or, when that is empty, the statement itself.
fn source(line: &str) -> &str {
    let connection = "connected again";
    if line.starts_with(connection) {
        return connection;
    }
    let watch = line.find(']').filter(|_| line.starts_with("[w"));
    watch.and_then(|end| line.get(..end)).unwrap_or_default()
}

#[test]
fn only_what_differs_from_run_to_run_is_masked() {
    let of = |text: &str| masked(&text.lines().map(str::to_owned).collect::<Vec<_>>());
    for (one, other) in [
        ("8e9e05c52164694d, started, n1", "8e9e05c52164694e, started, n1"),
        ("127.0.0.1:2379 is healthy: took = 2.5ms", "127.0.0.1:41237 is healthy: took = 12us"),
        ("[w1] PUT\nOK", "OK\n[w1] PUT"),
        ("[w1] on\nconnected again", "connected again\n[w1] on"),
        ("┌────┐\n│ ID │\n└────┘", "┌─────┐\n│  ID │\n└─────┘"),
    ] {
        assert_eq!(of(one), of(other));
    }
    for (one, other) in [
        ("8e9e05c52164694d, started, n1", "8e9e05c52164694d, unstarted, n1"),
        ("OK", ""),
        ("k\n1", "k\n2"),
        ("a\nb", "b\na"),
        ("[w1] a\n[w1] b", "[w1] b\n[w1] a"),
        ("\"revision\":2", "\"revision\":3"),
        ("took = 2.5ms", "took = "),
        ("│ true │", "│ false │"),
        ("    indented", "  indented"),
        ("no connection to 127.0.0.1:1: refused", "no connection"),
    ] {
        assert_ne!(of(one), of(other));
    }
}
