//! The palette's commands: the table that all programs share, run through the executor that all share.
//!
//! ```text
//! line ─▶ split_words ─▶ parse ─▶ Command ─▶ Executor ─▶ format ─▶ Output
//! ```

use bytes::Bytes;
use mini_etcd_server::clock::{Clock, SystemClock};
use mini_etcd_shared::client::{Client, ClientConfig, Endpoint};
use mini_etcd_shared::command::{
    Command, Effect, Parsed, Refusal, Scope, TABLE, Target, Verb, exit, parse, parse_duration,
    split_words,
};
use mini_etcd_shared::exec::{Answer, Executor, Failure, Input, Prompt, Report};
use mini_etcd_shared::format::{Format, Style, render};

use crate::app::Tier;
use crate::app::palette::{OUTPUT_LINES_MAX, Output};
use crate::widget::{duration_us, escape};

/// What help calls the program: nothing, for the line is typed without it.
const PROGRAM: &str = ":";

/// Runs one line and answers what it printed.
pub(crate) async fn run(endpoints: &[Endpoint], line: String, clock: &SystemClock) -> Output {
    let began = clock.now();
    let (printed, failed) = match execute(endpoints, &line).await {
        Ok(report) => show(report),
        Err(failure) => (said(&failure), true),
    };
    let took = u64::try_from(clock.now().since(began).as_micros()).unwrap_or(u64::MAX);
    let text = lines(&printed);
    Output { line, text, failed, note: duration_us(took) }
}

/// What a report prints, and whether it failed.
fn show((report, style): (Report, Style)) -> (Vec<u8>, bool) {
    let mut printed = Vec::new();
    let mut failure = report.failure;
    if let Some(answer) = &report.answer {
        match render(answer, style, PROGRAM) {
            Ok(rendered) => printed.extend([rendered.out, rendered.err].concat()),
            Err(refused) => failure = failure.or(Some(refused)),
        }
    }
    for note in report.notes {
        printed.extend(note.into_bytes());
        printed.push(b'\n');
    }
    let failed = failure.is_some();
    printed.extend(failure.iter().flat_map(said));
    (printed, failed)
}

fn said(failure: &Failure) -> Vec<u8> {
    let mut words = failure.text.clone();
    if let Some(error) = &failure.error {
        words = format!("{words}\n{error}");
    }
    if failure.unknown {
        words.push_str("\nIt may have been done all the same: look before doing it again.");
    }
    words.into_bytes()
}

async fn execute(endpoints: &[Endpoint], line: &str) -> Result<(Report, Style), Failure> {
    let refuse = |refusal: Refusal| {
        let hint = refusal.hint.clone().unwrap_or_default();
        Failure::new(refusal.exit, format!("{refusal}\n{hint}").trim_end())
    };
    let parsed = parse(&words(line)).map_err(refuse)?;
    let style = style(&parsed)?;
    let command = Command::of(&parsed, &Scope::default()).map_err(refuse)?;
    let cannot = |words: &str| Err(Failure::new(exit::ERROR, words));
    match &command {
        Command::Help { target: Target::Root, unknown: None } => {
            return Ok((Report::of(Answer::Help(Target::Root)), style));
        }
        Command::Watch(_) => {
            return cannot("watch has no end, and this line waits for one: use mini-etcdctl watch");
        }
        Command::Txn { .. } => {
            return cannot("txn is read from several lines: use mini-etcdctl txn");
        }
        Command::Put { value_from_input: true, .. } => {
            return cannot("put wants a key and a value");
        }
        _ => {}
    }
    let mut config = ClientConfig::new(endpoints.to_vec());
    if let Some(given) = parsed.flags.given("endpoints") {
        config.endpoints = Endpoint::parse_list(given)
            .map_err(|error| Failure::new(exit::ERROR, error.to_string()))?;
    }
    let within = parsed.flags.text(parsed.target, "command-timeout");
    let bad = |_| Failure::new(exit::ERROR, format!("{within:?} is not a time such as 5s"));
    config.command_timeout = Some(parse_duration(&within).map_err(bad)?);
    let client =
        Client::new(config).map_err(|error| Failure::new(exit::ERROR, error.to_string()))?;
    Ok((Executor::new(client).run(command, &mut Nothing).await, style))
}

fn style(parsed: &Parsed) -> Result<Style, Failure> {
    let name = parsed.flags.text(parsed.target, "write-out");
    let refuse = || Failure::new(exit::ERROR, format!("there is no output format {name:?}"));
    let format = Format::of(&name).ok_or_else(refuse)?;
    Ok(Style { format, hex: parsed.flags.switch(parsed.target, "hex") })
}

/// A palette has no standard input.
struct Nothing;

impl Input for Nothing {
    fn line(&mut self) -> Option<Vec<u8>> {
        None
    }

