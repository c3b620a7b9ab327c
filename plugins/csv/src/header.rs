//! The beginning of a file: which delimiter it uses, what its columns are called, and where its records begin.

use std::collections::BTreeMap;

use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_text_files::{Tail, quoted};

use crate::config::{FileDialect, Header};
use crate::splitter::{Dialect, Span, Split, Splitter, next_line};

/// What the beginning of a file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beginning {
    pub dialect: Dialect,
    /// The names of the columns.
    pub names: Vec<String>,
    /// Where the first record begins.
    pub records_at: usize,
}

/// Reads the beginning of a file; none if more text is needed.
pub fn read_beginning(file: &FileDialect, path: &str, text: &[u8], tail: Tail) -> Result<Option<Beginning>> {
    let Some(first_line_at) = skip_lines(text, file.skip_lines, tail) else { return Ok(None) };
    let dialect = |delimiter| Dialect { delimiter, quote: file.quote, comment: file.comment.clone() };
    // Where the first record ends depends on the delimiter, for a quote counts only behind one: every candidate gets its chance.
    let candidates: &[u8] = file.delimiter.as_ref().map_or(&DELIMITERS, std::slice::from_ref);
    let mut best: Option<First> = None;
    for delimiter in candidates {
        match First::read(dialect(*delimiter), text, first_line_at, tail, path)? {
            None => return Ok(None),
            Some(first) if best.as_ref().is_none_or(|best| first.is_better_than(best)) => best = Some(first),
            Some(_) => {}
        }
    }
    best.map(|first| first.into_beginning(file, path, text)).transpose()
}

/// Tried in this order; the one that makes the most columns wins, the first of equals.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// The first record as one delimiter makes it.
struct First {
    dialect: Dialect,
    spans: Vec<Span>,
    start: usize,
    next: usize,
    problem: Option<Error>,
}

impl First {
    fn read(dialect: Dialect, text: &[u8], at: usize, tail: Tail, path: &str) -> Result<Option<Self>> {
        let mut spans = Vec::new();
        let split = Splitter::new(dialect.clone()).split(text, 0, at, tail, &mut spans);
        let (start, next, problem) = match split {
            Split::Incomplete { .. } => return Ok(None),
            Split::Record { start, next, .. } => (start, next, None),
            Split::End => (at, at, Some(header_error(path, "has no line with the names of its columns"))),
            Split::Misquoted { start, next, .. } => {
                (start, next, Some(header_error(path, "has a first line with a misplaced quote")))
            }
            Split::TooLong { start, .. } => {
                (start, start, Some(header_error(path, "has a first line that is too long")))
            }
        };
        Ok(Some(Self { dialect, spans, start, next, problem }))
    }

    /// Several columns are a good sign; one column is only a sign that the delimiter is another one, and then a mistake is worth
    /// more: it has at least found its delimiter.
    fn is_better_than(&self, other: &Self) -> bool {
        let merit = |first: &Self| match (&first.problem, first.spans.len()) {
            (None, columns @ 2..) => columns,
            (Some(_), _) => 1,
            (None, _) => 0,
        };
        merit(self) > merit(other)
    }

    fn into_beginning(self, file: &FileDialect, path: &str, text: &[u8]) -> Result<Beginning> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let names = match (&file.columns, file.header) {
            (Some(names), _) if names.len() == self.spans.len() => names.clone(),
            (Some(names), _) => return Err(wrong_count(path, names.len(), self.spans.len())),
            (None, Header::FirstLine) => {
                let names =
                    self.spans.iter().enumerate().map(|(index, span)| name(text, span, file.quote, index, path));
                names.collect::<Result<_>>()?
            }
            (None, Header::None) => (0..self.spans.len()).map(numbered).collect(),
        };
        let names =
            names.into_iter().enumerate().map(|(index, name)| if name.is_empty() { numbered(index) } else { name });
        let names: Vec<String> = names.collect();
        check_unique(&names, path)?;
        let records_at = if file.header == Header::FirstLine { self.next } else { self.start };
        Ok(Beginning { dialect: self.dialect, names, records_at })
    }
}

/// Where the text begins behind so many lines; none if more text is needed.
fn skip_lines(text: &[u8], lines: u32, tail: Tail) -> Option<usize> {
    let mut at = 0;
    for _ in 0..lines {
        let at_end = (tail == Tail::End).then_some(text.len());
        at = next_line(text, at, tail).or(at_end)?;
    }
    Some(at)
}

fn name(text: &[u8], span: &Span, quote: Option<u8>, index: usize, path: &str) -> Result<String> {
    let mut bytes = Vec::new();
    span.unescape(text, quote, &mut bytes);
    String::from_utf8(bytes).map_err(|error| {
        let bytes = quoted(error.as_bytes());
        let problem = format!("has a name of column {} that is not UTF-8: {bytes}", index + 1);
        header_error(path, &problem).with_hint("say how the file is encoded: encoding = \"windows-1252\"")
    })
}

/// What a column without a name is called; the first is `column_1`.
fn numbered(index: usize) -> String {
    format!("column_{}", index + 1)
}

fn check_unique(names: &[String], path: &str) -> Result<()> {
    let mut positions = BTreeMap::new();
    for (index, name) in names.iter().enumerate() {
        if let Some(first) = positions.insert(name, index) {
            let name = quoted(name.as_bytes());
            let problem =
                format!("has two columns named {name}, the {} and the {}", ordinal(first + 1), ordinal(index + 1));
            let hint = "name the columns beside the file: columns = [\"…\", \"…\"]";
            return Err(header_error(path, &problem).with_hint(hint));
        }
    }
    Ok(())
}

fn ordinal(number: usize) -> String {
    let suffix = match (number % 10, number % 100) {
        (1, rest) if rest != 11 => "st",
        (2, rest) if rest != 12 => "nd",
        (3, rest) if rest != 13 => "rd",
        _ => "th",
    };
    format!("{number}{suffix}")
}

fn wrong_count(path: &str, named: usize, found: usize) -> Error {
    header_error(path, &format!("has {found} columns in its first line, but `columns` names {named}"))
}

fn header_error(path: &str, problem: &str) -> Error {
    Error::config(format!("`{path}` {problem}")).with_code("csv.header")
}
