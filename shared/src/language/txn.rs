//! Transactions: written out on one line or many, or as etcdctl's three blocks.

use super::check::{check_comparison, check_operation};
use super::cursor::Cursor;
use super::names::full_name;
use super::{Comparison, Lexer, Operation, Piece, Span, SyntaxError, Txn, Word};
use crate::command::{CommandSpec, TABLE};

const OPERATION: &str = "get, put or del";
const BLOCK_END: &str = "an empty line behind each of the three parts";

/// The words of a transaction that may go on over several lines.
struct Reader<'a, 'b> {
    lexer: &'b mut Lexer<'a>,
    words: Cursor<'a>,
    start: usize,
}

/// `txn [FLAGS] if CMP {and CMP} then OPS [else OPS] end`; `txn` itself has been taken. Answers what stands
/// behind `end` too.
pub(super) fn inline<'a>(
    lexer: &mut Lexer<'a>,
    words: Cursor<'a>,
    start: usize,
) -> Result<(Txn, Cursor<'a>), SyntaxError> {
    let mut reader = Reader { lexer, words, start };
    let mut txn = Txn::default();
    reader.flags(&mut txn, &["if", "then"])?;
    if reader.words.keyword("if") {
        loop {
            txn.compares.push(reader.comparison()?);
            if !reader.keyword("and")? {
                break;
            }
        }
    }
    reader.demand("then", "`and` or `then`")?;
    txn.success = reader.operations(&["else", "end"])?;
    if reader.keyword("else")? {
        txn.failure = reader.operations(&["end"])?;
    }
    reader.demand("end", "`end`")?;
    reader.flags(&mut txn, &["|", ">", "&", "->"])?;
    Ok((txn, reader.words))
}

