//! [`run`]: parses one statement that is no block: a command with what stands around it, or a line about the last one.

use std::time::Duration;

use super::check::check_command;
use super::condition::{condition, path};
use super::cursor::Cursor;
use super::names::{close_to, next};
use super::{
    Action, Await, Eventually, Expect, FILTERS, Filter, Lexer, Names, Piece, Position, Run,
    SessionCommand, Span, SyntaxError, Word, session_command, txn,
};
use crate::command::{TXN, Target, WATCH};

/// Pause between two tries of `eventually` when none is given.
const EVERY: Duration = Duration::from_millis(50);
/// Lines that `head` lets through when it is not said.
const HEAD_LINES: usize = 10;

/// Words at which the arguments of a command end.
const OPERATORS: &[&str] = &["|", ">", "&", "->"];

fn is_operator(word: &Word) -> bool {
    OPERATORS.iter().any(|operator| word.is(operator))
}

/// A command, meta command or transaction, with its operators.
pub(super) fn run<'a>(
    lexer: &mut Lexer<'a>,
    mut words: Cursor<'a>,
    names: Names,
) -> Result<(Run, usize), SyntaxError> {
    let start = words.peek().map_or(lexer.at(), |word| word.span.start);
    let negated = words.keyword("!");
    let eventually = if words.keyword("eventually") {
        let within = words.duration("a time")?;
        let every = if words.keyword("every") { words.duration("a time")? } else { EVERY };
        Some(Eventually { within, every })
    } else {
        None
    };
    let negated = negated || words.keyword("!");
    let demands = if eventually.is_some() { words.cut("expect") } else { Vec::new() };
    let (action, mut words) = action(lexer, words, names, start)?;
    let mut run = Run {
        negated,
        eventually,
        action,
        filters: Vec::new(),
        shell: None,
        redirect: None,
        background: None,
        capture: None,
        golden: None,
        expects: Vec::new(),
    };
    operators(&mut words, &mut run)?;
    let mut end = words.end();
    for (at, mut demand) in demands {
        let line = Position::of(words.source(), at).line;
        run.expects.push(expect(&mut demand, at, line)?);
        end = demand.end();
    }
    check_run(&words, &run, names, Span { start, end })?;
    Ok((run, end))
}

fn action<'a>(
    lexer: &mut Lexer<'a>,
    mut words: Cursor<'a>,
    names: Names,
    start: usize,
) -> Result<(Action, Cursor<'a>), SyntaxError> {
    let first = words.word("a command")?;
    let Some(name) = first.bare().map(str::to_owned) else {
        let found = words.found(first.span);
        return Err(words.refuse(first.span, &found, "a command, without quotes or variables"));
    };
    if let Some(command) = session_command(&name) {
        let args = arguments(&mut words)?;
        arity(&words, command, &args, first.span)?;
        return Ok((Action::Session { command, args }, words));
    }
    let (target, span) = target(&mut words, &name, first.span, names)?;
    if target == Target::Command(&TXN) {
        return transaction(lexer, words, start);
    }
    let args = arguments(&mut words)?;
    check_command(words.source(), target, &args, span)?;
    Ok((Action::Command { target, words: args }, words))
}

/// A transaction on one line, or as the blocks below it.
fn transaction<'a>(
    lexer: &mut Lexer<'a>,
    words: Cursor<'a>,
    start: usize,
) -> Result<(Action, Cursor<'a>), SyntaxError> {
    let mut rest = words.clone();
    let flags = arguments(&mut rest)?;
    if flags.iter().any(|word| word.is("if") || word.is("then")) {
        let (txn, words) = txn::inline(lexer, words, start)?;
        check_command(
            words.source(),
            Target::Command(&TXN),
            &txn.flags,
            Span { start, end: start + 3 },
        )?;
        return Ok((Action::Txn(txn), words));
    }
    check_command(rest.source(), Target::Command(&TXN), &flags, Span { start, end: rest.end() })?;
    let txn = txn::blocks(lexer, flags, start)?;
    Ok((Action::Txn(txn), rest))
}

fn target(
    words: &mut Cursor<'_>,
    name: &str,
    span: Span,
    names: Names,
) -> Result<(Target, Span), SyntaxError> {
    let Some(mut found) = next(Target::Root, name, names) else {
        return Err(unknown(words, Target::Root, name, span));
    };
    let mut whole = span;
    if let Target::Group(group) = found {
        let inner = words.word(&format!("a command of `{}`", group.name))?;
        whole = whole.to(inner.span);
        let name = inner.bare().unwrap_or_default().to_owned();
        found = next(found, &name, names)
            .ok_or_else(|| unknown(words, Target::Group(group), &name, inner.span))?;
    }
    Ok((found, whole))
}

fn unknown(words: &Cursor<'_>, below: Target, name: &str, span: Span) -> SyntaxError {
    let close = close_to(below, name);
    let expected = match (close.is_empty(), below) {
        (false, _) => close.join(" or "),
        (true, Target::Root) => "a command; `help` lists them".to_owned(),
        (true, group) => {
            let all: Vec<_> = group.children().iter().map(Target::last_word).collect();
            all.join(" or ")
        }
    };
    words.refuse(span, &format!("unknown command {}", quoted(words, span)), &expected)
}

fn quoted(words: &Cursor<'_>, span: Span) -> String {
    crate::text::quote(span.of(words.source()))
}

