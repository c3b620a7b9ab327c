//! Splits text into records and fields.
//!
//! - Records end with LF, CRLF or CR outside of quotes, or with the text. Blank lines and comments are no records.
//! - A field is quoted if it begins with the quote; then everything up to the closing quote is kept exactly, and two quotes are
//!   one. A quote anywhere else in a field is a character like any other.
//! - Something between the closing quote and the next delimiter is a mistake, and so is a quote that is never closed. Such a record
//!   ends with the first line end behind the quote that opened it, so that one lost quote costs one line and not the file.
//!
//! Must not know columns, types or files. Nothing is copied: fields are positions in the text.

use lockstep_text_files::{RECORD_BYTES_MAX, Tail};

use crate::scan::{Needles, Scan};

/// How fields and records are told apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dialect {
    pub delimiter: u8,
    /// None: quotes mean nothing.
    pub quote: Option<u8>,
    /// Lines that begin with it are no records; empty = none.
    pub comment: Vec<u8>,
}

/// One field, without its quotes. Positions of 32 bits are enough: a text in memory is never much longer than a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    start: u32,
    end: u32,
    pub quoting: Quoting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quoting {
    Plain,
    Quoted,
    /// Quoted, and with doubled quotes inside.
    Doubled,
}

impl Span {
    pub fn new(start: usize, end: usize, quoting: Quoting) -> Self {
        Self { start: start as u32, end: end as u32, quoting }
    }

    /// The field as it stands in the text.
    #[inline]
    pub fn of(self, text: &[u8]) -> &[u8] {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// Appends the field as it is meant: doubled quotes become one.
    pub fn unescape(self, text: &[u8], quote: Option<u8>, value: &mut Vec<u8>) {
        let mut rest = self.of(text);
        if let (Quoting::Doubled, Some(quote)) = (self.quoting, quote) {
            while let Some(index) = memchr::memchr(quote, rest) {
                value.extend_from_slice(rest.get(..=index).unwrap_or_default());
                rest = rest.get(index + 2..).unwrap_or_default();
            }
        }
        value.extend_from_slice(rest);
    }
}

/// What stands at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// A record without its line end; the next one begins at `next`.
    Record { start: usize, end: usize, next: usize },
    /// A record with a mistake in its quotes, of which the one at `opened` is at fault.
    Misquoted { start: usize, opened: usize, next: usize, mistake: Mistake },
    /// A record of more than [`RECORD_BYTES_MAX`]. Without `next`, its end is not in the text.
    TooLong { start: usize, next: Option<usize> },
    /// The text ends inside of the record that begins at `from`.
    Incomplete { from: usize },
    /// No more records.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// The quote is not closed before the text or the longest possible record ends.
    Unclosed,
    /// Something follows the closing quote, which stands at `closed`.
    TextBehind { closed: usize },
}

/// What follows a line: its end and what comes next.
enum Line {
    Record(Split),
    /// Blank or a comment.
    Nothing {
        next: usize,
    },
}

/// Splits a text, record by record.
#[derive(Clone, Debug)]
pub struct Splitter {
    dialect: Dialect,
    scan: Scan,
    /// Where the scan stands, and in which version of the text.
    resume: (usize, u64),
}

impl Splitter {
    pub fn new(dialect: Dialect) -> Self {
        let needles = Needles::new(dialect.delimiter, dialect.quote.unwrap_or(dialect.delimiter));
        Self { dialect, scan: Scan::new(needles), resume: (0, 0) }
    }

    /// Splits the record at `at` and appends its fields, none if it is not a record. `version` tells texts apart.
    #[inline]
    pub fn split(&mut self, text: &[u8], version: u64, at: usize, tail: Tail, spans: &mut Vec<Span>) -> Split {
        if self.resume != (at, version) {
            self.scan.seek(at);
        }
        let before = spans.len();
        let mut start = at;
        loop {
            match self.line(text, start, tail, spans) {
                Line::Record(split @ Split::Record { next, .. }) => {
                    self.resume = (next, version);
                    return split;
                }
                Line::Record(split) => {
                    spans.truncate(before);
                    // The scan stands anywhere.
                    self.resume = (usize::MAX, version);
                    return split;
                }
                Line::Nothing { next } => start = next,
            }
        }
    }

