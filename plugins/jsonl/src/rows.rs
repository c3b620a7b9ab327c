//! Lines become rows.

use lockstep_json::{Fault, Member, Shape, Value, push, read_object};
use lockstep_plugin_sdk::batch::BatchBuilder;
use lockstep_plugin_sdk::error::Result;
use lockstep_plugin_sdk::types::Field;
use lockstep_text_files::value::{BoolWords, ValueError, fixed_bits};
use lockstep_text_files::{Format, RECORD_BYTES_MAX, Reason, Refusal, Step, Tail, Text};

use crate::refusals;

/// The records of one file.
pub struct Rows {
    path: String,
    /// Of no use, for truth is never written as a string here, but part of how strings become values.
    words: BoolWords,
    fixed_bytes: u64,
    shape: Shape,
    members: Vec<Member>,
    /// The beginning of a line that is too long, while its end is looked for.
    swallowed: Option<Box<Refusal>>,
}

/// Why a line is not a row.
enum LineError {
    Fault(Fault),
    Value { column: usize, value: Value, error: ValueError },
}

impl From<Fault> for LineError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Rows {
    /// Rows of the wanted fields. A field that no line has is absent in every row.
    pub fn new(path: &str, fields: &[Field]) -> Result<Self> {
        let bits = fields.iter().map(|field| Ok(fixed_bits(field.logical()?))).sum::<Result<u64>>()?;
        Ok(Self {
            path: path.to_owned(),
            words: BoolWords::default(),
            fixed_bytes: bits.div_ceil(8),
            shape: Shape::new(fields.iter().map(|field| field.name.as_str())),
            members: Vec::new(),
            swallowed: None,
        })
    }

    fn line(&mut self, text: &Text, start: usize, end: usize, next: usize, batch: &mut BatchBuilder) -> Step {
        if end - start > RECORD_BYTES_MAX {
            return refused(next, Refusal::too_long(&self.path, text, start, refusals::LENGTH));
        }
        let line = text.slice(start..end);
        let reason = if !text.is_utf8(start..end) {
            refusals::not_utf8()
        } else {
            match self.row(line, batch) {
                Ok(bytes) => return Step::Rows { rows: 1, next, bytes },
                Err(error) => self.reason(line, error, batch),
            }
        };
        batch.abandon_row();
        let end = start + line.trim_ascii_end().len();
        refused(next, Refusal::new(&self.path, text, start..end, reason))
    }

    #[cold]
    fn reason(&self, line: &[u8], error: LineError, batch: &mut BatchBuilder) -> Reason {
        match error {
            LineError::Fault(fault) => refusals::fault(line, fault),
            LineError::Value { column, value, error } => refusals::value(batch.column(column), line, value, &error),
        }
    }

    fn row(&mut self, line: &[u8], batch: &mut BatchBuilder) -> Result<u64, LineError> {
        self.members.clear();
        read_object(line, &mut self.members)?;
        let values = self.shape.arrange(line, &self.members)?;
        let mut bytes = self.fixed_bytes;
        for (index, (column, value)) in batch.columns().iter_mut().zip(values).enumerate() {
            match value {
                None => column.push_absent(),
                Some(value) => {
                    let pushed = push(column, line, *value, &self.words);
                    let fail = |error| LineError::Value { column: index, value: *value, error };
                    bytes += pushed.map_err(fail)? as u64;
                }
            }
        }
        Ok(bytes)
    }

    /// Looks for the end of a line that is too long.
    fn swallow(&mut self, text: &Text, refusal: Box<Refusal>) -> Step {
        match find_line(text) {
            Some((_, next)) => Step::Discarded { next, refusal },
            None => {
                self.swallowed = Some(refusal);
                Step::Swallowed
            }
        }
    }

    fn without_end(&mut self, text: &Text, start: usize) -> Step {
        if text.bytes().len() - start <= RECORD_BYTES_MAX {
            return Step::Incomplete { from: start };
        }
        self.swallowed = Some(Box::new(Refusal::too_long(&self.path, text, start, refusals::LENGTH)));
        Step::Swallowed
    }
}

impl Format for Rows {
    fn read(&mut self, text: &Text, _rows_max: usize, batch: &mut BatchBuilder) -> Step {
        if let Some(refusal) = self.swallowed.take() {
            return self.swallow(text, refusal);
        }
        let start = text.at();
        match find_line(text) {
            None => self.without_end(text, start),
            // A line that ends where it begins and is followed by nothing is the end of the file.
            Some((_, next)) if next == start => Step::End,
            Some((end, next)) if text.slice(start..end).trim_ascii().is_empty() => Step::Nothing { next },
            Some((end, next)) => self.line(text, start, end, next, batch),
        }
    }
}

/// Where the line at hand ends and the next one begins; none if its end is not in the text.
fn find_line(text: &Text) -> Option<(usize, usize)> {
    let start = text.at();
    let rest = text.bytes().get(start..).unwrap_or_default();
    match memchr::memchr(b'\n', rest) {
        Some(index) => Some((start + index, start + index + 1)),
        None if text.tail() == Tail::End => Some((text.bytes().len(), text.bytes().len())),
        None => None,
    }
}

fn refused(next: usize, refusal: Refusal) -> Step {
    Step::Refused { next, refusal: Box::new(refusal) }
}