    fn rest(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn prompt(&mut self, _prompt: Prompt) {}
}

fn words(line: &str) -> Vec<Bytes> {
    split_words(line.as_bytes()).into_iter().map(Bytes::from).collect()
}

/// What is printed as lines that any terminal can show; bytes that are no text are shown as `\xNN`.
fn lines(printed: &[u8]) -> Vec<String> {
    let printed = printed.strip_suffix(b"\n").unwrap_or(printed);
    if printed.is_empty() {
        return Vec::new();
    }
    let count = printed.split(|byte| *byte == b'\n').count();
    let mut lines: Vec<String> =
        printed.split(|byte| *byte == b'\n').take(OUTPUT_LINES_MAX).map(escape).collect();
    if count > OUTPUT_LINES_MAX {
        lines.push(format!("({} more lines are not shown)", count - OUTPUT_LINES_MAX));
    }
    lines
}

/// What is at stake with this line: how it has to be confirmed, and what to say.
pub(crate) fn risk(line: &str) -> Option<(Tier, String)> {
    let parsed = parse(&words(line)).ok().filter(|parsed| !parsed.help)?;
    let Target::Command(spec) = parsed.target else { return None };
    let path = spec.path();
    let on = |name: &str| parsed.flags.switch(parsed.target, name);
    let first = parsed.args.first().map_or(&[][..], Bytes::as_ref);
    match spec.verb {
        // One key is one write: it is told how many went.
        Verb::Del if parsed.args.len() < 2 && !on("prefix") && !on("from-key") => None,
        Verb::Del if first.is_empty() => Some((
            Tier::Shape("everything".to_owned()),
            "It deletes every key of the cluster.".to_owned(),
        )),
        Verb::Del => Some((
            Tier::Loss,
            "It deletes a whole range of keys, however many are in it.".to_owned(),
        )),
        Verb::Compaction => {
            let text = "Versions older than that revision are gone for good; watches can no longer begin there.";
            Some((Tier::Loss, text.to_owned()))
        }
        _ if spec.effect == Effect::Destroys => {
            Some((Tier::Loss, format!("{path} takes something away that cannot be had again.")))
        }
        _ => None,
    }
}

/// Completes the line as far as it is clear.
pub(crate) fn complete(line: &str) -> Option<String> {
    let start = line.rfind(' ').map_or(0, |at| at + 1);
    let (before, typed) = line.split_at_checked(start)?;
    let mut target = Target::Root;
    for word in before.split_whitespace() {
        let deeper = target.children().into_iter().find(|child| last_word(child) == word);
        target = deeper.unwrap_or(target);
    }
    let candidates: Vec<String> = if typed.starts_with('-') {
        target.flags().map(|flag| format!("--{}", flag.name)).collect()
    } else {
        target.children().iter().map(last_word).collect()
    };
    let fits: Vec<&String> = candidates.iter().filter(|name| name.starts_with(typed)).collect();
    let mut common = (*fits.first()?).clone();
    for name in &fits {
        let same = common.chars().zip(name.chars()).take_while(|(one, other)| one == other).count();
        common = common.chars().take(same).collect();
    }
    let end = if fits.len() == 1 { " " } else { "" };
    Some(format!("{before}{common}{end}"))
}

fn last_word(target: &Target) -> String {
    target.path().rsplit(' ').next().unwrap_or("").to_owned()
}

/// Every command with what it does.
pub(crate) fn overview() -> Vec<String> {
    let own = [
        ("quit".to_owned(), "leave the console"),
        ("help COMMAND".to_owned(), "everything about a command"),
    ];
    let table = TABLE.iter().map(|spec| (format!("{} {}", spec.path(), spec.usage()), spec.short));
    let entry = |(words, what): (String, &str)| format!("{words:<42}{what}");
    table.chain(own).map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_shown_and_not_sent_to_the_terminal() {
        assert_eq!(lines(b"a\n\xff\x1b[31mb\n"), ["a", "\\xff\\x1b[31mb"]);
        assert_eq!(lines(b""), Vec::<String>::new());
        assert_eq!(lines(&b"x\n".repeat(OUTPUT_LINES_MAX + 5)).len(), OUTPUT_LINES_MAX + 1);
    }

    #[test]
    fn what_destroys_is_asked_by_how_much() {
        let tier = |line| risk(line).map(|(tier, _)| tier);
        assert_eq!(tier("get a --prefix"), None);
        assert_eq!(tier("put a b"), None);
        assert_eq!(tier("del a"), None);
        assert_eq!(tier("del a --prefix"), Some(Tier::Loss));
        assert_eq!(tier("del a z"), Some(Tier::Loss));
        assert_eq!(tier("del '' --prefix"), Some(Tier::Shape("everything".into())));
        assert_eq!(tier("compaction 5"), Some(Tier::Loss));
        assert_eq!(tier("nonsense"), None);
    }

    #[test]
    fn tab_completes_what_is_clear() {
        assert_eq!(complete("mem").as_deref(), Some("member "));
        assert_eq!(complete("member l").as_deref(), Some("member list "));
        assert_eq!(complete("get a --prin").as_deref(), Some("get a --print-value-only "));
        assert_eq!(complete("get a --prefi").as_deref(), Some("get a --prefix "));
        assert_eq!(complete("nothing"), None);
    }

    #[test]
    fn the_overview_has_every_command() {
        let all = overview().join("\n");
        for spec in TABLE {
            assert!(all.contains(&spec.path()), "{}", spec.path());
        }
    }
}