    #[inline]
    fn line(&mut self, text: &[u8], start: usize, tail: Tail, spans: &mut Vec<Span>) -> Line {
        if !self.dialect.comment.is_empty() && self.may_be_comment(text, start, tail) {
            return self.comment(text, start, tail);
        }
        let mut field = start;
        let end_max = start + RECORD_BYTES_MAX;
        // A copy can live in registers; it is put back wherever somebody else goes on with it.
        let mut scan = self.scan;
        while let Some(hit) = scan.next(text) {
            let byte = text.get(hit).copied().unwrap_or(b'\n');
            if hit > end_max {
                return Line::Record(too_long(text, start, end_max, tail));
            } else if byte == self.dialect.delimiter {
                spans.push(Span::new(field, hit, Quoting::Plain));
                field = hit + 1;
            } else if is_line_end(byte) {
                self.scan = scan;
                if hit > start {
                    spans.push(Span::new(field, hit, Quoting::Plain));
                }
                return self.line_end(text, start, hit, tail);
            } else if hit == field {
                self.scan = scan;
                match self.find_closing(text, end_max, tail) {
                    Ok(Some((closed, quoting))) => {
                        spans.push(Span::new(hit + 1, closed, quoting));
                        if text.get(closed + 1) != Some(&self.dialect.delimiter) {
                            return self.behind_last_quote(text, start, closed + 1, tail);
                        }
                        field = closed + 2;
                    }
                    Ok(None) => return Line::Record(Split::Incomplete { from: start }),
                    Err(mistake) => return Line::Record(misquoted(text, start, hit, mistake, tail)),
                }
                scan = self.scan;
                scan.next(text);
            }
        }
        out_of_text(text, start, field, tail, spans)
    }

    /// The closing quote of a field that has been opened; none if it is not in the text yet.
    fn find_closing(&mut self, text: &[u8], end_max: usize, tail: Tail) -> Result<Option<(usize, Quoting)>, Mistake> {
        let quote = self.dialect.quote.unwrap_or_default();
        let mut quoting = Quoting::Quoted;
        while let Some(hit) = self.scan.next(text).filter(|hit| *hit <= end_max) {
            if text.get(hit) != Some(&quote) {
                continue;
            }
            match text.get(hit + 1) {
                Some(next) if *next == quote => {
                    self.scan.next(text);
                    quoting = Quoting::Doubled;
                }
                Some(next) if *next == self.dialect.delimiter || is_line_end(*next) => return Ok(Some((hit, quoting))),
                Some(_) => return Err(Mistake::TextBehind { closed: hit }),
                None if tail == Tail::End => return Ok(Some((hit, quoting))),
                None => return Ok(None),
            }
        }
        if tail == Tail::End || text.len() > end_max { Err(Mistake::Unclosed) } else { Ok(None) }
    }

    /// Behind a quoted field that no delimiter follows: a line end or the end of the text.
    fn behind_last_quote(&mut self, text: &[u8], start: usize, end: usize, tail: Tail) -> Line {
        if end >= text.len() {
            return Line::Record(Split::Record { start, end, next: end });
        }
        self.scan.next(text);
        self.line_end(text, start, end, tail)
    }

    /// The line end at `end` belongs to a record, or to a blank line.
    #[inline]
    fn line_end(&mut self, text: &[u8], start: usize, end: usize, tail: Tail) -> Line {
        match self.skip_line_end(text, end, tail) {
            None => Line::Record(Split::Incomplete { from: start }),
            Some(next) if end == start => Line::Nothing { next },
            Some(next) => Line::Record(Split::Record { start, end, next }),
        }
    }

    /// What follows a line end that the scan has just found; none if it may be the first half of one.
    #[inline]
    fn skip_line_end(&mut self, text: &[u8], end: usize, tail: Tail) -> Option<usize> {
        if text.get(end) == Some(&b'\r') {
            match text.get(end + 1) {
                Some(b'\n') => {
                    self.scan.next(text);
                    return Some(end + 2);
                }
                None if tail == Tail::More => return None,
                _ => {}
            }
        }
        Some(end + 1)
    }

    /// Whether a comment stands here, or may once there is more text.
    fn may_be_comment(&self, text: &[u8], start: usize, tail: Tail) -> bool {
        let comment = self.dialect.comment.as_slice();
        let line = text.get(start..).unwrap_or_default();
        line.starts_with(comment) || (tail == Tail::More && comment.starts_with(line))
    }

    fn comment(&mut self, text: &[u8], start: usize, tail: Tail) -> Line {
        while let Some(hit) = self.scan.next(text) {
            if text.get(hit).is_some_and(|byte| is_line_end(*byte)) {
                let next = self.skip_line_end(text, hit, tail);
                return next.map_or(Line::Record(Split::Incomplete { from: start }), |next| Line::Nothing { next });
            }
        }
        Line::Record(match tail {
            Tail::End => Split::End,
            Tail::More if text.len() - start > RECORD_BYTES_MAX => too_long(text, start, text.len(), tail),
            Tail::More => Split::Incomplete { from: start },
        })
    }
}

