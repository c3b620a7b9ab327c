//! Records become rows.
//!
//! Many records are split first and then go into the batch column by column: the type of a column is looked at once and not once
//! for each value. If anything is wrong with any of them, nothing of it is kept and they are done again one by one.

use lockstep_plugin_sdk::batch::{BatchBuilder, ColumnBuilder};
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::types::Field;
use lockstep_text_files::value::{BoolWords, ValueError, WithPush, fixed_bits, with_push};
use lockstep_text_files::{Format, Refusal, Step, Tail, Text, quoted};

use crate::config::FileDialect;
use crate::header::Beginning;
use crate::refusals;
use crate::splitter::{Mistake, Quoting, Span, Split, Splitter, next_line};

/// So many fields are split before they become values: enough to make the work on a column worth beginning, few enough to stay in
/// the first-level cache together with their text.
const FIELDS_AT_ONCE: usize = 1024;

/// The records of one file.
pub struct Rows {
    path: String,
    words: BoolWords,
    nulls: Nulls,
    quote: Option<u8>,
    splitter: Splitter,
    /// For each column of the batch, where it stands in a record.
    positions: Vec<usize>,
    /// How many fields a record has.
    width: usize,
    /// What a row takes beside its texts.
    fixed_bits: u64,
    /// The fields of the records at hand, one record behind the other.
    spans: Vec<Span>,
    unescaped: Vec<u8>,
    /// So many records are done one by one because something is wrong with one of them.
    singly: usize,
    /// The beginning of a record that is too long, while its end is looked for.
    swallowed: Option<Box<Refusal>>,
}

/// Records that have been split.
#[derive(Clone, Copy)]
struct Stretch {
    rows: usize,
    start: usize,
    end: usize,
    next: usize,
}

impl Rows {
    /// Rows of the wanted fields; a field that is no column of the file is an error.
    pub fn new(path: &str, file: &FileDialect, beginning: Beginning, fields: &[Field]) -> Result<Self> {
        let positions = fields.iter().map(|field| position_of(path, &beginning.names, field));
        let bits = fields.iter().map(|field| Ok(fixed_bits(field.logical()?)));
        Ok(Self {
            path: path.to_owned(),
            words: file.words.clone(),
            nulls: Nulls::new(file),
            quote: file.quote,
            splitter: Splitter::new(beginning.dialect),
            positions: positions.collect::<Result<_>>()?,
            width: beginning.names.len(),
            fixed_bits: bits.sum::<Result<u64>>()?,
            spans: Vec::with_capacity(FIELDS_AT_ONCE.max(beginning.names.len())),
            unescaped: Vec::new(),
            singly: 0,
            swallowed: None,
        })
    }

    /// Splits as many records as are without fault, at most so many. The answer holds what stopped it, if it was not their number.
    fn split(&mut self, text: &Text, rows_max: usize) -> (Stretch, Option<Split>) {
        self.spans.clear();
        let mut stretch = Stretch { rows: 0, start: text.at(), end: text.at(), next: text.at() };
        while stretch.rows < rows_max {
            let before = self.spans.len();
            let split = self.splitter.split(text.bytes(), text.version(), stretch.next, text.tail(), &mut self.spans);
            match split {
                Split::Record { start, end, next } if self.spans.len() - before == self.width => {
                    let start = if stretch.rows == 0 { start } else { stretch.start };
                    stretch = Stretch { rows: stretch.rows + 1, start, end, next };
                }
                _ => return (stretch, Some(split)),
            }
        }
        (stretch, None)
    }