/// Words up to an operator. One that is glued to its neighbour is refused: it would be a key by accident.
fn arguments(words: &mut Cursor<'_>) -> Result<Vec<Word>, SyntaxError> {
    let mut found = Vec::new();
    while let Some(word) = words.peek() {
        if is_operator(word) {
            break;
        }
        let start = word.bare_start();
        if start.starts_with(b">") || start.starts_with(b"|") || start.starts_with(b"->") {
            let refused = words.refuse(
                word.span,
                &words.found(word.span),
                "a blank behind the operator, or quotes around the word",
            );
            return Err(refused);
        }
        found.extend(words.next());
    }
    Ok(found)
}

fn arity(
    words: &Cursor<'_>,
    command: &SessionCommand,
    args: &[Word],
    name: Span,
) -> Result<(), SyntaxError> {
    if command.args.get(args.len()).is_some_and(|arg| !arg.optional) {
        return Err(words.unexpected(&command.line()));
    }
    let rest = command.args.last().is_some_and(|arg| arg.rest);
    match args.get(command.args.len()).filter(|_| !rest) {
        Some(extra) => Err(words.refuse(name.to(extra.span), "too many words", &command.line())),
        None => Ok(()),
    }
}

fn operators(words: &mut Cursor<'_>, run: &mut Run) -> Result<(), SyntaxError> {
    while words.keyword("|") {
        let Some(filter) = filter(words)? else {
            run.shell = Some(shell(words)?);
            break;
        };
        run.filters.push(filter);
    }
    if words.keyword(">") {
        run.redirect = Some(words.word("a file")?);
    }
    if words.keyword("&") {
        words.demand("as")?;
        run.background = Some(words.name("the name of a watch")?);
    }
    if words.keyword("->") {
        run.capture = Some(words.name("the name of a variable")?);
    }
    words.finish("`|`, `> FILE`, `& as ID`, `-> NAME`, each once and in this order, or the end")
}

/// The builtin that follows; `None` for anything else, which is a shell's.
fn filter(words: &mut Cursor<'_>) -> Result<Option<Filter>, SyntaxError> {
    if words.is_done() {
        let names: Vec<_> = FILTERS.iter().map(|(name, ..)| *name).collect();
        return Err(words.unexpected(&format!("{} or a shell command", names.join(", "))));
    }
    let Some(name) = words.bare().map(str::to_owned) else { return Ok(None) };
    if !FILTERS.iter().any(|(known, ..)| *known == name) {
        return Ok(None);
    }
    words.next();
    let filter = match name.as_str() {
        "head" if words.peek().is_none_or(is_operator) => Filter::Head(HEAD_LINES),
        "head" => {
            // `head -n 5` is what fingers type.
            words.keyword("-n");
            Filter::Head(words.number("how many lines")?)
        }
        "count" => Filter::Count,
        "json" => Filter::Json(path(words)?),
        "hex" => Filter::Hex,
        "sort" => Filter::Sort,
        _ => Filter::Diff(words.word("a file")?),
    };
    if words.peek().is_some_and(|word| !is_operator(word)) {
        return Err(words.unexpected("an operator or the end"));
    }
    Ok(Some(filter))
}

/// The rest of a pipe, as it stands, up to an operator of ours.
fn shell(words: &mut Cursor<'_>) -> Result<String, SyntaxError> {
    let first = words.word("a command for the shell")?;
    let mut span = first.span;
    while let Some(word) = words.peek() {
        if is_operator(word) && !word.is("|") {
            break;
        }
        span = span.to(word.span);
        words.next();
    }
    Ok(String::from_utf8_lossy(span.of(words.source())).into_owned())
}

/// What only fits some commands.
fn check_run(words: &Cursor<'_>, run: &Run, names: Names, span: Span) -> Result<(), SyntaxError> {
    let watch = matches!(&run.action, Action::Command { target, .. }
        if *target == Target::Command(&WATCH));
    if run.background.is_some() && !watch {
        return Err(words.refuse(span, "only a watch runs in the background", "no `&`"));
    }
    if watch && (run.eventually.is_some() || run.negated) {
        return Err(words.refuse(span, "a watch has no end", "no `!` and no `eventually`"));
    }
    let piped = !run.filters.is_empty() || run.shell.is_some() || run.capture.is_some();
    if watch && piped {
        return Err(words.refuse(
            span,
            "a watch has no end, so nothing can wait for it",
            "`> FILE`, or `& as ID` and `await`",
        ));
    }
    if watch && run.background.is_none() && names == Names::Exact {
        return Err(words.refuse(span, "a watch has no end", "`& as ID`"));
    }
    Ok(())
}

/// `await ID events COUNT within TIME`
pub(super) fn wait(words: &mut Cursor<'_>) -> Result<Await, SyntaxError> {
    let id = words.name("the name of a watch")?;
    words.demand("events")?;
    let events = words.number("how many events")?;
    words.demand("within")?;
    let within = words.duration("a time")?;
    words.finish("the end of the line")?;
    Ok(Await { id, events, within, golden: None, expects: Vec::new() })
}

/// `expect CONDITION`; `expect` itself has been taken.
pub(super) fn expect(
    words: &mut Cursor<'_>,
    start: usize,
    line: usize,
) -> Result<Expect, SyntaxError> {
    let condition = condition(words)?;
    Ok(Expect { condition, span: Span { start, end: words.end() }, line })
}

/// Whether the word is a name that a script may have as it stands.
pub(super) fn has_text(word: &Word) -> bool {
    word.pieces.iter().any(|piece| !matches!(piece, Piece::Bare(bytes) if bytes.is_empty()))
}
