//! [`parse_input`] and [`parse_script`]: whole texts to statements.

use super::check::check_flags;
use super::condition::condition;
use super::cursor::Cursor;
use super::{
    Golden, Lexer, Names, Position, Script, Span, Statement, StatementKind, SyntaxError, statement,
};
use crate::command::Target;

/// How deep blocks may stand in each other.
const BLOCKS_MAX: usize = 32;
/// Most turns of a `repeat`.
const REPEAT_MAX: u32 = 1_000_000;
/// Errors of one script that are told.
pub const ERRORS_MAX: usize = 20;
/// Stands above golden output.
const GOLDEN: &str = "----";

/// Parses what somebody typed: command words may be shortened. Blank lines and comments give nothing. Lines stand between
/// newlines, the last one behind the last: after a newline that is an empty line, which ends the last part of a txn.
///
/// # Errors
/// What does not follow the grammar; [`SyntaxError::incomplete`] says whether more lines would help.
pub fn parse_input(source: &[u8]) -> Result<Vec<Statement>, SyntaxError> {
    let closed;
    let mut lines = source;
    if source.ends_with(b"\n") {
        closed = [source, b"\n"].concat();
        lines = &closed;
    }
    let (statements, _) = Parser::new(lines, Names::Prefixes).block(None)?;
    Ok(statements)
}

/// Parses a script, to its end.
///
/// # Errors
/// The first place that does not follow the grammar.
pub fn parse_script(source: &[u8]) -> Result<Script, SyntaxError> {
    let (statements, _) = Parser::new(source, Names::Exact).block(None)?;
    Ok(Script { statements })
}

/// Parses a script, and goes on behind what is wrong.
///
/// # Errors
/// The places that do not follow the grammar, [`ERRORS_MAX`] at most.
pub fn check_script(source: &[u8]) -> Result<Script, Vec<SyntaxError>> {
    let mut parser = Parser { recovers: true, ..Parser::new(source, Names::Exact) };
    let parsed = parser.block(None);
    let mut errors = parser.errors;
    match parsed {
        Ok((statements, _)) if errors.is_empty() => return Ok(Script { statements }),
        Ok(_) => {}
        Err(error) => errors.push(error),
    }
    errors.sort_by_key(|error| (error.span.start, error.span.end));
    errors.dedup();
    Err(errors)
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    names: Names,
    depth: usize,
    /// Whether errors are collected, and what stands behind them is parsed.
    recovers: bool,
    errors: Vec<SyntaxError>,
    /// Blocks whose first line is wrong, and whose `end` is still to come.
    headless: usize,
}

/// The block that is open: its keyword, where that stands, and what may end it.
#[derive(Clone, Copy)]
struct Open {
    keyword: &'static str,
    span: Span,
    has_else: bool,
}

/// What ended a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closed {
    End(usize),
    Else,
    Text,
}

impl<'a> Parser<'a> {
    fn new(source: &'a [u8], names: Names) -> Self {
        Self {
            lexer: Lexer::new(source),
            names,
            depth: 0,
            recovers: false,
            errors: Vec::new(),
            headless: 0,
        }
    }