impl Reader<'_, '_> {
    /// The next word, from the next line when this one is used up.
    fn fill(&mut self) -> Result<bool, SyntaxError> {
        while self.words.is_done() {
            match self.lexer.line()? {
                Some(line) => self.words.extend(line),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    fn keyword(&mut self, keyword: &str) -> Result<bool, SyntaxError> {
        self.fill()?;
        Ok(self.words.keyword(keyword))
    }

    fn demand(&mut self, keyword: &str, expected: &str) -> Result<(), SyntaxError> {
        if self.keyword(keyword)? {
            return Ok(());
        }
        if self.words.is_done() {
            return Err(self.open(expected));
        }
        Err(self.words.unexpected(expected))
    }

    fn open(&self, expected: &str) -> SyntaxError {
        let source = self.words.source();
        let span = Span { start: self.start, end: source.len() };
        SyntaxError::incomplete(source, span, "a transaction without end", expected)
    }

    fn flags(&mut self, txn: &mut Txn, until: &[&str]) -> Result<(), SyntaxError> {
        while let Some(word) = self.words.peek() {
            if until.iter().any(|keyword| word.is(keyword)) {
                break;
            }
            let after_flag = txn.flags.last().is_some_and(Word::is_flag);
            if !word.is_flag() && !after_flag {
                return Err(self.words.unexpected(&format!("a flag, or `{}`", until.join("`, `"))));
            }
            txn.flags.extend(self.words.next());
        }
        Ok(())
    }

    fn comparison(&mut self) -> Result<Comparison, SyntaxError> {
        if !self.fill()? {
            return Err(self.open("a comparison"));
        }
        let mut parts = Vec::new();
        for expected in
            ["a comparison such as mod(\"KEY\")", "=, !=, < or >", "what to compare with"]
        {
            if !self.fill()? {
                return Err(self.open(expected));
            }
            parts.push(self.words.word(expected)?);
        }
        comparison(&self.words, parts)
    }

    /// Operations up to one of these keywords, which stays.
    fn operations(&mut self, until: &[&str]) -> Result<Vec<Operation>, SyntaxError> {
        let mut operations: Vec<Operation> = Vec::new();
        let ends = |words: &Cursor<'_>| until.iter().any(|k| words.bare() == Some(k));
        loop {
            if !self.fill()? {
                return Err(self.open(&format!("{OPERATION}, or `{}`", until.join("` or `"))));
            }
            if ends(&self.words) {
                return Ok(operations);
            }
            if self.words.keyword(";") {
                continue;
            }
            let mut operation = operation_start(&mut self.words)?;
            while let Some(word) = self.words.peek() {
                let next =
                    operation.words.iter().any(|word| !word.is_flag()) && command(word).is_some();
                if next || word.is(";") || ends(&self.words) {
                    break;
                }
                operation.words.extend(self.words.next());
            }
            operation.span.end = self.words.end();
            check_operation(self.words.source(), &operation)?;
            operations.push(operation);
        }
    }
}

fn operation_start(words: &mut Cursor<'_>) -> Result<Operation, SyntaxError> {
    let found = words.peek().and_then(|word| Some((command(word)?, word.span)));
    let Some((command, span)) = found else { return Err(words.unexpected(OPERATION)) };
    words.next();
    Ok(Operation { command, words: Vec::new(), span })
}

fn command(word: &Word) -> Option<&'static CommandSpec> {
    let name = full_name(word.bare()?);
    TABLE.iter().find(|spec| spec.operation && spec.name == name)
}

/// `TARGET(KEY) OPERATOR VALUE` of its three words.
fn comparison(words: &Cursor<'_>, parts: Vec<Word>) -> Result<Comparison, SyntaxError> {
    let [left, operator, value]: [Word; 3] =
        parts.try_into().map_err(|_| words.unexpected("a comparison"))?;
    let expected = "a comparison such as mod(\"KEY\") = \"VALUE\", with blanks around the operator";
    let Some((target, key)) = sides(&left) else {
        return Err(words.refuse(left.span, &words.found(left.span), expected));
    };
    let Some(sign) = operator.bare().filter(|sign| ["=", "!=", "<", ">"].contains(sign)) else {
        return Err(words.refuse(operator.span, &words.found(operator.span), "=, !=, < or >"));
    };
    let span = left.span.to(value.span);
    let comparison = Comparison { target, key, operator: sign.to_owned(), value, span };
    check_comparison(words.source(), &comparison, left.span)?;
    Ok(comparison)
}

/// Target and key of `target(KEY)`.
fn sides(word: &Word) -> Option<(String, Word)> {
    let mut key = word.clone();
    let Some(Piece::Bare(first)) = key.pieces.first_mut() else { return None };
    let open = first.iter().position(|byte| *byte == b'(')?;
    let target = String::from_utf8(first.get(..open)?.to_vec()).ok()?;
    first.drain(..=open);
    let Some(Piece::Bare(last)) = key.pieces.last_mut() else { return None };
    (last.pop()? == b')').then_some(())?;
    key.pieces.retain(|piece| !matches!(piece, Piece::Bare(bytes) if bytes.is_empty()));
    Some((target, key))
}

/// The three parts below a line that is `txn` alone.
pub(super) fn blocks(
    lexer: &mut Lexer<'_>,
    flags: Vec<Word>,
    start: usize,
) -> Result<Txn, SyntaxError> {
    let mut txn = Txn { flags, ..Txn::default() };
    for part in 0..3 {
        while let Some(mut words) = block_line(lexer, start)? {
            if part == 0 {
                let expected = "TARGET(\"KEY\") OPERATOR \"VALUE\"";
                let parts =
                    vec![words.word(expected)?, words.word(expected)?, words.word(expected)?];
                words.finish("the end of the line")?;
                txn.compares.push(comparison(&words, parts)?);
                continue;
            }
            let mut operation = operation_start(&mut words)?;
            while let Some(word) = words.next() {
                operation.words.push(word);
            }
            operation.span.end = words.end();
            check_operation(words.source(), &operation)?;
            if part == 1 { &mut txn.success } else { &mut txn.failure }.push(operation);
        }
    }
    Ok(txn)
}

/// The words of the next line of a block; `None` when it is empty and so ends the block.
fn block_line<'a>(lexer: &mut Lexer<'a>, start: usize) -> Result<Option<Cursor<'a>>, SyntaxError> {
    let source = lexer.source();
    loop {
        let Some(line) = lexer.line()? else {
            let span = Span { start, end: source.len() };
            let found = "a transaction without end";
            return Err(SyntaxError::incomplete(source, span, found, BLOCK_END));
        };
        match (line.words.is_empty(), line.comment) {
            (true, Some(_)) => {}
            (true, None) => return Ok(None),
            (false, _) => return Ok(Some(Cursor::new(source, line))),
        }
    }
}
