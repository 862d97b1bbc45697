//! [`Lexer`]: from bytes to words, one logical line at a time.

use super::source::BYTE_ORDER_MARK;
use super::{Piece, Span, SyntaxError, Word};
use crate::text::{ESCAPES, read_escape};

/// How deep `${A:-${B:-...}}` may go.
const NESTING_MAX: usize = 16;

/// A line of words; it may span several lines of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Its words.
    pub words: Vec<Word>,
    /// Its comment, from `#` on.
    pub comment: Option<Span>,
    /// Where it stands, without the heredocs that follow it.
    pub span: Span,
}

/// Reads a text line by line.
#[derive(Clone, Debug)]
pub struct Lexer<'a> {
    source: &'a [u8],
    at: usize,
}

impl<'a> Lexer<'a> {
    /// A lexer at the start of `source`, behind the mark that some editors put there.
    #[must_use]
    pub fn new(source: &'a [u8]) -> Self {
        let at = if source.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        Self { source, at }
    }

    /// The text.
    #[must_use]
    pub fn source(&self) -> &'a [u8] {
        self.source
    }

    /// Where it stands.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    /// Goes back, or forward, to a place where a line begins.
    pub fn seek(&mut self, at: usize) {
        self.at = at;
    }

    /// The next line; `None` at the end. A blank line has no words.
    ///
    /// # Errors
    /// A quote, a brace or a heredoc without end, an unknown escape, a bad name of a variable.
    pub fn line(&mut self) -> Result<Option<Line>, SyntaxError> {
        if self.at >= self.source.len() {
            return Ok(None);
        }
        let mut line = Line { span: self.from(self.at), ..Line::default() };
        let mut tags = Vec::new();
        loop {
            self.skip_blanks()?;
            line.span.end = self.at;
            match self.peek() {
                None => break,
                Some(b'\n') => {
                    self.at += 1;
                    break;
                }
                Some(b'#') if self.begins_comment(line.words.is_empty()) => {
                    line.comment = Some(self.comment());
                    line.span.end = self.at;
                }
                Some(b'#') => return Err(self.glued_comment()),
                Some(_) => {
                    let mut word = self.word()?;
                    if let Some(tag) = self.tag(&word)? {
                        tags.push((line.words.len(), tag));
                    } else {
                        merge(&mut word.pieces);
                    }
                    line.words.push(word);
                }
            }
        }
        for (place, tag) in tags {
            let body = self.heredoc(&tag)?;
            if let Some(word) = line.words.get_mut(place) {
                word.pieces = vec![Piece::Heredoc(body)];
            }
        }
        Ok(Some(line))
    }

    /// The next line as it stands, without its end; `None` at the end of the text.
    pub fn raw_line(&mut self) -> Option<Span> {
        if self.at >= self.source.len() {
            return None;
        }
        let rest = self.source.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == b'\n');
        let end = self.at + length.unwrap_or(rest.len());
        let mut span = Span { start: self.at, end };
        self.at = length.map_or(end, |_| end + 1);
        if span.of(self.source).ends_with(b"\r") {
            span.end -= 1;
        }
        Some(span)
    }

    fn from(&self, start: usize) -> Span {
        Span { start, end: self.at }
    }

    fn peek(&self) -> Option<u8> {
        self.source.get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.source.get(self.at..).unwrap_or_default()
    }

    /// Length of a backslash and the end of its line.
    fn continuation(&self) -> Option<usize> {
        let rest = self.rest();
        [&b"\\\n"[..], b"\\\r\n"].iter().find(|end| rest.starts_with(end)).map(|end| end.len())
    }

    fn skip_blanks(&mut self) -> Result<(), SyntaxError> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\r') => self.at += 1,
                Some(b'\\') => match self.continuation() {
                    Some(length) => self.at += length,
                    None => return self.refuse_last_backslash(),
                },
                _ => return Ok(()),
            }
        }
    }

    fn refuse_last_backslash(&self) -> Result<(), SyntaxError> {
        if self.rest().len() > 1 {
            return Ok(());
        }
        let span = Span { start: self.at, end: self.at + 1 };
        Err(SyntaxError::incomplete(self.source, span, "the text ends in '\\'", "another line"))
    }

    /// A comment is a line of its own, or begins with `#` as a whole word.
    fn begins_comment(&self, first: bool) -> bool {
        first || matches!(self.rest().get(1), None | Some(b' ' | b'\t' | b'\r' | b'\n'))
    }

    fn comment(&mut self) -> Span {
        let rest = self.rest();
        let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let start = self.at;
        self.at += length;
        self.from(start)
    }

    fn glued_comment(&self) -> SyntaxError {
        let span = Span { start: self.at, end: self.at + 1 };
        let expected = "a blank behind '#' for a comment, or quotes around the word";
        SyntaxError::new(self.source, span, "a word that begins with '#'", expected)
    }

    fn word(&mut self) -> Result<Word, SyntaxError> {
        let start = self.at;
        let mut pieces = Vec::new();
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => break,
                _ => self.piece(&mut pieces, 0)?,
            }
        }
        Ok(Word { pieces, span: self.from(start) })
    }

    /// Reads one piece, or one byte of a bare one.
    fn piece(&mut self, pieces: &mut Vec<Piece>, depth: usize) -> Result<(), SyntaxError> {
        match self.peek() {
            Some(b'\'') => pieces.push(self.raw()?),
            Some(b'"') => self.quoted(pieces, depth)?,
            Some(b'$') => match self.variable(depth)? {
                Some(variable) => pieces.push(variable),
                None => self.bare_byte(pieces),
            },
            Some(b'\\') => {
                if let Some(length) = self.continuation() {
                    self.at += length;
                } else {
                    self.refuse_last_backslash()?;
                    self.bare_byte(pieces);
                }
            }
            _ => self.bare_byte(pieces),
        }
        Ok(())
    }

    fn bare_byte(&mut self, pieces: &mut Vec<Piece>) {
        let Some(byte) = self.peek() else { return };
        self.at += 1;
        match pieces.last_mut() {
            Some(Piece::Bare(bytes)) => bytes.push(byte),
            _ => pieces.push(Piece::Bare(vec![byte])),
        }
    }

    fn raw(&mut self) -> Result<Piece, SyntaxError> {
        let start = self.at;
        let inner = self.rest().get(1..).unwrap_or_default();
        let Some(length) = inner.iter().position(|byte| *byte == b'\'') else {
            let span = Span { start, end: self.source.len() };
            return Err(SyntaxError::incomplete(self.source, span, "a quote without end", "'"));
        };
        self.at += length + 2;
        Ok(Piece::Quoted(inner.get(..length).unwrap_or_default().to_vec()))
    }

    fn quoted(&mut self, pieces: &mut Vec<Piece>, depth: usize) -> Result<(), SyntaxError> {
        let start = self.at;
        self.at += 1;
        let mut text = Vec::new();
        let mut any = false;
        loop {
            match self.peek() {
                None => {
                    let span = self.from(start);
                    let found = "a quote without end";
                    return Err(SyntaxError::incomplete(self.source, span, found, "\""));
                }
                Some(b'"') => {
                    self.at += 1;
                    break;
                }
                Some(b'\\') => self.escape(&mut text)?,
                Some(b'$') => {
                    if let Some(variable) = self.variable(depth)? {
                        if !text.is_empty() {
                            pieces.push(Piece::Quoted(std::mem::take(&mut text)));
                        }
                        pieces.push(variable);
                        any = true;
                    } else {
                        text.push(b'$');
                        self.at += 1;
                    }
                }
                Some(byte) => {
                    text.push(byte);
                    self.at += 1;
                }
            }
        }
        // An empty text is a piece too: `""` is a word.
        if !any || !text.is_empty() {
            pieces.push(Piece::Quoted(text));
        }
        Ok(())
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Result<(), SyntaxError> {
        let start = self.at;
        if let Some(length) = self.continuation() {
            self.at += length;
            return Ok(());
        }
        let behind = self.rest().get(1..).unwrap_or_default();
        if behind.is_empty() {
            let span = self.from(start);
            let found = "a quote without end";
            return Err(SyntaxError::incomplete(self.source, span, found, "\""));
        }
        if behind.starts_with(b"$") {
            text.push(b'$');
            self.at += 2;
            return Ok(());
        }
        let Some(rest) = read_escape(behind, text) else {
            let span = Span { start, end: (start + 2).min(self.source.len()) };
            let expected = format!("{ESCAPES} or \\$");
            return Err(SyntaxError::new(self.source, span, "an unknown escape", expected));
        };
        self.at = self.source.len() - rest.len();
        Ok(())
    }

    /// A variable; `None` when `$` stands for itself.
    fn variable(&mut self, depth: usize) -> Result<Option<Piece>, SyntaxError> {
        let start = self.at;
        let braced = self.rest().get(1) == Some(&b'{');
        let text = self.rest().get(if braced { 2.. } else { 1.. }).unwrap_or_default();
        let name = name_of(text);
        if !braced {
            if name.is_empty() {
                return Ok(None);
            }
            self.at += 1 + name.len();
            let name = name.to_owned();
            return Ok(Some(Piece::Variable { name, fallback: None, span: self.from(start) }));
        }
        self.at += 2 + name.len();
        let name = name.to_owned();
        let fallback = if self.rest().starts_with(b":-") && !name.is_empty() {
            self.at += 2;
            Some(self.fallback(start, depth + 1)?)
        } else {
            None
        };
        match self.peek() {
            Some(b'}') if !name.is_empty() => self.at += 1,
            None => return Err(self.open_brace(start)),
            Some(_) => {
                let span = Span { start, end: self.at + 1 };
                let expected = "${NAME} or ${NAME:-WORD}";
                return Err(SyntaxError::new(self.source, span, "a bad name", expected));
            }
        }
        Ok(Some(Piece::Variable { name, fallback, span: self.from(start) }))
    }

    fn open_brace(&self, start: usize) -> SyntaxError {
        SyntaxError::incomplete(self.source, self.from(start), "a brace without end", "}")
    }

    fn fallback(&mut self, start: usize, depth: usize) -> Result<Vec<Piece>, SyntaxError> {
        if depth > NESTING_MAX {
            let expected = format!("at most {NESTING_MAX}");
            let found = "too many variables inside each other";
            return Err(SyntaxError::new(self.source, self.from(start), found, expected));
        }
        let mut pieces = Vec::new();
        loop {
            match self.peek() {
                None => return Err(self.open_brace(start)),
                Some(b'}') => return Ok(pieces),
                Some(_) => self.piece(&mut pieces, depth)?,
            }
        }
    }

    /// The heredoc that a word announces.
    fn tag(&self, word: &Word) -> Result<Option<Tag>, SyntaxError> {
        let (bytes, raw) = match word.pieces.as_slice() {
            [Piece::Bare(bytes)] if bytes.starts_with(b"<<") => {
                (bytes.get(2..).unwrap_or_default(), false)
            }
            [Piece::Bare(bytes), Piece::Quoted(tag)] if bytes == b"<<" => (tag.as_slice(), true),
            _ => return Ok(None),
        };
        if bytes.is_empty() || name_of(bytes).len() != bytes.len() {
            let expected = "<<NAME, or <<'NAME' for lines in which $ means nothing";
            let found = "a bad name of a heredoc";
            return Err(SyntaxError::new(self.source, word.span, found, expected));
        }
        Ok(Some(Tag { name: bytes.to_vec(), raw, span: word.span }))
    }

    /// The lines up to the tag, each with its line feed.
    fn heredoc(&mut self, tag: &Tag) -> Result<Vec<Piece>, SyntaxError> {
        let start = self.at;
        loop {
            let before = self.at;
            let Some(line) = self.raw_line() else {
                let name = String::from_utf8_lossy(&tag.name).into_owned();
                let found = "a heredoc without end";
                return Err(SyntaxError::incomplete(self.source, tag.span, found, name));
            };
            if line.of(self.source).trim_ascii() == tag.name {
                return self.heredoc_pieces(Span { start, end: before }, tag.raw);
            }
        }
    }

    fn heredoc_pieces(&self, body: Span, raw: bool) -> Result<Vec<Piece>, SyntaxError> {
        if raw {
            return Ok(vec![Piece::Quoted(body.of(self.source).to_vec())]);
        }
        // Positions stay those of the whole text; only its end is nearer.
        let source = self.source.get(..body.end).unwrap_or(self.source);
        let mut inner = Self { source, at: body.start };
        let (mut pieces, mut text) = (Vec::new(), Vec::new());
        while let Some(byte) = inner.peek() {
            match byte {
                b'\\' if inner.rest().starts_with(b"\\$") => {
                    text.push(b'$');
                    inner.at += 2;
                }
                b'$' => {
                    if let Some(variable) = inner.variable(0).map_err(closed)? {
                        pieces.push(Piece::Quoted(std::mem::take(&mut text)));
                        pieces.push(variable);
                    } else {
                        text.push(byte);
                        inner.at += 1;
                    }
                }
                _ => {
                    text.push(byte);
                    inner.at += 1;
                }
            }
        }
        pieces.push(Piece::Quoted(text));
        Ok(pieces)
    }
}