fn out_of_text(text: &[u8], start: usize, field: usize, tail: Tail, spans: &mut Vec<Span>) -> Line {
    let end = text.len();
    Line::Record(if end - start > RECORD_BYTES_MAX {
        too_long(text, start, start + RECORD_BYTES_MAX, tail)
    } else if tail == Tail::More {
        Split::Incomplete { from: start }
    } else if start == end {
        Split::End
    } else {
        spans.push(Span::new(field, end, Quoting::Plain));
        Split::Record { start, end, next: end }
    })
}

#[inline]
pub fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// What follows the first line end at or behind a position; none if there is none, or perhaps only half of one.
pub fn next_line(text: &[u8], from: usize, tail: Tail) -> Option<usize> {
    let rest = text.get(from..)?;
    let end = from + memchr::memchr2(b'\n', b'\r', rest)?;
    match (text.get(end), text.get(end + 1)) {
        (Some(b'\r'), Some(b'\n')) => Some(end + 2),
        (Some(b'\r'), None) if tail == Tail::More => None,
        _ => Some(end + 1),
    }
}

fn too_long(text: &[u8], start: usize, end_max: usize, tail: Tail) -> Split {
    let at_end = (tail == Tail::End).then_some(text.len());
    Split::TooLong { start, next: next_line(text, end_max, tail).or(at_end) }
}