    /// Pushes the wanted fields of the records that have been split; answers the bytes they take. An error comes with the column
    /// it is about.
    fn push(&mut self, text: &[u8], rows: usize, batch: &mut BatchBuilder) -> Result<u64, (usize, ValueError)> {
        let mut bytes = (self.fixed_bits * rows as u64).div_ceil(8);
        for (index, (column, position)) in batch.columns().iter_mut().zip(&self.positions).enumerate() {
            let fields = Fields {
                text,
                spans: self.spans.get(*position..self.width * rows).unwrap_or_default(),
                width: self.width,
                nulls: &self.nulls,
                quote: self.quote,
                unescaped: &mut self.unescaped,
                column,
            };
            let pushed = with_push(fields.column.logical(), &self.words, fields);
            bytes += pushed.map_err(|error| (index, error))? as u64;
        }
        Ok(bytes)
    }

    fn rows(&mut self, text: &Text, stretch: Stretch, batch: &mut BatchBuilder) -> Step {
        let is_utf8 = text.is_utf8(stretch.start..stretch.end);
        let pushed = if is_utf8 || (stretch.rows == 1 && self.first_not_utf8(text.bytes()).is_none()) {
            self.push(text.bytes(), stretch.rows, batch).map_err(Some)
        } else {
            Err(None)
        };
        match pushed {
            Ok(bytes) => Step::Rows { rows: stretch.rows, next: stretch.next, bytes },
            Err(fault) => {
                batch.abandon_row();
                self.after_fault(text, stretch, fault, batch)
            }
        }
    }

    /// Without a faulty value, something is not UTF-8.
    #[cold]
    fn after_fault(
        &mut self,
        text: &Text,
        stretch: Stretch,
        fault: Option<(usize, ValueError)>,
        batch: &mut BatchBuilder,
    ) -> Step {
        if stretch.rows > 1 {
            self.singly = stretch.rows;
            return self.read(text, 1, batch);
        }
        let (index, error) = match fault {
            Some((index, error)) => (index, Some(error)),
            None => (self.first_not_utf8(text.bytes()).unwrap_or_default(), None),
        };
        refused(stretch.next, self.refuse_field(text, stretch, batch, index, error.as_ref()))
    }

    /// The first of the wanted columns that is not UTF-8 in the only record at hand.
    #[cold]
    fn first_not_utf8(&self, text: &[u8]) -> Option<usize> {
        let field = |position: &usize| self.spans.get(*position).map(|span| span.of(text));
        let is_broken = |position| field(position).is_some_and(|field| std::str::from_utf8(field).is_err());
        self.positions.iter().position(is_broken)
    }

    fn refuse_field(
        &self,
        text: &Text,
        stretch: Stretch,
        batch: &mut BatchBuilder,
        index: usize,
        error: Option<&ValueError>,
    ) -> Refusal {
        let column = batch.column(index);
        let span = self.positions.get(index).and_then(|position| self.spans.get(*position));
        let value = span.map(|span| span.of(text.bytes())).unwrap_or_default();
        let reason = match error {
            Some(error) => refusals::value(column, value, error),
            None => refusals::not_utf8(column, value),
        };
        Refusal::new(&self.path, text, stretch.start..stretch.end, reason)
    }

    /// What is to be done where splitting has stopped.
    #[cold]
    fn stopped(&mut self, text: &Text, split: Split) -> Step {
        match split {
            Split::Record { start, end, next } => {
                let reason = refusals::columns(self.width, self.spans.len());
                refused(next, Refusal::new(&self.path, text, start..end, reason))
            }
            Split::Misquoted { start, opened, next, mistake } => self.misquoted(text, start, opened, next, mistake),
            Split::TooLong { start, next } => self.too_long(text, start, next),
            Split::Incomplete { from } => Step::Incomplete { from },
            Split::End => Step::End,
        }
    }

    #[cold]
    fn misquoted(&self, text: &Text, start: usize, opened: usize, next: usize, mistake: Mistake) -> Step {
        let opened_line = text.line_of(opened);
        let reason = match mistake {
            Mistake::Unclosed => refusals::unclosed(opened_line),
            Mistake::TextBehind { closed } => refusals::text_behind(opened_line, text.line_of(closed)),
        };
        refused(next, Refusal::new(&self.path, text, start..next, reason))
    }