/// Inside a heredoc that has ended, more lines make nothing right.
fn closed(error: SyntaxError) -> SyntaxError {
    SyntaxError { incomplete: false, ..error }
}

struct Tag {
    name: Vec<u8>,
    raw: bool,
    span: Span,
}

/// Joins neighbours of one kind, so that equal words are equal.
fn merge(pieces: &mut Vec<Piece>) {
    let mut merged: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces.drain(..) {
        match (merged.last_mut(), piece) {
            (Some(Piece::Bare(left)), Piece::Bare(right))
            | (Some(Piece::Quoted(left)), Piece::Quoted(right)) => left.extend(right),
            (_, piece) => merged.push(piece),
        }
    }
    *pieces = merged;
}

/// The name of a variable at the start of `text`.
pub(super) fn name_of(text: &[u8]) -> &str {
    let digit_free = |(at, byte): (usize, &u8)| {
        byte.is_ascii_alphabetic() || *byte == b'_' || (at > 0 && byte.is_ascii_digit())
    };
    let length = text.iter().enumerate().take_while(|pair| digit_free(*pair)).count();
    text.get(..length).and_then(|name| str::from_utf8(name).ok()).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::written;

    fn line(text: &str) -> Result<Line, SyntaxError> {
        Lexer::new(text.as_bytes()).line().map(Option::unwrap_or_default)
    }

    fn literals(text: &str) -> Vec<String> {
        let text_of = |word: &Word| {
            let bytes = word.literal().unwrap_or_else(|| format!("{:?}", word.pieces).into());
            String::from_utf8_lossy(&bytes).into_owned()
        };
        line(text).unwrap().words.iter().map(text_of).collect()
    }

    #[test]
    fn words_are_what_stands_between_blanks_and_quotes() {
        for (text, words) in [
            ("put a b", &["put", "a", "b"][..]),
            ("  put\t'x y'  \"a\\tb\" ", &["put", "x y", "a\tb"]),
            ("a'b c'd\"e f\"", &["ab cde f"]),
            ("put k '$x \\n'", &["put", "k", "$x \\n"]),
            ("put k \"\\$x \\\"q\\\" \\u00e9\\xff\"", &["put", "k", "$x \"q\" é\u{fffd}"]),
            ("put k \\\n  v", &["put", "k", "v"]),
            ("put k v\\\nw", &["put", "k", "vw"]),
            ("put k 'a\nb'", &["put", "k", "a\nb"]),
            ("put k \"a\nb\\\nc\"", &["put", "k", "a\nbc"]),
            ("put k a\\b $5 5$", &["put", "k", "a\\b", "$5", "5$"]),
            ("'' \"\"", &["", ""]),
            ("put k v # a comment", &["put", "k", "v"]),
            ("# put k v", &[]),
            ("put k v\r", &["put", "k", "v"]),
            ("put a#b c", &["put", "a#b", "c"]),
        ] {
            assert_eq!(literals(text), words, "{text}");
        }
    }

    #[test]
    fn variables_keep_their_names_and_fallbacks() {
        let words = line("\"a$B\" ${C:-x\"y z\"$D} $E/f").unwrap().words;
        let names = |word: &Word| {
            word.needs()
                .iter()
                .map(|(name, span)| (name.to_string(), span.start))
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&words[0]), [("B".to_owned(), 2)]);
        assert_eq!(names(&words[1]), [("D".to_owned(), 17)]);
        assert_eq!(names(&words[2]), [("E".to_owned(), 21)]);
    }

    #[test]
    fn heredocs_follow_their_line_in_order() {
        let text = "put <<A <<'B'\nx $V\\$W\n  A\ny $V\nB\nget k";
        let mut lexer = Lexer::new(text.as_bytes());
        let line = lexer.line().unwrap().unwrap();
        assert_eq!(line.words[2].literal().unwrap(), b"y $V\n");
        assert_eq!(line.words[1].needs()[0].0, "V");
        assert_eq!(lexer.line().unwrap().unwrap().words.len(), 2);
    }

    #[test]
    fn errors_point_at_the_column_and_say_what_was_expected() {
        for (text, shown, incomplete) in [
            ("put 'a", "1:5: a quote without end; expected '", true),
            ("put \"a", "1:5: a quote without end; expected \"", true),
            ("put k ${a", "1:7: a brace without end; expected }", true),
            ("put k ${a:-b", "1:7: a brace without end; expected }", true),
            ("put k \\", "1:7: the text ends in '\\'; expected another line", true),
            ("put k <<E\nx\n", "1:7: a heredoc without end; expected E", true),
            ("put k ${}", "1:7: a bad name; expected ${NAME} or ${NAME:-WORD}", false),
            (
                "put k <<",
                "1:7: a bad name of a heredoc; expected <<NAME, or <<'NAME' for lines in which $ means nothing",
                false,
            ),
            (
                "get k #x",
                "1:7: a word that begins with '#'; expected a blank behind '#' for a comment, or quotes around the word",
                false,
            ),
        ] {
            let error = line(text).unwrap_err();
            assert_eq!((error.to_string().as_str(), error.incomplete), (shown, incomplete));
        }
        let error = line("put é \"\\q\"").unwrap_err();
        assert_eq!(error.position.to_string(), "1:8");
        assert_eq!(error.shown("put é \"\\q\"".as_bytes()), "put é \"\\q\"\n       ^");
    }

    #[test]
    fn variables_inside_variables_have_a_bound() {
        let deep = "${a:-".repeat(100_000);
        assert!(!line(&deep).unwrap_err().incomplete);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_lexer_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..60)) {
            let mut lexer = Lexer::new(&bytes);
            while let Ok(Some(_)) = lexer.line() {}
        }

        #[test]
        fn no_line_of_its_own_signs_makes_the_lexer_panic(text in "[-a<{}$:'\"\\\\# \n]{0,40}") {
            let mut lexer = Lexer::new(text.as_bytes());
            while let Ok(Some(line)) = lexer.line() {
                for word in &line.words {
                    assert!(word.span.start < word.span.end && word.span.end <= text.len());
                }
            }
        }

        #[test]
        fn what_is_written_reads_back(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..30)) {
            let text = format!("put {} x", written(&bytes));
            let words = line(&text).unwrap().words;
            assert_eq!(words.len(), 3);
            assert_eq!(words[1].literal().unwrap(), bytes);
            assert!(!words[1].is_flag());
        }

        #[test]
        fn text_that_is_written_reads_back(text in "\\PC{0,12}|[-a-z|>&$'\" ]{0,6}") {
            let words = line(&written(text.as_bytes())).unwrap().words;
            assert_eq!(words[0].literal().unwrap(), text.as_bytes());
            assert!(!words[0].is_flag());
        }
    }
}