    fn source(&self) -> &'a [u8] {
        self.lexer.source()
    }

    /// Statements up to the end of the block, or of the text.
    fn block(&mut self, open: Option<Open>) -> Result<(Vec<Statement>, Closed), SyntaxError> {
        let mut statements: Vec<Statement> = Vec::new();
        loop {
            let began = self.lexer.at();
            let line = match self.lexer.line() {
                Ok(None) => break,
                Ok(Some(line)) => line,
                Err(error) => {
                    self.recover(error, began, "")?;
                    continue;
                }
            };
            if line.words.is_empty() {
                continue;
            }
            let mut words = Cursor::new(self.source(), line);
            let first = words.bare().unwrap_or_default().to_owned();
            if self.headless > 0 && (first == "end" || first == "else") {
                self.headless -= usize::from(first == "end");
                continue;
            }
            let found = match close(&mut words, open) {
                Ok(Some(closed)) => return Ok((statements, closed)),
                Ok(None) => self.statement(words, open.is_some()),
                Err(error) => Err(error),
            };
            let statement = match found {
                Ok(statement) => statement,
                Err(error) => {
                    self.recover(error, began, &first)?;
                    continue;
                }
            };
            if let StatementKind::Expect(expect) = &statement.kind
                && let Some(last) = statements.last_mut()
                && (self.names == Names::Exact || waits(last))
                && let Some(expects) = expects_of(last)
            {
                expects.push(expect.clone());
                continue;
            }
            statements.push(statement);
        }
        match open {
            None => Ok((statements, Closed::Text)),
            Some(open) => Err(SyntaxError::incomplete(
                self.source(),
                open.span,
                format!("`{}` without end", open.keyword),
                "`end`",
            )),
        }
    }

    /// Takes an error in, and goes to the line behind what began at `began` with the word `first`.
    ///
    /// # Errors
    /// The same one, when nothing behind it is to be read.
    fn recover(
        &mut self,
        error: SyntaxError,
        began: usize,
        first: &str,
    ) -> Result<(), SyntaxError> {
        let reads_on = self.recovers && self.errors.len() + 1 < ERRORS_MAX;
        let at_end = self.lexer.at() >= self.source().len();
        let is_block = ["test", "setup", "teardown", "repeat", "with", "if"].contains(&first);
        // A block or transaction without `end` has all of the text in it.
        if !reads_on || (error.incomplete && at_end && !first.is_empty()) {
            return Err(error);
        }
        if is_block {
            self.headless += 1;
        }
        let lexical = first.is_empty() || error.incomplete;
        self.errors.push(error);
        if lexical {
            // The text behind an open quote is read as if it were closed at the end of its line.
            self.lexer.seek(began);
            self.lexer.raw_line();
        } else if first == "txn" || first == "eventually" {
            self.skip_txn();
        }
        self.golden();
        Ok(())
    }

    /// Goes behind what is left of a transaction: to the next empty line, or behind its `end`.
    fn skip_txn(&mut self) {
        let before = self.lexer.at();
        while let Some(line) = self.lexer.raw_line() {
            let text = line.of(self.source()).trim_ascii();
            let last = text.rsplit(u8::is_ascii_whitespace).next().unwrap_or_default();
            if text.is_empty() || last == b"end" {
                return;
            }
            let words: Vec<_> = text.split(u8::is_ascii_whitespace).collect();
            let part = [&b"get"[..], b"put", b"del", b"then", b"else", b"and", b"if"];
            let inside =
                words.first().is_some_and(|word| part.contains(word) || word.contains(&b'('));
            if !inside {
                self.lexer.seek(before.max(line.start));
                return;
            }
        }
    }

    fn statement(&mut self, mut words: Cursor<'a>, inside: bool) -> Result<Statement, SyntaxError> {
        let span = words.peek().map_or(Span::default(), |word| word.span);
        let line = Position::of(self.source(), span.start).line;
        let keyword = words.bare().unwrap_or_default().to_owned();
        let mut end = None;
        let kind = match keyword.as_str() {
            "expect" => {
                words.next();
                StatementKind::Expect(statement::expect(&mut words, span.start, line)?)
            }
            "await" => {
                words.next();
                let mut wait = statement::wait(&mut words)?;
                wait.golden = self.golden();
                StatementKind::Await(wait)
            }
            "cancel" => {
                words.next();
                let id = words.name("the name of a watch")?;
                words.finish("the end of the line")?;
                StatementKind::Cancel(id)
            }
            "set" => {
                words.next();
                let name = words.name("the name of a variable")?;
                let value = words.word("a value")?;
                words.finish("one word; quote it when it has blanks")?;
                StatementKind::Set { name, value }
            }
            "test" | "setup" | "teardown" | "repeat" | "with" | "if" => {
                words.next();
                let (kind, at) = self.block_statement(&keyword, &mut words, span, inside)?;
                end = Some(at);
                kind
            }
            "end" | "else" => return Err(words.unexpected("a command: no block is open here")),
            _ => {
                let (mut run, at) = statement::run(&mut self.lexer, words, self.names)?;
                run.golden = self.golden();
                return Ok(Statement {
                    span: Span { start: span.start, end: at },
                    line,
                    kind: StatementKind::Run(Box::new(run)),
                });
            }
        };
        let end = end.unwrap_or_else(|| words.end());
        Ok(Statement { span: Span { start: span.start, end }, line, kind })
    }

    fn block_statement(
        &mut self,
        keyword: &str,
        words: &mut Cursor<'a>,
        span: Span,
        inside: bool,
    ) -> Result<(StatementKind, usize), SyntaxError> {
        self.depth += 1;
        if self.depth > BLOCKS_MAX {
            let expected = format!("at most {BLOCKS_MAX}");
            return Err(words.refuse(span, "too many blocks inside each other", &expected));
        }
        let found = self.open(keyword, words, span, inside);
        self.depth -= 1;
        found
    }

    fn open(
        &mut self,
        keyword: &str,
        words: &mut Cursor<'a>,
        span: Span,
        inside: bool,
    ) -> Result<(StatementKind, usize), SyntaxError> {
        let outermost = |words: &Cursor<'_>, what: &str| {
            let refused = || words.refuse(span, what, "it outside of any other block");
            if inside { Err(refused()) } else { Ok(()) }
        };
        Ok(match keyword {
            "test" => {
                outermost(words, "a test inside of a block")?;
                let name = words.word("the name of the test")?;
                if !statement::has_text(&name) {
                    return Err(words.refuse(name.span, "an empty name", "the name of the test"));
                }
                words.finish("one word; quote it when it has blanks")?;
                let (body, end) = self.body("test", span)?;
                (StatementKind::Test { name, body }, end)
            }
            "setup" => {
                outermost(words, "a setup inside of a block")?;
                words.finish("the end of the line")?;
                let (body, end) = self.body("setup", span)?;
                (StatementKind::Setup(body), end)
            }
            "teardown" => {
                outermost(words, "a teardown inside of a block")?;
                words.finish("the end of the line")?;
                let (body, end) = self.body("teardown", span)?;
                (StatementKind::Teardown(body), end)
            }
            "repeat" => {
                let times: u32 = words.number("how often")?;
                words.finish("the end of the line")?;
                if times > REPEAT_MAX {
                    let expected = format!("at most {REPEAT_MAX}");
                    return Err(words.refuse(span, "too many turns", &expected));
                }
                let (body, end) = self.body("repeat", span)?;
                (StatementKind::Repeat { times, body }, end)
            }
            "with" => {
                let mut flags = vec![words.word("flags such as -w json")?];
                while let Some(word) = words.next() {
                    flags.push(word);
                }
                check_flags(self.source(), Target::Root, &flags)?;
                let (body, end) = self.body("with", span)?;
                (StatementKind::With { flags, body }, end)
            }
            _ => {
                let condition = condition(words)?;
                let open = Open { keyword: "if", span, has_else: true };
                let (then, closed) = self.block(Some(open))?;
                let (otherwise, end) = match closed {
                    Closed::Else => self.body("else", span)?,
                    Closed::End(end) => (Vec::new(), end),
                    Closed::Text => (Vec::new(), self.lexer.at()),
                };
                (StatementKind::If { condition, then, otherwise }, end)
            }
        })
    }

    fn body(
        &mut self,
        keyword: &'static str,
        span: Span,
    ) -> Result<(Vec<Statement>, usize), SyntaxError> {
        let (body, closed) = self.block(Some(Open { keyword, span, has_else: false }))?;
        let end = match closed {
            Closed::End(end) => end,
            Closed::Else | Closed::Text => self.lexer.at(),
        };
        Ok((body, end))
    }

    /// The golden output below a command of a script.
    fn golden(&mut self) -> Option<Golden> {
        if self.names != Names::Exact {
            return None;
        }
        let before = self.lexer.at();
        let head = self.lexer.raw_line();
        let Some(head) =
            head.filter(|line| line.of(self.source()).trim_ascii() == GOLDEN.as_bytes())
        else {
            self.lexer.seek(before);
            return None;
        };
        let line = Position::of(self.source(), head.start).line;
        let head = String::from_utf8_lossy(head.of(self.source())).into_owned();
        let indent = head.split(GOLDEN).next().unwrap_or_default().to_owned();
        let start = self.lexer.at();
        let (mut lines, mut end) = (Vec::new(), start);
        while let Some(span) = self.lexer.raw_line() {
            let text = span.of(self.source());
            if text.trim_ascii().is_empty() {
                break;
            }
            let text = String::from_utf8_lossy(text);
            lines.push(text.strip_prefix(&indent).unwrap_or(&text).to_owned());
            end = self.lexer.at();
        }
        Some(Golden { lines, span: Span { start, end }, line, indent })
    }
}

/// Whether the line ends the open block.
fn close(words: &mut Cursor<'_>, open: Option<Open>) -> Result<Option<Closed>, SyntaxError> {
    let Some(open) = open else { return Ok(None) };
    let closed = if words.keyword("end") {
        Closed::End(words.end())
    } else if open.has_else && words.keyword("else") {
        Closed::Else
    } else {
        return Ok(None);
    };
    words.finish("the end of the line")?;
    Ok(Some(closed))
}

/// Whether the statement is repeated until what is expected of it holds.
fn waits(statement: &Statement) -> bool {
    matches!(&statement.kind, StatementKind::Run(run) if run.eventually.is_some())
}

fn expects_of(statement: &mut Statement) -> Option<&mut Vec<super::Expect>> {
    match &mut statement.kind {
        StatementKind::Run(run) => Some(&mut run.expects),
        StatementKind::Await(wait) => Some(&mut wait.expects),
        _ => None,
    }
}