    #[cold]
    fn too_long(&mut self, text: &Text, start: usize, next: Option<usize>) -> Step {
        let refusal = Refusal::too_long(&self.path, text, start, refusals::LENGTH);
        match next {
            Some(next) => refused(next, refusal),
            None => {
                self.swallowed = Some(Box::new(refusal));
                Step::Swallowed
            }
        }
    }

    /// Looks for the end of a record that is too long.
    fn swallow(&mut self, text: &Text, refusal: Box<Refusal>) -> Step {
        let at_end = (text.tail() == Tail::End).then_some(text.bytes().len());
        match next_line(text.bytes(), text.at(), text.tail()).or(at_end) {
            Some(next) => Step::Discarded { next, refusal },
            None => {
                self.swallowed = Some(refusal);
                Step::Swallowed
            }
        }
    }
}

impl Format for Rows {
    fn read(&mut self, text: &Text, rows_max: usize, batch: &mut BatchBuilder) -> Step {
        if let Some(refusal) = self.swallowed.take() {
            return self.swallow(text, refusal);
        }
        let at_once = if self.singly > 0 { 1 } else { (FIELDS_AT_ONCE / self.width.max(1)).max(1) };
        self.singly = self.singly.saturating_sub(1);
        match self.split(text, rows_max.min(at_once)) {
            (Stretch { rows: 0, .. }, Some(split)) => self.stopped(text, split),
            (stretch, _) => self.rows(text, stretch, batch),
        }
    }
}

/// One column of the records at hand.
struct Fields<'a> {
    text: &'a [u8],
    /// Begins with the field of the first record; the one of the next record stands `width` behind it.
    spans: &'a [Span],
    width: usize,
    nulls: &'a Nulls,
    quote: Option<u8>,
    unescaped: &'a mut Vec<u8>,
    column: &'a mut ColumnBuilder,
}

impl WithPush for Fields<'_> {
    /// The bytes of the texts.
    type Output = Result<usize, ValueError>;

    #[inline]
    fn run(self, push: impl Fn(&mut ColumnBuilder, &[u8]) -> Result<usize, ValueError>) -> Self::Output {
        let mut bytes = 0;
        for span in self.spans.iter().step_by(self.width) {
            let raw = span.of(self.text);
            if self.nulls.contain(span.quoting, raw) {
                self.column.push_null();
                continue;
            }
            let value = if span.quoting == Quoting::Doubled {
                self.unescaped.clear();
                span.unescape(self.text, self.quote, self.unescaped);
                self.unescaped.as_slice()
            } else {
                raw
            };
            bytes += push(self.column, value)?;
        }
        Ok(bytes)
    }
}

/// The texts that mean null.
struct Nulls {
    empty: bool,
    others: Vec<Vec<u8>>,
    /// Whether they mean it in quotes, too.
    quoted: bool,
}

impl Nulls {
    fn new(file: &FileDialect) -> Self {
        let (empty, others): (Vec<_>, Vec<_>) = file.nulls.iter().cloned().partition(Vec::is_empty);
        Self { empty: !empty.is_empty(), others, quoted: file.null_quoted }
    }

    #[inline]
    fn contain(&self, quoting: Quoting, raw: &[u8]) -> bool {
        (quoting == Quoting::Plain || self.quoted)
            && if raw.is_empty() { self.empty } else { self.others.iter().any(|null| null == raw) }
    }
}

fn refused(next: usize, refusal: Refusal) -> Step {
    Step::Refused { next, refusal: Box::new(refusal) }
}

fn position_of(path: &str, names: &[String], field: &Field) -> Result<usize> {
    names.iter().position(|name| *name == field.name).ok_or_else(|| {
        let all = names.iter().map(|name| quoted(name.as_bytes())).collect::<Vec<_>>().join(", ");
        let name = quoted(field.name.as_bytes());
        Error::not_found(format!("`{path}` has no column {name}; its columns are {all}"))
            .with_code("csv.column")
            .with_property("field", field.name.clone())
    })
}