fn misquoted(text: &[u8], start: usize, opened: usize, mistake: Mistake, tail: Tail) -> Split {
    let at_end = (tail == Tail::End).then_some(text.len());
    match next_line(text, opened, tail).or(at_end) {
        Some(next) => Split::Misquoted { start, opened, next, mistake },
        None if text.len() - start > RECORD_BYTES_MAX => Split::TooLong { start, next: None },
        None => Split::Incomplete { from: start },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A record as text, or the line end behind which the next one begins.
    type Outcome = Result<Vec<(String, bool)>, usize>;

    fn dialect(comment: &str) -> Dialect {
        Dialect { delimiter: b',', quote: Some(b'"'), comment: comment.as_bytes().to_vec() }
    }

    fn split_all(text: &[u8], dialect: &Dialect) -> Vec<Outcome> {
        let mut splitter = Splitter::new(dialect.clone());
        let (mut at, mut spans, mut all) = (0, Vec::new(), Vec::new());
        loop {
            spans.clear();
            at = match splitter.split(text, 0, at, Tail::End, &mut spans) {
                Split::Record { next, .. } => {
                    all.push(Ok(spans.iter().map(|span| field(text, *span)).collect()));
                    next
                }
                Split::Misquoted { next, .. } => {
                    all.push(Err(next));
                    next
                }
                Split::End => return all,
                split => panic!("{split:?}"),
            };
        }
    }

    fn field(text: &[u8], span: Span) -> (String, bool) {
        let mut value = Vec::new();
        span.unescape(text, Some(b'"'), &mut value);
        (String::from_utf8(value).unwrap(), span.quoting != Quoting::Plain)
    }

    /// The same rules, one character after the other.
    fn model(text: &[u8], comment: &[u8]) -> Vec<Outcome> {
        let (mut at, mut all) = (0, Vec::new());
        while at < text.len() {
            if is_line_end(text[at]) {
                at += 1;
            } else if !comment.is_empty() && text[at..].starts_with(comment) {
                at = next_line(text, at, Tail::End).unwrap_or(text.len());
            } else {
                let outcome = model_record(text, &mut at);
                all.push(outcome);
            }
        }
        all
    }

    fn model_record(text: &[u8], at: &mut usize) -> Outcome {
        let mut fields = Vec::new();
        loop {
            if text.get(*at) == Some(&b'"') {
                let opened = *at;
                let mistake = || Err(next_line(text, opened, Tail::End).unwrap_or(text.len()));
                let mut value = Vec::new();
                *at += 1;
                loop {
                    match (text.get(*at), text.get(*at + 1)) {
                        (Some(b'"'), Some(b'"')) => *at += 1,
                        (Some(b'"'), _) => break,
                        (Some(_), _) => {}
                        (None, _) => {
                            *at = mistake().unwrap_err();
                            return mistake();
                        }
                    }
                    value.push(text[*at]);
                    *at += 1;
                }
                *at += 1;
                if text.get(*at).is_some_and(|byte| *byte != b',' && !is_line_end(*byte)) {
                    *at = mistake().unwrap_err();
                    return mistake();
                }
                fields.push((String::from_utf8(value).unwrap(), true));
            } else {
                let length = text[*at..].iter().take_while(|byte| **byte != b',' && !is_line_end(**byte)).count();
                fields.push((String::from_utf8(text[*at..*at + length].to_vec()).unwrap(), false));
                *at += length;
            }
            if text.get(*at) != Some(&b',') {
                return Ok(fields);
            }
            *at += 1;
        }
    }

    fn check(text: &str, expected: &[Result<&[&str], usize>]) {
        let found: Vec<Result<Vec<String>, usize>> = split_all(text.as_bytes(), &dialect("#"))
            .into_iter()
            .map(|outcome| outcome.map(|fields| fields.into_iter().map(|(value, _)| value).collect()))
            .collect();
        let expected: Vec<Result<Vec<String>, usize>> = expected
            .iter()
            .map(|outcome| outcome.map(|fields| fields.iter().map(|field| (*field).to_owned()).collect()))
            .collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn records_and_fields() {
        check("", &[]);
        check("a", &[Ok(&["a"])]);
        check("a,b\n", &[Ok(&["a", "b"])]);
        check("a,b\r\n\r\nc,\r,d\n", &[Ok(&["a", "b"]), Ok(&["c", ""]), Ok(&["", "d"])]);
        check("# no, record\na # one\n#", &[Ok(&["a # one"])]);
        check(",\n", &[Ok(&["", ""])]);
    }

    #[test]
    fn quotes() {
        check("\"a,\"\"b\"\"\r\nc\",d\n", &[Ok(&["a,\"b\"\r\nc", "d"])]);
        check("\"\"\n", &[Ok(&[""])]);
        check("5\" pipe,x\"\"y\n", &[Ok(&["5\" pipe", "x\"\"y"])]);
        check("\"a\"", &[Ok(&["a"])]);
        check("\"a\",", &[Ok(&["a", ""])]);
    }

    #[test]
    fn a_lost_quote_costs_one_line() {
        check("1,\"a\n2,b\n3,c\n", &[Err(5), Ok(&["2", "b"]), Ok(&["3", "c"])]);
        check("1,\"a\n2,\"b\"\n", &[Err(5), Ok(&["2", "b"])]);
        check("\"a\"b,c\nd\n", &[Err(7), Ok(&["d"])]);
        check("\"a\nb\" ,c\nd\n", &[Err(3), Ok(&["b\" ", "c"]), Ok(&["d"])]);
    }

    #[test]
    fn a_record_that_is_too_long_is_left_behind() {
        let mut text = vec![b'x'; RECORD_BYTES_MAX + 10];
        let mut splitter = Splitter::new(dialect(""));
        let mut split = |text: &[u8], tail| splitter.split(text, 0, 0, tail, &mut Vec::new());
        assert_eq!(split(&text, Tail::More), Split::TooLong { start: 0, next: None });
        assert_eq!(split(&text, Tail::End), Split::TooLong { start: 0, next: Some(text.len()) });
        text.push(b'\n');
        assert_eq!(split(&text, Tail::More), Split::TooLong { start: 0, next: Some(text.len()) });
        text[10] = b',';
        assert_eq!(split(&text, Tail::More), Split::TooLong { start: 0, next: Some(text.len()) });
        text[11] = b'"';
        let unclosed = |next| Split::Misquoted { start: 0, opened: 11, next, mistake: Mistake::Unclosed };
        assert_eq!(split(&text, Tail::More), unclosed(text.len()));
        text[20] = b'\n';
        assert_eq!(split(&text, Tail::More), unclosed(21));
    }

    proptest! {
        #[test]
        fn every_text_is_split_as_the_model_does(text in "[a,\"\n\r#]{0,60}|([ab]{0,30}[,\"\n]){0,20}", comment in "#?") {
            prop_assert_eq!(split_all(text.as_bytes(), &dialect(&comment)), model(text.as_bytes(), comment.as_bytes()));
        }

        #[test]
        fn a_longer_text_changes_nothing(text in "[a,\"\n\r#]{0,40}", length in 0usize..40) {
            let bytes = text.as_bytes();
            let part = &bytes[..length.min(bytes.len())];
            let (mut whole, mut partial) = (Vec::new(), Vec::new());
            let expected = Splitter::new(dialect("#")).split(bytes, 0, 0, Tail::End, &mut whole);
            let found = Splitter::new(dialect("#")).split(part, 0, 0, Tail::More, &mut partial);
            match found {
                Split::Incomplete { .. } => prop_assert!(partial.is_empty()),
                found => {
                    prop_assert_eq!(found, expected);
                    prop_assert_eq!(partial, whole);
                }
            }
        }
    }
}
